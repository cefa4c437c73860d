//! `View`: a queue as tasks see it, which is another object than the queue. Its methods are in
//! `classes::view`; what is here is for those that are given such an object.

use super::object::Elastic;
use crate::errors;
use crate::raw::Item;
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use std::sync::OnceLock;

/// What a view shows.
pub enum Shown {
    Memory(Py<Elastic>),
    /// A queue in files. Its views have awaited methods of their own.
    Files(Item),
}

/// The compiled part of a view for tasks: it knows the queue, so no Python code runs around what is awaited.
#[pyclass(frozen, subclass, weakref, generic, name = "TaskView", module = "elasticq._core")]
#[derive(Default)]
pub struct View {
    shown: OnceLock<Shown>,
}

impl View {
    /// What it shows; `None` before `__init__`.
    #[inline(always)]
    pub fn shown(&self) -> Option<&Shown> {
        self.shown.get()
    }

    /// Settles what it shows, once and for all.
    pub fn show(&self, py: Python<'_>, shown: Shown) -> PyResult<()> {
        let again = || BufferError::InvalidOperation("__init__ more than once: the queue stays as it is".into());
        self.shown.set(shown).map_err(|_| errors::to_python(py, &again()))
    }

    /// The queue in memory that it shows.
    pub fn elastic(&self, py: Python<'_>) -> PyResult<&Py<Elastic>> {
        let reason = match self.shown() {
            Some(Shown::Memory(queue)) => return Ok(queue),
            Some(Shown::Files(_)) => "a queue in files has methods of its own for this",
            None => "__init__ of the queue was not called",
        };
        Err(errors::to_python(py, &BufferError::InvalidOperation(reason.into())))
    }

    /// For the garbage collector. What refers back from the queue breaks the cycle.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.shown() {
            Some(Shown::Memory(queue)) => visit.call(queue),
            Some(Shown::Files(queue)) => visit.call(queue),
            None => Ok(()),
        }
    }
}
