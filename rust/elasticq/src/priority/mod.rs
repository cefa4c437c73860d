//! Buffers with levels: [`PriorityCircularBuffer`] and its settings. Feature `priority`.
//!
//! `PriorityCircularBuffer<T>`: a lock around `Levels` (a ring per level, and a bit per level that has
//! items), a [`Signal`] for "not empty" and one or more for "not full".
//!
//! `order` says which level is next, and proves how long an item can wait. `levels` says where the items are
//! and what they cost. `ages` says how long each item has waited.
//!
//! # Waiting
//! As in `locked`, every change is made under the lock. A thread that changes the levels while they are
//! watched looks for sleepers, and wakes them after it unlocks. A waiter registers with its signal first,
//! then has the levels watched, then looks at them.
//!
//! If levels have limits of their own, producers that wait for room at different levels are not alike: a
//! place at one level is of no use to a producer that waits for room at another. So each level then has a
//! signal, and **every thread that changes something (takes, adds, or stops waiting) wakes as many producers
//! as there are places, those of the highest level first**. A producer that was woken before and has not
//! arrived yet has its place kept. A woken producer either goes on, or finds that another thread was faster;
//! in that case the other thread has looked for the next waiter after that.
//!
//! A producer that stops waiting looks for the next one, too (`Leaving`). It does so whether it gave up or
//! succeeded before it slept. It was registered, so a wake-up may have gone to it that was meant for any
//! level, even for its own level a moment before.
//!
//! If one waiter at a signal needs several places, all waiters at that signal are woken, and also those of
//! the next levels that can go on: what is too little for that waiter is enough for others.
//!
//! This file: the buffer, single items, closing. `looking`: sizes and counters. `batch`: many items at once.
//! `timed`: waiting. `parts`: what the layers above need.
//!
//! # Examples
//! ```
//! use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
//!
//! let buffer = PriorityCircularBuffer::new(PriorityConfig::new().with_priority_levels(2))?;
//! buffer.push_with_priority("can wait", 0)?;
//! buffer.push_with_priority("urgent", 1)?;
//! assert_eq!(buffer.pop()?, "urgent");
//! # Ok::<(), elasticq::BufferError>(())
//! ```

mod ages;
mod batch;
mod config;
mod levels;
mod looking;
mod order;
mod parts;
mod stats;
mod timed;
mod wake;

#[cfg(all(test, not(loom)))]
mod tests;

use crate::buffer::{Buffer, forward, or_locked};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::ring::DefaultLock;
use crate::stats::{QueueStats, Tally};
use crate::sync::{Mutex, MutexGuard};
use crate::wait::{Signal, wake_each};
use ages::Monotonic;
pub use config::PriorityConfig;
use crossbeam_utils::CachePadded;
use levels::Levels;
use parking_lot::lock_api::RawMutex;
pub use stats::PriorityStats;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A [`PriorityCircularBuffer`] shared between threads.
///
/// # Examples
/// ```
/// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig, ThreadSafePriorityCircularBuffer};
/// use std::sync::Arc;
///
/// let buffer: ThreadSafePriorityCircularBuffer<u8> =
///     Arc::new(PriorityCircularBuffer::new(PriorityConfig::default())?);
/// let other = Arc::clone(&buffer);
/// std::thread::spawn(move || other.push_with_priority(7, 2)).join().unwrap()?;
/// assert_eq!(buffer.pop()?, 7);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub type ThreadSafePriorityCircularBuffer<T> = Arc<PriorityCircularBuffer<T>>;

/// A buffer that serves items of higher priority first, for any number of producers and consumers.
///
/// Priorities are levels, from 0, which is served last, to [`priority_levels`](Self::priority_levels)` - 1`.
/// There are up to 64 levels; the qualities of service of MQTT are three of them. Within a level items keep
/// their order. One lock guards all levels: a [`PatientLock`](crate::PatientLock) unless `L` says otherwise.
/// Every method takes `&self` and is safe to call from any thread. Every method is linearizable: it takes
/// effect at one moment while the lock is held. Apart from the lock, only those methods block that say so.
///
/// **Fairness.** [`fair_queuing`](PriorityConfig::fair_queuing) is the default. The highest level that has
/// items is served, until `m` =
/// [`max_consecutive_per_priority`](PriorityConfig::max_consecutive_per_priority) items have gone before
/// others that waited at lower levels. Then one of the levels passed over has its turn, each time another
/// one: the next below, and after the lowest the highest of them again. So with `L` levels, a level that has
/// items is served at least once in any **`(L - 1)(m + 1)`** pops in a row. An item that finds `k` others
/// before it at its level sees **at most `(k + 1)((L - 1)(m + 1) - 1)`** items of other levels go before it,
/// whatever comes later. With 3 levels and `m = 5`, at most 11 items go before one that is the first at its
/// level. Without fairness a lower level is served only while all higher ones are empty, and may wait for
/// ever.
///
/// **Ageing.** With [`max_wait`](PriorityConfig::max_wait) an item that has waited that long goes before all
/// that have waited less, whatever their levels. To find it, a pop may look at the oldest item of each level
/// that has items.
///
/// **Capacity.** The limits of the base [`Config`](crate::Config) hold for all levels together: the capacity
/// grows by `growth_factor` when that many items are there, to exactly `max_capacity` at most, and shrinks
/// back. A level may have a [limit of its own](PriorityConfig::max_capacity_at_priority). A full level never
/// stops another level, nor the producers that wait for room at another level. Memory is taken when items
/// come: a level has none before its first item, so 64 levels cost no more than 3. There are never more slots
/// than four times the capacity plus 16 per level.
/// 3. There are never more slots than four times the capacity and 16 per level.
///
/// **Waiting.** [`push`](Self::push), [`pop`](Self::pop) and their batches answer at once, unless
/// `push_timeout` or `pop_timeout` of the base configuration is set; then they block up to that long.
/// [`offer_within`](Self::offer_within) and [`pop_within`](Self::pop_within) wait as long as the caller says.
/// [`send`](Self::send) and [`recv`](Self::recv) wait as tasks of any runtime.
///
/// **Cost.** Single items take constant time, whatever the number of levels (amortised over resizes). A batch
/// takes one lock, and slice copies for each stretch of a level.
///
/// # Examples
/// The qualities of service of MQTT:
/// ```
/// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
/// use elasticq::BufferError;
///
/// fn main() -> Result<(), BufferError> {
///     // Create a priority queue with 3 levels (matching MQTT QoS 0, 1, 2)
///     let config = PriorityConfig::default()
///         .with_priority_levels(3)
///         .with_fair_queuing(true) // Prevent low-priority starvation
///         .with_max_consecutive_per_priority(5); // Process max 5 messages per priority before switching
///
///     let queue = PriorityCircularBuffer::<String>::new(config)?;
///
///     // Push messages with different priorities
///     queue.push_with_priority("QoS 0 message".to_string(), 0)?; // Low priority
///     queue.push_with_priority("QoS 1 message".to_string(), 1)?; // Medium priority
///     queue.push_with_priority("QoS 2 message".to_string(), 2)?; // High priority (exactly once)
///
///     // Pop returns highest priority first
///     assert_eq!(queue.pop()?, "QoS 2 message".to_string());
///     assert_eq!(queue.pop()?, "QoS 1 message".to_string());
///     assert_eq!(queue.pop()?, "QoS 0 message".to_string());
///
///     // Check per-priority statistics
///     let stats = queue.stats();
///     println!("Priority stats: {:?}", stats);
///     Ok(())
/// }
/// ```
pub struct PriorityCircularBuffer<T, L: RawMutex = DefaultLock> {
    levels: CachePadded<Mutex<L, Levels<T>>>,
    not_empty: Signal,
    /// One signal for all levels; or one for each, by rank, if levels have limits of their own.
    not_full: Box<[Signal]>,
    /// By priority.
    tallies: Box<[Tally]>,
    middle: usize,
    push_timeout: Option<Duration>,
    pop_timeout: Option<Duration>,
}

type Guard<'a, T, L> = MutexGuard<'a, L, Levels<T>>;

impl<T> PriorityCircularBuffer<T> {
    /// Makes an empty buffer. Memory for items is taken when they come.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the field, its value and the rule.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::<u64>::new(PriorityConfig::default())?;
    /// assert_eq!((buffer.priority_levels(), buffer.capacity()), (3, 1024));
    /// assert!(PriorityCircularBuffer::<u64>::new(PriorityConfig::default().with_priority_levels(0)).is_err());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn new(config: PriorityConfig) -> BufferResult<Self> {
        Self::with_lock(config)
    }
}

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    /// [`new`](PriorityCircularBuffer::new) with a lock of another kind: any
    /// [`lock_api::RawMutex`](RawMutex).
    ///
    /// Worth it only where less than a full lock does, say because another lock is held anyway.
    ///
    /// # Errors
    /// As [`new`](PriorityCircularBuffer::new).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::<u64, parking_lot::RawFairMutex>::with_lock(PriorityConfig::default())?;
    /// buffer.push(1)?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn with_lock(config: PriorityConfig) -> BufferResult<Self> {
        let levels = Levels::new(&config, Monotonic::new)?;
        let count = config.priority_levels;
        let signals = if config.max_capacity_at_priority.is_empty() { 1 } else { count };
        Ok(Self {
            levels: CachePadded::new(Mutex::new(levels)),
            not_empty: Signal::new(),
            not_full: (0..signals).map(|_| Signal::new()).collect(),
            tallies: (0..count).map(|_| Tally::default()).collect(),
            middle: count / 2,
            push_timeout: config.base.push_timeout,
            pop_timeout: config.base.pop_timeout,
        })
    }

    /// [`push_with_priority`](Self::push_with_priority) at the middle level, `priority_levels / 2`.
    ///
    /// # Errors
    /// As [`push_with_priority`](Self::push_with_priority).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push("in the middle")?;
    /// assert_eq!(buffer.len_at_priority(1), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn push(&self, item: T) -> BufferResult<()> {
        self.push_with_priority(item, self.middle)
    }

    /// Adds `item` at the end of the level of `priority`; blocks up to `push_timeout` for room if that is
    /// set.
    ///
    /// The item is dropped when it is refused; [`offer_with_priority`](Self::offer_with_priority) hands it
    /// back.
    ///
    /// # Errors
    /// - `InvalidOperation`: there is no such level; the text names the range.
    /// - `MaxCapacityReached(n)`: there is no room. The buffer holds `n` = `max_capacity` items, or the level
    ///   holds the `n` items that it may.
    /// - `Timeout(push_timeout)`: there was no room in time.
    /// - `ResizeError`: there is no memory to grow.
    /// - `Closed`: the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("hello", 2)?;
    /// let error = buffer.push_with_priority("hello", 3).unwrap_err();
    /// assert_eq!(error.to_string(), "invalid operation: priority = 3: must be from 0 to 2");
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn push_with_priority(&self, item: T, priority: usize) -> BufferResult<()> {
        let mut levels = self.levels.lock();
        if let Err(item) = levels.push_plain(item, priority) {
            return self.push_with_care(levels, item, priority);
        }
        drop(levels); // by hand, as in `try_pop`
        Ok(())
    }

    /// [`offer_with_priority`](Self::offer_with_priority) at the middle level.
    ///
    /// # Errors
    /// As [`offer_with_priority`](Self::offer_with_priority).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.offer("kept")?;
    /// buffer.close();
    /// assert_eq!(buffer.offer("refused").unwrap_err().into_inner(), "refused");
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn offer(&self, item: T) -> Result<(), Rejected<T>> {
        self.offer_with_priority(item, self.middle)
    }

    /// Adds `item` at the end of the level of `priority` without ever waiting for room.
    ///
    /// # Errors
    /// As [`push_with_priority`](Self::push_with_priority) without `Timeout`; the [`Rejected`] holds the
    /// item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.close();
    /// let rejected = buffer.offer_with_priority(7, 2).unwrap_err();
    /// assert_eq!(rejected.into_inner(), 7);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn offer_with_priority(&self, item: T, priority: usize) -> Result<(), Rejected<T>> {
        let mut levels = self.levels.lock();
        if let Err(item) = levels.push_plain(item, priority) {
            return self.offer_with_care(levels, item, priority);
        }
        drop(levels); // by hand, as in `try_pop`
        Ok(())
    }

    /// Takes the next item: the oldest of the level whose turn it is. Blocks up to `pop_timeout` for one if
    /// that is set.
    ///
    /// # Errors
    /// - `Empty`: there is none.
    /// - `Timeout(pop_timeout)`: no item came in time.
    /// - `Closed`: there is none, and the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("later", 0)?;
    /// buffer.push_with_priority("first", 2)?;
    /// assert_eq!(buffer.pop(), Ok("first"));
    /// assert_eq!(buffer.pop(), Ok("later"));
    /// assert_eq!(buffer.pop(), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[inline(always)]
    pub fn pop(&self) -> BufferResult<T> {
        let mut levels = self.levels.lock();
        let Some(item) = levels.pop_plain() else { return self.pop_with_care(levels) };
        drop(levels); // by hand, as in `try_pop`
        Ok(item)
    }

    /// Takes the next item without ever waiting for one.
    ///
    /// # Errors
    /// `Empty`, or `Closed` when the buffer is empty and was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::<u8>::new(PriorityConfig::default())?;
    /// assert_eq!(buffer.try_pop(), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    #[inline(always)]
    pub fn try_pop(&self) -> BufferResult<T> {
        let mut levels = self.levels.lock();
        let Some(item) = levels.pop_plain() else { return self.take_with_care(levels) };
        // Unlocked by hand, so that the result need not be in memory before the unlocking (a reload would
        // stall on it).
        drop(levels);
        Ok(item)
    }

    /// Takes the oldest item of the level of `priority`, without waiting, even if it is another level's turn.
    /// The turns of [`pop`](Self::pop) do not count this item.
    ///
    /// # Errors
    /// - `InvalidOperation`: there is no such level; the text names the range.
    /// - `Empty`: the level is empty.
    /// - `Closed`: the level is empty, and the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("low", 0)?;
    /// buffer.push_with_priority("high", 2)?;
    /// assert_eq!(buffer.pop_from_priority(0), Ok("low"));
    /// assert_eq!(buffer.pop_from_priority(0), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn pop_from_priority(&self, priority: usize) -> BufferResult<T> {
        let mut levels = self.levels.lock();
        let Some(item) = levels.pop_from(priority)? else { return Err(nothing_in(&levels)) };
        self.wake_who_can_go_on(levels);
        Ok(item)
    }

    /// Refuses all pushes from now on and wakes all waiters. What is inside can still be taken; after that,
    /// taking gives `Closed` too. Closing twice does nothing.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push(1)?;
    /// buffer.close();
    /// assert_eq!(buffer.push(2), Err(BufferError::Closed));
    /// assert_eq!(buffer.pop(), Ok(1));
    /// assert_eq!(buffer.pop(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn close(&self) {
        self.levels.lock().seal();
        self.wake_all();
    }

    /// Wakes everybody who waits, after a change that concerns all of them.
    fn wake_all(&self) {
        wake_each(std::iter::once(&self.not_empty).chain(&self.not_full).map(Signal::told_all));
    }

    /// Whether the buffer was closed. Takes the lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push(1)?;
    /// assert!(!buffer.is_closed());
    /// buffer.close();
    /// assert!(buffer.is_closed());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.levels.lock().is_sealed()
    }

    /// One attempt to add the item in `place`.
    fn put(&self, place: &mut Option<T>, priority: usize) -> BufferResult<()> {
        self.put_with_care(self.levels.lock(), place, priority)
    }

    #[cold]
    fn push_with_care(&self, levels: Guard<'_, T, L>, item: T, priority: usize) -> BufferResult<()> {
        let mut place = Some(item);
        let put = match (self.put_with_care(levels, &mut place, priority), self.push_timeout) {
            (Err(reason), Some(timeout)) if reason.is_capacity_error() => {
                self.put_within(timeout, || self.wait_for_room_at_priority(priority), || self.put(&mut place, priority))
            }
            (settled, _) => settled,
        };
        put.inspect_err(|_| self.note_refused_at_priority(1, priority))
    }

    #[cold]
    fn offer_with_care(&self, levels: Guard<'_, T, L>, item: T, priority: usize) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put = self.put_with_care(levels, &mut place, priority);
        give_back(put.inspect_err(|_| self.note_refused_at_priority(1, priority)), place)
    }

    #[cold]
    fn pop_with_care(&self, levels: Guard<'_, T, L>) -> BufferResult<T> {
        match (self.take_with_care(levels), self.pop_timeout) {
            (Err(BufferError::Empty), Some(timeout)) => self.pop_within(timeout),
            (settled, _) => settled,
        }
    }

    #[cold]
    fn put_with_care(&self, mut levels: Guard<'_, T, L>, place: &mut Option<T>, priority: usize) -> BufferResult<()> {
        levels.push(place, priority)?;
        self.wake_who_can_go_on(levels);
        Ok(())
    }

    #[cold]
    fn take_with_care(&self, mut levels: Guard<'_, T, L>) -> BufferResult<T> {
        let Some(item) = levels.pop() else { return Err(nothing_in(&levels)) };
        self.wake_who_can_go_on(levels);
        Ok(item)
    }
}

/// Why there is nothing to take.
const fn nothing_in<T>(levels: &Levels<T>) -> BufferError {
    if levels.is_sealed() { BufferError::Closed } else { BufferError::Empty }
}

/// Pushed items go to the middle level.
impl<T, L: RawMutex> Buffer<T> for PriorityCircularBuffer<T, L> {
    forward!(items: self => self);
    forward!(state: self => self);
    fn stats(&self) -> QueueStats {
        self.told_in_all(&self.levels.lock())
    }
}

impl<T, L: RawMutex> fmt::Debug for PriorityCircularBuffer<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.levels.try_lock().map(|levels| self.told_in_all(&levels));
        f.debug_struct("PriorityCircularBuffer").field("stats", &or_locked(&stats)).finish_non_exhaustive()
    }
}
