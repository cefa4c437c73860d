"""The queue behind an AsyncQueue that was made with a limit, and not to view a queue that was there.

`Owned` is a queue as any other. `Hooked` serves a subclass that overrides `_init`, `_put` or `_get`: it moves
to the standard machinery at once and calls these methods of its owner, under the lock. Both refer to each
other, so such a queue is freed by the garbage collector.
"""

from __future__ import annotations

from . import _core
from ._standard import Hooks
from ._typing import TYPE_CHECKING, T

if TYPE_CHECKING:
    from typing import Self

    from ._protocols import Owner

TASK_HOOKS = ("_init", "_put", "_get")
"""The methods that a subclass of `asyncio.Queue` may override."""


class Owned(Hooks[T]):
    """A first-in, first-out queue."""

    def __elasticq__(self) -> Self:
        return self


class Hooked(Hooks[T]):
    """A queue in the order that its owner keeps.

    The items are in the container that the owner's `_init` makes. If it makes none, the owner keeps them
    elsewhere, and its own `qsize` tells their number.
    """

    _owner: Owner
    _counted: bool
    """Whether the owner overrides `qsize`."""

    def __elasticq__(self) -> Self:
        return self

    def _init(self, maxsize: int) -> None:
        self._owner._init(maxsize)

    def _qsize(self) -> int:
        container = _core._standard_of(self).queue
        if container is None and self._counted:
            return self._owner.qsize()
        return len(container)

    def _put(self, item: T) -> None:
        self._owner._put(item)

    def _get(self) -> T:
        item: T = self._owner._get()
        return item
