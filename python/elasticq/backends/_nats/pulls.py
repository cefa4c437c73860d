"""Asking a consumer for messages. A request that is given up is one that the server forgets, too.

The server sends messages to a subject of the client. Each request has a subject for itself while it lasts:
when the client no longer listens to it, the server hands nothing more to that request. What comes in between
is given back.

A message shows the subject to which it was published, and what the server says about a request shows that of
the request. So these are numbered: a server may still say that a request was completed when its messages have
come and the next one was sent. In a cluster it may also say so before its messages come, since it first tells
the other servers whom they go to. Then it says how many there are.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nats import errors

from .._errors import AccessDenied

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from .link import Link

GRACE = 2.0
"""Seconds that an answer may take beyond the time that the server was given."""
COMPLETED = "200"
MISSING = "Nats-Pending-Messages"
"""The header that says how many messages of a request the server does not send."""


class Inbox:
    """A subject on which messages arrive: those of one request at a time."""

    __slots__ = (
        "_asked",
        "_client",
        "_done",
        "_link",
        "_messages",
        "_number",
        "_said",
        "_subject",
        "_subscription",
        "_wanted",
        "status",
    )

    def __init__(self, link: Link) -> None:
        self._link = link
        self._client = link.client
        self._subject = self._client.new_inbox()
        self._subscription: Subscription | None = None
        self._messages: list[Msg] = []
        self._asked = ""
        self._number = 0
        self._said = ""
        self._wanted = 0
        self._done: asyncio.Future[None] | None = None
        self.status = ""

    async def pull(self, subject: str, request: dict[str, Any], wait: float) -> list[Msg]:
        """Sends a request, and returns what came: all, or what there was until the server said so.

        `status` says why there is less: what the server said, or nothing if the connection broke or the
        server was silent for longer than `wait`. Then this inbox must not be used again.
        """
        if self._subscription is None:
            self._subscription = await self._client.subscribe(
                f"{self._subject}.*", cb=self._arrived, pending_msgs_limit=0, pending_bytes_limit=0
            )
        self._messages, self._wanted, self.status = [], request["batch"], ""
        self._asked = subject
        self._said = COMPLETED
        self._number += 1
        reply = f"{self._subject}.{self._number}"
        self._done = asyncio.get_running_loop().create_future()
        self._link.pulls(self, True)
        try:
            async with asyncio.timeout(wait + GRACE):
                await self._client.publish(subject, json.dumps(request).encode(), reply)
                await self._done
        except (TimeoutError, errors.Error):
            self._link.spawn(self._retire())
        except BaseException:  # nobody waits for the messages any more
            for message in self._messages:
                self._link.spawn(give_back(message))
            self._link.spawn(self._retire())
            raise
        finally:
            self._link.pulls(self, False)
            self._done = None
        return self._messages

    def lost(self) -> None:
        """The connection broke."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(errors.ConnectionClosedError())

    def denied(self, subject: str | None, error: AccessDenied) -> None:
        """The server refuses what goes to a subject (in small letters) or, if that is None, all answers."""
        if subject in (self._asked.lower(), None) and self._done is not None and not self._done.done():
            self._done.set_exception(error)

    async def _arrived(self, message: Msg) -> None:
        done = self._done
        if done is None or done.done():
            if message.reply:
                await give_back(message)
        elif message.reply:
            self._messages.append(message)
        elif message.headers and message.subject == f"{self._subject}.{self._number}":
            said = message.headers
            self._said = f"{said.get('Status')} {said.get('Description', '')}".strip()
            if MISSING in said:
                self._wanted -= int(said[MISSING])
            else:
                self._wanted = len(self._messages)
        if done is not None and not done.done() and len(self._messages) >= self._wanted:
            self.status = self._said
            done.set_result(None)

    async def _retire(self) -> None:
        """Listens no more. What the server has sent before it knows that still arrives, and is given back."""
        if self._subscription is not None:
            try:
                if self._client.is_connected:
                    await self._subscription.drain()  # type: ignore[no-untyped-call]
                else:
                    await self._subscription.unsubscribe()
            except errors.Error:
                pass  # the connection is gone, and the subject with it


async def give_back(message: Msg) -> None:
    """Lets the server hand a message to somebody else, at once. If that is lost, its time ends by itself."""
    with suppress(errors.Error):
        await message._client.publish(message.reply, b"-NAK")
