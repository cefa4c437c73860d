//! What a queue has done so far.

/// A queue's counters and sizes at one moment.
///
/// The counters are derived from the queue's positions, so they cost the fast path nothing. Each has 64 bits,
/// and starts again at zero beyond them. Only two counts can get so far: that of refused items, with batches
/// of items without a size, and sums over several levels of such items.
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
    /// Items that left the queue while it was in use: popped, drained, cleared or evicted. Not counted are
    /// items that were dropped because the last consumer went (see `split` of the queues without locks).
    /// Those are the accepted items that are neither counted here nor still inside.
    pub messages_dequeued: u64,
    /// Items that were offered and will reach no consumer. They are: items that were refused, for lack of
    /// room or memory or because the queue was closed (their senders still have them); items that
    /// `force_push` and similar methods evicted for newer ones; and items that were inside when the last
    /// consumer of a split queue went.
    pub messages_dropped: u64,
    /// Items in the queue now.
    pub current_size: usize,
    /// The logical capacity now, in items.
    pub current_capacity: usize,
    /// The most items that the queue has held at once. The queues without locks do not keep this number,
    /// since neither of their sides sees every length; there it is 0.
    pub peak_size: usize,
    /// How often the capacity grew.
    pub grown: u64,
    /// How often the capacity shrank.
    pub shrunk: u64,
}
