"""The part for pytest: the fixture that runs a contest, and the tables at the end of the run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from statistics import median

import pytest

from .contest import Benchmark, Contest, with_gil
from .standings import Outcome, quartiles

ROUNDS = 15

_outcomes = pytest.StashKey[list[Outcome]]()


@pytest.fixture
def compete(benchmark: Benchmark, pytestconfig: pytest.Config) -> Callable[[Contest], None]:
    """Runs a contest. `--benchmark-min-rounds` asks for more rounds than usual."""
    rounds = max(ROUNDS, int(pytestconfig.getoption("benchmark_min_rounds")))

    def run(contest: Contest) -> None:
        if (outcome := contest.run(benchmark, rounds)) is not None:
            pytestconfig.stash.setdefault(_outcomes, []).append(outcome)

    return run


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
    write = terminalreporter.write_line
    terminalreporter.section("this project and its peers")
    write(f"{_interpreter()}, {os.cpu_count()} hardware threads, {len(outcomes[0].ours.seconds)} rounds.")
    write(
        "Medians in ns per item. How many times as fast ours is: the ratio of medians; its spread by rounds."
    )
    for outcome in outcomes:
        write("")
        for line in _table(_contest_rows(outcome)):
            write(line)
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    rows = [
        (
            verdict.case,
            verdict.against,
            f"{verdict.wanted:.2f}x",
            f"{verdict.measured:.2f}x",
            "reached" if verdict.reached else "MISSED",
        )
        for verdict in verdicts
    ]
    if rows:
        write("")
        for line in _table([("targets", "against", "at least", "measured", ""), *rows]):
            write(line)


def _interpreter() -> str:
    gil = "with" if with_gil() else "without"
    return f"{platform.python_implementation()} {platform.python_version()} {gil} the GIL"


def _contest_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(outcome.case, "ns", "min .. max", "ours is", "quartiles", "min .. max")]
    for standing in (outcome.ours, *outcome.others):
        times, paired = standing.nanoseconds, standing.paired_with(outcome.ours)
        lower, _, upper = quartiles(paired)
        rows.append(
            (
                f"  {standing.name}",
                f"{median(times):.1f}",
                f"{min(times):.1f} .. {max(times):.1f}",
                f"{standing.ratio_to(outcome.ours):.2f}x",
                f"{lower:.2f} .. {upper:.2f}",
                f"{min(paired):.2f} .. {max(paired):.2f}",
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
