//! The elastic queue of one producer and one consumer.
//!
//! ```text
//! head   items ever taken     written by the consumer     0 <= tail - head <= capacity, always
//! tail   items ever put in    written by the producer     a position is an item's number, never used twice
//! notes  CLOSED | CONSUMER_SLEEPS | PRODUCER_SLEEPS | SPARSE     zero nearly always
//! ```
//!
//! **Push and pop.** The producer owns the slots from `tail` on, the consumer those from `head` to `tail`.
//! Each side hands slots over by storing its own position (release). It reads the other side's position
//! (acquire) only when it has used up the slots that it knew of. So the fast path is a comparison, the item,
//! a store and a look at the notes: no read-modify-write and no fence.
//!
//! **Resize.** The producer links a segment of another size and goes on there. The consumer follows when it
//! has drained the old segment, and frees that segment. Nothing is copied and nobody waits. The producer
//! grows the queue when it is full. It shrinks the queue when it looks at `head` and finds few items: at
//! every lap, and when the consumer, which finds few items earlier, has noted so. When no producer is at
//! work, the consumer takes the producer's turn and shrinks the queue itself. In a segment larger than the
//! smallest, the consumer takes the last item that it knows of on the slow path (`take_and_tidy`), since
//! perhaps nobody looks after that.
//!
//! **Waiting.** A side that waits registers and notes that, passes a barrier, looks once more, and sleeps.
//! The other side makes its change, passes a barrier, looks at the notes, and wakes. The barrier is
//! `sync::barrier`, whose half at each push and pop is free.
//!
//! **Closing** is a note, too. So a push may be under way when the consumer finds that note and nothing else.
//! Then the side that is first settles where the queue ends (`last`). If the push is first, its item is in.
//! If the consumer is first, the push takes its item back.
//!
//! **A consumer that goes** closes the queue, settles the end at once, and then drops what is before the end.
//! So the room that comes free there is no room for a push that has not seen the note yet.

/// The result of a put whose turn has ended: now a consumer that sleeps is woken. By hand, since `map` would
/// copy the item once more.
macro_rules! ended {
    ($queue:ident, $put:expr) => {
        match $put {
            Ok(put) => {
                $queue.core.tell_consumer(put);
                Ok(())
            }
            Err(rejected) => Err(rejected),
        }
    };
}

mod consumer;
mod core;
mod ends;
mod producer;
mod segment;

pub(super) use self::core::Core;
use self::core::ProducerTurn;
pub use self::ends::{SpscConsumer, SpscProducer};
use super::handles::{buffer, debug, watching};
use super::turns::taken;
use crate::config::Config;
use crate::error::{BufferResult, Rejected, give_back};
use crate::sync::Arc;
use std::time::Duration;

/// An elastic queue of one producer and one consumer, without locks: the fastest of this crate.
///
/// Pushing and taking are wait-free. They take constant time, except for the allocation of a larger or
/// smaller segment now and then. Capacity follows the use between `min_capacity` and `max_capacity`, as in
/// every queue of this crate, and is exact. A burst that fits `max_capacity` is never refused, not even while
/// the consumer is stalled.
///
/// **Memory.** The slots are in segments. The call that takes the last item in the queue leaves one segment,
/// for `min_capacity` items, unless a producer is putting in at this moment: then the next push shrinks the
/// queue. If the queue never becomes empty, it shrinks at the latest when the consumer has taken what was
/// there when it last looked. A larger segment is then freed with the last item in it.
///
/// [`split`](Self::split) gives the two ends as handles, each for one thread. This handle is shared by
/// reference instead. It checks that no other thread is putting in, or taking, at the moment, and answers
/// `InvalidOperation` to a second thread.
///
/// # Examples
/// ```
/// use elasticq::{Config, LockFreeSPSCQueue};
///
/// let queue = LockFreeSPSCQueue::new(Config::default())?;
/// queue.try_enqueue("a")?;
/// assert_eq!(queue.try_dequeue(), Ok(Some("a")));
/// assert_eq!(queue.try_dequeue(), Ok(None));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct LockFreeSPSCQueue<T> {
    pub(super) core: Arc<Core<T>>,
}

impl<T> LockFreeSPSCQueue<T> {
    /// Makes an empty queue and allocates its initial capacity.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the field, its value and the rule.
    pub fn new(config: Config) -> BufferResult<Self> {
        Ok(Self { core: Arc::new(Core::new(&config)?) })
    }

    /// Gives the two ends as handles, which need no checks.
    ///
    /// **The end.** When the producer goes, the queue is closed, and what is inside can still be taken;
    /// [`close`](Self::close) does the same. When the consumer goes, nothing can be taken any more: the queue
    /// is closed, a waiting producer gets its item back, and **what is inside is dropped then and there**, by
    /// the thread that drops the handle, in linear time. An item that is being put in at this moment is
    /// refused, or is inside and dropped with the others. Later pushes get `Closed`.
    ///
    /// Nothing is locked while an item is dropped. So the item's `Drop` may use the queue, and an item may
    /// hold a producer of its own queue. If the `Drop` of an item panics, the other items are dropped all the
    /// same, and then the panic goes on. [`stats`](Self::stats) counts these items as dropped, and not as
    /// dequeued.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    ///
    /// let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    /// std::thread::spawn(move || producer.try_enqueue(1)).join().unwrap()?;
    /// assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
    /// assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed)); // the producer is gone
    /// # Ok::<(), BufferError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (SpscProducer<T>, SpscConsumer<T>) {
        self.core.give_turns_away();
        (SpscProducer { core: Arc::clone(&self.core) }, SpscConsumer { core: self.core })
    }

    watching!();

    /// Puts `item` at the end without waiting.
    ///
    /// # Errors
    /// - `MaxCapacityReached(max_capacity)`: there is no room.
    /// - `ResizeError`: there is no memory to grow.
    /// - `Closed`: the queue was closed.
    /// - `InvalidOperation`: another thread is putting in at this moment. Nothing happened.
    #[inline(always)]
    pub fn try_enqueue(&self, item: T) -> BufferResult<()> {
        self.offer(item).map_err(Into::into)
    }

    /// [`try_enqueue`](Self::try_enqueue) that hands the item back when it is refused.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue); the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, LockFreeSPSCQueue};
    /// use std::time::Duration;
    ///
    /// let two = Config::default().with_initial_capacity(2).with_min_capacity(2).with_max_capacity(2);
    /// let queue = LockFreeSPSCQueue::new(two)?;
    /// queue.offer("one")?;
    /// queue.offer_within("two", Duration::from_secs(1))?;
    /// assert_eq!(queue.offer("three").unwrap_err().into_inner(), "three");
    /// let brief = Duration::from_millis(1);
    /// assert_eq!(queue.offer_within("four", brief).unwrap_err().reason(), &BufferError::Timeout(brief));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[inline(always)]
    pub fn offer(&self, item: T) -> Result<(), Rejected<T>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.offer(turn.maker(), item),
            Err(reason) => give_back(Err(reason), Some(item)),
        };
        ended!(self, put)
    }

    /// Puts all of `items`, or none of them.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue); `Full` when there is room, but not for all; `InvalidOperation`
    /// for a batch that takes the queue beyond its item `2^63`, which only items without a size can. The
    /// [`Rejected`] holds the items.
    pub fn offer_batch(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.offer_batch(turn.maker(), items),
            Err(reason) => Err(Rejected::new(reason, items)),
        };
        put.map(|put| self.core.tell_consumer(put))
    }

    /// Puts `item` at the end, blocking up to `timeout` until there is room. Meanwhile the caller is the
    /// producer.
    ///
    /// # Errors
    /// `Timeout(timeout)`, or as [`try_enqueue`](Self::try_enqueue); `Closed` also when the queue is closed
    /// meanwhile. The [`Rejected`] holds the item.
    pub fn offer_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.offer_within(turn.maker(), item, timeout),
            Err(reason) => Err(Rejected::new(reason, item)),
        };
        ended!(self, put)
    }

    /// Puts all of `items` or none of them, blocking up to `timeout` until there is room for all. Meanwhile
    /// the caller is the producer. A batch larger than `max_capacity` is refused at once.
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
    /// let queue = LockFreeSPSCQueue::new(four)?;
    /// queue.offer_batch_within(vec![1, 2, 3], Duration::from_secs(1))?;
    /// let brief = Duration::from_millis(1);
    /// let (reason, items) = queue.offer_batch_within(vec![4, 5], brief).unwrap_err().into_parts();
    /// assert_eq!((reason, items), (BufferError::Timeout(brief), vec![4, 5]));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_batch_within(&self, items: Vec<T>, timeout: Duration) -> Result<(), Rejected<Vec<T>>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.offer_batch_within(turn.maker(), items, timeout),
            Err(reason) => Err(Rejected::new(reason, items)),
        };
        put.map(|put| self.core.tell_consumer(put))
    }

    /// Puts `item` at the end, waiting as a task until there is room. The caller is the producer from the
    /// first poll of the future until the future is done or dropped.
    ///
    /// Does not block, and needs no runtime. A future that is dropped before it is done has put nothing in.
    /// It drops the item only after the caller has ceased to be the producer, so the item's `Drop` may use
    /// the queue.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue) except for `MaxCapacityReached`; `Closed` also when the queue is
    /// closed meanwhile. The [`Rejected`] holds the item.
    pub async fn send(&self, item: T) -> Result<(), Rejected<T>> {
        // Declared before the turn, so that the turn ends before the item is dropped with the future.
        let mut place = Some(item);
        let put = match self.core.producer_turn() {
            Ok(turn) => self.core.send(turn, ProducerTurn::maker, &mut place).await,
            Err(reason) => Err(reason),
        };
        let put = put.inspect_err(|_| self.core.tally.note_refused(1));
        give_back(put.map(|put| self.core.tell_consumer(put)), place)
    }

    /// Puts all of `items` or none of them, waiting as a task until there is room for all. The caller is the
    /// producer meanwhile, as in [`send`](Self::send). A batch larger than `max_capacity` is refused at once.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `MaxCapacityReached(max_capacity)` for a batch that never fits; the
    /// [`Rejected`] holds the items.
    pub async fn send_batch(&self, mut items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let put = match self.core.producer_turn() {
            Ok(turn) => self.core.send_all(turn, ProducerTurn::maker, &mut items).await,
            Err(reason) => Err(reason),
        };
        let put = put.inspect_err(|_| self.core.tally.note_refused(items.len()));
        give_back(put.map(|put| self.core.tell_consumer(put)), Some(items))
    }

    /// Takes the oldest item; `None` when there is none.
    ///
    /// # Errors
    /// - `Closed`: the queue was closed, and everything was taken.
    /// - `InvalidOperation`: another thread is taking at this moment. Nothing happened.
    #[inline(always)]
    pub fn try_dequeue(&self) -> BufferResult<Option<T>> {
        let mut turn = self.core.consumer_turn()?;
        taken(self.core.pop(turn.taker()), || {
            drop(turn);
            self.core.tell_producer();
        })
    }

    /// Takes up to `max_items` of the items that were there at its first look, oldest first; an empty queue
    /// gives an empty vector.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue), and `ResizeError` when there is no memory for the vector: then
    /// nothing was taken.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeSPSCQueue};
    /// use std::time::Duration;
    ///
    /// let queue = LockFreeSPSCQueue::new(Config::default())?;
    /// pollster::block_on(queue.send_batch(vec![1, 2, 3]))?;
    /// assert_eq!(queue.dequeue_batch(2)?, [1, 2]);
    /// assert_eq!(queue.dequeue_within(Duration::from_secs(60))?, Some(3));
    /// assert_eq!(queue.dequeue_within(Duration::from_millis(1))?, None);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.core.take_turn(|taker| self.core.pop_many(taker, max_items))
    }

    /// Takes the oldest item, blocking up to `timeout` for one; `None` when none came. Meanwhile the caller
    /// is the consumer.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue).
    pub fn dequeue_within(&self, timeout: Duration) -> BufferResult<Option<T>> {
        self.core.take_turn(|taker| self.core.pop_within(taker, timeout))
    }

    /// Takes up to `max_items`, and no more than `max_capacity` in one call. Blocks up to `timeout` for the
    /// first item; gives an empty vector when none came. Meanwhile the caller is the consumer.
    ///
    /// # Errors
    /// As [`dequeue_batch`](Self::dequeue_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, LockFreeSPSCQueue};
    /// use std::time::Duration;
    ///
    /// let queue = LockFreeSPSCQueue::new(Config::default())?;
    /// assert_eq!(queue.dequeue_batch_within(2, Duration::from_millis(1)), Ok(vec![]));
    /// queue.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.dequeue_batch_within(2, Duration::from_millis(1)), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dequeue_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        self.core.take_turn(|taker| self.core.pop_many_within(taker, max_items, timeout))
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
    /// use elasticq::{Config, LockFreeSPSCQueue};
    ///
    /// let queue = LockFreeSPSCQueue::new(Config::default())?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| pollster::block_on(queue.send("hello")));
    ///     assert_eq!(pollster::block_on(queue.recv()), Ok("hello"));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn recv(&self) -> BufferResult<T> {
        let taken = {
            let _turn = self.core.consumer_turn()?;
            // SAFETY: the turn makes the caller the consumer, and outlives the future awaited here.
            unsafe { self.core.receive(|| ()) }.await
        };
        self.core.tell_producer();
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
    /// use elasticq::{Config, LockFreeSPSCQueue};
    ///
    /// let queue = LockFreeSPSCQueue::new(Config::default())?;
    /// queue.offer_batch(vec![1, 2, 3])?;
    /// assert_eq!(pollster::block_on(queue.recv_many(2)), Ok(vec![1, 2]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn recv_many(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let taken = {
            let _turn = self.core.consumer_turn()?;
            // SAFETY: as in `recv`.
            unsafe { self.core.receive_many(max_items) }.await
        };
        self.core.tell_producer();
        taken
    }
}

impl<T> LockFreeSPSCQueue<T> {
    /// [`offer`](Self::offer) that counts no refusal.
    #[inline(always)]
    pub(super) fn put_quietly(&self, item: T) -> Result<(), Rejected<T>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.push(turn.maker(), item),
            Err(reason) => Err(Rejected::new(reason, item)),
        };
        ended!(self, put)
    }

    /// [`offer_batch`](Self::offer_batch) that counts no refusal.
    pub(super) fn put_all_quietly(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.push_all(turn.maker(), items),
            Err(reason) => Err(Rejected::new(reason, items)),
        };
        put.map(|put| self.core.tell_consumer(put))
    }
}

debug!(LockFreeSPSCQueue);
buffer!(LockFreeSPSCQueue);
