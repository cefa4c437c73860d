//! `Contents`: the container of a queue that has moved to the standard machinery, its counts, and the steps
//! that change them.
//!
//! The caller of a step holds the lock of `elasticq._standard.Standard`. That keeps other threads out, but
//! not this one: wherever Python code runs, a signal handler, a `__del__` or a weak reference's callback may
//! use the same queue. **So a step looks and acts as one: between what it has seen and what it does no Python
//! code runs.** Whatever happened before, an item that it takes is there, and an item that it adds fits; and
//! the counts change with the container.
//!
//! Three kinds of code can't be kept out of a step, so each has a rule of its own:
//! - *Comparisons* of a heap. Those that run no Python code are made in the step. All others are made before
//!   it, without the lock, on a `Draft`. The step carries the draft out if the heap is as it was, and
//!   otherwise says that another one is needed.
//! - *`_qsize` of a subclass.* `changes` counts the steps. If it has changed meanwhile, the step begins
//!   again.
//! - *`_put`, `_get` and `_evict` of a subclass* do the act itself. While they run, `InFlight` says how many
//!   items there will be at most, and at least, once they have returned. Code that comes in between counts
//!   on that.

mod hooked;
mod in_flight;

use self::in_flight::{InFlight, qsize};
use super::heap::{self, Draft, Stop, plainly};
use crate::arguments::numbers;
use crate::errors::{self, Words};
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use elasticq::BufferError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyList, PyType};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What a queue that has moved consists of, without its locks.
#[pyclass(frozen, subclass, module = "elasticq._core")]
pub struct Contents {
    order: Order,
    /// How many items fit; `usize::MAX`: any number.
    limit: AtomicUsize,
    closed: AtomicBool,
    /// Whether comparisons are known to run Python code.
    foreign: AtomicBool,
    unfinished: AtomicI64,
    added: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    changes: AtomicU64,
    putting: InFlight,
    getting: InFlight,
}

/// Which class defines the methods `_init`, `_qsize`, `_put` and `_get`. If it is one of ours, a step does
/// not call them.
#[derive(Clone, Copy)]
enum Order {
    Fifo,
    Lifo,
    Heap,
    /// A subclass defines them.
    Hooked,
}

enum Container<'py> {
    Deque(Bound<'py, PyAny>),
    Stack(Bound<'py, PyList>),
    Heap(Bound<'py, PyList>),
    Hooked,
}

#[pymethods]
impl Contents {
    /// How many items were ever put, dropped and refused, and how many are inside, at the end of a queue. If
    /// a subclass has the items, or the garbage collector has begun to clear it, they count as taken.
    fn _last(slf: &Bound<'_, Self>) -> (u64, u64, u64, u64) {
        let this = slf.get();
        let size = container(slf).and_then(|container| container.len()).ok().flatten().unwrap_or(0) as u64;
        let dropped = this.dropped.load(Relaxed);
        let added = this.added.load(Relaxed).max(size + dropped);
        (added, dropped, this.refused.load(Relaxed), size)
    }

    #[new]
    fn new(owner: &Bound<'_, PyAny>, maxsize: &Bound<'_, PyAny>) -> PyResult<Self> {
        let order = match owner.getattr(intern!(owner.py(), "_Hooks__order"))?.extract::<Option<String>>()?.as_deref() {
            Some("fifo") => Order::Fifo,
            Some("lifo") => Order::Lifo,
            Some("heap") => Order::Heap,
            _ => Order::Hooked,
        };
        let contents = Self {
            order,
            limit: AtomicUsize::new(usize::MAX),
            closed: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            unfinished: AtomicI64::new(0),
            added: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            putting: InFlight::default(),
            getting: InFlight::default(),
        };
        contents._limit(maxsize)?;
        Ok(contents)
    }

    /// Sets how many items fit, as `maxsize` says it.
    fn _limit(&self, maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        let limit = if maxsize.is_instance_of::<PyFloat>() {
            let maxsize: f64 = maxsize.extract()?;
            // Full at the first whole number of items that is not below `maxsize`. (No number is below a
            // NaN.)
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (maxsize > 0.0).then(|| maxsize.ceil() as usize)
        } else {
            numbers::maxsize(maxsize)?
        };
        self.limit.store(limit.unwrap_or(usize::MAX), Relaxed);
        Ok(())
    }

    #[getter]
    fn get_is_shutdown(&self) -> bool {
        self.closed.load(Relaxed)
    }

    #[setter]
    fn set_is_shutdown(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.closed.store(value.is_truthy()?, Relaxed);
        Ok(())
    }

    #[getter(_foreign)]
    fn get_foreign(&self) -> bool {
        self.foreign.load(Relaxed)
    }

    #[setter(_foreign)]
    fn set_foreign(&self, value: bool) {
        self.foreign.store(value, Relaxed);
    }

    #[getter]
    fn get_unfinished_tasks(&self) -> i64 {
        self.unfinished.load(Relaxed)
    }

    #[setter]
    fn set_unfinished_tasks(&self, value: i64) {
        self.unfinished.store(value, Relaxed);
    }

    #[getter]
    fn get_added(&self) -> u64 {
        self.added.load(Relaxed)
    }

    #[setter]
    fn set_added(&self, value: u64) {
        self.added.store(value, Relaxed);
    }

    #[getter]
    fn get_dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    #[setter]
    fn set_dropped(&self, value: u64) {
        self.dropped.store(value, Relaxed);
    }

    /// Counts items that were taken out and given to nobody.
    fn _drop(&self, items: usize) {
        self.dropped.fetch_add(items as u64, Relaxed);
    }

    /// Counts items that were accepted and dropped, since there was no room for them.
    fn _drop_on_arrival(&self, items: usize) {
        self.added.fetch_add(items as u64, Relaxed);
        self._drop(items);
    }

    #[getter]
    fn get_refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Counts items that were refused for good.
    fn _refuse(&self, items: usize) {
        self.refused.fetch_add(items as u64, Relaxed);
    }

    /// Counts items as done; true if none is left.
    fn _finish(&self, items: usize) -> bool {
        let items = i64::try_from(items).unwrap_or(i64::MAX);
        let left = (self.unfinished.load(Relaxed) - items).max(0);
        self.unfinished.store(left, Relaxed);
        left == 0
    }

    /// Counts one item as done; true if none is left, None if there was none.
    fn _task_done(&self) -> Option<bool> {
        (self.unfinished.load(Relaxed) > 0).then(|| self._finish(1))
    }

    /// The number of items.
    fn _size(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>) -> PyResult<usize> {
        match container(slf)?.len()? {
            Some(len) => Ok(len),
            None => qsize(owner),
        }
    }

    /// Whether there is no room. Without a limit the hook `_qsize` is not called, as in the standard library.
    fn _is_full(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>) -> PyResult<bool> {
        let limit = slf.get().limit();
        let reckoned = slf.get().putting.size().unwrap_or(0);
        Ok(limit < usize::MAX && Self::_size(slf, owner)?.max(reckoned) >= limit)
    }

    /// Whether there is no item to take.
    fn _is_empty(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(Self::_size(slf, owner)? == 0 || slf.get().getting.size() == Some(0))
    }

    /// Adds an item. True: it was added. False: there is no room. None: items have to be compared first.
    /// Raises ShutDown.
    fn _add(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
        stop_at_the_end();
        let py = slf.py();
        let this = slf.get();
        let container = container(slf)?;
        let Some(len) = container.len()? else {
            let (added, raised) = this.add_hooked(owner, &PyList::new(py, [item])?, true)?;
            return raised.map_or(Ok(Some(added > 0)), Err);
        };
        this.check_open(py)?;
        if len >= this.limit() {
            return Ok(Some(false));
        }
        Ok(this.add_one(&container, item)?.then_some(true))
    }

    /// Moves items out of the list `items` into the queue: as many as there is room for, or, if `whole`, all
    /// or none. Returns their number. None: items have to be compared first, and the result given as a
    /// `draft`. Raises ShutDown.
    #[pyo3(signature = (owner, items, whole, draft=None))]
    fn _add_many(
        slf: &Bound<'_, Self>,
        owner: &Bound<'_, PyAny>,
        items: &Bound<'_, PyList>,
        whole: bool,
        draft: Option<&Bound<'_, Draft>>,
    ) -> PyResult<Option<usize>> {
        stop_at_the_end();
        let py = slf.py();
        let this = slf.get();
        let container = container(slf)?;
        let Some(len) = container.len()? else {
            let (added, raised) = this.add_hooked(owner, items, whole)?;
            items.del_slice(0, added)?;
            return raised.map_or(Ok(Some(added)), Err);
        };
        this.check_open(py)?;
        let count = this.fitting(len, items.len(), whole);
        match &container {
            Container::Heap(heap) => match this.drafted(heap, items, count, draft) {
                Ok(()) => {}
                Err(Stop::Raised(raised)) => return Err(raised),
                Err(Stop::Foreign | Stop::Changed) => return Ok(None),
            },
            Container::Stack(list) => {
                for place in 0..count {
                    list.append(items.get_item(place)?)?;
                }
            }
            Container::Deque(deque) => {
                for place in 0..count {
                    deque.call_method1(intern!(py, "append"), (items.get_item(place)?,))?;
                }
            }
            Container::Hooked => {}
        }
        items.del_slice(0, count)?;
        this.count_added(count);
        Ok(Some(count))
    }

    /// Takes an item. Returns `empty` if there is none, and raises ShutDown if there never will be one.
    /// Returns `compare` if items have to be compared first.
    fn _take(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>, empty: Item, compare: Item) -> PyResult<Item> {
        stop_at_the_end();
        let this = slf.get();
        let container = container(slf)?;
        let Some(len) = container.len()? else {
            let taken = this.take_hooked(owner, intern!(slf.py(), "_get"), |_| true)?;
            return taken.map_or_else(|| this.check_open(slf.py()).map(|()| empty), |item| Ok(item.unbind()));
        };
        if len == 0 {
            return this.check_open(slf.py()).map(|()| empty);
        }
        Ok(this.take_one(&container, len)?.map_or(compare, Bound::unbind))
    }

    /// Takes up to `most` items. An empty list: there are none. If `ends`, raises ShutDown where there never
    /// will be any. None: items have to be compared first, and the result given as a `draft`.
    #[pyo3(signature = (owner, most, ends, draft=None))]
    fn _take_many<'py>(
        slf: &Bound<'py, Self>,
        owner: &Bound<'py, PyAny>,
        most: usize,
        ends: bool,
        draft: Option<&Bound<'py, Draft>>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        stop_at_the_end();
        let py = slf.py();
        let this = slf.get();
        let taken = PyList::empty(py); // made first, since this may run the garbage collector
        let container = container(slf)?;
        match (&container, container.len()?) {
            (_, None) => this.take_many_hooked(owner, most, &taken)?,
            (_, Some(0)) => {}
            (Container::Heap(heap), Some(len)) => {
                let valid =
                    draft.filter(|draft| draft.get().taken.len() == most.min(len) && draft.get().is_valid(heap));
                let drafted = match valid {
                    Some(draft) => draft.clone(),
                    None => match Draft::taking(heap, most, plainly) {
                        Ok(draft) => Bound::new(py, draft)?,
                        Err(Stop::Raised(raised)) => return Err(raised),
                        Err(Stop::Foreign | Stop::Changed) => return Ok(None),
                    },
                };
                drafted.get().carry_out(heap)?;
                drafted.get().taken.iter().try_for_each(|item| taken.append(item.bind(py)))?;
            }
            (container, Some(len)) => {
                for left in (len.saturating_sub(most)..len).rev() {
                    taken.append(container.take(left + 1)?)?;
                }
            }
        }
        this.changed();
        if taken.is_empty() && ends {
            this.check_open(py)?;
        }
        Ok(Some(taken))
    }

    /// Takes everything, in any order, and counts it as done. If a hook raises, that ends the taking; the
    /// exception is raised only if nothing was taken.
    fn _take_all<'py>(slf: &Bound<'py, Self>, owner: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        stop_at_the_end();
        let this = slf.get();
        let taken = PyList::empty(slf.py());
        let container = container(slf)?;
        match (&container, container.len()?) {
            (_, None) => this.take_many_hooked(owner, usize::MAX, &taken)?,
            (Container::Heap(list) | Container::Stack(list), Some(len)) => {
                taken.set_slice(0, 0, list)?;
                list.del_slice(0, len)?;
            }
            (container, Some(len)) => {
                for left in (0..len).rev() {
                    taken.append(container.take(left + 1)?)?;
                }
            }
        }
        this.changed();
        this._finish(taken.len());
        Ok(taken)
    }

    /// If the queue is full, takes the item that makes room for a newer one, and counts it as dropped and
    /// done. Otherwise returns `empty`.
    fn _make_room(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>, empty: Item) -> PyResult<Item> {
        stop_at_the_end();
        let py = slf.py();
        let this = slf.get();
        let evicted = match (container(slf)?, this.limit()) {
            (Container::Deque(deque), limit) if deque.len()? >= limit => {
                Some(deque.call_method0(intern!(py, "popleft"))?)
            }
            (Container::Stack(list), limit) if list.len() >= limit => {
                let item = list.get_item(0)?;
                list.del_item(0)?;
                Some(item)
            }
            (Container::Deque(_) | Container::Stack(_), _) => None,
            (Container::Heap(_) | Container::Hooked, limit) => {
                let reckoned = this.putting.size().unwrap_or(0);
                this.take_hooked(owner, intern!(py, "_evict"), |size| size.max(reckoned) >= limit)?
            }
        };
        let Some(evicted) = evicted else { return Ok(empty) };
        this.changed();
        this._drop(1);
        this._finish(1);
        Ok(evicted.unbind())
    }

    /// Returns the next item, which stays in the queue. Returns `empty` if there is none, and raises ShutDown
    /// if there never will be one.
    fn _look(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>, empty: Item) -> PyResult<Item> {
        stop_at_the_end();
        let py = slf.py();
        let this = slf.get();
        let next = loop {
            let before = this.changes.load(Relaxed);
            break match (container(slf)?, Self::_size(slf, owner)?) {
                (_, 0) => return this.check_open(py).map(|()| empty),
                (Container::Deque(deque), _) => deque.get_item(0)?,
                (Container::Stack(list), len) => list.get_item(len - 1)?,
                (Container::Heap(list), _) => list.get_item(0)?,
                (Container::Hooked, _) => match owner.call_method0(intern!(py, "_peek")) {
                    Err(_) if this.changes.load(Relaxed) != before => continue,
                    peeked => peeked?,
                },
            };
        };
        Ok(next.unbind())
    }

    /// Makes the comparisons for `_add_many`. The caller does not hold the lock. None: they are of no use any
    /// more.
    fn _draft_adding(slf: &Bound<'_, Self>, items: &Bound<'_, PyList>, whole: bool) -> PyResult<Option<Draft>> {
        let Container::Heap(heap) = container(slf)? else { return Ok(None) };
        let count = slf.get().fitting(heap.len(), items.len(), whole);
        useful(Draft::adding(&heap, items.iter().take(count), heap::by_any_means))
    }

    /// Makes the comparisons for `_take_many`. The caller does not hold the lock. None: they are of no use
    /// any more.
    fn _draft_taking(slf: &Bound<'_, Self>, most: usize) -> PyResult<Option<Draft>> {
        let Container::Heap(heap) = container(slf)? else { return Ok(None) };
        useful(Draft::taking(&heap, most, heap::by_any_means))
    }
}

/// What to do with a draft that may not have been finished.
fn useful(draft: Result<Draft, Stop>) -> PyResult<Option<Draft>> {
    match draft {
        Ok(draft) => Ok(Some(draft)),
        Err(Stop::Raised(raised)) => Err(raised),
        Err(Stop::Foreign | Stop::Changed) => Ok(None),
    }
}

impl Contents {
    fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Whether a single item can go in or out without hooks, as far as one knows.
    pub fn may_serve_at_once(&self) -> bool {
        !matches!(self.order, Order::Hooked) && !self.foreign.load(Relaxed)
    }

    /// Adds an item, if nothing is in the way of that. The caller holds the lock.
    pub fn add_at_once(slf: &Bound<'_, Self>, item: &Bound<'_, PyAny>) -> PyResult<bool> {
        let this = slf.get();
        let container = container(slf)?;
        match container.len()? {
            Some(len) if len < this.limit() && !this.closed.load(Relaxed) => this.add_one(&container, item),
            _ => Ok(false),
        }
    }

    /// Takes an item, if nothing is in the way of that. The caller holds the lock.
    pub fn take_at_once<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let container = container(slf)?;
        match container.len()? {
            Some(len) if len > 0 => slf.get().take_one(&container, len),
            _ => Ok(None),
        }
    }

    /// Adds an item, for which there is room, to a container of our own. False: items have to be compared
    /// first.
    fn add_one(&self, container: &Container<'_>, item: &Bound<'_, PyAny>) -> PyResult<bool> {
        match container {
            Container::Deque(deque) => drop(deque.call_method1(intern!(item.py(), "append"), (item,))?),
            Container::Stack(list) => list.append(item)?,
            Container::Heap(list) => match heap::push(list, item.clone(), plainly) {
                Ok(()) => {}
                Err(Stop::Raised(raised)) => return Err(raised),
                Err(Stop::Foreign | Stop::Changed) => return Ok(false),
            },
            Container::Hooked => return Ok(false),
        }
        self.count_added(1);
        Ok(true)
    }

    /// Takes the next item of a container of our own, which has `len` items, at least one. `None`: items have
    /// to be compared first.
    fn take_one<'py>(&self, container: &Container<'py>, len: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        let taken = match container {
            Container::Heap(heap) => match heap::pop(heap, plainly) {
                Ok(first) => first,
                Err(Stop::Raised(raised)) => return Err(raised),
                Err(Stop::Foreign | Stop::Changed) => return Ok(None),
            },
            container => container.take(len)?,
        };
        self.changed();
        Ok(Some(taken))
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    fn count_added(&self, items: usize) {
        self.changed();
        self.added.fetch_add(items as u64, Relaxed);
        self.unfinished.fetch_add(i64::try_from(items).unwrap_or(i64::MAX), Relaxed);
    }

    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.closed.load(Relaxed) { Err(errors::in_words(py, Words::Queue, &BufferError::Closed)) } else { Ok(()) }
    }

    /// How many of `items` may be added to `len`.
    fn fitting(&self, len: usize, items: usize, whole: bool) -> usize {
        let room = self.limit().saturating_sub(len);
        if items <= room {
            items
        } else if whole {
            0
        } else {
            room
        }
    }

    /// Adds the first `count` items to a heap: by the draft if it is valid, otherwise by the comparisons that
    /// run no Python code.
    fn drafted(
        &self,
        heap: &Bound<'_, PyList>,
        items: &Bound<'_, PyList>,
        count: usize,
        draft: Option<&Bound<'_, Draft>>,
    ) -> Result<(), Stop> {
        if let Some(draft) = draft.map(Bound::get).filter(|draft| draft.added == count && draft.is_valid(heap)) {
            return Ok(draft.carry_out(heap)?);
        }
        Ok(Draft::adding(heap, items.iter().take(count), plainly)?.carry_out(heap)?)
    }
}

impl<'py> Container<'py> {
    /// The number of items; `None` if a hook has to be asked.
    fn len(&self) -> PyResult<Option<usize>> {
        match self {
            Self::Deque(deque) => deque.len().map(Some),
            Self::Stack(list) | Self::Heap(list) => Ok(Some(list.len())),
            Self::Hooked => Ok(None),
        }
    }

    /// Takes the next item of a deque or a stack, which has `len` items, at least one.
    fn take(&self, len: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Deque(deque) => deque.call_method0(intern!(deque.py(), "popleft")),
            Self::Stack(list) => {
                let item = list.get_item(len - 1)?;
                list.del_item(len - 1)?;
                Ok(item)
            }
            Self::Heap(_) | Self::Hooked => unreachable!("neither a deque nor a stack"),
        }
    }
}

/// What the items are in. If that is of another type than the order's own, the hooks serve it.
fn container<'py>(slf: &Bound<'py, Contents>) -> PyResult<Container<'py>> {
    let py = slf.py();
    if let Order::Hooked = slf.get().order {
        return Ok(Container::Hooked);
    }
    let queue = slf.getattr(intern!(py, "queue"))?;
    if let Order::Fifo = slf.get().order {
        return Ok(if queue.get_type().is(deque(py)?) { Container::Deque(queue) } else { Container::Hooked });
    }
    Ok(match (slf.get().order, queue.cast_into_exact::<PyList>()) {
        (Order::Lifo, Ok(list)) => Container::Stack(list),
        (Order::Heap, Ok(list)) => Container::Heap(list),
        _ => Container::Hooked,
    })
}

fn deque(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "collections", "deque")
}
