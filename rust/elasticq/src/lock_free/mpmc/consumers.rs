//! The consumers' side of the queue of many consumers.
//!
//! ```text
//! head     the position to be taken next
//! front    the segment that `head` is in (or, for a moment, the one that begins right behind `head`)
//! retired  segments that were drained, to be freed when no record names them any more (a list in `chain`)
//! ```
//!
//! **Take.** A consumer reads `head`, or guesses it (see `guess`). It looks at the slot of that position in
//! the segment that its record protects. The slot's stamp can fit only if this is the right segment, since
//! positions are never used twice. Then the consumer notes the position in its record, claims it with a CAS
//! of `head`, moves the item out, and erases the note. `records` tells how producers know from the notes
//! which slots they may write again: consumers write nothing to the slots.
//!
//! **End of a segment.** Where `head` is the `end` of the front, which carries no item, a consumer completes
//! the resize, moves `front` on to the next segment, and then moves `head` on to the `base` of that segment.
//! Each step is a CAS from the exact old value that any thread can do. The thread that moved the front
//! retires the old segment.
//!
//! **A failed claim** means that other consumers are taking. The consumer whose claim failed stays away for a
//! while instead of trying again at once, so that the cache line of `head` does not travel for each item.
//!
//! **Looking up.** The segment says up to which position consumers may take without a thought for anything
//! else (`due`): for an eighth of the capacity and, in a segment that may be left behind, no further than
//! what is there. The consumer that reaches `due` renews the limit, shrinks the queue, leaves a segment that
//! is drained, and sets the next `due`. So the memory of a burst goes with its last item.
//!
//! **A stalled consumer** keeps its slot from being used. It may be stalled between its claim and moving the
//! item out, or with a note whose claim failed or is still to come. All other threads go on; a producer that
//! comes to the slot one lap later goes on in another segment (see `chain`). The segment that the stalled
//! consumer's record names is kept until the consumer goes on.

use super::records::{Record, Records};
use crate::config::Config;
use crate::error::{BufferError, BufferResult};
use crate::lock_free::batch::{reserve, unless_none};
use crate::lock_free::chain::{CLOSED, Chain, MAX_RETIRED, OPEN, SEALED, Segment, Takers, position, renewal_interval};
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, order_seqcst, stay_away};
use crate::wait::{Attempt, Waiter};
use crossbeam_utils::CachePadded;
use std::ptr;

/// How many items the consumers take between two looks at whether a smaller queue would do, unless they find
/// the queue empty before. Each size costs a segment that has to be allocated and filled in, so a queue that
/// is being emptied shrinks by several steps at a time.
const fn shrink_interval(capacity: usize) -> u64 {
    let quarter = capacity as u64 / 4;
    if quarter == 0 { 1 } else { quarter }
}

/// What the consumers share.
pub(in crate::lock_free) struct Many<T> {
    head: CachePadded<AtomicU64>,
    front: CachePadded<AtomicPtr<Segment<T>>>,
    pub(in crate::lock_free) records: Records<T>,
    /// How many handles of consumers there are.
    pub(in crate::lock_free) handles: AtomicUsize,
    /// How many retired headers were still waiting when a consumer last looked through them.
    waiting: AtomicUsize,
}

impl<T> Takers<T> for Many<T> {
    fn popped(&self) -> u64 {
        loop {
            // The pin keeps this header from being used again, so all that is read of it belongs together.
            // SAFETY: headers live as long as the queue.
            let front = unsafe { &*self.front.load(Ordering::SeqCst) };
            let head = self.head.load(Ordering::SeqCst);
            if head <= front.end.load(Ordering::SeqCst) {
                return head.max(front.base.load(Ordering::SeqCst)) - front.skipped.load(Ordering::SeqCst);
            }
        }
    }

    fn occupied(&self, segment: &Segment<T>) -> u64 {
        // A reader in an earlier segment is in nobody's way.
        let finished = self.records.finished(&self.head).max(segment.base.load(Ordering::SeqCst));
        finished.saturating_add(segment.slots())
    }

    fn take_left(chain: &Core<T>) -> Option<T> {
        chain.take_left()
    }
}

impl<T> Many<T> {
    /// The segment in front and the position to be taken next, while nobody takes.
    pub(in crate::lock_free) fn place(&self) -> (*mut Segment<T>, u64) {
        let front = self.front.load(Ordering::SeqCst);
        // SAFETY: headers live as long as the queue.
        let base = unsafe { (*front).base.load(Ordering::SeqCst) };
        (front, self.head.load(Ordering::SeqCst).max(base))
    }
}

/// Why an item was not taken.
enum Missed {
    NotThere,
    Overtaken,
}

pub(in crate::lock_free) type Core<T> = Chain<T, Many<T>>;

impl<T> Core<T> {
    pub(in crate::lock_free) fn open(config: &Config) -> BufferResult<Self> {
        Self::new(config, |first| Many {
            head: CachePadded::new(AtomicU64::new(0)),
            front: CachePadded::new(AtomicPtr::new(first)),
            records: Records::new(),
            handles: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        })
    }

    /// A record for one call or one handle.
    #[inline(always)]
    pub(in crate::lock_free) fn record(&self) -> &Record<T> {
        self.takers.records.obtain()
    }

    /// Takes the next item, if it was published.
    #[inline(always)]
    pub(in crate::lock_free) fn pop(&self, record: &Record<T>) -> Option<T> {
        let Some(segment) = record.segment() else { return self.pop_with_care(record) };
        if let Some(head) = record.guess.position()
            && let Ok(item) = self.take_at(record, segment, head, |end| record.guess.was_right(end))
        {
            return Some(item);
        }
        self.look_and_pop(record, segment)
    }

    #[cold]
    #[inline(never)]
    fn look_and_pop(&self, record: &Record<T>, segment: &Segment<T>) -> Option<T> {
        let head = self.takers.head.load(Ordering::Acquire);
        match self.take_at(record, segment, head, |end| record.guess.claimed(head, end)) {
            Ok(item) => return Some(item),
            Err(Missed::Overtaken) => stay_away(0),
            Err(Missed::NotThere) => {}
        }
        self.pop_with_care(record)
    }

    /// Takes the item at `head`, if it was published in `segment` and no other consumer was faster. The
    /// record names the segment. `note` is told where the claim ends.
    #[inline(always)]
    fn take_at(
        &self,
        record: &Record<T>,
        segment: &Segment<T>,
        head: u64,
        note: impl FnOnce(u64),
    ) -> Result<T, Missed> {
        // SAFETY: the record names this segment.
        let slot = unsafe { segment.published(head) }.ok_or(Missed::NotThere)?;
        if !self.take_over(record, head, 1) {
            return Err(Missed::Overtaken);
        }
        // SAFETY: published, and claimed just now.
        let item = unsafe { slot.read() };
        note(head + 1);
        self.took(record, segment, head + 1);
        Ok(item)
    }

    /// Claims `count` positions from `head` on, and notes `head` in the record until `took`.
    #[inline(always)]
    fn take_over(&self, record: &Record<T>, head: u64, count: u64) -> bool {
        record.begin(head);
        // SeqCst: release, for the note; and the first half of "claim, then look for sleepers".
        let claimed =
            self.takers.head.compare_exchange(head, head + count, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        if !claimed {
            record.finish();
        }
        claimed
    }

    #[inline(always)]
    fn took(&self, record: &Record<T>, segment: &Segment<T>, next: u64) {
        record.finish();
        if next >= segment.due.load(Ordering::Relaxed) {
            self.look_up(record, segment, next);
        }
    }

    /// Does what is due after the positions up to `next` were taken: at every eighth of the capacity, and
    /// where the queue may be empty. There, the item may have been the last of a burst, after which nobody
    /// looks any more.
    #[cold]
    fn look_up(&self, record: &Record<T>, segment: &Segment<T>, next: u64) {
        let capacity = segment.capacity.load(Ordering::Relaxed);
        let interval = renewal_interval(capacity);
        let there = position(self.tail.load(Ordering::SeqCst)).saturating_sub(next);
        self.renew(there < interval);
        // One thread takes the last item, another sets the end behind it: one of the two sees the other.
        order_seqcst();
        // In this order: a thread that sees a tail beyond the end sees the end.
        let tail = position(self.tail.load(Ordering::SeqCst));
        let end = segment.end.load(Ordering::SeqCst);
        if end == self.takers.head.load(Ordering::SeqCst) {
            // The segment is drained. Going on to the next segment frees it.
            let _ = self.find_head(record);
            return;
        }
        let mut due = next + interval;
        if end != OPEN || capacity > self.elasticity.min() {
            due = due.min(tail.min(end).max(next + 1));
        }
        segment.due.store(due, Ordering::Relaxed);
    }

    #[cold]
    fn pop_with_care(&self, record: &Record<T>) -> Option<T> {
        let mut failed = 0;
        loop {
            let (segment, head) = self.find_head(record)?;
            match self.take_at(record, segment, head, |end| record.guess.claimed(head, end)) {
                Ok(item) => return Some(item),
                Err(Missed::Overtaken) => {
                    failed += 1;
                    stay_away(failed);
                }
                Err(Missed::NotThere) => {}
            }
        }
    }

    /// The segment that the head is in, protected by `record`, and the head; none if nothing is published
    /// there.
    fn find_head<'a>(&'a self, record: &'a Record<T>) -> Option<(&'a Segment<T>, u64)> {
        loop {
            let (front, let_go) = record.protect(&self.takers.front);
            if let_go {
                self.reclaim();
            }
            // SAFETY: headers live as long as the queue; protected, so this one is not used again meanwhile.
            let segment = unsafe { &*front };
            let head = self.takers.head.load(Ordering::SeqCst);
            let base = segment.base.load(Ordering::SeqCst);
            let end = segment.end.load(Ordering::SeqCst);
            if head < base {
                // `head` is the end of the segment before.
                let _ = self.takers.head.compare_exchange(head, base, Ordering::SeqCst, Ordering::SeqCst);
            } else if head == end {
                self.advance(front, segment);
            } else if head < end {
                // SAFETY: protected.
                if unsafe { segment.published(head) }.is_some() {
                    return Some((segment, head));
                }
                order_seqcst();
                // If the head has not moved, its item was not taken: it is not published, or its position is
                // not even claimed.
                if self.takers.head.load(Ordering::SeqCst) == head {
                    if segment.capacity.load(Ordering::Relaxed) > self.elasticity.min() {
                        self.renew(true);
                    }
                    // A smaller segment may follow by now.
                    if segment.end.load(Ordering::SeqCst) != head {
                        return None;
                    }
                }
            }
        }
    }

    /// Moves the front on from a segment of which consumers have claimed everything. The caller's record
    /// names the segment.
    fn advance(&self, front: *mut Segment<T>, segment: &Segment<T>) {
        {
            // The end may be set while the next segment does not have its base yet: then the resize is
            // completed here.
            let _pin = self.pin();
            let tail = self.tail.load(Ordering::SeqCst);
            if tail & SEALED != 0 && position(tail) == segment.end.load(Ordering::SeqCst) {
                self.help(tail);
            }
        }
        // Linked before the end was set.
        let next = segment.next.load(Ordering::SeqCst);
        // No ABA: the header is not used again while the record names it.
        if self.takers.front.compare_exchange(front, next, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.retire(front);
        }
    }

    /// Frees the slots of retired segments that no record names. Their headers are used again after a moment
    /// without a pin, as in `chain`. All headers are taken off the list at once, and those that have to wait
    /// are put back.
    #[cold]
    fn reclaim(&self) {
        if self.retired.load(Ordering::SeqCst).is_null() {
            return;
        }
        let mut header = self.retired.swap(ptr::null_mut(), Ordering::SeqCst);
        order_seqcst();
        let unpinned = self.cold.load(Ordering::SeqCst) == 0;
        let mut waiting = 0;
        while !header.is_null() {
            // SAFETY: headers live as long as the queue, and what was taken off the list belongs to this
            // thread.
            let segment = unsafe { &*header };
            let after = segment.link.load(Ordering::SeqCst);
            let named = self.takers.records.name(header);
            if !named {
                // SAFETY: consumers claimed all of the segment, so all was published before. They have moved
                // their items out, or a record would name the segment. No record will name it, since it is no
                // longer in front.
                unsafe { segment.retire() };
            }
            if !named && unpinned {
                self.keep_spare(header);
            } else {
                self.retire(header);
                waiting += 1;
            }
            header = after;
        }
        self.takers.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Renews the limit, and shrinks a sparsely used queue: always where nothing or little was found, and
    /// otherwise at every other renewal.
    #[cold]
    fn renew(&self, found_little: bool) {
        let pin = self.pin();
        let segment = self.current();
        let popped = self.takers.popped();
        let limit = self.limit(popped, segment);
        segment.raise_limit(limit);
        if segment.capacity.load(Ordering::SeqCst) > self.elasticity.min()
            && (found_little || self.begins_an_interval(segment))
            && self.takers.waiting.load(Ordering::Relaxed) < MAX_RETIRED
        {
            self.shrink(popped);
        }
        drop(pin);
        self.reclaim();
    }

    /// Whether this renewal, while items are taken, is the first since it became due to look whether less
    /// than the capacity of `segment` would do.
    fn begins_an_interval(&self, segment: &Segment<T>) -> bool {
        let capacity = segment.capacity.load(Ordering::Relaxed);
        self.takers.head.load(Ordering::SeqCst) % shrink_interval(capacity) < renewal_interval(capacity)
    }

    /// Takes the next item; `Closed` when there will be none.
    #[inline(always)]
    pub(in crate::lock_free) fn try_take(&self, record: &Record<T>) -> BufferResult<Option<T>> {
        if let Some(item) = self.pop(record) {
            return Ok(Some(item));
        }
        if self.closed.load(Ordering::SeqCst) && self.is_drained() {
            return Err(BufferError::Closed);
        }
        Ok(None)
    }

    /// Whether consumers have claimed everything that producers have claimed.
    pub(in crate::lock_free) fn is_drained(&self) -> bool {
        position(self.tail.load(Ordering::SeqCst)) <= self.takers.head.load(Ordering::SeqCst)
    }

    /// Takes up to `max_items`, with one claim for each stretch that is published in one segment.
    pub(in crate::lock_free) fn take_batch(&self, record: &Record<T>, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        self.take_more(record, &mut items, max_items)?;
        Ok(items)
    }

    /// Takes up to `max_items` more of what is there now, and not what comes meanwhile: producers could keep
    /// it busy for ever. Fails only if `items` stays empty.
    pub(in crate::lock_free) fn take_more(
        &self,
        record: &Record<T>,
        items: &mut Vec<T>,
        max_items: usize,
    ) -> BufferResult<()> {
        let wanted_in_all = items.len().saturating_add(max_items);
        let end = position(self.tail.load(Ordering::Acquire));
        let mut failed = 0;
        while items.len() < wanted_in_all {
            let Some((segment, head)) = self.find_head(record).filter(|(_, head)| *head < end) else { break };
            let wanted = segment.slots().min(end - head).min((wanted_in_all - items.len()) as u64);
            // SAFETY: the record names this segment.
            let count = unsafe { segment.count_published(head, wanted) };
            if let Err(no_memory) = reserve(items, count) {
                return if items.is_empty() { Err(no_memory) } else { Ok(()) };
            }
            if self.take_over(record, head, count as u64) {
                // SAFETY: the record names this segment, and these were claimed just now.
                unsafe { segment.take_all(head, count as u64, items) };
                let next = head + count as u64;
                record.guess.claimed(head, next);
                self.took(record, segment, next);
            } else {
                failed += 1;
                stay_away(failed);
            }
        }
        if items.is_empty() && max_items > 0 {
            // An item that came since may be taken along. And if the queue has come to its end, the caller
            // has to hear of it.
            reserve(items, 1)?;
            items.extend(self.try_take(record)?);
        }
        Ok(())
    }

    /// Takes up to `max_items`, or registers for the first.
    pub(in crate::lock_free) fn attempt_to_take_many(
        &self,
        record: &Record<T>,
        items: &mut Vec<T>,
        max_items: usize,
    ) -> Attempt<'_, BufferResult<()>> {
        let look = || unless_none(self.take_more(record, items, max_items), items, max_items);
        self.look_or_register(record, look, || self.items.waiter())
    }

    /// Takes the next item, or registers for it.
    pub(in crate::lock_free) fn attempt_to_take(&self, record: &Record<T>) -> Attempt<'_, BufferResult<T>> {
        self.take_or_register(record, || self.items.waiter())
    }

    /// The same with a waiter that `register` makes.
    #[inline(always)]
    pub(in crate::lock_free) fn take_or_register<'a>(
        &self,
        record: &Record<T>,
        register: impl FnOnce() -> Waiter<'a>,
    ) -> Attempt<'a, BufferResult<T>> {
        self.look_or_register(record, || self.try_take(record).transpose(), register)
    }

    /// Calls `look`, which uses the record, or, where that finds nothing, registers.
    #[inline(always)]
    fn look_or_register<'a, R>(
        &self,
        record: &Record<T>,
        look: impl FnOnce() -> Option<BufferResult<R>>,
        register: impl FnOnce() -> Waiter<'a>,
    ) -> Attempt<'a, BufferResult<R>> {
        if let Some(settled) = look() {
            return Attempt::Settled(settled);
        }
        if self.is_on_its_way() {
            return Attempt::Soon; // its producer may have looked for sleepers already
        }
        let waiter = register();
        order_seqcst();
        if self.is_on_its_way() {
            return Attempt::Soon;
        }
        self.let_go(record); // a sleeper keeps no memory
        Attempt::Sleep(waiter)
    }

    /// Whether a producer has claimed an item that no consumer has claimed, or the caller has to hear that
    /// the queue was closed. SeqCst: the second half of "register, then look at the tail".
    fn is_on_its_way(&self) -> bool {
        let tail = self.tail.load(Ordering::SeqCst);
        position(tail) > self.takers.head.load(Ordering::SeqCst) || tail & CLOSED != 0
    }

    /// Makes the record protect no segment any more.
    pub(in crate::lock_free) fn let_go(&self, record: &Record<T>) {
        record.let_go();
        self.reclaim();
    }
}

impl<T> Core<T> {
    /// Drops what is left, for the last of the consumers.
    pub(in crate::lock_free) fn abandon(&self) {
        let consumed = {
            let _pin = self.pin();
            self.takers.popped()
        };
        self.end(&mut (), consumed, |()| self.take_left(), |()| !self.is_drained());
    }

    /// Takes an item as a consumer does.
    pub(in crate::lock_free) fn take_left(&self) -> Option<T> {
        let record = self.record();
        let item = self.pop(record);
        record.release();
        item
    }
}

impl<T> Drop for Many<T> {
    fn drop(&mut self) {
        let (front, head) = self.place();
        // SAFETY: nobody else is left; the head is in the front or has yet to enter it.
        unsafe { Segment::free_chain(front, head) };
    }
}
