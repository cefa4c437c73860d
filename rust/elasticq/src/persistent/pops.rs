//! Taking items out of a queue in files: for good, or on lease, and what becomes of those that are dead.

use super::PersistentCircularBuffer;
use super::codec::Codec;
use super::lease::{DeadLetter, Lease};
use super::taken::PutBack;
use super::taking::Item;
use crate::error::{BufferError, BufferResult, Rejected};
use crate::wait::{block, in_time, try_or_register, unless_empty};
use std::time::Duration;

impl<T, C: Codec<T>> PersistentCircularBuffer<T, C> {
    /// Takes the oldest item for good; blocks up to `pop_timeout` for one if that is set.
    ///
    /// # Errors
    /// - `Empty`, `Timeout`, `Closed`: as in other buffers.
    /// - `Corrupted`: its record is damaged, or the codec can't read it. It stays in the queue.
    /// - `Io`: the disk has refused something; the item stays in the queue. After a sync has failed, every
    ///   call fails with that error; open the queue again.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push("one".to_string())?;
    /// assert_eq!(queue.pop()?, "one");
    /// assert_eq!(queue.pop(), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn pop(&self) -> BufferResult<T> {
        match (self.try_pop(), self.core.config.base.pop_timeout) {
            (Err(BufferError::Empty), Some(timeout)) => self.pop_within(timeout),
            (settled, _) => settled,
        }
    }

    /// Takes the oldest item for good, without waiting for one.
    ///
    /// # Errors
    /// As [`pop`](Self::pop) without `Timeout`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(1)?;
    /// assert_eq!(queue.try_pop(), Ok(1));
    /// assert_eq!(queue.try_pop(), Err(BufferError::Empty));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn try_pop(&self) -> BufferResult<T> {
        if let Some(popped) = self.codec.copies().and_then(|copy| self.core.pop_copied(copy)) {
            return popped;
        }
        let mut back = PutBack { core: &*self.core, items: [self.core.pop_one()?], kept: 0 };
        let decoded = self.decode(&back.items[0])?;
        back.kept = 1;
        Ok(decoded)
    }

    /// Takes the oldest item for good, blocking up to `timeout` until there is one.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(1)?;
    /// assert_eq!(queue.pop_within(Duration::from_secs(60)), Ok(1));
    /// let brief = Duration::from_millis(1);
    /// assert_eq!(queue.pop_within(brief), Err(BufferError::Timeout(brief)));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn pop_within(&self, timeout: Duration) -> BufferResult<T> {
        block(timeout, || try_or_register(|| unless_empty(self.try_pop()), || self.core.not_empty.waiter()))
    }

    /// Takes up to `max_items` items for good; blocks up to `pop_timeout` for the first if that is set. An
    /// empty vector when there is none.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.pop_batch(2)?, [1, 2]);
    /// assert_eq!(queue.try_pop_batch(2)?, [3]);
    /// assert!(queue.pop_batch(2)?.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        match (self.try_pop_batch(max_items)?, self.core.config.base.pop_timeout) {
            (items, Some(timeout)) if items.is_empty() && max_items > 0 => self.pop_batch_within(max_items, timeout),
            (items, _) => Ok(items),
        }
    }

    /// Takes up to `max_items` items for good, without waiting; an empty vector when there is none.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        match self.take(max_items) {
            Err(BufferError::Empty) => Ok(Vec::new()),
            settled => settled,
        }
    }

    /// Takes up to `max_items` items for good, blocking up to `timeout` for the first of them; an empty
    /// vector when none came.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.pop_batch_within(8, Duration::from_secs(60))?, [1, 2, 3]);
    /// assert!(queue.pop_batch_within(8, Duration::from_millis(1))?.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
        if max_items == 0 {
            return Ok(Vec::new());
        }
        let take = || unless_empty(self.take(max_items));
        let taken = block(timeout, || try_or_register(take, || self.core.not_empty.waiter()));
        Ok(in_time(taken)?.unwrap_or_default())
    }

    /// Takes the oldest item on lease, without waiting for one. The lease ends in `ttl`, or, without a `ttl`,
    /// with the process.
    ///
    /// # Errors
    /// As [`pop`](Self::pop) without `Timeout`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push("resize a.png".to_string())?;
    /// let job = queue.lease(None)?; // for as long as it takes
    /// assert_eq!((job.as_str(), queue.len()), ("resize a.png", 0));
    /// job.ack()?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn lease(&self, ttl: Option<Duration>) -> BufferResult<Lease<T>> {
        self.lease_batch(1, ttl)?.pop().ok_or(BufferError::Empty)
    }

    /// Takes the oldest item on lease, blocking up to `timeout` until there is one.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(1)?;
    /// let job = queue.lease_within(Duration::from_secs(60), Some(Duration::from_secs(30)))?;
    /// assert_eq!(*job, 1);
    /// drop(job); // gives it back
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn lease_within(&self, timeout: Duration, ttl: Option<Duration>) -> BufferResult<Lease<T>> {
        block(timeout, || try_or_register(|| unless_empty(self.lease(ttl)), || self.core.not_empty.waiter()))
    }

    /// Takes up to `max_items` items on lease, without waiting.
    ///
    /// # Errors
    /// `Empty` if there is none; otherwise as [`pop`](Self::pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2, 3])?;
    /// let jobs = queue.lease_batch(2, None)?;
    /// assert_eq!(queue.ack_batch(jobs)?, [1, 2]);
    /// assert_eq!(queue.stats().queue.current_size, 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn lease_batch(&self, max_items: usize, ttl: Option<Duration>) -> BufferResult<Vec<Lease<T>>> {
        let leased = self.core.lease(max_items, ttl)?;
        self.leases(&leased)
    }

    /// The items that were leased. What can't be understood goes back, and so does what comes after it.
    pub(super) fn leases(&self, leased: &[(Item, u64)]) -> BufferResult<Vec<Lease<T>>> {
        let mut leases = Vec::with_capacity(leased.len());
        let mut failed = None;
        for (item, token) in leased {
            match self.decode(item) {
                Ok(decoded) if failed.is_none() => leases.push(Lease::new(&self.core, decoded, item, *token)),
                Ok(_) => drop(self.core.nack_now(item.number, *token, 0)),
                Err(error) => {
                    // If this fails, it comes back when the queue is opened again.
                    let _ = self.core.nack_now(item.number, *token, 0);
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) if leases.is_empty() => Err(error),
            _ => Ok(leases),
        }
    }

    /// Ends leases since the work was done, all at once; returns the items. With `EveryWrite` one sync does
    /// for all.
    ///
    /// # Errors
    /// The leases, all of them still there, and why, as [`Lease::ack`].
    pub fn ack_batch(&self, leases: Vec<Lease<T>>) -> Result<Vec<T>, Rejected<Vec<Lease<T>>>> {
        let keys: Vec<_> = leases.iter().map(Lease::key).collect();
        match if keys.is_empty() { Ok(()) } else { self.core.ack(&keys) } {
            Ok(()) => Ok(leases.into_iter().map(Lease::ended).collect()),
            Err(reason) => Err(Rejected::new(reason, leases)),
        }
    }

    /// The items that are dead, oldest first: delivered `max_deliveries` times, or buried. Linear in their
    /// number.
    ///
    /// # Errors
    /// `Corrupted`, `Io`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2])?;
    /// for _ in 0..2 {
    ///     queue.lease(None)?.bury("no such file")?;
    /// }
    /// let dead = queue.dead_letters()?;
    /// assert_eq!((dead[0].item, dead[0].reason.as_str(), dead[0].deliveries), (1, "no such file", 1));
    /// assert_eq!(queue.retry_dead(Some(&[dead[0].number]))?, 1); // it can be taken again
    /// assert_eq!(queue.purge_dead(None)?, 1); // the other one is dropped
    /// assert_eq!((queue.pop()?, queue.stats().dead), (1, 0));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn dead_letters(&self) -> BufferResult<Vec<DeadLetter<T>>> {
        let dead = self.core.dead_letters()?;
        dead.into_iter()
            .map(|(item, deliveries, reason)| {
                let decoded = self.decode(&item)?;
                Ok(DeadLetter { number: item.number, item: decoded, deliveries, reason })
            })
            .collect()
    }

    /// Lets dead items be delivered again, as if they never had been: those with these numbers, or all.
    /// Returns how many.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with.
    pub fn retry_dead(&self, numbers: Option<&[u64]>) -> BufferResult<usize> {
        self.core.revive(numbers)
    }

    /// Drops dead items: those with these numbers, or all. Returns how many.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with.
    pub fn purge_dead(&self, numbers: Option<&[u64]>) -> BufferResult<usize> {
        self.core.purge(numbers)
    }

    pub(super) fn decode(&self, item: &Item) -> BufferResult<T> {
        self.codec.decode(item.data()).map_err(|why| self.core.unreadable(item, &why))
    }

    /// Takes up to so many items.
    pub(super) fn take(&self, most: usize) -> BufferResult<Vec<T>> {
        self.decode_all(self.core.pop(most)?)
    }

    /// What can't be understood goes back, and so does what comes after it.
    pub(super) fn decode_all(&self, taken: Vec<Item>) -> BufferResult<Vec<T>> {
        let mut back = PutBack { core: &*self.core, items: taken, kept: 0 };
        let mut items = Vec::with_capacity(back.items.len());
        while let Some(item) = back.items.get(back.kept) {
            match self.decode(item) {
                Ok(decoded) => items.push(decoded),
                Err(error) if items.is_empty() => return Err(error),
                Err(_) => break,
            }
            back.kept += 1;
        }
        Ok(items)
    }
}
