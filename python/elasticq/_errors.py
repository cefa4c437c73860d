"""The exceptions: each is one of ours and, where the standard library has one for the case, that too."""

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

    `is_retriable` tells whether the same call may succeed later without anything else being changed, and
    `is_capacity_error` whether it failed for want of room.
    """

    is_retriable: bool = False
    is_capacity_error: bool = False


BufferError = QueueError  # noqa: A001 - the name that the Rust crate has for it
"""Another name of QueueError: the one that the Rust crate uses."""


class Empty(QueueError, queue.Empty):
    """There is nothing to take."""

    is_retriable = True


class Full(QueueError, queue.Full):
    """There is no room. After `put_many`, `remaining` holds the items that were not added."""

    is_retriable = True
    is_capacity_error = True
    remaining: list[object]


class MaxCapacityReached(Full):
    """The queue holds as many items as it ever may."""


class Timeout(QueueError, TimeoutError):
    """The call waited as long as it was told to, in vain."""

    is_retriable = True


class ResizeError(QueueError, MemoryError):
    """There is no memory for more items. What was in the queue is still there."""

    is_retriable = True


class InvalidOperation(QueueError, RuntimeError):
    """The call makes no sense in the state the queue is in, or from the thread it came from."""


class NoAttribute(InvalidOperation, AttributeError):
    """An InvalidOperation for `getattr`, so that who merely looks what there is finds that there is none."""


class InvalidConfiguration(QueueError, ValueError):
    """A setting breaks its rule; the text names the field, its value and the rule."""


class Corrupted(QueueError):
    """Stored data failed its check; the text names the file and the offset."""


class AlreadyOpen(QueueError):
    """The durable queue is open elsewhere; the text names the owner."""


class StorageError(QueueError, OSError):
    """The operating system refused a read or a write."""


# queue.ShutDown came with Python 3.13.
_StandardShutDown: type[Exception] = getattr(queue, "ShutDown", Exception)


class ShutDown(QueueError, _StandardShutDown):  # type: ignore[misc, valid-type]
    """The queue was shut down, and what it held has been taken.

    After `put_many`, `remaining` holds the items that were not added.
    """

    remaining: list[object]
