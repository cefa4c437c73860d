"""One run of the demo, from the start of the broker to the ledger."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from elasticq.demo.broker import Broker
from elasticq.demo.display import Progress, Status, depth_and_capacity
from elasticq.demo.exporter import INGEST, exported
from elasticq.demo.ledger import Latency, Ledger, Levels, Scrape, Tally, settle
from elasticq.demo.levels import QosLevels
from elasticq.demo.message import QOS_LEVELS, MessageId
from elasticq.demo.pipeline import IngestQueue, Pipeline
from elasticq.demo.publisher import Load, PublisherProcess, Report

TICK_SECONDS = 0.05
# After so long without any message, missing messages of QoS 0 will not come any more. For QoS 1 and 2 the
# time is longer than the broker waits before it delivers again.
_QUIET_SECONDS = 2.0
SILENCE_SECONDS = 90.0


def run(
    program: Path,
    queue: IngestQueue,
    load: Load,
    progress: Progress,
    *,
    listening: socket.socket | None = None,
) -> Ledger:
    """Runs the whole pipeline once. Its processes and its folder are gone afterwards, whatever happens.

    If there is a socket, the queue's metrics are served there.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="elasticq-demo-")))
        watched = queue.buffer if isinstance(queue, QosLevels) else queue
        exporter = stack.enter_context(exported(listening, {INGEST: watched}))
        broker = stack.enter_context(Broker(program, folder / "broker"))
        pipeline = stack.enter_context(
            Pipeline(queue, broker.port, folder / "messages.sqlite", load.overloaded)
        )
        publishers = stack.enter_context(started(load, broker.port, folder))
        start = time.monotonic()
        running = _Run(broker, pipeline, publishers, progress)
        with progress:
            failures = running.to_its_end()
        seconds = time.monotonic() - start
        scraped = exporter.final() if exporter and not failures else None
        return running.settle(seconds, failures, scraped)


@contextlib.contextmanager
def started(load: Load, port: int, folder: Path) -> Iterator[list[PublisherProcess]]:
    """The publishers, connected to the broker. They are stopped at the end."""
    publishers: list[PublisherProcess] = []
    try:
        for number in range(1, load.publishers + 1):
            publishers.append(PublisherProcess(number, port, load, folder))
        for publisher in publishers:
            publisher.wait_until_ready()
        yield publishers
    finally:
        for publisher in publishers:
            publisher.stop()


def all_published(publishers: Sequence[PublisherProcess]) -> bool:
    """Whether every publisher has ended."""
    return all(publisher.finished() for publisher in publishers)


def all_arrived(publishers: Sequence[PublisherProcess], received: Tally) -> bool:
    """Whether everything that will come has come."""
    if not all_published(publishers):
        return False
    reports = [publisher.report for publisher in publishers if publisher.report]
    absent = [sum(len(report.sent[qos]) for report in reports) > received.distinct[qos] for qos in QOS_LEVELS]
    if not any(absent):
        return True
    patience = SILENCE_SECONDS if any(absent[1:]) else _QUIET_SECONDS
    return time.monotonic() - received.latest > patience


def what_failed(broker: Broker, publishers: Sequence[PublisherProcess]) -> list[str]:
    """The failures of the broker and of the publishers."""
    failures = [failure for publisher in publishers if (failure := publisher.failure())]
    if not broker.alive():
        failures.append(f"the broker ended:\n{broker.log_tail()}")
    return failures


class _Run:
    """The running pipeline, and what watches it until its end."""

    def __init__(
        self, broker: Broker, pipeline: Pipeline, publishers: Sequence[PublisherProcess], progress: Progress
    ) -> None:
        self._broker = broker
        self._pipeline = pipeline
        self._publishers = publishers
        self._progress = progress

    def to_its_end(self) -> list[str]:
        """Publishes, receives and processes everything. Returns what failed on the way."""
        for publisher in self._publishers:
            publisher.go()
        received = self._pipeline.subscriber.received
        while not all_arrived(self._publishers, received) and not self._broken():
            self._tick("receiving" if all_published(self._publishers) else "publishing")
        failures = self._broken()
        self._pipeline.no_more()
        if not self._committed():
            failures.append(f"the processor committed nothing for {SILENCE_SECONDS:g} s and did not end")
        self._pipeline.gauge.read()
        return failures

    def _broken(self) -> list[str]:
        """What makes it pointless to go on."""
        return self._pipeline.failures() + what_failed(self._broker, self._publishers)

    def _committed(self) -> bool:
        """Waits for the processor's end. False if the processor is stuck."""
        processor = self._pipeline.processor
        committed, since = processor.committed, time.monotonic()
        while processor.is_alive() and time.monotonic() - since < SILENCE_SECONDS:
            self._tick("committing")
            if processor.committed != committed:
                committed, since = processor.committed, time.monotonic()
        return not processor.is_alive()

    def _tick(self, phase: str) -> None:
        """Lets a moment pass (less if the processor ends), and shows the present state."""
        processor, gauge = self._pipeline.processor, self._pipeline.gauge
        processor.join(TICK_SECONDS)
        sample = gauge.read()
        facts = {
            "committed": f"{processor.committed:,} in {processor.commits:,} batches",
            "depth": f"{sample.depth:,}",
            "capacity": f"{sample.capacity:,}",
        }
        received, curves = self._pipeline.subscriber.received.total, depth_and_capacity(gauge.samples)
        self._progress.show(Status(phase, sample.seconds, received, facts, curves))

    def settle(self, seconds: float, failures: Sequence[str], scraped: Scrape | None) -> Ledger:
        """Brings the records of all parts together."""
        pipeline, broker = self._pipeline, self._broker
        processed, corrupt = pipeline.processed()
        accounts = {}
        for publisher in self._publishers:
            report = publisher.report or Report(publisher.number, {}, {})
            accounts[publisher.number] = settle(
                report.ids(),
                sum(len(numbers) for numbers in report.acknowledged.values()),
                of_publisher(publisher.number, pipeline.subscriber.received.counts),
                of_publisher(publisher.number, processed),
            )
        return Ledger(
            accounts=accounts,
            corrupt=corrupt,
            malformed=pipeline.subscriber.malformed,
            latency={qos: Latency.of(values) for qos, values in pipeline.processor.latencies.items()},
            depth=pipeline.depth(),
            stats=pipeline.stats(),
            seconds=seconds,
            broker={"pid": broker.pid, "port": broker.port, "version": broker.version},
            failures=failures,
            levels=_levels(pipeline, processed),
            scraped=scraped,
        )


def _levels(pipeline: Pipeline, processed: Mapping[MessageId, int]) -> Levels | None:
    """The counters of a queue with levels, and what was really received and processed."""
    if not isinstance(pipeline.queue, QosLevels):
        return None
    stats = pipeline.queue.level_stats()
    return Levels(
        pushed=stats.pushed_per_priority,
        popped=stats.popped_per_priority,
        received=_by_qos(pipeline.subscriber.received.counts),
        processed=_by_qos(processed),
    )


def _by_qos(counts: Mapping[MessageId, int]) -> list[int]:
    return [sum(count for message_id, count in counts.items() if message_id.qos == qos) for qos in QOS_LEVELS]


def of_publisher(publisher: int, counts: Mapping[MessageId, int]) -> dict[MessageId, int]:
    """One publisher's part of the counts."""
    return {message_id: count for message_id, count in counts.items() if message_id.publisher == publisher}
