//! Waiting, as a thread or as a task: two ways to go on with the same attempt.
//!
//! ```text
//! try ──> register ──> try again ──> sleep ──> try ──> register ──> ...
//! ```
//!
//! An attempt that can't succeed yet registers with a signal, tries once more, and gives the waiter back. In that order no wake-up is
//! missed. All that has to be right about the order stands in the attempts, and neither way of waiting knows of it.
//!
//! **A future that is dropped** has taken nothing and put nothing in: an attempt that succeeds ends it in the same poll. A
//! wake-up that reached the future and that it has not acted on goes to the next in line when its waiter is dropped. A wake-up that it
//! has acted on led to an attempt. Where that came to nothing, there was nothing to be had, or somebody is about to publish an item
//! and then wakes the next himself. The item of a future that sends stands in a place outside of the attempts, and outside of what
//! gives a right at the queue: so nothing of the call is left when the item is dropped, whose `Drop` may use the queue.

use super::Waiter;
use crate::error::{BufferError, BufferResult};
use crate::sync::{Backoff, Ordering, fence};
use std::future::poll_fn;
use std::mem::replace;
use std::task::Poll;
use std::time::{Duration, Instant};

/// What an attempt comes to.
pub(crate) enum Attempt<'a, R> {
    /// The attempt has succeeded, or never will.
    Settled(R),
    /// Somebody is about to change that, but may have looked for sleepers already: try again soon, without sleeping.
    #[cfg_attr(not(feature = "lock_free"), allow(dead_code))]
    Soon,
    /// The attempt has registered, and then tried in vain. Try again when woken.
    Sleep(Waiter<'a>),
}

/// Tries, registers, and tries again. `try_it` gives nothing where waiting may help.
pub(crate) fn try_or_register<'a, R>(
    mut try_it: impl FnMut() -> Option<R>,
    register: impl FnOnce() -> Waiter<'a>,
) -> Attempt<'a, R> {
    if let Some(settled) = try_it() {
        return Attempt::Settled(settled);
    }
    let waiter = register();
    match try_it() {
        Some(settled) => Attempt::Settled(settled),
        None => Attempt::Sleep(waiter),
    }
}

/// What an attempt to put something in comes to, for `try_or_register`: nothing, where room may come.
pub(crate) fn unless_full<R>(put: BufferResult<R>) -> Option<BufferResult<R>> {
    match put {
        Err(reason) if reason.is_capacity_error() => None,
        settled => Some(settled),
    }
}

/// What an attempt to take something comes to, for `try_or_register`: nothing, where an item may come.
pub(crate) fn unless_empty<R>(taken: BufferResult<R>) -> Option<BufferResult<R>> {
    match taken {
        Err(BufferError::Empty) => None,
        settled => Some(settled),
    }
}

/// What was taken, or nothing where the time was over before.
pub(crate) fn in_time<R>(taken: BufferResult<R>) -> BufferResult<Option<R>> {
    match taken {
        Err(BufferError::Timeout(_)) => Ok(None),
        settled => settled.map(Some),
    }
}

/// Makes the attempt again and again until it is settled, and blocks in between; `Timeout` after `timeout`. A timeout too long for the
/// clock waits for ever. The clock is read only when there is something to wait for.
pub(crate) fn block<'a, R>(
    timeout: Duration,
    mut attempt: impl FnMut() -> Attempt<'a, BufferResult<R>>,
) -> BufferResult<R> {
    let backoff = Backoff::new();
    let mut deadline = None;
    let mut expired = false;
    loop {
        let attempt = attempt();
        if let Attempt::Settled(result) = attempt {
            return result;
        }
        if expired {
            return Err(BufferError::Timeout(timeout));
        }
        let deadline = *deadline.get_or_insert_with(|| Instant::now().checked_add(timeout));
        match attempt {
            Attempt::Soon => {
                backoff.snooze();
                expired = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            }
            Attempt::Sleep(mut waiter) => expired = !waiter.wait_until(deadline),
            Attempt::Settled(_) => {}
        }
        see_what_woke();
    }
}

/// Makes the attempt again and again until it is settled, and lets other tasks run in between.
pub(crate) async fn complete<'a, R>(mut attempt: impl FnMut() -> Attempt<'a, R>) -> R {
    let backoff = Backoff::new();
    loop {
        match attempt() {
            Attempt::Settled(result) => return result,
            Attempt::Soon => {
                backoff.snooze(); // where no other task is ready, this one is polled again at once
                yield_now().await;
            }
            Attempt::Sleep(waiter) => waiter.await,
        }
        see_what_woke();
    }
}

/// A thread that changes the queue and finds this one woken already wakes nobody. It made its change before: the attempts that follow
/// see it.
fn see_what_woke() {
    fence(Ordering::SeqCst);
}

/// Lets the other tasks run once.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
