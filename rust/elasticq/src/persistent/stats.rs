//! What a durable queue tells of itself.

use crate::stats::QueueStats;
use std::time::Duration;

/// Counters and sizes of a durable queue, all of about the same moment.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
/// let queue = PersistentCircularBuffer::new(config)?;
/// queue.push_batch(vec![1, 2, 3])?;
/// let (job, other) = (queue.lease(None)?, queue.lease(None)?);
/// other.bury("broken")?;
/// let stats = queue.stats();
/// assert_eq!((stats.ready, stats.leased, stats.dead, stats.delayed), (1, 1, 1, 0));
/// assert_eq!((stats.queue.current_size, stats.torn_bytes), (3, 0));
/// assert!(stats.bytes_on_disk > 0 && stats.log_entries >= 3);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersistentStats {
    /// What every queue tells. `current_size` are all items inside; the counters go on across restarts.
    pub queue: QueueStats,
    /// Items that can be taken now.
    pub ready: usize,
    /// Items that somebody has leased.
    pub leased: usize,
    /// Items whose time has not come.
    pub delayed: usize,
    /// Items that are dead.
    pub dead: usize,
    /// Records in the files, needed or not.
    pub log_entries: u64,
    /// Files with records.
    pub segments: usize,
    /// Bytes that the files take on disk, those that are kept ready included.
    pub bytes_on_disk: u64,
    /// Records that were read when the queue was opened.
    pub recovered_entries: u64,
    /// Whether the queue had been closed in good order then.
    pub recovered_clean: bool,
    /// Bytes behind the last whole record then, zeroes not counted: what never reached the disk whole, and,
    /// in a file that was used before, what was left of its older life.
    pub torn_bytes: u64,
    /// Files that were given up for the same reason.
    pub torn_files: usize,
    /// How often the log was synced to the disk since the queue was opened. Calls that wait for the disk at
    /// the same moment share a sync. One that failed counts as well.
    pub syncs: u64,
    /// How long these syncs took, all together.
    pub sync_time: Duration,
    /// How long the longest of them took.
    pub longest_sync: Duration,
}
