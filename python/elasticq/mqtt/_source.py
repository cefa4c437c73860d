"""The receiving side of the proxy: a message is acknowledged when it is on the disk, and not before.

paho acknowledges the receipt of a message of QoS 2 when it arrives, and hands it over later. If the process
ends in between, the broker has already forgotten the message, and it is lost; `manual_ack` changes nothing
about that, since it is about the last of the four packets. So this client answers itself. All messages that
one read brings are stored with one write, and then acknowledged with one.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MessageType, MQTTErrorCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from elasticq import StorageError

from ._errors import OutboxFull
from ._link import Link
from ._outbox import LEVELS, Outbox
from ._state import State
from ._told import Teller
from ._wire import Wire

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_PUBACK, _PUBREC, _PUBCOMP = b"\x40\x02", b"\x50\x02", b"\x70\x02"
_PUBLISH, _PUBREL = 0x30, 0x62


class Received(NamedTuple):
    """A message as it has come."""

    qos: int
    mid: int
    topic: bytes
    payload: bytes
    retain: bool
    properties: bytes


class Receiver(Wire):
    """A client that collects what comes, and answers when it is told to."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.batch: list[Received] = []
        self.unreleased: set[int] = set()
        """Identifiers of messages of QoS 2 that are stored, and that the broker may send once more."""
        self._released: list[int] = []
        self.received = dict.fromkeys(LEVELS, 0)
        self.redelivered = 0
        self.duplicates = 0

    def begin(self, *, session_present: bool) -> None:
        """The client is connected. What was not acknowledged comes again."""
        self.batch.clear()
        self._released.clear()
        if not session_present:
            self.unreleased.clear()

    def acknowledge(self, qos: int, mids: Sequence[int]) -> None:
        """Tells the broker that these messages are safe."""
        if qos == 2:
            self.unreleased.update(mids)
        if qos:
            self._answer(_PUBACK if qos == 1 else _PUBREC, mids)

    def release(self) -> None:
        """Answers what the broker has released since the last time."""
        released, self._released = self._released, []
        if released:
            self._answer(_PUBCOMP, released)

    def _answer(self, head: bytes, mids: Sequence[int]) -> None:
        packets = b"".join([head + mid.to_bytes(2, "big") for mid in mids])
        self._packet_queue(MessageType.PUBACK, packets, 0, 1)

    def _take(self, command: int, body: bytes) -> MQTTErrorCode | None:
        if command & 0xF0 == _PUBLISH:
            return self._receive(command, body)
        if command == _PUBREL and len(body) >= 2:
            return self._let_go(body)
        return None

    def _handle_publish(self) -> MQTTErrorCode:
        return self._receive(self._in_packet["command"], bytes(self._in_packet["packet"]))

    def _handle_pubrel(self) -> MQTTErrorCode:
        return self._let_go(bytes(self._in_packet["packet"]))

    def _let_go(self, body: bytes) -> MQTTErrorCode:
        mid = int.from_bytes(body[:2], "big")
        self.unreleased.discard(mid)
        self._released.append(mid)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _receive(self, command: int, packet: bytes) -> MQTTErrorCode:
        qos = command >> 1 & 3
        at = 2 + int.from_bytes(packet[:2], "big")
        topic = packet[2:at]
        mid = 0
        if qos:
            mid = int.from_bytes(packet[at : at + 2], "big")
            at += 2
        properties = b""
        if self._protocol == mqtt.MQTTv5:
            begin, at = at, _behind_properties(packet, at)
            properties = packet[begin:at] if at > begin + 1 else b""
        if qos == 3 or not topic or at > len(packet):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self.received[qos] += 1
        if command & 8:
            self.redelivered += 1
        if qos == 2 and mid in self.unreleased:
            self.duplicates += 1
            self.acknowledge(2, (mid,))
        else:
            self.batch.append(Received(qos, mid, topic, packet[at:], bool(command & 1), properties))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _behind_properties(packet: bytes, at: int) -> int:
    """Where the properties end that begin here; behind the packet if they are damaged."""
    length = shift = 0
    for byte in packet[at : at + 4]:
        at += 1
        length |= (byte & 127) << shift
        if byte < 128:
            return at + length
        shift += 7
    return len(packet) + 1


class Source:
    """Subscribes, stores what comes in the outbox, and acknowledges it."""

    def __init__(
        self,
        link: Link,
        receiver: Receiver,
        outbox: Outbox,
        state: State,
        teller: Teller,
        *,
        filters: Sequence[str],
        prefix: bytes,
        drops_newest: bool,
        room_again: Callable[[], bool],
    ) -> None:
        self._link = link
        self._receiver = receiver
        self._outbox = outbox
        self._state = state
        self._teller = teller
        self._filters = list(filters)
        self._prefix = prefix
        self._drops_newest = drops_newest
        self._session = f"{link.address} {receiver._client_id.decode()}"
        self._asked: int | None = None
        self.dropped = 0
        self.refusal: str | None = None
        """Why the broker does not let us subscribe."""
        told: Any = receiver.on_connect
        receiver.on_subscribe = self._on_subscribe

        def on_connect(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            told(client, data, flags, reason, properties)
            if not reason.is_failure:
                self._begin(bool(flags.session_present))

        receiver.on_connect = on_connect
        link.each_round = self.store
        link.may_go_on = room_again

    def _begin(self, session_present: bool) -> None:
        """Subscribes if the broker does not know already: else it would send all retained messages again."""
        self._receiver.begin(session_present=session_present)
        known = self._state.filters_of(self._session)
        if session_present and known == self._filters:
            return
        if known and not session_present:
            line = "source: the broker has forgotten the session, and with it what it had kept for the proxy"
            self._teller.tell("session_lost", line, side="from")
        if session_present and (old := sorted(set(known or ()) - set(self._filters))):
            self._receiver.unsubscribe(old)
        if self._receiver.protocol == mqtt.MQTTv5:
            options = SubscribeOptions(
                qos=2, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            )
            _, self._asked = self._receiver.subscribe([(name, options) for name in self._filters])
        else:
            _, self._asked = self._receiver.subscribe([(name, 2) for name in self._filters])

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, codes: Any, _properties: Any) -> None:
        if mid != self._asked:
            return
        for name, code in zip(self._filters, codes, strict=False):
            if code.is_failure:
                self.refusal = f"the source refuses to subscribe {name!r}: {code} (0x{code.value:02x})"
                return
            if code.value < 2:
                line = f"source: {name!r} is granted with QoS {code.value} at most"
                self._teller.tell("granted", line, side="from", filter=name, qos=code.value)
        self._state.remember(self._session, self._filters)
        line = f"source: subscribed to {', '.join(self._filters)}"
        self._teller.tell("subscribed", line, side="from", filters=self._filters)

    def store(self) -> str | None:
        """Stores what has come, and acknowledges it. Returns why no more can be taken, if that is so."""
        receiver = self._receiver
        receiver.release()
        if not receiver.batch:
            return None
        batch, receiver.batch = receiver.batch, []
        full: str | None = None
        for qos in reversed(LEVELS):
            rest = [each for each in batch if each.qos == qos]
            while rest:
                stored, error = self._store(qos, rest)
                self._acknowledge(qos, rest[:stored])
                rest = rest[stored:]
                if error is None:
                    break
                if isinstance(error, OutboxFull) and not self._outbox._can_ever_hold(self._entry(rest[0])):
                    full = self._too_large(rest[0]) or full
                    if self.refusal is not None:
                        break
                    self._acknowledge(qos, rest[:1])
                    rest = rest[1:]
                elif isinstance(error, OutboxFull) and self._drops_newest:
                    self.dropped += len(rest)
                    self._acknowledge(qos, rest)
                    break
                else:
                    full = (
                        str(error) if isinstance(error, OutboxFull) else f"the disk is full: {error.strerror}"
                    )
                    self.dropped += len(rest) if qos == 0 else 0
                    break
        return full

    def _entry(self, message: Received) -> tuple[bytes, bytes, bool, bytes]:
        return (self._prefix + message.topic, message.payload, message.retain, message.properties)

    def _store(self, qos: int, some: Sequence[Received]) -> tuple[int, OutboxFull | StorageError | None]:
        """Stores all; if there is no room for all at once, one after the other. Returns how many have found
        room, and why the next one has not."""
        entries = [self._entry(each) for each in some]
        parts = [entries] if len(entries) == 1 else [entries, *([entry] for entry in entries)]
        stored = 0
        for part in parts:
            try:
                self._outbox._store(qos, part)
            except (OutboxFull, StorageError) as error:
                if isinstance(error, StorageError) and error.errno not in _NO_ROOM:
                    raise
                if len(part) == 1:
                    return stored, error
            else:
                stored += len(part)
                if stored == len(entries):
                    break
        return stored, None

    def _acknowledge(self, qos: int, some: Sequence[Received]) -> None:
        if some:
            self._receiver.acknowledge(qos, [each.mid for each in some])
            self._receiver.loop_write()  # until the source knows, a kill makes it send all of them again

    def _too_large(self, message: Received) -> str | None:
        """A message is larger than the limit of the files. It is dropped if others may be, too."""
        topic = message.topic.decode("utf-8", "replace")[:200]
        line = f"source: a message to {topic!r} of {len(message.payload):,} bytes can't be stored"
        line += ": it is larger than --max-disk allows"
        if self._drops_newest or self._outbox._drops:
            self.dropped += 1
            self._teller.tell(
                "too_large", line, side="from", topic=topic, qos=message.qos, bytes=len(message.payload)
            )
            return None
        self.refusal = f"{line}; it stays with the source"
        return self.refusal
