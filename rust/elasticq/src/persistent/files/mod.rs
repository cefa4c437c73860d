//! The files of a durable queue, as the layers above see them: [`Storage`] is a directory, [`File`] a file in
//! it. [`Disk`] is the real one, [`Memory`] keeps nothing; a test has one that loses what was not synced.
//!
//! What a call has written is seen by every later read in any process, but it survives a power cut only after
//! a sync: the content of a file after [`File::sync`], its name after [`Storage::sync`]. Until then the disk
//! may hold any part of it: each page of 4 KiB by itself, and of a page each sector of 512 bytes.

mod checksum;
mod disk;
#[cfg(unix)]
mod forked;
// `--cfg portable` tests what is done elsewhere.
#[cfg_attr(not(all(target_os = "linux", not(portable))), path = "unmapped.rs")]
mod mapped;
mod memory;
mod owner;
mod released;

pub use checksum::crc32c;
pub use disk::{Disk, ReadOnly};
#[cfg(unix)]
pub use forked::process;
pub use memory::Memory;
pub use owner::{Owner, owner};
use std::fmt;
use std::io;
use std::path::PathBuf;
#[cfg(not(any(test, target_os = "linux")))]
use std::time::SystemTime;

/// Which process this is: always the same one where nothing forks.
#[cfg(not(unix))]
pub const fn process() -> usize {
    0
}

/// The directory of a queue.
pub trait Storage: fmt::Debug + Send + Sync {
    /// The names of all files in it, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file that is empty. It is an error if there is one of this name.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Opens a file to read and write it.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Gives a file another name. A file that has that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Moves a file into a directory in this one, which is made if it does not exist. That is durable then.
    fn move_into(&self, directory: &str, name: &str) -> io::Result<()>;

    /// Makes everything durable that was created, renamed and removed before.
    fn sync(&self) -> io::Result<()>;

    /// Where a file is, for messages.
    fn path(&self, name: &str) -> PathBuf;

    /// Lets others open the queue. From now on this refuses every call that changes the directory. Files that
    /// are open on a disk are closed, so that they and the directory can be removed; a call of such a file
    /// fails then. What is mapped stays so until the file is dropped.
    fn release(&self);
}

/// An open file.
pub trait File: fmt::Debug + Send + Sync {
    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` from this place on. It is an error of the kind `UnexpectedEof` if the file ends before.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;

    /// Writes `bytes` from this place on. The file grows as needed.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Writes eight bytes at a multiple of eight. Whenever the process ends, all of them are there or none.
    fn store(&self, word: u64, at: u64) -> io::Result<()> {
        self.write_at(&word.to_le_bytes(), at)
    }

    /// Makes everything durable that was written before.
    fn sync(&self) -> io::Result<()>;

    /// Makes the file so long, with zeroes for which there is room on the disk. So a later write into them
    /// does not fail for lack of room.
    fn reserve(&self, size: u64) -> io::Result<()> {
        // In small pieces: with large ones some systems keep the file in large pages, and then a write of a
        // few bytes costs the disk a whole one of them.
        let zeroes = [0; 16 << 10];
        let mut at = self.size()?;
        while at < size {
            let count = (size - at).min(zeroes.len() as u64);
            self.write_at(&zeroes[..count as usize], at)?;
            at += count;
        }
        Ok(())
    }

    /// The same in less time, where the system can do it without writing zeroes. To write there first, and to
    /// sync that, takes longer then.
    fn allot(&self, size: u64) -> io::Result<()> {
        self.reserve(size)
    }

    /// Lets reads and writes go through memory from now on, where the system can do that well. Not more than
    /// the file's size now may be read or written then.
    fn map(&self) -> io::Result<()> {
        Ok(())
    }

    /// Keeps no page of it in this process's memory, and reads without one, until it is [mapped](Self::map)
    /// again.
    fn let_go(&self) {}
}

/// The time of day in milliseconds since 1970, by the clock that is read fastest. It is some milliseconds
/// behind.
#[cfg(all(not(test), target_os = "linux"))]
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is valid for the answer. If there is none, the time is that before 1970.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The time of day in milliseconds since 1970.
#[cfg(not(any(test, target_os = "linux")))]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// In tests time stands still, so records that say the same are the same.
#[cfg(test)]
pub fn now() -> u64 {
    1
}
