//! Waiting: one [`Signal`] per condition, for blocked threads and for async tasks alike.
//!
//! The fast path of a waker is one load of `sleepers`: the number of waiters that have not been woken. The
//! order of four steps guarantees that no wake-up is lost:
//!
//! ```text
//! waiter   1. register: join the list, sleepers += 1     waker   3. lock the buffer and change the state
//!          2. look at the state, under the buffer's lock         4. read sleepers, then unlock; 0? done
//! ```
//!
//! If 2 comes before 3 in the order of the lock, then 1 happens before 4, so the waker sees the sleeper. If 2
//! comes after 3, the waiter sees the new state and does not sleep. (A waker may also read `sleepers` after
//! it unlocks: that is later still.) The count is sequentially consistent, so the same holds without a lock
//! where 2 and 3 are sequentially consistent too.
//!
//! A woken waiter is not a sleeper. It leaves the list, under the list's lock, before it looks. So it sees
//! the change of any waker that finds it there, woken already. A waker that finds no sleeper at all has made
//! its change before the woken waiter's next look.
//!
//! **The list** (`list`) holds the line of waiters. It has a small lock of its own, and no foreign code runs
//! under that lock: wakers are cloned before the lock is taken, and woken and dropped after it is released
//! (`waking`).
//!
//! **How many are woken.** `wake(n)` is told how many items (or places) there are *now*. It makes sure that
//! at least `n` waiters are *coming*, or all of them. A waiter is coming once it is woken, until it has left
//! the list; but when another waiter registers, those woken before no longer count. The one that registers
//! has found nothing, so what they were woken for is gone. So beside `n` items, min(n, waiting) waiters are
//! on their way. A waiter that is woken and never looks costs the wake-up of one item. A burst for one
//! consumer still costs one wake-up. So does a stretch of items that threads which don't sleep take before
//! the woken waiter arrives. A waiter that is woken, and dropped before its wait has ended, passes the
//! wake-up on.
//!
//! In a forked child the parent's waiters do not exist, but their entries do. A wake-up spent on one of them
//! would be lost, and one of them may have held the list's lock. So each process has a [`Crowd`] of its own.
//! Only a waiter or a waker looks it up; see [`after_fork_in_child`].

mod attempt;
mod completion;
mod list;
mod waiter;
mod waking;

use crate::sync::{AtomicUsize, Ordering, PlainMutex};
#[cfg(any(feature = "lock_free", feature = "persistent", feature = "streams"))]
pub(crate) use attempt::Attempt;
#[cfg(all(feature = "persistent", not(loom)))]
pub(crate) use attempt::try_or_register;
pub(crate) use attempt::{block, in_time, see_what_woke, try_briefly_or_register, try_on, unless_empty, unless_full};
#[cfg(all(feature = "async", not(loom)))]
pub(crate) use completion::Completion;
#[cfg(all(feature = "streams", not(loom)))]
pub(crate) use completion::Put;
#[cfg(any(feature = "lock_free", all(feature = "persistent", not(loom))))]
pub(crate) use completion::complete;
#[cfg(feature = "lock_free")]
pub(crate) use completion::complete_take;
pub(crate) use completion::{complete_or_register, complete_put, cooperate};
#[cfg(all(feature = "streams", not(loom)))]
pub(crate) use completion::{counts, poll_turn};
use crossbeam_utils::CachePadded;
use list::List;
use std::fmt;
use std::mem;
use std::sync::atomic::AtomicUsize as Counter; // the machine's atomic in models, too: nothing forks there
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;
pub use waiter::Waiter;
#[cfg(feature = "priority")]
pub(crate) use waking::Told;
#[cfg(any(feature = "priority", feature = "lock_free"))]
pub(crate) use waking::Waking;
pub(crate) use waking::wake_each;

/// A condition that threads and tasks can sleep on until something wakes them. The buffers wait with it, and
/// you can build other things that wait with it.
///
/// It carries no state of its own. The state must be changed and looked at under a lock. The waker changes
/// the state, unlocks and then calls [`wake`](Self::wake). The waiter makes a [`waiter`](Self::waiter), then
/// looks at the state, then waits: as a thread ([`Waiter::wait_until`]) or as a task (`await`). In that order
/// no wake-up is missed. Any thread may call any method; only [`Waiter::wait_until`] blocks.
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
    /// The queues without locks read it at every push and pop; only calls that wait or wake write it. A cache
    /// line of its own keeps it shared.
    sleepers: CachePadded<AtomicUsize>,
    /// A copy of the list's round, for a waker that counts things before it takes the list's lock.
    round: AtomicUsize,
    /// The waiters of the process that made this signal. It leads to those of later processes.
    first: Crowd,
}

/// The waiters of one process.
struct Crowd {
    /// Which process, as counted by [`forks`].
    process: usize,
    list: PlainMutex<List>,
    /// The crowd of a process forked from this one.
    next: OnceLock<Box<Self>>,
}

/// How many forks lie between this process and the one that first used the crate.
static PROCESS: Counter = Counter::new(0);

/// Says that this process was forked from another one, and that only the calling thread is left of that one's
/// threads.
///
/// For programs that fork and go on in the child with queues made before the fork, as Python's do. Call it
/// first thing in the child. The waiters of the parent are then forgotten, so that wake-ups go to those of
/// the child; the items stay. At the moment of the fork no other thread may be inside a call of a queue,
/// unless it is asleep in [`Waiter::wait_until`]: it might hold the queue's lock. The call does not block and
/// is no more than an addition, so a child may make it where little else is allowed.
///
/// # Examples
/// ```
/// // In the child:
/// elasticq::after_fork_in_child();
/// ```
pub fn after_fork_in_child() {
    PROCESS.fetch_add(1, Ordering::Relaxed);
}

/// Which process this is, counted in forks since the first. Code that keeps a list of waiters, as the layers
/// above do, can tell by it whether those waiters exist.
///
/// # Examples
/// ```
/// let before = elasticq::forks();
/// elasticq::after_fork_in_child();
/// assert_ne!(elasticq::forks(), before);
/// ```
#[must_use]
pub fn forks() -> usize {
    // The number changes only while there is one thread.
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
            // A thread may have been changing the list when the process forked, so its content is not looked
            // at.
            let list = self.list.get_mut().unwrap_or_else(PoisonError::into_inner);
            mem::forget(mem::replace(list, List::new()));
        }
    }
}

impl Signal {
    /// A signal without waiters.
    #[must_use]
    pub fn new() -> Self {
        Self { sleepers: CachePadded::new(AtomicUsize::new(0)), round: AtomicUsize::new(0), first: Crowd::new(forks()) }
    }

    /// Registers a waiter. The caller must look at what it waits for *after* this call and before the wait.
    pub fn waiter(&self) -> Waiter<'_> {
        Waiter::new(self, false)
    }

    /// [`waiter`](Self::waiter) for a caller that may need more than what it is woken for. While there is
    /// such a waiter, each [`wake`](Self::wake) wakes all. Otherwise a free place offered to a waiter that
    /// needs ten would be lost, and the waiter behind it, which needs one, would sleep on.
    ///
    /// # Examples
    /// ```
    /// use elasticq::Signal;
    ///
    /// let signal = Signal::new();
    /// let (mut single, mut bulk) = (signal.waiter(), signal.bulk_waiter());
    /// assert!(signal.has_sleepers() && signal.sleepers() == 2);
    /// signal.wake(1);
    /// assert!(single.wait_until(None) && bulk.wait_until(None)); // both were woken
    /// assert!(!signal.has_sleepers());
    /// ```
    pub fn bulk_waiter(&self) -> Waiter<'_> {
        Waiter::new(self, true)
    }

    /// The waiters of this process. The first that registers here also sets the count right.
    fn crowd(&self) -> &Crowd {
        let process = forks();
        let mut crowd = &self.first;
        while crowd.process != process {
            crowd = crowd.next.get_or_init(|| Box::new(Crowd::new(process)));
        }
        crowd
    }

    /// Changes the list of waiters, under its lock. `change` must not run foreign code.
    fn change<R>(&self, crowd: &Crowd, change: impl FnOnce(&mut List) -> R) -> R {
        // Only lack of memory panics under this lock, and that happens before anything has changed.
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

    /// Whether there is a waiter that has not been woken. Ask after the state was changed under the lock.
    #[inline(always)]
    #[must_use]
    pub fn has_sleepers(&self) -> bool {
        self.sleepers.load(Ordering::SeqCst) != 0
    }

    /// From now on the signal always seems to have a sleeper, so every thread that has changed the state goes
    /// on to look for it.
    #[cfg(feature = "lock_free")]
    pub(crate) fn seem_awaited(&self) {
        self.change(self.crowd(), List::seem_awaited);
    }

    /// How many waiters there are now that have not been woken.
    #[inline(always)]
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.sleepers.load(Ordering::SeqCst)
    }

    /// How many threads and tasks sleep here, and for how long. Linear in their number; takes the list's
    /// lock.
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

    /// Tells the waiters that there are `count` things to be had *now*, and makes sure that so many of them,
    /// or all, are on their way, first come first served. `usize::MAX` wakes all. Costs little when nobody
    /// sleeps.
    ///
    /// Waiters that were woken before and have not looked yet count, so a burst of calls wakes a single
    /// consumer once. They count until another waiter registers, since it has looked and found nothing. So a
    /// waiter that is woken and never looks (a future that is kept and not polled) costs the wake-up of one
    /// thing. Say how many things there are in all, not how many were added: then no waiter sleeps beside a
    /// thing that no other is on its way to.
    ///
    /// # Panics
    /// When a waker panics, or something that it drops. All the others are woken first, and then the first
    /// panic goes on; in a thread that is unwinding already it ends here. This holds for every call of a
    /// queue that wakes a waiter. The queue is then as if the call had returned: what was put in is in, and a
    /// closed queue is closed; what was taken is lost with the caller's stack.
    #[cold]
    pub fn wake(&self, count: usize) {
        wake_each([self.told(|| count)]);
    }
}

/// How many sleep at a [`Signal`]. Waiters that were woken, or are registered and do not sleep yet, are left
/// out.
///
/// # Examples
/// ```
/// use elasticq::{Signal, Waiting};
///
/// let signal = Signal::new();
/// let waiting: Waiting = signal.waiting();
/// assert_eq!((waiting.threads, waiting.tasks, waiting.longest), (0, 0, None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// Threads that are blocked.
    pub threads: usize,
    /// Tasks that were polled and have not been woken.
    pub tasks: usize,
    /// How long the longest sleeper has slept. `None` if nobody sleeps, or if there is no clock.
    pub longest: Option<Duration>,
}

impl Waiting {
    /// The sleepers of two signals together.
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
