//! `DynamicCircularBuffer`: the crate's buffer with the crate's names.

use crate::config::{Config, Settings, overlay};
use crate::elastic::Elastic;
use crate::errors;
use crate::numbers::{self, Patience};
use crate::store::Item;
use elasticq::BufferError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::time::{Duration, Instant};

/// A first-in, first-out buffer that grows and shrinks, for any number of producers and consumers.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct DynamicCircularBuffer {
    push_timeout: Option<Duration>,
    pop_timeout: Option<Duration>,
}

#[pymethods]
impl DynamicCircularBuffer {
    #[new]
    #[pyo3(signature = (config=None, *, initial_capacity=None, min_capacity=None, max_capacity=None,
                        growth_factor=None, shrink_threshold=None, push_timeout=None, pop_timeout=None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn new(
        py: Python<'_>,
        config: Option<&Bound<'_, Config>>,
        initial_capacity: Option<&Bound<'_, PyAny>>,
        min_capacity: Option<&Bound<'_, PyAny>>,
        max_capacity: Option<&Bound<'_, PyAny>>,
        growth_factor: Option<&Bound<'_, PyAny>>,
        shrink_threshold: Option<&Bound<'_, PyAny>>,
        push_timeout: Option<&Bound<'_, PyAny>>,
        pop_timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Self, Elastic)> {
        let settings = Settings {
            initial_capacity,
            min_capacity,
            max_capacity,
            growth_factor,
            shrink_threshold,
            push_timeout,
            pop_timeout,
        };
        let base = config.map_or_else(elasticq::Config::default, |config| config.get().config.clone());
        let config = overlay(base, &settings)?;
        let buffer = Self { push_timeout: config.push_timeout, pop_timeout: config.pop_timeout };
        Ok((buffer, Elastic::new(py, config)?))
    }

    /// Adds an item at the end; waits for room as long as `push_timeout` says. Raises Full, Timeout or ShutDown.
    fn push(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        let timeout = slf.get().push_timeout;
        match slf.as_super().get().store.put(slf.py(), item, patience(timeout))? {
            Ok(()) => Ok(()),
            Err(error) => Err(errors::to_python(slf.py(), &waited(error, timeout))),
        }
    }

    /// Takes the oldest item; waits for one as long as `pop_timeout` says. Raises Empty, Timeout or ShutDown.
    fn pop(slf: &Bound<'_, Self>) -> PyResult<Item> {
        let timeout = slf.get().pop_timeout;
        match slf.as_super().get().store.get(slf.py(), patience(timeout))? {
            Ok(item) => Ok(item),
            Err(error) => Err(errors::to_python(slf.py(), &waited(error, timeout))),
        }
    }

    /// Adds all items of an iterable or none; waits for room as long as `push_timeout` says.
    fn push_batch(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let timeout = slf.get().push_timeout;
        let added = slf.as_super().get().store.put_all(slf.py(), items, patience(timeout))?;
        added.map_err(|error| errors::to_python(slf.py(), &waited(error, timeout)))
    }

    /// Takes up to `max_items`, oldest first; waits for the first as long as `pop_timeout` says. An empty list if none came.
    fn pop_batch<'py>(slf: &Bound<'py, Self>, max_items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let max = numbers::count("max_items", max_items, 0)?;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        match slf.as_super().get().store.get_many(py, max, patience(slf.get().pop_timeout))? {
            Ok(items) => Ok(items),
            Err(BufferError::Empty) => Ok(PyList::empty(py)),
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    /// Whether there is no item now.
    fn is_empty(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store.buffer.is_empty()
    }

    /// The capacity that the buffer never grows beyond.
    #[getter]
    fn max_capacity(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().store.buffer.max_capacity()
    }

    /// An iterator over the items as they stand now; it takes none. The same as `iter(buffer)`.
    fn iter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(slf.try_iter()?.into_any())
    }

    /// Drops everything and gives the number of items dropped.
    fn clear(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().store.drain(slf.py()).len()
    }

    /// Refuses items from now on and wakes everybody who waits; what is inside can still be taken.
    fn close(slf: &Bound<'_, Self>) {
        slf.as_super().get().store.close(slf.py());
    }

    /// Whether the buffer was closed.
    #[getter]
    fn is_closed(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store.buffer.is_closed()
    }
}

/// Without a timeout the calls answer at once.
fn patience(timeout: Option<Duration>) -> Patience {
    timeout.map_or(Patience::None, |timeout| Patience::Until(Instant::now().checked_add(timeout)))
}

/// A call that waited and got nothing has timed out.
fn waited(error: BufferError, timeout: Option<Duration>) -> BufferError {
    match timeout {
        Some(timeout) if error == BufferError::Empty || error.is_capacity_error() => BufferError::Timeout(timeout),
        _ => error,
    }
}
