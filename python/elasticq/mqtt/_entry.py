"""What an outbox stores for each message: a short head, then topic, properties and payload, byte by byte.

The head is of fixed size and packed with `struct`, since this is done for each message twice.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEAD = struct.Struct(">BQII")
"""Flags, id, and the lengths of the topic and of the properties. The payload is the rest."""
_RETAIN = 1

MOST_TOPIC = 65_535
"""The most bytes of a topic that MQTT allows."""
MOST_PAYLOAD = 268_435_455
"""The most bytes of a packet that MQTT allows."""


class Entry(NamedTuple):
    """A message as it is stored."""

    id: int
    """When it was stored, in nanoseconds since 1970; no two of an outbox are equal."""
    topic: bytes
    payload: bytes
    retain: bool
    properties: bytes
    """Those of MQTT 5 as they are sent; empty if there are none."""

    def pack(self) -> bytes:
        """The bytes that are stored."""
        head = _HEAD.pack(_RETAIN if self.retain else 0, self.id, len(self.topic), len(self.properties))
        return head + self.topic + self.properties + self.payload

    @classmethod
    def unpack(cls, item: bytes) -> Entry:
        """The message of such bytes."""
        flags, number, topic, properties = _HEAD.unpack_from(item)
        begin = _HEAD.size + topic
        end = begin + properties
        return cls(number, item[_HEAD.size : begin], item[end:], bool(flags & _RETAIN), item[begin:end])


def id_of(item: bytes) -> int:
    """The id alone."""
    number: int = _HEAD.unpack_from(item)[1]
    return number
