//! `DynamicCircularBuffer<T>`: a lock around a [`Ring`], and a [`Signal`] each for "not empty" and "not
//! full".
//!
//! Invariant: every change of the ring happens under the lock. A thread that changes the ring while it is
//! watched looks for sleepers, and wakes them after it unlocks. A waiter registers with its signal first,
//! then has the ring watched, then looks at it. No waiter is missed, by the argument in `wait`, since the
//! ring's watch mark is set and cleared under the lock. While nobody waits, a push or pop is one comparison
//! and one slot. Nothing of `T` but `Clone` runs under the lock: items are moved in and out there, and
//! dropped outside.
//!
//! This file: the buffer, single items, closing, looking at it. `batch`: many items at once. `evicting`:
//! adding where the oldest items make room. `newest`: taking the newest item first. `timed`: waiting.
//! `parts`: what the layers above need.

mod batch;
mod evicting;
mod newest;
mod parts;
mod timed;

use crate::buffer::{Buffer, forward, or_locked};
use crate::config::Config;
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::ring::{DefaultLock, Ring};
use crate::stats::{QueueStats, Tally};
use crate::sync::{Mutex, MutexGuard};
use crate::wait::{Signal, wake_each};
use crossbeam_utils::CachePadded;
use parking_lot::lock_api::RawMutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A [`DynamicCircularBuffer`] shared between threads.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer, ThreadSafeDynamicCircularBuffer};
/// use std::sync::Arc;
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// let buffer: ThreadSafeDynamicCircularBuffer<u8> = Arc::new(buffer);
/// let other = Arc::clone(&buffer);
/// std::thread::spawn(move || other.push(7)).join().unwrap()?;
/// assert_eq!(buffer.pop()?, 7);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub type ThreadSafeDynamicCircularBuffer<T> = Arc<DynamicCircularBuffer<T>>;

/// A first-in, first-out buffer that grows and shrinks, for any number of producers and consumers.
///
/// One lock guards a ring of items: a [`PatientLock`](crate::PatientLock) unless `L` says otherwise. The ring
/// grows by `growth_factor` when it is full, to exactly `max_capacity` at most. It shrinks back when it is
/// sparsely used (see [`Config`]). Every method takes `&self` and is safe to call from any thread. Every
/// method is linearizable: it takes effect at one moment while the lock is held.
///
/// **Waiting.** [`push`](Self::push), [`push_batch`](Self::push_batch), [`pop`](Self::pop) and
/// [`pop_batch`](Self::pop_batch) answer at once, unless `push_timeout` or `pop_timeout` is set; then they
/// block up to that long. [`offer`](Self::offer) and [`try_pop`](Self::try_pop) never wait.
/// [`offer_within`](Self::offer_within) and [`pop_within`](Self::pop_within) wait as long as the caller says.
/// Waiters are woken in the order in which they came, but a thread that calls at the right moment may be
/// served before a waiter that is just waking up.
///
/// **Memory.** `initial_capacity` slots are allocated at the start; physically the ring has the next power of
/// two. A push that needs more memory and gets none is refused with `ResizeError`, and the buffer stays as it
/// was.
///
/// **Cost.** Single items take constant time (amortised over resizes). A batch takes one lock and at most two
/// slice copies, whatever its size.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer};
/// use std::sync::Arc;
/// use std::thread;
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// let producer = {
///     let buffer = Arc::clone(&buffer);
///     thread::spawn(move || (0..5000).try_for_each(|n| buffer.push(n)))
/// };
/// producer.join().unwrap()?;
/// assert_eq!((buffer.len(), buffer.capacity()), (5000, 8192)); // it grew from 1024 in doublings
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct DynamicCircularBuffer<T, L: RawMutex = DefaultLock> {
    ring: CachePadded<Mutex<L, Ring<T>>>,
    not_empty: Signal,
    not_full: Signal,
    tally: Tally,
    push_timeout: Option<Duration>,
    pop_timeout: Option<Duration>,
}

impl<T> DynamicCircularBuffer<T> {
    /// Makes an empty buffer and allocates its initial capacity.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the field, its value and the rule; also when there is no memory for
    /// `initial_capacity`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::<u64>::new(Config::default())?;
    /// assert_eq!(buffer.capacity(), 1024);
    /// assert!(DynamicCircularBuffer::<u64>::new(Config::default().with_growth_factor(1.0)).is_err());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn new(config: Config) -> BufferResult<Self> {
        Self::with_lock(config)
    }
}

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    /// [`new`](DynamicCircularBuffer::new) with a lock of another kind: any [`lock_api::RawMutex`](RawMutex).
    ///
    /// Worth it only where less than a full lock does, say because another lock is held anyway.
    ///
    /// # Errors
    /// As [`new`](DynamicCircularBuffer::new).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::<u64, parking_lot::RawFairMutex>::with_lock(Config::default())?;
    /// buffer.push(1)?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn with_lock(config: Config) -> BufferResult<Self> {
        Ok(Self {
            ring: CachePadded::new(Mutex::new(Ring::new(&config)?)),
            not_empty: Signal::new(),
            not_full: Signal::new(),
            tally: Tally::default(),
            push_timeout: config.push_timeout,
            pop_timeout: config.pop_timeout,
        })
    }

    /// Adds `item` at the end; blocks up to `push_timeout` for room if that is set.
    ///
    /// The item is dropped when it is refused; [`offer`](Self::offer) hands it back.
    ///
    /// # Errors
    /// - `MaxCapacityReached(max_capacity)`: there is no room.
    /// - `Timeout(push_timeout)`: there was no room in time.
    /// - `ResizeError`: there is no memory to grow.
    /// - `Closed`: the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push("hello")?;
    /// assert_eq!(buffer.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn push(&self, item: T) -> BufferResult<()> {
        let mut ring = self.ring.lock();
        if let Err(item) = ring.push_plain(item) {
            return self.push_with_care(ring, item);
        }
        drop(ring); // by hand, as in `try_pop`
        Ok(())
    }

    /// Adds `item` at the end without ever waiting for room.
    ///
    /// # Errors
    /// As [`push`](Self::push) without `Timeout`; the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.close();
    /// let rejected = buffer.offer(7).unwrap_err();
    /// assert_eq!(rejected.into_inner(), 7);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn offer(&self, item: T) -> Result<(), Rejected<T>> {
        let mut ring = self.ring.lock();
        if let Err(item) = ring.push_plain(item) {
            return self.offer_with_care(ring, item);
        }
        drop(ring); // by hand, as in `try_pop`
        Ok(())
    }

    /// Takes the oldest item; blocks up to `pop_timeout` for one if that is set.
    ///
    /// # Errors
    /// - `Empty`: there is none.
    /// - `Timeout(pop_timeout)`: no item came in time.
    /// - `Closed`: there is none, and the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push('a')?;
    /// assert_eq!(buffer.pop(), Ok('a'));
    /// assert_eq!(buffer.pop(), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[inline(always)]
    pub fn pop(&self) -> BufferResult<T> {
        let mut ring = self.ring.lock();
        let Some(item) = ring.pop_plain() else { return self.pop_with_care(ring) };
        drop(ring); // by hand, as in `try_pop`
        Ok(item)
    }

    /// Takes the oldest item without ever waiting for one.
    ///
    /// # Errors
    /// `Empty`, or `Closed` when the buffer is empty and was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::<u8>::new(Config::default())?;
    /// assert_eq!(buffer.try_pop(), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[inline(always)]
    pub fn try_pop(&self) -> BufferResult<T> {
        let mut ring = self.ring.lock();
        let Some(item) = ring.pop_plain() else { return self.take_with_care(ring) };
        // Unlocked by hand, so that the result need not be in memory before the unlocking (a reload would
        // stall on it).
        drop(ring);
        Ok(item)
    }

    /// Items in the buffer now. Constant time; takes the lock.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.lock().len()
    }

    /// Whether the buffer holds nothing now. Constant time; takes the lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logical capacity now: how many items fit before the ring grows. Constant time; takes the lock.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.lock().capacity()
    }

    /// The capacity beyond which the buffer never grows, in items. Constant time; takes the lock.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.ring.lock().max_capacity()
    }

    /// Items ever accepted. Constant time; takes the lock.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.ring.lock().pushed()
    }

    /// Counters and sizes, all taken at one moment. Constant time; takes the lock.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.told(&self.ring.lock())
    }

    fn told(&self, ring: &Ring<T>) -> QueueStats {
        self.tally.add_to(QueueStats {
            messages_enqueued: ring.pushed(),
            messages_dequeued: ring.popped(),
            current_size: ring.len(),
            current_capacity: ring.capacity(),
            peak_size: Some(ring.peak()),
            grown: ring.grown(),
            shrunk: ring.shrunk(),
            ..QueueStats::default()
        })
    }

    /// Refuses all pushes from now on and wakes all waiters. What is inside can still be taken; after that,
    /// taking gives `Closed` too. Closing twice does nothing.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push(1)?;
    /// buffer.close();
    /// assert_eq!(buffer.push(2), Err(BufferError::Closed));
    /// assert_eq!(buffer.pop(), Ok(1));
    /// assert_eq!(buffer.pop(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn close(&self) {
        self.ring.lock().seal();
        self.wake_all();
    }

    /// Whether the buffer was closed. Takes the lock.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.ring.lock().is_sealed()
    }

    /// Wakes all waiters, after a change that concerns them all.
    fn wake_all(&self) {
        wake_each([self.not_empty.told_all(), self.not_full.told_all()]);
    }

    /// One attempt to add the item in `place`.
    fn put(&self, place: &mut Option<T>) -> BufferResult<()> {
        self.put_with_care(self.ring.lock(), place)
    }

    #[cold]
    fn push_with_care(&self, ring: MutexGuard<'_, L, Ring<T>>, item: T) -> BufferResult<()> {
        let mut place = Some(item);
        let put = match (self.put_with_care(ring, &mut place), self.push_timeout) {
            (Err(reason), Some(timeout)) if reason.is_capacity_error() => self.put_within(&mut place, timeout),
            (settled, _) => settled,
        };
        put.inspect_err(|_| self.tally.note_refused(1))
    }

    #[cold]
    fn offer_with_care(&self, ring: MutexGuard<'_, L, Ring<T>>, item: T) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put = self.put_with_care(ring, &mut place);
        give_back(put.inspect_err(|_| self.tally.note_refused(1)), place)
    }

    #[cold]
    fn pop_with_care(&self, ring: MutexGuard<'_, L, Ring<T>>) -> BufferResult<T> {
        match (self.take_with_care(ring), self.pop_timeout) {
            (Err(BufferError::Empty), Some(timeout)) => self.pop_within(timeout),
            (settled, _) => settled,
        }
    }

    #[cold]
    fn put_with_care(&self, mut ring: MutexGuard<'_, L, Ring<T>>, place: &mut Option<T>) -> BufferResult<()> {
        ring.push(place)?;
        self.wake_who_can_go_on(ring);
        Ok(())
    }

    #[cold]
    fn take_with_care(&self, mut ring: MutexGuard<'_, L, Ring<T>>) -> BufferResult<T> {
        let Some(item) = ring.pop() else { return Err(nothing_in(&ring)) };
        self.wake_who_can_go_on(ring);
        Ok(item)
    }

    /// Whether there may be a waiter to wake. Ask under the lock, after the ring was changed.
    #[inline]
    fn is_watched(&self, ring: &mut Ring<T>) -> bool {
        if ring.is_watched() && !self.not_empty.has_sleepers() && !self.not_full.has_sleepers() {
            // A waiter that registers from now on has the ring watched again before it looks.
            ring.unwatch();
        }
        ring.is_watched()
    }

    /// The ring was changed: tells the waiters how many items and places there are now.
    fn wake_who_can_go_on(&self, mut ring: MutexGuard<'_, L, Ring<T>>) {
        if self.is_watched(&mut ring) {
            let told = [self.not_empty.told(|| ring.len()), self.not_full.told(|| ring.room())];
            drop(ring);
            wake_each(told);
        }
    }
}

/// Why there is nothing to take.
const fn nothing_in<T>(ring: &Ring<T>) -> BufferError {
    if ring.is_sealed() { BufferError::Closed } else { BufferError::Empty }
}

impl<T, L: RawMutex> Buffer<T> for DynamicCircularBuffer<T, L> {
    forward!(items: self => self);
    forward!(state: self => self);
    fn stats(&self) -> QueueStats {
        self.stats()
    }
}

impl<T, L: RawMutex> fmt::Debug for DynamicCircularBuffer<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.ring.try_lock().map(|ring| self.told(&ring));
        f.debug_struct("DynamicCircularBuffer").field("stats", &or_locked(&stats)).finish_non_exhaustive()
    }
}
