"""Waits of a thread in Python code, for as long as it takes, that a signal ends soon.

A wait without end may hear of no signal. On Windows before Python 3.14 none ends a wait for a lock. Elsewhere
it is one that comes just before the wait: its handler would be called only after it. So the thread waits in
rounds, since the interpreter calls handlers between two of them.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from concurrent.futures import Future

    from ._protocols import T

LOOK = 0.05 if sys.platform == "win32" else 1.0
"""Seconds of a round."""


def result_of(future: Future[T]) -> T:
    """Waits until a future is done; returns its result or raises its exception."""
    while not future.done():
        with suppress(TimeoutError):  # it may be the future's own, too
            return future.result(LOOK)
    return future.result()


def wait_for(condition: threading.Condition, is_so: Callable[[], bool], timeout: float | None) -> bool:
    """Waits, with the condition's lock, until something is so. False if it is not after `timeout` seconds."""
    end = None if timeout is None else time.monotonic() + timeout
    while not is_so():
        left = LOOK if end is None else end - time.monotonic()
        if left <= 0:
            return False
        condition.wait(min(left, LOOK))
    return True
