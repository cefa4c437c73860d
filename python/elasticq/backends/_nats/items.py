"""Items as messages. `bytes` are a message's payload as they are, so that every client of NATS can read them.

Everything else is in the package's plain codec, and a header says so. A message without that header is bytes,
whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elasticq import _core

CODEC = "Elasticq-Codec"
PLAIN = "plain"
ID = "Nats-Msg-Id"

REAL_ID = "Elasticq-Id"
"""The id of an item that had to be given another name for the server, such as a dead one."""

LONGEST_ID = 32_768
"""Bytes of an id: a server takes 64 KiB of headers, and a dead letter has more of them."""

OWN = "_eq."
"""With this begin the names of messages that nobody has named."""


def payload_of(item: Any) -> tuple[bytes, str | None]:
    """The payload of an item, and its codec."""
    if type(item) is bytes:
        return item, None
    return _core._encode(item), PLAIN


def item_of(data: bytes, headers: Mapping[str, str] | None) -> Any:
    """The item of a message. ValueError if its codec is unknown, Corrupted if it is damaged."""
    codec = headers.get(CODEC) if headers else None
    if codec is None:
        return data
    if codec != PLAIN:
        raise ValueError(f"its codec {codec!r} is unknown")
    return _core._decode(data)


def id_of(headers: Mapping[str, str] | None) -> str | None:
    """The id that an item was put in with."""
    if not headers:
        return None
    id = headers.get(REAL_ID) or headers.get(ID)
    return None if id is None or id.startswith(OWN) else id


def checked_id(id: object) -> str:
    """An id as a header can carry it."""
    if not isinstance(id, str):
        raise TypeError(f"'id' must be text, not {type(id).__name__}")
    if len(id) > LONGEST_ID:
        raise ValueError(f"'id' has {len(id):,} characters: on NATS it may have {LONGEST_ID:,} at most")
    if not id or not id.isascii() or not id.isprintable() or id != id.strip() or id.startswith(OWN):
        raise ValueError(
            f"'id' is {id!r}: on NATS it must be printable ASCII, not empty, without spaces around it, and "
            f"must not begin with {OWN!r}"
        )
    return id


def foreign(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """The headers that somebody else has set."""
    if not headers:
        return None
    left = {name: value for name, value in headers.items() if name not in (CODEC, ID, REAL_ID)}
    return left or None
