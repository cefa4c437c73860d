//! The two ends of a queue that was split, each for one thread.

#[cfg(all(feature = "streams", not(loom)))]
use super::consumer::Taker;
use super::core::Core;
use crate::error::{BufferResult, Rejected, give_back};
use crate::lock_free::handles::{debug, watching};
use crate::lock_free::turns::taken;
use crate::sync::Arc;
use crate::wait::complete_put;
use std::time::Duration;

/// The end of a [`LockFreeSPSCQueue`](crate::LockFreeSPSCQueue) that puts items in. When it is dropped, the
/// queue is closed.
///
/// The slots belong to the producer, so nobody can give them back without it. A producer that puts nothing in
/// after a burst keeps the last segment of the burst, at most `max_capacity` slots. Its next push goes into a
/// small segment, and the consumer frees the large one when it next takes.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeSPSCQueue};
/// use std::time::Duration;
///
/// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
/// producer.try_enqueue(1)?;
/// producer.offer_within(3, Duration::from_secs(1))?;
/// producer.offer(4)?;
/// assert_eq!(consumer.dequeue_batch(9)?, [1, 3, 4]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct SpscProducer<T> {
    pub(in crate::lock_free) core: Arc<Core<T>>,
}

/// The end of a [`LockFreeSPSCQueue`](crate::LockFreeSPSCQueue) that takes items. When it is dropped, the
/// queue is closed and what is inside is dropped: see [`split`](crate::LockFreeSPSCQueue::split).
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeSPSCQueue};
/// use std::time::Duration;
///
/// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
/// producer.offer_batch(vec![1, 2, 3, 4])?;
/// assert_eq!(consumer.try_dequeue()?, Some(1));
/// assert_eq!(consumer.dequeue_within(Duration::from_secs(60))?, Some(2));
/// assert_eq!(consumer.dequeue_batch(9)?, [3, 4]);
/// assert_eq!(consumer.try_dequeue()?, None);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct SpscConsumer<T> {
    pub(in crate::lock_free) core: Arc<Core<T>>,
}

impl<T> SpscProducer<T> {
    watching!();

    /// Puts `item` at the end without waiting. Wait-free.
    ///
    /// # Errors
    /// - `MaxCapacityReached(max_capacity)`: there is no room.
    /// - `ResizeError`: there is no memory to grow.
    /// - `Closed`: the queue was closed, or the consumer was dropped.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    ///
    /// let (mut producer, consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// producer.try_enqueue(1)?;
    /// drop(consumer);
    /// assert_eq!(producer.try_enqueue(2), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[inline(always)]
    pub fn try_enqueue(&mut self, item: T) -> BufferResult<()> {
        self.offer(item).map_err(Into::into)
    }

    /// [`try_enqueue`](Self::try_enqueue) that hands the item back when it is refused.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue); the [`Rejected`] holds the item.
    #[inline(always)]
    pub fn offer(&mut self, item: T) -> Result<(), Rejected<T>> {
        // SAFETY: there is one producer for a queue that was split, and it is borrowed exclusively.
        let maker = unsafe { self.core.maker() };
        ended!(self, self.core.offer(maker, item))
    }

    /// Puts all of `items`, or none of them. The consumer sees all at once.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue); `Full` when there is room, but not for all; `InvalidOperation`
    /// for a batch that takes the queue beyond its item `2^63`, which only items without a size can. The
    /// [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeSPSCQueue};
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// producer.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(consumer.dequeue_batch(2), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_batch(&mut self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        // SAFETY: as in `offer`.
        let maker = unsafe { self.core.maker() };
        self.core.offer_batch(maker, items).map(|put| self.core.tell_consumer(put))
    }

    /// Puts `item` at the end, blocking up to `timeout` until there is room.
    ///
    /// # Errors
    /// `Timeout(timeout)`, `ResizeError` or `Closed` (also when the queue is closed meanwhile); the
    /// [`Rejected`] holds the item.
    pub fn offer_within(&mut self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        // SAFETY: as in `offer`.
        let maker = unsafe { self.core.maker() };
        ended!(self, self.core.offer_within(maker, item, timeout))
    }

    /// Puts all of `items` or none of them, blocking up to `timeout` until there is room for all. A batch
    /// larger than `max_capacity` is refused at once.
    ///
    /// # Errors
    /// As [`offer_within`](Self::offer_within), and `MaxCapacityReached(max_capacity)` for a batch that never
    /// fits; the [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    /// use std::time::Duration;
    ///
    /// let four = Config::default().with_initial_capacity(4).with_min_capacity(4).with_max_capacity(4);
    /// let (mut producer, consumer) = LockFreeSPSCQueue::new(four)?.split();
    /// producer.offer_batch_within(vec![1, 2, 3], Duration::from_secs(1))?;
    /// let brief = Duration::from_millis(1);
    /// let (reason, items) = producer.offer_batch_within(vec![4, 5], brief).unwrap_err().into_parts();
    /// assert_eq!((reason, items), (BufferError::Timeout(brief), vec![4, 5]));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_batch_within(&mut self, items: Vec<T>, timeout: Duration) -> Result<(), Rejected<Vec<T>>> {
        // SAFETY: as in `offer`.
        let maker = unsafe { self.core.maker() };
        self.core.offer_batch_within(maker, items, timeout).map(|put| self.core.tell_consumer(put))
    }

    /// Puts `item` at the end, waiting as a task until there is room.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has put nothing in,
    /// and drops the item.
    ///
    /// # Errors
    /// `ResizeError` or `Closed` (also when the queue is closed meanwhile); the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    ///
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(one)?.split();
    /// let sender = std::thread::spawn(move || {
    ///     pollster::block_on(async {
    ///         producer.send(1).await?;
    ///         producer.send(2).await // when the first was taken
    ///     })
    /// });
    /// assert_eq!(pollster::block_on(consumer.recv()), Ok(1));
    /// assert_eq!(pollster::block_on(consumer.recv()), Ok(2));
    /// sender.join().unwrap()?;
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn send(&mut self, item: T) -> impl Future<Output = Result<(), Rejected<T>>> {
        let core = &*self.core;
        let put = |place: &mut Option<T>| {
            // SAFETY: as in `offer`; the future borrows this handle.
            let maker = unsafe { core.maker() };
            core.tell_consumer(core.put(maker, place)?);
            Ok(())
        };
        complete_put(item, put, put, || core.room_waiter(), |_| core.tally.note_refused(1))
    }

    /// [`send`](Self::send) of what is in `place`. On an error it is still there, and is not counted.
    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) async fn send_from(&mut self, place: &mut Option<T>) -> BufferResult<()> {
        // SAFETY: as in `offer`; the future awaited here ends before the borrow.
        let put = self.core.send(&*self.core, |core| unsafe { core.maker() }, place).await;
        put.map(|put| self.core.tell_consumer(put))
    }

    /// Puts all of `items` or none of them, waiting as a task until there is room for all. A batch larger
    /// than `max_capacity` is refused at once.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has put nothing in,
    /// and drops the items.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `MaxCapacityReached(max_capacity)` for a batch that never fits; the
    /// [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeSPSCQueue};
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// pollster::block_on(async {
    ///     producer.send_batch(vec![1, 2, 3]).await?;
    ///     assert_eq!(consumer.recv_many(9).await, Ok(vec![1, 2, 3]));
    ///     Ok::<(), elasticq::BufferError>(())
    /// })?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn send_batch(&mut self, mut items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        // SAFETY: as in `send_from`.
        let put = self.core.send_all(&*self.core, |core| unsafe { core.maker() }, &mut items).await;
        let put = put.inspect_err(|_| self.core.tally.note_refused(items.len()));
        give_back(put.map(|put| self.core.tell_consumer(put)), Some(items))
    }
}

#[cfg(all(feature = "streams", not(loom)))]
impl<T> SpscProducer<T> {
    /// [`offer`](Self::offer) that counts no refusal.
    #[inline(always)]
    pub(in crate::lock_free) fn put_quietly(&mut self, item: T) -> Result<(), Rejected<T>> {
        // SAFETY: as in `offer`.
        let maker = unsafe { self.core.maker() };
        ended!(self, self.core.push(maker, item))
    }

    /// Whether there seems to be room, or the queue is closed.
    #[inline(always)]
    pub(in crate::lock_free) fn seems_ready(&mut self) -> bool {
        // SAFETY: as in `offer`.
        let maker = unsafe { self.core.maker() };
        self.core.seems_ready(maker)
    }
}

impl<T> SpscConsumer<T> {
    watching!();

    #[cfg(all(feature = "streams", not(loom)))]
    pub(in crate::lock_free) fn taker(&mut self) -> (&Arc<Core<T>>, &mut Taker<T>) {
        // SAFETY: as in `try_dequeue`.
        (&self.core, unsafe { self.core.taker() })
    }

    /// Takes the oldest item; `None` when there is none. Wait-free.
    ///
    /// # Errors
    /// `Closed`: the queue was closed or the producer was dropped, and everything was taken.
    #[inline(always)]
    pub fn try_dequeue(&mut self) -> BufferResult<Option<T>> {
        // SAFETY: there is one consumer for a queue that was split, and it is borrowed exclusively.
        let taker = unsafe { self.core.taker() };
        taken(self.core.pop(taker), || self.core.tell_producer())
    }

    /// Takes up to `max_items` of the items that were there at its first look, oldest first; an empty queue
    /// gives an empty vector.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue), and `ResizeError` when there is no memory for the vector: then
    /// nothing was taken.
    pub fn dequeue_batch(&mut self, max_items: usize) -> BufferResult<Vec<T>> {
        // SAFETY: as in `try_dequeue`.
        let taker = unsafe { self.core.taker() };
        let taken = self.core.pop_many(taker, max_items);
        self.core.tell_producer();
        taken
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeSPSCQueue};
    /// use std::time::Duration;
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.try_enqueue("hello"));
    /// assert_eq!(consumer.dequeue_within(Duration::from_secs(60)), Ok(Some("hello")));
    /// sender.join().unwrap()?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_within(&mut self, timeout: Duration) -> BufferResult<Option<T>> {
        // SAFETY: as in `try_dequeue`.
        let taker = unsafe { self.core.taker() };
        let taken = self.core.pop_within(taker, timeout);
        self.core.tell_producer();
        taken
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call. Blocks up to `timeout` for the
    /// first item; gives an empty vector when none came.
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeSPSCQueue};
    /// use std::time::Duration;
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.offer_batch(vec![1, 2, 3]));
    /// assert_eq!(consumer.dequeue_batch_within(3, Duration::from_secs(60)), Ok(vec![1, 2, 3]));
    /// sender.join().unwrap()?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch_within(&mut self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        // SAFETY: as in `try_dequeue`.
        let taker = unsafe { self.core.taker() };
        let taken = self.core.pop_many_within(taker, max_items, timeout);
        self.core.tell_producer();
        taken
    }

    /// Takes the oldest item, waiting for one as a task.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has taken nothing, so
    /// `recv` can be used in a `select!`.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.try_enqueue("hello"));
    /// pollster::block_on(async {
    ///     assert_eq!(consumer.recv().await, Ok("hello"));
    ///     assert_eq!(consumer.recv().await, Err(BufferError::Closed)); // the producer is gone
    /// });
    /// sender.join().unwrap()?;
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn recv(&mut self) -> impl Future<Output = BufferResult<T>> {
        // SAFETY: as in `try_dequeue`; the future borrows this handle.
        unsafe { self.core.receive(|| self.core.tell_producer()) }
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call, waiting for the first as a task.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has taken nothing.
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.offer_batch(vec![1, 2, 3]));
    /// pollster::block_on(async {
    ///     assert_eq!(consumer.recv_many(2).await, Ok(vec![1, 2]));
    ///     assert_eq!(consumer.recv_many(2).await, Ok(vec![3]));
    ///     assert_eq!(consumer.recv_many(2).await, Err(BufferError::Closed)); // the producer is gone
    /// });
    /// sender.join().unwrap()?;
    /// # Ok::<(), BufferError>(())
    /// ```
    pub async fn recv_many(&mut self, max_items: usize) -> BufferResult<Vec<T>> {
        // SAFETY: as in `recv`.
        let taken = unsafe { self.core.receive_many(max_items) }.await;
        self.core.tell_producer();
        taken
    }
}

impl<T> Drop for SpscProducer<T> {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl<T> Drop for SpscConsumer<T> {
    fn drop(&mut self) {
        // SAFETY: as in `try_dequeue`.
        let taker = unsafe { self.core.taker() };
        self.core.abandon(taker);
    }
}

debug!(SpscProducer SpscConsumer);
