//! Which of a process's interpreters this is.

use pyo3::ffi;
use pyo3::prelude::*;

/// Whether it is the main one, not a sub-interpreter.
pub fn is_main(_: Python<'_>) -> bool {
    // SAFETY: attached, so there is a current one.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: it is the one that this thread is attached to.
    let number = unsafe { ffi::PyInterpreterState_GetID(current) };
    number == 0
}
