//! The methods of `Elastic`, which all queues share in Python: sizes, looking, taking everything, and the
//! methods for coroutines.

use super::computed;
use super::consumer::{AsyncConsumer, Consumer};
use super::stats::QueueStats;
use super::waiters::Waiters;
use crate::arguments::numbers::{self, Truth};
use crate::quick::awaitable::awaitable;
use crate::quick::calls;
use crate::quick::method;
use crate::quick::operation::{Aim, Operation};
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use crate::standard::timeouts;
use crate::store::Waiting;
use crate::store::entrance;
use crate::store::moved::moved;
use crate::store::no_room;
use crate::store::object::{self, Elastic};
use crate::store::summary;
use crate::store::waiters;
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

calls::entries!(Elastic: "_poll" => take_or);

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Elastic>();
    computed::give_way(&class, &[])?;
    method::install(py, &class, &["aget", "aput", "aget_many", "aput_many", "apeek"])?;
    give_entries(py)
}

#[pymethods]
impl Elastic {
    /// How much is inside, the limits and who waits; never the items. Waits for no lock: "busy" stands for
    /// the number of items if another thread is at work in the queue at this moment.
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        summary::repr(slf)
    }

    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        object::len(slf)
    }

    /// Look at the items, oldest first, as they stand at this moment; none is taken.
    ///
    /// Linear in the number of items. Their references are copied at once, so later changes of the queue
    /// don't show. Safe from any thread and task. Does not block; in the queues without locks, consumers wait
    /// meanwhile.
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        match moved!(slf, slf.get().store(), "snapshot") {
            Some(items) => items?.try_iter(),
            None => slf.get().store().snapshot(slf.py())?.try_iter(),
        }
    }

    /// How many items fit before the queue grows (int). It follows the use: up on demand, down after a burst.
    /// If the queue has moved to the standard locks, it is `maxsize`, or the number of items if there is no
    /// limit.
    #[getter]
    fn capacity(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let (.., capacity) = match counts(slf) {
            Some(counts) => counts?,
            None => return Ok(slf.get().store().buffer.capacity()),
        };
        Ok(capacity)
    }

    /// Whether the queue was shut down (bool).
    #[getter]
    fn is_shutdown(slf: &Bound<'_, Self>) -> PyResult<bool> {
        object::is_shutdown(slf)
    }

    /// Give the next item, which stays in the queue, and wait for one only if told to.
    ///
    /// Constant time. Waiting is as in `Queue.get`. The item may be taken by others at any time. A thread or
    /// task that waits to take an item gets it, however many wait to look at it. Safe from any thread; in a
    /// coroutine use `apeek` to wait.
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
    ///     >>> queue.put(1)
    ///     >>> queue.peek(), len(queue)
    ///     (1, 1)
    #[pyo3(signature = (block=Truth(false), timeout=None), text_signature = "($self, block=False, timeout=None)")]
    fn peek(slf: &Bound<'_, Self>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        let (py, store) = (slf.py(), slf.get().store());
        let patience = timeouts::to_get(slf, block, timeout)?;
        store.peek_waiting(py, patience)?.or_else(|error| {
            if !matches!(error, BufferError::Closed) {
                return Err(store.error(py, &error));
            }
            let (block, timeout) = patience.left();
            store.instead(py, &error, moved!(slf, store, "peek", block, timeout))
        })
    }

    /// Give the next item in a coroutine, and wait for one if need be. The item stays in the queue.
    ///
    /// As with `aget`, nothing happens before the coroutine is awaited, and a task that is cancelled leaves
    /// everything as it was. The item may be taken by others at any time.
    ///
    /// Raises:
    ///     ShutDown: There is none, and the queue was shut down, before or meanwhile.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = Queue()
    ///     ...     looker = asyncio.create_task(queue.apeek())
    ///     ...     await queue.aput("a")
    ///     ...     return await looker, len(queue)
    ///     >>> asyncio.run(main())
    ///     ('a', 1)
    fn apeek(slf: &Bound<'_, Self>) -> Operation {
        Operation::new(slf.clone().unbind(), Aim::Peek, None)
    }

    /// Take everything. Gives a list, oldest first, which may be empty. The capacity returns to its minimum.
    ///
    /// Linear in the number of items; does not block; safe from any thread and task. For `join`, each item
    /// counts as taken and needs its `task_done`.
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
        match moved!(slf, slf.get().store(), "drain") {
            Some(items) => Ok(items?.cast_into()?),
            None => PyList::new(slf.py(), slf.get().store().drain(slf.py())?),
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
        stats_of(slf).map(Into::into)
    }

    /// Tell who waits at the queue's ends, threads and tasks, and how long the longest has waited: for a
    /// program that hangs.
    ///
    /// Linear in the number of event loops and of those that wait. Waits for nobody; safe from any thread
    /// and task, and from a signal handler.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.waiters()
    ///     Waiters(item=Waiting(threads=0, tasks=0, longest=None), room=Waiting(threads=0, tasks=0, longest=None))
    fn waiters(slf: &Bound<'_, Self>) -> PyResult<Waiters> {
        waiters::of(slf).map(|(item, room)| Waiters::new(item, room))
    }

    /// Give an iterator that takes items: it blocks for each item, and ends once the queue is shut down and
    /// empty.
    ///
    /// Any number of threads may consume one queue; each item goes to one of them. If a subclass of Queue
    /// overrides `get`, each item comes from that method.
    ///
    /// Example:
    ///     >>> queue = Queue()
    ///     >>> queue.put_many("ab")
    ///     >>> queue.shutdown()
    ///     >>> list(queue.consume())
    ///     ['a', 'b']
    fn consume(slf: Py<Self>) -> Consumer {
        Consumer::new(slf)
    }

    /// Take the oldest item in a coroutine, and wait for one if need be.
    ///
    /// Nothing happens before the coroutine is awaited. Then it takes an item that is there without
    /// suspending; otherwise it waits, and blocks nothing. In each event loop tasks are woken in the order in
    /// which they began to wait. An item wakes the first task of every loop; one of these gets it, and the
    /// others keep their places. So the item goes to a task that can come, even if other loops are busy or
    /// stopped. A task that is cancelled has taken nothing. In a queue whose ends are for one thread each, a
    /// task that finds a thread at work at its end tries again; so do tasks in `aput` and in the batches.
    ///
    /// A task that always finds what it wants gives its event loop a turn all the same: at the latest with
    /// the 64th call of a queue (for batches, the eighth) that comes a millisecond or more after the last
    /// such turn. The task has taken nothing then.
    ///
    /// The queue keeps a task that waits alive as long as its event loop isn't closed.
    ///
    /// Returns:
    ///     A coroutine to all code that asks (`inspect.iscoroutine`, `inspect.getcoroutinestate`), also good
    ///     for `asyncio.create_task` and `asyncio.wait_for`. Dropping it without awaiting it gives a warning,
    ///     as with `async def`; `cr_origin` is always None.
    ///
    /// Raises:
    ///     ShutDown: There is none, and the queue was shut down, before or meanwhile.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = Queue()
    ///     ...     getter = asyncio.create_task(queue.aget())
    ///     ...     await queue.aput("a")
    ///     ...     return await getter
    ///     >>> asyncio.run(main())
    ///     'a'
    fn aget(slf: &Bound<'_, Self>) -> PyResult<Item> {
        awaitable(slf.clone(), None, false, false)
    }

    /// Add an item in a coroutine, and wait for room if need be, unless the queue's `overflow` says
    /// otherwise.
    ///
    /// As with `aget`, a task that is cancelled has added nothing.
    ///
    /// Raises:
    ///     Full: There is no room, and the queue's `overflow` is "error".
    ///     ShutDown: The queue was shut down, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     ValueError: The item is heavier than the queue's `max_weight`, or its weight is negative.
    ///     TypeError: The item's weight is no integer.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> queue = Queue()
    ///     >>> async def main():
    ///     ...     await queue.aput("a")
    ///     >>> asyncio.run(main())
    ///     >>> queue.get()
    ///     'a'
    fn aput<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<Item> {
        awaitable(slf.clone(), Some(item), false, false)
    }

    /// Take up to `n` items in a coroutine, oldest first. Gives a list of at least one item.
    ///
    /// Waits for the first item if need be, then takes what is there. Much cheaper than `n` calls of `aget`.
    /// A task that is cancelled has taken nothing.
    ///
    /// Args:
    ///     n: The most items to take, at least 1; None: all that there are.
    ///
    /// Raises:
    ///     ShutDown: There is none, and the queue was shut down, before or meanwhile.
    ///     ValueError: `n` is below 1. At the call.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = Queue()
    ///     ...     await queue.aput_many("abc")
    ///     ...     return await queue.aget_many(2), await queue.aget_many()
    ///     >>> asyncio.run(main())
    ///     (['a', 'b'], ['c'])
    #[pyo3(signature = (n=None))]
    fn aget_many(slf: Py<Self>, n: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let max = n.map_or(Ok(usize::MAX), |n| numbers::count("n", n, 1))?;
        Ok(Operation::new(slf, Aim::GetMany(max), None))
    }

    /// Add all items of an iterable in a coroutine, in order, and wait for room if need be.
    ///
    /// The items go in piece by piece as room comes, so they may be more than fit at a time. If there is room
    /// for all, they go in at once. The iterable is run to its end at the call; if it raises, nothing is
    /// added.
    ///
    /// With an `overflow` other than "block" this does at once what `put_many` does. With `max_weight` all
    /// items are weighed first, and if that fails for one of them, none is added. A batch that waits for room
    /// keeps its place in line until all of it is in.
    ///
    /// If the batch is cut short, **what is in stays in**. Each exception that cuts it short, CancelledError
    /// included, has the list of the items that were not added as `remaining`. That is the exception seen by
    /// the coroutine that awaits this. Code that awaits a cancelled task gets another CancelledError. From
    /// `asyncio.timeout` and `wait_for` the exception is the `__cause__` of the TimeoutError.
    ///
    /// Args:
    ///     items: The items.
    ///
    /// Raises:
    ///     Full: There is not enough room, and the queue's `overflow` is "error".
    ///     ShutDown: The queue was shut down, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     ValueError: An item has a weight that is negative or above `max_weight`.
    ///     TypeError: `items` is not iterable, at the call; or an item's weight is no integer.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = Queue(maxsize=2)
    ///     ...     asyncio.get_running_loop().call_soon(queue.shutdown)
    ///     ...     try:
    ///     ...         await queue.aput_many([1, 2, 3])
    ///     ...     except ShutDown as shut_down:
    ///     ...         return list(queue), shut_down.remaining
    ///     >>> asyncio.run(main())
    ///     ([1, 2], [3])
    fn aput_many(slf: Py<Self>, items: &Bound<'_, PyAny>) -> PyResult<Operation> {
        Ok(Operation::new(slf, Aim::PutMany(entrance::collect(items)?.into_iter()), None))
    }

    /// Take item by item, waiting for each, until the queue is shut down and empty.
    const fn __aiter__(slf: Py<Self>) -> AsyncConsumer {
        AsyncConsumer::new(slf)
    }

    /// Takes the oldest item, or returns `default` if there is none. Raises ShutDown once there never will be
    /// one.
    fn _poll(slf: &Bound<'_, Self>, default: Item) -> PyResult<Item> {
        match slf.get().store().take(slf.py()) {
            Ok(item) => Ok(item),
            Err(BufferError::Empty) => Ok(default),
            Err(error) => slf.get().store().instead(slf.py(), &error, moved!(slf, slf.get().store(), "poll", default)),
        }
    }

    /// Adds an item if there is room, or does at once what the queue's policy says. True: it has done so;
    /// false: there is no room. Raises what `put_nowait` raises, except for a lack of room.
    fn _offer(slf: &Bound<'_, Self>, item: Item) -> PyResult<bool> {
        let py = slf.py();
        let store = slf.get().store();
        let Err(rejected) = store.offer(py, item) else { return Ok(true) };
        if no_room::decides(store) {
            let put = no_room::offer(slf, rejected)?;
            return put.map_or(Ok(true), |mut put| put.offer(py, store));
        }
        let (reason, item) = rejected.into_parts();
        if reason.is_capacity_error() {
            return Ok(false);
        }
        if let Some(offered) = moved!(slf, store, "offer", item) {
            return offered?.extract();
        }
        store.buffer.refused(&reason, 1);
        Err(store.error(py, &reason))
    }

    /// Wakes up to `count` tasks that wait for an item, and as many threads that select.
    fn _wake_getters(slf: &Bound<'_, Self>, count: usize) {
        slf.get().store().wake_tasks(slf.py(), Waiting::Item, count);
        object::tell_selectors(slf, count);
    }

    /// Wakes up to `count` tasks that wait for room.
    fn _wake_putters(&self, py: Python<'_>, count: usize) {
        self.store().wake_tasks(py, Waiting::Room, count);
    }

    /// Wakes up to `count` tasks that wait until everything is done.
    fn _wake_joiners(&self, py: Python<'_>, count: usize) {
        self.store().wake_tasks(py, Waiting::TasksDone, count);
    }

    /// `ajoin`, for a class in which it has another name.
    fn _ajoin(slf: Py<Self>) -> Operation {
        Operation::new(slf, Aim::Join, None)
    }

    /// `copy` and `pickle` ask for this. A subclass that knows what its copies should be defines its own.
    fn __getstate__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "cannot pickle '{}' object, nor copy it: it is where threads and tasks of one process meet, and a copy \
             would be another place; share the queue itself, copy its items with list(queue), or use \
             multiprocessing.Queue between processes",
            slf.get_type().name()?
        )))
    }

    /// Protocols 0 and 1 don't ask for a state first, so they are treated as protocol 2.
    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, protocol: i32) -> PyResult<Bound<'py, PyAny>> {
        stop_at_the_end();
        slf.py().get_type::<PyAny>().call_method1("__reduce_ex__", (slf, protocol.max(2)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }

    fn __clear__(&self) {
        self.clear_references();
    }
}

/// The numbers of items ever added, of these dropped, refused since the queue moved, and here now; and how
/// many fit.
type Counts = (u64, u64, u64, usize, usize);

/// The counters of a queue, wherever it is by now. If it has moved, this waits for its lock.
pub fn stats_of(queue: &Bound<'_, Elastic>) -> PyResult<elasticq::QueueStats> {
    completed(queue.get().store().buffer.stats(), counts(queue))
}

/// The same, but if it has moved this waits only a moment. An error: another thread has the lock.
pub fn stats_soon(queue: &Bound<'_, Elastic>) -> PyResult<elasticq::QueueStats> {
    let counts = moved!(queue, queue.get().store(), "counts_soon").map(|counts| counts?.extract());
    completed(queue.get().store().buffer.stats(), counts)
}

fn completed(mut stats: elasticq::QueueStats, counts: Option<PyResult<Counts>>) -> PyResult<elasticq::QueueStats> {
    if let Some(counts) = counts {
        let (added, dropped, refused, size, capacity) = counts?;
        stats.messages_enqueued = added;
        stats.messages_dequeued = added.saturating_sub(dropped).saturating_sub(size as u64);
        stats.messages_dropped = dropped;
        stats.messages_refused += refused;
        stats.current_size = size;
        stats.current_capacity = capacity;
        stats.peak_size = None;
    }
    Ok(stats)
}

/// Of a queue that has moved.
fn counts(slf: &Bound<'_, Elastic>) -> Option<PyResult<Counts>> {
    moved!(slf, slf.get().store(), "counts").map(|counts| counts?.extract())
}
