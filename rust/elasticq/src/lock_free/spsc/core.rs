//! What the two sides share: positions, notes, turns, and the end.

use super::consumer::Taker;
use super::segment::{Cursor, Segment};
use crate::config::Config;
use crate::elasticity::Elasticity;
use crate::error::{BufferError, BufferResult};
use crate::lock_free::discarded::Discarded;
use crate::lock_free::ending::{NOT_YET, drop_all};
use crate::lock_free::turns::ConsumerTurns;
use crate::stats::{QueueStats, Tally};
use crate::sync::barrier::rarely;
use crate::sync::{AtomicU64, AtomicUsize, Backoff, Cell, Ordering};
use crate::wait::{Signal, Waking, wake_each};
use crossbeam_utils::CachePadded;
use std::mem::replace;
use std::time::Duration;

/// The notes: what one side wants the other to know. They are zero nearly always, so that one comparison
/// tells that there is nothing to do but to put or take.
pub(super) const CLOSED: usize = 1;
pub(super) const CONSUMER_SLEEPS: usize = 2;
pub(super) const PRODUCER_SLEEPS: usize = 4;
/// The consumer has found few items in a large segment.
pub(super) const SPARSE: usize = 8;

/// Values of `producing`.
pub(super) const NOBODY: usize = 0;
const PRODUCER: usize = 1;
/// The consumer is shrinking the queue while no producer is at work.
pub(super) const CONSUMER: usize = 2;

/// `last` before it is settled.
pub(super) const OPEN: u64 = u64::MAX;

pub(in crate::lock_free) struct Core<T> {
    /// Items ever put in; written by the producer.
    pub(super) tail: CachePadded<AtomicU64>,
    /// Items ever taken; written by the consumer.
    pub(super) head: CachePadded<AtomicU64>,
    pub(super) notes: CachePadded<AtomicUsize>,
    /// What only the producer knows: where it is.
    maker: CachePadded<Cell<Cursor<T>>>,
    taker: CachePadded<Cell<Taker<T>>>,
    /// Which side has the `maker`.
    pub(super) producing: CachePadded<AtomicUsize>,
    /// Whether the `taker` is in use.
    pub(in crate::lock_free) consuming: CachePadded<ConsumerTurns>,
    /// Where a closed queue ends.
    pub(super) last: AtomicU64,
    /// How many items reached a consumer; `NOT_YET` as long as there is one.
    consumed: AtomicU64,
    pub(super) capacity: AtomicUsize,
    pub(super) grown: AtomicU64,
    pub(super) shrunk: AtomicU64,
    pub(in crate::lock_free) tally: CachePadded<Tally>,
    pub(in crate::lock_free) discarded: Discarded,
    pub(in crate::lock_free) items: Signal,
    pub(in crate::lock_free) room: Signal,
    pub(in crate::lock_free) elasticity: Elasticity,
    pub(super) push_timeout: Option<Duration>,
    pub(super) pop_timeout: Option<Duration>,
}

// SAFETY: items move from the producer's thread to the consumer's. One thread at a time uses each cell, which
// `producing` and `consuming`, or the one handle of each kind, see to. The pointers lead to segments, which
// the two sides share as `spsc` tells.
unsafe impl<T: Send> Send for Core<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Core<T> {}

impl<T> Core<T> {
    pub(super) fn new(config: &Config) -> BufferResult<Self> {
        config.validate()?;
        let capacity = config.initial_capacity;
        let elasticity = Elasticity::new(config);
        let first = Segment::new(capacity, elasticity.shrinks_below(capacity), 0).map_err(|_| {
            BufferError::InvalidConfiguration(format!(
                "initial_capacity = {capacity}: must be small enough for its slots to be allocated"
            ))
        })?;
        let first = Box::into_raw(first);
        Ok(Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            notes: CachePadded::new(AtomicUsize::new(0)),
            maker: CachePadded::new(Cell::new(Cursor::new(first))),
            taker: CachePadded::new(Cell::new(Taker::new(first))),
            producing: CachePadded::new(AtomicUsize::new(NOBODY)),
            consuming: CachePadded::new(ConsumerTurns::new()),
            last: AtomicU64::new(OPEN),
            consumed: AtomicU64::new(NOT_YET),
            capacity: AtomicUsize::new(capacity),
            grown: AtomicU64::new(0),
            shrunk: AtomicU64::new(0),
            tally: CachePadded::default(),
            discarded: Discarded::new(),
            items: Signal::new(),
            room: Signal::new(),
            elasticity,
            push_timeout: config.push_timeout,
            pop_timeout: config.pop_timeout,
        })
    }

    // ---- turns: the right to be one of the two sides

    /// The producer's turn, for one call.
    #[inline(always)]
    pub(in crate::lock_free) fn producer_turn(&self) -> BufferResult<ProducerTurn<'_, T>> {
        let backoff = Backoff::new();
        // Acquire: pairs with the end of the last turn.
        while let Err(owner) = self.producing.compare_exchange(NOBODY, PRODUCER, Ordering::Acquire, Ordering::Relaxed) {
            if owner == PRODUCER {
                return Err(BufferError::InvalidOperation(
                    "the queue has one producer, and another thread is putting in".into(),
                ));
            }
            backoff.snooze(); // the few steps of a shrink
        }
        Ok(ProducerTurn(self))
    }

    /// The consumer's turn, for one call.
    #[inline(always)]
    pub(super) fn consumer_turn(&self) -> BufferResult<ConsumerTurn<'_, T>> {
        self.consuming.take("the queue has one consumer, and another thread is taking")?;
        Ok(ConsumerTurn(self))
    }

    /// Takes something as the consumer, for one call, and then wakes the producer if it sleeps.
    #[inline(always)]
    pub(super) fn take_turn<R>(&self, take: impl FnOnce(&mut Taker<T>) -> BufferResult<R>) -> BufferResult<R> {
        let mut turn = self.consumer_turn()?;
        let taken = take(turn.taker());
        drop(turn);
        self.tell_producer();
        taken
    }

    /// Takes both turns for good: the handles are the two sides from now on. No turn may be under way.
    pub(super) fn give_turns_away(&self) {
        self.producing.store(PRODUCER, Ordering::Release);
        self.consuming.give_away();
    }

    /// # Safety
    /// The caller is the producer, and holds no other reference to the maker.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn maker(&self) -> &mut Cursor<T> {
        let maker = self.maker.with_mut(|maker| maker);
        // SAFETY: this function's own condition.
        unsafe { &mut *maker }
    }

    /// # Safety
    /// The caller is the consumer, and holds no other reference to the taker.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(in crate::lock_free) unsafe fn taker(&self) -> &mut Taker<T> {
        let taker = self.taker.with_mut(|taker| taker);
        // SAFETY: this function's own condition.
        unsafe { &mut *taker }
    }

    // ---- waiting

    /// Notes that a side has registered. The side has to look once more before it waits. If it then does not
    /// wait, it leaves the note there: the note costs the other side one look, which erases it.
    fn registered(&self, note: usize) {
        self.notes.fetch_or(note, Ordering::SeqCst);
        // Between noting it and looking. The other half: `often` in `publish` and in `tell_producer`.
        rarely();
    }

    /// To be called between registering for room and looking again.
    pub(in crate::lock_free) fn producer_registered(&self) {
        self.registered(PRODUCER_SLEEPS);
    }

    /// To be called between registering for an item and looking again.
    pub(in crate::lock_free) fn consumer_registered(&self) {
        self.registered(CONSUMER_SLEEPS);
    }

    /// Tells the waiters how many items and how many free places there are now. `note` is the note that was
    /// found.
    #[cold]
    pub(super) fn tell_who_waits(&self, note: usize) {
        self.notes.fetch_and(!note, Ordering::SeqCst);
        let mut waking = Waking::new();
        if self.tell(&mut waking) {
            // What another call, or a waker, has put in or taken meanwhile may have found no note.
            rarely();
            self.tell(&mut waking);
        }
        waking.finish();
    }

    /// Wakes as many waiters as can go on. If others are left (a forgotten waiter may have been woken in
    /// place of another), it notes them again and returns true.
    fn tell(&self, waking: &mut Waking) -> bool {
        let items = || self.len();
        let told = [self.items.told(items), self.room.told(|| self.elasticity.max() - items())];
        let mut are_left = false;
        for (told, note) in told.iter().zip([CONSUMER_SLEEPS, PRODUCER_SLEEPS]) {
            waking.wake(told);
            if told.signal().has_sleepers() {
                self.notes.fetch_or(note, Ordering::SeqCst);
                are_left = true;
            }
        }
        are_left
    }

    // ---- closing and looking

    /// Settles that the closed queue ends at `at`, unless the other side has settled its end before. Returns
    /// the end.
    pub(super) fn settle(&self, at: u64) -> u64 {
        match self.last.compare_exchange(OPEN, at, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => at,
            Err(settled) => settled,
        }
    }

    pub(super) fn close(&self) {
        self.notes.fetch_or(CLOSED, Ordering::SeqCst);
        wake_each([self.items.told_all(), self.room.told_all()]);
    }

    /// Drops what is left, for the consumer that goes.
    pub(super) fn abandon(&self, taker: &mut Taker<T>) {
        self.consumed.store(taker.cursor.position, Ordering::SeqCst);
        let mut closed = false;
        drop_all(|| {
            if !replace(&mut closed, true) {
                self.close(); // in here, so that a waker that panics leaves no item behind either
                self.find_end(taker);
            }
            self.pop(taker).ok().flatten()
        });
    }

    pub(super) fn is_closed(&self) -> bool {
        self.notes.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Items ever put in and ever taken.
    fn counts(&self) -> (u64, u64) {
        // In this order, since the tail never falls below the head.
        let head = self.head.load(Ordering::SeqCst);
        let tail = self.tail.load(Ordering::SeqCst).min(self.last.load(Ordering::SeqCst));
        // The head may have moved on since it was read, but the two are never further apart than this.
        (tail, head.max(tail.saturating_sub(self.elasticity.max() as u64)))
    }

    pub(in crate::lock_free) fn len(&self) -> usize {
        let (tail, head) = self.counts();
        to_usize(tail - head)
    }

    pub(in crate::lock_free) fn capacity(&self) -> usize {
        self.capacity.load(Ordering::SeqCst)
    }

    pub(in crate::lock_free) fn stats(&self) -> QueueStats {
        let settled = self.discarded.settled();
        let (tail, head) = self.counts();
        let consumed = head.min(self.consumed.load(Ordering::SeqCst));
        let dequeued = self.discarded.dequeued(consumed, settled);
        let dropped = head - consumed + settled;
        self.tally.add_to(QueueStats {
            messages_enqueued: tail,
            messages_dequeued: dequeued,
            messages_dropped: dropped,
            current_size: to_usize(tail - dequeued - dropped),
            current_capacity: self.capacity(),
            grown: self.grown.load(Ordering::Relaxed),
            shrunk: self.shrunk.load(Ordering::Relaxed),
            ..QueueStats::default()
        })
    }
}

/// The right to be the producer, taken for one call.
pub(in crate::lock_free) struct ProducerTurn<'a, T>(&'a Core<T>);

impl<T> ProducerTurn<'_, T> {
    #[inline(always)]
    pub(in crate::lock_free) fn maker(&mut self) -> &mut Cursor<T> {
        // SAFETY: `producing` gives the maker to one turn at a time.
        unsafe { self.0.maker() }
    }
}

impl<T> Drop for ProducerTurn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the next thread to take the turn sees what this one did.
        self.0.producing.store(NOBODY, Ordering::Release);
    }
}

/// The right to be the consumer, taken for one call.
pub(super) struct ConsumerTurn<'a, T>(&'a Core<T>);

impl<T> ConsumerTurn<'_, T> {
    #[inline(always)]
    pub(super) fn taker(&mut self) -> &mut Taker<T> {
        // SAFETY: `consuming` gives the taker to one turn at a time.
        unsafe { self.0.taker() }
    }
}

impl<T> Drop for ConsumerTurn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.consuming.end();
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        /// What is left. If the drop of one item panics, the items after it are dropped all the same, as in a
        /// `Vec`.
        struct Rest<'a, T>(&'a mut Taker<T>, &'a Core<T>);

        impl<T> Rest<'_, T> {
            fn drop_items(&mut self) {
                while let Ok(Some(item)) = self.1.pop(self.0) {
                    drop(item);
                }
            }
        }

        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                self.drop_items();
                // SAFETY: nobody is left to look at the last segment; the others were freed on the way to it.
                drop(unsafe { Box::from_raw(self.0.cursor.segment_pointer()) });
            }
        }

        self.give_turns_away(); // nothing is to be resized any more
        // SAFETY: no handle is left, so nobody else is the consumer.
        let taker = unsafe { self.taker() };
        Rest(taker, self).drop_items();
    }
}

#[inline(always)]
pub(super) fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
