//! Who has a queue open, found out without a touch of its lock: even a lock that is shared for a moment would
//! refuse somebody who opens the queue in that moment.
//!
//! Linux lists all locks. Elsewhere, and in a container that hides them, there is only the number in the
//! file. It stays there if its process was killed.

use super::disk::{LOCK, lives, look_at};
use std::fs;
use std::io::Read;
use std::path::Path;

/// Who has a queue open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody.
    Nobody,
    /// This process has.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux lists its locks"))]
    Process(u32),
    /// This process had it open last, and lives. Whether it still has it open, the system does not say.
    Perhaps(u32),
}

/// Who has the queue in this directory open.
pub fn owner(path: &Path) -> Owner {
    let Ok(mut file) = look_at(&path.join(LOCK)) else { return Owner::Nobody };
    let mut text = String::new();
    let _ = file.by_ref().take(32).read_to_string(&mut text);
    let last = text.trim().parse::<u32>().ok();
    listed(&file, last).unwrap_or_else(|| match last.filter(|&process| lives(process)) {
        Some(process) => Owner::Perhaps(process),
        None => Owner::Nobody,
    })
}

/// Who has it open by the list of all locks, if there is one. `last` is whom the file names.
#[cfg(target_os = "linux")]
fn listed(file: &fs::File, last: Option<u32>) -> Option<Owner> {
    use std::os::unix::fs::MetadataExt;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let Ok(metadata) = file.metadata() else { return Some(Owner::Nobody) };
    Some(holder(&locks, metadata.ino(), last).map_or(Owner::Nobody, Owner::Process))
}

#[cfg(not(target_os = "linux"))]
const fn listed(_: &fs::File, _: Option<u32>) -> Option<Owner> {
    None
}

/// The process that holds a lock of `flock`'s on the file with this inode. Inodes of several file systems may
/// have one number, so a lock of the process that the file names goes first.
#[cfg(target_os = "linux")]
fn holder(locks: &str, inode: u64, last: Option<u32>) -> Option<u32> {
    // 1: FLOCK  ADVISORY  WRITE 4242 08:02:131090 0 EOF
    let held = locks.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[_, "FLOCK", _, _, process, place, ..] = words.as_slice() else { return None };
        let found = place.rsplit(':').next()?.parse::<u64>().ok()?;
        (found == inode).then(|| process.parse::<u32>().ok())?
    });
    held.fold(None, |first, process| if first.is_none() || Some(process) == last { Some(process) } else { first })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const LOCKS: &str = "1: FLOCK  ADVISORY  WRITE 77 08:02:5 0 EOF
1: -> FLOCK  ADVISORY  WRITE 78 08:02:6 0 EOF
2: POSIX  ADVISORY  WRITE 79 08:02:6 0 EOF
3: FLOCK  ADVISORY  WRITE 80 fe:00:7 0 EOF
4: FLOCK  ADVISORY  WRITE 81 08:02:7 0 EOF
";

    #[test]
    fn the_holder_of_a_lock_is_found_and_who_waits_for_it_is_not() {
        assert_eq!(holder(LOCKS, 5, None), Some(77));
        assert_eq!(holder(LOCKS, 6, Some(78)), None);
        assert_eq!(holder(LOCKS, 7, Some(81)), Some(81));
        assert_eq!(holder("no locks at all", 5, None), None);
    }
}
