"""`AsyncQueue`, `Queue.async_q`: a queue as asyncio knows it. (`sync_q` needs no class: it is the queue.)

What is awaited is compiled (`_core.TaskView`). The errors belong to three families: ours, the module queue's
and asyncio's. Each class is made when it is first needed, since `import elasticq` does not import asyncio.
Unpickling an error imports asyncio.
"""

from __future__ import annotations

import functools
import queue
import types
from collections import deque

from . import _core
from ._errors import QueueError, ShutDown
from ._owned import TASK_HOOKS, Hooked, Owned
from ._typing import TYPE_CHECKING, T, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from ._protocols import Compiled, F, Viewed
    from ._standard import Hooks

_ENDS = {
    "QueueEmpty": queue.Empty,
    "QueueFull": queue.Full,
    "QueueShutDown": getattr(queue, "ShutDown", ShutDown),
}
"""Asyncio's errors, each with the module queue's error from which ours derives. The module queue's errors are
needed because subclasses that override methods of `queue.Queue` raise them."""

_ERRORS = (QueueError, *_ENDS.values())


def coroutine_method(function: F) -> F:
    """Mark a function whose result is to be awaited with the flag of `async def`.

    `inspect.iscoroutinefunction` looks at this flag. The mark that the module inspect has for this needs
    Python 3.12. It would also make `import elasticq` import inspect, which takes as long as all the rest.
    Calls cost what they did before: an instruction of the code makes a coroutine, not the flag.
    """
    code = function.__code__
    code = code.replace(co_flags=code.co_flags | 0x80)  # inspect.CO_COROUTINE
    flagged = types.FunctionType(code, function.__globals__, argdefs=function.__defaults__)
    flagged.__kwdefaults__ = function.__kwdefaults__
    return cast("F", functools.update_wrapper(flagged, function))


class AsyncQueue(_core.TaskView[T]):
    """A queue with the interface of `asyncio.Queue`: one of its own, or a view of another (`Queue.async_q`).

    Unlike asyncio's own queue it serves any number of event loops and threads at once, and needs no loop to
    be made. `shutdown`, which came with Python 3.13, is there on every Python. A view holds nothing itself:
    all views of one queue are equal.

    The errors are both ours and asyncio's: `except asyncio.QueueEmpty` and `except elasticq.Empty` both catch
    what `get_nowait` raises. ShutDown is also an asyncio.QueueShutDown, if Python has that. A viewed queue's
    overrides may raise the module queue's Empty, Full and ShutDown; the view makes these asyncio's errors,
    too.

    **Subclasses** may override `_init(maxsize)`, `_put(item)` and `_get()`, as those of `asyncio.Queue`. The
    container that `_init` makes is `_queue`; a deque, unless it is overridden. Overriding one of the three,
    or using `_queue`, moves the queue for good to a lock and a container of Python's, which are slower. The
    three are called under that lock. `put` and `get` don't call overrides of `put_nowait`, `get_nowait`,
    `full` or `empty`.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit. Or else the queue to
            view, which a subclass with overrides can't have.

    Raises:
        TypeError: `maxsize` is neither a number nor a queue, or a subclass with overrides is to view a queue.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     queue = AsyncQueue(maxsize=1)
        ...     await queue.put("a")
        ...     try:
        ...         queue.put_nowait("b")
        ...     except asyncio.QueueFull:
        ...         return await queue.get()
        >>> asyncio.run(main())
        'a'
        >>> class Newest(AsyncQueue):
        ...     def _get(self):
        ...         return self._queue.pop()
        >>> newest = Newest()
        >>> newest.put_nowait(1)
        >>> newest.put_nowait(2)
        >>> newest.get_nowait()
        2
    """

    __slots__ = ("__viewed",)  # mangled: any other name is free for subclasses

    __viewed: Viewed[T]

    __made_of: ClassVar[type[Hooks[Any]]] = Owned
    """The class of the queue that one has if it views no other."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        name = "_AsyncQueue__made_of"  # mangled: the plain one is free for subclasses
        base = next(base for base in cls.__mro__ if name in vars(base))
        if any(getattr(cls, hook) is not getattr(base, hook) for hook in TASK_HOOKS):
            cls.__made_of = Hooked

    @overload
    def __init__(self, maxsize: int = 0) -> None: ...
    @overload
    def __init__(self, maxsize: Compiled[T]) -> None: ...
    def __init__(self, maxsize: int | Compiled[T] = 0) -> None:
        made_of = self.__made_of
        if hasattr(type(maxsize), "__elasticq__"):
            if made_of is Hooked:
                rule = "it overrides _init, _put or _get, so it can't view another queue"
                raise TypeError(f"{type(self).__name__}({maxsize!r}): {rule}")
            viewed = cast("Compiled[T]", maxsize)
            self.__viewed = viewed
            _core.TaskView._show(self, viewed.__elasticq__())
            return
        queue: Hooks[T] = made_of.__new__(made_of)
        _core.TaskView._show(self, queue)
        self.__viewed = queue
        if isinstance(queue, Hooked):
            queue._owner = self
            queue._counted = type(self).qsize is not AsyncQueue.qsize
        made_of.__init__(queue, cast("int", maxsize))

    def _init(self, maxsize: int) -> None:
        self._queue = deque()

    def _put(self, item: T) -> None:
        self._queue.append(item)

    def _get(self) -> T:
        item: T = self._queue.popleft()
        return item

    def __container(self) -> Any:
        return cast("Hooks[T]", self.__viewed).queue

    def __contain(self, container: Any) -> None:
        cast("Hooks[T]", self.__viewed).queue = container

    _queue: Any = property(
        __container, __contain, None, "The container. Its first use moves the queue for good."
    )

    def __dir__(self) -> list[str]:
        names = list(super().__dir__())
        if "queue" in dir(self.__viewed):
            return names
        return [name for name in names if name != "_queue"]  # a queue that can't move has no container

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now: `Queue.put_nowait`. Needs no event loop.

        Raises:
            Full: There is no room. It is also an asyncio.QueueFull.
            ShutDown: The queue was shut down.
            ValueError: The item is heavier than the queue's `max_weight`, or its weight is negative.
            TypeError: The item's weight is not an integer.
        """
        try:
            self.__viewed.put_nowait(item)
        except _ERRORS as error:
            raise as_asyncio(error) from error.__cause__

    def get_nowait(self) -> T:
        """Take the next item if there is one. Needs no event loop.

        Raises:
            Empty: There is no item. It is also an asyncio.QueueEmpty.
            ShutDown: There is no item, and the queue was shut down.
        """
        try:
            return self.__viewed.get_nowait()
        except _ERRORS as error:
            raise as_asyncio(error) from error.__cause__

    def qsize(self) -> int:
        """Give the number of items now (int)."""
        return self.__viewed.qsize()

    def empty(self) -> bool:
        """Tell whether there is no item now."""
        return self.__viewed.empty()

    def full(self) -> bool:
        """Tell whether there is no room now. False if there is no limit."""
        return self.__viewed.full()

    @property
    def maxsize(self) -> int:
        """The most items that the queue may hold (int). Zero or below means no limit."""
        return self.__viewed.maxsize

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with.

        Raises:
            ValueError: There were more such reports than items.
        """
        self.__viewed.task_done()

    @_core._computed
    def unfinished_tasks(self) -> int:
        """How many items were put and are not yet reported as done (int)."""
        return self.__viewed.unfinished_tasks

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks: `Queue.shutdown`.

        Args:
            immediate: Whether to drop the items inside, too. They then count as done for `join`.
        """
        self.__viewed.shutdown(immediate)

    def close(self) -> None:
        """Refuse items from now on, and wake all waiting threads and tasks: `shutdown()`."""
        self.__viewed.shutdown()

    @_core._computed
    def closed(self) -> bool:
        """Whether the queue was shut down (bool)."""
        return self.__viewed.is_shutdown

    async def wait_closed(self) -> None:
        """Wait until the tasks of this event loop that closing has woken have had a turn.

        Raises:
            RuntimeError: The queue was not shut down.
        """
        await wait_closed(self.__viewed)

    async def aclose(self) -> None:
        """Do `close()`, then `wait_closed()`."""
        self.close()
        await wait_closed(self.__viewed)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncQueue):
            return self.__viewed is other.__viewed
        return NotImplemented

    def __hash__(self) -> int:
        return hash((AsyncQueue, id(self.__viewed)))

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self.__viewed!r}>"


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
