//! A disk in memory whose power can be cut.
//!
//! What was written since the last sync may be lost in any part: each page of 4 KiB by itself has one of the
//! contents that it had since then, or sectors of two of them. Of the changes of names since the last sync of
//! the directory any may be missing. A chooser decides, so that a seed tells everything.

use crate::persistent::files::{File, Storage};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the last sync, in order.
    renames: Vec<Change>,
    /// How many operations were done, and what the later ones come to.
    operations: usize,
    power_until: Option<usize>,
    full: bool,
    /// Syncs from this one on fail.
    syncs: usize,
    failing_sync: Option<usize>,
    panics: bool,
    refuses_removal: bool,
    refuses_write: bool,
    refuses_opening: bool,
    holds_syncs: bool,
    holds_reads: bool,
    meanwhile: Option<Meanwhile>,
    waits: bool,
}

/// What somebody else does after so many reads.
struct Meanwhile(usize, Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {} reads", self.0)
    }
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What each page has held since the last sync.
    since: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Whether its pages are kept in the process's memory.
    is_mapped: bool,
}

/// A random number below a limit.
pub type Choose<'a> = &'a mut dyn FnMut(usize) -> usize;

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Lets so many operations pass; all later ones fail, as if the power were out.
    pub fn cut_after(&self, operations: usize) {
        self.state().power_until = Some(operations);
    }

    /// The same for so many operations from now on.
    pub fn cut_in(&self, operations: usize) {
        let mut state = self.state();
        state.power_until = Some(state.operations + operations);
    }

    /// From now on, there is no room for another page.
    pub fn fill(&self, full: bool) {
        self.state().full = full;
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(state), released: Condvar::new() }))
    }

    /// Lets syncs of files wait, or go on.
    pub fn hold_syncs(&self, hold: bool) {
        self.state().holds_syncs = hold;
        self.0.released.notify_all();
    }

    /// Lets reads wait, or go on.
    pub fn hold_reads(&self, hold: bool) {
        self.state().holds_reads = hold;
        self.0.released.notify_all();
    }

    /// Does this after so many more reads.
    pub fn meanwhile(&self, reads: usize, change: impl FnOnce() + Send + 'static) {
        self.state().meanwhile = Some(Meanwhile(reads, Box::new(change)));
    }

    /// Whether that was done.
    pub fn has_happened(&self) -> bool {
        self.state().meanwhile.is_none()
    }

    /// The next file that is to be removed, or put aside, stays.
    pub fn refuse_removal(&self) {
        self.state().refuses_removal = true;
    }

    /// The next write fails.
    pub fn refuse_write(&self) {
        self.state().refuses_write = true;
    }

    /// The next file that is to be opened is not, as if the process had too many of them.
    pub fn refuse_opening(&self) {
        self.state().refuses_opening = true;
    }

    /// From now on a sync panics.
    pub fn panic_at_syncs(&self) {
        self.state().panics = true;
    }

    /// Whether a sync waits.
    pub fn is_syncing(&self) -> bool {
        self.state().waits
    }

    /// The sync with this number from now on fails, and those after it succeed again.
    pub fn fail_sync(&self, number: usize) {
        let mut state = self.state();
        state.failing_sync = Some(state.syncs + number);
    }

    /// What is on the disk when the power is back.
    pub fn after_power_cut(&self, choose: Choose<'_>) -> Self {
        let state = self.state();
        let mut names = state.durable_names.clone();
        for change in &state.renames {
            if choose(2) == 1 {
                change.apply(&mut names);
            }
        }
        let files: Vec<Content> =
            state.files.iter().map(|file| Content::durable(file.after_power_cut(choose))).collect();
        Self::of(State { files, names: names.clone(), durable_names: names, ..State::default() })
    }

    /// What another process sees when this one has ended: everything.
    pub fn after_kill(&self) -> Self {
        let state = self.state();
        let files = state.files.clone();
        let (names, durable_names, renames) = (state.names.clone(), state.durable_names.clone(), state.renames.clone());
        Self::of(State { files, names, durable_names, renames, ..State::default() })
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// The names of the files whose pages are kept in the process's memory.
    pub fn mapped(&self) -> Vec<String> {
        let state = self.state();
        state.names.iter().filter(|(_, file)| state.files[**file].is_mapped).map(|(name, _)| name.clone()).collect()
    }

    /// Changes a file as no program should.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[name];
        change(&mut state.files[file].now);
        state.files[file].durable = state.files[file].now.clone();
    }

    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].now.clone()
    }

    fn changing(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.power_until.is_some_and(|until| state.operations >= until) {
            return Err(io::Error::other("the power is out"));
        }
        state.operations += 1;
        Ok(state)
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.state().names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl State {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.renames.push(change);
    }
}

impl Content {
    fn durable(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), durable: bytes, ..Self::default() }
    }

    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[at..end].copy_from_slice(bytes);
        for page in at / PAGE..end.div_ceil(PAGE) {
            let content = self.now[page * PAGE..self.now.len().min((page + 1) * PAGE)].to_vec();
            self.since.entry(page).or_default().push(content);
        }
    }

    /// Only pages that count as changed go to the disk.
    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for page in std::mem::take(&mut self.since).into_keys() {
            let range = page * PAGE..self.now.len().min((page + 1) * PAGE);
            self.durable[range.clone()].copy_from_slice(&self.now[range]);
        }
    }

    fn after_power_cut(&self, choose: Choose<'_>) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (&page, since) in &self.since {
            // The latest is as likely as all others together, and so is that nothing of the page was written.
            let pick = |choose: Choose<'_>| match choose(4) {
                0 => None,
                1 => Some(since[choose(since.len())].clone()),
                _ => since.last().cloned(),
            };
            let (Some(new), torn) = (pick(choose), choose(8) == 0) else { continue };
            let end = page * PAGE + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            for (sector, new) in new.chunks(SECTOR).enumerate() {
                if !torn || choose(2) == 1 {
                    let at = page * PAGE + sector * SECTOR;
                    bytes[at..at + new.len()].copy_from_slice(new);
                }
            }
        }
        bytes
    }
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut state = self.changing()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.change(Change::Set(name.into(), file));
        drop(state);
        self.open(name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        if std::mem::take(&mut self.state().refuses_opening) {
            return Err(io::Error::other("too many open files"));
        }
        Ok(Box::new(Opened { disk: self.clone(), file: self.file(name)? }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.file(from)?;
        if to.starts_with("spare") && std::mem::take(&mut self.state().refuses_removal) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.changing()?.change(Change::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.file(name)?;
        if std::mem::take(&mut self.state().refuses_removal) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.changing()?.change(Change::Remove(name.into()));
        Ok(())
    }

    fn move_into(&self, directory: &str, name: &str) -> io::Result<()> {
        self.rename(name, &format!("{directory}/{name}"))?;
        Storage::sync(self)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.changing()?;
        state.durable_names = state.names.clone();
        state.renames.clear();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/disk").join(name)
    }

    /// Everything fails from now on, also what a real disk could not refuse.
    fn release(&self) {
        let mut state = self.state();
        state.power_until = Some(state.operations);
    }
}

#[derive(Debug)]
struct Opened {
    disk: Disk,
    file: usize,
}

impl File for Opened {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].now.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.meanwhile.as_mut().is_some_and(|meanwhile| meanwhile.0 == 0) {
            let meanwhile = state.meanwhile.take();
            drop(state);
            meanwhile.into_iter().for_each(|Meanwhile(_, change)| change());
            state = self.disk.state();
        } else if let Some(meanwhile) = &mut state.meanwhile {
            meanwhile.0 -= 1;
        }
        while state.holds_reads {
            state = self.disk.0.released.wait(state).unwrap();
        }
        let content = &state.files[self.file].now;
        let found = content.get(at as usize..at as usize + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.changing()?;
        if std::mem::take(&mut state.refuses_write) {
            return Err(io::Error::other("the disk does not answer"));
        }
        let grows = at as usize + bytes.len() > state.files[self.file].now.len();
        if grows && state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files[self.file].write(bytes, at as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.changing()?;
        state.syncs += 1;
        while state.holds_syncs {
            state.waits = true;
            state = self.disk.0.released.wait(state).unwrap();
        }
        if state.panics {
            drop(state);
            panic!("a bug");
        }
        if state.failing_sync == Some(state.syncs) {
            // As Linux does: the pages count as clean from now on, and may never reach the disk.
            state.files[self.file].since.clear();
            return Err(io::Error::other("the disk does not answer"));
        }
        state.files[self.file].sync();
        Ok(())
    }

    fn map(&self) -> io::Result<()> {
        self.disk.state().files[self.file].is_mapped = true;
        Ok(())
    }

    fn let_go(&self) {
        self.disk.state().files[self.file].is_mapped = false;
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        // In one piece: how zeroes come to the file is of no interest here.
        let from = self.size()?;
        self.write_at(&vec![0; (size - from) as usize], from)
    }
}
