//! `Look`: an iterator over the items of a durable queue that takes none.

use crate::durable::Durable;
use crate::raw::Item;
use crate::raw::detach::detached;
use elasticq::persistent::Looking;
use parking_lot::Mutex;
use pyo3::prelude::*;
use std::sync::Arc;

/// A look at the items of a queue.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Look {
    durable: Arc<Durable>,
    /// `None` while a thread reads, and at the end.
    looking: Mutex<Option<Looking>>,
}

impl Look {
    /// Begins a look at the items as they stand now.
    pub fn new(py: Python<'_>, durable: &Arc<Durable>) -> PyResult<Self> {
        let looking = durable.work(py, elasticq::PersistentCircularBuffer::looking)?;
        Ok(Self { durable: Arc::clone(durable), looking: Mutex::new(Some(looking)) })
    }

    /// The next item.
    pub fn next(&self, py: Python<'_>) -> PyResult<Option<Item>> {
        let Some(mut looking) = self.looking.lock().take() else { return Ok(None) };
        let shown = self.durable.show(py, &mut looking);
        if matches!(shown, Ok(Some(_))) {
            *self.looking.lock() = Some(looking);
        } else {
            detached(py, || drop(looking));
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
