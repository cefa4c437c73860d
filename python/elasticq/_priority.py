"""`PriorityCircularBuffer`, and its views as a queue for threads and for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _core
from ._errors import QueueError
from ._views import AsyncQueue, as_asyncio, coroutine_method

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

T = TypeVar("T")


class PriorityCircularBuffer(_core.PriorityCircularBuffer[T]):
    """A buffer with levels, of which the higher are served first, for threads and tasks alike.

    Level 0 is served last; the qualities of service of MQTT are three levels. Within a level items keep their
    order. Looking (`iter`, `peek`) is in the order in which `pop` would take, and so are `consume`,
    `async for` and batches. Every method may be called from any thread. A buffer is false when it is empty.

    With `fair`, after `max_consecutive` items that went before others which waited at lower levels, one of
    these is served, each time one of another level. So with L levels each that has items is served at least
    once in any (L - 1) * (max_consecutive + 1) pops in a row, whatever comes.

    Its plain calls answer at once unless `push_timeout` or `pop_timeout` is set. `sync_q` and `async_q` stand
    where a `queue.Queue` or an `asyncio.Queue` stands.

    Args:
        config: The settings, a PriorityConfig; keyword arguments go before it.
        levels: How many levels there are, from 1 to 64; 3.
        fair: Whether lower levels have their turns while higher ones have items; True.
        max_consecutive: See above; at least 1; 10.
        level_capacities: The most items that single levels may hold, by priority. A level that is full keeps
            no other from going on.
        max_wait: Seconds (or a timedelta) after which an item goes before all that have waited less.
        age_statistics: Whether `stats` tells how long items have waited; it costs a look at the clock each.
        initial_capacity, min_capacity, max_capacity, growth_factor, shrink_threshold, push_timeout,
            pop_timeout: As in Config, for all levels together.

    Raises:
        InvalidConfiguration: A setting breaks its rule; also a ValueError.
        TypeError: A setting is of the wrong type.

    Example:
        >>> buffer = PriorityCircularBuffer(levels=3, max_consecutive=5)
        >>> buffer.push_with_priority("QoS 0", 0)
        >>> buffer.push("QoS 1")
        >>> buffer.push_with_priority("QoS 2", 2)
        >>> buffer.pop(), list(buffer), len(buffer)
        ('QoS 2', ['QoS 1', 'QoS 0'], 2)
    """

    __slots__ = ()

    @_core._computed
    def sync_q(self) -> PrioritySyncQueue[T]:
        """The buffer with the interface of `queue.Queue` (PrioritySyncQueue)."""
        return PrioritySyncQueue(self)

    @_core._computed
    def async_q(self) -> PriorityAsyncQueue[T]:
        """The buffer with the interface of `asyncio.Queue` (PriorityAsyncQueue)."""
        return PriorityAsyncQueue(self)


class PrioritySyncQueue(Generic[T]):
    """A PriorityCircularBuffer with the interface of `queue.Queue`, as its `sync_q` gives it.

    What adds takes a `priority`; None is the middle level. It holds nothing itself: any two views of one
    buffer are equal, and what one of them counts as done, all do. A view is always true, like `queue.Queue`.

    Args:
        buffer: The buffer to be seen.

    Example:
        >>> queue = PriorityCircularBuffer().sync_q
        >>> queue.put("later")
        >>> queue.put("first", priority=2)
        >>> queue.get(), queue.get_nowait(), queue.empty()
        ('first', 'later', True)
    """

    __slots__ = ("_buffer",)

    def __init__(self, buffer: PriorityCircularBuffer[T]) -> None:
        self._buffer = buffer

    def put(
        self, item: T, block: bool = True, timeout: float | None = None, *, priority: int | None = None
    ) -> None:
        """Add an item, waiting for room if need be.

        Args:
            item: Anything.
            block: Whether to wait for room.
            timeout: Seconds to wait at the most, not negative; None: for ever.
            priority: The level; None: the middle one.

        Raises:
            Full: There is no room, or none in time.
            ShutDown: The buffer was closed.
            ResizeError: There is no memory to grow.
            ValueError: `timeout` is negative.
            InvalidOperation: There is no such level; the text names the range.
            TypeError: `priority` is no integer.
        """
        self._buffer._put(item, block, timeout, priority)

    def put_nowait(self, item: T, *, priority: int | None = None) -> None:
        """Add an item if there is room at once: `put(item, block=False)`."""
        self._buffer._put(item, False, None, priority)

    def put_many(
        self,
        items: Iterable[T],
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: int | None = None,
    ) -> None:
        """Add all items of an iterable at one level, piece by piece where it must wait: as `Queue.put_many`.

        Raises:
            Full: There is not enough room, or not in time. As with every exception that cuts it short,
                `remaining` is the list of the items that were not added.
            ShutDown: The buffer was closed, before or meanwhile.
            ResizeError: There is no memory to grow.
            ValueError: `timeout` is negative.
            InvalidOperation: There is no such level.
            TypeError: `items` is not iterable, or `priority` no integer.
        """
        self._buffer._put_many(items, block, timeout, priority)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Take the next item, waiting for one if need be.

        Raises:
            Empty: There is none, or none in time.
            ShutDown: There is none, and the buffer was closed, before or meanwhile.
            ValueError: `timeout` is negative.
        """
        return self._buffer._get(block, timeout)

    def get_nowait(self) -> T:
        """Take the next item if there is one: `get(block=False)`."""
        return self._buffer._get(False, None)

    def get_many(self, n: int | None = None, block: bool = True, timeout: float | None = None) -> list[T]:
        """Take up to `n` items in their order, waiting for the first: a list of at least one.

        Raises:
            Empty: There is none, or none in time.
            ShutDown: There is none, and the buffer was closed, before or meanwhile.
            ValueError: `n` is below 1, or `timeout` is negative.
        """
        return self._buffer._get_many(n, block, timeout)

    def qsize(self) -> int:
        """Give the number of items now (int)."""
        return len(self._buffer)

    def empty(self) -> bool:
        """Tell whether there is no item now."""
        return not len(self._buffer)

    def full(self) -> bool:
        """Tell whether there is no room now, whatever the level."""
        return self._buffer._is_full()

    @property
    def maxsize(self) -> int:
        """The most items the buffer may hold (int)."""
        return self._buffer.max_capacity

    @property
    def capacity(self) -> int:
        """How many items fit before the buffer grows (int)."""
        return self._buffer.capacity

    def stats(self) -> _core.QueueStats:
        """Give the counters and sizes of the buffer as a whole, as a QueueStats."""
        return _core.Elastic.stats(self._buffer)

    def task_done(self) -> None:
        """Say that an item which was taken has been dealt with.

        Raises:
            ValueError: It was called more often than items were put.
        """
        self._buffer._task_done()

    def join(self) -> None:
        """Block until every item that was put has been taken and reported with `task_done`."""
        self._buffer._join()

    @coroutine_method
    def ajoin(self) -> Coroutine[Any, Any, None]:
        """Wait for the same in a coroutine."""
        return self._buffer._ajoin()

    @property
    def unfinished_tasks(self) -> int:
        """Items that were put and not yet reported as done (int)."""
        return self._buffer._unfinished_tasks()

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on and wake everybody who waits. What is inside can still be taken.

        Args:
            immediate: Whether to drop what is inside, too; for `join` it then counts as done.
        """
        self._buffer.close()
        if immediate:
            self._buffer.clear()

    def close(self) -> None:
        """Refuse items from now on and wake everybody who waits: `shutdown()`."""
        self._buffer.close()

    @property
    def is_shutdown(self) -> bool:
        """Whether the buffer was closed (bool)."""
        return self._buffer.is_closed

    def _aget(self, translate: Callable[[Any], BaseException]) -> Coroutine[Any, Any, T]:
        return self._buffer._aget(translate)

    def _aput(self, item: T, translate: Callable[[Any], BaseException]) -> Coroutine[Any, Any, None]:
        return self._buffer._aput(item, translate)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PrioritySyncQueue):
            return self._buffer is other._buffer
        return NotImplemented

    def __hash__(self) -> int:
        return hash((PrioritySyncQueue, id(self._buffer)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} of {self._buffer!r}>"


class PriorityAsyncQueue(AsyncQueue[T]):
    """A PriorityCircularBuffer with the interface of `asyncio.Queue`, as its `async_q` gives it.

    What adds takes a `priority`; None is the middle level. All else is as in AsyncQueue.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     queue = PriorityCircularBuffer().async_q
        ...     await queue.put("later", priority=0)
        ...     await queue.put("first", priority=2)
        ...     return await queue.get()
        >>> asyncio.run(main())
        'first'
    """

    __slots__ = ()

    _buffer: PriorityCircularBuffer[T]

    def __init__(self, buffer: PriorityCircularBuffer[T]) -> None:
        super().__init__(PrioritySyncQueue(buffer))

    @coroutine_method
    def put(self, item: T, *, priority: int | None = None) -> Coroutine[Any, Any, None]:
        """Add an item, waiting for room if need be.

        Raises:
            ShutDown: The buffer was closed.
            InvalidOperation: There is no such level; the text names the range.
            TypeError: `priority` is no integer.
        """
        if priority is None:
            return _core.Elastic._aput(self._buffer, item, as_asyncio)
        return self._buffer._aput_with_priority(item, priority, as_asyncio)

    def put_nowait(self, item: T, *, priority: int | None = None) -> None:
        """Add an item if there is room at once. Needs no event loop.

        Raises:
            Full: There is no room; also an asyncio.QueueFull.
            ShutDown: The buffer was closed.
            InvalidOperation: There is no such level; the text names the range.
            TypeError: `priority` is no integer.
        """
        try:
            self._buffer._put(item, False, None, priority)
        except QueueError as error:
            raise as_asyncio(error) from error.__cause__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PriorityAsyncQueue):
            return self._buffer is other._buffer
        return NotImplemented

    def __hash__(self) -> int:
        return hash((PriorityAsyncQueue, id(self._buffer)))
