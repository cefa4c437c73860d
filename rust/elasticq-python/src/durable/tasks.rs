//! What tasks await: each call is a `Pending`, whose future is the crate's. A step of it waits for no disk; the
//! queue's own thread syncs, and wakes the task.

use super::{Durable, Lease};
use crate::raw::Item;
use crate::waiting::pending::{Outcome, Pending};
use crate::waiting::turns::BATCH;
use elasticq::BufferResult;
use elasticq::persistent::PushOptions;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
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
    let durable = Arc::clone(durable);
    Pending::new(durable.gives_way(true, 1), async move {
        let taken = durable.files.take_back_async(1, || durable.undone.taking()).await;
        outcome(durable, taken, |durable, py, (taken, _taking)| {
            Ok(durable.values(py, taken)?.pop().unwrap_or_else(|| py.None()))
        })
    })
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

/// What ends leases: `work` gives them back if it fails.
pub fn end<F>(durable: &Arc<Durable>, work: F) -> Pending
where
    F: Future<Output = BufferResult<()>> + Send + 'static,
{
    let durable = Arc::clone(durable);
    Pending::new(durable.gives_way(true, 1), async move {
        let ended = work.await;
        durable.undone.changed();
        outcome(durable, ended, |_, py, ()| Ok(py.None()))
    })
}

/// Waits until nothing is left to do.
pub fn join(durable: &Arc<Durable>) -> Pending {
    let durable = Arc::clone(durable);
    Pending::new(false, async move {
        loop {
            let mut waiter = elasticq::Waiter::owned(Arc::clone(&durable), |durable| durable.undone.less());
            if durable.unfinished() == 0 {
                break;
            }
            poll_fn(|context| match Pin::new(&mut waiter).poll(context) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            })
            .await;
        }
        outcome(durable, Ok(()), |_, py, ()| Ok(py.None()))
    })
}
