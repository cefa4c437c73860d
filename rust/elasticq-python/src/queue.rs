//! `Queue`: the standard library's interface over a `Store`.
//!
//! Tasks are counted without a counter on the way in: unfinished = items ever put - tasks done, and the number put is
//! the buffer's own position. `done` never passes it, and both only grow, so reading `done` first and the position
//! second tells the truth: if they are equal, everything was done at the moment the position was read.

use crate::awaitable::{Aim, Operation};
use crate::config::{Settings, overlay};
use crate::elastic::Elastic;
use crate::errors;
use crate::items::Items;
use crate::limits::{self, Overflow};
use crate::numbers::{self, Patience, Truth};
use crate::raw::Item;
use crate::waiting;
use elasticq::Signal;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots of a new queue, and of an old one that has been emptied: 512 bytes.
const SMALLEST: usize = 64;

/// A first-in, first-out queue with the interface of `queue.Queue`, for threads and tasks alike.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct Queue {
    pub maxsize: isize,
    /// Whether a put may find no room: there is a limit.
    limited: bool,
    pub overflow: Overflow,
    done: AtomicU64,
    // Boxed for the same reason as the store.
    all_done: Box<Signal>,
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (maxsize=None, *, initial_capacity=None, min_capacity=None, growth_factor=None,
                        shrink_threshold=None, overflow=None, max_weight=None, weigh=None),
           text_signature = "(maxsize=0, *, initial_capacity=64, min_capacity=64, growth_factor=2.0, \
                             shrink_threshold=0.25, overflow='block', max_weight=None, weigh=None)")]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn new(
        py: Python<'_>,
        maxsize: Option<&Bound<'_, PyAny>>,
        initial_capacity: Option<&Bound<'_, PyAny>>,
        min_capacity: Option<&Bound<'_, PyAny>>,
        growth_factor: Option<&Bound<'_, PyAny>>,
        shrink_threshold: Option<&Bound<'_, PyAny>>,
        overflow: Option<&Bound<'_, PyAny>>,
        max_weight: Option<&Bound<'_, PyAny>>,
        weigh: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Self, Elastic)> {
        let limit = maxsize.map_or(Ok(None), numbers::maxsize)?;
        let max = limit.unwrap_or(usize::MAX);
        let default = elasticq::Config::default().with_max_capacity(max);
        let settings =
            Settings { initial_capacity, min_capacity, growth_factor, shrink_threshold, ..Settings::default() };
        let mut config = overlay(default, &settings)?;
        if min_capacity.is_none() {
            config.min_capacity =
                if initial_capacity.is_some() { SMALLEST.min(config.initial_capacity) } else { SMALLEST };
            config.min_capacity = config.min_capacity.clamp(1, max);
        }
        if initial_capacity.is_none() {
            config.initial_capacity = config.min_capacity;
        }
        let queue = Self {
            limited: limit.is_some() || max_weight.is_some(),
            overflow: Overflow::new(overflow)?,
            maxsize: maxsize.and_then(|maxsize| maxsize.extract().ok()).unwrap_or(0),
            done: AtomicU64::new(0),
            all_done: Box::new(Signal::new()),
        };
        Ok((queue, Elastic::new(py, limits::items(py, max_weight, weigh, config)?)?))
    }

    /// The most items the queue may hold (int); zero or below: no limit.
    #[getter]
    const fn maxsize(&self) -> isize {
        self.maxsize
    }

    /// What becomes of an item that there is no room for (str): 'block', 'error', 'drop_oldest' or 'drop_newest'.
    #[getter]
    const fn overflow(&self) -> &'static str {
        self.overflow.name()
    }

    /// The most that the items may weigh together (int), or None.
    #[getter]
    fn max_weight(slf: &Bound<'_, Self>) -> Option<usize> {
        match &slf.as_super().get().store.buffer {
            Items::Weighted(weighted) => Some(weighted.max_weight),
            _ => None,
        }
    }

    /// What the items weigh together now (int), 0 where there is no `max_weight`. Constant time; does not block.
    ///
    /// Example:
    ///     >>> queue = Queue(max_weight=100)
    ///     >>> queue.put_many([b"some", b"bytes"])
    ///     >>> queue.weight
    ///     9
    #[getter]
    fn weight(slf: &Bound<'_, Self>) -> usize {
        match &slf.as_super().get().store.buffer {
            Items::Weighted(weighted) => weighted.weight(),
            _ => 0,
        }
    }

    /// Add an item, waiting for room if need be, unless the queue's `overflow` says otherwise.
    ///
    /// Constant time (amortised, where the queue grows). Safe from any thread; in a coroutine use `aput`, which waits
    /// without blocking the event loop.
    ///
    /// Args:
    ///     item: Anything.
    ///     block: Whether to wait for room.
    ///     timeout: Seconds to wait at the most, not negative; None: for ever. Not looked at without `block`, nor
    ///         where there is no limit.
    ///
    /// Raises:
    ///     Full: There is no room, or none in time.
    ///     ShutDown: The queue was shut down.
    ///     ResizeError: There is no memory to grow; also a MemoryError.
    ///     ValueError: `timeout` is negative, or the item is heavier than `max_weight` or its weight negative.
    ///     TypeError: The item's weight is no integer.
    ///
    /// What `weigh` raises comes through; the queue is unchanged then.
    ///
    /// Example:
    ///     >>> queue = Queue(maxsize=1)
    ///     >>> queue.put("a")
    ///     >>> queue.put("b", timeout=0.01)
    ///     Traceback (most recent call last):
    ///     elasticq.MaxCapacityReached: the buffer has reached its max_capacity of 1 items
    #[pyo3(signature = (item, block=Truth(true), timeout=None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(slf: &Bound<'_, Self>, item: Item, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let patience = slf.get().patience_to_put(block, timeout)?;
        put(slf, item, patience)
    }

    /// Add an item if there is room at once: `put(item, block=False)`.
    ///
    /// Raises:
    ///     Full: There is no room.
    ///     ShutDown: The queue was shut down.
    ///     ResizeError: There is no memory to grow.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_nowait("a")
    fn put_nowait(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        put(slf, item, Patience::None)
    }

    /// Take the oldest item, waiting for one if need be.
    ///
    /// Constant time. Waiting releases the interpreter, takes no processor time and is ended by signals (Ctrl-C) in the
    /// main thread. Safe from any thread; in a coroutine use `aget`.
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
        get(slf, Patience::new(block, timeout)?)
    }

    /// Take the oldest item if there is one: `get(block=False)`.
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
        get(slf, Patience::None)
    }

    /// Add all items of an iterable, in order.
    ///
    /// Much cheaper than as many `put`, above all for lists and tuples: one lock for all of them. Where there is room
    /// for all they go in as one. Otherwise, with `block` they go in piece by piece as room comes, so that also more
    /// than `maxsize` can be added, and without it none is added. An iterable is run to its end first; if it raises,
    /// nothing is added. Safe from any thread.
    ///
    /// With `overflow="error"` it is as without `block`. With "drop_oldest" and "drop_newest" it does what as many `put`
    /// would do, in one step, whatever the number of items. With `max_weight` all items are weighed first, and if that
    /// fails for one of them, none is added.
    ///
    /// Args:
    ///     items: The items.
    ///     block: Whether to wait for room.
    ///     timeout: Seconds to wait at the most, in all, not negative; None: for ever.
    ///
    /// Raises:
    ///     Full: There is not enough room, or not in time. As with every exception here that cuts it short, Ctrl-C
    ///         included, `remaining` is the list of the items that were not added.
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
        let patience = slf.get().patience_to_put(block, timeout)?;
        limits::put_many(slf, items, patience)
    }

    /// Take up to `n` items, oldest first: a list of at least one.
    ///
    /// Waits for the first if need be, then takes what is there. Much cheaper than as many `get`. Safe from any thread.
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
        let patience = Patience::new(block, timeout)?;
        slf.as_super().get().store.get_many(py, max, patience)?.map_err(|error| errors::to_python(py, &error))
    }

    /// Give the number of items now (int). Constant time; does not block.
    fn qsize(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().store.buffer.len()
    }

    /// Tell whether there is no item now. Constant time; does not block.
    fn empty(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store.buffer.is_empty()
    }

    /// Tell whether there is no room now, by number or by weight; never, where there is no limit. Constant time; does not block.
    fn full(slf: &Bound<'_, Self>) -> bool {
        let buffer = &slf.as_super().get().store.buffer;
        let heavy = matches!(buffer, Items::Weighted(weighted) if weighted.weight() >= weighted.max_weight);
        heavy || slf.get().maxsize > 0 && buffer.len() >= buffer.max_capacity()
    }

    /// Drop everything; give the number of items dropped (int). For `join` they count as done.
    ///
    /// Linear in the number of items; does not block. The capacity returns to its minimum.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_many("abc")
    ///     >>> queue.clear(), len(queue)
    ///     (3, 0)
    fn clear(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let items = slf.as_super().get().store.drain(slf.py())?;
        slf.get().finish(slf, items.len());
        Ok(items.len())
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
        let put = slf.as_super().get().store.buffer.pushed();
        let done = &slf.get().done;
        done.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |done| (done < put).then_some(done + 1))
            .map_err(|_| PyValueError::new_err("task_done() called too many times"))?;
        slf.get().wake_if_all_done(slf);
        Ok(())
    }

    /// Block until every item that was put has been taken and reported with `task_done`.
    ///
    /// Waits as `get` does.
    fn join(slf: &Bound<'_, Self>) -> PyResult<()> {
        while slf.get().unfinished(slf) != 0 {
            let mut waiter = slf.get().all_done.waiter();
            if slf.get().unfinished(slf) == 0 {
                break;
            }
            waiting::sleep(slf.py(), &mut waiter, None)?;
        }
        Ok(())
    }

    /// Wait in a coroutine until every item that was put has been taken and reported with `task_done`.
    ///
    /// Nothing blocks; any thread or task may report the last one. Nothing is left behind where it is cancelled.
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

    /// Items that were put and not yet reported as done (int).
    #[getter]
    fn unfinished_tasks(slf: &Bound<'_, Self>) -> u64 {
        slf.get().unfinished(slf)
    }

    /// Refuse items from now on and wake everybody who waits.
    ///
    /// What is inside can still be taken; after that, taking raises ShutDown and iteration ends. Doing it twice is no
    /// error. Does not block.
    ///
    /// Args:
    ///     immediate: Whether to drop what is inside, too; for `join` it then counts as done.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put("last")
    ///     >>> queue.shutdown()
    ///     >>> queue.get()
    ///     'last'
    ///     >>> queue.get()
    ///     Traceback (most recent call last):
    ///     elasticq.ShutDown: the buffer is closed
    #[pyo3(signature = (immediate=Truth(false)), text_signature = "($self, immediate=False)")]
    fn shutdown(slf: &Bound<'_, Self>, immediate: Truth) -> PyResult<()> {
        slf.as_super().get().store.close(slf.py());
        if immediate.0 {
            Self::clear(slf)?;
        }
        Ok(())
    }

    /// Refuse items from now on and wake everybody who waits: `shutdown()`.
    fn close(slf: &Bound<'_, Self>) {
        slf.as_super().get().store.close(slf.py());
    }

    /// A queue is always true, like `queue.Queue`, so that `q or Queue()` works.
    const fn __bool__(&self) -> bool {
        true
    }
}

impl Queue {
    /// In the standard library a queue without limit doesn't look at the timeout.
    #[inline]
    fn patience_to_put(&self, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Patience> {
        if self.limited { Patience::new(block, timeout) } else { Ok(Patience::Until(None)) }
    }

    pub fn unfinished(&self, slf: &Bound<'_, Self>) -> u64 {
        let done = self.done.load(Ordering::SeqCst);
        slf.as_super().get().store.buffer.pushed() - done
    }

    /// Counts items that left without being handed out as done.
    pub fn finish(&self, slf: &Bound<'_, Self>, items: usize) {
        let put = slf.as_super().get().store.buffer.pushed();
        // More were done than put only if somebody reported items that he never took.
        let _ = self.done.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |done| Some(put.min(done + items as u64)));
        self.wake_if_all_done(slf);
    }

    fn wake_if_all_done(&self, slf: &Bound<'_, Self>) {
        if self.unfinished(slf) == 0 {
            if self.all_done.has_sleepers() {
                self.all_done.wake(usize::MAX);
            }
            slf.as_super().get().store.all_done(slf.py());
        }
    }
}

/// `put` and `get` keep everything but the first attempt out of line: a result that goes through memory there would
/// cost a third of the call.
#[inline(always)]
fn put(slf: &Bound<'_, Queue>, item: Item, patience: Patience) -> PyResult<()> {
    match slf.as_super().get().store.offer(slf.py(), item) {
        Ok(()) => Ok(()),
        Err(rejected) => limits::put(slf, rejected, patience),
    }
}

#[inline(always)]
fn get(slf: &Bound<'_, Queue>, patience: Patience) -> PyResult<Item> {
    #[cold]
    fn waiting(slf: &Bound<'_, Queue>, patience: Patience) -> PyResult<Item> {
        let taken = slf.as_super().get().store.get(slf.py(), patience)?;
        taken.map_err(|error| errors::to_python(slf.py(), &error))
    }
    match slf.as_super().get().store.take(slf.py()) {
        Ok(item) => Ok(item),
        Err(_) => waiting(slf, patience),
    }
}
