//! A value that may be replaced once while others use it.
//!
//! Python makes an object by `__new__`, which does not know the settings, and passes those to `__init__`. By
//! then a subclass may have given the object to other code. So what `__new__` made stays where it is, for
//! threads that are using it, and what `__init__` makes takes its place. Reading is one load, without a
//! condition.
//!
//! From the start, the innermost calls may be given another value than all other code: the front. So they
//! need no condition either.
//!
//! Invariant: `current` is never null, and changes at most once, from the first value to its replacement.
//! `former` is null before that, and afterwards the first value; if there is a front, it is the front from
//! the start. A thread that replaces the value first changes `former` from null, so only one thread can.
//! `front` is the front if there is one, otherwise what `current` is or was a moment ago. All pointers come
//! from a box, and only `drop` frees them, by the first two fields. So a reference to any of the values is
//! good as long as this object is.

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

    /// With a front. Then the value is never replaced.
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
        // Acquire: a thread that sees what `replace` made sees it complete.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: never null, and only `drop` frees it.
        unsafe { &*current }
    }

    /// The front, or the value if there is no front.
    #[inline(always)]
    pub fn front(&self) -> &T {
        // Acquire: as in `get`.
        let front = self.front.load(Ordering::Acquire);
        // SAFETY: never null, and only `drop` frees it.
        unsafe { &*front }
    }

    /// The first value, once it was replaced; or the front.
    pub fn former(&self) -> Option<&T> {
        // SAFETY: null, or only `drop` frees it.
        unsafe { self.former.load(Ordering::Acquire).as_ref() }
    }

    /// Puts `value` in the place of the first one, and returns that. If it was replaced before, or there is a
    /// front, returns `value`.
    pub fn replace(&self, value: T) -> Result<&T, T> {
        let first = self.current.load(Ordering::Acquire);
        let claimed = self.former.compare_exchange(ptr::null_mut(), first, Ordering::AcqRel, Ordering::Relaxed);
        if claimed.is_err() {
            return Err(value);
        }
        let value = Box::into_raw(Box::new(value));
        self.current.store(value, Ordering::Release);
        self.front.store(value, Ordering::Release);
        // SAFETY: never null, and only `drop` frees it.
        Ok(unsafe { &*first })
    }
}

impl<T> Drop for Replaceable<T> {
    fn drop(&mut self) {
        for value in [*self.current.get_mut(), *self.former.get_mut()] {
            if !value.is_null() {
                // SAFETY: from a box, and no reference is left. The two are never the same: `replace` does
                // not end before it has set the other one, and a front is another box.
                drop(unsafe { Box::from_raw(value) });
            }
        }
    }
}
