//! What the layers above need: [`Parts`], at the middle level, and more of the kind, as in `locked::parts`
//! for the buffer without levels.
//!
//! None of these methods waits, and none counts what it refuses: a caller that tries again reports at the end
//! what was refused, with [`note_refused`](Parts::note_refused). Closures run **under the lock**: they must
//! be short and must not touch the buffer.

use super::{PriorityCircularBuffer, nothing_in};
use crate::buffer::{Glance, Oldest, Parts, Report, What, waiters};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::wait::{Signal, Waiter, Waiting};
use parking_lot::lock_api::RawMutex;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::vec;

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    waiters!(
        [
            "use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};"
            ""
            "let queue = PriorityCircularBuffer::<u32>::new(PriorityConfig::default())?;"
        ],
        self => self.not_empty.waiting(), self.waiting_at_all_levels()
    );

    fn waiting_at_all_levels(&self) -> Waiting {
        self.not_full.iter().map(Signal::waiting).fold(Waiting::default(), Waiting::and)
    }

    /// [`offer_with_priority`](Self::offer_with_priority) for callers that will try again: a refusal is not
    /// counted.
    ///
    /// # Errors
    /// As [`offer_with_priority`](Self::offer_with_priority).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let one = PriorityConfig::default().with_max_capacity_at_priority(2, 1);
    /// let buffer = PriorityCircularBuffer::new(one)?;
    /// buffer.offer_again_with_priority(1, 2).unwrap();
    /// assert!(buffer.offer_again_with_priority(2, 2).is_err());
    /// assert!(buffer.offer_batch_again_with_priority(vec![2, 3], 2).is_err());
    /// assert_eq!(buffer.stats().refused_per_priority, [0, 0, 0]);
    /// buffer.note_refused_at_priority(1, 2); // when the caller gives up
    /// assert_eq!((buffer.stats().refused_per_priority, buffer.pushed()), (vec![0, 0, 1], 1));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline]
    pub fn offer_again_with_priority(&self, item: T, priority: usize) -> Result<(), Rejected<T>> {
        let mut levels = self.levels.lock();
        let Err(item) = levels.push_plain(item, priority) else { return Ok(()) };
        let mut place = Some(item);
        give_back(self.put_with_care(levels, &mut place, priority), place)
    }

    /// Adds `item` only if the fast path can: the lock is free, the level has room as it is, nobody waits, no
    /// times are kept, and `may`, which is asked **under the lock**, says yes. Otherwise nothing has happened
    /// and the item comes back; [`offer_again_with_priority`](Self::offer_again_with_priority) may still add
    /// it.
    ///
    /// Never blocks, allocates or wakes a waiter; does not panic unless `may` does.
    ///
    /// # Errors
    /// The item, if more would have to be done or asked.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// assert_eq!(buffer.offer_plain('a', 2, || true), Err('a')); // the level has no memory yet
    /// buffer.push_with_priority('a', 2)?;
    /// assert_eq!(buffer.offer_plain('b', 2, || true), Ok(()));
    /// assert_eq!(buffer.offer_plain('c', 2, || false), Err('c'));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn offer_plain(&self, item: T, priority: usize, may: impl FnOnce() -> bool) -> Result<(), T> {
        let Some(mut levels) = self.levels.try_lock() else { return Err(item) };
        if !may() {
            return Err(item);
        }
        levels.push_plain(item, priority)
    }

    /// Takes the next item only if the fast path can, as in [`offer_plain`](Self::offer_plain); in addition,
    /// the buffer must not have to shrink afterwards. Returns `None` otherwise, and also if there is no item;
    /// then [`try_pop`](Self::try_pop) tells which.
    ///
    /// Never blocks, frees memory or wakes a waiter; does not panic unless `may` does.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch_with_priority(vec![1, 2], 0)?;
    /// assert_eq!(buffer.take_plain(|| true), Some(1));
    /// assert_eq!(buffer.take_plain(|| false), None);
    /// assert_eq!(buffer.try_pop(), Ok(2));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn take_plain(&self, may: impl FnOnce() -> bool) -> Option<T> {
        let mut levels = self.levels.try_lock()?;
        if !may() {
            return None;
        }
        levels.pop_plain()
    }

    /// [`offer_batch_with_priority`](Self::offer_batch_with_priority) for callers that will try again: a
    /// refusal is not counted.
    ///
    /// # Errors
    /// As [`offer_batch_with_priority`](Self::offer_batch_with_priority).
    pub fn offer_batch_again_with_priority(&self, mut items: Vec<T>, priority: usize) -> Result<(), Rejected<Vec<T>>> {
        give_back(self.put_all(&mut items, priority), Some(items))
    }

    /// Adds as many of `items`, from the front, as there is room for; returns their number. 0 means that
    /// there is no room.
    ///
    /// # Errors
    /// - `InvalidOperation`: there is no such level.
    /// - `ResizeError`: there is no memory to grow; none was added.
    /// - `Closed`: the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_capacity_at_priority(0, 2))?;
    /// let mut items = vec![1, 2, 3].into_iter();
    /// assert_eq!(buffer.offer_some(&mut items, 0), Ok(2));
    /// assert_eq!(items.as_slice(), [3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_some(&self, items: &mut vec::IntoIter<T>, priority: usize) -> BufferResult<usize> {
        let mut levels = self.levels.lock();
        levels.level(priority)?;
        if levels.is_sealed() {
            return Err(BufferError::Closed);
        }
        let at_level = levels.lane(priority).map_or(0, |lane| lane.most() - lane.len());
        let count = items.len().min(at_level).min(levels.max_capacity() - levels.len());
        levels.push_from(count, items, priority)?;
        if count > 0 {
            self.wake_who_can_go_on(levels);
        }
        Ok(count)
    }

    /// Adds `count` items made by `make(0)`, `make(1)`, ... **under the lock**, or none.
    ///
    /// For callers that make their items by a cheap conversion; `make` must not touch this buffer. When
    /// `make` panics, the items that it has made until then are in the buffer, and no waiter was woken for
    /// them.
    ///
    /// # Errors
    /// As [`offer_batch_with_priority`](Self::offer_batch_with_priority). On an error `make` was not called.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.offer_with(3, 2, |n| n * n)?;
    /// assert_eq!(buffer.drain(), [0, 1, 4]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_with(&self, count: usize, priority: usize, make: impl FnMut(usize) -> T) -> BufferResult<()> {
        // `items` is made before the guard, so that what `make` holds is dropped only after the lock is
        // released, even in a panic.
        let mut items = (0..count).map(make);
        let mut levels = self.levels.lock();
        levels.push_from(count, &mut items, priority)?;
        self.wake_who_can_go_on(levels);
        Ok(())
    }

    /// Counts `items` as refused at a level in [`stats`](Self::stats). Does nothing if there is no such
    /// level.
    #[cold]
    pub fn note_refused_at_priority(&self, items: usize, priority: usize) {
        if let Some(tally) = self.tallies.get(priority) {
            tally.note_refused(items);
        }
    }

    /// Moves the next items into `target`, as many as there are and fit, without waiting. Returns their
    /// number: so many places at the front of `target` are initialised then, and the rest is untouched.
    ///
    /// For callers that already have the memory; [`pop_batch`](Self::pop_batch) makes a vector.
    ///
    /// # Errors
    /// `Closed`: there is nothing, and the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use std::mem::MaybeUninit;
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch_with_priority(vec![1, 2, 3], 0)?;
    /// let mut target = [const { MaybeUninit::<i32>::uninit() }; 8];
    /// assert_eq!(buffer.pop_into(&mut target)?, 3);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_into(&self, target: &mut [MaybeUninit<T>]) -> BufferResult<usize> {
        let mut levels = self.levels.lock();
        let count = levels.pop_into(target);
        if count > 0 {
            self.wake_who_can_go_on(levels);
        } else if levels.is_sealed() && !target.is_empty() {
            return Err(BufferError::Closed);
        }
        Ok(count)
    }

    /// Calls `look` for each item, at one moment, in the order in which [`pop`](Self::pop) would take them,
    /// and returns the results. `look` runs **under the lock**: it must be short and must not touch this
    /// buffer.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("three".to_string(), 0)?;
    /// buffer.push_with_priority("one".to_string(), 1)?;
    /// assert_eq!(buffer.iter_with(String::len), [3, 5]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn iter_with<U>(&self, mut look: impl FnMut(&T) -> U) -> Vec<U> {
        // `seen` is declared before the guard, so that a panic in `look` drops the results only after the
        // lock is released.
        let mut seen = Vec::new();
        let levels = self.levels.lock();
        seen.reserve_exact(levels.len());
        let _: ControlFlow<()> = levels.visit(|item| {
            seen.push(look(item));
            ControlFlow::Continue(())
        });
        drop(levels);
        seen
    }

    /// Calls `look` for the item that [`pop`](Self::pop) would take now, **under the lock**, and returns the
    /// result.
    ///
    /// # Errors
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("later", 0)?;
    /// buffer.push_with_priority("first", 2)?;
    /// assert_eq!(buffer.peek_with(|item| item.len()), Ok(5));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn peek_with<U>(&self, look: impl FnOnce(&T) -> U) -> BufferResult<U> {
        let levels = self.levels.lock();
        let mut look = Some(look);
        let seen =
            levels.visit(|item| look.take().map_or(ControlFlow::Continue(()), |look| ControlFlow::Break(look(item))));
        seen.break_value().ok_or_else(|| nothing_in(&levels))
    }

    /// Items ever accepted. Linear in the number of levels; takes the lock.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.levels.lock().lanes().map(|lane| lane.pushed()).fold(0, u64::wrapping_add)
    }

    /// Closes the buffer if it is open and nothing was ever pushed, as one step. Returns whether it did.
    ///
    /// For a caller that goes on elsewhere unless another thread has begun to use this buffer. Every thread
    /// that comes later finds the buffer closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// assert_eq!((buffer.close_unused(), buffer.close_unused()), (true, false));
    /// assert!(buffer.push(1).is_err());
    ///
    /// let used = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// used.push(1)?;
    /// assert_eq!((used.pop()?, used.close_unused(), used.is_closed()), (1, false, false));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn close_unused(&self) -> bool {
        {
            let mut levels = self.levels.lock();
            if levels.is_sealed() || levels.lanes().any(|lane| lane.pushed() > 0) {
                return false;
            }
            levels.seal();
        }
        self.wake_all();
        true
    }
}

impl<T: Send, L: RawMutex + Send + Sync> Parts<T> for PriorityCircularBuffer<T, L> {
    fn max_capacity(&self) -> usize {
        self.max_capacity()
    }

    #[inline]
    fn offer_again(&self, item: T) -> Result<(), Rejected<T>> {
        self.offer_again_with_priority(item, self.middle)
    }

    fn offer_batch_again(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        self.offer_batch_again_with_priority(items, self.middle)
    }

    fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.try_pop_batch(max_items)
    }

    fn note_refused(&self, items: usize) {
        self.note_refused_at_priority(items, self.middle);
    }

    fn note_dropped_on_arrival(&self, items: usize) {
        self.tallies[self.middle].note_dropped_on_arrival(items);
    }

    fn discard(&self) -> BufferResult<Vec<T>> {
        Ok(self.discard_all().into_vec())
    }

    fn visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) -> BufferResult<()> {
        let _ = self.levels.lock().visit(visit);
        Ok(())
    }

    fn try_visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) {
        if let Some(levels) = self.levels.try_lock() {
            let _ = levels.visit(visit);
        }
    }

    fn wait_for_item(&self) -> Waiter<'_> {
        self.item_waiter()
    }

    fn wait_for_room(&self) -> Waiter<'_> {
        self.wait_for_room_at_priority(self.middle)
    }

    fn wait_for_bulk_room(&self) -> Waiter<'_> {
        self.wait_for_bulk_room_at_priority(self.middle)
    }

    fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        let waiter = Waiter::owned(Arc::clone(&self), |buffer| &buffer.not_empty);
        self.watched(waiter)
    }

    fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        let middle = self.middle;
        self.owned_wait_for_room_at_priority(middle)
    }

    fn glance(&self) -> Option<Glance> {
        let levels = self.levels.try_lock()?;
        Some(Glance::new(levels.len(), levels.max_capacity(), levels.is_sealed()))
    }

    fn waiting_for_item(&self) -> Waiting {
        self.not_empty.waiting()
    }

    fn waiting_for_room(&self) -> Waiting {
        self.waiting_at_all_levels()
    }

    fn waiting_consumers(&self) -> usize {
        self.not_empty.sleepers()
    }

    fn waiting_producers(&self) -> usize {
        self.not_full.iter().map(|signal| signal.sleepers()).sum()
    }

    fn pass_on(&self) {
        self.wake_who_can_go_on(self.levels.lock());
    }

    fn report(&self, report: &mut Report) {
        let stats = PriorityCircularBuffer::stats(self);
        report.oldest = match &stats.oldest_per_priority[..] {
            [] => Oldest::Unknown,
            ages => Oldest::Known(ages.iter().copied().max().flatten()),
        };
        for (level, depth) in stats.len_per_priority.iter().enumerate() {
            report.add(What::LevelDepth, Some(level), *depth as u64);
        }
        for (what, counts) in [
            (What::LevelEnqueued, &stats.pushed_per_priority),
            (What::LevelDequeued, &stats.popped_per_priority),
            (What::LevelDropped, &stats.dropped_per_priority),
            (What::LevelRefused, &stats.refused_per_priority),
        ] {
            counts.iter().enumerate().for_each(|(level, count)| report.add(what, Some(level), *count));
        }
    }
}
