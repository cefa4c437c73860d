//! `BufferStream`: the taking end of a queue, as a `Stream`.

use super::ends::Shared;
use super::poll_waiter;
use crate::buffer::{Call, TakingEnd};
use crate::error::{BufferError, BufferResult};
use crate::locked::DynamicCircularBuffer;
use crate::wait::{Attempt, Waiter, counts, poll_turn};
use futures_core::{FusedStream, Stream};
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

/// The items of a queue as a [`Stream`], oldest first.
///
/// `E` is what it takes from: a [`Shared`] queue
/// ([`into_stream`](super::BufferStreamExt::into_stream) of an `Arc`), or the consumer handle of a queue that
/// was split ([`into_stream`](crate::lock_free::Consumer::into_stream) of the handle).
///
/// It ends when the queue is closed and empty; [`error`](Self::error) tells if it ended for another reason. A
/// stream that is dropped has taken nothing that it has not given. It needs no particular runtime.
///
/// Several streams of one queue share its items. On a queue for one consumer, a stream that meets another
/// consumer at its work gives way to it and tries again.
///
/// # Examples
/// ```
/// use elasticq::streams::BufferStreamExt;
/// use elasticq::{Config, DynamicCircularBuffer};
/// use futures::StreamExt;
/// use std::sync::Arc;
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// buffer.push_batch(vec![1, 2, 3])?;
/// buffer.close();
/// let doubled = buffer.into_stream().map(|number| 2 * number);
/// assert_eq!(futures::executor::block_on(doubled.collect::<Vec<_>>()), [2, 4, 6]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct BufferStream<T, E = Shared<DynamicCircularBuffer<T>>> {
    /// Before the end, so that it leaves the line first.
    waiter: Option<Waiter<'static>>,
    /// A call that takes an item of a queue that waits for a disk. If it is dropped, it has taken nothing.
    /// Only `&mut self` uses it: the lock makes a stream `Sync`.
    call: Mutex<Option<Call<'static, BufferResult<T>>>>,
    end: E,
    ended: Option<BufferError>,
}

impl<T, E> BufferStream<T, E> {
    pub(super) const fn new(end: E) -> Self {
        Self { waiter: None, call: Mutex::new(None), end, ended: None }
    }

    /// What it takes from: the shared queue, or the consumer handle.
    #[must_use]
    pub const fn end(&self) -> &E {
        &self.end
    }

    /// Ends the stream, and gives back what it took from: a consumer handle can then be used as such.
    pub fn into_end(self) -> E {
        self.end
    }

    /// Why the stream has ended, if not since the queue is closed and empty: say, a damaged item of a durable
    /// queue.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferStreamExt;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use futures::StreamExt;
    /// use std::sync::Arc;
    ///
    /// let buffer = Arc::new(DynamicCircularBuffer::<u8>::new(Config::default())?);
    /// let mut stream = Arc::clone(&buffer).into_stream();
    /// buffer.close();
    /// assert_eq!(pollster::block_on(stream.next()), None);
    /// assert_eq!(stream.error(), None); // it was closed, and that is all
    /// assert!(stream.end().is_closed());
    /// assert!(Arc::ptr_eq(stream.into_end().buffer(), &buffer));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&BufferError> {
        self.ended.as_ref().filter(|&reason| *reason != BufferError::Closed)
    }

    fn finish(&mut self, reason: BufferError) -> Poll<Option<T>>
    where
        E: TakingEnd<T>,
    {
        self.ended = Some(reason);
        self.end.ended();
        Poll::Ready(None)
    }
}

impl<T: Send + 'static, E: TakingEnd<T> + 'static> Stream for BufferStream<T, E> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if this.ended.is_some() {
            return Poll::Ready(None);
        }
        let call = this.call.get_mut().unwrap_or_else(PoisonError::into_inner);
        if call.is_none() {
            *call = this.end.call();
        }
        if let Some(taking) = call {
            let taken = ready!(taking.as_mut().poll(context));
            *call = None;
            return taken.map_or_else(|reason| this.finish(reason), |item| Poll::Ready(Some(item)));
        }
        let made_progress = ready!(poll_turn(context, counts()));
        loop {
            ready!(poll_waiter(&mut this.waiter, context));
            match this.end.take_or_register() {
                Attempt::Settled(Ok(item)) => {
                    made_progress();
                    return Poll::Ready(Some(item));
                }
                // An item is on its way, or another consumer is at work here, for a moment.
                Attempt::Settled(Err(BufferError::InvalidOperation(_))) | Attempt::Soon => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Attempt::Settled(Err(reason)) => return this.finish(reason),
                Attempt::Sleep(waiter) => this.waiter = Some(waiter),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.ended.as_ref().map(|_| 0))
    }
}

impl<T: Send + 'static, E: TakingEnd<T> + 'static> FusedStream for BufferStream<T, E> {
    fn is_terminated(&self) -> bool {
        self.ended.is_some()
    }
}

impl<T, E> fmt::Debug for BufferStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}
