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

use super::{Chain, Takers};
use crate::lock_free::ending::{NOT_YET, drop_all};
use crate::sync::barrier::rarely;
use crate::sync::{Ordering, fence};
use std::mem::replace;

impl<T, C: Takers<T>> Chain<T, C> {
    /// Ends the queue for the last consumer, `taker`, after `consumed` items. `pop` takes as the consumer; `hand_over` tells whether an
    /// item is on its way, and then lets the producers take in the consumer's place.
    pub(in crate::lock_free) fn end<S>(
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
    pub(in crate::lock_free) fn wake_or_drop(&self) {
        if self.consumed.load(Ordering::SeqCst) == NOT_YET {
            self.tell_who_waits();
            return;
        }
        fence(Ordering::SeqCst); // between publishing and looking for what others have published
        drop_all(|| C::take_left(self));
    }
}
