"""Many messages, each with an answer: sent without waiting for each answer, and again where none came.

This is what makes batches quick, and what keeps a put one message when the connection breaks in the middle:
whoever sends gives each message a name that the server knows again, or sends what may come twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nats import errors

from .._errors import AccessDenied

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from .link import Link

WINDOW = 1_000
"""How many messages are on their way at once, before an answer."""
WINDOW_BYTES = 8 << 20
"""How many bytes."""
TOGETHER = 100
"""So many messages are written before the loop has a turn."""
SILENCE = 2.0
"""Seconds without any answer, after which messages are sent again."""
PAUSE = 0.1
"""Seconds before messages are sent again that the server could not take at that moment."""

NO_RESPONDERS = "503"


class Message(NamedTuple):
    """What is sent: to a subject."""

    subject: str
    payload: bytes
    headers: dict[str, str] | None


class Exchange:
    """Sends messages until each is settled. `judge` gets a message's number and an answer to it. It says
    whether the answer settles it; if not, the message is sent again.

    `run` raises Unreachable when nothing was settled for the connection's `timeout`. What is settled by then
    is in `settled`.
    """

    __slots__ = (
        "_denied",
        "_end",
        "_enough",
        "_judge",
        "_link",
        "_lost",
        "_messages",
        "_pending",
        "_waiter",
        "retried",
        "settled",
    )

    def __init__(self, link: Link, messages: Sequence[Message], judge: Callable[[int, Msg], bool]) -> None:
        self._link = link
        self._messages = messages
        self._judge = judge
        self.settled = bytearray(len(messages))
        self.retried = False
        self._pending: set[int] = set()
        self._waiter: asyncio.Future[None] | None = None
        self._enough = 0
        self._lost = False
        self._denied: AccessDenied | None = None
        self._end = 0.0

    async def run(self) -> None:
        """Sends all, and returns when all are settled."""
        link = self._link
        self._end = link.now() + link.timeout
        number = link.register(self)
        try:
            while True:
                await link.wait_up(self._end)
                self._lost = False
                self._pending.clear()
                await self._send(link.answers_to(number))
                await self._until(0)
                if self._denied is not None:
                    raise self._denied
                if all(self.settled):
                    return
                self.retried = True
                if link.now() >= self._end:
                    raise link.unreachable("did not answer")
                await asyncio.sleep(PAUSE)  # the client has a turn, too, to notice what has happened
        finally:
            link.unregister(number)

    def answer(self, number: int, answer: Msg) -> None:
        """Takes an answer to the message with this number."""
        if self.settled[number]:
            return
        if self._judge(number, answer):
            self.settled[number] = 1
            self._end = self._link.now() + self._link.timeout
        self._pending.discard(number)
        if len(self._pending) <= self._enough:
            self._wake()

    def lost(self) -> None:
        """The connection broke: no more answers come to what was sent."""
        self._lost = True
        self._wake()

    def denied(self, subject: str | None, error: AccessDenied) -> None:
        """The server refuses what goes to a subject (in small letters) or, if that is None, all answers."""
        if subject is None or any(message.subject.lower() == subject for message in self._messages):
            self._denied = error
            self.lost()

    def left(self) -> Iterable[int]:
        """The numbers of the messages that are not settled."""
        return (number for number, settled in enumerate(self.settled) if not settled)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _send(self, answers: str) -> None:
        client = self._link.client
        size = sum(len(message.payload) for message in self._messages) // len(self._messages) + 1
        window = max(1, min(WINDOW, WINDOW_BYTES // size))
        pending = self._pending
        for number, (subject, payload, headers) in enumerate(self._messages):
            if self.settled[number]:
                continue
            if len(pending) >= window:
                await self._until(window // 2)
            elif number % TOGETHER == TOGETHER - 1:
                await asyncio.sleep(0)
            if self._lost:
                return
            pending.add(number)
            try:
                await client.publish(subject, payload, f"{answers}{number}", headers)
            except (
                errors.ConnectionClosedError,
                errors.OutboundBufferLimitError,
                errors.ConnectionDrainingError,
            ):
                self._lost = True
                return

    async def _until(self, enough: int) -> None:
        """Waits until only so many messages have no answer. Without any answer for long, they are lost."""
        self._enough = enough
        while len(self._pending) > enough and not self._lost:
            self._waiter = asyncio.get_running_loop().create_future()
            before = len(self._pending)
            try:
                async with asyncio.timeout(min(SILENCE, self._link.timeout)):
                    await self._waiter
            except TimeoutError:
                if len(self._pending) == before:
                    self._lost = True
            finally:
                self._waiter = None
