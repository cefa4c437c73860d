"""When a figure is settled: when two runs in a row say the same. The Rust benchmarks have the same rule.

Two values agree when the larger one is at most 15 % above the smaller one. The rule is applied twice: to find
how long a sample has to be (`long_enough`), and to judge a figure by the two halves of the rounds (`Figure`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

WITHIN = 1.15
"""How many times as large as the smaller value the larger one may be."""
TRIALS = 3
"""How many samples of each length are taken to find the length."""
DOUBLINGS = 2
"""How often `long_enough` doubles a sample at most."""


def agree(one: float, other: float) -> bool:
    """Whether two values agree within 15 %."""
    return max(one, other) <= min(one, other) * WITHIN


def long_enough(count: int, time: Callable[[int], float]) -> int:
    """How long a sample has to be, from `count` upwards, so that a sample twice as long says the same.

    `time` runs one sample, and returns its time per item. The sample is doubled at most `DOUBLINGS` times.
    """

    def typical(count: int) -> float:
        return median(time(count) for _ in range(TRIALS))

    shorter = typical(count)
    for _ in range(DOUBLINGS):
        longer = typical(count * 2)
        if agree(shorter, longer):
            break
        count, shorter = count * 2, longer
    return count


@dataclass(frozen=True)
class Figure:
    """A figure of all rounds, beside the same figure of either half of them."""

    all: float
    halves: tuple[float, float] | None
    """Those of the first half of the rounds and of the second. A single round has no halves."""

    @classmethod
    def median(cls, rounds: Sequence[float]) -> Figure:
        """The median of rounds, which come in the order in which they were run."""
        middle = len(rounds) // 2
        halves = (median(rounds[:middle]), median(rounds[middle:])) if middle else None
        return cls(median(rounds), halves)

    def over(self, other: Figure) -> Figure:
        """How many times as large as another this figure is, each half against the same half."""
        halves = None
        if self.halves and other.halves:
            halves = (self.halves[0] / other.halves[0], self.halves[1] / other.halves[1])
        return Figure(self.all / other.all, halves)

    @property
    def settled(self) -> bool:
        """Whether both halves say the same. A single round never settles anything."""
        return self.halves is not None and agree(*self.halves)

    def show(self, written: Callable[[float], str]) -> str:
        """The figure as it is written, or both halves where these do not agree."""
        if self.halves is not None and not agree(*self.halves):
            return " or ".join(map(written, self.halves))
        return written(self.all)

    def as_dict(self) -> dict[str, object]:
        """For pytest-benchmark's files."""
        return {"all": self.all, "halves": self.halves, "settled": self.settled}
