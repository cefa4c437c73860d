"""The interleaving: contenders take turns, so that other work on the machine hits all of them alike.

Each contender first finds how many items a sample needs. Then come the rounds. In every round each contender
runs once, and the order rotates from round to round. pytest-benchmark drives the rounds and times the first
contender, which is ours. The others run in the round's setup or teardown, and are timed in the same way. A
figure that the two halves of the rounds do not agree on is not settled.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from types import FunctionType
from typing import Any, Protocol, TypeVar, cast

from .machine import threads_at_once
from .settled import TRIALS, long_enough
from .standings import Outcome, Standing, Verdict

SAMPLE_SECONDS = 0.06
"""How long a sample takes at least, where all threads of a trial may run at once."""
LONGEST_SECONDS = 0.5
"""Beyond this length no sample is doubled."""
SMOKE_ITEMS = 2_000

F = TypeVar("F", bound=Callable[..., Any])


class Trial(Protocol):
    """One run of a contender on a fresh queue. Making the queue is not timed."""

    def run(self) -> None:
        """Passes all items through the queue. This is timed."""

    def check(self) -> None:
        """Asserts that every item came out, and drops what the trial holds."""


@dataclass(frozen=True)
class Contender:
    """A contender: its name, and how to make a trial that passes so many batches through."""

    name: str
    trial: Callable[[int], Trial]
    batch: int = 1
    """The items of one batch."""


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


def unshared(function: F) -> F:
    """A copy of a function with its own bytecode.

    The interpreter specialises a loop for what it calls. A program calls one kind of queue in a loop. So each
    contender gets its own loop instead of one that the others keep changing.
    """
    original = cast(FunctionType, function)
    copy = FunctionType(
        original.__code__.replace(),
        original.__globals__,
        original.__name__,
        original.__defaults__,
        original.__closure__,
    )
    return cast(F, copy)


def sample_seconds(threads: int, at_once: int) -> float:
    """How long a sample of so many threads takes at least.

    Threads that can't run at once take turns of some milliseconds. With as many turns for each, the sample
    measures the queue and not who came first.
    """
    return SAMPLE_SECONDS * ceil(threads / at_once)


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
            Standing(contender.name, _calibrate(contender, seconds) * contender.batch)
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
            _timed(contender.trial(self.smoke // contender.batch))

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
        """The order of a round. Each contender starts one place later than in the round before."""
        count = len(self._contenders)
        return [(place + self._round) % count for place in range(count)]

    def _take_turn(self, index: int) -> None:
        self._standings[index].seconds.append(_timed(self._make_trial(index)))

    def _make_trial(self, index: int) -> Trial:
        contender = self._contenders[index]
        return contender.trial(self._standings[index].items // contender.batch)


def _timed(trial: Trial) -> float:
    gc.collect()
    start = perf_counter()
    trial.run()
    end = perf_counter()
    trial.check()
    return end - start


def _calibrate(contender: Contender, wanted: float) -> int:
    """How many batches a sample needs to take so many seconds, and to repeat itself."""

    def fastest(count: int) -> float:
        # What disturbs a sample makes it longer, and the next one would be too short.
        return min(_timed(contender.trial(count)) for _ in range(TRIALS))

    count = max(1, 1_000 // contender.batch)
    while (seconds := fastest(count)) * 4 < wanted:
        count *= 4
    count = max(1, round(count * wanted / seconds))
    most = int(count * LONGEST_SECONDS / wanted)
    return long_enough(count, most, lambda count: _timed(contender.trial(count)) / count)
