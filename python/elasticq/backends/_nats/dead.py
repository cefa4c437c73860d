"""Dead letters: a stream of its own, NAME_dead, with the reasons in headers.

A message is first written there, under a name that is its own, and then taken out of the queue. So nothing is
lost in between, and a client that stops between the two makes no second dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.header import Header, decode_header
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nats.js.errors import NotFoundError

from elasticq._errors import Corrupted

from .items import CODEC, ID, OWN, REAL_ID, id_of, item_of

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js.api import RawStreamMsg

    from .stream import Streams

T = TypeVar("T")

REASON = "Elasticq-Reason"
DELIVERIES = "Elasticq-Deliveries"
GIVEN_UP = "given up"

MOST_HEADERS = 60_000
"""Bytes: a server takes 64 KiB of headers."""


@dataclass(frozen=True)
class NatsDeadLetter(Generic[T]):
    """An item that was given up. See DeadItem. `id` is the name that it was put in with."""

    number: int
    item: T
    deliveries: int
    reason: str
    id: str | None = None
    message: RawStreamMsg | None = field(default=None, repr=False, compare=False)


def burial(message: Msg, name: str, deliveries: int, reason: str, most: int) -> dict[str, str]:
    """The headers of a message as a dead letter, which takes up to so many bytes with them.

    A reason that is too long is cut. A message of another program may leave no room for headers of its own.
    """
    headers = dict(message.headers or {})
    id = id_of(headers)
    if id is not None:
        headers[REAL_ID] = id
    headers[ID] = name
    headers[DELIVERIES] = str(deliveries)
    words = " ".join(reason.encode("utf-8", "replace").decode().split()) or GIVEN_UP
    room = min(most - len(message.data), MOST_HEADERS) - _size({**headers, REASON: ""})
    text = words.encode()[: max(room, 0)].decode("utf-8", "ignore").rstrip()
    if text:
        return {**headers, REASON: text}
    ours = {name: headers[name] for name in (ID, DELIVERIES, CODEC) if name in headers}
    return ours if len(message.data) + _size(ours) <= most else {}


def burial_room(stream: str) -> int:
    """The bytes that a dead letter of a stream takes at most beyond its data, its codec and its id."""
    name = f"{OWN}{stream}:{2**64}:{2**64}"
    return _size({ID: name, REAL_ID: "", REASON: GIVEN_UP, DELIVERIES: str(2**64)})


def _size(headers: Mapping[str, str]) -> int:
    """The bytes of headers in a message."""
    return 12 + sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())


def revival(letter: NatsDeadLetter[Any]) -> dict[str, str]:
    """The headers of a dead letter that becomes an item again."""
    headers = dict((letter.message and letter.message.headers) or {})
    headers[ID] = f"{OWN}retry.{headers.get(ID, str(letter.number)).removeprefix(OWN)}"
    headers.pop(REASON, None)
    headers.pop(DELIVERIES, None)
    return headers


async def letters(streams: Streams, numbers: Iterable[int] | None) -> list[NatsDeadLetter[Any]]:
    """The dead letters, the oldest first: those with these numbers, or all."""
    wanted = None if numbers is None else set(numbers)
    try:
        info = await streams.ask(lambda js: js.stream_info(streams.dead))
    except NotFoundError:
        return []
    streams.check_dead(info.config)
    state = info.state
    found: list[NatsDeadLetter[Any]] = []
    number = state.first_seq
    while number <= state.last_seq and state.messages:
        try:
            raw = await streams.letter(number)
        except NotFoundError:
            break
        if raw.seq is None or raw.seq > state.last_seq:
            break
        number = raw.seq + 1
        if wanted is None or raw.seq in wanted:
            found.append(_letter(raw))
    return found


def _text(value: str | Header) -> str:
    """The text of a header: nats-py reads stored ones by the rules of e-mail, where text is ASCII."""
    if isinstance(value, str):
        return value
    parts = (part if isinstance(part, bytes) else part.encode() for part, _ in decode_header(value))
    return b"".join(parts).decode("utf-8", "replace")


def _letter(raw: RawStreamMsg) -> NatsDeadLetter[Any]:
    headers = raw.headers = {name: _text(value) for name, value in (raw.headers or {}).items()}
    data = raw.data or b""
    try:
        item = item_of(data, headers)
    except (ValueError, Corrupted):  # that may be why it is dead
        item = data
    deliveries = headers.get(DELIVERIES, "0")
    return NatsDeadLetter(
        raw.seq or 0,
        item,
        int(deliveries) if deliveries.isdecimal() else 0,
        headers.get(REASON, "unknown"),
        id_of(headers),
        raw,
    )
