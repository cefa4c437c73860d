"""Batches, `ajoin`, the objects that are awaited, and many tasks that wait at once."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import os
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support import FREE_THREADED, PATIENCE, Threads, settle

from elasticq import LockFreeMPSCQueue, Queue, ShutDown


async def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Starts a task and lets it run until it waits."""
    task = asyncio.create_task(coroutine)
    await settle()
    return task


async def test_a_batch_larger_than_the_queue_goes_in_piece_by_piece() -> None:
    q: Queue[int] = Queue(3)
    producer = await start(q.aput_many(range(100)))
    assert list(q) == [0, 1, 2]
    taken: list[int] = []
    while len(taken) < 100:
        taken += await q.aget_many(2)
    await producer
    assert taken == list(range(100))
    assert q.stats().messages_refused == 0


async def test_many_are_taken_at_once_and_the_first_is_waited_for() -> None:
    q: Queue[int] = Queue()
    consumer = await start(q.aget_many(2))
    q.put_many([1, 2, 3])
    assert await consumer == [1, 2]
    assert await q.aget_many() == [3]
    with pytest.raises(ValueError, match="'n' must be at least 1"):
        await q.aget_many(0)


async def test_a_batch_cut_short_says_what_remains() -> None:
    q: Queue[int] = Queue(2)
    producer = await start(q.aput_many([1, 2, 3, 4]))
    q.shutdown()
    with pytest.raises(ShutDown) as raised:
        await producer
    assert (q.drain(), raised.value.remaining) == ([1, 2], [3, 4])
    assert q.stats().messages_refused == 2
    with pytest.raises(ShutDown) as raised:
        await q.aput_many([5])
    assert raised.value.remaining == [5]


@pytest.mark.parametrize("room", range(4))
async def test_a_cancelled_batch_keeps_what_is_in_and_tells_the_rest(room: int) -> None:
    q: Queue[int] = Queue(2)
    remaining: list[int] = []

    async def produce() -> None:
        try:
            await q.aput_many([1, 2, 3, 4, 5, 6])
        except asyncio.CancelledError as cancelled:
            remaining.extend(cancelled.remaining)  # type: ignore[attr-defined]
            raise

    producer = await start(produce())
    taken = [q.get() for _ in range(min(room, 2))]
    if room == 3:
        await settle()
    producer.cancel()
    await asyncio.gather(producer, return_exceptions=True)
    assert producer.cancelled()
    assert taken + q.drain() + remaining == [1, 2, 3, 4, 5, 6]


async def test_a_batch_whose_iterable_raises_adds_nothing() -> None:
    q: Queue[int] = Queue()

    def broken() -> Any:
        yield 1
        raise LookupError

    with pytest.raises(LookupError):
        await q.aput_many(broken())
    assert len(q) == 0


async def test_ajoin_waits_until_every_item_is_done() -> None:
    q: Queue[int] = Queue()
    await q.ajoin()
    q.put_many([1, 2])
    joiners = [await start(q.ajoin()) for _ in range(3)]
    q.get_many()
    q.task_done()
    await settle()
    assert not any(joiner.done() for joiner in joiners)
    q.task_done()
    await asyncio.wait_for(asyncio.gather(*joiners), PATIENCE)


async def test_ajoin_is_woken_by_a_thread_and_by_dropping(threads: Threads) -> None:
    q: Queue[int] = Queue()
    for finish in (lambda: threads.start(q.task_done), q.clear, lambda: q.shutdown(immediate=True)):
        q.put(1)
        joiner = await start(q.ajoin())
        assert not joiner.done()
        finish()
        await asyncio.wait_for(joiner, PATIENCE)


async def test_a_cancelled_ajoin_leaves_nothing_behind() -> None:
    q: Queue[int] = Queue()
    q.put(1)
    joiner = await start(q.ajoin())
    joiner.cancel()
    other = await start(q.ajoin())
    q.task_done()
    await asyncio.wait_for(other, PATIENCE)
    assert joiner.cancelled()


def calls(q: Queue[Any]) -> list[Callable[[], Any]]:
    """All methods that return something to be awaited."""
    return [
        q.aget,
        lambda: q.aput(1),
        q.aget_many,
        lambda: q.aput_many([1]),
        q.ajoin,
        q.__aiter__().__anext__,
    ]


@pytest.mark.parametrize("which", range(6))
async def test_what_is_awaited_is_a_coroutine_to_all_who_ask(which: int) -> None:
    q: Queue[Any] = Queue()
    if which in (0, 2, 5):
        q.put(1)
    call = calls(q)[which]()
    assert isinstance(call, collections.abc.Coroutine)
    assert asyncio.iscoroutine(call)
    await call
    with pytest.raises(RuntimeError, match="already awaited"):
        await call
    call.close()


@pytest.mark.parametrize("which", range(6))
async def test_what_was_closed_or_thrown_at_before_it_began_does_nothing(which: int) -> None:
    q: Queue[Any] = Queue()
    q.put(0)
    closed, thrown_at = calls(q)[which](), calls(q)[which]()
    closed.close()
    with pytest.raises(LookupError):
        thrown_at.throw(LookupError("text"))
    for call in (closed, thrown_at):
        with pytest.raises(RuntimeError, match="already awaited"):
            await call
    assert q.drain() == [0]


async def test_an_item_that_is_none_or_an_exception_or_a_tuple_arrives_as_it_is() -> None:
    q: Queue[Any] = Queue()
    for item in (None, StopIteration(1), (1, 2), ValueError):
        await q.aput(item)
        assert await q.aget() is item
        getter = await start(q.aget())
        await q.aput(item)
        assert await getter is item


def test_who_waits_outside_of_a_loop_is_told_so() -> None:
    call = Queue[int]().aget()
    assert call.send(None) is None  # the call gives way once, which needs no loop
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)


async def test_awaiting_leaves_no_references_behind() -> None:
    q: Queue[object] = Queue(1)
    item = object()

    async def use() -> None:
        await q.aput(item)
        assert await q.aget() is item
        await q.async_q.put(item)
        full = asyncio.create_task(q.aput(item))
        closed, thrown_at = q.aput(item), q.aput(item)
        await settle()
        closed.close()
        with pytest.raises(LookupError):
            thrown_at.throw(LookupError)
        del thrown_at
        assert await q.async_q.get() is item
        await full
        assert await q.aget_many() == [item]
        await q.aput_many([item])
        assert await q.__aiter__().__anext__() is item

    await use()
    before = sys.getrefcount(item), sys.getrefcount(q)
    for _ in range(200):
        await use()
    gc.collect()
    assert (sys.getrefcount(item), sys.getrefcount(q)) == before


def test_who_keeps_what_carries_an_item_keeps_the_item() -> None:
    """On builds with a GIL the exception is used again, but not while other code holds it."""
    q: Queue[int] = Queue()
    q.put_many([1000, 2000, 3000])
    kept = []
    for _ in range(3):
        call = q.aget()
        with pytest.raises(StopIteration) as stop:
            call.send(None)
        kept.append(stop.value)
        del call, stop
    assert [stop.value for stop in kept] == [1000, 2000, 3000]


class Item:
    """An object that can have weak references."""


@pytest.mark.filterwarnings("ignore:coroutine 'Queue.aget' was never awaited")
def test_cycles_through_what_is_awaited_are_collected() -> None:
    item = Item()
    watched = weakref.ref(item)
    q: Queue[Any] = Queue(1)
    q.put(None)
    item.call = q.aput(item)  # type: ignore[attr-defined]
    item.call.send(None)  # type: ignore[attr-defined]
    del item
    gc.collect()
    assert watched() is None
    kept = q.aget()
    q.get()
    q.put(kept)
    alive = weakref.ref(q)
    del q, kept
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("make", [Queue, LockFreeMPSCQueue])
async def test_ten_thousand_tasks_wait_in_order_and_take_little_memory(make: Callable[[], Any]) -> None:
    q = make()
    count = 10_000
    order: list[tuple[int, int]] = []

    async def sleep(_: int) -> None:
        await asyncio.get_running_loop().create_future()

    async def take(number: int) -> None:
        order.append((number, await q.aget()))

    async def measure(
        wait: Callable[[int], Coroutine[Any, Any, None]],
    ) -> tuple[int, list[asyncio.Task[None]]]:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.create_task(wait(number)) for number in range(count)]
        await settle()
        return tracemalloc.get_traced_memory()[0] - before, tasks

    tracemalloc.start()
    try:
        plain, sleepers = await measure(sleep)
        ours, takers = await measure(take)
    finally:
        tracemalloc.stop()
    for sleeper in sleepers:
        sleeper.cancel()
    assert (ours - plain) / count < 1024
    for number in range(count):
        q.put(number)
    await asyncio.gather(*takers)
    assert order == [(number, number) for number in range(count)]


@pytest.mark.parametrize("backwards", [False, True])
async def test_any_number_of_waiting_tasks_can_be_cancelled(backwards: bool) -> None:
    """If each of them were searched for in the line, this would take minutes."""
    q: Queue[int] = Queue()
    tasks = [asyncio.create_task(q.aget()) for _ in range(30_001)]
    await settle()
    last = tasks.pop(15_000)
    for task in reversed(tasks) if backwards else tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    q.put(1)
    assert await last == 1


@pytest.mark.skipif(FREE_THREADED, reason="uvloop has no wheel for this Python")
def test_under_uvloop(threads: Threads) -> None:
    if os.environ.get("CI") != "true":
        pytest.importorskip("uvloop")
    import uvloop

    there: Queue[int] = Queue(2)
    back: Queue[int] = Queue(2)

    def answer() -> None:
        for number in there.consume():
            back.put(number + 1)

    async def ask() -> None:
        cancelled = await start(back.aget())
        cancelled.cancel()
        getters = [await start(back.aget()) for _ in range(100)]
        await there.aput_many(range(100))
        assert await asyncio.gather(*getters) == list(range(1, 101))
        there.shutdown()

    threads.start(answer)
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(ask(), PATIENCE))
    finally:
        loop.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_in_eager_tasks() -> None:
    if sys.version_info >= (3, 12):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        q: Queue[int] = Queue(1)
        await asyncio.gather(*(asyncio.create_task(q.aput(number)) for number in range(3)), consume(q, 3))


async def consume(q: Queue[int], count: int) -> None:
    """Takes numbers, which must be consecutive."""
    for number in range(count):
        assert await q.aget() == number
