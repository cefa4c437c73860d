//! `PatientLock`: the lock around a ring, made for sections of a few nanoseconds that many threads want all
//! the time.
//!
//! ```text
//! FREE      nobody holds it
//! HELD      a thread holds it
//! AWAITED   a thread holds it, and others may sleep: the thread that unlocks wakes one of them
//! ```
//!
//! **Patience.** A thread that finds the lock taken stays away for some microseconds without looking, instead
//! of trying again at once. Meanwhile the holder goes on without contention: a stretch of operations for the
//! price of one change of hands.
//!
//! **Sleep.** A thread registers as a sleeper, and then swaps AWAITED in. If the swap finds FREE, the thread
//! has the lock. If not, the holder finds AWAITED when it unlocks and wakes a sleeper, which is registered by
//! then. A thread that has slept takes the lock as AWAITED, since others may still sleep. So each thread that
//! unlocks wakes the next, and none is forgotten. (The states are those of the mutex in U. Drepper, "Futexes
//! Are Tricky", 2011.)

use crate::sync::{AtomicU8, Ordering, fence};
use crate::wait::Signal;
use std::fmt;
use std::sync::OnceLock;

const FREE: u8 = 0;
const HELD: u8 = 1;
const AWAITED: u8 = 2;

/// For how many pauses of the processor a thread that found the lock taken stays away, and how often it does
/// so before it sleeps.
const STAY_AWAY: u32 = 128;
const TRIES: u32 = 3;

/// A mutual exclusion lock for very short sections under heavy use. It favours throughput over fairness to
/// threads.
///
/// It is the default lock of a [`DynamicCircularBuffer`](crate::DynamicCircularBuffer), and used through it.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer, PatientLock};
/// use parking_lot::lock_api::RawMutex;
///
/// // As it is used: behind a buffer, here one that names it.
/// let buffer = DynamicCircularBuffer::<_, PatientLock>::with_lock(Config::default())?;
/// buffer.push(1)?;
///
/// // By itself, say for a guard of one's own.
/// let lock = <PatientLock as RawMutex>::INIT;
/// lock.take();
/// assert!(!lock.try_take());
/// lock.give_back();
/// assert!(lock.try_take());
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct PatientLock {
    state: AtomicU8,
    /// Made when a thread sleeps for the first time.
    sleepers: OnceLock<Box<Signal>>,
}

impl PatientLock {
    /// A free lock, for the model of it.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        // The list is there from the beginning: if one thread made it later, loom would not see that the
        // other threads see it.
        Self { state: AtomicU8::new(FREE), sleepers: OnceLock::from(Box::default()) }
    }

    /// Takes the lock, blocking until it is free.
    #[inline(always)]
    pub fn take(&self) {
        if !self.try_take() {
            self.take_contended();
        }
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_take(&self) -> bool {
        // Acquire: this thread sees what the last holder did under the lock.
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn take_contended(&self) {
        if !cfg!(loom) {
            for _ in 0..TRIES {
                (0..STAY_AWAY).for_each(|_| std::hint::spin_loop());
                if self.state.load(Ordering::Relaxed) == FREE && self.try_take() {
                    return;
                }
            }
        }
        loop {
            let mut waiter = self.sleepers.get_or_init(Box::default).waiter();
            // Release: a holder that finds AWAITED when it unlocks finds the sleeper, too.
            if self.state.swap(AWAITED, Ordering::AcqRel) == FREE {
                return;
            }
            let _ = waiter.wait_until(None);
        }
    }

    /// Gives the lock back. Only its holder may.
    #[inline(always)]
    pub fn give_back(&self) {
        // Release: the next holder sees what was done under the lock.
        if self.state.swap(FREE, Ordering::Release) == AWAITED {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        fence(Ordering::Acquire); // pairs with the swap by the thread that sleeps
        if let Some(sleepers) = self.sleepers.get() {
            sleepers.wake(1);
        }
    }
}

// SAFETY: between `lock` (or a `try_lock` that is true) and `unlock` the state is not FREE, and of several
// threads only one succeeds with an exchange or a swap from FREE.
#[cfg(not(loom))]
unsafe impl parking_lot::lock_api::RawMutex for PatientLock {
    #[allow(clippy::declare_interior_mutable_const)] // the trait's way to make a new one
    const INIT: Self = Self { state: AtomicU8::new(FREE), sleepers: OnceLock::new() };

    type GuardMarker = parking_lot::lock_api::GuardSend;

    #[inline(always)]
    fn lock(&self) {
        self.take();
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        self.try_take()
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        self.give_back();
    }
}

impl fmt::Debug for PatientLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.state.load(Ordering::Relaxed) == FREE;
        f.debug_struct("PatientLock").field("free", &free).finish_non_exhaustive()
    }
}
