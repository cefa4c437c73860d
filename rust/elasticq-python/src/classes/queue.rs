//! `Queue`: the standard library's interface over a `Store`.

use super::computed;
use crate::arguments::numbers::{self, Truth};
use crate::arguments::patience::Patience;
use crate::arguments::settings::{Settings, WITHOUT_LIMIT, smallest};
use crate::errors::{self, Words};
use crate::quick::calls;
use crate::quick::method;
use crate::quick::operation::{Aim, Operation};
use crate::raw::Item;
use crate::room::overflow::Overflow;
use crate::room::weights::{Weighted, not_with_weights};
use crate::standard::overridden::{self, Overridden};
use crate::standard::{at_once, moving, timeouts};
use crate::store::items::Items;
use crate::store::moved::moved;
use crate::store::no_room;
use crate::store::object::{self, Elastic};
use crate::store::{Store, Waiting};
use elasticq::{BufferError, DynamicCircularBuffer, Rejected};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyTuple, PyType};
use std::sync::atomic::{AtomicBool, Ordering};

calls::entries!(Queue: "put" => add, "put_nowait" => add, "get" => take, "get_nowait" => take);

/// Finishes the class. Three of its attributes are those of the standard library, and may be assigned to.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Queue>();
    computed::give_way(&class, &["maxsize", "unfinished_tasks", "is_shutdown"])?;
    method::install(py, &class, &["ajoin"])?;
    give_entries(py)
}

/// A first-in, first-out queue with the interface of `queue.Queue`, for threads and tasks alike.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct Queue {
    /// Whether `__init__` was called.
    begun: AtomicBool,
    pub overridden: Overridden,
}

#[pymethods]
impl Queue {
    /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_arguments, **_keywords),
           text_signature = "(maxsize=0, *, initial_capacity=64, min_capacity=64, growth_factor=2.0, \
                             shrink_threshold=0.25, overflow='block', max_weight=None, weigh=None)")]
    fn new(
        class: &Bound<'_, PyType>,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let buffer = DynamicCircularBuffer::with_lock(smallest());
        if let (Ok(buffer), true) = (&buffer, overridden::is_hooked(class)?) {
            // Closed until `__init__` moves it; otherwise its hooks would not be called.
            buffer.close();
        }
        let overridden = Overridden::by(class, &class.py().get_type::<Self>())?;
        let items = if overridden::is_stack(class)? { Items::Lifo } else { Items::from };
        let queue = Self { begun: AtomicBool::new(false), overridden };
        let make = if overridden.any() { Elastic::behind_a_front } else { Elastic::new };
        Ok(PyClassInitializer::from(make(class.py(), Words::Queue, buffer.map(items))?).add_subclass(queue))
    }

    /// Begins with these settings. What the queue was before is gone.
    #[pyo3(signature = (maxsize=None, *, overflow=None, max_weight=None, weigh=None, **settings))]
    fn __init__(
        slf: &Bound<'_, Self>,
        maxsize: Option<&Bound<'_, PyAny>>,
        overflow: Option<&Bound<'_, PyAny>>,
        max_weight: Option<&Bound<'_, PyAny>>,
        weigh: Option<&Bound<'_, PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let store = store(slf);
        let settings = Settings::new("Queue.__init__", WITHOUT_LIMIT, settings)?;
        let limit = maxsize.map_or(Ok(None), numbers::maxsize)?;
        let config = settings.fitting(smallest().with_max_capacity(limit.unwrap_or(usize::MAX)))?;
        config.validate().map_err(|error| errors::to_python(py, &error))?;
        let overflow = Overflow::new(overflow)?;
        let weighted = Weighted::of_settings(py, max_weight, weigh, &config)?;
        let hooked = overridden::is_hooked(&slf.get_type())?;
        let again = slf.get().begun.swap(true, Ordering::Relaxed);
        let buffer = &store.buffer;
        if buffer.weighted().is_some() || weighted.is_some() && (again || store.moved.get(py).is_some()) {
            return Err(not_with_weights(py, "__init__ more than once"));
        }
        if hooked && weighted.is_some() {
            return Err(not_with_weights(py, "_init, _qsize, _put and _get of a subclass"));
        }
        if weighted.is_some() && matches!(buffer, Items::Lifo(_)) {
            return Err(not_with_weights(py, "a stack"));
        }
        store.limits.set_overflow(overflow);
        if store.moved.get(py).is_some() {
            let maxsize = maxsize.map_or_else(|| PyInt::new(py, 0).into_any(), Clone::clone);
            return moved!(slf, store, "restart", maxsize).map_or(Ok(()), |begun| begun.map(drop));
        }
        store.limits.set_may_refuse(limit.is_some() || weighted.is_some());
        store.limits.set_maxsize(maxsize.and_then(|maxsize| maxsize.extract().ok()).unwrap_or(0));
        if let Some(weighted) = weighted {
            // It has no weights yet, as was seen above, unless another thread does the same at this moment.
            return buffer.weigh_from_now_on(weighted).map_err(|_| not_with_weights(py, "__init__ more than once"));
        }
        if again || hooked || buffer.is_used() || config != smallest() {
            // Dropped last: it may run Python code, which must not find the old count beside the new
            // position.
            let _old = buffer.restart(&config).map_err(|error| errors::to_python(py, &error))?;
            store.forget_what_is_done();
            store.wake_joiners(py);
            store.wake_tasks(py, Waiting::Room, usize::MAX);
        }
        if hooked || maxsize.is_some_and(|maxsize| maxsize.is_instance_of::<PyFloat>()) {
            moving::move_with(slf.as_super(), maxsize)?;
        }
        Ok(())
    }

    /// The most items the queue may hold (int); zero or below: no limit. Setting it moves the queue to the
    /// standard locks for good.
    #[getter(maxsize)]
    fn get_maxsize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match store(slf).moved.get(py) {
            Some(standard) => standard.getattr(intern!(py, "maxsize")),
            None => Ok(store(slf).limits.maxsize().into_pyobject(py)?.into_any()),
        }
    }

    #[setter(maxsize)]
    fn set_maxsize(slf: &Bound<'_, Self>, maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        moving::standard(slf.as_super())?.call_method1(intern!(slf.py(), "resize"), (maxsize,)).map(drop)
    }

    /// Whether the queue was shut down (bool): the name that janus has for `is_shutdown`.
    #[getter]
    fn closed(slf: &Bound<'_, Self>) -> PyResult<bool> {
        object::is_shutdown(slf.as_super())
    }

    /// Whether the queue was shut down (bool). Setting it moves the queue to the standard locks for good.
    #[getter(is_shutdown)]
    fn get_is_shutdown(slf: &Bound<'_, Self>) -> PyResult<bool> {
        object::is_shutdown(slf.as_super())
    }

    #[setter(is_shutdown)]
    fn set_is_shutdown(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        moving::standard(slf.as_super())?.setattr(intern!(slf.py(), "is_shutdown"), value)
    }

    /// What happens to an item that there is no room for (str): 'block', 'error', 'drop_oldest' or
    /// 'drop_newest'.
    #[getter(overflow)]
    fn get_overflow(slf: &Bound<'_, Self>) -> &'static str {
        store(slf).limits.overflow().name()
    }

    /// The most that the items may weigh together (int), or None.
    #[getter]
    fn max_weight(slf: &Bound<'_, Self>) -> Option<usize> {
        store(slf).buffer.weighted().map(|weighted| weighted.max_weight)
    }

    /// What the items weigh together now (int), 0 if there is no `max_weight`. Constant time; does not block.
    ///
    /// Example:
    ///     >>> queue = Queue(max_weight=100)
    ///     >>> queue.put_many([b"some", b"bytes"])
    ///     >>> queue.weight
    ///     9
    #[getter]
    fn weight(slf: &Bound<'_, Self>) -> usize {
        store(slf).buffer.weighted().map_or(0, Weighted::weight)
    }

    /// Add an item, and wait for room if need be, unless the queue's `overflow` says otherwise.
    ///
    /// Constant time (amortised, where the queue grows). Waiting releases the interpreter and takes no
    /// processor time. In the main thread a signal (Ctrl-C) ends it at once: what the handler raises ends the
    /// call, which has added nothing then. (An exception that is raised after the call has returned looks the
    /// same, and then the item is in the queue.) Safe from any thread; in a coroutine use `aput`, which waits
    /// without blocking the event loop.
    ///
    /// Args:
    ///     item: Anything.
    ///     block: Whether to wait for room.
    ///     timeout: Seconds to wait at the most, not negative; None: for ever. Not looked at without `block`,
    ///         nor if there is no limit.
    ///
    /// Raises:
    ///     Full: There is no room, or none in time.
    ///     ShutDown: The queue was shut down.
    ///     ResizeError: There is no memory to grow; also a MemoryError.
    ///     ValueError: `timeout` is negative, or the item is heavier than `max_weight` or its weight
    ///         negative.
    ///     TypeError: The item's weight is no integer.
    ///
    /// If `weigh` raises, the exception comes through, and the queue is unchanged.
    ///
    /// Example:
    ///     >>> queue = Queue(maxsize=1)
    ///     >>> queue.put("a")
    ///     >>> queue.put("b", timeout=0.01)
    ///     Traceback (most recent call last):
    ///     elasticq.MaxCapacityReached: the queue is full: maxsize = 1
    #[pyo3(signature = (item, block=Truth(true), timeout=None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(slf: &Bound<'_, Self>, item: Item, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let store = store(slf);
        match timeouts::to_put(store, block, timeout) {
            Ok(patience) => put(slf, store, item, patience),
            Err(error) => timeouts::put_in_no_time(slf.as_super(), item, error),
        }
    }

    /// Add an item if there is room at once: `put(item, block=False)`, also if a subclass overrides `put`.
    ///
    /// Raises:
    ///     Full: There is no room.
    ///     ShutDown: The queue was shut down.
    ///     ResizeError: There is no memory to grow.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_nowait("a")
    fn put_nowait(slf: &Bound<'_, Self>, item: Item) -> PyResult<Item> {
        if slf.get().overridden.put {
            return overridden::put(slf.as_super(), item, Patience::None);
        }
        put(slf, store(slf), item, Patience::None).map(|()| slf.py().None())
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
    ///     ShutDown: There is none, and the queue was shut down, before or meanwhile.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put("a")
    ///     >>> queue.get()
    ///     'a'
    #[pyo3(signature = (block=Truth(true), timeout=None), text_signature = "($self, block=True, timeout=None)")]
    fn get(slf: &Bound<'_, Self>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        get(slf, timeouts::to_get(slf.as_super(), block, timeout)?)
    }

    /// Take the oldest item if there is one: `get(block=False)`, also if a subclass overrides `get`.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     ShutDown: There is none, and the queue was shut down.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put("a")
    ///     >>> queue.get_nowait()
    ///     'a'
    fn get_nowait(slf: &Bound<'_, Self>) -> PyResult<Item> {
        if slf.get().overridden.get {
            return overridden::get(slf.as_super(), Patience::None).map(Bound::unbind);
        }
        get(slf, Patience::None)
    }

    /// Add all items of an iterable, in order.
    ///
    /// Much cheaper than a `put` for each, above all for lists and tuples, since one lock serves all of them.
    /// If there is room for all, they go in as one. Otherwise, with `block` they go in piece by piece as room
    /// comes, so they may be more than `maxsize`; without `block` none is added. The iterable is run to its
    /// end first; if it raises, nothing is added. Safe from any thread.
    ///
    /// If a subclass overrides `put`, that is called for each item, and what was added before a call fails
    /// stays.
    ///
    /// `overflow="error"` means the same as no `block`. "drop_oldest" and "drop_newest" do what a `put` for
    /// each would do, in one step, whatever the number of items. With `max_weight` all items are weighed
    /// first, and if that fails for one of them, none is added.
    ///
    /// Args:
    ///     items: The items.
    ///     block: Whether to wait for room.
    ///     timeout: Seconds to wait at the most, in all, not negative; None: for ever.
    ///
    /// Raises:
    ///     Full: There is not enough room, or not in time. This exception, like each one here that cuts the
    ///         call short (Ctrl-C included), has the list of the items that were not added as `remaining`.
    ///     ShutDown: The queue was shut down, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     ValueError: `timeout` is negative, or an item has a weight that is negative or above `max_weight`.
    ///     TypeError: `items` is not iterable, or an item's weight is no integer.
    ///
    /// Example:
    ///     >>> queue = Queue(maxsize=2)
    ///     >>> try:
    ///     ...     queue.put_many([1, 2, 3], timeout=0)
    ///     ... except Full as full:
    ///     ...     print(list(queue), full.remaining)
    ///     [1, 2] [3]
    #[pyo3(signature = (items, block=Truth(true), timeout=None),
           text_signature = "($self, items, block=True, timeout=None)")]
    fn put_many(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        block: Truth,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if slf.get().overridden.put {
            return overridden::put_many(slf.as_super(), items, Patience::new(block, timeout)?);
        }
        let patience = timeouts::to_put(store(slf), block, timeout)?;
        no_room::put_many(slf.as_super(), items, patience)
    }

    /// Take up to `n` items, oldest first. Gives a list of at least one item.
    ///
    /// Waits for the first item if need be, then takes what is there. Much cheaper than `n` calls of `get`.
    /// If a subclass overrides `get`, that is called for each item, and an error other than those below has
    /// the list of what came before it as `taken`. Safe from any thread.
    ///
    /// Args:
    ///     n: The most items to take, at least 1; None: all that there are.
    ///     block: Whether to wait for the first.
    ///     timeout: Seconds to wait for it at the most, not negative; None: for ever.
    ///
    /// Raises:
    ///     Empty: There is none, or none in time.
    ///     ShutDown: There is none, and the queue was shut down, before or meanwhile.
    ///     ValueError: `n` is below 1, or `timeout` is negative.
    ///
    /// Example:
    ///     >>> queue = Queue()
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
        let py = slf.py();
        let max = n.map_or(Ok(usize::MAX), |n| numbers::count("n", n, 1))?;
        let patience = timeouts::to_get(slf.as_super(), block, timeout)?;
        if slf.get().overridden.get {
            return overridden::get_many(slf.as_super(), max, patience);
        }
        store(slf).get_many(py, max, patience)?.or_else(|error| {
            let (block, timeout) = patience.left();
            let max = max.min(isize::MAX.unsigned_abs());
            let instead = store(slf).instead(py, &error, moved!(slf, store(slf), "get_many", max, block, timeout))?;
            Ok(instead.into_bound(py).cast_into()?)
        })
    }

    /// Give the number of items now (int). Constant time; does not block.
    fn qsize(slf: &Bound<'_, Self>) -> PyResult<usize> {
        object::len(slf.as_super())
    }

    /// Tell whether there is no item now. Constant time; does not block.
    fn empty(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(object::len(slf.as_super())? == 0)
    }

    /// Tell whether there is no room now, by number or by weight. Never true if there is no limit. Constant
    /// time; does not block.
    fn full(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if let Some(full) = moved!(slf, store(slf), "full") {
            return full?.extract();
        }
        let buffer = &store(slf).buffer;
        let heavy = buffer.weighted().is_some_and(|weighted| weighted.weight() >= weighted.max_weight);
        Ok(heavy || store(slf).limits.maxsize() > 0 && buffer.len() >= buffer.max_capacity())
    }

    /// Drop everything, and give the number of items dropped (int). For `join` the items count as done.
    ///
    /// Linear in the number of items; does not block. The capacity returns to its minimum.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_many("abc")
    ///     >>> queue.clear(), len(queue)
    ///     (3, 0)
    fn clear(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let items = store(slf).discard(slf.py())?;
        object::finish(slf.as_super(), items.len())?;
        // Asked after emptying the ring. So whenever the queue moves, its items are found at one of the
        // places.
        let there = moved!(slf, store(slf), "clear").map_or(Ok(0), |dropped| dropped?.extract::<usize>())?;
        Ok(items.len() + there)
    }

    /// Say that an item which was taken has been dealt with. Constant time; does not block.
    ///
    /// Raises:
    ///     ValueError: It was called more often than items were put.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put("a")
    ///     >>> queue.get()
    ///     'a'
    ///     >>> queue.task_done()
    ///     >>> queue.join()
    fn task_done(slf: &Bound<'_, Self>) -> PyResult<()> {
        if store(slf).task_done(slf.py()) {
            return Ok(());
        }
        match store(slf).moved.get(slf.py()) {
            Some(standard) => standard.call_method0(intern!(slf.py(), "task_done")).map(drop),
            None => Err(PyValueError::new_err("task_done() called too many times")),
        }
    }

    /// Block until every item that was put has been taken and reported with `task_done`.
    ///
    /// Waits as `get` does. Closing the queue does not end it, as what is inside can still be taken. Where
    /// nobody will take that any more, `clear` or `shutdown(immediate=True)` drops it, and that ends it.
    fn join(slf: &Bound<'_, Self>) -> PyResult<()> {
        if store(slf).join(slf.py())? {
            return Ok(());
        }
        moving::standard(slf.as_super())?.call_method0(intern!(slf.py(), "join")).map(drop)
    }

    /// Wait in a coroutine until every item that was put has been taken and reported with `task_done`.
    ///
    /// Nothing blocks; any thread or task may report the last item. If the coroutine is cancelled, nothing is
    /// left behind.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = Queue()
    ///     ...     await queue.aput("a")
    ///     ...     await queue.aget()
    ///     ...     queue.task_done()
    ///     ...     await queue.ajoin()
    ///     >>> asyncio.run(main())
    fn ajoin(slf: &Bound<'_, Self>) -> Operation {
        Operation::new(slf.as_super().clone().unbind(), Aim::Join, None)
    }

    /// Items that were put and not yet reported as done (int). Setting it moves the queue to the standard
    /// locks for good.
    #[getter(unfinished_tasks)]
    fn get_unfinished_tasks<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match store(slf).unfinished() {
            Some(unfinished) => Ok(unfinished.into_pyobject(py)?.into_any()),
            None => moving::standard(slf.as_super())?.getattr(intern!(py, "unfinished_tasks")),
        }
    }

    #[setter(unfinished_tasks)]
    fn set_unfinished_tasks(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        moving::standard(slf.as_super())?.setattr(intern!(slf.py(), "unfinished_tasks"), value)
    }

    /// Refuse items from now on and wake all waiters.
    ///
    /// What is inside can still be taken; after that, taking raises ShutDown and iteration ends. Doing it
    /// twice is no error. Does not block.
    ///
    /// Args:
    ///     immediate: Whether to drop what is inside, too; for `join` it then counts as done. If a subclass
    ///         overrides `_get`, that is called for as many items as there were at the call; what it puts
    ///         back meanwhile stays.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put("last")
    ///     >>> queue.shutdown()
    ///     >>> queue.get()
    ///     'last'
    ///     >>> queue.get()
    ///     Traceback (most recent call last):
    ///     elasticq.ShutDown: the queue was shut down
    #[pyo3(signature = (immediate=Truth(false)), text_signature = "($self, immediate=False)")]
    fn shutdown(slf: &Bound<'_, Self>, immediate: Truth) -> PyResult<()> {
        store(slf).close(slf.py());
        // Asked after closing. So if the queue moves at the same time, either the move has seen the closing,
        // or this sees the move.
        if let Some(done) = moved!(slf, store(slf), "shutdown", immediate.0) {
            return done.map(drop);
        }
        if immediate.0 {
            Self::clear(slf)?;
        }
        Ok(())
    }

    /// Refuse items from now on and wake all waiters: `shutdown()`.
    ///
    /// What is inside can still be taken. `join` goes on to wait until it has been taken and reported, or is
    /// dropped by `clear` or `shutdown(immediate=True)`, which may follow.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::shutdown(slf, Truth(false))
    }

    /// A queue is always true, like `queue.Queue`, so that `q or Queue()` works.
    const fn __bool__(&self) -> bool {
        true
    }
}

#[inline(always)]
fn store<'a>(slf: &'a Bound<'_, Queue>) -> &'a Store {
    slf.as_super().get().store()
}

/// `put` and `get` keep everything but the first attempt out of line: if the result went through memory, that
/// would cost a third of the call.
#[inline(always)]
fn put(slf: &Bound<'_, Queue>, store: &Store, item: Item, patience: Patience) -> PyResult<()> {
    match store.offer(slf.py(), item) {
        Ok(()) => Ok(()),
        Err(rejected) => put_otherwise(slf, rejected, patience),
    }
}

#[cold]
#[inline(never)]
fn put_otherwise(slf: &Bound<'_, Queue>, rejected: Rejected<Item>, patience: Patience) -> PyResult<()> {
    if matches!(rejected.reason(), BufferError::Closed) && at_once::put(slf.as_super(), rejected.item())? {
        return Ok(());
    }
    no_room::put(slf.as_super(), rejected, patience)
}

#[inline(always)]
fn get(slf: &Bound<'_, Queue>, patience: Patience) -> PyResult<Item> {
    #[cold]
    #[inline(never)]
    fn waiting(slf: &Bound<'_, Queue>, patience: Patience) -> PyResult<Item> {
        if let Some(item) = at_once::get(slf.as_super())? {
            return Ok(item);
        }
        store(slf).get(slf.py(), patience)?.or_else(|error| {
            if !matches!(error, BufferError::Closed) {
                return Err(store(slf).error(slf.py(), &error));
            }
            let (block, timeout) = patience.left();
            store(slf).instead(slf.py(), &error, moved!(slf, store(slf), "get", block, timeout))
        })
    }
    match store(slf).take(slf.py()) {
        Ok(item) => Ok(item),
        Err(_) => waiting(slf, patience),
    }
}

/// What serves a queue instead of its own storage, if everything has moved there; None before.
#[pyfunction]
#[pyo3(name = "_moved_of")]
pub fn moved_of<'py>(queue: &Bound<'py, Queue>) -> PyResult<Option<Bound<'py, PyAny>>> {
    moving::standard_if_moved(queue.as_super())
}

/// What serves a queue instead of its own storage. Moves the queue there.
#[pyfunction]
#[pyo3(name = "_standard_of")]
pub fn standard_of<'py>(queue: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    moving::standard(queue.as_super()).cloned()
}
