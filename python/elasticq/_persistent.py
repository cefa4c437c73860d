"""`PersistentCircularBuffer`, a queue in files, and its leases."""

from __future__ import annotations

from . import _core
from ._errors import InvalidOperation, ShutDown
from ._persistent_views import PersistentAsyncQueue, PersistentSyncQueue
from ._typing import TYPE_CHECKING, Generic, T

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from datetime import timedelta
    from types import TracebackType
    from typing import Any, NoReturn, Self


class PersistentCircularBuffer(_core.Persistent[T]):
    """A first-in, first-out queue in files. What was put in outlives the process, and, as `sync_mode` says, a
    power cut.

    **What is kept.** Pushes, pops, leases and acknowledgements are records in a log, each with checksums. A
    call that has returned survives the end of the process, by SIGKILL too; what was popped does not come
    back. A record that was damaged on disk is an error (Corrupted), never another item. `docs/guarantees.md`
    has the whole table.

    **Popping and leasing.** `pop` takes an item for good: if the process ends before it has dealt with the
    item, nobody does. `lease` leaves the item in the queue until it is acknowledged, so each item is
    delivered at least once.

    **Items.** `bytes` are stored as they are; None, bool, int, float, str, list, tuple, dict, set, frozenset,
    and what is in `datetime` and `zoneinfo` come back exactly as they were. All else is a TypeError, unless
    `codec="pickle"`: such a queue must only be opened where all who can write its files are trusted, since
    loading a pickle can run any code.

    **One opener.** A queue is open in one place at a time. Any thread may call any method, and any task of
    any event loop the methods that are awaited. These never wait for the disk in the loop's thread; the
    queue's own thread does. After a fork, only the parent can use it. An empty queue is false.

    Args:
        path: The queue's folder. It is made if it does not exist (for its owner only); its parent must exist.
            None: the queue has no files. The same log is kept in memory, with leases, names, delays and dead
            letters, and is gone when the queue is closed or the process ends.
        sync_mode: "no_sync", "every_write" or `SyncMode.periodic(seconds)`; by default every second. It means
            nothing in memory.
        codec: Who turns items into bytes: "plain" or "pickle".
        maxsize: The most items that the queue holds. Zero or below means as many as the disk has room for. A
            queue that holds more when it is opened refuses pushes until enough were taken.
        max_bytes: The most bytes that the files (or the log in memory) may take, at least 262,144; None or 0:
            no limit.
        max_log_entries: So many records that nobody needs may stay before the queue compacts its files:
            100,000.
        segment_bytes: The most bytes of one file, at least 65,536; 16 MiB.
        id_window: How many of the latest names of items are known; 10,000.
        max_deliveries: How often an item is leased at most before it is dead; None or 0: without a limit.
        push_timeout: Seconds that `push` and `push_batch` wait for room; None: they answer at once.
        pop_timeout: Seconds that `pop` and `pop_batch` wait for an item; None: they answer at once.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.
        AlreadyOpen: The queue is open, here or in another process. The text names the process.
        Corrupted: A record that was durable is damaged. The text names the file and the offset.
        InvalidOperation: A later version of elasticq has written the queue.
        StorageError: The operating system has refused something. It is also an OSError.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/jobs"
        >>> with PersistentCircularBuffer(path, sync_mode="every_write") as jobs:
        ...     jobs.push_batch([("resize", "a.png"), ("resize", "b.png")])
        ...     with jobs.lease() as job:
        ...         print(job.item)
        ('resize', 'a.png')
        >>> with PersistentCircularBuffer(path) as jobs:
        ...     len(jobs), list(jobs)
        (1, [('resize', 'b.png')])
    """

    def consume(self) -> Consumer[T]:
        """Give an iterator that takes items for good: it blocks for each item, and ends once the queue is
        shut down and empty.

        Any number of threads may consume one queue; each item goes to one of them.

        Example:
            >>> import tempfile
            >>> queue = PersistentCircularBuffer(tempfile.mkdtemp() + "/queue")
            >>> queue.push_batch(["a", "b"])
            >>> queue.shutdown()
            >>> list(queue.consume())
            ['a', 'b']
        """
        return Consumer(self)

    def iter(self) -> Iterator[T]:
        """Look at the items that can be taken now, oldest first: `iter(queue)`. None is taken."""
        return iter(self)

    async def aput(
        self,
        item: T,
        *,
        id: str | bytes | None = None,
        delay: float | timedelta | None = None,
        headers: Any = None,
    ) -> bool:
        """Add an item in a coroutine, and wait for room if need be: `push` for tasks.

        With `every_write` it is durable when this returns; the queue's own thread syncs meanwhile. A task
        that is cancelled while it waits for room has added nothing; one that is cancelled while it waits for
        the disk has added the item.

        Returns:
            True; False if an item of that name is known already.

        Raises:
            TypeError: The codec can't store the item exactly.
            ShutDown: The queue was closed.
            StorageError: The disk has refused it; nothing was added.

        Example:
            >>> import asyncio, tempfile
            >>> async def main():
            ...     async with PersistentCircularBuffer(tempfile.mkdtemp() + "/queue") as queue:
            ...         await queue.aput("a")
            ...         return await queue.aget()
            >>> asyncio.run(main())
            'a'
        """
        added: bool = await self._aput(item, id, delay, headers)
        return added

    async def aput_many(self, items: Iterable[T]) -> None:
        """Add all items of an iterable or none, in a coroutine, and wait for room for all if need be.

        Raises:
            MaxCapacityReached: They are more than the queue can ever hold.
            TypeError: The codec can't store an item exactly; none was added.
            ShutDown: The queue was closed.
        """
        await self._aput_many(items)

    async def aget(self) -> T:
        """Take the oldest item for good in a coroutine, and wait for one if need be.

        A task that is cancelled has taken nothing.

        Raises:
            ShutDown: There is none, and the queue was closed, before or meanwhile.
            Corrupted: The item is damaged on disk, or the codec can't read it. It stays in the queue.
        """
        item: T = await self._aget()
        return item

    async def aget_many(self, n: int | None = None) -> list[T]:
        """Take up to `n` items for good in a coroutine, and wait for the first: a list of at least one.

        Raises:
            ShutDown: There is none, and the queue was closed, before or meanwhile.
            ValueError: `n` is below 1.
        """
        items: list[T] = await self._aget_many(n)
        return items

    async def alease(self, ttl: float | timedelta | None = None) -> Lease[T]:
        """Take the oldest item on lease in a coroutine, and wait for one if need be: `lease` for tasks.

        A task that is cancelled has given the item back. `async with` ends the lease.

        Raises:
            ShutDown: There is none, and the queue was closed, before or meanwhile.

        Example:
            >>> import asyncio, tempfile
            >>> async def main():
            ...     async with PersistentCircularBuffer(tempfile.mkdtemp() + "/jobs") as jobs:
            ...         await jobs.aput("resize a.png")
            ...         async with await jobs.alease(ttl=60) as job:
            ...             return job.item, job.deliveries
            >>> asyncio.run(main())
            ('resize a.png', 1)
        """
        lease: Lease[T] = await self._alease(ttl)
        return lease

    async def alease_batch(self, max_items: int, ttl: float | timedelta | None = None) -> list[Lease[T]]:
        """Take up to `max_items` items on lease in a coroutine, and wait for the first: a list of at least
        one.

        Raises:
            ShutDown: There is none, and the queue was closed, before or meanwhile.
            ValueError: `max_items` is below 1.
        """
        leases: list[Lease[T]] = await self._alease_batch(max_items, ttl)
        return leases

    async def aack_batch(self, leases: Iterable[Lease[T]]) -> None:
        """End leases in a coroutine since the work was done: all or, on an error, none. `ack_batch` for
        tasks.
        """
        await self._aack_batch(leases)

    async def aclose(self) -> None:
        """Do `close()` in a thread, and wait for that."""
        from asyncio import to_thread

        await to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[T]:
        """Take item by item, waiting for each, until the queue is shut down and empty."""
        return AsyncConsumer(self)

    @property
    def sync_q(self) -> PersistentSyncQueue[T]:
        """The queue as a view with the interface of `queue.Queue` (PersistentSyncQueue)."""
        return PersistentSyncQueue(self)

    @property
    def async_q(self) -> PersistentAsyncQueue[T]:
        """The queue as a view with the interface of `asyncio.Queue` (PersistentAsyncQueue)."""
        return PersistentAsyncQueue(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"cannot pickle '{type(self).__name__}' object, nor copy it: its files are open in one place at "
            "a time; share the queue itself, or copy its items with list(queue)"
        )


class Consumer(Generic[T]):
    """Takes item by item, blocking for each, until the queue is shut down and empty."""

    __slots__ = ("_queue",)

    def __init__(self, queue: _core.Persistent[T]) -> None:
        self._queue = queue

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self._queue._get(True, None)
        except ShutDown:
            raise StopIteration from None


class AsyncConsumer(Generic[T]):
    """Takes item by item, waiting for each, until the queue is shut down and empty."""

    __slots__ = ("_queue",)

    def __init__(self, queue: _core.Persistent[T]) -> None:
        self._queue = queue

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            item: T = await self._queue._aget()
        except ShutDown:
            raise StopAsyncIteration from None
        return item


class Lease(_core.Lease[T]):
    """An item that stays in the queue until it is acknowledged: what `lease` of a PersistentCircularBuffer
    gives.

    Nobody else gets the item meanwhile. It can be taken again, at its old place, when it is given back with
    `nack`, when the lease's time is over, when the process ends, and when the lease is garbage. So an item is
    delivered at least once.

    `with lease:` acknowledges the item at the end, and gives it back if there was an exception; so does
    `async with`. A lease that was ended inside is left as it is.

    Example:
        >>> import tempfile
        >>> jobs = PersistentCircularBuffer(tempfile.mkdtemp() + "/jobs")
        >>> jobs.push("resize a.png")
        True
        >>> with jobs.lease() as job:
        ...     print(job.item, job.deliveries, len(jobs))
        resize a.png 1 0
        >>> jobs.stats().current_size
        0
    """

    __slots__ = ()

    async def aack(self) -> None:
        """Do `ack` in a coroutine, which waits for the disk without blocking.

        A task that is cancelled has acknowledged the item all the same.
        """
        await self._aack()

    async def anack(self, delay: float | timedelta | None = None) -> None:
        """Do `nack` in a coroutine, which waits for the disk without blocking."""
        await self._anack(delay)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.active:
            return
        if kind is None:
            await self._aack()
            return
        try:
            await self._anack(None)
        except InvalidOperation:
            return  # its time was over, so the item is in the queue already
