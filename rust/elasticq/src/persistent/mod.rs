//! [`PersistentCircularBuffer`]: a queue in files. What was put in survives the end of the process, and, as
//! the [`SyncMode`] says, a power cut.
//!
//! ```text
//! files     the file system behind a trait: the one place with mmap, locks, descriptors and checksums
//! format    bytes <-> headers and records        cell      a word in a header, for pops
//! records   what the records say                 state     what they lead to
//! segment   one file, and reading it            root      with which one the log begins
//! spares    files that are ready                 log       the chain of files, appending
//! recover   opening what is there
//! commit    one sync for many calls              core      a queue of bytes: putting; taking: the other side
//! noted     pops without a record of their own
//! leases, compact, look, worker, at_once, ready           what else happens to it
//! rescue    tools for the files, also for broken ones
//! this file, in_memory, pops, tasks, lease, parts    the public face: items of any type
//! ```
//!
//! Each imports only those above it. `docs/guarantees.md` says what survives what, and describes the format.
//!
//! # Examples
//! ```
//! use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, SyncMode};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let config = PersistentConfig::default().with_file_path(folder.path().join("jobs"));
//! let jobs = PersistentCircularBuffer::new(config.with_sync_mode(SyncMode::EveryWrite))?;
//! jobs.push("resize a.png".to_string())?; // on the disk when this returns
//! let job = jobs.lease(None)?; // if the process ends now, the job is delivered again
//! assert_eq!(job.ack()?, "resize a.png");
//! # Ok::<(), elasticq::BufferError>(())
//! ```

mod at_once;
mod cell;
mod codec;
mod commit;
mod compact;
mod config;
mod core;
mod files;
mod format;
mod in_memory;
mod lease;
mod leases;
mod log;
mod look;
mod noted;
mod parts;
mod pops;
mod ready;
mod records;
mod recover;
mod rescue;
mod root;
mod segment;
mod spares;
mod state;
mod stats;
mod taken;
mod taking;
mod tasks;
#[cfg(test)]
mod tests;
mod worker;

use self::core::{Core, Extra};
use crate::error::{BufferResult, Rejected, give_back};
use crate::wait::{block, try_or_register, unless_full};
pub use codec::{Codec, Postcard, PushOptions, Raw};
pub use config::{PersistentConfig, SyncMode};
use files::{Disk, Storage};
pub use lease::{DeadLetter, Lease};
pub use rescue::{
    Compaction, Contents, Damage, Export, ExportedItem, FileReport, Inspection, ItemState, Losses, Progress, Repair,
    Verdict, Verification, compact, export, inspect, repair, verify,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
pub use stats::PersistentStats;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
#[doc(hidden)] // for the binding to Python
pub use {
    at_once::AtOnce,
    taken::{Looking, Taken},
};

/// A first-in, first-out queue in files, for any number of producers and consumers.
///
/// **What is kept.** Pushes, leases and acknowledgements are records in a log, and pops are noted there. All
/// have checksums. A call that has returned survives the end of the process, by SIGKILL too. Whether it
/// survives a power cut is what [`SyncMode`] says. When the queue is opened again, it holds what the records
/// lead to; what was popped does not come back. A record that was damaged on disk is an error (`Corrupted`),
/// never another item.
///
/// **Popping and leasing.** [`pop`](Self::pop) takes an item for good: if the process ends before it has
/// dealt with the item, nobody does. [`lease`](Self::lease) leaves the item in the queue until it is
/// acknowledged, so each item is delivered at least once.
///
/// **One opener.** A queue is open in one place at a time. All methods take `&self` and may be called from
/// any thread. After a fork, only the parent can use it.
///
/// **Cost.** A push or pop takes constant time. The items are not kept in memory. A call may wait for the
/// disk with `EveryWrite`, and in every mode where it comes to a file that is not in memory.
///
/// **Closing.** [`close`](crate::Buffer::close) refuses pushes. Dropping the queue makes everything durable,
/// notes that it was closed in good order, and unlocks it.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
/// let queue = PersistentCircularBuffer::<String>::new(config.clone())?;
/// queue.push("kept".to_string())?;
/// drop(queue);
///
/// let again = PersistentCircularBuffer::<String>::new(config)?;
/// assert_eq!(again.pop()?, "kept");
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct PersistentCircularBuffer<T, C = Postcard> {
    core: Arc<Core>,
    codec: C,
    items: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> PersistentCircularBuffer<T> {
    /// Opens the queue at `config.file_path`, with all that is in it, or makes a new one. Items become bytes
    /// by [`Postcard`].
    ///
    /// Takes time linear in the number of records since the queue was compacted last.
    ///
    /// # Errors
    /// - `InvalidConfiguration`: a setting breaks its rule.
    /// - `AlreadyOpen`: the queue is open, here or in another process.
    /// - `Corrupted`: a record that was durable is damaged; the text names the file and the offset. Nothing
    ///   was changed.
    /// - `InvalidOperation`: a later version of this crate has written the queue.
    /// - `Io`: the operating system has refused something.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(("Ada".to_string(), 36))?; // any type that serde can write
    /// assert_eq!(queue.pop()?, ("Ada".to_string(), 36));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn new(config: PersistentConfig) -> BufferResult<Self> {
        Self::with_codec(config, Postcard)
    }
}

impl<T, C: Codec<T>> PersistentCircularBuffer<T, C> {
    /// [`new`](PersistentCircularBuffer::new) with another codec. It must be the one with which the items
    /// were written.
    ///
    /// # Errors
    /// As [`new`](PersistentCircularBuffer::new).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Raw};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::with_codec(config, Raw)?; // bytes as they are
    /// queue.push(vec![1, 2, 3])?;
    /// assert_eq!(queue.pop()?, [1, 2, 3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn with_codec(config: PersistentConfig, codec: C) -> BufferResult<Self> {
        config.check()?;
        let storage = Box::new(Disk::open(&config.file_path)?);
        Self::in_storage(storage, config, codec)
    }

    fn in_storage(storage: Box<dyn Storage>, config: PersistentConfig, codec: C) -> BufferResult<Self> {
        Ok(Self { core: Core::open(storage, config)?, codec, items: PhantomData })
    }

    /// Adds `item` at the end; blocks up to `push_timeout` for room if that is set.
    ///
    /// # Errors
    /// - `MaxCapacityReached`, `Full`: there is no room for it, by number or by `max_bytes`.
    /// - `Timeout`: there was none in time. `Closed`: the queue was closed.
    /// - `Other`: the codec can't turn it into bytes.
    /// - `Io`: the disk has refused it, say since it is full; nothing was added. After a sync has failed,
    ///   every call fails with that error; open the queue again.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push("one".to_string())?;
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn push(&self, item: T) -> BufferResult<()> {
        let mut place = Some(item);
        self.put_in_time(&mut place).inspect_err(|_| self.core.tally.note_refused(1))
    }

    /// Adds `item` at the end without waiting for room.
    ///
    /// # Errors
    /// As [`push`](Self::push) without `Timeout`; the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.offer("one".to_string())?;
    /// queue.close();
    /// assert_eq!(queue.offer("two".to_string()).unwrap_err().into_inner(), "two");
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer(&self, item: T) -> Result<(), Rejected<T>> {
        let put = self.put(&item).inspect_err(|_| self.core.tally.note_refused(1));
        give_back(put, Some(item))
    }

    /// Adds `item` as `options` say: with a name, later, with headers. Returns false if an item of that name
    /// is known already; then nothing was added.
    ///
    /// # Errors
    /// As [`push`](Self::push) without `Timeout`; the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// let once = PushOptions::default().with_id("order 7");
    /// assert!(queue.push_with("pay".to_string(), &once)?);
    /// assert!(!queue.push_with("pay".to_string(), &once)?);
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn push_with(&self, item: T, options: &PushOptions) -> Result<bool, Rejected<T>> {
        let extra = Extra { id: &options.id, headers: &options.headers, delay: lease::millis(options.delay) };
        let put = self.encode(&item).and_then(|bytes| self.core.put(&[&bytes], extra));
        give_back(put.inspect_err(|_| self.core.tally.note_refused(1)), Some(item))
    }

    /// Adds all of `items` or, on an error, none of them; blocks up to `push_timeout` for room for all if
    /// that is set. After a crash, too, all are there or none.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.pop_batch(8)?, [1, 2, 3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn push_batch(&self, items: Vec<T>) -> BufferResult<()> {
        let attempt = || self.put_all(&items);
        let put = match (attempt(), self.core.config.base.push_timeout) {
            (Err(reason), Some(timeout)) if reason.is_capacity_error() && items.len() <= self.core.max_items() => {
                block(timeout, || try_or_register(|| unless_full(attempt()), || self.core.not_full.bulk_waiter()))
            }
            (settled, _) => settled,
        };
        put.inspect_err(|_| self.core.tally.note_refused(items.len()))
    }

    fn encode<'a>(&self, item: &'a T) -> BufferResult<Cow<'a, [u8]>> {
        self.codec.encode(item).map_err(|why| codec::unreadable(&why))
    }

    fn put(&self, item: &T) -> BufferResult<()> {
        let bytes = self.encode(item)?;
        self.core.put(&[&bytes], Extra::default()).map(drop)
    }

    fn put_in_time(&self, place: &mut Option<T>) -> BufferResult<()> {
        let Some(item) = place else { return Ok(()) };
        match (self.put(item), self.core.config.base.push_timeout) {
            (Err(reason), Some(timeout)) if reason.is_capacity_error() => self.put_within(item, timeout),
            (settled, _) => settled,
        }
    }

    fn put_within(&self, item: &T, timeout: Duration) -> BufferResult<()> {
        block(timeout, || try_or_register(|| unless_full(self.put(item)), || self.core.not_full.waiter()))
    }

    /// Adds `item` at the end, blocking up to `timeout` until there is room.
    ///
    /// # Errors
    /// As [`push`](Self::push); the [`Rejected`] holds the item.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    /// use elasticq::{BufferError, Config};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config.with_base_config(one))?;
    /// queue.offer(1)?;
    /// let brief = Duration::from_millis(1);
    /// let (reason, item) = queue.offer_within(2, brief).unwrap_err().into_parts();
    /// assert_eq!((reason, item), (BufferError::Timeout(brief), 2));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn offer_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let put = self.put_within(&item, timeout).inspect_err(|_| self.core.tally.note_refused(1));
        give_back(put, Some(item))
    }

    fn put_all(&self, items: &[T]) -> BufferResult<()> {
        let bytes = self.encode_all(items)?;
        let slices: Vec<&[u8]> = bytes.iter().map(AsRef::as_ref).collect();
        self.core.put(&slices, Extra::default()).map(drop)
    }

    fn encode_all<'a>(&self, items: &'a [T]) -> BufferResult<Vec<Cow<'a, [u8]>>> {
        items.iter().map(|item| self.encode(item)).collect()
    }
}

impl<T, C> PersistentCircularBuffer<T, C> {
    /// Items that can be taken now. Constant time; waits for no lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2])?;
    /// let lease = queue.lease(None)?;
    /// assert_eq!((queue.len(), queue.is_empty()), (1, false)); // the leased item can't be taken
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether no item can be taken now. Constant time; waits for no lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// assert!(queue.is_empty());
    /// queue.push(1)?;
    /// assert!(!queue.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes everything durable that was written before this call.
    ///
    /// # Errors
    /// `Io` if the disk has refused it. Every later call fails with the same error: open the queue again to
    /// see what is there.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(1)?;
    /// queue.sync()?; // now it survives a power cut
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn sync(&self) -> BufferResult<()> {
        self.core.sync()
    }

    /// Makes the files as small as they can be. The queue does so by itself when more than `max_log_entries`
    /// records are there that nobody needs. Pushes go on meanwhile.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch((0..1000).collect())?;
    /// assert_eq!(queue.pop_batch(999)?.len(), 999);
    /// queue.compact()?; // one item is still needed
    /// assert_eq!(queue.pop()?, 999);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn compact(&self) -> BufferResult<()> {
        self.core.compact()
    }

    /// Drops all items that can be taken now or later; returns how many. Leased and dead items stay.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2, 3])?;
    /// assert_eq!(queue.clear()?, 3);
    /// assert!(queue.is_empty());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn clear(&self) -> BufferResult<usize> {
        self.core.clear()
    }

    /// Counters and sizes. Linear in the number of items that don't stand in line; takes the locks. All zero
    /// in a forked child, and after [`finish`](Self::finish).
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push_batch(vec![1, 2])?;
    /// let lease = queue.lease(None)?;
    /// let stats = queue.stats();
    /// assert_eq!((stats.ready, stats.leased, stats.queue.messages_enqueued), (1, 1, 2));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> PersistentStats {
        self.core.stats()
    }

    /// Ends the use of the queue, whoever else has it or a lease of it: makes everything durable, notes that
    /// the queue was closed in good order, and unlocks it, so that it can be opened again. From now on every
    /// call fails with `Closed`; calls that wait do so at once. Leases that are left go back when it is
    /// opened again. The files are closed, so they can be removed, on Windows too. On Linux they stay mapped,
    /// and the disk gets the room of removed ones back when the queue, its leases and its looks are dropped.
    /// If another thread is doing the same, this waits until it is done; so a waker that polls at once must not
    /// call it.
    ///
    /// Dropping the queue does the same, unless there are leases or looks, but tells nobody of an error.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with; the queue has ended all the same. `Closed`: it had ended before.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::<String>::new(config.clone())?;
    /// queue.push("kept".to_string())?;
    /// let lease = queue.lease(None)?;
    /// queue.finish()?;
    /// assert!(lease.ack().is_err());
    /// assert_eq!(PersistentCircularBuffer::<String>::new(config)?.pop()?, "kept");
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn finish(&self) -> BufferResult<()> {
        self.core.end()
    }

    /// Refuses all pushes from now on and wakes all waiters. What is inside can still be taken. The files
    /// stay open until the queue is dropped, or [finished](Self::finish).
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
    /// queue.close();
    /// assert_eq!(queue.push(2), Err(BufferError::Closed));
    /// assert_eq!(queue.pop(), Ok(1));
    /// assert_eq!(queue.pop(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether [`close`](Self::close) was called.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(1)?;
    /// assert!(!queue.is_closed());
    /// queue.close();
    /// assert!(queue.is_closed());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }
}

impl<T, C> Drop for PersistentCircularBuffer<T, C> {
    fn drop(&mut self) {
        if self.core.check_process().is_err() {
            self.core.worker.forget();
            return;
        }
        self.core.worker.stop();
        // Who wants to know calls `sync` before. Without the note, opening reads a little more.
        let _ = self.core.finish();
    }
}

impl<T, C> fmt::Debug for PersistentCircularBuffer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PersistentCircularBuffer");
        shown.field("path", &self.core.config.file_path).field("len", &self.len()).finish_non_exhaustive()
    }
}
