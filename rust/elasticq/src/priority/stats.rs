//! What a buffer with levels has done so far.

use std::time::Duration;

/// The counters and sizes of a [`PriorityCircularBuffer`](super::PriorityCircularBuffer) at one moment, in
/// all and by priority.
///
/// Each vector has an entry per level, and starts with that of priority 0. The numbers of items pushed and
/// popped are derived from positions, so they cost the fast path nothing. For the sizes of the buffer as a
/// whole see [`Buffer::stats`](crate::Buffer::stats).
///
/// # Examples
/// ```
/// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
///
/// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
/// buffer.push_batch_with_priority(vec!["a", "b"], 2)?;
/// buffer.push_with_priority("c", 0)?;
/// buffer.pop()?;
/// let stats = buffer.stats();
/// assert_eq!((stats.total_pushed, stats.total_popped), (3, 1));
/// assert_eq!(stats.pushed_per_priority, [1, 0, 2]);
/// assert_eq!(stats.len_per_priority, [1, 0, 1]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PriorityStats {
    /// Items accepted since the buffer was made.
    pub total_pushed: u64,
    /// Items that somebody was given: popped or drained. Always `total_pushed = total_popped + total_dropped`
    /// plus those inside, for each level as in all.
    pub total_popped: u64,
    /// Accepted items that nobody will ever get: cleared, or dropped on arrival by a layer above.
    pub total_dropped: u64,
    /// Items that were refused (for want of room or memory, or because the buffer was closed); their senders
    /// still have them.
    pub total_refused: u64,
    /// Items accepted.
    pub pushed_per_priority: Vec<u64>,
    /// Items that somebody was given.
    pub popped_per_priority: Vec<u64>,
    /// Accepted items that nobody will ever get.
    pub dropped_per_priority: Vec<u64>,
    /// Items refused.
    pub refused_per_priority: Vec<u64>,
    /// Items there now.
    pub len_per_priority: Vec<usize>,
    /// How long the oldest item there has waited; `None` if there is none. Empty unless
    /// [`age_statistics`](super::PriorityConfig::age_statistics) or
    /// [`max_wait`](super::PriorityConfig::max_wait) is on.
    pub oldest_per_priority: Vec<Option<Duration>>,
}
