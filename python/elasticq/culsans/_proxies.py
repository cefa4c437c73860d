"""The proxies: a mixed queue under the names of `queue.Queue` or `asyncio.Queue`.

A proxy holds nothing but the queue, and calls its public methods. So it also serves a subclass that overrides
them, and any other class with the methods of MixedQueue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._views import coroutine_method
from ._protocols import UNSET, AsyncQueue, BaseQueue, GreenQueue, MixedQueue, SyncQueue

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class BaseQueueProxy(BaseQueue[T]):
    """What both proxies have: all that never waits.

    Args:
        wrapped: The mixed queue, which stays there under this name.

    Example:
        >>> queue = Queue()
        >>> queue.sync_q.wrapped is queue, isinstance(queue.async_q, BaseQueueProxy)
        (True, True)
    """

    __slots__ = ("__weakref__", "wrapped")

    wrapped: MixedQueue[T]
    """The mixed queue."""

    def __init__(self, wrapped: MixedQueue[T]) -> None:
        self.wrapped = wrapped

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}({self.wrapped!r})"

    def __bool__(self) -> bool:
        return bool(self.wrapped)

    def __len__(self) -> int:
        return len(self.wrapped)

    def peekable(self) -> bool:
        """Tell whether `peek` is possible."""
        return self.wrapped.peekable()

    def clearable(self) -> bool:
        """Tell whether `clear` is possible."""
        return self.wrapped.clearable()

    def isize(self, item: T) -> int:
        """Give the size of an item (int)."""
        return self.wrapped.isize(item)

    def qsize(self) -> int:
        """Give the number of items (int)."""
        return self.wrapped.qsize()

    def empty(self) -> bool:
        """Tell whether there is no item now."""
        return self.wrapped.empty()

    def full(self) -> bool:
        """Tell whether there is no room now."""
        return self.wrapped.full()

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now: `Queue.put_nowait`."""
        self.wrapped.put_nowait(item)

    def get_nowait(self) -> T:
        """Take the next item if there is one: `Queue.get_nowait`."""
        return self.wrapped.get_nowait()

    def peek_nowait(self) -> T:
        """Return the next item if there is one: `Queue.peek_nowait`."""
        return self.wrapped.peek_nowait()

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with: `Queue.task_done`."""
        self.wrapped.task_done()

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on: `Queue.shutdown`."""
        self.wrapped.shutdown(immediate)

    def clear(self) -> None:
        """Drop all items: `Queue.clear`."""
        self.wrapped.clear()

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and are not yet reported as done (int)."""
        return self.wrapped.unfinished_tasks

    @property
    def is_shutdown(self) -> bool:
        """Whether the queue was shut down (bool)."""
        return self.wrapped.is_shutdown

    @property
    def closed(self) -> bool:
        """The same as `is_shutdown` (bool)."""
        return self.wrapped.closed

    @property
    def maxsize(self) -> int:
        """The queue's limit, which may be set: `Queue.maxsize`."""
        return self.wrapped.maxsize

    @maxsize.setter
    def maxsize(self, value: int) -> None:
        self.wrapped.maxsize = value

    @property
    def size(self) -> int:
        """The sizes of all items together (int)."""
        return self.wrapped.size


class SyncQueueProxy(BaseQueueProxy[T], SyncQueue[T]):
    """A mixed queue with the interface of `queue.Queue`: `Queue.sync_q`.

    Example:
        >>> queue = Queue().sync_q
        >>> queue.put("a")
        >>> queue.peek(), queue.get(timeout=1), queue.unfinished_tasks
        ('a', 'a', 1)
    """

    __slots__ = ()

    def put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Put an item, and wait for room if need be: `Queue.sync_put`."""
        self.wrapped.sync_put(item, block, timeout, blocking=blocking)

    def get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Take the next item, and wait for one if need be: `Queue.sync_get`."""
        return self.wrapped.sync_get(block, timeout, blocking=blocking)

    def peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Return the next item, and wait for one if need be: `Queue.sync_peek`."""
        return self.wrapped.sync_peek(block, timeout, blocking=blocking)

    def join(self) -> None:
        """Block until every item that was put has been reported as done: `Queue.sync_join`."""
        self.wrapped.sync_join()


class GreenQueueProxy(BaseQueueProxy[T], GreenQueue[T]):
    """The same for threads under culsans' newer names: `Queue.green_proxy`. No green threads are served.

    Example:
        >>> queue = Queue().green_proxy
        >>> queue.put("a")
        >>> queue.get(blocking=False)
        'a'
    """

    __slots__ = ()

    def put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Put an item, and wait for room if need be: `Queue.green_put`."""
        self.wrapped.green_put(item, block, timeout, blocking=blocking)

    def get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Take the next item, and wait for one if need be: `Queue.green_get`."""
        return self.wrapped.green_get(block, timeout, blocking=blocking)

    def peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Return the next item, and wait for one if need be: `Queue.green_peek`."""
        return self.wrapped.green_peek(block, timeout, blocking=blocking)

    def join(self) -> None:
        """Block until every item that was put has been reported as done: `Queue.green_join`."""
        self.wrapped.green_join()


class AsyncQueueProxy(BaseQueueProxy[T], AsyncQueue[T]):
    """A mixed queue with the interface of `asyncio.Queue`: `Queue.async_q`.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     queue = Queue(maxsize=1).async_q
        ...     await queue.put("a")
        ...     return await queue.peek(), await queue.get()
        >>> asyncio.run(main())
        ('a', 'a')
    """

    __slots__ = ()

    @coroutine_method
    def put(self, item: T) -> Coroutine[Any, Any, None]:
        """Put an item, and wait for room if need be: `Queue.async_put`."""
        return self.wrapped.async_put(item)

    @coroutine_method
    def get(self) -> Coroutine[Any, Any, T]:
        """Take the next item, and wait for one if need be: `Queue.async_get`."""
        return self.wrapped.async_get()

    @coroutine_method
    def peek(self) -> Coroutine[Any, Any, T]:
        """Return the next item, and wait for one if need be: `Queue.async_peek`."""
        return self.wrapped.async_peek()

    @coroutine_method
    def join(self) -> Coroutine[Any, Any, None]:
        """Wait until every item that was put has been reported as done: `Queue.async_join`."""
        return self.wrapped.async_join()
