//! `DynamicCircularBuffer`: the crate's buffer with the crate's names.

use super::computed;
use super::config::Config;
use crate::arguments::numbers;
use crate::arguments::patience::{Patience, Timeouts, waited};
use crate::arguments::settings::{self, Settings, before_init};
use crate::errors::{self, Words};
use crate::quick::calls;
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use crate::store::items::Items;
use crate::store::object::Elastic;
use elasticq::BufferError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

calls::entries!(DynamicCircularBuffer: "push" => add, "pop" => take);

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    computed::give_way(&py.get_type::<DynamicCircularBuffer>(), &[])?;
    give_entries(py)
}

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
    ) -> PyResult<PyClassInitializer<Self>> {
        let items = elasticq::DynamicCircularBuffer::with_lock(before_init()).map(Items::from);
        Ok(PyClassInitializer::from(Elastic::new(py, Words::Buffer, items)?)
            .add_subclass(Self { timeouts: Timeouts::default() }))
    }

    /// Begins with these settings.
    #[pyo3(signature = (config=None, **settings))]
    fn __init__(
        slf: &Bound<'_, Self>,
        config: Option<&Bound<'_, Config>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let settings = Settings::new("DynamicCircularBuffer.__init__", settings::ALL, settings)?;
        let config = settings.over(Config::or_default(config))?;
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
        match slf.as_super().get().store().entrance().put(slf.py(), item, Patience::within(timeout))? {
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
        match slf.as_super().get().store().get(slf.py(), Patience::within(timeout))? {
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
        let (may_fit, added) =
            slf.as_super().get().store().entrance().put_all(slf.py(), items, Patience::within(timeout))?;
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
        match slf.as_super().get().store().get_many(py, max, Patience::within(slf.get().timeouts.pop()))? {
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
        stop_at_the_end(); // a subclass may have an `__iter__` of its own
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
