"""The interface of culsans 0.11: `import elasticq.culsans as culsans` runs programs that were written for it.

`Queue`, `LifoQueue` and `PriorityQueue` serve threads (`sync_q`, `sync_put`) and tasks of any event loops
(`async_q`, `async_put`) at once. They add to elasticq's own queues `putting`, `getting` and `waiting`, sizes
of items, and more hooks for subclasses. docs/moving-culsans.md says what differs.

Served are threads and asyncio. In a thread that runs gevent or eventlet, and in trio and curio, calls raise
an error. culsans' locks, `Grouper` and `RWLock`, are left out.
"""

from __future__ import annotations

from .._public import publish as _publish
from ._errors import (
    AsyncQueueEmpty,
    AsyncQueueFull,
    AsyncQueueShutDown,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    SyncQueueEmpty,
    SyncQueueFull,
    SyncQueueShutDown,
    UnsupportedOperation,
)
from ._left_out import Grouper, RWLock
from ._protocols import AsyncQueue, BaseQueue, GreenQueue, MixedQueue, SyncQueue
from ._proxies import AsyncQueueProxy, BaseQueueProxy, GreenQueueProxy, SyncQueueProxy
from ._queues import LifoQueue, PriorityQueue, Queue

__all__ = [
    "AsyncQueue",
    "AsyncQueueEmpty",
    "AsyncQueueFull",
    "AsyncQueueProxy",
    "AsyncQueueShutDown",
    "BaseQueue",
    "BaseQueueProxy",
    "GreenQueue",
    "GreenQueueProxy",
    "Grouper",
    "LifoQueue",
    "MixedQueue",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "RWLock",
    "SyncQueue",
    "SyncQueueEmpty",
    "SyncQueueFull",
    "SyncQueueProxy",
    "SyncQueueShutDown",
    "UnsupportedOperation",
]

__version__: str = "0.11.0"
"""The version of culsans whose interface this is."""

__version_tuple__: tuple[int | str, ...] = (0, 11, 0)
"""The same as a tuple."""

_publish(globals())
