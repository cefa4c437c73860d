"""What goes wrong in an outbox and in the proxy, for those who call them."""

from __future__ import annotations

from elasticq import Full, InvalidOperation

__all__ = ["OutboxFailed", "OutboxFull"]


class OutboxFull(Full):
    """The files of the outbox have reached `max_disk`. The same call may succeed later."""


class OutboxFailed(InvalidOperation):
    """The thread that hands messages on has ended with an error, which is the cause of this one.

    What is stored is safe. Close the outbox and make it again.
    """
