//! Blocking a Python thread: detached from the interpreter, without any lock, interruptible in the main thread.

use elasticq::Waiter;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::time::{Duration, Instant};

/// Signals reach only the main thread, and a native wait doesn't notice them, so there it is cut into slices this long.
const SLICE: Duration = Duration::from_millis(50);

/// Sleeps until `waiter` is woken (true) or `deadline` has passed (false).
///
/// An error is what a signal handler raised, `KeyboardInterrupt` for one. The waiter is then still registered, so
/// dropping it passes on a wake-up that came meanwhile.
pub fn sleep(py: Python<'_>, waiter: &mut Waiter<'_>, deadline: Option<Instant>) -> PyResult<bool> {
    if !in_main_thread(py)? {
        return Ok(py.detach(|| waiter.wait_until(deadline)));
    }
    loop {
        let slice = Instant::now() + SLICE;
        let last = deadline.is_some_and(|deadline| deadline <= slice);
        let until = if last { deadline } else { Some(slice) };
        if py.detach(|| waiter.wait_until(until)) {
            return Ok(true);
        }
        py.check_signals()?;
        if last {
            return Ok(false);
        }
    }
}

fn in_main_thread(py: Python<'_>) -> PyResult<bool> {
    static MAIN_THREAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let main = MAIN_THREAD.import(py, "threading", "main_thread")?.call0()?.getattr("ident")?;
    let current = CURRENT.import(py, "threading", "get_ident")?.call0()?;
    main.eq(current)
}
