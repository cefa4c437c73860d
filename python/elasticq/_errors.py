"""The exceptions. If the standard library has an exception for the case, ours is a subclass of it, too."""

from __future__ import annotations

import queue

__all__ = [
    "AlreadyOpen",
    "BufferError",
    "Corrupted",
    "Empty",
    "Full",
    "InvalidConfiguration",
    "InvalidOperation",
    "MaxCapacityReached",
    "QueueError",
    "ResizeError",
    "ShutDown",
    "StorageError",
    "Timeout",
]


class QueueError(Exception):
    """The base of every error that elasticq raises for the state of a queue.

    `is_retriable` tells whether the same call may succeed later, as it is. `is_capacity_error` tells whether
    the call failed because there was no room.
    """

    is_retriable: bool = False
    is_capacity_error: bool = False


BufferError = QueueError  # noqa: A001 - the name that the Rust crate has for it
"""Another name of QueueError: the one that the Rust crate uses."""


class Empty(QueueError, queue.Empty):
    """There is nothing to take."""

    is_retriable = True


class Full(QueueError, queue.Full):
    """There is no room. After `put_many`, `remaining` holds the items that were not put."""

    is_retriable = True
    is_capacity_error = True
    remaining: list[object]


class MaxCapacityReached(Full):
    """The queue holds as many items as it may hold at all."""


class Timeout(QueueError, TimeoutError):
    """The call waited in vain, as long as it was told to.

    After a work queue's `put_many`, `remaining` holds the items that were not put.
    """

    is_retriable = True
    remaining: list[object]


class ResizeError(QueueError, MemoryError):
    """There is no memory for more items. What was in the queue is still there."""

    is_retriable = True


class InvalidOperation(QueueError, RuntimeError):
    """The call makes no sense in the queue's present state, or from the thread that made it."""


class NoAttribute(InvalidOperation, AttributeError):
    """An InvalidOperation that `hasattr` and `getattr` understand: there is no such attribute."""


class InvalidConfiguration(QueueError, ValueError):
    """A setting breaks its rule. The text names the field, its value and the rule."""


class Corrupted(QueueError):
    """Stored data failed its check. The text names the file and the offset."""


class AlreadyOpen(QueueError):
    """The durable queue is open elsewhere. The text names the owner."""


class StorageError(QueueError, OSError):
    """The operating system refused a read or a write.

    After a work queue's `put_many`, `remaining` holds the items that were not put.
    """

    remaining: list[object]


# queue.ShutDown came with Python 3.13.
_StandardShutDown: type[Exception] = getattr(queue, "ShutDown", Exception)


class ShutDown(QueueError, _StandardShutDown):  # type: ignore[misc, valid-type]
    """The queue was shut down. A put is refused then, and a take fails when no item is left.

    After `put_many`, `remaining` holds the items that were not put.
    """

    remaining: list[object]
