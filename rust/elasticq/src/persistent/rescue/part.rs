//! One file of a survey: opening it, whatever is in it, and what was found there.

use super::super::cell;
use super::super::files::{File, Storage};
use super::super::format::{CELL, End, HEADER, Header, NoHeader, u32_at, u64_at};
use super::super::records::Cursor;
use super::super::recover;
use super::super::segment::{Next, Reader, Segment, name_of};
use crate::error::{BufferError, BufferResult};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// A file that has the name of a segment.
#[derive(Debug)]
pub struct Part {
    pub name: String,
    pub number: u64,
    /// The length of the file.
    pub bytes: u64,
    /// `None`: the file can't be opened.
    pub segment: Option<Arc<Segment>>,
    /// What is wrong with the file as a whole.
    pub fault: Option<String>,
    /// The end of the segment before, if the header is right.
    pub before: Option<End>,
    /// The word in the header's cell, as it was before the records were read.
    pub cell: u64,
    /// One of these is the header's own link.
    pub links: [u32; 2],
    pub records: u64,
    pub items: u64,
    pub runs: Vec<Run>,
    /// Where the records end, those that are lost included.
    pub end: Cursor,
    /// The gaps behind, between and before the runs.
    pub gaps: Vec<Gap>,
    /// Whether the last record belongs to a batch that goes on.
    pub is_open: bool,
    unreadable: Unreadable,
}

/// The sectors that the disk could not read.
type Unreadable = Arc<Mutex<BTreeSet<u64>>>;

/// Records that follow each other without a gap.
#[derive(Clone, Debug)]
pub struct Run {
    pub segment: Arc<Segment>,
    pub from: Cursor,
    /// Behind the last of them.
    pub end: Cursor,
}

/// A place where records are lost.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Where it begins: behind the last record that could be read.
    pub at: Cursor,
    /// Where the file goes on.
    pub next: Option<Cursor>,
    /// The number of the first record behind it; `None` if there is none.
    pub until: Option<u64>,
    pub bytes: u64,
    pub why: String,
    /// Whether what is there is whole, and this version does not understand it.
    pub is_foreign: bool,
}

impl Gap {
    /// A gap of one record, whose head is right.
    pub const fn one(at: Cursor, next: Cursor, why: String, is_foreign: bool) -> Self {
        let bytes = next.place.offset - at.place.offset;
        Self { at, next: Some(next), until: Some(next.number), bytes, why, is_foreign }
    }

    /// Everything from here on is lost.
    pub const fn to_the_end(at: Cursor, why: String) -> Self {
        Self { at, next: None, until: None, bytes: 0, why, is_foreign: false }
    }

    /// Lets it begin here, which is before.
    pub const fn begin(&mut self, at: Cursor) {
        self.bytes += self.at.place.offset - at.place.offset;
        self.at = at;
    }

    /// Lets it end here, which is behind the record that follows.
    pub const fn end(&mut self, next: Cursor) {
        if let Some(before) = self.next {
            self.bytes += next.place.offset - before.place.offset;
        }
        (self.next, self.until) = (Some(next), Some(next.number));
    }

    /// How many records are lost in it, if that is known.
    pub fn records(&self) -> Option<u64> {
        self.until.map(|until| until.saturating_sub(self.at.number))
    }
}

impl Part {
    /// Opens a file. `None`: it is gone. Another version's is an error.
    pub fn open(storage: &dyn Storage, name: String, number: u64, salt: u64) -> BufferResult<Option<Self>> {
        let path = storage.path(&name);
        let unreadable = Unreadable::default();
        let mut part = Self {
            name,
            number,
            bytes: 0,
            segment: None,
            fault: None,
            before: None,
            cell: 0,
            links: [0; 2],
            records: 0,
            items: 0,
            runs: Vec::new(),
            end: Cursor::default(),
            gaps: Vec::new(),
            is_open: false,
            unreadable: Arc::clone(&unreadable),
        };
        let opened = storage.open(&part.name).and_then(|file| Ok((file.size()?, file)));
        let (size, inner) = match opened {
            Ok(opened) => opened,
            // Whoever uses the queue has given it up meanwhile.
            Err(refused) if refused.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Not what a broken disk says.
            Err(refused) if refused.kind() == io::ErrorKind::PermissionDenied => {
                return Err(BufferError::io("to open", path, &refused));
            }
            Err(refused) => {
                part.fault = Some(format!("the file can't be opened: {refused}"));
                return Ok(Some(part));
            }
        };
        part.bytes = size;
        let file = Patient { inner, unreadable };
        let mut bytes = vec![0; HEADER.min(usize::try_from(size).unwrap_or(HEADER))];
        file.read_at(&mut bytes, 0).map_err(|refused| BufferError::io("to read", &path, &refused))?;
        let decoded = Header::decode(&bytes);
        bytes.resize(HEADER, 0);
        part.cell = u64_at(&bytes, CELL);
        // Without a header, the name tells what matters.
        let guessed = Header { salt, first: number, size: size / 8 * 8, before: End::default(), free: 0 };
        let header = match decoded {
            Ok(header) if header.first == number && name_of(&header) == part.name => {
                part.before = Some(header.before);
                part.links = [header.link(); 2];
                header
            }
            Ok(header) => {
                part.fault = Some(NoHeader::Other(header.first).to_string());
                guessed
            }
            Err(NoHeader::Newer(version)) => return Err(recover::newer(&path, version)),
            Err(why) => {
                let computed = bytes.first_chunk().map_or(0, Header::checksum);
                part.links = [u32_at(&bytes, 12), computed];
                part.fault = Some(why.to_string());
                guessed
            }
        };
        if size < header.size {
            part.fault.get_or_insert(format!("the file has {size} bytes instead of {}", header.size));
        }
        let end = header.size.min(size).max(HEADER as u64);
        if size >= HEADER as u64 {
            part.segment = Some(Arc::new(Segment::found(header, path, Box::new(file), end)));
        }
        Ok(Some(part))
    }

    /// Whether there is nothing behind the state with which it begins. Its cell says nothing either: pops are
    /// noted there only where each record is written by the call that makes it, so all that this state knows
    /// of was written. (A word of the file's earlier life does not count.)
    ///
    /// # Errors
    /// `Io`.
    pub fn has_only_begun(&self) -> BufferResult<bool> {
        let Some(segment) = self.segment.as_ref().filter(|_| self.before.is_some()) else { return Ok(false) };
        let mut reader = Reader::new(Arc::clone(segment), segment.start());
        let has_state = matches!(reader.step()?, Next::Record { .. });
        let counts = self.cell == cell::word(segment.header.salt, reader.cursor.link, self.cell);
        Ok(has_state && !counts && !matches!(reader.step()?, Next::Record { .. }))
    }

    /// How many bytes the disk could not read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.lock().len() as u64 * SECTORS as u64
    }
}

/// A file on a disk that can't read some of its sectors: there are zeroes then. It is not written to.
#[derive(Debug)]
struct Patient {
    inner: Box<dyn File>,
    unreadable: Unreadable,
}

/// What is read at once where the disk fails.
const SECTORS: usize = 4096;

impl File for Patient {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        match self.inner.read_at(bytes, at) {
            Err(refused) if refused.kind() != io::ErrorKind::UnexpectedEof => {}
            read => return read,
        }
        let mut done = 0;
        while done < bytes.len() {
            let from = at + done as u64;
            let count = (SECTORS - (from % SECTORS as u64) as usize).min(bytes.len() - done);
            let piece = &mut bytes[done..done + count];
            if self.inner.read_at(piece, from).is_err() {
                piece.fill(0);
                self.unreadable.lock().insert(from / SECTORS as u64);
            }
            done += count;
        }
        Ok(())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of sevens of which one sector is gone.
    #[derive(Debug)]
    struct Dying;

    impl File for Dying {
        fn size(&self) -> io::Result<u64> {
            Ok(5 * SECTORS as u64)
        }

        fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
            let lost = 2 * SECTORS as u64;
            if at < lost + SECTORS as u64 && at + bytes.len() as u64 > lost {
                return Err(io::Error::other("the disk does not answer"));
            }
            bytes.fill(7);
            Ok(())
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn where_the_disk_fails_there_are_zeroes_and_the_rest_is_read() {
        let unreadable = Unreadable::default();
        let file = Patient { inner: Box::new(Dying), unreadable: Arc::clone(&unreadable) };
        let mut bytes = vec![1; 4 * SECTORS];
        for _ in 0..2 {
            file.read_at(&mut bytes, 100).unwrap();
        }
        let lost = 2 * SECTORS - 100..3 * SECTORS - 100;
        assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == if lost.contains(&at) { 0 } else { 7 }));
        assert_eq!(*unreadable.lock(), [2].into());
    }
}
