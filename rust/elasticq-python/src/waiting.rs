//! Blocking a Python thread: detached from the interpreter, without any lock, interruptible in the main thread.

use crate::raw::detach::detached;
use elasticq::Waiter;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
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

fn in_main_thread(py: Python<'_>) -> PyResult<bool> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let current = CURRENT.import(py, "threading", "get_ident")?.call0()?.extract::<u64>()?;
    Ok(current == main_thread(py)?)
}

/// The main thread's identity, which changes only where a process forks. Asked for once, because asking runs Python
/// code, and a daemon thread must run none here: see `detached`.
fn main_thread(py: Python<'_>) -> PyResult<u64> {
    // Written in this order and read in the other, so whoever sees its own process sees the identity too.
    static IDENTITY: AtomicU64 = AtomicU64::new(0);
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    if PROCESS.load(Ordering::Acquire) != process {
        let main = py.import("threading")?.call_method0("main_thread")?.getattr("ident")?.extract()?;
        IDENTITY.store(main, Ordering::Relaxed);
        PROCESS.store(process, Ordering::Release);
    }
    Ok(IDENTITY.load(Ordering::Relaxed))
}
