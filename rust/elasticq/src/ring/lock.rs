//! `PatientLock`: the lock around a ring, made for sections of a few nanoseconds that many threads want all the time.
//!
//! ```text
//! FREE      nobody holds it
//! HELD      somebody holds it
//! AWAITED   somebody holds it, and somebody may sleep: whoever unlocks wakes one
//! ```
//!
//! **Patience.** Who finds it taken stays away for some microseconds without looking, instead of trying again at once.
//! Meanwhile the holder goes on without contention: a stretch of operations for the price of one change of hands.
//!
//! **Sleep.** Register as a sleeper, then swap AWAITED in: if that finds FREE, the lock is taken, and if not, whoever
//! holds it finds AWAITED when he unlocks and wakes a sleeper, who is registered by then. A thread that has slept takes the
//! lock as AWAITED, since others may still sleep; so each who unlocks wakes the next, and none is forgotten. (The states are
//! those of the mutex in U. Drepper, "Futexes Are Tricky", 2011.)

use crate::sync::{AtomicU8, Ordering, fence};
use crate::wait::Signal;
use std::fmt;
use std::sync::OnceLock;

const FREE: u8 = 0;
const HELD: u8 = 1;
const AWAITED: u8 = 2;

/// How many pauses of the processor somebody who found the lock taken stays away, and how often before he sleeps.
const STAY_AWAY: u32 = 128;
const TRIES: u32 = 3;

/// A mutual exclusion lock for very short sections under heavy use: fair to throughput rather than to threads.
///
/// It is the default lock of a [`DynamicCircularBuffer`](crate::DynamicCircularBuffer), and used through it.
pub struct PatientLock {
    state: AtomicU8,
    /// Made when one sleeps for the first time.
    sleepers: OnceLock<Box<Signal>>,
}

impl PatientLock {
    /// A free lock, for the model of it.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        // The list is there from the beginning: loom does not see that who makes it later is seen by the others.
        Self { state: AtomicU8::new(FREE), sleepers: OnceLock::from(Box::default()) }
    }

    /// Takes it, blocking until it is free.
    #[inline(always)]
    pub fn take(&self) {
        if !self.try_take() {
            self.take_contended();
        }
    }

    /// Takes it if it is free.
    #[inline(always)]
    pub fn try_take(&self) -> bool {
        // Acquire: what the one before did under the lock is seen.
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
            // Release: who finds it when he unlocks finds the sleeper, too.
            if self.state.swap(AWAITED, Ordering::AcqRel) == FREE {
                return;
            }
            let _ = waiter.wait_until(None);
        }
    }

    /// Gives it back. Only whoever holds it may.
    #[inline(always)]
    pub fn give_back(&self) {
        // Release: what was done under the lock is seen by the next.
        if self.state.swap(FREE, Ordering::Release) == AWAITED {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        fence(Ordering::Acquire); // pairs with the swap of who sleeps
        if let Some(sleepers) = self.sleepers.get() {
            sleepers.wake(1);
        }
    }
}

// SAFETY: between `lock` (or a `try_lock` that is true) and `unlock` the state is not FREE, and from FREE only one of
// several threads gets away with an exchange or a swap.
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
