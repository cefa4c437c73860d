"""`elasticq bench`: measures the queues beside others, on this machine and this Python."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from elasticq.bench import machine, report
from elasticq.bench.cases import CASES, LEAST_ROUNDS, Result
from elasticq.cli.common import CommandError, print_json, say, statuses
from elasticq.cli.manual import Manual, Place, Text
from elasticq.cli.terminal import columns_of_output, rich_console, shortened, wrapped

_SECONDS = 60.0

_WHAT = {
    "one-thread": "put and get in one thread: what a call costs",
    "threads": "one thread puts, one takes",
    "many-threads": "four threads put, one takes",
    "thread-to-task": "a thread puts, a task of an event loop takes",
    "tasks": "a task puts, another one of its loop takes",
    "durable": "queues in files, each call durable when it returns",
}


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Measures the queues of this package beside those that are installed: queue.Queue, queue.SimpleQueue "
        "and asyncio.Queue of Python, janus, culsans, persist-queue, and SQLite by hand.",
        "Use it to see what a change of queues would bring on this machine and this Python. All queues of a "
        "case do the same work, and what comes out is checked. They take turns in rounds, so that other work "
        "on the machine hits all of them alike. Still, a machine without other work gives better figures.",
    ]
    sections: dict[str, Sequence[Text]] = {
        "cases": list(_WHAT.items()),
        "examples": [
            f"$ {program}",
            f"$ {program} --case tasks --seconds 20",
            f"$ {program} --json > bench.jsonl",
            f"$ {program} --plot bench.png",
        ],
        "how to read it": [
            report.LEGEND,
            f"There are at least {LEAST_ROUNDS} rounds, however few --seconds are given.",
        ],
        "with --json": [
            "The first line says on what is measured: processor, hardware_threads, python, gil, system, "
            "not_installed. Then comes a line for each case: case, what, threads, rounds, samples_are_short, "
            "left_out, and contenders, each with ns_per_item and ours_is_times_as_fast. Ours is the first.",
        ],
        "exit status": statuses(
            "", two="wrong usage, a file or folder that can't be written to, or no matplotlib for --plot"
        ),
    }
    made = Manual(program, about, sections)
    made.add_argument(
        "--case",
        action="append",
        choices=CASES,
        metavar="CASE",
        help="only this one of the cases below; may be repeated",
    )
    made.add_argument(
        "--seconds",
        type=_seconds,
        default=_SECONDS,
        metavar="N",
        help=f"about how long all cases take together ({_SECONDS:g})",
    )
    made.add_argument("--json", action="store_true", help="print JSON lines, for machines")
    made.path("--plot", completed=Place.FILE, metavar="FILE", help="draw the ratios, as .png, .svg or .pdf")
    made.path(
        "--folder",
        completed=Place.FOLDER,
        default=".",
        metavar="DIR",
        help="where the files of durable queues are, for as long as they are measured (here)",
    )
    return made


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    options = parser(program).parse_args(arguments)
    picture = None
    if options.plot:
        from elasticq.bench import plot

        picture = plot.wanted(options.plot)
    if machine.hardware_threads() == 1:
        say(f"{program}: there is one core here, so figures of several threads mean little")
    with _Stops() as stops, _folder(options.folder) as folder:
        results = _measured(options, folder, stops)
    if picture:
        plot.draw(results, picture)
        say(f"{program}: {picture} has the picture")
    return 0


@contextlib.contextmanager
def _folder(parent: str) -> Iterator[Path]:
    """A new folder, which is gone afterwards, whatever happens."""
    try:
        made = tempfile.TemporaryDirectory(prefix="elasticq-bench-", dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise CommandError(f"--folder {parent}: {error.strerror}") from error
    with made as name:
        yield Path(name).absolute()


def _measured(options: argparse.Namespace, folder: Path, stops: _Stops) -> list[Result]:
    """Runs the cases, and prints each as soon as it is known."""
    names = [name for name in CASES if not options.case or name in options.case]
    if options.json:
        print_json(report.surroundings(options.seconds))
    else:
        _print(f"{machine.interpreter()}; {machine.machine()}")
        if lacking := report.missing():
            _print(f"not installed, and left out: {', '.join(lacking)}")
        _print(report.LEGEND)
    sys.stdout.flush()
    results = []
    with _Progress(len(names), stops) as progress:
        for name in names:
            result = CASES[name](folder).run(options.seconds / len(names), progress.tick)
            progress.clear()
            results.append(result)
            if options.json:
                print_json(result.as_dict())
            else:
                _show(result)
            sys.stdout.flush()
            progress.done += 1
    return results


def _print(text: str) -> None:
    print("\n".join(wrapped(text, columns_of_output(), 0)))


def _show(result: Result) -> None:
    table = report.table(result).fitted(columns_of_output())
    heading = f"{result.case.name}: {result.case.title}; {result.rounds} rounds"
    print()
    console = rich_console()
    if console is None:
        _print(heading)
        print("\n".join(table.lines()))
    else:
        console.print(heading, style="bold")
        console.print(table.rich())
    for note in report.notes(result):
        _print(note)


class _Stops:
    """Ctrl-C and SIGTERM end a measurement between two samples, so none is left half done: a peer may leave
    threads and event loops behind. What comes a second time ends it at once."""

    def __init__(self) -> None:
        self._came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stops:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        first, self._came = self._came, number
        if first is not None:
            self.check()

    def check(self) -> None:
        """Raises what ends the measurement, if somebody has asked for that."""
        if self._came == signal.SIGINT:
            raise KeyboardInterrupt
        if self._came is not None:
            raise SystemExit(128 + self._came)


class _Progress:
    """What is done at the moment, in a line on stderr, if that is a terminal."""

    def __init__(self, cases: int, stops: _Stops) -> None:
        self._cases = cases
        self._stops = stops
        self._is_shown = sys.stderr.isatty()
        self._last = ""
        self.done = 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def tick(self, doing: str) -> None:
        """Shows what is done now. Ends it all if somebody has asked for that."""
        self._stops.check()
        if self._is_shown:
            self.clear()
            try:
                columns = os.get_terminal_size(sys.stderr.fileno()).columns
            except OSError:
                columns = 80
            self._last = shortened(f"[{self.done + 1}/{self._cases}] {doing}", columns - 1)
            say(self._last, end="")

    def clear(self) -> None:
        """Takes the line away."""
        if self._last:
            say("\r" + " " * len(self._last) + "\r", end="")
            self._last = ""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value <= 86_400 or math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text} is out of range: must be above 0 and at most 86400")
    return value
