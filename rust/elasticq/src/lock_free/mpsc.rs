//! The elastic queue of many producers and one consumer. `tla+/LockFreeMPSCQueue.tla` models it step by step.
//!
//! ```text
//! tail     | position: 62 bits | SEALED | CLOSED |   the position to be claimed next
//! current  the segment that the producers claim in
//! popped   items ever taken
//! ```
//!
//! **Push.** Read `tail`, then `current`, then that segment's `limit`; below it, claim with a CAS of `tail` from the very
//! value that was read; write the item; publish it by its stamp. A position is never used twice, so the CAS succeeds only
//! if `tail` stood still since it was read. It moves whenever a segment ends, so the segment is the right one, and **the
//! claim protects it** until the publishing store: the consumer cannot pass a claimed slot.
//!
//! **Room.** `limit = popped + capacity + skipped` of the segment: the first position that would make it one item too
//! many. The consumer renews it every capacity/8 items and whenever it finds nothing; a producer at the limit computes it
//! anew from `popped`, so a push is refused only if there is no room, or if the consumer is moving and has made room for
//! less than capacity/8 since.
//!
//! **Resize.** Prepare the next segment; mark `tail` SEALED; set the `end` of the old one, `base`, `skipped` and `limit` of
//! the new one, make it `current`; reopen `tail` **one position further on**. Each step is a CAS from the exact old value
//! and can be done by any thread that finds the mark, so a stalled thread holds up nobody.
//!
//! **Pins.** Who looks at segments without a claim (to grow, to help) counts itself in `cold`. A retired header is used
//! again only after a moment with `cold = 0`: who comes later cannot find it any more.
//!
//! **Waiting.** The consumer registers and then looks at `tail`; a producer claims and then looks for sleepers. These four
//! accesses are sequentially consistent, so one of the two sees the other, and a push pays no fence for it. What is
//! claimed and not yet published is waited for by yielding: its producer may have looked before.

use super::segment::{OPEN, Segment, UNSET, allocate};
use crate::buffer::Buffer;
use crate::config::Config;
use crate::elasticity::Elasticity;
use crate::error::{BufferError, BufferResult, Rejected};
use crate::stats::QueueStats;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Backoff, Cell, Ordering, fence, order_seqcst};
use crate::wait::Signal;
use crossbeam_utils::CachePadded;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CLOSED: u64 = 1;
const SEALED: u64 = 2;
const FLAGS: u64 = CLOSED | SEALED;
const ONE: u64 = 4;

/// Much longer than a store takes to reach the other processors.
const SETTLED: Duration = Duration::from_millis(1);

const fn position(tail: u64) -> u64 {
    tail / ONE
}

/// What the handles share.
struct Core<T> {
    tail: CachePadded<AtomicU64>,
    current: CachePadded<AtomicPtr<Segment<T>>>,
    popped: CachePadded<AtomicU64>,
    /// Threads that look at segments without a claim.
    cold: CachePadded<AtomicUsize>,
    /// Headers to be used again, chained through `next`.
    spares: AtomicPtr<Segment<T>>,
    taker: CachePadded<Cell<Taker<T>>>,
    /// Whether somebody is the consumer at the moment; his is the `taker`.
    consuming: AtomicBool,
    producers: AtomicUsize,
    items: Signal,
    room: Signal,
    refused: AtomicU64,
    grown: AtomicU64,
    shrunk: AtomicU64,
    elasticity: Elasticity,
    push_timeout: Option<Duration>,
    pop_timeout: Option<Duration>,
}

/// What only the consumer knows.
struct Taker<T> {
    head: u64,
    popped: u64,
    /// The `popped` at which the limit is to be renewed.
    renew_at: u64,
    front: *mut Segment<T>,
    /// Headers retired, which a pinned thread may still look at.
    retired: Vec<*mut Segment<T>>,
}

// SAFETY: items move from the producers' threads to the consumer's; the raw pointers are to segments, which the protocol
// above shares; the taker is used by one thread at a time (`consuming`, or the one `Consumer`).
unsafe impl<T: Send> Send for Core<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Core<T> {}

/// Counts a thread in the cold path.
struct Pin<'a>(&'a AtomicUsize);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T> Core<T> {
    fn new(config: &Config) -> BufferResult<Self> {
        config.validate()?;
        let capacity = config.initial_capacity;
        let slots = allocate(capacity).map_err(|_| {
            BufferError::InvalidConfiguration(format!(
                "initial_capacity = {capacity}: must be small enough for its slots to be allocated"
            ))
        })?;
        let first = Segment::prepare(None, slots, capacity);
        first.base.store(0, Ordering::Relaxed);
        first.skipped.store(0, Ordering::Relaxed);
        first.limit.store(capacity as u64, Ordering::Relaxed);
        let first = Box::into_raw(first);
        let taker = Taker { head: 0, popped: 0, renew_at: 0, front: first, retired: Vec::new() };
        Ok(Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            current: CachePadded::new(AtomicPtr::new(first)),
            popped: CachePadded::new(AtomicU64::new(0)),
            cold: CachePadded::new(AtomicUsize::new(0)),
            spares: AtomicPtr::new(ptr::null_mut()),
            taker: CachePadded::new(Cell::new(taker)),
            consuming: AtomicBool::new(false),
            producers: AtomicUsize::new(0),
            items: Signal::new(),
            room: Signal::new(),
            refused: AtomicU64::new(0),
            grown: AtomicU64::new(0),
            shrunk: AtomicU64::new(0),
            elasticity: Elasticity::new(config),
            push_timeout: config.push_timeout,
            pop_timeout: config.pop_timeout,
        })
    }

    /// The segment that producers claim in. Only its `limit` may be relied on, and only by a claim that succeeds, unless the
    /// caller is pinned or the consumer.
    #[inline(always)]
    fn current(&self) -> &Segment<T> {
        // SAFETY: headers live as long as the queue. Acquire: pairs with the CAS that made it current.
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    // ---- producers

    #[inline(always)]
    fn push(&self, item: T) -> Result<(), Rejected<T>> {
        let tail = self.tail.load(Ordering::Acquire);
        if tail & FLAGS == 0 {
            let segment = self.current();
            // Acquire: what the consumer read before it renewed the limit, it has read before this claim.
            if position(tail) < segment.limit.load(Ordering::Acquire) && self.claim(tail, 1) {
                // SAFETY: claimed just now.
                unsafe { segment.publish(position(tail), item) };
                self.wake_consumer();
                return Ok(());
            }
        }
        self.push_with_care(item)
    }

    /// SeqCst: the first half of "claim, then look for sleepers".
    #[inline(always)]
    fn claim(&self, tail: u64, count: u64) -> bool {
        self.tail.compare_exchange(tail, tail + count * ONE, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    #[inline(always)]
    fn wake_consumer(&self) {
        order_seqcst();
        if self.items.has_sleepers() {
            self.items.wake(1);
        }
    }

    #[cold]
    fn push_with_care(&self, item: T) -> Result<(), Rejected<T>> {
        let pin = self.pin();
        match self.claim_with_care(1) {
            Ok((segment, position)) => {
                // SAFETY: claimed just now.
                unsafe { segment.publish(position, item) };
                drop(pin);
                self.wake_consumer();
                Ok(())
            }
            Err(reason) => Err(Rejected::new(reason, item)),
        }
    }

    /// Adds an item, waiting for room.
    fn push_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let mut item = match self.push(item) {
            Err(rejected) if rejected.reason().is_capacity_error() => rejected.into_inner(),
            settled => return settled,
        };
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let mut waiter = self.room.waiter();
            order_seqcst();
            item = match self.push(item) {
                Err(rejected) if rejected.reason().is_capacity_error() => rejected.into_inner(),
                settled => return settled,
            };
            // After each item the consumer looks for sleepers without a fence, so he may miss one who registers at that
            // very moment, until his store has reached the other processors. Hence a second look soon after.
            let soon = Instant::now() + SETTLED;
            let until = deadline.map_or(soon, |deadline| deadline.min(soon));
            if !cfg!(loom) && !waiter.wait_until(Some(until)) {
                item = match self.push(item) {
                    Err(rejected) if rejected.reason().is_capacity_error() => rejected.into_inner(),
                    settled => return settled,
                };
            }
            if !waiter.wait_until(deadline) {
                return Err(Rejected::new(BufferError::Timeout(timeout), item));
            }
        }
    }

    #[cold]
    fn count_refused<I>(&self, items: usize, rejected: Rejected<I>) -> Rejected<I> {
        self.refused.fetch_add(items as u64, Ordering::Relaxed);
        rejected
    }

    /// Adds all of `items`, or none of them.
    fn push_all(&self, items: &mut std::vec::IntoIter<T>) -> BufferResult<()> {
        let count = items.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let tail = self.tail.load(Ordering::Acquire);
        let mut claimed = None;
        if tail & FLAGS == 0 {
            let segment = self.current();
            if position(tail) + count <= segment.limit.load(Ordering::Acquire) && self.claim(tail, count) {
                claimed = Some((segment, position(tail)));
            }
        }
        let _pin = claimed.is_none().then(|| self.pin());
        let (segment, first) = match claimed {
            Some(claimed) => claimed,
            None => self.claim_with_care(count)?,
        };
        for position in first..first + count {
            if let Some(item) = items.next() {
                // SAFETY: claimed above; each position once.
                unsafe { segment.publish(position, item) };
            }
        }
        self.wake_consumer();
        Ok(())
    }

    fn pin(&self) -> Pin<'_> {
        self.cold.fetch_add(1, Ordering::SeqCst);
        Pin(&self.cold)
    }

    /// Claims `count` positions in a row, growing if need be. The caller is pinned.
    fn claim_with_care(&self, count: u64) -> BufferResult<(&Segment<T>, u64)> {
        let backoff = Backoff::new();
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
                continue; // the tail that was read is history
            }
            let skipped = segment.skipped.load(Ordering::SeqCst);
            let popped = self.popped.load(Ordering::SeqCst);
            let room = popped.saturating_add(capacity as u64).saturating_add(skipped);
            let fits = first + count <= room;
            let full = capacity >= self.elasticity.max();
            if fits && !(full && self.consumer_moves(segment, popped, capacity, skipped)) {
                if self.claim(tail, count) {
                    return Ok((segment, first));
                }
                backoff.spin();
            } else if full {
                let max = self.elasticity.max();
                let empty_room = room.saturating_sub(first);
                return Err(if empty_room == 0 || count > max as u64 || fits {
                    BufferError::MaxCapacityReached(max)
                } else {
                    BufferError::Full
                });
            } else {
                // There is none, or there is one but too small for the batch: growing makes some in any case.
                let len = (first - skipped).saturating_sub(popped);
                let needed = usize::try_from(len + count).unwrap_or(usize::MAX);
                if needed > self.elasticity.max() {
                    return Err(if count > self.elasticity.max() as u64 {
                        BufferError::MaxCapacityReached(self.elasticity.max())
                    } else {
                        BufferError::Full
                    });
                }
                self.prepare_next(segment, self.elasticity.grown(capacity, needed.max(capacity + 1)))?;
                self.seal(tail);
            }
        }
    }

    /// Whether the consumer has made room since it last renewed the limit and is making more. It will renew it soon; fighting
    /// it for each single slot would slow everybody down.
    fn consumer_moves(&self, segment: &Segment<T>, popped: u64, capacity: usize, skipped: u64) -> bool {
        let renewed = segment.limit.load(Ordering::SeqCst);
        let lag = popped.saturating_add(capacity as u64 + skipped).saturating_sub(renewed);
        if lag == 0 || lag >= renewal_interval(capacity) {
            return false;
        }
        for _ in 0..32 {
            std::hint::spin_loop();
        }
        self.popped.load(Ordering::SeqCst) != popped
    }

    // ---- resizing, by whoever comes by

    /// Links a segment to follow `segment`, unless there is one. The caller is pinned or the consumer.
    fn prepare_next(&self, segment: &Segment<T>, capacity: usize) -> BufferResult<()> {
        if !segment.next.load(Ordering::SeqCst).is_null() {
            return Ok(());
        }
        let slots = allocate(capacity)?;
        let fresh = Box::into_raw(Segment::prepare(self.take_spare(), slots, capacity));
        if segment.next.compare_exchange(ptr::null_mut(), fresh, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            // Somebody was faster; nobody has seen this one.
            // SAFETY: headers live as long as the queue.
            let unused = unsafe { &*fresh };
            // SAFETY: it was never linked, so nobody can have claimed in it.
            unsafe { unused.retire() };
            self.keep_spare(fresh);
        }
        Ok(())
    }

    /// Keeps a header without slots for a resize to come. Nobody may be able to find it, though a stale producer may still
    /// look at its limit, which is why it is never freed before the queue.
    fn keep_spare(&self, header: *mut Segment<T>) {
        // SAFETY: unlinked headers belong to whoever holds them, and live as long as the queue.
        let link = unsafe { &(*header).next };
        let mut first = self.spares.load(Ordering::SeqCst);
        loop {
            link.store(first, Ordering::SeqCst);
            match self.spares.compare_exchange(first, header, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// A header to use again. All are taken off at once and the rest is put back, so there is no ABA.
    fn take_spare(&self) -> Option<Box<Segment<T>>> {
        let header = self.spares.swap(ptr::null_mut(), Ordering::SeqCst);
        if header.is_null() {
            return None;
        }
        // SAFETY: headers that were taken off the list belong to this thread.
        let header = unsafe { Box::from_raw(header) };
        let mut rest = header.next.load(Ordering::SeqCst);
        while !rest.is_null() {
            // SAFETY: as above.
            let after = unsafe { (*rest).next.load(Ordering::SeqCst) };
            self.keep_spare(rest);
            rest = after;
        }
        Some(header)
    }

    /// Marks the tail, so that the segment takes no more. The caller has prepared the next one.
    fn seal(&self, tail: u64) -> bool {
        self.tail.compare_exchange(tail, tail | SEALED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Completes the resize that `tail`, which is sealed, speaks of. The caller is pinned or the consumer.
    fn help(&self, tail: u64) {
        let end = position(tail);
        let old = self.current.load(Ordering::SeqCst);
        // SAFETY: headers live as long as the queue; the pin keeps this one from being used again meanwhile.
        let segment = unsafe { &*old };
        let base = segment.base.load(Ordering::SeqCst);
        if base <= end {
            let _ = segment.end.compare_exchange(OPEN, end, Ordering::SeqCst, Ordering::SeqCst);
            let next = segment.next.load(Ordering::SeqCst);
            // SAFETY: prepared before the tail was sealed, and not retired while this thread is pinned: the consumer gets
            // to `next` only through `segment`.
            let fresh = unsafe { &*next };
            let skipped = segment.skipped.load(Ordering::SeqCst) + 1;
            let _ = fresh.base.compare_exchange(UNSET, end + 1, Ordering::SeqCst, Ordering::SeqCst);
            let _ = fresh.skipped.compare_exchange(UNSET, skipped, Ordering::SeqCst, Ordering::SeqCst);
            let capacity = fresh.capacity.load(Ordering::SeqCst);
            let limit = self.limit(self.popped.load(Ordering::SeqCst), capacity, skipped);
            let _ = fresh.limit.compare_exchange(0, limit, Ordering::SeqCst, Ordering::SeqCst);
            if self.current.compare_exchange(old, next, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                let before = segment.capacity.load(Ordering::SeqCst);
                let resizes = if capacity > before { &self.grown } else { &self.shrunk };
                resizes.fetch_add(1, Ordering::Relaxed);
            }
        }
        // One position further on: no CAS from before can succeed.
        let reopened = (end + 1) * ONE;
        if self.tail.compare_exchange(tail, reopened | (tail & CLOSED), Ordering::SeqCst, Ordering::Relaxed).is_err() {
            // Closed since, or done by somebody else.
            let closed = (end * ONE) | SEALED | CLOSED;
            let _ = self.tail.compare_exchange(closed, reopened | CLOSED, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    fn limit(&self, popped: u64, capacity: usize, skipped: u64) -> u64 {
        popped.saturating_add(capacity as u64).saturating_add(skipped)
    }

    // ---- the consumer

    /// Takes the next item, if it was published.
    #[inline(always)]
    fn pop(&self, taker: &mut Taker<T>) -> Option<T> {
        // SAFETY: headers live as long as the queue.
        let front = unsafe { &*taker.front };
        // SAFETY: the caller is the consumer, and these are its head and front.
        let Some(item) = (unsafe { front.take(taker.head) }) else { return self.pop_with_care(taker) };
        self.took(taker);
        Some(item)
    }

    #[inline(always)]
    fn took(&self, taker: &mut Taker<T>) {
        taker.head += 1;
        taker.popped += 1;
        // Release: who sees this count sees that the slot was read.
        self.popped.store(taker.popped, Ordering::Release);
        if taker.popped >= taker.renew_at || self.room.has_sleepers() {
            self.renew(taker);
        }
    }

    #[cold]
    fn pop_with_care(&self, taker: &mut Taker<T>) -> Option<T> {
        loop {
            // SAFETY: the front segment is the consumer's until it retires it.
            let front = unsafe { &*taker.front };
            if front.end.load(Ordering::SeqCst) != taker.head {
                // Nothing there, or claimed and not yet published. It may be a while, so the producers get what is due.
                self.renew(taker);
                return None;
            }
            self.advance(taker, front);
            // SAFETY: headers live as long as the queue.
            let front = unsafe { &*taker.front };
            // SAFETY: as in `pop`.
            if let Some(item) = unsafe { front.take(taker.head) } {
                self.took(taker);
                return Some(item);
            }
        }
    }

    /// Goes on to the next segment and retires the one in front: every item of it was taken, so no claim is unpublished.
    fn advance(&self, taker: &mut Taker<T>, front: &Segment<T>) {
        let next = front.next.load(Ordering::SeqCst);
        taker.retired.push(taker.front);
        taker.front = next;
        taker.head += 1; // the end itself carries no item
        // The end may be set and the next segment not yet be current: then the resize is completed here, or a producer
        // could be about to look for the old one's slots.
        let tail = self.tail.load(Ordering::SeqCst);
        if tail & SEALED != 0 && position(tail) + 1 == taker.head {
            self.help(tail);
        }
        // SAFETY: drained, and nobody can claim in it: the tail has moved beyond its end.
        unsafe { front.retire() };
        self.recycle(taker);
    }

    /// Gives retired headers back for use. A pinned thread may have found them before they were retired, so only after a
    /// moment without any; whoever is pinned later finds the current segment, which is none of them.
    fn recycle(&self, taker: &mut Taker<T>) {
        if !taker.retired.is_empty() && self.cold.load(Ordering::SeqCst) == 0 {
            for header in taker.retired.drain(..) {
                self.keep_spare(header);
            }
        }
    }

    /// Renews the limit, wakes producers who wait, and shrinks a queue that is sparsely used.
    #[cold]
    fn renew(&self, taker: &mut Taker<T>) {
        let segment = self.current();
        let capacity = segment.capacity.load(Ordering::SeqCst);
        let limit = self.limit(taker.popped, capacity, segment.skipped.load(Ordering::SeqCst));
        if segment.limit.load(Ordering::Relaxed) != limit {
            // Release: who sees the limit sees that the slots below it were read.
            segment.limit.store(limit, Ordering::Release);
        }
        taker.renew_at = taker.popped + renewal_interval(capacity);
        // Between making room and looking for who waits for it.
        fence(Ordering::SeqCst);
        if self.room.has_sleepers() {
            self.room.wake(1);
        }
        self.recycle(taker);
        if capacity > self.elasticity.min() {
            self.shrink(taker);
        }
    }

    fn shrink(&self, taker: &Taker<T>) {
        // In this order: if the tail is sealed from the value read here, it is this segment that ends.
        let tail = self.tail.load(Ordering::SeqCst);
        let segment = self.current();
        let capacity = segment.capacity.load(Ordering::SeqCst);
        let pushed = position(tail).saturating_sub(segment.skipped.load(Ordering::SeqCst));
        let len = usize::try_from(pushed.saturating_sub(taker.popped)).unwrap_or(usize::MAX);
        let smaller = self.elasticity.shrunk(capacity, len);
        if tail & FLAGS == 0 && smaller < capacity {
            // Without memory, or where a producer was faster, the next time will do.
            if self.prepare_next(segment, smaller).is_ok() && self.seal(tail) {
                self.help(tail | SEALED);
            }
        }
    }

    /// Whether nothing is there and nothing is on its way. SeqCst: the second half of "register, then look at the tail".
    fn is_drained(&self, taker: &Taker<T>) -> bool {
        position(self.tail.load(Ordering::SeqCst)) <= taker.head
    }

    #[inline(always)]
    fn turn(&self) -> BufferResult<Turn<'_, T>> {
        if self.consuming.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Err(BufferError::InvalidOperation(
                "the queue has one consumer, and another thread is taking".into(),
            ));
        }
        Ok(Turn(self))
    }

    fn take_batch(&self, taker: &mut Taker<T>, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        while items.len() < max_items {
            match self.try_take(taker) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) if !items.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(items)
    }

    /// The next item; `Closed` when there will be none.
    #[inline(always)]
    fn try_take(&self, taker: &mut Taker<T>) -> BufferResult<Option<T>> {
        if let Some(item) = self.pop(taker) {
            return Ok(Some(item));
        }
        if self.tail.load(Ordering::SeqCst) & CLOSED != 0 && self.is_drained(taker) {
            return Err(BufferError::Closed);
        }
        Ok(None)
    }

    /// The next item, waiting for it until `deadline`; `None` waits for ever.
    fn take_until(&self, taker: &mut Taker<T>, deadline: Option<Instant>) -> BufferResult<Option<T>> {
        let backoff = Backoff::new();
        loop {
            if let Some(item) = self.try_take(taker)? {
                return Ok(Some(item));
            }
            let mut waiter = self.items.waiter();
            order_seqcst();
            let tail = self.tail.load(Ordering::SeqCst);
            if position(tail) > taker.head || tail & CLOSED != 0 {
                // On its way: its producer may have looked for sleepers before this one registered.
                drop(waiter);
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(None);
                }
                backoff.snooze();
            } else if !waiter.wait_until(deadline) {
                return self.try_take(taker);
            }
        }
    }

    // ---- everybody

    fn close(&self) {
        self.tail.fetch_or(CLOSED, Ordering::SeqCst);
        self.items.wake(usize::MAX);
        self.room.wake(usize::MAX);
    }

    fn is_closed(&self) -> bool {
        self.tail.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Items ever accepted, items ever taken, and the capacity, of about one moment.
    fn counts(&self) -> (u64, u64, usize) {
        let _pin = self.pin();
        loop {
            let popped = self.popped.load(Ordering::SeqCst);
            let tail = self.tail.load(Ordering::SeqCst);
            let segment = self.current();
            let base = segment.base.load(Ordering::SeqCst);
            // While sealed, the segment may be the one that begins right behind the tail.
            let end = position(tail).max(base);
            if base <= position(tail) + 1 {
                let pushed = end - segment.skipped.load(Ordering::SeqCst);
                return (pushed, popped.min(pushed), segment.capacity.load(Ordering::SeqCst));
            }
        }
    }

    fn stats(&self) -> QueueStats {
        let (pushed, popped, capacity) = self.counts();
        let size = usize::try_from(pushed - popped).unwrap_or(usize::MAX);
        QueueStats {
            messages_enqueued: pushed,
            messages_dequeued: popped,
            messages_dropped: self.refused.load(Ordering::Relaxed),
            current_size: size,
            current_capacity: capacity,
            peak_size: 0,
            grown: self.grown.load(Ordering::Relaxed),
            shrunk: self.shrunk.load(Ordering::Relaxed),
        }
    }
}

/// An elastic queue of many producers and one consumer, without locks.
///
/// Pushing and taking are one claim and one stamp each: a push is lock-free (some push always succeeds), taking is
/// wait-free. Capacity follows the use between `min_capacity` and `max_capacity` as in every queue of this crate; a burst
/// that fits `max_capacity` is never refused, also while the consumer is stalled, and the memory goes back when it has
/// been taken. Items of one producer come out in their order.
///
/// This handle is shared by reference; taking through it checks that nobody else is taking at the moment.
/// [`split`](Self::split) gives handles for which the types do that.
///
/// **A stalled producer** that has claimed its place and not yet published its item holds back what came after it: until
/// then the consumer finds nothing. No code of the caller runs between the two, so only the scheduler can stall it there.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPSCQueue};
///
/// let queue = LockFreeMPSCQueue::new(Config::default())?;
/// queue.try_enqueue("a")?;
/// assert_eq!(queue.try_dequeue(), Ok(Some("a")));
/// assert_eq!(queue.try_dequeue(), Ok(None));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct LockFreeMPSCQueue<T> {
    core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPSCQueue`] that puts in; clone it for more. When the last one is dropped the queue is closed.
pub struct Producer<T> {
    core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPSCQueue`] that takes. When it is dropped the queue is closed.
pub struct Consumer<T> {
    core: Arc<Core<T>>,
}

macro_rules! producing {
    () => {
        /// Adds `item` at the end without waiting. Lock-free.
        ///
        /// # Errors
        /// - `MaxCapacityReached(max_capacity)`: there is no room, or, while the consumer is taking, less than an eighth of the
        ///   capacity has come free since it last said so.
        /// - `ResizeError`: there is no memory to grow.
        /// - `Closed`: the queue was closed.
        ///
        /// # Examples
        /// ```
        /// use elasticq::{Config, LockFreeMPSCQueue};
        ///
        /// let queue = LockFreeMPSCQueue::new(Config::default())?;
        /// queue.try_enqueue(1)?;
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        #[inline(always)]
        pub fn try_enqueue(&self, item: T) -> BufferResult<()> {
            match self.core.push(item) {
                Ok(()) => Ok(()),
                Err(rejected) => Err(self.core.count_refused(1, rejected).into()),
            }
        }

        /// [`try_enqueue`](Self::try_enqueue) that hands the item back when it is refused.
        ///
        /// # Errors
        /// As [`try_enqueue`](Self::try_enqueue); the [`Rejected`] holds the item.
        #[inline(always)]
        pub fn offer(&self, item: T) -> Result<(), Rejected<T>> {
            match self.core.push(item) {
                Ok(()) => Ok(()),
                Err(rejected) => Err(self.core.count_refused(1, rejected)),
            }
        }

        /// Adds all of `items`, next to each other and with one claim, or none of them.
        ///
        /// # Errors
        /// As [`try_enqueue`](Self::try_enqueue), and `Full` when there is room, but not for all; the [`Rejected`] holds the
        /// items.
        ///
        /// # Examples
        /// ```
        /// use elasticq::{Config, LockFreeMPSCQueue};
        ///
        /// let queue = LockFreeMPSCQueue::new(Config::default())?;
        /// queue.offer_batch(vec![1, 2, 3])?;
        /// assert_eq!(queue.dequeue_batch(2), Ok(vec![1, 2]));
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        pub fn offer_batch(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
            let mut items = items.into_iter();
            match self.core.push_all(&mut items) {
                Ok(()) => Ok(()),
                Err(reason) => {
                    let count = items.len();
                    Err(self.core.count_refused(count, Rejected::new(reason, items.collect())))
                }
            }
        }

        /// Adds `item` at the end, blocking up to `timeout` until there is room.
        ///
        /// # Errors
        /// `Timeout(timeout)`, `ResizeError` or `Closed` (also when it is closed meanwhile); the [`Rejected`] holds the item.
        pub fn offer_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
            self.core.push_within(item, timeout).map_err(|rejected| self.core.count_refused(1, rejected))
        }
    };
}

macro_rules! watching {
    () => {
        /// Items in the queue now, those claimed and not yet published included. Other threads may change it meanwhile.
        #[must_use]
        pub fn len(&self) -> usize {
            self.core.stats().current_size
        }

        /// Whether the queue holds nothing now.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// The logical capacity now, in items.
        #[must_use]
        pub fn capacity(&self) -> usize {
            self.core.stats().current_capacity
        }

        /// Counters and sizes, read one after the other; the peak is not kept.
        #[must_use]
        pub fn stats(&self) -> QueueStats {
            self.core.stats()
        }

        /// Refuses all pushes from now on and wakes everybody who waits. What is inside can still be taken.
        pub fn close(&self) {
            self.core.close();
        }

        /// Whether the queue was closed.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.core.is_closed()
        }
    };
}

impl<T> LockFreeMPSCQueue<T> {
    /// Makes an empty queue and allocates its initial capacity.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the field, its value and the rule.
    pub fn new(config: Config) -> BufferResult<Self> {
        Ok(Self { core: Arc::new(Core::new(&config)?) })
    }

    /// Gives the two ends as handles: producers that can be cloned, and one consumer, for whom taking needs no check.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeMPSCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
    /// let other = producer.clone();
    /// std::thread::spawn(move || other.try_enqueue(1)).join().unwrap()?;
    /// assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
    /// drop(producer);
    /// assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (Producer<T>, Consumer<T>) {
        self.core.producers.store(1, Ordering::SeqCst);
        (Producer { core: Arc::clone(&self.core) }, Consumer { core: self.core })
    }

    producing!();
    watching!();

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet published. Wait-free.
    ///
    /// # Errors
    /// - `Closed`: the queue was closed, and everything was taken.
    /// - `InvalidOperation`: another thread is taking at this moment. Nothing happened.
    #[inline(always)]
    pub fn try_dequeue(&self) -> BufferResult<Option<T>> {
        let mut turn = self.core.turn()?;
        self.core.try_take(turn.taker())
    }

    /// Takes up to `max_items`, oldest first.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let mut turn = self.core.turn()?;
        self.core.take_batch(turn.taker(), max_items)
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&self, timeout: Duration) -> BufferResult<Option<T>> {
        let mut turn = self.core.turn()?;
        self.core.take_until(turn.taker(), Instant::now().checked_add(timeout))
    }
}

impl<T> Producer<T> {
    producing!();
    watching!();
}

impl<T> Consumer<T> {
    watching!();

    fn taker(&mut self) -> (&Core<T>, &mut Taker<T>) {
        let taker = self.core.taker.with_mut(|taker| taker);
        // SAFETY: there is one `Consumer` for a queue that was split, it is borrowed exclusively, and the shared handle with
        // its other way to the taker is gone.
        (&self.core, unsafe { &mut *taker })
    }

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet published. Wait-free.
    ///
    /// # Errors
    /// `Closed`: the queue was closed, and everything was taken.
    #[inline(always)]
    pub fn try_dequeue(&mut self) -> BufferResult<Option<T>> {
        let (core, taker) = self.taker();
        core.try_take(taker)
    }

    /// Takes up to `max_items`, oldest first.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_batch(&mut self, max_items: usize) -> BufferResult<Vec<T>> {
        let (core, taker) = self.taker();
        core.take_batch(taker, max_items)
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&mut self, timeout: Duration) -> BufferResult<Option<T>> {
        let (core, taker) = self.taker();
        core.take_until(taker, Instant::now().checked_add(timeout))
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        self.core.producers.fetch_add(1, Ordering::SeqCst);
        Self { core: Arc::clone(&self.core) }
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        if self.core.producers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.core.close();
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.core.close();
    }
}

/// The right to be the consumer, taken for one call.
struct Turn<'a, T>(&'a Core<T>);

impl<T> Turn<'_, T> {
    #[inline(always)]
    fn taker(&mut self) -> &mut Taker<T> {
        let taker = self.0.taker.with_mut(|taker| taker);
        // SAFETY: `consuming` gives the taker to one turn at a time.
        unsafe { &mut *taker }
    }
}

impl<T> Drop for Turn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the next one to take the turn sees what this one did.
        self.0.consuming.store(false, Ordering::Release);
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        let taker = self.taker.with_mut(|taker| taker);
        // SAFETY: no handle is left, so nobody else is the consumer.
        let taker = unsafe { &mut *taker };
        while self.pop(taker).is_some() {}
        let spares = self.spares.swap(ptr::null_mut(), Ordering::SeqCst);
        let retired = std::mem::take(&mut taker.retired);
        for mut header in retired.into_iter().map(|header| (header, false)).chain([(taker.front, true), (spares, true)])
        {
            while !header.0.is_null() {
                // SAFETY: each header is in one of the three places, and nobody else is left to look at it.
                let segment = unsafe { Box::from_raw(header.0) };
                header.0 = if header.1 { segment.next.load(Ordering::SeqCst) } else { ptr::null_mut() };
            }
        }
    }
}

/// How many items the consumer takes between two renewals of the limit.
const fn renewal_interval(capacity: usize) -> u64 {
    let eighth = capacity as u64 / 8;
    if eighth == 0 { 1 } else { eighth }
}

impl<T> fmt::Debug for LockFreeMPSCQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockFreeMPSCQueue").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<T> Buffer<T> for LockFreeMPSCQueue<T> {
    fn push(&self, item: T) -> BufferResult<()> {
        match self.core.push_timeout {
            None => self.try_enqueue(item),
            Some(timeout) => Ok(self.offer_within(item, timeout)?),
        }
    }
    fn offer(&self, item: T) -> Result<(), Rejected<T>> {
        self.offer(item)
    }
    fn push_batch(&self, items: Vec<T>) -> BufferResult<()> {
        Ok(self.offer_batch(items)?)
    }
    fn pop(&self) -> BufferResult<T> {
        match self.core.pop_timeout {
            None => Buffer::try_pop(self),
            Some(timeout) => self.dequeue_within(timeout)?.ok_or(BufferError::Timeout(timeout)),
        }
    }
    fn try_pop(&self) -> BufferResult<T> {
        self.try_dequeue()?.ok_or(BufferError::Empty)
    }
    fn pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.dequeue_batch(max_items)
    }
    fn len(&self) -> usize {
        self.len()
    }
    fn capacity(&self) -> usize {
        self.capacity()
    }
    fn close(&self) {
        self.close();
    }
    fn is_closed(&self) -> bool {
        self.is_closed()
    }
    fn stats(&self) -> QueueStats {
        self.stats()
    }
}
