"""`Outbox`: messages are on the disk before they are on their way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from elasticq import Empty, InvalidConfiguration, PersistentCircularBuffer, ShutDown
from elasticq._waits import wait_for

from ._entry import MOST_PAYLOAD, MOST_TOPIC, Entry, id_of
from ._errors import OutboxFailed, OutboxFull

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import paho.mqtt.client as mqtt
    from paho.mqtt.properties import Properties

    from elasticq import SyncMode

__all__ = ["DeadMessage", "Message", "Outbox"]

Payload = str | bytes | bytearray | int | float | None
"""What paho takes as a payload."""

LEVELS = (0, 1, 2)
"""The qualities of service."""
_LEAST_DISK = 4 * 1024 * 1024
_USUAL_INFLIGHT, _MOST_INFLIGHT = 1_000, 16_384
_PARTS = 32
"""So many files share what `max_disk` allows, so that room comes back in small pieces."""
_SMALLEST_SEGMENT, _LARGEST_SEGMENT = 65_536, 16 * 1024 * 1024
_DROPPED_AT_A_TIME = 64

_log = logging.getLogger("elasticq.mqtt")


class Message(NamedTuple):
    """A message for `Outbox.publish_batch`. The fields are the arguments of `Outbox.publish`."""

    topic: str
    """Where to."""
    payload: Payload = None
    """What is sent."""
    qos: int = 1
    """The quality of service: 0, 1 or 2."""
    retain: bool = False
    """Whether the broker keeps it for later subscribers."""
    properties: Properties | None = None
    """Those of MQTT 5."""


class DeadMessage(NamedTuple):
    """A message that was given up, and is kept until somebody looks at it."""

    id: int
    """What `publish` returned."""
    topic: str
    """Where it was to go. Bytes that are no UTF-8 are shown as escapes."""
    payload: bytes
    """What it says."""
    qos: int
    """Its quality of service."""
    retain: bool
    """Whether the broker was to keep it."""
    reason: str
    """Why it was given up."""


class Outbox:
    """A durable outbox for a client of paho-mqtt: what is published survives restarts, kills and outages.

    `publish` returns when the message is on the disk, connected or not. A thread of the outbox hands the
    messages on while the client is connected, and forgets each when the broker has acknowledged it. If the
    process ends before, by SIGKILL too, the next outbox on the same path goes on.

    **Order.** Messages of one QoS arrive in the order in which they were published; so those of one topic do.
    A higher QoS goes first. A message that is delivered a second time may come after newer ones.

    **How often.** QoS 1 arrives at least once. QoS 2 arrives once as long as the process lives and the
    client's session lives at the broker (`clean_session=False` and a fixed client id; in MQTT 5 a session
    expiry). If the process ends, messages whose last answer had not come yet may arrive twice. QoS 0 is
    stored, too, and leaves the outbox when it is written to the socket; it may be lost then.

    **The client stays the program's.** The program makes it, connects it and runs its loop with `loop_start`,
    `loop_forever` or `loop`, and its callbacks are called as before; `on_publish` is called for the messages
    of the outbox as well. The program may publish through the client directly. The outbox numbers messages
    of QoS 2 itself, from 32,768 on. Loops of others, which call `loop_read` and `loop_write`, are not
    supported.

    **What a broker never takes** is given up, and kept as a dead message: at once if the message can't be
    sent or a broker of MQTT 5 says that it is not authorised, invalid or too large; after `max_tries` if it
    gives another reason, with delays of 1, 2, 4 … seconds between; and if the connection is lost `max_tries`
    times while that message alone is on its way.

    **Threads and processes.** Any thread may call any method. One outbox of a path is open at a time, and
    one outbox uses a client at a time.

    Args:
        client: The client that sends. Make it with `CallbackAPIVersion.VERSION2`; with version 1, a broker's
            reasons for a refusal can't be seen.
        path: The folder of the outbox. It is made if it does not exist (for its owner only); its parent must
            exist. It holds a durable queue for each QoS.
        sync_mode: "every_write": `publish` returns when a power cut can't undo it; "no_sync" or
            `SyncMode.periodic(seconds)`: a kill can't undo it.
        max_inflight: The most messages on their way at a time, from 1 to 16,384. None: as many as
            `client.max_inflight_messages` says (20, unless the program sets it), or 1,000 if that is 0. Then
            it is faster: paho keeps a limit by looking at all messages for each acknowledgement.
        max_tries: After how many tries a message is given up, at least 1.
        max_disk: The most bytes that the files may take, at least 4 MiB; None: as many as the disk has. The
            files may exceed it by a 32nd part for each QoS, since they grow by such parts.
        overflow: What `publish` does at that limit: "refuse" raises OutboxFull, "drop_oldest" drops the
            oldest messages of the lowest QoS until there is room.
        on_dead: Called for each message that is given up, in the outbox's thread.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.
        AlreadyOpen: The outbox is open, here or in another process; or the client serves another one.
        Corrupted: A stored message is damaged. The text names the file and the offset.
        StorageError: The system has refused something. It is also an OSError.

    Example:
        >>> import tempfile
        >>> import paho.mqtt.client as mqtt
        >>> from paho.mqtt.enums import CallbackAPIVersion
        >>> client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="sensor-7", clean_session=False)
        >>> path = tempfile.mkdtemp() + "/outbox"
        >>> with Outbox(client, path) as outbox:
        ...     number = outbox.publish("sensors/7", "21.5 °C")  # though nothing is connected
        ...     outbox.depth
        1
        >>> with Outbox(client, path) as outbox:  # after a restart
        ...     outbox.depth
        1
    """

    def __init__(
        self,
        client: mqtt.Client,
        path: str | os.PathLike[str],
        *,
        sync_mode: Literal["no_sync", "every_write"] | SyncMode = "every_write",
        max_inflight: int | None = None,
        max_tries: int = 5,
        max_disk: int | None = None,
        overflow: Literal["refuse", "drop_oldest"] = "refuse",
        on_dead: Callable[[DeadMessage], object] | None = None,
    ) -> None:
        from ._handover import HandOver

        if max_inflight is not None and not 1 <= max_inflight <= _MOST_INFLIGHT:
            rule = f"must be from 1 to {_MOST_INFLIGHT:,}"
            raise InvalidConfiguration(f"max_inflight is {max_inflight}: {rule}")
        if max_tries < 1:
            raise InvalidConfiguration(f"max_tries is {max_tries}: must be at least 1")
        if max_disk is not None and max_disk < _LEAST_DISK:
            raise InvalidConfiguration(f"max_disk is {max_disk}: must be at least {_LEAST_DISK}")
        if overflow not in ("refuse", "drop_oldest"):
            raise InvalidConfiguration(f"overflow is {overflow!r}: must be 'refuse' or 'drop_oldest'")
        window = max_inflight or min(client.max_inflight_messages or _USUAL_INFLIGHT, _MOST_INFLIGHT)
        self._path = Path(path)
        self._max_disk = max_disk
        self._drops = overflow == "drop_oldest"
        self._on_dead = on_dead
        segment = _LARGEST_SEGMENT if max_disk is None else max_disk // _PARTS
        self._segment = min(max(segment, _SMALLEST_SEGMENT), _LARGEST_SEGMENT)
        # Reentrant, since a signal handler may publish, too.
        self._lock = threading.RLock()
        self._making_room = threading.RLock()
        self._last_id = 0
        self._dropped = dict.fromkeys(LEVELS, 0)
        self._closed = False
        self._left: int | None = None
        """What `depth` was when it was closed."""
        self._refused = 0
        """The bytes for which there was no room the last time."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        with ExitStack() as opened:
            self._queues: dict[int, PersistentCircularBuffer[bytes]] = {
                qos: opened.enter_context(
                    PersistentCircularBuffer[bytes](
                        self._path / f"qos{qos}", sync_mode=sync_mode, segment_bytes=self._segment
                    )
                )
                for qos in LEVELS
            }
            self._hand_over = HandOver(client, self._queues, window, max_tries, self._buried)
            opened.pop_all()

    def publish(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 1,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> int:
        """Store a message, to be handed on as soon as the client is connected.

        Blocks until it is on the disk, as `sync_mode` says, and never for the network.

        Args:
            topic: Where to: a text without wildcards, of at most 65,535 bytes as UTF-8.
            payload: What is sent, as paho takes it: bytes, a text, a number or None.
            qos: The quality of service: 0, 1 or 2.
            retain: Whether the broker keeps the message for later subscribers.
            properties: Those of MQTT 5. The time in the outbox counts for the message expiry interval. A
                topic alias is refused, since it lives no longer than a connection.

        Returns:
            The id of the stored message. A later message has a higher one.

        Raises:
            ValueError: An argument breaks its rule.
            TypeError: The payload is of no such type.
            OutboxFull: There is no room within `max_disk`.
            ShutDown: The outbox is closed.
            OutboxFailed: The thread that hands messages on has ended with an error.
            StorageError: The disk has refused it; nothing was stored.
        """
        number, _, item = self._packed(topic, payload, qos, retain, properties)
        self._make_room(len(item))
        self._queues[qos].push(item)
        self._hand_over.nudge()
        return number

    async def apublish(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 1,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> int:
        """Do `publish` in a coroutine, which waits for the disk without blocking the event loop.

        While a task waits for room within `max_disk`, others may go before it. A task that is cancelled has
        stored the message all the same, unless it was still waiting for room.
        """
        number, _, item = self._packed(topic, payload, qos, retain, properties)
        self._check()
        if not self._has_room(len(item)):
            from asyncio import to_thread

            await to_thread(self._make_room, len(item))
            number, _, item = self._packed(topic, payload, qos, retain, properties)  # others have gone before
        await self._queues[qos].aput(item)
        self._hand_over.nudge()
        return number

    def publish_batch(self, messages: Iterable[Message]) -> list[int]:
        """Store many messages, with one sync for each QoS among them.

        Returns:
            Their ids, in their order.

        Raises:
            ValueError, TypeError, OutboxFull, ShutDown, OutboxFailed: As `publish` does; nothing was stored
                then.
            StorageError: The disk has refused something. What is of a higher QoS may have been stored.
        """
        packed = [self._packed(*message) for message in messages]
        self._make_room(sum(len(item) for _, _, item in packed))
        for qos in reversed(LEVELS):
            items = [item for _, of, item in packed if of == qos]
            if items:
                self._queues[qos].push_batch(items)
        self._hand_over.nudge()
        return [number for number, _, _ in packed]

    @property
    def depth(self) -> int:
        """How many messages are stored, and not acknowledged yet. Those that are dead don't count.

        After `close`: how many were left then.
        """
        alive = 0 if self._left is not None else sum(_alive(queue) for queue in self._queues.values())
        left = self._left  # again: a queue that was closed meanwhile has none
        return alive if left is None else left

    @property
    def path(self) -> Path:
        """The folder of the outbox."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every message has been handed on, or given up.

        Args:
            timeout: How many seconds to wait; None: without a limit.

        Returns:
            Whether nothing is left. False after the timeout, and if the outbox was closed before.

        Raises:
            OutboxFailed: The thread that hands messages on has ended with an error.
        """
        with self._hand_over.changed:
            done = wait_for(
                self._hand_over.changed,
                lambda: self._closed or self._hand_over.failure is not None or self.depth == 0,
                timeout,
            )
        self._check_thread()
        return done and self.depth == 0

    def dead_messages(self) -> list[DeadMessage]:
        """List the messages that were given up, of the highest QoS first."""
        return [
            _dead(Entry.unpack(letter.item), qos, letter.reason)
            for qos in reversed(LEVELS)
            for letter in self._queues[qos].dead_letters()
        ]

    def retry_dead(self) -> int:
        """Try all dead messages again, at their old places. Returns how many there were."""
        count = sum(queue.retry_dead() for queue in self._queues.values())
        self._hand_over.nudge()
        return count

    def purge_dead(self) -> int:
        """Drop all dead messages. Returns how many there were."""
        return sum(queue.purge_dead() for queue in self._queues.values())

    def close(self) -> None:
        """Stop handing on, and close the files. What they hold is handed on by the next outbox of this path.

        Does not wait for the broker; call `flush` first for that. The client stays connected. Closing twice
        is no error.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._hand_over.stop()
        self._left = self.depth
        for queue in self._queues.values():
            queue.close()
        with self._hand_over.changed:
            self._hand_over.changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.depth} messages"
        return f"<elasticq.mqtt.Outbox {str(self._path)!r} {state}>"

    # For the proxy, which has packets and not arguments.

    def _store(self, qos: int, entries: Sequence[tuple[bytes, bytes, bool, bytes]]) -> None:
        """Stores messages of one QoS as they came: topic, payload, retain and properties of each."""
        first = self._ids(len(entries))
        items = [
            Entry(first + index, topic, payload, retain, properties).pack()
            for index, (topic, payload, retain, properties) in enumerate(entries)
        ]
        self._make_room(sum(map(len, items)))
        self._queues[qos].push_batch(items)
        self._hand_over.nudge()

    def _disk(self) -> int:
        """The bytes that the files take."""
        return sum(queue.stats().bytes_on_disk for queue in self._queues.values())

    def _can_ever_hold(self, entry: tuple[bytes, bytes, bool, bytes]) -> bool:
        """Whether there is room for a message once the outbox is empty, as far as that is known now."""
        topic, payload, retain, properties = entry
        size = len(Entry(0, topic, payload, retain, properties).pack())
        if self._max_disk is None:
            return True
        return size <= self._max_disk and (self.depth > 0 or self._has_room(size))

    def _has_room(self, size: int) -> bool:
        return self._max_disk is None or self._disk() + size <= self._max_disk

    def _make_room(self, size: int) -> None:
        """Sees to it that the files have room for so many bytes more."""
        self._check()
        if self._has_room(size):
            return
        with self._making_room:
            if not self._gain_room(size):
                self._refused = size
                raise OutboxFull(
                    f"the outbox {str(self._path)!r} has no room for {size:,} bytes more: its files take "
                    f"{self._disk():,} bytes, and max_disk is {self._max_disk:,}"
                )

    def _gain_room(self, size: int) -> bool:
        """Gives up files that nobody needs and, if need be, messages. Whether there is room now."""
        assert self._max_disk is not None
        if self._has_room(size):  # since it is this thread's turn
            return True
        for queue in self._queues.values():
            queue.compact()  # else a queue gives files up later, when it has the time
        if self._drops and size <= self._max_disk:  # else dropping all would not help
            while not self._has_room(size):
                dropped_from = self._drop_some(max(size, self._segment))
                if dropped_from is None:
                    break
                dropped_from.compact()
        return self._has_room(size)

    def _drop_some(self, size: int) -> PersistentCircularBuffer[bytes] | None:
        """Drops the oldest messages of the lowest QoS, of so many bytes in all. None: there is none."""
        freed = 0
        for qos, queue in self._queues.items():
            count = 1  # of those that come next, if they are as large as the last one
            while freed < size:
                try:
                    gone = queue.pop_batch(count)
                except Empty:
                    break
                if not gone:
                    break
                self._dropped[qos] += len(gone)
                freed += sum(map(len, gone))
                count = min(max((size - freed) // len(gone[-1]), 1), _DROPPED_AT_A_TIME)
            if freed:
                return queue
        return None

    def _oldest(self) -> float | None:
        """How many seconds ago the oldest message was stored that is still here; None: there is none."""
        ids = [self._hand_over.oldest_on_the_way()]
        for queue in self._queues.values():
            try:
                ids.append(id_of(queue.peek()))
            except Empty:
                continue
        known = [number for number in ids if number is not None]
        return max(time.time_ns() - min(known), 0) / 1e9 if known else None

    def _ids(self, count: int) -> int:
        """The first of so many new ids."""
        now = time.time_ns()
        with self._lock:
            # No call stands between the look and the new value: after one, a signal handler could publish.
            first = self._last_id + 1
            if first < now:  # noqa: PLR1730 - `max` is a call
                first = now
            self._last_id = first + count - 1
            return first

    def _packed(
        self, topic: str, payload: Payload, qos: int, retain: bool, properties: Properties | None
    ) -> tuple[int, int, bytes]:
        """The id, the QoS and the bytes of a message, after a check of all arguments."""
        name = _checked_topic(topic)
        content = _checked_payload(payload)
        if qos not in LEVELS:
            raise ValueError(f"qos is {qos!r}: must be 0, 1 or 2")
        packed = _checked_properties(properties)
        number = self._ids(1)
        return number, qos, Entry(number, name, content, bool(retain), packed).pack()

    def _check(self) -> None:
        self._check_thread()
        if self._closed:
            raise ShutDown("the outbox is closed")

    def _check_thread(self) -> None:
        if self._hand_over.failure is not None:
            text = f"the outbox {str(self._path)!r} hands nothing on any more: {self._hand_over.failure}"
            raise OutboxFailed(text) from self._hand_over.failure

    def _buried(self, entry: Entry, qos: int, reason: str) -> None:
        dead = _dead(entry, qos, reason)
        if self._on_dead is None:
            _log.warning("a message to %r was given up: %s", dead.topic, reason)
            return
        try:
            self._on_dead(dead)
        except Exception:
            _log.exception("on_dead has failed")


def _alive(queue: PersistentCircularBuffer[bytes]) -> int:
    stats = queue.stats()
    return stats.ready + stats.leased + stats.delayed


def _dead(entry: Entry, qos: int, reason: str) -> DeadMessage:
    topic = entry.topic.decode("utf-8", "backslashreplace")
    return DeadMessage(entry.id, topic, entry.payload, qos, entry.retain, reason)


def _checked_topic(topic: str) -> bytes:
    if not isinstance(topic, str):
        raise TypeError(f"the topic must be a text, not {type(topic).__name__}")
    name = topic.encode("utf-8")
    if not 1 <= len(name) <= MOST_TOPIC:
        raise ValueError(
            f"the topic {topic[:40]!r} has {len(name):,} bytes: must be from 1 to {MOST_TOPIC:,}"
        )
    for wrong in "+#\0":
        if wrong in topic:
            raise ValueError(f"the topic {topic[:80]!r} has {wrong!r}, which only a filter may have")
    return name


def _checked_payload(payload: Payload) -> bytes:
    match payload:
        case None:
            content = b""
        case bytes() | bytearray():
            content = bytes(payload)
        case str():
            content = payload.encode("utf-8")
        case int() | float():
            content = str(payload).encode("ascii")
        case _:
            kind = type(payload).__name__
            raise TypeError(f"the payload must be bytes, a text, a number or None, not {kind}")
    if len(content) > MOST_PAYLOAD:
        raise ValueError(f"the payload has {len(content):,} bytes: must be at most {MOST_PAYLOAD:,}")
    return content


def _checked_properties(properties: Any) -> bytes:
    if properties is None or properties.isEmpty():
        return b""
    for name in ("TopicAlias", "SubscriptionIdentifier"):
        if hasattr(properties, name):
            raise ValueError(f"the properties have {name}, which can't be stored: it belongs to a connection")
    return bytes(properties.pack())
