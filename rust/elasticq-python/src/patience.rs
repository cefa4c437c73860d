//! How long a call waits, and what `block` and `timeout` mean for a `Queue`. There are cases in which the
//! standard library does not look at a timeout that is not valid.

use crate::errors;
use crate::moved::moved;
use crate::numbers::{Truth, seconds};
use crate::queue::Queue;
use crate::raw::Item;
use elasticq::BufferError;
use pyo3::prelude::*;
use std::time::Instant;

/// How long a call may block.
#[derive(Clone, Copy)]
pub enum Patience {
    /// The call does not block.
    None,
    /// Until this moment; `None`: for ever.
    Until(Option<Instant>),
}

impl Patience {
    pub const fn waits(self) -> bool {
        matches!(self, Self::Until(_))
    }

    /// What `block` and `timeout` mean. As in the standard library, without `block` the timeout is not looked
    /// at.
    #[inline]
    pub fn new(block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        match (block, timeout) {
            (Truth(false), _) => Ok(Self::None),
            (Truth(true), None) => Ok(Self::Until(None)),
            (Truth(true), Some(timeout)) => {
                let timeout = seconds("timeout", timeout)?;
                Ok(Self::Until(timeout.and_then(|timeout| Instant::now().checked_add(timeout))))
            }
        }
    }

    /// The time that is left, as `block` and a timeout in seconds.
    pub fn left(self) -> (bool, Option<f64>) {
        match self {
            Self::None => (false, None),
            Self::Until(None) => (true, None),
            Self::Until(Some(deadline)) => {
                (true, Some(deadline.saturating_duration_since(Instant::now()).as_secs_f64()))
            }
        }
    }
}

/// `put` with a timeout that is not valid. The standard library does not look at the timeout when there is no
/// need to wait for room: when there is no limit, or the queue was shut down.
#[cold]
#[inline(never)]
pub fn put_in_no_time(slf: &Bound<'_, Queue>, item: Item, error: PyErr) -> PyResult<()> {
    match moved!(slf, slf.as_super().get().store(), "put_unlimited", item) {
        Some(added) => added?.is_truthy()?.then_some(()).ok_or(error),
        None if slf.as_super().get().store().buffer.is_closed() => {
            Err(errors::to_python(slf.py(), &BufferError::Closed))
        }
        None => Err(error),
    }
}

/// What `block` and `timeout` mean for `get`. In the standard library the end of the queue comes first: it is
/// raised even if the timeout is not valid.
#[inline(always)]
pub fn to_get(slf: &Bound<'_, Queue>, block: Truth, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Patience> {
    #[cold]
    #[inline(never)]
    fn refuse(slf: &Bound<'_, Queue>, error: PyErr) -> PyErr {
        match moved!(slf, slf.as_super().get().store(), "check_ended") {
            Some(checked) => checked.err().unwrap_or(error),
            None if slf.as_super().get().store().buffer.is_closed()
                && slf.as_super().get().store().buffer.is_empty() =>
            {
                errors::to_python(slf.py(), &BufferError::Closed)
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
