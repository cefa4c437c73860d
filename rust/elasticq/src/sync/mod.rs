//! The one place that knows whether the crate runs on the machine or inside a [loom] model.
//!
//! All other modules take their locks and atomics from here. So `RUSTFLAGS="--cfg loom"` turns the real code
//! into the model. No other file names loom.
//!
//! [loom]: https://docs.rs/loom

#[cfg(not(loom))]
pub(crate) use machine::*;
#[cfg(loom)]
pub(crate) use model::*;

#[cfg(all(feature = "lock_free", not(loom)))]
pub(crate) mod barrier;
#[cfg(any(feature = "lock_free", feature = "persistent"))]
pub(crate) mod raise;

#[cfg(not(loom))]
mod machine {
    pub(crate) use parking_lot::lock_api::{Mutex, MutexGuard};
    #[cfg(feature = "lock_free")]
    pub(crate) use std::sync::Arc;
    /// A lock for a few steps that call no foreign code. It shares nothing with other locks, so after a fork
    /// it is usable if nobody held it at the fork. The kinds of `Mutex`, in contrast, may sleep in a table
    /// that the whole process shares.
    pub(crate) use std::sync::Mutex as PlainMutex;
    #[cfg(feature = "lock_free")]
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr};
    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

    pub(crate) use crossbeam_utils::Backoff;

    /// The token of `park` and `unpark` belongs to the thread, and others may use it too (std's channels do).
    /// So each user has to cope with a `park` that returns without a reason.
    pub(crate) mod thread {
        pub(crate) use std::thread::{Thread, current, park, park_timeout};
    }

    /// Does nothing: sequentially consistent accesses are in one order already.
    #[cfg(feature = "lock_free")]
    #[inline(always)]
    pub(crate) const fn order_seqcst() {}

    /// Leaves a cache line to the other threads that want it, for a while. The more often the caller has
    /// `failed` to get the line, the longer it waits.
    #[cfg(feature = "lock_free")]
    #[cold]
    pub(crate) fn stay_away(failed: u32) {
        for _ in 0..128 << failed.min(3) {
            std::hint::spin_loop();
        }
    }

    /// How often a thread looks whether another thread has taken the few steps that it has to go, before it
    /// regards the other as stalled.
    #[cfg(feature = "lock_free")]
    pub(crate) const PATIENCE: u32 = 64;

    /// A number that mostly tells threads apart: small, and given in the order in which threads first ask for
    /// one.
    #[cfg(feature = "lock_free")]
    #[inline(always)]
    pub(crate) fn thread_number() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        std::thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
        NUMBER.try_with(|number| *number).unwrap_or(0) // 0 where the thread is ending
    }

    /// `UnsafeCell` with loom's interface, which sees when an access begins and ends.
    #[cfg(feature = "lock_free")]
    #[derive(Debug)]
    pub(crate) struct Cell<T>(std::cell::UnsafeCell<T>);

    #[cfg(feature = "lock_free")]
    impl<T> Cell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
            look(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, change: impl FnOnce(*mut T) -> R) -> R {
            change(self.0.get())
        }
    }
}

#[cfg(loom)]
mod model {
    #[cfg(feature = "lock_free")]
    pub(crate) use loom::cell::UnsafeCell as Cell;
    #[cfg(feature = "lock_free")]
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::Mutex as PlainMutex;
    #[cfg(feature = "lock_free")]
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr};
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
    use std::marker::PhantomData;

    /// loom's own `unpark` also wakes a thread from a lock that it waits for. So the token here has a lock
    /// and a condition of its own.
    pub(crate) mod thread {
        use loom::sync::{Condvar, Mutex};
        use std::sync::Arc;
        use std::time::Duration;

        #[derive(Clone)]
        pub(crate) struct Thread(Arc<(Mutex<bool>, Condvar)>);

        impl Thread {
            pub(crate) fn unpark(&self) {
                *self.0.0.lock().unwrap() = true;
                self.0.1.notify_one();
            }
        }

        loom::thread_local! {
            static CURRENT: Thread = Thread(Arc::new((Mutex::new(false), Condvar::new())));
        }

        pub(crate) fn current() -> Thread {
            CURRENT.with(Clone::clone)
        }

        pub(crate) fn park() {
            let thread = current();
            let mut token = thread.0.0.lock().unwrap();
            while !std::mem::take(&mut *token) {
                token = thread.0.1.wait(token).unwrap();
            }
        }

        /// Time is not modelled: every moment may be the last.
        pub(crate) fn park_timeout(_: Duration) {
            loom::thread::yield_now();
        }
    }

    /// Lets another thread run: loom has to be told where a loop waits for another thread.
    pub(crate) struct Backoff;

    impl Backoff {
        pub(crate) const fn new() -> Self {
            Self
        }

        #[cfg(feature = "lock_free")]
        pub(crate) fn spin(&self) {
            loom::thread::yield_now();
        }

        pub(crate) fn snooze(&self) {
            loom::thread::yield_now();
        }

        /// Patience ends at once, which models a patience of every length.
        #[cfg(feature = "lock_free")]
        pub(crate) fn is_completed(&self) -> bool {
            true
        }
    }

    /// Lets another thread run.
    #[cfg(feature = "lock_free")]
    pub(crate) fn stay_away(_: u32) {
        loom::thread::yield_now();
    }

    /// Patience ends at once, which models a patience of every length.
    #[cfg(feature = "lock_free")]
    pub(crate) const PATIENCE: u32 = 0;

    /// The same number for all threads: it matters for speed only.
    #[cfg(feature = "lock_free")]
    pub(crate) const fn thread_number() -> usize {
        0
    }

    /// loom treats sequentially consistent accesses as acquire and release ones; only its fences give one
    /// order. To be called between two such accesses whose order matters.
    #[cfg(feature = "lock_free")]
    pub(crate) fn order_seqcst() {
        fence(Ordering::SeqCst);
    }

    /// loom knows no process-wide barrier. Two words stand for it, which both sides change in opposite order:
    /// the side that comes second has acquired what the first did before. Two calls of `often` order nothing
    /// between them, and neither half is in any order with the fences. So the halves do not hide a missing
    /// fence from a model.
    ///
    /// On the machine, the frequent half is no barrier unless another thread runs the rare half. So a model
    /// in which no thread runs the rare half can leave the frequent half out ([`unfenced`]). It has to leave
    /// it out where it is to show that the orders of the accesses around it are needed.
    #[cfg(feature = "lock_free")]
    pub(crate) mod barrier {
        use loom::sync::atomic::{AtomicUsize, Ordering};
        use std::cell::Cell;

        loom::lazy_static! {
            static ref OFTEN: AtomicUsize = AtomicUsize::new(0);
            static ref RARELY: AtomicUsize = AtomicUsize::new(0);
        }

        // Not loom's: a model runs all of its threads on the thread that called it.
        std::thread_local!(static UNFENCED: Cell<bool> = const { Cell::new(false) });

        pub(crate) fn often() {
            if !UNFENCED.get() {
                OFTEN.fetch_add(1, Ordering::Release);
                RARELY.fetch_add(1, Ordering::Acquire);
            }
        }

        pub(crate) fn rarely() {
            assert!(!UNFENCED.get(), "somebody waits in a model without barriers");
            RARELY.fetch_add(1, Ordering::AcqRel);
            OFTEN.fetch_add(1, Ordering::Acquire);
        }

        /// Runs a model in which nobody waits, without the frequent half of the barrier.
        pub fn unfenced(model: impl FnOnce()) {
            UNFENCED.set(true);
            model();
            UNFENCED.set(false);
        }
    }

    use std::ops::{Deref, DerefMut};

    /// loom's lock with the interface of lock_api's: without poisoning, and with the kind of lock as a
    /// parameter, which the model ignores.
    #[derive(Debug)]
    pub(crate) struct Mutex<L, T>(loom::sync::Mutex<T>, PhantomData<L>);

    pub(crate) struct MutexGuard<'a, L, T>(loom::sync::MutexGuard<'a, T>, PhantomData<L>);

    impl<L, T> Mutex<L, T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value), PhantomData)
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, L, T> {
            MutexGuard(self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner), PhantomData)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, L, T>> {
            Some(MutexGuard(self.0.try_lock().ok()?, PhantomData))
        }
    }

    impl<L, T> Deref for MutexGuard<'_, L, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    impl<L, T> DerefMut for MutexGuard<'_, L, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.0
        }
    }
}
