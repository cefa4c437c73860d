//! Which of a process's interpreters this is, and which of its threads.

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Whether it is the main one, not a sub-interpreter.
pub fn is_main(_: Python<'_>) -> bool {
    // SAFETY: attached, so there is a current one.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: it is the one that this thread is attached to.
    let number = unsafe { ffi::PyInterpreterState_GetID(current) };
    number == 0
}

thread_local! {
    static IS_MAIN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread that signal handlers of Python's run in.
pub fn is_main_thread() -> bool {
    IS_MAIN_THREAD.get()
}

/// Says that this thread is the main one: of a forked child, which has no other.
pub fn be_main_thread() {
    IS_MAIN_THREAD.set(true);
}

/// Has the main thread learn that it is, before it runs any more Python code. The interpreter itself sends word to
/// it: the module `threading` knows of one, too, but with gevent its threads are greenlets.
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

/// Has the main thread raise an exception before it runs any more Python code: after the call that it is in. Gives
/// it back where too many calls are pending.
pub fn raise_soon(_: Python<'_>, error: PyErr) -> Result<(), PyErr> {
    extern "C" fn raise(error: *mut c_void) -> c_int {
        // SAFETY: the interpreter makes its pending calls while attached.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: made of a box below, and this is the one call that it is for.
        let error = unsafe { Box::from_raw(error.cast::<PyErr>()) };
        error.restore(py);
        -1
    }
    let error = Box::into_raw(Box::new(error));
    // SAFETY: attached; a function that takes what it is given, and says by -1 that it has set an exception.
    match unsafe { ffi::Py_AddPendingCall(Some(raise), error.cast()) } {
        0 => Ok(()),
        // SAFETY: made of a box, and nobody else has it.
        _ => Err(*unsafe { Box::from_raw(error) }),
    }
}
