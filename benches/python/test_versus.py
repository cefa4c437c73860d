"""Tests the contests: all contenders have the same chances, and the figures are those measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from versus import Contest, Target, Verdict
from versus.figures import file_name, write

from elasticq.bench import contest
from elasticq.bench.contest import Contender
from elasticq.bench.settled import Figure, agree, long_enough
from elasticq.bench.standings import Standing


@dataclass
class Clock:
    """A clock that only trials move, and a log of the contenders that ran."""

    now: float = 0.0
    ran: list[str] = field(default_factory=list)

    def contender(self, name: str, nanoseconds: float, batch: int = 1) -> Contender:
        """A contender whose trials take so long for each item."""

        def run(batches: int) -> None:
            self.now += batches * batch * nanoseconds / 1e9
            self.ran.append(name)

        return Contender(name, lambda batches: Scripted(lambda: run(batches)), batch)


@dataclass
class Scripted:
    """A trial that behaves as it is told."""

    run: Callable[[], None]

    def check(self) -> None:
        """Nothing was put, so nothing is missing."""


class Driver:
    """Does what pytest-benchmark does, with that clock."""

    def __init__(self, clock: Clock, disabled: bool = False) -> None:
        self.disabled = disabled
        self.extra_info: dict[str, object] = {}
        self.stats: Any = SimpleNamespace(iterations=1, stats=SimpleNamespace(data=[]))
        self._clock = clock

    def pedantic(
        self,
        target: Callable[[], None],
        *,
        setup: Callable[[], None] = lambda: None,
        teardown: Callable[[], None] = lambda: None,
        rounds: int = 1,
    ) -> object:
        for _ in range(rounds):
            setup()
            start = self._clock.now
            target()
            self.stats.stats.data.append((self._clock.now - start) / self.stats.iterations)
            teardown()
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(contest, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(contest, "gc", SimpleNamespace(collect=lambda: None))  # there is nothing to collect
    return clock


def test_every_contender_takes_every_place_in_turn(clock: Clock) -> None:
    contenders = [clock.contender(name, 1e6) for name in "abc"]
    Contest("turns", contenders).run(Driver(clock), rounds=3)
    assert "".join(clock.ran[-9:]) == "abcbcacab"


def test_targets_are_judged_by_the_ratio_of_medians(clock: Clock) -> None:
    contenders = [clock.contender("ours", 100), clock.contender("theirs", 310, batch=10)]
    driver = Driver(clock)
    outcome = Contest("speed", contenders, [Target("theirs", 3.0), Target("theirs", 3.2)]).run(driver, 5)
    assert outcome is not None
    assert outcome.ours.nanoseconds == pytest.approx([100] * 5)
    assert outcome.others[0].nanoseconds == pytest.approx([310] * 5)
    assert [verdict.measured.all for verdict in outcome.verdicts] == pytest.approx([3.1, 3.1])
    assert [verdict.reached for verdict in outcome.verdicts] == [True, False]
    assert driver.extra_info["case"] == "speed"


def test_with_benchmarks_disabled_everyone_runs_once_and_nothing_is_judged(clock: Clock) -> None:
    contenders = [clock.contender(name, 1e6) for name in "abc"]
    assert Contest("smoke", contenders, [Target("b", 1.0)]).run(Driver(clock, disabled=True), 5) is None
    assert clock.ran == ["a", "b", "c"]


def test_a_target_is_not_judged_by_halves_that_do_not_agree() -> None:
    ours = Standing("ours", 1, [100e-9] * 4)
    theirs = Standing("theirs", 1, [24e-9, 24e-9, 120e-9, 120e-9])
    verdict = Verdict("torn", "theirs", 0.1, theirs.ratio_to(ours))
    assert ours.settled(ours)
    assert not theirs.settled(ours)
    assert verdict.reached is None
    assert verdict.measured.show("{:.2f}x".format) == "0.24x or 1.20x"


@pytest.mark.parametrize(("threads", "at_once", "times"), [(1, 1, 1), (2, 2, 1), (5, 2, 3), (5, 1, 5)])
def test_samples_are_longer_where_threads_take_turns(threads: int, at_once: int, times: int) -> None:
    assert contest.sample_seconds(threads, at_once) == pytest.approx(contest.SAMPLE_SECONDS * times)


def test_values_agree_up_to_fifteen_per_cent_whichever_comes_first() -> None:
    assert agree(100, 114.9)
    assert agree(114.9, 100)
    assert not agree(100, 115.1)
    assert not agree(115.1, 100)


def test_a_figure_is_settled_when_both_halves_of_the_rounds_say_the_same() -> None:
    steady = Figure.median([10, 10, 30, 11, 11, 30])
    assert steady == Figure(11, ((10, 11), (11, 11)))
    assert steady.settled
    assert not Figure.median([7]).settled


def test_both_ways_to_halve_the_rounds_count() -> None:
    later = Figure.median([10, 10, 10, 10, 12, 12, 12, 12])
    assert later.halves == ((10, 12), (11, 11))
    every_other = Figure.median([10, 12, 10, 12])
    assert every_other.halves == ((11, 11), (10, 12))
    assert not later.settled
    assert not every_other.settled


def test_a_ratio_compares_each_half_with_the_same_half() -> None:
    ours, theirs = Figure.median([10, 20]), Figure.median([30, 60])
    assert theirs.over(ours) == Figure(3, ((3, 3), (3, 3)))


def test_both_figures_are_shown_where_they_do_not_agree() -> None:
    assert Figure(0.5, ((0.24, 1.2), (0.5, 0.6))).show("{:.2f}x".format) == "0.24x or 1.20x"
    assert Figure(0.5, ((0.5, 0.6), (1.2, 0.24))).show("{:.2f}x".format) == "1.20x or 0.24x"
    assert Figure(1.1, ((1.05, 1.2), (1.1, 1.1))).show("{:.2f}x".format) == "1.10x"
    assert Figure.median([7]).show(str) == "7"


def test_a_sample_is_doubled_until_one_twice_as_long_says_the_same() -> None:
    def time(count: int) -> float:
        return 10 + 200 / count

    assert long_enough(100, 1_000, time) == 100  # 12 ns, and with twice as many items 11
    assert long_enough(50, 1_000, time) == 100  # 14, 12 and 11 ns


def test_a_sample_that_never_repeats_is_doubled_only_so_far() -> None:
    turns = itertools.count(1)
    assert long_enough(100, 799, lambda _: next(turns)) == 400
    assert long_enough(100, 800, lambda _: next(turns)) == 800


def test_no_sample_is_taken_where_none_may_be_longer() -> None:
    assert long_enough(100, 199, lambda _: pytest.fail("a sample was taken")) == 100


def test_the_file_of_figures_has_a_line_for_each_contender(clock: Clock, tmp_path: Path) -> None:
    contenders = [clock.contender("ours, here", 100), clock.contender("theirs", 310)]
    outcome = Contest("a case, of one", contenders).run(Driver(clock), 5)
    assert outcome is not None
    file = write(tmp_path, [outcome])
    lines = file.read_text(encoding="utf-8").splitlines()
    notes = ["# machine", "# date", "# command", "# figures"]
    assert [line.partition(":")[0] for line in lines[:4]] == notes
    assert lines[4:] == [
        "case,contender,nanoseconds,settled",
        '"a case, of one","ours, here",100.0,yes',
        '"a case, of one",theirs,310.0,yes',
    ]


def test_the_file_of_figures_names_the_processor_and_the_interpreter() -> None:
    assert file_name("AMD EPYC", "3.13", gil=True) == "python-3.13-amd-epyc.csv"
    xeon = "Intel(R) Xeon(R) Processor @ 2.80GHz"
    assert file_name(xeon, "3.13", gil=False) == "python-3.13t-intel-xeon.csv"
