"""What the lives of the durable pipeline told, and what they left in the database. Plain data.

All of it is kept outside of the process that is killed. A line that the end of the process has cut off was
never heard, so what it would have told may have happened or not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from elasticq.demo.ledger import Scrape, Tally
from elasticq.demo.message import MessageId


class Opening(NamedTuple):
    """What the queue said when it was opened."""

    recovered_entries: int
    torn_bytes: int
    inside: int


class Closing(NamedTuple):
    """What the queue said before it was closed in good order. It counts over all its lives."""

    messages_enqueued: int
    messages_dequeued: int
    current_size: int


class Life(NamedTuple):
    """What one process of the pipeline did with the queue, as it told. A page of metrics begins with it."""

    enqueued: int  # what was inside when the queue was opened, and what was stored since
    dequeued: int  # what was committed, repeats included


NO_LIFE = Life(0, 0)


class Row(NamedTuple):
    """One row of the database: a message that the processor got on lease."""

    id: MessageId
    intact: bool
    number: int  # of the item in the queue: a message that the broker handed over twice is two items
    deliveries: int


@dataclasses.dataclass
class Kill:
    """One SIGKILL. Times are in seconds from the start of the run."""

    seconds: float
    handed_over: int  # messages, repeats included
    opening: Opening | None = None
    opened: float | None = None  # when the queue was open again
    resumed: float | None = None  # when the first batch was committed again

    @property
    def lost_seconds(self) -> float | None:
        """For how long nothing was committed. None if nothing ever was again."""
        return None if self.resumed is None else self.resumed - self.seconds


class Records:
    """The records of a run. One thread at a time may add to them."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._storing: list[MessageId] = []
        self.received = Tally()
        self.stored = Tally()
        self.committed = 0
        self.commits = 0
        self.inside: list[tuple[float, int]] = []  # how many items were in the queue, over time
        self.kills: list[Kill] = []
        self.closing: Closing | None = None
        self.scraped: Scrape | None = None
        self._inside = 0  # when the queue was opened for the present life
        self._before = (0, 0)  # what earlier lives had stored and committed

    def now(self) -> float:
        """Seconds from the start of the run."""
        return time.monotonic() - self._start

    def killed(self, seconds: float) -> None:
        """Records that the pipeline was killed then. All that it had told has been heard."""
        self.kills.append(Kill(seconds, self.received.total))
        self._before = (self.stored.total, self.committed)

    def last_life(self) -> Life:
        """What the present process did, or the last one. All of it is known once it has ended by itself."""
        stored, committed = self._before
        return Life(self._inside + self.stored.total - stored, self.committed - committed)

    def hear(self, line: str) -> None:
        """Records what a line of the pipeline tells."""
        facts = json.loads(line)
        if "received" in facts:
            self._storing = [MessageId(*identity) for identity in facts["received"]]
            for identity in self._storing:
                self.received.add(identity)
        elif "stored" in facts:
            for identity in self._storing:
                self.stored.add(identity)
        elif "committed" in facts:
            self.committed += facts["committed"]
            self.commits += 1
            if self.kills and self.kills[-1].resumed is None:
                self.kills[-1].resumed = self.now()
        elif "opened" in facts:
            opening = Opening(*facts["opened"])
            self._inside = opening.inside
            if self.kills:
                self.kills[-1].opening = opening
                self.kills[-1].opened = self.now()
        elif "closed" in facts:
            self.closing = Closing(*facts["closed"])
        elif "scraped" in facts:
            self.scraped = facts["scraped"]
        if "inside" in facts:
            self.inside.append((self.now(), facts["inside"]))


def rows_of(database: Path) -> Sequence[Row]:
    """Everything that was committed, in that order."""
    query = "SELECT publisher, sequence, qos, intact, number, deliveries FROM message ORDER BY rowid"
    with contextlib.closing(sqlite3.connect(database)) as opened:
        return [
            Row(MessageId(publisher, sequence, qos), bool(intact), number, deliveries)
            for publisher, sequence, qos, intact, number, deliveries in opened.execute(query)
        ]
