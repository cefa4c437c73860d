//! Many items under one lock: putting batches in and taking them out, looking at all items, taking all items.

use super::levels::TakenLevels;
use super::{PriorityCircularBuffer, nothing_in};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use parking_lot::lock_api::RawMutex;

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    /// [`push_batch_with_priority`](Self::push_batch_with_priority) at the middle level.
    ///
    /// # Errors
    /// As [`push_batch_with_priority`](Self::push_batch_with_priority).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(buffer.len_at_priority(1), 3);
    /// assert_eq!(buffer.try_pop_batch(9)?, [1, 2, 3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn push_batch(&self, items: Vec<T>) -> BufferResult<()> {
        self.push_batch_with_priority(items, self.middle)
    }

    /// Adds all of `items` at the end of the level of `priority`, in their order, or none of them; blocks up
    /// to `push_timeout` for room if that is set.
    ///
    /// The items are dropped when they are refused;
    /// [`offer_batch_with_priority`](Self::offer_batch_with_priority) hands them back. The batch goes in as
    /// one: no other producer's items come between its items.
    ///
    /// # Errors
    /// - `InvalidOperation`: there is no such level; the text names the range. Or the batch takes the level
    ///   beyond its item `2^63`, which only a batch of items without a size can do.
    /// - `MaxCapacityReached(n)`: the buffer or the level is full, or the batch is larger than either can
    ///   ever be.
    /// - `Full`: there is room, but not for all of them.
    /// - `Timeout(push_timeout)`: there was no room in time.
    /// - `ResizeError`: there is no memory to grow.
    /// - `Closed`: the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch_with_priority(vec![30, 40, 50], 0)?;
    /// assert_eq!(buffer.len_at_priority(0), 3);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn push_batch_with_priority(&self, items: Vec<T>, priority: usize) -> BufferResult<()> {
        match self.push_timeout {
            None => Ok(self.offer_batch_with_priority(items, priority)?),
            Some(timeout) => Ok(self.offer_batch_with_priority_within(items, priority, timeout)?),
        }
    }

    /// Adds all of `items` at the end of the level of `priority` or none, without ever waiting for room.
    ///
    /// # Errors
    /// As [`push_batch_with_priority`](Self::push_batch_with_priority) without `Timeout`; the [`Rejected`]
    /// holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_capacity_at_priority(0, 4))?;
    /// buffer.push_batch_with_priority(vec![1, 2], 0)?;
    /// let (reason, items) = buffer.offer_batch_with_priority(vec![3, 4, 5], 0).unwrap_err().into_parts();
    /// assert_eq!((reason, items), (BufferError::Full, vec![3, 4, 5]));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_batch_with_priority(&self, mut items: Vec<T>, priority: usize) -> Result<(), Rejected<Vec<T>>> {
        let put = self.put_all(&mut items, priority);
        give_back(put.inspect_err(|_| self.note_refused_at_priority(items.len(), priority)), Some(items))
    }

    /// Takes up to `max_items` items, in the order in which [`pop`](Self::pop) would take them one by one. An
    /// empty buffer gives an empty vector.
    ///
    /// With `pop_timeout` set it blocks up to that long for the first item and takes what is there then. It
    /// gives an empty vector when none came.
    ///
    /// # Errors
    /// - `Closed`: there is nothing, and the buffer was closed.
    /// - `ResizeError`: there is no memory for the vector; nothing was taken.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_consecutive_per_priority(2))?;
    /// buffer.push_batch_with_priority(vec!["high"; 3], 2)?;
    /// buffer.push_batch_with_priority(vec!["low"; 2], 0)?;
    /// assert_eq!(buffer.pop_batch(4)?, ["high", "high", "low", "high"]);
    /// assert_eq!(buffer.pop_batch(4)?, ["low"]);
    /// assert!(buffer.pop_batch(4)?.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        match self.pop_timeout {
            None => self.try_pop_batch(max_items),
            Some(timeout) => self.pop_batch_within(max_items, timeout),
        }
    }

    /// [`pop_batch`](Self::pop_batch) without ever waiting.
    ///
    /// # Errors
    /// As [`pop_batch`](Self::pop_batch).
    pub fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let mut levels = self.levels.lock();
        let count = levels.len().min(max_items);
        if count == 0 {
            let ended = max_items > 0 && levels.is_sealed();
            return if ended { Err(nothing_in(&levels)) } else { Ok(items) };
        }
        items.try_reserve_exact(count).map_err(|_| {
            BufferError::ResizeError(format!("no memory for a batch of {count} items of {} bytes each", size_of::<T>()))
        })?;
        levels.pop_into_vec(&mut items, count);
        self.wake_who_can_go_on(levels);
        Ok(items)
    }

    /// Takes everything, in the order in which [`pop`](Self::pop) would. Shrinks to `min_capacity` and gives
    /// back the memory. The lock is held for a time linear in the number of levels, not of items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority(1, 0)?;
    /// buffer.push_with_priority(2, 2)?;
    /// assert_eq!(buffer.drain(), [2, 1]);
    /// assert!(buffer.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn drain(&self) -> Vec<T> {
        self.take_all().into_vec()
    }

    /// Drops everything, shrinks to `min_capacity`, gives back the memory, and returns the number of items
    /// dropped. The items are dropped after the lock is released.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch_with_priority(vec![1, 2, 3], 2)?;
    /// assert_eq!(buffer.clear(), 3);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn clear(&self) -> usize {
        self.discard_all().len()
    }

    /// Clones of all items, as they were at one moment, in the order in which [`pop`](Self::pop) would take
    /// them if no more came. The items are cloned under the lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("b", 0)?;
    /// buffer.push_with_priority("a", 2)?;
    /// assert_eq!(buffer.iter(), ["a", "b"]);
    /// assert_eq!(buffer.len(), 2);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn iter(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.iter_with(T::clone)
    }

    /// A clone of the item that [`pop`](Self::pop) would take now. The item stays where it is.
    ///
    /// # Errors
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push(1)?;
    /// assert_eq!((buffer.peek(), buffer.len()), (Ok(1), 1));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn peek(&self) -> BufferResult<T>
    where
        T: Clone,
    {
        self.peek_with(T::clone)
    }

    /// One attempt to add a batch; on success the vector is left empty.
    pub(super) fn put_all(&self, items: &mut Vec<T>, priority: usize) -> BufferResult<()> {
        let mut levels = self.levels.lock();
        levels.push_all(items, priority)?;
        self.wake_who_can_go_on(levels);
        Ok(())
    }

    fn take_all(&self) -> TakenLevels<T> {
        let mut levels = self.levels.lock();
        let taken = levels.take_all();
        self.wake_who_can_go_on(levels);
        taken
    }

    /// [`take_all`](Self::take_all) for a caller that drops what it gets.
    pub(super) fn discard_all(&self) -> TakenLevels<T> {
        let mut levels = self.levels.lock();
        for (lane, tally) in levels.lanes().zip(&self.tallies) {
            tally.note_dropped(lane.len());
        }
        let taken = levels.take_all();
        self.wake_who_can_go_on(levels);
        taken
    }
}
