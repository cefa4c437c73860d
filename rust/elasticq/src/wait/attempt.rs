//! Waiting, as a thread or as a task: two ways to go on with the same attempt.
//!
//! ```text
//! try ──> register ──> try again ──> sleep ──> try ──> register ──> ...
//! ```
//!
//! An attempt that can't succeed yet registers with a signal, tries once more, and gives the waiter back. In
//! that order no wake-up is missed. The attempts alone keep the order right; neither way of waiting has to
//! know of it.
//!
//! **A future that is dropped** has taken nothing and put nothing in, since an attempt that succeeds ends the
//! future in the same poll. A wake-up that the future has received and not acted on goes to the next in line
//! when the waiter is dropped. A wake-up that the future has acted on led to an attempt. If that attempt came
//! to nothing, there was nothing to be had, or another thread is about to publish an item and then wakes the
//! next waiter itself. The item of a future that sends is kept outside of the attempts, and outside of
//! whatever holds a right to use the queue. So nothing of the call is left when the item is dropped, and the
//! item's `Drop` may use the queue.

use super::Waiter;
use crate::error::{BufferError, BufferResult};
use crate::sync::{Backoff, Ordering, fence};
use std::future::poll_fn;
use std::mem::replace;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// What an attempt comes to. (Public, since it stands in a trait of streams; nobody outside can name it.)
#[derive(Debug)]
pub enum Attempt<'a, R> {
    /// The attempt has succeeded, or never will.
    Settled(R),
    /// Another thread is about to make the attempt possible, but may have looked for sleepers already. Try
    /// again soon, without sleeping.
    #[cfg_attr(not(feature = "lock_free"), allow(dead_code))]
    Soon,
    /// The attempt has registered, and then failed again. Try again when woken.
    Sleep(Waiter<'a>),
}

/// Tries, registers, and tries again. `try_it` returns `None` if waiting may help.
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

/// The result of an attempt to put something in, for `try_or_register`: `None` if room may come.
pub(crate) fn unless_full<R>(put: BufferResult<R>) -> Option<BufferResult<R>> {
    match put {
        Err(reason) if reason.is_capacity_error() => None,
        settled => Some(settled),
    }
}

/// The result of an attempt to take something, for `try_or_register`: `None` if an item may come.
pub(crate) fn unless_empty<R>(taken: BufferResult<R>) -> Option<BufferResult<R>> {
    match taken {
        Err(BufferError::Empty) => None,
        settled => Some(settled),
    }
}

/// What was taken, or `None` if the time was over first.
pub(crate) fn in_time<R>(taken: BufferResult<R>) -> BufferResult<Option<R>> {
    match taken {
        Err(BufferError::Timeout(_)) => Ok(None),
        settled => settled.map(Some),
    }
}

/// Repeats the attempt until it is settled, and blocks in between; `Timeout` after `timeout`. A timeout too
/// long for the clock waits for ever. The clock is read only when there is something to wait for.
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

/// Repeats the attempt until it is settled, and lets other tasks run in between.
pub(crate) async fn complete<'a, R>(mut attempt: impl FnMut() -> Attempt<'a, R>) -> R {
    let (backoff, mut waiter, mut is_again) = (Backoff::new(), None::<Waiter<'a>>, false);
    // Written out, since each future in another one would be a place for one more copy of the result.
    poll_fn(move |context| {
        let made_progress = ready!(poll_turn(context));
        loop {
            if let Some(waiter) = &mut waiter {
                ready!(Pin::new(waiter).poll(context));
            }
            waiter = None;
            if replace(&mut is_again, true) {
                see_what_woke();
            }
            match attempt() {
                Attempt::Settled(result) => {
                    made_progress();
                    return Poll::Ready(result);
                }
                Attempt::Soon => {
                    backoff.snooze(); // if no other task is ready, this one is polled again at once
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Attempt::Sleep(registered) => waiter = Some(registered),
            }
        }
    })
    .await
}

/// The turn of a call in a task, where the runtime is tokio's: a task that always finds what it wants would
/// keep all others of its thread waiting. The call counts in the task's budget, as those of tokio's own
/// channels do, if it says that it made progress.
pub(crate) fn poll_turn(context: &mut Context<'_>) -> Poll<impl FnOnce() + use<>> {
    #[cfg(all(feature = "async", not(loom)))]
    return tokio::task::coop::poll_proceed(context).map(|turn| move || turn.made_progress());
    #[cfg(not(all(feature = "async", not(loom))))]
    {
        let _ = context;
        Poll::Ready(|| ())
    }
}

/// The call, in such turns.
pub(crate) async fn cooperate<R>(call: impl Future<Output = R>) -> R {
    let mut call = pin!(call);
    poll_fn(|context| {
        let made_progress = ready!(poll_turn(context));
        let done = ready!(call.as_mut().poll(context));
        made_progress();
        Poll::Ready(done)
    })
    .await
}

/// A thread that changes the queue and finds this waiter woken already wakes nobody. It made its change
/// before that. After this fence, the attempts that follow see the change.
pub(crate) fn see_what_woke() {
    fence(Ordering::SeqCst);
}
