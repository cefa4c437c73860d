"""The thread of an outbox that hands messages on to the broker, and ends their leases when it has them.

**Order.** For each QoS there is a queue, and its entries are published in their order, one after the other.
After a reconnect, paho sends again what it had not got acknowledged. Nothing new is published before all of
that is acknowledged, so nothing new overtakes it; a lock (`_gate`) keeps a publish from falling between the
moment when paho opens the socket and the moment when it has the broker's answer.

**At least once.** An entry is on lease while it is on its way. The lease ends when the broker has
acknowledged the message. If the process ends before, the entry is published again, at its old place. One of
QoS 2 then has the packet identifier that it had: so the broker knows a message again that it has received and
not released yet.

**What the broker never takes** must not stand in the way for ever. A broker of MQTT 5 says why it refuses a
message. Others end the connection. If a connection is lost while nothing was acknowledged, the messages are
sent one at a time, so that it shows which one it is. That one is buried after so many lost connections.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from elasticq import Empty, Lease, PersistentCircularBuffer

from . import _paho
from ._entry import Entry
from ._hooks import Hooks

Queues = Mapping[int, PersistentCircularBuffer[bytes]]

_log = logging.getLogger("elasticq.mqtt")

_ROUND_SECONDS = 0.5
"""How often the thread looks for what nobody tells it: delays that are over, and replaced callbacks."""
_ANSWER_SECONDS = 10.0
_LONGEST_DELAY = 60.0
_FAILURE = 0x80
_UNKNOWN_IDENTIFIER = 0x92
_FINAL = {0x87, 0x90, 0x95, 0x99, 0x9A, 0x9B}
"""Reason codes after which trying again is of no use: not authorised, a topic or a payload that is invalid,
too large, retain or QoS not supported."""

_BEFORE_CONNECT, _CONNECTED, _LOST, _ANSWER = range(4)


class Limits(NamedTuple):
    """What a broker of MQTT 5 says that it takes."""

    inflight: int = 65_535
    packet: int = 0
    qos: int = 2


class Sent:
    """An entry that was published, or is to be published once more."""

    __slots__ = ("attempt", "entry", "info", "is_answered", "lease", "mid", "qos", "sent_qos")

    def __init__(self, lease: Lease[bytes], qos: int) -> None:
        self.lease = lease
        self.qos = qos
        self.sent_qos = qos
        self.entry = Entry.unpack(lease.item)
        self.mid = 0
        self.info: mqtt.MQTTMessageInfo | None = None
        self.attempt = 0
        self.is_answered = False
        """Whether the broker has it, and the queue is about to be told."""

    @property
    def key(self) -> tuple[int, int]:
        """What no two entries of an outbox have in common."""
        return self.qos, self.lease.number


class HandOver:
    """Hands the entries of queues on through a client, in a thread of its own, until `stop`.

    `buried` is called in that thread for each message that is given up.
    """

    def __init__(
        self,
        client: mqtt.Client,
        queues: Queues,
        max_inflight: int,
        max_tries: int,
        buried: Callable[[Entry, int, str], None],
    ) -> None:
        self._client = client
        self._queues = queues
        self._max_inflight = max_inflight
        self._max_tries = max_tries
        self._buried = buried
        self.failure: BaseException | None = None
        """What has ended the thread, if it was not `stop`."""
        self.delivered = dict.fromkeys(queues, 0)
        self.expired = 0
        self.refused = 0
        self.repeated = 0
        """Messages that were published more than once."""
        self.changed = threading.Condition()
        """Notified when entries have left the queues."""
        self._events: deque[tuple[int, Any, Any]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._is_draining = False
        self._gate = threading.Lock()
        self._open = False
        self._attempt = 0
        self._done_attempt = 0
        self._answered = threading.Condition()
        self._limits = Limits()
        self._flying: dict[int, Sent] = {}
        self._again: dict[int, deque[Sent]] = {qos: deque() for qos in queues}
        self._held: set[int] = set()
        """Identifiers of what the client sends again by itself after a reconnect."""
        self._was_connected = False
        self._look_at = 0.0
        """When to see whether the client was connected while our callbacks were not in place; 0: never."""
        self._answers = 0
        """How many were acknowledged since the last connect."""
        self._careful = 0
        """So many messages are to be sent one at a time."""
        self._tries: dict[tuple[int, int], int] = {}
        """By QoS and number: each queue counts for itself."""
        self._given_up = 0
        """How many were given up since the last success, because the connection was lost."""
        with ExitStack() as placed:
            self._sending = _paho.Sending(client)
            placed.callback(self._sending.release)
            self._hooks = Hooks(
                client,
                {
                    "on_pre_connect": self._hear_before_connect,
                    "on_connect": self._hear_connected,
                    "on_disconnect": self._hear_lost,
                    "on_publish": self._hear_answer,
                },
            )
            placed.callback(self._hooks.remove)
            self._thread = threading.Thread(target=self._run, name="elasticq.mqtt.Outbox", daemon=True)
            if client.is_connected():
                _paho.make_wakeable(client)
                self._events.append((_CONNECTED, 0, None))
            self._thread.start()
            placed.pop_all()

    def nudge(self) -> None:
        """Says that entries have come."""
        if not self._wake.is_set():
            self._wake.set()

    def publish_no_more(self) -> None:
        """Leaves what has not been published yet where it is. What is on its way goes on."""
        self._is_draining = True

    def stop(self) -> None:
        """Ends the thread, and leaves the client as it was. Nothing is published any more."""
        self._stopping = True
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._hooks.remove()
        self._sending.release()
        for sent in self._flying.values():
            if sent.sent_qos:
                _paho.forget(self._client, sent.mid)

    @property
    def on_the_way(self) -> int:
        """How many messages were published and have not left the queue yet."""
        return len(self._flying)

    def oldest_on_the_way(self) -> int | None:
        """The id of the oldest entry that has left its queue for the broker; None: there is none."""
        return min((sent.entry.id for sent in list(self._flying.values())), default=None)

    # What the client tells, mostly in its network thread.

    def _hear_before_connect(self, *_: Any) -> None:
        """Closes the gate, and waits until the thread has dealt with the connection before."""
        with self._gate:
            self._open = False
            self._attempt += 1
            attempt = self._attempt
        self._tell(_BEFORE_CONNECT, attempt)
        if threading.current_thread() is self._thread:
            return
        with self._answered:
            self._answered.wait_for(
                lambda: self._done_attempt >= attempt or not self._thread.is_alive(), _ANSWER_SECONDS
            )

    def _hear_connected(self, client: mqtt.Client, _data: Any, flags: Any, reason: Any, *rest: Any) -> None:
        if getattr(reason, "is_failure", reason != 0):
            return
        _paho.make_wakeable(client)
        # The callbacks of version 1 get a dictionary.
        is_present = flags["session present"] if isinstance(flags, dict) else flags.session_present
        if not is_present:
            _paho.begin_anew(client)
        self._tell(_CONNECTED, self._attempt, _limits(rest[0] if rest else None))

    def _hear_lost(self, _client: Any, _data: Any, *rest: Any) -> None:
        reason = rest[1] if len(rest) > 2 else rest[0]  # version 1 has no flags before it
        self._tell(_LOST, getattr(reason, "value", reason) == 0)

    def _hear_answer(self, _client: mqtt.Client, _userdata: Any, mid: int, *rest: Any) -> None:
        code = rest[0] if rest else None
        refusal = code if code is not None and getattr(code, "value", 0) >= _FAILURE else None
        self._tell(_ANSWER, mid, refusal)

    def _tell(self, kind: int, what: Any, more: Any = None) -> None:
        self._events.append((kind, what, more))
        self.nudge()

    # What the thread does.

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._hear()
                if not self._hand_on():
                    self._wake.wait(_ROUND_SECONDS)
                self._wake.clear()
                if self._hooks.place():
                    self._find_answers()
                    self._look_at = time.monotonic() + _ROUND_SECONDS
                if self._look_at and time.monotonic() >= self._look_at:
                    self._look_at = 0.0
                    self._find_connection()
        except BaseException as error:
            self.failure = error
            _log.exception("the outbox has stopped: what it holds stays in its files")
        finally:
            with self._gate:
                self._open = False
            for condition in (self._answered, self.changed):
                with condition:
                    condition.notify_all()

    def _hear(self) -> None:
        """Deals with all that was told since the last time."""
        done: list[Sent] = []
        while self._events:
            kind, what, more = self._events.popleft()
            if kind == _ANSWER:
                sent = self._flying.get(what)
                if sent is None or sent.is_answered:  # the program's own, or told twice
                    continue
                if more is not None and not self._was_received(sent, more):
                    del self._flying[what]
                    self._held.discard(what)
                    self._refuse(sent, more)
                else:
                    sent.is_answered = True
                    done.append(sent)
                    self._held.discard(what)
                continue
            self._settle(done)
            done = []
            if kind == _CONNECTED:
                self._begin(what, more)
            elif kind == _LOST:
                with self._gate:
                    self._open = False
                self._take_back_unsent()
                if what:  # the program has disconnected: no message is to blame
                    self._was_connected = False
            else:
                self._prepare(what)
        self._settle(done)
        if not self._held and self._was_connected and not self._open and self._client.is_connected():
            with self._gate:
                self._open = self._attempt == self._done_attempt

    def _was_received(self, sent: Sent, reason: Any) -> bool:
        """Whether a refusal means that the broker was done with a message, and had only not said so."""
        return bool(reason.value == _UNKNOWN_IDENTIFIER and sent.attempt != self._attempt)

    def _begin(self, attempt: int, limits: Limits | None) -> None:
        """The client is connected. What it sends again comes first."""
        self._limits = limits or Limits()
        self._was_connected = True
        self._answers = 0
        self._take_back_unsent()
        self._held = {mid for mid, sent in self._flying.items() if sent.attempt != attempt}
        self._done_attempt = max(self._done_attempt, attempt)

    def _take_back_unsent(self) -> None:
        """What has QoS 0 and was not written to the socket, the client does not send again."""
        unsent = [sent for sent in self._flying.values() if sent.sent_qos == 0]
        for sent in unsent:
            del self._flying[sent.mid]
        self._once_more(unsent)

    def _prepare(self, attempt: int) -> None:
        """The client is about to connect again. Finds out whether a message has ended the connection."""
        if self._was_connected:
            self._was_connected = False
            self._take_back_unsent()
            flying = sorted(self._flying.values(), key=lambda sent: sent.lease.number)
            if len(flying) == 1:
                self._suspect(flying[0])
            elif flying and not self._answers:
                self._careful = len(flying)
                self._once_more(sent for sent in flying[1:] if self._forgotten(sent))
        with self._answered:
            self._done_attempt = attempt
            self._answered.notify_all()

    def _suspect(self, sent: Sent) -> None:
        """The connection was lost while this message alone was on its way."""
        tries = self._tries[sent.key] = self._tries.get(sent.key, 0) + 1
        # A broker that takes nothing at all must not make dead letters of the whole queue.
        if tries >= self._max_tries << min(self._given_up, 16) and self._forgotten(sent):
            self._given_up += 1
            self._bury(sent, f"the connection was lost {tries} times while this message alone was on its way")

    def _forgotten(self, sent: Sent) -> bool:
        """Takes a message back from the client, if that is possible."""
        if not _paho.forget(self._client, sent.mid):
            return False
        del self._flying[sent.mid]
        return True

    def _once_more(self, some: Iterable[Sent]) -> None:
        """Puts entries before those that were not published yet, in their order."""
        waiting = list(some)
        for qos in {sent.qos for sent in waiting}:
            entries = [*self._again[qos], *(sent for sent in waiting if sent.qos == qos)]
            self._again[qos] = deque(sorted(entries, key=lambda sent: sent.lease.number))

    def _settle(self, done: list[Sent]) -> None:
        """The broker has these messages."""
        if not done:
            return
        for qos, queue in self._queues.items():
            leases = [sent.lease for sent in done if sent.qos == qos]
            if leases:
                queue.ack_batch(leases)
                self.delivered[qos] += len(leases)
        for sent in done:  # whoever waits until nothing is on the way finds that it has left the queue, too
            del self._flying[sent.mid]
        self._answers += len(done)
        self._careful = max(self._careful - len(done), 0)
        self._given_up = 0
        if self._tries:
            for sent in done:
                self._tries.pop(sent.key, None)
        self._notify()

    def _refuse(self, sent: Sent, reason: Any) -> None:
        """The broker has refused a message, and says why."""
        self._answers += 1
        self._careful = max(self._careful - 1, 0)
        tries = self._tries[sent.key] = self._tries.get(sent.key, 0) + 1
        if reason.value in _FINAL or tries >= self._max_tries:
            self._bury(sent, f"the broker refuses it: {reason} (0x{reason.value:02x})")
        else:
            sent.lease.nack(delay=min(2.0 ** (tries - 1), _LONGEST_DELAY))

    def _bury(self, sent: Sent, reason: str) -> None:
        self._tries.pop(sent.key, None)
        sent.lease.bury(reason)
        self.refused += 1
        self._buried(sent.entry, sent.qos, reason)
        self._notify()

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _find_answers(self) -> None:
        """The program had replaced our callback for a while: what was acknowledged meanwhile?"""
        done = []
        for mid, sent in list(self._flying.items()):
            with contextlib.suppress(RuntimeError, ValueError):
                if sent.info is not None and sent.info.is_published():
                    done.append(sent)
                    self._held.discard(mid)
        self._settle(done)

    def _find_connection(self) -> None:
        """The program had replaced our callback for a while: was the client connected meanwhile?"""
        if self._client.is_connected() and not self._was_connected and not self._events:
            _paho.make_wakeable(self._client)
            self._tell(_CONNECTED, self._attempt)

    # Publishing.

    def _hand_on(self) -> bool:
        """Publishes what there is room for. Returns whether more can be done at once."""
        if not self._open or self._is_draining:
            return False
        window = 1 if self._careful else min(self._max_inflight, self._limits.inflight)
        room = window - len(self._flying)
        if room <= 0 or (room < window // 4 and self._flying):  # a few at a time would cost more
            return False
        gone = self.expired + self.refused
        for qos in sorted(self._queues, reverse=True):
            batch = self._next(qos, room)
            if not batch:
                continue
            if not self._publish_all(batch):
                return False
            room -= len(batch)
            if room <= 0:
                break
        return bool(self._events) or self.expired + self.refused > gone  # those have left room

    def _next(self, qos: int, room: int) -> list[Sent]:
        """The entries of a queue that come next."""
        again = self._again[qos]
        if again:
            return [again.popleft() for _ in range(min(room, len(again)))]
        queue = self._queues[qos]
        if not len(queue):
            return []
        try:
            return [Sent(lease, qos) for lease in queue.lease_batch(room, block=False)]
        except Empty:  # they have been dropped meanwhile
            return []

    def _publish_all(self, batch: list[Sent]) -> bool:
        """Publishes entries. Returns whether all were; those that were not come once more."""
        with self._gate:
            for index, sent in enumerate(batch):
                if not self._open or not self._publish(sent):
                    self._once_more(batch[index:])
                    return False
        return True

    def _publish(self, sent: Sent) -> bool:
        """Publishes an entry. Returns False if it can't be done now."""
        entry = sent.entry
        try:
            topic = entry.topic.decode("utf-8")
            properties = _properties(entry)
            if properties is not None and not _is_in_time(properties, entry):
                sent.lease.ack()
                self.expired += 1
                self._notify()
                return True
            if self._limits.packet and _size(entry) > self._limits.packet:
                raise ValueError(f"it is larger than the {self._limits.packet:,} bytes that the broker takes")
            qos = min(sent.qos, self._limits.qos)
            mid = _paho.FIRST_CHOSEN + sent.lease.number % _paho.FIRST_CHOSEN if qos == 2 else 0
            if mid in self._flying:
                return False
            is_again = sent.info is not None or sent.lease.deliveries > 1
            self._sending.choose(mid, is_again=is_again)
            info = self._client.publish(topic, entry.payload, qos, entry.retain, properties)
        except Exception as error:  # no broker will ever get it
            self._bury(sent, f"it can't be sent: {error}")
            return True
        finally:
            self._sending.choose(0, is_again=False)
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE or (
            qos == 0 and info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS
        ):
            return False
        self.repeated += is_again
        sent.mid, sent.info, sent.sent_qos = info.mid, info, qos
        sent.attempt = self._attempt
        self._flying[info.mid] = sent
        return True


def _limits(properties: Any) -> Limits:
    """What the broker's answer to a connect says."""
    return Limits(
        getattr(properties, "ReceiveMaximum", Limits().inflight),
        getattr(properties, "MaximumPacketSize", 0),
        getattr(properties, "MaximumQoS", 2),
    )


def _size(entry: Entry) -> int:
    """The bytes of the packet, at least: of QoS 0 it has two less."""
    rest = 2 + len(entry.topic) + 2 + max(len(entry.properties), 1) + len(entry.payload)
    return 1 + max(-(-rest.bit_length() // 7), 1) + rest


def _properties(entry: Entry) -> Properties | None:
    if not entry.properties:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.unpack(entry.properties)  # type: ignore[no-untyped-call]
    return properties


def _is_in_time(properties: Properties, entry: Entry) -> bool:
    """Whether a message has not expired. Takes the time that it has waited off the time that it has."""
    seconds = getattr(properties, "MessageExpiryInterval", None)
    if seconds is None:
        return True
    left = seconds - (time.time_ns() - entry.id) // 1_000_000_000
    if left <= 0:
        return False
    properties.MessageExpiryInterval = min(left, seconds)
    return True
