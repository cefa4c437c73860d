//! Letting go of the interpreter for a wait that may outlast it, as that of a daemon thread does.
//!
//! Before Python 3.14 a thread that comes back while the interpreter is being finalized is ended by `pthread_exit`, which
//! unwinds its stack; Rust frames that catch panics abort the process then. So the thread is stopped here for good,
//! which is what Python 3.14 does itself and PyO3 in `Python::attach`.

use pyo3::ffi;
use pyo3::prelude::*;
use std::thread;

/// Runs what may run Python code, and so may come to a point at which the interpreter takes this thread off.
pub fn stopping_here<T>(run: impl FnOnce() -> T) -> T {
    let stop = StopThisThread;
    let result = run();
    std::mem::forget(stop);
    result
}

/// `Python::detach` that survives the interpreter. `wait` must touch nothing of Python.
pub fn detached<T>(_: Python<'_>, wait: impl FnOnce() -> T) -> T {
    // SAFETY: attached.
    let _attach_again = Detached(unsafe { ffi::PyEval_SaveThread() });
    wait()
}

struct Detached(*mut ffi::PyThreadState);

impl Drop for Detached {
    fn drop(&mut self) {
        unsafe extern "C-unwind" {
            fn PyEval_RestoreThread(state: *mut ffi::PyThreadState);
        }
        let stop = StopThisThread;
        // SAFETY: the state that this thread was detached from.
        unsafe { PyEval_RestoreThread(self.0) };
        std::mem::forget(stop);
    }
}

/// Dropped only by unwinding: that of `pthread_exit`, or of a panic, which may go on.
struct StopThisThread;

impl Drop for StopThisThread {
    fn drop(&mut self) {
        while !thread::panicking() {
            thread::park();
        }
    }
}
