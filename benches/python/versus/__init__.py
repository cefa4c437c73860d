"""Contests of several contenders in one interleaved run. Test modules load `versus.plugin` to hold them."""

from .contest import Benchmark, Contest, Target
from .standings import Outcome, Verdict

__all__ = ["Benchmark", "Contest", "Outcome", "Target", "Verdict"]
