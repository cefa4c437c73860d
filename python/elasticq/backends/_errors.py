"""The exceptions that only work queues have. Each is one of elasticq's, and one of the standard library's."""

from __future__ import annotations

from elasticq._errors import QueueError

__all__ = ["AccessDenied", "TooLarge", "Unreachable", "Unsupported"]


class Unsupported(QueueError, NotImplementedError):
    """The queue's engine can't do this. The text says why, and what to do instead."""


class Unreachable(QueueError, ConnectionError):
    """No server answered in time.

    What was not acknowledged may have happened or not. The same call may succeed later; a put with the same
    `id` stays one item. After `put_many`, `remaining` holds the items that no server has acknowledged.
    """

    is_retriable = True
    remaining: list[object]


class AccessDenied(QueueError, PermissionError):
    """The server refused the credentials, or a certificate does not match. Trying again does not help."""


class TooLarge(QueueError, ValueError):
    """The item takes more bytes than the server accepts in a message. Nothing was sent."""
