//! The root: a small file that says with which segment the log begins. Older ones, if they are there still,
//! mean nothing: they go when the root is on the disk, in any order, and whether they ever were on the disk
//! or not.
//!
//! ```text
//! root    number of the segment 8 | checksum 4 | zeroes
//! ```
//!
//! It is written in place, in one sector. So after a power cut it is the old one or the new one. Before the
//! first segment goes it says nothing, and the log begins with the oldest one.
//!
//! Invariant: the segment that it names, and all that follows it, was on the disk when the root was written.
//! So the segment never goes before the root names another one.

use super::files::{File, Storage, crc32c};
use super::format::{u32_at, u64_at};
use crate::error::{BufferError, BufferResult};

/// The name of the file.
pub const ROOT: &str = "root";

/// How many bytes mean something, and how many there are: a block, so that there is room for it on a full
/// disk.
const SIZE: usize = 16;
const BLOCK: u64 = 4096;

fn encode(number: u64) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let crc = crc32c(&bytes[..8]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SIZE]) -> Option<u64> {
    let number = u64_at(bytes, 0);
    (number > 0 && crc32c(&bytes[..8]) == u32_at(bytes, 8)).then_some(number)
}

/// The number that the root has. `names` are those of all files.
///
/// # Errors
/// `Io`.
pub fn read(storage: &dyn Storage, names: &[String]) -> BufferResult<Option<u64>> {
    if !names.iter().any(|name| name == ROOT) {
        return Ok(None);
    }
    let mut bytes = [0; SIZE];
    let found = storage.open(ROOT).and_then(|file| {
        if file.size()? < SIZE as u64 {
            return Ok(()); // the power was cut when it was made
        }
        file.read_at(&mut bytes, 0)
    });
    found.map_err(|refused| BufferError::io("to read", storage.path(ROOT), &refused))?;
    Ok(decode(&bytes))
}

/// Makes the file for a root that says nothing, if it is not there whole. `names` are those of all files. The
/// next sync of the directory makes its name durable.
///
/// # Errors
/// `Io`.
pub fn make(storage: &dyn Storage, names: &[String]) -> BufferResult<()> {
    let is_there = names.iter().any(|name| name == ROOT);
    let found = if is_there { storage.open(ROOT) } else { storage.create(ROOT) };
    let made = found.and_then(|file| {
        file.reserve(BLOCK)?;
        file.sync()
    });
    made.map_err(|refused| BufferError::io("to make", storage.path(ROOT), &refused))
}

/// Opens the file. If that fails, nothing has happened.
///
/// # Errors
/// `Io`.
pub fn open(storage: &dyn Storage) -> BufferResult<Box<dyn File>> {
    storage.open(ROOT).map_err(|refused| BufferError::io("to open", storage.path(ROOT), &refused))
}

/// Lets the log begin with the segment of this number, on the disk too.
///
/// # Errors
/// `Io`.
pub fn set(storage: &dyn Storage, file: &dyn File, number: u64) -> BufferResult<()> {
    let set = file.write_at(&encode(number), 0).and_then(|()| file.sync());
    set.map_err(|refused| BufferError::io("to write", storage.path(ROOT), &refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_read_as_it_was_written_and_a_flipped_bit_says_nothing() {
        for number in [1, 77, u64::MAX / 2] {
            let bytes = encode(number);
            assert_eq!(decode(&bytes), Some(number));
            for bit in 0..12 * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&flipped), None);
            }
        }
        assert_eq!(decode(&[0; SIZE]), None);
    }
}
