"""The pipeline: a subscriber, whose network thread fills the queue, and a processor, which takes batches.

    broker -> Subscriber (paho's network thread) -> put -> queue -> get_many -> Processor -> SQLite

The processor does what ingest services do: it commits in batches at a steady pace, since a durable commit
costs a sync of the disk however many rows it contains. Meanwhile bursts pile up in the queue. The queue grows
to hold them, and shrinks when they have passed.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as mqtt

import elasticq
from elasticq.demo import message
from elasticq.demo.ledger import Depth, QueueStats, Sample, Tally
from elasticq.demo.message import MessageId
from elasticq.demo.subscription import Subscription

_BATCH = 4000  # the most rows in a transaction
_COMMIT_SECONDS = 0.25  # from one commit to the next
_FINISH_SECONDS = 30.0

_SCHEMA = """\
CREATE TABLE message (
    publisher INTEGER NOT NULL, sequence INTEGER NOT NULL, qos INTEGER NOT NULL,
    sent_ns INTEGER NOT NULL, intact INTEGER NOT NULL, payload BLOB NOT NULL
)"""


class IngestQueue(Protocol):
    """What the pipeline needs of a queue. `elasticq.Queue` has all of it."""

    def put(self, item: bytes, /) -> object: ...
    def get_many(self, n: int, /) -> list[bytes]: ...
    def qsize(self) -> int: ...
    def shutdown(self) -> object: ...
    def stats(self) -> QueueStats: ...
    @property
    def capacity(self) -> int: ...


class Gauge:
    """Watches a queue from outside: samples of its depth and capacity over time."""

    def __init__(self, queue: IngestQueue) -> None:
        self._queue = queue
        self._start = time.monotonic()
        self.samples: list[Sample] = []
        self.initial_capacity = self.read().capacity

    def read(self) -> Sample:
        """Takes a sample and keeps it. Any thread may call this."""
        sample = Sample(time.monotonic() - self._start, self._queue.qsize(), self._queue.capacity)
        self.samples.append(sample)
        return sample


class Processor(threading.Thread):
    """Takes batches from the queue, checks each message and commits the batch to the database.

    While messages arrive, an overloaded processor takes one message for every two that arrive. So the queue
    fills up however fast or slow the machine is.
    """

    def __init__(self, queue: IngestQueue, gauge: Gauge, database: Path, overloaded: bool = False) -> None:
        super().__init__(name="processor", daemon=True)
        self._queue = queue
        self._gauge = gauge
        self._database = database
        self._overloaded = overloaded
        self._hurry = threading.Event()
        self.taken = 0
        self.committed = 0
        self.commits = 0
        self.latencies = {qos: array("q") for qos in message.QOS_LEVELS}
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with contextlib.closing(sqlite3.connect(self._database, isolation_level=None)) as database:
                database.execute("PRAGMA synchronous = FULL")
                self._work(database)
        except Exception as error:
            self.error = error

    def hurry(self) -> None:
        """Tells the processor that no more messages will come: it commits the rest without pauses."""
        self._hurry.set()

    def _work(self, database: sqlite3.Connection) -> None:
        while True:
            self._gauge.read()
            quota = self._quota()
            if quota < 1:
                self._hurry.wait(_COMMIT_SECONDS)
                continue
            try:
                batch = self._queue.get_many(quota)
            except elasticq.ShutDown:
                return
            self.taken += len(batch)
            self._gauge.read()
            due = time.monotonic() + _COMMIT_SECONDS
            self._commit(database, batch)
            self._hurry.wait(max(0.0, due - time.monotonic()))

    def _quota(self) -> int:
        """How many messages the next commit may hold."""
        if not self._overloaded or self._hurry.is_set():
            return _BATCH
        arrived = self.taken + self._queue.qsize()
        return min(_BATCH, arrived // 2 - self.taken)

    def _commit(self, database: sqlite3.Connection, batch: list[bytes]) -> None:
        messages = [message.decode(payload) for payload in batch]
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
            (
                (*identity, sent_ns, intact, payload)
                for (identity, sent_ns, intact), payload in zip(messages, batch, strict=True)
            ),
        )
        database.execute("COMMIT")
        now = time.monotonic_ns()
        for identity, sent_ns, _ in messages:
            self.latencies[identity.qos].append(now - sent_ns)
        self.committed += len(batch)
        self.commits += 1


class Subscriber:
    """Puts every message from the broker into the queue, and keeps its own record."""

    def __init__(self, port: int, queue: IngestQueue, processor: Processor) -> None:
        self._queue = queue
        self._processor = processor
        self.received = Tally()
        self.malformed = 0
        self.peak_bound = 0
        self.error: Exception | None = None
        self.subscription = Subscription(port, 2, self._receive)

    def _receive(self, delivery: mqtt.MQTTMessage) -> None:
        payload = bytes(delivery.payload)
        try:
            identity = message.identify(payload)
        except ValueError:
            self.malformed += 1
            return
        try:
            taken = self._processor.taken
            self._queue.put(payload)
        except Exception as error:
            self.error = error
        self.received.add(identity)
        self.peak_bound = max(self.peak_bound, self.received.total - taken)


class Pipeline:
    """Subscriber, queue and processor together, as a context manager that leaves no thread behind."""

    def __init__(self, queue: IngestQueue, port: int, database: Path, overloaded: bool = False) -> None:
        self.queue = queue
        self._database = database
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as empty:
            empty.execute("PRAGMA journal_mode = WAL")
            empty.execute(_SCHEMA)
        self.gauge = Gauge(queue)
        self.processor = Processor(queue, self.gauge, database, overloaded)
        self.subscriber = Subscriber(port, queue, self.processor)

    def __enter__(self) -> Pipeline:
        self.processor.start()
        try:
            self.subscriber.subscription.wait_until_granted()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.no_more()
        self.processor.join(_FINISH_SECONDS)

    def no_more(self) -> None:
        """Takes no more messages from the broker, and lets the processor finish what is in the queue."""
        self.subscriber.subscription.close()
        self.queue.shutdown()
        self.processor.hurry()

    def failures(self) -> list[str]:
        """What went wrong in the threads."""
        errors = {"subscriber": self.subscriber.error, "processor": self.processor.error}
        return [f"{name}: {error!r}" for name, error in errors.items() if error is not None]

    def depth(self) -> Depth:
        """How the queue did, over the whole run."""
        samples = sorted(self.gauge.samples, key=lambda sample: sample.seconds)
        return Depth(self.gauge.initial_capacity, self.subscriber.peak_bound, samples)

    def stats(self) -> QueueStats:
        """The queue's own counters."""
        return self.queue.stats()

    def processed(self) -> tuple[Counter[MessageId], int]:
        """What is in the database: how often each message, and how many with a wrong checksum."""
        with contextlib.closing(sqlite3.connect(self._database)) as database:
            rows = database.execute("SELECT publisher, sequence, qos, count(*) FROM message GROUP BY 1, 2, 3")
            counts = Counter({MessageId(*identity): times for *identity, times in rows})
            (corrupt,) = database.execute("SELECT count(*) FROM message WHERE NOT intact").fetchone()
        return counts, corrupt
