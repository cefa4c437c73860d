//! What a `Queue` does with items that there is no room for, and its limit by weight.
//!
//! The fast path knows nothing of either. A call comes here only when the buffer has refused an item. If
//! items have weights, it finds a buffer that is closed; so does a call in a queue that has moved. An item
//! that is evicted or dropped is first counted as done. Its reference is dropped last, without any lock,
//! since that may run Python code that uses the queue.

use crate::elastic::Elastic;
use crate::entrance::{Refused, collect};
use crate::errors;
use crate::moved::moved;
use crate::numbers;
use crate::patience::Patience;
use crate::put::{Put, may_go};
use crate::queue::{self, Queue};
use crate::raw::Item;
use crate::store::Store;
use crate::weighted::Weighted;
use elasticq::{BufferError, Config, DynamicCircularBuffer, Rejected};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// What happens to an item that there is no room for.
#[derive(Clone, Copy)]
pub enum Overflow {
    /// Its producer waits.
    Block,
    /// It is refused at once.
    Error,
    /// The oldest items are evicted.
    DropOldest,
    /// The item itself is dropped.
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

    /// The policy that `self as u8` stands for.
    pub fn of_number(number: u8) -> Self {
        POLICIES[usize::from(number)].1
    }

    const fn drops_oldest(self) -> bool {
        matches!(self, Self::DropOldest)
    }
}

fn broken(py: Python<'_>, text: String) -> PyErr {
    errors::to_python(py, &BufferError::InvalidConfiguration(text))
}

/// The buffer with weights for these settings; `None` if there is no limit by weight. `max_weight` and
/// `weigh` are that limit.
pub fn weighted(
    py: Python<'_>,
    max_weight: Option<&Bound<'_, PyAny>>,
    weigh: Option<&Bound<'_, PyAny>>,
    config: &Config,
) -> PyResult<Option<Box<Weighted>>> {
    let Some(max_weight) = max_weight else {
        return match weigh {
            None => Ok(None),
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
    let buffer = DynamicCircularBuffer::with_lock(config.clone()).map_err(|error| errors::to_python(py, &error))?;
    Ok(Some(Box::new(Weighted::new(buffer, max_weight, weigh.map(|weigh| weigh.clone().unbind())))))
}

/// The rest of `put`, after the first attempt was refused.
#[cold]
pub fn put(slf: &Bound<'_, Queue>, rejected: Rejected<Item>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.as_super().get().store();
    if let Some(weighted) = store.buffer.weighted() {
        let item = rejected.into_inner();
        let weight = weighted.weigh(item.bind(py))?;
        let added = put_weighed(slf, weighted, vec![item], vec![weight], patience);
        return added.map_err(|refused| refused.raised.unwrap_or_else(|| no_room(slf, weighted, &refused.reason)));
    }
    let at_once = |rejected: Rejected<Item>| {
        store.entrance().refused(py, rejected.reason(), 1);
        rejected
    };
    let refused = match (rejected.reason().is_capacity_error(), slf.get().overflow()) {
        (true, Overflow::Block) => match store.entrance().put_waiting(py, rejected, patience)? {
            Ok(()) => return Ok(()),
            Err(rejected) => rejected,
        },
        (true, Overflow::DropOldest) => match store.force(py, rejected.into_inner()) {
            Ok(evicted) => return queue::finish(slf, usize::from(evicted.is_some())),
            Err(rejected) => at_once(rejected),
        },
        (true, Overflow::DropNewest) => {
            store.buffer.dropped_on_arrival(1);
            return Ok(());
        }
        _ => at_once(rejected),
    };
    put_instead(slf, refused, patience)
}

/// If the queue has moved, puts the item there; otherwise raises.
#[cold]
fn put_instead(slf: &Bound<'_, Queue>, rejected: Rejected<Item>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.as_super().get().store();
    let (reason, item) = rejected.into_parts();
    if reason != BufferError::Closed || store.moved.get(py).is_none() {
        return Err(errors::to_python(py, &reason));
    }
    let put = match slf.get().overflow() {
        Overflow::Block => {
            let (block, timeout) = patience.left();
            moved!(slf, store, "put", item, block, timeout)
        }
        Overflow::Error => moved!(slf, store, "put", item, false, py.None()),
        policy => moved!(slf, store, "put_dropping", item, policy.drops_oldest()),
    };
    put.map_or(Ok(()), |put| put.map(drop))
}

/// The queue, if this file says what happens to items that its buffer refuses: that is, if they are weighed
/// or don't wait.
pub fn limiting<'a, 'py>(queue: &'a Bound<'py, Elastic>) -> Option<&'a Bound<'py, Queue>> {
    let limited = queue.cast::<Queue>().ok()?;
    let waits = matches!(limited.get().overflow(), Overflow::Block) && queue.get().store().buffer.weighted().is_none();
    (!waits).then_some(limited)
}

/// Deals with an item of a task, or returns the `Put` with which the task goes on.
#[cold]
pub fn offer(slf: &Bound<'_, Queue>, rejected: Rejected<Item>) -> PyResult<Option<Put>> {
    let py = slf.py();
    match (slf.get().overflow(), slf.as_super().get().store().buffer.weighted()) {
        (Overflow::Block, Some(weighted)) => {
            let item = rejected.into_inner();
            let weight = weighted.weigh(item.bind(py))?;
            Ok(Some(Put::new(vec![item], vec![weight])))
        }
        _ => put(slf, rejected, Patience::None).map(|()| None),
    }
}

/// The same for a batch.
pub fn offer_many(slf: &Bound<'_, Queue>, items: Vec<Item>) -> PyResult<Option<Put>> {
    let py = slf.py();
    match (slf.get().overflow(), slf.as_super().get().store().buffer.weighted()) {
        (Overflow::Block, Some(weighted)) => {
            let weights = weighted.weigh_all(py, &items)?;
            Ok(Some(Put::new(items, weights)))
        }
        _ => put_many(slf, PyList::new(py, items)?.as_any(), Patience::None).map(|()| None),
    }
}

/// Adds all items of an iterable.
pub fn put_many(slf: &Bound<'_, Queue>, iterable: &Bound<'_, PyAny>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.as_super().get().store();
    if let Some(weighted) = store.buffer.weighted() {
        let items = collect(iterable)?;
        let weights = weighted.weigh_all(py, &items)?;
        let added = put_weighed(slf, weighted, items, weights, patience);
        return added.map_err(|refused| refused.into_exception(py));
    }
    let added = match slf.get().overflow() {
        Overflow::Block => store.entrance().put_many(py, iterable, patience)?,
        Overflow::Error => store.entrance().put_many(py, iterable, Patience::None)?,
        _ if store.entrance().offer_sequence(py, iterable) => Ok(()),
        Overflow::DropOldest => match store.force_many(py, collect(iterable)?) {
            Ok(evicted) => return queue::finish(slf, evicted.len()),
            Err(rejected) => Err(refused(py, store, rejected)),
        },
        Overflow::DropNewest => {
            let mut items = collect(iterable)?.into_iter();
            match store.entrance().offer_some(py, &mut items) {
                Ok(_) => {
                    store.buffer.dropped_on_arrival(items.len());
                    Ok(())
                }
                Err(reason) => Err(refused(py, store, Rejected::new(reason, items.collect()))),
            }
        }
    };
    added.or_else(|refused| put_many_instead(slf, refused, patience))
}

/// If the queue has moved, puts the rest of the batch there; otherwise raises.
#[cold]
fn put_many_instead(slf: &Bound<'_, Queue>, refused: Refused, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.as_super().get().store();
    if !refused.is_for_closing() || store.moved.get(py).is_none() {
        return Err(refused.into_exception(py));
    }
    // `put_many` there takes the items that are in out of this list.
    let items = PyList::new(py, refused.items)?;
    let put = match slf.get().overflow() {
        Overflow::Block => {
            let (block, timeout) = patience.left();
            moved!(slf, store, "put_many", &items, block, timeout)
        }
        Overflow::Error => moved!(slf, store, "put_many", &items, false, py.None()),
        policy => moved!(slf, store, "put_many_dropping", &items, policy.drops_oldest()),
    };
    let Some(Err(raised)) = put else { return Ok(()) };
    raised.value(py).setattr(intern!(py, "remaining"), items)?;
    Err(raised)
}

/// Adds items with their weights, as the overflow policy says.
fn put_weighed(
    slf: &Bound<'_, Queue>,
    weighted: &Weighted,
    items: Vec<Item>,
    weights: Vec<usize>,
    patience: Patience,
) -> Result<(), Refused> {
    let py = slf.py();
    let store = slf.as_super().get().store();
    let count = items.len();
    match (slf.get().overflow(), patience) {
        (Overflow::Block, Patience::Until(_)) => Put::new(items, weights).wait(py, store, weighted, patience),
        (Overflow::Block | Overflow::Error, _) => {
            let added = match may_go(py, store, weighted, None) {
                Ok(true) => weighted.offer(items, &weights),
                Ok(false) => Err(Rejected::new(BufferError::Full, items)),
                Err(raised) => return Err(Refused { reason: BufferError::Full, items, raised: Some(raised) }),
            };
            added.map_err(|rejected| refused(py, store, rejected))?;
            store.added(py, count);
            Ok(())
        }
        (Overflow::DropOldest, _) => {
            let evicted = weighted.force(items, &weights).map_err(|rejected| refused(py, store, rejected))?;
            store.added(py, count);
            queue::finish(slf, evicted.len()).map_err(Refused::raised)
        }
        (Overflow::DropNewest, _) => {
            let dropped = weighted.offer_fitting(items, &weights).map_err(|rejected| refused(py, store, rejected))?;
            store.buffer.dropped_on_arrival(dropped.len());
            store.added(py, count - dropped.len());
            Ok(())
        }
    }
}

/// Counts items that were refused for good.
fn refused(py: Python<'_>, store: &Store, rejected: Rejected<Vec<Item>>) -> Refused {
    let (reason, items) = rejected.into_parts();
    store.entrance().refused(py, &reason, items.len());
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
    if slf.get().maxsize() > 0 {
        text += &format!(", maxsize = {}", slf.get().maxsize());
    }
    PyErr::from_type(full.clone(), text)
}

pub fn not_with_weights(py: Python<'_>, what: &str) -> PyErr {
    errors::to_python(py, &BufferError::InvalidOperation(with_weights(what)))
}

pub fn with_weights(what: &str) -> String {
    format!("{what} together with max_weight: a queue that weighs its items serves them in one way only")
}
