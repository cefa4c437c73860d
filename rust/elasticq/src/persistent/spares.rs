//! Files that are ready to become segments. To make one takes long, so the queue's thread does it ahead of
//! time.
//!
//! The reserve is for consumers alone: with it they go on when the disk is full, and what they write makes
//! room. So **a producer gets a file only while there is a reserve**; if there is none, it makes one first,
//! or gives up a spare file for it. The queue's thread, which mostly does that, may be late.

use super::config::SMALLEST_SEGMENT;
use super::files::{File, Storage};
use crate::error::{BufferError, BufferResult};
use parking_lot::Mutex;

#[derive(Debug)]
pub struct Spares {
    kept: Mutex<Kept>,
    /// Held by who makes the reserve, which has only one name. Locked before `kept`.
    making_reserve: Mutex<()>,
    /// How large a segment may be, and all files together; 0: without a limit.
    largest: u64,
    max_bytes: u64,
    /// Whether calls don't wait for syncs.
    unsynced: bool,
}

/// The files.
#[derive(Debug, Default)]
pub struct Kept {
    pub ready: Vec<Spare>,
    pub reserve: Option<Spare>,
    /// How many producers need ready: one when they have begun a segment, two when one has had to make a file
    /// itself.
    pub wanted: usize,
    /// The number in the latest name.
    pub number: u64,
}

#[derive(Debug)]
pub struct Spare {
    pub name: String,
    pub file: Box<dyn File>,
    pub size: u64,
}

/// Who needs a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Producer,
    Consumer,
}

/// How many files are kept at most, and the name of the reserve.
const MOST: usize = 2;
pub const RESERVE: &str = "reserve.log";

/// The size of the first segment. Each is so many times as large as the one before, up to the setting.
const FIRST_SIZE: u64 = 1 << 20;
const GROWTH: u64 = 4;

impl Kept {
    /// Those of a queue that was closed, or whose process was killed.
    pub fn found(storage: &dyn Storage, names: &[String]) -> Self {
        let mut kept = Self::default();
        for name in names {
            let number = name.strip_prefix("spare-").and_then(|rest| rest.strip_suffix(".log")?.parse::<u64>().ok());
            if number.is_none() && name != RESERVE {
                continue;
            }
            kept.number = kept.number.max(number.unwrap_or(0));
            // One that can't be opened is left where it is.
            let Ok(file) = storage.open(name) else { continue };
            let Ok(size) = file.size() else { continue };
            if size < SMALLEST_SEGMENT || size % 8 != 0 {
                // Whoever made it has not come to its end. (One that is smaller than others is of use.)
                drop(file);
                let _ = storage.remove(name);
                continue;
            }
            let spare = Spare { name: name.clone(), file, size };
            match number {
                Some(_) => kept.ready.push(spare),
                None => kept.reserve = Some(spare),
            }
        }
        kept
    }

    /// A name that no file has.
    pub fn name(&mut self) -> String {
        self.number += 1;
        format!("spare-{}.log", self.number)
    }
}

impl Spares {
    pub fn new(kept: Kept, largest: u64, max_bytes: u64, unsynced: bool) -> Self {
        Self { kept: Mutex::new(kept), making_reserve: Mutex::default(), largest, max_bytes, unsynced }
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> u64 {
        let kept = self.kept.lock();
        kept.ready.iter().chain(&kept.reserve).map(|spare| spare.size).sum()
    }

    /// The usual size of the segment behind one of this size.
    pub fn next_size(&self, size: u64) -> u64 {
        size.saturating_mul(GROWTH).clamp(first_size(self.largest), self.largest)
    }

    /// Whether the limit leaves no room for a segment of this size, and the next one. `used`: bytes of all
    /// files.
    pub fn is_cramped(&self, used: u64, size: u64) -> bool {
        self.max_bytes > 0 && used.saturating_add(2 * size) > self.max_bytes
    }

    /// A file of at least this size; the usual size if it has to be made. `used`: bytes of all files.
    ///
    /// # Errors
    /// `Io`; `Full`: it would take more than the limit.
    pub fn take(&self, storage: &dyn Storage, used: u64, least: u64, usual: u64, who: Who) -> BufferResult<Spare> {
        if who == Who::Producer {
            self.make_sure_of_the_reserve(storage)?;
        }
        {
            let mut kept = self.kept.lock();
            let found = kept.ready.iter().position(|spare| spare.size >= least);
            if who == Who::Producer {
                kept.wanted = if found.is_none() { MOST } else { kept.wanted.max(1) };
            }
            if let Some(index) = found {
                return Ok(kept.ready.swap_remove(index));
            }
        }
        let least_pages = least.next_multiple_of(4096);
        let left = match self.max_bytes {
            0 => u64::MAX,
            max => max.saturating_sub(used) / 4096 * 4096,
        };
        let made = match who {
            Who::Producer if left < least => Err(BufferError::Full),
            // Consumers may take a little more, since what they write makes room.
            _ => self.make(storage, usual.max(least_pages).min(left.max(least_pages)), self.unsynced),
        };
        match (made, who) {
            (Err(error), Who::Consumer) => {
                self.kept.lock().reserve.take_if(|reserve| reserve.size >= least).ok_or(error)
            }
            (made, _) => made,
        }
    }

    /// Takes a file back that was not used.
    pub fn put_back(&self, spare: Spare) {
        let mut kept = self.kept.lock();
        if spare.name == RESERVE {
            kept.reserve = Some(spare);
        } else {
            kept.ready.push(spare);
        }
    }

    /// A name for a file of this size that is not needed any more, if it is of use here, beside so many
    /// others.
    pub fn name_for(&self, size: u64, others: usize) -> Option<String> {
        let mut kept = self.kept.lock();
        let is_wanted = kept.ready.len() + others < MOST && size == self.largest;
        is_wanted.then(|| kept.name())
    }

    /// Makes what is lacking, files of this size. `is_late`: a segment will be needed soon. `used` tells the
    /// bytes of all files. For a thread that may wait for the disk.
    ///
    /// # Errors
    /// `Io`.
    pub fn prepare(&self, storage: &dyn Storage, used: &dyn Fn() -> u64, size: u64, is_late: bool) -> BufferResult<()> {
        self.make_sure_of_the_reserve(storage)?;
        loop {
            let is_lacking = {
                let kept = self.kept.lock();
                kept.ready.len() < kept.wanted.max(usize::from(is_late))
            };
            if !is_lacking || self.max_bytes > 0 && used() + size > self.max_bytes {
                return Ok(());
            }
            let spare = self.make(storage, size, false)?;
            self.put_back(spare);
        }
    }

    fn make_sure_of_the_reserve(&self, storage: &dyn Storage) -> BufferResult<()> {
        if self.kept.lock().reserve.is_some() {
            return Ok(());
        }
        let _turn = self.making_reserve.lock();
        if self.kept.lock().reserve.is_some() {
            return Ok(());
        }
        let made = make_file(storage, RESERVE.into(), first_size(self.largest), false);
        let mut kept = self.kept.lock();
        // If the disk is full, what is ready for producers is the room that there is.
        kept.reserve = Some(made.or_else(|error| kept.ready.pop().ok_or(error))?);
        Ok(())
    }

    fn make(&self, storage: &dyn Storage, size: u64, in_haste: bool) -> BufferResult<Spare> {
        let name = self.kept.lock().name();
        make_file(storage, name, size, in_haste)
    }
}

/// Makes a file with room for a segment; `in_haste`: in a way that takes less time now, and more when it is
/// used.
pub fn make_file(storage: &dyn Storage, name: String, size: u64, in_haste: bool) -> BufferResult<Spare> {
    let path = storage.path(&name);
    let made = storage.create(&name).and_then(|file| {
        let filled = if in_haste { file.allot(size) } else { file.reserve(size) }.and_then(|()| file.sync());
        if filled.is_err() {
            let _ = storage.remove(&name); // it would keep room that the disk does not have
        }
        filled.map(|()| file)
    });
    match made {
        Ok(file) => Ok(Spare { name, file, size }),
        Err(refused) => Err(BufferError::io("to make", path, &refused)),
    }
}

/// The size of the first segment of a new queue, and of the reserve.
pub const fn first_size(largest: u64) -> u64 {
    if largest < FIRST_SIZE { largest } else { FIRST_SIZE }
}
