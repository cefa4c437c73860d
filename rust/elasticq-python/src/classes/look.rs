//! `Look`: an iterator over the items of a durable queue that takes none.

use crate::durable::Durable;
use crate::raw::Item;
use crate::raw::detach::detached;
use elasticq::persistent::Looking;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::mem;
use std::sync::Arc;

enum State {
    Ready(Box<Reading>),
    /// A thread reads.
    Busy,
    Ended,
}

struct Reading {
    durable: Arc<Durable>,
    looking: Looking,
}

/// A look at the items of a queue. At its end it lets go of the queue.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Look {
    state: Mutex<State>,
}

impl Look {
    /// Begins a look at the items as they stand now.
    pub fn new(py: Python<'_>, durable: &Arc<Durable>) -> PyResult<Self> {
        let looking = durable.work(py, elasticq::PersistentCircularBuffer::looking)?;
        let reading = Reading { durable: Arc::clone(durable), looking };
        Ok(Self { state: Mutex::new(State::Ready(Box::new(reading))) })
    }

    /// The next item.
    pub fn next(&self, py: Python<'_>) -> PyResult<Option<Item>> {
        let state = mem::replace(&mut *self.state.lock(), State::Busy);
        let mut reading = match state {
            State::Ready(reading) => reading,
            State::Busy => return Err(PyValueError::new_err("the iterator is used by another thread just now")),
            State::Ended => {
                *self.state.lock() = State::Ended;
                return Ok(None);
            }
        };
        let Reading { durable, looking } = &mut *reading;
        let shown = durable.show(py, looking);
        if matches!(shown, Ok(Some(_))) {
            *self.state.lock() = State::Ready(reading);
        } else {
            *self.state.lock() = State::Ended;
            detached(py, || drop(reading));
        }
        shown
    }
}

#[pymethods]
impl Look {
    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Item>> {
        self.next(py)
    }
}
