//! Many items under one lock: putting batches in and taking them out, looking at all items, taking all items.

use super::DynamicCircularBuffer;
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::ring::Taken;
use parking_lot::lock_api::RawMutex;

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    /// Adds all of `items` in their order, or none of them; blocks up to `push_timeout` for room if that is
    /// set.
    ///
    /// The items are dropped when they are refused; [`offer_batch`](Self::offer_batch) hands them back. The
    /// batch goes in as one: no other producer's items come between its items.
    ///
    /// # Errors
    /// - `MaxCapacityReached(max_capacity)`: the buffer is full, or the batch is larger than it can ever be.
    /// - `Full`: there is room, but not for all of them.
    /// - `InvalidOperation`: the batch takes the buffer beyond its item `2^63`, which only a batch of items
    ///   without a size can do.
    /// - `Timeout(push_timeout)`: there was no room in time.
    /// - `ResizeError`: there is no memory to grow.
    /// - `Closed`: the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![30, 40, 50])?;
    /// assert_eq!(buffer.len(), 3);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn push_batch(&self, items: Vec<T>) -> BufferResult<()> {
        match self.push_timeout {
            None => Ok(self.offer_batch(items)?),
            Some(timeout) => Ok(self.offer_batch_within(items, timeout)?),
        }
    }

    /// Adds all of `items` or none, without ever waiting for room.
    ///
    /// # Errors
    /// As [`push_batch`](Self::push_batch) without `Timeout`; the [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let four = Config::default().with_initial_capacity(4).with_min_capacity(4).with_max_capacity(4);
    /// let buffer = DynamicCircularBuffer::new(four)?;
    /// buffer.push_batch(vec![1, 2])?;
    /// let (reason, items) = buffer.offer_batch(vec![3, 4, 5]).unwrap_err().into_parts();
    /// assert_eq!((reason, items), (BufferError::Full, vec![3, 4, 5]));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_batch(&self, mut items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let put = self.put_all(&mut items);
        give_back(put.inspect_err(|_| self.tally.note_refused(items.len())), Some(items))
    }

    /// Takes up to `max_items` of the oldest items, in order; an empty buffer gives an empty vector.
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
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(buffer.pop_batch(2)?, [1, 2]);
    /// assert_eq!(buffer.pop_batch(2)?, [3]);
    /// assert_eq!(buffer.pop_batch(2)?, []);
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
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(buffer.try_pop_batch(2)?, [1, 2]);
    /// assert_eq!(buffer.try_pop_batch(2)?, [3]);
    /// assert!(buffer.try_pop_batch(2)?.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        let mut ring = self.ring.lock();
        let count = ring.len().min(max_items);
        if count == 0 {
            let ended = max_items > 0 && ring.is_sealed();
            return if ended { Err(BufferError::Closed) } else { Ok(items) };
        }
        items.try_reserve_exact(count).map_err(|_| {
            BufferError::ResizeError(format!("no memory for a batch of {count} items of {} bytes each", size_of::<T>()))
        })?;
        ring.pop_into_vec(&mut items, count);
        self.wake_who_can_go_on(ring);
        Ok(items)
    }

    /// Takes everything, in order, and shrinks to `min_capacity`. The lock is held for a constant time.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(buffer.drain(), [1, 2, 3]);
    /// assert!(buffer.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn drain(&self) -> Vec<T> {
        self.take_all().into_vec()
    }

    /// Drops everything, shrinks to `min_capacity` and returns the number of items dropped. The items are
    /// dropped after the lock is released.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(buffer.clear(), 3);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn clear(&self) -> usize {
        self.discard_all().len()
    }

    /// Clones of all items, in order, as they were at one moment. The items are cloned under the lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec!["a", "b"])?;
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

    /// A clone of the oldest item. The item stays where it is.
    ///
    /// # Errors
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
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
    pub(super) fn put_all(&self, items: &mut Vec<T>) -> BufferResult<()> {
        let mut ring = self.ring.lock();
        ring.push_all(items)?;
        self.wake_who_can_go_on(ring);
        Ok(())
    }

    fn take_all(&self) -> Taken<T> {
        let mut ring = self.ring.lock();
        let taken = ring.take_all();
        self.wake_who_can_go_on(ring);
        taken
    }

    /// [`take_all`](Self::take_all) for a caller that drops what it gets.
    pub(super) fn discard_all(&self) -> Taken<T> {
        let mut ring = self.ring.lock();
        let taken = ring.take_all();
        self.tally.note_dropped(taken.len());
        self.wake_who_can_go_on(ring);
        taken
    }
}
