//! `QueueStats`: what a queue has done so far.

use pyo3::prelude::*;

/// A queue's counters and sizes, all of one moment.
#[pyclass(frozen, eq, hash, get_all, module = "elasticq._core")]
#[derive(PartialEq, Eq, Hash)]
pub struct QueueStats {
    /// Items accepted since the queue was made.
    messages_enqueued: u64,
    /// Items that left the queue in any way: taken, drained, cleared or evicted.
    messages_dequeued: u64,
    /// Items that were offered and will reach no consumer. They were refused, for lack of room or because the
    /// queue was shut down (their producers still have them); dropped on arrival (`overflow="drop_newest"`);
    /// or evicted for newer ones (`overflow="drop_oldest"`; these were enqueued and dequeued, too).
    messages_dropped: u64,
    /// Items in the queue now.
    current_size: usize,
    /// How many items fit before the queue grows.
    current_capacity: usize,
    /// The most items that the queue has held at once; 0 if that is not counted, as in the queues without
    /// locks.
    peak_size: usize,
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
            "QueueStats(messages_enqueued={}, messages_dequeued={}, messages_dropped={}, current_size={}, \
             current_capacity={}, peak_size={}, grown={}, shrunk={})",
            self.messages_enqueued,
            self.messages_dequeued,
            self.messages_dropped,
            self.current_size,
            self.current_capacity,
            self.peak_size,
            self.grown,
            self.shrunk
        )
    }
}
