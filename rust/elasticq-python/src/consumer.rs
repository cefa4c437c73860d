//! `Consumer`: the iterator that `consume()` gives.

use crate::elastic::Elastic;
use crate::errors;
use crate::numbers::Patience;
use crate::store::Item;
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

/// Takes item by item, blocking for each, until the queue was shut down and is empty.
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
        match self.queue.get().store.get(py, Patience::Until(None))? {
            Ok(item) => Ok(Some(item)),
            Err(BufferError::Closed) => Ok(None),
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)
    }
}
