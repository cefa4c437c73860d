"""The exceptions: each is elasticq's own, the module queue's and asyncio's at once.

So `except elasticq.Empty`, `except queue.Empty` and `except asyncio.QueueEmpty` all catch a QueueEmpty.
"""

from __future__ import annotations

import asyncio
import queue
import sys

from .._errors import Empty, Full, QueueError, ShutDown

__all__ = [
    "AsyncQueueEmpty",
    "AsyncQueueFull",
    "AsyncQueueShutDown",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "SyncQueueEmpty",
    "SyncQueueFull",
    "SyncQueueShutDown",
    "UnsupportedOperation",
    "as_culsans",
]

SyncQueueEmpty = queue.Empty
AsyncQueueEmpty = asyncio.QueueEmpty
SyncQueueFull = queue.Full
AsyncQueueFull = asyncio.QueueFull

if sys.version_info >= (3, 13):
    SyncQueueShutDown = queue.ShutDown
    AsyncQueueShutDown = asyncio.QueueShutDown
else:
    SyncQueueShutDown = ShutDown

    class AsyncQueueShutDown(Exception):
        """What Python 3.13 calls asyncio.QueueShutDown."""


class QueueEmpty(Empty, AsyncQueueEmpty):
    """There is no item to take or to look at."""


class QueueFull(Full, AsyncQueueFull):
    """There is no room for the item."""


class QueueShutDown(ShutDown, AsyncQueueShutDown):
    """The queue was shut down: it takes no item, and has none left."""


class UnsupportedOperation(QueueError, ValueError):
    """The queue can't do this: its class says so, or elasticq has no such thing."""


_SAME: list[tuple[type[QueueError], type[QueueError]]] = [
    (Empty, QueueEmpty),
    (Full, QueueFull),
    (ShutDown, QueueShutDown),
]


def as_culsans(error: BaseException) -> BaseException:
    """Return the same error as one of this module; itself, if it is one or if there is none like it."""
    for ours, named in _SAME:
        if isinstance(error, ours) and not isinstance(error, named):
            return named(*error.args)
    return error
