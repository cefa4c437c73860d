//! What a store does with items that there is no room for, by its overflow policy and its limit by weight.
//!
//! The fast path knows nothing of either. A call comes here only when the buffer has refused an item. If
//! items have weights, it finds a buffer that is closed; so does a call in a queue that has moved. An item
//! that is evicted or dropped is first counted as done. Its reference is dropped last, without any lock,
//! since that may run Python code that uses the queue.

use super::Store;
use super::entrance::{Refused, collect};
use super::moved::moved;
use super::object::{self, Elastic};
use super::put::{Put, may_go};
use crate::arguments::patience::Patience;
use crate::errors;
use crate::raw::Item;
use crate::room::overflow::Overflow;
use crate::room::weights::Weighted;
use elasticq::{BufferError, Rejected};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// The rest of `put`, after the first attempt was refused.
#[cold]
pub fn put(slf: &Bound<'_, Elastic>, rejected: Rejected<Item>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.get().store();
    if let Some(weighted) = store.buffer.weighted() {
        let item = rejected.into_inner();
        let weight = weighted.weigh(item.bind(py))?;
        let added = put_weighed(slf, weighted, vec![item], vec![weight], patience);
        return added.map_err(|refused| match refused.raised {
            Some(raised) => *raised,
            None => no_room(py, store, weighted, &refused.reason),
        });
    }
    let at_once = |rejected: Rejected<Item>| {
        store.entrance().refused(py, rejected.reason(), 1);
        rejected
    };
    let refused = match (rejected.reason().is_capacity_error(), store.limits.overflow()) {
        (true, Overflow::Block) => match store.entrance().put_waiting(py, rejected, patience)? {
            Ok(()) => return Ok(()),
            Err(rejected) => rejected,
        },
        (true, Overflow::DropOldest) => match store.force(py, rejected.into_inner()) {
            Ok(evicted) => return object::finish(slf, usize::from(evicted.is_some())),
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
fn put_instead(slf: &Bound<'_, Elastic>, rejected: Rejected<Item>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.get().store();
    let (reason, item) = rejected.into_parts();
    if reason != BufferError::Closed || store.moved.get(py).is_none() {
        return Err(store.error(py, &reason));
    }
    let put = match store.limits.overflow() {
        Overflow::Block => {
            let (block, timeout) = patience.left();
            moved!(slf, store, "put", item, block, timeout)
        }
        Overflow::Error => moved!(slf, store, "put", item, false, py.None()),
        policy => moved!(slf, store, "put_dropping", item, policy.drops_oldest()),
    };
    put.map_or(Ok(()), |put| put.map(drop))
}

/// Whether this file says what happens to items that the buffer refuses: that is, if they are weighed or
/// don't wait.
pub fn decides(store: &Store) -> bool {
    !matches!(store.limits.overflow(), Overflow::Block) || store.buffer.weighted().is_some()
}

/// Deals with an item of a task, or returns the `Put` with which the task goes on.
#[cold]
pub fn offer(slf: &Bound<'_, Elastic>, rejected: Rejected<Item>) -> PyResult<Option<Put>> {
    let py = slf.py();
    let store = slf.get().store();
    match (store.limits.overflow(), store.buffer.weighted()) {
        (Overflow::Block, Some(weighted)) => {
            let item = rejected.into_inner();
            let weight = weighted.weigh(item.bind(py))?;
            Ok(Some(Put::new(vec![item], vec![weight])))
        }
        _ => put(slf, rejected, Patience::None).map(|()| None),
    }
}

/// The same for a batch.
pub fn offer_many(slf: &Bound<'_, Elastic>, items: Vec<Item>) -> PyResult<Option<Put>> {
    let py = slf.py();
    let store = slf.get().store();
    match (store.limits.overflow(), store.buffer.weighted()) {
        (Overflow::Block, Some(weighted)) => {
            let weights = weighted.weigh_all(py, &items)?;
            Ok(Some(Put::new(items, weights)))
        }
        _ => put_many(slf, PyList::new(py, items)?.as_any(), Patience::None).map(|()| None),
    }
}

/// Adds all items of an iterable.
pub fn put_many(slf: &Bound<'_, Elastic>, iterable: &Bound<'_, PyAny>, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.get().store();
    if let Some(weighted) = store.buffer.weighted() {
        let items = collect(iterable)?;
        let weights = weighted.weigh_all(py, &items)?;
        let added = put_weighed(slf, weighted, items, weights, patience);
        return added.map_err(|refused| refused.into_exception(py, store.words));
    }
    let added = match store.limits.overflow() {
        Overflow::Block => store.entrance().put_many(py, iterable, patience)?,
        Overflow::Error => store.entrance().put_many(py, iterable, Patience::None)?,
        _ if store.entrance().offer_sequence(py, iterable) => Ok(()),
        Overflow::DropOldest => match store.force_many(py, collect(iterable)?) {
            Ok(evicted) => return object::finish(slf, evicted.len()),
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
fn put_many_instead(slf: &Bound<'_, Elastic>, refused: Refused, patience: Patience) -> PyResult<()> {
    let py = slf.py();
    let store = slf.get().store();
    if !refused.is_for_closing() || store.moved.get(py).is_none() {
        return Err(refused.into_exception(py, store.words));
    }
    // `put_many` there takes the items that are in out of this list.
    let items = PyList::new(py, refused.items)?;
    let put = match store.limits.overflow() {
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
    slf: &Bound<'_, Elastic>,
    weighted: &Weighted,
    items: Vec<Item>,
    weights: Vec<usize>,
    patience: Patience,
) -> Result<(), Refused> {
    let py = slf.py();
    let store = slf.get().store();
    let count = items.len();
    match (store.limits.overflow(), patience) {
        (Overflow::Block, Patience::Until(_)) => Put::new(items, weights).wait(py, store, weighted, patience),
        (Overflow::Block | Overflow::Error, _) => {
            let added = match may_go(py, store, weighted, None) {
                Ok(true) => weighted.offer(items, &weights),
                Ok(false) => Err(Rejected::new(BufferError::Full, items)),
                Err(raised) => {
                    return Err(Refused { reason: BufferError::Full, items, raised: Some(Box::new(raised)) });
                }
            };
            added.map_err(|rejected| refused(py, store, rejected))?;
            store.added(py, count);
            Ok(())
        }
        (Overflow::DropOldest, _) => {
            let evicted = weighted.force(items, &weights).map_err(|rejected| refused(py, store, rejected))?;
            store.added(py, count);
            object::finish(slf, evicted.len()).map_err(Refused::raised)
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
fn no_room(py: Python<'_>, store: &Store, weighted: &Weighted, reason: &BufferError) -> PyErr {
    let full = match errors::full(py) {
        Ok(full) if *reason == BufferError::Full => full,
        Ok(_) => return store.error(py, reason),
        Err(import_failed) => return import_failed,
    };
    let mut text = format!("the queue has too little room for the item: max_weight = {}", weighted.max_weight);
    let maxsize = store.limits.maxsize();
    if maxsize > 0 {
        text += &format!(", maxsize = {maxsize}");
    }
    PyErr::from_type(full.clone(), text)
}
