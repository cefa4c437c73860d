//! The end of a queue whose last consumer handle goes: what is inside can never be taken, so it is dropped.
//!
//! ```text
//! CLOSED in tail   no claim succeeds any more: the items are those that were claimed before
//! consumed         how many items reached a consumer; NOT_YET as long as there is one
//! items.sleepers   never zero again, if an item was on its way when the consumer went
//! ```
//!
//! **Nothing is left.** The consumer that goes closes the queue and drops what it finds. An item is *on its way* if its position
//! was claimed before and it is not published yet. Where there is none that was all. Otherwise its producer has to drop it,
//! or the consumer, and nobody waits for the other:
//!
//! ```text
//! consumer   1. seem to sleep; barrier          producer   3. publish
//!            2. drop what is published                     4. look for sleepers, as ever; 5. where one seems to be,
//!                                                             fence, drop what is published
//! ```
//!
//! If 4 does not see 1, then 3 comes before the barrier (whose other half stands between 3 and 4), and so 2 sees the item. If
//! it does, the producer drops the item in 5, and whatever is published behind it. Several may do so at once, each up to the first
//! item that it doesn't see published. Of all these the one that passes its fence (or the barrier) last sees everything that was
//! published by those before it, so **the last one leaves nothing**.
//!
//! **Each is dropped once.** Whoever drops an item takes it first, by a CAS from its exact position: many consumers do so
//! anyway (`takers`). The one consumer takes as ever until something is on its way; then it hands its place over
//! (`Left`), and from there on everybody takes by a CAS. Segments beyond that place are kept until the last handle goes, since
//! nobody knows who still reads there.
//!
//! **An item is dropped while nothing is held**: no lock, no turn, no record, no pin. So its `Drop` may use the queue (a push is
//! refused, a producer inside it goes like any other) and may take its time: the others drop what is theirs. It was counted before, so
//! a panic in it loses no count, and what comes behind it is dropped all the same (`drop_all`).

use super::chain::{Chain, Takers};
use super::segment::Segment;
use super::{mpsc, takers};
use crate::sync::barrier::rarely;
use crate::sync::{AtomicPtr, AtomicU64, Ordering, fence};
use std::mem::replace;
use std::{iter, ptr};

/// `consumed` as long as there are consumers.
pub(super) const NOT_YET: u64 = u64::MAX;

/// Drops all that `next` gives. Where the drop of an item panics, those behind it are dropped all the same, as in a `Vec`.
pub(super) fn drop_all<T>(next: impl FnMut() -> Option<T>) {
    struct Rest<I: Iterator>(I);

    impl<I: Iterator> Drop for Rest<I> {
        fn drop(&mut self) {
            self.0.by_ref().for_each(drop);
        }
    }

    let mut rest = Rest(iter::from_fn(next));
    rest.0.by_ref().for_each(drop);
}

impl<T, C: Takers<T>> Chain<T, C> {
    /// Ends the queue for the last consumer, `taker`, after `consumed` items. `pop` takes as the consumer; `hand_over` tells whether an
    /// item is on its way, and then lets the producers take in the consumer's place.
    fn end<S>(
        &self,
        taker: &mut S,
        consumed: u64,
        pop: impl Fn(&mut S) -> Option<T>,
        hand_over: impl Fn(&mut S) -> bool,
    ) {
        self.consumed.store(consumed, Ordering::SeqCst);
        let (mut closed, mut handed_over) = (false, false);
        drop_all(|| {
            if !replace(&mut closed, true) {
                self.close(); // in here, so that a waker that panics leaves no item behind either
            }
            if !handed_over {
                let item = pop(taker);
                if item.is_some() || !hand_over(taker) {
                    return item;
                }
                handed_over = true;
                self.items.seem_awaited();
                rarely();
            }
            C::take_left(self)
        });
    }

    /// To be called by a producer who has published and found somebody who sleeps, or seems to.
    #[cold]
    pub(super) fn wake_or_drop(&self) {
        if self.consumed.load(Ordering::SeqCst) == NOT_YET {
            self.tell_who_waits();
            return;
        }
        fence(Ordering::SeqCst); // between publishing and looking for what others have published
        drop_all(|| C::take_left(self));
    }
}

/// What the one consumer has left behind: its place, from which everybody may go on.
pub(super) struct Left<T> {
    /// The segment of that place; null as long as the consumer takes by itself.
    front: AtomicPtr<Segment<T>>,
    /// The position to be taken next, in `front` or a later segment.
    head: AtomicU64,
}

impl<T> Left<T> {
    pub(super) fn new() -> Self {
        Self { front: AtomicPtr::new(ptr::null_mut()), head: AtomicU64::new(0) }
    }

    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::SeqCst)
    }

    fn begin(&self, front: *mut Segment<T>, head: u64) {
        self.head.store(head, Ordering::SeqCst);
        // Release: who sees the segment sees the head. (Who was led here by a waiter that was forgotten may see neither.)
        self.front.store(front, Ordering::Release);
    }

    /// Takes the next item, if it was published.
    fn take(&self) -> Option<T> {
        let mut segment = self.front.load(Ordering::Acquire);
        loop {
            // SAFETY: headers live as long as the queue.
            let here = unsafe { segment.as_ref() }?;
            let head = self.head.load(Ordering::SeqCst);
            let end = here.end.load(Ordering::SeqCst);
            if head > end {
                segment = here.next.load(Ordering::SeqCst); // linked before the end was set
                continue;
            }
            let slot = if head == end {
                None // an end carries no item
            } else {
                // SAFETY: the one consumer, who alone retires segments, has gone.
                Some(unsafe { here.published(head) }?)
            };
            // No ABA: the head only grows.
            if self.head.compare_exchange(head, head + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                if let Some(slot) = slot {
                    // SAFETY: published, and the CAS gives it to this thread alone.
                    return Some(unsafe { slot.read() });
                }
            }
        }
    }
}

impl<T> mpsc::Core<T> {
    /// Drops what is left, for the consumer that goes.
    pub(super) fn abandon(&self, taker: &mut mpsc::Taker<T>) {
        let consumed = taker.popped;
        self.end(
            taker,
            consumed,
            |taker| self.pop(taker),
            |taker| {
                let on_its_way = !self.is_drained(taker);
                if on_its_way {
                    self.takers.left.begin(taker.front, taker.head);
                }
                on_its_way
            },
        );
    }

    /// Takes an item that was on its way when the consumer went, or was behind one.
    pub(super) fn take_left(&self) -> Option<T> {
        let item = self.takers.left.take()?;
        self.takers.popped.fetch_add(1, Ordering::SeqCst);
        Some(item)
    }
}

impl<T> takers::Core<T> {
    /// Drops what is left, for the last of the consumers.
    pub(super) fn abandon(&self) {
        let consumed = {
            let _pin = self.pin();
            self.takers.popped()
        };
        self.end(&mut (), consumed, |()| self.take_left(), |()| !self.is_drained());
    }

    /// Takes an item as a consumer does.
    pub(super) fn take_left(&self) -> Option<T> {
        let record = self.record();
        let item = self.pop(record);
        record.release();
        item
    }
}
