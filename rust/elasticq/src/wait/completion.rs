//! The calls of tasks: how a task goes on with an attempt.
//!
//! **A future that is dropped** has taken nothing and put nothing in, since an attempt that succeeds ends the
//! future in the same poll. A wake-up that the future has received and not acted on goes to the next in line
//! when the waiter is dropped. A wake-up that the future has acted on led to an attempt. If that attempt came
//! to nothing, there was nothing to be had, or another thread is about to publish an item and then wakes the
//! next waiter itself. The item of a future that sends is kept outside of the attempts, and outside of
//! whatever holds a right to use the queue. So nothing of the call is left when the item is dropped, and the
//! item's `Drop` may use the queue.
//!
//! **The first look** is all that stands where a call is polled, since mostly it succeeds; what waits is kept
//! apart. A result that is handed on as a whole goes through memory at each step. It is read there in other
//! pieces than it was written in, and the processor then waits until the writes have reached its cache. So
//! each step takes what was found out of the result, and hands on that.

use super::Waiter;
use super::attempt::{Attempt, see_what_woke, try_briefly_or_register, unless_full};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::sync::Backoff;
#[cfg(all(feature = "async", not(loom)))]
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// What a call says that is polled once more, as an `async fn` does.
const POLLED_AGAIN: &str = "a call was polled after it was done";

/// A call of a task, from its first poll to its last.
pub(crate) struct Completion<'a> {
    waiter: Option<Waiter<'a>>,
    backoff: Backoff,
    stage: Stage,
}

/// How far a call is. One comparison tells a first poll from all others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Going,
    Done,
}

impl<'a> Completion<'a> {
    pub(crate) fn new() -> Self {
        Self { waiter: None, backoff: Backoff::new(), stage: Stage::New }
    }

    /// Looks and, where that finds nothing, repeats the attempt until it is settled. Lets other tasks run in
    /// between. Both functions work on `state`.
    #[inline(always)]
    pub(crate) fn poll<S, R>(
        &mut self,
        context: &mut Context<'_>,
        state: &mut S,
        look: impl FnOnce(&mut S) -> Option<BufferResult<R>>,
        attempt: impl FnMut(&mut S) -> Attempt<'a, BufferResult<R>>,
    ) -> Poll<BufferResult<R>> {
        let counts = counts();
        if !counts && self.stage == Stage::New {
            match look(state) {
                Some(Ok(found)) => {
                    self.stage = Stage::Done;
                    note_progress();
                    return Poll::Ready(Ok(found));
                }
                Some(Err(reason)) => {
                    self.stage = Stage::Done;
                    return Poll::Ready(Err(reason));
                }
                None => {}
            }
        }
        self.go_on(context, state, attempt, counts)
    }

    /// Repeats the attempt until it is settled.
    #[cold]
    #[inline(never)]
    fn go_on<S, R>(
        &mut self,
        context: &mut Context<'_>,
        state: &mut S,
        mut attempt: impl FnMut(&mut S) -> Attempt<'a, R>,
        counts: bool,
    ) -> Poll<R> {
        assert!(self.stage != Stage::Done, "{POLLED_AGAIN}");
        self.stage = Stage::Going;
        let made_progress = ready!(poll_turn(context, counts));
        loop {
            if let Some(waiter) = &mut self.waiter {
                ready!(Pin::new(waiter).poll(context));
                self.waiter = None;
                see_what_woke();
            }
            match attempt(state) {
                Attempt::Settled(result) => {
                    self.stage = Stage::Done;
                    made_progress();
                    return Poll::Ready(result);
                }
                Attempt::Soon => {
                    self.backoff.snooze(); // if no other task is ready, this one is polled again at once
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Attempt::Sleep(waiter) => self.waiter = Some(waiter),
            }
        }
    }
}

/// The call that repeats the attempt until it is settled.
#[cfg(any(feature = "lock_free", all(feature = "persistent", not(loom))))]
pub(crate) fn complete<'a, R>(mut attempt: impl FnMut() -> Attempt<'a, R>) -> impl Future<Output = R> {
    let mut completion = Completion::new();
    poll_fn(move |context| completion.go_on(context, &mut (), |()| attempt(), counts()))
}

/// The call that takes what `look` finds or, where that is nothing, what the attempts come to.
#[cfg(feature = "lock_free")]
pub(crate) fn complete_take<'a, R>(
    mut look: impl FnMut() -> Option<BufferResult<R>>,
    mut attempt: impl FnMut() -> Attempt<'a, BufferResult<R>>,
) -> impl Future<Output = BufferResult<R>> {
    let mut completion = Completion::new();
    poll_fn(move |context| completion.poll(context, &mut (), |()| look(), |()| attempt()))
}

/// The call that repeats `try_it` until it is settled, and registers in between.
pub(crate) fn complete_or_register<'a, R>(
    try_it: impl FnMut() -> Option<BufferResult<R>>,
    register: impl FnMut() -> Waiter<'a>,
) -> impl Future<Output = BufferResult<R>> {
    let (mut completion, mut ways) = (Completion::new(), (try_it, register));
    poll_fn(move |context| {
        completion.poll(
            context,
            &mut ways,
            |(try_it, _)| try_it(),
            |(try_it, register)| try_briefly_or_register(try_it, register),
        )
    })
}

/// The call that puts `item` in. The first look is made with `look`, all others with `put`. Both take the item
/// out of its place, or leave it there where they fail; `refuse` hears of an item that comes back.
pub(crate) fn complete_put<'a, T, R: Default>(
    item: T,
    look: impl FnMut(&mut Option<T>) -> BufferResult<R>,
    put: impl FnMut(&mut Option<T>) -> BufferResult<R>,
    register: impl FnMut() -> Waiter<'a>,
    refuse: impl FnMut(&T),
) -> impl Future<Output = Result<R, Rejected<T>>> {
    let mut call = Put::new(item, look, put, register, refuse);
    poll_fn(move |context| call.poll(context))
}

/// A call that puts something in, as [`complete_put`] has it. Its parts stand in the order in which a future
/// that is dropped lets go of them: the item last, when nothing is left of the call. One that is done lets go
/// of `register`, with what it holds, even if the future is kept.
pub(crate) struct Put<'a, T, L, P, W, F> {
    completion: Completion<'a>,
    look: L,
    put: P,
    register: Option<W>,
    refuse: F,
    /// The item, until it is put in.
    pub(crate) place: Option<T>,
}

impl<'a, T, R: Default, L, P, W, F> Put<'a, T, L, P, W, F>
where
    L: FnMut(&mut Option<T>) -> BufferResult<R>,
    P: FnMut(&mut Option<T>) -> BufferResult<R>,
    W: FnMut() -> Waiter<'a>,
    F: FnMut(&T),
{
    pub(crate) fn new(item: T, look: L, put: P, register: W, refuse: F) -> Self {
        Self { completion: Completion::new(), look, put, register: Some(register), refuse, place: Some(item) }
    }

    #[inline(always)]
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<R, Rejected<T>>> {
        let Self { completion, look, put, register, place, .. } = self;
        let done = completion.poll(
            context,
            place,
            |place| unless_full(look(place)),
            |place| {
                let register = || register.as_mut().expect(POLLED_AGAIN)();
                try_briefly_or_register(|| unless_full(put(place)), register)
            },
        );
        if done.is_ready() {
            self.register = None;
        }
        match done {
            Poll::Ready(Ok(put)) => Poll::Ready(Ok(put)),
            Poll::Ready(Err(reason)) => Poll::Ready(self.give_back(reason)),
            Poll::Pending => Poll::Pending,
        }
    }

    #[cold]
    #[inline(never)]
    fn give_back(&mut self, reason: BufferError) -> Result<R, Rejected<T>> {
        self.place.iter().for_each(&mut self.refuse);
        give_back(Err(reason), self.place.take())
    }
}

/// Every so many calls of a thread that came to something, one counts in the budget of its task, where the
/// runtime is tokio's. Otherwise a task that always finds what it wants would keep all others of its thread
/// waiting.
///
/// A call takes some nanoseconds, and the budget is made for what takes longer. So a task gives way after
/// about 2,000 of them, which is some tens of microseconds. If each call counts, an item from four tasks to
/// one takes two to seven times as long.
#[cfg(all(feature = "async", not(loom)))]
const COUNTED: u32 = 16;

#[cfg(all(feature = "async", not(loom)))]
std::thread_local! {
    /// How many calls have come to something since one counted.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Whether the next call that comes to something counts.
#[inline(always)]
pub(crate) fn counts() -> bool {
    #[cfg(all(feature = "async", not(loom)))]
    return CALLS.get() >= COUNTED - 1;
    #[cfg(not(all(feature = "async", not(loom))))]
    false
}

/// To be called when a call that does not count has come to something.
#[inline(always)]
fn note_progress() {
    #[cfg(all(feature = "async", not(loom)))]
    CALLS.set(CALLS.get() + 1);
}

/// The turn of a call in its task, if it counts, or if the task has used up its budget. A call that has come
/// to something says that it made progress.
pub(crate) fn poll_turn(context: &mut Context<'_>, counts: bool) -> Poll<impl FnOnce() + use<>> {
    #[cfg(all(feature = "async", not(loom)))]
    {
        let counts = counts || !tokio::task::coop::has_budget_remaining();
        let turn = if counts { Some(ready!(tokio::task::coop::poll_proceed(context))) } else { None };
        Poll::Ready(move || match turn {
            Some(turn) => {
                CALLS.set(0);
                turn.made_progress();
            }
            None => note_progress(),
        })
    }
    #[cfg(not(all(feature = "async", not(loom))))]
    {
        let _ = (context, counts);
        Poll::Ready(note_progress)
    }
}

/// The call, in such turns.
pub(crate) async fn cooperate<R>(call: impl Future<Output = R>) -> R {
    let mut call = pin!(call);
    poll_fn(|context| {
        let made_progress = ready!(poll_turn(context, counts()));
        let done = ready!(call.as_mut().poll(context));
        made_progress();
        Poll::Ready(done)
    })
    .await
}
