"""`Queue.async_q`: a queue as asyncio knows it. (`Queue.sync_q` needs no class: it is the queue itself.)

The errors of `async_q` belong to three families: ours, the module queue's and asyncio's. Each class is made
when it is first needed, since `import elasticq` does not import asyncio. Unpickling an error imports asyncio.
"""

from __future__ import annotations

import functools
import queue
import sys
import types
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from . import _core
from ._errors import QueueError, ShutDown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._viewed import Compiled, Viewed

_ENDS = {
    "QueueEmpty": queue.Empty,
    "QueueFull": queue.Full,
    "QueueShutDown": getattr(queue, "ShutDown", ShutDown),
}
"""Asyncio's errors, each with the module queue's error from which ours derives. The module queue's errors are
needed because subclasses that override methods of `queue.Queue` raise them."""

_ERRORS = (QueueError, *_ENDS.values())

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")

if sys.version_info < (3, 11):
    coroutine_method = _core.coroutine_method
else:

    def coroutine_method(function: F) -> F:
        """Mark a function whose result is to be awaited with the flag of `async def`.

        `inspect.iscoroutinefunction` looks at this flag. The mark that the module inspect has for this needs
        Python 3.12. It would also make `import elasticq` import inspect, which takes as long as all the rest.
        Calls cost what they did before: from Python 3.11 on an instruction of the code makes a coroutine, not
        the flag.
        """
        code = function.__code__
        code = code.replace(co_flags=code.co_flags | 0x80)  # inspect.CO_COROUTINE
        flagged = types.FunctionType(code, function.__globals__, argdefs=function.__defaults__)
        flagged.__kwdefaults__ = function.__kwdefaults__
        return cast("F", functools.update_wrapper(flagged, function))


class AsyncQueue(Generic[T]):
    """A view of a queue with the interface of `asyncio.Queue`: `Queue.async_q`.

    Unlike asyncio's own queue it serves any number of event loops and threads at once. `shutdown`, which came
    with Python 3.13, is there on every Python. A view holds nothing itself: all views of one queue are equal.

    The view's errors are both ours and asyncio's: `except asyncio.QueueEmpty` and `except elasticq.Empty`
    both catch what `get_nowait` raises. ShutDown is also an asyncio.QueueShutDown, if Python has that. A
    subclass's overrides may raise the module queue's Empty, Full and ShutDown; the view makes these asyncio's
    errors, too.

    Args:
        queue: The queue to view.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     queue = Queue(maxsize=1).async_q
        ...     await queue.put("a")
        ...     try:
        ...         queue.put_nowait("b")
        ...     except asyncio.QueueFull:
        ...         return await queue.get()
        >>> asyncio.run(main())
        'a'
    """

    __slots__ = ("_buffer", "_queue")

    def __init__(self, queue: Compiled[T]) -> None:
        self._queue: Viewed[T] = queue
        self._buffer = queue.__elasticq__()

    @coroutine_method
    def put(self, item: T) -> Coroutine[Any, Any, None]:
        """Put an item, and wait for room if need be: `Queue.aput`.

        Raises:
            Full: There is no room, and the queue's `overflow` is "error". It is also an asyncio.QueueFull.
            ShutDown: The queue was shut down.
            ValueError: The item is heavier than the queue's `max_weight`, or its weight is negative.
            TypeError: The item's weight is not an integer.
        """
        return _core.Elastic._aput(self._buffer, item, as_asyncio)

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now: `Queue.put_nowait`. Needs no event loop.

        Raises:
            Full: There is no room. It is also an asyncio.QueueFull.
            ShutDown: The queue was shut down.
            ValueError: The item is heavier than the queue's `max_weight`, or its weight is negative.
            TypeError: The item's weight is not an integer.
        """
        try:
            self._queue.put_nowait(item)
        except _ERRORS as error:
            raise as_asyncio(error) from error.__cause__

    @coroutine_method
    def get(self) -> Coroutine[Any, Any, T]:
        """Take the next item, and wait for one if need be: `Queue.aget`.

        Raises:
            ShutDown: There is no item, and the queue was shut down.
        """
        return _core.Elastic._aget(self._buffer, as_asyncio)

    def get_nowait(self) -> T:
        """Take the next item if there is one. Needs no event loop.

        Raises:
            Empty: There is no item. It is also an asyncio.QueueEmpty.
            ShutDown: There is no item, and the queue was shut down.
        """
        try:
            return self._queue.get_nowait()
        except _ERRORS as error:
            raise as_asyncio(error) from error.__cause__

    def qsize(self) -> int:
        """Give the number of items now (int)."""
        return self._queue.qsize()

    def empty(self) -> bool:
        """Tell whether there is no item now."""
        return self._queue.empty()

    def full(self) -> bool:
        """Tell whether there is no room now. False if there is no limit."""
        return self._queue.full()

    @property
    def maxsize(self) -> int:
        """The most items that the queue may hold (int). Zero or below means no limit."""
        return self._queue.maxsize

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with.

        Raises:
            ValueError: There were more such reports than items.
        """
        self._queue.task_done()

    @coroutine_method
    def join(self) -> Coroutine[Any, Any, None]:
        """Wait until every item that was put has been taken, and reported with `task_done`: `Queue.ajoin`."""
        return _core.Elastic._ajoin(self._buffer)

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and are not yet reported as done (int)."""
        return self._queue.unfinished_tasks

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks: `Queue.shutdown`.

        Args:
            immediate: Whether to drop the items inside, too. They then count as done for `join`.
        """
        self._queue.shutdown(immediate)

    def close(self) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks: `shutdown()`."""
        self._queue.shutdown()

    @property
    def closed(self) -> bool:
        """Whether the queue was shut down (bool)."""
        return self._queue.is_shutdown

    async def wait_closed(self) -> None:
        """Wait until the tasks of this event loop that closing has woken have had a turn.

        Raises:
            RuntimeError: The queue was not shut down.
        """
        await wait_closed(self._queue)

    async def aclose(self) -> None:
        """Do `close()`, then `wait_closed()`."""
        self.close()
        await wait_closed(self._queue)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncQueue):
            return self._queue is other._queue
        return NotImplemented

    def __hash__(self) -> int:
        return hash((AsyncQueue, id(self._queue)))

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._queue!r}>"


async def wait_closed(queue: Viewed[Any]) -> None:
    """Do what `wait_closed` does, for a queue or for its view."""
    from asyncio import sleep

    if not queue.is_shutdown:
        raise RuntimeError("waiting for a queue to be closed that was not shut down")
    await sleep(0)


def as_asyncio(error: BaseException) -> BaseException:
    """Return the same error as one that is also asyncio's, or itself if asyncio has none like it."""
    if not isinstance(error, _ERRORS):
        return error
    ours = type(error)
    if ours not in _OF_BOTH:
        _OF_BOTH[ours] = _of_both(ours)
    both = _OF_BOTH[ours]
    if both is ours:
        return error
    same = both.__new__(both, *error.args)  # without `__init__`, which may take other arguments
    same.__dict__.update(error.__dict__)  # this copies the notes, too
    same.__cause__, same.__context__ = error.__cause__, error.__context__
    same.__suppress_context__ = error.__suppress_context__
    return same.with_traceback(error.__traceback__)


def _made_as_asyncio(make: Callable[..., BaseException], *arguments: Any) -> BaseException:
    """Make an error of both families. Such an error is pickled as this call, since its class has no name."""
    return as_asyncio(make(*arguments))


_OF_BOTH: dict[type[Exception], type[Exception]] = {}


def _of_both(ours: type[Exception]) -> type[Exception]:
    import asyncio

    for name, base in _ENDS.items():
        theirs = getattr(asyncio, name, ours)  # QueueShutDown came with Python 3.13
        if issubclass(ours, base) and not issubclass(ours, theirs):

            def reduce(error: Exception) -> tuple[Any, ...]:
                make, arguments, *state = cast("Any", ours).__reduce__(error)
                return _made_as_asyncio, (ours if make is type(error) else make, *arguments), *state

            names: dict[str, Any] = {
                "__doc__": ours.__doc__,
                "__module__": ours.__module__,
                "__reduce__": reduce,
            }
            return type(ours.__name__, (ours, theirs), names)
    return ours
