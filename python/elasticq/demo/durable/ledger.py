"""The ledger of a durable run: what was sent, handed over, stored and delivered, and whether that is right.

It knows message ids, and the numbers that items have in the queue. A message must not be missing if the
broker must hand it over (QoS 1 and 2), or if the queue has stored it. All may be delivered more than once.
QoS 0 promises nothing: what was on its way when the pipeline was killed is gone, and is counted apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import groupby
from typing import Any

from elasticq.demo.durable.records import NO_LIFE, Closing, Kill, Life, Row
from elasticq.demo.ledger import Scrape, scrape_disagreements
from elasticq.demo.message import MessageId


@dataclasses.dataclass(frozen=True)
class Account:
    """One publisher's line, or the line of the total. Numbers count messages, repeats included."""

    sent: int = 0
    sent_qos0: int = 0
    acknowledged: int = 0
    handed_over: int = 0  # by the broker, as far as the pipeline could tell before it was killed
    handed_over_again: int = 0
    stored: int = 0  # as far as the pipeline could tell
    delivered: int = 0  # items of the queue whose outcome is in the database
    twice: tuple[int, ...] = ()  # the numbers of those that were leased more than once
    committed_twice: int = 0  # of these, rows that are a repetition
    missing: tuple[MessageId, ...] = ()
    undelivered: int = 0  # QoS 0, sent, and never stored
    disordered: int = 0  # delivered after a message that was handed over later
    corrupt: int = 0
    unknown: int = 0  # handed over or delivered, but never sent

    def __add__(self, other: Account) -> Account:
        return Account(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))


def _values(account: Account) -> tuple[Any, ...]:
    return tuple(getattr(account, field.name) for field in dataclasses.fields(account))


def settle(
    sent: Set[MessageId],
    acknowledged: int,
    received: Mapping[MessageId, int],
    stored: Mapping[MessageId, int],
    rows: Sequence[Row],
) -> Account:
    """Compares one publisher's messages at all stations.

    `received` is in the order of the first arrivals, and `rows` in the order of the commits.
    """
    delivered = {row.id for row in rows}
    numbers = {row.number for row in rows}
    must_come = {message_id for message_id in sent if message_id.qos > 0} | stored.keys()
    return Account(
        sent=len(sent),
        sent_qos0=sum(message_id.qos == 0 for message_id in sent),
        acknowledged=acknowledged,
        handed_over=sum(received.values()),
        handed_over_again=sum(received.values()) - len(received),
        stored=sum(stored.values()),
        delivered=len(numbers),
        twice=tuple(sorted({row.number for row in rows if row.deliveries > 1})),
        committed_twice=len(rows) - len(numbers),
        missing=tuple(sorted(must_come - delivered)),
        undelivered=len(sent - must_come - delivered),
        disordered=_disordered(received, rows),
        corrupt=sum(not row.intact for row in rows),
        unknown=len((received.keys() | delivered) - sent),
    )


def _disordered(received: Mapping[MessageId, int], rows: Iterable[Row]) -> int:
    """How many messages were delivered for the first time after one that was handed over later.

    Only messages that were handed over once: the others have no place of their own in the order.
    """
    places = {message_id: place for place, message_id in enumerate(received) if received[message_id] == 1}
    latest, disordered = -1, 0
    for message_id in dict.fromkeys(row.id for row in rows):
        place = places.get(message_id, latest)
        disordered += place < latest
        latest = max(latest, place)
    return disordered


@dataclasses.dataclass(frozen=True)
class DurableLedger:
    """The result of a durable run."""

    accounts: Mapping[int, Account]  # by publisher
    kills: Sequence[Kill]
    closing: Closing | None
    inside: Sequence[tuple[float, int]]
    seed: int
    seconds: float
    broker: Mapping[str, str | int]
    failures: Sequence[str] = ()  # of the processes that took part
    scraped: Scrape | None = None  # what a scrape said at the end, with --metrics
    last_life: Life = NO_LIFE  # what it should say: its counters begin with the process

    @property
    def total(self) -> Account:
        return sum(self.accounts.values(), Account())

    def problems(self) -> list[str]:
        """Everything that is wrong. Empty after a good run."""
        total = self.total
        wrong = {
            "messages never acknowledged by the broker": total.sent - total.acknowledged,
            "messages delivered out of order": total.disordered,
            "messages with a wrong checksum": total.corrupt,
            "messages that no publisher reported as sent": total.unknown,
        }
        found = [f"{count} {what}" for what, count in wrong.items() if count]
        if total.missing:
            found.append(f"{len(total.missing)} messages missing: {_named(total.missing)}")
        return [*self.failures, *found, *self.disagreements()]

    def disagreements(self) -> list[str]:
        """Where the queue's own counters contradict the ledger."""
        if self.closing is None:
            return ["the queue was not closed in good order"]
        delivered = self.total.delivered
        expected = Closing(messages_enqueued=delivered, messages_dequeued=delivered, current_size=0)
        found = [
            f"the queue's stats() say {name} = {said}, the ledger says {counted}"
            for name, said, counted in zip(Closing._fields, self.closing, expected, strict=True)
            if said != counted
        ]
        return found + scrape_disagreements(self.scraped, *self.last_life)

    @property
    def exit_status(self) -> int:
        return 1 if self.problems() else 0

    def as_dict(self) -> dict[str, Any]:
        """The whole ledger in plain values, for JSON."""
        return {
            "publishers": {str(key): dataclasses.asdict(account) for key, account in self.accounts.items()},
            "total": dataclasses.asdict(self.total),
            "kills": [
                {
                    **dataclasses.asdict(kill),
                    "opening": kill.opening and kill.opening._asdict(),
                    "lost_seconds": kill.lost_seconds,
                }
                for kill in self.kills
            ],
            "stats": self.closing and self.closing._asdict(),
            "scraped": self.scraped,
            "last_life": self.last_life._asdict(),
            "inside": list(self.inside),
            "seed": self.seed,
            "seconds": self.seconds,
            "broker": dict(self.broker),
            "problems": self.problems(),
        }


def _named(missing: Iterable[MessageId]) -> str:
    """Messages by their publishers and sequence numbers."""
    return ", ".join(
        f"{ranges([message_id.sequence for message_id in group])} of publisher {publisher}"
        for publisher, group in groupby(sorted(missing), lambda message_id: message_id.publisher)
    )


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as text: those in a row by the first and the last.

    >>> ranges([7, 1, 2, 3])
    '1-3, 7'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
