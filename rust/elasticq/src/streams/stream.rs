//! `BufferStream`: the taking end of a queue, as a `Stream`.

use super::door::Door;
use super::poll_waiter;
use crate::buffer::{Call, Parts};
use crate::error::{BufferError, BufferResult};
use crate::locked::DynamicCircularBuffer;
use crate::tasks;
use crate::wait::{Attempt, Waiter, try_or_register, unless_empty};
use futures_core::{FusedStream, Stream};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::task::coop::poll_proceed;

/// The items of a queue as a [`Stream`], oldest first.
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
pub struct BufferStream<T, B: ?Sized = DynamicCircularBuffer<T>> {
    /// Before the buffer, so that it leaves the line first.
    waiter: Option<Waiter<'static>>,
    /// A call that takes an item of a queue that waits for a disk. If it is dropped, it has taken nothing.
    /// Only `&mut self` uses it: the lock makes a stream `Sync`.
    call: Mutex<Option<Call<'static, BufferResult<T>>>>,
    buffer: Arc<B>,
    door: Option<Arc<Door<B>>>,
    ended: Option<BufferError>,
}

impl<T, B: ?Sized> BufferStream<T, B> {
    pub(super) const fn new(buffer: Arc<B>, door: Option<Arc<Door<B>>>) -> Self {
        Self { waiter: None, call: Mutex::new(None), buffer, door, ended: None }
    }

    /// The queue.
    #[must_use]
    pub const fn buffer(&self) -> &Arc<B> {
        &self.buffer
    }

    /// Why the stream has ended, if not since the queue is closed and empty: say, a damaged item of a durable
    /// queue.
    #[must_use]
    pub fn error(&self) -> Option<&BufferError> {
        self.ended.as_ref().filter(|&reason| *reason != BufferError::Closed)
    }

    fn end(&mut self, reason: BufferError) -> Poll<Option<T>> {
        self.ended = Some(reason);
        self.door = None; // nobody of a pair takes anything any more
        Poll::Ready(None)
    }

    fn poll_call(&mut self, context: &mut Context<'_>) -> Poll<Option<T>>
    where
        T: Send + 'static,
        B: Parts<T> + 'static,
    {
        let buffer = &self.buffer;
        let call = self.call.get_mut().unwrap_or_else(PoisonError::into_inner);
        let taking = call.get_or_insert_with(|| {
            let buffer = Arc::clone(buffer);
            Box::pin(async move { tasks::take(&*buffer).await })
        });
        let taken = ready!(taking.as_mut().poll(context));
        *call = None;
        match taken {
            Ok(item) => Poll::Ready(Some(item)),
            Err(reason) => self.end(reason),
        }
    }
}

impl<T: Send + 'static, B: Parts<T> + ?Sized + 'static> Stream for BufferStream<T, B> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        if self.buffer.waits_for_disk() {
            return self.poll_call(context);
        }
        let turn = ready!(poll_proceed(context));
        loop {
            ready!(poll_waiter(&mut self.waiter, context));
            let buffer = &self.buffer;
            let attempt = || unless_empty(buffer.try_pop());
            match try_or_register(attempt, || Arc::clone(buffer).owned_wait_for_item()) {
                Attempt::Settled(Ok(item)) => {
                    turn.made_progress();
                    return Poll::Ready(Some(item));
                }
                // Another consumer is at work here, for a moment.
                Attempt::Settled(Err(BufferError::InvalidOperation(_))) | Attempt::Soon => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Attempt::Settled(Err(reason)) => return self.end(reason),
                Attempt::Sleep(waiter) => self.waiter = Some(waiter),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.ended.as_ref().map(|_| 0))
    }
}

impl<T: Send + 'static, B: Parts<T> + ?Sized + 'static> FusedStream for BufferStream<T, B> {
    fn is_terminated(&self) -> bool {
        self.ended.is_some()
    }
}

impl<T, B: ?Sized> fmt::Debug for BufferStream<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}
