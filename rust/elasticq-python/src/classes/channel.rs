//! `BufferChannel`: the crate's channel, for threads and tasks, over a buffer with a lock.

use super::computed;
use super::config::Config;
use crate::arguments::numbers::{self, Truth};
use crate::arguments::patience::Patience;
use crate::arguments::settings::{Settings, WITHOUT_TIMEOUTS, before_init, smallest};
use crate::errors::{self, Words};
use crate::quick::awaitable::awaitable;
use crate::quick::calls;
use crate::quick::method;
use crate::quick::operation::{Aim, Operation};
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use crate::store::Store;
use crate::store::entrance;
use crate::store::items::Items;
use crate::store::object::Elastic;
use elasticq::DynamicCircularBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

calls::entries!(BufferChannel: "send" => add, "try_send" => add, "recv" => take, "try_recv" => take);

/// Finishes the class.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<BufferChannel>();
    computed::give_way(&class, &[])?;
    method::install(py, &class, &["asend", "arecv", "asend_many", "arecv_many"])?;
    give_entries(py)
}

/// A channel: sending waits for room, receiving for an item.
#[pyclass(frozen, subclass, extends = Elastic, module = "elasticq._core")]
pub struct BufferChannel;

#[pymethods]
impl BufferChannel {
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
        let items = DynamicCircularBuffer::with_lock(before_init()).map(Items::from);
        Ok(PyClassInitializer::from(Elastic::new(py, Words::Channel, items)?).add_subclass(Self))
    }

    /// Begins with these settings.
    #[pyo3(signature = (config=None, **settings))]
    fn __init__(
        slf: &Bound<'_, Self>,
        config: Option<&Bound<'_, Config>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let settings = Settings::new("BufferChannel.__init__", WITHOUT_TIMEOUTS, settings)?;
        let config = match config {
            None => settings.fitting(smallest().with_max_capacity(elasticq::Config::default().max_capacity))?,
            config => settings.over(Config::or_default(config))?,
        };
        slf.as_super().get().begin(slf.py(), DynamicCircularBuffer::with_lock(config).map(Items::from))
    }

    /// Send an item, and wait for room if need be.
    ///
    /// Constant time (amortised, where the channel grows). Waiting releases the interpreter and takes no
    /// processor time. In the main thread a signal (Ctrl-C) ends it at once: what the handler raises ends the
    /// call, which has sent nothing then. Safe from any thread; in a coroutine use `asend`.
    ///
    /// Args:
    ///     item: Anything.
    ///     timeout: Seconds to wait at the most, not negative; None: for ever.
    ///
    /// Raises:
    ///     Full: There was no room in time.
    ///     ShutDown: The channel was closed, before or meanwhile.
    ///     ResizeError: There is no memory to grow; also a MemoryError.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send("a")
    ///     >>> channel.recv()
    ///     'a'
    #[pyo3(signature = (item, timeout=None))]
    fn send(slf: &Bound<'_, Self>, item: Item, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        send(slf, item, Patience::new(Truth(true), timeout)?)
    }

    /// Send an item if there is room; does not block.
    ///
    /// Raises:
    ///     MaxCapacityReached: There is no room; also a Full.
    ///     ShutDown: The channel was closed.
    ///     ResizeError: There is no memory to grow.
    ///
    /// Example:
    ///     >>> channel = BufferChannel(max_capacity=1)
    ///     >>> channel.try_send("a")
    ///     >>> channel.try_send("b")
    ///     Traceback (most recent call last):
    ///     elasticq.MaxCapacityReached: the channel is full: max_capacity = 1
    fn try_send(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        send(slf, item, Patience::None)
    }

    /// Send all items of an iterable in order, piece by piece as room comes.
    ///
    /// Much cheaper than a `send` for each. The iterable is run to its end first; if it raises, nothing is
    /// sent. If the call is cut short, what was sent stays sent, and the exception has the list of the other
    /// items as `remaining`.
    ///
    /// Args:
    ///     items: The items.
    ///     timeout: Seconds to wait for room at the most, in all, not negative; None: for ever.
    ///
    /// Raises:
    ///     Full: There was not enough room in time.
    ///     ShutDown: The channel was closed, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     TypeError: `items` is not iterable.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send_many("abc")
    ///     >>> len(channel)
    ///     3
    #[pyo3(signature = (items, timeout=None))]
    fn send_many(slf: &Bound<'_, Self>, items: &Bound<'_, PyAny>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let patience = Patience::new(Truth(true), timeout)?;
        let sent = store(slf).entrance().put_many(slf.py(), items, patience)?;
        sent.map_err(|refused| refused.into_exception(slf.py(), Words::Channel))
    }

    /// Receive the oldest item, and wait for one if need be.
    ///
    /// Constant time. Waits as `send` does; what a signal handler raises ends the call before it has received
    /// anything. Safe from any thread; each item goes to one receiver. In a coroutine use `arecv`.
    ///
    /// Args:
    ///     timeout: Seconds to wait at the most, not negative; None: for ever.
    ///
    /// Raises:
    ///     Empty: No item came in time.
    ///     ShutDown: There is none, and the channel was closed, before or meanwhile.
    ///     ValueError: `timeout` is negative.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send("a")
    ///     >>> channel.recv(timeout=1)
    ///     'a'
    #[pyo3(signature = (timeout=None))]
    fn recv(slf: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        recv(slf, Patience::new(Truth(true), timeout)?)
    }

    /// Receive the oldest item if there is one; does not block.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     ShutDown: There is none, and the channel was closed.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send("a")
    ///     >>> channel.try_recv()
    ///     'a'
    fn try_recv(slf: &Bound<'_, Self>) -> PyResult<Item> {
        recv(slf, Patience::None)
    }

    /// Receive up to `max_items` items, oldest first. Gives a list of at least one item.
    ///
    /// Waits for the first item if need be, then takes what is there. Much cheaper than a `recv` for each.
    ///
    /// Args:
    ///     max_items: The most items to receive, at least 1; None: all that there are.
    ///     timeout: Seconds to wait for the first at the most, not negative; None: for ever.
    ///
    /// Raises:
    ///     Empty: No item came in time.
    ///     ShutDown: There is none, and the channel was closed, before or meanwhile.
    ///     ValueError: `max_items` is below 1, or `timeout` is negative.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send_many("abc")
    ///     >>> channel.recv_many(2), channel.recv_many()
    ///     (['a', 'b'], ['c'])
    #[pyo3(signature = (max_items=None, timeout=None))]
    fn recv_many<'py>(
        slf: &Bound<'py, Self>,
        max_items: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let max = most(max_items)?;
        let taken = store(slf).get_many(slf.py(), max, Patience::new(Truth(true), timeout)?)?;
        taken.map_err(|error| errors::in_words(slf.py(), Words::Channel, &error))
    }

    /// Send an item in a coroutine, and wait for room if need be. As `aput`, which is another name for it.
    ///
    /// A task that is cancelled has sent nothing.
    ///
    /// Raises:
    ///     ShutDown: The channel was closed, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> channel = BufferChannel()
    ///     >>> async def main():
    ///     ...     await channel.asend("a")
    ///     >>> asyncio.run(main())
    ///     >>> channel.recv()
    ///     'a'
    fn asend<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<Item> {
        awaitable(slf.as_super().clone(), Some(item), false, false)
    }

    /// Receive the oldest item in a coroutine, and wait for one if need be. As `aget`, which is another name
    /// for it.
    ///
    /// A task that is cancelled has received nothing.
    ///
    /// Raises:
    ///     ShutDown: There is none, and the channel was closed, before or meanwhile.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send("from a thread")
    ///     >>> asyncio.run(channel.arecv())
    ///     'from a thread'
    fn arecv(slf: &Bound<'_, Self>) -> PyResult<Item> {
        awaitable(slf.as_super().clone(), None, false, false)
    }

    /// Send all items of an iterable in a coroutine, in order, and wait for room if need be. As `aput_many`.
    ///
    /// If it is cut short, what was sent stays sent, and the exception has the list of the other items as
    /// `remaining`.
    ///
    /// Raises:
    ///     ShutDown: The channel was closed, before or meanwhile.
    ///     ResizeError: There is no memory to grow.
    ///     TypeError: `items` is not iterable. At the call.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> channel = BufferChannel()
    ///     >>> async def main():
    ///     ...     await channel.asend_many("abc")
    ///     >>> asyncio.run(main())
    ///     >>> channel.recv_many()
    ///     ['a', 'b', 'c']
    fn asend_many(slf: Bound<'_, Self>, items: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let items = entrance::collect(items)?.into_iter();
        Ok(Operation::new(slf.into_super().unbind(), Aim::PutMany(items), None))
    }

    /// Receive up to `max_items` items in a coroutine, oldest first. Gives a list of at least one item. As
    /// `aget_many`.
    ///
    /// A task that is cancelled has received nothing.
    ///
    /// Raises:
    ///     ShutDown: There is none, and the channel was closed, before or meanwhile.
    ///     ValueError: `max_items` is below 1. At the call.
    ///
    /// Example:
    ///     >>> import asyncio
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send_many("abc")
    ///     >>> async def main():
    ///     ...     return await channel.arecv_many(2), await channel.arecv_many()
    ///     >>> asyncio.run(main())
    ///     (['a', 'b'], ['c'])
    #[pyo3(signature = (max_items=None))]
    fn arecv_many(slf: Bound<'_, Self>, max_items: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        Ok(Operation::new(slf.clone().into_super().unbind(), Aim::GetMany(most(max_items)?), None))
    }

    /// Drop what is inside, and give the number of items dropped (int). Linear in that number; does not
    /// block.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send_many("abc")
    ///     >>> channel.clear()
    ///     3
    fn clear(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Ok(store(slf).discard(slf.py())?.len())
    }

    /// Refuse items from now on and wake all waiters. What is inside can still be received; after that,
    /// receiving raises ShutDown and iteration ends. Doing it twice is no error. Does not block.
    ///
    /// Example:
    ///     >>> channel = BufferChannel()
    ///     >>> channel.send("last")
    ///     >>> channel.close()
    ///     >>> list(channel.consume())
    ///     ['last']
    fn close(slf: &Bound<'_, Self>) {
        store(slf).close(slf.py());
    }

    /// Whether the channel was closed (bool).
    #[getter]
    fn is_closed(slf: &Bound<'_, Self>) -> bool {
        store(slf).buffer.is_closed()
    }

    /// Tell whether there is no item now. Constant time; does not block.
    fn is_empty(slf: &Bound<'_, Self>) -> bool {
        store(slf).buffer.is_empty()
    }

    /// The capacity that the channel never grows beyond (int).
    #[getter]
    fn max_capacity(slf: &Bound<'_, Self>) -> usize {
        store(slf).buffer.max_capacity()
    }

    /// A channel is always true, also an empty one.
    const fn __bool__(&self) -> bool {
        true
    }

    const fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Closes the channel.
    fn __exit__(
        slf: &Bound<'_, Self>,
        _raised: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        stop_at_the_end();
        store(slf).close(slf.py());
    }
}

fn store<'a>(slf: &'a Bound<'_, BufferChannel>) -> &'a Store {
    slf.as_super().get().store()
}

fn most(max_items: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    max_items.map_or(Ok(usize::MAX), |max| numbers::count("max_items", max, 1))
}

fn send(slf: &Bound<'_, BufferChannel>, item: Item, patience: Patience) -> PyResult<()> {
    let sent = store(slf).entrance().put(slf.py(), item, patience)?;
    sent.map_err(|error| errors::in_words(slf.py(), Words::Channel, &error))
}

fn recv(slf: &Bound<'_, BufferChannel>, patience: Patience) -> PyResult<Item> {
    let taken = store(slf).get(slf.py(), patience)?;
    taken.map_err(|error| errors::in_words(slf.py(), Words::Channel, &error))
}
