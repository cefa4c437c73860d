//! How long a call waits.

use super::numbers::{Truth, seconds};
use elasticq::BufferError;
use pyo3::prelude::*;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

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

    /// How long a call with this timeout waits. Without a timeout it answers at once.
    pub fn within(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::None, |timeout| Self::Until(Instant::now().checked_add(timeout)))
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

/// How long `push`, `pop` and the batches of a buffer wait.
#[derive(Default)]
pub struct Timeouts(OnceLock<(Option<Duration>, Option<Duration>)>);

impl Timeouts {
    /// Sets the timeouts, only the first time.
    pub fn set(&self, push_and_pop: (Option<Duration>, Option<Duration>)) {
        let _ = self.0.set(push_and_pop);
    }

    pub fn push(&self) -> Option<Duration> {
        self.0.get().and_then(|timeouts| timeouts.0)
    }

    pub fn pop(&self) -> Option<Duration> {
        self.0.get().and_then(|timeouts| timeouts.1)
    }
}

/// The error of a call that waited: if it got nothing, it has timed out.
pub fn waited(error: BufferError, timeout: Option<Duration>) -> BufferError {
    match timeout {
        Some(timeout) if error == BufferError::Empty || error.is_capacity_error() => BufferError::Timeout(timeout),
        _ => error,
    }
}
