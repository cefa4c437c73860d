"""`PriorityCircularBuffer`, and its views: as a queue for threads, and as one for tasks."""

from __future__ import annotations

from . import _core
from ._errors import QueueError
from ._sync_view import SyncView
from ._typing import TYPE_CHECKING, T
from ._views import AsyncQueue, as_asyncio, coroutine_method

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any


class PriorityCircularBuffer(_core.PriorityCircularBuffer[T]):
    """A buffer with levels, for threads and tasks alike. It serves higher levels first.

    Level 0 is served last. The qualities of service of MQTT are three levels. Within a level items keep their
    order. `iter` and `peek` look at the items in the order in which `pop` takes them. `consume`, `async for`
    and batches take them in that order, too. Any thread may call any method. An empty buffer is false.

    With `fair`, lower levels have their turns. After `max_consecutive` items that went before waiting items
    of lower levels, one item of a lower level is served, each time of another one. So with L levels, each
    level that has items is served at least once in any (L - 1) * (max_consecutive + 1) pops in a row.

    The plain calls answer at once unless `push_timeout` or `pop_timeout` is set. `sync_q` and `async_q` have
    the interfaces of `queue.Queue` and `asyncio.Queue`.

    Args:
        config: The settings, a PriorityConfig. A keyword argument takes precedence over it.
        levels: How many levels there are, from 1 to 64. The default is 3.
        fair: Whether lower levels have their turns while higher ones have items. The default is True.
        max_consecutive: See above; at least 1. The default is 10.
        level_capacities: The most items that single levels may hold, by priority. A full level does not hold
            up the others.
        max_wait: Seconds (or a timedelta) after which an item goes before all that have waited less.
        age_statistics: Whether `stats` tells how long items have waited. It costs a look at the clock for
            each item.
        initial_capacity: As in Config, for all levels together, as is all that follows.
        min_capacity: As in Config.
        max_capacity: As in Config.
        growth_factor: As in Config.
        shrink_threshold: As in Config.
        push_timeout: As in Config.
        pop_timeout: As in Config.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.
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


class PrioritySyncQueue(SyncView[T]):
    """A view of a PriorityCircularBuffer with the interface of `queue.Queue`: the buffer's `sync_q`.

    The methods that put have an argument `priority`; None is the middle level. A view holds nothing itself:
    all views of one buffer are equal, and share the count of tasks done. A view is always true, like
    `queue.Queue`.

    Args:
        buffer: The buffer to view.

    Example:
        >>> queue = PriorityCircularBuffer().sync_q
        >>> queue.put("later")
        >>> queue.put("first", priority=2)
        >>> queue.get(), queue.get_nowait(), queue.empty()
        ('first', 'later', True)
    """

    __slots__ = ()

    _buffer: PriorityCircularBuffer[T]

    def __init__(self, buffer: PriorityCircularBuffer[T]) -> None:
        self._buffer = buffer

    def put(
        self, item: T, block: bool = True, timeout: float | None = None, *, priority: int | None = None
    ) -> None:
        """Put an item, and wait for room if need be.

        Args:
            item: Anything.
            block: Whether to wait for room.
            timeout: The most seconds to wait, not negative. None means for ever.
            priority: The level. None means the middle one.

        Raises:
            Full: There is no room, or none came in time.
            ShutDown: The buffer was closed.
            ResizeError: There is no memory to grow.
            ValueError: `timeout` is negative.
            InvalidOperation: There is no such level. The text names the range.
            TypeError: `priority` is not an integer.
        """
        self._buffer._put(item, block, timeout, priority)

    def put_nowait(self, item: T, *, priority: int | None = None) -> None:
        """Put an item if there is room now: `put(item, block=False)`."""
        self._buffer._put(item, False, None, priority)

    def put_many(
        self,
        items: Iterable[T],
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: int | None = None,
    ) -> None:
        """Put all items of an iterable at one level, as `Queue.put_many`: in pieces if it has to wait.

        Raises:
            Full: There is not enough room, or not in time. `remaining` is the list of the items that were not
                put, as with every exception that cuts the call short.
            ShutDown: The buffer was closed, before the call or during it.
            ResizeError: There is no memory to grow.
            ValueError: `timeout` is negative.
            InvalidOperation: There is no such level.
            TypeError: `items` is not iterable, or `priority` is not an integer.
        """
        self._buffer._put_many(items, block, timeout, priority)

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

    def waiters(self) -> _core.Waiters:
        """Tell who waits at the buffer's ends: `PriorityCircularBuffer.waiters`."""
        return self._buffer.waiters()

    @coroutine_method
    def ajoin(self) -> Coroutine[Any, Any, None]:
        """Wait in a coroutine for what `join` waits for."""
        return self._buffer._ajoin()

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks. Items inside can still be taken.

        Args:
            immediate: Whether to drop the items inside, too. They then count as done for `join`.
        """
        self._buffer.close()
        if immediate:
            self._buffer.clear()

    def close(self) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks: `shutdown()`."""
        self._buffer.close()

    def __elasticq__(self) -> PriorityCircularBuffer[T]:
        return self._buffer


class PriorityAsyncQueue(AsyncQueue[T]):
    """A view of a PriorityCircularBuffer with the interface of `asyncio.Queue`: the buffer's `async_q`.

    The methods that put have an argument `priority`; None is the middle level. All else is as in AsyncQueue.

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

    __slots__ = ("_buffer",)

    def __init__(self, buffer: PriorityCircularBuffer[T]) -> None:
        super().__init__(PrioritySyncQueue(buffer))
        self._buffer = buffer

    @coroutine_method
    def put(self, item: T, *, priority: int | None = None) -> Coroutine[Any, Any, None]:
        """Put an item, and wait for room if need be.

        Raises:
            ShutDown: The buffer was closed.
            InvalidOperation: There is no such level. The text names the range.
            TypeError: `priority` is not an integer.
        """
        if priority is None:
            return _core.TaskView.put(self, item)
        return self._buffer._aput_with_priority(item, priority, as_asyncio)

    def put_nowait(self, item: T, *, priority: int | None = None) -> None:
        """Put an item if there is room now. Needs no event loop.

        Raises:
            Full: There is no room. It is also an asyncio.QueueFull.
            ShutDown: The buffer was closed.
            InvalidOperation: There is no such level. The text names the range.
            TypeError: `priority` is not an integer.
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
