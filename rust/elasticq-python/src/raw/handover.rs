//! Counting the reference by which a thread hands over an item to a task in another thread, on free-threaded
//! builds.
//!
//! On these builds an object counts the references of the thread that made it apart from those of all other
//! threads (biased reference counting: Choi, Shull, Torrellas, PACT 2018; PEP 703). If a thread counts the
//! queue's reference as its own and another thread drops it, the object must be sent back to its maker, to be
//! merged under a lock. A reference that is counted as shared from the start can be dropped by any thread
//! with one atomic subtraction.
//!
//! That moves work from the maker to the taker: the maker then neither merges nor frees the object. If a task
//! takes, it has more to do than the maker, and an item takes a tenth less time in all. Between two threads
//! an item would take up to half more, so there this is not done.

use super::Item;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

#[cfg(Py_GIL_DISABLED)]
mod free_threaded {
    use super::*;
    use std::mem::offset_of;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// One shared reference. Shared references are counted in the upper bits of the shared count; the other
    /// bits are flags.
    const ONE: isize = 1 << 2;

    /// The local count of objects whose references are not counted.
    const IMMORTAL: u32 = u32::MAX;

    /// The thread of the task that was the last to take an item; 0 if no task has taken one. A hint.
    #[derive(Default)]
    pub struct LastTaker(AtomicUsize);

    /// The thread that has made an object and still counts its own references apart. It may cease to do so at
    /// any time.
    ///
    /// # Safety
    /// A valid object.
    #[inline(always)]
    unsafe fn maker(object: *mut PyObject) -> usize {
        let field = object.wrapping_byte_add(offset_of!(PyObject, ob_tid)).cast();
        // SAFETY: the caller's promise; the interpreter reads and writes this field atomically, too.
        unsafe { AtomicUsize::from_ptr(field) }.load(Ordering::Relaxed)
    }

    impl LastTaker {
        /// Notes the thread that has made `awaitable`, which is most likely the one that awaits it.
        ///
        /// # Safety
        /// A valid object.
        #[inline(always)]
        pub unsafe fn note(&self, awaitable: *mut PyObject) {
            // SAFETY: the caller's promise.
            let thread = unsafe { maker(awaitable) };
            if self.0.load(Ordering::Relaxed) != thread {
                self.0.store(thread, Ordering::Relaxed);
            }
        }

        /// A new reference to an item, for the queue. `None` if the pointer is null.
        ///
        /// # Safety
        /// Null or a valid object, to which the caller holds a reference.
        #[inline(always)]
        pub unsafe fn reference(&self, py: Python<'_>, object: *mut PyObject) -> Option<Item> {
            let taker = self.0.load(Ordering::Relaxed);
            // SAFETY: the caller's promise.
            if taker == 0 || object.is_null() || unsafe { maker(object) } == taker {
                // SAFETY: the caller's promise.
                return unsafe { Bound::from_borrowed_ptr_or_opt(py, object) }.map(Bound::unbind);
            }
            // SAFETY: the caller's promise.
            if unsafe { &(*object).ob_ref_local }.load(Ordering::Relaxed) != IMMORTAL {
                // As every thread but the maker counts. Relaxed: the caller's own reference keeps the object
                // meanwhile.
                // SAFETY: the caller's promise.
                unsafe { &(*object).ob_ref_shared }.fetch_add(ONE, Ordering::Relaxed);
            }
            // SAFETY: not null, and the reference that was just counted.
            Some(unsafe { Bound::from_owned_ptr(py, object) }.unbind())
        }
    }
}
#[cfg(Py_GIL_DISABLED)]
pub use free_threaded::LastTaker;

/// With a GIL there is only one count.
#[cfg(not(Py_GIL_DISABLED))]
#[derive(Default)]
pub struct LastTaker(());

#[cfg(not(Py_GIL_DISABLED))]
impl LastTaker {
    /// # Safety
    /// Nothing is demanded here.
    #[inline(always)]
    pub const unsafe fn note(&self, _: *mut PyObject) {}

    /// # Safety
    /// Null or a valid object, to which the caller holds a reference.
    #[inline(always)]
    pub unsafe fn reference(&self, py: Python<'_>, object: *mut PyObject) -> Option<Item> {
        // SAFETY: the caller's promise.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, object) }.map(Bound::unbind)
    }
}
