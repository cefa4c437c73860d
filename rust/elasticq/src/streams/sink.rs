//! `BufferSink`: the putting end of a queue, as a `Sink`.
//!
//! **Backpressure.** `poll_ready` waits until the queue seems to have room. Another producer may then be
//! faster than `start_send`. The item stays here in that case, and the next poll puts it in before all else.
//! So a sink holds one item at most, and only if others send to the same queue.
//!
//! **A queue that waits for a disk** gets its item in a call of its own, which the next poll begins. Until
//! that is done, the sink is not ready.

use super::ends::Shared;
use super::poll_waiter;
use crate::buffer::{Call, PuttingEnd};
use crate::error::{BufferError, Rejected};
use crate::locked::DynamicCircularBuffer;
use crate::wait::{Waiter, counts, poll_turn};
use futures_sink::Sink;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

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
pub struct BufferSink<T, E: PuttingEnd<T> = Shared<DynamicCircularBuffer<T>>> {
    waiter: Option<Waiter<'static>>,
    /// Whether it has waited, so that whoever waits behind it must be told what room there is.
    owes: bool,
    /// An item for which there was no room.
    unsent: Option<T>,
    /// A call that puts an item into a queue that waits for a disk. Only `&mut self` uses it: the lock makes
    /// a sink `Sync`.
    call: Mutex<Option<Sending<T>>>,
    /// None once the sink is closed.
    end: Option<E>,
}

type Sending<T> = Call<'static, Result<(), Rejected<T>>>;

// An item is never pinned here.
impl<T, E: PuttingEnd<T>> Unpin for BufferSink<T, E> {}

impl<T, E: PuttingEnd<T>> BufferSink<T, E> {
    pub(super) const fn new(end: E) -> Self {
        Self { waiter: None, owes: false, unsent: None, call: Mutex::new(None), end: Some(end) }
    }

    /// Where it puts items: the shared queue, or the producer handle. `None` once the sink is closed: it has
    /// let go of its end then.
    #[must_use]
    pub const fn end(&self) -> Option<&E> {
        self.end.as_ref()
    }

    #[cfg(feature = "lock_free")]
    pub(super) const fn end_mut(&mut self) -> Option<&mut E> {
        self.end.as_mut()
    }

    /// Ends the sink. Gives the item that was handed to `start_send` and did not get into the queue, if there
    /// is one.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferStreamExt;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    ///
    /// let buffer = Arc::new(DynamicCircularBuffer::<u8>::new(Config::default())?);
    /// let sink = Arc::clone(&buffer).into_sink();
    /// assert!(sink.end().is_some_and(|end| Arc::ptr_eq(end.buffer(), &buffer)));
    /// assert_eq!(sink.into_unsent(), None); // nothing waits in it
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn into_unsent(mut self) -> Option<T> {
        self.unsent.take()
    }

    /// What a closed sink answers. The queue counts nothing of it.
    pub(super) const fn closed<R>(refused: R) -> Rejected<R> {
        Rejected::new(BufferError::Closed, refused)
    }

    /// Leaves the line of those that wait for room, and tells the others what room there is.
    fn leave(&mut self) {
        self.waiter = None;
        match &self.end {
            Some(end) if mem::take(&mut self.owes) => end.pass_on(),
            _ => {}
        }
    }

    /// Puts the unsent item in. `false`: there is no room. An item that is refused for good is not counted.
    fn send_unsent(&mut self) -> Result<bool, Rejected<T>> {
        let Some(end) = &mut self.end else { return Ok(true) };
        let Some(item) = self.unsent.take() else { return Ok(true) };
        match end.offer_again(item) {
            Ok(()) => Ok(true),
            Err(rejected) if rejected.reason().is_capacity_error() => {
                self.unsent = Some(rejected.into_inner());
                Ok(false)
            }
            Err(rejected) => Err(rejected),
        }
    }

    /// Counts what is refused for good.
    fn refuse(&self, rejected: Rejected<T>) -> Rejected<T> {
        if let Some(end) = &self.end {
            end.note_refused();
        }
        rejected
    }

    /// Puts the unsent item into a queue that waits for a disk, and waits for that.
    fn poll_call(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>>
    where
        T: Send + 'static,
        E: 'static,
    {
        let call = self.call.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = &self.end {
            *call = self.unsent.take().map(|item| end.call(item)).or_else(|| call.take());
        }
        let Some(sending) = call else { return Poll::Ready(Ok(())) };
        let sent = ready!(sending.as_mut().poll(context));
        *call = None;
        Poll::Ready(sent)
    }

    /// Waits until `is_done` is. A closed sink waits for nothing.
    fn poll_until(
        &mut self,
        context: &mut Context<'_>,
        mut is_done: impl FnMut(&mut Self) -> Result<bool, Rejected<T>>,
    ) -> Poll<Result<(), Rejected<T>>>
    where
        E: 'static,
    {
        let made_progress = ready!(poll_turn(context, counts()));
        loop {
            ready!(poll_waiter(&mut self.waiter, context));
            if is_done(self).map_err(|rejected| self.refuse(rejected))? {
                break;
            }
            let Some(end) = &self.end else { break };
            let waiter = end.wait_for_room();
            self.owes = true;
            if is_done(self).map_err(|rejected| self.refuse(rejected))? {
                drop(waiter);
                break;
            }
            self.waiter = Some(waiter);
        }
        made_progress();
        Poll::Ready(Ok(()))
    }

    fn waits_for_disk(&self) -> bool {
        self.end.as_ref().is_some_and(E::waits_for_disk)
    }
}

impl<T: Send + 'static, E: PuttingEnd<T> + 'static> Sink<T> for BufferSink<T, E> {
    type Error = Rejected<T>;

    /// Waits until there is room. A closed queue is ready: it is `start_send` that has the item to give back.
    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>> {
        let on_disk = self.waits_for_disk();
        if on_disk {
            ready!(self.poll_call(context))?;
        }
        self.poll_until(context, |sink| {
            let is_clear = on_disk || sink.send_unsent()?;
            Ok(is_clear && sink.end.as_mut().is_none_or(E::is_ready))
        })
    }

    /// Puts the item in. One that comes without `poll_ready` is refused if there is no room and another one
    /// is waiting here already.
    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), Rejected<T>> {
        let on_disk = self.waits_for_disk();
        let is_calling = self.call.get_mut().is_ok_and(|call| call.is_some());
        let Some(end) = &mut self.end else { return Err(Self::closed(item)) };
        let refusal = if on_disk && end.is_closed() {
            Some(BufferError::Closed)
        } else if is_calling || on_disk && self.unsent.is_some() {
            Some(BufferError::Full)
        } else {
            match self.send_unsent() {
                Ok(sent) => (!sent).then_some(BufferError::Full),
                Err(rejected) => {
                    // The next poll gives that one back.
                    let (reason, unsent) = rejected.into_parts();
                    self.unsent = Some(unsent);
                    Some(reason)
                }
            }
        };
        if let Some(reason) = refusal {
            return Err(self.refuse(Rejected::new(reason, item)));
        }
        self.unsent = Some(item);
        if on_disk {
            return Ok(()); // the next poll puts it in
        }
        let sent = self.send_unsent().map_err(|rejected| self.refuse(rejected));
        if !matches!(sent, Ok(false)) {
            self.leave();
        }
        sent.map(drop)
    }

    /// Waits until the item is in the queue for which there was no room, if there is one.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>> {
        if self.waits_for_disk() {
            return self.poll_call(context);
        }
        if self.unsent.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_until(context, Self::send_unsent)
    }

    /// Flushes, and ends this sink, which lets go of its end. The queue is closed if this was the last
    /// producer handle, or the last sink of its channel or pair.
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Rejected<T>>> {
        let flushed = ready!(self.as_mut().poll_flush(context));
        self.leave();
        self.end = None;
        Poll::Ready(flushed)
    }
}

impl<T, E: PuttingEnd<T>> Drop for BufferSink<T, E> {
    fn drop(&mut self) {
        let sent = self.send_unsent(); // the last chance
        if self.unsent.take().is_some() || sent.is_err() {
            self.end.iter().for_each(E::note_refused);
        }
        self.leave();
    }
}

impl<T, E: PuttingEnd<T> + Clone> Clone for BufferSink<T, E> {
    /// Another sink of the same queue, without the item that may be waiting in this one.
    fn clone(&self) -> Self {
        Self { waiter: None, owes: false, unsent: None, call: Mutex::new(None), end: self.end.clone() }
    }
}

impl<T, E: PuttingEnd<T>> fmt::Debug for BufferSink<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BufferSink");
        let shown = shown.field("closed", &self.end.is_none()).field("unsent", &self.unsent.is_some());
        shown.finish_non_exhaustive()
    }
}
