"""Work queues by their URLs: what `elasticq.connect` gives, in memory, in files, or on a NATS server.

`WorkQueue` and `WorkLease` say what every one of them can do. They are protocols: another engine needs no
base class, only these methods, and an entry point of the group `elasticq.backends` for its scheme.
`_schemes` finds the engine, `_settings` reads its settings, `_local` is memory and files, `_nats` is NATS.
"""

from __future__ import annotations

from elasticq._public import publish as _publish

from ._contract import DeadItem, WorkLease, WorkQueue
from ._errors import AccessDenied, TooLarge, Unreachable, Unsupported

__all__ = [
    "AccessDenied",
    "DeadItem",
    "TooLarge",
    "Unreachable",
    "Unsupported",
    "WorkLease",
    "WorkQueue",
]

_publish(globals())
