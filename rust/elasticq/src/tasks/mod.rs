//! What tasks do with any buffer, written once over [`Parts`]: waiting for an item or for room, with or
//! without a timeout.
//!
//! **Nothing is lost.** An attempt that takes an item ends the future in the same poll, and so does one that
//! puts an item in. A future that is dropped before has done nothing. The item of a future that sends is kept
//! outside of the attempts.
//!
//! **A queue that waits for a disk** is asked with calls that are awaited. One that takes has taken nothing
//! if it is dropped. One that puts has the items meanwhile, and may have put them in.
//!
//! **Timers** are tokio's, and nothing else here is. Waiting without a timeout works in every runtime.

mod methods;

use crate::buffer::Parts;
#[cfg(feature = "streams")]
use crate::error::give_back;
use crate::error::{BufferError, BufferResult, Rejected};
use crate::wait::{
    Completion, complete_or_register, see_what_woke, try_briefly_or_register, unless_empty, unless_full,
};
#[cfg(feature = "streams")]
use crate::wait::{Put, block};
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

/// Takes the next item, waiting until there is one.
pub(crate) fn take<T: Send, B: Parts<T> + ?Sized>(buffer: &B) -> impl Future<Output = BufferResult<T>> {
    let (mut completion, mut call) = (Completion::new(), None);
    poll_fn(move |context| {
        if buffer.waits_for_disk() {
            let call = call.get_or_insert_with(|| Box::pin(take_from_disk(buffer, 1)));
            let taken = ready!(call.as_mut().poll(context));
            return Poll::Ready(taken.and_then(|mut items| items.pop().ok_or(BufferError::Empty)));
        }
        let look = |(): &mut ()| unless_empty(buffer.try_pop());
        completion.poll(context, &mut (), look, |()| {
            try_briefly_or_register(|| unless_empty(buffer.try_pop()), || buffer.wait_for_item())
        })
    })
}

/// Takes up to `max` items, waiting for the first. Without asking for any, it does not wait.
pub(crate) async fn take_many<T: Send, B: Parts<T> + ?Sized>(buffer: &B, max: usize) -> BufferResult<Vec<T>> {
    if buffer.waits_for_disk() {
        return take_from_disk(buffer, max).await;
    }
    complete_or_register(|| many_once(buffer, max), || buffer.wait_for_item()).await
}

/// [`take_many`] where an attempt may take long. A task that is cancelled in an attempt leaves to others what
/// it was woken for.
async fn take_from_disk<T: Send, B: Parts<T> + ?Sized>(buffer: &B, max: usize) -> BufferResult<Vec<T>> {
    let mut leaving = Leaving::new(buffer);
    let mut waiter = None;
    loop {
        match buffer.take_as_task(max).await {
            Ok(items) if items.is_empty() && max > 0 => {}
            settled => return settled,
        }
        match waiter.take() {
            None => {
                leaving.waits();
                waiter = Some(buffer.wait_for_item());
            }
            Some(waiter) => {
                waiter.await;
                see_what_woke();
            }
        }
    }
}

/// One attempt to take up to `max` items; `None` if waiting may help.
pub(crate) fn many_once<T, B: Parts<T> + ?Sized>(buffer: &B, max: usize) -> Option<BufferResult<Vec<T>>> {
    match buffer.try_pop_batch(max) {
        Ok(items) if items.is_empty() && max > 0 => None,
        settled => Some(settled),
    }
}

/// Takes the next item. It waits for none.
pub(crate) async fn take_now<T: Send, B: Parts<T> + ?Sized>(buffer: &B) -> BufferResult<T> {
    if buffer.waits_for_disk() {
        return buffer.take_as_task(1).await?.pop().ok_or(BufferError::Empty);
    }
    buffer.try_pop()
}

/// Takes up to `max` items. It waits for none.
pub(crate) async fn take_many_now<T: Send, B: Parts<T> + ?Sized>(buffer: &B, max: usize) -> BufferResult<Vec<T>> {
    if buffer.waits_for_disk() { buffer.take_as_task(max).await } else { buffer.try_pop_batch(max) }
}

/// Puts an item in. It waits for no room.
pub(crate) async fn put_now<T: Send, B: Parts<T> + ?Sized>(buffer: &B, place: &mut Option<T>) -> BufferResult<()> {
    if buffer.waits_for_disk() {
        return put_many_now(buffer, &mut Lent::of(place).items).await;
    }
    let Some(item) = place.take() else { return Ok(()) };
    buffer.offer_again(item).map_err(|rejected| keep(rejected, place))
}

/// Puts all of the items in or none. It waits for no room.
pub(crate) async fn put_many_now<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    place: &mut Option<Vec<T>>,
) -> BufferResult<()> {
    let Some(items) = place.take() else { return Ok(()) };
    let put = if buffer.waits_for_disk() { buffer.offer_as_task(items).await } else { buffer.offer_batch_again(items) };
    put.map_err(|rejected| keep(rejected, place))
}

/// [`take`] with a timeout.
pub(crate) async fn take_within<T: Send, B: Parts<T> + ?Sized>(buffer: &B, timeout: Duration) -> BufferResult<T> {
    within(timeout, take(buffer)).await?.unwrap_or(Err(BufferError::Timeout(timeout)))
}

/// [`put`] with a timeout.
pub(crate) async fn put_within<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    place: &mut Option<T>,
    timeout: Duration,
) -> BufferResult<()> {
    if buffer.waits_for_disk() {
        return put_on_disk(buffer, &mut Lent::of(place).items, Some(timeout)).await;
    }
    within(timeout, put(buffer, place)).await?.unwrap_or(Err(BufferError::Timeout(timeout)))
}

/// [`take_many`] with a timeout; none are an empty vector.
pub(crate) async fn many_within<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    max: usize,
    timeout: Duration,
) -> BufferResult<Vec<T>> {
    within(timeout, take_many(buffer, max)).await?.unwrap_or(Ok(Vec::new()))
}

/// [`put_many`] with a timeout.
pub(crate) async fn put_many_within<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    place: &mut Option<Vec<T>>,
    timeout: Duration,
) -> BufferResult<()> {
    if buffer.waits_for_disk() {
        return put_on_disk(buffer, place, Some(timeout)).await;
    }
    within(timeout, put_many(buffer, place)).await?.unwrap_or(Err(BufferError::Timeout(timeout)))
}

/// [`put`] for a thread, which blocks up to `timeout`.
#[cfg(feature = "streams")]
pub(crate) fn put_as_thread<T, B: Parts<T> + ?Sized>(
    buffer: &B,
    place: &mut Option<T>,
    timeout: Duration,
) -> BufferResult<()> {
    let mut leaving = Leaving::new(buffer);
    let mut attempt = || unless_full(put_once(buffer, place));
    let mut register = || {
        leaving.waits();
        buffer.wait_for_room()
    };
    block(timeout, || try_briefly_or_register(&mut attempt, &mut register))
}

/// Puts the item that is in `place` in, if there is one; on an error it is still there.
#[inline(always)]
fn put_once<T, B: Parts<T> + ?Sized>(buffer: &B, place: &mut Option<T>) -> BufferResult<()> {
    let Some(item) = place.take() else { return Ok(()) };
    buffer.offer_again(item).map_err(|rejected| keep(rejected, place))
}

/// Puts `item` in, waiting until there is room.
#[cfg(feature = "streams")]
pub(crate) fn send<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    item: T,
) -> impl Future<Output = Result<(), Rejected<T>>> {
    let mut leaving = Leaving::new(buffer);
    let register = move || {
        leaving.waits();
        buffer.wait_for_room()
    };
    let put = move |place: &mut Option<T>| put_once(buffer, place);
    let (mut call, mut on_disk) = (Put::new(item, put, put, register, |_| buffer.note_refused(1)), None);
    poll_fn(move |context| {
        if buffer.waits_for_disk() {
            let on_disk = on_disk.get_or_insert_with(|| Box::pin(send_to_disk(buffer, call.place.take())));
            return on_disk.as_mut().poll(context);
        }
        call.poll(context)
    })
}

#[cfg(feature = "streams")]
async fn send_to_disk<T: Send, B: Parts<T> + ?Sized>(buffer: &B, mut place: Option<T>) -> Result<(), Rejected<T>> {
    let put = put(buffer, &mut place).await;
    give_back(put.inspect_err(|_| buffer.note_refused(1)), place)
}

/// Puts an item in, waiting until there is room. An item that is refused is not counted.
pub(crate) async fn put<T: Send, B: Parts<T> + ?Sized>(buffer: &B, place: &mut Option<T>) -> BufferResult<()> {
    if buffer.waits_for_disk() {
        return put_on_disk(buffer, &mut Lent::of(place).items, None).await;
    }
    let mut leaving = Leaving::new(buffer);
    let attempt = || unless_full(put_once(buffer, place));
    let register = || {
        leaving.waits();
        buffer.wait_for_room()
    };
    complete_or_register(attempt, register).await
}

/// Puts all of `items` in or none, waiting until there is room for all. A batch that can never fit is refused
/// at once.
pub(crate) async fn put_many<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    place: &mut Option<Vec<T>>,
) -> BufferResult<()> {
    if buffer.waits_for_disk() {
        return put_on_disk(buffer, place, None).await;
    }
    let can_fit = place.as_ref().is_none_or(|items| items.len() <= buffer.max_capacity());
    let mut leaving = Leaving::new(buffer);
    let attempt = || {
        let Some(items) = place.take() else { return Some(Ok(())) };
        let put = buffer.offer_batch_again(items).map_err(|rejected| keep(rejected, place));
        if can_fit { unless_full(put) } else { Some(put) }
    };
    let register = || {
        leaving.waits();
        buffer.wait_for_bulk_room()
    };
    complete_or_register(attempt, register).await
}

/// [`put_many`] where an attempt may take long. The items are in the attempt meanwhile, so an attempt that
/// was begun is finished: `timeout` is only for the wait for room.
async fn put_on_disk<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    place: &mut Option<Vec<T>>,
    timeout: Option<Duration>,
) -> BufferResult<()> {
    let mut leaving = Leaving::new(buffer);
    let mut over = pin!(timeout.map(timer).transpose()?);
    let mut waiter = None;
    while let Some(items) = place.take() {
        let count = items.len();
        let Err(rejected) = buffer.offer_as_task(items).await else { break };
        let reason = keep(rejected, place);
        if count > buffer.max_capacity() || !reason.is_capacity_error() {
            return Err(reason);
        }
        let Some(registered) = waiter.take() else {
            leaving.waits();
            waiter = Some(if count == 1 { buffer.wait_for_room() } else { buffer.wait_for_bulk_room() });
            continue;
        };
        match (over.as_mut().as_pin_mut(), timeout) {
            (Some(over), Some(timeout)) => until(over, registered).await?.ok_or(BufferError::Timeout(timeout))?,
            _ => registered.await,
        }
        see_what_woke();
    }
    Ok(())
}

/// An item in a list of its own, until this is dropped.
struct Lent<'a, T> {
    place: &'a mut Option<T>,
    items: Option<Vec<T>>,
}

impl<'a, T> Lent<'a, T> {
    fn of(place: &'a mut Option<T>) -> Self {
        let items = place.take().map(|item| vec![item]);
        Self { place, items }
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        *self.place = self.items.take().and_then(|mut items| items.pop());
    }
}

/// Puts a refused item back where it was. Returns the reason.
fn keep<T>(rejected: Rejected<T>, place: &mut Option<T>) -> BufferError {
    let (reason, item) = rejected.into_parts();
    *place = Some(item);
    reason
}

/// A call that may have waited. When it leaves, whoever waits behind it is told what there is: a buffer with
/// levels may have woken it instead of one at another level, and a call to a disk may have been woken
/// already, and be cancelled in its attempt.
struct Leaving<'a, T, B: Parts<T> + ?Sized> {
    buffer: &'a B,
    has_waited: bool,
    items: PhantomData<fn(T)>,
}

impl<'a, T, B: Parts<T> + ?Sized> Leaving<'a, T, B> {
    const fn new(buffer: &'a B) -> Self {
        Self { buffer, has_waited: false, items: PhantomData }
    }

    const fn waits(&mut self) {
        self.has_waited = true;
    }
}

impl<T, B: Parts<T> + ?Sized> Drop for Leaving<'_, T, B> {
    fn drop(&mut self) {
        if self.has_waited {
            self.buffer.pass_on();
        }
    }
}

/// What the call gives within `timeout`; `None`: it was not done, and has done nothing. A timeout of zero
/// lets it try once, and one that is too long for the clock waits for ever.
///
/// # Errors
/// `InvalidOperation`: there is no runtime of tokio here, or one without timers, or it is shutting down.
pub(crate) async fn within<R>(timeout: Duration, call: impl Future<Output = R>) -> BufferResult<Option<R>> {
    until(pin!(timer(timeout)?), call).await
}

/// A timer that is over after `timeout`.
fn timer(timeout: Duration) -> BufferResult<Sleep> {
    Handle::try_current().map_err(|_| no_timers("there is no tokio runtime here"))?;
    // tokio says by a panic that a runtime has no timers.
    catch_unwind(|| sleep(timeout)).map_err(|_| no_timers("its timers are not enabled"))
}

/// What the call gives before the timer is over.
async fn until<R>(mut timer: Pin<&mut Sleep>, call: impl Future<Output = R>) -> BufferResult<Option<R>> {
    let mut call = pin!(call);
    poll_fn(|context| {
        if let Poll::Ready(done) = call.as_mut().poll(context) {
            return Poll::Ready(Ok(Some(done)));
        }
        match catch_unwind(AssertUnwindSafe(|| timer.as_mut().poll(context))) {
            Ok(over) => over.map(|()| Ok(None)),
            Err(_) => Poll::Ready(Err(no_timers("it is shutting down"))),
        }
    })
    .await
}

fn no_timers(why: &str) -> BufferError {
    BufferError::InvalidOperation(format!("a call with a timeout needs a tokio runtime with timers: {why}"))
}
