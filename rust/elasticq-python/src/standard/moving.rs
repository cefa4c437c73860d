//! How a queue moves to the standard machinery (`elasticq._standard`). `store::moved` says what its order
//! makes safe.

use crate::errors;
use crate::room::weights::with_weights;
use crate::store::object::Elastic;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};
use std::sync::LazyLock;
use std::time::Instant;

/// What serves a queue that has moved. Moves the queue if it has not.
pub fn standard<'a, 'py>(slf: &'a Bound<'py, Elastic>) -> PyResult<&'a Bound<'py, PyAny>> {
    move_with(slf, None)
}

/// The same, for a `maxsize` of any type.
pub fn move_with<'a, 'py>(
    slf: &'a Bound<'py, Elastic>,
    maxsize: Option<&Bound<'py, PyAny>>,
) -> PyResult<&'a Bound<'py, PyAny>> {
    let py = slf.py();
    let store = slf.get().store();
    check_movable(slf)?;
    let moved = &store.moved;
    if moved.get(py).is_none() {
        let made = match maxsize {
            Some(maxsize) => class(py)?.call1((slf, maxsize)),
            None => class(py)?.call1((slf, store.limits.maxsize())),
        }?;
        // Locked before any other thread can see it, so that none is served there before everything has
        // moved.
        locked(&made, || match moved.set(made.clone().unbind()) {
            Ok(()) => fill(slf, &made),
            Err(_) => Ok(()), // another thread was faster, and what is made here is dropped
        })?;
    }
    let standard = moved.get(py).expect("just set");
    if !moved.is_complete() {
        locked(standard, || fill(slf, standard))?;
    }
    Ok(standard)
}

/// What serves a queue, if everything has moved there.
pub fn standard_if_moved<'py>(slf: &Bound<'py, Elastic>) -> PyResult<Option<Bound<'py, PyAny>>> {
    check_movable(slf)?;
    let moved = &slf.get().store().moved;
    let has_moved = moved.is_complete();
    Ok(moved.get(slf.py()).filter(|_| has_moved).cloned())
}

/// Raises an `AttributeError` if the queue weighs its items, and so can't move. Code that only looks whether
/// a queue has one of the standard library's attributes expects that exception.
fn check_movable(slf: &Bound<'_, Elastic>) -> PyResult<()> {
    if slf.get().store().buffer.weighted().is_none() {
        return Ok(());
    }
    Err(PyErr::from_type(errors::no_attribute(slf.py())?.clone(), with_weights("the standard locks")))
}

/// Runs something under the lock of `standard`.
fn locked(standard: &Bound<'_, PyAny>, run: impl FnOnce() -> PyResult<()>) -> PyResult<()> {
    let py = standard.py();
    holding(&standard.getattr(intern!(py, "mutex"))?, run)
}

/// Runs something while holding a lock of Python's.
pub fn holding<R>(lock: &Bound<'_, PyAny>, run: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    lock.call_method0(intern!(lock.py(), "acquire"))?;
    let done = run();
    lock.call_method0(intern!(lock.py(), "release"))?;
    done
}

/// Moves everything. The caller holds the lock of `standard`.
fn fill<'py>(slf: &Bound<'py, Elastic>, standard: &Bound<'py, PyAny>) -> PyResult<()> {
    let py = slf.py();
    let store = slf.get().store();
    // If it has begun, another thread was faster, or this call comes from within `_init`.
    if !store.moved.begin() {
        return Ok(());
    }
    let maxsize = standard.getattr(intern!(py, "maxsize"))?;
    if let Err(raised) = slf.call_method1(intern!(py, "_init"), (maxsize,)) {
        store.moved.give_up();
        return Err(raised);
    }
    // From here to the end no Python code runs, so no signal handler and no garbage collection comes in
    // between.
    let rest = store.buffer.close_and_drain();
    let unfinished = store.hand_over();
    if !rest.items.is_empty() {
        let items = PyList::new(py, rest.items)?;
        standard.getattr(intern!(py, "queue"))?.call_method1(intern!(py, "extend"), (items,))?;
    }
    let stats = store.buffer.stats();
    standard.setattr(intern!(py, "added"), stats.messages_enqueued)?;
    standard.setattr(intern!(py, "dropped"), stats.messages_dropped)?;
    standard.setattr(intern!(py, "unfinished_tasks"), unfinished)?;
    if rest.was_closed {
        standard.setattr(intern!(py, "is_shutdown"), true)?;
    }
    store.moved.arrive();
    store.wake_joiners(py);
    Ok(())
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "elasticq._standard", "Standard")
}

/// Seconds on the clock that all waiting here goes by. It is none of Python's clocks, since a test may have
/// stopped those.
#[pyfunction]
#[pyo3(name = "_now")]
pub fn now() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}
