"""Work queues in this process's memory: one for each name, for as long as somebody has it open."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote

from elasticq import PersistentCircularBuffer
from elasticq._errors import Empty, InvalidConfiguration, ShutDown

from ._contract import WorkLease
from ._local import CLOSED, SHARED, LocalQueue, native_queue
from ._settings import settings_of

T = TypeVar("T")

_LOOK = 0.1
"""Seconds after which a call that waits looks whether its own queue was closed meanwhile: others may have
the same items open, and go on."""


class _Shared:
    """The items of one name, and how many have them open."""

    __slots__ = ("key", "native", "openers", "settings")

    def __init__(self, key: tuple[int, str], settings: dict[str, Any]) -> None:
        self.key = key
        self.settings = settings
        self.native = native_queue(None, settings)
        self.openers = 0


_open: dict[tuple[int, str], _Shared] = {}
_lock = threading.Lock()


class MemoryQueue(LocalQueue[T]):
    """A work queue in memory. See WorkQueue."""

    __slots__ = ("_shared",)

    def __init__(self, shared: _Shared, url: str) -> None:
        super().__init__(shared.native, url, shared.settings)
        self._shared = shared

    def lease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        return self.lease_many(1, wait, ttl)[0]

    def lease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        end = None if wait is None else time.monotonic() + wait
        while True:
            look = wait if end is None or wait is None else min(wait, max(0.0, end - time.monotonic()))
            try:
                leases = super().lease_many(n, _LOOK if look is None else min(look, _LOOK), ttl)
            except Empty:
                if end is not None and time.monotonic() >= end:
                    raise
                continue
            return self._unless_closed(leases)

    async def alease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        end = None if wait is None else time.monotonic() + wait
        while True:
            look = wait if end is None or wait is None else min(wait, max(0.0, end - time.monotonic()))
            try:
                leases = await super().alease_many(n, _LOOK if look is None else min(look, _LOOK), ttl)
            except Empty:
                if end is not None and time.monotonic() >= end:
                    raise
                continue
            return self._unless_closed(leases)

    def _unless_closed(self, leases: list[WorkLease[T]]) -> list[WorkLease[T]]:
        if self._native is CLOSED:
            for lease in leases:
                lease.nack()
            raise ShutDown("the queue was closed")
        return leases

    def _release(self, native: PersistentCircularBuffer[T]) -> None:
        with _lock:
            self._shared.openers -= 1
            if self._shared.openers:
                return
            if _open.get(self._shared.key) is self._shared:
                del _open[self._shared.key]
        native.close()


def open_memory(url: str, parts: SplitResult, keywords: Mapping[str, Any]) -> MemoryQueue[Any]:
    """Opens `memory://name?settings`: the queue of that name in this process, or a new one."""
    name = unquote(parts.netloc)
    if not name or parts.path.strip("/"):
        raise InvalidConfiguration(f"{url!r} names no queue in memory: write memory://name")
    settings = settings_of("memory", parts.query, keywords, SHARED)
    key = (os.getpid(), name)  # a forked child can't use its parent's queue, and has one of its own
    with _lock:
        shared = _open.get(key)
        if shared is None:
            shared = _open[key] = _Shared(key, settings)
        other = {name: value for name, value in settings.items() if shared.settings.get(name) != value}
        if other:
            differing = ", ".join(
                f"{name} is {shared.settings.get(name)!r}, wanted {value!r}" for name, value in other.items()
            )
            raise InvalidConfiguration(f"memory://{name} is open with other settings: {differing}")
        shared.openers += 1
    return MemoryQueue(shared, url)
