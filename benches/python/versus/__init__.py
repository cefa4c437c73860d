"""Contests of several contenders in one interleaved run. Test modules load `versus.plugin` to hold them."""

from .contest import Benchmark, Contender, Contest, Target, Trial, unshared, with_gil
from .standings import Outcome, Standing, Verdict

__all__ = [
    "Benchmark",
    "Contender",
    "Contest",
    "Outcome",
    "Standing",
    "Target",
    "Trial",
    "Verdict",
    "unshared",
    "with_gil",
]
