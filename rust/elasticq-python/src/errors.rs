//! Turns the crate's errors into Python's. The exception classes themselves are in Python
//! (`elasticq._errors`).

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

/// The class for each kind of the crate's errors.
macro_rules! table {
    ($($kind:literal => $class:ident,)*) => {
        /// The kinds that have a class here.
        const KINDS: &[&str] = &[$($kind),*];

        fn class<'py>(py: Python<'py>, error: &BufferError) -> PyResult<&'py Bound<'py, PyType>> {
            match error.kind() {
                $($kind => $class(py),)*
                _ => queue_error(py),
            }
        }
    };
}

table! {
    "Full" => full,
    "Empty" => empty,
    "Timeout" => timeout,
    "MaxCapacityReached" => max_capacity_reached,
    "ResizeError" => resize_error,
    "InvalidOperation" => invalid_operation,
    "InvalidConfiguration" => invalid_configuration,
    "Other" => queue_error,
    "Closed" => shut_down,
    "Corrupted" => corrupted,
    "AlreadyOpen" => already_open,
    "Io" => io,
}

// If a kind of error has no line in the table, this does not compile.
const _: () = {
    assert!(KINDS.len() == BufferError::KINDS.len());
    let mut number = 0;
    while number < KINDS.len() {
        let (here, there) = (KINDS[number].as_bytes(), BufferError::KINDS[number].as_bytes());
        assert!(here.len() == there.len());
        let mut place = 0;
        while place < here.len() {
            assert!(here[place] == there[place]);
            place += 1;
        }
        number += 1;
    }
};

/// The exception for a setting that breaks a rule.
#[cold]
pub fn misconfigured(py: Python<'_>, text: String) -> PyErr {
    to_python(py, &BufferError::InvalidConfiguration(text))
}

/// What a class calls itself and its limit in the texts of its exceptions.
#[derive(Clone, Copy)]
pub enum Words {
    /// A queue with a `maxsize`, which is shut down.
    Queue,
    /// A queue with a `max_capacity`, which is closed.
    LockFree,
    /// A queue in files, with a `maxsize`.
    Durable,
    /// A channel with a `max_capacity`, which is closed.
    Channel,
    /// A buffer: the crate's own words.
    Buffer,
}

impl Words {
    fn text(self, error: &BufferError) -> String {
        let (what, limit, closed) = match self {
            Self::Queue => ("queue", "maxsize", "was shut down"),
            Self::Durable => ("queue", "maxsize", "was closed"),
            Self::LockFree => ("queue", "max_capacity", "is closed"),
            Self::Channel => ("channel", "max_capacity", "is closed"),
            Self::Buffer => return error.to_string(),
        };
        match error {
            BufferError::Full if matches!(self, Self::Durable) => {
                "the queue has too little room, by maxsize or by max_bytes".into()
            }
            BufferError::Full => format!("the {what} has too little room for the batch"),
            BufferError::Empty => format!("the {what} is empty"),
            BufferError::Closed => format!("the {what} {closed}"),
            BufferError::MaxCapacityReached(items) => format!("the {what} is full: {limit} = {items}"),
            _ => error.to_string(),
        }
    }
}

/// The exception for `error`, in the words of the class whose object it is about.
#[cold]
pub fn in_words(py: Python<'_>, words: Words, error: &BufferError) -> PyErr {
    with_text(py, error, words.text(error))
}

/// The exception for `error`, with the same text. If the operating system refused something, the exception
/// has its `errno` and `filename`, too.
#[cold]
pub fn to_python(py: Python<'_>, error: &BufferError) -> PyErr {
    with_text(py, error, error.to_string())
}

/// What the arguments of a coroutine's `throw` stand for.
pub fn thrown(kind: Bound<'_, PyAny>, value: Option<Bound<'_, PyAny>>) -> PyResult<PyErr> {
    Ok(PyErr::from_value(match value {
        Some(value) if value.is_instance(&kind).unwrap_or(false) => value,
        Some(value) => kind.call1((value,))?,
        None => kind,
    }))
}

/// The same exception, made now if it was not made yet. PyO3 mostly makes an exception when something looks
/// at it, detaches the thread for that, and panics if the interpreter is ending by then.
pub fn made(py: Python<'_>, raised: PyErr) -> PyErr {
    raised.restore(py);
    PyErr::fetch(py)
}

fn with_text(py: Python<'_>, error: &BufferError, text: String) -> PyErr {
    let class = match class(py, error) {
        Ok(class) => class.clone(),
        Err(import_failed) => return import_failed,
    };
    match error {
        BufferError::Io(refused) if refused.errno().is_some() => {
            let path = refused.path().as_os_str().to_owned();
            if cfg!(windows) {
                // There the system's numbers are others. Python makes an `errno` of this one, its `winerror`.
                PyErr::from_type(class, (0, text, path, refused.errno()))
            } else {
                PyErr::from_type(class, (refused.errno(), text, path))
            }
        }
        _ => PyErr::from_type(class, text),
    }
}
