//! `Persistent`: what `PersistentCircularBuffer` does in Rust: a queue in files.

use super::lease::{self, ttl_of};
use super::look::Look;
use super::persistent_settings::{Settings, in_words, numbers_of, or_none};
use super::persistent_stats::{DeadLetter, PersistentStats};
use super::sync_mode::{SyncMode, mode_of};
use super::waiters::Waiters;
use crate::arguments::numbers::{self, Truth};
use crate::arguments::patience::{Patience, Timeouts, waited};
use crate::arguments::settings::timeout_of;
use crate::codec::Codec;
use crate::durable::options::{Limits, options};
use crate::durable::{Durable, tasks};
use crate::errors;
use crate::raw::Item;
use crate::raw::detach::{detached, drop_detached, stop_at_the_end};
use crate::store::last::{Last, Lasting};
use crate::waiting::pending::Pending;
use elasticq::{BufferError, BufferResult, Parts};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A first-in, first-out queue in files, for any number of producers and consumers.
#[pyclass(frozen, subclass, weakref, generic, module = "elasticq._core")]
pub struct Persistent {
    durable: OnceLock<Arc<Durable>>,
    settings: OnceLock<Settings>,
    timeouts: Timeouts,
    lasting: Lasting,
}

impl Persistent {
    pub fn durable(&self, py: Python<'_>) -> PyResult<&Arc<Durable>> {
        stop_at_the_end(); // the codec may run Python code
        self.durable.get().ok_or_else(|| {
            let text = "the queue was not opened: its __init__ was not called, or has failed";
            errors::to_python(py, &BufferError::InvalidOperation(text.into()))
        })
    }

    /// Where its counters will be when it is closed.
    pub fn last(&self) -> Arc<Last> {
        self.lasting.wanted()
    }

    pub fn settings(&self, py: Python<'_>) -> PyResult<&Settings> {
        self.durable(py)?;
        Ok(self.settings.get().expect("set before the queue is opened"))
    }

    fn raised<T>(py: Python<'_>, result: BufferResult<T>) -> PyResult<T> {
        result.map_err(|error| Durable::error(py, &error))
    }
}

#[pymethods]
impl Persistent {
    /// Looks at no argument, since subclasses have arguments of their own; `__init__` looks at them.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            durable: OnceLock::new(),
            settings: OnceLock::new(),
            timeouts: Timeouts::default(),
            lasting: Lasting::default(),
        }
    }

    /// Opens the queue.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (path, sync_mode=None, codec="plain", *, maxsize=None, max_bytes=None, max_log_entries=None,
                        segment_bytes=None, id_window=None, max_deliveries=None, push_timeout=None, pop_timeout=None))]
    fn __init__(
        &self,
        py: Python<'_>,
        path: Option<PathBuf>,
        sync_mode: Option<&Bound<'_, PyAny>>,
        codec: &str,
        maxsize: Option<&Bound<'_, PyAny>>,
        max_bytes: Option<&Bound<'_, PyAny>>,
        max_log_entries: Option<&Bound<'_, PyAny>>,
        segment_bytes: Option<&Bound<'_, PyAny>>,
        id_window: Option<&Bound<'_, PyAny>>,
        max_deliveries: Option<&Bound<'_, PyAny>>,
        push_timeout: Option<&Bound<'_, PyAny>>,
        pop_timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if self.durable.get().is_some() {
            let text = format!("{} is open in this object already", in_words(path.as_deref()));
            return Err(errors::to_python(py, &BufferError::InvalidOperation(text)));
        }
        let mode = sync_mode.map_or(Ok(elasticq::persistent::SyncMode::default()), mode_of)?;
        let mode = if path.is_some() { mode } else { elasticq::persistent::SyncMode::NoSync };
        let read = Codec::named(py, codec)?;
        let maxsize = maxsize.map_or(Ok(None), numbers::maxsize)?;
        let limits = Limits { max_bytes, max_log_entries, segment_bytes, id_window, max_deliveries };
        let config = limits.config(maxsize)?.with_sync_mode(mode);
        let timeout =
            |name, object: Option<&Bound<'_, PyAny>>| object.map_or(Ok(None), |object| timeout_of(name, object));
        let timeouts = (timeout("push_timeout", push_timeout)?, timeout("pop_timeout", pop_timeout)?);
        let opened = Arc::new(Durable::open(py, path.as_deref(), config, read)?);
        self.timeouts.set(timeouts);
        let codec = if read == Codec::Pickle { "pickle" } else { "plain" };
        let _ = self.settings.set(Settings {
            path: path.map(|path| std::path::absolute(&path).unwrap_or(path)),
            sync_mode: SyncMode(mode),
            codec,
            maxsize: maxsize.unwrap_or(0),
        });
        let _ = self.durable.set(opened);
        Ok(())
    }

    /// Add an item at the end, and wait for room as long as `push_timeout` says; if it is not set, don't
    /// wait.
    ///
    /// Constant time. Safe from any thread. With `every_write` it waits for the disk, with the interpreter
    /// released; in a coroutine use `aput`.
    ///
    /// Args:
    ///     item: A value that the queue's codec can store.
    ///     id: A name of the item's own, str or bytes. While it is one of the latest `id_window` names, a push
    ///         with the same name adds nothing: so a push that is done again after a crash adds it once. Names
    ///         should be short, since each new file of the queue begins with all that are known.
    ///     delay: Seconds (or a timedelta) before which nobody can take the item.
    ///     headers: Whatever belongs to the item and is not the item, a value that the plain codec can store.
    ///         It comes back with a lease.
    ///
    /// Returns:
    ///     True; False if an item of that name is known already.
    ///
    /// Raises:
    ///     MaxCapacityReached: There is no room; also a Full.
    ///     Full: There is no room by `max_bytes`.
    ///     Timeout: There was no room in time.
    ///     TypeError: The codec can't store the item exactly.
    ///     ShutDown: The queue was closed.
    ///     StorageError: The disk has refused it, say since it is full; nothing was added. Also an OSError.
    ///
    /// Example:
    ///     >>> import tempfile
    ///     >>> queue = PersistentCircularBuffer(tempfile.mkdtemp() + "/queue")
    ///     >>> queue.push({"to": "a@b.c"}, id="mail 7"), queue.push({"to": "a@b.c"}, id="mail 7"), len(queue)
    ///     (True, False, 1)
    #[pyo3(signature = (item, *, id=None, delay=None, headers=None))]
    fn push(
        &self,
        py: Python<'_>,
        item: &Bound<'_, PyAny>,
        id: Option<&Bound<'_, PyAny>>,
        delay: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let timeout = self.timeouts.push();
        let options = options(id, delay, headers)?;
        let put = self.durable(py)?.put(py, item, options, Patience::within(timeout))?;
        Self::raised(py, put.map_err(|error| waited(error, timeout)))
    }

    /// Take the oldest item for good, and wait for one as long as `pop_timeout` says; if it is not set, don't
    /// wait.
    ///
    /// If the process ends before it has dealt with the item, nobody does; see `lease`.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     Timeout: There was none in time.
    ///     ShutDown: There is none, and the queue was closed.
    ///     Corrupted: The item is damaged on disk, or the codec can't read it. It stays in the queue.
    ///     StorageError: The disk has refused something; the item stays in the queue.
    ///
    /// Example:
    ///     >>> import tempfile
    ///     >>> path = tempfile.mkdtemp() + "/queue"
    ///     >>> with PersistentCircularBuffer(path) as queue:
    ///     ...     queue.push(b"kept")
    ///     True
    ///     >>> PersistentCircularBuffer(path).pop()
    ///     b'kept'
    fn pop(&self, py: Python<'_>) -> PyResult<Item> {
        let timeout = self.timeouts.pop();
        let taken = self.durable(py)?.get(py, Patience::within(timeout))?;
        Self::raised(py, taken.map_err(|error| waited(error, timeout)))
    }

    /// Add all items of an iterable or none, also after a crash, and wait for room for all of them as long as
    /// `push_timeout` says. With `every_write`, one sync does for all. Raises what `push` raises.
    fn push_batch(&self, py: Python<'_>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let timeout = self.timeouts.push();
        let put = self.durable(py)?.put_many(py, items, Patience::within(timeout))?;
        Self::raised(py, put.map_err(|error| waited(error, timeout)))
    }

    /// Take up to `max_items` (not negative) for good, oldest first. Gives a list, which is empty if there
    /// are none. Waits for the first as long as `pop_timeout` says.
    ///
    /// Raises what `pop` raises, but for Empty and Timeout, and:
    ///
    /// Raises:
    ///     ValueError: `max_items` is negative.
    fn pop_batch<'py>(&self, py: Python<'py>, max_items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let max = numbers::count("max_items", max_items, 0)?;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        let taken = self.durable(py)?.get_many(py, max, Patience::within(self.timeouts.pop()))?;
        PyList::new(py, Self::raised(py, or_none(taken))?)
    }

    /// Take the oldest item on lease, and wait for one if need be.
    ///
    /// The item stays in the queue until the lease is acknowledged. It can be taken again when the lease is
    /// given back, when its time is over, and when the process ends.
    ///
    /// Args:
    ///     timeout: Seconds to wait at the most, not negative; None: for ever.
    ///     ttl: For how many seconds (or a timedelta) the item is leased; None: as long as the process lives.
    ///     block: Whether to wait for an item.
    ///
    /// Raises:
    ///     Empty: There is none, or none in time.
    ///     ShutDown: There is none, and the queue was closed, before or meanwhile.
    ///     Corrupted, StorageError: As in `pop`.
    #[pyo3(signature = (timeout=None, ttl=None, *, block=Truth(true)),
           text_signature = "($self, timeout=None, ttl=None, *, block=True)")]
    fn lease(
        &self,
        py: Python<'_>,
        timeout: Option<&Bound<'_, PyAny>>,
        ttl: Option<&Bound<'_, PyAny>>,
        block: Truth,
    ) -> PyResult<Item> {
        let durable = self.durable(py)?;
        let leased = durable.lease(py, 1, ttl_of(ttl)?, Patience::new(block, timeout)?)?;
        match Self::raised(py, leased)?.pop() {
            Some(lease) => lease::object(py, durable, lease),
            None => Self::raised(py, Err(BufferError::Empty)),
        }
    }

    /// Take up to `max_items` items (at least 1) on lease, and wait for the first if need be. Gives a list of
    /// at least one Lease. Raises what `lease` raises.
    #[pyo3(signature = (max_items, timeout=None, ttl=None, *, block=Truth(true)),
           text_signature = "($self, max_items, timeout=None, ttl=None, *, block=True)")]
    fn lease_batch<'py>(
        &self,
        py: Python<'py>,
        max_items: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
        ttl: Option<&Bound<'py, PyAny>>,
        block: Truth,
    ) -> PyResult<Bound<'py, PyList>> {
        let durable = self.durable(py)?;
        let max = numbers::count("max_items", max_items, 1)?;
        let leased = durable.lease(py, max, ttl_of(ttl)?, Patience::new(block, timeout)?)?;
        let leased = Self::raised(py, leased)?;
        PyList::new(py, lease::objects(durable, py, leased)?)
    }

    /// End leases since the work was done: all of them or, on an error, none. With `every_write`, one sync
    /// does for all.
    ///
    /// Raises:
    ///     InvalidOperation: One of them has ended before, or is of another queue.
    ///     StorageError: The disk has refused it.
    fn ack_batch(&self, py: Python<'_>, leases: &Bound<'_, PyAny>) -> PyResult<()> {
        let durable = self.durable(py)?;
        let (objects, leases): (Vec<_>, Vec<_>) = lease::take_all(py, durable, leases)?.into_iter().unzip();
        let acked = detached(py, || durable.files.ack_batch(leases).map(drop));
        acked.map_err(|rejected| {
            let (reason, leases) = rejected.into_parts();
            objects.iter().zip(leases).for_each(|(held, lease)| *held.lock() = Some(lease));
            Durable::error(py, &reason)
        })
    }

    /// The items that are dead, oldest first, as a list of DeadLetter: delivered `max_deliveries` times, or
    /// buried. Linear in their number.
    ///
    /// Raises:
    ///     Corrupted, StorageError: As in `pop`.
    fn dead_letters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let durable = self.durable(py)?;
        let dead = durable.work(py, elasticq::PersistentCircularBuffer::dead_letters)?;
        let letters = dead.into_iter().map(|letter| {
            let item = durable.value_of(py, letter.number, &letter.item)?;
            let (number, deliveries, reason) = (letter.number, letter.deliveries, letter.reason);
            Bound::new(py, DeadLetter { number, item, deliveries, reason })
        });
        PyList::new(py, letters.collect::<PyResult<Vec<_>>>()?)
    }

    /// Let dead items be delivered again, as if they never had been. Gives their number (int).
    ///
    /// Args:
    ///     numbers: The numbers of the items; None: all that are dead. Others are left out.
    #[pyo3(signature = (numbers=None))]
    fn retry_dead(&self, py: Python<'_>, numbers: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let numbers = numbers_of(numbers)?;
        self.durable(py)?.work(py, |files| files.retry_dead(numbers.as_deref()))
    }

    /// Drop dead items. Gives their number (int).
    ///
    /// Args:
    ///     numbers: The numbers of the items; None: all that are dead. Others are left out.
    #[pyo3(signature = (numbers=None))]
    fn purge_dead(&self, py: Python<'_>, numbers: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let numbers = numbers_of(numbers)?;
        self.durable(py)?.work(py, |files| files.purge_dead(numbers.as_deref()))
    }

    /// Make everything durable that was written before this call.
    ///
    /// Raises:
    ///     StorageError: The disk has refused it. Every later call fails with the same error: open the queue
    ///         again to see what is there.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.durable(py)?.work(py, elasticq::PersistentCircularBuffer::sync)
    }

    /// Make the files as small as they can be. The queue does so by itself when more than `max_log_entries`
    /// records are there that nobody needs.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        self.durable(py)?.work(py, elasticq::PersistentCircularBuffer::compact)
    }

    /// Drop all items that can be taken now or later, and give their number (int). Leased and dead items
    /// stay.
    fn clear(&self, py: Python<'_>) -> PyResult<usize> {
        let durable = self.durable(py)?;
        durable.work(py, elasticq::PersistentCircularBuffer::clear)
    }

    /// Give counters and sizes as a PersistentStats. Linear in the number of items that are leased, delayed
    /// or dead. All zero after `close`.
    fn stats(&self, py: Python<'_>) -> PyResult<PersistentStats> {
        let durable = self.durable(py)?;
        Ok(detached(py, || durable.files.stats()).into())
    }

    /// Tell who waits at the queue's ends, threads and tasks, and how long the longest has waited: for a
    /// program that hangs. Linear in the number of those that wait; waits for nobody.
    fn waiters(&self, py: Python<'_>) -> PyResult<Waiters> {
        let files = &self.durable(py)?.files;
        Ok(Waiters::new(files.waiting_for_item().into(), files.waiting_for_room().into()))
    }

    /// Refuse items from now on and wake all waiters. What is inside can still be taken; after that, taking
    /// raises ShutDown and iteration ends. Doing it twice is no error.
    ///
    /// Args:
    ///     immediate: Whether to drop the items inside, too. Leased and dead ones stay.
    #[pyo3(signature = (immediate=Truth(false)), text_signature = "($self, immediate=False)")]
    fn shutdown(&self, py: Python<'_>, immediate: Truth) -> PyResult<()> {
        let durable = self.durable(py)?;
        detached(py, || durable.files.close());
        match if immediate.0 { detached(py, || durable.files.clear()) } else { Ok(0) } {
            Ok(_) | Err(BufferError::Closed) => Ok(()),
            Err(error) => Err(Durable::error(py, &error)),
        }
    }

    /// End the use of the files: make everything durable and unlock the queue, so that it can be opened
    /// again, here or elsewhere. From now on every call raises ShutDown, and those that wait do so at once.
    /// Leases that are left go back. The files are closed, so that they can be removed, on Windows too. (On
    /// Linux the disk gets the room of removed files back when the object, its leases and its iterators are
    /// gone.) Doing it twice is no error; while another thread does it, this waits. `with` does it at its end,
    /// and so does the end of the object.
    ///
    /// Raises:
    ///     StorageError: Not everything could be made durable. The queue is closed all the same.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(durable) = self.durable.get() else { return Ok(()) };
        let finished = detached(py, || {
            self.lasting.leave(|| durable.files.stats().queue);
            durable.files.finish()
        });
        match finished {
            Err(BufferError::Closed) => Ok(()),
            finished => Self::raised(py, finished),
        }
    }

    /// Whether the queue was shut down or closed (bool).
    #[getter]
    fn is_closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.durable(py)?.files.is_closed())
    }

    /// The most items that the queue may hold (int). 0: as many as the disk has room for.
    #[getter]
    fn maxsize(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.settings(py)?.maxsize)
    }

    /// The queue's folder (str); None: the queue is in memory.
    #[getter]
    fn path<'py>(&'py self, py: Python<'py>) -> PyResult<Option<&'py std::ffi::OsStr>> {
        Ok(self.settings(py)?.path.as_deref().map(Path::as_os_str))
    }

    /// When what was written is made durable (SyncMode).
    #[getter]
    fn sync_mode(&self, py: Python<'_>) -> PyResult<SyncMode> {
        Ok(self.settings(py)?.sync_mode)
    }

    /// Who turns items into bytes: "plain" or "pickle" (str).
    #[getter]
    fn codec(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(self.settings(py)?.codec)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.durable(py)?.files.len())
    }

    /// Tell whether no item can be taken now. Constant time.
    fn is_empty(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.durable(py)?.files.is_empty())
    }

    /// Give the oldest item that can be taken, which stays in the queue.
    ///
    /// Raises:
    ///     Empty: There is none.
    ///     ShutDown: There is none, and the queue was closed.
    fn peek(&self, py: Python<'_>) -> PyResult<Item> {
        let durable = self.durable(py)?;
        match Look::new(py, durable)?.next(py)? {
            Some(item) => Ok(item),
            None => {
                Self::raised(py, Err(if durable.files.is_closed() { BufferError::Closed } else { BufferError::Empty }))
            }
        }
    }

    /// Look at the items that can be taken now, oldest first; none is taken. They are read one by one, so the
    /// queue may be larger than memory. Nobody has to wait meanwhile; an item that is taken meanwhile may
    /// still be shown.
    fn __iter__(&self, py: Python<'_>) -> PyResult<Look> {
        Look::new(py, self.durable(py)?)
    }

    /// Whether an item would find no room now.
    fn _is_full(&self, py: Python<'_>) -> PyResult<bool> {
        let durable = self.durable(py)?;
        let max = durable.files.capacity();
        Ok(max < usize::MAX && detached(py, || durable.files.stats()).queue.current_size >= max)
    }

    #[allow(clippy::too_many_arguments)]
    fn _put(
        &self,
        py: Python<'_>,
        item: &Bound<'_, PyAny>,
        block: Truth,
        timeout: Option<&Bound<'_, PyAny>>,
        id: Option<&Bound<'_, PyAny>>,
        delay: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let options = options(id, delay, headers)?;
        Self::raised(py, self.durable(py)?.put(py, item, options, Patience::new(block, timeout)?)?)
    }

    fn _put_many(
        &self,
        py: Python<'_>,
        items: &Bound<'_, PyAny>,
        block: Truth,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Self::raised(py, self.durable(py)?.put_many(py, items, Patience::new(block, timeout)?)?)
    }

    fn _get(&self, py: Python<'_>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Item> {
        Self::raised(py, self.durable(py)?.get(py, Patience::new(block, timeout)?)?)
    }

    fn _get_many<'py>(
        &self,
        py: Python<'py>,
        n: Option<&Bound<'py, PyAny>>,
        block: Truth,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let max = n.map_or(Ok(usize::MAX), |n| numbers::count("n", n, 1))?;
        PyList::new(py, Self::raised(py, self.durable(py)?.get_many(py, max, Patience::new(block, timeout)?)?)?)
    }

    fn _task_done(&self, py: Python<'_>) -> PyResult<()> {
        let durable = self.durable(py)?;
        let counted = durable.undone.done();
        detached(py, || durable.note_less());
        if counted { Ok(()) } else { Err(PyValueError::new_err("task_done() called too many times")) }
    }

    fn _join(&self, py: Python<'_>) -> PyResult<()> {
        self.durable(py)?.join(py)
    }

    fn _unfinished_tasks(&self, py: Python<'_>) -> PyResult<usize> {
        let durable = self.durable(py)?;
        Ok(detached(py, || durable.unfinished()))
    }

    // What the coroutines await.

    fn _aput(
        &self,
        py: Python<'_>,
        item: &Bound<'_, PyAny>,
        id: Option<&Bound<'_, PyAny>>,
        delay: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Pending> {
        let durable = self.durable(py)?;
        Ok(tasks::put(durable, durable.codec.encode(item)?, options(id, delay, headers)?.unwrap_or_default()))
    }

    fn _aput_many(&self, py: Python<'_>, items: &Bound<'_, PyAny>) -> PyResult<Pending> {
        tasks::put_many(self.durable(py)?, items)
    }

    fn _aget(&self, py: Python<'_>) -> PyResult<Pending> {
        Ok(tasks::get(self.durable(py)?))
    }

    fn _aget_many(&self, py: Python<'_>, n: Option<&Bound<'_, PyAny>>) -> PyResult<Pending> {
        let max = n.map_or(Ok(usize::MAX), |n| numbers::count("n", n, 1))?;
        Ok(tasks::get_many(self.durable(py)?, max))
    }

    fn _alease(&self, py: Python<'_>, ttl: Option<&Bound<'_, PyAny>>) -> PyResult<Pending> {
        Ok(tasks::lease(self.durable(py)?, 1, ttl_of(ttl)?, |durable, py, mut leases| match leases.pop() {
            Some(lease) => lease::object(py, durable, lease),
            None => Self::raised(py, Err(BufferError::Empty)),
        }))
    }

    fn _alease_batch(
        &self,
        py: Python<'_>,
        max_items: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Pending> {
        let max = numbers::count("max_items", max_items, 1)?;
        Ok(tasks::lease(self.durable(py)?, max, ttl_of(ttl)?, |durable, py, leases| {
            PyList::new(py, lease::objects(durable, py, leases)?)?.into_py_any(py)
        }))
    }

    fn _aack_batch(&self, py: Python<'_>, leases: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let durable = self.durable(py)?;
        let (objects, leases): (Vec<_>, Vec<_>) = lease::take_all(py, durable, leases)?.into_iter().unzip();
        let shared = Arc::clone(durable);
        Ok(tasks::end(async move {
            shared.files.ack_batch_async(leases).await.map(drop).map_err(|rejected| {
                let (reason, leases) = rejected.into_parts();
                objects.iter().zip(leases).for_each(|(held, lease)| *held.lock() = Some(lease));
                reason
            })
        }))
    }

    fn _ajoin(&self, py: Python<'_>) -> PyResult<Pending> {
        Ok(tasks::join(self.durable(py)?))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let (module, name) = (slf.get_type().module()?, slf.get_type().qualname()?);
        let Some((durable, settings)) = slf.get().durable.get().zip(slf.get().settings.get()) else {
            return Ok(format!("<{module}.{name}, not open>"));
        };
        let place = match &settings.path {
            Some(path) => format!("at {}", path.as_os_str().into_pyobject(py)?.repr()?),
            None => "in memory".into(),
        };
        Ok(format!("<{module}.{name} {} {place}>", durable.facts(settings.maxsize).join(", ")))
    }
}

impl Drop for Persistent {
    fn drop(&mut self) {
        if let Some(durable) = self.durable.take() {
            self.lasting.leave(|| durable.files.stats().queue);
            drop_detached(durable);
        }
    }
}
