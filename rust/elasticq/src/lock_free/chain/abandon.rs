//! The end of a queue whose last consumer handle goes: what is inside can never be taken, so it is dropped.
//!
//! ```text
//! CLOSED in tail   no claim succeeds any more: the items are those that were claimed before
//! consumed         how many items reached a consumer; NOT_YET as long as there is one
//! items.sleepers   never zero again, if an item was on its way when the consumer went
//! ```
//!
//! **Nothing is left.** The last consumer closes the queue and drops what it finds. An item is *on its way*
//! if its position was claimed before and the item is not published yet. If no item is on its way, that was
//! all. Otherwise the item has to be dropped by its producer or by the consumer, and neither waits for the
//! other:
//!
//! ```text
//! consumer                         producer
//! 1. seem to sleep; barrier        3. publish
//! 2. drop what is published        4. look for sleepers, as ever
//!                                  5. where there seems to be one: fence, drop what is published
//! ```
//!
//! If step 4 does not see step 1, then step 3 comes before the barrier (whose other half is between steps 3
//! and 4), and so step 2 sees the item. If step 4 sees step 1, the producer drops the item in step 5, and
//! whatever is published behind it. Several threads may drop items at once, each up to the first item that it
//! doesn't see published. Of all these threads, the one that passes its fence (or the barrier) last sees
//! everything that the threads before it have published. So **the last thread leaves nothing**.
//!
//! **Each item is dropped once.** A thread that drops an item takes it first, by a CAS from its exact
//! position. Where there are many consumers, they take by a CAS anyway (see `mpmc::consumers`). The one
//! consumer takes without a CAS until something is on its way. Then it hands its place over (`Left`), and
//! from there on every thread takes by a CAS. Segments beyond that place are kept until the last handle goes,
//! since nobody knows which threads still read there.
//!
//! **A thread holds nothing while it drops an item**: no lock, no turn, no record, no pin. So the item's
//! `Drop` may use the queue: a push is refused, and a producer inside the item goes like any other. The
//! `Drop` may also take its time: the other threads drop their items meanwhile. The item was counted before,
//! so a panic in its `Drop` loses no count, and the items behind it are dropped all the same (`drop_all`).

use super::{Chain, Takers};
use crate::lock_free::ending::{NOT_YET, drop_all};
use crate::sync::barrier::rarely;
use crate::sync::{Ordering, fence};
use std::mem::replace;

impl<T, C: Takers<T>> Chain<T, C> {
    /// Ends the queue for the last consumer, `taker`, after `consumed` items. `pop` takes an item as the
    /// consumer. `hand_over` tells whether an item is on its way; if so, it lets the producers take in the
    /// consumer's place.
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

    /// To be called by a producer that has published an item and found a sleeper, or what seems to be one.
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
