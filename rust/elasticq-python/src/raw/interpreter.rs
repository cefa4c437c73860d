//! Which of a process's interpreters this is.

use pyo3::ffi;
use pyo3::prelude::*;

/// Whether it is the main one, not a sub-interpreter.
pub fn is_main(_: Python<'_>) -> bool {
    // SAFETY: attached, so there is a current interpreter, and it has a number: 0 is the main one's.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}
