"""`sync_q` and `async_q` of a buffer with levels: the interfaces of `queue.Queue` and of `asyncio.Queue`."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kinds import small_levels as small
from support import PATIENCE, Threads, public, settle, wait_until_asleep

import elasticq
from elasticq import AsyncQueue, PriorityAsyncQueue, PriorityCircularBuffer, PrioritySyncQueue, Queue


def test_the_interfaces_are_complete() -> None:
    buffer: PriorityCircularBuffer[int] = PriorityCircularBuffer()
    assert public(queue.Queue) | {"shutdown", "maxsize", "is_shutdown"} <= public(buffer.sync_q)
    assert public(asyncio.Queue) | {"shutdown", "maxsize"} <= public(buffer.async_q)
    assert public(Queue().async_q) == public(buffer.async_q)


def test_it_is_full_as_soon_as_no_level_has_room() -> None:
    buffer: PriorityCircularBuffer[int] = small(10, levels=2, level_capacities={0: 1, 1: 1})
    buffer.push_with_priority(1, 0)
    assert not buffer.sync_q.full()
    buffer.push_with_priority(2, 1)
    assert buffer.sync_q.full()
    assert buffer.async_q.full()


def test_views_are_equal_if_they_are_of_one_buffer_and_kind() -> None:
    one, other = small(3), small(3)
    for view in ("sync_q", "async_q"):
        assert getattr(one, view) == getattr(one, view)
        assert hash(getattr(one, view)) == hash(getattr(one, view))
        assert getattr(one, view) != getattr(other, view)
        assert getattr(one, view) != one
        assert len({getattr(one, view), getattr(one, view), getattr(other, view)}) == 2
        assert repr(one) in repr(getattr(one, view))
    assert one.sync_q != one.async_q
    assert bool(one.sync_q)
    assert bool(one.async_q)
    kinds: list[tuple[Any, Any]] = [(one.sync_q, PrioritySyncQueue), (one.async_q, AsyncQueue)]
    for view, kind in kinds:
        assert isinstance(view, kind)


@pytest.mark.parametrize("view", ["sync_q", "async_q"])
def test_a_view_shows_what_the_buffer_is(view: str) -> None:
    buffer = small(2)
    q = getattr(buffer, view)
    assert (q.maxsize, q.qsize(), q.empty(), q.full(), q.unfinished_tasks) == (2, 0, True, False, 0)
    q.put_nowait("low", priority=0)
    q.put_nowait("high", priority=2)
    assert (q.qsize(), q.empty(), q.full(), q.unfinished_tasks) == (2, False, True, 2)
    assert q.get_nowait() == "high"
    q.task_done()
    buffer.pop()
    assert (q.qsize(), q.unfinished_tasks) == (0, 1)
    q.task_done()
    with pytest.raises(ValueError, match="task_done"):
        q.task_done()
    assert q.unfinished_tasks == 0


def test_numbers_of_the_buffer_as_a_whole() -> None:
    q: PrioritySyncQueue[int] = small(4).sync_q
    q.put_many([1, 2, 3], priority=0)
    q.put(4, priority=2)
    with pytest.raises(elasticq.Full):
        q.put_nowait(5)
    assert q.get() == 4
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.messages_refused) == (4, 1, 1)
    assert (stats.current_size, stats.peak_size, q.capacity) == (3, 4, 4)


def test_put_and_get_as_in_the_standard_library() -> None:
    q: PrioritySyncQueue[str] = small(2).sync_q
    q.put("a", True, 1.5)
    q.put("b", block=False, priority=2)
    puts: list[Callable[[], None]] = [
        lambda: q.put("c", False),
        lambda: q.put("c", timeout=0.001),
        lambda: q.put("c", True, 0, priority=2),
        lambda: q.put_nowait("c"),
    ]
    for put in puts:
        with pytest.raises(queue.Full):
            put()
    assert [q.get(True, 1), q.get(block=False)] == ["b", "a"]
    gets: list[Callable[[], object]] = [lambda: q.get(False), lambda: q.get(timeout=0.001), q.get_nowait]
    for get in gets:
        with pytest.raises(queue.Empty):
            get()


def test_many_at_once() -> None:
    q: PrioritySyncQueue[int] = small(4).sync_q
    q.put_many(iter([1, 2]), priority=0)
    with pytest.raises(elasticq.Full) as raised:
        q.put_many([3, 4, 5], False)
    assert raised.value.remaining == [3, 4, 5]
    with pytest.raises(elasticq.Full) as raised:
        q.put_many([3, 4, 5], timeout=0.001, priority=2)
    assert raised.value.remaining == [5]
    assert q.get_many(3) == [3, 4, 1]
    assert q.get_many() == [2]
    gets: list[Callable[[], object]] = [
        lambda: q.get_many(block=False),
        lambda: q.get_many(2, timeout=0.001),
    ]
    for get in gets:
        with pytest.raises(elasticq.Empty):
            get()


@pytest.mark.parametrize("level", [None, 0, 1, 2])
async def test_a_priority_of_a_view(level: int | None) -> None:
    buffer = small(10)
    buffer.sync_q.put("a", priority=level)
    buffer.sync_q.put_nowait("b", priority=level)
    buffer.sync_q.put_many(["c"], priority=level)
    await buffer.async_q.put("d", priority=level)
    buffer.async_q.put_nowait("e", priority=level)
    assert buffer.len_at_priority(1 if level is None else level) == 5
    assert buffer.drain() == list("abcde")


def test_errors_are_of_all_families() -> None:
    buffer = small(1)
    for_threads, for_tasks = buffer.sync_q, buffer.async_q

    def families(name: str) -> list[Any]:
        theirs = ((elasticq, name), (queue, name), (asyncio, f"Queue{name.title().replace('down', 'Down')}"))
        return [getattr(module, name) for module, name in theirs if hasattr(module, name)]

    cases: list[tuple[str, list[Callable[[], object]]]] = [
        ("Empty", [for_threads.get_nowait, for_tasks.get_nowait]),
        ("Full", [lambda: for_threads.put_nowait(1), lambda: for_tasks.put_nowait(1, priority=2)]),
        ("ShutDown", [lambda: for_threads.put(1), lambda: for_tasks.put_nowait(1)]),
    ]
    for name, calls in cases:
        if name == "Full":
            buffer.push("there")
        elif name == "ShutDown":
            buffer.close()
        for call, of_asyncio in zip(calls, (False, True), strict=True):
            with pytest.raises(elasticq.QueueError) as raised:
                call()
            for family in families(name):
                if family.__module__.partition(".")[0] != "asyncio" or of_asyncio:
                    assert isinstance(raised.value, family)


async def test_what_is_awaited_raises_errors_of_both_families() -> None:
    buffer = small(1)
    q = buffer.async_q
    q.put_nowait("there", priority=0)
    waiting = [asyncio.ensure_future(q.put("new")), asyncio.ensure_future(q.put("new", priority=2))]
    await settle()
    q.shutdown(immediate=True)
    assert buffer.is_empty()
    for call in (*waiting, q.get(), q.put(1), q.put(1, priority=0)):
        with pytest.raises(elasticq.ShutDown) as raised:
            await call
        assert isinstance(raised.value, getattr(asyncio, "QueueShutDown", elasticq.ShutDown))


async def test_getters_of_the_view_are_woken_and_shut_down() -> None:
    q: PriorityAsyncQueue[int] = small(3).async_q
    getters = [asyncio.ensure_future(q.get()) for _ in range(3)]
    await settle()
    q.put_nowait(1, priority=0)
    await q.put(2, priority=2)
    assert {await asyncio.wait_for(getter, PATIENCE) for getter in getters[:2]} == {1, 2}
    await q.aclose()
    assert q.closed
    with pytest.raises(elasticq.ShutDown):
        await getters[2]
    await q.wait_closed()


def test_waiting_for_an_open_buffer_to_be_closed_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="was not shut down"):
        asyncio.run(small(1).async_q.wait_closed())


# join


def test_join_waits_for_all_views_together(threads: Threads) -> None:
    buffer = small(10)
    buffer.push_batch_with_priority([1, 2], 0)
    buffer.sync_q.put(3, priority=2)
    buffer.async_q.put_nowait(4)
    joining = threads.start(buffer.sync_q.join)
    wait_until_asleep(joining)
    buffer.pop_batch(2)
    buffer.sync_q.task_done()
    buffer.async_q.task_done()
    assert buffer.pop_from_priority(0) == 1
    buffer.sync_q.task_done()
    assert buffer.sync_q.unfinished_tasks == buffer.async_q.unfinished_tasks == 1
    assert joining.is_alive()
    buffer.async_q.task_done()  # before the item is taken, which is allowed
    threads.join()
    buffer.sync_q.join()


async def test_tasks_join() -> None:
    buffer = small(10)
    await buffer.async_q.join()
    await buffer.aput_many_with_priority([1, 2], 2)
    joiners = [asyncio.ensure_future(call) for call in (buffer.async_q.join(), buffer.sync_q.ajoin())]
    await settle()
    buffer.sync_q.task_done()
    await settle()
    assert not any(joiner.done() for joiner in joiners)
    buffer.async_q.task_done()
    await asyncio.wait_for(asyncio.gather(*joiners), PATIENCE)


DROPPING: dict[str, Callable[[PriorityCircularBuffer[Any]], object]] = {
    "clear": lambda buffer: buffer.clear(),
    "sync_q.shutdown(immediate=True)": lambda buffer: buffer.sync_q.shutdown(immediate=True),
    "async_q.shutdown(immediate=True)": lambda buffer: buffer.async_q.shutdown(immediate=True),
}


@pytest.mark.parametrize("drop", DROPPING.values(), ids=DROPPING)
def test_what_is_dropped_is_done(drop: Callable[[Any], object], threads: Threads) -> None:
    buffer = small(10)
    for priority in range(3):
        buffer.push_with_priority("item", priority)
    assert buffer.pop() == "item"
    joining = threads.start(buffer.sync_q.join)
    wait_until_asleep(joining)
    drop(buffer)
    assert buffer.sync_q.unfinished_tasks == 1
    buffer.sync_q.task_done()
    threads.join()


def test_shutting_down_leaves_what_is_inside() -> None:
    q: PrioritySyncQueue[int] = small(3).sync_q
    q.put(1)
    assert not q.is_shutdown
    q.shutdown()
    q.close()  # twice does nothing
    assert q.is_shutdown
    with pytest.raises(elasticq.ShutDown):
        q.put_nowait(2)
    with pytest.raises(elasticq.ShutDown) as raised:
        q.put_many([2, 3])
    assert raised.value.remaining == [2, 3]
    assert q.get() == 1
    with pytest.raises(elasticq.ShutDown):
        q.get(timeout=1)


# In place of a queue


def test_workers_written_for_the_standard_library(threads: Threads) -> None:
    """The example of the standard library's documentation, with priorities."""
    q: PrioritySyncQueue[int] = small(4).sync_q
    done: list[int] = []

    def work() -> None:
        while True:
            try:
                done.append(q.get())
            except elasticq.ShutDown:
                return
            q.task_done()

    for _ in range(3):
        threads.start(work)
    for number in range(300):
        q.put(number, priority=number % 3)
    q.join()
    assert sorted(done) == list(range(300))
    q.shutdown()
    threads.join()


def test_producers_and_consumers_written_for_asyncio(threads: Threads) -> None:
    """They run in two event loops at once, beside a thread that puts."""
    buffer = small(2, level_capacities={0: 1})
    each = 200
    done: list[int] = []
    all_is_put = threading.Barrier(3)

    async def produce(q: PriorityAsyncQueue[int], numbers: range) -> None:
        for number in numbers:
            await q.put(number, priority=number % 3)

    async def consume(q: PriorityAsyncQueue[int]) -> None:
        while True:
            done.append(await q.get())
            q.task_done()

    async def serve(loop: int) -> None:
        q = buffer.async_q
        consumers = [asyncio.ensure_future(consume(q)) for _ in range(2)]
        await produce(q, range(loop * each, (loop + 1) * each))
        await asyncio.to_thread(all_is_put.wait, PATIENCE)
        await q.join()
        for consumer in consumers:
            consumer.cancel()
        await asyncio.gather(*consumers, return_exceptions=True)

    def put() -> None:
        for number in range(2 * each, 3 * each):
            buffer.sync_q.put(number, priority=2)
        all_is_put.wait(PATIENCE)

    threads.start(put)
    for loop in range(2):
        threads.start(asyncio.run, serve(loop))
    threads.join()
    assert sorted(done) == list(range(3 * each))
