"""Work queues on NATS JetStream, over nats-py.

All of a queue runs in one event loop, in a thread of its own: its callers are threads and tasks of other
loops. So nothing here needs a lock, and a batch costs its caller one hop between threads.

`queue` is what callers see; `engine` does it, in the loop. `options` reads the URL, `thread` is the loop,
`link` the connection that renews itself, `exchange` sends many messages and waits for all their answers,
`pulls` asks for messages, `leases` knows what is leased and for how long, `stream` makes streams and compares
their settings, `dead` is about dead letters, `items` turns items into messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult

from .options import options_of
from .queue import NatsQueue

__all__ = ["open_nats"]


def open_nats(url: str, parts: SplitResult, keywords: Mapping[str, Any]) -> NatsQueue[Any]:
    """Opens `nats://host:port/stream?settings`."""
    return NatsQueue(options_of(url, parts, keywords))
