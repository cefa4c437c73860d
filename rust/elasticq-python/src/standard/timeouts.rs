//! What `block` and `timeout` mean for a `Queue`. There are cases in which the standard library does not look
//! at a timeout that is not valid.

use crate::arguments::numbers::Truth;
use crate::arguments::patience::Patience;
use crate::raw::Item;
use crate::store::Store;
use crate::store::moved::moved;
use crate::store::object::Elastic;
use elasticq::BufferError;
use pyo3::prelude::*;

/// What `block` and `timeout` mean for `put`. In the standard library a queue without a limit doesn't look at
/// the timeout.
#[inline]
pub fn to_put(store: &Store, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Patience> {
    if store.limits.may_refuse() { Patience::new(block, timeout) } else { Ok(Patience::Until(None)) }
}

/// `put` with a timeout that is not valid. The standard library does not look at the timeout when there is no
/// need to wait for room: when there is no limit, or the queue was shut down.
#[cold]
#[inline(never)]
pub fn put_in_no_time(slf: &Bound<'_, Elastic>, item: Item, error: PyErr) -> PyResult<()> {
    match moved!(slf, slf.get().store(), "put_unlimited", item) {
        Some(added) => added?.is_truthy()?.then_some(()).ok_or(error),
        None if slf.get().store().buffer.is_closed() => Err(slf.get().store().error(slf.py(), &BufferError::Closed)),
        None => Err(error),
    }
}

/// What `block` and `timeout` mean for `get`. In the standard library the end of the queue comes first: it is
/// raised even if the timeout is not valid.
#[inline(always)]
pub fn to_get(slf: &Bound<'_, Elastic>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Patience> {
    #[cold]
    #[inline(never)]
    fn refuse(slf: &Bound<'_, Elastic>, error: PyErr) -> PyErr {
        match moved!(slf, slf.get().store(), "check_ended") {
            Some(checked) => checked.err().unwrap_or(error),
            None if slf.get().store().buffer.is_closed() && slf.get().store().buffer.is_empty() => {
                slf.get().store().error(slf.py(), &BufferError::Closed)
            }
            None => error,
        }
    }
    // Without a timeout nothing can be wrong.
    if timeout.is_none() {
        return Ok(if block.0 { Patience::Until(None) } else { Patience::None });
    }
    Patience::new(block, timeout).map_err(|error| refuse(slf, error))
}
