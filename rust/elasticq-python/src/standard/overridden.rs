//! `put` and `get` of subclasses. In the standard library `put_nowait` and `get_nowait` call these two, so a
//! subclass that overrides them sees every item. Here every way in and out that blocks or answers at once
//! calls them, too.
//!
//! When a queue is made, this looks once whether its class overrides them. If it does, the innermost calls
//! find a queue that was shut down (`Elastic::behind_a_front`). So they go on into the methods, which call
//! the overrides. All other queues pay nothing. A coroutine can't call what blocks, so what is awaited does
//! not call the overrides.

use crate::arguments::patience::Patience;
use crate::errors::{self, Words};
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use crate::store::entrance::{Refused, collect};
use crate::store::object::{self, Elastic};
use elasticq::{BufferError, BufferResult};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyType};

/// Which of the two methods a class overrides.
#[derive(Clone, Copy)]
pub struct Overridden {
    pub put: bool,
    pub get: bool,
}

impl Overridden {
    /// `ours`: the class that defines the methods which are not overrides.
    pub fn by(class: &Bound<'_, PyType>, ours: &Bound<'_, PyType>) -> PyResult<Self> {
        static PUBLIC: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let py = class.py();
        if class.is(PUBLIC.import(py, "elasticq._queue", "Queue")?) {
            return Ok(Self { put: false, get: false });
        }
        let overrides = |name: &Bound<'_, PyString>| Ok::<_, PyErr>(!class.getattr(name)?.is(&ours.getattr(name)?));
        Ok(Self { put: overrides(intern!(py, "put"))?, get: overrides(intern!(py, "get"))? })
    }

    pub const fn any(self) -> bool {
        self.put || self.get
    }
}

/// Whether a class overrides a method that a queue that has not moved doesn't call.
pub fn is_hooked(class: &Bound<'_, PyType>) -> PyResult<bool> {
    stop_at_the_end(); // the class may have a metaclass
    class.getattr_opt(intern!(class.py(), "_Hooks__hooked"))?.map_or(Ok(false), |hooked| hooked.is_truthy())
}

/// Whether the class is a stack whose methods are ours.
pub fn is_stack(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let Some(order) = class.getattr_opt(intern!(class.py(), "_Hooks__order"))? else { return Ok(false) };
    Ok(order.cast::<PyString>().is_ok_and(|order| order == "lifo"))
}

/// Calls the override's `put`; returns what that returns.
#[cold]
pub fn put(slf: &Bound<'_, Elastic>, item: Item, patience: Patience) -> PyResult<Item> {
    stop_at_the_end();
    let keywords = keywords(slf.py(), patience)?;
    slf.call_method(intern!(slf.py(), "put"), (item,), keywords.as_ref()).map(Bound::unbind)
}

/// Calls the override's `get`.
#[cold]
pub fn get<'py>(slf: &Bound<'py, Elastic>, patience: Patience) -> PyResult<Bound<'py, PyAny>> {
    stop_at_the_end();
    let keywords = keywords(slf.py(), patience)?;
    slf.call_method(intern!(slf.py(), "get"), (), keywords.as_ref())
}

/// Calls `get` for one of several queues: if there is no item, that is the buffer's error.
#[cold]
pub fn poll(slf: &Bound<'_, Elastic>) -> PyResult<BufferResult<Item>> {
    match get(slf, Patience::None) {
        Ok(item) => Ok(Ok(item.unbind())),
        Err(raised) if is_standard(&raised, slf.py(), "Empty")? => Ok(Err(BufferError::Empty)),
        Err(raised) if is_shut_down(&raised, slf.py())? => Ok(Err(BufferError::Closed)),
        Err(raised) => Err(raised),
    }
}

/// The arguments of `put` and `get`, as the standard library gives them.
fn keywords(py: Python<'_>, patience: Patience) -> PyResult<Option<Bound<'_, PyDict>>> {
    let keywords = PyDict::new(py);
    match patience.left() {
        (false, _) => keywords.set_item(intern!(py, "block"), false)?,
        (true, Some(timeout)) => keywords.set_item(intern!(py, "timeout"), timeout)?,
        (true, None) => return Ok(None),
    }
    Ok(Some(keywords))
}

/// Calls `put` for each item.
pub fn put_many(slf: &Bound<'_, Elastic>, items: &Bound<'_, PyAny>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let items = collect(items)?;
    for (index, item) in items.iter().enumerate() {
        if let Err(raised) = put(slf, item.clone_ref(py), patience) {
            let items = items.into_iter().skip(index).collect();
            return Err(Refused { reason: BufferError::Full, items, raised: Some(Box::new(raised)) }
                .into_exception(py, Words::Queue));
        }
    }
    Ok(())
}

/// Calls `get` for the first of up to `max` items, and then for what is there. An error that cuts this short
/// has what was taken as `taken`.
pub fn get_many<'py>(slf: &Bound<'py, Elastic>, max: usize, patience: Patience) -> PyResult<Bound<'py, PyList>> {
    let items = PyList::new(slf.py(), [get(slf, patience)?])?;
    if let Err(raised) = get_rest(slf, max, &items) {
        raised.value(slf.py()).setattr("taken", items)?;
        return Err(raised);
    }
    Ok(items)
}

fn get_rest(slf: &Bound<'_, Elastic>, max: usize, items: &Bound<'_, PyList>) -> PyResult<()> {
    let there = object::len(slf)?;
    while items.len() < max.min(there.saturating_add(1)) {
        match get(slf, Patience::None) {
            Ok(item) => items.append(item)?,
            // There is nothing more, for now or for good.
            Err(raised) if is_standard(&raised, slf.py(), "Empty")? || is_shut_down(&raised, slf.py())? => break,
            Err(raised) => return Err(raised),
        }
    }
    Ok(())
}

fn is_shut_down(raised: &PyErr, py: Python<'_>) -> PyResult<bool> {
    Ok(raised.is_instance(py, errors::shut_down(py)?) || is_standard(raised, py, "ShutDown")?)
}

/// Whether an exception is the one of this name in the module `queue`, if there is one. Our exceptions derive
/// from those, and an override that was written for `queue.Queue` raises them itself.
fn is_standard(raised: &PyErr, py: Python<'_>, name: &str) -> PyResult<bool> {
    Ok(py.import("queue")?.getattr_opt(name)?.is_some_and(|class| raised.is_instance(py, &class)))
}

/// `get` for an iterator, which ends with the queue.
#[cold]
pub fn next(slf: &Bound<'_, Elastic>) -> PyResult<Option<Item>> {
    match get(slf, Patience::Until(None)) {
        Err(ended) if is_shut_down(&ended, slf.py())? => Ok(None),
        got => got.map(|item| Some(item.unbind())),
    }
}
