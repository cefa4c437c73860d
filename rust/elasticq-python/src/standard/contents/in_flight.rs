//! `InFlight`: the hooks of a subclass that are running, and what the number of items will be after them.

use pyo3::intern;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The hooks of one kind that were called and have not returned, and the number of items once they have.
/// There may be several: one runs within another, or in another thread while the first one waits.
#[derive(Default)]
pub(super) struct InFlight {
    pub(super) hooks: AtomicUsize,
    pub(super) size: AtomicUsize,
}

impl InFlight {
    pub(super) fn are_there(&self) -> bool {
        self.hooks.load(Relaxed) > 0
    }

    pub(super) fn begin(&self, size: usize) {
        self.hooks.fetch_add(1, Relaxed);
        self.size.store(size, Relaxed);
    }

    pub(super) fn end(&self) {
        self.hooks.fetch_sub(1, Relaxed);
    }

    pub(super) fn size(&self) -> Option<usize> {
        self.are_there().then(|| self.size.load(Relaxed))
    }

    pub(super) fn set(&self, size: usize) {
        self.size.store(size, Relaxed);
    }
}

/// What the hook `_qsize` says.
pub(super) fn qsize(owner: &Bound<'_, PyAny>) -> PyResult<usize> {
    owner.call_method0(intern!(owner.py(), "_qsize"))?.extract()
}
