"""The queue as its callers see it: each call runs in the queue's own loop, and waits for that."""

from __future__ import annotations

import weakref
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from .._batch import Batch
from .._contract import DeadItem, WorkLease
from .._local import named
from .._used import Used
from .engine import Engine
from .thread import LoopThread

if TYPE_CHECKING:
    from nats.aio.client import Client

    from .options import Options

T = TypeVar("T")
R = TypeVar("R")


class Home:
    """The loop of a queue and what runs in it: what its leases need. It lasts as long as one of them does."""

    __slots__ = ("__weakref__", "_thread", "arun", "close", "engine", "run")

    def __init__(self, options: Options) -> None:
        thread = LoopThread(f"elasticq {options.stream}")
        try:
            self.engine = thread.run(_opened(options))
        except BaseException:
            thread.close(bool, _nothing)
            raise
        self._thread = thread
        self.run = thread.run
        self.arun = thread.arun
        self.close = weakref.finalize(self, _close, thread, self.engine)

    def dropped(self, reply: str) -> None:
        """Nobody has a lease any more."""
        if self.engine.held.knows(reply):
            self._thread.post(self.engine.held.drop, reply)


async def _opened(options: Options) -> Engine:
    engine = Engine(options)
    await engine.open()
    return engine


async def _nothing() -> None:
    """The last that a loop does that has opened nothing."""


def _close(thread: LoopThread, engine: Engine) -> None:
    thread.close(engine.link.end, engine.close)


class NatsQueue(Used[T]):
    """A work queue on a server of NATS. See WorkQueue."""

    __slots__ = ("__weakref__", "_home", "_options")

    def __init__(self, options: Options) -> None:
        self._options = options
        self._home = Home(options)

    @property
    def native(self) -> Client:
        return self._home.engine.link.client

    @property
    def max_deliveries(self) -> int | None:
        return self._options.max_deliveries

    @property
    def max_depth(self) -> int | None:
        return self._home.engine.streams.max_depth

    def put(self, item: T, *, id: str | None = None, delay: float | timedelta | None = None) -> bool:
        return bool(self._home.run(self._put(item, id, delay)))

    async def aput(self, item: T, *, id: str | None = None, delay: float | timedelta | None = None) -> bool:
        return bool(await self._home.arun(self._put(item, id, delay)))

    def _put(self, item: T, id: str | None, delay: float | timedelta | None) -> Coroutine[Any, Any, int]:
        return self._home.engine.put([item], None if id is None else [id], delay)

    def put_many(self, items: Iterable[T], *, ids: Iterable[str] | None = None) -> int:
        with Batch(items) as batch:
            return self._home.run(self._put_many(batch, ids))

    async def aput_many(self, items: Iterable[T], *, ids: Iterable[str] | None = None) -> int:
        with Batch(items) as batch:
            return await self._home.arun(self._put_many(batch, ids))

    def _put_many(self, batch: Batch[T], ids: Iterable[str] | None) -> Coroutine[Any, Any, int]:
        return self._home.engine.put(batch.items, None if ids is None else named(batch.items, ids))

    def lease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        (lease,) = self.lease_many(1, wait, ttl)
        return lease

    async def alease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        (lease,) = await self.alease_many(1, wait, ttl)
        return lease

    def lease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        return self._home.run(self._home.engine.lease(self._home, n, wait, ttl))

    async def alease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        return await self._home.arun(self._home.engine.lease(self._home, n, wait, ttl))

    def ack_many(self, leases: Iterable[WorkLease[T]]) -> None:
        self._home.run(self._home.engine.ack(list(leases)))

    async def aack_many(self, leases: Iterable[WorkLease[T]]) -> None:
        await self._home.arun(self._home.engine.ack(list(leases)))

    def dead_letters(self) -> list[DeadItem[T]]:
        return self._home.run(self._home.engine.dead_letters())

    async def adead_letters(self) -> list[DeadItem[T]]:
        return await self._home.arun(self._home.engine.dead_letters())

    def retry_dead(self, numbers: Iterable[int] | None = None) -> int:
        return self._home.run(self._home.engine.retry_dead(numbers))

    async def aretry_dead(self, numbers: Iterable[int] | None = None) -> int:
        return await self._home.arun(self._home.engine.retry_dead(numbers))

    def purge_dead(self, numbers: Iterable[int] | None = None) -> int:
        return self._home.run(self._home.engine.purge_dead(numbers))

    async def apurge_dead(self, numbers: Iterable[int] | None = None) -> int:
        return await self._home.arun(self._home.engine.purge_dead(numbers))

    def depth(self) -> int:
        return self._home.run(self._home.engine.depth())

    async def adepth(self) -> int:
        return await self._home.arun(self._home.engine.depth())

    def close(self) -> None:
        self._home.close()

    def __repr__(self) -> str:
        closed = "" if self._home.close.alive else ", closed"
        return f"<work queue {self._options.shown}{closed}>"
