"""One durable run: the lives of the pipeline on one queue, the kills between them, and the ledger."""

from __future__ import annotations

import contextlib
import random
import socket
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from elasticq.demo.broker import Broker
from elasticq.demo.child import ChildProcess
from elasticq.demo.display import Progress, Status
from elasticq.demo.durable.ledger import DurableLedger, settle
from elasticq.demo.durable.pipeline import SCHEMA
from elasticq.demo.durable.records import Records, rows_of
from elasticq.demo.message import QOS_PATTERN
from elasticq.demo.publisher import Load, PublisherProcess, Report
from elasticq.demo.run import (
    SILENCE_SECONDS,
    TICK_SECONDS,
    all_arrived,
    all_published,
    of_publisher,
    started,
    what_failed,
)

PIPELINE = ("-m", "elasticq.demo.durable.pipeline")

# When the pipeline is killed: after which share of the messages that must come, and how much later. Some
# traffic is still to come then, whatever is chosen.
_SHARES = ((0.1, 0.35), (0.45, 0.65))
_LATER_SECONDS = 0.25

# After so long the broker hands over again what a killed pipeline had not acknowledged.
_ACK_WAIT_SECONDS = 2


class Moment(NamedTuple):
    """When to kill the pipeline."""

    share: float
    seconds: float


class Schedule:
    """Tells when to kill the pipeline. A seeded random has chosen the moments."""

    def __init__(self, seed: int, load: Load) -> None:
        chosen = random.Random(seed)
        self.moments = [
            Moment(chosen.uniform(*shares), chosen.uniform(0.0, _LATER_SECONDS)) for shares in _SHARES
        ]
        reliable = sum(QOS_PATTERN[sequence % len(QOS_PATTERN)] > 0 for sequence in range(load.messages))
        self._must_come = reliable * load.publishers
        self._due: float | None = None

    def over(self, records: Records) -> bool:
        """Whether all kills have happened."""
        return len(records.kills) == len(self.moments)

    def due(self, records: Records) -> bool:
        """Whether to kill the pipeline now. No life ends before it has committed something."""
        kills, distinct = records.kills, records.received.distinct
        if self.over(records) or (kills and kills[-1].resumed is None):
            return False
        moment = self.moments[len(kills)]
        if self._due is None and distinct[1] + distinct[2] >= moment.share * self._must_come:
            self._due = records.now() + moment.seconds
        if self._due is None or records.now() < self._due:
            return False
        self._due = None
        return True


def run(
    program: Path,
    load: Load,
    seed: int,
    progress: Progress,
    *,
    listening: socket.socket | None = None,
    pipeline: Sequence[str] = PIPELINE,
) -> DurableLedger:
    """Runs the whole pipeline once. Its processes and its folder are gone afterwards, whatever happens.

    If there is a socket, the metrics of the pipeline's queues are served there.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="elasticq-demo-")))
        broker = stack.enter_context(Broker(program, folder / "broker", _ACK_WAIT_SECONDS))
        lives = stack.enter_context(Lives(pipeline, broker.port, folder, listening))
        publishers = stack.enter_context(started(load, broker.port, folder))
        running = _Run(broker, lives, publishers, Schedule(seed, load), progress)
        with progress:
            failures = running.to_its_end()
        return running.settle(seed, failures)


class Lives:
    """The processes of the pipeline, one after the other on the same queue and the same database."""

    def __init__(
        self, pipeline: Sequence[str], port: int, folder: Path, listening: socket.socket | None
    ) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self.database = folder / "messages.sqlite"
        self._options: dict[str, object] = {
            "port": port,
            "queue": folder / "queue",
            "database": self.database,
        }
        self._inherited: list[int] = []
        if listening is not None:
            self._options["metrics"] = listening.fileno()
            self._inherited.append(listening.fileno())
        self.records = Records()
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as empty:
            empty.execute("PRAGMA journal_mode = WAL")
            empty.execute(SCHEMA)
        self.present = self._begin()

    def _begin(self) -> ChildProcess:
        name = f"pipeline {len(self.records.kills) + 1}"
        hear, inherited = self.records.hear, self._inherited
        return ChildProcess(name, self._pipeline, self._options, self._folder, hear, inherited=inherited)

    def __enter__(self) -> Lives:
        try:
            self.present.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.present.stop()

    def kill(self) -> None:
        """Kills the present process and begins the next one, unless it had ended by itself."""
        seconds = self.records.now()
        self.present.stop()
        if self.present.killed():
            self.records.killed(seconds)
            self.present = self._begin()


class _Run:
    """The running pipeline, and what watches it, and kills it, until its end."""

    def __init__(
        self,
        broker: Broker,
        lives: Lives,
        publishers: Sequence[PublisherProcess],
        schedule: Schedule,
        progress: Progress,
    ) -> None:
        self._broker = broker
        self._lives = lives
        self._records = lives.records
        self._publishers = publishers
        self._schedule = schedule
        self._progress = progress

    def to_its_end(self) -> list[str]:
        """Publishes, kills, receives and processes everything. Returns what failed on the way."""
        for publisher in self._publishers:
            publisher.go()
        while not self._complete() and not self._broken():
            if self._schedule.due(self._records):
                self._lives.kill()
            self._tick("receiving" if all_published(self._publishers) else "publishing")
        failures = self._broken()
        if not failures and not self._schedule.over(self._records):
            failures.append(f"the pipeline stood still after {len(self._records.kills)} kills")
        if not failures and not self._finished():
            failures.append(f"the pipeline committed nothing for {SILENCE_SECONDS:g} s and did not end")
        return failures or self._broken()

    def _complete(self) -> bool:
        """Whether all kills have happened and all messages have come, or nothing comes any more."""
        received = self._records.received
        if self._schedule.over(self._records):
            return all_arrived(self._publishers, received)
        return all_published(self._publishers) and time.monotonic() - received.latest > SILENCE_SECONDS

    def _broken(self) -> list[str]:
        """What makes it pointless to go on."""
        failures = what_failed(self._broker, self._publishers)
        if failure := self._lives.present.failure():
            failures.append(failure)
        return failures

    def _finished(self) -> bool:
        """Waits for the pipeline's end. False if the pipeline is stuck."""
        pipeline, records = self._lives.present, self._records
        pipeline.say("finish")
        committed, since = records.committed, time.monotonic()
        while not pipeline.finished() and time.monotonic() - since < SILENCE_SECONDS:
            self._tick("committing")
            if records.committed != committed:
                committed, since = records.committed, time.monotonic()
        return pipeline.finished()

    def _tick(self, phase: str) -> None:
        """Lets a moment pass (less if the pipeline ends), and shows the present state."""
        self._lives.present.join(TICK_SECONDS)
        records = self._records
        facts = {
            "stored": f"{records.stored.total:,}",
            "committed": f"{records.committed:,} in {records.commits:,} batches",
            "inside": f"{records.inside[-1][1] if records.inside else 0:,}",
            "killed": f"{len(records.kills)} of {len(self._schedule.moments)} times",
        }
        status = Status(phase, records.now(), records.received.total, facts, {"inside": records.inside})
        self._progress.show(status)

    def settle(self, seed: int, failures: Sequence[str]) -> DurableLedger:
        """Brings the records of all parts together."""
        records, broker = self._records, self._broker
        seconds = records.now()
        self._lives.present.stop()  # if it has not ended: the records stand still from here on
        rows = rows_of(self._lives.database)
        accounts = {}
        for publisher in self._publishers:
            report = publisher.report or Report(publisher.number, {}, {})
            accounts[publisher.number] = settle(
                report.ids(),
                sum(len(numbers) for numbers in report.acknowledged.values()),
                of_publisher(publisher.number, records.received.counts),
                of_publisher(publisher.number, records.stored.counts),
                [row for row in rows if row.id.publisher == publisher.number],
            )
        return DurableLedger(
            accounts=accounts,
            kills=records.kills,
            closing=records.closing,
            scraped=records.scraped,
            last_life=records.last_life(),
            inside=records.inside,
            seed=seed,
            seconds=seconds,
            broker={"pid": broker.pid, "port": broker.port, "version": broker.version},
            failures=failures,
        )
