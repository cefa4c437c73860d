//! What a call that waits does between two tries: try, **register, try again, sleep**, try, register, ... In that order it misses
//! no wake-up.

use super::Waiter;
use crate::error::{BufferError, BufferResult};
use std::time::{Duration, Instant};

/// The time between two tries of a call that blocks.
pub(crate) struct Sleep<'a, F> {
    register: F,
    timeout: Duration,
    /// When to give up; read from the clock only once there is something to wait for.
    deadline: Option<Option<Instant>>,
    waiter: Option<Waiter<'a>>,
}

impl<'a, F: Fn() -> Waiter<'a>> Sleep<'a, F> {
    pub(crate) const fn new(register: F, timeout: Duration) -> Self {
        Self { register, timeout, deadline: None, waiter: None }
    }

    /// Registers, so that the try which follows misses nothing, or, when it has registered before, sleeps.
    pub(crate) fn before_the_next_try(&mut self) -> BufferResult<()> {
        let Some(mut waiter) = self.waiter.take() else {
            self.waiter = Some((self.register)());
            return Ok(());
        };
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now().checked_add(self.timeout));
        if waiter.wait_until(deadline) { Ok(()) } else { Err(BufferError::Timeout(self.timeout)) }
    }
}

/// Tries until `attempt` gives a result instead of what it needs for the next try, and sleeps as a task in between.
///
/// A future that is dropped has tried in vain: a try that succeeds ends it in the same poll. A wake-up that it has not acted on
/// goes to the next in line with the waiter.
#[cfg(feature = "priority")]
pub(crate) async fn complete<'a, S, R>(
    mut state: S,
    register: impl Fn() -> Waiter<'a>,
    mut attempt: impl FnMut(S) -> Result<R, S>,
) -> R {
    let mut waiter = None;
    loop {
        state = match attempt(state) {
            Ok(result) => return result,
            Err(state) => state,
        };
        match waiter.take() {
            None => waiter = Some(register()),
            Some(registered) => registered.await,
        }
    }
}
