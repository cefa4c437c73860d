"""For a compiled core whose `peek` does not wait: it is asked again and again."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .. import _core
from .._errors import Empty
from .._queue import Queue

_PAUSE = 0.002


def _peek(self: Any, block: bool = False, timeout: float | None = None) -> Any:
    if timeout is not None and timeout < 0:
        raise ValueError(f"'timeout' must be a non-negative number, not {timeout}")
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return _core.Elastic.peek(self)
        except Empty:
            if self.is_shutdown:
                self.get_nowait()
            if not block or (end is not None and time.monotonic() >= end):
                raise
        time.sleep(_PAUSE)


async def _apeek(self: Any) -> Any:
    while True:
        try:
            return _peek(self)
        except Empty:
            await asyncio.sleep(_PAUSE)


if not hasattr(Queue, "apeek"):
    Queue.peek = _peek  # type: ignore[method-assign]
    Queue.apeek = _apeek  # type: ignore[attr-defined]
