//! Waiting: one [`Signal`] per condition, for blocked threads and for async tasks alike.
//!
//! The fast path of a waker is one load of `sleepers`. That no wake-up is lost rests on the order of four steps:
//!
//! ```text
//! waiter   1. register: sleepers += 1, join the list      waker   3. take the buffer's lock and change the state
//!          2. look at the state, under the buffer's lock          4. read sleepers, then unlock; 0? done
//! ```
//!
//! If 2 comes before 3 in the order of the lock, then 1 happens before 4, so the waker sees the sleeper. If 2 comes after
//! 3, the waiter sees the new state and does not sleep. (A waker may also read sleepers after unlocking: that is later
//! still.) The counts are sequentially consistent, so that the same holds without a lock where 2 and 3 are sequentially
//! consistent too.
//!
//! `wake(n)` sees to it that at least `n` sleepers are on their way, counting those already woken. A burst therefore
//! pays for one wake-up; in return **whoever takes something and sees more of it wakes the next** (the buffer does that),
//! and a waiter that was woken and is dropped without having waited it out passes the wake-up on.
//!
//! In a forked child those who waited in the parent do not exist, but their entries do: a wake-up spent on one of them
//! would be lost, and the list's own lock may have been held by one. So each process has a [`Crowd`] of its own, looked
//! up only by who waits or wakes; see [`after_fork_in_child`].

mod sleep;

use crate::sync::{AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use event_listener::{Event, EventListener, Listener};
pub(crate) use sleep::Sleep;
#[cfg(feature = "priority")]
pub(crate) use sleep::complete;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize as Counter; // the machine's in models, too: nothing forks there
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};
use std::time::Instant;

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
    /// Of the process that made it. It leads to those of later ones.
    first: Crowd,
}

/// Those who wait in one process.
struct Crowd {
    /// Which process.
    process: usize,
    /// Those among them that one place or one item may not help.
    bulk: AtomicUsize,
    event: Event,
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
    #[allow(clippy::missing_const_for_fn)] // loom's atomics are made at run time
    fn new(process: usize) -> Self {
        Self { process, bulk: AtomicUsize::new(0), event: Event::new(), next: OnceLock::new() }
    }
}

impl Signal {
    /// A signal that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self { sleepers: CachePadded::new(AtomicUsize::new(0)), first: Crowd::new(forks()) }
    }

    /// Registers a waiter. What it waits for must be looked at *after* this call and before the wait.
    pub fn waiter(&self) -> Waiter<'_> {
        let crowd = self.crowd();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        Waiter { listener: Some(crowd.event.listen()), signal: self, crowd, bulk: false }
    }

    /// Those who wait in this process.
    fn crowd(&self) -> &Crowd {
        let process = forks();
        let mut crowd = &self.first;
        while crowd.process != process {
            crowd = crowd.next.get_or_init(|| {
                // Nobody of this process is among the sleepers yet, since whoever registers comes here first.
                self.sleepers.store(0, Ordering::SeqCst);
                Box::new(Crowd::new(process))
            });
        }
        crowd
    }

    /// [`waiter`](Self::waiter) for one that may need more than what it is woken for. While there is such a waiter, each
    /// [`wake`](Self::wake) wakes all: a free place offered to somebody who needs ten would otherwise be lost on him,
    /// and the one behind him who needs one would sleep on.
    pub fn bulk_waiter(&self) -> Waiter<'_> {
        self.crowd().bulk.fetch_add(1, Ordering::SeqCst);
        let mut waiter = self.waiter();
        waiter.bulk = true;
        waiter
    }

    /// Whether anybody sleeps. To be asked after the state was changed under the lock.
    #[inline(always)]
    #[must_use]
    pub fn has_sleepers(&self) -> bool {
        self.sleepers.load(Ordering::SeqCst) != 0
    }

    /// From now on somebody seems to sleep, for ever: whoever has changed the state goes on to see who it is.
    #[cfg(feature = "lock_free")]
    pub(crate) fn seem_awaited(&self) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
    }

    /// How many wait now, those woken but not yet gone included.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.sleepers.load(Ordering::SeqCst)
    }

    /// Whether one of those who wait may need more than what it is woken for.
    #[cfg(feature = "priority")]
    pub(crate) fn has_bulk_waiters(&self) -> bool {
        self.crowd().bulk.load(Ordering::SeqCst) != 0
    }

    /// Sees to it that at least `count` sleepers are awake or on their way, those already woken included. `usize::MAX`
    /// wakes all. Costs little when nobody sleeps.
    #[cold]
    pub fn wake(&self, count: usize) {
        let crowd = self.crowd();
        let bulk = crowd.bulk.load(Ordering::SeqCst) != 0;
        crowd.event.notify(if bulk { usize::MAX } else { count });
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

/// A place in the queue of those who wait for a buffer to have an item, or to have room.
///
/// A wake-up is a hint, not an item: after it, try again, and make a new waiter if somebody else was faster. Make the
/// waiter first, then look at the buffer, then wait; in that order no wake-up is missed. A waiter that is
/// dropped leaves the queue, and if it was woken already the next one is woken in its place.
///
/// A thread waits with [`wait_until`](Self::wait_until). A task awaits the waiter: it is a future of no runtime in
/// particular, ready once woken.
///
/// # Examples
/// ```
/// use elasticq::{BufferError, Config, DynamicCircularBuffer};
/// use std::time::{Duration, Instant};
///
/// let buffer = DynamicCircularBuffer::<u8>::new(Config::default())?;
/// let mut waiter = buffer.wait_for_item();
/// assert!(buffer.is_empty());
/// assert!(!waiter.wait_until(Some(Instant::now() + Duration::from_millis(1))));
///
/// buffer.push(7)?;
/// pollster::block_on(waiter); // or `waiter.await`, in a task
/// assert_eq!(buffer.pop(), Ok(7));
/// # Ok::<(), BufferError>(())
/// ```
#[must_use = "a waiter does nothing until it waits"]
pub struct Waiter<'a> {
    /// Present until it was woken.
    listener: Option<EventListener>,
    signal: &'a Signal,
    crowd: &'a Crowd,
    bulk: bool,
}

impl Waiter<'_> {
    /// Blocks until it is woken (true) or `deadline` has passed (false); `None` waits for ever.
    ///
    /// After false it still has its place in the queue and can wait on; once woken, it answers true at once. So it does
    /// in a forked child, where the place that it had in the parent is worth nothing.
    #[must_use = "false means that the deadline has passed"]
    pub fn wait_until(&mut self, deadline: Option<Instant>) -> bool {
        self.leave_if_inherited();
        match (self.listener.take(), deadline) {
            (None, _) => true,
            (Some(listener), None) => {
                listener.wait();
                true
            }
            (Some(mut listener), Some(deadline)) => {
                let woken = sleep_until(&mut listener, deadline);
                self.listener = Some(listener).filter(|_| !woken);
                woken
            }
        }
    }

    /// Gives up a place in the list of another process; true if it was one. Its list must not be touched: one who is not
    /// there any more may hold its lock.
    fn leave_if_inherited(&mut self) -> bool {
        let inherited = self.crowd.process != forks();
        if inherited {
            mem::forget(self.listener.take());
        }
        inherited
    }
}

impl Future for Waiter<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.leave_if_inherited();
        if let Some(listener) = &mut self.listener {
            ready!(Pin::new(listener).poll(context));
            self.listener = None;
        }
        Poll::Ready(())
    }
}

/// `EventListener::wait_deadline` gives up the place in the queue when the deadline passes; polling keeps it.
fn sleep_until(listener: &mut EventListener, deadline: Instant) -> bool {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if Pin::new(&mut *listener).poll(&mut context).is_ready() {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.leave_if_inherited() {
            return; // it counts no more: see `Signal::crowd`
        }
        self.signal.sleepers.fetch_sub(1, Ordering::SeqCst);
        if self.bulk {
            self.crowd.bulk.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("woken", &self.listener.is_none()).finish_non_exhaustive()
    }
}
