//! The public face of the elastic queue of many producers and many consumers. `chain` is the producers' side
//! of the algorithm; `consumers` and `records` are the consumers' side.

mod consumers;
mod records;

pub(super) use self::consumers::Core;
use self::records::Record;
use super::batch::those_in_time;
use super::chain::Guess;
use super::handles::{buffer, debug, producing, watching};
use super::turns::{found, taken};
use crate::config::Config;
use crate::error::BufferResult;
#[cfg(all(feature = "streams", not(loom)))]
use crate::error::Rejected;
use crate::sync::{Arc, Ordering};
use crate::wait::{Attempt, block, complete, complete_take, in_time};
use std::ops::Deref;
use std::ptr::NonNull;
use std::time::Duration;

/// An elastic queue of many producers and many consumers, without locks.
///
/// Pushing and taking cost one claim each, and are lock-free: some push and some take always succeed. Each
/// item goes to exactly one consumer, in the order of the queue. What one consumer takes of one producer's
/// items is in that producer's order. Capacity follows the use between `min_capacity` and `max_capacity`, as
/// in every queue of this crate. A burst that fits `max_capacity` is never refused, not even while the
/// consumers rest.
///
/// **Memory.** The slots are in segments. The call that takes the last item in the queue leaves one segment,
/// for `min_capacity` items (rounded up to a power of two), and what other handles keep (see
/// [`MpmcConsumer`]). For each segment that there was at the same time, it also leaves a header of some
/// hundred bytes, which is used again. The consumers look at the size of the queue at every eighth of the
/// capacity. If the queue never becomes empty, it shrinks at the latest when the consumers have taken what
/// was there at the last look. A larger segment is then freed with the last item in it. Once the queue is
/// closed, the segment in use stays until the last handle goes.
///
/// This handle is shared by reference: any thread may put and take through it. [`split`](Self::split) gives
/// handles with which taking is cheaper.
///
/// **A stalled producer** that has claimed its position and not yet published its item holds back the items
/// behind it: until it publishes, consumers find nothing. **A stalled consumer** holds back nobody, whether
/// it has claimed an item and not yet moved it out, or was about to claim one. A producer that comes to the
/// same slot one lap later goes on elsewhere. Below `max_capacity`, the queue grows around the slot. At
/// `max_capacity`, the producer looks for some microseconds whether the consumer goes on, and then puts its
/// item into fresh memory of the same capacity. So no push is refused because of where consumers stand. Only
/// the number of items matters, and items that consumers have claimed do not count. What a stalled consumer
/// costs is memory: the part of the queue that it stands in is kept until it goes on. Where there is no
/// memory for a fresh part, the push ends in `ResizeError`. No code of the caller runs at either place, so
/// only the scheduler can stall a thread there.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPMCQueue};
///
/// let queue = LockFreeMPMCQueue::new(Config::default())?;
/// queue.offer_batch((0..100).collect())?;
/// let taken: usize = std::thread::scope(|scope| {
///     let take = || queue.dequeue_batch(50).map(|items| items.len()).unwrap_or(0);
///     let threads = [scope.spawn(take), scope.spawn(take)];
///     threads.into_iter().map(|thread| thread.join().unwrap()).sum()
/// });
/// assert_eq!((taken, queue.try_dequeue()), (100, Ok(None)));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct LockFreeMPMCQueue<T> {
    pub(super) core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPMCQueue`] that puts items in; clone it for more. When the last clone is dropped,
/// the queue is closed.
///
/// Any thread may use it, but a clone for each thread is faster: a handle remembers where its last claim
/// ended.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPMCQueue};
/// use std::time::Duration;
///
/// let (producer, mut consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
/// producer.try_enqueue(1)?;
/// let other = producer.clone(); // for another thread
/// std::thread::spawn(move || other.try_enqueue(2)).join().unwrap()?;
/// producer.offer_within(3, Duration::from_secs(1))?;
/// producer.offer(4)?;
/// assert_eq!(consumer.dequeue_batch(9)?, [1, 2, 3, 4]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[repr(align(128))] // neighbours in a vector of handles don't share cache lines
pub struct MpmcProducer<T> {
    guess: Guess,
    pub(super) core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPMCQueue`] that takes items; clone it for more. When the last clone is dropped,
/// the queue is closed and what is inside is dropped: see [`split`](LockFreeMPMCQueue::split).
///
/// A handle keeps the memory of the part of the queue that it took from last, until the handle is used again,
/// waits, or is dropped.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeMPMCQueue};
/// use std::time::Duration;
///
/// let (producer, mut consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
/// producer.offer_batch(vec![1, 2, 3, 4])?;
/// assert_eq!(consumer.try_dequeue()?, Some(1));
/// assert_eq!(consumer.dequeue_within(Duration::from_secs(60))?, Some(2));
/// assert_eq!(consumer.dequeue_batch(9)?, [3, 4]);
/// assert_eq!(consumer.try_dequeue()?, None);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct MpmcConsumer<T> {
    record: NonNull<Record<T>>,
    pub(super) core: Arc<Core<T>>,
}

// SAFETY: the record is the handle's alone, and lives as long as the core; items may go to the handle's
// thread.
unsafe impl<T: Send> Send for MpmcConsumer<T> {}
// SAFETY: a shared handle can only look at the core.
unsafe impl<T: Send> Sync for MpmcConsumer<T> {}

impl<T> LockFreeMPMCQueue<T> {
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

    /// Takes something with a record for this call, and then wakes producers that wait for room.
    #[inline(always)]
    fn take_turn<R>(&self, take: impl FnOnce(&Record<T>) -> R) -> R {
        let turn = RecordTurn::new(&self.core);
        let taken = take(turn.0);
        drop(turn);
        self.core.tell_producers();
        taken
    }

    /// Gives the two ends as handles that can be cloned.
    ///
    /// **The end.** When the last producer goes, the queue is closed, and what is inside can still be taken;
    /// [`close`](Self::close) does the same. When the last consumer goes, nothing can be taken any more: the
    /// queue is closed, waiting producers get their items back, and **what is inside is dropped then and
    /// there**, by the thread that drops the handle, in linear time. An item that is being put in at this
    /// moment is refused or, if its position was claimed before, accepted and dropped, possibly by the thread
    /// that puts it in. Later pushes get `Closed`.
    ///
    /// Nothing is locked while an item is dropped. So the item's `Drop` may use the queue, and an item may
    /// hold a producer of its own queue. An item that holds a consumer keeps the queue open. If the `Drop` of
    /// an item panics, the other items are dropped all the same, and then the panic goes on.
    /// [`stats`](Self::stats) counts these items as dropped, and not as dequeued.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeMPMCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
    /// let mut other = consumer.clone();
    /// producer.offer_batch(vec![1, 2])?;
    /// drop(producer);
    /// assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
    /// assert_eq!(other.try_dequeue(), Ok(Some(2)));
    /// assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (MpmcProducer<T>, MpmcConsumer<T>) {
        self.core.producers.store(1, Ordering::SeqCst);
        (MpmcProducer::new(Arc::clone(&self.core)), MpmcConsumer::new(self.core))
    }

    producing!("LockFreeMPMCQueue");
    watching!();

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet
    /// published. Lock-free.
    ///
    /// # Errors
    /// `Closed`: the queue was closed, and everything was taken.
    #[inline(always)]
    pub fn try_dequeue(&self) -> BufferResult<Option<T>> {
        let turn = RecordTurn::new(&self.core);
        taken(self.core.try_take(turn.0), || {
            drop(turn);
            self.core.tell_producers();
        })
    }

    /// Takes up to `max_items` of the items that were there at its first look, oldest first. Items next to
    /// each other in memory are taken with one claim.
    ///
    /// So the call ends however fast producers are: what they put in meanwhile is for the next call. (Only if
    /// there was nothing, it may take one item that came later.)
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue); `ResizeError` when there is no memory for the vector (nothing
    /// is taken).
    pub fn dequeue_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.take_turn(|record| self.core.take_batch(record, max_items))
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&self, timeout: Duration) -> BufferResult<Option<T>> {
        let taken = in_time(block(timeout, || self.core.attempt_to_take(RecordTurn::new(&self.core).0)));
        self.core.tell_producers();
        taken
    }

    /// Takes the oldest item, waiting for one as a task. Any number of tasks may wait.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has taken nothing. A
    /// future that waits keeps no memory of the queue.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeMPMCQueue};
    ///
    /// let queue = LockFreeMPMCQueue::new(Config::default())?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| pollster::block_on(queue.send("hello")));
    ///     assert_eq!(pollster::block_on(queue.recv()), Ok("hello"));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn recv(&self) -> impl Future<Output = BufferResult<T>> {
        let core = &self.core;
        let look = || {
            let turn = RecordTurn::new(core);
            found(core.try_take(turn.0), || {
                drop(turn);
                core.tell_producers();
            })
        };
        complete_take(look, || {
            let attempt = core.attempt_to_take(RecordTurn::new(core).0);
            core.tell_producers();
            attempt
        })
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call. Blocks up to `timeout` for the
    /// first item; gives an empty vector when none came.
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeMPMCQueue};
    /// use std::time::Duration;
    ///
    /// let queue = LockFreeMPMCQueue::new(Config::default())?;
    /// assert_eq!(queue.dequeue_batch_within(2, Duration::from_millis(1)), Ok(vec![]));
    /// queue.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.dequeue_batch_within(2, Duration::from_millis(1)), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let taken = block(timeout, || self.attempt_to_take_many(&mut items, max_items));
        self.core.tell_producers();
        those_in_time(taken, items)
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
    /// use elasticq::{Config, LockFreeMPMCQueue};
    ///
    /// let queue = LockFreeMPMCQueue::new(Config::default())?;
    /// queue.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(pollster::block_on(queue.recv_many(2)), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn recv_many(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let taken = complete(|| self.attempt_to_take_many(&mut items, max_items)).await;
        self.core.tell_producers();
        taken.map(|()| items)
    }

    fn attempt_to_take_many(&self, items: &mut Vec<T>, max_items: usize) -> Attempt<'_, BufferResult<()>> {
        self.core.attempt_to_take_many(RecordTurn::new(&self.core).0, items, max_items)
    }
}

impl<T> MpmcProducer<T> {
    fn new(core: Arc<Core<T>>) -> Self {
        Self { guess: Guess::new(), core }
    }

    const fn guess(&self) -> Option<&Guess> {
        Some(&self.guess)
    }

    producing!("LockFreeMPMCQueue");
    watching!();
}

#[cfg(all(feature = "streams", not(loom)))]
impl<T> MpmcProducer<T> {
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

impl<T> MpmcConsumer<T> {
    fn new(core: Arc<Core<T>>) -> Self {
        core.takers.handles.fetch_add(1, Ordering::SeqCst);
        Self { record: NonNull::from(core.record()), core }
    }

    #[inline(always)]
    pub(super) fn record(&self) -> &Record<T> {
        // SAFETY: records live as long as the core, which this handle holds.
        unsafe { self.record.as_ref() }
    }

    watching!();

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet
    /// published. Lock-free.
    ///
    /// # Errors
    /// `Closed`: the queue was closed, and everything was taken.
    #[inline(always)]
    pub fn try_dequeue(&mut self) -> BufferResult<Option<T>> {
        taken(self.core.try_take(self.record()), || self.core.tell_producers())
    }

    /// Takes up to `max_items` of the items that were there at its first look, oldest first. Items next to
    /// each other in memory are taken with one claim.
    ///
    /// So the call ends however fast producers are: what they put in meanwhile is for the next call. (Only if
    /// there was nothing, it may take one item that came later.)
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue); `ResizeError` when there is no memory for the vector (nothing
    /// is taken).
    pub fn dequeue_batch(&mut self, max_items: usize) -> BufferResult<Vec<T>> {
        let taken = self.core.take_batch(self.record(), max_items);
        self.core.tell_producers();
        taken
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&mut self, timeout: Duration) -> BufferResult<Option<T>> {
        let taken = in_time(block(timeout, || self.core.attempt_to_take(self.record())));
        self.core.tell_producers();
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
    /// use elasticq::{BufferError, Config, LockFreeMPMCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.try_enqueue("hello"));
    /// pollster::block_on(async {
    ///     assert_eq!(consumer.recv().await, Ok("hello"));
    ///     assert_eq!(consumer.recv().await, Err(BufferError::Closed)); // the producer is gone
    /// });
    /// sender.join().unwrap()?;
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn recv(&mut self) -> impl Future<Output = BufferResult<T>> {
        let this = &*self;
        let look = || found(this.core.try_take(this.record()), || this.core.tell_producers());
        complete_take(look, || {
            let attempt = this.core.attempt_to_take(this.record());
            this.core.tell_producers();
            attempt
        })
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call. Blocks up to `timeout` for the
    /// first item; gives an empty vector when none came.
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeMPMCQueue};
    /// use std::time::Duration;
    ///
    /// let (producer, mut consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
    /// let sender = std::thread::spawn(move || producer.offer_batch(vec![1, 2, 3]));
    /// assert_eq!(consumer.dequeue_batch_within(3, Duration::from_secs(60)), Ok(vec![1, 2, 3]));
    /// sender.join().unwrap()?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch_within(&mut self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let taken = block(timeout, || self.core.attempt_to_take_many(self.record(), &mut items, max_items));
        self.core.tell_producers();
        those_in_time(taken, items)
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
    /// use elasticq::{BufferError, Config, LockFreeMPMCQueue};
    ///
    /// let (producer, mut consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
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
        let mut items = Vec::new();
        let taken = complete(|| self.core.attempt_to_take_many(self.record(), &mut items, max_items)).await;
        self.core.tell_producers();
        taken.map(|()| items)
    }
}

impl<T> Clone for MpmcProducer<T> {
    fn clone(&self) -> Self {
        self.core.producers.fetch_add(1, Ordering::SeqCst);
        Self::new(Arc::clone(&self.core))
    }
}

impl<T> Clone for MpmcConsumer<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.core))
    }
}

impl<T> Drop for MpmcProducer<T> {
    fn drop(&mut self) {
        if self.core.producers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.core.close();
        }
    }
}

impl<T> Drop for MpmcConsumer<T> {
    fn drop(&mut self) {
        self.core.let_go(self.record());
        self.record().release();
        if self.core.takers.handles.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.core.abandon();
        }
    }
}

/// A record for one call.
struct RecordTurn<'a, T>(&'a Record<T>);

impl<'a, T> RecordTurn<'a, T> {
    #[inline(always)]
    fn new(core: &'a Core<T>) -> Self {
        Self(core.record())
    }
}

impl<T> Deref for RecordTurn<'_, T> {
    type Target = Record<T>;

    #[inline(always)]
    fn deref(&self) -> &Record<T> {
        self.0
    }
}

impl<T> Drop for RecordTurn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.release();
    }
}

debug!(LockFreeMPMCQueue MpmcProducer MpmcConsumer);
buffer!(LockFreeMPMCQueue);
