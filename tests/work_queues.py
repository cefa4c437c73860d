"""What the tests of work queues share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elasticq.backends import WorkQueue

Connect = Callable[..., WorkQueue[Any]]

SOON = 0.05
"""Seconds for what has to end by itself in a test."""
