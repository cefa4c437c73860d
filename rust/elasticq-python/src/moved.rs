//! A queue that has moved to the standard machinery (`elasticq._standard`), and how it gets there.
//!
//! The fast path does not ask about moving. A moved queue's ring is closed and empty, and a thread that finds
//! it so looks here. The order makes that safe. `standard` is set *before* the ring is closed, so a thread
//! that finds the ring closed by the move also finds `standard`. And the lock of `standard` is held until the
//! items are in it, so a thread that comes early waits there.

use crate::errors;
use crate::limits::with_weights;
use crate::queue::Queue;
use crate::raw::Item;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

/// The `Standard` that serves a queue instead of its ring, once there is one.
#[derive(Default)]
pub struct Moved {
    standard: OnceLock<Py<PyAny>>,
    /// `WAITING`, `MOVING` or `MOVED`; written under the lock of `standard`.
    stage: AtomicU8,
}

const WAITING: u8 = 0;
const MOVING: u8 = 1;
const MOVED: u8 = 2;

impl Moved {
    #[inline]
    pub fn get<'a, 'py>(&'a self, py: Python<'py>) -> Option<&'a Bound<'py, PyAny>> {
        self.standard.get().map(|standard| standard.bind(py))
    }

    /// For the garbage collector. The object breaks cycles by itself.
    pub fn held(&self) -> Option<&Item> {
        self.standard.get()
    }
}

/// Calls a method of what serves the queue `$slf` if the queue has moved; `None` if it has not.
macro_rules! moved {
    ($slf:expr, $store:expr, $method:literal $(, $argument:expr)*) => {{
        let py = $slf.py();
        match $store.moved.get(py) {
            Some(standard) => {
                Some(standard.call_method1(pyo3::intern!(py, $method), ($slf, $($argument,)*)))
            }
            None => None,
        }
    }};
}
pub(crate) use moved;

/// What serves a queue that has moved. Moves the queue if it has not.
pub fn standard<'a, 'py>(slf: &'a Bound<'py, Queue>) -> PyResult<&'a Bound<'py, PyAny>> {
    move_with(slf, None)
}

/// The same, for a `maxsize` of any type.
pub fn move_with<'a, 'py>(
    slf: &'a Bound<'py, Queue>,
    maxsize: Option<&Bound<'py, PyAny>>,
) -> PyResult<&'a Bound<'py, PyAny>> {
    let py = slf.py();
    let store = slf.as_super().get().store();
    check_movable(slf)?;
    let moved = &store.moved;
    if moved.get(py).is_none() {
        let made = match maxsize {
            Some(maxsize) => class(py)?.call1((slf, maxsize)),
            None => class(py)?.call1((slf, slf.get().maxsize())),
        }?;
        // Locked before any other thread can see it, so that none is served there before everything has
        // moved.
        locked(&made, || match moved.standard.set(made.clone().unbind()) {
            Ok(()) => fill(slf, &made, &moved.stage),
            Err(_) => Ok(()), // another thread was faster, and what is made here is dropped
        })?;
    }
    let standard = moved.standard.get().expect("just set").bind(py);
    if moved.stage.load(Ordering::Acquire) != MOVED {
        locked(standard, || fill(slf, standard, &moved.stage))?;
    }
    Ok(standard)
}

/// What serves a queue, if everything has moved there.
pub fn standard_if_moved<'py>(slf: &Bound<'py, Queue>) -> PyResult<Option<Bound<'py, PyAny>>> {
    check_movable(slf)?;
    let moved = &slf.as_super().get().store().moved;
    let has_moved = moved.stage.load(Ordering::Acquire) == MOVED;
    Ok(moved.get(slf.py()).filter(|_| has_moved).cloned())
}

/// What serves a queue instead of its own storage, if everything has moved there; None before.
#[pyfunction]
#[pyo3(name = "_moved_of")]
pub fn moved_of<'py>(queue: &Bound<'py, Queue>) -> PyResult<Option<Bound<'py, PyAny>>> {
    standard_if_moved(queue)
}

/// What serves a queue instead of its own storage. Moves the queue there.
#[pyfunction]
#[pyo3(name = "_standard_of")]
pub fn standard_of<'py>(queue: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    standard(queue).cloned()
}

/// Raises an `AttributeError` if the queue weighs its items, and so can't move. Code that only looks whether
/// a queue has one of the standard library's attributes expects that exception.
fn check_movable(slf: &Bound<'_, Queue>) -> PyResult<()> {
    if slf.as_super().get().store().buffer.weighted().is_none() {
        return Ok(());
    }
    Err(PyErr::from_type(errors::no_attribute(slf.py())?.clone(), with_weights("the standard locks")))
}

/// Runs something under the lock of `standard`.
fn locked(standard: &Bound<'_, PyAny>, run: impl FnOnce() -> PyResult<()>) -> PyResult<()> {
    let py = standard.py();
    let lock = standard.getattr(intern!(py, "mutex"))?;
    lock.call_method0(intern!(py, "acquire"))?;
    let done = run();
    lock.call_method0(intern!(py, "release"))?;
    done
}

/// Moves everything. The caller holds the lock of `standard`.
fn fill<'py>(slf: &Bound<'py, Queue>, standard: &Bound<'py, PyAny>, stage: &AtomicU8) -> PyResult<()> {
    let py = slf.py();
    // At any other stage this is not the first call: another thread was faster, or this call comes from
    // within `_init`.
    if stage.load(Ordering::Relaxed) != WAITING {
        return Ok(());
    }
    stage.store(MOVING, Ordering::Relaxed);
    let maxsize = standard.getattr(intern!(py, "maxsize"))?;
    if let Err(raised) = slf.call_method1(intern!(py, "_init"), (maxsize,)) {
        stage.store(WAITING, Ordering::Relaxed);
        return Err(raised);
    }
    // From here to the end no Python code runs, so no signal handler and no garbage collection comes in
    // between.
    let store = slf.as_super().get().store();
    let rest = store.buffer.close_and_drain();
    let unfinished = slf.get().hand_over(slf);
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
    stage.store(MOVED, Ordering::Release);
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
