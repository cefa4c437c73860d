//! What the functions of this folder answer. With serde each becomes a map of plain values.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a long piece of work has come. It may be looked at from another thread.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Progress, verify};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// let progress = Progress::default();
/// assert_eq!(progress.bytes(), (0, 0));
/// verify(&path, Some(&progress))?;
/// let (done, of_all) = progress.bytes();
/// assert!(done == of_all && of_all > 0);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    expected: AtomicU64,
}

impl Progress {
    /// Bytes that were dealt with, and how many there are. Both are 0 until that is known.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed))
    }

    /// Begins a new piece of work of so many bytes.
    pub(super) fn expect(&self, bytes: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.expected.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// In what state the files of a queue are.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Verdict, verify};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push(1)?;
/// drop(queue);
/// match verify(&path, None)?.verdict {
///     Verdict::Healthy => {}
///     Verdict::Torn => println!("opening it cuts the end off"),
///     Verdict::Damaged => println!("repair it"),
///     _ => {}
/// }
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every record is there and right.
    Healthy,
    /// The end is what a power cut, or the end of a process, leaves: the last records never reached the disk
    /// whole. Opening the queue cuts it off.
    Torn,
    /// Something is broken, and the queue may not open.
    Damaged,
}

/// How many items of each kind are inside.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, inspect};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// let lease = queue.lease(None)?;
/// let contents = inspect(&path)?.contents;
/// assert_eq!((contents.ready, contents.leased, contents.delayed, contents.dead), (2, 1, 0, 0));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Contents {
    /// Items that can be taken.
    pub ready: u64,
    /// Items that somebody has leased. When the queue is opened, they can be taken again.
    pub leased: u64,
    /// Items whose time has not come.
    pub delayed: u64,
    /// Items that are dead.
    pub dead: u64,
}

/// A place where something is wrong.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, verify};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push(1)?;
/// for damage in verify(&path, None)?.losses.places {
///     println!("{}, offset {}: {} ({} bytes)", damage.file, damage.offset, damage.what, damage.bytes);
/// }
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// The name of the file.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes can't be used there; zeroes behind the last record are not counted.
    pub bytes: u64,
    /// What is wrong.
    pub what: String,
    /// The number of the first record that is lost there; 0 if none is. An item has the number of its record.
    pub first: u64,
    /// How many records are lost there; `None` if that is not known.
    pub records: Option<u64>,
}

/// What is known of one file.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, verify};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// let file = verify(&path, None)?.files.remove(0);
/// assert_eq!((file.items, file.fault, file.unreadable_bytes), (3, None, 0));
/// assert!(file.name.ends_with(".log") && file.records >= 3);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// The number of its first record.
    pub number: u64,
    /// The salt of its checksums, as 16 hexadecimal digits.
    pub salt: String,
    /// The length of the file.
    pub bytes: u64,
    /// Records that can be read.
    pub records: u64,
    /// Of these, new items.
    pub items: u64,
    /// What is wrong with the file as a whole, say with its header.
    pub fault: Option<String>,
    /// Bytes that the disk could not read; they are counted in pieces of 4 KiB.
    pub unreadable_bytes: u64,
}

/// What is lost, and what can't be told.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, verify};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push(1)?;
/// let losses = verify(&path, None)?.losses;
/// assert_eq!((losses.places.len(), losses.items.len(), losses.count), (0, 0, Some(0)));
/// assert!(!losses.may_come_twice);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Losses {
    /// Where records are lost.
    pub places: Vec<Damage>,
    /// The numbers of items that should be inside and can't be read. Only those are listed that did not stand
    /// in line: leased, delayed and dead ones.
    pub items: Vec<u64>,
    /// How many items are lost in all; `None` if that is not known.
    pub count: Option<u64>,
    /// Whether a record may be lost that said that items were taken. Then these may come once more.
    pub may_come_twice: bool,
}

/// What [`verify`](super::verify) has found.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Verdict, verify};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// drop(queue);
/// let found = verify(&path, None)?;
/// assert_eq!((found.verdict, found.refusal, found.contents.ready), (Verdict::Healthy, None, 3));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The queue's directory.
    pub path: String,
    /// The state of the files.
    pub verdict: Verdict,
    /// Why the queue does not open, if it does not.
    pub refusal: Option<String>,
    /// Records that can be read.
    pub records: u64,
    /// Of these, records that opening the queue would give up, since they stand behind a torn end.
    pub behind: u64,
    /// The items that can be read.
    pub contents: Contents,
    /// What can't be read.
    pub losses: Losses,
    /// The files with records, oldest first.
    pub files: Vec<FileReport>,
}

/// What [`inspect`](super::inspect) has found.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, inspect};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// queue.pop()?;
/// let seen = inspect(&path)?;
/// assert_eq!((seen.enqueued, seen.dequeued, seen.contents.ready), (3, 1, 2));
/// assert!(!seen.closed && seen.damage.is_empty());
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The queue's directory.
    pub path: String,
    /// The version of the format.
    pub version: u32,
    /// Whether somebody has the queue open; `None` if the system does not tell.
    pub is_open: Option<bool>,
    /// The process that has it open, or, if the system does not tell, had it last and still lives.
    pub process: Option<u32>,
    /// Whether the queue was closed in good order.
    pub closed: bool,
    /// Whether a sync has failed, so that opening the queue writes again what may be lost.
    pub sync_failed: bool,
    /// The items inside.
    pub contents: Contents,
    /// Items ever put in, taken, and dropped.
    pub enqueued: u64,
    /// Items that were popped or acknowledged.
    pub dequeued: u64,
    /// Items that were dropped, or were lost and given up by a repair.
    pub dropped: u64,
    /// Records in the files.
    pub records: u64,
    /// Files with records.
    pub files: u64,
    /// Bytes that all files of the queue take, those that are kept ready included.
    pub bytes: u64,
    /// The number that the next record gets.
    pub next_number: u64,
    /// What is wrong. If somebody has the queue open, the end is not counted: it is being written.
    pub damage: Vec<Damage>,
}

/// What [`repair`](super::repair()) has done.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, repair};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// drop(queue);
/// let done = repair(&path, None)?;
/// assert_eq!((done.changed, done.contents.ready, done.moved.len()), (false, 3, 0)); // it was healthy
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Repair {
    /// The queue's directory.
    pub path: String,
    /// Whether anything was changed.
    pub changed: bool,
    /// Whether a repair that had been cut off was finished.
    pub finished: bool,
    /// The items that are inside.
    pub contents: Contents,
    /// What is lost.
    pub losses: Losses,
    /// The directory in which the files are now that were moved.
    pub folder: Option<String>,
    /// The names of the files that were moved, as they were.
    pub moved: Vec<String>,
    /// The names of the files that were written.
    pub written: Vec<String>,
    /// The number that the next record gets. It is higher than all that were ever given.
    pub next_number: u64,
}

/// What [`compact`](super::compact) has done.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, compact};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch((0..1000).collect())?;
/// queue.pop_batch(1000)?;
/// drop(queue);
/// let done = compact(&path)?;
/// println!("{} bytes in {} files before", done.bytes_before, done.files_before);
/// assert!(done.bytes_after > 0 && done.files_after > 0); // a queue is never without a file
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Compaction {
    /// Bytes that the files took before.
    pub bytes_before: u64,
    /// Bytes that they take now.
    pub bytes_after: u64,
    /// Files with records before.
    pub files_before: u64,
    /// Files with records now.
    pub files_after: u64,
}
