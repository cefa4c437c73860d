//! Batches that were cut off: a batch is there whole or not at all, also for the tools.

use super::disk::Disk;
use super::rescue::{drained, exported, image, numbers, records, reopened, repaired, verified};
use super::{Random, item, open, push, segments, small};
use crate::effort::effort;
use crate::persistent::SyncMode;
use crate::persistent::core::{Core, Extra};
use crate::persistent::format::{CELL, HEAD};
use crate::persistent::rescue::{Verdict, inspect};
use std::ops::Range;

/// Puts items of these numbers in, all at once.
fn put_batch(core: &Core, numbers: Range<u32>, length: usize) {
    let items: Vec<Vec<u8>> = numbers.map(|number| item(number, length)).collect();
    core.put(&items.iter().map(Vec::as_slice).collect::<Vec<_>>(), Extra::default()).unwrap();
}

/// The name of the last file, and where its records end.
fn end(disk: &Disk, core: &Core) -> (String, usize) {
    (segments(disk).pop().unwrap(), core.log.tail().end().place.offset as usize)
}

/// So many bytes of a write come first, in order (`files/mapped`). No order of the others is relied on.
const FIRST: usize = 128;

/// What may be there of a write that was cut off: all bytes before this one, and the 64 bytes from each of
/// these.
type Cut = (usize, Vec<usize>);

fn cuts(length: usize, random: &mut Random) -> Vec<Cut> {
    let step = if length < 1000 { 8 } else { 8 * (37 / effort() as usize).max(1) };
    let mut cuts = Vec::new();
    for end in (0..FIRST).step_by(8).chain((FIRST..length).step_by(step)).chain([length - 8, length]) {
        cuts.push((end, Vec::new()));
        if end >= FIRST {
            // As memcpy does it: the last vectors before or after all others.
            cuts.push((end, (length.saturating_sub(256).max(end)..length).step_by(64).collect()));
            // As another one might.
            cuts.push((FIRST, (FIRST..length).step_by(64).filter(|_| random.below(3) > 0).collect()));
        }
    }
    cuts
}

#[test]
fn of_a_batch_that_a_kill_has_cut_off_the_tools_show_what_opening_shows() {
    let (mut states, mut whole) = (0, 0);
    for (length, begin) in
        [100, 3000].into_iter().flat_map(|length| ["", "synced", "closed"].map(|begin| (length, begin)))
    {
        let disk = Disk::default();
        let mut core = reopened(&disk);
        (0..3).for_each(|number| push(&core, &item(number, length)).unwrap());
        // Then a mark, or a record of the opening, stands before the batch, in the same write.
        match begin {
            "synced" => core.sync().unwrap(),
            "closed" => {
                core.finish().unwrap();
                core = reopened(&disk);
            }
            _ => {}
        }
        let (name, from) = end(&disk, &core);
        let before = disk.content(&name);
        put_batch(&core, 10..13, length);
        let (_, to) = end(&disk, &core);
        let after = disk.content(&name);
        drop(core);
        for (first, others) in cuts(to - from, &mut Random::new(length as u64)) {
            let what = format!("{length} {begin}, cut {first} {others:?}");
            let disk = disk.after_kill();
            disk.tamper(&name, |bytes| {
                bytes.copy_from_slice(&before);
                bytes[from..from + first].copy_from_slice(&after[from..from + first]);
                for at in others {
                    let there = from + at..to.min(from + at + 64);
                    bytes[there.clone()].copy_from_slice(&after[there]);
                }
            });
            let opened = disk.after_kill();
            let core = reopened(&opened);
            let inside = drained(&core);
            let is_whole = inside.len() == 6;
            assert!(is_whole || numbers(&inside) == [0, 1, 2], "{what}: {:?}", numbers(&inside));
            assert_eq!(numbers(&exported(&disk)), numbers(&inside), "{what}: export");
            let found = verified(&disk);
            assert_eq!((found.contents.ready, found.behind), (inside.len() as u64, 0), "{what}: {found:?}");
            assert!(found.verdict != Verdict::Damaged && (found.verdict == Verdict::Healthy || !is_whole), "{what}");
            if states % 16 == 0 {
                let folder = tempfile::tempdir().unwrap();
                image(&disk).iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
                let seen = inspect(folder.path()).unwrap();
                assert_eq!((seen.contents, seen.records), (found.contents, found.records), "{what}: {seen:?}");
            }
            let done = repaired(&disk);
            assert!(!done.changed && done.contents == found.contents, "{what}: {done:?}");
            assert_eq!(drained(&reopened(&disk)), inside, "{what}: repair");
            // Whoever has opened it goes on in a new file. What was given up before it stays so.
            push(&core, &item(20, length)).unwrap();
            drop(core);
            let shown = exported(&opened);
            assert_eq!(numbers(&shown), [&numbers(&inside)[..], &[20]].concat(), "{what}: opened again");
            // After a closing it goes on in the same file, and something may stand behind the end.
            assert!(verified(&opened).verdict == Verdict::Healthy || begin == "closed", "{what}: opened again");
            assert_eq!(drained(&reopened(&opened)), shown, "{what}: opened again");
            (states, whole) = (states + 1, whole + usize::from(is_whole));
        }
    }
    assert!(states > 600 && whole >= 6, "{states} {whole}");
}

/// A queue of which nothing is known to be durable: single items, a batch of three, and more single ones.
fn with_batch_in_the_middle() -> (Disk, String, Vec<usize>) {
    let disk = Disk::default();
    let core = reopened(&disk);
    (0..2).for_each(|number| push(&core, &item(number, 100)).unwrap());
    let (name, from) = end(&disk, &core);
    put_batch(&core, 10..13, 100);
    let (_, to) = end(&disk, &core);
    (20..22).for_each(|number| push(&core, &item(number, 100)).unwrap());
    let size = (to - from) / 3;
    (disk, name, (0..3).map(|index| from + index * size).collect())
}

/// What the tools show, and what a repair makes of it.
fn saved(disk: &Disk, what: &str) -> Vec<u32> {
    let shown = exported(disk);
    assert_eq!(verified(disk).contents.ready, shown.len() as u64, "{what}");
    assert!(repaired(disk).changed, "{what}");
    assert_eq!(verified(disk).verdict, Verdict::Healthy, "{what}");
    assert_eq!(exported(disk), shown, "{what}");
    assert_eq!(drained(&reopened(disk)), shown, "{what}");
    numbers(&shown)
}

/// Any page may be missing then, and what stands behind it is saved.
#[test]
fn what_stands_behind_a_batch_that_a_power_cut_has_torn_is_kept() {
    let (disk, name, records) = with_batch_in_the_middle();
    for lost in 0..3 {
        let disk = disk.after_kill();
        disk.tamper(&name, |bytes| bytes[records[lost] + 60] ^= 1);
        assert_eq!(verified(&disk).losses.count, Some(3));
        assert_eq!(saved(&disk, &format!("{lost} is lost")), [0, 1, 20, 21]);
    }
}

#[test]
fn where_the_head_of_a_lost_record_can_not_be_read_the_batch_ends_where_one_ends() {
    let (disk, name, records) = with_batch_in_the_middle();
    // Without the first one nothing tells that there was a batch; without the last one, where it ends.
    for (lost, expected) in [(0, vec![0, 1, 11, 12, 20, 21]), (1, vec![0, 1, 20, 21]), (2, vec![0, 1, 21])] {
        let disk = disk.after_kill();
        disk.tamper(&name, |bytes| bytes[records[lost] + 8] ^= 1);
        assert_eq!(saved(&disk, &format!("{lost} is lost")), expected);
    }
}

/// Where calls wait for a sync, a file may have begun before the records before it were written.
#[test]
fn a_batch_that_is_cut_off_before_a_file_that_only_has_begun_is_none() {
    let disk = Disk::default();
    let core = reopened(&disk);
    push(&core, &item(0, 100)).unwrap();
    put_batch(&core, 10..13, 9000);
    let (name, to) = end(&disk, &core);
    push(&core, &item(20, 50_000)).unwrap();
    drop(core);
    let next = segments(&disk).pop().unwrap();
    assert!(next != name);
    let second = records(&disk, &next)[1] as usize;
    for is_used in [false, true] {
        for cut in [to - 17_000, to - 9500, to - 10] {
            let disk = disk.after_kill();
            disk.tamper(&name, |bytes| bytes[cut..].fill(0));
            if !is_used {
                disk.tamper(&next, |bytes| bytes[second..].fill(0));
                assert_eq!(numbers(&drained(&reopened(&disk.after_kill()))), [0]);
            }
            let shown = numbers(&exported(&disk));
            if is_used {
                assert!(shown.starts_with(&[0, 10]) && shown.ends_with(&[20]), "{cut}: {shown:?}");
            } else {
                assert_eq!(shown, [0], "{cut}");
            }
            repaired(&disk);
            assert_eq!(numbers(&drained(&reopened(&disk))), shown, "{cut} {is_used}");
        }
    }
}

/// The state with which that file begins knows of records that were never written, and of what they took.
#[test]
fn what_a_record_took_that_was_cut_off_before_a_file_that_only_has_begun_is_inside() {
    for single in [false, true] {
        let disk = Disk::default();
        let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
        put_batch(&core, 0..3, 9000);
        let (name, from) = end(&disk, &core);
        core.pop(1).unwrap();
        if !single {
            put_batch(&core, 10..12, 100);
        }
        let (_, to) = end(&disk, &core);
        push(&core, &item(20, 50_000)).unwrap();
        drop(core);
        let next = segments(&disk).pop().unwrap();
        assert!(next != name);
        let second = records(&disk, &next)[1] as usize;
        disk.tamper(&next, |bytes| {
            bytes[second..].fill(0);
            if single {
                bytes[CELL..CELL + 8].fill(7); // the file was another segment before
            }
        });
        for cut in (from..to).step_by(8) {
            let disk = disk.after_kill();
            disk.tamper(&name, |bytes| bytes[cut..].fill(0));
            let opened = numbers(&drained(&reopened(&disk.after_kill())));
            assert_eq!(numbers(&exported(&disk)), opened, "{single}, cut {cut} of {from} to {to}: export");
            assert_eq!(verified(&disk).contents.ready, opened.len() as u64, "{single}, cut {cut}: verify");
            assert!(!repaired(&disk).changed, "{single}, cut {cut}: opening does it");
            assert_eq!(numbers(&drained(&reopened(&disk))), opened, "{single}, cut {cut}: repair");
        }
    }
}

/// Damage in a record that nobody needs any more says nothing of what came behind it.
#[test]
fn what_was_taken_stays_so_if_a_file_is_damaged_before_one_that_has_only_begun() {
    for (mode, popped) in [SyncMode::NoSync, SyncMode::EveryWrite].into_iter().flat_map(|mode| [(mode, 0), (mode, 7)]) {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        (0..100).for_each(|number| push(&core, &item(number, 100)).unwrap());
        core.pop(90).unwrap();
        let first = segments(&disk).pop().unwrap();
        core.compact().unwrap();
        for _ in 0..popped {
            core.pop(1).unwrap();
        }
        let inside = numbers(&drained(&reopened(&disk.after_kill())));
        assert_eq!((segments(&disk).len(), inside.len()), (2, 10 - popped), "{mode:?}");
        let places = records(&disk, &first);
        let last = places.len() - 1;
        for number in (0..last).step_by(7).chain(last - 3..=last) {
            let at = places[number] as usize;
            let disk = disk.after_kill();
            disk.tamper(&first, |bytes| bytes[at + HEAD] ^= 1);
            let what = format!("{mode:?}, popped {popped}, record {number}");
            let seen = numbers(&exported(&disk));
            let losses = verified(&disk).losses;
            let missing = inside.iter().filter(|item| !seen.contains(item)).count() as u64;
            assert!(missing == 0 || missing == 1 && losses.count == Some(1), "{what}: {seen:?}");
            // Only the last record may be one that was never whole.
            let may_be_torn = number == last && losses.may_come_twice;
            assert!(may_be_torn || seen.iter().all(|item| inside.contains(item)), "{what}: {seen:?}");
            repaired(&disk);
            assert_eq!(numbers(&drained(&reopened(&disk))), seen, "{what}: repair");
        }
    }
}

/// Nobody stages records where pops stand in cells, so what its state knows of was written.
#[test]
fn a_state_is_believed_behind_what_is_torn_if_its_cell_was_used() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    (0..100).for_each(|number| push(&core, &item(number, 100)).unwrap());
    let leases: Vec<(u64, u64)> =
        core.lease(90, None).unwrap().iter().map(|(item, token)| (item.number, *token)).collect();
    let (first, from) = end(&disk, &core);
    core.ack(&leases).unwrap();
    core.compact().unwrap();
    core.pop(3).unwrap();
    assert_eq!(segments(&disk).len(), 2);
    disk.tamper(&first, |bytes| bytes[from..].fill(0));
    assert_eq!(numbers(&exported(&disk)), (93..100).collect::<Vec<_>>());
    repaired(&disk);
    assert_eq!(numbers(&drained(&reopened(&disk))), (93..100).collect::<Vec<_>>());
}

/// A power cut may keep any sectors of what was not synced: of the pop nothing, and all that came behind it.
#[test]
fn what_a_record_took_that_is_torn_is_inside_though_records_behind_it_are_there() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    put_batch(&core, 0..3, 9000);
    let (name, from) = end(&disk, &core);
    core.pop(1).unwrap();
    let (_, to) = end(&disk, &core);
    put_batch(&core, 10..12, 100);
    push(&core, &item(20, 50_000)).unwrap();
    drop(core);
    let next = segments(&disk).pop().unwrap();
    let (second, written) = (records(&disk, &next)[1] as usize, records(&disk, &name));
    disk.tamper(&next, |bytes| bytes[second..].fill(0));
    // The last record of the pop's write is the one that says it. Without the marks of later writes, all of
    // these are one write.
    let pop = written.iter().map(|&at| at as usize).rfind(|at| (from..to).contains(at)).unwrap();
    let later: Vec<usize> = written.iter().map(|&at| at as usize).filter(|&at| at >= to).collect();
    for lost in [from..to, pop..to, pop..pop + 8, to - 8..to] {
        let disk = disk.after_kill();
        disk.tamper(&name, |bytes| {
            bytes[later[0]..later[1]].fill(0);
            bytes[lost.clone()].fill(0);
        });
        assert!(numbers(&exported(&disk)).starts_with(&[0, 1, 2]), "{lost:?}: {:?}", numbers(&exported(&disk)));
        repaired(&disk);
        assert!(numbers(&drained(&reopened(&disk))).starts_with(&[0, 1, 2]), "{lost:?}: repair");
    }
}

/// Nobody knows how long it was.
#[test]
fn of_a_batch_whose_end_is_missing_it_is_not_known_how_many_are_lost() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    put_batch(&core, 0..3, 100);
    put_batch(&core, 3..8, 100);
    drop(core);
    let name = segments(&disk).pop().unwrap();
    let places = records(&disk, &name);
    let batch = places.len() - 5;
    disk.tamper(&name, |bytes| {
        bytes[places[batch] as usize + HEAD] ^= 1;
        bytes[places[batch + 2] as usize..].fill(0);
    });
    assert_eq!(numbers(&exported(&disk)), [0, 1, 2]);
    assert_eq!((verified(&disk).losses.count, verified(&disk).losses.may_come_twice), (None, true));
}
