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
use super::released::released;
use super::{File, Storage};
use crate::error::{BufferError, BufferResult};
use parking_lot::{Mutex, RwLock};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use system::{Directory, Lock};
pub use system::{lives, look_at};

#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    /// `None` once it was given up. Whoever uses the directory holds this meanwhile: after the queue was given
    /// up, its files are another opener's.
    held: RwLock<Option<Held>>,
    /// The files that were opened. Those that are still open are closed when the queue is given up: some
    /// systems remove no file that anybody has open, and no directory of such a file.
    files: Mutex<Vec<Weak<Handle>>>,
}

#[derive(Debug)]
struct Held {
    directory: Directory,
    /// A forked child gives its copy up at once.
    _lock: Lock,
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
        let held = Held { _lock: lock(&directory, &path)?, directory };
        Ok(Self { path, held: RwLock::new(Some(held)), files: Mutex::default() })
    }

    /// Uses the directory, if the queue is still ours.
    fn with<R>(&self, use_it: impl FnOnce(&Directory) -> io::Result<R>) -> io::Result<R> {
        match &*self.held.read() {
            Some(held) => use_it(&held.directory),
            None => Err(released()),
        }
    }

    /// Opens a file in a way that the queue's end closes it.
    fn opened(&self, open: impl FnOnce(&Directory) -> io::Result<fs::File>) -> io::Result<Box<dyn File>> {
        self.with(|directory| {
            let opened = Opened::new(open(directory)?);
            let mut files = self.files.lock();
            files.retain(|file| file.strong_count() > 0);
            files.push(Arc::downgrade(&opened.handle));
            Ok(Box::new(opened) as Box<dyn File>)
        })
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
        self.with(Directory::list)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.opened(|directory| directory.create_file(name))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.opened(|directory| directory.open_file(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|directory| directory.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|directory| directory.remove(name))
    }

    fn move_into(&self, into: &str, name: &str) -> io::Result<()> {
        self.with(|directory| directory.move_into(into, name))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(Directory::sync)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn release(&self) {
        let mut held = self.held.write();
        self.files.lock().drain(..).filter_map(|file| file.upgrade()).for_each(|file| file.close());
        *held = None;
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
        Ok(Box::new(Opened::new(self.directory.look_at_file(name)?)))
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

/// What the system has open: `None` once it was closed.
#[derive(Debug)]
struct Handle {
    file: RwLock<Option<fs::File>>,
    /// The same in one look, for what goes through memory.
    is_closed: AtomicBool,
}

impl Handle {
    fn with<R>(&self, use_it: impl FnOnce(&fs::File) -> io::Result<R>) -> io::Result<R> {
        match &*self.file.read() {
            Some(file) => use_it(file),
            None => Err(released()),
        }
    }

    fn close(&self) {
        // Another opener comes behind the lock, which is given up behind this. So whoever reads what that one
        // has written sees this, too.
        self.is_closed.store(true, Ordering::Relaxed);
        *self.file.write() = None;
    }
}

#[derive(Debug)]
struct Opened {
    handle: Arc<Handle>,
    map: OnceLock<Map>,
    /// Whether reads go past the map, since its pages are to stay away.
    is_let_go: AtomicBool,
}

impl Opened {
    fn new(file: fs::File) -> Self {
        let handle = Handle { file: RwLock::new(Some(file)), is_closed: AtomicBool::new(false) };
        Self { handle: Arc::new(handle), map: OnceLock::new(), is_let_go: AtomicBool::new(false) }
    }

    /// The map, if these bytes go through it. A file that was closed may be another opener's.
    fn through(&self, at: u64, count: usize) -> Option<&Map> {
        self.map.get().filter(|map| map.covers(at, count) && !self.handle.is_closed.load(Ordering::Relaxed))
    }
}

impl File for Opened {
    fn size(&self) -> io::Result<u64> {
        self.handle.with(|file| Ok(file.metadata()?.len()))
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        // Whether the pages were let go: either way is right, so the order does not matter.
        match self.through(at, bytes.len()).filter(|_| !self.is_let_go.load(Ordering::Relaxed)) {
            Some(map) => {
                map.read_at(bytes, at)?;
                // If it was closed meanwhile, another opener may have written there since. The fence keeps
                // the look behind the copy.
                fence(Ordering::Acquire);
                if self.handle.is_closed.load(Ordering::Relaxed) { Err(released()) } else { Ok(()) }
            }
            None => self.handle.with(|file| system::read_at(file, bytes, at)),
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self.through(at, bytes.len()) {
            Some(map) => map.write_at(bytes, at),
            None => self.handle.with(|file| system::write_at(file, bytes, at)),
        }
    }

    fn store(&self, word: u64, at: u64) -> io::Result<()> {
        match self.through(at, 8) {
            Some(map) => map.store(word, at),
            None => self.handle.with(|file| system::write_at(file, &word.to_le_bytes(), at)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(map) = self.map.get() {
            map.let_go();
        }
        self.handle.with(system::sync)
    }

    fn let_go(&self) {
        self.is_let_go.store(true, Ordering::Relaxed);
        if let Some(map) = self.map.get() {
            map.let_go();
        }
    }

    fn allot(&self, size: u64) -> io::Result<()> {
        if self.handle.with(|file| system::allot(file, size))? { Ok(()) } else { self.reserve(size) }
    }

    fn map(&self) -> io::Result<()> {
        self.is_let_go.store(false, Ordering::Relaxed);
        if self.map.get().is_none()
            && let Some(map) = self.handle.with(Map::of)?
        {
            let _ = self.map.set(map); // another thread's is as good
        }
        Ok(())
    }
}
