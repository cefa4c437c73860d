"""Work queues of this machine: in files and in memory. Both are a PersistentCircularBuffer.

They add as little as can be to each call of it, since that is most of what a caller would notice.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar
from urllib.parse import SplitResult, unquote

from elasticq import PersistentCircularBuffer, SyncMode, _core
from elasticq._errors import Empty, Full, InvalidConfiguration, ShutDown, Timeout
from elasticq._persistent import Lease

from ._batch import Batch
from ._contract import DeadItem, WorkLease
from ._settings import one_of, seconds, settings_of, whole
from ._used import Used

T = TypeVar("T")
R = TypeVar("R")

_ID = "elasticq-id"
"""Under this name an item's headers have its id: the log keeps ids only to know them again."""
_ROOM = 0.05
"""Seconds after which a put that found no room, or little, looks again."""


class LocalLease(Generic[T]):
    """An item on lease. See WorkLease."""

    __slots__ = ("__weakref__", "_lease", "_queue")
    _lease: Lease[T]
    _queue: LocalQueue[T]

    @property
    def item(self) -> T:
        return self._lease.item

    @property
    def id(self) -> str | None:
        headers = self._lease.headers
        return headers.get(_ID) if type(headers) is dict else None

    @property
    def deliveries(self) -> int:
        return self._lease.deliveries

    @property
    def headers(self) -> Any:
        headers = self._lease.headers
        if type(headers) is dict and _ID in headers:
            return None
        return headers

    @property
    def active(self) -> bool:
        return self._lease.active

    def ack(self) -> None:
        self._lease.ack()

    async def aack(self) -> None:
        await self._lease.aack()

    def nack(self, delay: float | timedelta | None = None) -> None:
        self._lease.nack(delay)

    async def anack(self, delay: float | timedelta | None = None) -> None:
        await self._lease.anack(delay)

    def extend(self, ttl: float | timedelta | None = None) -> None:
        self._lease.extend(self._queue.ttl if ttl is None else ttl)

    async def aextend(self, ttl: float | timedelta | None = None) -> None:
        self.extend(ttl)  # it writes nothing, so it waits for nothing

    def term(self, reason: str = "") -> None:
        self._lease.bury(reason)

    async def aterm(self, reason: str = "") -> None:
        await asyncio.to_thread(self._lease.bury, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lease.__exit__(kind, value, traceback)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._lease.__aexit__(kind, value, traceback)

    def __repr__(self) -> str:
        return f"<lease of {self._lease.item!r}, delivered {self._lease.deliveries} times>"


class _Closed:
    """Stands where the queue was, and refuses everything."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ShutDown("the queue was closed")


CLOSED: Any = _Closed()


class LocalQueue(Used[T]):
    """A work queue in files. See WorkQueue."""

    __slots__ = (
        "__weakref__",
        "_bounded",
        "_in_line",
        "_native",
        "_waits",
        "max_deliveries",
        "max_depth",
        "ttl",
        "url",
    )

    def __init__(self, native: PersistentCircularBuffer[T], url: str, settings: Mapping[str, Any]) -> None:
        self._native = native
        self._bounded = "max_depth" in settings or "max_bytes" in settings
        every = settings.get("sync") in ("every_write", SyncMode.EVERY_WRITE)
        self._waits: float = settings.get("put_timeout") or 0.0
        self._in_line = self._waits > 0 and not every
        """Whether tasks wait for room in line. A task that does can't be cancelled when its time is over if
        each write is synced: it may wait for the disk already."""
        self.url = url
        self.max_depth: int | None = settings.get("max_depth")
        self.max_deliveries: int | None = settings.get("max_deliveries")
        self.ttl: float | None = settings.get("ttl")

    @property
    def native(self) -> PersistentCircularBuffer[T]:
        return self._native

    def put(self, item: T, *, id: str | None = None, delay: float | timedelta | None = None) -> bool:
        if id is None:
            return self._native.push(item) if delay is None else self._native.push(item, delay=delay)
        return self._native.push(item, id=id, delay=delay, headers={_ID: id})

    async def aput(self, item: T, *, id: str | None = None, delay: float | timedelta | None = None) -> bool:
        headers = None if id is None else {_ID: id}
        if self._bounded and not self._in_line:
            return await self._by_threads(partial(self._native._put, item, False, None, id, delay, headers))
        return await self._in_time(self._native.aput(item, id=id, delay=delay, headers=headers))

    async def _in_time(self, put: Awaitable[R]) -> R:
        """What a put gives that waits for room no longer than it may. It takes no thread meanwhile: those
        of `to_thread` are few, and whoever makes room may need one.
        """
        if not self._bounded:
            return await put
        try:
            async with asyncio.timeout(self._waits):
                return await put
        except TimeoutError:
            raise self._no_room() from None

    async def _by_threads(self, put: Callable[[], R]) -> R:
        """The same for a put that does not wait, and is tried again, in a thread each time."""
        end = time.monotonic() + self._waits
        while True:
            try:
                return await asyncio.to_thread(put)
            except Full:
                if not self._waits:
                    raise
                left = end - time.monotonic()
                if left <= 0:
                    raise self._no_room() from None
            await asyncio.sleep(min(_ROOM, left))

    def _no_room(self) -> Timeout:
        return Timeout(f"the queue is full: no room in {self._waits:g} s")

    def put_many(self, items: Iterable[T], *, ids: Iterable[str] | None = None) -> int:
        with Batch(items) as batch:
            if ids is not None:
                return self._put_named(batch, named(batch.items, ids))
            is_parted = self._is_parted(batch)
            while True:
                room = self._room() if is_parted else None
                if room is not None and room < self._little():  # larger parts take fewer writes
                    time.sleep(min(_ROOM, self._waits))
                    room = self._room()
                part = batch.next(room)
                self._native.push_batch(part)
                batch.settled += len(part)
                if batch.is_done:
                    return len(batch.items)

    def _put_named(self, batch: Batch[T], ids: list[str]) -> int:
        self._check(batch)
        added = 0
        for item, id in zip(batch.items, ids, strict=True):
            added += self.put(item, id=id)
            batch.settled += 1
        return added

    async def aput_many(self, items: Iterable[T], *, ids: Iterable[str] | None = None) -> int:
        with Batch(items) as batch:
            if ids is not None:
                return await self._aput_named(batch, named(batch.items, ids))
            is_parted = self._is_parted(batch)
            while True:
                room = self._room() if is_parted else None
                if room is not None and room < self._little():  # larger parts take fewer writes
                    await asyncio.sleep(min(_ROOM, self._waits))
                    room = self._room()
                part = batch.next(room)
                if self._bounded and not self._in_line:
                    await self._by_threads(partial(self._native._put_many, part, False, None))
                else:
                    await self._in_time(self._native.aput_many(part))
                batch.settled += len(part)
                if batch.is_done:
                    return len(batch.items)

    async def _aput_named(self, batch: Batch[T], ids: list[str]) -> int:
        self._check(batch)
        added = 0
        for item, id in zip(batch.items, ids, strict=True):
            added += await self.aput(item, id=id)
            batch.settled += 1
        return added

    def _check(self, batch: Batch[T]) -> None:
        """Refuses what can't be stored before any item is added."""
        for item in batch.items:
            _core._encode(item, self._native.codec)

    def _is_parted(self, batch: Batch[T]) -> bool:
        """Whether a batch goes in as room is made: it never fits, and puts wait for room."""
        if not self._waits or self.max_depth is None or len(batch.items) <= self.max_depth:
            return False
        self._check(batch)
        return True

    def _room(self) -> int:
        """For how many items there is room, if `max_depth` is set."""
        stats = self._native.stats()
        return (self.max_depth or 0) - (stats.ready + stats.leased + stats.delayed + stats.dead)

    def _little(self) -> int:
        """It is better to wait a moment than to put fewer items than this."""
        return (self.max_depth or 0) // 8

    def lease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        lease: LocalLease[T] = LocalLease()  # a call of an `__init__` would take a third of all this
        lease._lease = self._native.lease(wait, self.ttl if ttl is None else ttl)
        lease._queue = self
        return lease

    async def alease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        (lease,) = await self.alease_many(1, wait, ttl)
        return lease

    def lease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        return self._leases(self._native.lease_batch(n, wait, self.ttl if ttl is None else ttl))

    def _leases(self, taken: list[Lease[T]]) -> list[WorkLease[T]]:
        leases: list[WorkLease[T]] = []
        for native in taken:
            lease: LocalLease[T] = LocalLease()
            lease._lease = native
            lease._queue = self
            leases.append(lease)
        return leases

    async def alease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        ttl = self.ttl if ttl is None else ttl
        if wait is None:
            leases = await self._native.alease_batch(n, ttl)
        elif wait > 0:
            try:
                async with asyncio.timeout(wait):
                    leases = await self._native.alease_batch(n, ttl)
            except TimeoutError:
                raise Empty("the queue is empty") from None
        else:
            leases = await asyncio.to_thread(self._native.lease_batch, n, wait, ttl)
        return self._leases(leases)

    def ack_many(self, leases: Iterable[WorkLease[T]]) -> None:
        self._native.ack_batch(_inner(leases))

    async def aack_many(self, leases: Iterable[WorkLease[T]]) -> None:
        await self._native.aack_batch(_inner(leases))

    def dead_letters(self) -> list[DeadItem[T]]:
        return list(self._native.dead_letters())

    async def adead_letters(self) -> list[DeadItem[T]]:
        return await asyncio.to_thread(self.dead_letters)

    def retry_dead(self, numbers: Iterable[int] | None = None) -> int:
        return self._native.retry_dead(numbers)

    async def aretry_dead(self, numbers: Iterable[int] | None = None) -> int:
        return await asyncio.to_thread(self._native.retry_dead, numbers)

    def purge_dead(self, numbers: Iterable[int] | None = None) -> int:
        return self._native.purge_dead(numbers)

    async def apurge_dead(self, numbers: Iterable[int] | None = None) -> int:
        return await asyncio.to_thread(self._native.purge_dead, numbers)

    def depth(self) -> int:
        stats = self._native.stats()
        return stats.ready + stats.leased + stats.delayed

    async def adepth(self) -> int:
        return self.depth()

    def close(self) -> None:
        native, self._native = self._native, CLOSED
        if native is not CLOSED:
            self._release(native)

    def _release(self, native: PersistentCircularBuffer[T]) -> None:
        native.close()

    def __repr__(self) -> str:
        return f"<work queue {self.url}{', closed' if self._native is CLOSED else ''}>"


def named(items: list[Any], ids: Iterable[str]) -> list[str]:
    """The ids of items: as many as there are items."""
    listed = list(ids)
    if len(listed) != len(items):
        raise ValueError(f"there are {len(items)} items and {len(listed)} ids")
    for id in listed:
        if not isinstance(id, str):
            raise TypeError(f"'id' must be text, not {type(id).__name__}")
    return listed


def _inner(leases: Iterable[Any]) -> list[Lease[Any]]:
    try:
        return [lease._lease for lease in leases]
    except AttributeError:
        raise TypeError("ack_many takes leases of this queue only") from None


def _sync(value: Any) -> Any:
    """When puts reach the disk."""
    if value in ("every_write", "no_sync"):
        return value
    if isinstance(value, SyncMode):
        return value
    try:
        return SyncMode.periodic(seconds(beyond=True)(value))
    except (TypeError, ValueError):
        raise ValueError("it must be every_write, no_sync, or seconds between two syncs") from None


SHARED = {
    "codec": one_of("plain", "pickle"),
    "id_window": whole(0),
    "max_bytes": whole(262_144),
    "max_deliveries": whole(1),
    "max_depth": whole(1),
    "put_timeout": seconds(),
    "ttl": seconds(beyond=True),
}
_FILES = {**SHARED, "max_log_entries": whole(1), "segment_bytes": whole(65_536), "sync": _sync}

_NATIVE = {"max_depth": "maxsize", "put_timeout": "push_timeout", "sync": "sync_mode"}
"""What PersistentCircularBuffer calls those settings to which it gives another name."""


def native_queue(path: str | None, settings: Mapping[str, Any]) -> PersistentCircularBuffer[Any]:
    """The queue itself; without a path, in memory."""
    renamed = {_NATIVE.get(name, name): value for name, value in settings.items() if name != "ttl"}
    if not renamed.get("push_timeout"):  # zero: they answer at once
        renamed.pop("push_timeout", None)
    return PersistentCircularBuffer(path, **renamed)


def open_files(url: str, parts: SplitResult, keywords: Mapping[str, Any]) -> LocalQueue[Any]:
    """Opens `file:///path?settings`."""
    if parts.netloc not in ("", "localhost"):
        raise InvalidConfiguration(f"{url!r} names a host; a path begins with a third slash: file:///path")
    path = unquote(parts.path)
    if os.name == "nt":
        path = path.removeprefix("/")
    if not path.strip("/"):
        raise InvalidConfiguration(f"{url!r} names no folder: write file:///path")
    settings = settings_of("file", parts.query, keywords, _FILES)
    return LocalQueue(native_queue(path, settings), url, settings)
