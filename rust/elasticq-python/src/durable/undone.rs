//! `Undone`: what `task_done` and `join` count beside the items in the queue: those that are just being taken,
//! and those that were taken and are not reported as done.

use elasticq::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub struct Undone(Arc<Counts>);

#[derive(Default)]
struct Counts {
    taken: AtomicUsize,
    taking: AtomicUsize,
    /// Woken when there may be nothing left to do.
    less: Signal,
}

/// An attempt to take items. It begins before they leave the queue, and ends when they are counted, so they
/// count all the time.
pub struct Attempt(Arc<Counts>);

impl Undone {
    /// Begins an attempt to take items.
    pub fn taking(&self) -> Attempt {
        self.0.taking.fetch_add(1, Ordering::SeqCst);
        Attempt(Arc::clone(&self.0))
    }

    /// How many items count. While items are being taken, at least one.
    pub fn count(&self) -> usize {
        let taking = self.0.taking.load(Ordering::SeqCst);
        self.0.taken.load(Ordering::SeqCst).saturating_add(taking)
    }

    /// Counts items that were taken.
    pub fn add(&self, items: usize) {
        self.0.taken.fetch_add(items, Ordering::SeqCst);
    }

    /// Counts one that is done. False: none was left.
    pub fn done(&self) -> bool {
        let fewer = |taken: usize| taken.checked_sub(1);
        let counted = self.0.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok();
        self.changed();
        counted
    }

    /// Lets those look that wait until all is done.
    pub fn changed(&self) {
        self.0.changed();
    }

    /// What they wait for.
    pub fn less(&self) -> &Signal {
        &self.0.less
    }
}

impl Counts {
    fn changed(&self) {
        if self.less.has_sleepers() {
            self.less.wake(usize::MAX);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.taking.fetch_sub(1, Ordering::SeqCst);
        self.0.changed();
    }
}
