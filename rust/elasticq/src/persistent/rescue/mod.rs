//! Tools for the files of a queue, also of a broken one: look at them, check them, repair them, take the
//! items out.
//!
//! ```text
//! report    what the tools answer                      part      one file, and what was found in it
//! behind    where reading can go on behind something broken
//! batch     whether a batch that is read ends as it should
//! walk      going along the items that were found      survey    all that can be read, and what follows from it
//! export    the items, one by one                      mend      bytes that stand where records were lost
//! repairs   putting them there, step by step           this file: the public functions
//! ```

mod batch;
mod behind;
mod export;
mod mend;
mod part;
pub mod repairs;
mod report;
pub mod survey;
mod walk;

use super::config::PersistentConfig;
use super::core::Core;
use super::files::{Disk, Owner, ReadOnly, Storage, owner};
use super::format::VERSION;
use super::records::Status;
use super::recover::{self, UNSYNCED};
use super::segment::named;
use crate::error::{BufferError, BufferResult};
pub use export::{Export, ExportedItem, ItemState};
pub use report::{
    Compaction, Contents, Damage, FileReport, Inspection, Losses, Progress, Repair, Verdict, Verification,
};
use std::mem;
use std::path::Path;
use std::thread;
use std::time::Duration;
use survey::Survey;

/// How often a queue that is in use is looked at again when it seems damaged.
const LOOKS: u32 = 6;

/// Looks at a queue, also at one that another process has open. Reads only, and takes no lock: whoever uses
/// the queue does not notice.
///
/// Linear in the size of the files. Blocks for the disk, and for some tenths of a second if a queue that is
/// in use seems to be damaged: then it looks again, since it may have met the writer in the middle of
/// something.
///
/// # Errors
/// - `InvalidOperation`: there is no queue at `path`, or a later version of this crate has written it.
/// - `Io`: the operating system has refused something.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, inspect};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push(7)?;
/// let seen = inspect(&path)?;
/// assert_eq!((seen.contents.ready, seen.process), (1, Some(std::process::id())));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub fn inspect(path: impl AsRef<Path>) -> BufferResult<Inspection> {
    let path = path.as_ref();
    let storage = ReadOnly::open(path)?;
    let (survey, owner, places) = look(&storage, path)?;
    let (is_open, process) = match owner {
        Owner::Nobody => (Some(false), None),
        Owner::Process(process) => (Some(true), Some(process)),
        Owner::Perhaps(process) => (None, Some(process)),
    };
    let (contents, _) = assess(&survey);
    let (mut bytes, mut sync_failed) = (0, false);
    for name in recover::list(&storage)? {
        sync_failed |= name == UNSYNCED;
        if name.ends_with(".log") {
            // One that is gone by now takes no room.
            bytes += storage.open(&name).and_then(|file| file.size()).unwrap_or(0);
        }
    }
    Ok(Inspection {
        path: path.display().to_string(),
        version: VERSION,
        is_open,
        process,
        closed: survey.closed,
        sync_failed,
        contents,
        enqueued: survey.state.puts.enqueued,
        dequeued: survey.state.takes.dequeued,
        dropped: survey.state.takes.dropped,
        records: survey.records(),
        files: survey.parts.iter().filter(|part| part.records > 0).count() as u64,
        bytes,
        next_number: survey.end.number,
        damage: places,
    })
}

/// Checks every record of a queue. Reads only, takes no lock and makes nothing; on a queue that is in use it
/// answers for about this moment.
///
/// It says what opening the queue would say, and what could be saved: behind something broken it reads on.
///
/// Linear in the size of the files; blocks for the disk. `progress` may be looked at from another thread.
///
/// # Errors
/// As [`inspect`]. Damage is no error here.
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
/// assert_eq!((found.verdict, found.contents.ready), (Verdict::Healthy, 3));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub fn verify(path: impl AsRef<Path>, progress: Option<&Progress>) -> BufferResult<Verification> {
    let path = path.as_ref();
    let storage = ReadOnly::open(path)?;
    let mut found = verify_in(&storage, progress)?;
    for turn in 0..LOOKS {
        if found.verdict == Verdict::Healthy || owner(path) == Owner::Nobody {
            break;
        }
        wait(turn);
        let before = mem::replace(&mut found, verify_in(&storage, progress)?);
        found.losses.places = lasting(&before.losses.places, mem::take(&mut found.losses.places));
        let is_new = found.refusal.is_none() || found.refusal != before.refusal;
        if found.losses.places.is_empty() && is_new {
            (found.verdict, found.refusal, found.behind) = (Verdict::Healthy, None, 0);
        }
    }
    Ok(Verification { path: path.display().to_string(), ..found })
}

pub fn verify_in(storage: &dyn Storage, progress: Option<&Progress>) -> BufferResult<Verification> {
    let survey = survey(storage, progress.unwrap_or(&Progress::default()))?;
    let (contents, losses) = assess(&survey);
    let records = survey.records();
    let (verdict, refusal, behind) = judge(storage, &survey, &losses);
    let files = survey.parts.iter().map(|part| FileReport {
        name: part.name.clone(),
        number: part.number,
        salt: named(&part.name).map_or_else(String::new, |(_, salt)| format!("{salt:016x}")),
        bytes: part.bytes,
        records: part.records,
        items: part.items,
        fault: part.fault.clone(),
        unreadable_bytes: part.unreadable(),
    });
    Ok(Verification {
        path: String::new(),
        verdict,
        refusal,
        records,
        behind,
        contents,
        losses,
        files: files.collect(),
    })
}

/// Repairs a queue, so that it opens again with everything that can be read.
///
/// **Nothing is deleted.** Files in which something is broken are moved as they are into a directory in the
/// queue's, and repaired copies take their places. Whole files stay where they are, so the disk needs room
/// for the broken ones only; if there is too little, nothing is changed. A healthy queue stays as it is, and
/// so does one with a torn end behind which nothing can be read: opening it cuts that off.
///
/// **What is kept.** All items that can be read keep their numbers and their places in line. What was popped
/// or acknowledged does not come back, if the record that says so can be read; [`Losses`] tells. A number
/// that was given once is never given again. Of a batch that was cut off nothing is kept.
///
/// **Whenever it is killed,** the queue is as it was, or opening it says that a repair was cut off; the next
/// repair finishes that one.
///
/// Linear in the size of the files, some of which are read several times; blocks for the disk.
///
/// # Errors
/// - `AlreadyOpen`: the queue is in use.
/// - `InvalidOperation`: there is no queue at `path`, or a later version of this crate has written it.
/// - `Corrupted`: what is left can't be made a queue; nothing was changed. [`export`] gives the items.
/// - `Io`: the operating system has refused something, say since the disk is full.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, SyncMode, repair};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let config = PersistentConfig::default().with_file_path(&path).with_sync_mode(SyncMode::EveryWrite);
/// let queue = PersistentCircularBuffer::new(config.clone())?;
/// for number in 0..5_u64 {
///     queue.push(1000 + number)?;
/// }
/// drop(queue);
/// # let file = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
/// # let file = file.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with('0')).next().unwrap();
/// # let mut bytes = std::fs::read(&file).unwrap();
/// # let item = elasticq::persistent::export(&path)?.next().unwrap().data;
/// # let at = bytes.windows(item.len()).position(|bytes| bytes == item).unwrap();
/// # bytes[at] ^= 1;
/// # std::fs::write(&file, bytes).unwrap();
///
/// // A bit has flipped in the first item.
/// assert!(PersistentCircularBuffer::<u64>::new(config.clone()).is_err());
/// let repaired = repair(&path, None)?;
/// assert_eq!((repaired.contents.ready, repaired.losses.count), (4, Some(1)));
/// assert_eq!(PersistentCircularBuffer::<u64>::new(config)?.pop()?, 1001);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub fn repair(path: impl AsRef<Path>, progress: Option<&Progress>) -> BufferResult<Repair> {
    let path = path.as_ref();
    expect_queue(&ReadOnly::open(path)?)?; // opening it to write would make one
    let storage = Disk::open(path)?;
    let done = repairs::repair(&storage, progress.unwrap_or(&Progress::default()))?;
    Ok(Repair { path: path.display().to_string(), ..done })
}

/// Makes the files of a queue that nobody has open as small as they can be.
///
/// Linear in the size of the files; blocks for the disk.
///
/// # Errors
/// As [`PersistentCircularBuffer::new`](super::PersistentCircularBuffer::new), and `InvalidOperation` if
/// there is no queue at `path`.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, compact};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// drop(PersistentCircularBuffer::<u64>::new(PersistentConfig::default().with_file_path(&path))?);
/// let done = compact(&path)?;
/// assert!(done.bytes_after <= done.bytes_before);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub fn compact(path: impl AsRef<Path>) -> BufferResult<Compaction> {
    let path = path.as_ref();
    expect_queue(&ReadOnly::open(path)?)?;
    let config = PersistentConfig::default().with_file_path(path).with_id_window(usize::MAX);
    let core = Core::open_quietly(Box::new(Disk::open(path)?), config)?;
    let size = |core: &Core| (core.log.bytes(), core.log.segment_count() as u64);
    let (bytes_before, files_before) = size(&core);
    core.compact()?;
    core.finish()?;
    let (bytes_after, files_after) = size(&core);
    Ok(Compaction { bytes_before, bytes_after, files_before, files_after })
}

/// All items that are inside, by number: those that can be taken, that are leased, delayed or dead. Reads
/// only and takes no lock. From a damaged queue come all that can be read; [`Export::damage`] tells what
/// can't.
///
/// The files are read once before the first item comes, in time linear in their size; then each item takes
/// constant time. Blocks for the disk. Memory is flat, but for items that don't stand in line (some 100 bytes
/// each). On a queue that is in use, an item may be shown that was taken meanwhile.
///
/// # Errors
/// As [`inspect`].
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Raw, export};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let config = PersistentConfig::default().with_file_path(&path);
/// let queue = PersistentCircularBuffer::with_codec(config, Raw)?;
/// queue.push(b"first".to_vec())?;
/// queue.push(b"second".to_vec())?;
/// let items: Vec<_> = export(&path)?.map(|item| item.data).collect();
/// assert_eq!(items, [b"first".to_vec(), b"second".to_vec()]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub fn export(path: impl AsRef<Path>) -> BufferResult<Export> {
    let path = path.as_ref();
    let storage = ReadOnly::open(path)?;
    let (survey, owner, damage) = look(&storage, path)?;
    Ok(Export::of(survey, damage, owner != Owner::Nobody))
}

/// # Errors
/// `InvalidOperation`: there are no files of a queue here; `Io`.
fn expect_queue(storage: &dyn Storage) -> BufferResult<()> {
    let is_queue = |name: &String| named(name).is_some() || name == recover::REPAIRING;
    if recover::list(storage)?.iter().any(is_queue) {
        return Ok(());
    }
    let path = storage.path("");
    Err(BufferError::InvalidOperation(format!("{}: there is no queue here", path.display())))
}

/// A survey. It reads some records twice. If one is another the second time, its file was given up and used
/// again meanwhile, and all is looked at again.
fn survey(storage: &dyn Storage, progress: &Progress) -> BufferResult<Survey> {
    for turn in 0..LOOKS {
        match Survey::of(storage, progress) {
            Err(BufferError::Corrupted(_)) => wait(turn),
            settled => return settled,
        }
    }
    Survey::of(storage, progress)
}

/// A survey of a queue that may be in use, and the places where something is wrong. What looks like damage
/// there may be a record that is just being written, or a file that was given up meanwhile; real damage is
/// still there at the next look.
fn look(storage: &dyn Storage, path: &Path) -> BufferResult<(Survey, Owner, Vec<Damage>)> {
    let mut before = Vec::new();
    for turn in 0..=LOOKS {
        let survey = survey(storage, &Progress::default())?;
        let (owner, mut found) = (owner(path), places(&survey));
        if owner == Owner::Nobody || survey.is_whole() {
            return Ok((survey, owner, found));
        }
        if turn == LOOKS {
            found = lasting(&before, found);
            return Ok((survey, owner, found));
        }
        before = found;
        wait(turn);
    }
    unreachable!("the last turn returns")
}

/// The places that were found twice, in a queue that is in use. Its end does not count: it is being written.
fn lasting(before: &[Damage], mut now: Vec<Damage>) -> Vec<Damage> {
    let key = |damage: &Damage| (damage.file.clone(), damage.offset);
    now.retain(|found| found.records.is_some() && before.iter().any(|old| key(old) == key(found)));
    now
}

fn wait(turn: u32) {
    thread::sleep(Duration::from_millis(5 << turn));
}

/// In what state the files are; why they don't open, if so; and how many records opening them would give up.
fn judge(storage: &dyn Storage, survey: &Survey, losses: &Losses) -> (Verdict, Option<String>, u64) {
    match recover::check(storage) {
        Ok(_) if survey.is_whole() && losses.items.is_empty() => (Verdict::Healthy, None, 0),
        Ok(found) => {
            let read = found.map_or(0, |(report, _)| report.records);
            (Verdict::Torn, None, survey.records().saturating_sub(read))
        }
        Err(error) => (Verdict::Damaged, Some(error.to_string()), 0),
    }
}

/// The places where something is wrong.
fn places(survey: &Survey) -> Vec<Damage> {
    let mut places = Vec::new();
    for part in &survey.parts {
        if let Some(what) = &part.fault {
            let (file, what) = (part.name.clone(), what.clone());
            places.push(Damage { file, offset: 0, bytes: 0, what, first: 0, records: Some(0) });
        }
        places.extend(part.gaps.iter().map(|gap| Damage {
            file: part.name.clone(),
            offset: gap.at.place.offset,
            bytes: gap.bytes,
            what: gap.why.clone(),
            first: gap.at.number,
            records: gap.records(),
        }));
    }
    places
}

/// What is inside, and what is lost.
fn assess(survey: &Survey) -> (Contents, Losses) {
    let takes = &survey.state.takes;
    let mut contents = Contents::default();
    let mut losses = Losses { places: places(survey), may_come_twice: survey.is_doubtful, ..Losses::default() };
    let time = super::files::now();
    for (&number, aside) in takes.aside() {
        if survey.aside(number, aside.place).is_none() {
            losses.places.push(export::lost_item(survey, number, aside.place));
            losses.items.push(number);
            continue;
        }
        *match aside.status {
            Status::Ready => &mut contents.ready,
            Status::Leased => &mut contents.leased,
            Status::Delayed { at, delay } if at.saturating_add(delay) <= time => &mut contents.ready,
            Status::Delayed { .. } => &mut contents.delayed,
            Status::Dead { .. } => &mut contents.dead,
        } += 1;
    }
    let in_line = if survey.is_whole() { takes.in_line(survey.state.puts.lined_up) } else { export::count(survey) };
    losses.count = survey.lost_in_line(in_line).map(|lost| lost + losses.items.len() as u64);
    contents.ready += in_line;
    (contents, losses)
}
