//! Waiting for an item or for room, as a thread or as a task.
//!
//! Every wait follows the only order that misses no wake-up: try, register, try again, sleep (see
//! `wait::attempt`).

use super::DynamicCircularBuffer;
use crate::error::{BufferResult, Rejected, give_back};
use crate::wait::{
    block, complete_or_register, complete_put, in_time, try_briefly_or_register, unless_empty, unless_full,
};
use parking_lot::lock_api::RawMutex;
use std::time::Duration;

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    /// Takes the oldest item, blocking up to `timeout` until there is one. A timeout too long for the clock
    /// waits for ever.
    ///
    /// # Errors
    /// `Timeout(timeout)`, or `Closed` when the buffer is empty and was closed, before or meanwhile.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    /// use std::time::Duration;
    ///
    /// let buffer = DynamicCircularBuffer::<u8>::new(Config::default())?;
    /// let brief = Duration::from_millis(1);
    /// assert_eq!(buffer.pop_within(brief), Err(BufferError::Timeout(brief)));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn pop_within(&self, timeout: Duration) -> BufferResult<T> {
        block(timeout, || try_briefly_or_register(|| unless_empty(self.try_pop()), || self.item_waiter()))
    }

    /// Takes up to `max_items` items, blocking up to `timeout` for the first of them; an empty vector when
    /// none came.
    ///
    /// # Errors
    /// As [`pop_batch`](Self::pop_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::time::Duration;
    ///
    /// let buffer = DynamicCircularBuffer::<u8>::new(Config::default())?;
    /// assert_eq!(buffer.pop_batch_within(10, Duration::from_millis(1))?, []);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        let take = || match self.try_pop_batch(max_items) {
            Ok(items) if items.is_empty() && max_items > 0 => None,
            settled => Some(settled),
        };
        let taken = block(timeout, || try_briefly_or_register(take, || self.item_waiter()));
        Ok(in_time(taken)?.unwrap_or_default())
    }

    /// Adds `item` at the end, blocking up to `timeout` until there is room. A timeout too long for the clock
    /// waits for ever.
    ///
    /// # Errors
    /// `Timeout(timeout)`, `ResizeError` or `Closed` (also when it is closed meanwhile); the [`Rejected`]
    /// holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    /// use std::time::Duration;
    ///
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    /// let buffer = DynamicCircularBuffer::new(one)?;
    /// let brief = Duration::from_millis(1);
    /// buffer.offer_within('a', brief)?;
    /// let (reason, item) = buffer.offer_within('b', brief).unwrap_err().into_parts();
    /// assert_eq!((reason, item), (BufferError::Timeout(brief), 'b'));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put = self.put_within(&mut place, timeout);
        give_back(put.inspect_err(|_| self.tally.note_refused(1)), place)
    }

    /// Adds all of `items` or none, blocking up to `timeout` until there is room for all. A batch larger than
    /// `max_capacity` is refused at once.
    ///
    /// # Errors
    /// As [`offer_within`](Self::offer_within), and `MaxCapacityReached` for a batch that never fits; the
    /// [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::time::Duration;
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.offer_batch_within(vec![1, 2, 3], Duration::from_secs(1))?;
    /// assert!(buffer.offer_batch_within(vec![0; 70_000], Duration::from_secs(1)).is_err()); // at once
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_batch_within(&self, mut items: Vec<T>, timeout: Duration) -> Result<(), Rejected<Vec<T>>> {
        let put = if items.len() > self.max_capacity() {
            self.put_all(&mut items)
        } else {
            block(timeout, || {
                try_briefly_or_register(|| unless_full(self.put_all(&mut items)), || self.bulk_room_waiter())
            })
        };
        give_back(put.inspect_err(|_| self.tally.note_refused(items.len())), Some(items))
    }

    /// Adds `item` at the end, waiting as a task until there is room.
    ///
    /// Does not block, and needs no particular runtime. A future that is dropped before it is done has put
    /// nothing in, and drops the item.
    ///
    /// # Errors
    /// `ResizeError` or `Closed` (also when it is closed meanwhile); the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    /// let buffer = DynamicCircularBuffer::new(one)?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| pollster::block_on(async {
    ///         buffer.send(1).await?;
    ///         buffer.send(2).await // when the first was taken
    ///     }));
    ///     assert_eq!(pollster::block_on(buffer.recv()), Ok(1));
    ///     assert_eq!(pollster::block_on(buffer.recv()), Ok(2));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn send(&self, item: T) -> impl Future<Output = Result<(), Rejected<T>>> {
        let put = |place: &mut Option<T>| self.put(place);
        complete_put(item, put, put, || self.room_waiter(), |_| self.tally.note_refused(1))
    }

    /// Takes the oldest item, waiting as a task until there is one.
    ///
    /// Does not block, and needs no particular runtime. A future that is dropped before it is done has taken
    /// nothing.
    ///
    /// # Errors
    /// `Closed` once the buffer is empty and was closed, before or meanwhile.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| buffer.push(7));
    ///     assert_eq!(pollster::block_on(buffer.recv()), Ok(7));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn recv(&self) -> impl Future<Output = BufferResult<T>> {
        complete_or_register(|| unless_empty(self.try_pop()), || self.item_waiter())
    }

    /// Adds the item in `place`, blocking up to `timeout` until there is room; on an error the item is still
    /// there.
    pub(super) fn put_within(&self, place: &mut Option<T>, timeout: Duration) -> BufferResult<()> {
        block(timeout, || try_briefly_or_register(|| unless_full(self.put(place)), || self.room_waiter()))
    }
}
