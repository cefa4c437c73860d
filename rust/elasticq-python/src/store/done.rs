//! Which items have been dealt with: what `task_done` and `join` count.
//!
//! There is no counter on the way in: unfinished = items ever put - tasks done, and the number of items ever
//! put is the buffer's own position. `done` never passes the position, and both only grow. So everybody here
//! reads `done` first and the position second: if they are equal, everything was done at the moment when the
//! position was read. (A position that was read before may be behind what other threads have done since.)

use elasticq::{Signal, Waiter};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub struct Done {
    /// `HANDED_OVER` once the queue has moved.
    count: AtomicU64,
    all_done: Signal,
}

const HANDED_OVER: u64 = u64::MAX;

impl Done {
    /// The number of unfinished tasks; `None` once the queue has moved. `put` reads the number of items ever
    /// put.
    pub fn unfinished(&self, put: impl FnOnce() -> u64) -> Option<u64> {
        match self.count.load(Ordering::SeqCst) {
            HANDED_OVER => None,
            // Not below zero: while a queue begins anew, its position is reset before this count is.
            done => Some(put().saturating_sub(done)),
        }
    }

    /// Counts one item as done. `put` reads the number of items ever put. False: as many items were done
    /// already, or the queue has moved.
    pub fn count_one(&self, put: impl Fn() -> u64) -> bool {
        self.count(|done| (done < put()).then(|| done + 1))
    }

    /// Counts items as done that left without being handed out. False: the queue has moved.
    pub fn count_lost(&self, put: impl Fn() -> u64, items: usize) -> bool {
        // More are done than were put only if some code reported items that it never took.
        self.count(|done| (done != HANDED_OVER).then(|| put().min(done + items as u64)))
    }

    fn count(&self, count: impl FnMut(u64) -> Option<u64>) -> bool {
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_ok()
    }

    /// Begins counting anew, unless the queue has moved.
    pub fn forget(&self) {
        self.count(|done| (done != HANDED_OVER).then_some(0));
    }

    /// Ends the counting here, because the queue moves; returns how many of `put` items are unfinished.
    pub fn hand_over(&self, put: u64) -> u64 {
        put.saturating_sub(self.count.swap(HANDED_OVER, Ordering::SeqCst))
    }

    /// A place in the line of the threads that wait until all is done.
    pub fn waiter(&self) -> Waiter<'_> {
        self.all_done.waiter()
    }

    /// Makes these threads look again.
    pub fn wake(&self) {
        if self.all_done.has_sleepers() {
            self.all_done.wake(usize::MAX);
        }
    }
}
