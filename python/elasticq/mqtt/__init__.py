"""A durable outbox for paho-mqtt (`pip install elasticq[mqtt]`), and the proxy that is made of it.

`Outbox` is for programs. The command `elasticq mqtt-proxy` takes messages from one broker, keeps them on the
disk, and hands them on to another.

What is in which file: `_outbox` (the class), `_entry` (a message as it is stored), `_handover` (the thread
that publishes), `_hooks` (callbacks beside the program's), `_paho` (what is needed of paho beyond its public
interface), `_errors`; and for the proxy `cli` (the command), `_address` (URLs, passwords and certificates),
`_wire` (a client with buffers), `_link` (a client that is kept connected), `_source` (the receiving side),
`_proxy` (both sides), `_state` (what it must know after a restart), `_told` (what it tells: lines and
metrics).
"""

from __future__ import annotations

from elasticq._public import publish as _publish

from ._errors import OutboxFailed, OutboxFull
from ._outbox import DeadMessage, Message, Outbox

__all__ = ["DeadMessage", "Message", "Outbox", "OutboxFailed", "OutboxFull"]

_publish(globals())
