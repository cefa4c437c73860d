//! Blocking a Python thread: detached from the interpreter, without any lock, interruptible in the main thread.

use crate::raw::detach::detached;
use elasticq::Waiter;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Signals reach only the main thread, and a native wait doesn't notice them, so there it is cut into slices this long.
const SLICE: Duration = Duration::from_millis(50);

/// Sleeps until `waiter` is woken (true) or `deadline` has passed (false).
///
/// An error is what a signal handler raised, `KeyboardInterrupt` for one. The waiter is then still registered, so
/// dropping it passes on a wake-up that came meanwhile.
pub fn sleep(py: Python<'_>, waiter: &mut Waiter<'_>, deadline: Option<Instant>) -> PyResult<bool> {
    if !in_main_thread(py)? {
        return Ok(detached(py, || waiter.wait_until(deadline)));
    }
    loop {
        let slice = Instant::now() + SLICE;
        let last = deadline.is_some_and(|deadline| deadline <= slice);
        let until = if last { deadline } else { Some(slice) };
        if detached(py, || waiter.wait_until(until)) {
            return Ok(true);
        }
        py.check_signals()?;
        if last {
            return Ok(false);
        }
    }
}

/// The main thread's identity: that of the interpreter's, and in a forked child that of the thread which forked.
static MAIN_THREAD: AtomicU64 = AtomicU64::new(0);

/// Learns which thread is the main one. Not left to the first wait: that would run Python code in whatever thread waits first,
/// perhaps while the interpreter ends.
pub fn note_main_thread(py: Python<'_>) -> PyResult<()> {
    current_thread(py)?;
    let main = py.import("threading")?.call_method0("main_thread")?.getattr("ident")?.extract()?;
    MAIN_THREAD.store(main, Ordering::Relaxed);
    Ok(())
}

/// The same in a forked child, by the one thread that it has.
pub fn note_this_as_main_thread(py: Python<'_>) -> PyResult<()> {
    MAIN_THREAD.store(current_thread(py)?, Ordering::Relaxed);
    Ok(())
}

fn in_main_thread(py: Python<'_>) -> PyResult<bool> {
    Ok(current_thread(py)? == MAIN_THREAD.load(Ordering::Relaxed))
}

/// Calls a function written in C.
fn current_thread(py: Python<'_>) -> PyResult<u64> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CURRENT.import(py, "threading", "get_ident")?.call0()?.extract()
}
