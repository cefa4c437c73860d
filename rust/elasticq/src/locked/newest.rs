//! Taking the newest item first, for layers above that make a stack of a buffer. Only these methods take at
//! the end where items are put. All others take and look at the oldest item first, and may be mixed with
//! them.

use super::{DynamicCircularBuffer, nothing_in};
use crate::error::{BufferError, BufferResult};
use parking_lot::lock_api::RawMutex;
use std::mem::MaybeUninit;

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    /// Takes the newest item without ever waiting for one. Constant time (amortised over resizes).
    ///
    /// # Errors
    /// `Empty`, or `Closed` when the buffer is empty and was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec!['a', 'b', 'c'])?;
    /// assert_eq!((buffer.try_pop_newest()?, buffer.try_pop()?), ('c', 'a'));
    /// assert_eq!((buffer.try_pop_newest()?, buffer.try_pop_newest()), ('b', Err(BufferError::Empty)));
    /// let stats = buffer.stats();
    /// assert_eq!((stats.messages_enqueued, stats.messages_dequeued), (3, 3));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn try_pop_newest(&self) -> BufferResult<T> {
        let mut ring = self.ring.lock();
        let Some(item) = ring.pop_newest() else { return Err(nothing_in(&ring)) };
        self.wake_who_can_go_on(ring);
        Ok(item)
    }

    /// Takes the newest item only if the fast path can, as in [`take_plain`](Self::take_plain). Returns
    /// `None` otherwise, and also if there is no item; then [`try_pop_newest`](Self::try_pop_newest) tells
    /// which.
    ///
    /// Never blocks, frees memory or wakes a waiter; does not panic unless `may` does.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2])?;
    /// assert_eq!(buffer.take_newest_plain(|| false), None);
    /// assert_eq!(buffer.take_newest_plain(|| true), Some(2));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn take_newest_plain(&self, may: impl FnOnce() -> bool) -> Option<T> {
        let mut ring = self.ring.try_lock()?;
        if !may() {
            return None;
        }
        ring.pop_newest_plain()
    }

    /// Moves the newest items into `target`, newest first, as many as there are and fit, without waiting.
    /// Returns their number: so many places at the front of `target` are initialised then, and the rest is
    /// untouched. The lock is held for a time that is linear in their number.
    ///
    /// # Errors
    /// `Closed`: there is nothing, and the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::mem::MaybeUninit;
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// let mut target = [const { MaybeUninit::<i32>::uninit() }; 2];
    /// assert_eq!(buffer.pop_newest_into(&mut target)?, 2);
    /// // SAFETY: both places are initialised now.
    /// assert_eq!(target.map(|place| unsafe { place.assume_init() }), [3, 2]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_newest_into(&self, target: &mut [MaybeUninit<T>]) -> BufferResult<usize> {
        let mut ring = self.ring.lock();
        let count = ring.pop_newest_into(target);
        if count > 0 {
            self.wake_who_can_go_on(ring);
        } else if ring.is_sealed() && !target.is_empty() {
            return Err(BufferError::Closed);
        }
        Ok(count)
    }

    /// Calls `look` for the newest item, **under the lock**, and returns the result. `look` must be short and
    /// must not touch this buffer.
    ///
    /// # Errors
    /// As [`try_pop_newest`](Self::try_pop_newest).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec!["first", "last"])?;
    /// assert_eq!(buffer.peek_newest_with(|item| item.len())?, 4);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn peek_newest_with<U>(&self, look: impl FnOnce(&T) -> U) -> BufferResult<U> {
        let ring = self.ring.lock();
        let (first, second) = ring.as_slices();
        second.last().or(first.last()).map(look).ok_or_else(|| nothing_in(&ring))
    }
}
