//! Pops that stand in the cell of the last segment's header: what a kill, a power cut and another opener make
//! of them.

use super::disk::{Disk, PAGE};
use super::rescue::{exported, repaired, verified};
use super::{MODES, Random, data, item, number, numbers, open, pop, push, segments, small};
use crate::persistent::SyncMode;
use crate::persistent::core::{Core, Extra};
use crate::persistent::files::Storage;
use crate::persistent::format::HEAD;
use crate::persistent::recover::UNSYNCED;
use crate::persistent::rescue::survey::Survey;
use crate::persistent::rescue::{Progress, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The modes in which calls don't wait for a sync.
const NOTING: [SyncMode; 2] = [SyncMode::NoSync, SyncMode::Periodic(Duration::from_secs(3600))];

/// A new queue with so many items of a page each.
fn filled(disk: &Disk, mode: SyncMode, count: u32) -> Arc<Core> {
    let core = open(disk, small(mode)).unwrap();
    for number in 0..count {
        push(&core, &item(number, PAGE)).unwrap();
    }
    core
}

fn pop_all(core: &Core, count: u32) {
    for _ in 0..count {
        pop(core).unwrap();
    }
}

/// How long an item may be that fits into the last file.
fn room(core: &Core) -> usize {
    let tail = core.log.tail();
    (tail.segment().header.size - tail.end().place.offset) as usize - 32
}

/// A power cut after which these pages of the first file are those of the last moment, and all others those
/// of the last sync. All names survive.
fn cut(disk: &Disk, kept: impl Fn(usize) -> bool) -> Disk {
    let name = &segments(disk)[0];
    let last = disk.content(name);
    let cut = disk.after_power_cut(&mut |limit| match limit {
        2 | 8 => 1, // the name; not torn
        _ => 0,     // the page is lost
    });
    cut.tamper(name, |bytes| {
        bytes.resize(last.len(), 0);
        for (page, bytes) in bytes.chunks_mut(PAGE).enumerate().filter(|(page, _)| kept(*page)) {
            bytes.copy_from_slice(&last[page * PAGE..][..bytes.len()]);
        }
    });
    cut
}

const CELL_ONLY: fn(usize) -> bool = |page| page == 0;
const ALL_BUT_THE_CELL: fn(usize) -> bool = |page| page != 0;

#[test]
fn pops_that_have_returned_are_known_after_a_kill_without_a_record() {
    for mode in NOTING {
        let disk = Disk::default();
        let core = filled(&disk, mode, 40); // in several files
        let mut gone = 0;
        let mut disk = disk;
        let mut core = core;
        for count in [3, 17, 1, 0, 12] {
            let records = core.stats().log_entries;
            pop_all(&core, count);
            assert_eq!(core.stats().log_entries, records, "{mode:?}");
            gone += count;
            disk = disk.after_kill();
            core = open(&disk, small(mode)).unwrap();
            assert_eq!(numbers(&core), (gone..40).collect::<Vec<_>>(), "{mode:?}");
            assert_eq!(core.stats().queue.messages_dequeued, u64::from(gone), "{mode:?}");
        }
    }
}

#[test]
fn a_sync_covers_the_pops_before_it_and_a_power_cut_undoes_only_those_behind() {
    for mode in NOTING {
        for finishes in [false, true] {
            let disk = Disk::default();
            let core = filled(&disk, mode, 6);
            core.sync().unwrap();
            pop_all(&core, 2);
            if finishes {
                core.end().unwrap()
            } else {
                core.sync().unwrap()
            }
            let cut = cut(&disk, |_| false);
            assert_eq!(numbers(&open(&cut, small(mode)).unwrap()), [2, 3, 4, 5], "{mode:?}, {finishes}");
        }
        let disk = Disk::default();
        let core = filled(&disk, mode, 6);
        pop_all(&core, 2);
        core.sync().unwrap();
        pop_all(&core, 3);
        push(&core, &item(6, PAGE)).unwrap();
        let cut = cut(&disk, ALL_BUT_THE_CELL);
        assert_eq!(numbers(&open(&cut, small(mode)).unwrap()), [2, 3, 4, 5, 6], "{mode:?}");
    }
}

/// A queue whose cell goes beyond the records: two items survived, and five were popped.
fn beyond() -> Disk {
    let disk = Disk::default();
    let core = filled(&disk, SyncMode::NoSync, 2);
    core.sync().unwrap();
    for number in 2..5 {
        push(&core, &item(number, PAGE)).unwrap();
    }
    pop_all(&core, 5);
    cut(&disk, CELL_ONLY)
}

/// New items get the numbers that the word had passed, and a power cut takes what was not synced of the cell.
fn new_items_stay(disk: &Disk, what: &str) {
    let core = open(disk, small(SyncMode::NoSync)).unwrap();
    assert_eq!(numbers(&core), [0; 0], "{what}");
    for number in 10..13 {
        push(&core, &item(number, PAGE)).unwrap();
    }
    drop(core);
    let cut = cut(disk, ALL_BUT_THE_CELL);
    assert_eq!(numbers(&open(&cut, small(SyncMode::NoSync)).unwrap()), [10, 11, 12], "{what}");
}

#[test]
fn a_word_beyond_the_records_is_right_on_the_disk_before_a_new_item_gets_a_number_that_it_has_passed() {
    new_items_stay(&beyond(), "power cut");
    let disk = beyond();
    Storage::create(&disk, UNSYNCED).unwrap();
    Storage::sync(&disk).unwrap();
    new_items_stay(&disk, "a sync had failed, too");
}

#[test]
fn a_word_is_right_on_the_disk_also_if_the_opener_that_put_it_right_was_killed() {
    for operations in 0..20 {
        let disk = beyond();
        disk.cut_after(operations);
        let opened = open(&disk, small(SyncMode::NoSync)).is_ok();
        new_items_stay(&disk.after_kill(), &format!("killed after {operations} operations"));
        if opened {
            return;
        }
    }
    panic!("it never opens");
}

#[test]
fn a_sync_that_fails_while_a_queue_is_opened_is_not_forgotten() {
    let disk = beyond();
    disk.fail_sync(1);
    open(&disk, small(SyncMode::NoSync)).unwrap_err();
    new_items_stay(&disk.after_kill(), "the sync failed");

    // The records, too, may be in memory only.
    let disk = Disk::default();
    drop(filled(&disk, SyncMode::NoSync, 3));
    let disk = disk.after_kill();
    disk.fail_sync(1);
    open(&disk, small(SyncMode::NoSync)).unwrap_err();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    core.sync().unwrap();
    let cut = cut(&disk, |_| false);
    assert_eq!(numbers(&open(&cut, small(SyncMode::NoSync)).unwrap()), [0, 1, 2]);
}

#[test]
fn a_word_behind_a_lost_lease_passes_nothing() {
    let disk = Disk::default();
    let core = filled(&disk, SyncMode::NoSync, 4);
    core.sync().unwrap();
    core.lease(1, None).unwrap();
    pop_all(&core, 2);
    let cut = cut(&disk, CELL_ONLY);
    let core = open(&cut, small(SyncMode::NoSync)).unwrap();
    assert_eq!(numbers(&core), [0, 1, 2, 3]);
    // The same calls once more: the record is the same, and so would be its link.
    core.lease(1, None).unwrap();
    let cut = cut.after_kill();
    assert_eq!(numbers(&open(&cut, small(SyncMode::NoSync)).unwrap()), [0, 1, 2, 3]);
}

#[test]
fn another_mode_keeps_the_pops_whenever_the_process_is_killed() {
    for mode in NOTING {
        let disk = Disk::default();
        let core = filled(&disk, mode, 6);
        pop_all(&core, 2);
        let disk = disk.after_kill();
        drop(core);
        // Nothing is written but what opening writes.
        let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
        assert_eq!(numbers(&core), [2, 3, 4, 5]);
        let disk = disk.after_kill();
        let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
        assert_eq!(numbers(&core), [2, 3, 4, 5]);
        assert_eq!(number(&pop(&core).unwrap()), 2);
        let cut = cut(&disk, |_| false);
        assert_eq!(numbers(&open(&cut, small(mode)).unwrap()), [3, 4, 5]);
        let disk = disk.after_kill();
        let core = open(&disk, small(mode)).unwrap();
        pop_all(&core, 2);
        let disk = disk.after_kill();
        assert_eq!(numbers(&open(&disk, small(mode)).unwrap()), [5]);
    }
}

#[test]
fn records_that_follow_noted_pops_stay_in_their_file() {
    // Wherever the file's end comes: behind the record of the pops there may be room for a mark, or for the
    // lease.
    for length in (0..200).step_by(8) {
        let disk = Disk::default();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        for number in 0..3 {
            push(&core, &item(number, 8)).unwrap();
        }
        push(&core, &item(3, room(&core) - length)).unwrap();
        core.sync().unwrap(); // the next record has a mark in front
        pop_all(&core, 1);
        core.lease(1, None).unwrap();
        push(&core, &item(4, 8)).unwrap();
        for name in segments(&disk) {
            assert_eq!(disk.content(&name).len(), 64 << 10, "{length}");
        }
        let core = open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap();
        assert_eq!(numbers(&core), [1, 2, 3, 4], "{length}");
    }
}

#[test]
fn a_sync_makes_durable_what_it_can_if_there_is_no_room_for_the_record_of_the_pops() {
    for finishes in [false, true] {
        let disk = Disk::default();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        push(&core, &item(0, 8)).unwrap();
        push(&core, &item(1, 8)).unwrap();
        push(&core, &item(2, room(&core) - 64)).unwrap(); // one record of pops fits behind it
        disk.fill(true);
        pop_all(&core, 1);
        core.sync().unwrap();
        assert_eq!(numbers(&open(&cut(&disk, |_| false), small(SyncMode::NoSync)).unwrap()), [1, 2]);
        pop_all(&core, 1);
        let done = if finishes { core.end() } else { core.sync() };
        assert!(done.is_err(), "the pop is not durable");
        let found = numbers(&open(&cut(&disk, |_| false), small(SyncMode::NoSync)).unwrap());
        assert!(found == [1, 2] || found == [2], "{found:?}");
    }
}

#[test]
fn drained_files_go_on_a_full_disk_whose_last_file_is_full_to_the_brim() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..20 {
        push(&core, &item(number, 9000)).unwrap();
    }
    push(&core, &item(20, room(&core) - 64)).unwrap();
    disk.fill(true);
    push(&core, &item(21, 8)).unwrap_err();
    pop_all(&core, 20);
    let _ = core.tidy(); // it can't prepare a file
    assert!(segments(&disk).len() <= 2);
    push(&core, &item(21, 8)).unwrap();
    assert_eq!(numbers(&core), [20, 21]);
}

#[test]
fn an_item_whose_lease_can_not_be_read_is_saved_though_the_word_has_passed_it() {
    let disk = Disk::default();
    let core = filled(&disk, SyncMode::NoSync, 5);
    let (first, token) = core.lease(1, None).unwrap().remove(0);
    let at = core.log.tail().end().place.offset as usize;
    core.lease(1, None).unwrap();
    core.ack(&[(first.number, token)]).unwrap();
    pop_all(&core, 1);
    let disk = disk.after_kill();
    disk.tamper(&segments(&disk)[0], |bytes| bytes[at + HEAD] ^= 1);
    // The word says nothing of whether an item was popped or leased.
    let saved: Vec<u32> = exported(&disk).iter().map(|(_, item)| number(item)).collect();
    assert_eq!(saved, [1, 2, 3, 4]);
    assert!(repaired(&disk).losses.may_come_twice);
    assert_eq!(numbers(&open(&disk, small(SyncMode::NoSync)).unwrap()), [1, 2, 3, 4]);
}

#[test]
fn a_queue_that_was_killed_after_pops_was_not_closed_in_good_order() {
    let disk = Disk::default();
    let core = filled(&disk, SyncMode::NoSync, 3);
    core.finish().unwrap();
    let disk = disk.after_kill();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    assert!(core.report.closed && Survey::of(&disk, &Progress::default()).unwrap().closed);
    pop_all(&core, 1);
    let disk = disk.after_kill();
    assert!(!Survey::of(&disk, &Progress::default()).unwrap().closed);
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    assert!(!core.report.closed);
    core.finish().unwrap();
    assert!(open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap().report.closed);
}

#[test]
fn a_queue_opens_on_a_full_disk_also_in_the_mode_that_would_write_a_record_of_the_pops() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    push(&core, &item(0, 8)).unwrap();
    push(&core, &item(1, room(&core) - 64)).unwrap();
    pop_all(&core, 1);
    let disk = disk.after_kill();
    disk.fill(true);
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    assert_eq!(numbers(&core), [1]);
    pop(&core).unwrap_err(); // it would not be durable
    disk.fill(false);
    pop(&core).unwrap();
    let cut = cut(&disk, |_| false);
    assert_eq!(numbers(&open(&cut, small(SyncMode::EveryWrite)).unwrap()), [0; 0]);
}

#[test]
fn an_item_whose_pop_can_not_be_noted_is_still_the_next_one() {
    let disk = Disk::default();
    let core = filled(&disk, SyncMode::NoSync, 3);
    pop_all(&core, 1);
    disk.refuse_write();
    core.pop(2).unwrap_err();
    assert_eq!(numbers(&core), [1, 2]);
    assert_eq!(numbers(&open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap()), [1, 2]);
    assert_eq!(number(&pop(&core).unwrap()), 1);
    assert_eq!(numbers(&open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap()), [2]);
}

#[test]
fn a_file_that_noted_pops_have_drained_goes_when_a_record_of_them_is_durable() {
    let disk = Disk::default();
    let core = filled(&disk, SyncMode::NoSync, 40);
    pop_all(&core, 35);
    let before = segments(&disk).len();
    core.tidy().unwrap();
    assert!(segments(&disk).len() < before);
    assert_eq!(numbers(&open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap()), [35, 36, 37, 38, 39]);
    let cut = cut(&disk, |_| false);
    assert_eq!(numbers(&open(&cut, small(SyncMode::NoSync)).unwrap()), [35, 36, 37, 38, 39]);
}

/// One step of a queue's life.
fn step(core: &Core, random: &mut Random, next: &mut u32, leased: &mut Vec<((u64, u64), u32)>) {
    match random.below(30) {
        0..8 => {
            push(core, &item(*next, random.below(9000))).unwrap();
            *next += 1;
        }
        8 => {
            let later = Extra { delay: 1 << 40, ..Extra::default() };
            core.put(&[&item(*next, 20)], later).unwrap();
            *next += 1;
        }
        9..18 => drop(core.pop(1 + random.below(3))),
        18 | 19 => drop(core.pop(1).map(|items| core.put_back(&items[0]).unwrap())),
        20..23 => {
            let items = core.lease(1, None).unwrap_or_default();
            leased.extend(items.iter().map(|(item, token)| ((item.number, *token), number(item.data()))));
        }
        23..26 if leased.is_empty() => {}
        23 => core.ack(&[leased.remove(0).0]).unwrap(),
        24 | 25 => {
            let (number, token) = leased.remove(0).0;
            match random.below(2) {
                0 => core.nack(number, token, 0).unwrap(),
                _ => core.bury(number, token, "bad".into()).unwrap(),
            }
        }
        26 => drop(core.revive(None).unwrap()),
        27 => core.sync().unwrap(),
        28 if random.below(4) == 0 => drop(core.clear().unwrap()),
        _ => core.tidy().unwrap(),
    }
}

#[test]
fn the_tools_see_what_the_next_opener_sees() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let (mut disk, mut next) = (Disk::default(), 0);
        for round in 0..8 {
            let core = open(&disk, small(MODES[random.below(3)])).unwrap();
            let mut leased = Vec::new();
            for _ in 0..random.below(40) {
                step(&core, &mut random, &mut next, &mut leased);
            }
            let what = format!("seed {seed}, round {round}");
            let seen = core.stats();
            let mut expected = numbers(&core);
            expected.extend(leased.iter().map(|&(_, item)| item)); // they come back
            expected.sort_unstable();
            disk = disk.after_kill();
            let found = verified(&disk);
            assert!(found.verdict != Verdict::Damaged && found.behind == 0, "{what}: {found:?}");
            let contents = found.contents;
            let inside = [contents.ready as usize + contents.leased as usize, contents.delayed as usize];
            assert_eq!(inside, [seen.ready + seen.leased, seen.delayed], "{what}");
            assert!(!repaired(&disk).changed, "{what}");
            let shown: Vec<u32> = exported(&disk).iter().map(|(_, item)| number(item)).collect();
            if random.below(3) == 0 {
                disk = disk.after_kill(); // the tool of that name does this to one that is not in use
                let core = open(&disk, small(MODES[random.below(3)])).unwrap();
                core.compact().unwrap();
                core.finish().unwrap();
                disk = disk.after_kill();
            }
            let core = open(&disk, small(MODES[random.below(3)])).unwrap();
            let stats = core.stats();
            assert_eq!(stats.ready, contents.ready as usize + contents.leased as usize, "{what}");
            assert_eq!(stats.queue.messages_dequeued, seen.queue.messages_dequeued, "{what}");
            let dead = core.dead_letters().unwrap();
            let mut found = numbers(&core);
            assert_eq!(found, expected, "{what}");
            found.extend(dead.iter().map(|(item, ..)| number(&data(&item.payload))));
            found.sort_unstable();
            let delayed = shown.len() - found.len();
            assert_eq!(delayed, stats.delayed, "{what}");
            assert!(found.iter().all(|number| shown.contains(number)), "{what}: {found:?}, {shown:?}");
        }
    }
}
