//! `Undone`: what `task_done` and `join` count beside the items in the queue: those that are just being
//! taken, and those that were taken and are not reported as done.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub struct Undone {
    taken: AtomicUsize,
    reports: AtomicUsize,
    taking: Arc<AtomicUsize>,
}

/// An attempt to take items. It begins before they leave the queue, and ends when they are counted, so they
/// count all the time. One that came to nothing has counted, too, so those who wait until all is done must
/// look again.
pub struct Attempt<A: Deref<Target = AtomicUsize> = Arc<AtomicUsize>>(A);

impl Undone {
    /// Begins an attempt to take items.
    pub fn taking(&self) -> Attempt {
        Attempt::begin(Arc::clone(&self.taking))
    }

    /// The same, of an attempt that ends in this call.
    pub fn trying(&self) -> Attempt<&AtomicUsize> {
        Attempt::begin(&*self.taking)
    }

    /// How many items count. While items are being taken, at least one.
    pub fn count(&self) -> usize {
        let taking = self.taking.load(Ordering::SeqCst);
        self.taken.load(Ordering::SeqCst).saturating_add(taking)
    }

    /// How often an item was reported as done.
    pub fn reports(&self) -> usize {
        self.reports.load(Ordering::SeqCst)
    }

    /// Counts items that were taken.
    pub fn add(&self, items: usize) {
        self.taken.fetch_add(items, Ordering::SeqCst);
    }

    /// Takes items back that were counted and did not come to their taker.
    pub fn remove(&self, items: usize) {
        let fewer = |taken: usize| Some(taken.saturating_sub(items));
        let _ = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
    }

    /// Counts one that is done. False: none was left.
    pub fn done(&self) -> bool {
        self.reports.fetch_add(1, Ordering::SeqCst);
        let fewer = |taken: usize| taken.checked_sub(1);
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok()
    }
}

impl<A: Deref<Target = AtomicUsize>> Attempt<A> {
    /// Counts one attempt more.
    pub fn begin(taking: A) -> Self {
        taking.fetch_add(1, Ordering::SeqCst);
        Self(taking)
    }
}

impl<A: Deref<Target = AtomicUsize>> Drop for Attempt<A> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
