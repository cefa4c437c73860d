//! The elastic queue of many producers and one consumer. `tla+/LockFreeMPSCQueue.tla` models it step by step.
//!
//! `chain` tells how producers claim and publish, and `resize` how the queue grows and shrinks. Here is the consumer: it
//! goes from position to position, takes what was published, counts it in `popped`, and retires segments that it has
//! drained. It is the only one that does, so all of its state but the count is in plain cells.
//!
//! Now and then it looks up from its work (`look_up`), and notes at how many items it will have taken all that is there
//! (`empty_at`). There it looks whether a smaller queue would do, and notes the next such place. One of them is the last item of a
//! burst, after which nobody else would give its memory back.

use super::abandon::Left;
use super::batch::{reserve, take_within};
use super::chain::{CLOSED, Chain, MAX_RETIRED, SEALED, Takers, position, renewal_interval};
use super::guess::Guess;
use super::handles::{buffer, debug, producing, watching};
use super::pace::Pace;
use super::segment::Segment;
use super::turns::{Turns, taken};
use crate::config::Config;
use crate::error::{BufferError, BufferResult};
use crate::sync::{Arc, AtomicU64, Cell, Ordering, order_seqcst};
use crate::wait::{Attempt, block, complete, in_time};
use crossbeam_utils::CachePadded;
use std::ptr;
use std::time::Duration;

/// The consumer's side.
pub(super) struct Single<T> {
    pub(super) popped: CachePadded<AtomicU64>,
    pub(super) taker: CachePadded<Cell<Taker<T>>>,
    /// Whether somebody is the consumer at the moment; his is the `taker`.
    pub(super) consuming: Turns,
    pub(super) left: Left<T>,
}

/// What only the consumer knows.
pub(super) struct Taker<T> {
    pub(super) head: u64,
    pub(super) popped: u64,
    /// The `popped` at which the limit is to be renewed.
    renew_at: u64,
    pace: Pace,
    /// The `popped` at which all is taken that was there when the one before was reached; not where nothing could be given back then.
    empty_at: u64,
    /// The nearest of `renew_at`, `empty_at` and when `pace` is to be kept.
    due_at: u64,
    pub(super) front: *mut Segment<T>,
    /// Headers retired, which a pinned thread may still look at.
    pub(super) retired: Vec<*mut Segment<T>>,
}

// SAFETY: the pointers are to segments, which belong to the queue; the taker is used by one thread at a time (`consuming`,
// or the one `Consumer`).
unsafe impl<T: Send> Send for Single<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Single<T> {}

impl<T> Takers<T> for Single<T> {
    fn popped(&self) -> u64 {
        self.popped.load(Ordering::SeqCst)
    }

    fn take_left(chain: &Core<T>) -> Option<T> {
        chain.take_left()
    }
}

pub(super) type Core<T> = Chain<T, Single<T>>;

impl<T> Core<T> {
    fn open(config: &Config) -> BufferResult<Self> {
        Self::new(config, |first| {
            let taker = Taker {
                head: 0,
                popped: 0,
                renew_at: 0,
                pace: Pace::new(),
                empty_at: u64::MAX,
                due_at: 0,
                front: first,
                retired: Vec::new(),
            };
            Single {
                popped: CachePadded::new(AtomicU64::new(0)),
                taker: CachePadded::new(Cell::new(taker)),
                consuming: Turns::new(),
                left: Left::new(),
            }
        })
    }

    /// Takes the next item, if it was published.
    #[inline(always)]
    pub(super) fn pop(&self, taker: &mut Taker<T>) -> Option<T> {
        // SAFETY: headers live as long as the queue.
        let front = unsafe { &*taker.front };
        // SAFETY: the caller is the consumer, and these are its head and front.
        let Some(item) = (unsafe { front.take(taker.head) }) else { return self.pop_with_care(taker) };
        self.took(taker);
        Some(item)
    }

    #[inline(always)]
    fn took(&self, taker: &mut Taker<T>) {
        taker.head += 1;
        taker.popped += 1;
        self.settle(taker);
    }

    /// Says what was taken.
    #[inline(always)]
    fn settle(&self, taker: &mut Taker<T>) {
        // Release: who sees this count sees that the slots were read.
        self.takers.popped.store(taker.popped, Ordering::Release);
        if taker.popped >= taker.due_at {
            self.look_up(taker);
        }
    }

    /// Does what is due now and then.
    #[cold]
    fn look_up(&self, taker: &mut Taker<T>) {
        if taker.popped >= taker.empty_at {
            // Perhaps the last item of a burst, after which the consumer may look no more.
            self.renew(taker);
            self.shrink_for(taker);
            while self.leave_drained(taker) {}
        } else if taker.popped >= taker.renew_at {
            self.renew(taker);
        }
        if taker.popped >= taker.pace.look_at {
            // Of the current segment only the capacity matters; the head may still be in an earlier one.
            let capacity = self.current().capacity.load(Ordering::Relaxed);
            let (popped, head) = (taker.popped, taker.head);
            taker.pace.keep(popped, capacity, || position(self.tail.load(Ordering::Relaxed)).saturating_sub(head));
        }
        // Not moved on before it is reached: where producers keep pace, the queue would never shrink.
        if taker.popped >= taker.empty_at || taker.empty_at == u64::MAX {
            taker.empty_at = self.when_empty(taker);
        }
        taker.due_at = taker.renew_at.min(taker.pace.look_at).min(taker.empty_at);
    }

    /// The `popped` at which all that is there now is taken; not where nothing could be given back then. Where nothing is there,
    /// a producer is growing the queue, or there was no memory for a smaller segment: then it is the next item.
    fn when_empty(&self, taker: &Taker<T>) -> u64 {
        if self.current().capacity.load(Ordering::Relaxed) == self.elasticity.min()
            && ptr::eq(self.current(), taker.front)
        {
            return u64::MAX;
        }
        // In this order: where the queue is resized in between, this is too early, and the next look is exact.
        let tail = position(self.tail.load(Ordering::SeqCst));
        let pushed = tail.saturating_sub(self.current().skipped.load(Ordering::SeqCst));
        pushed.max(taker.popped + 1)
    }

    /// Goes on to the next segment if the one in front has ended and is drained; whether it was.
    fn leave_drained(&self, taker: &mut Taker<T>) -> bool {
        // SAFETY: the front segment is the consumer's until it retires it.
        let front = unsafe { &*taker.front };
        if front.end.load(Ordering::SeqCst) != taker.head {
            return false;
        }
        self.advance(taker, front);
        true
    }

    #[cold]
    fn pop_with_care(&self, taker: &mut Taker<T>) -> Option<T> {
        loop {
            if !self.leave_drained(taker) {
                // Nothing there, or claimed and not yet published. A queue that is as small as it may be is left alone: a
                // producer at the limit looks at `popped` itself, and other looks would only slow the producers down.
                if self.current().capacity.load(Ordering::Relaxed) > self.elasticity.min() {
                    self.renew(taker);
                    self.shrink_for(taker);
                }
                // A smaller segment may follow by now.
                if !self.leave_drained(taker) {
                    return None;
                }
            }
            // SAFETY: headers live as long as the queue.
            let front = unsafe { &*taker.front };
            // SAFETY: as in `pop`.
            if let Some(item) = unsafe { front.take(taker.head) } {
                self.took(taker);
                return Some(item);
            }
        }
    }

    /// Goes on to the next segment and retires the one in front: every item of it was taken, so no claim is unpublished.
    fn advance(&self, taker: &mut Taker<T>, front: &Segment<T>) {
        let next = front.next.load(Ordering::SeqCst);
        taker.retired.push(taker.front);
        taker.front = next;
        taker.head += 1; // the end itself carries no item
        // The end may be set and the next segment not yet be current: then the resize is completed here, or a producer
        // could be about to look for the old one's slots.
        let tail = self.tail.load(Ordering::SeqCst);
        if tail & SEALED != 0 && position(tail) + 1 == taker.head {
            self.help(tail);
        }
        // SAFETY: drained, and nobody can claim in it: the tail has moved beyond its end.
        unsafe { front.retire() };
        self.recycle(taker);
    }

    /// Gives retired headers back for use. A pinned thread may have found them before they were retired, so only after a
    /// moment without any; whoever is pinned later finds the current segment, which is none of them.
    fn recycle(&self, taker: &mut Taker<T>) {
        if !self.retired.load(Ordering::Relaxed).is_null() {
            // Prepared by producers and never linked.
            let mut header = self.retired.swap(ptr::null_mut(), Ordering::SeqCst);
            while !header.is_null() {
                taker.retired.push(header);
                // SAFETY: headers live as long as the queue, and what was taken off the list belongs to this thread.
                header = unsafe { (*header).link.load(Ordering::SeqCst) };
            }
        }
        order_seqcst();
        if !taker.retired.is_empty() && self.cold.load(Ordering::SeqCst) == 0 {
            for header in taker.retired.drain(..) {
                self.keep_spare(header);
            }
        }
    }

    /// Shrinks a queue that is sparsely used.
    fn shrink_for(&self, taker: &Taker<T>) {
        if taker.retired.len() < MAX_RETIRED {
            self.shrink(taker.popped);
        }
    }

    /// Renews the limit.
    #[cold]
    fn renew(&self, taker: &mut Taker<T>) {
        let segment = self.current();
        let capacity = segment.capacity.load(Ordering::SeqCst);
        let limit = self.limit(taker.popped, segment);
        if segment.limit.load(Ordering::Relaxed) != limit {
            // Release: who sees the limit sees that the slots below it were read. A producer may have raised it meanwhile, but
            // not further, so a plain store lowers nothing: who has seen a later count comes after this store.
            segment.limit.store(limit, Ordering::Release);
        }
        taker.renew_at = taker.popped + renewal_interval(capacity);
        self.recycle(taker);
    }

    /// Whether nothing is there and nothing is on its way. SeqCst: the second half of "register, then look at the tail".
    pub(super) fn is_drained(&self, taker: &Taker<T>) -> bool {
        position(self.tail.load(Ordering::SeqCst)) <= taker.head
    }

    #[inline(always)]
    fn turn(&self) -> BufferResult<Turn<'_, T>> {
        self.takers.consuming.take("the queue has one consumer, and another thread is taking")?;
        Ok(Turn(self))
    }

    /// Takes something as the consumer, for one call, and then wakes producers who wait for room.
    #[inline(always)]
    fn take_turn<R>(&self, take: impl FnOnce(&mut Taker<T>) -> BufferResult<R>) -> BufferResult<R> {
        let mut turn = self.turn()?;
        let taken = take(turn.taker());
        drop(turn);
        self.tell_producers();
        taken
    }

    /// # Safety
    /// The caller is the consumer, and holds no other reference to its side.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn taker(&self) -> &mut Taker<T> {
        let taker = self.takers.taker.with_mut(|taker| taker);
        // SAFETY: this function's own condition.
        unsafe { &mut *taker }
    }

    fn take_batch(&self, taker: &mut Taker<T>, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        self.take_more(taker, &mut items, max_items)?;
        Ok(items)
    }

    /// Up to `max_items`, waiting for the first up to `timeout`.
    fn take_batch_within(&self, mut taker: &mut Taker<T>, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        let take_more = |taker: &mut &mut Taker<T>, items: &mut Vec<T>, max| self.take_more(taker, items, max);
        let most = max_items.min(self.elasticity.max());
        take_within(&mut taker, most, take_more, |taker| self.take_one_within(taker, timeout))
    }

    /// Takes up to `max_items` more of what is there now: producers could keep it busy for ever. (The ends of segments count as
    /// places, too, so that it may be a few more, but never more than there can be.) Fails only where `items` stays empty, or
    /// there is no memory for more.
    fn take_more(&self, taker: &mut Taker<T>, items: &mut Vec<T>, max_items: usize) -> BufferResult<()> {
        let there = position(self.tail.load(Ordering::Acquire)).saturating_sub(taker.head);
        let there = usize::try_from(there.max(1)).unwrap_or(usize::MAX).min(self.elasticity.max());
        let wanted = max_items.min(there);
        reserve(items, wanted)?;
        let wanted = items.len() + wanted;
        while items.len() < wanted {
            match self.try_take(taker) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) if !items.is_empty() => break,
                Err(error) => return Err(error),
            }
            self.take_run(taker, items, wanted);
        }
        Ok(())
    }

    /// Takes what is published in the front segment until there are `wanted` items or something else is due, and says so once.
    fn take_run(&self, taker: &mut Taker<T>, items: &mut Vec<T>, wanted: usize) {
        // SAFETY: the front segment is the consumer's until it retires it.
        let front = unsafe { &*taker.front };
        let most = ((wanted - items.len()) as u64).min(taker.due_at.saturating_sub(taker.popped));
        // SAFETY: the caller is the consumer, and these are its head and front.
        let taken = unsafe { front.take_all(taker.head, most, items) };
        taker.head += taken;
        taker.popped += taken;
        self.settle(taker);
    }

    /// The next item; `Closed` when there will be none.
    #[inline(always)]
    fn try_take(&self, taker: &mut Taker<T>) -> BufferResult<Option<T>> {
        if let Some(item) = self.pop(taker) {
            return Ok(Some(item));
        }
        if self.closed.load(Ordering::Acquire) && self.is_drained(taker) {
            return Err(BufferError::Closed);
        }
        Ok(None)
    }

    /// The next item, blocking for it up to `timeout`.
    fn take_one_within(&self, taker: &mut Taker<T>, timeout: Duration) -> BufferResult<Option<T>> {
        in_time(block(timeout, || self.attempt_to_take(taker)))
    }

    /// The next item, waiting for it as a task.
    ///
    /// # Safety
    /// The caller is the consumer until the future is done or dropped.
    async unsafe fn receive(&self) -> BufferResult<T> {
        complete(|| {
            // SAFETY: this function's own condition.
            self.attempt_to_take(unsafe { self.taker() })
        })
        .await
    }

    /// Takes the next item, or registers for it.
    fn attempt_to_take(&self, taker: &mut Taker<T>) -> Attempt<'_, BufferResult<T>> {
        if let Some(settled) = self.try_take(taker).transpose() {
            return Attempt::Settled(settled);
        }
        let waiter = self.items.waiter();
        order_seqcst();
        let tail = self.tail.load(Ordering::SeqCst);
        if position(tail) > taker.head || tail & CLOSED != 0 {
            Attempt::Soon // its producer may have looked for sleepers before this one registered
        } else {
            Attempt::Sleep(waiter)
        }
    }
}

/// An elastic queue of many producers and one consumer, without locks.
///
/// Pushing and taking are one claim and one stamp each: a push is lock-free (some push always succeeds), taking is
/// wait-free. Capacity follows the use between `min_capacity` and `max_capacity` as in every queue of this crate; a burst
/// that fits `max_capacity` is never refused, also while the consumer is stalled. Items of one producer come out in their
/// order.
///
/// **Memory.** Slots stand in segments. The call that takes the last item of all that are there leaves one segment, for
/// `min_capacity` items (rounded up to a power of two), and of each segment that there was at once a header of some hundred
/// bytes, which is used again. If the queue never becomes empty, the consumer looks whether a smaller one would do whenever it has
/// taken all that was there at the look before, and a larger segment goes with the last item in it. Once the queue is closed the
/// segment in use stays, until the last handle goes.
///
/// This handle is shared by reference; taking through it checks that nobody else is taking at the moment.
/// [`split`](Self::split) gives handles for which the types do that.
///
/// **A stalled producer** that has claimed its place and not yet published its item holds back what came after it: until
/// then the consumer finds nothing. No code of the caller runs between the two, so only the scheduler can stall it there.
///
/// **A fast consumer keeps its distance.** In a queue of capacity 1,024 and more, one that takes items as fast as producers add
/// them lets these gain a lead of up to 1,024 items (a quarter of the capacity, where that is less) now and then, for 30
/// microseconds at the most: throughput before latency, and only while the producers go on at full speed.
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

/// The end of a [`LockFreeMPSCQueue`] that puts in; clone it for more. When the last one is dropped the queue is closed.
///
/// Any thread may use it, but a clone for each is faster: a handle remembers where it was.
#[repr(align(128))] // neighbours in a vector of handles don't share cache lines
pub struct Producer<T> {
    guess: Guess,
    core: Arc<Core<T>>,
}

/// The end of a [`LockFreeMPSCQueue`] that takes. When it goes the queue is closed, and what is inside is dropped with it: see
/// [`split`](LockFreeMPSCQueue::split).
pub struct Consumer<T> {
    core: Arc<Core<T>>,
}

impl<T> LockFreeMPSCQueue<T> {
    /// It is shared by threads, so none of them knows where the last claim was.
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

    /// Gives the two ends as handles: producers that can be cloned, and one consumer, for whom taking needs no check.
    ///
    /// **The end.** When the last producer goes, the queue is closed, and what is inside can still be taken; the same with
    /// [`close`](Self::close). When the consumer goes, nothing can be taken any more: the queue is closed, producers who wait
    /// have their items back, and **what is inside is dropped then and there**, by the thread that drops the handle, in linear
    /// time.
    /// An item that is being put in at this moment is refused or, if its place was claimed before, accepted and dropped, possibly by
    /// the thread that puts it in. Later pushes get `Closed`.
    ///
    /// Nothing is locked while an item is dropped, so its `Drop` may use the queue, and a message may hold a producer of its own
    /// queue. If the `Drop` of an item panics, the others are dropped all the same, and then the panic goes
    /// on. In [`stats`](Self::stats) they count as dropped, and not as dequeued.
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

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet published. Wait-free.
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

    /// Takes up to `max_items`, oldest first, of those that were there at its first look, and no more than `max_capacity`. The
    /// counters and the producers are told once for many items, so it costs much less than as many calls for one.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue), and `ResizeError` when there is no memory for the vector; nothing was taken then.
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

    /// Takes up to `max_items`, and no more than `max_capacity` in one call, blocking up to `timeout` for the first of them; an
    /// empty vector when none came.
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

    /// Takes the oldest item, waiting for one as a task. The caller is the consumer from the first poll of the future until it is
    /// done or dropped.
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
            unsafe { self.core.receive() }.await
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

impl<T> Consumer<T> {
    watching!();

    fn taker(&mut self) -> (&Core<T>, &mut Taker<T>) {
        // SAFETY: there is one `Consumer` for a queue that was split, it is borrowed exclusively, and the shared handle with
        // its other way to the taker is gone.
        (&self.core, unsafe { self.core.taker() })
    }

    /// Takes the oldest item; `None` when there is none, or when the next one is claimed and not yet published. Wait-free.
    ///
    /// # Errors
    /// `Closed`: the queue was closed, and everything was taken.
    #[inline(always)]
    pub fn try_dequeue(&mut self) -> BufferResult<Option<T>> {
        let (core, taker) = self.taker();
        taken(core.try_take(taker), || core.tell_producers())
    }

    /// Takes up to `max_items`, oldest first, of those that were there at its first look, and no more than `max_capacity`. The
    /// counters and the producers are told once for many items, so it costs much less than as many calls for one.
    ///
    /// # Errors
    /// As [`try_dequeue`](Self::try_dequeue), and `ResizeError` when there is no memory for the vector; nothing was taken then.
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

    /// Takes up to `max_items`, and no more than `max_capacity` in one call, blocking up to `timeout` for the first of them; an
    /// empty vector when none came.
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
    /// Does not block, and needs no runtime. A future that is dropped before it is done has taken nothing, so `recv` may stand in
    /// a `select!`.
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
    pub async fn recv(&mut self) -> BufferResult<T> {
        // SAFETY: as in `taker`; the future awaited here ends before the borrow.
        let taken = unsafe { self.core.receive() }.await;
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

/// The right to be the consumer, taken for one call.
struct Turn<'a, T>(&'a Core<T>);

impl<T> Turn<'_, T> {
    #[inline(always)]
    fn taker(&mut self) -> &mut Taker<T> {
        // SAFETY: `consuming` gives the taker to one turn at a time.
        unsafe { self.0.taker() }
    }
}

impl<T> Drop for Turn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.takers.consuming.end();
    }
}

impl<T> Drop for Single<T> {
    fn drop(&mut self) {
        let taker = self.taker.with_mut(|taker| taker);
        // SAFETY: no handle is left, so nobody else is the consumer.
        let taker = unsafe { &mut *taker };
        for header in taker.retired.drain(..) {
            // SAFETY: a retired header is in this list and nowhere else, and nobody is left to look at it.
            drop(unsafe { Box::from_raw(header) });
        }
        // SAFETY: nobody else is left, and these are the consumer's front and head.
        unsafe { Segment::free_chain(taker.front, taker.head.max(self.left.head())) };
    }
}

debug!(LockFreeMPSCQueue Producer Consumer);
buffer!(LockFreeMPSCQueue);
