"""The results of a contest, and whether its goals were reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elasticq.bench.settled import Figure
from elasticq.bench.standings import Standing


@dataclass(frozen=True)
class Verdict:
    """A goal, and whether it was reached. Never an assertion: a miss is printed like a hit."""

    case: str
    against: str
    wanted: float
    measured: Figure

    @property
    def reached(self) -> bool | None:
        """Whether the measured ratio reaches the goal; None if the ratio is not settled."""
        return self.measured.all >= self.wanted if self.measured.settled else None


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
            "contenders": [standing.as_dict(self.ours) for standing in (self.ours, *self.others)],
            "targets": [
                {
                    "against": verdict.against,
                    "wanted": verdict.wanted,
                    "measured": verdict.measured.as_dict(),
                    "reached": verdict.reached,
                }
                for verdict in self.verdicts
            ],
        }
