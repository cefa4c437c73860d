//! What tasks await: each call is a `Pending`, whose future is the crate's. A step of it waits for no disk;
//! the queue's own thread syncs, and wakes the task.

use super::{Durable, Files, Lease};
use crate::raw::Item;
use crate::waiting::pending::{Outcome, Pending};
use crate::waiting::turns::BATCH;
use elasticq::BufferResult;
use elasticq::persistent::PushOptions;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;
use std::time::Duration;

/// How one result is made of what was taken.
type Give<T> = fn(&Arc<Durable>, Python<'_>, T) -> PyResult<Item>;

/// The outcome of a call, whose result `give` makes.
fn outcome<T: Send + 'static>(durable: Arc<Durable>, done: BufferResult<T>, give: Give<T>) -> Outcome {
    Box::new(move |py| match done {
        Ok(done) => give(&durable, py, done),
        Err(error) => Err(Durable::error(py, &error)),
    })
}

pub fn put(durable: &Arc<Durable>, bytes: Vec<u8>, options: PushOptions) -> Pending {
    let durable = Arc::clone(durable);
    Pending::new(durable.gives_way(false, 1), async move {
        let put = durable.files.send_with(bytes, &options).await.map_err(elasticq::BufferError::from);
        outcome(durable, put, |_, py, added| added.into_py_any(py))
    })
}

/// Adds all items or none.
pub fn put_many(durable: &Arc<Durable>, items: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let (durable, batch) = (Arc::clone(durable), durable.encode_all(items)?);
    Ok(Pending::new(durable.gives_way(false, BATCH), async move {
        let put = durable.files.send_batch(batch).await.map_err(elasticq::BufferError::from);
        outcome(durable, put, |_, py, ()| Ok(py.None()))
    }))
}

/// Takes one item.
pub fn get(durable: &Arc<Durable>) -> Pending {
    Pending::new(durable.gives_way(true, 1), getting(durable, || ()))
}

/// What `get` does. An outcome that is dropped, and not made the call's result, gives the item back. What
/// `begin` gives is kept during each attempt, and then as long as there is an item.
pub fn getting<G: Send + 'static>(
    durable: &Arc<Durable>,
    begin: impl Fn() -> G + Send + Sync + 'static,
) -> impl Future<Output = Outcome> + Send + 'static {
    let durable = Arc::clone(durable);
    async move {
        let taken = durable.files.take_back_async(1, || (durable.undone.taking(), begin())).await;
        outcome(durable, taken, |durable, py, (taken, _taking)| {
            Ok(durable.values(py, taken)?.pop().unwrap_or_else(|| py.None()))
        })
    }
}

/// Takes up to `max` items, as a list.
pub fn get_many(durable: &Arc<Durable>, max: usize) -> Pending {
    let durable = Arc::clone(durable);
    Pending::new(durable.gives_way(true, BATCH), async move {
        let taken = durable.files.take_back_async(max, || durable.undone.taking()).await;
        outcome(durable, taken, |durable, py, (taken, _taking)| {
            PyList::new(py, durable.values(py, taken)?)?.into_py_any(py)
        })
    })
}

/// Takes up to `max` items on lease; `give` makes the result of the leases.
pub fn lease(durable: &Arc<Durable>, max: usize, ttl: Option<Duration>, give: Give<Vec<Lease<Vec<u8>>>>) -> Pending {
    let durable = Arc::clone(durable);
    let calls = if max == 1 { 1 } else { BATCH };
    Pending::new(durable.gives_way(true, calls), async move {
        let leased = durable.files.lease_batch_async(max, ttl).await;
        outcome(durable, leased, give)
    })
}

/// What ends leases: `work` gives them back if it fails. It does not give way: a task that is cancelled has
/// ended its leases.
pub fn end(work: impl Future<Output = BufferResult<()>> + Send + 'static) -> Pending {
    Pending::new(false, async move {
        let ended = work.await;
        Box::new(move |py: Python<'_>| match ended {
            Ok(()) => Ok(py.None()),
            Err(error) => Err(Durable::error(py, &error)),
        }) as Outcome
    })
}

/// Waits until nothing is left to do.
pub fn join(durable: &Arc<Durable>) -> Pending {
    let durable = Arc::clone(durable);
    Pending::new(false, async move {
        loop {
            let waiter = Files::owned_wait_for_change(Arc::clone(&durable), |durable| &durable.files);
            if durable.unfinished() == 0 {
                break;
            }
            waiter.await;
        }
        outcome(durable, Ok(()), |_, py, ()| Ok(py.None()))
    })
}
