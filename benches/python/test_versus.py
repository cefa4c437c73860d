"""Tests the contests: all contenders have the same chances, and the figures are those measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from versus import Contender, Contest, Target, contest


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
    assert [verdict.measured for verdict in outcome.verdicts] == pytest.approx([3.1, 3.1])
    assert [verdict.reached for verdict in outcome.verdicts] == [True, False]
    assert driver.extra_info["case"] == "speed"


def test_with_benchmarks_disabled_everyone_runs_once_and_nothing_is_judged(clock: Clock) -> None:
    contenders = [clock.contender(name, 1e6) for name in "abc"]
    assert Contest("smoke", contenders, [Target("b", 1.0)]).run(Driver(clock, disabled=True), 5) is None
    assert clock.ran == ["a", "b", "c"]
