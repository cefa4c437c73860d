//! Handing a value over to whoever awaits.

use super::Item;
use pyo3::exceptions::{PyBaseException, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The `StopIteration` that carries `value`. Calling the class takes twice as long: it makes a tuple for the arguments and
/// goes through `__init__`. Nobody reads the arguments; awaiting takes `value` and drops the exception.
pub fn stop_iteration(py: Python<'_>, value: Item) -> PyErr {
    let class = py.get_type::<PyStopIteration>();
    let no_arguments = PyTuple::empty(py);
    // SAFETY: attached; `StopIteration` is a static type with a `tp_new`, which is given a tuple and no keywords.
    let made = unsafe {
        let class = class.as_type_ptr();
        (*class).tp_new.map(|new| new(class, no_arguments.as_ptr(), std::ptr::null_mut()))
    };
    // SAFETY: a new reference, or null with the exception set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made.unwrap_or_default()) };
    match made {
        Ok(stop) => {
            // SAFETY: an instance of `StopIteration` that nobody else knows. `tp_new` has left `value` null or None, and
            // the reference to the new value moves in.
            unsafe {
                let place = &raw mut (*stop.as_ptr().cast::<ffi::PyStopIterationObject>()).value;
                let before = place.replace(value.into_ptr());
                ffi::Py_XDECREF(before);
            }
            // SAFETY: just made by that class.
            PyErr::from_value(unsafe { stop.cast_into_unchecked::<PyBaseException>() }.into_any())
        }
        Err(no_memory) => no_memory,
    }
}
