"""The example `log_shipper`: each line arrives, though it is killed, the collector fails and files rotate."""

from __future__ import annotations

import http.server
import io
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import examples
import pytest
from support import PATIENCE, unix_only, wait_until

import elasticq


class Collector(http.server.ThreadingHTTPServer):
    """Keeps each line that it is sent. `refuse` batches are answered with 503; an answer waits for `gate`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, Any]] = []
        self.batches = self.refuse = 0
        self.gate = threading.Event()
        self.gate.set()
        self.url = f"http://127.0.0.1:{self.server_port}/logs"

    def lines(self) -> list[str]:
        """The lines in the order of their numbers. A number always stands for the same line."""
        numbered: dict[int, str] = {}
        for entry in self.received:
            assert numbered.setdefault(entry["number"], entry["line"]) == entry["line"]
        return [numbered[number] for number in sorted(numbered)]

    def wait_for(self, lines: list[str]) -> None:
        wait_until(lambda: len(self.lines()) >= len(lines), "the collector has as many lines")
        assert self.lines() == lines


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    server: Collector

    def do_POST(self) -> None:
        lines = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.batches += 1
        if refused := self.server.refuse > 0:
            self.server.refuse -= 1
        else:
            self.server.received += lines
        self.server.gate.wait(PATIENCE)
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server
        finally:
            server.gate.set()
            server.shutdown()
            serving.join()


def start(
    folder: Path, collector: Collector, file: Path | None = None, **options: Any
) -> subprocess.Popen[str]:
    arguments = ["--queue", folder / "spool", *(["--file", file] if file else [])]
    return examples.start("log_shipper", *arguments, collector.url, **options)


def numbered(first: int, after: int) -> list[str]:
    return [f"line {number}" for number in range(first, after)]


def append(file: Path, lines: list[str]) -> None:
    with file.open("a", encoding="utf-8", newline="\n") as opened:
        opened.writelines(f"{line}\n" for line in lines)


def test_no_line_is_lost_by_sigkill_whenever_it_comes(tmp_path: Path, collector: Collector) -> None:
    log = tmp_path / "app.log"
    for round_ in range(5):
        append(log, numbered(2_000 * round_, 2_000 * round_ + 2_000))
        collector.gate.clear()
        before = collector.batches
        with examples.killed_at_the_end(start(tmp_path, collector, log)) as shipper:
            # It has sent a batch and got no answer; in the first rounds it is also reading the file.
            wait_until(lambda: collector.batches > before, "a batch arrives")  # noqa: B023 - used at once
            collector.gate.set()
            wait_until(lambda: collector.batches > before + round_, "so many more arrive")  # noqa: B023
            shipper.kill()
    with examples.killed_at_the_end(start(tmp_path, collector, log)) as shipper:
        collector.wait_for(numbered(0, 10_000))
        examples.ended(shipper, signal.SIGTERM)


def test_a_batch_without_an_answer_is_sent_again(tmp_path: Path, collector: Collector) -> None:
    log = tmp_path / "app.log"
    append(log, numbered(0, 100))
    collector.gate.clear()
    with examples.killed_at_the_end(start(tmp_path, collector, log)) as shipper:
        wait_until(lambda: collector.received, "a batch has arrived and is not answered")
        shipper.kill()
    collector.gate.set()
    seen = len(collector.received)
    with examples.killed_at_the_end(start(tmp_path, collector, log)) as shipper:
        collector.wait_for(numbered(0, 100))
        wait_until(lambda: len(collector.received) >= seen + 100, "all are sent again")
        examples.ended(shipper, signal.SIGINT)


class Crash(BaseException):
    """The end of the process."""


class CrashingPlaces(elasticq.PersistentCircularBuffer[tuple[int, int, int]]):
    """Takes the first place, and crashes at the second."""

    def push(self, item: tuple[int, int, int], **names: Any) -> bool:
        if len(self):
            raise Crash
        return super().push(item, **names)


def follow(folder: Path, log: Path, *meanwhile: Callable[[], object], places: Any = None) -> list[str]:
    """Has the example follow a file in this process, and gives all lines in its queue.

    Each time when it has read everything and would pause, the next function is called. After the last one it
    ends, as by a crash.
    """
    example = examples.load("log_shipper")
    steps = iter(meanwhile)

    def pause(_: float) -> None:
        next(steps, crash)()

    def crash() -> None:
        raise Crash

    example.time = SimpleNamespace(sleep=pause, time_ns=time.time_ns)
    with (
        example.Lines(folder / "lines") as lines,
        (places or example.Places)(folder / "places") as at,
    ):
        with pytest.raises(Crash):
            example.follow(log, lines, at)
        return [line.decode() for line in lines]


def test_lines_that_are_read_again_after_a_crash_are_in_the_queue_once(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, numbered(0, 10))
    assert follow(tmp_path, log, places=CrashingPlaces) == numbered(0, 10)
    append(log, numbered(10, 12))
    assert follow(tmp_path, log) == numbered(0, 12)
    with elasticq.PersistentCircularBuffer[tuple[int, int, int]](tmp_path / "places") as places:
        assert places.pop()[2] == log.stat().st_size
        assert not places


def test_a_line_that_comes_in_pieces_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "app.log"

    def write(text: str) -> None:
        with log.open("a", encoding="utf-8", newline="\n") as opened:
            opened.write(text)

    log.touch()
    pieces = ("one\ntw", "o", "\nthree", "\n\n", "4")
    assert follow(tmp_path, log, *(partial(write, piece) for piece in pieces)) == ["one", "two", "three", ""]


@unix_only("new names for files that are open")
def test_a_file_may_be_rotated_or_truncated(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, numbered(0, 10))

    def rotate() -> None:
        append(log, numbered(10, 20))
        log.rename(tmp_path / "app.log.1")

    lines = follow(
        tmp_path,
        log,
        rotate,
        lambda: append(tmp_path / "app.log.1", numbered(20, 30)),
        lambda: append(log, numbered(30, 90)),  # longer than the old one
        lambda: append(log, numbered(90, 100)),
        lambda: log.write_text("line 100\n", encoding="utf-8"),
        lambda: append(log, numbered(101, 110)),
    )
    assert lines == numbered(0, 110)


@unix_only("new names for files that are open")
def test_a_file_may_come_later_and_may_be_rotated_in_the_middle_of_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "app.log"

    def rotate() -> None:
        log.rename(tmp_path / "app.log.1")
        append(log, ["three"])

    lines = follow(tmp_path, log, lambda: log.write_text("one\ntwo", encoding="utf-8"), rotate)
    assert lines == ["one", "two", "three"]


def test_a_collector_that_fails_gets_the_lines_later(tmp_path: Path, collector: Collector) -> None:
    collector.refuse = 2
    with examples.killed_at_the_end(start(tmp_path, collector, stdin=subprocess.PIPE)) as shipper:
        assert isinstance(shipper.stdin, io.TextIOWrapper)
        shipper.stdin.reconfigure(newline="\n")
        shipper.stdin.writelines(f"{line}\n" for line in numbered(0, 1_200))
        shipper.stdin.close()
        shipper.stdin = None
        _, errors = examples.ended(shipper)
    assert collector.lines() == numbered(0, 1_200)
    assert errors.count("HTTP Error 503") == 2
    assert errors.endswith("0 lines are left for the next time\n")


@unix_only("SIGTERM that a program handles")
def test_what_is_left_when_it_ends_is_sent_by_the_next_run(tmp_path: Path, collector: Collector) -> None:
    collector.refuse = 1_000_000
    log = tmp_path / "app.log"
    append(log, numbered(0, 10))
    with examples.killed_at_the_end(start(tmp_path, collector, log)) as shipper:
        wait_until(lambda: collector.batches, "the collector refuses a batch")
        _, errors = examples.ended(shipper, signal.SIGTERM)
    assert "10 lines are left" in errors
    collector.refuse = 0
    with examples.killed_at_the_end(start(tmp_path, collector, stdin=subprocess.DEVNULL)) as shipper:
        examples.ended(shipper)
    assert collector.lines() == numbered(0, 10)
