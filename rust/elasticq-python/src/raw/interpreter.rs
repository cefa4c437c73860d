//! Which of a process's interpreters this is, and which of its threads.

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Whether this is the main interpreter, not a sub-interpreter.
pub fn is_main(_: Python<'_>) -> bool {
    // SAFETY: attached, so there is a current interpreter.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: this is the interpreter that the thread is attached to.
    let number = unsafe { ffi::PyInterpreterState_GetID(current) };
    number == 0
}

thread_local! {
    static IS_MAIN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread in which Python runs signal handlers.
pub fn is_main_thread() -> bool {
    IS_MAIN_THREAD.get()
}

/// Notes that this thread is the main one. Called in a forked child, which has no other thread.
pub fn be_main_thread() {
    IS_MAIN_THREAD.set(true);
}

/// Makes the main thread learn that it is the main one, before it runs any more Python code. The interpreter
/// itself tells that thread. The module `threading` knows a main thread, too, but with gevent its threads are
/// greenlets.
pub fn find_main_thread(_: Python<'_>) -> PyResult<()> {
    extern "C" fn found(_: *mut c_void) -> c_int {
        be_main_thread();
        0
    }
    // SAFETY: attached; a function that needs no argument and calls nothing of Python's.
    match unsafe { ffi::Py_AddPendingCall(Some(found), ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(PyRuntimeError::new_err("too many calls are pending in the main thread: import elasticq again later")),
    }
}

/// Makes the main thread raise an exception before it runs any more Python code, that is, after the call that
/// it is in. Returns the exception if too many calls are pending.
pub fn raise_soon(_: Python<'_>, error: PyErr) -> Result<(), PyErr> {
    extern "C" fn raise(error: *mut c_void) -> c_int {
        // SAFETY: the interpreter makes its pending calls while attached.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: made from a box below, and this is the only call that gets it.
        let error = unsafe { Box::from_raw(error.cast::<PyErr>()) };
        error.restore(py);
        -1
    }
    let error = Box::into_raw(Box::new(error));
    // SAFETY: attached; the function takes what it is given, and says by -1 that it has set an exception.
    match unsafe { ffi::Py_AddPendingCall(Some(raise), error.cast()) } {
        0 => Ok(()),
        // SAFETY: made from a box, and no other code has it.
        _ => Err(*unsafe { Box::from_raw(error) }),
    }
}
