"""Stand-ins: what a queue gives for `mutex`, `queue` and its conditions until one of them is used.

Debuggers, mocks, managers and `hasattr` read every attribute that there is. Reading must change nothing, so
it gives a stand-in. Only the stand-in's first use moves the queue: somebody takes the lock or touches the
container. From then on the queue gives the real thing. A stand-in that was kept passes every use on to it.
"""

from __future__ import annotations

import threading
from collections import deque

from . import _core
from ._typing import TYPE_CHECKING, Generic, T, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._standard import Hooks


class StandIn:
    """Stands for an attribute of a queue that has not moved."""

    __slots__ = ("_name", "_queue")

    def __init__(self, queue: Hooks[Any], name: str) -> None:
        self._queue, self._name = queue, name

    def _used(self) -> Any:
        """Move the queue if it has not moved, and give the real thing."""
        return getattr(_core._standard_of(self._queue), self._name)

    def __repr__(self) -> str:
        standard = _core._moved_of(self._queue)
        what = "not used yet" if standard is None else repr(getattr(standard, self._name))
        return f"<{self._name} of {self._queue!r}: {what}>"


class Attribute(Generic[T]):
    """An attribute of the standard machinery. Using it moves the queue there; reading it does not."""

    def __init__(self, stand_in: type[StandIn], doc: str) -> None:
        self._stand_in = stand_in
        self.__doc__ = doc

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, queue: None, _: type | None = None) -> Attribute[T]: ...
    @overload
    def __get__(self, queue: Hooks[Any], _: type | None = None) -> T: ...
    def __get__(self, queue: Hooks[Any] | None, _: type | None = None) -> Any:
        if queue is None:
            return self
        standard = _core._moved_of(queue)
        return self._stand_in(queue, self._name) if standard is None else getattr(standard, self._name)

    def __set__(self, queue: Hooks[Any], value: T) -> None:
        setattr(_core._standard_of(queue), self._name, value)


def _forward(method: str) -> Callable[..., Any]:
    def use(self: StandIn, *arguments: Any, **keywords: Any) -> Any:
        return getattr(self._used(), method)(*arguments, **keywords)

    use.__name__ = method
    use.__qualname__ = f"StandIn.{method}"
    return use


def _standing_for(kind: type, name: str, *methods: str) -> type[StandIn]:
    """Make a class that passes these methods on, and that `isinstance` takes for `kind`."""
    members: dict[str, Any] = {method: _forward(method) for method in methods}
    members["__slots__"] = ()
    members["__class__"] = property(lambda _: kind)
    members["__module__"] = __name__
    members["__doc__"] = f"Stands for the {kind.__name__} of a queue that has not moved."
    return type(name, (StandIn,), members)


_LOCK = ["acquire", "release", "__enter__", "__exit__"]
if hasattr(threading.RLock(), "locked"):  # since Python 3.14
    _LOCK.append("locked")

LOCK = _standing_for(
    type(threading.RLock()), "LockStandIn", *_LOCK, "_release_save", "_acquire_restore", "_is_owned"
)

CONDITION = _standing_for(
    threading.Condition, "ConditionStandIn", *_LOCK, "wait", "wait_for", "notify", "notify_all", "_is_owned"
)

# What belongs to the object itself and not to its contents, so it is not passed on.
_OWN = {
    name for name in dir(object) if name not in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
}
_CONTENTS = (name for name in dir(deque) if name not in _OWN and name not in ("maxlen", "__class_getitem__"))

CONTAINER = _standing_for(deque, "ContainerStandIn", *_CONTENTS, "__reduce_ex__")
CONTAINER.__hash__ = None  # type: ignore[assignment] # as for everything that can be changed
