//! A value that may be replaced once while others use it.
//!
//! Python makes an object by `__new__`, which knows nothing of the settings, and hands them to `__init__`; by then a
//! subclass may have given the object away. So what `__new__` made stays where it is, for whoever is in it, and what
//! `__init__` makes takes its place. Reading is one load, without a question.
//!
//! Invariant: `current` is never null, and changes once at the most, from the first value to its replacement; `former`
//! is null before and the first value ever after. Whoever replaces sets `former` first, from null, so there is one. Both
//! pointers come from a box, and only `drop` frees them. So a reference to either value is good as long as this is.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub struct Replaceable<T> {
    current: AtomicPtr<T>,
    former: AtomicPtr<T>,
    owned: PhantomData<T>,
}

impl<T> Replaceable<T> {
    pub fn new(value: T) -> Self {
        let current = AtomicPtr::new(Box::into_raw(Box::new(value)));
        Self { current, former: AtomicPtr::new(ptr::null_mut()), owned: PhantomData }
    }

    #[inline(always)]
    pub fn get(&self) -> &T {
        // Acquire: what `replace` made is complete for whoever sees it.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: never null, and freed by `drop` alone.
        unsafe { &*current }
    }

    /// The first value, once it was replaced.
    pub fn former(&self) -> Option<&T> {
        // SAFETY: null, or freed by `drop` alone.
        unsafe { self.former.load(Ordering::Acquire).as_ref() }
    }

    /// Puts `value` in the place of the first one, which it gives; gives `value` back if that was done before.
    pub fn replace(&self, value: T) -> Result<&T, T> {
        let first = self.current.load(Ordering::Acquire);
        let claimed = self.former.compare_exchange(ptr::null_mut(), first, Ordering::AcqRel, Ordering::Relaxed);
        if claimed.is_err() {
            return Err(value);
        }
        self.current.store(Box::into_raw(Box::new(value)), Ordering::Release);
        // SAFETY: never null, and freed by `drop` alone.
        Ok(unsafe { &*first })
    }
}

impl<T> Drop for Replaceable<T> {
    fn drop(&mut self) {
        for value in [*self.current.get_mut(), *self.former.get_mut()] {
            if !value.is_null() {
                // SAFETY: from a box, and nobody has a reference any more. The two are never the same: `replace` does
                // not end before it has set the other one.
                drop(unsafe { Box::from_raw(value) });
            }
        }
    }
}
