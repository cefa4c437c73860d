"""What the calls have in common: their arguments, the count of those that wait, and where they may run."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from ._errors import UnsupportedOperation
from ._protocols import UNSET

if TYPE_CHECKING:
    from collections import deque


_SERVED = "elasticq serves threads and asyncio only"


class Waiting:
    """A call that waits, from its first failure to its end: one more in a line.

    The line has the number of the process for each. A forked child finds those of its parent there, and none
    of them waits in the child.
    """

    __slots__ = ("_line",)

    def __init__(self, line: deque[int]) -> None:
        self._line = line

    def __enter__(self) -> None:
        self._line.append(os.getpid())

    def __exit__(self, *_: object) -> None:
        self._line.pop()


def waiting(line: deque[int]) -> int:
    return line.count(os.getpid())


def one(item: object) -> int:
    return 1


def only(block: bool, blocking: bool) -> bool:
    if block is not UNSET:
        raise ValueError("only one of block and blocking may be given: they are the same")
    return blocking


def check_timeout(timeout: float) -> None:
    if not timeout >= 0:  # so NaN is refused, too
        raise ValueError(f"timeout = {timeout}: must be a non-negative number of seconds")


def check_thread(call: str) -> None:
    """Refuse a call that would block all green threads of this thread."""
    gevent: Any = sys.modules.get("gevent._hub_local")
    eventlet: Any = sys.modules.get("eventlet.hubs")
    if gevent is not None and gevent.get_hub_if_exists() is not None:
        library = "gevent"
    elif eventlet is not None and getattr(eventlet._threadlocal, "hub", None) is not None:
        library = "eventlet"
    else:
        return
    raise UnsupportedOperation(f"{call} in a thread that runs {library}: {_SERVED}")


def check_loop(call: str) -> None:
    """Refuse a call that has to wait where no event loop of asyncio runs: in trio and curio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise UnsupportedOperation(f"{call} has to wait outside of asyncio: {_SERVED}") from None
