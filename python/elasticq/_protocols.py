"""What only type checkers read: protocols and type variables. Nothing imports this module at run time.

Making a protocol takes longer than importing all of this package's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from . import _core
from ._sync_view import SyncView
from ._views import AsyncQueue

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Selected: TypeAlias = _core.Elastic[T] | _core.Persistent[T] | AsyncQueue[T] | SyncView[T]
"""A queue, or a view of one."""


class Owner(Protocol):
    """The object whose methods a queue calls: a subclass of `AsyncQueue` that keeps an order of its own."""

    def qsize(self) -> int: ...
    def _init(self, maxsize: int) -> None: ...
    def _put(self, item: Any) -> None: ...
    def _get(self) -> Any: ...


class Buffer(Protocol[T]):
    """What a `SyncView` needs of its buffer."""

    @property
    def is_closed(self) -> bool: ...
    def __len__(self) -> int: ...
    def _get(self, block: bool, timeout: float | None) -> T: ...
    def _get_many(self, n: int | None, block: bool, timeout: float | None) -> list[T]: ...
    def _is_full(self) -> bool: ...
    def _task_done(self) -> None: ...
    def _join(self) -> None: ...
    def _unfinished_tasks(self) -> int: ...


class Viewed(Protocol[T]):
    """What an `AsyncQueue` needs of a queue: what the interfaces of `queue.Queue` and `asyncio.Queue` share.

    A class that has these methods needs no line of its own in `_views`.
    """

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
