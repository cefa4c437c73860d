"""The demo end to end on the real broker: nothing is lost, loss is noticed, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from demos import Finished, name_of, need_the_extra, processes_of, shows_processes, start

import elasticq
from elasticq.demo import message
from elasticq.demo.broker import find_program
from elasticq.demo.ledger import Ledger, QueueStats
from elasticq.demo.levels import QosLevels

PUBLISHERS, MESSAGES = 4, 2000
LOAD = (f"--publishers={PUBLISHERS}", f"--messages={MESSAGES}")


@pytest.fixture(scope="module", autouse=True)
def extra() -> None:
    """These tests need the extra `demo`."""
    need_the_extra()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("demo"), *LOAD)


class EndsByItself:
    """A client whose thread has ended between the look for it and the wait, as in paho-mqtt 2.1."""

    thread: object = None

    def disconnect(self) -> None:
        self.thread = None

    def loop_stop(self) -> None:
        self.thread.join()  # type: ignore[attr-defined]


def test_a_client_whose_thread_ends_by_itself_can_leave() -> None:
    from elasticq.demo import network

    network.leave(cast(Any, EndsByItself()))


def test_a_publisher_that_is_late_goes_on_at_once() -> None:
    from elasticq.demo.publisher import sleep_until

    sleep_until(time.monotonic() - 1.0)


def test_a_good_run_ends_with_status_0_and_says_so(finished: Finished) -> None:
    assert (finished.status, finished.errors) == (0, "")
    assert finished.ledger["problems"] == []
    assert f"OK: {finished.ledger['total']['processed']:,} messages" in finished.output
    assert "publishing: received" in finished.output


def test_the_ledger_accounts_for_every_message(finished: Finished) -> None:
    accounts = finished.ledger["publishers"]
    assert sorted(accounts) == ["1", "2", "3", "4"]
    for account in accounts.values():
        assert account["sent"] == account["acknowledged"] == MESSAGES
        arrived = account["sent"] - account["undelivered"] + account["duplicated_qos1"]
        assert account["received"] == account["processed"] == arrived
        assert account["lost"] == account["missing"] == account["duplicated_qos2"] == account["unknown"] == 0
    for field, total in finished.ledger["total"].items():
        assert total == sum(account[field] for account in accounts.values())


def test_the_queue_agrees_with_the_ledger(finished: Finished) -> None:
    stats, total = finished.ledger["stats"], finished.ledger["total"]
    assert stats["messages_enqueued"] == total["received"]
    assert stats["messages_dequeued"] == total["processed"]
    assert (stats["messages_dropped"], stats["current_size"]) == (0, 0)
    depth = finished.ledger["depth"]
    assert depth["peak_seen"] <= stats["peak_size"] <= depth["peak_bound"]


def test_the_capacity_grew_and_shrank_back(finished: Finished) -> None:
    capacity, stats = finished.ledger["capacity"], finished.ledger["stats"]
    assert capacity["peak"] >= 4 * capacity["initial"]
    assert capacity["final"] == stats["current_capacity"] == capacity["initial"]
    assert stats["grown"] >= 2
    assert stats["shrunk"] >= 1


def test_every_qos_has_its_latency(finished: Finished) -> None:
    latency = finished.ledger["latency_ms"]
    assert sum(values["count"] for values in latency.values()) == finished.ledger["total"]["processed"]
    for qos in ("0", "1", "2"):
        assert 0 < latency[qos]["p50_ms"] <= latency[qos]["p99_ms"] <= latency[qos]["max_ms"]
        assert latency[qos]["max_ms"] <= 1000 * (finished.ledger["seconds"] + 1)


@shows_processes
def test_a_finished_run_leaves_nothing_behind(finished: Finished) -> None:
    assert finished.left_behind == []
    assert finished.still_running == []
    assert not Path(f"/proc/{finished.ledger['broker']['pid']}").exists()


@pytest.fixture(scope="module")
def by_qos(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("priority"), *LOAD, "--priority")


def test_under_overload_qos_2_waits_less_than_qos_0(by_qos: Finished) -> None:
    assert (by_qos.status, by_qos.errors, by_qos.ledger["problems"]) == (0, "", [])
    latency = by_qos.ledger["latency_ms"]
    assert latency["2"]["p99_ms"] < latency["0"]["p99_ms"]
    assert "OK: p99 of QoS 2" in by_qos.output
    # Half of what arrives waits until everything has arrived.
    assert by_qos.ledger["depth"]["peak_seen"] >= PUBLISHERS * MESSAGES // 3


def test_every_message_passed_through_the_level_of_its_qos(by_qos: Finished) -> None:
    levels, latency = by_qos.ledger["levels"], by_qos.ledger["latency_ms"]
    assert levels["pushed"] == levels["popped"] == levels["received"] == levels["processed"]
    assert levels["processed"] == [latency[qos]["count"] for qos in ("0", "1", "2")]
    assert sum(levels["processed"]) == by_qos.ledger["total"]["processed"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that is publishing."""
    with start(tmp_path) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "publishing: received" in line:
                    break
            assert len(processes_of(tmp_path)) >= 1 + 1 + PUBLISHERS
            yield process
        finally:
            process.kill()


@shows_processes
@pytest.mark.parametrize(("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing_behind(
    running: subprocess.Popen[str], tmp_path: Path, stop: signal.Signals, status: int
) -> None:
    running.send_signal(stop)
    _, errors = running.communicate()
    assert running.returncode == status
    assert "Traceback" not in errors
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@shows_processes
def test_a_killed_run_takes_its_processes_with_it(running: subprocess.Popen[str], tmp_path: Path) -> None:
    running.kill()
    running.wait()
    deadline = time.monotonic() + 30
    while processes_of(tmp_path):
        assert time.monotonic() < deadline, "broker or publishers outlive the demo"
        time.sleep(0.02)


@shows_processes
def test_a_run_whose_broker_dies_ends_and_says_so(running: subprocess.Popen[str], tmp_path: Path) -> None:
    for process in processes_of(tmp_path):
        if name_of(process) == "nats-server":
            os.kill(process, signal.SIGKILL)
    output, errors = running.communicate()
    assert (running.returncode, errors) == (1, "")
    assert "FAILED: the broker ended" in output
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_curve_shows_the_highest_of_each_stretch_and_how_it_ended() -> None:
    from elasticq.demo.display import curve

    values = [(0.0, 1), (1.0, 2), (1.5, 8), (1.6, 3), (3.0, 4), (3.9, 5), (4.0, 0)]
    assert curve(values, "012345678", width=4) == "1880"
    assert curve([], "01") == ""
    assert curve([(0.0, 0)], " #", width=3) == "   "


class Faulty:
    """A queue that treats the first message as it is told to."""

    def __init__(self, fault: str) -> None:
        self._queue: elasticq.Queue[bytes] = elasticq.Queue()
        self._fault: str | None = fault

    def put(self, item: bytes, /) -> None:
        self._queue.put(item)

    def get_many(self, n: int, /) -> list[bytes]:
        first, *others = self._queue.get_many(n)
        fault, self._fault = self._fault, None
        if fault == "lose":
            return others
        if fault == "repeat":
            return [first, first, *others]
        if fault == "alter":
            return [first[:-1] + bytes([first[-1] ^ 1]), *others]
        if fault == "raise":
            raise OSError("disk on fire")
        return [first, *others]

    def qsize(self) -> int:
        return self._queue.qsize()

    def shutdown(self) -> None:
        self._queue.shutdown()

    def stats(self) -> QueueStats:
        return self._queue.stats()

    @property
    def capacity(self) -> int:
        return self._queue.capacity


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("lose", "1 messages lost between broker and database"),
        ("repeat", "1 messages that no publisher reported as sent"),
        ("alter", "1 messages with a wrong checksum"),
        ("raise", "processor: OSError('disk on fire')"),
    ],
)
def test_a_faulty_queue_is_found_out(fault: str, complaint: str) -> None:
    ledger = run_with(Faulty(fault))
    assert complaint in ledger.problems()
    assert ledger.exit_status == 1


class UpsideDown(QosLevels):
    """A queue that serves the lowest quality of service first."""

    def put(self, item: bytes, /) -> None:
        self._queue.put(item, priority=2 - message.identify(item).qos)


def test_a_queue_that_serves_the_lowest_first_is_found_out() -> None:
    ledger = run_with(UpsideDown(), messages=200, overloaded=True)
    assert ledger.total.lost == 0
    assert len(ledger.inversions()) == 1
    assert ledger.levels is not None
    assert list(ledger.levels.pushed) == list(ledger.levels.received)[::-1]
    assert ledger.exit_status == 1


def run_with(queue: Faulty | QosLevels, messages: int = 40, overloaded: bool = False) -> Ledger:
    from rich.console import Console

    from elasticq.demo.display import Progress
    from elasticq.demo.publisher import Load
    from elasticq.demo.run import run

    program = find_program()
    assert program is not None
    load = Load(publishers=1, messages=messages, payload=64, overloaded=overloaded)
    return run(program, queue, load, Progress(Console(quiet=True)))
