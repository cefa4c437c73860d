//! Adding where there may be no room: the newest items stay, the oldest are evicted.

use super::DynamicCircularBuffer;
use crate::error::{BufferError, Rejected, give_back};
use parking_lot::lock_api::RawMutex;

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    /// Adds `item` at the end. If the buffer is full, it evicts the oldest item and returns it. Both happen
    /// in one step, so that no other thread's item gets the place. Never waits.
    ///
    /// For data of which the latest matters most. An evicted item counts in
    /// [`messages_dropped`](crate::QueueStats::messages_dropped).
    ///
    /// # Errors
    /// `ResizeError` (there is no memory to grow) or `Closed`. On an error nothing was evicted, and the
    /// [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let two = Config::default().with_initial_capacity(2).with_min_capacity(2).with_max_capacity(2);
    /// let buffer = DynamicCircularBuffer::new(two)?;
    /// assert_eq!(buffer.force_push('a')?, None);
    /// assert_eq!(buffer.force_push('b')?, None);
    /// assert_eq!(buffer.force_push('c')?, Some('a'));
    /// assert_eq!(buffer.drain(), ['b', 'c']);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn force_push(&self, item: T) -> Result<Option<T>, Rejected<T>> {
        self.force_push_again(item).inspect_err(|_| self.tally.note_refused(1))
    }

    /// [`force_push`](Self::force_push) for a caller that may go on with the item elsewhere: a refusal is not
    /// counted.
    ///
    /// # Errors
    /// As [`force_push`](Self::force_push).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    /// let buffer = DynamicCircularBuffer::new(one)?;
    /// buffer.push(1)?;
    /// assert_eq!(buffer.force_push_again(2)?, Some(1)); // made room
    /// buffer.close();
    /// assert_eq!(buffer.force_push_again(3).unwrap_err().into_inner(), 3);
    /// assert_eq!(buffer.stats().messages_refused, 0);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn force_push_again(&self, item: T) -> Result<Option<T>, Rejected<T>> {
        let mut ring = self.ring.lock();
        if ring.has_room() {
            let mut place = Some(item);
            return give_back(self.put_with_care(ring, &mut place), place).map(|()| None);
        }
        let evicted = ring.replace_oldest(item)?;
        self.tally.note_dropped(1);
        self.wake_who_can_go_on(ring);
        Ok(Some(evicted))
    }

    /// Adds all of `items` and returns what was evicted for them, oldest first. Of a batch larger than
    /// `max_capacity`, that many of its last items stay, as if the items had been pushed one by one. Never
    /// waits.
    ///
    /// The batch goes in as one step: no other producer's items come between its items, and no thread sees
    /// more than `max_capacity` items.
    ///
    /// # Errors
    /// As [`force_push`](Self::force_push). In addition, `ResizeError` if there is no memory for what is
    /// evicted, and `InvalidOperation` as in [`push_batch`](Self::push_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let two = Config::default().with_initial_capacity(2).with_min_capacity(2).with_max_capacity(2);
    /// let buffer = DynamicCircularBuffer::new(two)?;
    /// buffer.push(1)?;
    /// assert_eq!(buffer.force_push_batch(vec![2, 3, 4])?, [1, 2]);
    /// assert_eq!(buffer.drain(), [3, 4]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn force_push_batch(&self, items: Vec<T>) -> Result<Vec<T>, Rejected<Vec<T>>> {
        self.offer_evicting(items, 0).inspect_err(|rejected| self.tally.note_refused(rejected.item().len()))
    }

    /// [`force_push_batch`](Self::force_push_batch) that evicts at least `least` items: of those inside and
    /// `items` together, and at most all of them. For layers above that have a limit of their own, or go on
    /// with refused items elsewhere: a refusal is not counted.
    ///
    /// # Errors
    /// As [`force_push_batch`](Self::force_push_batch).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(buffer.offer_evicting(vec![4], 2)?, [1, 2]);
    /// assert_eq!(buffer.drain(), [3, 4]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_evicting(&self, mut items: Vec<T>, least: usize) -> Result<Vec<T>, Rejected<Vec<T>>> {
        let count = items.len();
        let mut evicted = Vec::new();
        let mut ring = self.ring.lock();
        let together = ring.len().saturating_add(count);
        let evict = least.max(together.saturating_sub(ring.max_capacity())).min(together);
        let added = match evicted.try_reserve_exact(evict) {
            Ok(()) => ring.push_evicting(&mut items, evict, &mut evicted),
            Err(_) => Err(BufferError::ResizeError(format!("no memory for {evict} evicted items"))),
        };
        if let Err(reason) = added {
            return Err(Rejected::new(reason, items));
        }
        self.tally.note_dropped(evict);
        self.wake_who_can_go_on(ring);
        Ok(evicted)
    }
}
