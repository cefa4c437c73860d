//! [`Memory`]: files that are gone when the queue is.
//!
//! A file is a list of pages, and a page takes memory from the first write to it on. So room that is only
//! reserved costs nothing. What was written is there until the file is removed and nobody has it open.

use super::released::released;
use super::{File, Storage};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

const PAGE: usize = 16 << 10;

#[derive(Debug, Default)]
pub struct Memory {
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    /// By name. What was moved into a directory has both names, with a slash between them.
    files: BTreeMap<String, Content>,
    is_released: bool,
}

/// A file. Clones are the same file.
#[derive(Clone, Debug, Default)]
struct Content(Arc<RwLock<Pages>>);

#[derive(Default)]
struct Pages {
    size: u64,
    /// `None` is a page of zeroes. Those behind the end of the list are, too.
    pages: Vec<Option<Box<[u8]>>>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.size)
    }
}

impl Memory {
    /// Changes the names, unless the files were given up.
    fn change<R>(&self, change: impl FnOnce(&mut BTreeMap<String, Content>) -> io::Result<R>) -> io::Result<R> {
        let mut names = self.names.lock();
        if names.is_released {
            return Err(released());
        }
        change(&mut names.files)
    }
}

impl Storage for Memory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names.lock().files.keys().filter(|name| !name.contains('/')).cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.change(|files| match files.entry(name.into()) {
            Entry::Occupied(_) => Err(ErrorKind::AlreadyExists.into()),
            Entry::Vacant(free) => Ok(Box::new(free.insert(Content::default()).clone()) as Box<dyn File>),
        })
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file = self.names.lock().files.get(name).cloned().ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|files| {
            let file = files.remove(from).ok_or(ErrorKind::NotFound)?;
            files.insert(to.into(), file);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|files| files.remove(name).map(drop).ok_or_else(|| ErrorKind::NotFound.into()))
    }

    fn move_into(&self, directory: &str, name: &str) -> io::Result<()> {
        self.rename(name, &format!("{directory}/{name}"))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("memory").join(name)
    }

    fn release(&self) {
        self.names.lock().is_released = true;
    }
}

/// The pieces of pages that lie in `count` bytes from `at` on: the page, where in it, and how many bytes.
fn pieces(at: u64, count: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (mut at, mut left) = (at as usize, count);
    std::iter::from_fn(move || {
        let within = at % PAGE;
        let piece = (at / PAGE, within, left.min(PAGE - within));
        at += piece.2;
        left -= piece.2;
        (piece.2 > 0).then_some(piece)
    })
}

/// Where the bytes end. It is an error if no memory could hold that.
fn end(at: u64, count: usize) -> io::Result<u64> {
    at.checked_add(count as u64).filter(|&end| end <= isize::MAX as u64).ok_or_else(|| ErrorKind::FileTooLarge.into())
}

impl File for Content {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.read().size)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let content = self.0.read();
        if at.checked_add(bytes.len() as u64).is_none_or(|end| end > content.size) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (page, within, count) in pieces(at, bytes.len()) {
            let to = &mut bytes[done..done + count];
            match content.pages.get(page) {
                Some(Some(page)) => to.copy_from_slice(&page[within..within + count]),
                _ => to.fill(0),
            }
            done += count;
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = end(at, bytes.len())?;
        let mut content = self.0.write();
        let mut done = 0;
        for (page, within, count) in pieces(at, bytes.len()) {
            if content.pages.len() <= page {
                content.pages.resize(page + 1, None);
            }
            let page = content.pages[page].get_or_insert_with(|| vec![0; PAGE].into());
            page[within..within + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
        content.size = content.size.max(end);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        let size = end(size, 0)?;
        let mut content = self.0.write();
        content.size = content.size.max(size);
        Ok(())
    }
}
