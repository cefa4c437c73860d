//! `Elastic`: the Python object around a store, from which every queue class derives. Its methods are in
//! `classes::elastic`; what is here is for those that are given such an object, whatever its class.

use super::items::Items;
use super::moved::moved;
use super::{Store, Waiting};
use crate::arguments::settings::before_init;
use crate::errors::{self, Words};
use crate::raw::detach::stop_at_the_end;
use crate::raw::replaceable::Replaceable;
use crate::waiting::threads::undisturbed;
use elasticq::{BufferError, BufferResult, DynamicCircularBuffer};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;

/// What every elastic queue can do. Not made by itself: make a Queue or a DynamicCircularBuffer.
#[pyclass(frozen, subclass, weakref, generic, module = "elasticq._core")]
pub struct Elastic {
    // One reason why the store is on the heap: the buffer keeps its parts on cache lines of their own, and
    // Python aligns objects only to 16 bytes.
    store: Replaceable<Store>,
}

impl Elastic {
    pub fn new(py: Python<'_>, words: Words, items: BufferResult<Items>) -> PyResult<Self> {
        Ok(Self { store: Replaceable::new(Store::new(py, words, items)?) })
    }

    /// Like `new`, for a class whose methods must see every call: the innermost calls find a queue that was
    /// shut down.
    pub fn behind_a_front(py: Python<'_>, words: Words, items: BufferResult<Items>) -> PyResult<Self> {
        let front = Store::new(py, words, DynamicCircularBuffer::with_lock(before_init()).map(Items::from))?;
        front.close(py);
        Ok(Self { store: Replaceable::behind(front, Store::new(py, words, items)?) })
    }

    /// Puts `items` in the place of what `__new__` made, since `__init__` has the settings. That happens
    /// once, and before anything else, so that nothing is lost. A thread that uses the queue at this very
    /// moment is told that it was shut down.
    pub fn begin(&self, py: Python<'_>, items: BufferResult<Items>) -> PyResult<()> {
        let refused = || {
            let text = "__init__ more than once, or of a queue that is in use: its settings stay as they are";
            errors::to_python(py, &BufferError::InvalidOperation(text.into()))
        };
        // Read before the questions, or it might be what another thread has just begun with.
        let first = self.store();
        if self.store.former().is_some() || first.is_used() {
            return Err(refused());
        }
        let settled = Store::new(py, first.words, items)?;
        // If several threads begin at the same moment, one of them closes it. None does if another thread has
        // just put something in.
        if !first.buffer.close_unused() {
            return Err(refused());
        }
        first.close(py); // for the tasks that wait
        self.store.replace(settled).map_err(|_| refused()).map(drop)
    }

    /// The buffer and those that wait for it, for a thread that may run Python code with it.
    #[inline]
    pub fn store(&self) -> &Store {
        stop_at_the_end();
        self.store.get()
    }

    /// The same for the attempts of the innermost calls.
    #[inline(always)]
    pub fn store_to_attempt(&self) -> &Store {
        self.store.front()
    }

    /// The same for calls that run no Python code and return at once.
    #[inline(always)]
    pub fn store_plainly(&self) -> &Store {
        self.store.get()
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.store.former().map_or(Ok(()), |former| former.traverse(visit))?;
        self.store.get().traverse(visit)
    }

    /// For the garbage collector: drops everything.
    pub fn clear_references(&self) {
        self.store().clear_references();
        if let Some(former) = self.store.former() {
            former.clear_references();
        }
    }
}

/// The number of items. Only if it is 0, this looks whether the queue has moved.
#[inline]
pub fn len(slf: &Bound<'_, Elastic>) -> PyResult<usize> {
    let len = slf.get().store().buffer.len();
    if len == 0
        && let Some(len) = moved!(slf, slf.get().store(), "qsize")
    {
        return len?.extract();
    }
    Ok(len)
}

/// Whether the queue was shut down.
pub fn is_shutdown(slf: &Bound<'_, Elastic>) -> PyResult<bool> {
    match slf.get().store().moved.get(slf.py()) {
        Some(standard) => standard.getattr(intern!(slf.py(), "is_shutdown"))?.is_truthy(),
        None => Ok(slf.get().store().buffer.is_closed()),
    }
}

/// Whether all tasks are done.
pub fn is_all_done(slf: &Bound<'_, Elastic>) -> PyResult<bool> {
    match (slf.get().store().unfinished(), slf.get().store().moved.get(slf.py())) {
        (None, Some(standard)) => standard.call_method0(intern!(slf.py(), "is_all_done"))?.extract(),
        (unfinished, _) => Ok(unfinished == Some(0)),
    }
}

/// Counts items as done that left without being handed out.
pub fn finish(slf: &Bound<'_, Elastic>, items: usize) -> PyResult<()> {
    let store = slf.get().store();
    match (store.finish(slf.py(), items), store.moved.get(slf.py())) {
        (false, Some(standard)) => standard.call_method1(intern!(slf.py(), "finish"), (items,)).map(drop),
        _ => Ok(()),
    }
}

/// Wakes who waits for one more item, or for one more place, in a queue that has moved; except for threads
/// that wait at its conditions.
#[inline]
pub fn wake_one(slf: &Bound<'_, Elastic>, which: Waiting) {
    slf.get().store().wake_tasks(slf.py(), which, 1);
    if let Waiting::Item = which {
        tell_selectors(slf, 1);
    }
}

/// Wakes threads that select over a queue that has moved, for each item that it has, and for `at_least` so
/// many.
pub fn tell_selectors(slf: &Bound<'_, Elastic>, at_least: usize) {
    let moved = &slf.get().store().moved;
    if moved.has_selectors() {
        // If its length can't be told, all look.
        let there = undisturbed(slf.py(), || len(slf)).unwrap_or_else(|error| {
            error.write_unraisable(slf.py(), Some(slf));
            usize::MAX
        });
        moved.selectors().wake(there.max(at_least));
    }
}
