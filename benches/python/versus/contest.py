"""Contests under pytest-benchmark, which drives the rounds and times the first contender, which is ours.

The others run in the round's setup or teardown, and are timed in the same way.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from elasticq.bench.contest import Contender, Trial, calibrate, order, sample_seconds, timed
from elasticq.bench.machine import threads_at_once
from elasticq.bench.standings import Standing

from .standings import Outcome, Verdict

SMOKE_ITEMS = 2_000


@dataclass(frozen=True)
class Target:
    """A goal: ours is at least so many times as fast as another contender."""

    against: str
    at_least: float


class Benchmark(Protocol):
    """What contests use of pytest-benchmark's fixture."""

    disabled: bool
    extra_info: dict[str, object]
    stats: Any

    def pedantic(
        self,
        target: Callable[[], None],
        *,
        setup: Callable[[], None] = ...,
        teardown: Callable[[], None] = ...,
        rounds: int = ...,
    ) -> object:
        """Times `target` in each of the rounds, between `setup` and `teardown`."""


class Contest:
    """One case and all its contenders, whose trials run so many threads. The first contender is ours."""

    def __init__(
        self,
        name: str,
        contenders: Sequence[Contender],
        targets: Sequence[Target] = (),
        threads: int = 1,
        smoke: int = SMOKE_ITEMS,
    ) -> None:
        self.name = name
        self.contenders = contenders
        self.targets = targets
        self.threads = threads
        self.smoke = smoke

    def run(self, benchmark: Benchmark, rounds: int) -> Outcome | None:
        """Runs all rounds. With benchmarks disabled, each contender runs once: this shows lost items."""
        if benchmark.disabled:
            benchmark.pedantic(self._run_once)
            return None
        seconds = sample_seconds(self.threads, threads_at_once())
        ours, *others = standings = [
            Standing(contender.name, calibrate(contender, seconds) * contender.batch)
            for contender in self.contenders
        ]
        turns = _Turns(self.contenders, standings, benchmark)
        benchmark.pedantic(turns.ours, setup=turns.before, teardown=turns.after, rounds=rounds)
        ours.seconds.extend(per_item * ours.items for per_item in benchmark.stats.stats.data)
        outcome = Outcome(
            self.name, ours, others, [self._verdict(ours, others, target) for target in self.targets]
        )
        benchmark.extra_info.update(outcome.as_dict())
        return outcome

    def _run_once(self) -> None:
        for contender in self.contenders:
            timed(contender.trial(self.smoke // contender.batch))

    def _verdict(self, ours: Standing, others: Sequence[Standing], target: Target) -> Verdict:
        against = next(standing for standing in others if standing.name == target.against)
        return Verdict(self.name, target.against, target.at_least, against.ratio_to(ours))


class _Turns:
    """The rounds as pytest-benchmark sees them: our trial, and the work before and after it."""

    def __init__(
        self, contenders: Sequence[Contender], standings: Sequence[Standing], benchmark: Benchmark
    ) -> None:
        self._contenders = contenders
        self._standings = standings
        self._benchmark = benchmark
        self._round = 0
        self._trial: Trial | None = None

    def before(self) -> None:
        # With this pytest-benchmark counts in items, too: samples differ in length from run to run.
        self._benchmark.stats.iterations = self._standings[0].items
        order = self._order()
        for index in order[: order.index(0)]:
            self._take_turn(index)
        self._trial = self._make_trial(0)
        gc.collect()

    def ours(self) -> None:
        assert self._trial is not None
        self._trial.run()

    def after(self) -> None:
        assert self._trial is not None
        self._trial.check()
        self._trial = None
        order = self._order()
        for index in order[order.index(0) + 1 :]:
            self._take_turn(index)
        self._round += 1

    def _order(self) -> list[int]:
        return order(len(self._contenders), self._round)

    def _take_turn(self, index: int) -> None:
        self._standings[index].seconds.append(timed(self._make_trial(index)))

    def _make_trial(self, index: int) -> Trial:
        contender = self._contenders[index]
        return contender.trial(self._standings[index].items // contender.batch)
