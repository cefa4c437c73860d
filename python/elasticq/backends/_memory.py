"""Work queues in this process's memory: one for each name, for as long as somebody has it open."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn, TypeVar
from urllib.parse import SplitResult, unquote

from elasticq import PersistentCircularBuffer
from elasticq._errors import Empty, InvalidConfiguration, InvalidOperation, ShutDown
from elasticq._persistent import Lease

from ._contract import WorkLease
from ._local import CLOSED, SHARED, LocalQueue, native_queue
from ._settings import settings_of

T = TypeVar("T")

_LOOK = 0.1
"""Seconds after which a call that waits looks whether its own queue was closed meanwhile: others may have
the same items open, and go on."""


class _Shared:
    """The items of one name, and how many have them open."""

    __slots__ = ("name", "native", "openers", "queues", "settings")

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self.name = name
        self.settings = settings
        self.native = native_queue(None, settings)
        self.openers = 0
        self.queues: weakref.WeakSet[MemoryQueue[Any]] = weakref.WeakSet()


class _Names:
    """The queues of this process that are open, by their names."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # of the kind that a collection of garbage may take once more
        self.open: dict[str, _Shared] = {}


class _Forked:
    """Stands where the queue was in a forked child, and refuses everything."""

    def __getattr__(self, name: str) -> NoReturn:
        raise InvalidOperation("the queue was opened before this process was forked: open it anew")


FORKED: Any = _Forked()
_names = _Names()
_parents: list[_Shared] = []
"""What a forked child has of its parent's queues. It is kept: their threads did not come along."""


def _after_fork() -> None:
    """A forked child can't use its parent's queues, and has its own."""
    for shared in _names.open.values():
        _parents.append(shared)
        for queue in shared.queues:
            if queue._native is not CLOSED:
                queue._native = FORKED
    _names.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class MemoryQueue(LocalQueue[T]):
    """A work queue in memory. See WorkQueue."""

    __slots__ = ("_lock", "_out", "_shared")

    def __init__(self, shared: _Shared, url: str) -> None:
        super().__init__(shared.native, url, shared.settings)
        self._shared = shared
        self._lock = threading.RLock()  # of the same kind as that of the names
        self._out: weakref.WeakSet[Any] = weakref.WeakSet()
        shared.queues.add(self)

    def lease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        return self.lease_many(1, wait, ttl)[0]

    def lease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        end = None if wait is None else time.monotonic() + wait
        while True:
            look = _next_look(wait, end)
            try:
                return self._unless_closed(super().lease_many(n, look, ttl))
            except Empty:
                if end is not None and time.monotonic() >= end:
                    raise

    async def alease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        end = None if wait is None else time.monotonic() + wait
        while True:
            look = _next_look(wait, end)
            try:
                return self._unless_closed(await super().alease_many(n, look, ttl))
            except Empty:
                if end is not None and time.monotonic() >= end:
                    raise

    def __del__(self) -> None:
        self.close()

    def _leases(self, taken: list[Lease[T]]) -> list[WorkLease[T]]:
        leases = super()._leases(taken)
        with self._lock:
            self._out.update(leases)
        return leases

    def _unless_closed(self, leases: list[WorkLease[T]]) -> list[WorkLease[T]]:
        if self._native is CLOSED:
            for lease in leases:
                lease.nack()
            raise ShutDown("the queue was closed")
        return leases

    def _release(self, native: PersistentCircularBuffer[T]) -> None:
        if native is FORKED:
            return
        shared = self._shared
        with self._lock:
            leases = list(self._out)
        for lease in leases:
            with suppress(InvalidOperation):
                lease.nack()
        with _names.lock:
            shared.openers -= 1
            if shared.openers:
                return
            if _names.open.get(shared.name) is shared:
                del _names.open[shared.name]
        native.close()


def _next_look(wait: float | None, end: float | None) -> float:
    """Seconds until the next look, of a call that waits so long, until then."""
    if wait is None or end is None:
        return _LOOK
    return wait if not wait > _LOOK else max(0.0, min(_LOOK, end - time.monotonic()))


def open_memory(url: str, parts: SplitResult, keywords: Mapping[str, Any]) -> MemoryQueue[Any]:
    """Opens `memory://name?settings`: the queue of that name in this process, or a new one."""
    name = unquote(parts.netloc)
    if not name or parts.path.strip("/"):
        raise InvalidConfiguration(f"{url!r} names no queue in memory: write memory://name")
    settings = settings_of("memory", parts.query, keywords, SHARED)
    with _names.lock:
        shared = _names.open.get(name)
        if shared is None:
            shared = _names.open[name] = _Shared(name, settings)
        differing = ", ".join(
            f"{setting} is {there!r}, wanted {value!r}"
            for setting, value in settings.items()
            if (there := shared.settings.get(setting)) != value
        )
        if differing:
            raise InvalidConfiguration(f"memory://{name} is open with other settings: {differing}")
        shared.openers += 1
    return MemoryQueue(shared, url)
