//! What the two ends share, and the algorithm.

use super::segment::{Cursor, Segment};
use crate::config::Config;
use crate::elasticity::Elasticity;
use crate::error::{BufferError, BufferResult, Rejected};
use crate::stats::QueueStats;
use crate::sync::barrier::{often, rarely};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Backoff, Cell, Ordering};
use crate::wait::{Signal, Waiter};
use crossbeam_utils::CachePadded;
use std::ptr;
use std::time::{Duration, Instant};

/// The notes: what one side wants the other to know. Zero nearly always, so that one comparison tells that all is well.
const CLOSED: usize = 1;
const CONSUMER_SLEEPS: usize = 2;
const PRODUCER_SLEEPS: usize = 4;
/// The consumer has found little in a large segment.
const SPARSE: usize = 8;

/// Values of `producing`.
const NOBODY: usize = 0;
const PRODUCER: usize = 1;
/// The consumer is shrinking the queue in the absence of a producer.
const CONSUMER: usize = 2;

/// `last` before it is settled.
const OPEN: u64 = u64::MAX;

pub(super) struct Core<T> {
    /// Items ever put in; written by the producer.
    tail: CachePadded<AtomicU64>,
    /// Items ever taken; written by the consumer.
    head: CachePadded<AtomicU64>,
    notes: CachePadded<AtomicUsize>,
    /// What only the producer knows: where it is.
    maker: CachePadded<Cell<Cursor<T>>>,
    taker: CachePadded<Cell<Taker<T>>>,
    /// Whose the `maker` is.
    producing: CachePadded<AtomicUsize>,
    /// Whether the `taker` is in use.
    consuming: CachePadded<AtomicBool>,
    /// Where a closed queue ends.
    last: AtomicU64,
    capacity: AtomicUsize,
    grown: AtomicU64,
    shrunk: AtomicU64,
    refused: CachePadded<AtomicU64>,
    items: Signal,
    room: Signal,
    elasticity: Elasticity,
    pub(super) push_timeout: Option<Duration>,
    pub(super) pop_timeout: Option<Duration>,
}

/// What only the consumer knows.
pub(super) struct Taker<T> {
    cursor: Cursor<T>,
    /// It has seen that the queue is closed, and passed a barrier since.
    knows_closed: bool,
    /// Where the queue ends, once that is settled: what may be written there is not for the consumer.
    last: u64,
}

// SAFETY: items move from the producer's thread to the consumer's; the cells are used by one thread at a time, which
// `producing` and `consuming` or the one handle of each kind see to; the pointers are to segments, shared as told above.
unsafe impl<T: Send> Send for Core<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Core<T> {}

/// What the consumer finds where nothing more is known to be.
#[derive(PartialEq)]
enum Found {
    Items,
    Nothing,
    End,
}

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
        let taker = Taker { cursor: Cursor::new(first), knows_closed: false, last: OPEN };
        Ok(Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            notes: CachePadded::new(AtomicUsize::new(0)),
            maker: CachePadded::new(Cell::new(Cursor::new(first))),
            taker: CachePadded::new(Cell::new(taker)),
            producing: CachePadded::new(AtomicUsize::new(NOBODY)),
            consuming: CachePadded::new(AtomicBool::new(false)),
            last: AtomicU64::new(OPEN),
            capacity: AtomicUsize::new(capacity),
            grown: AtomicU64::new(0),
            shrunk: AtomicU64::new(0),
            refused: CachePadded::new(AtomicU64::new(0)),
            items: Signal::new(),
            room: Signal::new(),
            elasticity,
            push_timeout: config.push_timeout,
            pop_timeout: config.pop_timeout,
        })
    }

    // ---- the right to be one of the two

    /// For one call.
    #[inline(always)]
    pub(super) fn producer_turn(&self) -> BufferResult<ProducerTurn<'_, T>> {
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

    /// For one call.
    #[inline(always)]
    pub(super) fn consumer_turn(&self) -> BufferResult<ConsumerTurn<'_, T>> {
        if self.consuming.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Err(BufferError::InvalidOperation(
                "the queue has one consumer, and another thread is taking".into(),
            ));
        }
        Ok(ConsumerTurn(self))
    }

    /// For good: the handles are the two sides from now on. No turn may be under way.
    pub(super) fn give_turns_away(&self) {
        self.producing.store(PRODUCER, Ordering::Release);
        self.consuming.store(true, Ordering::Release);
    }

    /// # Safety
    /// The caller is the producer, and holds no other reference to it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn maker(&self) -> &mut Cursor<T> {
        let maker = self.maker.with_mut(|maker| maker);
        // SAFETY: this function's own condition.
        unsafe { &mut *maker }
    }

    /// # Safety
    /// The caller is the consumer, and holds no other reference to it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn taker(&self) -> &mut Taker<T> {
        let taker = self.taker.with_mut(|taker| taker);
        // SAFETY: this function's own condition.
        unsafe { &mut *taker }
    }

    // ---- the producer

    #[inline(always)]
    fn push(&self, maker: &mut Cursor<T>, item: T) -> Result<(), Rejected<T>> {
        if self.notes.load(Ordering::Relaxed) != 0 || maker.position >= maker.limit {
            return self.push_with_care(maker, item);
        }
        // SAFETY: there is room, and the caller is the producer.
        unsafe { maker.write(item) };
        if self.publish(maker) { Ok(()) } else { Err(self.take_back(maker)) }
    }

    #[cold]
    fn push_with_care(&self, maker: &mut Cursor<T>, item: T) -> Result<(), Rejected<T>> {
        if let Err(reason) = self.make_room(maker, 1) {
            return Err(Rejected::new(reason, item));
        }
        // SAFETY: there is room, and the caller is the producer.
        unsafe { maker.write(item) };
        if self.publish(maker) { Ok(()) } else { Err(self.take_back(maker)) }
    }

    #[cold]
    fn take_back(&self, maker: &mut Cursor<T>) -> Rejected<T> {
        // SAFETY: written just now; the queue has ended before it.
        let item = unsafe { maker.take_back() };
        Rejected::new(BufferError::Closed, item)
    }

    /// Adds all of `items`, or none of them.
    fn push_all(&self, maker: &mut Cursor<T>, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let count = items.len();
        if count == 0 {
            return Ok(());
        }
        let end = maker.position.saturating_add(count as u64);
        let plain = self.notes.load(Ordering::Relaxed) == 0 && end <= maker.limit;
        if !plain {
            if let Err(reason) = self.make_room(maker, count) {
                return Err(Rejected::new(reason, items));
            }
        }
        for item in items {
            if maker.position == maker.limit {
                maker.set_limit(end); // the lap has ended, the room has not
            }
            // SAFETY: there is room for all of them, and the caller is the producer.
            unsafe { maker.write(item) };
        }
        if self.publish(maker) {
            return Ok(());
        }
        // SAFETY: written just now, into one segment; the queue has ended before them.
        let mut items: Vec<_> = (0..count).map(|_| unsafe { maker.take_back() }).collect();
        items.reverse();
        Err(Rejected::new(BufferError::Closed, items))
    }

    /// Shows the consumer what was written, and wakes it if it sleeps. False: the queue was closed before it got there, and
    /// the consumer will not look at it.
    #[inline(always)]
    fn publish(&self, maker: &Cursor<T>) -> bool {
        // Release: who sees the tail sees the items below it, and the links of segments that ended before it.
        self.tail.store(maker.position, Ordering::Release);
        // Between publishing and looking at the notes. The other half: `rarely` in `pop_until` and in `search`.
        often();
        self.notes.load(Ordering::Relaxed) == 0 || self.published_with_notes(maker.position)
    }

    #[cold]
    fn published_with_notes(&self, tail: u64) -> bool {
        let notes = self.notes.load(Ordering::SeqCst);
        if notes & CONSUMER_SLEEPS != 0 {
            self.notes.fetch_and(!CONSUMER_SLEEPS, Ordering::SeqCst);
            self.items.wake(1);
        }
        // Closed meanwhile: the consumer may have found the end already. If not, it is here.
        notes & CLOSED == 0 || self.settle(tail) >= tail
    }

    /// Where the closed queue ends: at `at`, unless the other side has said otherwise before.
    fn settle(&self, at: u64) -> u64 {
        match self.last.compare_exchange(OPEN, at, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => at,
            Err(settled) => settled,
        }
    }

    /// Sees to it that `count` more items fit: looks where the consumer is, shrinks or grows.
    fn make_room(&self, maker: &mut Cursor<T>, count: usize) -> BufferResult<()> {
        let notes = self.notes.load(Ordering::SeqCst);
        if notes & CLOSED != 0 {
            return Err(BufferError::Closed);
        }
        if notes & SPARSE != 0 {
            self.notes.fetch_and(!SPARSE, Ordering::SeqCst);
        }
        // Acquire: what the consumer has taken may be written over.
        let head = self.head.load(Ordering::Acquire);
        let len = to_usize(maker.position - head);
        let needed = len.saturating_add(count);
        if needed > maker.segment().capacity {
            self.grow(maker, len, needed)?;
        } else if len < maker.segment().sparse {
            self.shrink(maker, len, needed);
        }
        maker.set_limit(head.saturating_add(maker.segment().capacity as u64));
        Ok(())
    }

    fn grow(&self, maker: &mut Cursor<T>, len: usize, needed: usize) -> BufferResult<()> {
        let max = self.elasticity.max();
        if needed > max {
            let batch_could_fit = needed - len <= max && len < max;
            return Err(if batch_could_fit { BufferError::Full } else { BufferError::MaxCapacityReached(max) });
        }
        // Where the memory for a whole step can't be had, what is needed will do.
        let grown = self.elasticity.grown(maker.segment().capacity, needed);
        self.move_on(maker, grown).or_else(|_| self.move_on(maker, needed))?;
        self.grown.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Shrinks as far as a queue of `len` items that is to hold `needed` does; whether it did. Without memory for a smaller
    /// segment it does not.
    fn shrink(&self, maker: &mut Cursor<T>, len: usize, needed: usize) -> bool {
        let capacity = maker.segment().capacity;
        let mut shrunk = self.elasticity.shrunk(capacity, len);
        if shrunk < needed {
            shrunk = self.elasticity.shrunk(capacity, needed);
        }
        let shrinks = shrunk < capacity && self.move_on(maker, shrunk).is_ok();
        if shrinks {
            self.shrunk.fetch_add(1, Ordering::Relaxed);
        }
        shrinks
    }

    /// Goes on in a new segment of `capacity`. The old one takes no more.
    fn move_on(&self, maker: &mut Cursor<T>, capacity: usize) -> BufferResult<()> {
        let fresh = Segment::new(capacity, self.elasticity.shrinks_below(capacity), maker.position)?;
        let fresh = Box::into_raw(fresh);
        maker.segment().link(fresh, maker.position);
        maker.enter(fresh);
        self.capacity.store(capacity, Ordering::Relaxed);
        Ok(())
    }

    /// Adds an item, waiting for room.
    fn push_within(&self, maker: &mut Cursor<T>, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let deadline = Instant::now().checked_add(timeout);
        let (mut item, mut sleeper, mut expired) = (item, None, false);
        loop {
            item = match self.push(maker, item) {
                Err(rejected) if rejected.reason().is_capacity_error() => rejected.into_inner(),
                settled => return settled,
            };
            match sleeper.take() {
                None if expired => return Err(Rejected::new(BufferError::Timeout(timeout), item)),
                None => sleeper = Some(Sleeper::new(&self.room, &self.notes, PRODUCER_SLEEPS)),
                Some(mut sleeper) => expired = !sleeper.waiter.wait_until(deadline),
            }
        }
    }

    // The same three, with what is refused counted.

    #[inline(always)]
    pub(super) fn offer(&self, maker: &mut Cursor<T>, item: T) -> Result<(), Rejected<T>> {
        match self.push(maker, item) {
            Ok(()) => Ok(()),
            Err(rejected) => Err(self.count_refused(1, rejected)),
        }
    }

    pub(super) fn offer_batch(&self, maker: &mut Cursor<T>, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        self.push_all(maker, items).map_err(|rejected| self.count_refused(rejected.item().len(), rejected))
    }

    pub(super) fn offer_within(&self, maker: &mut Cursor<T>, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        self.push_within(maker, item, timeout).map_err(|rejected| self.count_refused(1, rejected))
    }

    #[cold]
    fn count_refused<I>(&self, items: usize, rejected: Rejected<I>) -> Rejected<I> {
        self.refused.fetch_add(items as u64, Ordering::Relaxed);
        rejected
    }

    // ---- the consumer

    /// The next item; `Closed` when there will be none.
    #[inline(always)]
    pub(super) fn pop(&self, taker: &mut Taker<T>) -> BufferResult<Option<T>> {
        if taker.cursor.position >= taker.cursor.limit && !self.look(taker) {
            match self.search(taker) {
                Found::Items => {}
                Found::Nothing => return Ok(None),
                Found::End => return Err(BufferError::Closed),
            }
        }
        // SAFETY: published, and the caller is the consumer.
        let item = unsafe { taker.cursor.take() };
        self.release(taker);
        Ok(Some(item))
    }

    /// Up to `max_items`, oldest first.
    pub(super) fn pop_many(&self, taker: &mut Taker<T>, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        while items.len() < max_items {
            if taker.cursor.position >= taker.cursor.limit && !self.look(taker) {
                match self.search(taker) {
                    Found::Items => {}
                    Found::End if items.is_empty() => return Err(BufferError::Closed),
                    Found::Nothing | Found::End => break,
                }
            }
            let there = to_usize(taker.cursor.limit - taker.cursor.position);
            let count = there.min(max_items - items.len());
            if items.try_reserve(count).is_err() {
                if items.is_empty() {
                    return Err(BufferError::ResizeError(format!("no memory for a batch of {count} items")));
                }
                break;
            }
            // SAFETY: published, and the caller is the consumer.
            items.extend((0..count).map(|_| unsafe { taker.cursor.take() }));
            self.release(taker);
        }
        Ok(items)
    }

    /// Shows the producer how far the consumer is, and wakes it if it sleeps.
    #[inline(always)]
    fn release(&self, taker: &Taker<T>) {
        // Release: who sees the head sees that the slots below it were read.
        self.head.store(taker.cursor.position, Ordering::Release);
        // Between making room and looking at the notes. The other half: `rarely` in `push_within`.
        often();
        if self.notes.load(Ordering::Relaxed) & PRODUCER_SLEEPS != 0 {
            self.wake_producer();
        }
    }

    #[cold]
    fn wake_producer(&self) {
        self.notes.fetch_and(!PRODUCER_SLEEPS, Ordering::SeqCst);
        self.room.wake(1);
    }

    /// How far the producer is, as far as that is the consumer's business.
    #[inline(always)]
    fn published(&self, taker: &Taker<T>) -> u64 {
        // Acquire: pairs with `publish`. Links made before an item was published are seen with it, so what is below this tail,
        // and not beyond the end of a segment that has one, is in that segment.
        self.tail.load(Ordering::Acquire).min(taker.last)
    }

    /// Looks whether there is more in the segment; false: not as far as one can tell at a glance.
    #[inline(always)]
    fn look(&self, taker: &mut Taker<T>) -> bool {
        let tail = self.published(taker);
        let plain = tail != taker.cursor.position && taker.cursor.segment().next().is_none();
        if plain {
            taker.cursor.set_limit(tail);
        }
        plain
    }

    /// Looks through the chain for more, freeing what is drained.
    #[cold]
    fn search(&self, taker: &mut Taker<T>) -> Found {
        loop {
            let tail = self.published(taker);
            let cursor = &mut taker.cursor;
            let limit = match cursor.segment().next() {
                Some((next, end)) if end == cursor.position => {
                    // SAFETY: it is the consumer's, and has reached the end.
                    drop(unsafe { cursor.leave_for(next) });
                    continue;
                }
                Some((_, end)) => tail.min(end),
                None => tail,
            };
            if cursor.position < limit {
                cursor.set_limit(limit);
                return Found::Items;
            }
            if cursor.segment().sparse > 0 && self.ask_to_shrink(cursor.position) {
                continue;
            }
            if self.notes.load(Ordering::SeqCst) & CLOSED == 0 {
                return Found::Nothing;
            }
            if taker.knows_closed {
                // A push that was under way may have settled it, and then its item is here.
                taker.last = self.settle(cursor.position);
                if taker.last == cursor.position {
                    return Found::End;
                }
            } else {
                // After it, every push that has not seen the note is seen here; one that has seen it settles the end.
                rarely();
                taker.knows_closed = true;
            }
        }
    }

    /// Shrinks the queue if no producer is about, or else asks the producer to do it; whether it did.
    #[cold]
    fn ask_to_shrink(&self, head: u64) -> bool {
        if self.producing.compare_exchange(NOBODY, CONSUMER, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            // SAFETY: the turn is taken.
            let maker = unsafe { self.maker() };
            let len = to_usize(maker.position - head);
            let shrinks = self.shrink(maker, len, len);
            self.producing.store(NOBODY, Ordering::Release);
            return shrinks;
        }
        if self.notes.load(Ordering::Relaxed) & SPARSE == 0 {
            self.notes.fetch_or(SPARSE, Ordering::SeqCst);
        }
        false
    }

    /// The next item, waiting for it until `deadline`; `None` waits for ever.
    pub(super) fn pop_until(&self, taker: &mut Taker<T>, deadline: Option<Instant>) -> BufferResult<Option<T>> {
        let (mut sleeper, mut expired) = (None, false);
        loop {
            if let Some(item) = self.pop(taker)? {
                return Ok(Some(item));
            }
            match sleeper.take() {
                None if expired => return Ok(None),
                None => sleeper = Some(Sleeper::new(&self.items, &self.notes, CONSUMER_SLEEPS)),
                Some(mut sleeper) => expired = !sleeper.waiter.wait_until(deadline),
            }
        }
    }

    // ---- everybody

    pub(super) fn close(&self) {
        self.notes.fetch_or(CLOSED, Ordering::SeqCst);
        self.items.wake(usize::MAX);
        self.room.wake(usize::MAX);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.notes.load(Ordering::SeqCst) & CLOSED != 0
    }

    pub(super) fn stats(&self) -> QueueStats {
        // In this order, since the tail never falls below the head.
        let head = self.head.load(Ordering::SeqCst);
        let tail = self.tail.load(Ordering::SeqCst).min(self.last.load(Ordering::SeqCst));
        let capacity = self.capacity.load(Ordering::SeqCst);
        QueueStats {
            messages_enqueued: tail,
            messages_dequeued: head,
            messages_dropped: self.refused.load(Ordering::Relaxed),
            // What went in and out between the two looks was never in it at once.
            current_size: to_usize(tail - head).min(self.elasticity.max()),
            current_capacity: capacity,
            peak_size: 0,
            grown: self.grown.load(Ordering::Relaxed),
            shrunk: self.shrunk.load(Ordering::Relaxed),
        }
    }
}

/// A side that is about to sleep, and has said so. Look once more after making one, then wait.
struct Sleeper<'a> {
    waiter: Waiter<'a>,
    notes: &'a AtomicUsize,
    note: usize,
}

impl<'a> Sleeper<'a> {
    fn new(signal: &'a Signal, notes: &'a AtomicUsize, note: usize) -> Self {
        let waiter = signal.waiter();
        notes.fetch_or(note, Ordering::SeqCst);
        // Between saying so and looking. The other half: `often` in `publish` and in `release`.
        rarely();
        Self { waiter, notes, note }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.notes.fetch_and(!self.note, Ordering::SeqCst);
    }
}

/// The right to be the producer, taken for one call.
pub(super) struct ProducerTurn<'a, T>(&'a Core<T>);

impl<T> ProducerTurn<'_, T> {
    #[inline(always)]
    pub(super) fn maker(&mut self) -> &mut Cursor<T> {
        // SAFETY: `producing` gives it to one turn at a time.
        unsafe { self.0.maker() }
    }
}

impl<T> Drop for ProducerTurn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the next to take the turn sees what this one did.
        self.0.producing.store(NOBODY, Ordering::Release);
    }
}

/// The right to be the consumer, taken for one call.
pub(super) struct ConsumerTurn<'a, T>(&'a Core<T>);

impl<T> ConsumerTurn<'_, T> {
    #[inline(always)]
    pub(super) fn taker(&mut self) -> &mut Taker<T> {
        // SAFETY: `consuming` gives it to one turn at a time.
        unsafe { self.0.taker() }
    }
}

impl<T> Drop for ConsumerTurn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: as above.
        self.0.consuming.store(false, Ordering::Release);
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        /// What is left. If the drop of an item panics, those after it are dropped all the same, as in a `Vec`.
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
                drop(unsafe { Box::from_raw(ptr::from_ref(self.0.cursor.segment()).cast_mut()) });
            }
        }

        self.give_turns_away(); // nothing is to be resized any more
        // SAFETY: no handle is left, so nobody else is the consumer.
        let taker = unsafe { self.taker() };
        Rest(taker, self).drop_items();
    }
}

#[inline(always)]
fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
