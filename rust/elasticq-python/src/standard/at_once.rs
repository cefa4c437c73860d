//! A put and a get of one item in a queue that has moved, without a frame of Python's.
//!
//! They do what `Standard._insert` and `_remove` do: under the lock they look and act as one step, and then
//! notify. If anything is in their way, nothing has happened, and the caller goes on in Python: there is no
//! room or no item, the queue was shut down, comparing runs Python code, a subclass has hooks, or somebody
//! has replaced the lock. With a lock of its own, the queue runs no Python code here, unless a thread waits or
//! somebody has replaced the condition.

use super::contents::Contents;
use super::moving::holding;
use crate::raw::Item;
use crate::store::Waiting;
use crate::store::object::{self, Elastic};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// Adds an item. False: nothing has happened.
pub fn put(queue: &Bound<'_, Elastic>, item: &Item) -> PyResult<bool> {
    let py = queue.py();
    let Some(standard) = Standard::of(queue)? else { return Ok(false) };
    holding(&standard.lock, || {
        let added = Contents::add_at_once(standard.contents, item.bind(py))?;
        if added {
            standard.notify(queue, Waiting::Item)?;
        }
        Ok(added)
    })
}

/// Takes an item. `None`: nothing has happened.
pub fn get(queue: &Bound<'_, Elastic>) -> PyResult<Option<Item>> {
    let Some(standard) = Standard::of(queue)? else { return Ok(None) };
    holding(&standard.lock, || {
        let taken = Contents::take_at_once(standard.contents)?;
        if taken.is_some() {
            standard.notify(queue, Waiting::Room)?;
        }
        Ok(taken.map(Bound::unbind))
    })
}

/// What serves a queue, with the lock that it was made with.
struct Standard<'a, 'py> {
    contents: &'a Bound<'py, Contents>,
    /// The lock, and the three conditions.
    made: Bound<'py, PyTuple>,
    lock: Bound<'py, PyAny>,
}

impl<'a, 'py> Standard<'a, 'py> {
    /// `None`: the queue has not moved, or Python has to serve it.
    fn of(queue: &'a Bound<'py, Elastic>) -> PyResult<Option<Self>> {
        let py = queue.py();
        let moved = &queue.get().store().moved;
        let Some(standard) = moved.get(py).filter(|_| moved.is_complete()) else { return Ok(None) };
        let contents = standard.cast::<Contents>()?;
        if !contents.get().may_serve_at_once() {
            return Ok(None);
        }
        let made = standard.getattr(intern!(py, "_made"))?.cast_into::<PyTuple>()?;
        let lock = standard.getattr(intern!(py, "mutex"))?;
        let is_own = made.get_borrowed_item(0)?.is(&lock);
        Ok(is_own.then_some(Self { contents, made, lock }))
    }

    /// Wakes one waiter, a thread or a task, as `Condition.notify` does.
    fn notify(&self, queue: &Bound<'_, Elastic>, which: Waiting) -> PyResult<()> {
        let (place, name): (_, &Bound<'_, PyString>) = match which {
            Waiting::Item => (1, intern!(queue.py(), "not_empty")),
            Waiting::Room | Waiting::TasksDone => (2, intern!(queue.py(), "not_full")),
        };
        let condition = self.contents.getattr(name)?;
        let is_own = self.made.get_borrowed_item(place)?.is(&condition);
        if is_own && condition.getattr(intern!(queue.py(), "_waiters"))?.len()? == 0 {
            object::wake_one(queue, which);
            return Ok(());
        }
        condition.call_method0(intern!(queue.py(), "notify")).map(drop)
    }
}
