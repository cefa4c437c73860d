//! Waiting for an item or for room.
//!
//! Every wait follows the one order that misses no wake-up: try, register, try again, sleep (see `wait::sleep`).

use super::DynamicCircularBuffer;
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::wait::{Sleep, Waiter};
use parking_lot::lock_api::RawMutex;
use std::time::Duration;

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    /// Takes the oldest item, blocking up to `timeout` until there is one. A timeout too long for the clock waits for
    /// ever.
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
        self.take_within(timeout, || match self.try_pop() {
            Err(BufferError::Empty) => None,
            settled => Some(settled),
        })
    }

    /// Takes up to `max_items`, blocking up to `timeout` for the first of them; an empty vector when none came.
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
        let taken = self.take_within(timeout, || match self.try_pop_batch(max_items) {
            Ok(items) if items.is_empty() && max_items > 0 => None,
            settled => Some(settled),
        });
        match taken {
            Err(BufferError::Timeout(_)) => Ok(Vec::new()),
            settled => settled,
        }
    }

    /// Adds `item` at the end, blocking up to `timeout` until there is room. A timeout too long for the clock waits
    /// for ever.
    ///
    /// # Errors
    /// `Timeout(timeout)`, `ResizeError` or `Closed` (also when it is closed meanwhile); the [`Rejected`] holds the item.
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
        let put = self.put_within(timeout, || self.wait_for_room(), || self.put(&mut place));
        give_back(put.inspect_err(|_| self.note_refused(1)), place)
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
            self.put_within(timeout, || self.wait_for_bulk_room(), || self.put_all(&mut items))
        };
        give_back(put.inspect_err(|_| self.note_refused(items.len())), Some(items))
    }

    fn take_within<R>(&self, timeout: Duration, take: impl Fn() -> Option<BufferResult<R>>) -> BufferResult<R> {
        let mut sleep = Sleep::new(|| self.wait_for_item(), timeout);
        loop {
            if let Some(settled) = take() {
                return settled;
            }
            sleep.before_the_next_try()?;
        }
    }

    pub(super) fn put_within<'a>(
        &self,
        timeout: Duration,
        register: impl Fn() -> Waiter<'a>,
        mut put: impl FnMut() -> BufferResult<()>,
    ) -> BufferResult<()> {
        let mut sleep = Sleep::new(register, timeout);
        loop {
            match put() {
                Err(reason) if reason.is_capacity_error() => {}
                settled => return settled,
            }
            sleep.before_the_next_try()?;
        }
    }
}
