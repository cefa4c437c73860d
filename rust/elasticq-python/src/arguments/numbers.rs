//! Numbers and flags from Python, checked with errors that name the argument, its value and the rule.
//!
//! Any object may come as an argument, and to ask what it is worth may run Python code. A thread may do so
//! before it does anything else with a queue.

use crate::errors;
use crate::raw::detach::stop_at_the_end;
use elasticq::BufferError;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};
use std::time::Duration;

/// A flag, which may be any object, as in the standard library. The flag is true if the object is.
#[derive(Clone, Copy)]
pub struct Truth(pub bool);

impl<'py> FromPyObject<'_, 'py> for Truth {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        #[cold]
        fn ask(object: Borrowed<'_, '_, PyAny>) -> PyResult<bool> {
            stop_at_the_end();
            object.is_truthy()
        }
        match object.cast::<PyBool>() {
            Ok(flag) => Ok(Self(flag.is_true())),
            Err(_) => ask(object).map(Self),
        }
    }
}

/// Called before an object is asked for its number. `int` and `float` run no Python code then; any other
/// class may.
#[inline]
fn before_asking(object: &Bound<'_, PyAny>) {
    if !object.is_exact_instance_of::<PyInt>() && !object.is_exact_instance_of::<PyFloat>() {
        stop_at_the_end();
    }
}

/// A capacity in items. An object that is no integer is a `TypeError`, a number out of range
/// `InvalidConfiguration`.
pub fn capacity(field: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    setting(field, object, 1)
}

/// A setting that may be zero, such as a priority when the number of levels is not known yet. The errors are
/// those of a [`capacity`].
pub fn from_zero(field: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    setting(field, object, 0)
}

/// An integer; the settings check the rest of its rule.
fn setting(field: &str, object: &Bound<'_, PyAny>, least: usize) -> PyResult<usize> {
    before_asking(object);
    let py = object.py();
    let broken = |rule: &str| {
        let text = format!("{field} = {}: {rule}", object.str().map_or_else(|_| "?".into(), |text| text.to_string()));
        errors::misconfigured(py, text)
    };
    object.extract().map_err(|error: PyErr| {
        if !error.is_instance_of::<PyOverflowError>(py) {
            PyTypeError::new_err(format!("{field} must be an integer, not {}", type_name(object)))
        } else if object.lt(0).unwrap_or(false) {
            broken(&format!("must be at least {least}"))
        } else {
            broken(&format!("must be at most {}", usize::MAX))
        }
    })
}

/// A factor. The configuration checks its range.
pub fn factor(field: &str, object: &Bound<'_, PyAny>) -> PyResult<f64> {
    float(object).map_err(|_| PyTypeError::new_err(format!("{field} must be a real number, not {}", type_name(object))))
}

/// The `maxsize` of a queue. Zero, a number below zero and one that is too large to count all mean that there
/// is no limit. A float may be a limit, too; other code looks after that.
pub fn maxsize(object: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    before_asking(object);
    if object.is_instance_of::<PyFloat>() {
        return Ok(None);
    }
    match object.extract::<isize>() {
        Ok(maxsize) => Ok(usize::try_from(maxsize).ok().filter(|&size| size > 0)),
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => Ok(None),
        Err(_) => Err(PyTypeError::new_err(format!("maxsize must be an integer, not {}", type_name(object)))),
    }
}

/// The level of a priority, from 0 to `levels - 1`. An object that is no integer is a `TypeError`, a number
/// out of range `InvalidOperation`.
pub fn priority(object: &Bound<'_, PyAny>, levels: usize) -> PyResult<usize> {
    before_asking(object);
    match object.extract::<usize>() {
        Ok(priority) if priority < levels => return Ok(priority),
        Err(error) if !error.is_instance_of::<PyOverflowError>(object.py()) => {
            return Err(PyTypeError::new_err(format!("'priority' must be an integer, not {}", type_name(object))));
        }
        _ => {}
    }
    let text = format!("priority = {}: must be from 0 to {}", object.str()?, levels - 1);
    Err(errors::to_python(object.py(), &BufferError::InvalidOperation(text)))
}

/// How many items at most: an integer of at least `least`. One that is too large to count means all.
pub fn count(name: &str, object: &Bound<'_, PyAny>, least: usize) -> PyResult<usize> {
    before_asking(object);
    match object.extract::<usize>() {
        Ok(count) if count >= least => return Ok(count),
        Err(error) if !error.is_instance_of::<PyOverflowError>(object.py()) => {
            return Err(PyTypeError::new_err(format!("'{name}' must be an integer, not {}", type_name(object))));
        }
        Err(_) if object.gt(0)? => return Ok(usize::MAX),
        _ => {}
    }
    Err(PyValueError::new_err(format!("'{name}' must be at least {least}, not {}", object.str()?)))
}

/// A duration in seconds (or a `timedelta`), not negative. `None` if it is longer than any clock.
pub fn seconds(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    let seconds = match float(object) {
        Ok(seconds) => seconds,
        Err(_) if object.hasattr("total_seconds")? => object.call_method0("total_seconds")?.extract()?,
        Err(_) => {
            return Err(PyTypeError::new_err(format!(
                "'{name}' must be a number of seconds, not {}",
                type_name(object)
            )));
        }
    };
    if seconds >= 0.0 {
        Ok(Duration::try_from_secs_f64(seconds).ok())
    } else {
        Err(PyValueError::new_err(format!("'{name}' must be a non-negative number, not {seconds}")))
    }
}

/// A real number. An integer that is too large for a float is infinite.
fn float(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    before_asking(object);
    object.extract().or_else(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(object.py()) {
            Ok(if object.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY })
        } else {
            Err(error)
        }
    })
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string())
}
