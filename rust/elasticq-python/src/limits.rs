//! What a `Queue` does with items that there is no room for, and its limit by weight.
//!
//! The plain path knows nothing of either: it looks here only when the buffer has refused an item, and a buffer with weights
//! refuses every item that comes without its weight. Whatever is evicted or dropped is counted as done first, and its
//! reference goes last, without any lock: dropping it may run Python code that uses the queue.

use crate::asyncio::Tasks;
use crate::elastic::Elastic;
use crate::errors;
use crate::items::Items;
use crate::line::Who;
use crate::numbers::{self, Patience};
use crate::queue::Queue;
use crate::raw::Item;
use crate::store::{Refused, Store, collect, retry};
use crate::weighted::Weighted;
use elasticq::{BufferError, DynamicCircularBuffer, Rejected, Signal};
use parking_lot::Mutex;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::cell::Cell;
use std::sync::Arc;

/// What becomes of an item that there is no room for.
#[derive(Clone, Copy)]
pub enum Overflow {
    /// Its sender waits.
    Block,
    /// It is refused at once.
    Error,
    /// The oldest items go.
    DropOldest,
    /// It is dropped itself.
    DropNewest,
}

const POLICIES: [(&str, Overflow); 4] = [
    ("block", Overflow::Block),
    ("error", Overflow::Error),
    ("drop_oldest", Overflow::DropOldest),
    ("drop_newest", Overflow::DropNewest),
];

impl Overflow {
    pub fn new(object: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(object) = object else { return Ok(Self::Block) };
        let name = object.extract::<String>().unwrap_or_default();
        let policy = POLICIES.iter().find(|(known, _)| *known == name);
        policy.map(|(_, policy)| *policy).ok_or_else(|| {
            let known = POLICIES.map(|(name, _)| format!("'{name}'")).join(", ");
            let shown = object.repr().map_or_else(|_| "?".into(), |shown| shown.to_string());
            broken(object.py(), format!("overflow = {shown}: must be one of {known}"))
        })
    }

    pub const fn name(self) -> &'static str {
        POLICIES[self as usize].0
    }
}

fn broken(py: Python<'_>, text: String) -> PyErr {
    errors::to_python(py, &BufferError::InvalidConfiguration(text))
}

/// The buffer for these settings, of which the first two are the limit by weight.
pub fn items(
    py: Python<'_>,
    max_weight: Option<&Bound<'_, PyAny>>,
    weigh: Option<&Bound<'_, PyAny>>,
    config: elasticq::Config,
) -> PyResult<elasticq::BufferResult<Items>> {
    let Some(max_weight) = max_weight else {
        return match weigh {
            None => Ok(DynamicCircularBuffer::with_lock(config).map(Items::Locked)),
            Some(_) => Err(broken(py, "weigh without max_weight: give the most that the items may weigh".into())),
        };
    };
    let max_weight = match numbers::capacity("max_weight", max_weight)? {
        0 => return Err(broken(py, "max_weight = 0: must be at least 1".into())),
        max_weight => max_weight,
    };
    if let Some(weigh) = weigh.filter(|weigh| !weigh.is_callable()) {
        return Err(PyTypeError::new_err(format!("weigh must be callable, not {}", weigh.get_type().name()?)));
    }
    let weighted = |buffer| {
        Items::Weighted(Box::new(Weighted::new(buffer, max_weight, weigh.map(|weigh| weigh.clone().unbind()))))
    };
    Ok(DynamicCircularBuffer::with_lock(config).map(weighted))
}

/// The rest of `put` after the first attempt was refused.
#[cold]
pub fn put(slf: &Bound<'_, Queue>, rejected: Rejected<Item>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = &slf.as_super().get().store;
    if let Items::Weighted(weighted) = &store.buffer {
        let item = rejected.into_inner();
        let weight = weighted.weigh(item.bind(py))?;
        let added = put_weighed(slf, weighted, vec![item], &[weight], patience);
        return added.map_err(|refused| refused.raised.unwrap_or_else(|| no_room(slf, weighted, &refused.reason)));
    }
    let (policy, patience) = match slf.get().overflow {
        Overflow::Block => (None, patience),
        policy if rejected.reason().is_capacity_error() => (Some(policy), Patience::None),
        _ => (None, Patience::None),
    };
    let added = match policy {
        Some(Overflow::DropOldest) => match store.force(py, rejected.into_inner()) {
            Ok(evicted) => {
                slf.get().finish(slf, usize::from(evicted.is_some()));
                return Ok(());
            }
            Err(rejected) => store.put_waiting(py, rejected, patience)?,
        },
        Some(Overflow::DropNewest) => {
            store.buffer.refused(rejected.reason(), 1);
            return Ok(());
        }
        _ => store.put_waiting(py, rejected, patience)?,
    };
    added.map_err(|error| errors::to_python(py, &error))
}

/// One attempt to add an item for a task: true if that is over, false if the task should wait for room, or a `Put` that it
/// waits with.
#[cold]
pub fn put_or_wait<'py>(slf: &Bound<'py, Queue>, rejected: Rejected<Item>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let answer = |over| Ok(PyBool::new(py, over).to_owned().into_any());
    let store = &slf.as_super().get().store;
    match (slf.get().overflow, &store.buffer) {
        (Overflow::Block, Items::Weighted(weighted)) => {
            let item = rejected.into_inner();
            let weight = weighted.weigh(item.bind(py))?;
            let tasks = Arc::default();
            let queue = slf.as_super().clone().unbind();
            let put = Bound::new(py, Put { queue, item, weight, tasks, place: Mutex::new(None) })?;
            if put.get().offer(py)? { answer(true) } else { Ok(put.into_any()) }
        }
        (Overflow::Block, _) if rejected.reason().is_capacity_error() => answer(false),
        _ => {
            put(slf, rejected, Patience::None)?;
            answer(true)
        }
    }
}

/// Adds all items of an iterable.
pub fn put_many(slf: &Bound<'_, Queue>, iterable: &Bound<'_, PyAny>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = &slf.as_super().get().store;
    let added = match (&store.buffer, slf.get().overflow) {
        (Items::Weighted(weighted), _) => {
            let items = collect(iterable)?;
            let weights = items.iter().map(|item| weighted.weigh(item.bind(py))).collect::<PyResult<Vec<_>>>()?;
            put_weighed(slf, weighted, items, &weights, patience)
        }
        (_, Overflow::Block) => store.put_many(py, iterable, patience)?,
        (_, Overflow::Error) => store.put_many(py, iterable, Patience::None)?,
        _ if store.offer_sequence(py, iterable) => Ok(()),
        (_, Overflow::DropOldest) => match store.force_many(py, collect(iterable)?) {
            Ok(evicted) => {
                slf.get().finish(slf, evicted.len());
                Ok(())
            }
            Err(rejected) => Err(refused(store, rejected)),
        },
        (_, Overflow::DropNewest) => {
            let mut items = collect(iterable)?.into_iter();
            match store.offer_some(py, &mut items) {
                Ok(_) => {
                    store.buffer.refused(&BufferError::Full, items.len());
                    Ok(())
                }
                Err(reason) => Err(refused(store, Rejected::new(reason, items.collect()))),
            }
        }
    };
    added.map_err(|refused| refused.into_exception(py))
}

/// Adds items with their weights, as the policy says.
fn put_weighed(
    slf: &Bound<'_, Queue>,
    weighted: &Weighted,
    items: Vec<Item>,
    weights: &[usize],
    patience: Patience,
) -> Result<(), Refused> {
    let py = slf.py();
    let store = &slf.as_super().get().store;
    let count = items.len();
    match (slf.get().overflow, patience) {
        (Overflow::Block, Patience::Until(_)) => wait_in_line(py, store, weighted, items, weights, patience),
        (Overflow::Block | Overflow::Error, _) => {
            let added = match may_go(py, store, weighted, None) {
                Ok(true) => weighted.offer(items, weights),
                Ok(false) => Err(Rejected::new(BufferError::Full, items)),
                Err(raised) => return Err(Refused { reason: BufferError::Full, items, raised: Some(raised) }),
            };
            added.map_err(|rejected| refused(store, rejected))?;
            store.added(py, count);
            Ok(())
        }
        (Overflow::DropOldest, _) => {
            let evicted = weighted.force(items, weights).map_err(|rejected| refused(store, rejected))?;
            store.added(py, count);
            slf.get().finish(slf, evicted.len());
            Ok(())
        }
        (Overflow::DropNewest, _) => {
            let dropped = weighted.offer_fitting(items, weights).map_err(|rejected| refused(store, rejected))?;
            store.buffer.refused(&BufferError::Full, dropped.len());
            store.added(py, count - dropped.len());
            Ok(())
        }
    }
}

/// Adds items as there is room, after all who came before.
fn wait_in_line(
    py: Python<'_>,
    store: &Store,
    weighted: &Weighted,
    items: Vec<Item>,
    weights: &[usize],
    patience: Patience,
) -> Result<(), Refused> {
    let mut items = items.into_iter();
    let mut reason = BufferError::Full;
    let mut raised = None;
    let place = Cell::new(None);
    let mut attempt = || {
        match may_go(py, store, weighted, place.get()) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                raised = Some(error);
                return true;
            }
        }
        let left = &weights[weights.len() - items.len()..];
        match weighted.offer_some(&mut items, left) {
            Ok(count) => {
                store.added(py, count);
                items.len() == 0
            }
            Err(error) => {
                reason = error;
                true
            }
        }
    };
    let mut outcome = Ok(true);
    if !attempt() {
        let signal = Arc::new(Signal::new());
        outcome = own_loop(py).and_then(|own_loop| {
            place.set(Some(weighted.line.enter(py, Who::Thread(Arc::clone(&signal)), own_loop.as_ref())));
            retry(py, patience, || signal.waiter(), attempt)
        });
    }
    if let Some(place) = place.get() {
        weighted.line.leave(py, place);
    }
    if items.len() == 0 {
        return Ok(());
    }
    store.buffer.refused(&reason, items.len());
    Err(Refused { reason, items: items.collect(), raised: raised.or(outcome.err()) })
}

/// Whether it is this place's turn, or a newcomer's: after closing it is everybody's, to be told so.
fn may_go(py: Python<'_>, store: &Store, weighted: &Weighted, place: Option<u64>) -> PyResult<bool> {
    Ok(weighted.line.is_free(py, place)? || store.buffer.is_closed())
}

/// The event loop that runs in this thread. Where asyncio was never imported, there is none, and importing it takes long.
fn own_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let modules = py.import("sys")?.getattr("modules")?;
    let running = match modules.call_method1("get", ("asyncio.events",))?.getattr_opt("_get_running_loop")? {
        Some(function) => function.call0()?,
        None => return Ok(None),
    };
    Ok((!running.is_none()).then_some(running))
}

/// Counts what is refused for good.
fn refused(store: &Store, rejected: Rejected<Vec<Item>>) -> Refused {
    let (reason, items) = rejected.into_parts();
    store.buffer.refused(&reason, items.len());
    Refused { reason, items, raised: None }
}

/// The exception for an item that a queue with a limit by weight has refused.
fn no_room(slf: &Bound<'_, Queue>, weighted: &Weighted, reason: &BufferError) -> PyErr {
    let py = slf.py();
    let full = match errors::full(py) {
        Ok(full) if *reason == BufferError::Full => full,
        Ok(_) => return errors::to_python(py, reason),
        Err(import_failed) => return import_failed,
    };
    let mut text = format!("the queue has too little room for the item: max_weight = {}", weighted.max_weight);
    if slf.get().maxsize > 0 {
        text += &format!(", maxsize = {}", slf.get().maxsize);
    }
    PyErr::from_type(full.clone(), text)
}

/// An item that a task waits to put into a queue with a limit by weight: weighed once, and with a place in line.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Put {
    queue: Py<Elastic>,
    item: Item,
    weight: usize,
    /// The task itself, when it waits.
    tasks: Arc<Tasks>,
    place: Mutex<Option<u64>>,
}

impl Put {
    fn with<R>(&self, run: impl FnOnce(&Store, &Weighted) -> R) -> R {
        let store = &self.queue.get().store;
        match &store.buffer {
            Items::Weighted(weighted) => run(store, weighted),
            _ => unreachable!("only a buffer with weights makes a Put"),
        }
    }

    fn leave_line(&self, py: Python<'_>) {
        let place = self.place.lock().take();
        if let Some(place) = place {
            self.tasks.clear();
            self.with(|_, weighted| weighted.line.leave(py, place));
        }
    }
}

#[pymethods]
impl Put {
    /// One attempt: true if the item was added, false if there is no room yet. Raises ShutDown.
    fn offer(&self, py: Python<'_>) -> PyResult<bool> {
        let place = *self.place.lock();
        let added = self.with(|store, weighted| {
            if !may_go(py, store, weighted, place)? {
                return Ok(false);
            }
            match weighted.offer(vec![self.item.clone_ref(py)], &[self.weight]) {
                Ok(()) => {
                    store.added(py, 1);
                    Ok(true)
                }
                Err(rejected) if rejected.reason().is_capacity_error() => Ok(false),
                Err(rejected) => Err(errors::to_python(py, &refused(store, rejected).reason)),
            }
        });
        if !matches!(added, Ok(false)) {
            self.leave_line(py);
        }
        added
    }

    /// Lets the task wait for its turn; it must try once more after this and before it suspends.
    #[pyo3(signature = (event_loop, future, front))]
    fn enter(&self, py: Python<'_>, event_loop: Py<PyAny>, future: Py<PyAny>, front: bool) {
        let entered = self.place.lock().is_some();
        if !entered {
            let who = Who::Task { event_loop: event_loop.clone_ref(py), tasks: Arc::clone(&self.tasks) };
            let place = self.with(|_, weighted| weighted.line.enter(py, who, None));
            *self.place.lock() = Some(place);
        }
        self.tasks.enter(event_loop, future, front);
    }

    /// Ends the waiting.
    fn leave(&self, py: Python<'_>, future: &Bound<'_, PyAny>) {
        self.tasks.leave(future);
        self.leave_line(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // What stands in line is the line's to show.
        visit.call(&self.queue)?;
        visit.call(&self.item)
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        // A coroutine that an exception ended between two of its steps has not left.
        Python::try_attach(|py| self.leave_line(py));
    }
}
