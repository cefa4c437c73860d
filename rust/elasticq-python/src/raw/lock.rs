//! The lock around each buffer's ring.
//!
//! The ring is touched only while attached to the interpreter, and nothing under its lock can let go of the
//! interpreter (see `lib`). So if there is an interpreter lock, each thread that touches a ring holds that
//! lock already. Then the ring's own lock only has to check that the rule is kept. A flag does that, without
//! the four locked instructions that take most of the time of a put and a get through a full lock.
//! Free-threaded builds have no interpreter lock and take a full one: the crate's own, which is made for such
//! short sections under heavy use.

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

    // SAFETY: two threads are never in `try_lock` at once, since each holds the interpreter lock. Nor are two
    // threads between `lock` and `unlock` at once, since that part does not let go of the interpreter lock.
    // The flag turns a breach of either rule into a panic or a refusal. The interpreter lock also orders what
    // one holder did before what the next one sees.
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
