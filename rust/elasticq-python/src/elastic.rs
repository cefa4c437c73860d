//! `Elastic`: what all queues share in Python, whatever their face: sizes, looking, taking everything, and the steps
//! that their coroutines (`elasticq._asyncio`) are made of.

use crate::consumer::Consumer;
use crate::errors;
use crate::stats::QueueStats;
use crate::store::{Item, Store, Waiting};
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

/// What every elastic queue can do. Not made by itself: make a Queue or a DynamicCircularBuffer.
#[pyclass(frozen, subclass, weakref, generic, module = "elasticq._core")]
pub struct Elastic {
    // Boxed because the buffer keeps its parts on cache lines of their own, and Python aligns objects to 16 bytes only.
    pub store: Box<Store>,
}

impl Elastic {
    pub fn new(py: Python<'_>, config: elasticq::Config) -> PyResult<Self> {
        Ok(Self { store: Box::new(Store::new(py, config)?) })
    }
}

#[pymethods]
impl Elastic {
    fn __len__(&self) -> usize {
        self.store.buffer.len()
    }

    /// An iterator over the items as they stand now; it takes none.
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.store.snapshot(py)?.try_iter()
    }

    /// How many items fit before the queue grows.
    #[getter]
    fn capacity(&self) -> usize {
        self.store.buffer.capacity()
    }

    /// Whether the queue was shut down.
    #[getter]
    fn is_shutdown(&self) -> bool {
        self.store.buffer.is_closed()
    }

    /// The oldest item, which stays in the queue. Raises Empty, or ShutDown after that.
    fn peek(&self, py: Python<'_>) -> PyResult<Item> {
        self.store.peek(py).map_err(|error| errors::to_python(py, &error))
    }

    /// Takes everything, oldest first.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.store.drain(py))
    }

    /// Counters and sizes, all of this moment.
    fn stats(&self) -> QueueStats {
        self.store.buffer.stats().into()
    }

    /// An iterator that takes: it blocks for each next item and ends when the queue was shut down and is empty.
    fn consume(slf: Py<Self>) -> Consumer {
        Consumer::new(slf)
    }

    /// Takes the oldest item, or gives `default` if there is none. Raises ShutDown at the end.
    fn _poll(&self, py: Python<'_>, default: Item) -> PyResult<Item> {
        match self.store.take(py) {
            Ok(item) => Ok(item),
            Err(BufferError::Empty) => Ok(default),
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    /// Adds an item if there is room: true. Raises ShutDown.
    fn _offer(&self, py: Python<'_>, item: Item) -> PyResult<bool> {
        match self.store.offer(py, item) {
            Ok(()) => Ok(true),
            Err(rejected) if rejected.reason().is_capacity_error() => Ok(false),
            Err(rejected) => {
                self.store.buffer.note_refused(1);
                Err(errors::to_python(py, rejected.reason()))
            }
        }
    }

    /// Lets a task wait for an item, at the front if it was there before.
    fn _enter_getters(&self, event_loop: Py<PyAny>, future: Py<PyAny>, front: bool) {
        self.store.enter(Waiting::ForItem, event_loop, future, front);
    }

    /// Ends a task's waiting for an item.
    fn _leave_getters(&self, py: Python<'_>, future: &Bound<'_, PyAny>) {
        self.store.leave(py, Waiting::ForItem, future);
    }

    /// Lets a task wait for room, at the front if it was there before.
    fn _enter_putters(&self, event_loop: Py<PyAny>, future: Py<PyAny>, front: bool) {
        self.store.enter(Waiting::ForRoom, event_loop, future, front);
    }

    /// Ends a task's waiting for room.
    fn _leave_putters(&self, py: Python<'_>, future: &Bound<'_, PyAny>) {
        self.store.leave(py, Waiting::ForRoom, future);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.store.traverse(&visit)
    }

    fn __clear__(&self) {
        self.store.clear_references();
    }
}
