"""What type checkers must see, written as functions. Both mypy and pyright must agree with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from kinds import CLASSES, IN_FILES, VIEWS

import elasticq
import elasticq.asyncio
from elasticq import (
    AsyncQueue,
    BufferChannel,
    Config,
    DynamicCircularBuffer,
    Lease,
    LifoQueue,
    LockFreeMPMCQueue,
    LockFreeMPSCQueue,
    LockFreeSPSCQueue,
    PersistentAsyncQueue,
    PersistentCircularBuffer,
    PersistentSyncQueue,
    PriorityAsyncQueue,
    PriorityCircularBuffer,
    PriorityConfig,
    PriorityQueue,
    PrioritySyncQueue,
    Queue,
    SimpleQueue,
    aselect,
    select,
)

if TYPE_CHECKING:
    from typing import assert_type


async def check_select(
    queue: Queue[int], other: LockFreeMPMCQueue[int], files: PersistentCircularBuffer[int], texts: Queue[str]
) -> None:
    assert_type(select([queue, other]), tuple[Any, int])
    assert_type(select((files.sync_q, queue.async_q, files), 1.5), tuple[Any, int])
    assert_type(select([queue, texts], ordered=True), tuple[Any, Any])
    assert_type(await aselect([queue, other]), tuple[Any, int])
    assert_type(await aselect([texts, queue], timeout=None), tuple[Any, Any])


async def check_channel(channel: BufferChannel[int]) -> None:
    channel.send(1)
    channel.send_many([1], timeout=0.5)
    assert_type(channel.recv(), int)
    assert_type(channel.try_recv(), int)
    assert_type(channel.recv_many(3), list[int])
    await channel.asend(1)
    await channel.asend_many((1,))
    assert_type(await channel.arecv(), int)
    assert_type(await channel.arecv_many(), list[int])
    async for item in channel:
        assert_type(item, int)
    with channel as same:
        assert_type(same, BufferChannel[int])


def check_queue(queue: Queue[int]) -> None:
    assert_type(queue.get(), int)
    assert_type(queue.get(True, 1.5), int)
    assert_type(queue.get(block=False, timeout=None), int)
    assert_type(queue.get_nowait(), int)
    assert_type(queue.get_many(), list[int])
    assert_type(queue.get_many(3, block=False), list[int])
    assert_type(queue.peek(), int)
    assert_type(queue.peek(block=True, timeout=1), int)
    assert_type(queue.drain(), list[int])
    assert_type(iter(queue), Iterator[int])
    assert_type(list(queue), list[int])
    assert_type([item for item in queue.consume()], list[int])  # noqa: C416 - its type matters
    assert_type(next(queue.consume()), int)
    assert_type(len(queue), int)
    assert_type(queue.clear(), int)
    assert_type(queue.maxsize, int)
    assert_type(queue.capacity, int)
    assert_type(queue.is_shutdown, bool)
    assert_type(queue.full(), bool)
    assert_type(queue.unfinished_tasks, int)
    assert_type(queue.stats().peak_size, int | None)
    queue.put(1, True, 0.5)
    queue.put_many(range(3))
    queue.put_many({1: "one"}, timeout=1)
    queue.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    queue.put_nowait(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    queue.put_many(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    queue.get(timeout="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_standard(lifo: LifoQueue[int], priority: PriorityQueue[tuple[int, str]]) -> None:
    assert_type(lifo.get(), int)
    assert_type(priority.get_many(), list[tuple[int, str]])
    queues: list[Queue[int]] = [lifo]
    queues[0].maxsize = 3
    lifo.unfinished_tasks = 0
    lifo.is_shutdown = True
    with lifo.mutex, lifo.not_empty:
        lifo.not_empty.notify()
    priority.put((1, 1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_simple(queue: SimpleQueue[int]) -> None:
    assert_type(queue.get(), int)
    assert_type(queue.get(True, 1.5), int)
    assert_type(queue.get_nowait(), int)
    assert_type(queue.qsize(), int)
    assert_type(queue.empty(), bool)
    queue.put(1, False)
    queue.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_construction() -> None:
    assert_type(Queue[str](), Queue[str])
    assert_type(Queue[str](10, min_capacity=1), Queue[str])
    inferred: Queue[bytes] = Queue(maxsize=3)
    assert_type(inferred.get(), bytes)
    buffer: DynamicCircularBuffer[str] = DynamicCircularBuffer(Config().with_max_capacity(2048))
    assert_type(buffer.pop(), str)
    assert_type(DynamicCircularBuffer[str](), DynamicCircularBuffer[str])
    assert_type(LockFreeMPSCQueue[str](), LockFreeMPSCQueue[str])
    assert_type(LifoQueue[str](3), LifoQueue[str])
    assert_type(PriorityQueue[str](), PriorityQueue[str])
    assert_type(SimpleQueue[str](), SimpleQueue[str])
    Queue("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_buffer(buffer: DynamicCircularBuffer[tuple[int, str]]) -> None:
    assert_type(buffer.pop(), tuple[int, str])
    assert_type(buffer.pop_batch(3), list[tuple[int, str]])
    assert_type(buffer.iter(), Iterator[tuple[int, str]])
    assert_type(buffer.max_capacity, int)
    buffer.push_batch([(1, "a")])
    buffer.push(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_levels(buffer: PriorityCircularBuffer[int]) -> None:
    assert_type(buffer.pop(), int)
    assert_type(buffer.pop_from_priority(2), int)
    assert_type(buffer.pop_batch(3), list[int])
    assert_type(buffer.peek(), int)
    assert_type(iter(buffer), Iterator[int])
    assert_type(buffer.len_at_priority(0), int)
    assert_type(buffer.stats().popped_per_priority, list[int])
    assert_type(buffer.stats().oldest_per_priority, "list[float | None]")
    buffer.push(1)
    buffer.push_with_priority(1, 2)
    buffer.push_batch_with_priority(range(3), 0)
    assert_type(PriorityCircularBuffer[str](levels=8, level_capacities={0: 10}), PriorityCircularBuffer[str])
    assert_type(PriorityConfig().with_priority_levels(8).max_wait, "float | None")
    buffer.push_with_priority("1", 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    buffer.push_with_priority(1, "2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    buffer.push_with_priority(1, 1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    buffer.push_with_priority(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def check_view(view: AsyncQueue[int], queue: Queue[int]) -> None:
    assert_type(queue.async_q, AsyncQueue[int])
    assert_type(await view.get(), int)
    assert_type(view.get_nowait(), int)
    assert_type(await view.join(), None)
    assert_type(view.maxsize, int)
    assert_type(AsyncQueue(queue), AsyncQueue[int])
    await view.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    view.put_nowait("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(AsyncQueue[int](maxsize=3), AsyncQueue[int])
    AsyncQueue([1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def check_asyncio(
    queue: elasticq.asyncio.Queue[int],
    lifo: elasticq.asyncio.LifoQueue[str],
    smallest: elasticq.asyncio.PriorityQueue[int],
) -> None:
    assert_type(await queue.get(), int)
    assert_type(await lifo.get(), str)
    assert_type(smallest.get_nowait(), int)
    assert_type(await queue.join(), None)
    assert_type(elasticq.asyncio.Queue[int](3), elasticq.asyncio.Queue[int])
    assert_type(elasticq.asyncio.LifoQueue[int](maxsize=3), elasticq.asyncio.LifoQueue[int])
    views: list[AsyncQueue[int]] = [queue, smallest]
    views[0].shutdown(immediate=True)
    try:
        queue.put_nowait("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except (elasticq.asyncio.QueueFull, elasticq.asyncio.QueueShutDown):
        await queue.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_threads_view_of_levels(view: PrioritySyncQueue[int], buffer: PriorityCircularBuffer[int]) -> None:
    assert_type(buffer.sync_q, PrioritySyncQueue[int])
    assert_type(view.get(True, 1.5), int)
    assert_type(view.get_many(3), list[int])
    assert_type(AsyncQueue(view), AsyncQueue[int])
    view.put(1, timeout=0.5, priority=2)
    view.put_many(range(3), priority=None)
    view.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def check_tasks_view_of_levels(
    view: PriorityAsyncQueue[int], buffer: PriorityCircularBuffer[int]
) -> None:
    assert_type(buffer.async_q, PriorityAsyncQueue[int])
    assert_type(await view.get(), int)
    assert_type(view.get_nowait(), int)
    await view.put(1, priority=0)
    await view.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await buffer.aput_with_priority(1, 2)
    await buffer.aput_many_with_priority([1], 2)
    async for item in buffer:
        assert_type(item, int)


def check_lock_free(
    queue: LockFreeMPSCQueue[int] | LockFreeMPMCQueue[int] | LockFreeSPSCQueue[int],
) -> None:
    assert_type(queue.try_dequeue(), "int | None")
    assert_type(queue.try_dequeue("nothing"), "int | str")
    assert_type(queue.get(timeout=1), int)
    assert_type(queue.dequeue_batch(2), list[int])
    queue.enqueue_batch(iter([1]))
    queue.try_enqueue("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def check_tasks(queue: Queue[int], buffer: DynamicCircularBuffer[str]) -> None:
    assert_type(await queue.aget(), int)
    async for item in queue:
        assert_type(item, int)
    async for text in buffer:
        assert_type(text, str)
    await buffer.aput("a")
    await queue.aput("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def check_files(queue: PersistentCircularBuffer[int]) -> None:
    assert_type(PersistentCircularBuffer[str]("jobs"), PersistentCircularBuffer[str])
    assert_type(queue.pop(), int)
    assert_type(queue.pop_batch(3), list[int])
    assert_type(queue.push(1, id="a", delay=0.5, headers={"a": 1}), bool)
    assert_type(queue.lease(timeout=1, ttl=60), Lease[int])
    assert_type(queue.lease_batch(3), list[Lease[int]])
    assert_type(iter(queue), Iterator[int])
    assert_type(next(queue.consume()), int)
    assert_type(queue.dead_letters()[0].item, int)
    assert_type(await queue.aget(), int)
    assert_type(await queue.alease(), Lease[int])
    async for item in queue:
        assert_type(item, int)
    async with await queue.alease() as lease:
        assert_type(lease.item, int)
    with queue.lease() as lease:
        assert_type(lease.age, float)
    await queue.aput("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    queue.push("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PersistentCircularBuffer[int]("jobs", "often")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def check_views_of_files(view: PersistentSyncQueue[int], tasks: PersistentAsyncQueue[int]) -> None:
    assert_type(view.get(True, 1.5), int)
    assert_type(view.get_many(3), list[int])
    assert_type(await tasks.get(), int)
    assert_type(tasks.get_nowait(), int)
    view.put(1, timeout=0.5, id="a")
    await tasks.put(1, delay=1)
    view.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await tasks.put("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Named(Queue[bytes]):
    """A subclass may fix the type."""

    name = "named"


def check_subclass(queue: Named) -> None:
    assert_type(queue.get(), bytes)


def check_errors() -> None:
    try:
        Queue[int]().put(1)
    except elasticq.Full as full:
        assert_type(full.remaining, list[object])
        assert_type(full.is_retriable, bool)


def test_each_class_and_each_view_is_checked() -> None:
    """One of the functions above takes an object of it."""
    checks = [check for name, check in globals().items() if name.startswith("check_")]
    hints = [hint for check in checks for hint in get_type_hints(check).values()]
    checked = {get_origin(part) for hint in hints for part in (hint, *get_args(hint))}
    assert {*CLASSES, IN_FILES.cls, *(type(view.make()) for view in VIEWS)} <= checked


def test_the_types_are_there_at_run_time_too() -> None:
    for cls in CLASSES:
        assert cls[int].__origin__ is cls
        assert cls[int].__args__ == (int,)
        assert type(cls[int]()) is cls
