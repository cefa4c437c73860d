"""The ledger: what was sent, received and processed, and whether that is right. Plain data and arithmetic.

The ledger works with message ids alone: what the publishers say that they sent, what the subscriber got, and
what is in the database. It never uses the queue's counters. These are then checked against the ledger.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Protocol

from elasticq.demo.message import QOS_LEVELS, MessageId


class Tally:
    """Counts messages at one station, while the run goes on."""

    def __init__(self) -> None:
        self.counts: Counter[MessageId] = Counter()  # in the order in which they were first seen
        self.distinct = dict.fromkeys(QOS_LEVELS, 0)  # by QoS, each message once
        self.total = 0
        self.latest = time.monotonic()  # when the latest one was counted

    def add(self, message_id: MessageId) -> None:
        """Counts a message that was just seen."""
        self.counts[message_id] += 1
        self.distinct[message_id.qos] += self.counts[message_id] == 1
        self.total += 1
        self.latest = time.monotonic()


@dataclasses.dataclass(frozen=True)
class Account:
    """One publisher's line, or the line of the total. Every number counts messages."""

    sent: int = 0
    acknowledged: int = 0
    received: int = 0  # delivered by the broker, duplicates included
    processed: int = 0  # rows in the database, duplicates included
    lost: int = 0  # received, but not processed
    missing: int = 0  # QoS 1 and 2, sent, but never received
    undelivered: int = 0  # QoS 0, sent, but never received: the broker may do that
    duplicated_qos0: int = 0
    duplicated_qos1: int = 0  # allowed: QoS 1 means at least once
    duplicated_qos2: int = 0
    unknown: int = 0  # received, but never sent; or processed, but never received

    def __add__(self, other: Account) -> Account:
        return Account(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))


def _values(account: Account) -> tuple[int, ...]:
    return tuple(getattr(account, field.name) for field in dataclasses.fields(account))


def settle(
    sent: Set[MessageId],
    acknowledged: int,
    received: Mapping[MessageId, int],
    processed: Mapping[MessageId, int],
) -> Account:
    """Compares one publisher's messages at three stations. The mappings tell how often each id was seen."""
    taken, done = Counter(received), Counter(processed)
    absent = sent - taken.keys()
    duplicated = dict.fromkeys(QOS_LEVELS, 0)
    for message_id, times in taken.items():
        duplicated[message_id.qos] += times - 1
    undelivered = sum(message_id.qos == 0 for message_id in absent)
    return Account(
        sent=len(sent),
        acknowledged=acknowledged,
        received=sum(taken.values()),
        processed=sum(done.values()),
        lost=sum((taken - done).values()),
        missing=len(absent) - undelivered,
        undelivered=undelivered,
        duplicated_qos0=duplicated[0],
        duplicated_qos1=duplicated[1],
        duplicated_qos2=duplicated[2],
        unknown=len(taken.keys() - sent) + sum((done - taken).values()),
    )


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times from just before a message is published to the commit that contains it, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, nanoseconds: Iterable[int]) -> Latency | None:
        """The latencies as a summary. None if there are no values."""
        ordered = sorted(nanoseconds)
        if not ordered:
            return None
        p50, p99 = (percentile(ordered, fraction) / 1e6 for fraction in (0.50, 0.99))
        return cls(len(ordered), p50, p99, ordered[-1] / 1e6)


def percentile(ordered: Sequence[int], fraction: float) -> int:
    """The smallest value that this fraction of the values, or more, doesn't exceed (nearest rank)."""
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


@dataclasses.dataclass(frozen=True)
class Sample:
    """The queue at one moment."""

    seconds: float
    depth: int
    capacity: int


class QueueStats(Protocol):
    """The counters that a queue keeps itself."""

    @property
    def messages_enqueued(self) -> int: ...
    @property
    def messages_dequeued(self) -> int: ...
    @property
    def messages_dropped(self) -> int: ...
    @property
    def messages_refused(self) -> int: ...
    @property
    def current_size(self) -> int: ...
    @property
    def current_capacity(self) -> int: ...
    @property
    def peak_size(self) -> int | None: ...
    @property
    def grown(self) -> int: ...
    @property
    def shrunk(self) -> int: ...


# What a scrape of the metrics says of the queue, by the names of its counters. None if it lacks one.
Scrape = Mapping[str, float | None]

# These it must say.
SCRAPED = tuple(f"elasticq_messages_{what}_total" for what in ("enqueued", "dequeued", "dropped", "refused"))


def scrape_disagreements(scraped: Scrape | None, received: int, processed: int) -> list[str]:
    """Where a scrape contradicts the ledger, if there was one."""
    if scraped is None:
        return []
    return [
        f"a scrape says {name} = {said if said is None else round(said)}, the ledger says {counted}"
        for name, counted in zip(SCRAPED, (received, processed, 0, 0), strict=True)
        if (said := scraped.get(name)) != counted
    ]


_COUNTERS = tuple(name for name in vars(QueueStats) if not name.startswith("_"))


@dataclasses.dataclass(frozen=True)
class Depth:
    """How full the queue was, seen from outside, and how far its capacity grew."""

    initial_capacity: int
    peak_bound: int  # the highest value of received minus taken: the true peak cannot be above it
    samples: Sequence[Sample]

    @property
    def seen_peak(self) -> int:
        """The highest depth in any sample: the true peak cannot be below it."""
        return max((sample.depth for sample in self.samples), default=0)

    @property
    def peak_capacity(self) -> int:
        return max((sample.capacity for sample in self.samples), default=self.initial_capacity)

    @property
    def final_capacity(self) -> int:
        return self.samples[-1].capacity if self.samples else self.initial_capacity


@dataclasses.dataclass(frozen=True)
class Levels:
    """By QoS: the counters of a queue that serves by QoS, and what the ledger counted itself."""

    pushed: Sequence[int]
    popped: Sequence[int]
    received: Sequence[int]
    processed: Sequence[int]

    def disagreements(self) -> list[str]:
        """Where the queue's counters contradict the ledger's."""
        pairs = {"pushed": (self.pushed, self.received), "popped": (self.popped, self.processed)}
        return [
            f"the buffer's stats() say {said} {what} at level {level}, the ledger says {counted}"
            for what, (all_said, all_counted) in pairs.items()
            for level, (said, counted) in enumerate(zip(all_said, all_counted, strict=True))
            if said != counted
        ]


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The result of a run."""

    accounts: Mapping[int, Account]  # by publisher
    corrupt: int  # payloads whose checksum was wrong
    malformed: int  # payloads that are not messages of the demo
    latency: Mapping[int, Latency | None]  # by QoS
    depth: Depth
    stats: QueueStats
    seconds: float
    broker: Mapping[str, str | int]
    failures: Sequence[str] = ()  # of the processes and threads that took part
    levels: Levels | None = None  # if the queue serves by QoS
    scraped: Scrape | None = None  # what a scrape said at the end, with --metrics

    @property
    def total(self) -> Account:
        return sum(self.accounts.values(), Account())

    def problems(self) -> list[str]:
        """Everything that is wrong. Empty after a good run."""
        total = self.total
        wrong = {
            "messages lost between broker and database": total.lost,
            "messages of QoS 1 or 2 never received": total.missing,
            "messages never acknowledged by the broker": total.sent - total.acknowledged,
            "messages of QoS 2 received more than once": total.duplicated_qos2,
            "messages of QoS 0 received more than once": total.duplicated_qos0,
            "messages that no publisher reported as sent": total.unknown,
            "messages with a wrong checksum": self.corrupt,
            "messages that could not be read": self.malformed,
        }
        counted = [f"{count} {what}" for what, count in wrong.items() if count]
        return [*self.failures, *counted, *self.disagreements(), *self.inversions()]

    def disagreements(self) -> list[str]:
        """Where the queue's own counters contradict the ledger."""
        total, stats = self.total, self.stats
        expected = {
            "messages_enqueued": total.received,
            "messages_dequeued": total.processed,
            "messages_dropped": 0,
            "messages_refused": 0,
            "current_size": 0,
        }
        found = [
            f"the queue's stats() say {name} = {getattr(stats, name)}, the ledger says {value}"
            for name, value in expected.items()
            if getattr(stats, name) != value
        ]
        peak = stats.peak_size
        if peak is not None and not self.depth.seen_peak <= peak <= self.depth.peak_bound:
            found.append(
                f"the queue's stats() say peak_size = {peak}, "
                f"the ledger says between {self.depth.seen_peak} and {self.depth.peak_bound}"
            )
        found += self.levels.disagreements() if self.levels else []
        return found + scrape_disagreements(self.scraped, total.received, total.processed)

    def inversions(self) -> list[str]:
        """What is wrong with the order, if the queue serves by QoS.

        QoS 2 had to wait as long as QoS 0, or one of them had no messages.
        """
        highest, lowest = self.latency.get(2), self.latency.get(0)
        if self.levels is None:
            return []
        if highest is None or lowest is None:
            return ["the p99 latencies of QoS 2 and QoS 0 cannot be compared: one had no messages"]
        if highest.p99_ms < lowest.p99_ms:
            return []
        return [f"the p99 latency of QoS 2 is {highest.p99_ms:.1f} ms, of QoS 0 only {lowest.p99_ms:.1f} ms"]

    @property
    def exit_status(self) -> int:
        return 1 if self.problems() else 0

    def as_dict(self) -> dict[str, Any]:
        """The whole ledger in plain values, for JSON."""
        return {
            "publishers": {str(key): dataclasses.asdict(account) for key, account in self.accounts.items()},
            "total": dataclasses.asdict(self.total),
            "corrupt": self.corrupt,
            "malformed": self.malformed,
            "latency_ms": {
                str(qos): None if values is None else dataclasses.asdict(values)
                for qos, values in self.latency.items()
            },
            "depth": {
                "peak_seen": self.depth.seen_peak,
                "peak_bound": self.depth.peak_bound,
                "samples": [dataclasses.astuple(sample) for sample in self.depth.samples],
            },
            "capacity": {
                "initial": self.depth.initial_capacity,
                "peak": self.depth.peak_capacity,
                "final": self.depth.final_capacity,
            },
            "stats": {name: getattr(self.stats, name) for name in _COUNTERS},
            "levels": None if self.levels is None else dataclasses.asdict(self.levels),
            "scraped": self.scraped,
            "seconds": self.seconds,
            "broker": dict(self.broker),
            "problems": self.problems(),
        }
