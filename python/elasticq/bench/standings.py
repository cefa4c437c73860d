"""The results of a contest: times per item, and how many times as fast ours is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from elasticq.bench.settled import Figure


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

    @property
    def time(self) -> Figure:
        """The time per item in nanoseconds: the median of the rounds."""
        return Figure.median(self.nanoseconds)

    def ratio_to(self, ours: Standing) -> Figure:
        """How many times as fast ours is: the ratio of the medians."""
        return self.time.over(ours.time)

    def settled(self, ours: Standing) -> bool:
        """Whether the time and the ratio are both settled."""
        return self.time.settled and self.ratio_to(ours).settled

    def paired_with(self, ours: Standing) -> list[float]:
        """The same ratio in each round by itself."""
        return [theirs / mine for theirs, mine in zip(self.nanoseconds, ours.nanoseconds, strict=True)]

    def as_dict(self, ours: Standing) -> dict[str, object]:
        """For JSON."""
        times, ratio = self.nanoseconds, self.ratio_to(ours)
        paired = self.paired_with(ours)
        lower, middle, upper = quartiles(paired)
        return {
            "name": self.name,
            "items_per_sample": self.items,
            "ns_per_item": {
                "median": self.time.as_dict(),
                "min": min(times),
                "max": max(times),
                "rounds": times,
            },
            "ours_is_times_as_fast": {
                "ratio_of_medians": ratio.as_dict(),
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
