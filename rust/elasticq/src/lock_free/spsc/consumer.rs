//! Taking, following the producer through the chain, and finding the end.

use super::core::{CLOSED, CONSUMER, Core, NOBODY, OPEN, PRODUCER_SLEEPS, SPARSE, to_usize};
use super::segment::{Cursor, Segment};
use crate::error::{BufferError, BufferResult};
use crate::lock_free::batch::{reserve, those_in_time, unless_none};
use crate::lock_free::turns::found;
use crate::sync::Ordering;
use crate::sync::barrier::{often, rarely};
use crate::wait::{Attempt, Waiter, block, complete, complete_take, in_time, try_briefly_or_register};
use std::time::Duration;

/// What only the consumer knows.
pub(in crate::lock_free) struct Taker<T> {
    pub(in crate::lock_free) cursor: Cursor<T>,
    /// The consumer has seen that the queue is closed, and has passed a barrier since.
    knows_closed: bool,
    /// Where the queue ends, once that is settled: what may be written from there on is not for the consumer.
    last: u64,
}

impl<T> Taker<T> {
    /// At the beginning of the first segment.
    pub(super) fn new(first: *mut Segment<T>) -> Self {
        Self { cursor: Cursor::new(first), knows_closed: false, last: OPEN }
    }
}

/// What the consumer finds when it has used up what it knew of.
#[derive(PartialEq)]
enum Found {
    Items,
    /// Items, in a segment that the consumer may have to leave after the last of them.
    LastItems,
    Nothing,
    End,
}

impl<T> Core<T> {
    /// Takes the next item; `Closed` when there will be none.
    #[inline(always)]
    pub(super) fn pop(&self, taker: &mut Taker<T>) -> BufferResult<Option<T>> {
        if taker.cursor.position >= taker.cursor.limit && !self.look(taker) {
            match self.search(taker) {
                Found::Items => {}
                Found::LastItems => return Ok(Some(self.take_and_tidy(taker))),
                Found::Nothing => return Ok(None),
                Found::End => return Err(BufferError::Closed),
            }
        }
        // SAFETY: published, and the caller is the consumer.
        let item = unsafe { taker.cursor.take() };
        self.release(taker);
        Ok(Some(item))
    }

    /// Takes one of the items found, and tidies up.
    #[cold]
    fn take_and_tidy(&self, taker: &mut Taker<T>) -> T {
        // SAFETY: published, and the caller is the consumer.
        let item = unsafe { taker.cursor.take() };
        self.release(taker);
        self.tidy(taker);
        item
    }

    /// To be called after some of the last items were taken. Leaves the segment if it is drained, and sees to
    /// a smaller one if the queue is empty. If items are left, the last of them is kept from the fast path,
    /// so that the call that takes it tidies up too.
    fn tidy(&self, taker: &mut Taker<T>) {
        if !taker.cursor.is_at_limit() {
            taker.cursor.keep_last();
            return;
        }
        loop {
            // In this order: see `published`.
            let tail = self.published(taker);
            // SAFETY: the cursor is the consumer's.
            if unsafe { taker.cursor.leave_drained() } {
                continue;
            }
            let cursor = &taker.cursor;
            let spare = tail == cursor.position && cursor.segment().sparse > 0 && cursor.segment().next().is_none();
            if !spare || !self.ask_to_shrink(cursor.position) {
                return;
            }
        }
    }

    /// Takes up to `max_items`, oldest first.
    pub(super) fn pop_many(&self, taker: &mut Taker<T>, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        self.pop_more(taker, &mut items, max_items)?;
        Ok(items)
    }

    /// Takes up to `max_items`, waiting up to `timeout` for the first.
    pub(super) fn pop_many_within(
        &self,
        taker: &mut Taker<T>,
        max_items: usize,
        timeout: Duration,
    ) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let taken = block(timeout, || self.attempt_to_pop_many(taker, &mut items, max_items));
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
            self.attempt_to_pop_many(unsafe { self.taker() }, &mut items, max_items)
        })
        .await?;
        Ok(items)
    }

    /// Takes up to `max_items`, or registers for the first.
    fn attempt_to_pop_many(
        &self,
        taker: &mut Taker<T>,
        items: &mut Vec<T>,
        max_items: usize,
    ) -> Attempt<'_, BufferResult<()>> {
        let look = || unless_none(self.pop_more(taker, items, max_items), items, max_items);
        self.look_or_register(look, || self.items.waiter())
    }

    /// Takes up to `max_items` more of what is there now, and not what comes meanwhile: a fast producer could
    /// keep it busy for ever. Fails only if `items` stays empty.
    fn pop_more(&self, taker: &mut Taker<T>, items: &mut Vec<T>, max_items: usize) -> BufferResult<()> {
        let wanted = items.len().saturating_add(max_items);
        let (mut end, mut result) = (OPEN, Ok(()));
        while items.len() < wanted && taker.cursor.position < end {
            if taker.cursor.position >= taker.cursor.limit && !self.look(taker) {
                match self.search(taker) {
                    Found::Items | Found::LastItems => {}
                    Found::End if items.is_empty() => return Err(BufferError::Closed),
                    Found::Nothing | Found::End => break,
                }
            }
            if end == OPEN {
                end = self.published(taker);
            }
            let count = to_usize(taker.cursor.limit.min(end) - taker.cursor.position).min(wanted - items.len());
            if let Err(no_memory) = reserve(items, count) {
                if items.is_empty() {
                    result = Err(no_memory);
                }
                break;
            }
            // SAFETY: published, and the caller is the consumer.
            items.extend((0..count).map(|_| unsafe { taker.cursor.take() }));
            self.release(taker);
        }
        if !taker.cursor.segment().is_plain() {
            self.tidy(taker);
        }
        result
    }

    /// Shows the producer how far the consumer is.
    #[inline(always)]
    fn release(&self, taker: &Taker<T>) {
        // Release: a producer that sees the head sees that the slots below it were read.
        self.head.store(taker.cursor.position, Ordering::Release);
    }

    /// Wakes the producer if it sleeps. To be called after something was taken, and after the caller's turn
    /// has ended, if it had one: a woken thread may use the queue.
    #[inline(always)]
    pub(in crate::lock_free) fn tell_producer(&self) {
        // Between making room and looking at the notes. The other half: `rarely` in `registered`.
        often();
        if self.notes.load(Ordering::Relaxed) & PRODUCER_SLEEPS != 0 {
            self.tell_who_waits(PRODUCER_SLEEPS);
        }
    }

    /// How far the producer is, or where the queue ends, if that is before.
    #[inline(always)]
    pub(in crate::lock_free) fn published(&self, taker: &Taker<T>) -> u64 {
        // Acquire: pairs with `publish`. Links made before an item was published are seen with it. So what is
        // below this tail, and not beyond the end of a segment that has one, is in that segment.
        self.tail.load(Ordering::Acquire).min(taker.last)
    }

    /// Looks whether there is more in the segment; false if a glance cannot tell.
    #[inline(always)]
    fn look(&self, taker: &mut Taker<T>) -> bool {
        let tail = self.published(taker);
        let plain = tail != taker.cursor.position && taker.cursor.segment().is_plain();
        if plain {
            taker.cursor.set_limit(tail);
        }
        plain
    }

    /// Looks through the chain for more items, freeing drained segments.
    #[cold]
    fn search(&self, taker: &mut Taker<T>) -> Found {
        loop {
            let tail = self.published(taker);
            let cursor = &mut taker.cursor;
            // SAFETY: the cursor is the consumer's.
            if unsafe { cursor.leave_drained() } {
                continue;
            }
            let next = cursor.segment().next();
            let is_sparse = next.is_none() && tail - cursor.position < cursor.segment().sparse as u64;
            if is_sparse && self.ask_to_shrink(cursor.position) {
                continue;
            }
            let limit = match next {
                Some((_, end)) => tail.min(end),
                None => tail,
            };
            if cursor.position < limit {
                cursor.set_limit(limit);
                return if cursor.segment().is_plain() { Found::Items } else { Found::LastItems };
            }
            if self.notes.load(Ordering::SeqCst) & CLOSED == 0 {
                return Found::Nothing;
            }
            if taker.knows_closed {
                // A push that was under way may have settled the end first, and then its item is here.
                taker.last = self.settle(cursor.position);
                if taker.last == cursor.position {
                    return Found::End;
                }
            } else {
                // After the barrier, the consumer sees every push that has not seen the note; a push that has
                // seen the note settles the end.
                rarely();
                taker.knows_closed = true;
            }
        }
    }

    /// Settles where the closed queue ends: behind what is published now. The end is not further on, since
    /// what is taken from here on makes room that a push under way could find.
    pub(super) fn find_end(&self, taker: &mut Taker<T>) {
        if !taker.knows_closed {
            rarely(); // as in `search`
            taker.knows_closed = true;
        }
        taker.last = self.settle(self.published(taker));
    }

    /// Shrinks the queue if no producer is at work, or else asks the producer to do it; tells whether it
    /// shrank the queue.
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

    /// Takes the next item, blocking for it up to `timeout`.
    pub(super) fn pop_within(&self, taker: &mut Taker<T>, timeout: Duration) -> BufferResult<Option<T>> {
        in_time(block(timeout, || self.attempt_to_pop(taker)))
    }

    /// Takes the next item, waiting for it as a task. It calls `tell` after each attempt that may
    /// have taken one.
    ///
    /// # Safety
    /// The caller is the consumer until the future is done or dropped.
    pub(super) unsafe fn receive(&self, tell: impl Fn() + Copy) -> impl Future<Output = BufferResult<T>> {
        // SAFETY: this function's own condition. Only one of the two runs at a time.
        let taker = || unsafe { self.taker() };
        let look = move || found(self.pop(taker()), tell);
        complete_take(look, move || {
            let attempt = self.attempt_to_pop(taker());
            tell();
            attempt
        })
    }

    /// Takes the next item, or registers for it.
    fn attempt_to_pop(&self, taker: &mut Taker<T>) -> Attempt<'_, BufferResult<T>> {
        self.pop_or_register(taker, || self.items.waiter())
    }

    /// The same with a waiter that `register` makes.
    #[inline(always)]
    pub(in crate::lock_free) fn pop_or_register<'a>(
        &self,
        taker: &mut Taker<T>,
        register: impl FnOnce() -> Waiter<'a>,
    ) -> Attempt<'a, BufferResult<T>> {
        self.look_or_register(|| self.pop(taker).transpose(), register)
    }

    /// Calls `look` or, where that finds nothing, registers.
    #[inline(always)]
    fn look_or_register<'a, R>(
        &self,
        look: impl FnMut() -> Option<BufferResult<R>>,
        register: impl FnOnce() -> Waiter<'a>,
    ) -> Attempt<'a, BufferResult<R>> {
        let register = || {
            let waiter = register();
            self.consumer_registered();
            waiter
        };
        try_briefly_or_register(look, register)
    }
}
