"""The part for pytest: the fixture that runs a contest, and the tables at the end of the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from elasticq.bench.machine import interpreter, machine
from elasticq.bench.standings import quartiles

from .contest import Benchmark, Contest
from .figures import write
from .standings import Outcome

ROUNDS = 15
UNSETTLED = "not settled"
VERDICTS = {True: "reached", False: "MISSED", None: UNSETTLED}

_outcomes = pytest.StashKey[list[Outcome]]()


@pytest.fixture
def compete(benchmark: Benchmark, pytestconfig: pytest.Config) -> Callable[[Contest], None]:
    """Runs a contest. `--benchmark-min-rounds` asks for more rounds than usual."""
    rounds = max(ROUNDS, int(pytestconfig.getoption("benchmark_min_rounds")))

    def run(contest: Contest) -> None:
        if (outcome := contest.run(benchmark, rounds)) is not None:
            pytestconfig.stash.setdefault(_outcomes, []).append(outcome)

    return run


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[Outcome], None]:
    """Adds an outcome that was measured in another way than by a contest to the tables and figures."""
    return pytestconfig.stash.setdefault(_outcomes, []).append


@pytest.hookimpl(tryfirst=True)
def pytest_benchmark_group_stats(config: pytest.Config) -> list[object] | None:
    """Shows pytest-benchmark's own table only to compare runs: in one run it would rank different cases."""
    return None if config.getoption("benchmark_compare") else []


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints a table for each contest, and one with all goals."""
    outcomes = config.stash.get(_outcomes, [])
    if not outcomes:
        return
    show = terminalreporter.write_line
    if folder := os.environ.get("ELASTICQ_FIGURES"):
        show(f"written to {write(Path(folder), outcomes)}")
    terminalreporter.section("this project and its peers")
    where = f"{interpreter()}; {machine()}"
    show(f"{len(outcomes[0].ours.seconds)} rounds.")
    show(
        "Medians in ns per item. How many times as fast ours is: the ratio of medians; its spread by rounds."
    )
    for outcome in outcomes:
        show("")
        show(f"-- {outcome.case} ({where})")
        for line in _table(_contest_rows(outcome)):
            show(line)
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    rows = [
        (
            verdict.case,
            verdict.against,
            f"{verdict.wanted:.2f}x",
            verdict.measured.show(_times),
            VERDICTS[verdict.reached],
        )
        for verdict in verdicts
    ]
    if rows:
        show("")
        show(f"-- targets ({where})")
        for line in _table([("", "against", "at least", "measured", ""), *rows]):
            show(line)


def _times(ratio: float) -> str:
    return f"{ratio:.2f}x"


def _contest_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    headings = ("", "ns", "min .. max", "ours is", "quartiles", "min .. max", "sample ms", "")
    rows: list[tuple[str, ...]] = [headings]
    for standing in (outcome.ours, *outcome.others):
        times, paired = standing.nanoseconds, standing.paired_with(outcome.ours)
        lower, _, upper = quartiles(paired)
        rows.append(
            (
                standing.name,
                standing.time.show(lambda time: f"{time:.1f}"),
                f"{min(times):.1f} .. {max(times):.1f}",
                standing.ratio_to(outcome.ours).show(_times),
                f"{lower:.2f} .. {upper:.2f}",
                f"{min(paired):.2f} .. {max(paired):.2f}",
                f"{standing.time.all * standing.items / 1e6:.0f}",
                "" if standing.settled(outcome.ours) else UNSETTLED,
            )
        )
    return rows


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with aligned columns: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
