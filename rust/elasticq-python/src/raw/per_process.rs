//! `PerProcess`: a value that a forked child has anew. The parent's may be locked there by a thread that is
//! not there.

use elasticq::forks;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What is stored is never freed, since any thread may use it at any time.
pub struct PerProcess<T: 'static>(AtomicPtr<(usize, T)>);

impl<T: Default + Send + Sync> PerProcess<T> {
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value of this process, which is made at the first use.
    pub fn get(&self) -> &'static T {
        let process = forks();
        loop {
            let current = self.0.load(Ordering::Acquire);
            // SAFETY: null, or stored below, initialised before that, and never freed or written again.
            match unsafe { current.as_ref() } {
                Some((of, value)) if *of == process => return value,
                _ => {}
            }
            let new = ptr::from_mut(Box::leak(Box::new((process, T::default()))));
            // If another thread was faster, this one is lost: a few bytes, once in a process.
            let _ = self.0.compare_exchange(current, new, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}
