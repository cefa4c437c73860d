//! One file of the log: [`Segment`], and [`Reader`], which goes through segments record by record.
//!
//! Invariant: everything before `end` was written and is not changed any more; the bytes are published by the
//! release store of `end` and its acquire load. A reader never looks beyond `end`.

use super::files::{File, Storage, crc32c};
use super::format::{self, CELL, Found, HEAD, HEADER, Head, Header, Why};
use super::records::{Cursor, Place};
use crate::error::{BufferError, BufferResult};
use crate::sync::raise::Raise;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug)]
pub struct Segment {
    pub header: Header,
    pub path: PathBuf,
    pub file: Box<dyn File>,
    /// Where the records that may be read end.
    end: AtomicU64,
    /// Where its last record ends, once it is known that the next one stands in another segment.
    sealed: AtomicU64,
    /// Up to where the content is known to have reached the disk.
    synced: AtomicU64,
    /// Whether its name has, too.
    named: AtomicBool,
    /// Whether its pages were let go since it was sealed.
    let_go: AtomicBool,
}

/// The name of the file of a segment. The salt is in it: so an old header, in a file whose new header never
/// reached the disk, fits no name.
pub fn name_of(header: &Header) -> String {
    format!("{}-{:016x}.log", digits(header.first), header.salt)
}

/// How the names of a segment's files begin.
pub fn digits(number: u64) -> String {
    format!("{number:020}")
}

/// The number and the salt of the segment in the file of this name; `None` if no segment has this name.
pub fn named(name: &str) -> Option<(u64, u64)> {
    let (digits, salt) = name.strip_suffix(".log")?.split_once('-')?;
    let is_name = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) && salt.len() == 16;
    Some((digits.parse().ok().filter(|_| is_name)?, u64::from_str_radix(salt, 16).ok()?))
}

impl Segment {
    /// A segment that was found, with all that may be read of it.
    pub fn found(header: Header, path: PathBuf, file: Box<dyn File>, end: u64) -> Self {
        Self {
            header,
            path,
            file,
            end: AtomicU64::new(end),
            sealed: AtomicU64::new(u64::MAX),
            synced: AtomicU64::new(0),
            named: AtomicBool::new(false),
            let_go: AtomicBool::new(false),
        }
    }

    pub const fn number(&self) -> u64 {
        self.header.first
    }

    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Lets readers come this far.
    pub fn publish(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Whether a reader that has come this far finds the next record in another segment.
    pub fn ends_at(&self, offset: u64) -> bool {
        self.sealed.load(Ordering::Acquire) == offset
    }

    /// Says that the last record ends here.
    pub fn seal(&self, end: u64) {
        self.sealed.store(end, Ordering::Release);
    }

    /// Where the last record ends; `None` if more may follow.
    pub fn sealed(&self) -> Option<u64> {
        Some(self.sealed.load(Ordering::Acquire)).filter(|&end| end < u64::MAX)
    }

    /// Lets reads and writes go through memory.
    pub fn map(&self) -> BufferResult<()> {
        self.file.map().map_err(|refused| BufferError::io("to map", &self.path, &refused))
    }

    pub fn write(&self, bytes: &[u8], at: u64) -> BufferResult<()> {
        self.file.write_at(bytes, at).map_err(|refused| BufferError::io("to write", &self.path, &refused))
    }

    /// Puts a word into the cell.
    #[inline(always)]
    pub fn note(&self, word: u64) -> BufferResult<()> {
        let noted = self.file.store(word, CELL as u64);
        noted.map_err(|refused| BufferError::io("to write", &self.path, &refused))
    }

    /// The word in the cell.
    pub fn noted(&self) -> BufferResult<u64> {
        let mut word = [0; 8];
        self.read(&mut word, CELL as u64)?;
        Ok(u64::from_le_bytes(word))
    }

    /// Keeps none of its pages in memory: nobody writes to it any more.
    pub fn let_go(&self) {
        if !self.let_go.swap(true, Ordering::Relaxed) {
            self.file.let_go();
        }
    }

    pub fn is_let_go(&self) -> bool {
        self.let_go.load(Ordering::Relaxed)
    }

    /// Makes everything before `end` durable, and the name.
    pub fn sync(&self, storage: &dyn Storage, end: u64) -> BufferResult<()> {
        if self.synced.load(Ordering::Acquire) < end {
            self.file.sync().map_err(|refused| BufferError::io("to sync", &self.path, &refused))?;
            self.synced.raise(end, Ordering::AcqRel);
        }
        if !self.named.load(Ordering::Acquire) {
            storage.sync().map_err(|refused| BufferError::io("to sync", storage.path(""), &refused))?;
            self.named.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether everything before `end` is durable.
    pub fn is_synced(&self, end: u64) -> bool {
        self.named.load(Ordering::Acquire) && self.synced.load(Ordering::Acquire) >= end
    }

    /// Where its first record begins.
    pub fn start(&self) -> Cursor {
        let place = Place { segment: self.number(), offset: HEADER as u64 };
        Cursor { place, number: self.number(), link: self.header.link() }
    }

    pub fn corrupted(&self, offset: u64, what: &dyn std::fmt::Display) -> BufferError {
        BufferError::Corrupted(format!("{}, offset {offset}: {what}", self.path.display()))
    }

    /// Reads, and says what is wrong with the file if it can't be read. A look at the items may go on for
    /// longer than the queue does; then it is told that the queue was closed.
    fn read(&self, bytes: &mut [u8], at: u64) -> BufferResult<()> {
        self.file.read_at(bytes, at).map_err(|refused| match refused.kind() {
            io::ErrorKind::UnexpectedEof => self.corrupted(at, &"the file ends here, before its last record"),
            _ => BufferError::io("to read", &self.path, &refused),
        })
    }

    /// The record of an item at a place that is known: its payload.
    pub fn record_at(&self, offset: u64) -> BufferResult<(Head, Vec<u8>)> {
        let mut head = [0; HEAD];
        let left = self.end().saturating_sub(offset);
        if left < HEAD as u64 {
            return Err(self.corrupted(offset, &"there is no record where one should be"));
        }
        self.read(&mut head, offset)?;
        let head = Head::decode(&head).ok_or_else(|| self.corrupted(offset, &"a record of an unknown kind"))?;
        if u64::from(head.length) > left - HEAD as u64 {
            return Err(self.corrupted(offset, &Why::Length(head.length)));
        }
        let mut payload = vec![0; head.length as usize];
        self.read(&mut payload, offset + HEAD as u64)?;
        if crc32c(&payload) != head.payload_crc {
            return Err(self.corrupted(offset, &Why::Payload));
        }
        Ok((head, payload))
    }
}

/// How much is read at once.
const WINDOW: u64 = 64 << 10;

/// Goes through the records of segments in order.
#[derive(Debug)]
pub struct Reader {
    pub segment: Arc<Segment>,
    /// The next record.
    pub cursor: Cursor,
    /// So many bytes in here are those of the segment from `from` on.
    window: Vec<u8>,
    filled: usize,
    from: u64,
}

/// What a reader comes upon.
#[derive(Debug)]
pub enum Next {
    /// A record, which the reader has passed. Its payload is in the reader's window.
    Record { head: Head, place: Place },
    /// The records in this segment end here, for now or for good.
    End,
    /// There are only zeroes.
    Nothing,
    /// There is something that is no record in this chain.
    Broken(Why),
}

impl Reader {
    pub fn new(segment: Arc<Segment>, cursor: Cursor) -> Self {
        Self { segment, cursor, window: Vec::new(), filled: 0, from: 0 }
    }

    /// Goes on at the beginning of the next segment.
    pub fn enter(&mut self, segment: Arc<Segment>) {
        self.cursor = segment.start();
        self.segment = segment;
        self.filled = 0;
    }

    /// Whether the next record is in the window, so that no file is read for it.
    #[inline]
    pub fn has_next(&self) -> bool {
        let seen = self.seen(self.cursor.place.offset);
        seen.len() >= HEAD && seen.len() as u64 >= format::claimed_size(seen)
    }

    /// The next record, of those that are known to be there.
    #[inline(always)]
    pub fn next(&mut self) -> BufferResult<Option<(Head, Place)>> {
        let offset = self.cursor.place.offset;
        match self.step()? {
            Next::Record { head, place } => Ok(Some((head, place))),
            Next::End => Ok(None),
            Next::Nothing => Err(self.segment.corrupted(offset, &"there is no record where one should be")),
            Next::Broken(why) => Err(self.segment.corrupted(offset, &why)),
        }
    }

    /// What stands here; passes it if it is a record.
    #[inline(always)]
    pub fn step(&mut self) -> BufferResult<Next> {
        let offset = self.cursor.place.offset;
        let left = self.segment.end().saturating_sub(offset);
        if left == 0 {
            return Ok(Next::End);
        }
        let (salt, link, number) = (self.segment.header.salt, self.cursor.link, self.cursor.number);
        let bytes = loop {
            let seen = self.seen(offset);
            let size = format::claimed_size(seen);
            // What goes beyond the end is no record, and its head shows that.
            let needed = if size <= left { size } else { left.min(HEAD as u64) };
            if seen.len() as u64 >= needed {
                break seen;
            }
            self.fill(offset, left.min(needed.max(WINDOW)))?;
        };
        match format::decode(bytes, salt, link) {
            Found::Record { head, link, size, .. } if head.number == number => {
                let place = self.cursor.place;
                self.cursor.place.offset += size as u64;
                self.cursor.number = self.cursor.number.wrapping_add(1);
                self.cursor.link = link;
                Ok(Next::Record { head, place })
            }
            Found::Record { head, .. } => Ok(Next::Broken(Why::Number(head.number))),
            Found::Nothing => Ok(Next::Nothing),
            Found::Broken(why) => Ok(Next::Broken(why)),
        }
    }

    /// The payload of the record at this place, which the reader has just passed.
    pub fn payload(&self, head: &Head, place: Place) -> &[u8] {
        let begin = (place.offset - self.from) as usize + HEAD;
        &self.window[begin..begin + head.length as usize]
    }

    /// Goes on at another place of this segment.
    pub fn go_to(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.filled = 0;
    }

    /// `size` bytes from here on, wherever that is. They must all be before the end.
    pub fn look(&mut self, offset: u64, size: usize) -> BufferResult<&[u8]> {
        let left = self.segment.end().saturating_sub(offset);
        if size as u64 > left {
            return Err(self.segment.corrupted(offset, &"a record that goes beyond the last one"));
        }
        if offset < self.from || self.seen(offset).len() < size {
            self.fill(offset, left.min(WINDOW.max(size as u64)))?;
        }
        Ok(&self.seen(offset)[..size])
    }

    /// What the window has of the segment from here on. The reader never goes back, so the window begins
    /// before.
    #[inline]
    fn seen(&self, offset: u64) -> &[u8] {
        let at = offset.saturating_sub(self.from) as usize;
        self.window[..self.filled].get(at..).unwrap_or_default()
    }

    /// Lets the window begin here, with so many bytes.
    fn fill(&mut self, offset: u64, count: u64) -> BufferResult<()> {
        let count = count as usize;
        if self.window.len() < count {
            self.window.resize(count, 0);
        }
        self.filled = 0;
        self.segment.read(&mut self.window[..count], offset)?;
        (self.filled, self.from) = (count, offset);
        Ok(())
    }
}
