//! What needs `unsafe` at the bottom of the binding: letting go of the interpreter, references, lists, locks,
//! types made by hand. Nothing here knows anything of the folders above. (`quick`, which is above, has the
//! rest of the `unsafe`.)

use pyo3::prelude::*;

pub mod alarm;
pub mod attached;
pub mod detach;
pub mod handover;
pub mod interpreter;
pub mod lists;
pub mod live;
pub mod lock;
pub mod per_process;
pub mod replaceable;
pub mod types;
pub mod undeclared;

/// Any Python object.
pub type Item = Py<PyAny>;
