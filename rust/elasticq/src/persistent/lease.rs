//! [`Lease`]: an item that somebody works on; [`DeadLetter`]: one that nobody could work on.

use super::core::Core;
use super::files::now;
use super::records;
use super::taking::Item;
use crate::error::{BufferResult, Rejected};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// An item that is in the queue until it is [acknowledged](Self::ack).
///
/// Nobody else gets the item meanwhile. It can be taken again, at its old place, when it is [given
/// back](Self::nack), when the lease's time is over, when the process ends, and when the `Lease` is dropped.
/// So an item is delivered at least once. A lease may be used and dropped in any thread. It keeps the files
/// of the queue open, and locked, as the queue itself does, until the queue is
/// [finished](super::PersistentCircularBuffer::finish).
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let config = PersistentConfig::default().with_file_path(folder.path().join("jobs"));
/// let jobs = PersistentCircularBuffer::<String>::new(config)?;
/// jobs.push("resize a.png".into())?;
/// let job = jobs.lease(None)?;
/// assert_eq!((job.as_str(), job.deliveries(), jobs.len()), ("resize a.png", 1, 0));
/// job.ack()?;
/// assert_eq!(jobs.stats().queue.current_size, 0);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[must_use = "the item is given back when the lease is dropped"]
pub struct Lease<T> {
    /// `None` once the lease has ended.
    core: Option<Arc<Core>>,
    /// There as long as the lease is.
    item: Option<T>,
    number: u64,
    token: u64,
    deliveries: u32,
    at: u64,
    headers: Vec<u8>,
}

impl<T> Lease<T> {
    pub(super) fn new(core: &Arc<Core>, item: T, read: &Item, token: u64) -> Self {
        let (at, headers) = records::item(&read.payload).map_or((0, &[][..]), |(meta, _)| (meta.at, meta.headers));
        Self {
            core: Some(Arc::clone(core)),
            item: Some(item),
            number: read.number,
            token,
            deliveries: read.deliveries,
            at,
            headers: headers.to_vec(),
        }
    }

    /// The item's number: no other item of this queue has it, ever.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// How often the item was delivered, this time included.
    #[must_use]
    pub const fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// How long ago the item was put in, by the clock of the day.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.at))
    }

    /// What the producer has added to the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_with(7, &PushOptions::default().with_headers("from Ada"))?;
    /// let lease = queue.lease(Some(Duration::from_secs(30)))?;
    /// assert_eq!(lease.headers(), b"from Ada");
    /// assert!(lease.number() > 0 && lease.age() < Duration::from_secs(3600));
    /// lease.extend(Some(Duration::from_secs(600)))?; // the work takes longer
    /// lease.bury("nobody knows how")?;
    /// assert_eq!(queue.dead_letters()?.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn headers(&self) -> &[u8] {
        &self.headers
    }

    /// Ends the lease since the work was done; returns the item, which has left the queue. With `EveryWrite`
    /// that is durable when the call returns.
    ///
    /// # Errors
    /// `InvalidOperation` if its time was over, `Io`, or what a sync has failed with; the [`Rejected`] holds
    /// the lease, which goes on.
    pub fn ack(self) -> Result<T, Rejected<Self>> {
        let acked = self.core.as_ref().map_or(Ok(()), |core| core.ack(&[self.key()]));
        match acked {
            Ok(()) => Ok(self.ended()),
            Err(reason) => Err(Rejected::new(reason, self)),
        }
    }

    /// [`ack`](Self::ack) as a task: it waits for the disk without blocking. A future that is dropped before
    /// it is done has ended the lease all the same, or has given the item back.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2])?;
    /// pollster::block_on(async {
    ///     assert_eq!(queue.lease_async(None).await?.ack_async().await?, 1);
    ///     queue.lease_async(None).await?.nack_async(Duration::ZERO).await
    /// })?;
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn ack_async(self) -> Result<T, Rejected<Self>> {
        let Some(core) = self.core.clone() else { return Ok(self.ended()) };
        match core.ack_as_task(&[self.key()]).await {
            Ok(()) => Ok(self.ended()),
            Err(reason) => Err(Rejected::new(reason, self)),
        }
    }

    /// Ends the lease since the work was not done. After `delay` the item can be taken again, at its old
    /// place; if it was delivered `max_deliveries` times, it is dead.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
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
    /// queue.lease(None)?.nack(Duration::ZERO)?;
    /// let again = queue.lease(None)?;
    /// assert_eq!((*again, again.deliveries()), (1, 2));
    /// again.nack(Duration::from_secs(60))?;
    /// assert_eq!((queue.len(), queue.stats().delayed), (0, 1));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn nack(mut self, delay: Duration) -> BufferResult<()> {
        let Some(core) = &self.core else { return Ok(()) };
        core.nack(self.number, self.token, millis(delay))?;
        self.core = None;
        Ok(())
    }

    /// [`nack`](Self::nack) as a task: it waits for the disk without blocking. A future that is dropped
    /// before it is done has ended the lease all the same, or has given the item back.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub async fn nack_async(mut self, delay: Duration) -> BufferResult<()> {
        let Some(core) = self.core.clone() else { return Ok(()) };
        let (number, token) = self.key();
        core.end_leases(1, || core.nack_now(number, token, millis(delay))).await?;
        self.core = None;
        Ok(())
    }

    /// Ends the lease since the item can't be worked on: it is dead, see
    /// [`dead_letters`](super::PersistentCircularBuffer::dead_letters).
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn bury(mut self, reason: impl Into<String>) -> BufferResult<()> {
        let Some(core) = &self.core else { return Ok(()) };
        core.bury(self.number, self.token, reason.into())?;
        self.core = None;
        Ok(())
    }

    /// Lets the lease end in `ttl` from now, or never.
    ///
    /// # Errors
    /// `InvalidOperation` if its time is over.
    pub fn extend(&self, ttl: Option<Duration>) -> BufferResult<()> {
        self.core.as_ref().map_or(Ok(()), |core| core.extend(self.number, self.token, ttl))
    }

    /// What [`extend`](Self::extend) does, for whoever can't have the lease meanwhile.
    #[doc(hidden)]
    pub fn extension(&self, ttl: Option<Duration>) -> impl FnOnce() -> BufferResult<()> + Send + use<T> {
        let (core, number, token) = (self.core.clone(), self.number, self.token);
        move || core.map_or(Ok(()), |core| core.extend(number, token, ttl))
    }

    pub(super) const fn key(&self) -> (u64, u64) {
        (self.number, self.token)
    }

    /// The item of a lease that has ended.
    pub(super) fn ended(mut self) -> T {
        self.core = None;
        self.item.take().expect("there as long as the lease is")
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("there as long as the lease is")
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            // It waits for no sync. If it fails, the item comes back when the queue is opened again.
            let _ = core.nack_now(self.number, self.token, 0);
            core.wake();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Lease");
        shown.field("item", &self.item).field("number", &self.number).field("deliveries", &self.deliveries);
        shown.finish_non_exhaustive()
    }
}

/// An item that was delivered too often, or was given up. It stays in the queue until it is
/// [retried](super::PersistentCircularBuffer::retry_dead) or
/// [purged](super::PersistentCircularBuffer::purge_dead).
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push("resize a.png".to_string())?;
/// queue.lease(None)?.bury("no such file")?;
/// let dead = queue.dead_letters()?.remove(0);
/// assert_eq!((dead.item.as_str(), dead.reason.as_str()), ("resize a.png", "no such file"));
/// assert_eq!((dead.deliveries, queue.purge_dead(Some(&[dead.number]))?), (1, 1));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter<T> {
    /// The item's number.
    pub number: u64,
    /// The item.
    pub item: T,
    /// How often it was delivered.
    pub deliveries: u32,
    /// Why it is dead.
    pub reason: String,
}

/// A time in whole milliseconds, rounded up.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
