//! `BufferSink`: the putting end of a queue, as a `Sink`.
//!
//! **Backpressure.** `poll_ready` waits until the queue seems to have room. Another producer may then be
//! faster than `start_send`. The item stays here in that case, and the next poll puts it in before all else.
//! So a sink holds one item at most, and only if others send to the same queue.
//!
//! **A queue that waits for a disk** gets its item in a call of its own, which the next poll begins. Until
//! that is done, the sink is not ready.

use super::door::Door;
use super::poll_waiter;
use crate::buffer::{Call, Parts};
use crate::error::{BufferError, Rejected, give_back};
use crate::locked::DynamicCircularBuffer;
use crate::tasks;
use crate::wait::Waiter;
use futures_sink::Sink;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::task::coop::poll_proceed;

/// Puts items into a queue, as a [`Sink`] with backpressure, and with [`send`](Self::send).
///
/// A refused item comes back in the error. Clones put into the same queue. A sink needs no particular
/// runtime.
///
/// With the methods of `Sink`: flush before the sink is dropped. An item that waits in it for room is then
/// offered once more; if the queue is still full, it is lost, unless [`into_unsent`](Self::into_unsent) takes
/// it out. (A queue in files gets it with the next poll. After that only the queue may give it back, in an
/// error.)
///
/// # Examples
/// ```
/// use elasticq::streams::BufferStreamExt;
/// use elasticq::{Config, DynamicCircularBuffer};
/// use futures::{SinkExt, StreamExt, stream};
/// use std::sync::Arc;
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// let numbers = stream::iter(0..4).map(Ok);
/// futures::executor::block_on(numbers.forward(Arc::clone(&buffer).into_sink())).unwrap();
/// assert_eq!(buffer.drain(), [0, 1, 2, 3]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[must_use = "a sink does nothing by itself"]
pub struct BufferSink<T, B: Parts<T> + ?Sized = DynamicCircularBuffer<T>> {
    waiter: Option<Waiter<'static>>,
    /// Whether it has waited, so that whoever waits behind it must be told what room there is.
    owes: bool,
    /// An item for which there was no room.
    unsent: Option<T>,
    /// A call that puts an item into a queue that waits for a disk. Only `&mut self` uses it: the lock makes
    /// a sink `Sync`.
    call: Mutex<Option<Sending<T>>>,
    buffer: Arc<B>,
    door: Option<Arc<Door<B>>>,
    closed: bool,
}

type Sending<T> = Call<'static, Result<(), Rejected<T>>>;

// An item is never pinned here.
impl<T, B: Parts<T> + ?Sized> Unpin for BufferSink<T, B> {}

impl<T, B: Parts<T> + ?Sized> BufferSink<T, B> {
    pub(super) const fn new(buffer: Arc<B>, door: Option<Arc<Door<B>>>) -> Self {
        Self { waiter: None, owes: false, unsent: None, call: Mutex::new(None), buffer, door, closed: false }
    }

    /// The queue.
    #[must_use]
    pub const fn buffer(&self) -> &Arc<B> {
        &self.buffer
    }

    /// Ends the sink. Gives the item that was handed to `start_send` and did not get into the queue, if there
    /// is one.
    pub fn into_unsent(mut self) -> Option<T> {
        self.unsent.take()
    }
}

impl<T: Send, B: Parts<T> + ?Sized> BufferSink<T, B> {
    /// Puts `item` at the end of the queue, waiting as a task until there is room.
    ///
    /// A future that is dropped before it is done has put nothing in, and drops the item; a queue in files
    /// may have the item then.
    ///
    /// # Errors
    /// `Closed` or `ResizeError`; the [`Rejected`] holds the item. `InvalidOperation` on a queue for one
    /// producer, if another one is putting something in at this moment.
    pub async fn send(&self, item: T) -> Result<(), Rejected<T>> {
        send(&*self.buffer, self.closed, item).await
    }

    /// Puts all of `items` in, next to each other, or none, waiting as a task until there is room for all.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `MaxCapacityReached` at once for a batch that can never fit; the
    /// [`Rejected`] holds the items.
    pub async fn send_batch(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        send_batch(&*self.buffer, self.closed, items).await
    }
}

pub(super) async fn send<T: Send, B: Parts<T> + ?Sized>(buffer: &B, closed: bool, item: T) -> Result<(), Rejected<T>> {
    let mut place = Some(item);
    let put = if closed { Err(BufferError::Closed) } else { tasks::put(buffer, &mut place).await };
    give_back(put.inspect_err(|_| buffer.note_refused(1)), place)
}

pub(super) async fn send_batch<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    closed: bool,
    items: Vec<T>,
) -> Result<(), Rejected<Vec<T>>> {
    let count = items.len();
    let mut place = Some(items);
    let put = if closed { Err(BufferError::Closed) } else { tasks::put_many(buffer, &mut place).await };
    give_back(put.inspect_err(|_| buffer.note_refused(count)), place)
}

impl<T, B: Parts<T> + ?Sized> BufferSink<T, B> {
    /// Leaves the line of those that wait for room, and tells the others what room there is.
    fn leave(&mut self) {
        self.waiter = None;
        if mem::take(&mut self.owes) {
            self.buffer.pass_on();
        }
    }

    /// Puts the unsent item in. `false`: there is no room.
    fn send_unsent(&mut self) -> Result<bool, Rejected<T>> {
        let Some(item) = self.unsent.take() else { return Ok(true) };
        match self.buffer.offer_again(item) {
            Ok(()) => Ok(true),
            Err(rejected) if rejected.reason().is_capacity_error() => {
                self.unsent = Some(rejected.into_inner());
                Ok(false)
            }
            Err(rejected) => {
                self.buffer.note_refused(1);
                Err(rejected)
            }
        }
    }

    /// Puts the unsent item into a queue that waits for a disk, and waits for that.
    fn poll_call(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>>
    where
        T: Send + 'static,
        B: 'static,
    {
        let call = self.call.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(item) = self.unsent.take() {
            let buffer = Arc::clone(&self.buffer);
            *call = Some(Box::pin(async move { send(&*buffer, false, item).await }));
        }
        let Some(sending) = call else { return Poll::Ready(Ok(())) };
        let sent = ready!(sending.as_mut().poll(context));
        *call = None;
        Poll::Ready(sent)
    }

    /// Waits until `is_done` is.
    fn poll_until(
        &mut self,
        context: &mut Context<'_>,
        mut is_done: impl FnMut(&mut Self) -> Result<bool, Rejected<T>>,
    ) -> Poll<Result<(), Rejected<T>>>
    where
        B: 'static,
    {
        let turn = ready!(poll_proceed(context));
        loop {
            ready!(poll_waiter(&mut self.waiter, context));
            if is_done(self)? {
                break;
            }
            let waiter = Arc::clone(&self.buffer).owned_wait_for_room();
            self.owes = true;
            if is_done(self)? {
                drop(waiter);
                break;
            }
            self.waiter = Some(waiter);
        }
        turn.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl<T: Send + 'static, B: Parts<T> + ?Sized + 'static> Sink<T> for BufferSink<T, B> {
    type Error = Rejected<T>;

    /// Waits until there is room. A closed queue is ready: it is `start_send` that has the item to give back.
    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>> {
        let on_disk = self.buffer.waits_for_disk();
        if on_disk {
            ready!(self.poll_call(context))?;
        }
        self.poll_until(context, |sink| {
            let has_room = |buffer: &B| buffer.is_closed() || buffer.len() < buffer.max_capacity();
            Ok((on_disk || sink.send_unsent()?) && has_room(&sink.buffer))
        })
    }

    /// Puts the item in. One that comes without `poll_ready` is refused if there is no room and another one
    /// is waiting here already.
    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), Rejected<T>> {
        let on_disk = self.buffer.waits_for_disk();
        let is_calling = self.call.get_mut().is_ok_and(|call| call.is_some());
        let is_taken = is_calling || self.unsent.is_some() && (on_disk || !self.send_unsent()?);
        let refusal = if self.closed || on_disk && self.buffer.is_closed() {
            Some(BufferError::Closed)
        } else {
            is_taken.then_some(BufferError::Full)
        };
        if let Some(reason) = refusal {
            self.buffer.note_refused(1);
            return Err(Rejected::new(reason, item));
        }
        self.unsent = Some(item);
        if on_disk {
            return Ok(()); // the next poll puts it in
        }
        let sent = self.send_unsent();
        if !matches!(sent, Ok(false)) {
            self.leave();
        }
        sent.map(drop)
    }

    /// Waits until the item is in the queue for which there was no room, if there is one.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>> {
        if self.buffer.waits_for_disk() {
            return self.poll_call(context);
        }
        if self.unsent.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_until(context, Self::send_unsent)
    }

    /// Flushes, and ends this sink. The queue is closed if this was the last sink of its channel, or of its
    /// pair.
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>> {
        let flushed = ready!(self.as_mut().poll_flush(context));
        self.closed = true;
        self.leave();
        self.door = None;
        Poll::Ready(flushed)
    }
}

impl<T, B: Parts<T> + ?Sized> Drop for BufferSink<T, B> {
    fn drop(&mut self) {
        if let Some(item) = self.unsent.take() {
            let _ = self.buffer.offer(item); // the last chance
        }
        self.leave();
    }
}

impl<T, B: Parts<T> + ?Sized> Clone for BufferSink<T, B> {
    /// Another sink of the same queue, without the item that may be waiting in this one.
    fn clone(&self) -> Self {
        let mut other = Self::new(Arc::clone(&self.buffer), self.door.clone());
        other.closed = self.closed;
        other
    }
}

impl<T, B: Parts<T> + ?Sized> fmt::Debug for BufferSink<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BufferSink");
        shown.field("closed", &self.closed).field("unsent", &self.unsent.is_some()).finish_non_exhaustive()
    }
}
