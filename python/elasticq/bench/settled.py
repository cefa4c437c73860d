"""When a figure is settled: when two runs in a row say the same. The Rust benchmarks have the same rule.

Two values agree when the larger one is at most 15 % above the smaller one. The rule is applied twice: to find
how long a sample has to be (`long_enough`), and to judge a figure by two halves of the rounds (`Figure`).
Halves may agree by chance, so the rounds are halved in two ways, and both have to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

WITHIN = 1.15
"""How many times as large as the smaller value the larger one may be."""
TRIALS = 3
"""How many samples of each length are taken to find the length."""


def agree(one: float, other: float) -> bool:
    """Whether two values agree within 15 %."""
    return max(one, other) <= min(one, other) * WITHIN


def long_enough(count: int, most: int, time: Callable[[int], float]) -> int:
    """How long a sample has to be, between `count` and `most`, so that a sample twice as long says the same.

    The sample is doubled until then. `time` runs one sample, and returns its time per item.
    """

    def typical(count: int) -> float:
        return median(time(count) for _ in range(TRIALS))

    shorter: float | None = None
    while count * 2 <= most:
        if shorter is None:
            shorter = typical(count)
        longer = typical(count * 2)
        if agree(shorter, longer):
            break
        count, shorter = count * 2, longer
    return count


@dataclass(frozen=True)
class Figure:
    """A figure of all rounds, beside the same figure of either half of them."""

    all: float
    halves: tuple[tuple[float, float], ...]
    """Those of two halves, for both ways to halve: the first rounds and the later ones, the even rounds and
    the odd ones. A single round has no halves."""

    @classmethod
    def median(cls, rounds: Sequence[float]) -> Figure:
        """The median of rounds, which come in the order in which they were run."""
        middle = len(rounds) // 2
        ways = ((rounds[:middle], rounds[middle:]), (rounds[::2], rounds[1::2])) if middle else ()
        return cls(median(rounds), tuple((median(one), median(other)) for one, other in ways))

    def over(self, other: Figure) -> Figure:
        """How many times as large as another this figure is, each half against the same half."""
        ways = zip(self.halves, other.halves, strict=True)
        return Figure(self.all / other.all, tuple((mine[0] / its[0], mine[1] / its[1]) for mine, its in ways))

    @property
    def settled(self) -> bool:
        """Whether both halves say the same, for both ways to halve. A single round settles nothing."""
        return bool(self.halves) and all(agree(one, other) for one, other in self.halves)

    def show(self, written: Callable[[float], str]) -> str:
        """The figure as it is written, or the two halves that differ most where halves do not agree."""
        widest = max(self.halves, key=lambda pair: max(pair) / min(pair), default=(self.all, self.all))
        return written(self.all) if agree(*widest) else " or ".join(map(written, widest))

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"all": self.all, "halves": self.halves, "settled": self.settled}
