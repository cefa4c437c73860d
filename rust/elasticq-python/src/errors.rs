//! From the crate's errors to Python's. The exception classes themselves are Python (`elasticq._errors`).

use elasticq::BufferError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

macro_rules! exceptions {
    ($($function:ident = $class:literal;)*) => {$(
        pub fn $function(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
            static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
            CLASS.import(py, "elasticq._errors", $class)
        }
    )*};
}

exceptions! {
    queue_error = "QueueError";
    empty = "Empty";
    full = "Full";
    max_capacity_reached = "MaxCapacityReached";
    shut_down = "ShutDown";
    timeout = "Timeout";
    resize_error = "ResizeError";
    invalid_operation = "InvalidOperation";
    no_attribute = "NoAttribute";
    invalid_configuration = "InvalidConfiguration";
    corrupted = "Corrupted";
    already_open = "AlreadyOpen";
    io = "StorageError";
}

/// The exception for `error`, with the same text.
#[cold]
pub fn to_python(py: Python<'_>, error: &BufferError) -> PyErr {
    let class = match error {
        BufferError::Empty => empty(py),
        BufferError::Full => full(py),
        BufferError::MaxCapacityReached(_) => max_capacity_reached(py),
        BufferError::Closed => shut_down(py),
        BufferError::Timeout(_) => timeout(py),
        BufferError::ResizeError(_) => resize_error(py),
        BufferError::InvalidOperation(_) => invalid_operation(py),
        BufferError::InvalidConfiguration(_) => invalid_configuration(py),
        BufferError::Corrupted(_) => corrupted(py),
        BufferError::AlreadyOpen(_) => already_open(py),
        BufferError::Io(_) => io(py),
        _ => queue_error(py),
    };
    match class {
        Ok(class) => PyErr::from_type(class.clone(), error.to_string()),
        Err(import_failed) => import_failed,
    }
}
