//! The innermost part: all `unsafe` of the binding is in this folder.

use pyo3::prelude::*;

pub mod alarm;
pub mod calls;
pub mod coroutine;
pub mod detach;
pub mod handover;
pub mod interpreter;
pub mod lists;
pub mod lock;
pub mod method;
pub mod replaceable;
pub mod types;

/// Any Python object.
pub type Item = Py<PyAny>;
