//! The queues without locks. Their methods are the same, so they stand in one base class, `LockFree`.

use super::computed;
use super::config::Config;
use crate::arguments::numbers::{self, Truth};
use crate::arguments::patience::Patience;
use crate::arguments::settings::{Settings, WITHOUT_TIMEOUTS, before_init};
use crate::errors::Words;
use crate::raw::Item;
use crate::store::Store;
use crate::store::items::Items;
use crate::store::object::Elastic;
use elasticq::{BufferError, DynamicCircularBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    computed::give_way(&py.get_type::<LockFree>(), &[])
}

/// What the queues without locks have in common. Not made by itself: make a LockFreeMPSCQueue or one of the
/// others.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct LockFree;

macro_rules! queue {
    ($queue:ident, $doc:literal) => {
        #[doc = $doc]
        #[pyclass(frozen, subclass, extends = LockFree, module = "elasticq._core")]
        pub struct $queue;

        #[pymethods]
        impl $queue {
            /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
            #[new]
            #[pyo3(signature = (*_arguments, **_keywords),
                   text_signature = "(config=None, *, initial_capacity=None, min_capacity=None, max_capacity=None, \
                                     growth_factor=None, shrink_threshold=None)")]
            fn new(
                py: Python<'_>,
                _arguments: &Bound<'_, PyTuple>,
                _keywords: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<PyClassInitializer<Self>> {
                // This buffer is cheaper to make, and can be used in any way. `__init__` mostly replaces it
                // at once.
                let items = DynamicCircularBuffer::with_lock(before_init()).map(Items::from);
                let elastic = PyClassInitializer::from(Elastic::new(py, Words::LockFree, items)?);
                Ok(elastic.add_subclass(LockFree).add_subclass(Self))
            }

            /// Begins with these settings.
            #[pyo3(signature = (config=None, **settings))]
            fn __init__(
                slf: &Bound<'_, Self>,
                config: Option<&Bound<'_, Config>>,
                settings: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<()> {
                let function = concat!(stringify!($queue), ".__init__");
                let settings = Settings::new(function, WITHOUT_TIMEOUTS, settings)?;
                let config = settings.over(Config::or_default(config))?;
                slf.as_super().as_super().get().begin(slf.py(), elasticq::$queue::new(config).map(Items::other))
            }
        }
    };
}

queue!(LockFreeMPSCQueue, "A queue of many producers and one consumer, without locks.");
queue!(LockFreeMPMCQueue, "A queue of many producers and many consumers, without locks.");
queue!(LockFreeSPSCQueue, "A queue of one producer and one consumer, without locks.");

fn store<'a>(slf: &'a Bound<'_, LockFree>) -> &'a Store {
    slf.as_super().get().store()
}

#[pymethods]
impl LockFree {
    /// Add an item at the end if there is room; does not block.
    ///
    /// Constant time (amortised, where the queue grows).
    ///
    /// Raises:
    ///     MaxCapacityReached: There is no room; also a Full. While another thread is taking, also if that
    ///         thread has made room for less than an eighth of the capacity.
    ///     ShutDown: The queue was closed.
    ///     ResizeError: There is no memory to grow; also a MemoryError.
    ///     InvalidOperation: The queue is for one producer, and another thread is putting in. Nothing
    ///         happened.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.try_enqueue("a")
    ///     >>> len(queue)
    ///     1
    fn try_enqueue(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        put(slf, item, Patience::None)
    }

    /// Take the oldest item, or give `default` if there is none; does not block.
    ///
    /// Constant time.
    ///
    /// Raises:
    ///     ShutDown: There is none, and the queue was closed.
    ///     InvalidOperation: The queue is for one consumer, and another thread is taking. Nothing happened.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.try_enqueue("a")
    ///     >>> queue.try_dequeue(), queue.try_dequeue(), queue.try_dequeue("nothing")
    ///     ('a', None, 'nothing')
    #[pyo3(signature = (default=None))]
    fn try_dequeue(slf: &Bound<'_, Self>, default: Option<Item>) -> PyResult<Option<Item>> {
        match store(slf).take(slf.py()) {
            Ok(item) => Ok(Some(item)),
            Err(BufferError::Empty) => Ok(default),
            Err(error) => Err(store(slf).error(slf.py(), &error)),
        }
    }

    /// Add an item, and wait for room if need be.
    ///
    /// Waiting releases the interpreter and takes no processor time. In the main thread a signal (Ctrl-C)
    /// ends it at once: what the handler raises ends the call, which has added nothing then. (An exception
    /// that is raised after the call has returned looks the same, and then the item is in the queue.) In a
    /// coroutine use `aput`.
    ///
    /// Args:
    ///     item: Anything.
    ///     block: Whether to wait for room.
    ///     timeout: Seconds to wait at the most, not negative; None: for ever. Not looked at without `block`.
    ///
    /// Raises:
    ///     Full: There is no room, or none in time.
    ///     ShutDown: The queue was closed, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     InvalidOperation: Without `block`: the queue is for one producer, and another thread is putting
    ///         in. A call that waits tries again instead.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue(initial_capacity=1, min_capacity=1, max_capacity=1)
    ///     >>> queue.put("a")
    ///     >>> queue.put("b", timeout=0.01)
    ///     Traceback (most recent call last):
    ///     elasticq.MaxCapacityReached: the queue is full: max_capacity = 1
    #[pyo3(signature = (item, block=Truth(true), timeout=None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(slf: &Bound<'_, Self>, item: Item, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        put(slf, item, Patience::new(block, timeout)?)
    }

    /// Take the oldest item, and wait for one if need be.
    ///
    /// Waits as `put` does; what a signal handler raises ends the call before it has taken anything. In a
    /// coroutine use `aget`. A thread that waits is not yet taking. So several threads may wait at a queue
    /// for one consumer, and each item goes to one of them. A thread that finds another one taking at that
    /// very moment tries again.
    ///
    /// Args:
    ///     block: Whether to wait for an item.
    ///     timeout: Seconds to wait at the most, not negative; None: for ever. Not looked at without `block`.
    ///
    /// Raises:
    ///     Empty: There is none, or none in time.
    ///     ShutDown: There is none, and the queue was closed, before or meanwhile.
    ///     InvalidOperation: Without `block`: the queue is for one consumer, and another thread is taking.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.put("a")
    ///     >>> queue.get()
    ///     'a'
    #[pyo3(signature = (block=Truth(true), timeout=None), text_signature = "($self, block=True, timeout=None)")]
    fn get(slf: &Bound<'_, Self>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        let patience = Patience::new(block, timeout)?;
        store(slf).get(slf.py(), patience)?.map_err(|error| store(slf).error(slf.py(), &error))
    }

    /// Add all items of an iterable next to each other, or none; does not block.
    ///
    /// The iterable is run to its end first; if it raises, nothing is added.
    ///
    /// Raises:
    ///     MaxCapacityReached: The queue is full, or the items are more than it can ever hold; also a Full.
    ///         This exception and the others here have the list of the items as `remaining`.
    ///     Full: There is room, but not for all.
    ///     ShutDown: The queue was closed.
    ///     ResizeError: There is no memory to grow.
    ///     InvalidOperation: The queue is for one producer, and another thread is putting in.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.enqueue_batch(["a", "b", "c"])
    ///     >>> list(queue)
    ///     ['a', 'b', 'c']
    fn enqueue_batch(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let added = store(slf).entrance().put_many(slf.py(), items, Patience::None)?;
        added.map_err(|refused| refused.into_exception(slf.py(), store(slf).words))
    }

    /// Take up to `max_items` (not negative) of the items that are there now, oldest first. Gives a list,
    /// which is empty if there are none. Does not block.
    ///
    /// Raises:
    ///     ShutDown: There are none, and the queue was closed.
    ///     InvalidOperation: The queue is for one consumer, and another thread is taking.
    ///     ValueError: `max_items` is negative.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.enqueue_batch("abc")
    ///     >>> queue.dequeue_batch(2), queue.dequeue_batch(2), queue.dequeue_batch(2)
    ///     (['a', 'b'], ['c'], [])
    fn dequeue_batch<'py>(slf: &Bound<'py, Self>, max_items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let max = numbers::count("max_items", max_items, 0)?;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        match store(slf).get_many(py, max, Patience::None)? {
            Ok(items) => Ok(items),
            Err(BufferError::Empty) => Ok(PyList::empty(py)),
            Err(error) => Err(store(slf).error(py, &error)),
        }
    }

    /// Drop what is inside, and give the number of items dropped (int). Linear in that number; does not
    /// block.
    ///
    /// Raises:
    ///     InvalidOperation: The queue is for one consumer, and another thread is taking.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.enqueue_batch("abc")
    ///     >>> queue.clear()
    ///     3
    fn clear(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Ok(store(slf).discard(slf.py())?.len())
    }

    /// Refuse items from now on and wake all waiters. What is inside can still be taken.
    ///
    /// Example:
    ///     >>> queue = LockFreeMPSCQueue()
    ///     >>> queue.close()
    ///     >>> queue.try_enqueue("late")
    ///     Traceback (most recent call last):
    ///     elasticq.ShutDown: the queue is closed
    fn close(slf: &Bound<'_, Self>) {
        store(slf).close(slf.py());
    }

    /// Whether the queue was closed (bool).
    #[getter]
    fn is_closed(slf: &Bound<'_, Self>) -> bool {
        store(slf).buffer.is_closed()
    }

    /// The capacity that the queue never grows beyond (int).
    #[getter]
    fn max_capacity(slf: &Bound<'_, Self>) -> usize {
        store(slf).buffer.max_capacity()
    }
}

fn put(slf: &Bound<'_, LockFree>, item: Item, patience: Patience) -> PyResult<()> {
    store(slf).entrance().put(slf.py(), item, patience)?.map_err(|error| store(slf).error(slf.py(), &error))
}
