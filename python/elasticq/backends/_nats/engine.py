"""What a queue on NATS does. All of it runs in the queue's own event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from nats import errors

from elasticq._errors import Corrupted, Empty, Full, InvalidOperation, ShutDown, StorageError, Timeout

from .._contract import DeadItem, WorkLease
from .._errors import TooLarge, Unreachable, Unsupported
from .dead import NatsDeadLetter, burial, burial_room, letters, revival
from .exchange import NO_RESPONDERS, Exchange, Message
from .items import CODEC, ID, OWN, checked_id, item_of, payload_of
from .leases import NACK, PROGRESS, Held, NatsLease, delivered, stored_at
from .link import Link
from .pulls import Inbox
from .stream import Streams

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from .options import Options
    from .queue import Home

LINGER = 5.0
"""Seconds that a request for a message stays with the server. After that the client asks again, since a
server that was lost has lost the request, and nobody says so."""
LONGEST = 100 * 365 * 86_400.0
"""Seconds of a delay at most. A server counts nanoseconds in 64 bits, and takes what is more for no delay."""
MOST = 2**31
"""Messages that are asked for at once, at most."""
AT_ONCE = 16 << 20
"""Bytes of messages that one request gets at most; a single message always comes."""
ROOM = 0.05
"""Seconds between two attempts to put where there was no room."""
AGAIN = 500
"""So many items at most are put in such an attempt."""
FLUSH = 2
"""Seconds that giving back may take when the queue is closed."""
ACK = b""
TERM = b"+TERM"

_BUSY = (10008, 10023, 10077, 10158, 10167)
"""Codes of errors that say "not now": no leader, too many requests, a message of that name is under way."""
_TOO_LARGE = 10054


class Engine:
    """A queue on NATS."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.link = Link(options)
        self.streams = Streams(self.link, options)
        self.held: Held
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{options.stream}.{options.consumer}"
        self._names = count()
        self._name = OWN

    async def open(self) -> None:
        """Connects, and makes the stream and its consumer if they are not there."""
        try:
            await self.link.open()
            await self.streams.ensure()
        except BaseException:
            await self.link.close()
            raise
        self.held = Held(self.streams.ack_wait, self._send)
        self._name = f"{OWN}{self.link.client.new_inbox().rpartition('.')[2]}."

    async def close(self) -> None:
        """Gives back what is leased, and closes the connection. `link.end` has been called before."""
        client = self.link.client
        try:
            for subject in self.held.drop_all():
                await client.publish(subject, NACK)
            if client.is_connected:
                await client.flush(FLUSH)
        except errors.Error:
            pass  # the times of the leases end by themselves
        await self.link.close()

    async def put(self, items: Sequence[Any], ids: Sequence[str] | None, delay: object = None) -> int:
        """Adds items, and returns how many of them were new."""
        if delay:
            raise Unsupported(
                "put(delay=...): JetStream holds no message back that was never delivered; put the item when "
                "it is due, or give it back with nack(delay=...)"
            )
        messages = self._messages(items, ids)
        if not messages:
            return 0
        puts = _Puts(self.options, messages, ids is not None)
        try:
            await self._put(puts)
        except (Full, Timeout, ShutDown, StorageError, Unreachable) as error:
            error.remaining = [items[number] for number in puts.left()]
            raise
        return puts.added

    async def _put(self, puts: _Puts) -> None:
        """Sends messages until the server has all of them."""
        end = self.link.now() + self.options.put_timeout
        while True:
            puts.exchange = Exchange(self.link, puts.messages, puts.judge)
            await puts.exchange.run()
            if puts.error is not None:
                raise puts.error
            if not puts.left():
                return
            if puts.refused:
                if self.link.now() >= end:
                    raise self._full()
                await asyncio.sleep(ROOM)
            puts.again()

    async def lease(self, home: Home, n: int, wait: float | None, ttl: object) -> list[WorkLease[Any]]:
        """Takes up to so many items on lease, and waits for the first."""
        if not isinstance(n, int):
            raise TypeError(f"'n' must be a whole number, not {type(n).__name__}")
        if n < 1:
            raise ValueError(f"'n' must be at least 1, not {n}")
        n = min(n, MOST)
        length, wait = _seconds("ttl", ttl), _seconds("wait", wait)
        link = self.link
        end = None if wait is None else link.now() + wait
        while True:
            if end is not None and not link.up and wait == 0:
                raise link.unreachable("is not connected just now")
            await link.wait_up(end)
            silent = (
                min(link.timeout, max(end - link.now(), 0.0)) if end is not None and wait else link.timeout
            )
            messages, answered = await self._pull({"batch": n, "no_wait": True}, silent)
            if not messages:
                left = LINGER if end is None else min(LINGER, end - link.now())
                if left <= 0:
                    raise Empty("the queue is empty") if answered else link.unreachable("did not answer")
                messages, _ = await self._pull({"batch": 1, "expires": max(1, int(left * 1e9))}, left)
                if messages and n > 1:
                    more, _ = await self._pull({"batch": n - 1, "no_wait": True}, link.timeout)
                    messages = messages + more
            leases = await self._leases(home, messages, length)
            if leases:
                return leases

    async def ack(self, leases: Iterable[WorkLease[Any]]) -> None:
        """Acknowledges all leases or, if one has ended, none."""
        await self._end(self._checked(leases), ACK)

    async def nack(self, lease: NatsLease[Any], delay: object) -> None:
        """Gives an item back. One that was delivered too often is dead."""
        most = self.options.max_deliveries
        length = _seconds("delay", delay)
        if most is not None and lease.deliveries >= most:
            await self.term(lease, f"delivered {lease.deliveries} times")
        elif length:
            await self._end(
                self._checked([lease]),
                NACK + b" " + json.dumps({"delay": int(min(length, LONGEST) * 1e9)}).encode(),
            )
        else:
            await self._end(self._checked([lease]), NACK)

    async def extend(self, lease: NatsLease[Any], ttl: object) -> None:
        """Lets a lease end so many seconds from now."""
        length = _seconds("ttl", ttl)
        self._checked([lease])
        await self._all([Message(lease._message.reply, PROGRESS, None)])
        self._checked([lease])
        self.held.add(lease._message.reply, length)

    async def term(self, lease: NatsLease[Any], reason: str) -> None:
        """Gives an item up."""
        self._checked([lease])
        await self._bury(lease._message, reason)
        self.held.remove(lease._message.reply)
        lease._over = True

    async def dead_letters(self) -> list[DeadItem[Any]]:
        """The dead letters, the oldest first."""
        return [*await letters(self.streams, None)]

    async def retry_dead(self, numbers: Iterable[int] | None) -> int:
        """Lets dead letters be taken again."""
        found = await letters(self.streams, numbers)
        if not found:
            return 0
        messages = [
            Message(self.options.subject, (letter.message and letter.message.data) or b"", revival(letter))
            for letter in found
        ]
        puts = _Puts(self.options, messages, False)
        puts.exchange = Exchange(self.link, messages, puts.judge)
        await puts.exchange.run()
        if puts.error is not None:
            raise puts.error
        refused = set(puts.refused)
        await self._forget([letter for number, letter in enumerate(found) if number not in refused])
        if refused:
            full = self._full()
            full.remaining = [found[number].item for number in sorted(refused)]
            raise full
        return len(found)

    async def purge_dead(self, numbers: Iterable[int] | None) -> int:
        """Drops dead letters."""
        found = await letters(self.streams, numbers)
        await self._forget(found)
        return len(found)

    async def depth(self) -> int:
        """How many messages the stream has."""
        return (await self.streams.ask(lambda js: js.stream_info(self.options.stream))).state.messages

    def _messages(self, items: Sequence[Any], ids: Sequence[str] | None) -> list[Message]:
        """The messages of items. If one can't be sent, none is."""
        subject, most = self.options.subject, self.streams.most_bytes()
        made = []
        for number, item in enumerate(items):
            data, codec = payload_of(item)
            id = f"{self._name}{next(self._names)}" if ids is None else checked_id(ids[number])
            headers = {ID: id}
            size = len(data) + len(id) + burial_room(self.options.stream)
            if codec is not None:
                headers[CODEC] = codec
                size += len(CODEC) + len(codec) + 4
            if size > most:
                raise TooLarge(
                    f"an item of {len(data):,} bytes is too large for {self.options.shown}: its server takes "
                    f"{most:,} bytes in a message (max_payload), with headers and those of a dead letter; "
                    "nothing was sent"
                )
            made.append(Message(subject, data, headers))
        return made

    def _full(self) -> Full | Timeout:
        text = f"the queue is full: max_depth = {self.streams.max_depth}"
        return Timeout(text) if self.options.put_timeout else Full(text)

    async def _pull(self, request: dict[str, Any], wait: float) -> tuple[list[Msg], bool]:
        """Asks for messages. Returns what came, and whether the server has said that there are no more."""
        link = self.link
        # A server that has to keep more than a client takes at once ends the connection.
        request["max_bytes"] = max(AT_ONCE, 2 * link.client.max_payload)
        inbox = link.inboxes.pop() if link.inboxes else Inbox(link)
        try:
            messages = await inbox.pull(self._next, request, wait)
        except errors.Error:  # the connection broke before the request was sent
            messages = []
        if inbox.status:
            link.inboxes.append(inbox)
        elif not messages and not link.closed:
            await asyncio.sleep(ROOM)  # the client has a turn, too, to notice what has happened
        if not messages and inbox.status.startswith(("503", "409", "400")):
            await self._explain(inbox.status)
        return messages, bool(inbox.status)

    async def _explain(self, status: str) -> None:
        """Returns if the server can give no messages just now. If it never will, that is an error."""
        options = self.options
        try:
            await self.streams.ask(lambda js: js.consumer_info(options.stream, options.consumer))
        except errors.Error as error:
            raise InvalidOperation(
                f"{options.shown}: the stream {options.stream!r} or its consumer {options.consumer!r} was "
                f"removed ({getattr(error, 'description', None) or error})"
            ) from error
        if status.startswith("400"):
            raise StorageError(f"{options.shown} refused a request for messages: {status}")
        await asyncio.sleep(ROOM)

    async def _leases(self, home: Home, messages: list[Msg], ttl: float | None) -> list[WorkLease[Any]]:
        """The leases of messages, without those that are dead: these are moved to the dead letters."""
        leases: list[WorkLease[Any]] = []
        most = self.options.max_deliveries
        done = 0
        try:
            if self.link.closed:
                raise ShutDown("the queue was closed")
            for message in messages:
                deliveries, number = delivered(message.reply)
                if most is not None and deliveries > most:
                    await self._bury(message, f"delivered {deliveries - 1} times", deliveries - 1)
                else:
                    try:
                        item = item_of(message.data, message.headers)
                    except (ValueError, Corrupted) as error:
                        await self._bury(message, f"can't be read: {error}")
                    else:
                        self.held.add(message.reply, ttl)
                        leases.append(NatsLease(home, message, item, deliveries, number))
                done += 1
        except BaseException:
            for message in messages[done:]:
                self._send(message.reply, NACK)
            raise
        return leases

    async def _bury(self, message: Msg, reason: str, deliveries: int | None = None) -> None:
        await self.streams.ensure_dead()
        times, number = delivered(message.reply)
        name = f"{OWN}{self.options.stream}:{number}:{stored_at(message.reply)}"
        most = self.link.client.max_payload
        headers = burial(message, name, times if deliveries is None else deliveries, reason, most)
        dead = [Message(self.streams.dead, message.data, headers or None)]
        puts = _Puts(self.options, dead, False)
        puts.exchange = Exchange(self.link, dead, puts.judge)
        try:
            await puts.exchange.run()
        except Unreachable:
            self.streams.lost_dead()
            raise
        if puts.error is not None or puts.refused:
            raise puts.error or StorageError(f"the stream {self.streams.dead!r} of dead letters is full")
        await self._all([Message(message.reply, TERM, None)])

    async def _end(self, leases: list[NatsLease[Any]], how: bytes) -> None:
        for lease in leases:
            self.held.remove(lease._message.reply)
            lease._over = True
        try:
            await self._all([Message(lease._message.reply, how, None) for lease in leases])
        except Unreachable as error:
            raise Unreachable(f"{error}; the items may be delivered once more") from error

    def _checked(self, leases: Iterable[object]) -> list[NatsLease[Any]]:
        """These leases: all must be of this queue, and none must have ended."""
        now = self.link.now()
        seen: dict[str, NatsLease[Any]] = {}
        for lease in leases:
            if not isinstance(lease, NatsLease) or lease._home.engine is not self:
                raise TypeError("ack_many takes leases of this queue only")
            reply = lease._message.reply
            if reply in seen or not self.held.has(reply, now):
                raise InvalidOperation(f"the lease of item {lease.number} has ended")
            seen[reply] = lease
        return list(seen.values())

    async def _all(self, messages: list[Message]) -> None:
        """Sends acknowledgements of any kind, and waits until the server has confirmed all."""
        if messages:
            await Exchange(self.link, messages, _confirmed).run()

    async def _forget(self, found: list[NatsDeadLetter[Any]]) -> None:
        for letter in found:
            await self.streams.forget(letter.number)

    def _send(self, subject: str, data: bytes) -> None:
        """Sends an acknowledgement that nobody waits for."""
        if self.link.client.is_connected:
            self.link.spawn(self.link.client.publish(subject, data))


class _Puts:
    """What the server says to messages that are put."""

    def __init__(self, options: Options, messages: list[Message], named: bool) -> None:
        self._options = options
        self._named = named
        self._all = messages
        self._sent = list(range(len(messages)))
        self._later: list[int] = []
        self.messages = messages
        """Those of the exchange."""
        self.exchange: Exchange | None = None
        self.added = 0
        self.refused: list[int] = []
        self.error: StorageError | TooLarge | None = None

    def judge(self, number: int, answer: Msg) -> bool:
        """Whether an answer settles a message."""
        if answer.headers and answer.headers.get("Status") == NO_RESPONDERS:
            return False
        said = json.loads(answer.data)
        error = said.get("error")
        if error is None:
            # A name that nobody else can have given is known only because the first answer was lost.
            known = said.get("duplicate") and self._named and not (self.exchange and self.exchange.retried)
            self.added += not known
            return True
        text = error.get("description", "")
        if text.startswith("maximum ") and text.endswith(
            " exceeded"
        ):  # messages or bytes, per subject or not
            self.refused.append(self._sent[number])
            return True
        if error.get("code") in (409, 429, 503) and error.get("err_code") in _BUSY:
            return False
        text = f"{self._options.shown} refused the item: {text} (error {error.get('err_code')})"
        self.error = TooLarge(text) if error.get("err_code") == _TOO_LARGE else StorageError(text)
        self.refused.append(self._sent[number])
        return True

    def again(self) -> None:
        """What was refused is put next: the first of it, since more would mostly be refused again."""
        left = self.left()
        self._sent, self._later = left[:AGAIN], left[AGAIN:]
        self.messages = [self._all[number] for number in self._sent]
        self.exchange = None
        self.refused = []

    def left(self) -> list[int]:
        """The numbers of the items that no server has acknowledged."""
        unsettled = self.exchange.left() if self.exchange else ()
        return sorted([*self.refused, *self._later, *(self._sent[number] for number in unsettled)])


def _confirmed(_: int, answer: Msg) -> bool:
    return not (answer.headers and answer.headers.get("Status") == NO_RESPONDERS)


def _seconds(name: str, value: object) -> float | None:
    """A length of time, in seconds or as a timedelta."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name!r} must be seconds or a timedelta, not {type(value).__name__}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name!r} must be at least 0 seconds, not {value!r}")
    return float(value)
