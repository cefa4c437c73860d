"""Dead letters: a stream of its own, NAME_dead, with the reasons in headers.

A message is first written there, under a name that is its own, and then taken out of the queue. So nothing is
lost in between, and a client that stops between the two makes no second dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nats.js.errors import NotFoundError

from elasticq._errors import Corrupted

from .items import ID, OWN, REAL_ID, id_of, item_of

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js.api import RawStreamMsg

    from .stream import Streams

T = TypeVar("T")

REASON = "Elasticq-Reason"
DELIVERIES = "Elasticq-Deliveries"


@dataclass(frozen=True)
class NatsDeadLetter(Generic[T]):
    """An item that was given up. See DeadItem. `id` is the name that it was put in with."""

    number: int
    item: T
    deliveries: int
    reason: str
    id: str | None = None
    message: RawStreamMsg | None = field(default=None, repr=False, compare=False)


def burial(message: Msg, name: str, deliveries: int, reason: str) -> dict[str, str]:
    """The headers of a message as a dead letter."""
    headers = dict(message.headers or {})
    id = id_of(headers)
    if id is not None:
        headers[REAL_ID] = id
    headers[ID] = name
    headers[REASON] = " ".join(reason.split()) or "given up"
    headers[DELIVERIES] = str(deliveries)
    return headers


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
        state = (await streams.ask(lambda js: js.stream_info(streams.dead))).state
    except NotFoundError:
        return []
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


def _letter(raw: RawStreamMsg) -> NatsDeadLetter[Any]:
    headers = raw.headers or {}
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
