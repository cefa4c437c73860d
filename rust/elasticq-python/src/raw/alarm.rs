//! `Alarm`: what a thread sleeps on until another one wakes it, or a signal comes.
//!
//! It is a lock of the interpreter's, so that a signal ends this sleep wherever it ends that of
//! `threading.Lock.acquire`. The lock is held already, and the sleeper takes it once more. The thread that
//! rings releases the lock once. `rung` makes sure of that, since releasing a free lock is a fatal error
//! since Python 3.14. These calls need no interpreter. So an alarm may be rung and dropped by any thread at
//! any time, also if no thread sleeps on it any more or the interpreter has ended.

use super::undeclared::{
    PyThread_acquire_lock_timed, PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock,
};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

const PY_LOCK_ACQUIRED: c_int = 1;

pub struct Alarm {
    /// Held, unless `rung` is set, or is about to be taken back.
    lock: NonNull<c_void>,
    rung: AtomicBool,
}

// SAFETY: a lock of the interpreter's is made to be used by several threads.
unsafe impl Send for Alarm {}
// SAFETY: likewise.
unsafe impl Sync for Alarm {}

impl Alarm {
    pub fn new() -> PyResult<Self> {
        // SAFETY: may be called at any time.
        let lock = NonNull::new(unsafe { PyThread_allocate_lock() });
        let lock = lock.ok_or_else(|| PyMemoryError::new_err("no memory for a lock"))?;
        let alarm = Self { lock, rung: AtomicBool::new(false) };
        // SAFETY: a new lock, which no other thread holds or knows of yet.
        unsafe { PyThread_acquire_lock_timed(alarm.lock.as_ptr(), 0, 0) };
        Ok(alarm)
    }

    /// Blocks until the alarm is rung, a signal comes or the time is over (an hour at most). Returns at once
    /// if it was rung since the last sleep. Only one thread may sleep on an alarm, and that thread must be
    /// detached.
    pub fn sleep(&self, time: Duration) {
        let microseconds = u32::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u32::MAX);
        // SAFETY: the lock is there as long as the alarm is.
        let status = unsafe { PyThread_acquire_lock_timed(self.lock.as_ptr(), microseconds.into(), 1) };
        if status == PY_LOCK_ACQUIRED {
            // An exchange, not a store. A thread may ring once more before this, and so in vain. What it had
            // changed before it rang is seen by this thread after the exchange.
            self.rung.swap(false, Ordering::AcqRel);
        }
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // SAFETY: the lock is held, since `new` or `sleep` took it. Only the thread that sets `rung`
            // releases it, until `sleep` has taken it again.
            unsafe { PyThread_release_lock(self.lock.as_ptr()) };
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: no thread sleeps on it or rings it, since such a thread would hold a reference to the
        // alarm.
        unsafe { PyThread_free_lock(self.lock.as_ptr()) };
    }
}
