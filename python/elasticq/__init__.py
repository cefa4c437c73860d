"""Elastic, thread-safe queues with a Rust core: they grow on demand, shrink after a burst, and lose nothing.

`Queue` stands where `queue.Queue` stands and serves threads and event loops at once; `DynamicCircularBuffer`
has the names of the Rust crate, and so have `LockFreeMPSCQueue`, `LockFreeMPMCQueue` and `LockFreeSPSCQueue`,
the queues without locks. One rule for reading: **`iter()` looks, `async for` and `.consume()` take.**
"""

from __future__ import annotations

from ._core import Config, QueueStats, __version__
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
from ._queue import (
    DynamicCircularBuffer,
    LockFreeMPMCQueue,
    LockFreeMPSCQueue,
    LockFreeSPSCQueue,
    Queue,
    ThreadSafeDynamicCircularBuffer,
)
from ._views import AsyncQueue

__all__ = [
    "AlreadyOpen",
    "AsyncQueue",
    "BufferError",
    "Config",
    "Corrupted",
    "DynamicCircularBuffer",
    "Empty",
    "Full",
    "InvalidConfiguration",
    "InvalidOperation",
    "LockFreeMPMCQueue",
    "LockFreeMPSCQueue",
    "LockFreeSPSCQueue",
    "MaxCapacityReached",
    "Queue",
    "QueueError",
    "QueueStats",
    "ResizeError",
    "ShutDown",
    "StorageError",
    "ThreadSafeDynamicCircularBuffer",
    "Timeout",
    "__version__",
]
