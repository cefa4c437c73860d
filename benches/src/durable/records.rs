//! The least that opening a queue has to do: to read its files and to compute the checksums that its records
//! have. The format is the one that `docs/guarantees.md` describes. This knows only as much of it as that
//! takes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The bytes before the first record of a file.
const HEADER: usize = 4_096;
/// The bytes of a record before its payload.
const HEAD: usize = 24;

/// The files of a queue that have records, the oldest first.
///
/// # Errors
/// When the folder can't be read.
pub fn segments(queue: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(queue)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // A number and a salt; others that end like this, spare files, have no records.
        if name.starts_with(|letter: char| letter.is_ascii_digit()) && name.ends_with(".log") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads the files and computes both checksums of each record, the payload's and the link. Returns how many
/// records there are whose checksums are right. `room` is where the files are read to.
///
/// # Errors
/// When a file can't be read.
pub fn checksums(segments: &[PathBuf], room: &mut Vec<u8>) -> io::Result<u64> {
    let mut right = 0;
    for path in segments {
        room.clear();
        File::open(path)?.read_to_end(room)?;
        right += checksums_of(room);
    }
    Ok(right)
}

fn checksums_of(file: &[u8]) -> u64 {
    let Some((header, mut rest)) = file.split_at_checked(HEADER) else { return 0 };
    let number = |bytes: &[u8], at: usize| bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
    let salt = &header[16..24];
    let mut link = number(header, 12);
    let mut right = 0;
    while rest.len() >= HEAD {
        let length = number(rest, 0) as usize;
        let Some(payload) = rest.get(HEAD..HEAD + length) else { break };
        let payload_is_right = crc32c::crc32c(payload) == number(rest, 16);
        let mut linked = [0; 32];
        linked[..8].copy_from_slice(salt);
        linked[8..28].copy_from_slice(&rest[..20]);
        linked[28..].copy_from_slice(&link.to_le_bytes());
        link = crc32c::crc32c(&linked);
        if !payload_is_right || link != number(rest, 20) {
            break; // behind the last record is nothing, or what is left of an older life of the file
        }
        right += 1;
        rest = rest.get((HEAD + length).next_multiple_of(8)..).unwrap_or_default();
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::payload;
    use crate::subjects::durable::{Durable, Mode, Ours};

    #[test]
    fn every_record_of_a_queue_is_found_and_none_behind_a_flipped_bit() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Ours::open(folder.path(), Mode::NoSync);
        assert!((0..1_000).all(|number| queue.put(&payload(number))));
        let files = segments(&Ours::files(folder.path())).unwrap();
        let mut room = Vec::new();
        let right = checksums(&files, &mut room).unwrap();
        assert!(right > 1_000, "{right}"); // and those that are not items
        let mut file = fs::read(&files[0]).unwrap();
        let all = checksums_of(&file);
        file[HEADER + 10 * HEAD + 700] ^= 1;
        assert!(checksums_of(&file) < all.min(20));
    }
}
