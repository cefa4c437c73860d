//! Attempts: what a thread and a task that wait have in common, and how a thread goes on with them. How a
//! task does is in `completion`.
//!
//! ```text
//! try ──> register ──> try again ──> sleep ──> try ──> register ──> ...
//! ```
//!
//! An attempt that can't succeed yet registers with a signal, tries once more, and gives the waiter back. In
//! that order no wake-up is missed. The attempts alone keep the order right; neither way of waiting has to
//! know of it.

use super::Waiter;
use crate::error::{BufferError, BufferResult};
use crate::sync::{Backoff, Ordering, fence};
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
pub(crate) fn try_on<R>(try_it: &mut impl FnMut() -> Option<R>) -> Option<R> {
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
pub(crate) fn try_on<R>(_: &mut impl FnMut() -> Option<R>) -> Option<R> {
    None
}

/// The result of an attempt to put something in, for `try_or_register`: `None` if room may come.
pub(crate) fn unless_full<R>(put: BufferResult<R>) -> Option<BufferResult<R>> {
    match put {
        Ok(done) => Some(Ok(done)), // not as a part of what follows: see `Completion`
        Err(reason) if reason.is_capacity_error() => None,
        Err(reason) => Some(Err(reason)),
    }
}

/// The result of an attempt to take something, for `try_or_register`: `None` if an item may come.
pub(crate) fn unless_empty<R>(taken: BufferResult<R>) -> Option<BufferResult<R>> {
    match taken {
        Ok(item) => Some(Ok(item)), // as above
        Err(BufferError::Empty) => None,
        Err(reason) => Some(Err(reason)),
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

/// A thread that changes the queue and finds this waiter woken already wakes nobody. It made its change
/// before that. After this fence, the attempts that follow see the change.
pub(crate) fn see_what_woke() {
    fence(Ordering::SeqCst);
}
