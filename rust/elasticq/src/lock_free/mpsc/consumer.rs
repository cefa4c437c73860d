//! The elastic queue of many producers and one consumer. `tla+/LockFreeMPSCQueue.tla` models it step by step.
//!
//! `chain` tells how producers claim and publish, and `resize` how the queue grows and shrinks. This file is
//! the consumer. It goes from position to position, takes what was published, counts it in `popped`, and
//! retires segments that it has drained. No other thread does any of this, so all of the consumer's state but
//! the count is in plain cells.
//!
//! Now and then the consumer looks up from its work (`look_up`). It notes at how many items it will have
//! taken all that is there now (`empty_at`). When it gets there, it looks whether a smaller queue would do,
//! and notes the next such number. One of these numbers is the last item of a burst, after which nobody else
//! would give the memory back.

use super::left::Left;
use super::pace::Pace;
use crate::config::Config;
use crate::error::{BufferError, BufferResult};
use crate::lock_free::batch::{reserve, those_in_time, unless_none};
use crate::lock_free::chain::{CLOSED, Chain, MAX_RETIRED, SEALED, Segment, Takers, position, renewal_interval};
use crate::lock_free::turns::{ConsumerTurns, found};
use crate::sync::{AtomicU64, Cell, Ordering, order_seqcst};
use crate::wait::{Attempt, Waiter, block, complete, complete_take, in_time};
use crossbeam_utils::CachePadded;
use std::ptr;
use std::time::Duration;

/// The consumer's side.
pub(in crate::lock_free) struct Single<T> {
    pub(in crate::lock_free) popped: CachePadded<AtomicU64>,
    pub(in crate::lock_free) taker: CachePadded<Cell<Taker<T>>>,
    /// Whether a thread is the consumer at the moment; the `taker` belongs to that thread.
    pub(in crate::lock_free) consuming: ConsumerTurns,
    pub(in crate::lock_free) left: Left<T>,
}

/// What only the consumer knows.
pub(in crate::lock_free) struct Taker<T> {
    pub(in crate::lock_free) head: u64,
    /// Positions below `head` that carried no item: the ends of segments.
    skipped: u64,
    /// The `popped` at which the limit is to be renewed.
    renew_at: u64,
    pace: Pace,
    /// The `popped` at which the consumer has taken all that was there when it reached the last such number;
    /// `u64::MAX` where nothing could be given back then.
    empty_at: u64,
    /// The least of `renew_at`, `empty_at`, and the number at which `pace` is to be kept.
    due_at: u64,
    pub(in crate::lock_free) front: *mut Segment<T>,
    /// Retired headers, which a pinned thread may still look at.
    pub(in crate::lock_free) retired: Vec<*mut Segment<T>>,
}

impl<T> Taker<T> {
    /// Items ever taken. It is not kept by itself, so that for each item only one number is counted up.
    #[inline(always)]
    pub(in crate::lock_free) const fn popped(&self) -> u64 {
        self.head - self.skipped
    }
}

// SAFETY: the pointers lead to segments, which belong to the queue. One thread at a time uses the taker
// (`consuming`, or the one `Consumer`).
unsafe impl<T: Send> Send for Single<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Single<T> {}

impl<T> Takers<T> for Single<T> {
    fn popped(&self) -> u64 {
        self.popped.load(Ordering::SeqCst)
    }

    fn take_left(chain: &Core<T>) -> Option<T> {
        chain.take_left()
    }
}

pub(in crate::lock_free) type Core<T> = Chain<T, Single<T>>;

impl<T> Core<T> {
    pub(super) fn open(config: &Config) -> BufferResult<Self> {
        Self::new(config, |first| {
            let taker = Taker {
                head: 0,
                skipped: 0,
                renew_at: 0,
                pace: Pace::new(),
                empty_at: u64::MAX,
                due_at: 0,
                front: first,
                retired: Vec::new(),
            };
            Single {
                popped: CachePadded::new(AtomicU64::new(0)),
                taker: CachePadded::new(Cell::new(taker)),
                consuming: ConsumerTurns::new(),
                left: Left::new(),
            }
        })
    }

    /// Takes the next item, if it was published.
    #[inline(always)]
    pub(in crate::lock_free) fn pop(&self, taker: &mut Taker<T>) -> Option<T> {
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
        self.settle(taker);
    }

    /// Stores how many items were taken.
    #[inline(always)]
    fn settle(&self, taker: &mut Taker<T>) {
        let popped = taker.popped();
        // Release: a thread that sees this count sees that the slots were read.
        self.takers.popped.store(popped, Ordering::Release);
        if popped >= taker.due_at {
            self.look_up(taker);
        }
    }

    /// Does what is due now and then.
    #[cold]
    fn look_up(&self, taker: &mut Taker<T>) {
        if taker.popped() >= taker.empty_at {
            // Perhaps this was the last item of a burst, after which the consumer may not look any more.
            self.renew(taker);
            self.shrink_for(taker);
            while self.leave_drained(taker) {}
        } else if taker.popped() >= taker.renew_at {
            self.renew(taker);
        }
        if taker.popped() >= taker.pace.look_at {
            // Of the current segment, only the capacity matters here; the head may still be in an earlier
            // segment.
            let capacity = self.current().capacity.load(Ordering::Relaxed);
            let (popped, head) = (taker.popped(), taker.head);
            taker.pace.keep(popped, capacity, || position(self.tail.load(Ordering::Relaxed)).saturating_sub(head));
        }
        // `empty_at` does not move on before it is reached: otherwise, where producers keep pace, the queue
        // would never shrink.
        if taker.popped() >= taker.empty_at || taker.empty_at == u64::MAX {
            taker.empty_at = self.when_empty(taker);
        }
        taker.due_at = taker.renew_at.min(taker.pace.look_at).min(taker.empty_at);
    }

    /// The `popped` at which all that is there now is taken; `u64::MAX` where nothing could be given back
    /// then. Where nothing is there, a producer is growing the queue, or there was no memory for a smaller
    /// segment: then it is the `popped` after the next item.
    fn when_empty(&self, taker: &Taker<T>) -> u64 {
        if self.current().capacity.load(Ordering::Relaxed) == self.elasticity.min()
            && ptr::eq(self.current(), taker.front)
        {
            return u64::MAX;
        }
        // In this order: where the queue is resized in between, the result is too low, and the next look is
        // exact.
        let tail = position(self.tail.load(Ordering::SeqCst));
        let pushed = tail.saturating_sub(self.current().skipped.load(Ordering::SeqCst));
        pushed.max(taker.popped() + 1)
    }

    /// Goes on to the next segment if the front segment has ended and is drained; tells whether it did.
    fn leave_drained(&self, taker: &mut Taker<T>) -> bool {
        // SAFETY: the front segment is the consumer's until it retires it.
        let front = unsafe { &*taker.front };
        if front.end.load(Ordering::SeqCst) != taker.head {
            return false;
        }
        self.advance(taker, front);
        true
    }

    #[cold]
    fn pop_with_care(&self, taker: &mut Taker<T>) -> Option<T> {
        loop {
            if !self.leave_drained(taker) {
                // There is nothing, or the next item is claimed and not yet published. A queue that is as
                // small as it may be is left alone: a producer at the limit looks at `popped` itself, and
                // further looks by the consumer would only slow the producers down.
                if self.current().capacity.load(Ordering::Relaxed) > self.elasticity.min() {
                    self.renew(taker);
                    self.shrink_for(taker);
                }
                // A smaller segment may follow by now.
                if !self.leave_drained(taker) {
                    return None;
                }
            }
            // SAFETY: headers live as long as the queue.
            let front = unsafe { &*taker.front };
            // SAFETY: as in `pop`.
            if let Some(item) = unsafe { front.take(taker.head) } {
                self.took(taker);
                return Some(item);
            }
        }
    }

    /// Goes on to the next segment and retires the front segment: every item of it was taken, so no claim in
    /// it is unpublished.
    fn advance(&self, taker: &mut Taker<T>, front: &Segment<T>) {
        let next = front.next.load(Ordering::SeqCst);
        taker.retired.push(taker.front);
        taker.front = next;
        taker.head += 1;
        taker.skipped += 1; // the end itself carries no item
        // The end may be set while the next segment is not yet current. Then the resize is completed here:
        // otherwise a producer could be about to look for the old segment's slots.
        let tail = self.tail.load(Ordering::SeqCst);
        if tail & SEALED != 0 && position(tail) + 1 == taker.head {
            self.help(tail);
        }
        // SAFETY: drained, and nobody can claim in it: the tail has moved beyond its end.
        unsafe { front.retire() };
        self.recycle(taker);
    }

    /// Gives retired headers back for use. A pinned thread may have found them before they were retired, so
    /// they are given back only after a moment without pins. A thread that is pinned later finds the current
    /// segment, which is none of them.
    fn recycle(&self, taker: &mut Taker<T>) {
        if !self.retired.load(Ordering::Relaxed).is_null() {
            // Headers that producers prepared and never linked.
            let mut header = self.retired.swap(ptr::null_mut(), Ordering::SeqCst);
            while !header.is_null() {
                taker.retired.push(header);
                // SAFETY: headers live as long as the queue, and what was taken off the list belongs to this
                // thread.
                header = unsafe { (*header).link.load(Ordering::SeqCst) };
            }
        }
        order_seqcst();
        if !taker.retired.is_empty() && self.cold.load(Ordering::SeqCst) == 0 {
            for header in taker.retired.drain(..) {
                self.keep_spare(header);
            }
        }
    }

    /// Shrinks a sparsely used queue.
    fn shrink_for(&self, taker: &Taker<T>) {
        if taker.retired.len() < MAX_RETIRED {
            self.shrink(taker.popped());
        }
    }

    /// Renews the limit.
    #[cold]
    fn renew(&self, taker: &mut Taker<T>) {
        let segment = self.current();
        let capacity = segment.capacity.load(Ordering::SeqCst);
        let limit = self.limit(taker.popped(), segment);
        if segment.limit.load(Ordering::Relaxed) != limit {
            // Release: a thread that sees the limit sees that the slots below it were read. A producer may
            // have raised the limit meanwhile, but no further than this value, so a plain store lowers
            // nothing: a producer that has seen a later count comes after this store.
            segment.limit.store(limit, Ordering::Release);
        }
        taker.renew_at = taker.popped() + renewal_interval(capacity);
        self.recycle(taker);
    }

    /// Whether nothing is there and nothing is on its way. SeqCst: the second half of "register, then look at
    /// the tail".
    pub(in crate::lock_free) fn is_drained(&self, taker: &Taker<T>) -> bool {
        position(self.tail.load(Ordering::SeqCst)) <= taker.head
    }

    #[inline(always)]
    pub(super) fn turn(&self) -> BufferResult<ConsumerTurn<'_, T>> {
        self.takers.consuming.take("the queue has one consumer, and another thread is taking")?;
        Ok(ConsumerTurn(self))
    }

    /// Takes something as the consumer, for one call, and then wakes producers that wait for room.
    #[inline(always)]
    pub(super) fn take_turn<R>(&self, take: impl FnOnce(&mut Taker<T>) -> BufferResult<R>) -> BufferResult<R> {
        let mut turn = self.turn()?;
        let taken = take(turn.taker());
        drop(turn);
        self.tell_producers();
        taken
    }

    /// # Safety
    /// The caller is the consumer, and holds no other reference to its side.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(in crate::lock_free) unsafe fn taker(&self) -> &mut Taker<T> {
        let taker = self.takers.taker.with_mut(|taker| taker);
        // SAFETY: this function's own condition.
        unsafe { &mut *taker }
    }

    pub(super) fn take_batch(&self, taker: &mut Taker<T>, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        self.take_more(taker, &mut items, max_items)?;
        Ok(items)
    }

    /// Takes up to `max_items`, waiting up to `timeout` for the first.
    pub(super) fn take_batch_within(
        &self,
        taker: &mut Taker<T>,
        max_items: usize,
        timeout: Duration,
    ) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let taken = block(timeout, || self.attempt_to_take_many(taker, &mut items, max_items));
        those_in_time(taken, items)
    }

    /// Takes up to `max_items`, waiting for the first as a task.
    ///
    /// # Safety
    /// The caller is the consumer until the future is done or dropped.
    pub(super) async unsafe fn receive_many(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        complete(|| {
            // SAFETY: this function's own condition.
            self.attempt_to_take_many(unsafe { self.taker() }, &mut items, max_items)
        })
        .await?;
        Ok(items)
    }

    /// Takes up to `max_items`, or registers for the first.
    fn attempt_to_take_many(
        &self,
        taker: &mut Taker<T>,
        items: &mut Vec<T>,
        max_items: usize,
    ) -> Attempt<'_, BufferResult<()>> {
        let look = |taker: &mut Taker<T>| unless_none(self.take_more(taker, items, max_items), items, max_items);
        self.look_or_register(taker, look, || self.items.waiter())
    }

    /// Takes up to `max_items` more of what is there now, and not what comes meanwhile: producers could keep
    /// it busy for ever. (The ends of segments count as places too, so it may take a few items more, but
    /// never more than there can be.) It fails only if `items` stays empty or there is no memory for more.
    fn take_more(&self, taker: &mut Taker<T>, items: &mut Vec<T>, max_items: usize) -> BufferResult<()> {
        let there = position(self.tail.load(Ordering::Acquire)).saturating_sub(taker.head);
        let there = usize::try_from(there.max(1)).unwrap_or(usize::MAX).min(self.elasticity.max());
        let wanted = max_items.min(there);
        reserve(items, wanted)?;
        let wanted = items.len() + wanted;
        while items.len() < wanted {
            match self.try_take(taker) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) if !items.is_empty() => break,
                Err(error) => return Err(error),
            }
            self.take_run(taker, items, wanted);
        }
        Ok(())
    }

    /// Takes what is published in the front segment, until there are `wanted` items or something else is due;
    /// stores the count once.
    fn take_run(&self, taker: &mut Taker<T>, items: &mut Vec<T>, wanted: usize) {
        // SAFETY: the front segment is the consumer's until it retires it.
        let front = unsafe { &*taker.front };
        let most = ((wanted - items.len()) as u64).min(taker.due_at.saturating_sub(taker.popped()));
        // SAFETY: the caller is the consumer, and these are its head and front.
        let taken = unsafe { front.take_all(taker.head, most, items) };
        taker.head += taken;
        self.settle(taker);
    }

    /// Takes the next item; `Closed` when there will be none.
    #[inline(always)]
    pub(super) fn try_take(&self, taker: &mut Taker<T>) -> BufferResult<Option<T>> {
        if let Some(item) = self.pop(taker) {
            return Ok(Some(item));
        }
        if self.closed.load(Ordering::Acquire) && self.is_drained(taker) {
            return Err(BufferError::Closed);
        }
        Ok(None)
    }

    /// Takes the next item, blocking for it up to `timeout`.
    pub(super) fn take_one_within(&self, taker: &mut Taker<T>, timeout: Duration) -> BufferResult<Option<T>> {
        in_time(block(timeout, || self.attempt_to_take(taker)))
    }

    /// Takes the next item, waiting for it as a task. It calls `tell` after each attempt that may
    /// have taken one.
    ///
    /// # Safety
    /// The caller is the consumer until the future is done or dropped.
    pub(super) unsafe fn receive(&self, tell: impl Fn() + Copy) -> impl Future<Output = BufferResult<T>> {
        // SAFETY: this function's own condition. Only one of the two runs at a time.
        let taker = || unsafe { self.taker() };
        let look = move || found(self.try_take(taker()), tell);
        complete_take(look, move || {
            let attempt = self.attempt_to_take(taker());
            tell();
            attempt
        })
    }

    /// Takes the next item, or registers for it.
    fn attempt_to_take(&self, taker: &mut Taker<T>) -> Attempt<'_, BufferResult<T>> {
        self.take_or_register(taker, || self.items.waiter())
    }

    /// The same with a waiter that `register` makes.
    #[inline(always)]
    pub(in crate::lock_free) fn take_or_register<'a>(
        &self,
        taker: &mut Taker<T>,
        register: impl FnOnce() -> Waiter<'a>,
    ) -> Attempt<'a, BufferResult<T>> {
        self.look_or_register(taker, |taker| self.try_take(taker).transpose(), register)
    }

    /// Calls `look` or, where that finds nothing, registers.
    #[inline(always)]
    fn look_or_register<'a, R>(
        &self,
        taker: &mut Taker<T>,
        look: impl FnOnce(&mut Taker<T>) -> Option<BufferResult<R>>,
        register: impl FnOnce() -> Waiter<'a>,
    ) -> Attempt<'a, BufferResult<R>> {
        if let Some(settled) = look(taker) {
            return Attempt::Settled(settled);
        }
        let waiter = register();
        order_seqcst();
        let tail = self.tail.load(Ordering::SeqCst);
        if position(tail) > taker.head || tail & CLOSED != 0 {
            Attempt::Soon // its producer may have looked for sleepers before this consumer registered
        } else {
            Attempt::Sleep(waiter)
        }
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
        self.0.takers.consuming.end();
    }
}

impl<T> Drop for Single<T> {
    fn drop(&mut self) {
        let taker = self.taker.with_mut(|taker| taker);
        // SAFETY: no handle is left, so nobody else is the consumer.
        let taker = unsafe { &mut *taker };
        for header in taker.retired.drain(..) {
            // SAFETY: a retired header is in this list and nowhere else, and nobody is left to look at it.
            drop(unsafe { Box::from_raw(header) });
        }
        // SAFETY: nobody else is left, and these are the consumer's front and head.
        unsafe { Segment::free_chain(taker.front, taker.head.max(self.left.head())) };
    }
}
