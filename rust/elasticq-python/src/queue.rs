//! `Queue`: the standard library's interface over a `Store`.
//!
//! Tasks are counted without a counter on the way in: unfinished = items ever put - tasks done, and the number put is
//! the buffer's own position. `done` never passes it, and both only grow, so reading `done` first and the position
//! second tells the truth: if they are equal, everything was done at the moment the position was read.

use crate::config::{Settings, overlay};
use crate::elastic::Elastic;
use crate::errors;
use crate::numbers::{self, Patience, Truth};
use crate::store::{Item, Refused};
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
    maxsize: isize,
    done: AtomicU64,
    // Boxed for the same reason as the store.
    all_done: Box<Signal>,
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (maxsize=None, *, initial_capacity=None, min_capacity=None, growth_factor=None,
                        shrink_threshold=None),
           text_signature = "(maxsize=0, *, initial_capacity=64, min_capacity=64, growth_factor=2.0, \
                             shrink_threshold=0.25)")]
    fn new(
        py: Python<'_>,
        maxsize: Option<&Bound<'_, PyAny>>,
        initial_capacity: Option<&Bound<'_, PyAny>>,
        min_capacity: Option<&Bound<'_, PyAny>>,
        growth_factor: Option<&Bound<'_, PyAny>>,
        shrink_threshold: Option<&Bound<'_, PyAny>>,
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
            maxsize: maxsize.and_then(|maxsize| maxsize.extract().ok()).unwrap_or(0),
            done: AtomicU64::new(0),
            all_done: Box::new(Signal::new()),
        };
        Ok((queue, Elastic::new(py, config)?))
    }

    /// The most items the queue may hold; zero or below: no limit.
    #[getter]
    const fn maxsize(&self) -> isize {
        self.maxsize
    }

    /// Adds an item, waiting for room if need be. Raises Full, or ShutDown.
    #[pyo3(signature = (item, block=Truth(true), timeout=None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(slf: &Bound<'_, Self>, item: Item, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let patience = slf.get().patience_to_put(block, timeout)?;
        put(slf, item, patience)
    }

    /// Adds an item if there is room at once. Raises Full, or ShutDown.
    fn put_nowait(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        put(slf, item, Patience::None)
    }

    /// Takes the oldest item, waiting for one if need be. Raises Empty, or ShutDown.
    #[pyo3(signature = (block=Truth(true), timeout=None), text_signature = "($self, block=True, timeout=None)")]
    fn get(slf: &Bound<'_, Self>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        get(slf, Patience::new(block, timeout)?)
    }

    /// Takes the oldest item if there is one. Raises Empty, or ShutDown.
    fn get_nowait(slf: &Bound<'_, Self>) -> PyResult<Item> {
        get(slf, Patience::None)
    }

    /// Adds all items of an iterable. Raises Full, or ShutDown; `remaining` of the exception holds what was not added.
    #[pyo3(signature = (items, block=Truth(true), timeout=None),
           text_signature = "($self, items, block=True, timeout=None)")]
    fn put_many(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        block: Truth,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let patience = slf.get().patience_to_put(block, timeout)?;
        match slf.as_super().get().store.put_many(slf.py(), items, patience)? {
            Ok(()) => Ok(()),
            Err(refused) => Err(with_remaining(slf.py(), refused)),
        }
    }

    /// Takes from 1 to `n` items, waiting for the first if need be. Raises Empty, or ShutDown.
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

    /// The number of items now.
    fn qsize(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().store.buffer.len()
    }

    /// Whether there is no item now.
    fn empty(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().store.buffer.is_empty()
    }

    /// Whether there is no room now.
    fn full(slf: &Bound<'_, Self>) -> bool {
        let buffer = &slf.as_super().get().store.buffer;
        slf.get().maxsize > 0 && buffer.len() >= buffer.max_capacity()
    }

    /// Drops everything and gives the number of items dropped; they count as done.
    fn clear(slf: &Bound<'_, Self>) -> usize {
        let items = slf.as_super().get().store.drain(slf.py());
        slf.get().finish(slf, items.len());
        items.len()
    }

    /// Says that an item that was taken has been dealt with. Raises ValueError when called more often than items were put.
    fn task_done(slf: &Bound<'_, Self>) -> PyResult<()> {
        let put = slf.as_super().get().store.buffer.pushed();
        let done = &slf.get().done;
        done.fetch_update(Ordering::AcqRel, Ordering::Acquire, |done| (done < put).then_some(done + 1))
            .map_err(|_| PyValueError::new_err("task_done() called too many times"))?;
        slf.get().wake_if_all_done(slf);
        Ok(())
    }

    /// Blocks until every item that was put has been taken and dealt with.
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

    /// Items that were put and not yet reported as done.
    #[getter]
    fn unfinished_tasks(slf: &Bound<'_, Self>) -> u64 {
        slf.get().unfinished(slf)
    }

    /// Refuses items from now on and wakes everybody. `immediate` also drops what is inside.
    #[pyo3(signature = (immediate=Truth(false)), text_signature = "($self, immediate=False)")]
    fn shutdown(slf: &Bound<'_, Self>, immediate: Truth) {
        slf.as_super().get().store.close(slf.py());
        if immediate.0 {
            Self::clear(slf);
        }
    }

    /// The same as `shutdown()`.
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
        if self.maxsize > 0 { Patience::new(block, timeout) } else { Ok(Patience::Until(None)) }
    }

    fn unfinished(&self, slf: &Bound<'_, Self>) -> u64 {
        let done = self.done.load(Ordering::Acquire);
        slf.as_super().get().store.buffer.pushed() - done
    }

    /// Counts items that left without being handed out as done.
    fn finish(&self, slf: &Bound<'_, Self>, items: usize) {
        let put = slf.as_super().get().store.buffer.pushed();
        // More were done than put only if somebody reported items that he never took.
        let _ = self.done.fetch_update(Ordering::AcqRel, Ordering::Acquire, |done| Some(put.min(done + items as u64)));
        self.wake_if_all_done(slf);
    }

    fn wake_if_all_done(&self, slf: &Bound<'_, Self>) {
        if self.unfinished(slf) == 0 && self.all_done.has_sleepers() {
            self.all_done.wake(usize::MAX);
        }
    }
}

#[inline]
fn put(slf: &Bound<'_, Queue>, item: Item, patience: Patience) -> PyResult<()> {
    match slf.as_super().get().store.put(slf.py(), item, patience)? {
        Ok(()) => Ok(()),
        Err(error) => Err(errors::to_python(slf.py(), &error)),
    }
}

#[inline]
fn get(slf: &Bound<'_, Queue>, patience: Patience) -> PyResult<Item> {
    match slf.as_super().get().store.get(slf.py(), patience)? {
        Ok(item) => Ok(item),
        Err(error) => Err(errors::to_python(slf.py(), &error)),
    }
}

/// The exception for a cut-short `put_many`, with the items that were not added.
#[cold]
fn with_remaining(py: Python<'_>, refused: Refused) -> PyErr {
    let error = refused.raised.unwrap_or_else(|| errors::to_python(py, &refused.reason));
    let attached = PyList::new(py, refused.items).and_then(|items| error.value(py).setattr("remaining", items));
    attached.map_or_else(|failed| failed, |()| error)
}
