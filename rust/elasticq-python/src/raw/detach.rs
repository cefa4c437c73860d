//! Letting go of the interpreter for a wait, and what happens to threads that still run when the interpreter
//! ends (daemon threads).
//!
//! Before Python 3.14, a thread that asks for the interpreter while the interpreter is being finalized is
//! ended by `pthread_exit`, which in glibc unwinds the thread's stack. Rust frames can't survive that: those
//! that catch panics abort the process, and others would drop references. It may happen wherever Python code
//! is run: a comparison, an event loop, a `__del__`. So a thread is made to stop for good where it stands,
//! before anything is unwound. Python 3.14 and later do the same themselves, so there is no handler.

#[cfg(all(target_os = "linux", target_env = "gnu", not(Py_3_14)))]
pub use glibc::stop_at_the_end;
use pyo3::ffi;
use pyo3::prelude::*;

/// `Python::detach` without its demands on types. `wait` must touch nothing of Python. The interpreter may
/// end meanwhile; then this does not return.
pub fn detached<T>(_: Python<'_>, wait: impl FnOnce() -> T) -> T {
    stop_at_the_end();
    // SAFETY: attached.
    let _attach_again = Detached(unsafe { ffi::PyEval_SaveThread() });
    wait()
}

/// Drops what an object had, detached, since that may wait for the disk. Only for the `drop` of an object.
/// (PyO3's own way to attach panics once the interpreter has begun to end; the last objects go only after
/// that.)
pub fn drop_detached<T>(value: T) {
    // SAFETY: the interpreter drops its objects only while attached.
    let py = unsafe { Python::assume_attached() };
    detached(py, || drop(value));
}

struct Detached(*mut ffi::PyThreadState);

impl Drop for Detached {
    fn drop(&mut self) {
        // SAFETY: the state that this thread was detached from.
        unsafe { ffi::PyEval_RestoreThread(self.0) };
    }
}

/// Whether the interpreter is ending, or has ended.
pub fn is_ending() -> bool {
    #[cfg(not(Py_3_13))]
    use super::undeclared::_Py_IsFinalizing as is_finalizing;
    #[cfg(Py_3_13)]
    use ffi::Py_IsFinalizing as is_finalizing;
    // SAFETY: may be asked at any time, by any thread.
    let ending = unsafe { is_finalizing() } != 0;
    // SAFETY: likewise.
    ending || unsafe { ffi::Py_IsInitialized() } == 0
}

/// On other systems and from Python 3.14 on nothing is unwound.
#[cfg(not(all(target_os = "linux", target_env = "gnu", not(Py_3_14))))]
#[inline(always)]
pub fn stop_at_the_end() {}

/// A cleanup handler of glibc's older kind: a record in a list of the thread. When unwinding leaves the frame
/// in which the record stands, it runs the handler before anything of that frame. A record that stands in no
/// frame is taken to stand in the innermost one (`FRAME_LEFT` in nptl/unwind.c). So this handler runs before
/// everything else.
#[cfg(all(target_os = "linux", target_env = "gnu", not(Py_3_14)))]
mod glibc {
    use super::is_ending;
    use std::ffi::{c_int, c_void};
    use std::mem::MaybeUninit;
    use std::{ptr, thread};

    /// Makes this thread stop where it stands when the interpreter ends it. Called by each thread that comes
    /// into this module, unless it does only what can't run Python code. Constant time, and next to nothing
    /// after the first time.
    #[inline]
    pub fn stop_at_the_end() {
        thread_local! {
            static HANDLER: Handler = Handler::new();
        }
        // If the thread's own variables are gone already, the thread is about to end by itself.
        let _ = HANDLER.try_with(|_| ());
    }

    /// On the heap, which is in no frame. (The thread's own variables may stand in the same block as its
    /// stack.)
    struct Handler(Box<MaybeUninit<Record>>);

    /// `struct _pthread_cleanup_buffer`.
    #[repr(C)]
    struct Record {
        routine: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
        cancel_type: c_int,
        previous: *mut Record,
    }

    unsafe extern "C" {
        fn _pthread_cleanup_push(
            record: *mut Record,
            routine: unsafe extern "C" fn(*mut c_void),
            argument: *mut c_void,
        );
        fn _pthread_cleanup_pop(record: *mut Record, run: c_int);
    }

    impl Handler {
        #[cold]
        fn new() -> Self {
            let mut record = Box::new(MaybeUninit::uninit());
            // SAFETY: the record stays where it is until it is taken off the list, by `drop` in the same
            // thread.
            unsafe { _pthread_cleanup_push(record.as_mut_ptr(), stop, ptr::null_mut()) };
            Self(record)
        }
    }

    impl Drop for Handler {
        fn drop(&mut self) {
            // SAFETY: pushed in this thread, which by now runs nothing else that might have pushed others.
            unsafe { _pthread_cleanup_pop(self.0.as_mut_ptr(), 0) };
        }
    }

    /// If the interpreter isn't ending, this returns: then other code ends the thread, for a reason of its
    /// own.
    unsafe extern "C" fn stop(_: *mut c_void) {
        while is_ending() {
            thread::park();
        }
    }
}
