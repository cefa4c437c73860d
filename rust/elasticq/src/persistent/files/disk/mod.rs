//! [`Disk`]: a directory of the file system.
//!
//! A queue is open in one place at a time. The lock is one on a file in the directory: a second opener in the
//! same process is refused as any other is, and the lock ends when the process does, however that ends. The
//! number in the file says who holds it, and nothing depends on it. Symbolic links in the directory are not
//! followed.
//!
//! [`ReadOnly`] is a look at such a directory, without the lock and without a change to it.
//!
//! What a system does in a way of its own is in `unix` and `windows`, by the same names.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use super::mapped::Map;
use super::{File, Storage};
use crate::error::{BufferError, BufferResult};
use parking_lot::RwLock;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use system::{Directory, Lock};
pub use system::{lives, look_at};

#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    directory: Directory,
    /// `None` once it was given up. A forked child gives its copy up at once. Whoever changes the directory
    /// holds this meanwhile: after the queue was given up, its files are another opener's.
    lock: RwLock<Option<Lock>>,
}

/// The file that is locked.
pub const LOCK: &str = "lock";

impl Disk {
    /// Opens a queue's directory, and makes it if it does not exist.
    ///
    /// # Errors
    /// `AlreadyOpen` if the queue is open, here or in another process; `Io`.
    pub fn open(path: &Path) -> BufferResult<Self> {
        Directory::make(path)?;
        let directory =
            Directory::open(path).map_err(|refused| BufferError::io("to open the directory", path, &refused))?;
        let path = system::lasting(path);
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
}

fn lock(directory: &Directory, path: &Path) -> BufferResult<Lock> {
    let failed = |refused| BufferError::io("to lock", path.join(LOCK), &refused);
    let mut file = directory.open_lock().map_err(failed)?;
    if !system::try_lock(&file).map_err(failed)? {
        let mut owner = String::new();
        let _ = file.take(32).read_to_string(&mut owner);
        let owner = owner.trim().parse::<u32>().map_or_else(|_| "another process".into(), |id| format!("process {id}"));
        return Err(BufferError::AlreadyOpen(format!("{} is open in {owner}", path.display())));
    }
    // For people only; without it nothing is lost.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    system::keep(file).map_err(failed)
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.change(|| Ok(Opened::boxed(self.directory.create_file(name)?)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Opened::boxed(self.directory.open_file(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|| self.directory.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|| self.directory.remove(name))
    }

    fn move_into(&self, directory: &str, name: &str) -> io::Result<()> {
        self.change(|| self.directory.move_into(directory, name))
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.sync()
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
    directory: Directory,
}

impl ReadOnly {
    /// Opens a directory that exists.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(path: &Path) -> BufferResult<Self> {
        let directory =
            Directory::look(path).map_err(|refused| BufferError::io("to open the directory", path, &refused))?;
        Ok(Self { path: path.to_path_buf(), directory })
    }

    fn refuse<T>() -> io::Result<T> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl Storage for ReadOnly {
    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn File>> {
        Self::refuse()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Opened::boxed(self.directory.look_at_file(name)?))
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

#[derive(Debug)]
struct Opened {
    file: fs::File,
    map: OnceLock<Map>,
    /// Whether reads go past the map, since its pages are to stay away.
    is_let_go: AtomicBool,
}

impl Opened {
    fn boxed(file: fs::File) -> Box<dyn File> {
        Box::new(Self { file, map: OnceLock::new(), is_let_go: AtomicBool::new(false) })
    }
}

impl File for Opened {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let map = self.map.get().filter(|_| !self.is_let_go.load(Ordering::Relaxed)); // either way is right
        match map.filter(|map| map.covers(at, bytes.len())) {
            Some(map) => map.read_at(bytes, at),
            None => system::read_at(&self.file, bytes, at),
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self.map.get().filter(|map| map.covers(at, bytes.len())) {
            Some(map) => map.write_at(bytes, at),
            None => system::write_at(&self.file, bytes, at),
        }
    }

    fn store(&self, word: u64, at: u64) -> io::Result<()> {
        match self.map.get().filter(|map| map.covers(at, 8)) {
            Some(map) => map.store(word, at),
            None => system::write_at(&self.file, &word.to_le_bytes(), at),
        }
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(map) = self.map.get() {
            map.let_go();
        }
        system::sync(&self.file)
    }

    fn let_go(&self) {
        self.is_let_go.store(true, Ordering::Relaxed);
        if let Some(map) = self.map.get() {
            map.let_go();
        }
    }

    fn allot(&self, size: u64) -> io::Result<()> {
        if system::allot(&self.file, size)? { Ok(()) } else { self.reserve(size) }
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
