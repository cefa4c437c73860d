"""Metrics of queues, for any exporter: `elasticq.metrics.prometheus` and `elasticq.metrics.otel` are two.

`elasticq.metrics.live` tells the same to `elasticq top`, a live view in a terminal.

`instrument` gives a queue a name. From then on each look tells what the queue has counted, how full it is,
who waits at it and how old its oldest message is. A queue pays nothing for that: it counts anyway, and is
read when somebody looks. The queue is not kept alive. What it has counted stays when it is gone, so counters
never fall.

| metric | kind | labels beside `queue` |
|---|---|---|
| `elasticq_messages_enqueued_total` | counter | |
| `elasticq_messages_dequeued_total` | counter | |
| `elasticq_messages_refused_total` | counter | |
| `elasticq_messages_dropped_total` | counter | |
| `elasticq_resizes_total` | counter | `direction`: `grow`, `shrink` |
| `elasticq_backpressure_seconds_total` | counter, estimated | |
| `elasticq_queue_depth` | gauge | |
| `elasticq_queue_capacity` | gauge | |
| `elasticq_queue_max_capacity` | gauge, of queues with a limit | |
| `elasticq_queue_utilization_ratio` | gauge, of queues with a limit: 0 to 1 | |
| `elasticq_queue_waiters` | gauge | `end`: `item`, `room`; `kind`: `thread`, `task` |
| `elasticq_queue_longest_wait_seconds` | gauge | `end` |
| `elasticq_queue_oldest_item_age_seconds` | gauge, see below | |
| `elasticq_level_depth`, `elasticq_level_enqueued_total`, `..._dequeued_total`, `..._dropped_total`, \
`..._refused_total` | of queues with levels | `level` |
| `elasticq_durable_leased`, `..._delayed`, `..._dead_letters`, `..._segments`, `..._log_entries`, \
`..._disk_bytes` | gauges of queues in files | |
| `elasticq_durable_sync_longest_seconds` | gauge of queues in files: since the queue was opened | |
| `elasticq_durable_recovered_entries_total`, `..._torn_bytes_total`, `..._syncs_total`, \
`..._sync_seconds_total` | counters of queues in files | |

Resizes, backpressure, waiters and waits are told from their first figure above zero on, and then for good: a
queue at which nobody ever waited has half as many lines.

**Always** enqueued = dequeued + dropped + depth, in each look; messages that were refused count nowhere else.
Messages that are inside when a queue is instrumented count as enqueued. What is inside when a queue goes has
been dropped, but for one in files: that counts as dequeued, and as enqueued where the queue is opened again.
**The oldest message's age** is exact where a queue keeps times: those in files, and those with levels that
were made with `age_statistics=True`. Elsewhere it is an upper bound that is right to the time between two
looks. Queues whose items leave in another order than they came have none.
**A fork**: the child counts on from what its parent had counted. Give the process a label of its own.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from elasticq._public import publish as _publish

from ._catalog import ALL, Metric
from ._series import Sample, Series, Watched

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["ALL", "Metric", "Registration", "Sample", "instrument", "look"]

_all: dict[str, Series] = {}
_lock = threading.RLock()  # reading a queue may run code of its subclass, and garbage collection any code
_busy = False
"""Whether figures are being changed. Code with the lock that finds it set interrupts that change: a signal
handler, a `__del__` or a method of a subclass. It changes no figures then."""
_seen: dict[str, list[Sample]] = {}
"""What the last look told: for a look that interrupts another one."""
_left: list[tuple[Series, Watched]] = []
"""What was closed while figures were changed."""


def _after_fork() -> None:
    global _lock, _busy  # noqa: PLW0603 - the lock may be held by a thread that the child doesn't have
    _lock = threading.RLock()
    _busy = False


def _release_all() -> None:
    while _left:
        series, watched = _left.pop()
        series.release(watched)


if hasattr(os, "register_at_fork"):  # elsewhere nothing forks
    os.register_at_fork(after_in_child=_after_fork)


class Registration:
    """A queue under its name, until `close`, or until the queue is gone. `with` closes it at its end."""

    __slots__ = ("__weakref__", "_name", "_series", "_watched")

    def __init__(self, series: Series, watched: Watched) -> None:
        self._name = series.name
        self._series: Series | None = series
        self._watched = watched

    @property
    def name(self) -> str:
        """The name, which is the value of the label `queue`."""
        return self._name

    @property
    def queue(self) -> Any:
        """The queue, or None if it is gone."""
        return self._watched.queue()

    def close(self) -> None:
        """Watch the queue no longer. What is inside counts as dequeued. Doing it twice is no error."""
        global _busy  # noqa: PLW0603
        with _lock:
            series, self._series = self._series, None
            if series is None:
                return
            _left.append((series, self._watched))
            if _busy:
                return
            _busy = True
            try:
                _release_all()
            finally:
                _busy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<elasticq.metrics.Registration {self._name!r} of {self.queue!r}>"


def instrument(queue: Any, name: str) -> Registration:
    """Give a queue a name under which its figures are told.

    Linear in the number of queues of this name. Safe from any thread. The queue gets no slower, and is not
    kept alive. The registration need not be kept, either.

    Several queues may have one name: then they are one queue to the exporter, and their figures are added up.
    (Of ages and waits the largest counts.) The same queue under one name counts once, however often it is
    given; under two names it is told twice.

    Args:
        queue: A queue of any class of this package, or a view of one.
        name: Any text. It becomes the value of the label `queue`.

    Raises:
        TypeError: It is no queue of this package, or the name is no text.
        InvalidOperation: The durable queue was not opened.

    Example:
        >>> from elasticq import Queue, metrics
        >>> jobs = Queue()
        >>> with metrics.instrument(jobs, "jobs"):
        ...     jobs.put("resize a.png")
        ...     samples = metrics.look()["jobs"]
        >>> [sample.value for sample in samples if sample.metric.name == "elasticq_queue_depth"]
        [1]
    """
    if not isinstance(name, str):
        raise TypeError(f"'name' must be a text, not {type(name).__name__}")
    name = str.__str__(name)  # a subclass may do what it likes when it is shown
    compiled = _compiled(queue)
    global _busy  # noqa: PLW0603
    with _lock:
        series = _all.get(name) or Series(name)
        if _busy:
            watched = series.watch(compiled)
        else:
            _busy = True
            try:
                series.forget_many_gone()
                watched = series.watch(compiled)
                _release_all()
            finally:
                _busy = False
        series = _all.setdefault(name, series)
        return Registration(series, watched)


def _compiled(queue: Any) -> Any:
    """Return the queue that a view shows."""
    from elasticq._sync_view import SyncView
    from elasticq._views import AsyncQueue

    if isinstance(queue, AsyncQueue):
        return queue.__elasticq__()
    return queue._buffer if isinstance(queue, SyncView) else queue


def look() -> dict[str, list[Sample]]:
    """Look at all queues that have names: what an exporter calls for each scrape.

    Takes some microseconds a queue. Safe from any thread. A queue that is collected meanwhile is counted to
    its end. A look that interrupts another one (in a signal handler, say) tells what the last one told.

    Returns:
        The samples by the queues' names.
    """
    global _busy, _seen  # noqa: PLW0603
    with _lock:
        if _busy:
            return {name: list(samples) for name, samples in _seen.items()}
        _busy = True
        try:
            seen = {name: series.samples() for name, series in list(_all.items())}
            _release_all()
            _seen = seen
        finally:
            _busy = False
        return seen


def names_of(queue: Any) -> list[str]:
    """Return the names of a queue. Waits for no lock, so it may miss one that is just given."""
    return [name for name, series in list(_all.items()) if series.has(queue)]


_publish(globals())
