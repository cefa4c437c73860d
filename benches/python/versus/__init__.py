"""Contests of several contenders in one interleaved run. Test modules load `versus.plugin` to hold them."""

from .contest import Benchmark, Contender, Contest, Target, Trial, unshared
from .machine import with_gil
from .settled import Figure
from .standings import Outcome, Standing, Verdict

__all__ = [
    "Benchmark",
    "Contender",
    "Contest",
    "Figure",
    "Outcome",
    "Standing",
    "Target",
    "Trial",
    "Verdict",
    "unshared",
    "with_gil",
]
