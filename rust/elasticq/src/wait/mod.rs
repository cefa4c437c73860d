//! Waiting: one [`Signal`] per condition, for blocked threads and for async tasks alike.
//!
//! The fast path of a waker is one load of `sleepers`: how many wait that were not woken. That no wake-up is lost rests on
//! the order of four steps:
//!
//! ```text
//! waiter   1. register: join the list, sleepers += 1      waker   3. take the buffer's lock and change the state
//!          2. look at the state, under the buffer's lock          4. read sleepers, then unlock; 0? done
//! ```
//!
//! If 2 comes before 3 in the order of the lock, then 1 happens before 4, so the waker sees the sleeper. If 2 comes after
//! 3, the waiter sees the new state and does not sleep. (A waker may also read sleepers after unlocking: that is later
//! still.) The count is sequentially consistent, so that the same holds without a lock where 2 and 3 are sequentially
//! consistent too. One that was woken is no sleeper: it leaves the list under its lock before it looks, so it sees the change of
//! whoever has found it woken there, and whoever has found no sleeper at all made his change before the look that follows.
//!
//! **The list** (`list`) stands under a small lock of its own, under which nothing foreign runs: wakers are cloned before it
//! is taken, and woken and dropped after it was released (`waking`).
//!
//! **How many are woken.** `wake(n)` is told how many items (or places) there are *now*, and sees to it that at least `n` of
//! those who wait are coming, or all. Coming are those that were woken and are not gone, as long as nobody registers: who does has
//! found nothing, so what they were woken for is gone. So beside `n` items min(n, waiting) are on their way, and one that is woken
//! and never looks costs the wake-up of one item. A burst for one consumer still pays for one wake-up, and so does a stretch of
//! items that those who do not sleep take faster than one who was woken comes. A waiter that was woken and is dropped without
//! having waited it out passes the wake-up on.
//!
//! In a forked child those who waited in the parent do not exist, but their entries do: a wake-up spent on one of them
//! would be lost, and the list's own lock may have been held by one. So each process has a [`Crowd`] of its own, looked
//! up only by who waits or wakes; see [`after_fork_in_child`].

mod attempt;
mod list;
mod waiter;
mod waking;

use crate::sync::{AtomicUsize, Ordering, PlainMutex};
#[cfg(feature = "lock_free")]
pub(crate) use attempt::Attempt;
pub(crate) use attempt::{block, complete, in_time, try_or_register, unless_empty, unless_full};
use crossbeam_utils::CachePadded;
use list::List;
use std::fmt;
use std::mem;
use std::sync::atomic::AtomicUsize as Counter; // the machine's in models, too: nothing forks there
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;
pub use waiter::Waiter;
#[cfg(feature = "priority")]
pub(crate) use waking::Told;
#[cfg(any(feature = "priority", feature = "lock_free"))]
pub(crate) use waking::Waking;
pub(crate) use waking::wake_each;

/// A condition that threads can sleep on until somebody wakes them: what the buffers wait with, for building more of it.
///
/// It carries no state of its own. The state that it speaks of must be changed and looked at under a lock; the waker
/// changes the state, unlocks and then calls [`wake`](Self::wake), the waiter makes a [`waiter`](Self::waiter), then
/// looks at the state, then waits, as a thread ([`Waiter::wait_until`]) or as a task (`await`). In that order no wake-up is
/// missed. Any thread may call any method; only [`Waiter::wait_until`] blocks.
///
/// # Examples
/// ```
/// use elasticq::Signal;
/// use std::sync::{Arc, Mutex};
///
/// let done = Arc::new((Mutex::new(false), Signal::new()));
/// let worker = {
///     let done = Arc::clone(&done);
///     std::thread::spawn(move || {
///         *done.0.lock().unwrap() = true;
///         done.1.wake(1);
///     })
/// };
/// loop {
///     let mut waiter = done.1.waiter();
///     if *done.0.lock().unwrap() {
///         break;
///     }
///     let _ = waiter.wait_until(None);
/// }
/// worker.join().unwrap();
/// ```
pub struct Signal {
    /// Read at every push and pop, written only by those who wait: a cache line of its own keeps it shared.
    sleepers: CachePadded<AtomicUsize>,
    /// The list's, for who counts things before he takes the list's lock.
    round: AtomicUsize,
    /// Of the process that made it. It leads to those of later ones.
    first: Crowd,
}

/// Those who wait in one process.
struct Crowd {
    /// Which process.
    process: usize,
    list: PlainMutex<List>,
    /// That of a process forked from this one.
    next: OnceLock<Box<Self>>,
}

/// How many forks lie between this process and the one that the crate was first used in.
static PROCESS: Counter = Counter::new(0);

/// Says that this process was forked from another one, of whose threads only the calling one is left.
///
/// For programs that fork and go on in the child with queues made before, as Python's do; call it first thing in the
/// child. Whoever waited for a queue in the parent is then forgotten, so that wake-ups go to those who wait in the child;
/// the items stay. At the moment of the fork no other thread may have been inside a call of a queue, except asleep in
/// [`Waiter::wait_until`]: it may have held the queue's lock. It does not block, and takes no more than an addition, so it may
/// be called where a child may do little.
///
/// # Examples
/// ```
/// // In the child:
/// elasticq::after_fork_in_child();
/// ```
pub fn after_fork_in_child() {
    PROCESS.fetch_add(1, Ordering::Relaxed);
}

/// Which process this is, counted in forks since the first. Whoever keeps a list of those who wait, as the layers above
/// do, can tell by it whether they exist.
///
/// # Examples
/// ```
/// let before = elasticq::forks();
/// elasticq::after_fork_in_child();
/// assert_ne!(elasticq::forks(), before);
/// ```
#[must_use]
pub fn forks() -> usize {
    // It changes only while there is one thread.
    PROCESS.load(Ordering::Relaxed)
}

impl Crowd {
    fn new(process: usize) -> Self {
        Self { process, list: PlainMutex::new(List::new()), next: OnceLock::new() }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if self.process != forks() {
            // Somebody may have been changing it when the process was forked, so what is in it is not looked at.
            let list = self.list.get_mut().unwrap_or_else(PoisonError::into_inner);
            mem::forget(mem::replace(list, List::new()));
        }
    }
}

impl Signal {
    /// A signal that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self { sleepers: CachePadded::new(AtomicUsize::new(0)), round: AtomicUsize::new(0), first: Crowd::new(forks()) }
    }

    /// Registers a waiter. What it waits for must be looked at *after* this call and before the wait.
    pub fn waiter(&self) -> Waiter<'_> {
        Waiter::new(self, false)
    }

    /// [`waiter`](Self::waiter) for one that may need more than what it is woken for. While there is such a waiter, each
    /// [`wake`](Self::wake) wakes all: a free place offered to somebody who needs ten would otherwise be lost on him,
    /// and the one behind him who needs one would sleep on.
    pub fn bulk_waiter(&self) -> Waiter<'_> {
        Waiter::new(self, true)
    }

    /// Those who wait in this process. The first who registers here sets the count right, too.
    fn crowd(&self) -> &Crowd {
        let process = forks();
        let mut crowd = &self.first;
        while crowd.process != process {
            crowd = crowd.next.get_or_init(|| Box::new(Crowd::new(process)));
        }
        crowd
    }

    /// Changes the list of those who wait, under its lock: nothing foreign may run in `change`.
    fn change<R>(&self, crowd: &Crowd, change: impl FnOnce(&mut List) -> R) -> R {
        // Nothing panics under this lock but where memory ends, before anything has changed.
        let mut list = crowd.list.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut list);
        if self.sleepers.load(Ordering::Relaxed) != list.shown() {
            self.sleepers.store(list.shown(), Ordering::SeqCst);
        }
        if self.round.load(Ordering::Relaxed) != list.round() {
            self.round.store(list.round(), Ordering::SeqCst);
        }
        result
    }

    /// Whether anybody sleeps who has not been woken. To be asked after the state was changed under the lock.
    #[inline(always)]
    #[must_use]
    pub fn has_sleepers(&self) -> bool {
        self.sleepers.load(Ordering::SeqCst) != 0
    }

    /// From now on somebody seems to sleep, for ever: whoever has changed the state goes on to see who it is.
    #[cfg(feature = "lock_free")]
    pub(crate) fn seem_awaited(&self) {
        self.change(self.crowd(), List::seem_awaited);
    }

    /// How many wait now who have not been woken.
    #[inline(always)]
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.sleepers.load(Ordering::SeqCst)
    }

    /// How many threads and tasks sleep here, and for how long. Linear in their number; takes the list's lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::Signal;
    ///
    /// let signal = Signal::new();
    /// assert_eq!(signal.waiting().longest, None);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| signal.waiter().wait_until(None));
    ///     while signal.waiting().threads == 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     assert!(signal.waiting().longest.is_some());
    ///     signal.wake(1);
    /// });
    /// ```
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let (threads, tasks, since) = self.change(self.crowd(), |list| list.asleep());
        Waiting { threads, tasks, longest: since.map(|since| since.elapsed()) }
    }

    /// Tells those who wait that there are `count` things to be had *now*: sees to it that so many of them, or all, are on
    /// their way, first come first served. `usize::MAX` wakes all. Costs little when nobody sleeps.
    ///
    /// Those who were woken before and have not looked yet count, so a burst of calls wakes a single consumer once. They
    /// count until somebody else registers, who has looked in vain: one that is woken and never looks (a future that is kept and
    /// not polled) costs the wake-up of one thing. Say how many there are in all, not how many were added: then nobody sleeps
    /// beside something that nobody is on his way to.
    ///
    /// # Panics
    /// Where a waker panics, or what it drops: all the others are woken first, and then the first panic goes on; in a thread
    /// that unwinds already it ends here. This holds for every call of a queue that wakes somebody. The queue is then as if the
    /// call had returned: what was put in is in, the queue is closed; what was taken is lost with the caller's stack.
    #[cold]
    pub fn wake(&self, count: usize) {
        wake_each([self.told(|| count)]);
    }
}

/// Who sleeps at a [`Signal`], without those who were woken and those who are registered and do not sleep yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// Threads that are blocked.
    pub threads: usize,
    /// Tasks that were polled and are to be woken.
    pub tasks: usize,
    /// How long the one among them has slept that has slept longest. `None` where nobody sleeps, or there is no clock.
    pub longest: Option<Duration>,
}

impl Waiting {
    /// Of two signals.
    #[cfg(feature = "priority")]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            threads: self.threads + other.threads,
            tasks: self.tasks + other.tasks,
            longest: self.longest.max(other.longest),
        }
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("sleepers", &self.sleepers).finish_non_exhaustive()
    }
}
