//! `BufferChannel`: both ends of a queue in one, for tasks and for threads.

use super::door::Door;
use super::ends::{self, Shared};
use super::sink::BufferSink;
use super::stream::BufferStream;
use crate::buffer::{Parts, Waiters};
use crate::error::{BufferResult, Rejected, give_back};
use crate::locked::DynamicCircularBuffer;
use crate::tasks;
use crate::wait::{block, in_time, try_briefly_or_register, unless_empty};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// A channel over a queue. Each clone sends and receives, as a task or as a thread.
///
/// An item goes to one receiver. Dropping a channel closes nothing; the channel is closed by
/// [`close`](Self::close), or when the last of its [`sink`](Self::sink)s goes.
///
/// The futures need no particular runtime, but for those with a timeout: their timers are tokio's. A future
/// that is dropped before it is done has sent and received nothing. In a runtime of tokio, a task that never
/// has to wait gives the others a turn from time to time.
///
/// On a queue for one consumer (or producer), a second one at the same moment gets `InvalidOperation`; it may
/// be a clone, a stream or a sink.
///
/// # Examples
/// ```
/// use elasticq::streams::BufferChannel;
/// use elasticq::{BufferError, Config, DynamicCircularBuffer};
/// use std::sync::Arc;
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// let channel = BufferChannel::new(buffer);
/// let sender = channel.clone();
/// let thread = std::thread::spawn(move || {
///     for number in 0..3 {
///         sender.blocking_send(number).unwrap();
///     }
///     sender.close();
/// });
/// futures::executor::block_on(async {
///     let mut sum = 0;
///     while let Ok(number) = channel.recv().await {
///         sum += number;
///     }
///     assert_eq!(sum, 3);
///     assert_eq!(channel.recv().await, Err(BufferError::Closed));
/// });
/// thread.join().unwrap();
/// # Ok::<(), BufferError>(())
/// ```
pub struct BufferChannel<T, B: ?Sized = DynamicCircularBuffer<T>> {
    buffer: Arc<B>,
    /// What the sinks of all clones share, once there was one.
    door: Arc<Mutex<Weak<Door<B>>>>,
    items: PhantomData<fn(T) -> T>,
}

impl<T: Send, B: Parts<T> + ?Sized> BufferChannel<T, B> {
    /// A channel over this queue, which others may use as well.
    #[must_use]
    pub fn new(buffer: Arc<B>) -> Self {
        Self { buffer, door: Arc::default(), items: PhantomData }
    }

    /// Sends `item`, waiting as a task until there is room.
    ///
    /// # Errors
    /// `Closed` (also if the channel is closed meanwhile) or `ResizeError`; the [`Rejected`] holds the item.
    /// `InvalidOperation` on a queue for one producer, if another one is sending at this moment.
    pub fn send(&self, item: T) -> impl Future<Output = Result<(), Rejected<T>>> {
        tasks::send(&*self.buffer, item)
    }

    /// [`send`](Self::send) that waits no longer than `timeout`.
    ///
    /// # Errors
    /// As [`send`](Self::send); `Timeout(timeout)`; `InvalidOperation` outside of a tokio runtime with
    /// timers.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferChannel;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), elasticq::BufferError> {
    /// let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default())?));
    /// channel.send(1).await?;
    /// channel.send_batch(vec![2, 3]).await?;
    /// channel.send_timeout(4, Duration::from_secs(1)).await?;
    /// assert_eq!(channel.recv_timeout(Duration::from_secs(1)).await?, 1);
    /// assert_eq!(channel.recv_many(9).await?, [2, 3, 4]);
    /// assert!(channel.recv_timeout(Duration::from_millis(1)).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put = tasks::put_within(&*self.buffer, &mut place, timeout).await;
        give_back(put.inspect_err(|_| self.buffer.note_refused(1)), place)
    }

    /// Sends all of `items`, next to each other, or none, waiting as a task until there is room for all.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `MaxCapacityReached` at once for a batch that can never fit; the
    /// [`Rejected`] holds the items.
    pub async fn send_batch(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        ends::send_batch(&*self.buffer, items).await
    }

    /// Sends `item` without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send), and a capacity error if there is no room.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferChannel;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    ///
    /// let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default())?));
    /// channel.try_send("one")?;
    /// assert_eq!((channel.len(), channel.is_empty()), (1, false));
    /// assert_eq!(channel.try_recv()?, "one");
    /// channel.close();
    /// assert!(channel.is_closed());
    /// assert_eq!(channel.try_send("two").unwrap_err().into_inner(), "two");
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn try_send(&self, item: T) -> Result<(), Rejected<T>> {
        self.buffer.offer(item)
    }

    /// Receives the next item, waiting as a task until there is one.
    ///
    /// # Errors
    /// `Closed` once the channel is closed and empty. `InvalidOperation` on a queue for one consumer, if
    /// another one is receiving at this moment. What a durable queue may fail with.
    pub fn recv(&self) -> impl Future<Output = BufferResult<T>> {
        tasks::take(&*self.buffer)
    }

    /// [`recv`](Self::recv) that waits no longer than `timeout`. A timeout of zero takes what is there.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `Timeout(timeout)`; `InvalidOperation` outside of a tokio runtime with
    /// timers.
    pub async fn recv_timeout(&self, timeout: Duration) -> BufferResult<T> {
        tasks::take_within(&*self.buffer, timeout).await
    }

    /// Receives up to `max` items, waiting as a task for the first. With `max` of zero, it gives none at
    /// once.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `ResizeError` if there is no memory for the items.
    pub async fn recv_many(&self, max: usize) -> BufferResult<Vec<T>> {
        tasks::take_many(&*self.buffer, max).await
    }

    /// Receives the next item without waiting.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and `Empty`.
    pub fn try_recv(&self) -> BufferResult<T> {
        self.buffer.try_pop()
    }

    /// [`send`](Self::send) for a thread: it blocks until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn blocking_send(&self, item: T) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put = tasks::put_as_thread(&*self.buffer, &mut place, Duration::MAX);
        give_back(put.inspect_err(|_| self.buffer.note_refused(1)), place)
    }

    /// [`recv`](Self::recv) for a thread: it blocks until there is an item.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn blocking_recv(&self) -> BufferResult<T> {
        self.blocking_recv_timeout(Duration::MAX)
    }

    /// [`blocking_recv`](Self::blocking_recv) that waits no longer than `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `Timeout(timeout)`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferChannel;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default())?));
    /// let second = Duration::from_secs(1);
    /// channel.blocking_send(1)?;
    /// assert_eq!(channel.blocking_recv_timeout(second)?, 1);
    /// channel.blocking_send(2)?;
    /// assert_eq!(channel.blocking_recv_many(9, second)?, [2]);
    /// assert!(channel.blocking_recv_many(9, Duration::from_millis(1))?.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn blocking_recv_timeout(&self, timeout: Duration) -> BufferResult<T> {
        let attempt = || unless_empty(self.buffer.try_pop());
        block(timeout, || try_briefly_or_register(attempt, || self.buffer.wait_for_item()))
    }

    /// [`recv_many`](Self::recv_many) for a thread: it blocks until there is an item, up to `timeout`.
    /// Without one it gives an empty vector.
    ///
    /// # Errors
    /// As [`recv_many`](Self::recv_many).
    pub fn blocking_recv_many(&self, max: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        let mut attempt = || tasks::many_once(&*self.buffer, max);
        let taken = block(timeout, || try_briefly_or_register(&mut attempt, || self.buffer.wait_for_item()));
        Ok(in_time(taken)?.unwrap_or_default())
    }

    /// Items in the channel now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there is no item in the channel now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Who is stuck at which end: how many sleep there, and for how long already. Of the receivers and
    /// senders these are the ones that sleep, whatever way they use the queue.
    ///
    /// Linear in their number. Blocks for no longer than a thread or a task needs to get into the line or out
    /// of it.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferChannel;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    ///
    /// let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default())?));
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| channel.blocking_recv());
    ///     while channel.waiters().item.threads == 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     channel.blocking_send(7).unwrap();
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn waiters(&self) -> Waiters {
        self.buffer.waiters()
    }

    /// Refuses all sends from now on and wakes all that wait; what is inside can still be received.
    pub fn close(&self) {
        self.buffer.close();
    }

    /// Whether the channel was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.buffer.is_closed()
    }

    /// A sink that sends into this channel. When the last sink of the channel goes, the channel is closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferChannel;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use futures::StreamExt;
    /// use std::sync::Arc;
    ///
    /// let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default())?));
    /// let (sink, stream) = (channel.sink(), channel.stream());
    /// pollster::block_on(sink.send(1))?;
    /// drop(sink); // the only one: the channel is closed
    /// assert_eq!(pollster::block_on(stream.collect::<Vec<_>>()), [1]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn sink(&self) -> BufferSink<T, Shared<B>> {
        let mut shared = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let door = shared.upgrade().unwrap_or_else(|| Arc::new(Door::new(&self.buffer)));
        *shared = Arc::downgrade(&door);
        BufferSink::new(Shared::new(Arc::clone(&self.buffer), Some(door)))
    }
}

impl<T, B: ?Sized> BufferChannel<T, B> {
    /// A stream of the items that it receives. It ends when the channel is closed and empty.
    pub fn stream(&self) -> BufferStream<T, Shared<B>> {
        BufferStream::new(Shared::new(Arc::clone(&self.buffer), None))
    }

    /// The queue.
    #[must_use]
    pub const fn buffer(&self) -> &Arc<B> {
        &self.buffer
    }
}

impl<T, B: ?Sized> Clone for BufferChannel<T, B> {
    fn clone(&self) -> Self {
        Self { buffer: Arc::clone(&self.buffer), door: Arc::clone(&self.door), items: PhantomData }
    }
}

impl<T, B: fmt::Debug + ?Sized> fmt::Debug for BufferChannel<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferChannel").field("buffer", &self.buffer).finish_non_exhaustive()
    }
}
