//! The Python classes, a file for each. A class is a store with methods of its own. For what has no place in
//! PyO3's attributes, a class has a function `install`.

pub mod buffer;
pub mod channel;
pub mod computed;
pub mod config;
pub mod consumer;
pub mod elastic;
pub mod lease;
pub mod live;
pub mod lock_free;
pub mod look;
pub mod persistent;
pub mod persistent_settings;
pub mod persistent_stats;
pub mod priority;
pub mod priority_config;
pub mod queue;
pub mod reading;
pub mod rescue;
pub mod simple;
pub mod stats;
pub mod sync_mode;
pub mod view;
pub mod waiters;

use pyo3::prelude::*;

/// Finishes the classes, at the import: what PyO3 does not do for methods and attributes.
pub fn install(py: Python<'_>) -> PyResult<()> {
    elastic::install(py)?;
    queue::install(py)?;
    simple::install(py)?;
    buffer::install(py)?;
    channel::install(py)?;
    lock_free::install(py)?;
    priority::install(py)?;
    view::install(py)
}
