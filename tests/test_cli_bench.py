"""`elasticq bench`: every case runs, is checked, and is told; and what can't be measured is one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import ELASTICQ, Terminal, elasticq, interrupted, running
from support import linux_only, wait_until

import elasticq as package
from elasticq.__main__ import main
from elasticq.bench import cases, contest, ends, files, machine, plot, trials
from elasticq.bench.cases import CASES, LEAST_ROUNDS, Case, Result
from elasticq.bench.cli import _Stops
from elasticq.bench.contest import Contender
from elasticq.bench.loops import put_and_get

FINE, FAILED, INTERRUPTED, UNREAD = 0, 2, 130, 141

QUICK = ["--seconds", "0.05"]


def one_line(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """It could not be done, and one line on stderr says why, with these texts."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (FAILED, "", 1), done
    for text in texts:
        assert text in done.stderr


def told(*options: object, cwd: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What --json tells of the machine, and of each case."""
    done = elasticq("bench", "--json", *QUICK, *options, cwd=cwd)
    assert (done.returncode, done.stderr) == (FINE, ""), done
    first, *others = map(json.loads, done.stdout.splitlines())
    return first, others


# What it tells.


def test_all_cases_are_told_as_json(tmp_path: Path) -> None:
    where, found = told(cwd=tmp_path)
    assert (where["elasticq"], where["gil"]) == (package.__version__, machine.with_gil())
    assert where["processor"]
    assert where["hardware_threads"] >= 1
    assert [case["case"] for case in found] == list(CASES)
    for case in found:
        ours, *others = case["contenders"]
        assert ours["name"] in (ends.OURS, files.OURS)
        assert others
        assert case["rounds"] >= LEAST_ROUNDS
        assert case["samples_are_short"] is True
        for each in case["contenders"]:
            times = each["ns_per_item"]
            assert len(times["rounds"]) == case["rounds"]
            assert 0 < times["min"] <= times["median"]["all"] <= times["max"]
            assert each["ours_is_times_as_fast"]["ratio_of_medians"]["all"] > 0
        assert ours["ours_is_times_as_fast"]["ratio_of_medians"]["all"] == 1
        assert case["left_out"] == {}
    assert list(tmp_path.iterdir()) == []


def test_the_standard_library_s_queues_always_take_part(tmp_path: Path) -> None:
    _, found = told("--case", "one-thread", "--case", "tasks", cwd=tmp_path)
    names = [[each["name"] for each in case["contenders"]] for case in found]
    assert names[0] == ["elasticq.Queue", "queue.Queue", "queue.SimpleQueue"]
    assert names[1][:2] == ["elasticq.Queue", "asyncio.Queue"]


@pytest.mark.parametrize("columns", ["40", "100"])
def test_it_tells_people_in_tables_that_fit(columns: str, tmp_path: Path) -> None:
    done = elasticq("bench", *QUICK, "--case", "one-thread", cwd=tmp_path, COLUMNS=columns)
    assert (done.returncode, done.stderr) == (FINE, "")
    assert machine.interpreter() in " ".join(done.stdout.split())
    assert machine.processor() in " ".join(done.stdout.split())
    assert re.search(r"^queue.Queue .*\d\.\d\dx", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= int(columns)


def test_on_a_terminal_it_shows_how_far_it_is(tmp_path: Path) -> None:
    command = [*ELASTICQ, "bench", *QUICK, "--case", "one-thread", "--folder", str(tmp_path)]
    with Terminal(command, columns=40, NO_COLOR="1") as terminal:
        status, shown = terminal.wait_for_end()
    assert status == FINE
    assert f"[1/1] one-thread: round {LEAST_ROUNDS}" in shown
    assert not re.search(r"\x1b\[(?:\d+;)*3\d", shown)


def test_missing_peers_are_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("janus", "culsans", "persistqueue"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["bench", *QUICK, "--case", "tasks", "--json", "--folder", str(tmp_path)]) == FINE
    where, case = map(json.loads, capsys.readouterr().out.splitlines())
    assert where["not_installed"] == ["janus", "culsans", "persist-queue"]
    assert [each["name"] for each in case["contenders"]] == ["elasticq.Queue", "asyncio.Queue"]
    assert main(["bench", *QUICK, "--case", "one-thread", "--folder", str(tmp_path)]) == FINE
    assert "not installed, and left out: janus, culsans, persist-queue" in capsys.readouterr().out


@linux_only("sched_setaffinity")
def test_one_core_is_said_and_measured_all_the_same(tmp_path: Path) -> None:
    program = """if True:
        import os, sys
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os.execv(sys.argv[1], sys.argv[1:])
    """
    command = [sys.executable, "-c", program, *ELASTICQ, "bench", *QUICK, "--case", "threads", "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (FINE, 1)
    assert "one core" in done.stderr
    where, case = map(json.loads, done.stdout.splitlines())
    assert (where["hardware_threads"], case["case"]) == (1, "threads")


# How it measures.


class Clock:
    """A clock that only trials move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.ran: list[str] = []
        for module in (contest, cases):
            monkeypatch.setattr(module, "perf_counter", lambda: self.now)
        monkeypatch.setattr(contest, "gc", SimpleNamespace(collect=lambda: None))

    def contender(self, name: str, nanoseconds: float, fails: Exception | None = None) -> Contender:
        """A contender whose trials take so long for each item."""

        def run(items: int) -> None:
            if fails:
                raise fails
            self.now += items * nanoseconds / 1e9
            self.ran.append(name)

        return Contender(name, lambda items: SimpleNamespace(run=lambda: run(items), check=lambda: None))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def measured(seconds: float, *contenders: Contender) -> Result:
    return Case("case", "what it is", contenders).run(seconds, lambda _: None)


def test_contenders_take_turns_and_the_order_rotates(clock: Clock) -> None:
    result = measured(0.001, *(clock.contender(name, 1e6) for name in "abc"))
    assert result.rounds == LEAST_ROUNDS
    assert "".join(clock.ran[-9:]) == "abcbcacab"


def test_ratios_are_those_of_medians(clock: Clock) -> None:
    result = measured(10, clock.contender("ours", 100), clock.contender("theirs", 310))
    assert result.others[0].ratio_to(result.ours).all == pytest.approx(3.1)
    assert not result.is_short
    assert result.others[0].time.all * result.others[0].items / 1e9 >= 0.05  # as long as in all benchmarks


def test_it_takes_about_the_time_that_it_was_given(clock: Clock) -> None:
    for seconds in (1.0, 10.0):
        start = clock.now
        measured(seconds, clock.contender("ours", 100), clock.contender("theirs", 310))
        assert clock.now - start == pytest.approx(seconds, rel=0.3)


def test_a_peer_that_fails_is_left_out_and_named(clock: Clock) -> None:
    broken = clock.contender("broken", 1, ValueError("of another version"))
    result = measured(1, clock.contender("ours", 100), broken, clock.contender("theirs", 200))
    assert result.left_out == {"broken": "ValueError: of another version"}
    assert [each.name for each in result.others] == ["theirs"]
    with pytest.raises(ValueError, match="of another version"):
        measured(1, broken, clock.contender("theirs", 200))


class Forgetful:
    """A queue that loses an item."""

    def __init__(self) -> None:
        self._items: list[Any] = []

    def put(self, item: Any) -> None:
        """Keeps all but one."""
        if item != 7:
            self._items.append(item)

    def get(self) -> Any:
        """The oldest one."""
        return self._items.pop(0) if self._items else 0


@pytest.mark.parametrize(
    "trial", [lambda make: trials.Pairs(put_and_get, make, 8), lambda make: trials.Streams(1, make, 8)]
)
def test_a_queue_that_loses_items_is_no_fast_one(trial: Callable[[Any], contest.Trial]) -> None:
    def make() -> ends.Plain:
        queue = Forgetful()
        return ends.Ends(queue.put, queue.get, lambda: 0)

    with pytest.raises(AssertionError):
        contest.timed(trial(make))


def test_the_processor_is_named_by_what_the_system_says(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name\t: Some   Processor 9\nmodel name\t: Other\n")
    assert machine._in_cpuinfo(file) == "Some Processor 9"
    assert machine._in_cpuinfo(tmp_path / "missing") == ""
    assert machine._said_by("no-such-program-anywhere") == ""


# Pictures.


class Drawn:
    """Stands for matplotlib's objects: takes whatever is asked of it, and notes it."""

    def __init__(self, notes: list[tuple[str, Any, Any]], name: str = "") -> None:
        self._notes, self._name = notes, name

    def __getattr__(self, name: str) -> Drawn:
        return Drawn(self._notes, name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self._notes.append((self._name, arguments, named))
        if self._name == "subplots":
            return [[Drawn(self._notes)] for _ in range(arguments[0])]
        if self._name == "savefig":
            Path(arguments[0]).write_text("drawn")
        return Drawn(self._notes)


def test_a_picture_has_a_bar_for_each_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[tuple[str, Any, Any]] = []
    monkeypatch.setitem(sys.modules, "matplotlib", Drawn(notes))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", Drawn(notes))
    picture = tmp_path / "out.svg"
    arguments = [
        "--case",
        "one-thread",
        "--case",
        "threads",
        "--plot",
        str(picture),
        "--folder",
        str(tmp_path),
    ]
    assert main(["bench", *QUICK, *arguments]) == FINE
    assert picture.read_text() == "drawn"
    assert str(picture) in capsys.readouterr().err
    bars = [arguments[0] for name, arguments, _ in notes if name == "barh"]
    assert bars == [["queue.Queue", "queue.SimpleQueue"]] * 2
    assert [name for name, _, _ in notes].count("annotate") == 4


def test_a_picture_needs_matplotlib_and_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bench", "--seconds", "3600", "--plot", str(tmp_path / "out.png")]) == FAILED
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "pip install matplotlib" in printed.err


@pytest.mark.parametrize("file", ["out.gif", "out", "missing/out.png", "folder.png"])
def test_a_picture_that_can_t_be_written_is_one_line(file: str, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    one_line(elasticq("bench", "--seconds", "3600", "--plot", file, cwd=tmp_path), "--plot", file)


def test_the_formats_are_those_of_the_manual() -> None:
    text = " ".join(elasticq("bench", "--help").stdout.split())
    assert all(f".{name}" in text for name in plot.FORMATS)


# What can't be measured.


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "86401", "soon"])
def test_a_wrong_time_is_one_line(seconds: str) -> None:
    one_line(elasticq("bench", f"--seconds={seconds}"), "--seconds", seconds)


def test_a_case_that_is_not_there_is_one_line() -> None:
    one_line(elasticq("bench", "--case", "frobnicate"), "frobnicate", "one-thread")


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    one_line(elasticq("bench", "--folder", tmp_path / "missing"), "--folder", "missing")


@pytest.mark.parametrize("case", ["threads", "thread-to-task", "tasks", "durable"])
def test_ctrl_c_ends_it_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    arguments = ["bench", "--json", "--case", case, "--seconds", "3600", "--folder", str(tmp_path)]
    with running(*arguments) as bench:
        assert bench.stdout is not None
        assert json.loads(bench.stdout.readline())["seconds"] == 3600
        status, errors = interrupted(bench)
    assert (status, errors) == (INTERRUPTED, "python -m elasticq bench: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C does what it does in a terminal: a shell's process in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_does_not_wait_for_the_sample() -> None:
    with _Stops() as stops:
        stops.check()
        signal.raise_signal(signal.SIGINT)
        wait_until(lambda: stops._came, "the signal has come")
        with pytest.raises(KeyboardInterrupt):
            stops.check()
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it comes in one of these calls
            signal.raise_signal(signal.SIGINT)
            wait_until(lambda: False, "the signal has come")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [*ELASTICQ, "bench", "--seconds", "3600"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
            cwd=tmp_path,
        )
    assert (done.returncode, done.stderr) == (UNREAD, b"")
    assert list(tmp_path.iterdir()) == []
