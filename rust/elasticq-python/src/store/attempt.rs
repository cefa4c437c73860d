//! `Attempt`: whether a caller that has tried once should try again, and when.

use elasticq::{BufferError, BufferResult};

/// What the outcome of an attempt means for a waiter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It has succeeded, or never will.
    Settled,
    /// Another thread is at this end of the queue. It will leave in a moment.
    Soon,
    /// There is no item, or no room.
    Sleep,
}

impl Attempt {
    pub fn of<R>(result: &BufferResult<R>) -> Self {
        result.as_ref().map_or_else(Self::refused, |_| Self::Settled)
    }

    /// What it means for a waiter that an attempt was refused for `reason`.
    pub fn refused(reason: &BufferError) -> Self {
        match reason {
            BufferError::InvalidOperation(_) => Self::Soon,
            BufferError::Empty => Self::Sleep,
            reason if reason.is_capacity_error() => Self::Sleep,
            _ => Self::Settled,
        }
    }
}
