//! What `python -m elasticq` needs for the files of durable queues: functions that answer with JSON, an
//! iterator over the items, and a progress that another thread may look at. All file work is done detached.

use crate::errors;
use crate::raw::detach::{detached, stop_at_the_end};
use elasticq::persistent::{self, Export, ExportedItem, ItemState};
use elasticq::{BufferError, BufferResult};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;

/// How far a piece of work has come.
#[pyclass(frozen, name = "_Progress", module = "elasticq._core")]
pub struct Progress(persistent::Progress);

#[pymethods]
impl Progress {
    #[new]
    fn new() -> Self {
        Self(persistent::Progress::default())
    }

    /// Bytes that were dealt with, and how many there are.
    fn bytes(&self) -> (u64, u64) {
        self.0.bytes()
    }
}

/// What a function of the crate answers, as JSON.
fn answer<T: serde::Serialize>(py: Python<'_>, work: impl FnOnce() -> BufferResult<T>) -> PyResult<String> {
    stop_at_the_end();
    let done = detached(py, || {
        let done = work()?;
        serde_json::to_string(&done).map_err(|error| BufferError::Other(error.to_string()))
    });
    done.map_err(|error| errors::to_python(py, &error))
}

/// Looks at a queue, also at one that is in use.
#[pyfunction(name = "_inspect", signature = (path, /))]
pub fn inspect(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    answer(py, || persistent::inspect(path))
}

/// Checks every record of a queue.
#[pyfunction(name = "_verify", signature = (path, progress, /))]
pub fn verify(py: Python<'_>, path: PathBuf, progress: &Bound<'_, Progress>) -> PyResult<String> {
    let progress = progress.get();
    answer(py, || persistent::verify(path, Some(&progress.0)))
}

/// Repairs a queue.
#[pyfunction(name = "_repair", signature = (path, progress, /))]
pub fn repair(py: Python<'_>, path: PathBuf, progress: &Bound<'_, Progress>) -> PyResult<String> {
    let progress = progress.get();
    answer(py, || persistent::repair(path, Some(&progress.0)))
}

/// Makes the files of a queue as small as they can be.
#[pyfunction(name = "_compact", signature = (path, /))]
pub fn compact(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    answer(py, || persistent::compact(path))
}

/// The items of a queue, one by one.
#[pyclass(frozen, name = "_Export", module = "elasticq._core")]
pub struct Exported(Mutex<Export>);

/// Number, state, what is said of the state (a reason, or a time), deliveries, time of the put, id, headers,
/// bytes.
type Shown<'py> =
    (u64, &'static str, Option<String>, u32, u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pymethods]
impl Exported {
    #[new]
    #[pyo3(signature = (path, /))]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        stop_at_the_end();
        let export = detached(py, || persistent::export(path));
        Ok(Self(Mutex::new(export.map_err(|error| errors::to_python(py, &error))?)))
    }

    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Option<Shown<'py>> {
        stop_at_the_end();
        let item = detached(py, || self.0.lock().next())?;
        let ExportedItem { number, state, deliveries, put_at, id, headers, data, .. } = item;
        let (state, note) = match state {
            ItemState::Leased => ("leased", None),
            ItemState::Delayed(until) => ("delayed", Some(until.to_string())),
            ItemState::Dead(reason) => ("dead", Some(reason)),
            _ => ("ready", None),
        };
        let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
        Some((number, state, note, deliveries, put_at, bytes(&id), bytes(&headers), bytes(&data)))
    }

    /// What could not be read, as JSON. It is complete when there is no item left.
    fn damage(&self, py: Python<'_>) -> PyResult<String> {
        answer(py, || Ok(self.0.lock().damage().to_vec()))
    }
}
