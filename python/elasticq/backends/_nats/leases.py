"""What is leased, until when, and keeping it so.

The server gives a message to somebody else `ack_wait` seconds after it has delivered it. A lease that is to
last longer is kept alive from here, and one that is to end sooner is given back from here.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from elasticq._errors import InvalidOperation

from .items import foreign, id_of

if TYPE_CHECKING:
    from datetime import timedelta

    from nats.aio.msg import Msg

    from .queue import Home

T = TypeVar("T")

PROGRESS = b"+WPI"
NACK = b"-NAK"


class Held:
    """The leases of a queue by the subject to which they are acknowledged, and when each ends.

    Only the queue's own loop changes it; others may look.
    """

    def __init__(self, ack_wait: float, send: Callable[[str, bytes], None]) -> None:
        self._ack_wait = ack_wait
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._ends: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._line: list[tuple[float, str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, subject: str, ttl: float | None) -> None:
        """A lease begins, or lasts so long from now on; None: as long as the server does by itself."""
        now = self._loop.time()
        self._ends[subject] = now + (self._ack_wait if ttl is None else ttl)
        if ttl is None or ttl == self._ack_wait:
            self._due.pop(subject, None)
        else:
            self._plan(subject, now)

    def has(self, subject: str, now: float) -> bool:
        """Whether a lease has not ended."""
        end = self._ends.get(subject)
        return end is not None and now < end

    def knows(self, subject: str) -> bool:
        """Whether there is a lease, be it that its time is over."""
        return subject in self._ends

    def remove(self, subject: str) -> None:
        """A lease ends."""
        self._ends.pop(subject, None)
        self._due.pop(subject, None)

    def drop(self, subject: str) -> None:
        """Nobody has a lease any more: the item is given back."""
        if self.has(subject, self._loop.time()):
            self._send(subject, NACK)
        self.remove(subject)

    def drop_all(self) -> list[str]:
        """Ends all leases, and returns those that had not ended."""
        now = self._loop.time()
        left = [subject for subject, end in self._ends.items() if now < end]
        self._ends.clear()
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
        return left

    def _plan(self, subject: str, now: float) -> None:
        """Notes when something has to be done for a lease next."""
        when = min(self._ends[subject], now + self._ack_wait / 3)
        self._due[subject] = when
        heapq.heappush(self._line, (when, subject))
        if self._line[0] == (when, subject):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._line and self._line[0][0] <= now:
            when, subject = heapq.heappop(self._line)
            if self._due.get(subject) != when:
                continue  # ended, or planned anew
            if self._ends[subject] <= now:
                self.remove(subject)
                self._send(subject, NACK)
            else:
                self._send(subject, PROGRESS)
                self._plan(subject, now)
        if self._line and self._timer is None:
            self._timer = self._loop.call_at(self._line[0][0], self._look)


class NatsLease(Generic[T]):
    """A message on lease. See WorkLease."""

    __slots__ = ("_home", "_message", "_over", "deliveries", "item", "number")

    def __init__(self, home: Home, message: Msg, item: T, deliveries: int, number: int) -> None:
        self._home = home
        self._message = message
        self._over = False  # whether a call has ended it
        self.item = item
        self.deliveries = deliveries
        self.number = number

    @property
    def id(self) -> str | None:
        return id_of(self._message.headers)

    @property
    def headers(self) -> dict[str, str] | None:
        return foreign(self._message.headers)

    @property
    def active(self) -> bool:
        return not self._over

    def ack(self) -> None:
        self._home.run(self._home.engine.ack([self]))

    async def aack(self) -> None:
        await self._home.arun(self._home.engine.ack([self]))

    def nack(self, delay: float | timedelta | None = None) -> None:
        self._home.run(self._home.engine.nack(self, delay))

    async def anack(self, delay: float | timedelta | None = None) -> None:
        await self._home.arun(self._home.engine.nack(self, delay))

    def extend(self, ttl: float | timedelta | None = None) -> None:
        self._home.run(self._home.engine.extend(self, ttl))

    async def aextend(self, ttl: float | timedelta | None = None) -> None:
        await self._home.arun(self._home.engine.extend(self, ttl))

    def term(self, reason: str = "") -> None:
        self._home.run(self._home.engine.term(self, reason))

    async def aterm(self, reason: str = "") -> None:
        await self._home.arun(self._home.engine.term(self, reason))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            if not self._over:
                self.ack()
        elif not self._over:
            with suppress(InvalidOperation):  # its time was over: somebody else can have the item already
                self.nack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            if not self._over:
                await self.aack()
        elif not self._over:
            with suppress(InvalidOperation):  # its time was over: somebody else can have the item already
                await self.anack()

    def __del__(self) -> None:
        home = getattr(self, "_home", None)  # without a name of this module, which may have none at the end
        if home is not None:
            home.dropped(self._message.reply)

    def __repr__(self) -> str:
        return f"<lease of {self.item!r}, delivered {self.deliveries} times>"


def delivered(reply: str) -> tuple[int, int]:
    """How often a message was delivered, and its number in the stream: from where it is acknowledged to."""
    words = reply.split(".")
    if len(words) == 9:
        return int(words[4]), int(words[5])
    return int(words[6]), int(words[7])  # the form that names a domain and an account, too


def stored_at(reply: str) -> str:
    """When a message was stored, which tells it from one of a former stream of the same name."""
    words = reply.split(".")
    return words[7] if len(words) == 9 else words[9]
