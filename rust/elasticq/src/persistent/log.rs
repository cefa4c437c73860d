//! The chain of segments: appending to it, and beginning a new segment.
//!
//! ```text
//! 00…001-88d0….log  header | snapshot | record | record …
//! 00…412-3a9f….log  header | snapshot | record …           <- the tail
//! spare-1.log       room for the next segment                reserve.log  the last room, not for new items
//! root              with which segment the log begins
//! ```
//!
//! Appending is done under the lock of [`Tail`]. There are two ways. **Written at once**: the bytes go to the
//! file, and readers may see them. **Staged** (where each call waits for a sync): the bytes are kept, and the
//! thread that leads the next sync writes them and lets readers see them when they are durable (`commit`).
//!
//! Rules that recovery relies on; `tla+/DurableLog.tla` and `tla+/DurableRoot.tla` check them:
//! - A segment's records are linked to its header, and its header to the end of the segment before.
//! - A record says that something was synced only after it was.
//! - A segment begins with the whole state. So when nothing in the segments before is needed, and everything
//!   from here on is durable, the root says so (`root`), and they go.

use super::config::SyncMode;
use super::files::Storage;
use super::format::{End, HEADER, Header};
use super::records::{Change, Cursor, Drafts, KEPT, Place};
use super::root;
use super::segment::{Segment, digits, name_of};
use super::spares::{Kept, Spare, Spares, Who};
use super::state::{Puts, Takes, snapshot};
use crate::error::{BufferError, BufferResult};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub struct Log {
    pub storage: Box<dyn Storage>,
    tail: Mutex<Tail>,
    /// All segments by number.
    segments: Mutex<BTreeMap<u64, Arc<Segment>>>,
    spares: Spares,
    /// Whether records are staged.
    staged: bool,
    /// How many items in line consumers may see; never more than were lined up.
    visible: AtomicU64,
    /// How many records the files hold: from this number to that one, but for numbers that a repair has left
    /// out.
    oldest: AtomicU64,
    next: AtomicU64,
    left_out: AtomicU64,
    /// With which segment the log begins, as the root says that was written last.
    root: Mutex<u64>,
    /// How many calls have staged something.
    calls: AtomicU64,
}

/// The end to which records are appended.
#[derive(Debug)]
pub struct Tail {
    segment: Arc<Segment>,
    /// Where the next record goes, its number, and what it is linked to.
    at: u64,
    next: u64,
    link: u32,
    /// Whether the next record needs a new segment, since nobody knows what stands behind this one's end.
    full: bool,
    /// What was appended and not written yet, and memory for more.
    staged: Pieces,
    room: Vec<u8>,
    pub puts: Puts,
    /// What is known to be durable, and what a record has said of it.
    synced: Place,
    marked: Place,
    /// Whether the queue was closed in good order here. Something of the time before may stand behind the
    /// end. So the next record is one that never was: then nothing that stands there can follow it.
    reopened: bool,
    /// Whether somebody was asked to prepare the next segment.
    late: bool,
}

/// Pieces of segments, in order: where each begins, and its bytes.
type Pieces = Vec<(Arc<Segment>, u64, Vec<u8>)>;

/// Everything that was appended up to some moment.
#[derive(Debug)]
pub struct Batch {
    /// What of it is to be written.
    pub pieces: Pieces,
    /// The number of the record that comes next, and its place.
    pub next: u64,
    pub place: Place,
    /// How many items are lined up then.
    pub lined_up: u64,
    /// How many calls have staged something until then.
    pub calls: u64,
}

/// What the records before this one lead to: where appending goes on.
#[derive(Debug)]
pub struct Resume {
    pub segments: BTreeMap<u64, Arc<Segment>>,
    pub tail: Arc<Segment>,
    pub end: Cursor,
    /// Whether nobody knows what stands behind the end.
    pub full: bool,
    /// Whether the queue was closed in good order.
    pub reopened: bool,
    pub puts: Puts,
    /// Up to where the files are known to be durable.
    pub synced: Place,
    pub spares: Kept,
}

/// The first record that was appended; the others follow.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    pub number: u64,
    pub place: Place,
}

impl Log {
    pub fn new(storage: Box<dyn Storage>, mode: SyncMode, largest: u64, max_bytes: u64, resume: Resume) -> Self {
        let Resume { segments, tail: segment, end, full, reopened, puts, synced, spares } = resume;
        let staged = mode == SyncMode::EveryWrite;
        let oldest = segments.keys().next().copied().unwrap_or(end.number);
        let (visible, left_out) = (puts.lined_up, left_out(&segments));
        let tail = Tail {
            segment,
            at: end.place.offset,
            next: end.number,
            link: end.link,
            full,
            staged: Pieces::new(),
            room: Vec::new(),
            puts,
            synced,
            marked: synced,
            reopened,
            late: false,
        };
        Self {
            storage,
            tail: Mutex::new(tail),
            segments: Mutex::new(segments),
            spares: Spares::new(spares, largest, max_bytes, !staged),
            staged,
            visible: AtomicU64::new(visible),
            oldest: AtomicU64::new(oldest),
            next: AtomicU64::new(end.number),
            left_out: AtomicU64::new(left_out),
            root: Mutex::new(oldest),
            calls: AtomicU64::new(0),
        }
    }

    pub fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock()
    }

    pub fn try_tail(&self) -> Option<MutexGuard<'_, Tail>> {
        self.tail.try_lock()
    }

    /// How many items were ever lined up that consumers may see.
    pub fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// Lets consumers see as many items. The bytes were published before. Each number is at least the one
    /// before: the caller holds the tail's lock, or leads.
    pub fn show(&self, lined_up: u64) {
        self.visible.store(lined_up, Ordering::Release);
    }

    /// How many calls have staged something until now.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many records the files hold.
    pub fn records(&self) -> u64 {
        let numbers = self.next.load(Ordering::Relaxed).saturating_sub(self.oldest.load(Ordering::Relaxed));
        numbers.saturating_sub(self.left_out.load(Ordering::Relaxed))
    }

    pub fn segment(&self, number: u64) -> Option<Arc<Segment>> {
        self.segments.lock().get(&number).cloned()
    }

    /// Where the file of a segment is, or would be, for messages.
    pub fn path_of(&self, number: u64) -> PathBuf {
        self.segment(number).map_or_else(|| self.storage.path(&digits(number)), |segment| segment.path.clone())
    }

    /// The segment behind this one.
    pub fn segment_after(&self, number: u64) -> Option<Arc<Segment>> {
        self.segments.lock().range(number.saturating_add(1)..).next().map(|(_, segment)| Arc::clone(segment))
    }

    /// All segments from one number to another.
    pub fn segments_from(&self, first: u64, last: u64) -> Vec<Arc<Segment>> {
        self.segments.lock().range(first..=last).map(|(_, segment)| Arc::clone(segment)).collect()
    }

    /// Whether there are segments before this one.
    pub fn has_before(&self, number: u64) -> bool {
        self.segments.lock().first_key_value().is_some_and(|(&first, _)| first < number)
    }

    pub fn segment_count(&self) -> usize {
        self.segments.lock().len()
    }

    /// How many bytes the files take.
    pub fn bytes(&self) -> u64 {
        let segments: u64 = self.segments.lock().values().map(|segment| segment.header.size).sum();
        segments + self.spares.bytes()
    }

    /// Appends records that belong together. They fit, see [`Tail::has_room`].
    ///
    /// # Errors
    /// `Io`: they could not be written, and nothing has happened.
    #[inline(always)]
    pub fn append(&self, tail: &mut Tail, drafts: &mut Drafts) -> BufferResult<Appended> {
        let salt = tail.salt();
        let mut end = tail.end();
        let mut before = Vec::new();
        let has_mark = tail.synced > tail.marked && tail.mark(&mut before, &mut end, drafts.size());
        if tail.reopened {
            before.extend_from_slice(alone(&Change::Opened { salt: random() })?.place(&mut end, salt));
        }
        let first = end;
        let mut bytes = drafts.place(&mut end, salt);
        if !before.is_empty() {
            before.extend_from_slice(bytes);
            bytes = &before;
        }
        if self.staged {
            tail.stage(bytes);
            self.calls.store(self.calls() + 1, Ordering::Relaxed); // under the lock
        } else {
            tail.segment.write(bytes, tail.at)?;
            tail.segment.publish(end.place.offset);
        }
        if has_mark {
            tail.marked = tail.synced;
        }
        tail.reopened = false;
        (tail.at, tail.next, tail.link) = (end.place.offset, end.number, end.link);
        self.next.store(end.number, Ordering::Relaxed);
        Ok(Appended { number: first.number, place: first.place })
    }

    /// Begins a new segment, with room for so many bytes of records. The state is that behind the last
    /// record, so the caller holds the locks of both halves.
    ///
    /// # Errors
    /// `Io`: there is no file for it; `Full`: it would take more than `max_bytes`. Nothing has happened then.
    pub fn begin_segment(&self, tail: &mut Tail, takes: &Takes, room: u64, who: Who) -> BufferResult<()> {
        let snapshot = Change::Snapshot(Box::new(snapshot(&tail.puts, takes)));
        let mut first = alone(&snapshot)?;
        // For a producer twice the snapshot, so that segments are not full of it.
        let share = if who == Who::Producer { 2 } else { 1 };
        let least = HEADER as u64 + share * first.size() + room + 64;
        let usual = self.spares.next_size(tail.segment.header.size);
        let spare = self.spares.take(&*self.storage, self.bytes(), least, usual, who)?;
        let header = Header {
            salt: random(),
            first: tail.next,
            size: spare.size,
            before: End { last: tail.next - 1, link: tail.link },
            free: 0,
        };
        let (segment, end) = self.adopt(spare, header, &mut first)?;
        // From here on nothing fails.
        tail.segment.seal(tail.at);
        self.segments.lock().insert(tail.next, Arc::clone(&segment));
        (tail.at, tail.next, tail.link) = (end.place.offset, end.number, end.link);
        (tail.full, tail.late, tail.reopened) = (false, false, false);
        let filled = mem::replace(&mut tail.segment, segment);
        self.next.store(end.number, Ordering::Relaxed);
        // The queue's thread lets go of the filled one. If it came to nothing since the last time, a producer
        // does its work: how much is in memory doesn't depend on when that thread runs.
        self.let_go_before(filled.number());
        Ok(())
    }

    /// Makes a spare file the segment of this header, with its first record. It gets the segment's name last:
    /// so there is no file of such a name without them, whatever fails.
    fn adopt(&self, spare: Spare, header: Header, first: &mut Drafts) -> BufferResult<(Arc<Segment>, Cursor)> {
        let name = name_of(&header);
        let place = Place { segment: header.first, offset: HEADER as u64 };
        let mut end = Cursor { place, number: header.first, link: header.link() };
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(first.place(&mut end, header.salt));
        let made = spare
            .file
            .write_at(&bytes, 0)
            .and_then(|()| if self.staged { Ok(()) } else { spare.file.map() })
            .and_then(|()| self.storage.rename(&spare.name, &name));
        match made {
            Ok(()) => {
                let path = self.storage.path(&name);
                Ok((Arc::new(Segment::found(header, path, spare.file, end.place.offset)), end))
            }
            Err(refused) => {
                let error = BufferError::io("to prepare", self.storage.path(&spare.name), &refused);
                self.spares.put_back(spare);
                Err(error)
            }
        }
    }

    /// Lets go of the pages of all segments but the last, so that a long queue takes no more memory than a
    /// short one.
    pub fn let_go_of_sealed(&self) {
        let last = self.tail().segment.number();
        self.let_go_before(last);
    }

    fn let_go_before(&self, number: u64) {
        let kept = |segment: &&Arc<Segment>| !segment.is_let_go();
        let kept: Vec<_> =
            self.segments.lock().range(..number).rev().map(|(_, segment)| segment).take_while(kept).cloned().collect();
        kept.iter().for_each(|segment| segment.let_go());
    }

    /// Whether `max_bytes` leaves no room for a segment of the usual size.
    pub fn is_cramped(&self) -> bool {
        let size = self.tail().segment.header.size;
        self.spares.is_cramped(self.bytes(), size)
    }

    /// Prepares what the next segments need. Called from time to time, by a thread that may wait for the
    /// disk.
    pub fn prepare(&self) -> BufferResult<()> {
        let (size, is_late) = {
            let tail = self.tail();
            let size = tail.segment.header.size;
            (self.spares.next_size(size), tail.at > size / 2)
        };
        self.spares.prepare(&*self.storage, &|| self.bytes(), size, is_late)
    }

    /// Lets the log begin with this segment, on the disk too. `failed` is told if the root can't be written:
    /// then nobody knows what is on the disk.
    ///
    /// The root never goes back. Of two threads that give up files, the one that has found less to give up
    /// may come last, and the other one may have removed the segment by then.
    ///
    /// # Errors
    /// `Io`.
    pub fn begin_with(&self, number: u64, failed: &dyn Fn(BufferError)) -> BufferResult<()> {
        let mut root = self.root.lock();
        if number > *root {
            let file = root::open(&*self.storage)?;
            root::set(&*self.storage, &*file, number).inspect_err(|error| failed(error.clone()))?;
            *root = number;
        }
        Ok(())
    }

    /// Removes the segments before this one, with which the log begins. `failed` is told of a sync that
    /// failed.
    ///
    /// # Errors
    /// `Io`.
    pub fn drop_before(&self, number: u64, failed: &dyn Fn(BufferError)) -> BufferResult<()> {
        let mut again = Vec::new();
        let removed = self.remove_before(number, &mut again);
        // Before a file is used again: the old name must not come back over new content.
        let fail = |refused| BufferError::io("to sync", self.storage.path(""), &refused);
        self.storage.sync().map_err(fail).inspect_err(|error| failed(error.clone()))?;
        for (name, size) in again {
            let fail = |refused| BufferError::io("to open", self.storage.path(&name), &refused);
            let file = self.storage.open(&name).map_err(fail)?;
            self.spares.put_back(Spare { name, file, size });
        }
        removed
    }

    /// The same without a sync. `again` gets the names and sizes of files that can be used again.
    fn remove_before(&self, number: u64, again: &mut Vec<(String, u64)>) -> BufferResult<()> {
        loop {
            let oldest = {
                let mut segments = self.segments.lock();
                let Some(entry) = segments.first_entry().filter(|entry| *entry.key() < number) else { return Ok(()) };
                let oldest = entry.remove();
                self.oldest.store(segments.keys().next().copied().unwrap_or(number), Ordering::Relaxed);
                self.left_out.store(left_out(&segments), Ordering::Relaxed);
                oldest
            };
            let name = name_of(&oldest.header);
            // Somebody may still read it.
            let is_ours = Arc::strong_count(&oldest) == 1;
            let spare = if is_ours { self.spares.name_for(oldest.header.size, again.len()) } else { None };
            let removed = match &spare {
                Some(spare) => self.storage.rename(&name, spare),
                None => self.storage.remove(&name),
            };
            if let Err(refused) = removed {
                // It is still there, and is tried again.
                self.segments.lock().insert(oldest.number(), Arc::clone(&oldest));
                self.oldest.store(oldest.number(), Ordering::Relaxed);
                return Err(BufferError::io("to remove", &oldest.path, &refused));
            }
            again.extend(spare.map(|spare| (spare, oldest.header.size)));
        }
    }

    /// Everything that was appended until now. What was staged is to be written by the caller, who must be
    /// the only one to do so.
    pub fn take_staged(&self) -> Batch {
        let mut tail = self.tail();
        Batch {
            pieces: mem::take(&mut tail.staged),
            next: tail.next,
            place: tail.end().place,
            lined_up: tail.puts.lined_up,
            calls: self.calls(),
        }
    }

    /// Notes that everything in this batch is durable. Consumers may see what was staged.
    pub fn note_durable(&self, mut batch: Batch) {
        let written = batch.pieces.pop().map(|(_, _, bytes)| bytes);
        let mut tail = self.tail();
        if let Some(bytes) = written.filter(|bytes| bytes.capacity() <= KEPT) {
            tail.room = bytes;
        }
        tail.synced = tail.synced.max(batch.place);
        if self.staged {
            self.show(batch.lined_up);
        }
    }
}

impl Tail {
    fn stage(&mut self, bytes: &[u8]) {
        match self.staged.last_mut() {
            Some((last, _, piece)) if Arc::ptr_eq(last, &self.segment) => piece.extend_from_slice(bytes),
            _ => {
                let mut piece = mem::take(&mut self.room);
                piece.clear();
                piece.extend_from_slice(bytes);
                self.staged.push((Arc::clone(&self.segment), self.at, piece));
            }
        }
    }

    /// Adds a record that says how much is durable, if it fits beside so many bytes. Returns whether it does.
    #[cold]
    fn mark(&self, bytes: &mut Vec<u8>, end: &mut Cursor, others: u64) -> bool {
        let Ok(mut mark) = alone(&Change::Synced { place: self.synced, salt: self.salt() }) else { return false };
        let fits = self.has_room(mark.size() + others);
        if fits {
            bytes.extend_from_slice(mark.place(end, self.salt()));
        }
        fits
    }

    /// Where the next record goes.
    pub fn end(&self) -> Cursor {
        let place = Place { segment: self.segment.number(), offset: self.at };
        Cursor { place, number: self.next, link: self.link }
    }

    /// Whether records of so many bytes fit into the segment, and one more that says what was popped.
    pub fn has_room(&self, bytes: u64) -> bool {
        const POPPED: u64 = 64;
        self.has_last_room(bytes + POPPED)
    }

    /// The same without the other one. It lets files go, so on a full disk there must be room for it.
    pub fn has_last_room(&self, bytes: u64) -> bool {
        const OPENED: u64 = 40; // the record in front of the first one
        let more = if self.reopened { OPENED } else { 0 };
        !self.full && self.at + more + bytes <= self.segment.header.size
    }

    pub fn segment(&self) -> Arc<Segment> {
        Arc::clone(&self.segment)
    }

    /// How many records there are in the segment.
    pub fn records(&self) -> u64 {
        self.next - self.segment.number()
    }

    /// Whether there is more in the segment than the state with which it begins.
    pub fn is_used(&self) -> bool {
        self.records() > 1
    }

    pub fn salt(&self) -> u64 {
        self.segment.header.salt
    }

    /// Whether it is time to prepare the next segment. Says so once for each segment.
    pub fn is_late(&mut self) -> bool {
        let is_late = !self.late && self.at > self.segment.header.size / 2;
        self.late |= is_late;
        is_late
    }

    pub const fn synced(&self) -> Place {
        self.synced
    }
}

/// How many numbers have no record, from the first segment to the last.
fn left_out(segments: &BTreeMap<u64, Arc<Segment>>) -> u64 {
    let gaps = segments.values().skip(1).map(|segment| segment.header);
    gaps.map(|Header { first, before, .. }| first.saturating_sub(before.last.saturating_add(1))).sum()
}

/// The record of a change that belongs to no other.
pub fn alone(change: &Change) -> BufferResult<Drafts> {
    let mut drafts = Drafts::default();
    drafts.change(change).ok_or_else(too_long)?;
    Ok(drafts)
}

/// A number that nothing else has.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub fn too_long() -> BufferError {
    BufferError::InvalidOperation("the record is longer than 4 GiB".into())
}
