//! `PersistentStats`, what a durable queue tells of itself, and `DeadLetter`, one of its dead items.

use crate::raw::Item;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

/// Counters and sizes of a durable queue, all of about the same moment. The counters go on across restarts,
/// but for `messages_refused`, and always `messages_enqueued == messages_dequeued + messages_dropped +
/// current_size`.
#[pyclass(frozen, eq, get_all, module = "elasticq._core")]
#[derive(PartialEq)]
pub struct PersistentStats {
    /// Items ever accepted.
    messages_enqueued: u64,
    /// Items that left the queue for good: popped, or acknowledged.
    messages_dequeued: u64,
    /// Items that nobody will ever get: cleared or purged.
    messages_dropped: u64,
    /// Items that were refused since the queue was opened.
    messages_refused: u64,
    /// Items inside: ready, leased, delayed and dead.
    current_size: usize,
    /// Items that can be taken now.
    ready: usize,
    /// Items that somebody has leased.
    leased: usize,
    /// Items whose time has not come.
    delayed: usize,
    /// Items that were delivered too often, or buried.
    dead: usize,
    /// Records in the files, needed or not.
    log_entries: u64,
    /// Files with records.
    segments: usize,
    /// Bytes that the files take on disk, those that are kept ready included.
    bytes_on_disk: u64,
    /// Records that were read when the queue was opened.
    recovered_entries: u64,
    /// Whether the queue had been closed in good order then.
    recovered_clean: bool,
    /// Bytes behind the last whole record then, zeroes not counted: what never reached the disk whole, and,
    /// in a file that was used before, what was left of its older life.
    torn_bytes: u64,
    /// Files that were given up for the same reason.
    torn_files: usize,
    /// Syncs of the log to the disk since the queue was opened.
    syncs: u64,
    /// Seconds that they took, all together.
    sync_time: f64,
    /// Seconds that the longest of them took.
    longest_sync: f64,
}

impl From<elasticq::persistent::PersistentStats> for PersistentStats {
    fn from(stats: elasticq::persistent::PersistentStats) -> Self {
        Self {
            messages_enqueued: stats.queue.messages_enqueued,
            messages_dequeued: stats.queue.messages_dequeued,
            messages_dropped: stats.queue.messages_dropped,
            messages_refused: stats.queue.messages_refused,
            current_size: stats.queue.current_size,
            ready: stats.ready,
            leased: stats.leased,
            delayed: stats.delayed,
            dead: stats.dead,
            log_entries: stats.log_entries,
            segments: stats.segments,
            bytes_on_disk: stats.bytes_on_disk,
            recovered_entries: stats.recovered_entries,
            recovered_clean: stats.recovered_clean,
            torn_bytes: stats.torn_bytes,
            torn_files: stats.torn_files,
            syncs: stats.syncs,
            sync_time: stats.sync_time.as_secs_f64(),
            longest_sync: stats.longest_sync.as_secs_f64(),
        }
    }
}

#[pymethods]
impl PersistentStats {
    fn __repr__(&self) -> String {
        format!(
            "PersistentStats(messages_enqueued={}, messages_dequeued={}, messages_dropped={}, messages_refused={}, \
             current_size={}, ready={}, leased={}, delayed={}, dead={}, log_entries={}, segments={}, \
             bytes_on_disk={}, recovered_entries={}, recovered_clean={}, torn_bytes={}, torn_files={}, syncs={}, sync_time={:.6}, longest_sync={:.6})",
            self.messages_enqueued,
            self.messages_dequeued,
            self.messages_dropped,
            self.messages_refused,
            self.current_size,
            self.ready,
            self.leased,
            self.delayed,
            self.dead,
            self.log_entries,
            self.segments,
            self.bytes_on_disk,
            self.recovered_entries,
            if self.recovered_clean { "True" } else { "False" },
            self.torn_bytes,
            self.torn_files,
            self.syncs,
            self.sync_time,
            self.longest_sync
        )
    }
}

/// An item that was delivered `max_deliveries` times, or was given up with `bury`. It stays in the queue
/// until it is retried or purged.
#[pyclass(frozen, generic, get_all, module = "elasticq._core")]
pub struct DeadLetter {
    /// The item's number in its queue.
    pub number: u64,
    /// The item.
    pub item: Item,
    /// How often it was delivered.
    pub deliveries: u32,
    /// Why it is dead.
    pub reason: String,
}

#[pymethods]
impl DeadLetter {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let item = self.item.bind(py).repr()?;
        let Self { number, deliveries, reason, .. } = self;
        Ok(format!("DeadLetter(number={number}, item={item}, deliveries={deliveries}, reason={reason:?})"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.item)
    }
}
