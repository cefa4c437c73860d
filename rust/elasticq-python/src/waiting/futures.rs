//! Futures of asyncio, by which a task says what it waits for.

use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use pyo3::IntoPyObjectExt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The event loop that runs in this thread, and a future of that loop that says it is awaited.
pub fn new_future(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
    static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let event_loop = RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0()?;
    let future = event_loop.call_method0(intern!(py, "create_future"))?;
    future.setattr(intern!(py, "_asyncio_future_blocking"), true.into_bound_py_any(py)?)?;
    Ok((event_loop, future))
}

/// Resolves a future from within its event loop. False: it was cancelled.
pub fn resolve(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = future.py();
    match future.call_method1(intern!(py, "set_result"), (py.None(),)) {
        Ok(_) => Ok(true),
        // Asking first whether the future is done would cost each wake-up a call.
        Err(_) if future.call_method0(intern!(py, "done"))?.is_truthy()? => Ok(false),
        Err(error) => Err(error),
    }
}

/// What an event loop calls to resolve a future.
pub fn resolver(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static RESOLVE: PyOnceLock<Item> = PyOnceLock::new();
    let make = || Ok(wrap_pyfunction!(resolve_future, py)?.into_any().unbind());
    RESOLVE.get_or_try_init(py, make).map(|resolve| resolve.bind(py))
}

#[pyfunction]
fn resolve_future(future: &Bound<'_, PyAny>) -> PyResult<()> {
    stop_at_the_end();
    resolve(future).map(drop)
}
