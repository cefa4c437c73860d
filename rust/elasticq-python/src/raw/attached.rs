//! Telling PyO3 that a thread is attached. PyO3 counts how often a thread has come in through its own
//! functions. Where the interpreter calls a function of ours directly (`quick`), that count may be 0. To PyO3
//! the thread is then detached, and dropping a `Py` aborts the process.

use super::detach::stop_at_the_end;
use pyo3::prelude::*;

/// Runs `call` so that PyO3 knows the thread to be attached. So `call` may drop references. It may also run
/// Python code, since the thread is made to stop if the interpreter ends meanwhile.
///
/// `Python::attach` would panic once the interpreter has begun to end. But the last objects go only after
/// that, and a coroutine that is suspended in an operation of ours closes it as it goes.
#[cold]
pub fn attached<R>(_: Python<'_>, call: impl FnOnce(Python<'_>) -> R) -> R {
    stop_at_the_end();
    // SAFETY: the token shows that this thread is attached. So the interpreter is there and knows the thread,
    // which is all that attaching once more needs.
    unsafe { Python::attach_unchecked(call) }
}
