//! What a queue has done so far.

/// A queue's counters and sizes at one moment.
///
/// The counters are derived from the queue's positions, so they cost the fast path nothing. Each has 64 bits, and begins anew
/// beyond them: which only refusals of batches of items without a size can reach, and sums over several levels of such items.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer};
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// buffer.push_batch(vec![1, 2, 3])?;
/// buffer.pop()?;
/// let stats = buffer.stats();
/// assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.current_size), (3, 1, 2));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct QueueStats {
    /// Items accepted since the queue was made.
    pub messages_enqueued: u64,
    /// Items that left the queue while it was in use: popped, drained, cleared or evicted. Those that were dropped because the
    /// last consumer went (see `split` of the queues without locks) are not among them: whatever was accepted and is neither
    /// in here nor inside is one of those.
    pub messages_dequeued: u64,
    /// Items that were offered and will reach no consumer: those that were refused (for want of room or memory, or because
    /// the queue was closed), which their senders still have; those that `force_push` and its kin evicted for newer ones; and
    /// those that were inside when the last consumer of a split queue went.
    pub messages_dropped: u64,
    /// Items in the queue now.
    pub current_size: usize,
    /// The logical capacity now, in items.
    pub current_capacity: usize,
    /// The most items the queue has held at once. The queues without locks do not keep it, since no side of theirs sees every
    /// length; there it is 0.
    pub peak_size: usize,
    /// How often the capacity grew.
    pub grown: u64,
    /// How often the capacity shrank.
    pub shrunk: u64,
}
