//! Files that were cut off or changed. The queue opens with the first items as they were, or says
//! `Corrupted`. It never panics, never hangs, and never shows an item that was not put in.

use super::disk::Disk;
use super::{item, items, open, push, small};
use crate::BufferError;
use crate::persistent::SyncMode;
use crate::persistent::format::HEADER;

/// The name of the first file.
fn file(disk: &Disk) -> String {
    disk.names().into_iter().find(|name| name.starts_with("00000000000000000001-")).unwrap()
}

/// A queue with a few short items, and where their records end.
fn short_queue(synced: bool) -> (Disk, Vec<Vec<u8>>, usize) {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    let pushed: Vec<Vec<u8>> = (0..4).map(|number| item(number, 10)).collect();
    for item in &pushed {
        push(&core, item).unwrap();
        if synced {
            core.sync().unwrap();
        }
    }
    if synced {
        core.finish().unwrap();
    }
    let end = core.log.tail().end().place.offset as usize;
    (disk, pushed, end)
}

/// Opens what is there: the items, or `None` if it says that it is damaged.
fn found(disk: &Disk, what: &str) -> Option<Vec<Vec<u8>>> {
    match open(disk, small(SyncMode::NoSync)) {
        Ok(core) => match items(&core) {
            Ok(items) => Some(items),
            Err(BufferError::Corrupted(_)) => None,
            Err(error) => panic!("{what}: {error}"),
        },
        Err(BufferError::Corrupted(text)) => {
            assert!(text.contains(&file(disk)) && text.contains("offset"), "{what}: {text}");
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn wherever_the_file_is_cut_off_the_first_items_are_there_or_it_says_that_it_is_damaged() {
    let (_, pushed, end) = short_queue(false);
    for length in (0..end + 64).chain([65_000, 65_535]) {
        let (disk, ..) = short_queue(false);
        disk.tamper(&file(&disk), |bytes| bytes.truncate(length));
        if let Some(found) = found(&disk, &format!("cut off at {length}")) {
            assert_eq!(found, pushed[..found.len()], "cut off at {length}");
        }
    }
}

#[test]
fn whatever_bit_is_flipped_the_first_items_are_as_they_were_or_it_says_that_it_is_damaged() {
    for synced in [false, true] {
        let (disk, pushed, end) = short_queue(synced);
        let whole = disk.content(&file(&disk));
        for at in (0..64).chain((64..HEADER).step_by(101)).chain(HEADER..end + 16) {
            for bit in 0..8 {
                let what = format!("synced {synced}, bit {bit} of byte {at}");
                let disk = disk.after_kill();
                disk.tamper(&file(&disk), |bytes| bytes[at] ^= 1 << bit);
                if let Some(found) = found(&disk, &what) {
                    assert_eq!(found, pushed[..found.len()], "{what}");
                    // Whatever is synced is there or reported. Only the last note, that the queue was closed,
                    // may look as if it had never been written.
                    assert!(!synced || found.len() == pushed.len(), "{what}: lost without a word");
                } else {
                    assert_eq!(disk.content(&file(&disk)).len(), whole.len(), "{what}: changed");
                }
            }
        }
    }
}

/// The nearest rival deletes all items because of such a bit, and calls the queue clean.
#[test]
fn a_bit_flipped_in_the_first_of_many_synced_items_is_reported_and_nothing_is_changed() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    for number in 1..6 {
        push(&core, &item(number, 100)).unwrap();
    }
    core.finish().unwrap();
    drop(core);
    let before = disk.content(&file(&disk));
    let at = before.windows(100).position(|bytes| bytes == item(1, 100)).unwrap();
    disk.tamper(&file(&disk), |bytes| bytes[at + 50] ^= 1);
    let damaged = disk.content(&file(&disk));
    let error = open(&disk, small(SyncMode::EveryWrite)).unwrap_err();
    assert!(matches!(&error, BufferError::Corrupted(text) if text.contains(&file(&disk))), "{error}");
    assert!(disk.content(&file(&disk)) == damaged && disk.names().len() == 2, "it was changed");
}

/// What stands behind the note that the queue was closed may be of later use.
#[test]
fn a_bit_flipped_in_the_first_item_after_a_clean_close_is_reported() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    push(&core, &item(1, 100)).unwrap();
    core.finish().unwrap();
    drop(core);
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    for number in 2..6 {
        push(&core, &item(number, 100)).unwrap();
    }
    drop(core);
    let at = disk.content(&file(&disk)).windows(100).position(|bytes| bytes == item(2, 100)).unwrap();
    disk.tamper(&file(&disk), |bytes| bytes[at + 50] ^= 1);
    let error = open(&disk, small(SyncMode::EveryWrite)).expect_err("it says nothing");
    assert!(matches!(error, BufferError::Corrupted(_)), "{error}");
}

#[test]
fn a_file_of_another_program_is_none_of_ours() {
    let disk = Disk::default();
    drop(open(&disk, small(SyncMode::NoSync)).unwrap());
    disk.tamper(&file(&disk), |bytes| bytes.fill(b'x'));
    let error = open(&disk, small(SyncMode::NoSync)).unwrap_err();
    assert!(error.to_string().contains("not one of elasticq's"), "{error}");
}

#[test]
fn a_missing_file_is_reported() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..30 {
        push(&core, &item(number, 9000)).unwrap();
    }
    core.finish().unwrap();
    drop(core);
    let mut names: Vec<String> = disk.names().into_iter().filter(|name| name.starts_with('0')).collect();
    names.sort();
    assert!(names.len() > 3, "{names:?}");
    for missing in [&names[0], &names[1], &names[2]] {
        let disk = disk.after_kill();
        crate::persistent::files::Storage::remove(&disk, missing).unwrap();
        let error = open(&disk, small(SyncMode::NoSync)).unwrap_err();
        assert!(matches!(error, BufferError::Corrupted(_)), "{missing}: {error}");
    }
}

#[test]
fn a_damaged_header_of_the_newest_file_is_reported() {
    for mode in super::MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        for number in 0..10 {
            push(&core, &item(number, 9000)).unwrap();
        }
        core.finish().unwrap();
        drop(core);
        let newest = disk.names().into_iter().filter(|name| name.starts_with('0')).max().unwrap();
        let damages: [fn(&mut Vec<u8>); 4] = [
            |bytes| bytes[0] ^= 1,
            |bytes| bytes[20] ^= 1,
            |bytes| bytes[..HEADER].fill(0),
            |bytes| bytes.truncate(100),
        ];
        for damage in damages {
            let disk = disk.after_kill();
            disk.tamper(&newest, damage);
            let error = open(&disk, small(mode)).expect_err("it says nothing");
            assert!(matches!(error, BufferError::Corrupted(_)), "{mode:?}: {error}");
            assert!(disk.names().contains(&newest));
        }
    }
}
