//! Waiting for an item or for room, as a thread or as a task.
//!
//! Every wait follows the only order that misses no wake-up: try, register, try again, sleep (see
//! `wait::attempt`).

use super::PriorityCircularBuffer;
use super::wake::Leaving;
use crate::error::{BufferResult, Rejected, give_back};
use crate::wait::{
    Waiter, block, complete_or_register, complete_put, in_time, try_briefly_or_register, unless_empty, unless_full,
};
use parking_lot::lock_api::RawMutex;
use std::time::Duration;

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    /// Takes the next item, blocking up to `timeout` until there is one. A timeout too long for the clock
    /// waits for ever.
    ///
    /// # Errors
    /// `Timeout(timeout)`, or `Closed` when the buffer is empty and was closed, before or meanwhile.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use std::time::Duration;
    ///
    /// let buffer = PriorityCircularBuffer::<u8>::new(PriorityConfig::default())?;
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
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use std::time::Duration;
    ///
    /// let buffer = PriorityCircularBuffer::<u8>::new(PriorityConfig::default())?;
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

    /// [`offer_with_priority_within`](Self::offer_with_priority_within) at the middle level.
    ///
    /// # Errors
    /// As [`offer_with_priority_within`](Self::offer_with_priority_within).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use std::time::Duration;
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.offer_within("hello", Duration::from_secs(1))?;
    /// pollster::block_on(buffer.send("world"))?;
    /// assert_eq!(buffer.drain(), ["hello", "world"]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        self.offer_with_priority_within(item, self.middle, timeout)
    }

    /// Adds `item` at the end of the level of `priority`, blocking up to `timeout` until there is room. A
    /// timeout too long for the clock waits for ever. When room comes, waiters at higher levels are woken
    /// first.
    ///
    /// # Errors
    /// `Timeout(timeout)`, `ResizeError`, `Closed` (also when it is closed meanwhile), or `InvalidOperation`
    /// if there is no such level; the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use std::time::Duration;
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_capacity_at_priority(0, 1))?;
    /// let brief = Duration::from_millis(1);
    /// buffer.offer_with_priority_within('a', 0, brief)?;
    /// let (reason, item) = buffer.offer_with_priority_within('b', 0, brief).unwrap_err().into_parts();
    /// assert_eq!((reason, item), (BufferError::Timeout(brief), 'b'));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_with_priority_within(&self, item: T, priority: usize, timeout: Duration) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put =
            self.put_within(timeout, || self.wait_for_room_at_priority(priority), || self.put(&mut place, priority));
        give_back(put.inspect_err(|_| self.note_refused_at_priority(1, priority)), place)
    }

    /// Adds all of `items` at the end of the level of `priority` or none, blocking up to `timeout` until
    /// there is room for all. A batch larger than the buffer or the level can ever be is refused at once.
    ///
    /// # Errors
    /// As [`offer_with_priority_within`](Self::offer_with_priority_within), and `MaxCapacityReached` for a
    /// batch that never fits; the [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use std::time::Duration;
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_capacity_at_priority(0, 4))?;
    /// buffer.offer_batch_with_priority_within(vec![1, 2, 3], 0, Duration::from_secs(1))?;
    /// assert!(buffer.offer_batch_with_priority_within(vec![0; 5], 0, Duration::from_secs(1)).is_err()); // at once
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_batch_with_priority_within(
        &self,
        mut items: Vec<T>,
        priority: usize,
        timeout: Duration,
    ) -> Result<(), Rejected<Vec<T>>> {
        let put = if self.levels.lock().lane(priority).is_none_or(|lane| items.len() > lane.most()) {
            self.put_all(&mut items, priority)
        } else {
            self.put_within(
                timeout,
                || self.wait_for_bulk_room_at_priority(priority),
                || self.put_all(&mut items, priority),
            )
        };
        give_back(put.inspect_err(|_| self.note_refused_at_priority(items.len(), priority)), Some(items))
    }

    /// [`send_with_priority`](Self::send_with_priority) at the middle level.
    ///
    /// # Errors
    /// As [`send_with_priority`](Self::send_with_priority).
    pub fn send(&self, item: T) -> impl Future<Output = Result<(), Rejected<T>>> {
        self.send_with_priority(item, self.middle)
    }

    /// Adds `item` at the end of the level of `priority`, waiting as a task until there is room.
    ///
    /// Does not block, and needs no particular runtime. A future that is dropped before it is done has put
    /// nothing in, and drops the item.
    ///
    /// # Errors
    /// `ResizeError`, `Closed` (also when it is closed meanwhile), or `InvalidOperation` where there is no
    /// such level; the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_capacity_at_priority(2, 1))?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| pollster::block_on(async {
    ///         buffer.send_with_priority(1, 2).await?;
    ///         buffer.send_with_priority(2, 2).await // when the first was taken
    ///     }));
    ///     assert_eq!(pollster::block_on(buffer.recv()), Ok(1));
    ///     assert_eq!(pollster::block_on(buffer.recv()), Ok(2));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn send_with_priority(&self, item: T, priority: usize) -> impl Future<Output = Result<(), Rejected<T>>> {
        let put = move |place: &mut Option<T>| self.put(place, priority);
        let mut leaving = None;
        let register = move || {
            leaving.get_or_insert(Leaving(self));
            self.wait_for_room_at_priority(priority)
        };
        complete_put(item, put, put, register, move |_| self.note_refused_at_priority(1, priority))
    }

    /// Takes the next item, waiting as a task until there is one.
    ///
    /// Does not block, and needs no particular runtime. A future that is dropped before it is done has taken
    /// nothing.
    ///
    /// # Errors
    /// `Closed` once the buffer is empty and was closed, before or meanwhile.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| buffer.push_with_priority(7, 2));
    ///     assert_eq!(pollster::block_on(buffer.recv()), Ok(7));
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn recv(&self) -> impl Future<Output = BufferResult<T>> {
        complete_or_register(|| unless_empty(self.try_pop()), || self.item_waiter())
    }

    /// Calls `put` until it has put something in, blocking up to `timeout` until there is room.
    pub(super) fn put_within<'a>(
        &'a self,
        timeout: Duration,
        register: impl Fn() -> Waiter<'a>,
        mut put: impl FnMut() -> BufferResult<()>,
    ) -> BufferResult<()> {
        let mut put = || unless_full(put());
        if let Some(settled) = put() {
            return settled;
        }
        let _leaving = Leaving(self); // dropped after the waiter
        block(timeout, || try_briefly_or_register(&mut put, &register))
    }
}
