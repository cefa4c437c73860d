//! What a buffer tells of itself beside its counters, for the layer of metrics.

use std::time::Duration;

/// What [`Parts::report`](super::Parts::report) fills in. It is there for this crate's own layers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// What is known of the age of the oldest item.
    pub oldest: Oldest,
    /// Figures that only some kinds of buffers have.
    pub figures: Vec<Figure>,
}

/// What a buffer knows of the age of its oldest item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oldest {
    /// It keeps no times. Its items leave in the order in which they came.
    #[default]
    InOrder,
    /// It keeps no times, and its items leave in another order.
    Unknown,
    /// It keeps times: this is the age, `None` if there are no items.
    Known(Option<Duration>),
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figure {
    /// What it says.
    pub what: What,
    /// The level that it is about, in a buffer with levels.
    pub level: Option<usize>,
    /// The figure.
    pub value: u64,
}

/// What a figure says. What a level has enqueued, dequeued, dropped or refused only grows, as do the syncs
/// and their time, and what opening found is counted once for each opening. All others are as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// Items of a level now.
    LevelDepth,
    /// Items that a level accepted.
    LevelEnqueued,
    /// Items that were taken from a level.
    LevelDequeued,
    /// Items of a level that nobody will get.
    LevelDropped,
    /// Items that a level refused.
    LevelRefused,
    /// Items that are leased now, and neither acknowledged nor given back.
    Leased,
    /// Items that can be taken only later.
    Delayed,
    /// Items in the list of dead letters.
    Dead,
    /// Files of the log now.
    Segments,
    /// Bytes that the files take on the disk.
    BytesOnDisk,
    /// Records in the log now.
    LogEntries,
    /// Records that were found when the queue was opened.
    RecoveredEntries,
    /// Bytes at the log's end that were torn when the queue was opened.
    TornBytes,
    /// Syncs of the log to the disk since the queue was opened.
    Syncs,
    /// How long they took, all together, in nanoseconds.
    SyncNanoseconds,
    /// How long the longest of them took, in nanoseconds.
    LongestSyncNanoseconds,
}

impl What {
    /// The figure of two buffers together.
    #[cfg(all(feature = "metrics", not(loom)))]
    pub(crate) fn of_both(self, one: u64, other: u64) -> u64 {
        match self {
            Self::LongestSyncNanoseconds => one.max(other),
            _ => one.saturating_add(other),
        }
    }
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, what: What, level: Option<usize>, value: u64) {
        self.figures.push(Figure { what, level, value });
    }
}
