"""`connect`: a work queue by its URL. What it needs is imported at the first call."""

from __future__ import annotations

from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .backends import WorkQueue


def connect(url: str, **settings: Any) -> WorkQueue[Any]:
    """Open the work queue that a URL names: in memory, in files, or on a server.

    | URL | the queue |
    |---|---|
    | `memory://name` | in this process's memory; all in the process who name it have the same one |
    | `file:///path` | in files: a PersistentCircularBuffer, open in one place at a time |
    | `nats://host:port/stream?consumer=name` | a stream of NATS JetStream; extra `elasticq[nats]` |
    | `tls://...`, `nats+tls://...` | the same, encrypted |

    Packages may add schemes: an entry point of the group `elasticq.backends` whose name is the scheme, and
    whose value is called as `value(url, **settings)`.

    This call blocks until the queue is open. A coroutine awaits `asyncio.to_thread(elasticq.connect, url)`.

    Args:
        url: Where the queue is. Settings may stand behind a question mark: `file:///var/jobs?max_depth=1000`.
        settings: The same settings as keywords. Each scheme has its own; docs/work-queues.md lists them.

    Returns:
        A WorkQueue, as `elasticq.backends` describes it.

    Raises:
        InvalidConfiguration: The scheme is unknown, a setting is unknown or breaks its rule, or the queue is
            there already with other settings. It is also a ValueError.
        ImportError: The scheme needs a package that is not installed. The text says what to install.
        AlreadyOpen: The queue in files is open elsewhere.
        Unreachable: No server answered in time. It is also a ConnectionError.
        AccessDenied: The server refused the credentials, or a certificate does not match. It is also a
            PermissionError.

    Example:
        >>> with connect("memory://thumbnails", max_deliveries=3) as jobs:
        ...     jobs.put("a.png", id="order 7")
        ...     jobs.put("a.png", id="order 7")
        ...     with jobs.lease() as job:
        ...         print(job.item, job.id, job.deliveries)
        True
        False
        a.png order 7 1
    """
    from .backends._schemes import opened

    return opened(url, settings)
