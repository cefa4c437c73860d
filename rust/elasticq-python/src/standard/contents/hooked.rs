//! The steps of a subclass that has overridden hooks. What these steps see and do is Python code, which
//! anything may interrupt.

use super::Contents;
use super::in_flight::qsize;
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use std::sync::atomic::Ordering::Relaxed;

impl Contents {
    /// Adds items by the hook: as many as there is room for, or, if `whole`, all or none. Returns their
    /// number, and what the hook raised for the item after them.
    pub(super) fn add_hooked(
        &self,
        owner: &Bound<'_, PyAny>,
        items: &Bound<'_, PyList>,
        whole: bool,
    ) -> PyResult<(usize, Option<PyErr>)> {
        let py = owner.py();
        let (count, most) = loop {
            self.check_open(py)?;
            if self.limit() == usize::MAX {
                break (items.len(), usize::MAX);
            }
            let before = self.changes.load(Relaxed);
            let size = qsize(owner)?.max(self.putting.size().unwrap_or(0));
            if self.changes.load(Relaxed) == before {
                let count = self.fitting(size, items.len(), whole);
                break (count, size + count);
            }
        };
        if count == 0 {
            return Ok((0, None));
        }
        self.putting.begin(most);
        self.changed();
        let mut raised = None;
        let mut added = 0;
        while added < count && raised.is_none() {
            // Counted before the hook runs, since code that comes in between may take the item and report it
            // as done.
            self.count_added(1);
            let put = items.get_item(added).and_then(|item| owner.call_method1(intern!(py, "_put"), (item,)));
            match put {
                Ok(_) => added += 1,
                Err(error) => {
                    self.added.fetch_sub(1, Relaxed);
                    self._finish(1);
                    raised = Some(error);
                }
            }
        }
        self.putting.end();
        self.putting.set(self.putting.size.load(Relaxed).saturating_sub(count - added));
        if self.getting.are_there() {
            // Each running hook that takes will take at most one more.
            let least = qsize(owner).unwrap_or(0).saturating_sub(self.getting.hooks.load(Relaxed));
            self.getting.set(least.max(self.getting.size.load(Relaxed)));
        }
        self.changed();
        Ok((added, raised))
    }

    /// Takes an item by a hook, if there is one and the number of items is `enough`.
    pub(super) fn take_hooked<'py>(
        &self,
        owner: &Bound<'py, PyAny>,
        hook: &Bound<'py, PyString>,
        enough: impl Fn(usize) -> bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let least = loop {
            let before = self.changes.load(Relaxed);
            let size = qsize(owner)?;
            if self.changes.load(Relaxed) != before {
                continue;
            }
            match size.min(self.getting.size().unwrap_or(usize::MAX)).checked_sub(1) {
                Some(least) if enough(size) => break least,
                _ => return Ok(None),
            }
        };
        self.getting.begin(least);
        self.changed();
        let taken = owner.call_method0(hook);
        self.getting.end();
        match &taken {
            Ok(_) => self.putting.set(self.putting.size.load(Relaxed).saturating_sub(1)),
            Err(_) => self.getting.set(self.getting.size.load(Relaxed) + 1),
        }
        self.changed();
        taken.map(Some)
    }

    /// Takes up to `max` items by the hook, and no more than there were, since the hook may put in what it
    /// takes. A hook that raises ends the taking, so that what was taken before is not lost; the next call
    /// raises then.
    pub(super) fn take_many_hooked(
        &self,
        owner: &Bound<'_, PyAny>,
        max: usize,
        taken: &Bound<'_, PyList>,
    ) -> PyResult<()> {
        let py = owner.py();
        let max = max.min(qsize(owner)?);
        while taken.len() < max {
            match self.take_hooked(owner, intern!(py, "_get"), |_| true) {
                Ok(Some(item)) => taken.append(item)?,
                Ok(None) => break,
                Err(raised) if !taken.is_empty() && raised.is_instance_of::<PyException>(py) => break,
                Err(raised) => return Err(raised),
            }
        }
        Ok(())
    }
}
