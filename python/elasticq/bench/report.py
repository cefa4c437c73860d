"""What was measured, in tables for people and as JSON."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from elasticq import __version__
from elasticq.bench import machine
from elasticq.bench.cases import PEERS, Result, is_there
from elasticq.bench.standings import Standing
from elasticq.cli.terminal import Column, Table

_COLUMNS = (
    Column(""),
    Column("ns an item", 1),
    Column("min .. max", 3),
    Column("ours is"),
    Column("in single rounds", 2),
    Column("", 4),
)

LEGEND = (
    "ns an item: the median of the rounds. Ours is: how many times as fast, by these medians; beside it the "
    "lowest and the highest ratio of a single round. Not settled: two halves of the rounds differ by more "
    "than 15 %, and both figures are shown."
)


def missing() -> list[str]:
    """The peers that are not installed, by their names on PyPI."""
    return [name for module, name in PEERS.items() if not is_there(module)]


def surroundings(seconds: float) -> dict[str, object]:
    """On what is measured, for JSON."""
    return {
        "elasticq": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": machine.with_gil(),
        "processor": machine.processor(),
        "hardware_threads": machine.hardware_threads(),
        "system": machine.system(),
        "platform": sys.platform,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "not_installed": missing(),
    }


def table(result: Result) -> Table:
    """A case as a table. Ours comes first."""
    standings = (result.ours, *result.others)
    styles = ["cyan", *("" if standing.settled(result.ours) else "yellow" for standing in result.others)]
    return Table(_COLUMNS, [_row(standing, result.ours) for standing in standings], styles)


def notes(result: Result) -> Sequence[str]:
    """What there is to say below a table."""
    lines = [f"left out: {name}: {why}" for name, why in result.left_out.items()]
    if result.is_short:
        lines.append("The samples are shorter than they should be; give it more --seconds.")
    return lines


def _row(standing: Standing, ours: Standing) -> list[str]:
    times, paired = standing.nanoseconds, standing.paired_with(ours)
    is_ours = standing is ours
    return [
        standing.name,
        standing.time.show(lambda time: f"{time:,.0f}"),
        f"{min(times):,.0f} .. {max(times):,.0f}",
        "" if is_ours else standing.ratio_to(ours).show(lambda ratio: f"{ratio:.2f}x"),
        "" if is_ours else f"{min(paired):.2f} .. {max(paired):.2f}",
        "" if standing.settled(ours) else "not settled",
    ]
