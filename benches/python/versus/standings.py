"""The results of a contest: times per item, and how many times as fast ours is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass
class Standing:
    """How one contender did."""

    name: str
    items: int
    """The items of one sample."""
    seconds: list[float] = field(default_factory=list)
    """The time that each sample took, round by round."""

    @property
    def nanoseconds(self) -> list[float]:
        """The time per item, round by round."""
        return [seconds / self.items * 1e9 for seconds in self.seconds]

    def ratio_to(self, ours: Standing) -> float:
        """How many times as fast ours is: the ratio of the medians."""
        return median(self.nanoseconds) / median(ours.nanoseconds)

    def paired_with(self, ours: Standing) -> list[float]:
        """The same ratio in each round by itself."""
        return [theirs / mine for theirs, mine in zip(self.nanoseconds, ours.nanoseconds, strict=True)]


@dataclass(frozen=True)
class Verdict:
    """A goal, and whether it was reached. Never an assertion: a miss is printed like a hit."""

    case: str
    against: str
    wanted: float
    measured: float

    @property
    def reached(self) -> bool:
        """Whether the measured ratio reaches the goal."""
        return self.measured >= self.wanted


@dataclass(frozen=True)
class Outcome:
    """The result of a contest."""

    case: str
    ours: Standing
    others: Sequence[Standing]
    verdicts: Sequence[Verdict]

    def as_dict(self) -> dict[str, object]:
        """For pytest-benchmark's files."""
        return {
            "case": self.case,
            "contenders": [self._entry(standing) for standing in (self.ours, *self.others)],
            "targets": [
                {
                    "against": verdict.against,
                    "wanted": verdict.wanted,
                    "measured": verdict.measured,
                    "reached": verdict.reached,
                }
                for verdict in self.verdicts
            ],
        }

    def _entry(self, standing: Standing) -> dict[str, object]:
        times, paired = standing.nanoseconds, standing.paired_with(self.ours)
        lower, middle, upper = quartiles(paired)
        return {
            "name": standing.name,
            "items_per_sample": standing.items,
            "ns_per_item": {"median": median(times), "min": min(times), "max": max(times), "rounds": times},
            "ours_is_times_as_fast": {
                "ratio_of_medians": standing.ratio_to(self.ours),
                "paired": {
                    "min": min(paired),
                    "lower_quartile": lower,
                    "median": middle,
                    "upper_quartile": upper,
                    "max": max(paired),
                },
            },
        }


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The values below which a quarter, a half and three quarters of a sample lie."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, middle, upper = quantiles(values, n=4, method="inclusive")
    return lower, middle, upper
