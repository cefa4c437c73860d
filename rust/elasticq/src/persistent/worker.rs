//! The queue's own thread. It does what no caller should wait for: it prepares files, gives up those that
//! nobody needs, syncs from time to time, reads ahead for tasks, and wakes consumers when the time of an item
//! has come.
//!
//! It sleeps and is woken with std's lock, which is a word of its own. Other locks share a table of sleepers;
//! if this thread were at work in that table while another one forks, the table would stay locked in the
//! child.
//!
//! The thread keeps the queue alive only while it does something. It ends when the queue is closed for good,
//! and whoever does that waits for its end.

use super::config::SyncMode;
use super::core::Core;
use super::ready::Need;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Worker {
    orders: Mutex<Orders>,
    ordered: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Orders {
    stop: bool,
    /// Prepare files, and give up those that nobody needs.
    tidy: bool,
    /// Make everything durable.
    commit: bool,
    /// What tasks wait for.
    prepare: Option<Need>,
    /// Look at the items whose time has come.
    due: Option<Instant>,
}

impl Worker {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { orders: Mutex::default(), ordered: Condvar::new(), thread: Mutex::default() })
    }

    /// Starts the thread. If the system gives none, calls do its work themselves as far as they can.
    pub fn start(self: &Arc<Self>, core: &Arc<Core>) {
        let period = match core.config.sync_mode {
            SyncMode::Periodic(period) => Some(period),
            SyncMode::NoSync | SyncMode::EveryWrite => None,
        };
        {
            let mut orders = self.orders();
            orders.tidy = true;
            orders.due = core.taking().leases.next_due();
        }
        let (worker, core) = (Arc::clone(self), Arc::downgrade(core));
        let started = thread::Builder::new().name("elasticq".into()).spawn(move || worker.run(&core, period));
        *self.thread() = started.ok();
    }

    // Under neither lock anything panics.

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for files to be prepared or given up.
    pub fn tidy(&self) {
        self.order(|orders| orders.tidy = true);
    }

    /// Asks for a commit.
    pub fn commit(&self) {
        self.order(|orders| orders.commit = true);
    }

    /// Asks for what a task needs.
    pub fn prepare(&self, need: Need) {
        self.order(|orders| orders.prepare = Some(orders.prepare.map_or(need, |other| other.and(need))));
    }

    /// Asks for a look when the time has come.
    pub fn wake_at(&self, due: Option<Instant>) {
        let Some(due) = due else { return };
        self.order(|orders| {
            if orders.due.is_none_or(|earlier| due < earlier) {
                orders.due = Some(due);
            }
        });
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders());
        self.ordered.notify_one();
    }

    /// Whether there is a thread that does what it was asked for. Who asks before he looks, and waits then,
    /// is told also if the thread ends.
    pub fn is_running(&self) -> bool {
        self.thread().is_some() && !self.orders().stop
    }

    /// Ends the thread, and waits for that.
    pub fn stop(&self) {
        self.order(|orders| orders.stop = true);
        let thread = self.thread().take();
        if let Some(thread) = thread {
            let _ = thread.join(); // a panic there was reported there
        }
    }

    /// In a forked child, where there is no such thread.
    pub fn forget(&self) {
        std::mem::forget(self.thread().take());
    }

    fn run(&self, core: &Weak<Core>, period: Option<Duration>) {
        let _end = End { worker: self, core };
        let mut sync_at = period.and_then(|period| Instant::now().checked_add(period));
        loop {
            let todo = {
                let mut orders = self.orders();
                loop {
                    let time = Instant::now();
                    let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= time);
                    if orders.stop {
                        return;
                    }
                    if orders.tidy || orders.commit || orders.prepare.is_some() || is_due(orders.due) || is_due(sync_at)
                    {
                        break;
                    }
                    orders = match [orders.due, sync_at].into_iter().flatten().min() {
                        Some(at) => {
                            let waited = self.ordered.wait_timeout(orders, at.saturating_duration_since(time));
                            waited.unwrap_or_else(PoisonError::into_inner).0
                        }
                        None => self.ordered.wait(orders).unwrap_or_else(PoisonError::into_inner),
                    };
                }
                std::mem::take(&mut *orders)
            };
            let Some(core) = core.upgrade() else { return };
            let time = Instant::now();
            if todo.commit || sync_at.is_some_and(|at| at <= time) {
                // An error is everybody's answer from now on.
                let _ = core.sync();
                sync_at = period.and_then(|period| Instant::now().checked_add(period));
            }
            if todo.tidy {
                // What failed for lack of room is tried again at the next order.
                let _ = core.tidy();
            }
            if let Some(need) = todo.prepare {
                core.prepare(need);
            }
            let due = core.see_what_is_due(todo.due);
            self.wake_at(due);
        }
    }
}

/// The end of the thread, also if it panics: nobody waits for it any more.
struct End<'a> {
    worker: &'a Worker,
    core: &'a Weak<Core>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.worker.orders().stop = true;
        if let Some(core) = self.core.upgrade() {
            core.tell_prepared();
        }
    }
}
