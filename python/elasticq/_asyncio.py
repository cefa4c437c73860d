"""What the queues do in coroutines, written once for all of them.

The fast path is a call that does not block, so a coroutine that finds what it wants never suspends. Otherwise
it waits with a future: enter the list of waiting tasks, try once more, suspend, try again. A wake-up is only
a hint and the item is taken on resumption, so a task that is cancelled at any moment has taken nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from . import _core
from ._errors import ShutDown

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterator, Callable

T = TypeVar("T")

_NOTHING: Any = object()


class Tasks(_core.Elastic[T]):
    """An elastic queue that the tasks of any number of event loops, in any threads, can wait for."""

    __slots__ = ()

    async def aget(self) -> T:
        """Take the oldest item, waiting for one if need be.

        Tasks are woken in the order in which they began to wait. A cancelled task takes no item.

        Raises:
            ShutDown: The queue was shut down and is empty.
        """
        item = self._poll(_NOTHING)
        if item is _NOTHING:
            item = await _wait(lambda: self._poll(_NOTHING), self._enter_getters, self._leave_getters)
        return cast("T", item)

    async def aput(self, item: T) -> None:
        """Add an item, waiting for room if need be, unless the queue's `overflow` says otherwise.

        Tasks are woken in the order in which they began to wait. A cancelled task has added nothing.

        Raises:
            Full: There is no room, and the queue's `overflow` is "error".
            ShutDown: The queue was shut down.
            ValueError: The item is heavier than the queue's `max_weight`, or its weight is negative.
            TypeError: Its weight is no integer.
        """
        added = self._offer(item)
        if added is True:
            return
        if added is False:
            await _wait(lambda: self._offer(item) or _NOTHING, self._enter_putters, self._leave_putters)
        else:  # where there is a limit by weight, it knows the item's weight and its place in line
            await _wait_in_line(added)

    def __aiter__(self) -> AsyncIterator[T]:
        """Take item by item, waiting for each, until the queue was shut down and is empty."""
        return _Consumer(self)


class _Consumer(Generic[T]):
    """What `async for` goes through."""

    __slots__ = ("_queue",)

    def __init__(self, queue: Tasks[T]) -> None:
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._queue.aget()
        except ShutDown:
            raise StopAsyncIteration from None


async def _wait_in_line(put: _core.Put) -> None:
    """Suspend until an item is in. Apart from `aput`, where a captured variable would cost every call."""
    await _wait(lambda: put.offer() or _NOTHING, put.enter, put.leave)


async def _wait(
    attempt: Callable[[], Any],
    enter: Callable[[AbstractEventLoop, Future[None], bool], None],
    leave: Callable[[Future[None]], None],
) -> Any:
    """Suspend until an attempt gives something, and give that."""
    from asyncio import get_running_loop

    loop = get_running_loop()
    overtaken = False
    while True:
        future = loop.create_future()
        enter(loop, future, overtaken)
        try:
            # Whoever changed the queue before we entered did not see us.
            if (got := attempt()) is not _NOTHING:
                leave(future)
                return got
            await future
        except BaseException:
            leave(future)
            raise
        if (got := attempt()) is not _NOTHING:
            return got
        overtaken = True
