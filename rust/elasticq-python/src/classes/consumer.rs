//! `Consumer` and `AsyncConsumer`: iterators that take items, for threads and for tasks.

use super::queue::Queue;
use crate::arguments::patience::Patience;
use crate::errors;
use crate::quick::awaitable::awaitable;
use crate::raw::Item;
use crate::standard::overridden;
use crate::store::moved::moved;
use crate::store::object::Elastic;
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

/// Takes item by item, blocking for each, until the queue is shut down and empty.
#[pyclass(frozen, generic, module = "elasticq._core")]
pub struct Consumer {
    queue: Py<Elastic>,
}

impl Consumer {
    pub const fn new(queue: Py<Elastic>) -> Self {
        Self { queue }
    }
}

#[pymethods]
impl Consumer {
    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Item>> {
        let slf = self.queue.bind(py);
        if slf.cast::<Queue>().is_ok_and(|queue| queue.get().overridden.get) {
            return overridden::next(slf);
        }
        let store = slf.get().store();
        match store.get(py, Patience::Until(None))? {
            Ok(item) => Ok(Some(item)),
            Err(BufferError::Closed) => match moved!(slf, store, "get", true, py.None()) {
                Some(Err(ended)) if ended.is_instance(py, errors::shut_down(py)?) => Ok(None),
                Some(got) => got.map(|item| Some(item.unbind())),
                None => Ok(None),
            },
            Err(error) => Err(store.error(py, &error)),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)
    }
}

/// Takes item by item, waiting for each, until the queue was shut down and is empty.
#[pyclass(frozen, generic, module = "elasticq._core")]
pub struct AsyncConsumer {
    queue: Py<Elastic>,
}

impl AsyncConsumer {
    pub const fn new(queue: Py<Elastic>) -> Self {
        Self { queue }
    }
}

#[pymethods]
impl AsyncConsumer {
    const fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Item> {
        awaitable(self.queue.bind(py).clone(), None, false, true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)
    }
}
