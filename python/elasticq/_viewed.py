"""What the views need of a queue. A class that has these methods needs no line of its own in `_views`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from . import _core

T = TypeVar("T")


class Viewed(Protocol[T]):
    """The part of the interface of `queue.Queue` that `asyncio.Queue` shares."""

    def put_nowait(self, item: T, /) -> None: ...
    def get_nowait(self) -> T: ...
    def qsize(self) -> int: ...
    def empty(self) -> bool: ...
    def full(self) -> bool: ...
    @property
    def maxsize(self) -> int: ...
    def task_done(self) -> None: ...
    @property
    def unfinished_tasks(self) -> int: ...
    def shutdown(self, immediate: bool = False, /) -> None: ...
    @property
    def is_shutdown(self) -> bool: ...


class Compiled(Viewed[T], Protocol[T]):
    """The same of a queue in memory, and the compiled queue itself."""

    def __elasticq__(self) -> _core.Elastic[T]:
        """Return the compiled queue: the object itself, or the one that it is a view of.

        A subclass may use any other name for something of its own. So the views await the methods of the
        compiled queue's class.
        """
