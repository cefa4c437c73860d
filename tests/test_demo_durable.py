"""The demo with --durable: two kills lose nothing, and its ledger finds out what does lose something."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from demos import Finished, need_the_extra, processes_of, shows_processes, start

import elasticq
from elasticq.demo import message
from elasticq.demo.broker import find_program
from elasticq.demo.child import ChildProcess
from elasticq.demo.durable.ledger import Account, DurableLedger, ranges, settle
from elasticq.demo.durable.records import Closing, Life, Records, Row
from elasticq.demo.message import MessageId

PUBLISHERS, MESSAGES = 2, 200
QOS0, QOS1, QOS2, LATER = (MessageId(1, sequence, qos) for sequence, qos in [(0, 0), (1, 1), (2, 2), (3, 1)])
SENT = frozenset({QOS0, QOS1, QOS2, LATER})


@pytest.fixture(scope="module")
def extra() -> None:
    """These tests need the extra `demo`."""
    need_the_extra()


@pytest.fixture(scope="module")
def finished(extra: None, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A short run. Its output has its seed."""
    load = (f"--publishers={PUBLISHERS}", f"--messages={MESSAGES}")
    finished = Finished(tmp_path_factory.mktemp("durable"), "--durable", *load)
    print(finished.output, finished.errors)
    return finished


def test_two_kills_lose_nothing_that_must_come(finished: Finished) -> None:
    assert (finished.status, finished.errors, finished.ledger["problems"]) == (0, "", [])
    assert "OK: 2 kills" in finished.output
    assert f"--seed={finished.ledger['seed']} repeats the choice" in finished.output
    for account in finished.ledger["publishers"].values():
        assert account["sent"] == account["acknowledged"] == MESSAGES
        assert account["missing"] == []
        # Of what it has stored right before a kill the pipeline may not have told.
        assert account["delivered"] >= account["stored"]
        assert account["delivered"] >= MESSAGES - account["undelivered"]
        assert (account["disordered"], account["corrupt"], account["unknown"]) == (0, 0, 0)


def test_each_kill_is_shown_with_what_recovery_found_and_what_it_cost(finished: Finished) -> None:
    first, second = finished.ledger["kills"]
    assert 0 < first["seconds"] < first["opened"] < first["resumed"] <= second["seconds"] < second["opened"]
    is_late = second["resumed"] is None  # on a slow machine it may come when all is committed
    assert not is_late or (second["opening"]["inside"], second["lost_seconds"]) == (0, None)
    for kill in [first] if is_late else [first, second]:
        assert kill["lost_seconds"] == kill["resumed"] - kill["seconds"]
        assert kill["opening"]["recovered_entries"] > 0
        assert f"{kill['opening']['recovered_entries']:,}" in finished.output
        # It comes while there is traffic.
        assert 0 < kill["handed_over"] < finished.ledger["total"]["handed_over"]
    assert first["handed_over"] < second["handed_over"]


def test_items_that_were_delivered_twice_are_named(finished: Finished) -> None:
    twice = finished.ledger["total"]["twice"]
    assert ("Delivered twice\nnone" in finished.output) == (twice == [])
    if twice:
        assert f"{len(twice):,} items were leased again after a kill: numbers " in finished.output


def test_the_queue_agrees_with_the_ledger(finished: Finished) -> None:
    delivered = finished.ledger["total"]["delivered"]
    assert finished.ledger["stats"] == {
        "messages_enqueued": delivered,
        "messages_dequeued": delivered,
        "current_size": 0,
    }


@shows_processes
def test_a_finished_run_leaves_nothing_behind(finished: Finished) -> None:
    assert finished.left_behind == []
    assert finished.still_running == []


@shows_processes
@pytest.mark.usefixtures("extra")
def test_a_killed_run_takes_its_processes_with_it(tmp_path: Path) -> None:
    with start(tmp_path, "--durable") as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "publishing: received" in line:
                    break
        finally:
            process.kill()
    deadline = time.monotonic() + 30
    while processes_of(tmp_path):
        assert time.monotonic() < deadline, "broker, publishers or pipeline outlive the demo"
        time.sleep(0.02)


# Each is a pipeline that treats one message, the one with this sequence number, as it must not.
FAULTY = """
import sys
from elasticq.demo import message
from elasticq.demo.durable import pipeline

def hit(payload):
    return message.identify(payload).sequence == {sequence}

class Processor(pipeline.Processor):
    def commit(self, database, leases):
        if {fault!r} == "forget":
            leases = [lease for lease in leases if not hit(lease.item)]
        if {fault!r} == "raise":
            raise OSError("disk on fire")
        super().commit(database, leases)

class Ingest(pipeline.Ingest):
    def store(self, batch):
        kept = [delivery for delivery in batch if {fault!r} != "drop" or not hit(delivery.payload)]
        for delivery in batch:
            if delivery not in kept:
                self._parent.tell(received=[message.identify(delivery.payload)])
                self._subscription.acknowledge(delivery)
        if kept:
            super().store(kept)

sys.exit(pipeline.main(Ingest, Processor))
"""


@pytest.mark.usefixtures("extra")
@pytest.mark.parametrize(
    ("fault", "sequence", "complaint"),
    [
        ("forget", 1, "1 messages missing: 1 of publisher 1"),
        ("drop", 3, "1 messages missing: 3 of publisher 1"),
        ("raise", 0, ": exit status 1: Traceback"),
    ],
)
def test_a_faulty_pipeline_is_found_out(fault: str, sequence: int, complaint: str, tmp_path: Path) -> None:
    from rich.console import Console

    from elasticq.demo.display import Progress
    from elasticq.demo.durable.run import run
    from elasticq.demo.publisher import Load

    faulty = tmp_path / "faulty.py"
    faulty.write_text(FAULTY.format(fault=fault, sequence=sequence), encoding="utf-8")
    program = find_program()
    assert program is not None
    load = Load(publishers=1, messages=MESSAGES, payload=64, steady=True)
    ledger = run(program, load, 14, Progress(Console(quiet=True)), pipeline=[str(faulty)])
    assert complaint in "\n".join(ledger.problems())
    assert ledger.exit_status == 1


@pytest.mark.usefixtures("extra")
def test_a_seed_repeats_the_moments() -> None:
    from elasticq.demo.durable.run import Schedule
    from elasticq.demo.publisher import Load

    load = Load(publishers=1, messages=MESSAGES, payload=64, steady=True)
    assert Schedule(7, load).moments == Schedule(7, load).moments != Schedule(8, load).moments


class Steps:
    """A queue, a broker, a database and a parent: they only write down what they were asked to do."""

    current_size = 0

    def __init__(self) -> None:
        self.done: list[str] = []

    def __call__(self, *_: object) -> Steps:
        return self

    def tell(self, **facts: object) -> None:
        self.done.append(f"tell {next(iter(facts))}")

    def __getattr__(self, name: str) -> Callable[..., Steps]:
        if name != "stats":
            self.done.append(name)
        return self


@pytest.mark.usefixtures("extra")
def test_the_broker_gets_its_acknowledgement_when_the_message_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from paho.mqtt.client import MQTTMessage

    from elasticq.demo.durable import pipeline

    def subscription(port: int, qos: int, receive: object, manual_ack: bool) -> Steps:
        assert (qos, manual_ack) == (1, True)
        return steps

    steps = Steps()
    monkeypatch.setattr(pipeline, "Subscription", subscription)
    delivery = MQTTMessage()
    delivery.payload = message.encode(QOS1, 0, b"")
    pipeline.Ingest(cast(Any, steps), 0, cast(Any, steps)).store([delivery])
    assert steps.done == ["tell received", "push_batch", "tell stored", "acknowledge"]


@pytest.mark.usefixtures("extra")
def test_a_lease_ends_when_the_outcome_is_committed(tmp_path: Path) -> None:
    from elasticq.demo.durable import pipeline

    class Processor(pipeline.Processor):
        def commit(self, *_: object) -> None:
            steps.done.append("commit")

    class Queue(Steps):
        def lease_batch(self, _: int) -> list[object]:
            if "commit" in steps.done:
                raise elasticq.ShutDown
            return [object()]

    steps = Queue()
    processor = Processor(cast(Any, steps), tmp_path / "database", cast(Any, steps))
    processor.hurry()
    processor.work()
    assert steps.done == ["commit", "ack_batch", "tell committed"]


def rows(*messages: MessageId, deliveries: int = 1) -> list[Row]:
    return [Row(each, True, number, deliveries) for number, each in enumerate(messages, 1)]


def account(received: list[MessageId], stored: list[MessageId], committed: list[Row]) -> Account:
    return settle(SENT, len(SENT), Counter(received), Counter(stored), committed)


def ledger(entry: Account, closing: Closing | None = None) -> DurableLedger:
    """A ledger with one account and a queue that agrees with it, unless another one is given."""
    closing = closing or Closing(entry.delivered, entry.delivered, 0)
    return DurableLedger({1: entry}, [], closing, [], seed=1, seconds=1.0, broker={})


ALL = [QOS0, QOS1, QOS2, LATER]


def test_a_good_run() -> None:
    good = ledger(account(ALL, ALL, rows(*ALL)))
    assert good.total == Account(4, 1, 4, 4, stored=4, delivered=4)
    assert (good.problems(), good.exit_status) == ([], 0)


@pytest.mark.parametrize("absent", [QOS1, QOS2])
@pytest.mark.parametrize("seen", [True, False], ids=["handed over", "never seen"])
def test_a_reliable_message_that_was_not_delivered_is_missing(absent: MessageId, seen: bool) -> None:
    rest = [each for each in ALL if each != absent]
    bad = ledger(account(ALL if seen else rest, rest, rows(*rest)))
    assert bad.problems() == [f"1 messages missing: {absent.sequence} of publisher 1"]
    assert bad.exit_status == 1


def test_qos_0_is_missing_only_if_it_was_stored() -> None:
    rest = [QOS1, QOS2, LATER]
    gone = account(ALL, rest, rows(*rest))
    assert (gone.undelivered, gone.missing, ledger(gone).exit_status) == (1, (), 0)
    lost = account(ALL, ALL, rows(*rest))
    assert (lost.undelivered, lost.missing, ledger(lost).exit_status) == (0, (QOS0,), 1)


def test_missing_messages_of_several_publishers_are_named() -> None:
    other = MessageId(2, 7, 1)
    entry = account(ALL, ALL, rows(QOS0, LATER)) + settle({other}, 1, {}, {}, [])
    assert ledger(entry).problems() == ["3 messages missing: 1-2 of publisher 1, 7 of publisher 2"]


def test_what_comes_twice_is_counted_and_is_no_fault() -> None:
    handed_over, stored = [*ALL, QOS1], [*ALL, QOS1]
    first = rows(QOS0, QOS1)
    again = [*rows(QOS0, QOS1, QOS2, deliveries=2), Row(LATER, True, 4, 1), Row(QOS1, True, 5, 1)]
    entry = account(handed_over, stored, first + again)
    assert (entry.handed_over, entry.handed_over_again, entry.stored, entry.delivered) == (5, 1, 5, 5)
    assert (entry.twice, entry.committed_twice) == ((1, 2, 3), 2)
    assert ledger(entry).problems() == []


def test_a_message_that_overtakes_another_one_is_a_fault() -> None:
    entry = account(ALL, ALL, rows(QOS0, LATER, QOS1, QOS2))
    assert entry.disordered == 2
    assert ledger(entry).problems() == ["2 messages delivered out of order"]


def test_a_message_that_was_handed_over_twice_has_no_place_in_the_order() -> None:
    entry = account([*ALL, QOS1], ALL, rows(QOS0, QOS2, LATER, QOS1))
    assert entry.disordered == 0


def test_every_other_fault_is_named() -> None:
    stranger = MessageId(1, 99, 1)
    spoiled = [Row(QOS0, False, 1, 1), *rows(*ALL)[1:]]
    assert ledger(account(ALL, ALL, spoiled)).problems() == ["1 messages with a wrong checksum"]
    unknown = account([*ALL, stranger], ALL, rows(*ALL))
    assert ledger(unknown).problems() == ["1 messages that no publisher reported as sent"]
    good = account(ALL, ALL, rows(*ALL))
    assert ledger(good, Closing(5, 4, 1)).problems() == [
        "the queue's stats() say messages_enqueued = 5, the ledger says 4",
        "the queue's stats() say current_size = 1, the ledger says 0",
    ]
    scraped = {f"elasticq_messages_{what}_total": 4 for what in ("enqueued", "dequeued", "dropped")}
    assert dataclasses.replace(ledger(good), scraped=scraped, last_life=Life(4, 4)).problems() == [
        "a scrape says elasticq_messages_dropped_total = 4, the ledger says 0",
        "a scrape says elasticq_messages_refused_total = None, the ledger says 0",
    ]
    unclosed = DurableLedger({1: good}, [], None, [], 1, 1.0, {}, failures=["pipeline 3: exit status 1"])
    assert unclosed.problems() == ["pipeline 3: exit status 1", "the queue was not closed in good order"]


def test_a_batch_counts_as_stored_only_when_the_pipeline_has_said_so() -> None:
    records = Records()
    records.hear('{"received": [[1, 1, 1], [1, 2, 2]]}\n')
    records.killed(0.5)
    assert (records.received.total, records.stored.total) == (2, 0)
    records.hear('{"opened": [10, 0, 2]}\n')
    records.hear('{"received": [[1, 2, 2]]}\n')
    records.hear('{"stored": 1, "inside": 3}\n')
    records.hear('{"committed": 3, "inside": 0}\n')
    assert records.stored.counts == {QOS2: 1}
    assert records.last_life() == Life(enqueued=2 + 1, dequeued=3)
    assert [inside for _, inside in records.inside] == [3, 0]
    (kill,) = records.kills
    assert kill.opening == (10, 0, 2)
    assert kill.handed_over == 2
    assert kill.resumed is not None
    assert kill.lost_seconds == kill.resumed - 0.5


def test_a_line_that_was_cut_off_is_not_heard(tmp_path: Path) -> None:
    heard: list[str] = []
    program = ("-c", "print('whole'); print('cut', end='')")
    child = ChildProcess("child", program, {}, tmp_path, heard.append)
    child.join(60)
    child.stop()
    assert heard == ["whole\n"]


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([4], "4"), ([7, 1, 2, 3], "1-3, 7"), ([5, 6, 8, 9], "5-6, 8-9")]
)
def test_numbers_in_a_row_are_shown_by_the_first_and_the_last(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--durable", "--messages=199"), "must be at least 200 with --durable"),
        (("--durable", "--priority"), "not allowed with argument"),
        (("--seed=1",), "only --durable"),
        (("--durable", "--seed=-1"), "must be from 0"),
    ],
)
def test_a_wrong_option_is_named_with_its_rule(options: tuple[str, ...], rule: str) -> None:
    result = demo(*options)
    assert result.returncode == 2
    assert rule in result.stderr
    assert "Traceback" not in result.stderr


def test_help_says_what_becomes_of_qos_0() -> None:
    text = " ".join(demo("--help").stdout.split())
    assert "--durable" in text
    assert "Messages of QoS 0 that are on their way when it is killed are gone" in text


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "elasticq", "demo", *options]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
