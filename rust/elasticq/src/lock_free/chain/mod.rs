//! The producers' side of the queues of many producers, and what producers and consumers share.
//!
//! ```text
//! tail     | position: 62 bits | SEALED | CLOSED |   the position to be claimed next
//! current  the segment that the producers claim in
//! ```
//!
//! **Push.** A producer reads `tail` (or guesses it, see `guess`), then `current`, then the `limit` of that
//! segment. Below the limit, it claims the position with a CAS of `tail` from the very value that it read.
//! Then it writes the item and publishes it by storing the slot's stamp. A position is never used twice, so
//! the CAS succeeds only if `tail` has not moved since the producer read it. `tail` moves whenever a segment
//! ends, so the segment is the right one. **The claim protects the segment** until the publishing store: no
//! consumer can pass a claimed slot.
//!
//! **Room.** The `limit` of a segment is `popped + capacity + skipped`: the first position whose item would
//! be one too many. It is less where slots are still being read (see below). The consumers renew the limit
//! every capacity/8 items and whenever they find nothing. A producer at the limit computes it anew, and
//! raises it where there is room for other producers too. So a push is refused only if there is no room, or
//! if the consumers are moving and have made room for fewer than capacity/8 items since they last renewed the
//! limit.
//!
//! **Slots that are being read** keep no item out. A consumer notes the position that it is about to claim
//! and to read, and erases the note when it is done or was overtaken. As long as the note stands, the
//! producers of that segment cannot use the slot one lap later. A producer that comes there while there is
//! room goes on in another segment: in a larger one or, where the capacity is at its maximum, in a fresh one
//! of the same capacity. Before it takes a fresh one of the same capacity, it looks for the slot to come
//! free, for about as long as a consumer that runs takes. So the consumers' notes decide where an item goes;
//! whether it goes in depends on the number of items alone. And nobody has to be woken when a note is erased.
//!
//! A limit that was right stays right, however late it is stored: `popped` only grows, the other summands are
//! fixed, and a slot that was read stays read. So the largest of several limits is right. That holds only
//! while the header does not become another segment, which a pin prevents. A thread that raises the limit has
//! acquired the consumers' reads of the slots below and releases them; a producer that claims below the limit
//! has acquired it, and with it those reads.
//!
//! **Resize.** See `resize`: a sealed tail takes no claims, and is reopened one position further on.
//! Producers grow the queue. Consumers look whether it may shrink: now and then, with the last item that is
//! there, and whenever they find nothing.
//!
//! **Pins.** A thread that looks at segments without a claim (to grow the queue, to help a resize) counts
//! itself in `cold`. A retired header is used again only after a moment with `cold = 0`: a thread that pins
//! later cannot find that header any more.
//!
//! **Waiting for an item.** A consumer registers and then looks at `tail`; a producer claims and then looks
//! for sleepers. These four accesses are sequentially consistent, so one of the two sees the other, and a
//! push pays no fence for it. While an item is claimed and not yet published, the consumer yields instead of
//! sleeping: the producer may have looked for sleepers before the consumer registered.
//!
//! **The last consumer goes.** Producers notice it where they look for sleepers: see `abandon`.
//!
//! **Waiting for room.** A producer registers and then looks at the consumers' counts; a consumer stores what
//! it has taken and then looks for sleepers. Here a store comes before a load, which takes a barrier:
//! `sync::barrier`, whose half at each item taken is free. A push may also be refused because consumers are
//! moving. Then a consumer has changed its count after the producer's barrier. That consumer looks for
//! sleepers later still, and finds the producer.

mod abandon;
mod guess;
mod resize;
mod segment;
mod timed;

pub(super) use self::guess::Guess;
use self::segment::allocate;
pub(super) use self::segment::{OPEN, Segment};
use super::discarded::Discarded;
use super::ending::NOT_YET;
use crate::config::Config;
use crate::elasticity::Elasticity;
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::positions::end_of_batch;
use crate::stats::{QueueStats, Tally};
use crate::sync::barrier::{often, rarely};
use crate::sync::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Backoff, Ordering, PATIENCE, order_seqcst, stay_away,
};
use crate::wait::{Signal, wake_each};
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;
use std::time::Duration;

pub(super) const CLOSED: u64 = 1;
pub(super) const SEALED: u64 = 2;
pub(super) const FLAGS: u64 = CLOSED | SEALED;
pub(super) const ONE: u64 = 4;

/// How many retired headers may wait for a moment without pins. When so many wait, the consumers shrink the
/// queue no more. So a thread that is stalled in the slow path keeps the capacity large for a while, but the
/// headers few: without shrinking, growth soon ends at the maximum.
pub(super) const MAX_RETIRED: usize = 32;

pub(super) const fn position(tail: u64) -> u64 {
    tail / ONE
}

/// How many items the consumers take between two renewals of the limit.
pub(super) const fn renewal_interval(capacity: usize) -> u64 {
    let eighth = capacity as u64 / 8;
    if eighth == 0 { 1 } else { eighth }
}

/// The limit of a segment that follows from the number of items, whatever slots are in use.
fn limit_by_number(popped: u64, capacity: usize, skipped: u64) -> u64 {
    popped.saturating_add(capacity as u64).saturating_add(skipped)
}

/// What the producers' side asks the consumers' side.
pub(super) trait Takers<T>: Sized {
    /// Items ever taken. The caller is pinned or the one consumer.
    fn popped(&self) -> u64;

    /// The first position that a producer may not claim in `segment` since a consumer may still be using the
    /// slot; `u64::MAX` where `popped` alone tells that. The caller is pinned or the one consumer.
    fn occupied(&self, _segment: &Segment<T>) -> u64 {
        u64::MAX
    }

    /// Takes the next item, if it was published, after the last consumer has gone (see `abandon`).
    fn take_left(chain: &Chain<T, Self>) -> Option<T>;
}

/// What the handles of a queue share.
pub(super) struct Chain<T, C> {
    pub(super) tail: CachePadded<AtomicU64>,
    pub(super) current: CachePadded<AtomicPtr<Segment<T>>>,
    /// Threads that look at segments without a claim.
    pub(super) cold: CachePadded<AtomicUsize>,
    /// Headers to be used again, chained through `next`.
    pub(super) spares: AtomicPtr<Segment<T>>,
    /// Headers that first have to wait for a moment without pins, chained through `link`.
    pub(super) retired: AtomicPtr<Segment<T>>,
    pub(super) producers: AtomicUsize,
    pub(super) items: Signal,
    pub(super) room: Signal,
    /// Whether the queue was closed; set a moment later than `CLOSED` in `tail`. A consumer that finds
    /// nothing reads this and leaves `tail` alone, which producers are busy with.
    pub(super) closed: AtomicBool,
    /// How many items reached a consumer; `NOT_YET` as long as there is one.
    pub(super) consumed: AtomicU64,
    pub(super) tally: Tally,
    pub(super) discarded: Discarded,
    pub(super) grown: AtomicU64,
    pub(super) shrunk: AtomicU64,
    pub(super) elasticity: Elasticity,
    pub(super) push_timeout: Option<Duration>,
    pub(super) pop_timeout: Option<Duration>,
    /// The consumers' side.
    pub(super) takers: C,
    items_inside: PhantomData<*mut T>,
}

// SAFETY: items move from the producers' threads to the consumers'; no two threads ever share one. The
// pointers lead to segments, which the protocol above shares.
unsafe impl<T: Send, C: Send> Send for Chain<T, C> {}
// SAFETY: as above.
unsafe impl<T: Send, C: Sync> Sync for Chain<T, C> {}

/// Counts a thread in the slow path.
pub(super) struct Pin<'a>(&'a AtomicUsize);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T, C: Takers<T>> Chain<T, C> {
    /// A chain of one segment. `takers` makes the consumers' side, which is to begin at position 0 of that
    /// segment.
    pub(super) fn new(config: &Config, takers: impl FnOnce(*mut Segment<T>) -> C) -> BufferResult<Self> {
        config.validate()?;
        let capacity = config.initial_capacity;
        let slots = allocate(capacity).map_err(|_| {
            BufferError::InvalidConfiguration(format!(
                "initial_capacity = {capacity}: must be small enough for its slots to be allocated"
            ))
        })?;
        let first = Segment::prepare(None, slots, capacity);
        // SAFETY: headers live as long as the queue.
        let segment = unsafe { &*first };
        segment.base.store(0, Ordering::Relaxed);
        segment.skipped.store(0, Ordering::Relaxed);
        segment.limit.store(capacity as u64, Ordering::Relaxed);
        Ok(Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            current: CachePadded::new(AtomicPtr::new(first)),
            cold: CachePadded::new(AtomicUsize::new(0)),
            spares: AtomicPtr::new(ptr::null_mut()),
            retired: AtomicPtr::new(ptr::null_mut()),
            producers: AtomicUsize::new(0),
            items: Signal::new(),
            room: Signal::new(),
            closed: AtomicBool::new(false),
            consumed: AtomicU64::new(NOT_YET),
            tally: Tally::default(),
            discarded: Discarded::new(),
            grown: AtomicU64::new(0),
            shrunk: AtomicU64::new(0),
            elasticity: Elasticity::new(config),
            push_timeout: config.push_timeout,
            pop_timeout: config.pop_timeout,
            takers: takers(first),
            items_inside: PhantomData,
        })
    }

    /// The segment that producers claim in. Unless the caller is pinned or the one consumer, it may rely on
    /// nothing but the segment's `limit`, and on that only by a claim that succeeds.
    #[inline(always)]
    pub(super) fn current(&self) -> &Segment<T> {
        // SAFETY: headers live as long as the queue. SeqCst: this load does not come before the caller's pin,
        // where there is one.
        unsafe { &*self.current.load(Ordering::SeqCst) }
    }

    /// Puts an item. `guess` is the caller's, if the caller is a handle that has one.
    #[inline(always)]
    pub(super) fn push(&self, guess: Option<&Guess>, item: T) -> Result<(), Rejected<T>> {
        let Some((segment, position)) = self.claim_plain(guess, 1) else { return self.push_with_care(item) };
        // SAFETY: claimed just now.
        unsafe { segment.publish(position, item) };
        self.wake_consumers();
        Ok(())
    }

    /// Claims `count` positions in a row, if the fast path can.
    #[inline(always)]
    fn claim_plain(&self, guess: Option<&Guess>, count: u64) -> Option<(&Segment<T>, u64)> {
        let Some(guess) = guess else { return self.look_and_claim(count) };
        if let Some(first) = guess.position() {
            let segment = self.current();
            // Acquire: as in `look_and_claim`.
            if first + count <= segment.limit.load(Ordering::Acquire) && self.claim(first * ONE, count) {
                guess.was_right(first + count);
                return Some((segment, first));
            }
        }
        self.look_claim_and_note(guess, count)
    }

    #[cold]
    #[inline(never)]
    fn look_claim_and_note(&self, guess: &Guess, count: u64) -> Option<(&Segment<T>, u64)> {
        let claimed = self.look_and_claim(count);
        if let Some((_, first)) = claimed {
            guess.claimed(first, first + count);
        }
        claimed
    }

    /// Claims from the tail that it sees. When another producer was faster, it stays away for a while and
    /// tries again.
    #[inline(always)]
    fn look_and_claim(&self, count: u64) -> Option<(&Segment<T>, u64)> {
        let mut failed = 0;
        loop {
            let tail = self.tail.load(Ordering::Acquire);
            if tail & FLAGS != 0 {
                return None;
            }
            let segment = self.current();
            // Acquire: what a consumer read before it renewed the limit, it has read before this claim.
            if position(tail) + count > segment.limit.load(Ordering::Acquire) {
                return None;
            }
            if self.claim(tail, count) {
                return Some((segment, position(tail)));
            }
            failed += 1;
            stay_away(failed);
        }
    }

    /// SeqCst: the first half of "claim, then look for sleepers".
    #[inline(always)]
    fn claim(&self, tail: u64, count: u64) -> bool {
        let claimed = self.tail.compare_exchange(tail, tail + count * ONE, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        order_seqcst(); // not in `wake_consumers`: the publishing store in between is in no such order
        claimed
    }

    #[inline(always)]
    fn wake_consumers(&self) {
        // Between publishing the item and looking for sleepers (or for what seems to be one, when the last
        // consumer has gone). The other half: `rarely` in `abandon` and in `consumer_registered`.
        often();
        if self.items.has_sleepers() {
            self.wake_or_drop();
        }
    }

    /// Wakes producers that wait for room. To be called after something was taken, and after the consumer's
    /// turn has ended where each call has a turn: a woken thread may use the queue.
    #[inline(always)]
    pub(super) fn tell_producers(&self) {
        // Between making room and looking for producers that wait for it. The other half: `rarely` in
        // `producer_registered`.
        often();
        if self.room.has_sleepers() {
            self.tell_of_room();
        }
    }

    #[cold]
    fn tell_of_room(&self) {
        let pin = self.pin();
        let segment = self.current();
        // So the producers that are woken need not look for room themselves.
        segment.raise_limit(self.limit(self.takers.popped(), segment));
        drop(pin);
        self.tell_who_waits();
    }

    /// Tells the waiters how many items and how many free places there are now. Neither number is less than
    /// what the caller's own change has made. Slots that are still being read count as room, so the number of
    /// places may be too large.
    #[cold]
    pub(super) fn tell_who_waits(&self) {
        let items = || self.len();
        let told = [
            self.items.has_sleepers().then(|| self.items.told(items)),
            self.room.has_sleepers().then(|| self.room.told(|| self.elasticity.max() - items())),
        ];
        wake_each(told.into_iter().flatten());
    }

    #[cold]
    fn push_with_care(&self, item: T) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        give_back(self.put(&mut place), place)
    }

    /// [`push`](Self::push) of the item that is in `place`; on an error it is still there.
    #[inline(always)]
    fn put_plainly(&self, guess: Option<&Guess>, place: &mut Option<T>) -> BufferResult<()> {
        if place.is_none() {
            return Ok(());
        }
        let Some((segment, position)) = self.claim_plain(guess, 1) else { return self.put(place) };
        if let Some(item) = place.take() {
            // SAFETY: claimed just now.
            unsafe { segment.publish(position, item) };
        }
        self.wake_consumers();
        Ok(())
    }

    /// Puts the item that is in `place`, if there is one; on an error it is still there.
    #[cold]
    fn put(&self, place: &mut Option<T>) -> BufferResult<()> {
        if place.is_none() {
            return Ok(());
        }
        let plain = self.look_and_claim(1);
        let pin = plain.is_none().then(|| self.pin());
        let (segment, position) = plain.map_or_else(|| self.claim_with_care(1), Ok)?;
        if let Some(item) = place.take() {
            // SAFETY: claimed just now.
            unsafe { segment.publish(position, item) };
        }
        drop(pin);
        self.wake_consumers();
        Ok(())
    }

    /// To be called by a producer between registering for room and looking again.
    pub(super) fn producer_registered(&self) {
        rarely(); // The other half: `often` in `tell_producers`.
    }

    /// To be called between registering for an item and looking again, by a consumer that does not look at
    /// the tail.
    pub(super) fn consumer_registered(&self) {
        rarely(); // The other half: `often` in `wake_consumers`.
    }

    /// Puts all of `items`, or none of them.
    pub(super) fn push_all(&self, guess: Option<&Guess>, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let count = items.len() as u64;
        if count == 0 {
            return if self.is_closed() { Err(Rejected::new(BufferError::Closed, items)) } else { Ok(()) };
        }
        // A batch that is too large for the sums of the fast path takes the slow path, and is refused there.
        let plain = end_of_batch(0, count).ok().and_then(|_| self.claim_plain(guess, count));
        let pin = plain.is_none().then(|| self.pin());
        let (segment, first) = match plain.map_or_else(|| self.claim_with_care(count), Ok) {
            Ok(claimed) => claimed,
            Err(reason) => return Err(Rejected::new(reason, items)),
        };
        // SAFETY: claimed just now.
        unsafe { segment.publish_all(first, items) };
        drop(pin);
        self.wake_consumers();
        Ok(())
    }

    pub(super) fn pin(&self) -> Pin<'_> {
        self.cold.fetch_add(1, Ordering::SeqCst);
        order_seqcst();
        Pin(&self.cold)
    }

    /// Claims `count` positions in a row, growing the queue if need be. The caller is pinned.
    fn claim_with_care(&self, count: u64) -> BufferResult<(&Segment<T>, u64)> {
        let backoff = Backoff::new();
        let mut looks = 0..PATIENCE;
        loop {
            let tail = self.tail.load(Ordering::SeqCst);
            if tail & CLOSED != 0 {
                return Err(BufferError::Closed);
            }
            if tail & SEALED != 0 {
                self.help(tail);
                continue;
            }
            let segment = self.current();
            let first = position(tail);
            let capacity = segment.capacity.load(Ordering::SeqCst);
            if segment.base.load(Ordering::SeqCst) > first {
                continue; // the tail that was read is out of date
            }
            let skipped = segment.skipped.load(Ordering::SeqCst);
            let popped = self.takers.popped();
            let by_number = limit_by_number(popped, capacity, skipped);
            let occupied = self.takers.occupied(segment);
            let room = by_number.min(occupied);
            let fits = count <= room.saturating_sub(first);
            let full = capacity >= self.elasticity.max();
            if fits && !(full && self.consumers_move(segment, popped, by_number, capacity)) {
                // Then the next claims can take the fast path. Where this claim takes all the room, a higher
                // limit would help nobody.
                if room > first + count {
                    segment.raise_limit(room);
                }
                if self.claim(tail, count) {
                    return Ok((segment, first));
                }
                backoff.spin();
            } else if full && !fits && count <= by_number.saturating_sub(first) {
                if !self.slots_come_free(segment, occupied, &mut looks) {
                    self.prepare_next(segment, capacity)?;
                    self.seal(tail);
                }
            } else if full {
                let max = self.elasticity.max();
                let empty_room = by_number.saturating_sub(first);
                return Err(if empty_room == 0 || count > max as u64 || fits {
                    BufferError::MaxCapacityReached(max)
                } else {
                    BufferError::Full
                });
            } else {
                // There is no room, or too little for the batch: growing makes some in either case.
                let len = (first - skipped).saturating_sub(popped);
                let needed = usize::try_from(len.saturating_add(count)).unwrap_or(usize::MAX);
                if count > self.elasticity.max() as u64 {
                    return Err(BufferError::MaxCapacityReached(self.elasticity.max()));
                }
                end_of_batch(first, count)?;
                if needed > self.elasticity.max() {
                    return Err(BufferError::Full);
                }
                let needed = needed.max(capacity + 1);
                // Each step costs a segment, so steps of less than an eighth are taken several at a time.
                let step = capacity.saturating_add(capacity / 8).clamp(needed, self.elasticity.max());
                // Where there is no memory for whole steps, the capacity that is needed will do.
                self.prepare_next(segment, self.elasticity.grown(capacity, step))
                    .or_else(|_| self.prepare_next(segment, needed))?;
                self.seal(tail);
            }
        }
    }

    /// The first position of `segment` that there is no room for. The caller is pinned or the one consumer.
    pub(super) fn limit(&self, popped: u64, segment: &Segment<T>) -> u64 {
        let capacity = segment.capacity.load(Ordering::SeqCst);
        let skipped = segment.skipped.load(Ordering::SeqCst);
        limit_by_number(popped, capacity, skipped).min(self.takers.occupied(segment))
    }

    /// Whether the consumers have made some room, up to `limit`, since they last renewed the segment's limit,
    /// and are making more. They will renew it soon; competing with them for each single slot would slow
    /// everybody down.
    fn consumers_move(&self, segment: &Segment<T>, popped: u64, limit: u64, capacity: usize) -> bool {
        let renewed = segment.limit.load(Ordering::SeqCst);
        let lag = limit.saturating_sub(renewed);
        if lag == 0 || lag >= renewal_interval(capacity) {
            return false;
        }
        (0..8).any(|_| {
            std::hint::spin_loop();
            self.takers.popped() != popped
        })
    }

    /// Whether a consumer has let go of slots since `occupied` was read. A consumer that runs does so in a
    /// few steps; but other consumers may come after it, so the `looks` are counted.
    #[cold]
    fn slots_come_free(&self, segment: &Segment<T>, occupied: u64, looks: &mut Range<u32>) -> bool {
        looks.any(|_| {
            std::hint::spin_loop();
            self.takers.occupied(segment) != occupied
        })
    }

    pub(super) fn close(&self) {
        self.tail.fetch_or(CLOSED, Ordering::SeqCst);
        self.closed.store(true, Ordering::SeqCst);
        wake_each([self.items.told_all(), self.room.told_all()]);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.tail.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Items ever accepted, items ever taken, and the capacity, all at about the same moment.
    pub(super) fn counts(&self) -> (u64, u64, usize) {
        let _pin = self.pin();
        loop {
            let popped = self.takers.popped();
            let tail = self.tail.load(Ordering::SeqCst);
            let segment = self.current();
            let base = segment.base.load(Ordering::SeqCst);
            // While the tail is sealed, the segment may already be the one that begins right behind it.
            let end = position(tail).max(base);
            if base <= position(tail) + 1 {
                let pushed = end - segment.skipped.load(Ordering::SeqCst);
                // Both numbers may have moved on since `popped` was read, but they are never further apart
                // than this.
                let popped = popped.clamp(pushed.saturating_sub(self.elasticity.max() as u64), pushed);
                return (pushed, popped, segment.capacity.load(Ordering::SeqCst));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        let (pushed, popped, _) = self.counts();
        usize::try_from(pushed - popped).unwrap_or(usize::MAX)
    }

    pub(super) fn capacity(&self) -> usize {
        self.counts().2
    }

    pub(super) fn stats(&self) -> QueueStats {
        let settled = self.discarded.settled();
        let (pushed, popped, capacity) = self.counts();
        let consumed = popped.min(self.consumed.load(Ordering::SeqCst));
        let dequeued = self.discarded.dequeued(consumed, settled);
        let dropped = popped - consumed + settled;
        self.tally.add_to(QueueStats {
            messages_enqueued: pushed,
            messages_dequeued: dequeued,
            messages_dropped: dropped,
            current_size: usize::try_from(pushed - dequeued - dropped).unwrap_or(usize::MAX),
            current_capacity: capacity,
            grown: self.grown.load(Ordering::Relaxed),
            shrunk: self.shrunk.load(Ordering::Relaxed),
            ..QueueStats::default()
        })
    }
}

impl<T, C> Drop for Chain<T, C> {
    fn drop(&mut self) {
        let mut spare = self.spares.swap(ptr::null_mut(), Ordering::SeqCst);
        while !spare.is_null() {
            // SAFETY: each header is in one place, and no handle is left to look at it.
            let header = unsafe { Box::from_raw(spare) };
            spare = header.next.load(Ordering::SeqCst);
        }
        let mut retired = self.retired.swap(ptr::null_mut(), Ordering::SeqCst);
        while !retired.is_null() {
            // SAFETY: as above.
            let header = unsafe { Box::from_raw(retired) };
            retired = header.link.load(Ordering::SeqCst);
        }
    }
}
