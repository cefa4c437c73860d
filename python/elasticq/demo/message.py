"""The demo's messages: a fixed header, which identifies and protects the message, then filler.

    magic 4 | publisher 2 | qos 1 | unused 1 | sequence 4 | sent_ns 8 | crc32 4 | filler ...

All integers are big-endian. The checksum covers all bytes but its own. `sent_ns` is CLOCK_MONOTONIC. All
processes of one machine share that clock, so the receiver can tell how old a message is.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

_MAGIC = b"eqd1"
_FIELDS = struct.Struct(">4sHBxIQ")
_CHECKSUM = struct.Struct(">I")

MIN_PAYLOAD = _FIELDS.size + _CHECKSUM.size
MAX_PAYLOAD = 1_000_000  # below the broker's limit of 1 MiB, which counts its own headers too
QOS_LEVELS = (0, 1, 2)

# The QoS of a publisher's messages, over and over: half telemetry, the rest with guaranteed delivery.
QOS_PATTERN = (0, 1, 0, 2, 0, 1, 0, 1, 0, 2)

# One topic for each kind of message, as in a plant. The subscriber subscribes to them all.
_TOPIC_OF_QOS = ("telemetry", "event", "order")
TOPIC_FILTER = "plant/+/+"


class MessageId(NamedTuple):
    """Names one message of a run."""

    publisher: int
    sequence: int
    qos: int


class Message(NamedTuple):
    """What a payload says about itself."""

    id: MessageId
    sent_ns: int
    intact: bool


def topic(message_id: MessageId) -> str:
    """The topic that a message is published on."""
    return f"plant/line-{message_id.publisher}/{_TOPIC_OF_QOS[message_id.qos]}"


def encode(message_id: MessageId, sent_ns: int, filler: bytes) -> bytes:
    """Builds the payload, which is `MIN_PAYLOAD + len(filler)` bytes long."""
    fields = _FIELDS.pack(_MAGIC, message_id.publisher, message_id.qos, message_id.sequence, sent_ns)
    return b"".join((fields, _CHECKSUM.pack(zlib.crc32(filler, zlib.crc32(fields))), filler))


def decode(payload: bytes) -> Message:
    """Reads a payload and checks its checksum. ValueError if it is not a message of the demo at all."""
    message_id, sent_ns = _fields(payload)
    covered = zlib.crc32(memoryview(payload)[MIN_PAYLOAD:], zlib.crc32(payload[: _FIELDS.size]))
    (stated,) = _CHECKSUM.unpack_from(payload, _FIELDS.size)
    return Message(message_id, sent_ns, covered == stated)


def identify(payload: bytes) -> MessageId:
    """Reads only the id, without checking the checksum. ValueError as for `decode`."""
    return _fields(payload)[0]


def _fields(payload: bytes) -> tuple[MessageId, int]:
    if len(payload) < MIN_PAYLOAD or not payload.startswith(_MAGIC):
        raise ValueError(
            f"payload of {len(payload)} bytes starting with {payload[:4]!r} is no demo message: "
            f"it must be at least {MIN_PAYLOAD} bytes long and start with {_MAGIC!r}"
        )
    _, publisher, qos, sequence, sent_ns = _FIELDS.unpack_from(payload)
    return MessageId(publisher, sequence, qos), sent_ns
