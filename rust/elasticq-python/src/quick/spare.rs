//! What an `await` leaves, kept for the next one: its object, and the `StopIteration` that hands over an
//! item. To make them anew takes a good part of the time of an `await`.
//!
//! With an interpreter lock these are the process's, and the lock guards them. On free-threaded builds each
//! thread has its own. They go with the state that the interpreter has for the thread: its dictionary holds a
//! capsule, whose destructor frees them.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use std::ptr;

/// So many objects are kept. Tasks that wait for each other hold some dozens at a time.
const MOST: usize = 64;

/// What is kept.
struct Spare {
    /// Objects of one type without contents, which the collector does not know.
    objects: [*mut PyObject; MOST],
    count: usize,
    /// A `StopIteration` without a value, or null.
    stop: *mut PyObject,
}

impl Spare {
    const fn new() -> Self {
        Self { objects: [ptr::null_mut(); MOST], count: 0, stop: ptr::null_mut() }
    }
}

/// The memory of an object of this class, which no other code uses, as a new object without contents.
#[inline]
pub fn take_object(py: Python<'_>, class: *mut ffi::PyTypeObject) -> Option<*mut PyObject> {
    let spare = kept::to_take_from(py).filter(|spare| spare.count > 0)?;
    spare.count -= 1;
    let object = spare.objects[spare.count];
    // SAFETY: the memory of an object of this type, which no other code uses.
    Some(unsafe { ffi::PyObject_Init(object, class) })
}

/// Keeps an object whose contents are gone and which the collector does not know, or frees it.
#[inline]
pub fn put_object(py: Python<'_>, object: *mut PyObject) {
    match kept::to_put_into(py).filter(|spare| spare.count < MOST) {
        Some(spare) => {
            spare.objects[spare.count] = object;
            spare.count += 1;
        }
        // SAFETY: made by `PyObject_GC_New`.
        None => unsafe { ffi::PyObject_GC_Del(object.cast()) },
    }
}

/// A `StopIteration` without a value, which no other code knows. The garbage collector shows the spare one to
/// code that asks for all objects. If such code has kept it, this drops it.
#[inline]
pub fn take_stop(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    let stop = std::mem::replace(&mut kept::to_put_into(py)?.stop, ptr::null_mut());
    // SAFETY: null, or the reference that was put here.
    let stop = unsafe { Bound::from_owned_ptr_or_opt(py, stop) }?;
    // SAFETY: an object that `stop` holds.
    (unsafe { ffi::Py_REFCNT(stop.as_ptr()) } == 1).then_some(stop)
}

/// Keeps a `StopIteration`, or drops it.
#[inline]
pub fn put_stop(stop: Bound<'_, PyAny>) {
    if let Some(spare) = kept::to_put_into(stop.py()).filter(|spare| spare.stop.is_null()) {
        spare.stop = stop.into_ptr();
    }
}

#[cfg(not(Py_GIL_DISABLED))]
mod kept {
    use super::{Python, Spare};
    use std::cell::UnsafeCell;

    struct Guarded(UnsafeCell<Spare>);

    // SAFETY: used only by the thread that holds the interpreter lock, and nothing in between lets go of it.
    unsafe impl Sync for Guarded {}

    static SPARE: Guarded = Guarded(UnsafeCell::new(Spare::new()));

    #[inline]
    #[allow(clippy::mut_from_ref)] // one at a time: each use ends before another one can begin
    pub fn to_take_from(_: Python<'_>) -> Option<&mut Spare> {
        // SAFETY: see `Guarded`.
        Some(unsafe { &mut *SPARE.0.get() })
    }

    pub use to_take_from as to_put_into;
}

#[cfg(Py_GIL_DISABLED)]
mod kept {
    use super::{PyObject, Python, Spare, ffi, ptr};
    use std::cell::Cell;
    use std::ffi::CStr;

    const NAME: &CStr = c"elasticq._core.spare";

    thread_local! {
        /// What this thread has kept; null if it has nothing yet. Dangling if nothing is to be kept any more:
        /// the thread's state is going, or there was no memory.
        static MINE: Cell<*mut Spare> = const { Cell::new(ptr::null_mut()) };
    }

    /// What this thread has kept. Makes a place for it at the first call. No exception may be set.
    #[inline]
    pub fn to_take_from(py: Python<'_>) -> Option<&mut Spare> {
        let mine = MINE.get();
        if mine.is_null() {
            MINE.set(make(py));
        }
        to_put_into(py)
    }

    /// The same, if there is a place for it already. An exception may be set.
    #[inline]
    #[allow(clippy::mut_from_ref)] // one at a time: each use ends before another one can begin
    pub fn to_put_into(_: Python<'_>) -> Option<&mut Spare> {
        let mine = MINE.get();
        // SAFETY: made below, and freed only after `MINE` has changed. Only this thread uses it, and nothing
        // in between detaches it.
        (!mine.is_null() && mine != ptr::dangling_mut()).then(|| unsafe { &mut *mine })
    }

    /// Makes a place that goes with the thread's state.
    #[cold]
    fn make(_: Python<'_>) -> *mut Spare {
        // SAFETY: attached; a borrowed reference, or null.
        let state = unsafe { ffi::PyThreadState_GetDict() };
        if state.is_null() {
            return ptr::dangling_mut();
        }
        let spare = Box::into_raw(Box::new(Spare::new()));
        // SAFETY: attached; the name lives for ever.
        let capsule = unsafe { ffi::PyCapsule_New(spare.cast(), NAME.as_ptr(), Some(end)) };
        if !capsule.is_null() {
            // SAFETY: attached; a dictionary, and a capsule that is ours.
            let entered = unsafe { ffi::PyDict_SetItemString(state, NAME.as_ptr(), capsule) };
            // SAFETY: this function's own reference. If the dictionary has none, this frees what was made.
            unsafe { ffi::Py_DECREF(capsule) };
            if entered == 0 {
                return spare;
            }
        } else {
            // SAFETY: made above.
            drop(unsafe { Box::from_raw(spare) });
        }
        // SAFETY: attached.
        unsafe { ffi::PyErr_Clear() };
        ptr::dangling_mut()
    }

    /// The capsule goes: mostly in its thread; in another one after a fork, or at the interpreter's end.
    unsafe extern "C" fn end(capsule: *mut PyObject) {
        // SAFETY: the interpreter calls this attached, with the capsule made above.
        let spare = unsafe { ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr()) }.cast::<Spare>();
        if MINE.get() == spare {
            MINE.set(ptr::dangling_mut());
        }
        // SAFETY: the thread that used it does not run any more, or has just let go of it.
        let spare = unsafe { Box::from_raw(spare) };
        for object in &spare.objects[..spare.count] {
            // SAFETY: made by `PyObject_GC_New`; nobody else uses it.
            unsafe { ffi::PyObject_GC_Del(object.cast()) };
        }
        // SAFETY: null, or the reference that was put here.
        unsafe { ffi::Py_XDECREF(spare.stop) };
    }
}
