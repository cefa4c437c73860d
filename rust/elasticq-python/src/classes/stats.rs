//! `QueueStats`: what a queue has done so far.

use pyo3::prelude::*;

/// A queue's counters and sizes, all of one moment.
#[pyclass(frozen, eq, hash, get_all, module = "elasticq._core")]
#[derive(PartialEq, Eq, Hash)]
pub struct QueueStats {
    /// Items accepted since the queue was made.
    messages_enqueued: u64,
    /// Items that somebody was given: taken or drained.
    messages_dequeued: u64,
    /// Accepted items that nobody will ever get: cleared; dropped by `shutdown(immediate=True)`; evicted for
    /// newer ones (`overflow="drop_oldest"`); or dropped on arrival (`overflow="drop_newest"`). Always
    /// `messages_enqueued == messages_dequeued + messages_dropped + current_size`.
    messages_dropped: u64,
    /// Items that were refused, for lack of room or because the queue was shut down: their producers still
    /// have them, and they count nowhere else.
    messages_refused: u64,
    /// Items in the queue now.
    current_size: usize,
    /// How many items fit before the queue grows.
    current_capacity: usize,
    /// The most items that the queue has held at once. None in the queues without locks, and in a queue that
    /// has moved to the standard locks: they don't count it.
    peak_size: Option<usize>,
    /// How often the capacity grew.
    grown: u64,
    /// How often the capacity shrank.
    shrunk: u64,
}

impl From<elasticq::QueueStats> for QueueStats {
    fn from(stats: elasticq::QueueStats) -> Self {
        Self {
            messages_enqueued: stats.messages_enqueued,
            messages_dequeued: stats.messages_dequeued,
            messages_dropped: stats.messages_dropped,
            messages_refused: stats.messages_refused,
            current_size: stats.current_size,
            current_capacity: stats.current_capacity,
            peak_size: stats.peak_size,
            grown: stats.grown,
            shrunk: stats.shrunk,
        }
    }
}

#[pymethods]
impl QueueStats {
    fn __repr__(&self) -> String {
        format!(
            "QueueStats(messages_enqueued={}, messages_dequeued={}, messages_dropped={}, messages_refused={}, \
             current_size={}, current_capacity={}, peak_size={}, grown={}, shrunk={})",
            self.messages_enqueued,
            self.messages_dequeued,
            self.messages_dropped,
            self.messages_refused,
            self.current_size,
            self.current_capacity,
            self.peak_size.map_or_else(|| "None".to_owned(), |peak| peak.to_string()),
            self.grown,
            self.shrunk
        )
    }
}
