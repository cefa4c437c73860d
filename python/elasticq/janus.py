"""The names and ways of janus 2.0: a program moves by its import, `import elasticq.janus as janus`.

A queue here is a thin object with two sides. `sync_q` *is* a compiled queue (`elasticq.Queue` or its kin), so
threads call it without a step in between. `async_q` is its view for tasks, which also keeps janus' rule that
they all belong to one event loop. Where janus and `elasticq.Queue` differ, this module does what janus does:
closing drops what is inside, and a subclass's own `put` or `get` means nothing to the queue.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import QueueEmpty as AsyncQueueEmpty
from asyncio import QueueFull as AsyncQueueFull
from asyncio.events import _get_running_loop
from collections import deque
from heapq import heappop, heappush
from queue import Empty as SyncQueueEmpty
from queue import Full as SyncQueueFull
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from . import _core
from . import _queue as _elastic
from ._core import __version__
from ._standard import HOOKS
from ._views import AsyncQueue as View
from ._views import coroutine_method, wait_closed

if sys.version_info >= (3, 13):
    from asyncio import QueueShutDown as AsyncQueueShutDown
    from queue import ShutDown as SyncQueueShutDown
else:
    from ._errors import ShutDown as AsyncQueueShutDown
    from ._errors import ShutDown as SyncQueueShutDown

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = [
    "AsyncQueue",
    "AsyncQueueEmpty",
    "AsyncQueueFull",
    "AsyncQueueShutDown",
    "BaseQueue",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "SyncQueue",
    "SyncQueueEmpty",
    "SyncQueueFull",
    "SyncQueueShutDown",
    "__version__",
]

T = TypeVar("T")


class BaseQueue(Protocol[T]):
    """What both sides of a queue can do (a protocol, for type hints). No call waits; any thread may call.

    Example:
        >>> def backlog(side: BaseQueue[int]) -> int:
        ...     return side.qsize()
        >>> queue = Queue()
        >>> queue.sync_q.put(1)
        >>> backlog(queue.sync_q), backlog(queue.async_q)
        (1, 1)
    """

    @property
    def maxsize(self) -> int:
        """The most items that the queue may hold (int). Zero or below means no limit."""

    @property
    def closed(self) -> bool:
        """Whether the queue was shut down (bool)."""

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and are not yet reported as done (int)."""

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with.

        Raises:
            ValueError: There were more such reports than items.
        """

    def qsize(self) -> int:
        """Give the number of items now (int)."""

    def empty(self) -> bool:
        """Tell whether there is no item now."""

    def full(self) -> bool:
        """Tell whether there is no room now. False if there is no limit."""

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now.

        Raises:
            SyncQueueFull, AsyncQueueFull: There is no room. Each side raises its own.
            SyncQueueShutDown, AsyncQueueShutDown: The queue was shut down.
            RuntimeError: `async_q` is used without a running event loop, or in another one than before.
        """

    def get_nowait(self) -> T:
        """Take the next item if there is one.

        Raises:
            SyncQueueEmpty, AsyncQueueEmpty: There is no item. Each side raises its own.
            SyncQueueShutDown, AsyncQueueShutDown: There is no item, and the queue was shut down.
            RuntimeError: `async_q` is used without a running event loop, or in another one than before.
        """

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks: `Queue.shutdown`."""


class SyncQueue(BaseQueue[T], Protocol[T]):
    """The side for threads, `Queue.sync_q` (a protocol, for type hints): the interface of `queue.Queue`.

    Example:
        >>> def produce(side: SyncQueue[int]) -> None:
        ...     side.put(1)
        >>> queue = Queue()
        >>> produce(queue.sync_q)
        >>> queue.sync_q.get()
        1
    """

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Put an item, and block until there is room if need be.

        Args:
            item: Anything.
            block: Whether to wait for room.
            timeout: The most seconds to wait, not negative. None means for ever.

        Raises:
            SyncQueueFull: There is no room, or none came in time.
            SyncQueueShutDown: The queue was shut down, before the call or during it.
            ValueError: `timeout` is negative.
        """

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Take the next item, and block until there is one if need be.

        Args:
            block: Whether to wait for an item.
            timeout: The most seconds to wait, not negative. None means for ever.

        Raises:
            SyncQueueEmpty: There is no item, or none came in time.
            SyncQueueShutDown: There is no item, and the queue was shut down, before the call or during it.
            ValueError: `timeout` is negative.
        """

    def join(self) -> None:
        """Block until every item that was put has been taken, and reported with `task_done`."""


class AsyncQueue(BaseQueue[T], Protocol[T]):
    """The side for tasks, `Queue.async_q` (a protocol, for type hints): the interface of `asyncio.Queue`.

    Example:
        >>> import asyncio
        >>> async def consume(side: AsyncQueue[int]) -> int:
        ...     return await side.get()
        >>> queue = Queue()
        >>> queue.sync_q.put(1)
        >>> asyncio.run(consume(queue.async_q))
        1
    """

    async def put(self, item: T) -> None:
        """Put an item, and wait for room if need be. A task that is cancelled has put nothing.

        Raises:
            AsyncQueueShutDown: The queue was shut down, before the call or during it.
            RuntimeError: The tasks of another event loop have used the queue.
        """

    async def get(self) -> T:
        """Take the next item, and wait for one if need be. A task that is cancelled has taken nothing.

        Raises:
            AsyncQueueShutDown: There is no item, and the queue was shut down, before the call or during it.
            RuntimeError: The tasks of another event loop have used the queue.
        """

    async def join(self) -> None:
        """Wait until every item that was put has been taken, and reported with `task_done`.

        Raises:
            RuntimeError: The tasks of another event loop have used the queue.
        """


class _TasksSide(View[T]):
    """`Queue.async_q`: the view for tasks, bound to the event loop that uses it first.

    A call made in that loop goes straight on to the compiled queue. Any other call goes on in a coroutine,
    since it is the loop where the call is awaited that counts: another thread may have made it.
    """

    __slots__ = ("__dict__", "_bound", "_loop", "_viewed")  # a slot is read faster than the dictionary

    def __init__(self, queue: _elastic.Queue[T]) -> None:
        super().__init__(queue)
        self._viewed = queue
        self._bound: dict[str, asyncio.AbstractEventLoop] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def _enter(self) -> None:
        """Bind the queue to the running event loop, or make sure that it is bound to it."""
        loop = asyncio.get_running_loop()
        if self._bound.setdefault("loop", loop) is not loop:  # of threads that race, one sets it
            raise RuntimeError(f"{self!r} is bound to a different event loop")
        self._loop = loop

    @coroutine_method
    def put(self, item: T) -> Coroutine[Any, Any, None]:
        loop = _get_running_loop()
        if loop is not None and loop is self._loop:
            return _core.TaskView.put(self, item)
        return self._put_first(item)

    async def _put_first(self, item: T) -> None:
        if not self._viewed.is_shutdown:
            self._enter()
        await _core.TaskView.put(self, item)

    @coroutine_method
    def get(self) -> Coroutine[Any, Any, T]:
        loop = _get_running_loop()
        if loop is not None and loop is self._loop:
            return _core.TaskView.get(self)
        return self._get_first()

    async def _get_first(self) -> T:
        if not (self._viewed.is_shutdown and self._viewed.empty()):
            self._enter()
        return await _core.TaskView.get(self)

    async def join(self) -> None:
        self._enter()
        await _core.TaskView.join(self)

    def put_nowait(self, item: T) -> None:
        if not self._viewed.is_shutdown:
            self._enter()
        super().put_nowait(item)

    def get_nowait(self) -> T:
        if not self._viewed.empty():
            self._enter()
        return super().get_nowait()

    def close(self) -> None:
        self._viewed.shutdown(True)


class _Hooked(_elastic.Queue[T]):
    """The threads' side of a queue with hooks of its own: it keeps the items as its owner says."""

    def __init__(self, owner: Queue[T], maxsize: int) -> None:
        self._owner = owner
        owner._sync_queue = self  # the hooks need it, and `_init` is called at once
        super().__init__(maxsize)

    def _init(self, maxsize: int) -> None:
        self._owner._init(maxsize)

    def _qsize(self) -> int:
        return self._owner._qsize()

    def _put(self, item: T) -> None:
        self._owner._put(item)

    def _get(self) -> T:
        return self._owner._get()


class Queue(Generic[T]):
    """A first-in, first-out queue with a side for threads and one for tasks, as `janus.Queue` is.

    `sync_q` has the interface of `queue.Queue` and may be used by any thread. `async_q` has that of
    `asyncio.Queue`, and belongs to the event loop in which it is first used. The queue itself may be made
    anywhere, also without an event loop. `sync_q` is an `elasticq.Queue`, so its other methods (`put_many`,
    `stats`, ...) are there, too.

    A subclass may override `_init`, `_qsize`, `_put` and `_get`. They are called under a lock, and keep the
    items in `_queue`, which their `_init` makes, or wherever they like. A queue without such hooks takes none
    of these steps, and is much faster.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.

    Example:
        >>> import asyncio, threading
        >>> async def main() -> int:
        ...     queue: Queue[int] = Queue()
        ...     threading.Thread(target=queue.sync_q.put, args=(1,)).start()
        ...     item = await queue.async_q.get()
        ...     await queue.aclose()
        ...     return item
        >>> asyncio.run(main())
        1
    """

    _sync_queue: _elastic.Queue[T]

    def __init__(self, maxsize: int = 0) -> None:
        cls = type(self)
        ours = next(base for base in cls.__mro__ if base in _SERVED_BY)
        if any(getattr(cls, hook) is not getattr(ours, hook) for hook in HOOKS):
            _Hooked(self, maxsize)
        else:
            self._sync_queue = _SERVED_BY[ours](maxsize)
        self._async_queue = _TasksSide(self._sync_queue)

    @property
    def sync_q(self) -> SyncQueue[T]:
        """The side for threads, with the interface of `queue.Queue` (SyncQueue)."""
        return self._sync_queue

    @property
    def async_q(self) -> AsyncQueue[T]:
        """The side for tasks, with the interface of `asyncio.Queue` (AsyncQueue)."""
        return self._async_queue

    @property
    def maxsize(self) -> int:
        """The most items that the queue may hold (int). Zero or below means no limit."""
        return self._sync_queue.maxsize

    @property
    def closed(self) -> bool:
        """Whether the queue was shut down (bool)."""
        return self._sync_queue.is_shutdown

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks. Any thread may call this.

        Args:
            immediate: Whether to drop the items inside, too. They then count as done for `join`. Otherwise
                they can still be taken.

        Example:
            >>> queue = Queue()
            >>> queue.sync_q.put(1)
            >>> queue.shutdown()
            >>> queue.sync_q.get(), queue.closed
            (1, True)
        """
        self._sync_queue.shutdown(immediate)

    def close(self) -> None:
        """Do `shutdown(immediate=True)`: what is inside is dropped, and whoever joins is let go.

        Example:
            >>> queue = Queue()
            >>> queue.sync_q.put(1)
            >>> queue.close()
            >>> queue.sync_q.join()
            >>> queue.sync_q.qsize()
            0
        """
        self.shutdown(immediate=True)

    async def wait_closed(self) -> None:
        """Wait until the tasks of this event loop that closing has woken have had a turn.

        Raises:
            RuntimeError: The queue was not shut down.
        """
        if not self.closed:
            raise RuntimeError(f"Waiting for non-closed queue: {self!r} was not shut down")
        await wait_closed(self._sync_queue)

    async def aclose(self) -> None:
        """Do `close()`, then `wait_closed()`."""
        self.close()
        await self.wait_closed()

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._sync_queue!r}>"

    # The container, and the hooks that a subclass calls by `super()`. All private names in this class are
    # janus' own, so no subclass that was written for janus has another use for them.

    def __container(self) -> Any:
        return self._sync_queue.queue

    def __contain(self, container: Any) -> None:
        self._sync_queue.queue = container

    _queue: deque[T] = property(__container, __contain)  # type: ignore[assignment] # janus' type for it

    def _init(self, maxsize: int) -> None:
        self._queue = deque()

    def _qsize(self) -> int:
        return len(self._queue)

    def _put(self, item: T) -> None:
        self._queue.append(item)

    def _get(self) -> T:
        item: T = self._queue.popleft()
        return item


class LifoQueue(Queue[T]):
    """A last-in, first-out queue, and otherwise the same as `Queue`.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.

    Example:
        >>> queue = LifoQueue()
        >>> queue.sync_q.put("first")
        >>> queue.sync_q.put("last")
        >>> queue.sync_q.get()
        'last'
    """

    def _get(self) -> T:
        item: T = self._queue.pop()
        return item


class PriorityQueue(Queue[T]):
    """A queue that gives its smallest item first, and otherwise the same as `Queue`.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.

    Example:
        >>> queue = PriorityQueue()
        >>> queue.sync_q.put((2, "later"))
        >>> queue.sync_q.put((1, "sooner"))
        >>> queue.sync_q.get()
        (1, 'sooner')
    """

    _heap_queue: list[T] = vars(Queue)["_queue"]  # janus' name for it in this class, and its type

    def _init(self, maxsize: int) -> None:
        self._heap_queue = []

    def _put(self, item: T) -> None:
        heap: list[Any] = self._heap_queue
        heappush(heap, item)

    def _get(self) -> T:
        heap: list[Any] = self._heap_queue
        item: T = heappop(heap)
        return item


_SERVED_BY: dict[type, type[_elastic.Queue[Any]]] = {
    Queue: _elastic.Queue,
    LifoQueue: _elastic.LifoQueue,
    PriorityQueue: _elastic.PriorityQueue,
}
"""What `sync_q` is, of a class and of its subclasses that override no hook."""
