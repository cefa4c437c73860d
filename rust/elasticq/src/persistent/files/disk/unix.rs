//! Directories, files and locks as Unix has them.
//!
//! A directory is a descriptor, and names are looked up from there: it stays the same one whatever becomes of
//! its path. Files are readable and writable by their owner only. The lock is `flock`'s: it belongs to the
//! open file, so a second opener in the same process is refused as any other is.

use super::super::forked::Inherited;
use super::LOCK;
use crate::error::{BufferError, BufferResult};
use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, flock, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
pub use sync::content as sync;

#[derive(Debug)]
pub struct Directory(OwnedFd);

/// A lock that is held.
pub type Lock = Inherited;

impl Directory {
    /// Makes a directory if there is none. Its name is durable then.
    ///
    /// # Errors
    /// `Io`.
    pub fn make(path: &Path) -> BufferResult<()> {
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) => sync_parent(path),
            Err(Errno::EXIST) => Ok(()),
            Err(refused) => Err(BufferError::io("to make the directory", path, &refused.into())),
        }
    }

    /// Opens a directory to change it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a directory that is only looked at.
    pub fn look(path: &Path) -> io::Result<Self> {
        Self::open(path)
    }

    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    pub fn create_file(&self, name: &str) -> io::Result<fs::File> {
        open_at(&self.0, name, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR)
    }

    pub fn open_file(&self, name: &str) -> io::Result<fs::File> {
        open_at(&self.0, name, OFlags::RDWR)
    }

    /// Opens a file that is only looked at.
    pub fn look_at_file(&self, name: &str) -> io::Result<fs::File> {
        // A pipe of this name must not keep the caller waiting.
        open_at(&self.0, name, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// Opens the file that is locked, and makes it if it is not there.
    pub fn open_lock(&self) -> io::Result<fs::File> {
        open_at(&self.0, LOCK, OFlags::RDWR | OFlags::CREATE)
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub fn move_into(&self, directory: &str, name: &str) -> io::Result<()> {
        match mkdirat(&self.0, directory, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(refused) => return Err(refused.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = openat(&self.0, directory, flags, Mode::empty())?;
        renameat(&self.0, name, &inside, name)?;
        sync::names(&inside)?;
        self.sync()
    }

    pub fn sync(&self) -> io::Result<()> {
        Ok(sync::names(&self.0)?)
    }
}

fn open_at(directory: &OwnedFd, name: &str, flags: OFlags) -> io::Result<fs::File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// A directory's name is durable when its parent was synced.
fn sync_parent(path: &Path) -> BufferResult<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let synced = fs::File::open(parent).and_then(|parent| Ok(sync::names(&parent)?));
    synced.map_err(|refused| BufferError::io("to sync", parent, &refused))
}

/// The path of a directory for messages: the file may be known under another path later, when the working
/// directory has changed.
pub fn lasting(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Opens a file to look at it, wherever it is. A symbolic link is not followed.
pub fn look_at(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::File::from(openat(CWD, path, flags, Mode::empty())?))
}

/// Locks the file, unless it is locked already: then this is false.
pub fn try_lock(file: &fs::File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(refused) => Err(refused.into()),
    }
}

/// Keeps the lock of a file that was locked.
pub fn keep(file: fs::File) -> io::Result<Lock> {
    Inherited::new(file.into())
}

pub fn read_at(file: &fs::File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(bytes, at)
}

pub fn write_at(file: &fs::File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

/// Makes a file so long without writing zeroes. False: the system can't.
#[cfg(all(target_os = "linux", not(portable)))]
pub fn allot(file: &fs::File, size: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::retry_on_intr;
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, size)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        allotted => Ok(allotted.map(|()| true)?),
    }
}

/// Elsewhere it is not asked: each system has its own way, and none of them is tried here.
#[cfg(not(all(target_os = "linux", not(portable))))]
pub fn allot(_: &fs::File, _: u64) -> io::Result<bool> {
    Ok(false)
}

/// Whether a process lives.
pub fn lives(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // A process of somebody else's lives, too.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// `fsync` means the disk.
#[cfg(not(target_vendor = "apple"))]
mod sync {
    use rustix::fs::fsync;
    use std::fs;
    use std::io;
    use std::os::fd::AsFd;

    /// Makes the content of a file durable, and its size.
    pub fn content(file: &fs::File) -> io::Result<()> {
        file.sync_data()
    }

    /// Makes the names in a directory durable.
    pub fn names(directory: &impl AsFd) -> rustix::io::Result<()> {
        fsync(directory)
    }
}

/// On Apple's systems `fsync` hands the data to the disk, which may keep it in a cache that a power cut
/// empties; only `F_FULLFSYNC` waits for the disk itself (the pages fsync(2) and fcntl(2) of their manual).
/// File systems that have no such thing, say those of a network, say so. They get what there is, `fsync`. Any
/// other error is one of the disk, and a second attempt would mean nothing.
#[cfg(target_vendor = "apple")]
mod sync {
    use rustix::fs::{fcntl_fullfsync, fsync};
    use rustix::io::{Errno, retry_on_intr};
    use std::fs;
    use std::io;
    use std::os::fd::AsFd;

    /// Makes the content of a file durable, and its size.
    pub fn content(file: &fs::File) -> io::Result<()> {
        Ok(names(file)?)
    }

    /// Makes the names in a directory durable.
    pub fn names(directory: &impl AsFd) -> rustix::io::Result<()> {
        match retry_on_intr(|| fcntl_fullfsync(directory)) {
            Err(Errno::NOTTY | Errno::NOTSUP | Errno::OPNOTSUPP | Errno::INVAL) => retry_on_intr(|| fsync(directory)),
            synced => synced,
        }
    }
}
