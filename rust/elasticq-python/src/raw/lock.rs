//! The lock around each buffer's ring.
//!
//! The ring is touched only while attached to the interpreter, and nothing under its lock can let go of the interpreter
//! (see `lib`). So where there is an interpreter lock, whoever touches a ring holds that already, and the ring's own lock
//! need only see to it that the rule is kept: a flag, without the four locked instructions that a put and a get through
//! a full lock spend most of their time on. Free-threaded builds have no such lock and take a full one: the crate's own,
//! made for such short sections under heavy use.

#[cfg(Py_GIL_DISABLED)]
pub use elasticq::PatientLock as RingLock;

#[cfg(not(Py_GIL_DISABLED))]
pub use flag::RingLock;

#[cfg(not(Py_GIL_DISABLED))]
mod flag {
    use parking_lot::lock_api::{GuardNoSend, RawMutex};
    use std::sync::atomic::{AtomicBool, Ordering};

    pub struct RingLock {
        held: AtomicBool,
    }

    // SAFETY: two threads are never in `try_lock` at once, since each holds the interpreter lock, nor between `lock` and
    // `unlock`, since that part does not let go of it; the flag turns a breach of either into a panic or a refusal. The
    // interpreter lock also orders what one holder did before what the next one sees.
    unsafe impl RawMutex for RingLock {
        #[allow(clippy::declare_interior_mutable_const)] // the trait's way to make a new one
        const INIT: Self = Self { held: AtomicBool::new(false) };

        type GuardMarker = GuardNoSend;

        #[inline(always)]
        fn lock(&self) {
            assert!(self.try_lock(), "a ring's lock was held while the interpreter was let go");
        }

        #[inline(always)]
        fn try_lock(&self) -> bool {
            let free = !self.held.load(Ordering::Relaxed);
            self.held.store(true, Ordering::Relaxed);
            free
        }

        #[inline(always)]
        unsafe fn unlock(&self) {
            self.held.store(false, Ordering::Relaxed);
        }
    }
}
