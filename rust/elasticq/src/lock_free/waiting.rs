//! Waiting, as a thread or as a task: two ways to go on with the same attempt.
//!
//! An attempt that can't succeed yet registers with a signal, looks once more, and gives the waiter back. So all that has
//! to be right about the order of registering and looking stands in the attempts, and neither way of waiting knows of it.
//!
//! **A future that is dropped** has taken nothing and put nothing in: an attempt that succeeds ends it in the same poll. A
//! wake-up that reached it and that it has not acted on goes to the next in line when its waiter is dropped. One that it has
//! acted on led to an attempt, and where that came to nothing there was nothing to be had, or somebody is about to publish
//! an item, who then wakes the next himself. The item of one that sends stands in a place outside of the attempts, and of what
//! gives a right at the queue: so nothing of the call is left when the item is dropped, whose `Drop` may use the queue.

use crate::sync::{Backoff, Ordering, fence};
use crate::wait::Waiter;
use std::future::poll_fn;
use std::mem::replace;
use std::task::Poll;
use std::time::Instant;

/// What an attempt comes to: a result `R`, or what it needs to be made again, `S`.
pub(super) enum Attempt<'a, S, R> {
    /// It has succeeded, or never will.
    Settled(R),
    /// Somebody is about to change that, but may have looked for sleepers already: try again soon, without sleeping.
    Soon(S),
    /// It has registered, and then looked in vain. Try again when woken.
    Sleep(S, Waiter<'a>),
}

/// Makes `attempt` again and again, blocking in between, until it is settled or `deadline` has passed, when what is left is
/// given back. `None` waits for ever.
pub(super) fn block<'a, S, R>(
    mut state: S,
    deadline: Option<Instant>,
    mut attempt: impl FnMut(S) -> Attempt<'a, S, R>,
) -> Result<R, S> {
    let backoff = Backoff::new();
    let mut expired = false;
    loop {
        state = match attempt(state) {
            Attempt::Settled(result) => return Ok(result),
            Attempt::Soon(left) | Attempt::Sleep(left, _) if expired => return Err(left),
            Attempt::Soon(left) => {
                backoff.snooze();
                expired = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                left
            }
            Attempt::Sleep(left, mut waiter) => {
                expired = !waiter.wait_until(deadline);
                left
            }
        };
        see_what_woke();
    }
}

/// Makes `attempt` again and again, letting other tasks run in between, until it is settled.
pub(super) async fn complete<'a, S, R>(mut state: S, mut attempt: impl FnMut(S) -> Attempt<'a, S, R>) -> R {
    let backoff = Backoff::new();
    loop {
        state = match attempt(state) {
            Attempt::Settled(result) => return result,
            Attempt::Soon(left) => {
                backoff.snooze(); // where no other task is ready, this one is polled again at once
                yield_now().await;
                left
            }
            Attempt::Sleep(left, waiter) => {
                waiter.await;
                left
            }
        };
        see_what_woke();
    }
}

/// Who found a sleeper woken already, and therefore woke nobody, has made his change before the looks that follow.
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
