//! Opening what is there: which files are segments, how far their records go, and what they lead to.
//!
//! Reading begins with the segment that the root names, or else with the oldest one. It goes on as long as
//! records are linked. The next segment is entered only if its header fits the end exactly. Where that ends
//! there are three cases:
//!
//! - **Nothing behind it.** The usual case.
//! - **A torn end**: what is behind it never reached the disk whole. A power cut leaves that, or the end of a
//!   process in the middle of a call. It is given up. No call has said that it was durable.
//! - **Damage**: a record that was synced is broken. A mark behind the damage says so: it says up to where
//!   everything was durable when it was written. Then the queue is not opened, and nothing is changed.
//!
//! Nobody knows what stands behind a torn end: a record there may follow what is written next, and come back
//! to life. So the segment ends there for good, and the next record begins a new segment. Only if everything
//! behind the end is zero, or the queue was closed in good order, does writing go on in the same segment;
//! after a closing it begins with a record that never was ([`Change::Opened`]).

use super::cell;
use super::files::{File, Storage, crc32c};
use super::format::{self, End, HEAD, HEADER, Head, Header, Kind, NoHeader};
use super::log::{Resume, alone};
use super::records::{self, Change, Cursor, Place, Snapshot, Status};
use super::root;
use super::segment::{Next, Reader, Segment, digits, name_of, named};
use super::spares::{Kept, Spare, first_size, make_file};
use super::state::State;
use crate::error::{BufferError, BufferResult};
use std::collections::BTreeMap;
use std::mem;
use std::path::Path;
use std::sync::Arc;

/// What was found.
#[derive(Debug)]
pub struct Recovered {
    pub resume: Resume,
    pub state: State,
    /// The link of the last record that tells of items that were taken, and how many were popped since then,
    /// as the cell says.
    pub noted: (u32, u64),
    pub report: Report,
}

/// What recovery has seen and given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records that were read.
    pub records: u64,
    /// Whether the queue was closed in good order.
    pub closed: bool,
    /// Bytes behind the end that are not zero, at least; files behind the end.
    pub torn_bytes: u64,
    pub torn_files: usize,
}

/// Opens what is there, or makes a new queue.
///
/// # Errors
/// `Corrupted`, with file and offset; `Io`; `InvalidOperation` for files of a later version, and after a
/// repair that was cut off. Nothing was changed then.
pub fn open(storage: &dyn Storage, largest: u64, window: usize) -> BufferResult<Recovered> {
    let names = list(storage)?;
    let Some(whole) = follow(storage, window, &names)? else {
        return begin(storage, largest, window, &names);
    };
    let report = whole.report();
    let Whole { replay, tail, rest, root, before, after, items, word } = whole;
    let Replay { mut state, segments, closed, synced, end, base, .. } = replay;
    match root {
        // A kill may have left it in memory only. The segments before it mean nothing once it is on the disk.
        Some(number) => root::set(storage, &*root::open(storage)?, number)?,
        // There may be no file: a power cut when it was made, or a repair.
        None => root::make(storage, &names)?,
    }
    remove(storage, &before)?;
    remove(storage, &after)?;
    // Also if it is right in memory: whoever has put it right may not have come as far as the disk.
    tail.note(word)?;
    if names.iter().any(|name| name == UNSYNCED) {
        write_again(storage, &segments, end, synced)?;
    }
    tail.sync(storage, end.place.offset).inspect_err(|_| note_unsynced(storage))?;
    let leased: Vec<u64> =
        state.takes.aside().iter().filter(|(_, aside)| aside.status == Status::Leased).map(|(&n, _)| n).collect();
    for number in leased {
        state.takes.set_status(number, Status::Ready);
    }
    let full = !closed && !rest.is_zero();
    let spares = Kept::found(storage, &names);
    let (puts, reopened) = (mem::take(&mut state.puts), closed && !rest.is_zero());
    let resume = Resume { segments, tail, end, full, reopened, puts, synced, spares };
    Ok(Recovered { resume, state, noted: (base, items), report })
}

/// What opening would find, and the state that the records lead to. `None`: a new queue. Nothing is changed.
///
/// # Errors
/// As [`open`].
pub fn check(storage: &dyn Storage) -> BufferResult<Option<(Report, State)>> {
    let names = list(storage)?;
    let whole = follow(storage, usize::MAX, &names)?;
    Ok(whole.map(|whole| (whole.report(), whole.replay.state)))
}

/// The names of all files, in order.
pub fn list(storage: &dyn Storage) -> BufferResult<Vec<String>> {
    let mut names = storage.list().map_err(|refused| BufferError::io("to list", storage.path(""), &refused))?;
    names.sort();
    Ok(names)
}

/// What is there, and fit to go on with.
struct Whole<'a> {
    replay: Replay<'a>,
    tail: Arc<Segment>,
    rest: Rest,
    /// What the root says. Files before it, and behind the end.
    root: Option<u64>,
    before: Vec<(u64, &'a str)>,
    after: Vec<(u64, &'a str)>,
    /// How many items were popped as only the cell says, and the word that says that.
    items: u64,
    word: u64,
}

impl Whole<'_> {
    fn report(&self) -> Report {
        let Replay { records, closed, .. } = self.replay;
        Report {
            records,
            closed: closed && self.items == 0,
            torn_bytes: if closed { 0 } else { self.rest.bytes },
            torn_files: self.after.len(),
        }
    }
}

/// Follows the records of all files. `None`: there are no files. Nothing is changed.
fn follow<'a>(storage: &'a dyn Storage, window: usize, names: &'a [String]) -> BufferResult<Option<Whole<'a>>> {
    if names.iter().any(|name| name == REPAIRING) {
        let path = storage.path("");
        let text = format!("a repair of {} was cut off: repair it once more, that finishes it", path.display());
        return Err(BufferError::InvalidOperation(text));
    }
    let files: Vec<(u64, &str)> = names.iter().filter_map(|name| Some((named(name)?.0, name.as_str()))).collect();
    let root = root::read(storage, names)?;
    if let Some(root) = root.filter(|&root| files.iter().all(|&(number, _)| number != root)) {
        return Err(missing(storage, root));
    }
    let (before, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|&(number, _)| Some(number) < root);
    let Some(&(first, _)) = files.first() else { return Ok(None) };
    let mut replay = Replay::new(storage, window);
    let mut after = Vec::new();
    for (number, name) in files {
        // Behind one that does not follow, only another one of the same number may.
        let may_follow = after.last().is_none_or(|&(left, _)| left == number);
        if may_follow && replay.enter(number, name)? && replay.run()? {
            continue;
        }
        after.push((number, name));
    }
    let Some(tail) = replay.segments.get(&replay.end.place.segment).map(Arc::clone) else {
        let path = storage.path(after.first().map_or("", |(_, name)| name));
        return Err(BufferError::Corrupted(format!("{}, offset 0: there is not even a first record", path.display())));
    };
    let end = replay.end;
    if end.number > u64::MAX / 2 {
        // Nobody has written so many, and the next ones must not overflow.
        return Err(tail.corrupted(end.place.offset, &format!("a record with the number {}", end.number - 1)));
    }
    if let Some(beyond) = replay.state.takes.places().find(|&place| place > end.place) {
        let Place { segment, offset } = beyond;
        let text = format!("the records speak of offset {offset} of the file {}, and end here", digits(segment));
        return Err(tail.corrupted(end.place.offset, &text));
    }
    let rest = Rest::look(&tail, end.place.offset)?;
    if !rest.is_zero() || !after.is_empty() {
        refuse_if_damaged(storage, &replay, &rest, &after)?;
    }
    let oldest = replay.state.takes.oldest_segment();
    if oldest < first {
        return Err(missing(storage, oldest));
    }
    tail.publish(end.place.offset);
    let (items, word) = replay.follow_cell(&tail)?;
    Ok(Some(Whole { replay, tail, rest, root, before, after, items, word }))
}

fn missing(storage: &dyn Storage, number: u64) -> BufferError {
    BufferError::Corrupted(format!("{}: the file is missing", storage.path(&digits(number)).display()))
}

/// Makes a new queue.
fn begin(storage: &dyn Storage, largest: u64, window: usize, names: &[String]) -> BufferResult<Recovered> {
    let mut state = State::with_window(window);
    let mut spares = Kept::found(storage, names);
    // A file made anew: what an old one holds might be taken for a queue if the power is cut here.
    let made = make_file(storage, spares.name(), first_size(largest), false)?;
    let Spare { name: old, file, size } = made;
    let salt = super::log::random();
    let header = Header { salt, first: 1, size, before: End::default(), free: 0 };
    let name = name_of(&header);
    let segment = Arc::new(Segment::found(header, storage.path(&name), file, HEADER as u64));
    let mut end = segment.start();
    state.takes.cursor = end;
    let snapshot = Snapshot { cursor: end, ..Snapshot::default() };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(alone(&Change::Snapshot(Box::new(snapshot)))?.place(&mut end, salt));
    segment.write(&bytes, 0)?;
    segment.publish(end.place.offset);
    root::make(storage, names)?;
    // It gets its name when all this is durable. So a first file without a first record is damaged.
    let synced = segment.file.sync().and_then(|()| storage.rename(&old, &name));
    synced.map_err(|refused| BufferError::io("to make", &segment.path, &refused))?;
    segment.sync(storage, end.place.offset)?;
    let resume = Resume {
        segments: BTreeMap::from([(1, Arc::clone(&segment))]),
        tail: segment,
        end,
        full: false,
        reopened: false,
        puts: mem::take(&mut state.puts),
        synced: Place::default(),
        spares,
    };
    Ok(Recovered { resume, state, noted: (end.link, 0), report: Report::default() })
}

fn remove(storage: &dyn Storage, files: &[(u64, &str)]) -> BufferResult<()> {
    // From the newest on, so that those that are left have no gap.
    for (_, name) in files.iter().rev() {
        storage.remove(name).map_err(|refused| BufferError::io("to remove", storage.path(name), &refused))?;
    }
    if !files.is_empty() {
        storage.sync().map_err(|refused| BufferError::io("to sync", storage.path(""), &refused))?;
    }
    Ok(())
}

/// A sync has failed: whoever opens the queue next must not believe what the system's memory says. If this
/// fails, too, the disk does not answer at all.
pub fn note_unsynced(storage: &dyn Storage) {
    let _ = storage.create(UNSYNCED).and_then(|_| storage.sync());
}

/// Writes what is not known to be durable once more, and syncs it. A sync has failed, so the system may
/// believe that what it holds in memory is on disk, and write it never.
fn write_again(
    storage: &dyn Storage,
    segments: &BTreeMap<u64, Arc<Segment>>,
    end: Cursor,
    synced: Place,
) -> BufferResult<()> {
    for segment in segments.range(synced.segment..).map(|(_, segment)| segment) {
        let last = if segment.number() == end.place.segment { end.place.offset } else { segment.header.size };
        let mut at = 0;
        while at < last {
            let bytes = read(segment, at, PIECE.min(last - at))?;
            segment.write(&bytes, at)?;
            at += bytes.len() as u64;
        }
        segment.sync(storage, last)?;
    }
    let removed = storage.remove(UNSYNCED).and_then(|()| storage.sync());
    removed.map_err(|refused| BufferError::io("to remove", storage.path(UNSYNCED), &refused))
}

/// The records of all segments, one after the other.
struct Replay<'a> {
    storage: &'a dyn Storage,
    state: State,
    segments: BTreeMap<u64, Arc<Segment>>,
    reader: Option<Reader>,
    /// The segment that is being read, until its first record was.
    entered: Option<Arc<Segment>>,
    /// Behind the last record whose batch is whole.
    end: Cursor,
    /// The link of the last record that tells of items that were taken.
    base: u32,
    records: u64,
    closed: bool,
    synced: Place,
}

impl<'a> Replay<'a> {
    fn new(storage: &'a dyn Storage, window: usize) -> Self {
        Self {
            storage,
            state: State::with_window(window),
            segments: BTreeMap::new(),
            reader: None,
            entered: None,
            end: Cursor::default(),
            base: 0,
            records: 0,
            closed: false,
            synced: Place::default(),
        }
    }

    /// Goes on with the segment in this file, if it follows.
    fn enter(&mut self, number: u64, name: &str) -> BufferResult<bool> {
        let segment = match open_segment(self.storage, number, name)? {
            Ok(segment) => segment,
            Err(why) if self.segments.is_empty() || matches!(why, NoHeader::Damaged | NoHeader::Short) => {
                let path = self.storage.path(name);
                return Err(BufferError::Corrupted(format!("{}, offset 0: {why}", path.display())));
            }
            // Of another life, or it never got so far.
            Err(_) => return Ok(false),
        };
        let segment = Arc::new(segment);
        if let Some(reader) = &mut self.reader {
            let end = End { last: self.end.number.wrapping_sub(1), link: self.end.link };
            if segment.header.before != end {
                return Ok(false);
            }
            reader.enter(Arc::clone(&segment));
        } else {
            self.state.takes.cursor = segment.start();
            self.reader = Some(Reader::new(Arc::clone(&segment), segment.start()));
        }
        self.entered = Some(segment);
        Ok(true)
    }

    /// Follows all records of this segment. False: there is none, so it is as if it had not been entered.
    fn run(&mut self) -> BufferResult<bool> {
        let Some(mut reader) = self.reader.take() else { return Ok(false) };
        let mut batch: Vec<(Place, u64, Kind, Vec<u8>)> = Vec::new();
        while let Next::Record { head, place } = reader.step()? {
            let payload = reader.payload(&head, place);
            if head.more {
                batch.push((place, head.number, head.kind, payload.to_vec()));
                continue;
            }
            for (place, number, kind, payload) in batch.drain(..) {
                self.follow(&reader.segment, place, number, kind, &payload)?;
            }
            if self.follow(&reader.segment, place, head.number, head.kind, payload)? {
                self.base = reader.cursor.link;
            }
            if let Some(segment) = self.entered.take() {
                // The one before ends where this one says.
                if let Some(before) = self.segments.get(&self.end.place.segment) {
                    before.publish(self.end.place.offset);
                    before.seal(self.end.place.offset);
                }
                self.segments.insert(segment.number(), segment);
            }
            self.end = reader.cursor;
        }
        self.reader = Some(reader);
        Ok(self.entered.is_none())
    }

    /// Passes the items in line that were popped as only the cell of the last segment says. Returns how many,
    /// and the word that says that.
    fn follow_cell(&mut self, tail: &Segment) -> BufferResult<(u64, u64)> {
        let takes = &mut self.state.takes;
        let salt = tail.header.salt;
        let Some(number) = cell::beyond(tail.noted()?, salt, self.base, takes.cursor.number) else {
            return Ok((0, cell::BLANK));
        };
        let first = self.segments.get(&takes.cursor.place.segment);
        let mut reader = Reader::new(Arc::clone(first.unwrap_or(&self.segments[&tail.number()])), takes.cursor);
        let mut items = 0;
        while reader.cursor.number < number {
            if let Some((head, place)) = reader.next()? {
                items += u64::from(records::is_in_line(head.kind, reader.payload(&head, place)));
            } else if let Some((_, next)) = self.segments.range(reader.segment.number() + 1..).next() {
                reader.enter(Arc::clone(next));
            } else {
                break; // the others are lost
            }
        }
        takes.apply(&Change::Popped { items, cursor: reader.cursor });
        let word = if items > 0 { cell::word(salt, self.base, takes.cursor.number) } else { cell::BLANK };
        Ok((items, word))
    }

    /// Follows a record. Returns whether it tells of items that were taken.
    fn follow(
        &mut self,
        segment: &Segment,
        place: Place,
        number: u64,
        kind: Kind,
        payload: &[u8],
    ) -> BufferResult<bool> {
        let unknown = || {
            let text = "a record that this version of elasticq does not understand; a later version wrote it";
            segment.corrupted(place.offset, &text)
        };
        let begins = || matches!(records::change(kind, payload), Some(Change::Snapshot(_)));
        if self.records == 0 && !begins() {
            return Err(segment.corrupted(place.offset, &"the state with which the first file begins is missing"));
        }
        self.records += 1;
        self.closed = false;
        match kind {
            Kind::Item => {
                let (meta, _) = records::item(payload).ok_or_else(unknown)?;
                self.state.item(number, place, &meta);
                return Ok(false);
            }
            Kind::Moved => {
                let (meta, _) = records::item(payload).ok_or_else(unknown)?;
                self.state.takes.moved(meta.number, place);
            }
            Kind::Change | Kind::Popped => match records::change(kind, payload).ok_or_else(unknown)? {
                Change::Snapshot(snapshot) => self.state.restore(&snapshot),
                Change::Synced { place, .. } => {
                    self.synced = self.synced.max(place);
                    return Ok(false);
                }
                Change::Closed { place, .. } => {
                    self.synced = self.synced.max(place);
                    self.closed = true;
                    return Ok(false);
                }
                change => {
                    self.state.takes.apply(&change);
                    return Ok(change.tells());
                }
            },
        }
        Ok(true)
    }
}

/// Opens a segment; what is in it may be read up to the end of the file.
fn open_segment(storage: &dyn Storage, number: u64, name: &str) -> BufferResult<Result<Segment, NoHeader>> {
    let path = storage.path(name);
    let io = |attempt, refused| BufferError::io(attempt, &path, &refused);
    let file = storage.open(name).map_err(|refused| io("to open", refused))?;
    let size = file.size().map_err(|refused| io("to open", refused))?;
    let mut bytes = vec![0; HEADER.min(usize::try_from(size).unwrap_or(HEADER))];
    file.read_at(&mut bytes, 0).map_err(|refused| io("to read", refused))?;
    let header = match Header::decode(&bytes) {
        Ok(header) => header,
        Err(NoHeader::Newer(version)) => return Err(newer(&path, version)),
        Err(why) => return Ok(Err(why)),
    };
    if header.first != number || name_of(&header) != name {
        return Ok(Err(NoHeader::Other(header.first)));
    }
    if size < header.size {
        let text = format!("the file has {size} bytes instead of {}", header.size);
        return Err(BufferError::Corrupted(format!("{}, offset {size}: {text}", path.display())));
    }
    let end = header.size;
    Ok(Ok(Segment::found(header, path, file, end)))
}

/// The error for a file of a later version.
pub fn newer(path: &Path, version: u32) -> BufferError {
    BufferError::InvalidOperation(format!(
        "{} has version {version} of the format, this elasticq knows up to {}: use a newer one",
        path.display(),
        format::VERSION
    ))
}

/// What stands behind the end of a segment's records.
pub struct Rest {
    from: u64,
    /// How many of these bytes are not zero.
    pub bytes: u64,
}

const PIECE: u64 = 1 << 20;

/// The name of a file that says that a sync has failed.
pub const UNSYNCED: &str = "unsynced";

/// The name of a file that says what a repair has still to do.
pub const REPAIRING: &str = "repairing";

impl Rest {
    /// Reads all that stands behind `from`.
    pub fn look(segment: &Segment, from: u64) -> BufferResult<Self> {
        let mut bytes = 0;
        let mut at = from;
        while at < segment.end() {
            let piece = read(segment, at, PIECE.min(segment.end() - at))?;
            bytes += piece.iter().filter(|&&byte| byte != 0).count() as u64;
            at += piece.len() as u64;
        }
        Ok(Self { from, bytes })
    }

    pub const fn is_zero(&self) -> bool {
        self.bytes == 0
    }
}

fn read(segment: &Segment, at: u64, most: u64) -> BufferResult<Vec<u8>> {
    let mut bytes = vec![0; most.min(segment.header.size.saturating_sub(at)) as usize];
    let read = segment.file.read_at(&mut bytes, at);
    read.map_err(|refused| BufferError::io("to read", &segment.path, &refused))?;
    Ok(bytes)
}

/// Whether a mark anywhere behind the end says that more was durable: then something durable is broken.
fn refuse_if_damaged(
    storage: &dyn Storage,
    replay: &Replay<'_>,
    rest: &Rest,
    after: &[(u64, &str)],
) -> BufferResult<()> {
    let tail = &replay.segments[&replay.end.place.segment];
    let mut durable = replay.synced;
    if !rest.is_zero() {
        durable = durable.max(marks_behind(&*tail.file, &tail.path, rest.from, tail.header.salt)?);
    }
    for (_, name) in after {
        // By the name: the header may be what is damaged.
        let Some((_, salt)) = named(name) else { continue };
        let path = storage.path(name);
        let file = storage.open(name).map_err(|refused| BufferError::io("to open", &path, &refused))?;
        durable = durable.max(marks_behind(&*file, &path, HEADER as u64, salt)?);
    }
    if durable <= replay.end.place {
        return Ok(());
    }
    let text = format!(
        "a record that was durable is broken; behind it everything was durable up to {}, offset {}",
        digits(durable.segment),
        durable.offset
    );
    Err(tail.corrupted(replay.end.place.offset, &text))
}

/// The furthest place that a mark in this file names, of the marks that begin behind `from`. A mark is known
/// by the segment's salt in it, so it is found wherever the chain is broken.
pub fn marks_behind(file: &dyn File, path: &Path, from: u64, salt: u64) -> BufferResult<Place> {
    let failed = |refused| BufferError::io("to read", path, &refused);
    let mut found = Place::default();
    let size = file.size().map_err(failed)?;
    let mut bytes = vec![0; usize::try_from(size.saturating_sub(from)).unwrap_or(0)];
    file.read_at(&mut bytes, from).map_err(failed)?;
    for at in (0..bytes.len()).step_by(8) {
        let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD>() else { break };
        let Some(head) = Head::decode(head).filter(|head| head.kind == Kind::Change) else { continue };
        let Some(payload) = rest.get(..head.length as usize) else { continue };
        if let Some(mark) = records::mark(payload, salt)
            && crc32c(payload) == head.payload_crc
        {
            found = found.max(mark);
        }
    }
    Ok(found)
}
