"""Tasks of any number of event loops, and threads, on one queue: no wake-up is missed and nothing is lost.

`settle` lets every task run that can. So a test knows what has happened in its own loop, without waiting.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support import PATIENCE, Threads, python, settle, wait_until

from elasticq import DynamicCircularBuffer, Queue, ShutDown


async def start(*coroutines: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Starts a task for each coroutine, one after the other, and lets each run until it waits."""
    tasks = []
    for coroutine in coroutines:
        tasks.append(asyncio.create_task(coroutine))
        await settle()
    return tasks


async def test_what_is_there_is_taken_without_suspending() -> None:
    q: Queue[int] = Queue(2)
    for call in (q.aput(1), q.aput(2), q.aget(), q.aget()):
        with pytest.raises(StopIteration):
            call.send(None)


async def test_a_task_wakes_after_one_turn_of_its_loop() -> None:
    q: Queue[int] = Queue()
    (getter,) = await start(q.aget())
    q.put(1)
    assert not getter.done()
    await asyncio.sleep(0)
    assert getter.done()
    assert getter.result() == 1


async def test_a_task_that_waits_for_room_wakes_after_one_turn_of_its_loop() -> None:
    q: Queue[int] = Queue(1)
    q.put(1)
    (putter,) = await start(q.aput(2))
    assert not putter.done()
    assert q.get() == 1
    await asyncio.sleep(0)
    assert putter.done()
    assert list(q) == [2]


async def test_tasks_are_served_in_the_order_in_which_they_came() -> None:
    q: Queue[int] = Queue()
    getters = await start(*(q.aget() for _ in range(10)))
    for number in range(10):
        q.put(number)
    assert await asyncio.gather(*getters) == list(range(10))
    getters = await start(*(q.aget() for _ in range(10)))
    q.put_many(range(10))
    assert await asyncio.gather(*getters) == list(range(10))


async def test_puts_come_in_the_order_in_which_their_tasks_came() -> None:
    q: Queue[int] = Queue(1)
    q.put(-1)
    putters = await start(*(q.aput(number) for number in range(10)))
    assert [await q.aget() for _ in range(11)] == list(range(-1, 10))
    await asyncio.gather(*putters)


async def test_who_is_overtaken_keeps_his_place() -> None:
    q: Queue[int] = Queue()
    first, second = await start(q.aget(), q.aget())
    q.put(1)
    assert q.get() == 1  # before the first task has run
    await settle()
    q.put(2)
    await settle()
    assert (first.done(), second.done()) == (True, False)
    q.put(3)
    assert (await first, await second) == (2, 3)


async def test_async_for_takes_until_the_queue_is_shut_down_and_empty() -> None:
    q: Queue[int] = Queue(3)
    taken: list[int] = []

    async def consume() -> None:
        async for item in q:
            taken.append(item)

    (consumer,) = await start(consume())
    for number in range(100):
        await q.aput(number)
    q.shutdown()
    await consumer
    assert taken == list(range(100))
    assert [item async for item in q] == []


async def test_the_buffer_can_be_waited_for_as_well() -> None:
    buffer: DynamicCircularBuffer[int] = DynamicCircularBuffer(
        initial_capacity=1, min_capacity=1, max_capacity=1
    )
    (getter,) = await start(buffer.aget())
    buffer.push(1)
    assert await getter == 1
    buffer.push(2)
    (putter,) = await start(buffer.aput(3))
    assert buffer.pop() == 2
    await putter
    buffer.close()
    assert [item async for item in buffer] == [3]


@pytest.mark.parametrize("immediate", [False, True])
async def test_shutting_down_wakes_all_tasks(immediate: bool) -> None:
    empty: Queue[int] = Queue()
    full: Queue[int] = Queue(1)
    full.put(0)
    tasks = await start(*[empty.aget() for _ in range(3)], *[full.aput(1) for _ in range(3)])
    empty.shutdown(immediate)
    full.shutdown(immediate)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ShutDown] * 6
    assert full.drain() == ([] if immediate else [0])
    for late in (empty.aget(), full.aput(1)):
        with pytest.raises(ShutDown):
            await late


async def test_a_task_cancelled_before_it_is_woken_takes_nothing() -> None:
    q: Queue[int] = Queue()
    cancelled, waiting = await start(q.aget(), q.aget())
    cancelled.cancel()
    await settle()
    q.put(1)
    assert await waiting == 1
    assert cancelled.cancelled()


async def test_a_task_cancelled_after_it_is_woken_passes_the_item_on() -> None:
    q: Queue[int] = Queue()
    cancelled, waiting = await start(q.aget(), q.aget())
    q.put(1)
    cancelled.cancel()
    assert await waiting == 1
    assert cancelled.cancelled()
    assert len(q) == 0


async def test_a_put_cancelled_after_it_is_woken_passes_the_room_on() -> None:
    q: Queue[str] = Queue(1)
    q.put("first")
    cancelled, waiting = await start(q.aput("cancelled"), q.aput("second"))
    assert q.get() == "first"
    cancelled.cancel()
    await waiting
    assert cancelled.cancelled()
    assert q.drain() == ["second"]


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("put_first", [True, False])
async def test_cancelling_at_any_moment_loses_and_doubles_nothing(turns: int, put_first: bool) -> None:
    q: Queue[int] = Queue()
    tasks = await start(*(q.aget() for _ in range(6)))
    if put_first:
        q.put_many([0, 1, 2])
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    if not put_first:
        q.put_many([0, 1, 2])
    await settle()
    taken = [task.result() for task in tasks if task.done() and not task.cancelled()]
    assert sorted(taken) == [0, 1, 2]
    assert len(q) == 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_wait_for_loses_nothing() -> None:
    q: Queue[int] = Queue()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(q.aget(), 0.001)
    q.put(1)
    assert await asyncio.wait_for(q.aget(), PATIENCE) == 1
    assert len(q) == 0


async def test_timeouts_amid_traffic_lose_and_double_nothing(threads: Threads) -> None:
    q: Queue[int] = Queue(4)
    items = 500
    taken: list[int] = []

    async def impatient() -> None:
        while True:
            try:
                number = await asyncio.wait_for(q.aget(), 0.0002)
            except TimeoutError:
                continue
            except ShutDown:
                return
            taken.append(number)

    def put() -> None:
        for number in range(items):
            q.put(number)
        q.shutdown()

    threads.start(put)
    await asyncio.gather(*(impatient() for _ in range(4)))
    assert sorted(taken) == list(range(items))


async def test_a_task_group_that_fails_takes_nothing() -> None:
    q: Queue[int] = Queue()

    async def fail() -> None:
        await settle()
        raise LookupError

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(q.aget())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await run()
    q.put(1)
    assert await q.aget() == 1


async def test_a_coroutine_that_is_closed_leaves_the_queue() -> None:
    q: Queue[int] = Queue()
    (waiting,) = await start(q.aget())
    abandoned = q.aget()
    abandoned.send(None)
    abandoned.close()
    woken = q.aget()
    woken.send(None)
    q.put_many([1, 2])
    woken.close()
    assert await waiting == 1
    assert q.drain() == [2]


async def test_a_coroutine_that_is_forgotten_leaves_the_queue() -> None:
    q: Queue[int] = Queue()
    forgotten = q.aget()
    forgotten.send(None)
    del forgotten
    gc.collect()
    (waiting,) = await start(q.aget())
    q.put(1)
    await settle()
    assert waiting.result() == 1


async def test_a_coroutine_that_is_never_awaited_does_nothing() -> None:
    q: Queue[int] = Queue()
    q.put(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        never = [q.aget(), q.aput(2)]
        del never
        gc.collect()
    assert q.drain() == [1]


async def test_a_put_without_room_waits_and_keeps_its_item() -> None:
    q: Queue[int] = Queue(2)

    async def produce() -> None:
        for number in range(100):
            await q.aput(number)

    (producer,) = await start(produce())
    assert len(q) == 2
    assert [await q.aget() for _ in range(100)] == list(range(100))
    await producer
    assert q.stats().messages_refused == 0


def test_a_queue_made_outside_of_any_loop_serves_one_loop_after_the_other() -> None:
    q: Queue[int] = Queue()

    async def exchange(number: int) -> int:
        (getter,) = await start(q.aget())
        q.put(number)
        result: int = await getter
        return result

    assert [asyncio.run(exchange(number)) for number in range(3)] == [0, 1, 2]


def test_importing_and_using_threads_imports_neither_asyncio_nor_inspect() -> None:
    output = python(
        """
    import sys
    before = set(sys.modules)
    import elasticq
    q = elasticq.Queue(1)
    q.put(1)
    q.get()
    print({"asyncio", "inspect"} & (set(sys.modules) - before))
    """
    )
    assert output == "set()\n"


def test_a_thread_wakes_a_loop_that_sleeps(threads: Threads) -> None:
    there: Queue[int] = Queue()
    back: Queue[int] = Queue()

    def answer() -> None:
        for number in there.consume():
            back.put(number + 1)

    async def ask() -> None:
        for number in range(500):
            await there.aput(number)
            assert await back.aget() == number + 1
        there.shutdown()

    threads.start(answer)
    asyncio.run(asyncio.wait_for(ask(), PATIENCE))


@pytest.mark.parametrize("maxsize", [0, 1, 100])
def test_loops_and_threads_on_one_queue_lose_and_double_nothing(maxsize: int, threads: Threads) -> None:
    q: Queue[tuple[int, int]] = Queue(maxsize)
    items, producers = 1000, 4
    taken: Queue[tuple[int, int]] = Queue()

    async def aproduce(me: int) -> None:
        for number in range(items):
            await q.aput((me, number))

    async def aconsume() -> None:
        async for item in q:
            taken.put(item)

    async def loop_of_consumers() -> None:
        await asyncio.gather(*(aconsume() for _ in range(3)))

    def produce(me: int) -> None:
        for number in range(items):
            q.put((me, number))

    def consume() -> None:
        for item in q.consume():
            taken.put(item)

    for me in range(0, producers, 2):
        threads.start(lambda me=me: asyncio.run(aproduce(me)))
        threads.start(produce, me + 1)
    for _ in range(2):
        threads.start(lambda: asyncio.run(loop_of_consumers()))
    threads.start(consume)
    wait_until(lambda: len(taken) == producers * items, "everything is taken")
    q.shutdown()
    threads.join()
    assert sorted(taken) == [(me, number) for me in range(producers) for number in range(items)]


def test_one_consumer_sees_the_items_of_each_producer_in_their_order(threads: Threads) -> None:
    q: Queue[tuple[int, int]] = Queue(10)

    def produce(me: int) -> None:
        for number in range(1000):
            q.put((me, number))

    async def consume() -> list[tuple[int, int]]:
        return [await q.aget() for _ in range(4000)]

    for me in range(4):
        threads.start(produce, me)
    taken = asyncio.run(asyncio.wait_for(consume(), PATIENCE))
    for me in range(4):
        assert [number for producer, number in taken if producer == me] == list(range(1000))


def _suspended(loop: asyncio.AbstractEventLoop, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that waits in a loop that no longer runs."""
    task = loop.create_task(call)
    loop.run_until_complete(settle())
    assert not task.done()
    return task


def test_a_loop_that_was_closed_is_passed_over() -> None:
    q: Queue[int] = Queue()
    closed = asyncio.new_event_loop()
    forgotten = _suspended(closed, q.aget())
    forgotten._log_destroy_pending = False  # type: ignore[attr-defined]
    closed.close()

    async def exchange() -> int:
        (getter,) = await start(q.aget())
        q.put(1)
        result: int = await asyncio.wait_for(getter, PATIENCE)
        return result

    assert asyncio.run(exchange()) == 1
    assert not forgotten.done()


@pytest.mark.parametrize("from_thread", [False, True])
def test_a_loop_that_was_stopped_does_not_keep_the_wake_up(from_thread: bool, threads: Threads) -> None:
    q: Queue[int] = Queue()
    stopped = asyncio.new_event_loop()
    paused = _suspended(stopped, q.aget())

    async def exchange() -> int:
        (getter,) = await start(q.aget())
        put: Callable[[int], object] = (lambda item: threads.start(q.put, item)) if from_thread else q.put
        put(1)
        result: int = await asyncio.wait_for(getter, PATIENCE)
        return result

    try:
        assert asyncio.run(exchange()) == 1
        q.put(2)
        assert stopped.run_until_complete(asyncio.wait_for(paused, PATIENCE)) == 2
    finally:
        stopped.close()


def test_a_loop_that_ends_with_waiting_tasks_passes_their_wake_ups_on(threads: Threads) -> None:
    """asyncio.run cancels the tasks that still wait, of which some have been woken already."""
    q: Queue[int] = Queue()
    taken: Queue[int] = Queue()

    async def take(number_of_tasks: int) -> None:
        async def consume() -> None:
            taken.put(await q.aget())

        for _ in range(number_of_tasks):
            asyncio.create_task(consume())  # noqa: RUF006 - they are to be cancelled
        await asyncio.sleep(0)

    def loops() -> None:
        for _ in range(200):
            asyncio.run(take(5))

    def put() -> None:
        for number in range(1000):
            q.put(number)

    threads.start(loops)
    threads.start(put)
    threads.join()
    assert sorted(q.drain() + taken.drain()) == list(range(1000))
