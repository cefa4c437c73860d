//! Directories, files and locks as Windows has them.
//!
//! **Names.** A call that changes a name goes through a handle that writes through. So the change is on the
//! disk when the call returns: MoveFileEx says so of `MOVEFILE_WRITE_THROUGH`, and CreateFile says of
//! `FILE_FLAG_WRITE_THROUGH` that NTFS then also flushes what the call has changed beside the data, as when
//! it renames a file. A sync flushes the directory, too, where the file system takes that:
//! NtFlushBuffersFileEx, to which FlushFileBuffers leads, excludes directories for one of its ways only. The
//! content of a file is flushed by FlushFileBuffers, which waits for the disk.
//!
//! **Open files.** Every file but the lock is opened so that others may read, write, rename and delete it. A
//! file that is deleted loses its name at once, and its content when nobody has it open any more. Where a
//! file system can't do that, both go at the same time, so the file gets another name before
//! (`removed-…`); the next opener deletes what a power cut has left of these. A file that somebody has open
//! is not replaced by every Windows. The queue replaces none: it moves files away before others get their
//! names.
//!
//! Other programs, such as those that look for viruses, may open a file for a moment so that nobody else can
//! do anything with it. So a call that is refused for that is tried again for half a second.
//!
//! **The directory** is kept open in a way that lets nobody rename or remove it. So its path means it for as
//! long as the queue is open. **The lock** is one of LockFileEx: it belongs to the open file. Nobody else can
//! read what is locked, so that is a byte far behind the number in the file. The file can't be removed
//! meanwhile.
//!
//! Who may read the files is what the directory above says: Windows passes such rights on.

use super::LOCK;
use crate::error::{BufferError, BufferResult};
use std::collections::hash_map::RandomState;
use std::ffi::c_void;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::Duration;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DIRECTORY, ERROR_DIRECTORY_NOT_SUPPORTED, ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION, ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION,
    ERROR_STOPPED_ON_SYMLINK, STILL_ACTIVE, WIN32_ERROR,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ADD_FILE, FILE_ATTRIBUTE_REPARSE_POINT, FILE_DISPOSITION_FLAG_DELETE,
    FILE_DISPOSITION_FLAG_POSIX_SEMANTICS, FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_FLAG_WRITE_THROUGH, FILE_INFO_BY_HANDLE_CLASS, FILE_LIST_DIRECTORY,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FileDispositionInfo, FileDispositionInfoEx,
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, MOVEFILE_REPLACE_EXISTING, MOVEFILE_WRITE_THROUGH,
    MoveFileExW, SetFileInformationByHandle, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

#[derive(Debug)]
pub struct Directory {
    handle: fs::File,
    /// Where it is, in the form that Windows takes as it is, however long.
    place: PathBuf,
}

/// With this others may do everything but rename and remove.
const SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE;

/// How the names of files begin that are to go when nobody has them open any more.
const REMOVED: &str = "removed-";

/// What a file system says that does not flush directories.
const NO_FLUSH: [WIN32_ERROR; 5] =
    [ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED];

impl Directory {
    /// Makes a directory if there is none. NTFS notes its changes in order, so its name is on the disk when
    /// the first name in it is.
    ///
    /// # Errors
    /// `Io`.
    pub fn make(path: &Path) -> BufferResult<()> {
        make_directory(path).map_err(|refused| BufferError::io("to make the directory", path, &refused))
    }

    /// Opens a directory to change it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = Self::with(path, FILE_LIST_DIRECTORY | FILE_ADD_FILE, SHARED, 0)?;
        let left = directory.all()?.into_iter().filter(|name| name.starts_with(REMOVED));
        left.for_each(|name| drop(fs::remove_file(directory.place.join(name)))); // or the next opener does it
        Ok(directory)
    }

    /// Opens a directory that is only looked at.
    pub fn look(path: &Path) -> io::Result<Self> {
        Self::with(path, FILE_LIST_DIRECTORY, SHARED | FILE_SHARE_DELETE, 0)
    }

    fn with(path: &Path, access: u32, share: u32, flags: u32) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.access_mode(access).share_mode(share);
        let handle = open(path, &mut options, FILE_FLAG_BACKUP_SEMANTICS | flags)?;
        if !handle.metadata()?.is_dir() {
            return Err(error(ERROR_DIRECTORY));
        }
        // Some drives can't say what they are called.
        let place = fs::canonicalize(path).or_else(|_| path::absolute(path))?;
        Ok(Self { handle, place })
    }

    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.all()?;
        names.retain(|name| !name.starts_with(REMOVED));
        Ok(names)
    }

    fn all(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.place)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    pub fn create_file(&self, name: &str) -> io::Result<fs::File> {
        let path = self.place.join(name);
        let mut options = OpenOptions::new();
        drop(open(&path, options.write(true).create_new(true), FILE_FLAG_WRITE_THROUGH)?);
        // Through this one, each write of its content would wait for the disk.
        self.open_file(name).inspect_err(|_| drop(self.remove(name)))
    }

    pub fn open_file(&self, name: &str) -> io::Result<fs::File> {
        open_itself(&self.place.join(name), OpenOptions::new().read(true).write(true))
    }

    /// Opens a file that is only looked at.
    pub fn look_at_file(&self, name: &str) -> io::Result<fs::File> {
        look_at(&self.place.join(name))
    }

    /// Opens the file that is locked, and makes it if it is not there.
    pub fn open_lock(&self) -> io::Result<fs::File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).share_mode(SHARED);
        open_itself(&self.place.join(LOCK), &mut options)
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        rename(&self.place.join(from), &self.place.join(to))
    }

    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.place.join(name);
        let mut options = OpenOptions::new();
        options.access_mode(DELETE);
        let file = open(&path, &mut options, FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_WRITE_THROUGH)?;
        let flags = FILE_DISPOSITION_FLAG_DELETE | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS;
        let at_once = FILE_DISPOSITION_INFO_EX { Flags: flags };
        // SAFETY: this class of information is of this type.
        let removed = unsafe { set(&file, FileDispositionInfoEx, &at_once) };
        removed.or_else(|_| {
            let aside = self.place.join(format!("{REMOVED}{:016x}", RandomState::new().build_hasher().finish()));
            rename(&path, &aside)?;
            let later = FILE_DISPOSITION_INFO { DeleteFile: true };
            // SAFETY: as above.
            unsafe { set(&file, FileDispositionInfo, &later) }.inspect_err(|_| drop(rename(&aside, &path)))
        })
    }

    pub fn move_into(&self, directory: &str, name: &str) -> io::Result<()> {
        let path = self.place.join(directory);
        make_directory(&path)?;
        let access = FILE_LIST_DIRECTORY | FILE_ADD_FILE;
        let inside = Self::with(&path, access, SHARED, FILE_FLAG_OPEN_REPARSE_POINT)?;
        expect_no_link(&inside.handle)?;
        rename(&self.place.join(name), &inside.place.join(name))?;
        inside.sync()?;
        self.sync()
    }

    pub fn sync(&self) -> io::Result<()> {
        match self.handle.sync_all() {
            Err(refused) if NO_FLUSH.iter().any(|&code| is(&refused, code)) => Ok(()),
            synced => synced,
        }
    }
}

fn error(code: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

fn is(refused: &io::Error, code: WIN32_ERROR) -> bool {
    refused.raw_os_error() == error(code).raw_os_error()
}

/// The outcome of a call that says by 0 that it was refused.
fn outcome(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Does something, again and again for half a second while another program keeps it from being done.
fn patiently<R>(mut attempt: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    for turn in 0..8 {
        match attempt() {
            Err(refused) if is(&refused, ERROR_SHARING_VIOLATION) => thread::sleep(Duration::from_millis(2 << turn)),
            settled => return settled,
        }
    }
    attempt()
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(refused) if refused.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn open(path: &Path, options: &mut OpenOptions, flags: u32) -> io::Result<fs::File> {
    let options = options.custom_flags(flags);
    patiently(|| options.open(path))
}

/// Opens a file, and never what it links to.
fn open_itself(path: &Path, options: &mut OpenOptions) -> io::Result<fs::File> {
    let file = open(path, options, FILE_FLAG_OPEN_REPARSE_POINT).map_err(|refused| {
        // Of a directory Windows says what it says where a right is missing.
        let is_directory = || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if is(&refused, ERROR_ACCESS_DENIED) && is_directory() { error(ERROR_DIRECTORY_NOT_SUPPORTED) } else { refused }
    })?;
    expect_no_link(&file)?;
    if file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        // No link: the system keeps the content elsewhere, and gets it if it is asked in the usual way.
        return open(path, options, 0);
    }
    Ok(file)
}

fn expect_no_link(file: &fs::File) -> io::Result<()> {
    if file.metadata()?.is_symlink() { Err(error(ERROR_STOPPED_ON_SYMLINK)) } else { Ok(()) }
}

/// Opens a file to look at it, wherever it is. A symbolic link is not followed.
pub fn look_at(path: &Path) -> io::Result<fs::File> {
    open_itself(path, OpenOptions::new().read(true))
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let [from, to] = [from, to].map(|path| -> Vec<u16> { path.as_os_str().encode_wide().chain([0]).collect() });
    let flags = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;
    // SAFETY: both are strings that end with a zero.
    patiently(|| outcome(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), flags) }))
}

/// Sets some information of an open file.
///
/// # Safety
/// The class of information is of this type.
unsafe fn set<T>(file: &fs::File, class: FILE_INFO_BY_HANDLE_CLASS, information: &T) -> io::Result<()> {
    let (place, size) = (std::ptr::from_ref(information).cast::<c_void>(), size_of::<T>() as u32);
    // SAFETY: the handle is open, and so many bytes there are of the type that the system expects.
    outcome(unsafe { SetFileInformationByHandle(file.as_raw_handle(), class, place, size) })
}

/// The path of a directory for messages: the whole one, as people write it.
pub fn lasting(path: &Path) -> PathBuf {
    fs::canonicalize(path).map_or_else(|_| path.to_path_buf(), plain)
}

/// Takes away what tells Windows to take a path as it is.
fn plain(path: PathBuf) -> PathBuf {
    let text = path.to_str().unwrap_or_default();
    if let Some(rest) = text.strip_prefix(r"\\?\UNC\") {
        return PathBuf::from(format!(r"\\{rest}"));
    }
    let on_a_drive = |rest: &&str| rest.as_bytes().get(1) == Some(&b':');
    text.strip_prefix(r"\\?\").filter(on_a_drive).map(PathBuf::from).unwrap_or(path)
}

/// A lock that is held.
#[derive(Debug)]
pub struct Lock(fs::File);

/// The byte that is locked, far behind all content.
const LOCKED: OVERLAPPED_0_0 = OVERLAPPED_0_0 { Offset: 0, OffsetHigh: 1 << 30 };

/// Locks the file, unless it is locked already: then this is false.
pub fn try_lock(file: &fs::File) -> io::Result<bool> {
    let mut at = OVERLAPPED { Anonymous: OVERLAPPED_0 { Anonymous: LOCKED }, ..OVERLAPPED::default() };
    let flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the handle is open, and not one whose calls go on after they have returned, so nobody uses the
    // place then.
    match outcome(unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut at) }) {
        Ok(()) => Ok(true),
        Err(refused) if is(&refused, ERROR_LOCK_VIOLATION) => Ok(false),
        Err(refused) => Err(refused),
    }
}

/// Keeps the lock of a file that was locked.
pub fn keep(file: fs::File) -> io::Result<Lock> {
    Ok(Lock(file))
}

impl Drop for Lock {
    /// To close the file does the same, but the system may take its time for that.
    fn drop(&mut self) {
        let _ = self.0.set_len(0); // nobody has it open any more, whoever reads the file
        let mut at = OVERLAPPED { Anonymous: OVERLAPPED_0 { Anonymous: LOCKED }, ..OVERLAPPED::default() };
        // SAFETY: as in `try_lock`. If it is refused, the lock ends when the file is closed.
        let _ = unsafe { UnlockFileEx(self.0.as_raw_handle(), 0, 1, 0, &raw mut at) };
    }
}

pub fn read_at(file: &fs::File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = file.seek_read(bytes, at)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        (bytes, at) = (&mut bytes[count..], at + count as u64);
    }
    Ok(())
}

pub fn write_at(file: &fs::File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = file.seek_write(bytes, at)?;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        (bytes, at) = (&bytes[count..], at + count as u64);
    }
    Ok(())
}

/// Makes the content of a file durable, and its size.
pub fn sync(file: &fs::File) -> io::Result<()> {
    file.sync_data()
}

/// Makes a file so long without writing zeroes. Windows does not promise room for what is not written.
pub const fn allot(_: &fs::File, _: u64) -> io::Result<bool> {
    Ok(false)
}

/// Whether a process lives.
pub fn lives(process: u32) -> bool {
    // SAFETY: it takes only numbers.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
    if handle.is_null() {
        // A process of somebody else's lives, too.
        return is(&io::Error::last_os_error(), ERROR_ACCESS_DENIED);
    }
    // SAFETY: the handle is open, and nobody else's.
    let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut status = 0;
    // SAFETY: the handle is open, and the place is valid for the answer.
    let asked = unsafe { GetExitCodeProcess(handle.as_raw_handle(), &raw mut status) };
    asked != 0 && status == STILL_ACTIVE.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_message_is_written_as_people_write_it() {
        let paths = [
            (r"\\?\C:\queues\jobs", r"C:\queues\jobs"),
            (r"\\?\UNC\server\share\jobs", r"\\server\share\jobs"),
            (r"\\?\Volume{4c1b02c1}\jobs", r"\\?\Volume{4c1b02c1}\jobs"),
            (r"C:\queues\jobs", r"C:\queues\jobs"),
        ];
        for (path, written) in paths {
            assert_eq!(plain(PathBuf::from(path)), Path::new(written));
        }
    }
}
