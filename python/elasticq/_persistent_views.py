"""The views of a queue in files: as the module `queue` knows queues, and as asyncio does."""

from __future__ import annotations

from . import _core
from ._errors import QueueError
from ._sync_view import SyncView
from ._typing import TYPE_CHECKING, T
from ._views import AsyncQueue, as_asyncio

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from typing import Any

    from ._persistent import PersistentCircularBuffer


class PersistentSyncQueue(SyncView[T]):
    """A view of a PersistentCircularBuffer with the interface of `queue.Queue`: the buffer's `sync_q`.

    `get` takes items for good. `task_done` and `join` count what was taken in this process, and what is
    inside and not dead. A view holds nothing itself: all views of one queue are equal.

    Example:
        >>> import tempfile
        >>> queue = PersistentCircularBuffer(tempfile.mkdtemp() + "/queue", maxsize=1).sync_q
        >>> queue.put("a")
        >>> queue.full(), queue.get(), queue.qsize()
        (True, 'a', 0)
    """

    __slots__ = ()

    _buffer: PersistentCircularBuffer[T]

    def __init__(self, buffer: PersistentCircularBuffer[T]) -> None:
        self._buffer = buffer

    def put(
        self,
        item: T,
        block: bool = True,
        timeout: float | None = None,
        *,
        id: str | bytes | None = None,
        delay: float | timedelta | None = None,
        headers: Any = None,
    ) -> None:
        """Put an item, and wait for room if need be. `id`, `delay` and `headers` are as in `push`.

        Raises:
            Full: There is no room, or none in time.
            ShutDown: The queue was closed, before the call or during it.
            TypeError: The codec can't store the item exactly.
            ValueError: `timeout` is negative.
        """
        self._buffer._put(item, block, timeout, id, delay, headers)

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now: `put(item, block=False)`."""
        self._buffer._put(item, False, None, None, None, None)

    def put_many(self, items: Iterable[T], block: bool = True, timeout: float | None = None) -> None:
        """Put all items of an iterable or none, and wait for room for all.

        Raises:
            Full: There is not enough room, or not in time.
            ShutDown: The queue was closed, before the call or during it.
        """
        self._buffer._put_many(items, block, timeout)

    @property
    def maxsize(self) -> int:
        """The most items that the queue may hold (int). Zero means no limit."""
        return self._buffer.maxsize

    def stats(self) -> _core.PersistentStats:
        """Give the counters and sizes of the queue, as a PersistentStats."""
        return self._buffer.stats()

    def waiters(self) -> _core.Waiters:
        """Tell who waits at the queue's ends: `PersistentCircularBuffer.waiters`."""
        return self._buffer.waiters()

    def join(self) -> None:
        """Block until no item is left inside but dead ones, and all that were taken were reported as done."""
        self._buffer._join()

    async def ajoin(self) -> None:
        """Wait in a coroutine for what `join` waits for."""
        await self._buffer._ajoin()

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks. Items inside can still be taken.

        Args:
            immediate: Whether to drop the items inside, too. Leased and dead ones stay.
        """
        self._buffer.shutdown(immediate)

    def close(self) -> None:
        """End the use of the files: `PersistentCircularBuffer.close`."""
        self._buffer.close()


class PersistentAsyncQueue(AsyncQueue[T]):
    """A view of a PersistentCircularBuffer with the interface of `asyncio.Queue`: the buffer's `async_q`.

    It serves any number of event loops and threads at once. `get` takes items for good. Its errors are both
    ours and asyncio's, as those of AsyncQueue are.

    Example:
        >>> import asyncio, tempfile
        >>> async def main():
        ...     with PersistentCircularBuffer(tempfile.mkdtemp() + "/queue") as buffer:
        ...         queue = buffer.async_q
        ...         await queue.put("a")
        ...         return await queue.get()
        >>> asyncio.run(main())
        'a'
    """

    __slots__ = ("_buffer",)

    def __init__(self, buffer: PersistentCircularBuffer[T]) -> None:
        self._AsyncQueue__viewed = PersistentSyncQueue(buffer)
        self._buffer = buffer
        _core.TaskView._show(self, buffer)

    async def put(
        self,
        item: T,
        *,
        id: str | bytes | None = None,
        delay: float | timedelta | None = None,
        headers: Any = None,
    ) -> None:
        """Put an item, and wait for room if need be: `PersistentCircularBuffer.aput`.

        Raises:
            ShutDown: The queue was closed.
            TypeError: The codec can't store the item exactly.
        """
        try:
            await self._buffer._aput(item, id, delay, headers)
        except QueueError as error:
            raise as_asyncio(error) from error.__cause__

    async def get(self) -> T:
        """Take the next item for good, and wait for one if need be: `PersistentCircularBuffer.aget`.

        Raises:
            ShutDown: There is none, and the queue was closed.
        """
        try:
            item: T = await self._buffer._aget()
        except QueueError as error:
            raise as_asyncio(error) from error.__cause__
        return item

    async def join(self) -> None:
        """Wait until no item is left inside but dead ones, and all that were taken were reported as done."""
        await self._buffer._ajoin()

    def close(self) -> None:
        """End the use of the files: `PersistentCircularBuffer.close`."""
        self._buffer.close()

    async def aclose(self) -> None:
        """Do `close()` in a thread, and wait for that."""
        await self._buffer.aclose()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PersistentAsyncQueue):
            return self._buffer is other._buffer
        return NotImplemented

    def __hash__(self) -> int:
        return hash((PersistentAsyncQueue, id(self._buffer)))
