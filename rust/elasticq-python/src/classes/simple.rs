//! `SimpleQueue`: the interface of `queue.SimpleQueue` over a `Store` without a limit.

use crate::arguments::numbers::{self, Truth};
use crate::arguments::patience::Patience;
use crate::arguments::settings::smallest;
use crate::errors::{self, Words};
use crate::quick::calls;
use crate::raw::Item;
use crate::store::items::Items;
use crate::store::object::Elastic;
use elasticq::DynamicCircularBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

calls::entries!(SimpleQueue: "put" => add, "put_nowait" => add, "get" => take, "get_nowait" => take);

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    give_entries(py)
}

/// An unbounded first-in, first-out queue with the interface of `queue.SimpleQueue`.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct SimpleQueue;

#[pymethods]
impl SimpleQueue {
    /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords), text_signature = "()")]
    fn new(
        py: Python<'_>,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let items = DynamicCircularBuffer::with_lock(smallest()).map(Items::from);
        Ok(PyClassInitializer::from(Elastic::new(py, Words::Queue, items)?).add_subclass(Self))
    }

    /// There is nothing to choose; calling it again does nothing.
    const fn __init__(&self) {}

    /// Add an item. Never blocks: `block` and `timeout` are there for code that was written for `Queue`.
    ///
    /// Constant time (amortised, where the queue grows). Safe from any thread, and from a `__del__` or a
    /// signal handler that interrupts another call of the same queue.
    ///
    /// Raises:
    ///     ShutDown: The queue was closed.
    ///     ResizeError: There is no memory to grow; also a MemoryError.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put("a")
    #[pyo3(signature = (item, block=None, timeout=None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(
        slf: &Bound<'_, Self>,
        item: Item,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (block, timeout);
        put(slf, item)
    }

    /// Add an item: `put(item)`.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put_nowait("a")
    fn put_nowait(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        put(slf, item)
    }

    /// Take the oldest item, and wait for one if need be.
    ///
    /// Constant time. Waiting releases the interpreter and takes no processor time. In the main thread a
    /// signal (Ctrl-C) ends it at once: what the handler raises ends the call, which has taken nothing then.
    /// (An exception that is raised after the call has returned, and before its result is bound to a name,
    /// loses the item, as it would lose the result of any function.) Safe from any thread; in a coroutine use
    /// `aget`.
    ///
    /// Args:
    ///     block: Whether to wait for an item.
    ///     timeout: Seconds to wait at the most, not negative; None: for ever. Not looked at without `block`.
    ///
    /// Raises:
    ///     Empty: There is none, or none in time.
    ///     ShutDown: There is none, and the queue was closed, before or meanwhile.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put("a")
    ///     >>> queue.get()
    ///     'a'
    #[pyo3(signature = (block=Truth(true), timeout=None), text_signature = "($self, block=True, timeout=None)")]
    fn get(slf: &Bound<'_, Self>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        get(slf, Patience::new(block, timeout)?)
    }

    /// Take the oldest item if there is one: `get(block=False)`.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     ShutDown: There is none, and the queue was closed.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put("a")
    ///     >>> queue.get_nowait()
    ///     'a'
    fn get_nowait(slf: &Bound<'_, Self>) -> PyResult<Item> {
        get(slf, Patience::None)
    }

    /// Add all items of an iterable, in order and as one, or none.
    ///
    /// Much cheaper than a `put` for each, above all for lists and tuples, since one lock serves all of them.
    /// Never blocks: `block` and `timeout` are there as in `put`. The iterable is run to its end first; if it
    /// raises, nothing is added. Safe from any thread.
    ///
    /// Raises:
    ///     ShutDown: The queue was closed. `remaining` is the list of all items.
    ///     ResizeError: There is no memory to grow; likewise.
    ///     TypeError: `items` is not iterable.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put_many("abc")
    ///     >>> queue.qsize()
    ///     3
    #[pyo3(signature = (items, block=None, timeout=None), text_signature = "($self, items, block=True, timeout=None)")]
    fn put_many(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (block, timeout);
        let added = slf.as_super().get().store().entrance().put_many(slf.py(), items, Patience::None)?;
        added.map_err(|refused| refused.into_exception(slf.py(), Words::Queue))
    }

    /// Take up to `n` items, oldest first. Gives a list of at least one item.
    ///
    /// Waits for the first item if need be, then takes what is there. Much cheaper than `n` calls of `get`.
    /// Safe from any thread.
    ///
    /// Args:
    ///     n: The most items to take, at least 1; None: all that there are.
    ///     block: Whether to wait for the first.
    ///     timeout: Seconds to wait for it at the most, not negative; None: for ever.
    ///
    /// Raises:
    ///     Empty: There is none, or none in time.
    ///     ShutDown: There is none, and the queue was closed, before or meanwhile.
    ///     ValueError: `n` is below 1, or `timeout` is negative.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put_many("abc")
    ///     >>> queue.get_many(2), queue.get_many()
    ///     (['a', 'b'], ['c'])
    #[pyo3(signature = (n=None, block=Truth(true), timeout=None),
           text_signature = "($self, n=None, block=True, timeout=None)")]
    fn get_many<'py>(
        slf: &Bound<'py, Self>,
        n: Option<&Bound<'py, PyAny>>,
        block: Truth,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let max = n.map_or(Ok(usize::MAX), |n| numbers::count("n", n, 1))?;
        let taken = slf.as_super().get().store().get_many(slf.py(), max, Patience::new(block, timeout)?)?;
        taken.map_err(|error| errors::in_words(slf.py(), Words::Queue, &error))
    }

    /// Give the number of items now (int). Constant time; does not block.
    fn qsize(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().store().buffer.len()
    }

    /// Tell whether there is no item now. Constant time; does not block.
    fn empty(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store().buffer.is_empty()
    }

    /// Refuse items from now on and wake all waiters. What is inside can still be taken; after that, taking
    /// raises ShutDown and iteration ends. Doing it twice is no error. Does not block.
    ///
    /// Example:
    ///     >>> queue = SimpleQueue()
    ///     >>> queue.put("last")
    ///     >>> queue.close()
    ///     >>> list(queue.consume())
    ///     ['last']
    fn close(slf: &Bound<'_, Self>) {
        slf.as_super().get().store().close(slf.py());
    }

    /// A queue is always true, like `queue.SimpleQueue`.
    const fn __bool__(&self) -> bool {
        true
    }
}

#[inline(always)]
fn put(slf: &Bound<'_, SimpleQueue>, item: Item) -> PyResult<()> {
    #[cold]
    fn refused(slf: &Bound<'_, SimpleQueue>, reason: &elasticq::BufferError) -> PyErr {
        slf.as_super().get().store().buffer.refused(reason, 1);
        errors::in_words(slf.py(), Words::Queue, reason)
    }
    slf.as_super().get().store().offer(slf.py(), item).map_err(|rejected| refused(slf, rejected.reason()))
}

#[inline(always)]
fn get(slf: &Bound<'_, SimpleQueue>, patience: Patience) -> PyResult<Item> {
    #[cold]
    fn waiting(slf: &Bound<'_, SimpleQueue>, patience: Patience) -> PyResult<Item> {
        let taken = slf.as_super().get().store().get(slf.py(), patience)?;
        taken.map_err(|error| errors::in_words(slf.py(), Words::Queue, &error))
    }
    match slf.as_super().get().store().take(slf.py()) {
        Ok(item) => Ok(item),
        Err(_) => waiting(slf, patience),
    }
}
