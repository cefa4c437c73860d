//! Who has a queue open, found out without a touch of its lock: even a lock that is shared for a moment would
//! refuse somebody who opens the queue in that moment.
//!
//! Linux lists all locks. Elsewhere, and in a container that hides them, there is only the number in the
//! file, which stays there when its process has ended.

use super::disk::LOCK;
use rustix::process::{Pid, test_kill_process};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Who has a queue open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody.
    Nobody,
    /// This process has.
    Process(u32),
    /// This process had it open last, and lives. Whether it still has it open, the system does not say.
    Perhaps(u32),
}

/// Who has the queue in this directory open.
pub fn owner(path: &Path) -> Owner {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(path.join(LOCK)) else {
        return Owner::Nobody;
    };
    let Ok(metadata) = file.metadata() else { return Owner::Nobody };
    let mut text = String::new();
    let _ = file.take(32).read_to_string(&mut text);
    let last = text.trim().parse::<u32>().ok();
    match fs::read_to_string("/proc/locks") {
        Ok(locks) => match holder(&locks, metadata.ino(), last) {
            Some(process) => Owner::Process(process),
            None => Owner::Nobody,
        },
        Err(_) => match last.filter(|&process| lives(process)) {
            Some(process) => Owner::Perhaps(process),
            None => Owner::Nobody,
        },
    }
}

/// The process that holds a lock of `flock`'s on the file with this inode. Inodes of several file systems may
/// have one number, so a lock of the process that the file names goes first.
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

fn lives(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // A process of somebody else's lives, too.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
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
