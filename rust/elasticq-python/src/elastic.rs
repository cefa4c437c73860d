//! `Elastic`: what all queues share in Python, whatever their face: sizes, looking, taking everything, and the steps
//! that their coroutines (`elasticq._asyncio`) are made of.

use crate::errors;
use crate::items::Items;
use crate::moved::moved;
use crate::numbers::Patience;
use crate::raw::Item;
use crate::stats::QueueStats;
use crate::store::{Store, Waiting};
use elasticq::{BufferError, BufferResult};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

/// What every elastic queue can do. Not made by itself: make a Queue or a DynamicCircularBuffer.
#[pyclass(frozen, subclass, weakref, generic, module = "elasticq._core")]
pub struct Elastic {
    // Boxed because the buffer keeps its parts on cache lines of their own, and Python aligns objects to 16 bytes only.
    pub store: Box<Store>,
}

impl Elastic {
    pub fn new(py: Python<'_>, items: BufferResult<Items>) -> PyResult<Self> {
        Ok(Self { store: Box::new(Store::new(py, items)?) })
    }
}

#[pymethods]
impl Elastic {
    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        len(slf)
    }

    /// Look at the items, oldest first, as they stand at this moment; none is taken.
    ///
    /// Linear in the number of items, whose references are copied at once; later changes of the queue don't show. Safe
    /// from any thread and task. Does not block; in the queues without locks those who take wait meanwhile.
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        match moved!(slf, slf.get().store, "snapshot") {
            Some(items) => items?.try_iter(),
            None => slf.get().store.snapshot(slf.py())?.try_iter(),
        }
    }

    /// How many items fit before the queue grows (int). It follows the use: up on demand, down after a burst. In a queue
    /// that has moved to the standard locks it is `maxsize`, or without a limit the number of items.
    #[getter]
    fn capacity(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let (.., capacity) = match counts(slf) {
            Some(counts) => counts?,
            None => return Ok(slf.get().store.buffer.capacity()),
        };
        Ok(capacity)
    }

    /// Whether the queue was shut down (bool).
    #[getter]
    pub fn is_shutdown(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match slf.get().store.moved.get(slf.py()) {
            Some(standard) => standard.getattr(intern!(slf.py(), "is_shutdown"))?.is_truthy(),
            None => Ok(slf.get().store.buffer.is_closed()),
        }
    }

    /// Give the oldest item, which stays in the queue.
    ///
    /// Constant time; does not block; safe from any thread and task.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     ShutDown: There is none, and the queue was shut down.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put(1)
    ///     >>> queue.peek(), len(queue)
    ///     (1, 1)
    fn peek(slf: &Bound<'_, Self>) -> PyResult<Item> {
        let peeked = slf.get().store.peek(slf.py());
        peeked.or_else(|error| instead(slf, &error, moved!(slf, slf.get().store, "peek")))
    }

    /// Take everything: a list, oldest first, which may be empty. The capacity returns to its minimum.
    ///
    /// Linear in the number of items; does not block; safe from any thread and task. For `join`, each item counts as
    /// taken and wants its `task_done`.
    ///
    /// Raises:
    ///     InvalidOperation: The queue is for one consumer, and another thread is taking.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_many("abc")
    ///     >>> queue.drain()
    ///     ['a', 'b', 'c']
    fn drain<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        match moved!(slf, slf.get().store, "drain") {
            Some(items) => Ok(items?.cast_into()?),
            None => PyList::new(slf.py(), slf.get().store.drain(slf.py())?),
        }
    }

    /// Give counters and sizes, all of this moment, as a QueueStats. Constant time; does not block.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_many(range(3))
    ///     >>> stats = queue.stats()
    ///     >>> stats.messages_enqueued, stats.current_size, stats.peak_size
    ///     (3, 3, 3)
    fn stats(slf: &Bound<'_, Self>) -> PyResult<QueueStats> {
        let mut stats = slf.get().store.buffer.stats();
        if let Some(counts) = counts(slf) {
            let (added, refused, size, capacity) = counts?;
            stats.messages_enqueued = added;
            stats.messages_dequeued = added - size as u64;
            stats.messages_dropped += refused;
            stats.current_size = size;
            stats.current_capacity = capacity;
            stats.peak_size = 0;
        }
        Ok(stats.into())
    }

    /// Give an iterator that takes: it blocks for each item and ends once the queue is shut down and empty.
    ///
    /// Any number of threads may consume one queue; each item goes to one of them.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_many("ab")
    ///     >>> queue.shutdown()
    ///     >>> list(queue.consume())
    ///     ['a', 'b']
    fn consume(slf: Py<Self>) -> Consumer {
        Consumer { queue: slf }
    }

    /// Takes the oldest item, or gives `default` if there is none. Raises ShutDown at the end.
    fn _poll(slf: &Bound<'_, Self>, default: Item) -> PyResult<Item> {
        match slf.get().store.take(slf.py()) {
            Ok(item) => Ok(item),
            Err(BufferError::Empty) => Ok(default),
            Err(error) => instead(slf, &error, moved!(slf, slf.get().store, "poll", default)),
        }
    }

    /// Adds an item if there is room: true. Raises ShutDown.
    fn _offer(slf: &Bound<'_, Self>, item: Item) -> PyResult<bool> {
        let store = &slf.get().store;
        match store.offer(slf.py(), item) {
            Ok(()) => Ok(true),
            Err(rejected) if rejected.reason().is_capacity_error() => Ok(false),
            Err(rejected) => {
                let (reason, item) = rejected.into_parts();
                if let Some(offered) = moved!(slf, store, "offer", item) {
                    return offered?.extract();
                }
                store.buffer.refused(&reason, 1);
                Err(errors::to_python(slf.py(), &reason))
            }
        }
    }

    /// Wakes up to `count` tasks that wait for an item.
    fn _wake_getters(&self, py: Python<'_>, count: usize) {
        self.store.wake_tasks(py, Waiting::ForItem, count);
    }

    /// Wakes up to `count` tasks that wait for room.
    fn _wake_putters(&self, py: Python<'_>, count: usize) {
        self.store.wake_tasks(py, Waiting::ForRoom, count);
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

/// The number of items. Nothing is asked about moving while there are any.
#[inline]
pub fn len(slf: &Bound<'_, Elastic>) -> PyResult<usize> {
    let len = slf.get().store.buffer.len();
    if len == 0 {
        if let Some(len) = moved!(slf, slf.get().store, "qsize") {
            return len?.extract();
        }
    }
    Ok(len)
}

/// Of a queue that has moved: items ever added, refused since, here now, and how many fit.
fn counts(slf: &Bound<'_, Elastic>) -> Option<PyResult<(u64, u64, usize, usize)>> {
    moved!(slf, slf.get().store, "counts").map(|counts| counts?.extract())
}

/// What a queue that has moved gives instead of an error; the error, if it has not.
#[cold]
pub fn instead(
    slf: &Bound<'_, Elastic>,
    error: &BufferError,
    moved: Option<PyResult<Bound<'_, PyAny>>>,
) -> PyResult<Item> {
    moved.map_or_else(|| Err(errors::to_python(slf.py(), error)), |given| given.map(Bound::unbind))
}

/// Takes item by item, blocking for each, until the queue was shut down and is empty.
#[pyclass(frozen, generic, module = "elasticq._core")]
pub struct Consumer {
    queue: Py<Elastic>,
}

#[pymethods]
impl Consumer {
    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Item>> {
        let slf = self.queue.bind(py);
        let store = &slf.get().store;
        match store.get(py, Patience::Until(None))? {
            Ok(item) => Ok(Some(item)),
            Err(BufferError::Closed) => match moved!(slf, store, "get", true, py.None()) {
                Some(Err(ended)) if ended.is_instance(py, errors::shut_down(py)?) => Ok(None),
                Some(got) => got.map(|item| Some(item.unbind())),
                None => Ok(None),
            },
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)
    }
}
