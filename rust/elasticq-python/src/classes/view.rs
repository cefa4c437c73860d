//! The methods of `TaskView`: those of `asyncio.Queue` that are awaited.

use crate::quick::awaitable::awaitable;
use crate::quick::method;
use crate::quick::operation::{Aim, Operation};
use crate::raw::Item;
use crate::store::object::Elastic;
use crate::store::view::{Shown, View};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    method::install(py, &py.get_type::<View>(), &["put", "get", "join"])
}

#[pymethods]
impl View {
    /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// Settles which compiled queue this shows.
    fn _show(&self, queue: Bound<'_, PyAny>) -> PyResult<()> {
        let py = queue.py();
        let shown = match queue.cast_into::<Elastic>() {
            Ok(queue) => Shown::Memory(queue.unbind()),
            Err(other) => Shown::Files(other.into_inner().unbind()),
        };
        self.show(py, shown)
    }

    /// The compiled queue that this shows.
    fn __elasticq__(&self, py: Python<'_>) -> PyResult<Item> {
        match self.shown() {
            Some(Shown::Files(queue)) => Ok(queue.clone_ref(py)),
            _ => Ok(self.elastic(py)?.clone_ref(py).into_any()),
        }
    }

    /// Put an item, and wait for room if need be: `Queue.aput`.
    ///
    /// Nothing happens before the coroutine is awaited. A task that is cancelled has put nothing. Any number
    /// of event loops and threads may use the queue at once.
    ///
    /// Raises:
    ///     Full: There is no room, and the queue's `overflow` is "error". It is also an asyncio.QueueFull.
    ///     ShutDown: The queue was shut down, before or meanwhile.
    ///     ValueError: The item is heavier than the queue's `max_weight`, or its weight is negative.
    ///     TypeError: The item's weight is not an integer.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = AsyncQueue(maxsize=1)
    ///     ...     await queue.put("a")
    ///     ...     return queue.full()
    ///     >>> asyncio.run(main())
    ///     True
    fn put<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<Item> {
        awaitable(slf.get().elastic(slf.py())?.bind(slf.py()).clone(), Some(item), true, false)
    }

    /// Take the next item, and wait for one if need be: `Queue.aget`.
    ///
    /// Nothing happens before the coroutine is awaited. A task that is cancelled has taken nothing. Any
    /// number of event loops and threads may use the queue at once.
    ///
    /// Raises:
    ///     ShutDown: There is no item, and the queue was shut down, before or meanwhile.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = AsyncQueue()
    ///     ...     getter = asyncio.create_task(queue.get())
    ///     ...     await queue.put("a")
    ///     ...     return await getter
    ///     >>> asyncio.run(main())
    ///     'a'
    fn get(slf: &Bound<'_, Self>) -> PyResult<Item> {
        awaitable(slf.get().elastic(slf.py())?.bind(slf.py()).clone(), None, true, false)
    }

    /// Wait until every item that was put has been taken, and reported with `task_done`: `Queue.ajoin`.
    ///
    /// Any thread or task may report the last item. If the coroutine is cancelled, nothing is left behind.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> async def main():
    ///     ...     queue = AsyncQueue()
    ///     ...     await queue.put("a")
    ///     ...     await queue.get()
    ///     ...     queue.task_done()
    ///     ...     await queue.join()
    ///     >>> asyncio.run(main())
    fn join(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        let queue = slf.get().elastic(slf.py())?.clone_ref(slf.py());
        Ok(Operation::new(queue, Aim::Join, None))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }
}
