//! Blocking a Python thread: it is detached from the interpreter and holds no lock. In the main thread, a
//! signal ends the sleep.
//!
//! Python runs signal handlers in the main thread, when that thread asks for it; a handler may raise. **A
//! waiter asks between waking and trying, and never after an attempt that has succeeded.** So a call that
//! ends with what a handler raised has taken nothing and added nothing. And the wake-up that came to it goes
//! on to the next waiter: a waiter passes the wake-up on if it is dropped before it was seen to be woken, so
//! it looks at the signals before that.
//!
//! A signal that comes between that look and the sleep ends no sleep, nor does one that the system hands to
//! another thread. So the main thread looks for signals by itself every so often.
//!
//! Waking others, after an attempt that has succeeded, runs Python code of event loops, and in that code the
//! interpreter may run a handler. What the handler raises must not stop the waking half-way, and must not be
//! lost (`undisturbed`): the interpreter raises it after the call. But the code that it has interrupted stays
//! half done. If that was the `call_soon` of an event loop, the loop may have marked the future as set and
//! not yet put its task into its queue. Then nothing resumes that one task any more. asyncio's own queue has
//! the same gap, and only the loop could close it. The waking goes on with the next task in line.

use crate::raw::alarm::Alarm;
use crate::raw::detach::detached;
use crate::raw::interpreter::{is_main_thread, raise_soon};
use elasticq::Waiter;
use pyo3::prelude::*;
use std::slice;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How long the main thread sleeps before it looks for signals. On Windows a signal ends no sleep.
const LOOK: Duration = if cfg!(windows) { Duration::from_millis(50) } else { Duration::from_secs(1) };

/// Sleeps until `waiter` is woken (true) or `deadline` has passed (false).
///
/// An error is what a signal handler raised, such as `KeyboardInterrupt`.
pub fn sleep(py: Python<'_>, waiter: &mut Waiter<'_>, deadline: Option<Instant>) -> PyResult<bool> {
    Ok(sleep_for_any(py, slice::from_mut(waiter), deadline)?.is_some())
}

/// Sleeps until one of `waiters` is woken; returns its index. `None`: `deadline` has passed. Otherwise the
/// same.
pub fn sleep_for_any(py: Python<'_>, waiters: &mut [Waiter<'_>], deadline: Option<Instant>) -> PyResult<Option<usize>> {
    if !is_main_thread() {
        return Ok(detached(py, || Waiter::wait_for_any(waiters, deadline)));
    }
    let alarm = Arc::new(Alarm::new()?);
    let waker = Waker::from(Arc::clone(&alarm));
    loop {
        py.check_signals()?;
        let woken = waiters.iter_mut().position(|waiter| waiter.poll_in_thread(&waker));
        if woken.is_some() {
            return Ok(woken);
        }
        let left = deadline.map_or(LOOK, |deadline| LOOK.min(deadline.saturating_duration_since(Instant::now())));
        if left.is_zero() {
            return Ok(None);
        }
        detached(py, || alarm.sleep(left));
    }
}

/// Runs what follows a change of a queue and calls Python code of others. If that raises, it is run once
/// more. If it succeeds then, the exception is taken for a signal handler's, and it is raised after this
/// call. So `run` must be a thing that may be done twice, and may find itself done by half.
pub fn undisturbed<T>(py: Python<'_>, run: impl Fn() -> PyResult<T>) -> PyResult<T> {
    let raised = match run() {
        Err(raised) if is_main_thread() => raised,
        settled => return settled,
    };
    let settled = run();
    let lost = if settled.is_ok() { raise_soon(py, raised).err() } else { Some(raised) };
    if let Some(raised) = lost {
        raised.write_unraisable(py, None);
    }
    settled
}
