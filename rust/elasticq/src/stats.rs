//! What a queue has done so far.

use crate::sync::{AtomicU64, Ordering};

/// A queue's counters and sizes at one moment.
///
/// Always `messages_enqueued = messages_dequeued + messages_dropped + current_size`. A queue without locks is
/// read while other threads go on, so there a call that runs at the same moment may be in one number and not
/// yet in another. An item that is being cleared counts as inside until it counts as dropped, and never as
/// dequeued; so `current_size` may be more than the queue holds for as long as the call takes.
///
/// The counters are derived from the queue's positions, so they cost the fast path nothing. Each has 64 bits,
/// and starts again at zero beyond them. Only batches of items without a size get so far.
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
/// buffer.clear();
/// assert_eq!(buffer.stats().messages_dropped, 2);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct QueueStats {
    /// Items accepted since the queue was made.
    pub messages_enqueued: u64,
    /// Items that somebody was given: popped or drained.
    pub messages_dequeued: u64,
    /// Accepted items that nobody will ever get. They were cleared; or `force_push` and similar methods
    /// evicted them for newer ones; or they were inside when the last consumer of a split queue went; or a
    /// layer above accepts items that there is no room for, and drops them on arrival.
    pub messages_dropped: u64,
    /// Items that were refused, for lack of room or memory or because the queue was closed. They were never
    /// in the queue: the methods that hand a refused item back leave it with its sender. A sender that tries
    /// again and again within one call is refused once, at the end.
    pub messages_refused: u64,
    /// Items in the queue now.
    pub current_size: usize,
    /// The logical capacity now, in items.
    pub current_capacity: usize,
    /// The most items that the queue has held at once. `None` in the queues without locks, since neither of
    /// their sides sees every length.
    pub peak_size: Option<usize>,
    /// How often the capacity grew.
    pub grown: u64,
    /// How often the capacity shrank.
    pub shrunk: u64,
}

/// What the positions do not tell: what became of items that were not given to anybody.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    refused: AtomicU64,
    /// Items that were taken out and given to nobody.
    dropped: AtomicU64,
    /// Items that were dropped instead of being put in.
    on_arrival: AtomicU64,
}

// Relaxed everywhere: the numbers order nothing.
impl Tally {
    #[cold]
    pub(crate) fn note_refused(&self, items: usize) {
        self.refused.fetch_add(items as u64, Ordering::Relaxed);
    }

    #[cold]
    pub(crate) fn note_dropped(&self, items: usize) {
        self.dropped.fetch_add(items as u64, Ordering::Relaxed);
    }

    #[cold]
    pub(crate) fn note_dropped_on_arrival(&self, items: usize) {
        self.on_arrival.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Forgets what became of accepted items. Refusals stay.
    pub(crate) fn restart(&self) {
        self.dropped.store(0, Ordering::Relaxed);
        self.on_arrival.store(0, Ordering::Relaxed);
    }

    /// Completes what the positions tell: how many items were put in, and how many left in whatever way (as
    /// `messages_dequeued`).
    pub(crate) fn add_to(&self, told: QueueStats) -> QueueStats {
        // The positions start again at zero beyond 64 bits, perhaps while `dropped` goes on.
        let dropped = self.dropped.load(Ordering::Relaxed).min(told.messages_dequeued);
        let on_arrival = self.on_arrival.load(Ordering::Relaxed);
        QueueStats {
            messages_enqueued: told.messages_enqueued.wrapping_add(on_arrival),
            messages_dequeued: told.messages_dequeued - dropped,
            messages_dropped: told.messages_dropped.wrapping_add(dropped).wrapping_add(on_arrival),
            messages_refused: self.refused.load(Ordering::Relaxed),
            ..told
        }
    }
}
