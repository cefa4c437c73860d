"""The metrics by name: what they are, and their units. The crate's have the same names."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["ALL", "FIGURES", "Metric"]


class Metric(NamedTuple):
    """One metric. A counter only grows, as long as the process lives."""

    name: str
    """As Prometheus spells it."""
    kind: Literal["counter", "gauge"]
    """Whether it only grows."""
    unit: Literal["", "seconds", "bytes", "ratio"]
    """What it is measured in; empty: messages, threads and so on are counted."""
    description: str
    """What it tells, in a sentence."""
    labels: tuple[str, ...] = ()
    """Those beside `queue`."""
    is_rare: bool = False
    """Whether it is told only from its first figure above zero on. That halves a page for many queues."""


ENQUEUED = Metric("elasticq_messages_enqueued_total", "counter", "", "Messages that the queue has accepted.")
DEQUEUED = Metric(
    "elasticq_messages_dequeued_total", "counter", "", "Messages that were taken from the queue."
)
REFUSED = Metric(
    "elasticq_messages_refused_total",
    "counter",
    "",
    "Messages that the queue has refused; their senders have them.",
)
DROPPED = Metric("elasticq_messages_dropped_total", "counter", "", "Accepted messages that nobody will get.")
RESIZES = Metric(
    "elasticq_resizes_total", "counter", "", "How often the capacity changed.", ("direction",), is_rare=True
)
BACKPRESSURE = Metric(
    "elasticq_backpressure_seconds_total",
    "counter",
    "seconds",
    "How long producers have waited for room, all together; an estimate from who waits at each look.",
    is_rare=True,
)
DEPTH = Metric("elasticq_queue_depth", "gauge", "", "Messages in the queue.")
CAPACITY = Metric("elasticq_queue_capacity", "gauge", "", "Messages for which the queue has memory.")
MAX_CAPACITY = Metric(
    "elasticq_queue_max_capacity", "gauge", "", "The most messages that the queue may hold."
)
UTILIZATION = Metric(
    "elasticq_queue_utilization_ratio",
    "gauge",
    "ratio",
    "Messages in the queue by the most that it may hold, from 0 to 1.",
)
WAITERS = Metric(
    "elasticq_queue_waiters",
    "gauge",
    "",
    "Threads and tasks that wait at an end of the queue.",
    ("end", "kind"),
    is_rare=True,
)
LONGEST_WAIT = Metric(
    "elasticq_queue_longest_wait_seconds",
    "gauge",
    "seconds",
    "How long the longest of them has waited.",
    ("end",),
    is_rare=True,
)
OLDEST = Metric(
    "elasticq_queue_oldest_item_age_seconds",
    "gauge",
    "seconds",
    "The age of the oldest message in the queue, or an upper bound of it.",
)

FIGURES = {
    "level_depth": Metric("elasticq_level_depth", "gauge", "", "Messages of a level.", ("level",)),
    "level_enqueued": Metric(
        "elasticq_level_enqueued_total", "counter", "", "Messages that a level has accepted.", ("level",)
    ),
    "level_dequeued": Metric(
        "elasticq_level_dequeued_total", "counter", "", "Messages that were taken from a level.", ("level",)
    ),
    "level_dropped": Metric(
        "elasticq_level_dropped_total",
        "counter",
        "",
        "Accepted messages of a level that nobody will get.",
        ("level",),
    ),
    "level_refused": Metric(
        "elasticq_level_refused_total", "counter", "", "Messages that a level has refused.", ("level",)
    ),
    "leased": Metric(
        "elasticq_durable_leased",
        "gauge",
        "",
        "Messages that are leased, and neither acknowledged nor given back.",
    ),
    "delayed": Metric("elasticq_durable_delayed", "gauge", "", "Messages that can be taken only later."),
    "dead": Metric("elasticq_durable_dead_letters", "gauge", "", "Messages in the list of dead letters."),
    "segments": Metric("elasticq_durable_segments", "gauge", "", "Files of the log."),
    "log_entries": Metric("elasticq_durable_log_entries", "gauge", "", "Records in the log."),
    "bytes_on_disk": Metric(
        "elasticq_durable_disk_bytes", "gauge", "bytes", "What the files take on the disk."
    ),
    "recovered_entries": Metric(
        "elasticq_durable_recovered_entries_total",
        "counter",
        "",
        "Records that were found when the queue was opened.",
    ),
    "torn_bytes": Metric(
        "elasticq_durable_torn_bytes_total",
        "counter",
        "bytes",
        "Bytes that were torn when the queue was opened.",
    ),
    "syncs": Metric("elasticq_durable_syncs_total", "counter", "", "Syncs of the log to the disk."),
    "sync_time": Metric(
        "elasticq_durable_sync_seconds_total", "counter", "seconds", "How long the syncs took, all together."
    ),
    "longest_sync": Metric(
        "elasticq_durable_sync_longest_seconds",
        "gauge",
        "seconds",
        "How long the longest sync took since the queue was opened.",
    ),
}
"""What only some queues know of themselves, by the names in `_core.Reading.figures`.

Those in seconds come in nanoseconds.
"""

ALL = (
    ENQUEUED,
    DEQUEUED,
    REFUSED,
    DROPPED,
    RESIZES,
    BACKPRESSURE,
    DEPTH,
    CAPACITY,
    MAX_CAPACITY,
    UTILIZATION,
    WAITERS,
    LONGEST_WAIT,
    OLDEST,
    *FIGURES.values(),
)
"""Every metric that there is."""
