//! The settings of a durable queue.

use crate::config::{Config, check};
use crate::error::BufferResult;
use std::path::PathBuf;
use std::time::Duration;

/// When what was written is made to survive a power cut. What was written survives the end of the process, by
/// SIGKILL too, in every mode.
///
/// # Examples
/// ```
/// use elasticq::persistent::SyncMode;
/// use std::time::Duration;
///
/// assert_eq!(SyncMode::default(), SyncMode::Periodic(Duration::from_secs(1)));
/// assert_ne!(SyncMode::NoSync, SyncMode::EveryWrite); // least and most durable
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncMode {
    /// When the operating system sees fit, or at [`sync`](super::PersistentCircularBuffer::sync).
    NoSync,
    /// Once in such a time, from a thread of the queue.
    Periodic(Duration),
    /// Before each call returns that puts something in or takes something out. Calls that run at the same
    /// moment share a sync.
    EveryWrite,
}

impl Default for SyncMode {
    fn default() -> Self {
        Self::Periodic(Duration::from_secs(1))
    }
}

/// The settings of a [`PersistentCircularBuffer`](super::PersistentCircularBuffer).
///
/// # Examples
/// ```
/// use elasticq::Config;
/// use elasticq::persistent::{PersistentConfig, SyncMode};
///
/// let config = PersistentConfig::default()
///     .with_file_path("jobs")
///     .with_sync_mode(SyncMode::EveryWrite)
///     .with_max_log_entries(10_000)
///     .with_max_bytes(1 << 30)
///     .with_segment_bytes(4 << 20)
///     .with_id_window(1_000)
///     .with_max_deliveries(5)
///     .with_base_config(Config::default().with_max_capacity(1_000_000));
/// assert_eq!((config.max_deliveries, config.base.max_capacity), (5, 1_000_000));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PersistentConfig {
    /// The queue's directory. It is made if it does not exist; its parent must exist.
    pub file_path: PathBuf,
    /// When what was written is made durable.
    pub sync_mode: SyncMode,
    /// So many records that nobody needs any more may stay in the files before the queue compacts them.
    pub max_log_entries: usize,
    /// The most bytes that the files may take; 0: as many as the disk has. A push that needs more is refused.
    /// Consumers may go beyond that by as much as the state of the queue takes, since what they write makes
    /// room.
    pub max_bytes: u64,
    /// The most bytes of one file, at least 64 KiB. Files grow up to this; one that has to hold a larger item
    /// is larger.
    pub segment_bytes: u64,
    /// How many of the latest names of items are known; see
    /// [`push_with`](super::PersistentCircularBuffer::push_with).
    pub id_window: usize,
    /// How often an item is leased at most before it is dead; 0: without a limit.
    pub max_deliveries: u32,
    /// `max_capacity` bounds the number of items; `push_timeout` and `pop_timeout` are used as in other
    /// buffers.
    pub base: Config,
}

impl Default for PersistentConfig {
    fn default() -> Self {
        Self {
            file_path: PathBuf::from("elasticq_buffer"),
            sync_mode: SyncMode::default(),
            max_log_entries: 100_000,
            max_bytes: 0,
            segment_bytes: 16 << 20,
            id_window: 10_000,
            max_deliveries: 0,
            base: Config::default(),
        }
    }
}

/// The smallest that a segment may be told to be.
pub(super) const SMALLEST_SEGMENT: u64 = 64 << 10;

impl PersistentConfig {
    /// Sets the queue's directory.
    #[must_use]
    pub fn with_file_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.file_path = path.into();
        self
    }

    /// Sets when what was written is made durable.
    #[must_use]
    pub const fn with_sync_mode(mut self, mode: SyncMode) -> Self {
        self.sync_mode = mode;
        self
    }

    /// Sets how many records that nobody needs may stay before the queue compacts its files.
    #[must_use]
    pub const fn with_max_log_entries(mut self, entries: usize) -> Self {
        self.max_log_entries = entries;
        self
    }

    /// Sets the most bytes that the files may take; 0: as many as the disk has.
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the most bytes of one file.
    #[must_use]
    pub const fn with_segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Sets how many of the latest names of items are known.
    #[must_use]
    pub const fn with_id_window(mut self, ids: usize) -> Self {
        self.id_window = ids;
        self
    }

    /// Sets how often an item is leased at most before it is dead; 0: without a limit.
    #[must_use]
    pub const fn with_max_deliveries(mut self, deliveries: u32) -> Self {
        self.max_deliveries = deliveries;
        self
    }

    /// Sets what all buffers have: the most items, and timeouts.
    #[must_use]
    pub fn with_base_config(mut self, config: Config) -> Self {
        self.base = config;
        self
    }

    /// The most bytes of one file that these settings allow.
    pub(super) fn largest_segment(&self) -> u64 {
        let within = if self.max_bytes > 0 { self.max_bytes / 4 } else { u64::MAX };
        self.segment_bytes.min(within).max(SMALLEST_SEGMENT)
    }

    /// # Errors
    /// `InvalidConfiguration`, naming the field, its value and the rule.
    pub(super) fn check(&self) -> BufferResult<()> {
        self.base.validate()?;
        let Self { max_log_entries: entries, segment_bytes: segment, max_bytes: bytes, .. } = *self;
        let periodic = self.sync_mode != SyncMode::Periodic(Duration::ZERO);
        check(periodic, "sync_mode", "Periodic(0ns)", "must have a time longer than zero")?;
        check(entries > 0, "max_log_entries", entries, "must be at least 1")?;
        let rule = format!("must be at least {SMALLEST_SEGMENT}");
        check(segment >= SMALLEST_SEGMENT, "segment_bytes", segment, &rule)?;
        let least = 4 * SMALLEST_SEGMENT;
        check(bytes == 0 || bytes >= least, "max_bytes", bytes, format!("must be 0 or at least {least}"))?;
        check(!self.file_path.as_os_str().is_empty(), "file_path", "''", "must be the path of a directory")
    }
}
