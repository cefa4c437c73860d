//! How many of the items that left a queue were discarded: taken by a call that drops them, as `clear` does.
//!
//! The positions tell how many items have left, whoever took them. A call that discards knows only afterwards
//! which of them it got. So it announces beforehand how many these are at most, and says at the end how many
//! they were.
//!
//! **No discarded item ever counts as dequeued**: `bound` is never less than the number of items that were
//! discarded until then. It grows before the first of them is taken, and shrinks to the exact number when all
//! are. A thread that looks reads the positions first. What these tell to have been discarded is in the
//! `bound` that it reads next, so *left less `bound`* are items that somebody was given.
//!
//! **No number falls**: an announcement would make that one fall for a while, so the highest that was told
//! before (`told`) is told again. The thread that discards looks once before it announces, so whoever sees
//! the announcement sees what was dequeued before it. What may be neither dequeued nor dropped is told as
//! still inside, until the call has ended. `settled` is read before the positions, so these tell of all
//! items in it.
//!
//! Who puts in or takes touches nothing here. A call that a fork has left without its thread stays announced
//! in the child; up to so many items are told as still inside there.

use crate::sync::raise::Raise;
use crate::sync::{AtomicU64, Ordering};

// SeqCst everywhere: nothing here is called often.
pub(super) struct Discarded {
    /// Items that were discarded, and those that calls under way may discard yet.
    bound: AtomicU64,
    /// Items that were discarded by calls that have ended.
    settled: AtomicU64,
    /// The most items that were ever told to be dequeued.
    told: AtomicU64,
}

impl Discarded {
    pub(super) fn new() -> Self {
        Self { bound: AtomicU64::new(0), settled: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    /// Announces that up to `most` items are about to be discarded. The caller has asked how many were
    /// [`dequeued`](Self::dequeued) just before.
    pub(super) fn announce(&self, most: usize) -> Announced<'_> {
        self.bound.fetch_add(most as u64, Ordering::SeqCst);
        Announced { discarded: self, left: most as u64 }
    }

    /// How many items were discarded. To be read before the positions.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::SeqCst)
    }

    /// Of the items that have left, how many are dequeued, and not discarded or perhaps about to be.
    pub(super) fn dequeued(&self, left: u64, settled: u64) -> u64 {
        let sure = left.saturating_sub(self.bound.load(Ordering::SeqCst));
        // In this order: `told` was set before what is in the bound was announced.
        let told = self.told.load(Ordering::SeqCst);
        let dequeued = told.min(left.saturating_sub(settled)).max(sure);
        if dequeued > told {
            self.told.raise(dequeued, Ordering::SeqCst);
        }
        dequeued
    }
}

/// A call that discards. If it ends without a word, it has discarded nothing.
pub(super) struct Announced<'a> {
    discarded: &'a Discarded,
    /// How many more it may discard.
    left: u64,
}

impl Announced<'_> {
    /// The call has ended, and has discarded so many.
    pub(super) fn settle(mut self, items: usize) {
        self.left -= items as u64;
        self.discarded.settled.fetch_add(items as u64, Ordering::SeqCst);
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.discarded.bound.fetch_sub(self.left, Ordering::SeqCst);
    }
}
