"""Elastic, thread-safe queues with a Rust core: they grow on demand, shrink after a burst, and lose nothing.

`import elasticq as queue` runs code that was written for the standard module: `Queue`, `LifoQueue`,
`PriorityQueue` and `SimpleQueue` take the place of its classes, and serve threads and event loops at once.
`DynamicCircularBuffer`, `PriorityCircularBuffer` and the queues without locks (`LockFreeMPSCQueue`,
`LockFreeMPMCQueue`, `LockFreeSPSCQueue`) have the names of the Rust crate. `PersistentCircularBuffer` keeps
its items in files, so they outlive the process; `connect` opens a work queue in memory, in files or on a
server by its URL. `BufferChannel` joins threads and tasks; `select` and
`aselect` wait for several queues at once. `elasticq.metrics` tells the figures of queues to an exporter, and
`elasticq.debug` shows who is stuck in a program that hangs. One rule for reading: **`iter()` looks,
`async for` and `.consume()` take.**
"""

from __future__ import annotations

from ._connect import connect
from ._core import (
    Config,
    DeadLetter,
    PersistentStats,
    PriorityConfig,
    PriorityStats,
    QueueStats,
    SyncMode,
    Waiters,
    Waiting,
    __version__,
)
from ._errors import (
    AlreadyOpen,
    BufferError,  # noqa: A004 - the name that the Rust crate has for it
    Corrupted,
    Empty,
    Full,
    InvalidConfiguration,
    InvalidOperation,
    MaxCapacityReached,
    QueueError,
    ResizeError,
    ShutDown,
    StorageError,
    Timeout,
)
from ._persistent import Lease, PersistentCircularBuffer
from ._persistent_views import PersistentAsyncQueue, PersistentSyncQueue
from ._priority import PriorityAsyncQueue, PriorityCircularBuffer, PrioritySyncQueue
from ._public import publish as _publish
from ._queue import (
    BufferChannel,
    DynamicCircularBuffer,
    LifoQueue,
    LockFreeMPMCQueue,
    LockFreeMPSCQueue,
    LockFreeSPSCQueue,
    PriorityQueue,
    Queue,
    SimpleQueue,
    ThreadSafeDynamicCircularBuffer,
)
from ._select import aselect, select
from ._views import AsyncQueue

__all__ = [
    "AlreadyOpen",
    "AsyncQueue",
    "BufferChannel",
    "BufferError",
    "Config",
    "Corrupted",
    "DeadLetter",
    "DynamicCircularBuffer",
    "Empty",
    "Full",
    "InvalidConfiguration",
    "InvalidOperation",
    "Lease",
    "LifoQueue",
    "LockFreeMPMCQueue",
    "LockFreeMPSCQueue",
    "LockFreeSPSCQueue",
    "MaxCapacityReached",
    "PersistentAsyncQueue",
    "PersistentCircularBuffer",
    "PersistentStats",
    "PersistentSyncQueue",
    "PriorityAsyncQueue",
    "PriorityCircularBuffer",
    "PriorityConfig",
    "PriorityQueue",
    "PriorityStats",
    "PrioritySyncQueue",
    "Queue",
    "QueueError",
    "QueueStats",
    "ResizeError",
    "ShutDown",
    "SimpleQueue",
    "StorageError",
    "SyncMode",
    "ThreadSafeDynamicCircularBuffer",
    "Timeout",
    "Waiters",
    "Waiting",
    "__version__",
    "aselect",
    "connect",
    "select",
]

_publish(globals())
