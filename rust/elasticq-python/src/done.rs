//! Which items have been dealt with: `task_done` and `join`.
//!
//! There is no counter on the way in: unfinished = items ever put - tasks done, and the number of items ever
//! put is the buffer's own position. `done` never passes the position, and both only grow. So reading `done`
//! first and the position second is correct: if they are equal, everything was done at the moment when the
//! position was read.

use crate::store::{Store, Waiting};
use crate::waiting;
use elasticq::Signal;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub struct Done {
    /// `HANDED_OVER` once the queue has moved.
    count: AtomicU64,
    all_done: Signal,
}

const HANDED_OVER: u64 = u64::MAX;

impl Store {
    /// The number of unfinished tasks; `None` once the queue has moved.
    pub fn unfinished(&self) -> Option<u64> {
        match self.done.count.load(Ordering::SeqCst) {
            HANDED_OVER => None,
            // Not below zero: while a queue begins anew, its position is reset before this count is.
            done => Some(self.buffer.pushed().saturating_sub(done)),
        }
    }

    /// Counts one item as done. False: as many items were done already as were put, or the queue has moved.
    pub fn task_done(&self, py: Python<'_>) -> bool {
        let put = self.buffer.pushed();
        self.count_done(py, |done| (done < put).then(|| done + 1))
    }

    /// Counts items as done that left without being handed out. False: the queue has moved.
    pub fn finish(&self, py: Python<'_>, items: usize) -> bool {
        let put = self.buffer.pushed();
        // More are done than were put only if some code reported items that it never took.
        self.count_done(py, |done| (done != HANDED_OVER).then(|| put.min(done + items as u64)))
    }

    fn count_done(&self, py: Python<'_>, count: impl FnMut(u64) -> Option<u64>) -> bool {
        let counted = self.done.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_ok();
        if counted && self.unfinished() == Some(0) {
            self.wake_joiners(py);
        }
        counted
    }

    /// Waits until everything is done. False: the queue has moved.
    pub fn join(&self, py: Python<'_>) -> PyResult<bool> {
        while let Some(unfinished) = self.unfinished() {
            if unfinished == 0 {
                return Ok(true);
            }
            let mut waiter = self.done.all_done.waiter();
            if matches!(self.unfinished(), None | Some(0)) {
                continue;
            }
            waiting::sleep(py, &mut waiter, None)?;
        }
        Ok(false)
    }

    /// Begins counting anew.
    pub fn forget_what_is_done(&self) {
        self.done.count.store(0, Ordering::SeqCst);
    }

    /// Hands the count of unfinished tasks to what serves the queue from now on. `put` is the number of items
    /// ever put.
    pub fn hand_over(&self, put: u64) -> u64 {
        put.saturating_sub(self.done.count.swap(HANDED_OVER, Ordering::SeqCst))
    }

    /// Makes the threads in `join` and the tasks in `ajoin` look again.
    pub fn wake_joiners(&self, py: Python<'_>) {
        if self.done.all_done.has_sleepers() {
            self.done.all_done.wake(usize::MAX);
        }
        self.wake_tasks(py, Waiting::TasksDone, usize::MAX);
    }
}
