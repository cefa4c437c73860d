"""`top`: a live view of the queues of a process that has opted in."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from elasticq.cli import figures
from elasticq.cli.common import DAMAGED, FINE, CommandError, print_json, statuses, terminated_as_exit
from elasticq.cli.looks import Look, Source, UnansweredError, source
from elasticq.cli.manual import Manual, Place, Text
from elasticq.cli.terminal import columns_of_output, rich_console, shortened, visible

if TYPE_CHECKING:
    from rich.console import Console

_Show = Callable[[argparse.Namespace, Look, Look | None], None]

_INTERVAL = 2.0
_SHORTEST, _LONGEST = 0.05, 3600.0
_LINES_BESIDE = 4
"""What a live view shows beside the rows: two headings, a line about others, and the cursor's."""


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Shows the queues of a running process, again and again: how full each is, how fast items come and "
        "go, who waits, and what was dropped.",
        "Use it when a program is slow or stands still. The process must have opted in: it gives its queues "
        "names with elasticq.metrics.instrument, and then serves a socket for this command or a page of "
        "metrics for Prometheus. Looking costs the process some microseconds a queue.",
    ]
    sections: dict[str, Sequence[Text]] = {
        "examples": [
            "In the program:",
            "$ from elasticq import metrics",
            "$ from elasticq.metrics import live",
            "$ metrics.instrument(jobs, 'jobs')",
            "$ live.serve('/run/app/q')",
            "In a shell:",
            f"$ {program} /run/app/q",
            f"$ {program} http://127.0.0.1:9000/metrics",
            f"$ {program} --once --json /run/app/q",
        ],
        "columns": [
            ("depth", "how many items are inside"),
            ("capacity, limit", "for how many there is memory, and how many there may be"),
            ("in/s, out/s", "items a second since the last look"),
            ("waiting", "how many threads and tasks wait in a get, and in a put"),
            ("longest", "how long the one that came first has waited"),
            ("dropped", "items that nobody will get"),
            ("refused", "items that were not taken in"),
            ("resizes", "how often the queue grew or shrank"),
            ("oldest", "the age of the oldest item, or an upper bound"),
            "Where the terminal has no room for all, the columns that matter least are left out.",
        ],
        "with --json": [
            "Each look gives a line for each queue: time, process, queue, depth, capacity, max_capacity, "
            "in_per_second, out_per_second, waiters_for_items, waiters_for_room, longest_wait_seconds, "
            "dropped, refused, resizes, oldest_item_age_seconds, enqueued, dequeued. What is not known is "
            "null: rates at the first look, a limit where there is none.",
        ],
        "exit status": statuses(
            "the process has gone while it was watched",
            two="it could not be done: wrong usage, nobody answers, or what answers has no metrics",
            fine="it was shown, with --once",
        ),
    }
    made = Manual(program, about, sections)
    made.path(
        "where", completed=Place.FILE, metavar="WHERE", help="a socket's path, or the http address of a page"
    )
    made.add_argument(
        "--interval",
        type=_interval,
        default=_INTERVAL,
        metavar="SECONDS",
        help=f"how long to wait before the next look ({_INTERVAL:g})",
    )
    made.add_argument(
        "--sort",
        choices=figures.ORDERS,
        default="depth",
        metavar="COLUMN",
        help=f"by {', '.join(figures.ORDERS)} (depth)",
    )
    made.add_argument("--once", action="store_true", help="look once, without rates, and end")
    made.add_argument("--json", action="store_true", help="print JSON lines, for machines")
    return made


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    options = parser(program).parse_args(arguments)
    look = source(options.where)
    first = look()
    with terminated_as_exit():
        if options.json:
            return _watch(options, look, first, _as_json)
        console = None if options.once else rich_console()
        if console is None:
            return _watch(options, look, first, _as_text)
        return _live(options, look, console, first)


def _watch(options: argparse.Namespace, look: Source, first: Look, show: _Show) -> int:
    """Shows one look after the other."""
    before, now = None, first
    while True:
        show(options, now, before)
        sys.stdout.flush()
        if options.once:
            return FINE
        before, now = now, _next(options, look)


def _next(options: argparse.Namespace, look: Source) -> Look:
    """The look after the interval. A process that answered once has gone if it answers no more."""
    time.sleep(options.interval)
    try:
        return look()
    except UnansweredError as error:
        raise CommandError(f"the process has gone, or answers no more: {error}", DAMAGED) from error


def _rows(options: argparse.Namespace, now: Look, before: Look | None) -> list[figures.Row]:
    return figures.in_order(figures.rows(now, before), options.sort)


def _as_json(options: argparse.Namespace, now: Look, before: Look | None) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    for row in _rows(options, now, before):
        print_json({"time": at, "process": now.process, **row.as_dict()})


def _as_text(options: argparse.Namespace, now: Look, before: Look | None) -> None:
    columns = columns_of_output()
    print(_heading(options, now, columns))
    if now.queues:
        print("\n".join(figures.table(_rows(options, now, before)).fitted(columns).lines()))
    if not options.once:
        print()


def _live(options: argparse.Namespace, look: Source, console: Console, first: Look) -> int:
    """The same on a terminal, where each look takes the place of the one before."""
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

        def show(_: argparse.Namespace, now: Look, before: Look | None) -> None:
            columns = columns_of_output()
            lines = [Text(_heading(options, now, columns), no_wrap=True, overflow="crop")]
            rows = _rows(options, now, before)
            room = max(1, console.height - _LINES_BESIDE)
            if rows:
                lines.append(figures.table(rows[:room]).fitted(columns).rich())
            if len(rows) > room:
                lines.append(Text(f"and {len(rows) - room:,} more", style="dim"))
            live.update(Text("\n").join(lines), refresh=True)

        return _watch(options, look, first, show)


def _heading(options: argparse.Namespace, now: Look, columns: int | None) -> str:
    count = len(now.queues)
    queues = f"{count} {'queue' if count == 1 else 'queues'}" if count else "no queue has a name yet"
    process = [] if now.process is None else [f"process {now.process}"]
    parts = [datetime.now().strftime("%H:%M:%S"), queues, *process, visible(options.where)]
    text = "  ".join(parts)
    return text if columns is None else shortened(text, columns)


def _interval(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not _SHORTEST <= value <= _LONGEST:
        raise argparse.ArgumentTypeError(
            f"{text} is out of range: must be from {_SHORTEST:g} to {_LONGEST:g}"
        )
    return value
