//! `DynamicCircularBuffer`: the crate's buffer with the crate's names.

use crate::config::{Config, Settings, overlay};
use crate::elastic::Elastic;
use crate::errors;
use crate::items::Items;
use crate::numbers;
use crate::patience::Patience;
use crate::raw::Item;
use elasticq::BufferError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A first-in, first-out buffer that grows and shrinks, for any number of producers and consumers.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct DynamicCircularBuffer {
    timeouts: Timeouts,
}

#[pymethods]
impl DynamicCircularBuffer {
    /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords),
           text_signature = "(config=None, *, initial_capacity=None, min_capacity=None, max_capacity=None, \
                             growth_factor=None, shrink_threshold=None, push_timeout=None, pop_timeout=None)")]
    fn new(
        py: Python<'_>,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<(Self, Elastic)> {
        let items = elasticq::DynamicCircularBuffer::with_lock(before_init()).map(Items::from);
        Ok((Self { timeouts: Timeouts::default() }, Elastic::new(py, items)?))
    }

    /// Begins with these settings.
    #[pyo3(signature = (config=None, *, initial_capacity=None, min_capacity=None, max_capacity=None,
                        growth_factor=None, shrink_threshold=None, push_timeout=None, pop_timeout=None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn __init__(
        slf: &Bound<'_, Self>,
        config: Option<&Bound<'_, Config>>,
        initial_capacity: Option<&Bound<'_, PyAny>>,
        min_capacity: Option<&Bound<'_, PyAny>>,
        max_capacity: Option<&Bound<'_, PyAny>>,
        growth_factor: Option<&Bound<'_, PyAny>>,
        shrink_threshold: Option<&Bound<'_, PyAny>>,
        push_timeout: Option<&Bound<'_, PyAny>>,
        pop_timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
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
        let timeouts = (config.push_timeout, config.pop_timeout);
        let items = elasticq::DynamicCircularBuffer::with_lock(config).map(Items::from);
        slf.as_super().get().begin(slf.py(), items)?;
        slf.get().timeouts.set(timeouts);
        Ok(())
    }

    /// Add an item at the end, and wait for room as long as `push_timeout` says; if it is not set, don't
    /// wait.
    ///
    /// Constant time (amortised, where the buffer grows). Safe from any thread.
    ///
    /// Raises:
    ///     MaxCapacityReached: There is no room; also a Full.
    ///     Timeout: There was no room in time.
    ///     ShutDown: The buffer was closed.
    ///     ResizeError: There is no memory to grow.
    ///
    /// Example:
    ///     >>> buffer = DynamicCircularBuffer()
    ///     >>> buffer.push("a")
    ///     >>> len(buffer)
    ///     1
    fn push(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        let timeout = slf.get().timeouts.push();
        match slf.as_super().get().store().entrance().put(slf.py(), item, patience(timeout))? {
            Ok(()) => Ok(()),
            Err(error) => Err(errors::to_python(slf.py(), &waited(error, timeout))),
        }
    }

    /// Take the oldest item, and wait for one as long as `pop_timeout` says; if it is not set, don't wait.
    ///
    /// Constant time. Safe from any thread.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     Timeout: There was none in time.
    ///     ShutDown: There is none, and the buffer was closed.
    ///
    /// Example:
    ///     >>> buffer = DynamicCircularBuffer()
    ///     >>> buffer.push("a")
    ///     >>> buffer.pop()
    ///     'a'
    fn pop(slf: &Bound<'_, Self>) -> PyResult<Item> {
        let timeout = slf.get().timeouts.pop();
        match slf.as_super().get().store().get(slf.py(), patience(timeout))? {
            Ok(item) => Ok(item),
            Err(error) => Err(errors::to_python(slf.py(), &waited(error, timeout))),
        }
    }

    /// Add all items of an iterable or none, and wait for room for all of them as long as `push_timeout`
    /// says.
    ///
    /// The items go in as one: no other producer's items come between. The iterable is run to its end first.
    /// Safe from any thread.
    ///
    /// Raises:
    ///     MaxCapacityReached: The buffer is full, or the items are more than it can ever hold.
    ///     Full: There is room, but not for all.
    ///     Timeout: There was no room for all in time.
    ///     ShutDown: The buffer was closed.
    ///     ResizeError: There is no memory to grow.
    ///
    /// Example:
    ///     >>> buffer = DynamicCircularBuffer()
    ///     >>> buffer.push_batch([30, 40, 50])
    ///     >>> list(buffer)
    ///     [30, 40, 50]
    fn push_batch(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let timeout = slf.get().timeouts.push();
        let (may_fit, added) = slf.as_super().get().store().entrance().put_all(slf.py(), items, patience(timeout))?;
        let timeout = timeout.filter(|_| may_fit);
        added.map_err(|error| errors::to_python(slf.py(), &waited(error, timeout)))
    }

    /// Take up to `max_items` (not negative), oldest first. Gives a list, which is empty if there are none.
    ///
    /// Waits for the first as long as `pop_timeout` says. Safe from any thread.
    ///
    /// Raises:
    ///     ShutDown: There are none, and the buffer was closed.
    ///     ValueError: `max_items` is negative.
    ///
    /// Example:
    ///     >>> buffer = DynamicCircularBuffer()
    ///     >>> buffer.push_batch([1, 2, 3])
    ///     >>> buffer.pop_batch(2), buffer.pop_batch(2), buffer.pop_batch(2)
    ///     ([1, 2], [3], [])
    fn pop_batch<'py>(slf: &Bound<'py, Self>, max_items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let max = numbers::count("max_items", max_items, 0)?;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        match slf.as_super().get().store().get_many(py, max, patience(slf.get().timeouts.pop()))? {
            Ok(items) => Ok(items),
            Err(BufferError::Empty) => Ok(PyList::empty(py)),
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    /// Tell whether there is no item now. Constant time; does not block.
    fn is_empty(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store().buffer.is_empty()
    }

    /// The capacity that the buffer never grows beyond (int).
    #[getter]
    fn max_capacity(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().store().buffer.max_capacity()
    }

    /// Look at the items, oldest first, as they stand at this moment: `iter(buffer)`. None is taken.
    fn iter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(slf.try_iter()?.into_any())
    }

    /// Drop everything, and give the number of items dropped (int). Linear in that number; does not block.
    ///
    /// Example:
    ///     >>> buffer = DynamicCircularBuffer()
    ///     >>> buffer.push_batch("abc")
    ///     >>> buffer.clear()
    ///     3
    fn clear(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Ok(slf.as_super().get().store().discard(slf.py())?.len())
    }

    /// Refuse items from now on and wake all waiters. What is inside can still be taken.
    ///
    /// Example:
    ///     >>> buffer = DynamicCircularBuffer()
    ///     >>> buffer.close()
    ///     >>> buffer.push("late")
    ///     Traceback (most recent call last):
    ///     elasticq.ShutDown: the buffer is closed
    fn close(slf: &Bound<'_, Self>) {
        slf.as_super().get().store().close(slf.py());
    }

    /// Whether the buffer was closed (bool).
    #[getter]
    fn is_closed(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store().buffer.is_closed()
    }
}

/// The settings of a buffer before `__init__`: the usual ones, and as small as can be, since `__init__`
/// mostly replaces the buffer at once.
pub fn before_init() -> elasticq::Config {
    elasticq::Config::default().with_initial_capacity(1).with_min_capacity(1)
}

/// How long `push`, `pop` and the batches of a buffer wait.
#[derive(Default)]
pub struct Timeouts(OnceLock<(Option<Duration>, Option<Duration>)>);

impl Timeouts {
    /// Sets the timeouts, only the first time.
    pub fn set(&self, push_and_pop: (Option<Duration>, Option<Duration>)) {
        let _ = self.0.set(push_and_pop);
    }

    pub fn push(&self) -> Option<Duration> {
        self.0.get().and_then(|timeouts| timeouts.0)
    }

    pub fn pop(&self) -> Option<Duration> {
        self.0.get().and_then(|timeouts| timeouts.1)
    }
}

/// How long a call waits. Without a timeout it answers at once.
pub fn patience(timeout: Option<Duration>) -> Patience {
    timeout.map_or(Patience::None, |timeout| Patience::Until(Instant::now().checked_add(timeout)))
}

/// The error of a call that waited: if it got nothing, it has timed out.
pub fn waited(error: BufferError, timeout: Option<Duration>) -> BufferError {
    match timeout {
        Some(timeout) if error == BufferError::Empty || error.is_capacity_error() => BufferError::Timeout(timeout),
        _ => error,
    }
}
