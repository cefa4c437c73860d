//! The folder that is measured in, and the disk under it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// The system counts what a disk writes in pieces of so many bytes.
const SECTOR: u64 = 512;

/// A folder for everything that a run writes. It is removed at the end.
#[derive(Debug)]
pub struct Folder {
    root: TempDir,
    made: AtomicU32,
}

impl Folder {
    /// Makes it in `parent`, or where the system has such folders (`TMPDIR`).
    ///
    /// # Errors
    /// A message: it can't be made, or it would be in memory.
    pub fn new(parent: Option<&Path>) -> Result<Self, String> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let failed = |error: io::Error| format!("{}: {error}", parent.display());
        if is_in_memory(&parent).map_err(failed)? {
            return Err(format!(
                "{} is in memory, where a sync does nothing, so no figure would mean anything. \
                 Name a folder on a disk: --folder FOLDER, or TMPDIR.",
                parent.display()
            ));
        }
        let root = tempfile::Builder::new().prefix("elasticq-durable-").tempdir_in(&parent).map_err(failed)?;
        Ok(Self { root, made: AtomicU32::new(0) })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// A new, empty folder in it.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn fresh(&self) -> PathBuf {
        let path = self.root.path().join(self.made.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path).expect("a folder can be made in one's own folder");
        path
    }
}

/// The disk that a file is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    counters: PathBuf,
}

impl Device {
    /// The disk of a file or folder; `None` where the system does not tell it, on network file systems and on
    /// those that span several disks.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let (major, minor) = number(path)?;
        let device = Self { counters: PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat")) };
        device.written().is_some().then_some(device)
    }

    /// How many bytes it has written since the system was started, for everybody.
    #[must_use]
    pub fn written(&self) -> Option<u64> {
        sectors_written(&fs::read_to_string(&self.counters).ok()?).map(|sectors| sectors * SECTOR)
    }
}

/// The seventh number of a disk's counters.
fn sectors_written(counters: &str) -> Option<u64> {
    counters.split_whitespace().nth(6)?.parse().ok()
}

/// Lets the system forget what it keeps in memory of the files of a folder, as far as it can.
///
/// # Errors
/// When the folder can't be read.
pub fn forget(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let file = File::open(entry.path())?;
            file.sync_all()?; // only what is on disk can be forgotten
            forget_file(&file)?;
        }
    }
    Ok(())
}

/// How many bytes this process has had read from disks; `None` where the system does not tell it.
#[must_use]
pub fn read_from_disk() -> Option<u64> {
    counter(&fs::read_to_string("/proc/self/io").ok()?, "read_bytes")
}

/// How many bytes this process has had written to disks, without those of files that were removed before;
/// `None` where the system does not tell it.
#[must_use]
pub fn written_to_disk() -> Option<u64> {
    let counters = fs::read_to_string("/proc/self/io").ok()?;
    Some(counter(&counters, "write_bytes")?.saturating_sub(counter(&counters, "cancelled_write_bytes")?))
}

/// The counter of this name among those of a process.
fn counter(counters: &str, name: &str) -> Option<u64> {
    counters.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim().parse().ok()
}

/// tmpfs and ramfs are file systems in memory.
#[cfg(target_os = "linux")]
fn is_in_memory(path: &Path) -> io::Result<bool> {
    Ok([0x0102_1994, 0x8584_58F6].contains(&(rustix::fs::statfs(path)?.f_type as i64)))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|_| false)
}

/// The number of the disk that a file is on.
#[cfg(target_os = "linux")]
fn number(path: &Path) -> Option<(u32, u32)> {
    let device = std::os::linux::fs::MetadataExt::st_dev(&fs::metadata(path).ok()?);
    Some((rustix::fs::major(device), rustix::fs::minor(device)))
}

#[cfg(not(target_os = "linux"))]
fn number(_: &Path) -> Option<(u32, u32)> {
    None
}

#[cfg(target_os = "linux")]
fn forget_file(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(target_os = "linux"))]
fn forget_file(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn of_a_disks_counters_the_seventh_is_what_it_has_written() {
        assert_eq!(sectors_written("   10   2   30   4   50   6   70   8   0   9   1\n"), Some(70));
        assert_eq!(sectors_written("10 2 30"), None);
    }

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let counters = "rchar: 1\nread_bytes: 2\nwrite_bytes: 3\ncancelled_write_bytes: 4\n";
        let seen = ["read_bytes", "write_bytes", "cancelled_write_bytes", "bytes"].map(|name| counter(counters, name));
        assert_eq!(seen, [Some(2), Some(3), Some(4), None]);
    }

    #[test]
    fn a_folder_in_memory_is_refused_and_the_way_out_is_named() {
        if let Err(message) = Folder::new(Some(Path::new("/dev/shm"))) {
            assert!(message.contains("/dev/shm") && message.contains("--folder"), "{message}");
        } else {
            panic!("/dev/shm is in memory");
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let message = Folder::new(Some(Path::new("/no such folder"))).unwrap_err();
        assert!(message.starts_with("/no such folder: "), "{message}");
    }

    #[test]
    fn a_file_that_is_on_no_disk_has_no_device() {
        assert_eq!(Device::of(Path::new("/proc/self/io")), None);
    }
}
