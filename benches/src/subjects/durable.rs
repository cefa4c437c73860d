//! Queues and logs in files: ours, its predecessor, what others have, and a bare file.
//!
//! All of them give back the room of what was taken, each in its own way, so that a long run writes into few
//! files. yaque and queue-file are used through `&mut self`. The others are shared by threads.

use crate::durable::{SIZE, number};
use elasticq::Config;
use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Raw, SyncMode};
use okaywal::{LogPosition, LogVoid, WriteAheadLog};
use parking_lot::Mutex;
use queue_file::QueueFile;
use raft_engine::{Command, Engine, LogBatch};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wal_db::{Lsn, Wal};

/// When what was put is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When the system sees fit.
    NoSync,
    /// Once in such a time.
    Periodic(Duration),
    /// Before the call returns.
    EveryWrite,
}

/// A queue or a log in files that one thread uses.
pub trait Durable {
    /// The name in the tables.
    const NAME: &'static str;

    /// Opens one in a folder. What is not its own to decide ends the run with a panic, as everything here
    /// that the disk refuses.
    fn open(folder: &Path, mode: Mode) -> Self;
    /// Puts a message at the end, or returns `false` if it is refused.
    fn put(&mut self, payload: &[u8]) -> bool;
    /// Shows all messages, those of each thread in their order, and removes them.
    fn drain(&mut self, see: &mut dyn FnMut(&[u8]));
}

/// One that is a queue: messages are taken one by one, and for good.
pub trait Takes: Durable {
    /// Takes the oldest message.
    fn take(&mut self) -> Option<Vec<u8>>;
}

/// One that threads share.
pub trait SharedLog: Durable + Sync {
    /// As [`put`](Durable::put), from any thread.
    fn append(&self, payload: &[u8]) -> bool;
}

macro_rules! opaque {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}

opaque!(Ours, Old, Yaque, Queue, WalDb, Okay, Raft);

/// Ours, with the codec for bytes.
pub struct Ours(PersistentCircularBuffer<Vec<u8>, Raw>);

impl Ours {
    /// Where its files are.
    #[must_use]
    pub fn files(folder: &Path) -> PathBuf {
        folder.join("queue")
    }

    /// The queue itself.
    #[must_use]
    pub fn queue(&self) -> &PersistentCircularBuffer<Vec<u8>, Raw> {
        &self.0
    }
}

impl Durable for Ours {
    const NAME: &'static str = "elasticq";

    fn open(folder: &Path, mode: Mode) -> Self {
        let mode = match mode {
            Mode::NoSync => SyncMode::NoSync,
            Mode::Periodic(interval) => SyncMode::Periodic(interval),
            Mode::EveryWrite => SyncMode::EveryWrite,
        };
        let config = PersistentConfig::default()
            .with_file_path(Self::files(folder))
            .with_sync_mode(mode)
            .with_base_config(Config::default().with_max_capacity(usize::MAX));
        Self(PersistentCircularBuffer::with_codec(config, Raw).expect("it opens"))
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.append(payload)
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        loop {
            let items = self.0.pop_batch(1_000).expect("the disk gives what it was given");
            if items.is_empty() {
                break;
            }
            items.iter().for_each(|item| see(item));
        }
    }
}

impl SharedLog for Ours {
    #[inline(always)]
    fn append(&self, payload: &[u8]) -> bool {
        self.0.push(payload.to_vec()).is_ok()
    }
}

impl Takes for Ours {
    #[inline(always)]
    fn take(&mut self) -> Option<Vec<u8>> {
        self.0.pop().ok()
    }
}

/// elasticq 0.3.0 as it is published. It does not write down what was popped, and keeps all items in memory.
pub struct Old(old::PersistentCircularBuffer<Vec<u8>>);

impl Durable for Old {
    const NAME: &'static str = super::predecessor::NAME;

    fn open(folder: &Path, mode: Mode) -> Self {
        let mode = match mode {
            Mode::NoSync => old::SyncMode::NoSync,
            Mode::Periodic(interval) => old::SyncMode::Periodic(interval),
            Mode::EveryWrite => old::SyncMode::EveryWrite,
        };
        let config = old::PersistentConfig::new(folder.join("buffer"))
            .with_sync_mode(mode)
            .with_base_config(old::Config::default().with_max_capacity(1 << 20));
        Self(old::PersistentCircularBuffer::new(config).expect("it opens"))
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.append(payload)
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        while let Ok(item) = self.0.pop() {
            see(&item);
        }
        self.0.clear().expect("it can be emptied"); // else its file only grows
    }
}

impl SharedLog for Old {
    #[inline(always)]
    fn append(&self, payload: &[u8]) -> bool {
        self.0.push(payload.to_vec()).is_ok()
    }
}

impl Takes for Old {
    #[inline(always)]
    fn take(&mut self) -> Option<Vec<u8>> {
        self.0.pop().ok()
    }
}

/// yaque's queue, which never syncs.
pub struct Yaque(yaque::Sender, yaque::Receiver);

impl Durable for Yaque {
    const NAME: &'static str = "yaque";

    fn open(folder: &Path, mode: Mode) -> Self {
        assert_eq!(mode, Mode::NoSync, "yaque never syncs");
        let (sender, receiver) = yaque::channel(folder.join("queue")).expect("it opens");
        Self(sender, receiver)
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.0.try_send(payload).is_ok()
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        while let Some(item) = self.take() {
            see(&item);
        }
    }
}

impl Takes for Yaque {
    #[inline(always)]
    fn take(&mut self) -> Option<Vec<u8>> {
        self.1.try_recv().ok()?.try_into_inner().ok()
    }
}

/// The queue of queue-file.
pub struct Queue(QueueFile);

impl Durable for Queue {
    const NAME: &'static str = "queue-file";

    fn open(folder: &Path, mode: Mode) -> Self {
        let mut queue = QueueFile::open(folder.join("queue")).expect("it opens");
        queue.set_sync_writes(mode == Mode::EveryWrite);
        Self(queue)
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.0.add(payload).is_ok()
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        self.0.iter().for_each(|item| see(&item));
        self.0.clear().expect("it can be emptied");
    }
}

impl Takes for Queue {
    #[inline(always)]
    fn take(&mut self) -> Option<Vec<u8>> {
        let item = self.0.peek().ok()??;
        self.0.remove().ok()?;
        Some(item)
    }
}

/// wal-db's log. It is cut off again behind a first record, since it can't be emptied.
pub struct WalDb {
    log: Wal,
    first: Lsn,
    synced: bool,
}

impl Durable for WalDb {
    const NAME: &'static str = "wal-db";

    fn open(folder: &Path, mode: Mode) -> Self {
        let log = Wal::open(folder.join("log")).expect("it opens");
        let first = log.append(b"first").expect("there is room");
        Self { log, first, synced: mode == Mode::EveryWrite }
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.append(payload)
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        let records = self.log.iter().expect("it can be read").skip(1);
        records.for_each(|record| see(record.expect("it is whole").data()));
        self.log.truncate_after(self.first).expect("it can be cut off");
    }
}

impl SharedLog for WalDb {
    #[inline(always)]
    fn append(&self, payload: &[u8]) -> bool {
        if self.synced { self.log.append_and_sync(payload).is_ok() } else { self.log.append(payload).is_ok() }
    }
}

/// okaywal's log, with one entry for each message.
pub struct Okay {
    log: WriteAheadLog,
    positions: Mutex<Vec<LogPosition>>,
}

impl Durable for Okay {
    const NAME: &'static str = "okaywal";

    fn open(folder: &Path, mode: Mode) -> Self {
        assert_eq!(mode, Mode::EveryWrite, "okaywal syncs every entry");
        let log = WriteAheadLog::recover(folder.join("log"), LogVoid).expect("it opens");
        Self { log, positions: Mutex::default() }
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.append(payload)
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        let mut bytes = Vec::new();
        for position in self.positions.get_mut().drain(..) {
            bytes.clear();
            self.log.read_at(position).and_then(|mut chunk| chunk.read_to_end(&mut bytes)).expect("it can be read");
            see(&bytes);
        }
        self.log.checkpoint_active().expect("it can be emptied");
    }
}

impl SharedLog for Okay {
    #[inline(always)]
    fn append(&self, payload: &[u8]) -> bool {
        let put = || {
            let mut entry = self.log.begin_entry()?;
            let chunk = entry.write_chunk(payload)?;
            entry.commit().map(|_| chunk.position)
        };
        put().map(|position| self.positions.lock().push(position)).is_ok()
    }
}

/// raft-engine's log. A message is the value under its number, which needs no type of its own.
pub struct Raft {
    log: Engine,
    synced: bool,
}

/// All messages belong to this group.
const GROUP: u64 = 1;

impl Durable for Raft {
    const NAME: &'static str = "raft-engine";

    fn open(folder: &Path, mode: Mode) -> Self {
        let dir = folder.join("log").to_str().expect("the path is text").to_owned();
        let log = Engine::open(raft_engine::Config { dir, ..Default::default() }).expect("it opens");
        Self { log, synced: mode == Mode::EveryWrite }
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.append(payload)
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        let shown = self.log.scan_raw_messages(GROUP, None, None, false, |_, value| {
            see(value);
            true
        });
        shown.expect("it can be read");
        let mut batch = LogBatch::default();
        batch.add_command(GROUP, Command::Clean);
        self.log.write(&mut batch, false).expect("it can be emptied");
    }
}

impl SharedLog for Raft {
    #[inline(always)]
    fn append(&self, payload: &[u8]) -> bool {
        let Some(number) = number(payload) else { return false };
        let mut batch = LogBatch::default();
        batch.put(GROUP, number.to_be_bytes().to_vec(), payload.to_vec()).is_ok()
            && self.log.write(&mut batch, self.synced).is_ok()
    }
}

/// The floor: messages are written one behind the other into a file that was written before, and nothing
/// else.
#[derive(Debug)]
pub struct BareFile {
    file: File,
    end: AtomicU64,
    synced: bool,
}

impl BareFile {
    /// How long the file is before the first message. What is put behind that makes it longer.
    const fn length(mode: Mode) -> u64 {
        match mode {
            Mode::EveryWrite => 1 << 20,
            _ => 16 << 20,
        }
    }
}

impl Durable for BareFile {
    const NAME: &'static str = "bare overwrite";

    fn open(folder: &Path, mode: Mode) -> Self {
        let path = folder.join("file");
        let file = File::options().read(true).write(true).create_new(true).open(path).expect("it can be made");
        let zeroes = [0; 16 << 10]; // with larger pieces some systems would later write more than a page
        for at in (0..Self::length(mode)).step_by(zeroes.len()) {
            file.write_all_at(&zeroes, at).expect("there is room");
        }
        file.sync_all().expect("it can be synced");
        Self { file, end: AtomicU64::new(0), synced: mode == Mode::EveryWrite }
    }

    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        self.append(payload)
    }

    fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
        let mut bytes = vec![0; std::mem::take(self.end.get_mut()) as usize];
        self.file.read_exact_at(&mut bytes, 0).expect("it can be read");
        bytes.chunks(SIZE).for_each(see);
    }
}

impl SharedLog for BareFile {
    #[inline(always)]
    fn append(&self, payload: &[u8]) -> bool {
        let at = self.end.fetch_add(payload.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(payload, at).is_ok() && (!self.synced || self.file.sync_data().is_ok())
    }
}
