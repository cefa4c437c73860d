//! Functions of CPython's that PyO3 does not declare. Other modules declare none, since on Windows they would
//! not be linked: build.rs makes `of_python`, which names the DLL there.

use pyo3::ffi::PyObject;
use std::ffi::{c_int, c_longlong, c_void};

include!(concat!(env!("OUT_DIR"), "/of_python.rs"));

of_python! {
    pub fn PyThread_allocate_lock() -> *mut c_void;
    pub fn PyThread_free_lock(lock: *mut c_void);
    /// Returns a `PyLockStatus`. A timeout of 0 means not to wait, a negative one to wait for ever.
    pub fn PyThread_acquire_lock_timed(lock: *mut c_void, microseconds: c_longlong, interruptible: c_int) -> c_int;
    pub fn PyThread_release_lock(lock: *mut c_void);

    pub fn PyMethod_New(function: *mut PyObject, object: *mut PyObject) -> *mut PyObject;

    /// Calls `visit` for each object, while all other threads stand still.
    #[cfg(Py_3_12)]
    pub fn PyUnstable_GC_VisitObjects(
        visit: unsafe extern "C" fn(*mut PyObject, *mut c_void) -> c_int,
        argument: *mut c_void,
    );

    /// From 3.13 on it is `Py_IsFinalizing`, which PyO3 declares.
    #[cfg(not(Py_3_13))]
    pub fn _Py_IsFinalizing() -> c_int;
}
