//! The public face of the queue of many producers and one consumer. `consumer` is the consumer's side of the
//! algorithm, `chain` the producers' side, and `left` what the consumer leaves behind when it goes.

mod consumer;
mod left;
mod pace;

pub(super) use self::consumer::{Core, Taker};
use super::chain::Guess;
use super::handles::{buffer, debug, producing, watching};
use super::turns::taken;
use crate::config::Config;
use crate::error::BufferResult;
#[cfg(all(feature = "streams", not(loom)))]
use crate::error::Rejected;
use crate::sync::{Arc, Ordering};
use std::time::Duration;

/// An elastic queue of many producers and one consumer, without locks.
///
/// Pushing and taking cost one claim and one stamp each. A push is lock-free (some push always succeeds);
/// taking is wait-free. Capacity follows the use between `min_capacity` and `max_capacity`, as in every queue
/// of this crate. A burst that fits `max_capacity` is never refused, not even while the consumer is stalled.
/// The items of one producer come out in the order in which it put them in.
///
/// **Memory.** The slots are in segments. The call that takes the last item in the queue leaves one segment,
/// for `min_capacity` items (rounded up to a power of two). For each segment that there was at the same time,
/// it also leaves a header of some hundred bytes, which is used again. If the queue never becomes empty, the
/// consumer looks whether a smaller one would do whenever it has taken all that was there at its look before.
/// A larger segment is then freed with the last item in it. Once the queue is closed, the segment in use
/// stays until the last handle goes.
///
/// This handle is shared by reference. Taking through it checks that no other thread is taking at the moment.
/// [`split`](Self::split) gives handles whose types make that sure.
///
/// **A stalled producer** that has claimed its position and not yet published its item holds back the items
/// behind it: until it publishes, the consumer finds nothing. No code of the caller runs between the claim
/// and the publishing, so only the scheduler can stall the producer there.
///
/// **A fast consumer keeps its distance.** In a queue of capacity 1,024 and more, a consumer that takes items
/// as fast as producers put them in now and then lets the producers gain a lead. The lead is up to 1,024
/// items (a quarter of the capacity, where that is less), and the consumer waits for 30 microseconds at the
/// most. This favours throughput over latency, and happens only while the producers go on at full speed.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPSCQueue};
///
/// let queue = LockFreeMPSCQueue::new(Config::default())?;
/// queue.try_enqueue("a")?;
/// assert_eq!(queue.try_dequeue(), Ok(Some("a")));
/// assert_eq!(queue.try_dequeue(), Ok(None));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct LockFreeMPSCQueue<T> {
    pub(super) core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPSCQueue`] that puts items in; clone it for more. When the last clone is dropped,
/// the queue is closed.
///
/// Any thread may use it, but a clone for each thread is faster: a handle remembers where its last claim
/// ended.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPSCQueue};
/// use std::time::Duration;
///
/// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
/// producer.try_enqueue(1)?;
/// let other = producer.clone(); // for another thread
/// std::thread::spawn(move || other.try_enqueue(2)).join().unwrap()?;
/// producer.offer_within(3, Duration::from_secs(1))?;
/// producer.offer(4)?;
/// assert_eq!(consumer.dequeue_batch(9)?, [1, 2, 3, 4]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[repr(align(128))] // neighbours in a vector of handles don't share cache lines
pub struct Producer<T> {
    guess: Guess,
    pub(super) core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPSCQueue`] that takes items. When it is dropped, the queue is closed and what is
/// inside is dropped: see [`split`](LockFreeMPSCQueue::split).
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPSCQueue};
/// use std::time::Duration;
///
/// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
/// producer.offer_batch(vec![1, 2, 3, 4])?;
/// assert_eq!(consumer.try_dequeue()?, Some(1));
/// assert_eq!(consumer.dequeue_within(Duration::from_secs(60))?, Some(2));
/// assert_eq!(consumer.dequeue_batch(9)?, [3, 4]);
/// assert_eq!(consumer.try_dequeue()?, None);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct Consumer<T> {
    pub(super) core: Arc<Core<T>>,
}

impl<T> LockFreeMPSCQueue<T> {
    /// Threads share this handle, so none of them knows where the last claim was.
    #[allow(clippy::unused_self)]
    const fn guess(&self) -> Option<&Guess> {
        None
    }

    /// Makes an empty queue and allocates its initial capacity.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the field, its value and the rule.
    pub fn new(config: Config) -> BufferResult<Self> {
        Ok(Self { core: Arc::new(Core::open(&config)?) })
    }

    /// Gives the two ends as handles: producers that can be cloned, and one consumer, which takes without a
    /// check.
    ///
    /// **The end.** When the last producer goes, the queue is closed, and what is inside can still be taken;
    /// [`close`](Self::close) does the same. When the consumer goes, nothing can be taken any more: the queue
    /// is closed, waiting producers get their items back, and **what is inside is dropped then and there**,
    /// by the thread that drops the handle, in linear time. An item that is being put in at this moment is
    /// refused or, if its position was claimed before, accepted and dropped, possibly by the thread that puts
    /// it in. Later pushes get `Closed`.
    ///
    /// Nothing is locked while an item is dropped. So the item's `Drop` may use the queue, and an item may
    /// hold a producer of its own queue. If the `Drop` of an item panics, the other items are dropped all the
    /// same, and then the panic goes on. [`stats`](Self::stats) counts these items as dropped, and not as
    /// dequeued.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeMPSCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
    /// let other = producer.clone();
    /// std::thread::spawn(move || other.try_enqueue(1)).join().unwrap()?;
    /// assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
    /// drop(producer);
    /// assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (Producer<T>, Consumer<T>) {
        self.core.producers.store(1, Ordering::SeqCst);
        (Producer::new(Arc::clone(&self.core)), Consumer { core: self.core })
    }

    producing!("LockFreeMPSCQueue");
    watching!();

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet
    /// published. Wait-free.
    ///
    /// # Errors
    /// - `Closed`: the queue was closed, and everything was taken.
    /// - `InvalidOperation`: another thread is taking at this moment. Nothing happened.
    #[inline(always)]
    pub fn try_dequeue(&self) -> BufferResult<Option<T>> {
        let mut turn = self.core.turn()?;
        taken(self.core.try_take(turn.taker()), || {
            drop(turn);
            self.core.tell_producers();
        })
    }

    /// Takes up to `max_items` of the items that were there at its first look, oldest first, and no more than
    /// `max_capacity`. It updates the counters and tells the producers once for many items, so it costs much
    /// less than as many calls for one item.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue), and `ResizeError` when there is no memory for the vector: then
    /// nothing was taken.
    pub fn dequeue_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.core.take_turn(|taker| self.core.take_batch(taker, max_items))
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&self, timeout: Duration) -> BufferResult<Option<T>> {
        self.core.take_turn(|taker| self.core.take_one_within(taker, timeout))
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call. Blocks up to `timeout` for the
    /// first item; gives an empty vector when none came.
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeMPSCQueue};
    /// use std::time::Duration;
    ///
    /// let queue = LockFreeMPSCQueue::new(Config::default())?;
    /// assert_eq!(queue.dequeue_batch_within(2, Duration::from_millis(1)), Ok(vec![]));
    /// queue.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.dequeue_batch_within(2, Duration::from_millis(1)), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        self.core.take_turn(|taker| self.core.take_batch_within(taker, max_items, timeout))
    }

    /// Takes the oldest item, waiting for one as a task. The caller is the consumer from the first poll of
    /// the future until the future is done or dropped.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has taken nothing.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeMPSCQueue};
    ///
    /// let queue = LockFreeMPSCQueue::new(Config::default())?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| pollster::block_on(queue.send("hello")));
    ///     assert_eq!(pollster::block_on(queue.recv()), Ok("hello"));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn recv(&self) -> BufferResult<T> {
        let taken = {
            let _turn = self.core.turn()?;
            // SAFETY: the turn makes the caller the consumer, and outlives the future awaited here.
            unsafe { self.core.receive(|| ()) }.await
        };
        self.core.tell_producers();
        taken
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call, waiting for the first as a task.
    /// The caller is the consumer meanwhile, as in [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeMPSCQueue};
    ///
    /// let queue = LockFreeMPSCQueue::new(Config::default())?;
    /// queue.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(pollster::block_on(queue.recv_many(2)), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn recv_many(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let taken = {
            let _turn = self.core.turn()?;
            // SAFETY: as in `recv`.
            unsafe { self.core.receive_many(max_items) }.await
        };
        self.core.tell_producers();
        taken
    }
}

impl<T> Producer<T> {
    fn new(core: Arc<Core<T>>) -> Self {
        Self { guess: Guess::new(), core }
    }

    const fn guess(&self) -> Option<&Guess> {
        Some(&self.guess)
    }

    producing!("LockFreeMPSCQueue");
    watching!();
}

#[cfg(all(feature = "streams", not(loom)))]
impl<T> Producer<T> {
    /// [`offer`](Self::offer) that counts no refusal.
    #[inline(always)]
    pub(super) fn put_quietly(&self, item: T) -> Result<(), Rejected<T>> {
        self.core.push(self.guess(), item)
    }

    /// Whether there seems to be room, or the queue is closed.
    pub(super) fn seems_ready(&self) -> bool {
        self.core.seems_ready()
    }
}

impl<T> Consumer<T> {
    watching!();

    pub(super) fn taker(&mut self) -> (&Arc<Core<T>>, &mut Taker<T>) {
        // SAFETY: there is one `Consumer` for a queue that was split, and it is borrowed exclusively. The
        // shared handle, with its other way to the taker, is gone.
        (&self.core, unsafe { self.core.taker() })
    }

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet
    /// published. Wait-free.
    ///
    /// # Errors
    /// `Closed`: the queue was closed, and everything was taken.
    #[inline(always)]
    pub fn try_dequeue(&mut self) -> BufferResult<Option<T>> {
        let (core, taker) = self.taker();
        taken(core.try_take(taker), || core.tell_producers())
    }

    /// Takes up to `max_items` of the items that were there at its first look, oldest first, and no more than
    /// `max_capacity`. It updates the counters and tells the producers once for many items, so it costs much
    /// less than as many calls for one item.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue), and `ResizeError` when there is no memory for the vector: then
    /// nothing was taken.
    pub fn dequeue_batch(&mut self, max_items: usize) -> BufferResult<Vec<T>> {
        let (core, taker) = self.taker();
        let taken = core.take_batch(taker, max_items);
        core.tell_producers();
        taken
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&mut self, timeout: Duration) -> BufferResult<Option<T>> {
        let (core, taker) = self.taker();
        let taken = core.take_one_within(taker, timeout);
        core.tell_producers();
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
    /// use elasticq::{Config, LockFreeMPSCQueue};
    /// use std::time::Duration;
    ///
    /// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.offer_batch(vec![1, 2, 3]));
    /// assert_eq!(consumer.dequeue_batch_within(3, Duration::from_secs(60)), Ok(vec![1, 2, 3]));
    /// sender.join().unwrap()?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch_within(&mut self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        let (core, taker) = self.taker();
        let taken = core.take_batch_within(taker, max_items, timeout);
        core.tell_producers();
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
    /// use elasticq::{BufferError, Config, LockFreeMPSCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.try_enqueue("hello"));
    /// pollster::block_on(async {
    ///     assert_eq!(consumer.recv().await, Ok("hello"));
    ///     assert_eq!(consumer.recv().await, Err(BufferError::Closed)); // the producer is gone
    /// });
    /// sender.join().unwrap()?;
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn recv(&mut self) -> impl Future<Output = BufferResult<T>> {
        // SAFETY: as in `taker`; the future borrows this handle.
        unsafe { self.core.receive(|| self.core.tell_producers()) }
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
    /// use elasticq::{BufferError, Config, LockFreeMPSCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || pollster::block_on(producer.send_batch(vec![1, 2, 3])));
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
        self.core.tell_producers();
        taken
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        self.core.producers.fetch_add(1, Ordering::SeqCst);
        Self::new(Arc::clone(&self.core))
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        if self.core.producers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.core.close();
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        let (core, taker) = self.taker();
        core.abandon(taker);
    }
}

debug!(LockFreeMPSCQueue Producer Consumer);
buffer!(LockFreeMPSCQueue);
