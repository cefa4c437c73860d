//! [`Disk`]: a directory of the file system.
//!
//! A queue is open in one place at a time. The lock is `flock`'s on a file in the directory: it belongs to
//! the open file, so a second opener in the same process is refused as any other is, and it ends when the
//! process does, however that ends. The number in the file says who holds it, and nothing depends on it.
//!
//! Files are readable and writable by their owner only. Symbolic links in the directory are not followed.
//!
//! [`ReadOnly`] is a look at such a directory, without the lock and without a change to it.

use super::forked::Inherited;
#[cfg(target_os = "linux")]
use super::mapped::Map;
use super::{File, Storage};
use crate::error::{BufferError, BufferResult};
use parking_lot::RwLock;
use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, flock, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    directory: OwnedFd,
    /// Keeps the lock; `None` once it was given up. A forked child gives its copy up at once. Whoever changes
    /// the directory holds this meanwhile: after the queue was given up, its files are another opener's.
    lock: RwLock<Option<Inherited>>,
}

/// The file that is locked.
pub const LOCK: &str = "lock";

impl Disk {
    /// Opens a queue's directory, and makes it if it does not exist.
    ///
    /// # Errors
    /// `AlreadyOpen` if the queue is open, here or in another process; `Io`.
    pub fn open(path: &Path) -> BufferResult<Self> {
        let failed = |attempt, refused: Errno| BufferError::io(attempt, path, &refused.into());
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) => sync_parent(path)?,
            Err(Errno::EXIST) => {}
            Err(refused) => return Err(failed("to make the directory", refused)),
        }
        let directory = open_directory(path).map_err(|refused| failed("to open the directory", refused))?;
        // The file may be known under another path later, when the working directory has changed.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let lock = lock(&directory, &path)?;
        Ok(Self { path, directory, lock: RwLock::new(Some(lock)) })
    }

    /// Changes the directory, if the queue is still ours.
    fn change<R>(&self, change: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let held = self.lock.read();
        if held.is_none() {
            return Err(io::Error::other("the queue was closed"));
        }
        change()
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<Box<dyn File>> {
        let file = open_at(&self.directory, name, flags | OFlags::RDWR)?;
        Ok(Box::new(Opened { file, map: OnceLock::new(), is_let_go: AtomicBool::new(false) }))
    }
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn open_at(directory: &OwnedFd, name: &str, flags: OFlags) -> io::Result<fs::File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?))
}

fn list(directory: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        if let Ok(name) = entry?.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// A directory's name is durable when its parent was synced.
fn sync_parent(path: &Path) -> BufferResult<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let synced = fs::File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(|refused| BufferError::io("to sync", parent, &refused))
}

fn lock(directory: &OwnedFd, path: &Path) -> BufferResult<Inherited> {
    let failed = |refused| BufferError::io("to lock", path.join(LOCK), &refused);
    let mut file = open_at(directory, LOCK, OFlags::RDWR | OFlags::CREATE).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut owner = String::new();
            let _ = file.take(32).read_to_string(&mut owner);
            let owner =
                owner.trim().parse::<u32>().map_or_else(|_| "another process".into(), |id| format!("process {id}"));
            return Err(BufferError::AlreadyOpen(format!("{} is open in {owner}", path.display())));
        }
        Err(refused) => return Err(failed(refused.into())),
    }
    // For people only; without it nothing is lost.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Inherited::new(file.into()).map_err(failed)
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        list(&self.directory)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.change(|| self.open_file(name, OFlags::CREATE | OFlags::EXCL))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open_file(name, OFlags::empty())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|| Ok(renameat(&self.directory, from, &self.directory, to)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|| Ok(unlinkat(&self.directory, name, AtFlags::empty())?))
    }

    fn move_into(&self, directory: &str, name: &str) -> io::Result<()> {
        match mkdirat(&self.directory, directory, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(refused) => return Err(refused.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = openat(&self.directory, directory, flags, Mode::empty())?;
        renameat(&self.directory, name, &inside, name)?;
        fsync(&inside)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.directory)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn release(&self) {
        *self.lock.write() = None;
    }
}

/// A queue's directory that is only looked at, whoever has it open. Everything that would change it fails.
#[derive(Debug)]
pub struct ReadOnly {
    path: PathBuf,
    directory: OwnedFd,
}

impl ReadOnly {
    /// Opens a directory that exists.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(path: &Path) -> BufferResult<Self> {
        let directory =
            open_directory(path).map_err(|refused| BufferError::io("to open the directory", path, &refused.into()))?;
        Ok(Self { path: path.to_path_buf(), directory })
    }

    fn refuse<T>() -> io::Result<T> {
        Err(Errno::ROFS.into())
    }
}

impl Storage for ReadOnly {
    fn list(&self) -> io::Result<Vec<String>> {
        list(&self.directory)
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn File>> {
        Self::refuse()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        // A pipe of this name must not keep the caller waiting.
        let file = open_at(&self.directory, name, OFlags::RDONLY | OFlags::NONBLOCK)?;
        Ok(Box::new(Opened { file, map: OnceLock::new(), is_let_go: AtomicBool::new(false) }))
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn move_into(&self, _: &str, _: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn sync(&self) -> io::Result<()> {
        Self::refuse()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn release(&self) {}
}

/// Elsewhere no file is mapped.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
enum Map {}

#[cfg(not(target_os = "linux"))]
impl Map {
    fn of(_: &fs::File) -> io::Result<Option<Self>> {
        Ok(None)
    }
    fn covers(&self, _: u64, _: usize) -> bool {
        match *self {}
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        match *self {}
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        match *self {}
    }
    fn store(&self, _: u64, _: u64) -> io::Result<()> {
        match *self {}
    }
    fn let_go(&self) {
        match *self {}
    }
}

#[derive(Debug)]
struct Opened {
    file: fs::File,
    map: OnceLock<Map>,
    /// Whether reads go past the map, since its pages are to stay away.
    is_let_go: AtomicBool,
}

impl File for Opened {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let map = self.map.get().filter(|_| !self.is_let_go.load(Ordering::Relaxed)); // either way is right
        match map.filter(|map| map.covers(at, bytes.len())) {
            Some(map) => map.read_at(bytes, at),
            None => self.file.read_exact_at(bytes, at),
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self.map.get().filter(|map| map.covers(at, bytes.len())) {
            Some(map) => map.write_at(bytes, at),
            None => self.file.write_all_at(bytes, at),
        }
    }

    fn store(&self, word: u64, at: u64) -> io::Result<()> {
        match self.map.get().filter(|map| map.covers(at, 8)) {
            Some(map) => map.store(word, at),
            None => self.file.write_all_at(&word.to_le_bytes(), at),
        }
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(map) = self.map.get() {
            map.let_go();
        }
        self.file.sync_data()
    }

    fn let_go(&self) {
        self.is_let_go.store(true, Ordering::Relaxed);
        if let Some(map) = self.map.get() {
            map.let_go();
        }
    }

    #[cfg(target_os = "linux")]
    fn allot(&self, size: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::retry_on_intr;
        match retry_on_intr(|| fallocate(&self.file, FallocateFlags::empty(), 0, size)) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.reserve(size),
            allotted => Ok(allotted?),
        }
    }

    fn map(&self) -> io::Result<()> {
        self.is_let_go.store(false, Ordering::Relaxed);
        if self.map.get().is_none()
            && let Some(map) = Map::of(&self.file)?
        {
            let _ = self.map.set(map); // another thread's is as good
        }
        Ok(())
    }
}
