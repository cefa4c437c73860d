//! A value that may be replaced once while others use it.
//!
//! Python makes an object by `__new__`, which knows nothing of the settings, and hands them to `__init__`; by
//! then a subclass may have given the object away. So what `__new__` made stays where it is, for whoever is
//! in it, and what `__init__` makes takes its place. Reading is one load, without a question.
//!
//! The innermost calls may be given another value than all others from the start, the front, so that they ask
//! nothing either.
//!
//! Invariant: `current` is never null, and changes once at the most, from the first value to its replacement;
//! `former` is null before, and the first value or the front ever after. Whoever replaces sets `former`
//! first, from null, so there is one. `front` is the front if there is one, or else what `current` is or was
//! a moment ago. All pointers come from a box, and only `drop` frees them, by the first two. So a reference
//! to any value is good as long as this is.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub struct Replaceable<T> {
    current: AtomicPtr<T>,
    former: AtomicPtr<T>,
    front: AtomicPtr<T>,
    owned: PhantomData<T>,
}

impl<T> Replaceable<T> {
    pub fn new(value: T) -> Self {
        Self::of(Box::into_raw(Box::new(value)), None)
    }

    /// With a front. It is never replaced.
    pub fn behind(front: T, value: T) -> Self {
        Self::of(Box::into_raw(Box::new(value)), Some(Box::into_raw(Box::new(front))))
    }

    fn of(current: *mut T, front: Option<*mut T>) -> Self {
        Self {
            current: AtomicPtr::new(current),
            former: AtomicPtr::new(front.unwrap_or_else(ptr::null_mut)),
            front: AtomicPtr::new(front.unwrap_or(current)),
            owned: PhantomData,
        }
    }

    #[inline(always)]
    pub fn get(&self) -> &T {
        // Acquire: what `replace` made is complete for whoever sees it.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: never null, and freed by `drop` alone.
        unsafe { &*current }
    }

    /// The front, or the value where there is none.
    #[inline(always)]
    pub fn front(&self) -> &T {
        // Acquire: as in `get`.
        let front = self.front.load(Ordering::Acquire);
        // SAFETY: never null, and freed by `drop` alone.
        unsafe { &*front }
    }

    /// The first value, once it was replaced, or the front.
    pub fn former(&self) -> Option<&T> {
        // SAFETY: null, or freed by `drop` alone.
        unsafe { self.former.load(Ordering::Acquire).as_ref() }
    }

    /// Puts `value` in the place of the first one, which it gives; gives `value` back if that was done
    /// before, or there is a front.
    pub fn replace(&self, value: T) -> Result<&T, T> {
        let first = self.current.load(Ordering::Acquire);
        let claimed = self.former.compare_exchange(ptr::null_mut(), first, Ordering::AcqRel, Ordering::Relaxed);
        if claimed.is_err() {
            return Err(value);
        }
        let value = Box::into_raw(Box::new(value));
        self.current.store(value, Ordering::Release);
        self.front.store(value, Ordering::Release);
        // SAFETY: never null, and freed by `drop` alone.
        Ok(unsafe { &*first })
    }
}

impl<T> Drop for Replaceable<T> {
    fn drop(&mut self) {
        for value in [*self.current.get_mut(), *self.former.get_mut()] {
            if !value.is_null() {
                // SAFETY: from a box, and nobody has a reference any more. The two are never the same:
                // `replace` does not end before it has set the other one, and a front is another box.
                drop(unsafe { Box::from_raw(value) });
            }
        }
    }
}
