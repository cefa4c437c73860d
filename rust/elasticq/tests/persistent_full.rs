//! The durable queue where the disk is small: a file system that is full, and many more items than there is
//! room for at a time.
#![cfg(all(feature = "persistent", target_os = "linux", not(loom)))]

use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Raw, SyncMode};
use elasticq::{BufferError, Config};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

const MODES: [SyncMode; 3] = [SyncMode::NoSync, SyncMode::Periodic(Duration::from_millis(5)), SyncMode::EveryWrite];

/// A file system of its own, which goes at the end.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    /// `None`: this process may not mount anything.
    fn new(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "elasticq"]).arg(folder.path()).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("queue")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

fn open(path: &Path, mode: SyncMode) -> Queue {
    let config = PersistentConfig::default().with_file_path(path).with_sync_mode(mode).with_segment_bytes(256 << 10);
    Queue::with_codec(config, Raw).unwrap()
}

fn item(number: u32) -> Vec<u8> {
    [&number.to_le_bytes()[..], &[7; 2000]].concat()
}

fn number(item: &[u8]) -> u32 {
    u32::from_le_bytes(item[..4].try_into().unwrap())
}

#[test]
fn on_a_full_file_system_pushes_are_refused_consumers_go_on_and_pushes_go_on_after_them() {
    let Some(disk) = Small::new(4) else {
        println!("nothing can be mounted here: not tested");
        return;
    };
    for (round, mode) in MODES.into_iter().enumerate() {
        let path = disk.path().with_extension(round.to_string());
        let queue = open(&path, mode);
        let (mut first, mut next) = (0, 0);
        for _ in 0..5 {
            let refused = loop {
                match queue.offer(item(next)) {
                    Ok(()) => next += 1,
                    Err(refused) => break refused,
                }
            };
            let BufferError::Io(why) = refused.reason() else { panic!("{refused}") };
            assert_eq!(why.kind(), ErrorKind::StorageFull, "{why}");
            assert_eq!(refused.into_inner(), item(next), "the item comes back");
            assert!(next - first > 500, "{mode:?}: only {} items found room", next - first);
            // Half of them by pops, half by leases.
            while first < next {
                assert_eq!(number(&queue.pop().unwrap()), first);
                if first + 1 < next {
                    assert_eq!(number(&queue.lease(None).unwrap().ack().unwrap()), first + 1);
                }
                first = next.min(first + 2);
            }
        }
        drop(queue);
        let queue = open(&path, mode);
        assert!(queue.is_empty() && queue.stats().queue.messages_enqueued == u64::from(next), "{:?}", queue.stats());
        drop(queue);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

/// So many items; `make verify` takes ten million.
fn many() -> u32 {
    std::env::var("ELASTICQ_DURABLE_ITEMS").map_or(50_000, |items| items.parse().expect("a number of items"))
}

#[test]
fn however_many_items_go_through_a_small_queue_its_files_stay_small() {
    let (folder, items) = (tempfile::tempdir().unwrap(), many());
    let few = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1000);
    let config = PersistentConfig::default()
        .with_file_path(folder.path().join("queue"))
        .with_sync_mode(SyncMode::NoSync)
        .with_segment_bytes(1 << 20)
        .with_base_config(few.with_push_timeout(Duration::from_secs(60)).with_pop_timeout(Duration::from_secs(60)));
    let queue = Arc::new(Queue::with_codec(config, Raw).unwrap());
    let producer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            (0..items).try_for_each(|number| queue.push([&number.to_le_bytes()[..], &[7; 96]].concat()))
        })
    };
    let mut largest = 0;
    for expected in 0..items {
        assert_eq!(number(&queue.pop().unwrap()), expected);
        if expected % 1000 == 0 {
            largest = largest.max(queue.stats().bytes_on_disk);
        }
    }
    producer.join().unwrap().unwrap();
    println!("{items} items, at most {largest} bytes on disk");
    // What the queue's thread gives up waits for a sync, and meanwhile others come.
    assert!(largest < 256 << 20, "{largest} bytes");
    while queue.stats().bytes_on_disk > 5 << 20 {
        queue.compact().unwrap();
        thread::yield_now();
    }
}
