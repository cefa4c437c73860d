"""Samples of contenders, which take turns, so that other work on the machine hits all of them alike.

Each contender first finds how many items a sample needs. Then come the rounds. In every round each contender
runs once, and the order rotates from round to round. A figure that the two halves of the rounds do not agree
on is not settled.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from types import FunctionType
from typing import Any, Protocol, TypeVar, cast

from elasticq.bench.settled import TRIALS, long_enough

SAMPLE_SECONDS = 0.06
"""How long a sample takes at least, where all threads of a trial may run at once."""
LONGEST_SECONDS = 0.5
"""Beyond this length no sample is doubled."""

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
    least: int = 1_000
    """So many items has the first sample, by which the length of the others is found."""


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


def order(count: int, round_: int) -> list[int]:
    """The order of a round. Each contender starts one place later than in the round before."""
    return [(place + round_) % count for place in range(count)]


def timed(trial: Trial) -> float:
    """How long a trial takes, in seconds. What it did is checked, too."""
    gc.collect()
    start = perf_counter()
    trial.run()
    end = perf_counter()
    trial.check()
    return end - start


def calibrate(contender: Contender, wanted: float, longest: float = LONGEST_SECONDS) -> int:
    """How many batches a sample needs to take so many seconds, and to repeat itself."""

    def fastest(count: int) -> float:
        # What disturbs a sample makes it longer, and the next one would be too short.
        return min(timed(contender.trial(count)) for _ in range(TRIALS))

    count = max(1, contender.least // contender.batch)
    while (seconds := fastest(count)) * 4 < wanted:
        count *= 4
    count = max(1, round(count * wanted / seconds))
    most = int(count * longest / wanted)
    return long_enough(count, most, lambda count: timed(contender.trial(count)) / count)
