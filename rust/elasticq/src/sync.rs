//! The one place that knows whether the crate runs on the machine or inside a [loom] model.
//!
//! Everything above takes its lock and its atomics from here, so that `RUSTFLAGS="--cfg loom"` turns the real code into
//! the model; no other file names loom.
//!
//! [loom]: https://docs.rs/loom

#[cfg(not(loom))]
pub(crate) use machine::*;
#[cfg(loom)]
pub(crate) use model::*;

#[cfg(not(loom))]
mod machine {
    pub(crate) use parking_lot::lock_api::{Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}

#[cfg(loom)]
mod model {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::marker::PhantomData;
    use std::ops::{Deref, DerefMut};

    /// loom's lock with the interface of lock_api's: no poisoning, and the kind of lock as a parameter, which the model
    /// does not look at.
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
