//! `PriorityCircularBuffer`: the crate's buffer with levels, with the crate's names, and what its views as a
//! queue need.

use super::computed;
use super::priority_config::{LevelSettings, PriorityConfig, PriorityStats, overlay};
use crate::arguments::numbers::{self, Truth};
use crate::arguments::patience::{Patience, Timeouts, waited};
use crate::arguments::settings::{self, Settings, before_init};
use crate::errors::{self, Words};
use crate::quick::calls;
use crate::quick::method;
use crate::quick::operation::{Aim, Operation};
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use crate::store::Store;
use crate::store::entrance::collect;
use crate::store::items::Items;
use crate::store::leveled::Leveled;
use crate::store::object::Elastic;
use elasticq::{BufferError, BufferResult};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

calls::entries!(
    PriorityCircularBuffer: "push" => add_in_the_middle, "push_with_priority" => add_at, "pop" => take_leveled
);

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<PriorityCircularBuffer>();
    computed::give_way(&class, &[])?;
    method::install(py, &class, &["aput_with_priority", "aput_many_with_priority"])?;
    give_entries(py)
}

/// A buffer that serves items of higher priority first, for any number of producers and consumers.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct PriorityCircularBuffer {
    timeouts: Timeouts,
}

#[pymethods]
impl PriorityCircularBuffer {
    /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords),
           text_signature = "(config=None, *, levels=None, fair=None, max_consecutive=None, level_capacities=None, \
                             max_wait=None, age_statistics=None, initial_capacity=None, min_capacity=None, \
                             max_capacity=None, growth_factor=None, shrink_threshold=None, push_timeout=None, \
                             pop_timeout=None)")]
    fn new(
        py: Python<'_>,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let config = elasticq::priority::PriorityConfig::default().with_base_config(before_init());
        Ok(PyClassInitializer::from(Elastic::new(py, Words::Buffer, items(config))?)
            .add_subclass(Self { timeouts: Timeouts::default() }))
    }

    /// Begins with these settings.
    #[pyo3(signature = (config=None, *, levels=None, fair=None, max_consecutive=None, level_capacities=None, max_wait=None,
                        age_statistics=None, **settings))]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn __init__(
        slf: &Bound<'_, Self>,
        config: Option<&Bound<'_, PriorityConfig>>,
        levels: Option<&Bound<'_, PyAny>>,
        fair: Option<Truth>,
        max_consecutive: Option<&Bound<'_, PyAny>>,
        level_capacities: Option<&Bound<'_, PyAny>>,
        max_wait: Option<&Bound<'_, PyAny>>,
        age_statistics: Option<Truth>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let base = Settings::new("PriorityCircularBuffer.__init__", settings::ALL, settings)?;
        let settings =
            LevelSettings { levels, fair, max_consecutive, level_capacities, max_wait, age_statistics, base };
        let given =
            config.map_or_else(elasticq::priority::PriorityConfig::default, |config| config.get().config.clone());
        let config = overlay(given, &settings)?;
        let timeouts = (config.base.push_timeout, config.base.pop_timeout);
        slf.as_super().get().begin(slf.py(), items(config))?;
        slf.get().timeouts.set(timeouts);
        Ok(())
    }

    /// Add an item at the middle level: `push_with_priority(item, priority_levels // 2)`.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push("a")
    ///     >>> buffer.len_at_priority(1)
    ///     1
    fn push(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        Self::push_at(slf, item, leveled(slf)?.middle())
    }

    /// Add an item at the end of a level, and wait for room as long as `push_timeout` says; if it is not set,
    /// don't wait.
    ///
    /// Constant time (amortised, where the buffer grows). Safe from any thread.
    ///
    /// Args:
    ///     item: Anything.
    ///     priority: The level, from 0, which is served last, to `priority_levels - 1`.
    ///
    /// Raises:
    ///     MaxCapacityReached: There is no room, in the buffer or at the level; also a Full.
    ///     Timeout: There was no room in time.
    ///     ShutDown: The buffer was closed.
    ///     ResizeError: There is no memory to grow.
    ///     InvalidOperation: There is no such level; the text names the range.
    ///     TypeError: `priority` is no integer.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_with_priority("later", 0)
    ///     >>> buffer.push_with_priority("first", 2)
    ///     >>> buffer.pop(), buffer.pop()
    ///     ('first', 'later')
    fn push_with_priority(slf: &Bound<'_, Self>, item: Item, priority: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::push_at(slf, item, Self::level(slf, priority)?)
    }

    /// Add all items of an iterable at the middle level, or none:
    /// `push_batch_with_priority(items, priority_levels // 2)`.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_batch("abc")
    ///     >>> len(buffer)
    ///     3
    fn push_batch(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::push_all_at(slf, items, leveled(slf)?.middle())
    }

    /// Add all items of an iterable at a level or none, and wait for room for all of them as long as
    /// `push_timeout` says.
    ///
    /// The items go in as one: no other producer's items come between. The iterable is run to its end first.
    /// Safe from any thread.
    ///
    /// Raises:
    ///     MaxCapacityReached: The buffer is full, or the items are more than it can ever hold at that level.
    ///     Full: There is room, but not for all.
    ///     Timeout: There was no room for all in time.
    ///     ShutDown: The buffer was closed.
    ///     ResizeError: There is no memory to grow.
    ///     InvalidOperation: There is no such level; the text names the range.
    ///     TypeError: `priority` is no integer, or `items` is not iterable.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_batch_with_priority([1, 2], 0)
    ///     >>> buffer.push_batch_with_priority([3, 4], 2)
    ///     >>> list(buffer)
    ///     [3, 4, 1, 2]
    fn push_batch_with_priority(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        priority: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        Self::push_all_at(slf, items, Self::level(slf, priority)?)
    }

    /// Take the next item, and wait for one as long as `pop_timeout` says; if it is not set, don't wait.
    ///
    /// The next item is the oldest of the highest level that has any, or of a lower level whose turn it is
    /// (see the class). Constant time, whatever the number of levels. Safe from any thread.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     Timeout: There was none in time.
    ///     ShutDown: There is none, and the buffer was closed.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push("a")
    ///     >>> buffer.pop()
    ///     'a'
    fn pop(slf: &Bound<'_, Self>) -> PyResult<Item> {
        let timeout = slf.get().timeouts.pop();
        match store(slf).get(slf.py(), Patience::within(timeout))? {
            Ok(item) => Ok(item),
            Err(error) => Err(errors::to_python(slf.py(), &waited(error, timeout))),
        }
    }

    /// Take up to `max_items` (not negative) in the order of `pop`. Gives a list, which is empty if there are
    /// none.
    ///
    /// Waits for the first as long as `pop_timeout` says. Safe from any thread.
    ///
    /// Raises:
    ///     ShutDown: There are none, and the buffer was closed.
    ///     ValueError: `max_items` is negative.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_batch([1, 2, 3])
    ///     >>> buffer.pop_batch(2), buffer.pop_batch(2), buffer.pop_batch(2)
    ///     ([1, 2], [3], [])
    fn pop_batch<'py>(slf: &Bound<'py, Self>, max_items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let max = numbers::count("max_items", max_items, 0)?;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        match store(slf).get_many(py, max, Patience::within(slf.get().timeouts.pop()))? {
            Ok(items) => Ok(items),
            Err(BufferError::Empty) => Ok(PyList::empty(py)),
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    /// Take the oldest item of a level, whichever level's turn it is. The turns of `pop` don't count this
    /// item. Constant time; does not block.
    ///
    /// Raises:
    ///     Empty: The level is empty.
    ///     ShutDown: It is, and the buffer was closed.
    ///     InvalidOperation: There is no such level; the text names the range.
    ///     TypeError: `priority` is no integer.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_with_priority("low", 0)
    ///     >>> buffer.push_with_priority("high", 2)
    ///     >>> buffer.pop_from_priority(0)
    ///     'low'
    fn pop_from_priority(slf: &Bound<'_, Self>, priority: &Bound<'_, PyAny>) -> PyResult<Item> {
        let priority = Self::level(slf, priority)?;
        match leveled(slf)?.pop_from_priority(priority) {
            Ok(item) => {
                store(slf).wake_after_taking(slf.py(), 1);
                Ok(item)
            }
            Err(error) => Err(errors::to_python(slf.py(), &error)),
        }
    }

    /// The number of levels (int).
    #[getter]
    fn priority_levels(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Ok(leveled(slf)?.levels())
    }

    /// Give the number of items at a level (int). Constant time; does not block.
    ///
    /// Raises:
    ///     InvalidOperation: There is no such level; the text names the range.
    fn len_at_priority(slf: &Bound<'_, Self>, priority: &Bound<'_, PyAny>) -> PyResult<usize> {
        Ok(leveled(slf)?.len_at_priority(Self::level(slf, priority)?))
    }

    /// Give the number of items that the level has slots for now (int). Constant time; does not block.
    ///
    /// Raises:
    ///     InvalidOperation: There is no such level; the text names the range.
    fn capacity_at_priority(slf: &Bound<'_, Self>, priority: &Bound<'_, PyAny>) -> PyResult<usize> {
        Ok(leveled(slf)?.capacity_at_priority(Self::level(slf, priority)?))
    }

    /// The capacity that the buffer never grows beyond (int), of all levels together.
    #[getter]
    fn max_capacity(slf: &Bound<'_, Self>) -> usize {
        store(slf).buffer.max_capacity()
    }

    /// Tell whether there is no item now. Constant time; does not block.
    fn is_empty(slf: &Bound<'_, Self>) -> bool {
        store(slf).buffer.is_empty()
    }

    /// Look at the items in the order in which `pop` would take them, as they stand at this moment:
    /// `iter(buffer)`. None is taken.
    fn iter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        stop_at_the_end(); // a subclass may have an `__iter__` of its own
        Ok(slf.try_iter()?.into_any())
    }

    /// Drop everything, and give the number of items dropped (int). Linear in that number; does not block.
    /// For a view's `join` the items count as done.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_batch("abc")
    ///     >>> buffer.clear()
    ///     3
    fn clear(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let items = store(slf).discard(slf.py())?;
        store(slf).finish(slf.py(), items.len());
        Ok(items.len())
    }

    /// Refuse items from now on and wake all waiters. What is inside can still be taken.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.close()
    ///     >>> buffer.push("late")
    ///     Traceback (most recent call last):
    ///     elasticq.ShutDown: the buffer is closed
    fn close(slf: &Bound<'_, Self>) {
        store(slf).close(slf.py());
    }

    /// Whether the buffer was closed (bool).
    #[getter]
    fn is_closed(slf: &Bound<'_, Self>) -> bool {
        store(slf).buffer.is_closed()
    }

    /// Give the counters of all levels, of this moment, as a PriorityStats. Linear in the number of levels;
    /// does not block.
    ///
    /// Example:
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> buffer.push_batch_with_priority("ab", 2)
    ///     >>> buffer.pop()
    ///     'a'
    ///     >>> stats = buffer.stats()
    ///     >>> stats.total_pushed, stats.popped_per_priority, stats.len_per_priority
    ///     (2, [0, 0, 1], [0, 0, 1])
    fn stats(slf: &Bound<'_, Self>) -> PyResult<PriorityStats> {
        Ok(leveled(slf)?.buffer.stats().into())
    }

    /// Add an item at a level in a coroutine, and wait for room if need be. `aput` is the same for the middle
    /// level.
    ///
    /// Nothing blocks; a task that is cancelled has added nothing.
    ///
    /// Raises:
    ///     ShutDown: The buffer was closed, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     InvalidOperation: There is no such level; the text names the range.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> asyncio.run(buffer.aput_with_priority("a", 2))
    ///     >>> buffer.len_at_priority(2)
    ///     1
    fn aput_with_priority(slf: &Bound<'_, Self>, item: Item, priority: &Bound<'_, PyAny>) -> PyResult<Operation> {
        Ok(Self::put_later(slf, Self::level(slf, priority)?, vec![item], false, None))
    }

    /// Add all items of an iterable at a level in a coroutine, piece by piece as room comes.
    ///
    /// As with `aput_many`, which is the same for the middle level, an exception that cuts it short has
    /// `remaining`.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> buffer = PriorityCircularBuffer()
    ///     >>> asyncio.run(buffer.aput_many_with_priority("ab", 2))
    ///     >>> buffer.len_at_priority(2)
    ///     2
    fn aput_many_with_priority(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        priority: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        // Looked at before the items are taken out of the iterable.
        let priority = Self::level(slf, priority)?;
        Ok(Self::put_later(slf, priority, collect(items)?, true, None))
    }

    // What the views are made of. A priority of None is the middle level.

    fn _put(
        slf: &Bound<'_, Self>,
        item: Item,
        block: Truth,
        timeout: Option<&Bound<'_, PyAny>>,
        priority: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let priority = Self::level_or_middle(slf, priority)?;
        let put = store(slf).entrance_at(priority).put(slf.py(), item, Patience::new(block, timeout)?)?;
        put.map_err(|error| errors::to_python(slf.py(), &error))
    }

    fn _put_many(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        block: Truth,
        timeout: Option<&Bound<'_, PyAny>>,
        priority: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let priority = Self::level_or_middle(slf, priority)?;
        let put = store(slf).entrance_at(priority).put_many(slf.py(), items, Patience::new(block, timeout)?)?;
        put.map_err(|refused| refused.into_exception(slf.py(), Words::Buffer))
    }

    fn _aput_with_priority(
        slf: &Bound<'_, Self>,
        item: Item,
        priority: &Bound<'_, PyAny>,
        translate: Item,
    ) -> PyResult<Operation> {
        Ok(Self::put_later(slf, Self::level(slf, priority)?, vec![item], false, Some(translate)))
    }

    fn _get(slf: &Bound<'_, Self>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        let got = store(slf).get(slf.py(), Patience::new(block, timeout)?)?;
        got.map_err(|error| errors::to_python(slf.py(), &error))
    }

    fn _get_many<'py>(
        slf: &Bound<'py, Self>,
        n: Option<&Bound<'py, PyAny>>,
        block: Truth,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let max = n.map_or(Ok(usize::MAX), |n| numbers::count("n", n, 1))?;
        let got = store(slf).get_many(slf.py(), max, Patience::new(block, timeout)?)?;
        got.map_err(|error| errors::to_python(slf.py(), &error))
    }

    fn _is_full(slf: &Bound<'_, Self>) -> bool {
        store(slf).buffer.leveled().is_some_and(|leveled| leveled.buffer.is_full())
    }

    fn _task_done(slf: &Bound<'_, Self>) -> PyResult<()> {
        let done = store(slf).task_done(slf.py());
        done.then_some(()).ok_or_else(|| PyValueError::new_err("task_done() called too many times"))
    }

    fn _join(slf: &Bound<'_, Self>) -> PyResult<()> {
        store(slf).join(slf.py()).map(drop)
    }

    fn _unfinished_tasks(slf: &Bound<'_, Self>) -> u64 {
        store(slf).unfinished().unwrap_or_default()
    }
}

impl PriorityCircularBuffer {
    /// The level of a priority that came from Python.
    fn level(slf: &Bound<'_, Self>, priority: &Bound<'_, PyAny>) -> PyResult<usize> {
        numbers::priority(priority, leveled(slf)?.levels())
    }

    fn level_or_middle(slf: &Bound<'_, Self>, priority: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        priority.map_or_else(|| Ok(leveled(slf)?.middle()), |priority| Self::level(slf, priority))
    }

    fn put_later(
        slf: &Bound<'_, Self>,
        priority: usize,
        items: Vec<Item>,
        many: bool,
        translate: Option<Item>,
    ) -> Operation {
        let aim = Aim::PutAt { items: items.into_iter(), priority, many };
        Operation::new(slf.as_super().clone().unbind(), aim, translate)
    }

    fn push_at(slf: &Bound<'_, Self>, item: Item, priority: usize) -> PyResult<()> {
        let timeout = slf.get().timeouts.push();
        match store(slf).entrance_at(priority).put(slf.py(), item, Patience::within(timeout))? {
            Ok(()) => Ok(()),
            Err(error) => Err(errors::to_python(slf.py(), &waited(error, timeout))),
        }
    }

    fn push_all_at(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>, priority: usize) -> PyResult<()> {
        let timeout = slf.get().timeouts.push();
        let (may_fit, added) = store(slf).entrance_at(priority).put_all(slf.py(), items, Patience::within(timeout))?;
        let timeout = timeout.filter(|_| may_fit);
        added.map_err(|error| errors::to_python(slf.py(), &waited(error, timeout)))
    }
}

fn store<'a>(slf: &'a Bound<'_, PriorityCircularBuffer>) -> &'a Store {
    slf.as_super().get().store()
}

fn items(config: elasticq::priority::PriorityConfig) -> BufferResult<Items> {
    Leveled::new(config).map(|leveled| Items::Leveled(Box::new(leveled)))
}

fn leveled<'a>(slf: &'a Bound<'_, PriorityCircularBuffer>) -> PyResult<&'a Leveled> {
    // There always is one, since `new` makes nothing else.
    store(slf).buffer.leveled().ok_or_else(|| PyValueError::new_err("a buffer without levels"))
}
