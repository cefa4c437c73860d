"""What a run looks like: a live view on a terminal, otherwise a line every second, and tables at the end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from elasticq.demo.ledger import SCRAPED, Account, Ledger, Sample, Scrape
from elasticq.demo.message import QOS_LEVELS

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#@"
_LINE_SECONDS = 1.0
_RATE_SECONDS = 0.5
_WIDTH = 60

Curve = Sequence[tuple[float, int]]  # values over time


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a run at one moment."""

    phase: str
    seconds: float
    received: int
    facts: Mapping[str, str]  # what else there is to say, by name
    curves: Mapping[str, Curve]


class Progress:
    """Shows a run while it goes on. A context manager, since a live view has to be removed at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)
        self._rate = 0.0
        self._rated = (0.0, 0)  # when the rate was last worked out, and what had been received then
        self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Brings the view up to date."""
        seconds, received = self._rated
        if status.seconds - seconds >= _RATE_SECONDS:
            self._rate = (status.received - received) / (status.seconds - seconds)
            self._rated = (status.seconds, status.received)
        facts = {"received": f"{status.received:,} ({self._rate:,.0f}/s)", **status.facts}
        if self._live:
            self._live.update(self._view(status, facts), refresh=True)
        elif time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(
                f"{status.seconds:6.1f} s  {status.phase}: "
                + ", ".join(f"{name} {fact}" for name, fact in facts.items()),
                highlight=False,
                soft_wrap=True,
            )

    def _view(self, status: Status, facts: Mapping[str, str]) -> Group:
        table = new_table("", "")
        for name, fact in {"phase": status.phase, "time": f"{status.seconds:.1f} s", **facts}.items():
            table.add_row(name, fact)
        return Group(table, drawing(status.curves, self._console))


def show_ledger(ledger: Ledger, console: Console) -> None:
    """Prints the ledger."""
    sections: dict[str, Table | Text] = {
        "Messages": _messages(ledger),
        "Latency, from published to committed, in ms": _latencies(ledger),
        "The queue": _queue(ledger),
        "The queue over time": drawing(depth_and_capacity(ledger.depth.samples), console),
    }
    show_sections(sections, console)
    show_verdict(
        ledger.problems(),
        f"OK: {ledger.total.processed:,} messages taken from the broker, every one in the database",
        console,
    )
    show_scrape(ledger.scraped, ledger.problems(), console)
    highest, lowest = ledger.latency.get(2), ledger.latency.get(0)
    if ledger.levels and highest and lowest and not ledger.inversions():
        order = f"OK: p99 of QoS 2 {highest.p99_ms:,.1f} ms, below that of QoS 0, {lowest.p99_ms:,.1f} ms"
        console.print(order, style="bold green", highlight=False, soft_wrap=True)


def show_sections(sections: Mapping[str, Table | Text], console: Console) -> None:
    """Prints tables and texts, each under its heading."""
    for heading, content in sections.items():
        console.print(f"\n{heading}", style="bold", highlight=False)
        console.print(content, soft_wrap=isinstance(content, Text))
    console.print()


def show_verdict(problems: Sequence[str], good: str, console: Console) -> None:
    """Prints what is wrong, or `good` if nothing is."""
    for problem in problems:
        console.print(f"FAILED: {problem}", style="bold red", highlight=False, soft_wrap=True)
    if not problems:
        console.print(good, style="bold green", highlight=False, soft_wrap=True)


def show_scrape(scraped: Scrape | None, problems: Sequence[str], console: Console, whose: str = "") -> None:
    """Prints that a scrape agrees with the ledger, if there was one and nothing is wrong."""
    if scraped is not None and not problems:
        enqueued, dequeued = (f"{scraped[name]:,.0f}" for name in SCRAPED[:2])
        text = f"OK: a scrape of the metrics says the same: {whose}{enqueued} in, {dequeued} out"
        console.print(text, style="bold green", highlight=False, soft_wrap=True)


def curve(values: Curve, levels: str, width: int = _WIDTH) -> str:
    """Draws (time, value) pairs as a line of characters.

    Each character shows the highest value of its stretch of time; the last one shows the last value.
    """
    if not values:
        return ""
    start, end = values[0][0], values[-1][0]
    highest = max(value for _, value in values) or 1
    columns: list[int | None] = [None] * width
    for moment, value in values:
        column = min(width - 1, int((moment - start) / ((end - start) or 1.0) * width))
        columns[column] = max(value, columns[column] or 0)
    columns[-1] = values[-1][1]
    drawn, last = [], 0
    for value_or_gap in columns:
        last = last if value_or_gap is None else value_or_gap
        drawn.append(levels[-(-last * (len(levels) - 1) // highest)])
    return "".join(drawn)


def depth_and_capacity(samples: Sequence[Sample]) -> dict[str, Curve]:
    """What a queue's samples look like over time."""
    return {
        "depth": [(sample.seconds, sample.depth) for sample in samples],
        "capacity": [(sample.seconds, sample.capacity) for sample in samples],
    }


def drawing(curves: Mapping[str, Curve], console: Console) -> Text:
    """The curves as lines of text."""
    levels = _ASCII if console.options.ascii_only else _BLOCKS
    return Text(
        "\n".join(
            f"{name:<8} |{curve(values, levels)}| up to {max((value for _, value in values), default=0):,}"
            for name, values in curves.items()
        )
    )


def _messages(ledger: Ledger) -> Table:
    apart = ("missing\nQoS 1-2", "undelivered\nQoS 0", "repeated\nQoS 1 / 2")
    table = new_table("from", "sent", "received", "processed", "lost", *apart)
    for number, account in ledger.accounts.items():
        table.add_row(str(number), *_counts(account))
    table.add_section()
    table.add_row("total", *_counts(ledger.total))
    return table


def _counts(account: Account) -> list[str]:
    counts = (account.sent, account.received, account.processed, account.lost)
    rest = (account.missing, account.undelivered)
    repeated = f"{account.duplicated_qos1:,} / {account.duplicated_qos2:,}"
    return [*(f"{count:,}" for count in counts + rest), repeated]


def _latencies(ledger: Ledger) -> Table:
    table = new_table(
        "QoS", "messages", "p50", "p99", "max", *(("in / out by its level",) if ledger.levels else ())
    )
    for qos in QOS_LEVELS:
        values = ledger.latency.get(qos)
        if values is not None:
            milliseconds = (f"{value:,.1f}" for value in (values.p50_ms, values.p99_ms, values.max_ms))
            by_level = ledger.levels and f"{ledger.levels.pushed[qos]:,} / {ledger.levels.popped[qos]:,}"
            table.add_row(str(qos), f"{values.count:,}", *milliseconds, *([by_level] if by_level else []))
    return table


def new_table(*headings: str) -> Table:
    """A table with a column of names and columns of numbers, narrow enough for 80 columns of text."""
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False, show_header=any(headings))
    for heading in headings:
        table.add_column(heading, justify="right" if table.columns else "left")
    return table


def _queue(ledger: Ledger) -> Table:
    depth, stats = ledger.depth, ledger.stats
    table = new_table("", "")
    if stats.peak_size is not None:
        table.add_row("peak depth", f"{stats.peak_size:,}")
    table.add_row("capacity at the start", f"{depth.initial_capacity:,}")
    table.add_row("capacity at its peak", f"{depth.peak_capacity:,}")
    table.add_row("capacity at the end", f"{depth.final_capacity:,}")
    table.add_row("grown / shrunk", f"{stats.grown:,} / {stats.shrunk:,} times")
    table.add_row("its own count in / out", f"{stats.messages_enqueued:,} / {stats.messages_dequeued:,}")
    table.add_row("time", f"{ledger.seconds:.1f} s")
    return table
