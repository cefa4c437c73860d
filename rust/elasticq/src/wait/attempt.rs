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
#[cfg(all(feature = "persistent", not(loom)))]
pub(crate) fn try_or_register<'a, R>(
    mut try_it: impl FnMut() -> Option<R>,
    register: impl FnOnce() -> Waiter<'a>,
) -> Attempt<'a, R> {
    match try_it() {
        Some(settled) => Attempt::Settled(settled),
        None => register_and_try(try_it, register),
    }
}

/// The same, but it tries on for a moment before it registers. For attempts that change nothing when they
/// fail, and wait for no disk.
pub(crate) fn try_briefly_or_register<'a, R>(
    mut try_it: impl FnMut() -> Option<R>,
    register: impl FnOnce() -> Waiter<'a>,
) -> Attempt<'a, R> {
    match try_it().or_else(|| try_on(&mut try_it)) {
        Some(settled) => Attempt::Settled(settled),
        None => register_and_try(try_it, register),
    }
}

fn register_and_try<'a, R>(
    mut try_it: impl FnMut() -> Option<R>,
    register: impl FnOnce() -> Waiter<'a>,
) -> Attempt<'a, R> {
    let waiter = register();
    match try_it() {
        Some(settled) => Attempt::Settled(settled),
        None => Attempt::Sleep(waiter),
    }
}

/// Tries on for one or two microseconds. Where another thread is at the other end at this moment, that does
/// without a wake-up, which takes both sides longer. If it comes to nothing, say since the other end is a
/// task of this very thread, the next calls of this thread don't do it: one at first, and with each failure
/// twice as many.
#[cfg(not(loom))]
fn try_on<R>(try_it: &mut impl FnMut() -> Option<R>) -> Option<R> {
    use std::cell::Cell;
    use std::hint::spin_loop;
    std::thread_local! {
        /// How many calls go without, and how many will after the next failure.
        static LEFT_OUT: Cell<(u16, u16)> = const { Cell::new((0, 1)) };
    }
    let (left_out, next) = LEFT_OUT.get();
    if left_out > 0 {
        LEFT_OUT.set((left_out - 1, next));
        return None;
    }
    for round in 2..7 {
        (0..1 << round).for_each(|_| spin_loop());
        if let Some(settled) = try_it() {
            LEFT_OUT.set((0, (next / 2).max(1)));
            return Some(settled);
        }
    }
    LEFT_OUT.set((next, (next * 2).min(256)));
    None
}

#[cfg(loom)]
fn try_on<R>(_: &mut impl FnMut() -> Option<R>) -> Option<R> {
    None
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

/// The first attempt of a call, in a turn of its own. Mostly it succeeds, and then all that waits would take
/// longer than it. `attempt` is called once.
#[cfg(all(feature = "async", not(loom)))]
pub(crate) async fn at_once<R, E>(attempt: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
    let mut attempt = Some(attempt);
    poll_fn(move |context| {
        let made_progress = ready!(poll_turn(context));
        let attempt = attempt.take().expect("it is polled until it is ready");
        let outcome = attempt();
        if outcome.is_ok() {
            made_progress();
        }
        Poll::Ready(outcome)
    })
    .await
}

/// [`complete`] for an attempt that registers where it fails. Here, too, the first try is made outside of all
/// that waits.
pub(crate) async fn complete_or_register<'a, R>(
    mut try_it: impl FnMut() -> Option<R>,
    mut register: impl FnMut() -> Waiter<'a>,
) -> R {
    let first = poll_fn(|context| {
        let made_progress = ready!(poll_turn(context));
        let settled = try_it();
        if settled.is_some() {
            made_progress();
        }
        Poll::Ready(settled)
    });
    match first.await {
        Some(settled) => settled,
        None => complete(|| try_briefly_or_register(&mut try_it, &mut register)).await,
    }
}

/// The turn of a call in a task, where the runtime is tokio's: a task that always finds what it wants would
/// keep all others of its thread waiting. So calls count in the task's budget, if they say that they made
/// progress.
///
/// A call takes some nanoseconds, and the budget is made for what takes longer. So only every sixteenth call
/// of a thread counts: a task gives way after about 2,000 of them, which is some tens of microseconds. If
/// each call counts, an item from four tasks to one takes two to seven times as long.
pub(crate) fn poll_turn(context: &mut Context<'_>) -> Poll<impl FnOnce() + use<>> {
    #[cfg(all(feature = "async", not(loom)))]
    {
        use std::cell::Cell;
        const COUNTED: u32 = 16;
        std::thread_local! {
            static CALLS: Cell<u32> = const { Cell::new(0) };
        }
        let calls = CALLS.get().wrapping_add(1);
        CALLS.set(calls);
        let counts = calls % COUNTED == 0 || !tokio::task::coop::has_budget_remaining();
        let turn = if counts { Some(ready!(tokio::task::coop::poll_proceed(context))) } else { None };
        Poll::Ready(move || {
            if let Some(turn) = turn {
                turn.made_progress();
            }
        })
    }
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
