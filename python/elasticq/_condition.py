"""The conditions of a queue that has moved to the standard locks."""

from __future__ import annotations

import os
import sys
import threading
import weakref

from . import _core
from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Condition(threading.Condition):
    """A condition that notifies tasks as well as threads."""

    def __init__(self, lock: Any, owner: Any, wake_tasks: Callable[[Any, int], None]) -> None:
        super().__init__(lock)
        self._owner = weakref.ref(owner)
        self._wake_tasks = wake_tasks
        self._since: dict[object, tuple[int, float]] = {}
        """The process and the time of each wait."""

    def notify(self, n: int = 1) -> None:
        # Mostly no thread waits. This check then saves a call of the standard library's method.
        if self._waiters or not self._is_owned():  # type: ignore[attr-defined]
            threading.Condition.notify(self, n)
        # A task that waits holds the owner. So without an owner no task waits.
        if (owner := self._owner()) is not None:
            self._wake_tasks(owner, n)

    def notify_all(self) -> None:
        self.notify(sys.maxsize)

    def wait(self, timeout: float | None = None) -> bool:
        mine = object()
        self._since[mine] = (os.getpid(), _core._now())
        try:
            return super().wait(timeout)
        finally:
            del self._since[mine]

    def waiters(self) -> int:
        """Return how many threads wait."""
        return self.waiting()[0]

    def waiting(self) -> tuple[int, float | None]:
        """Return how many threads wait, and for how many seconds the first of them. Needs no lock.

        A forked child has none of the threads that waited in its parent.
        """
        here = os.getpid()
        since = [time for process, time in list(self._since.values()) if process == here]
        count = min(len(self._waiters), len(since))  # type: ignore[attr-defined]
        return count, max(_core._now() - min(since), 0.0) if count else None
