//! The ends that streams and sinks have: a queue that is shared, and the handles of a queue that was split.

use super::BufferSink;
use super::door::Door;
use crate::buffer::{Call, Parts, PuttingEnd, Sealed, TakingEnd};
use crate::error::{BufferResult, Rejected, give_back};
use crate::tasks;
use crate::wait::{Attempt, Waiter, try_briefly_or_register, unless_empty};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A queue that a stream or a sink shares with others through an `Arc`. It leads to the queue.
///
/// # Examples
/// ```
/// use elasticq::streams::BufferStreamExt;
/// use elasticq::{Config, DynamicCircularBuffer};
/// use std::sync::Arc;
///
/// let buffer = Arc::new(DynamicCircularBuffer::<u8>::new(Config::default())?);
/// let stream = Arc::clone(&buffer).into_stream();
/// assert!(Arc::ptr_eq(stream.end().buffer(), &buffer) && stream.end().is_empty());
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct Shared<B: ?Sized> {
    buffer: Arc<B>,
    /// Closes the queue when the last one who holds it lets go.
    door: Option<Arc<Door<B>>>,
}

impl<B: ?Sized> Shared<B> {
    pub(super) const fn new(buffer: Arc<B>, door: Option<Arc<Door<B>>>) -> Self {
        Self { buffer, door }
    }

    /// The queue.
    #[must_use]
    pub const fn buffer(&self) -> &Arc<B> {
        &self.buffer
    }
}

impl<B: ?Sized> Deref for Shared<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.buffer
    }
}

impl<B: ?Sized> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self { buffer: Arc::clone(&self.buffer), door: self.door.clone() }
    }
}

impl<B: fmt::Debug + ?Sized> fmt::Debug for Shared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.buffer).finish()
    }
}

impl<B: ?Sized> Sealed for Shared<B> {}

impl<T, B: Parts<T> + ?Sized> TakingEnd<T> for Shared<B> {
    #[inline(always)]
    fn take_or_register(&mut self) -> Attempt<'static, BufferResult<T>>
    where
        Self: 'static,
    {
        let buffer = &self.buffer;
        try_briefly_or_register(|| unless_empty(buffer.try_pop()), || Arc::clone(buffer).owned_wait_for_item())
    }

    fn call(&self) -> Option<Call<'static, BufferResult<T>>>
    where
        T: Send + 'static,
        Self: 'static,
    {
        self.buffer.waits_for_disk().then(|| {
            let buffer = Arc::clone(&self.buffer);
            Box::pin(async move { tasks::take(&*buffer).await }) as _
        })
    }

    fn ended(&mut self) {
        self.door = None; // nobody of a pair takes anything any more
    }
}

impl<T, B: Parts<T> + ?Sized> PuttingEnd<T> for Shared<B> {
    #[inline(always)]
    fn offer_again(&mut self, item: T) -> Result<(), Rejected<T>> {
        self.buffer.offer_again(item)
    }

    fn is_ready(&mut self) -> bool {
        self.buffer.is_closed() || self.buffer.len() < self.buffer.max_capacity()
    }

    fn wait_for_room(&self) -> Waiter<'static>
    where
        Self: 'static,
    {
        Arc::clone(&self.buffer).owned_wait_for_room()
    }

    fn pass_on(&self) {
        self.buffer.pass_on();
    }

    fn note_refused(&self) {
        self.buffer.note_refused(1);
    }

    fn is_closed(&self) -> bool {
        self.buffer.is_closed()
    }

    fn waits_for_disk(&self) -> bool {
        self.buffer.waits_for_disk()
    }

    fn call(&self, item: T) -> Call<'static, Result<(), Rejected<T>>>
    where
        T: Send + 'static,
        Self: 'static,
    {
        let buffer = Arc::clone(&self.buffer);
        Box::pin(async move { tasks::send(&*buffer, item).await })
    }
}

/// Puts all of `items` in, or none.
pub(super) async fn send_batch<T: Send, B: Parts<T> + ?Sized>(
    buffer: &B,
    items: Vec<T>,
) -> Result<(), Rejected<Vec<T>>> {
    let count = items.len();
    let mut place = Some(items);
    let put = tasks::put_many(buffer, &mut place).await;
    give_back(put.inspect_err(|_| buffer.note_refused(count)), place)
}

impl<T: Send, B: Parts<T> + ?Sized> BufferSink<T, Shared<B>> {
    /// Puts `item` at the end of the queue, waiting as a task until there is room.
    ///
    /// A future that is dropped before it is done has put nothing in, and drops the item; a queue in files
    /// may have the item then.
    ///
    /// # Errors
    /// `Closed` or `ResizeError`; the [`Rejected`] holds the item. `InvalidOperation` on a queue for one
    /// producer, if another one is putting something in at this moment.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferStreamExt;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    ///
    /// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
    /// let sink = Arc::clone(&buffer).into_sink();
    /// pollster::block_on(async {
    ///     sink.send(1).await?;
    ///     sink.send_batch(vec![2, 3]).await?;
    ///     Ok::<(), elasticq::BufferError>(())
    /// })?;
    /// assert_eq!(buffer.drain(), [1, 2, 3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn send(&self, item: T) -> Result<(), Rejected<T>> {
        match self.end() {
            Some(end) => tasks::send(&*end.buffer, item).await,
            None => Err(Self::closed(item)),
        }
    }

    /// Puts all of `items` in, next to each other, or none, waiting as a task until there is room for all.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `MaxCapacityReached` at once for a batch that can never fit; the
    /// [`Rejected`] holds the items.
    pub async fn send_batch(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        match self.end() {
            Some(end) => send_batch(&*end.buffer, items).await,
            None => Err(Self::closed(items)),
        }
    }
}

#[cfg(feature = "lock_free")]
mod handles {
    use super::*;
    use crate::lock_free::{Consumer, MpmcConsumer, MpmcProducer, Producer, SpscConsumer, SpscProducer};
    use crate::streams::BufferStream;

    macro_rules! consumers {
        ($($queue:literal, $consumer:ident;)*) => {$(
            impl<T: Send> $consumer<T> {
                /// A stream of the items that this handle takes, oldest first. It ends when the queue is
                /// closed and empty; say, when all producers are gone and everything was taken.
                ///
                /// The stream is this consumer now: when it is dropped, the handle goes.
                /// [`into_end`](BufferStream::into_end) gives the handle back.
                ///
                /// # Examples
                /// ```
                #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
                /// use futures::{SinkExt, StreamExt};
                ///
                #[doc = concat!("let (producer, consumer) = ", $queue, "::new(Config::default())?.split();")]
                /// let (mut sink, stream) = (producer.into_sink(), consumer.into_stream());
                /// futures::executor::block_on(async {
                ///     sink.send(1).await?;
                ///     sink.close().await?; // the last producer
                ///     assert_eq!(stream.collect::<Vec<_>>().await, [1]);
                ///     Ok::<(), elasticq::BufferError>(())
                /// })?;
                /// # Ok::<(), elasticq::BufferError>(())
                /// ```
                pub fn into_stream(self) -> BufferStream<T, Self> {
                    BufferStream::new(self)
                }
            }
        )*};
    }

    consumers! {
        "LockFreeMPSCQueue", Consumer;
        "LockFreeMPMCQueue", MpmcConsumer;
        "LockFreeSPSCQueue", SpscConsumer;
    }

    /// `$this` is how a sink sends with the handle, `$end` gets the handle.
    macro_rules! producers {
        ($($queue:literal, $producer:ident, $this:ident: $receiver:ty => $end:expr;)*) => {$(
            impl<T: Send> $producer<T> {
                /// A sink that puts items in with this handle.
                ///
                /// The sink is this producer now: when it is closed or dropped, the handle goes, and with the
                /// last producer the queue is closed.
                ///
                /// # Examples
                /// ```
                #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
                /// use futures::{StreamExt, stream};
                ///
                #[doc = concat!("let (producer, consumer) = ", $queue, "::new(Config::default())?.split();")]
                /// let numbers = stream::iter(0..3).map(Ok).forward(producer.into_sink());
                /// let (sent, taken) = futures::executor::block_on(async {
                ///     futures::join!(numbers, consumer.into_stream().collect::<Vec<_>>())
                /// });
                /// sent?;
                /// assert_eq!(taken, [0, 1, 2]);
                /// # Ok::<(), elasticq::BufferError>(())
                /// ```
                pub fn into_sink(self) -> BufferSink<T, Self> {
                    BufferSink::new(self)
                }
            }

            impl<T: Send> BufferSink<T, $producer<T>> {
                /// Puts `item` at the end of the queue, waiting as a task until there is room.
                ///
                /// A future that is dropped before it is done has put nothing in, and drops the item.
                ///
                /// # Errors
                /// `Closed` or `ResizeError`; the [`Rejected`] holds the item.
                ///
                /// # Examples
                /// ```
                #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
                ///
                #[doc = concat!("let (producer, mut consumer) = ", $queue, "::new(Config::default())?.split();")]
                /// let mut sink = producer.into_sink();
                /// # let _ = &mut sink;
                /// pollster::block_on(async {
                ///     sink.send(1).await?;
                ///     sink.send_batch(vec![2, 3]).await?;
                ///     Ok::<(), elasticq::BufferError>(())
                /// })?;
                /// assert_eq!(consumer.dequeue_batch(9)?, [1, 2, 3]);
                /// # Ok::<(), elasticq::BufferError>(())
                /// ```
                pub async fn send($this: $receiver, item: T) -> Result<(), Rejected<T>> {
                    match $end {
                        Some(end) => end.send(item).await,
                        None => Err(Self::closed(item)),
                    }
                }

                /// Puts all of `items` in, next to each other, or none, waiting as a task until there is room
                /// for all.
                ///
                /// # Errors
                /// As [`send`](Self::send), and `MaxCapacityReached` at once for a batch that can never fit;
                /// the [`Rejected`] holds the items.
                pub async fn send_batch($this: $receiver, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
                    match $end {
                        Some(end) => end.send_batch(items).await,
                        None => Err(Self::closed(items)),
                    }
                }
            }
        )*};
    }

    producers! {
        "LockFreeMPSCQueue", Producer, self: &Self => self.end();
        "LockFreeMPMCQueue", MpmcProducer, self: &Self => self.end();
        "LockFreeSPSCQueue", SpscProducer, self: &mut Self => self.end_mut();
    }
}
