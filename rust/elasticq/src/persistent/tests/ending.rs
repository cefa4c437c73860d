//! The end of a queue, also beside other calls, and what a kill leaves of its spare files.

use super::disk::Disk;
use super::{MODES, item, items, open, push, small};
use crate::BufferError;
use crate::persistent::core::Core;
use crate::persistent::files::{self, Storage};
use crate::persistent::spares::RESERVE;
use crate::persistent::{PersistentCircularBuffer, Raw, SyncMode};
use std::thread;

/// Whoever has called it may remove the files, or open them again.
#[test]
fn who_ends_a_queue_that_another_thread_is_ending_comes_back_when_that_is_done() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    push(&core, &item(1, 100)).unwrap();
    disk.hold_syncs(true);
    thread::scope(|scope| {
        let first = scope.spawn(|| core.end());
        while !disk.is_syncing() {
            thread::yield_now();
        }
        let second = scope.spawn(|| (core.end(), disk.create("a").is_err()));
        for _ in 0..10_000 {
            if second.is_finished() {
                break;
            }
            thread::yield_now();
        }
        disk.hold_syncs(false);
        assert_eq!(first.join().unwrap(), Ok(()));
        assert_eq!(second.join().unwrap(), (Err(BufferError::Closed), true), "nothing can be made any more");
    });
}

/// A call may be under way when another thread ends the queue, and a look may outlive it.
#[test]
fn what_finds_the_files_given_up_says_that_the_queue_was_closed() {
    for mode in MODES {
        let folder = tempfile::tempdir().unwrap();
        let disk = files::Disk::open(&folder.path().join("queue")).unwrap();
        let core = Core::open_quietly(Box::new(disk), small(mode)).unwrap();
        for number in 0..50 {
            push(&core, &item(number, 5_000)).unwrap();
        }
        core.pop(45).unwrap();
        core.log.storage.release();
        assert_eq!(items(&core), Err(BufferError::Closed), "{mode:?}");
        assert_eq!(core.compact(), Err(BufferError::Closed), "{mode:?}");
        assert_eq!(core.tidy(), Err(BufferError::Closed), "{mode:?}");
        if mode != SyncMode::EveryWrite {
            assert_eq!(core.sync(), Err(BufferError::Closed), "{mode:?}: not everything is durable");
        }
        let pushed: Result<(), _> = (0..50).try_for_each(|number| push(&core, &item(number, 5_000)));
        assert_eq!(pushed, Err(BufferError::Closed), "{mode:?}");
    }
}

/// It is what consumers go on with when the disk is full.
#[test]
fn a_reserve_that_was_not_made_to_its_end_is_made_anew() {
    for left in [0, 8, 40_000, (64 << 10) - 1] {
        let disk = Disk::default();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        core.tidy().unwrap();
        let whole = disk.content(RESERVE).len();
        drop(core);
        disk.tamper(RESERVE, |bytes| bytes.truncate(left));
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        core.tidy().unwrap();
        assert_eq!((disk.content(RESERVE).len(), whole), (64 << 10, 64 << 10), "{left} bytes");
    }
}

/// An opener may ask for larger files than the one before. The disk may have no room for another one.
#[test]
fn a_smaller_reserve_than_one_of_these_settings_is_kept() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    core.tidy().unwrap();
    drop(core);
    disk.fill(true);
    let core = open(&disk, small(SyncMode::NoSync).with_segment_bytes(4 << 20)).unwrap();
    assert_eq!((disk.content(RESERVE).len(), core.log.bytes()), (64 << 10, 128 << 10));
}

/// It would stay for ever.
#[test]
fn no_file_is_half_made_when_several_threads_have_ended_the_queue() {
    for mode in MODES {
        let disk = Disk::default();
        let queue =
            PersistentCircularBuffer::<Vec<u8>, Raw>::in_storage(Box::new(disk.clone()), small(mode), Raw).unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| queue.finish());
            }
        });
        let files = disk.names().into_iter().filter(|name| name.ends_with(".log"));
        let sizes: Vec<usize> = files.map(|name| disk.content(&name).len()).collect();
        assert!(sizes.iter().all(|&size| size == 64 << 10), "{mode:?}: {sizes:?}");
    }
}
