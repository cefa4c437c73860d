//! Broken queues: what the tools say of them, and what a repair saves.

use super::disk::Disk;
use super::{MODES, Random, item, items, number, open, pop, push, segments, small};
use crate::BufferError;
use crate::effort::{cases, effort};
use crate::persistent::SyncMode;
use crate::persistent::core::{Core, Extra};
use crate::persistent::files::Storage;
use crate::persistent::format::{self, HEADER, Kind};
use crate::persistent::rescue::repairs::repair;
use crate::persistent::rescue::survey::Survey;
use crate::persistent::rescue::{Export, Repair, Verdict, Verification, verify_in};
use crate::persistent::segment::{Reader, named};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The content of all files.
pub fn image(disk: &Disk) -> BTreeMap<String, Vec<u8>> {
    disk.names().into_iter().map(|name| (name.clone(), disk.content(&name))).collect()
}

pub fn verified(disk: &Disk) -> Verification {
    verify_in(disk, None).unwrap()
}

pub fn repaired(disk: &Disk) -> Repair {
    match repair(disk, &Default::default()) {
        Ok(done) => done,
        Err(error) => panic!("{error}: {:#?}", verified(disk)),
    }
}

/// The items that an export shows: number in the queue, bytes.
pub fn exported(disk: &Disk) -> Vec<(u64, Vec<u8>)> {
    let survey = Survey::of(disk, &Default::default()).unwrap();
    Export::of(survey, Vec::new(), false).map(|item| (item.number, item.data)).collect()
}

/// Takes all items out, oldest first: number in the queue, bytes.
pub fn drained(core: &Core) -> Vec<(u64, Vec<u8>)> {
    let mut items = Vec::new();
    loop {
        match core.lease(1, None) {
            Ok(leased) => items.extend(leased.iter().map(|(item, _)| (item.number, super::data(&item.payload)))),
            Err(BufferError::Empty) => return items,
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn reopened(disk: &Disk) -> Arc<Core> {
    open(disk, small(SyncMode::NoSync)).unwrap()
}

/// A queue with a few short items.
fn short_queue(synced: bool) -> (Disk, Vec<Vec<u8>>, usize) {
    let disk = Disk::default();
    let core = reopened(&disk);
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

/// A queue with items in several files.
pub fn long_queue(mode: SyncMode) -> Disk {
    let disk = Disk::default();
    let core = open(&disk, small(mode)).unwrap();
    for number in 0..40 {
        push(&core, &item(number, 9000)).unwrap();
    }
    core.finish().unwrap();
    drop(core);
    assert!(segments(&disk).len() > 4);
    disk.after_power_cut(&mut |limit| limit - 1) // everything has reached the disk
}

/// What the items say of themselves.
pub fn numbers(items: &[(u64, Vec<u8>)]) -> Vec<u32> {
    items.iter().map(|(_, item)| number(item)).collect()
}

#[test]
fn whatever_bit_is_flipped_a_repair_saves_all_but_the_record_in_which_it_was() {
    for synced in [false, true] {
        let (disk, pushed, end) = short_queue(synced);
        let name = segments(&disk).remove(0);
        for at in (0..64).chain((64..HEADER).step_by(101)).chain(HEADER..end + 16) {
            let bits = if effort() > 1 { (0..8).collect() } else { vec![at * 5 % 8] };
            for bit in bits {
                let what = format!("synced {synced}, bit {bit} of byte {at}");
                let disk = disk.after_kill();
                disk.tamper(&name, |bytes| bytes[at] ^= 1 << bit);
                let before = image(&disk);
                let opens = open(&disk.after_kill(), small(SyncMode::NoSync)).is_ok();
                let found = verified(&disk);
                assert_eq!(found.refusal.is_none(), opens, "{what}: {found:?}");
                // Zeroes that fill a record up mean nothing.
                assert!(found.verdict != Verdict::Healthy || items(&reopened(&disk.after_kill())).unwrap() == pushed);
                let shown = exported(&disk);
                assert_eq!(image(&disk), before, "{what}: a look has changed it");
                let done = repaired(&disk);
                if !done.changed {
                    assert!(found.verdict != Verdict::Damaged && found.behind == 0, "{what}: {found:?}");
                    assert_eq!(image(&disk), before, "{what}");
                }
                for (moved, content) in &before {
                    let folder = done.folder.as_ref().map(|folder| Path::new(folder).file_name().unwrap().display());
                    let kept = folder.map(|folder| format!("{folder}/{moved}"));
                    let kept = kept.filter(|_| done.moved.contains(moved)).unwrap_or(moved.clone());
                    assert!(disk.content(&kept) == *content, "{what}: {moved} is gone");
                }
                let core = reopened(&disk);
                let items = drained(&core);
                assert_eq!(items, shown, "{what}");
                assert_eq!(items.len() as u64, done.contents.ready, "{what}");
                let mut left = pushed.iter();
                assert!(items.iter().all(|(_, item)| left.any(|pushed| pushed == item)), "{what}: {items:?}");
                assert!(items.len() >= pushed.len() - 1, "{what}: {done:?}");
                if let Some(count) = done.losses.count {
                    assert_eq!(items.len() as u64 + count, pushed.len() as u64, "{what}: {done:?}");
                }
                push(&core, b"goes on").unwrap();
            }
        }
    }
}

/// The nearest rival deletes these five, and says that the queue is clean.
#[test]
fn five_good_records_behind_one_flipped_bit_are_all_saved_and_numbers_go_on() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        for number in 1..7 {
            push(&core, &item(number, 100)).unwrap();
        }
        core.finish().unwrap();
        let last = core.log.tail().end().number;
        drop(core);
        let name = segments(&disk).remove(0);
        let at = disk.content(&name).windows(100).position(|bytes| bytes == item(1, 100)).unwrap();
        disk.tamper(&name, |bytes| bytes[at + 50] ^= 1);
        let found = verified(&disk);
        assert_eq!((found.verdict, found.contents.ready, found.losses.count), (Verdict::Damaged, 5, Some(1)));
        assert_eq!(found.losses.places[0].first, 2);
        assert!(found.refusal.unwrap().contains(&name));
        let shown = exported(&disk);
        let done = repaired(&disk);
        assert_eq!((done.contents.ready, done.losses.count, done.losses.may_come_twice), (5, Some(1), false));
        assert_eq!(done.moved, [name]);
        assert!(done.next_number > last, "{done:?}");
        assert_eq!(verified(&disk).verdict, Verdict::Healthy);
        let core = open(&disk, small(mode)).unwrap();
        push(&core, &item(7, 100)).unwrap();
        let items = drained(&core);
        assert_eq!(numbers(&items), [2, 3, 4, 5, 6, 7]);
        assert_eq!(items[..5], shown);
        assert!(items[5].0 > last);
    }
}

/// Where the records of a file begin.
pub fn records(disk: &Disk, name: &str) -> Vec<u64> {
    let survey = Survey::of(disk, &Default::default()).unwrap();
    let part = survey.parts.iter().find(|part| part.name == name).unwrap();
    let mut offsets = Vec::new();
    for run in &part.runs {
        let mut reader = Reader::new(Arc::clone(&run.segment), run.from);
        while reader.cursor.place.offset < run.end.place.offset {
            offsets.push(reader.next().unwrap().unwrap().1.offset);
        }
    }
    offsets
}

#[test]
fn a_healthy_queue_stays_as_it_is() {
    for mode in MODES {
        let disk = long_queue(mode);
        let before = image(&disk);
        let found = verified(&disk);
        assert_eq!((found.verdict, found.contents.ready, found.losses.count), (Verdict::Healthy, 40, Some(0)));
        let done = repaired(&disk);
        assert!(!done.changed && done.moved.is_empty() && done.folder.is_none(), "{done:?}");
        assert_eq!(image(&disk), before);
        assert_eq!(numbers(&exported(&disk)), (0..40).collect::<Vec<_>>());
    }
}

/// Changes of whole files and pages: each with the most items that may be lost.
pub fn disasters(disk: &Disk) -> Vec<(String, Disk, usize)> {
    let names = segments(disk);
    let mut broken = Vec::new();
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change, usize); 8] = [
        ("header's version", |bytes| bytes[8] ^= 1, 0),
        ("header's checksum", |bytes| bytes[13] ^= 1, 0),
        ("header's size", |bytes| bytes[33] ^= 1, 0),
        ("header is gone", |bytes| bytes[..HEADER].fill(0), 0),
        ("header and first records are gone", |bytes| bytes[..3 * HEADER].fill(0), 2),
        ("two pages are gone", |bytes| bytes[4 * HEADER..6 * HEADER].fill(0), 3),
        ("cut off", |bytes| bytes.truncate(30_000), 6),
        ("everything is gone", |bytes| bytes.fill(0), 8),
    ];
    for (index, name) in names.iter().enumerate() {
        for (what, change, most) in changes {
            let disk = disk.after_kill();
            disk.tamper(name, change);
            broken.push((format!("file {index}: {what}"), disk, most));
        }
        if index + 1 < names.len() {
            let disk = disk.after_kill();
            Storage::remove(&disk, name).and_then(|()| Storage::sync(&disk)).unwrap();
            broken.push((format!("file {index} is missing"), disk, 8));
        }
    }
    for pair in names.windows(2) {
        let disk = disk.after_kill();
        disk.tamper(&pair[0], |bytes| bytes[HEADER..].fill(7));
        disk.tamper(&pair[1], |bytes| bytes[..2 * HEADER].fill(7));
        broken.push((format!("{pair:?} are broken"), disk, 10));
    }
    broken
}

#[test]
fn after_any_disaster_a_repair_saves_what_can_be_read_and_numbers_never_begin_again() {
    let disk = long_queue(SyncMode::NoSync);
    let last = exported(&disk).last().unwrap().0;
    for (what, disk, most) in disasters(&disk) {
        let shown = exported(&disk);
        let found = verified(&disk);
        assert!(found.verdict != Verdict::Healthy, "{what}");
        let done = repaired(&disk);
        let after = verified(&disk);
        // A file without any content, behind the last one, is what a power cut leaves.
        assert!(after.verdict == Verdict::Healthy || !done.changed, "{what}: {after:#?}");
        assert!(done.changed || what == "file 6: everything is gone", "{what}");
        let core = reopened(&disk);
        let items = drained(&core);
        assert!(items == shown, "{what}: {:?} of {:?}", numbers(&items), numbers(&shown));
        assert!(items.len() + most >= 40, "{what}: {:?}, {:?}", numbers(&items), done.losses);
        assert!(items.iter().all(|(_, bytes)| *bytes == item(number(bytes), 9000)), "{what}");
        assert!(core.stats().log_entries < 100, "{what}: numbers that were left out count as records");
        push(&core, b"new!").unwrap();
        assert!(drained(&core)[0].0 > last || !done.changed, "{what}: a number begins again");
        let (newest, _) = named(segments(&disk).last().unwrap()).unwrap();
        assert!(newest > last || !done.changed, "{what}: a record's number begins again");
        drop(core);
        assert_eq!(exported(&disk.after_kill()).len(), items.len() + 1, "{what}");
    }
}

/// How long an item of this number is.
fn length(number: u32) -> usize {
    4 + Random::new(number.into()).below(5000)
}

/// A queue with which some work was done, and the items inside. Its items are numbers, and lengths that
/// follow from them.
fn worked_with(random: &mut Random) -> (Disk, Vec<u32>) {
    let disk = Disk::default();
    let core = reopened(&disk);
    let mut inside: Vec<u32> = Vec::new();
    let mut leased: Vec<(u64, u64, u32)> = Vec::new();
    let calls = 20 + random.below(100);
    for next in 0..calls as u32 {
        match random.below(10) {
            0..4 => {
                push(&core, &item(next, length(next))).unwrap();
                inside.push(next);
            }
            4..6 => {
                if let Ok(popped) = pop(&core) {
                    inside.retain(|&item| item != number(&popped));
                }
            }
            6..8 => {
                for (item, token) in core.lease(1 + random.below(2), None).unwrap_or_default() {
                    leased.push((item.number, token, number(&super::data(&item.payload))));
                }
            }
            8 if !leased.is_empty() => {
                let (at, token, item) = leased.swap_remove(random.below(leased.len()));
                match random.below(3) {
                    0 => core.nack(at, token, 0).unwrap(),
                    1 => core.bury(at, token, "bad".into()).unwrap(),
                    _ => {
                        core.ack(&[(at, token)]).unwrap();
                        inside.retain(|&other| other != item);
                    }
                }
            }
            _ if random.below(4) == 0 => core.compact().unwrap(),
            _ => core.sync().unwrap(),
        }
    }
    core.finish().unwrap();
    (disk, inside)
}

/// What is inside is known. A random byte is changed somewhere. All other items are there, each once, and
/// what was taken comes back only if the record may be lost that said so.
#[test]
fn what_was_taken_stays_taken_if_the_record_that_says_so_can_be_read() {
    let mut twice = 0;
    for seed in 0..u64::from(cases(200)) {
        let random = &mut Random::new(seed);
        let (disk, inside) = worked_with(random);
        let names = segments(&disk);
        let name = &names[random.below(names.len())];
        let records = records(&disk, name);
        let at = records[random.below(records.len())] as usize + random.below(40);
        disk.tamper(name, |bytes| bytes[at] ^= 1 << random.below(8));
        let what = format!("seed {seed}, byte {at} of {name} of {names:?}");
        let done = repaired(&disk);
        let core = reopened(&disk);
        core.revive(None).unwrap();
        let items = numbers(&drained(&core));
        let mut once = items.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once, items, "{what}: not each once, in order");
        let missing: Vec<_> = inside.iter().filter(|item| !items.contains(item)).collect();
        let extra: Vec<_> = items.iter().filter(|item| !inside.contains(item)).collect();
        assert!(missing.len() <= 1, "{what}: {missing:?} are missing; {done:?}");
        assert!(extra.is_empty() || done.losses.may_come_twice, "{what}: {extra:?} are back; {done:?}");
        if let Some(count) = done.losses.count.filter(|_| done.changed) {
            assert_eq!(count, missing.len() as u64, "{what}: {done:?}");
        }
        twice += usize::from(!extra.is_empty());
    }
    assert!(twice > 0, "no such record was hit, so this shows nothing");
}

#[test]
fn what_was_said_of_an_item_behind_a_lost_lease_is_believed() {
    let disk = Disk::default();
    let core = reopened(&disk);
    for number in 0..6 {
        push(&core, &item(number, 20)).unwrap();
    }
    let lost = core.log.tail().end().place.offset as usize;
    let mut leases = core.lease(4, None).unwrap().into_iter().map(|(item, token)| (item.number, token));
    let mut next = || leases.next().unwrap();
    core.ack(&[next()]).unwrap();
    let (number, token) = next();
    core.bury(number, token, "bad".into()).unwrap();
    let (number, token) = next();
    core.nack(number, token, 0).unwrap();
    core.finish().unwrap();
    drop(core);
    let name = segments(&disk).remove(0);
    disk.tamper(&name, |bytes| bytes[lost + 30] ^= 1);
    let done = repaired(&disk);
    assert!(done.losses.may_come_twice);
    assert_eq!((done.contents.ready, done.contents.dead, done.losses.count), (4, 1, None));
    let core = reopened(&disk);
    assert_eq!(numbers(&drained(&core)), [2, 3, 4, 5]);
}

/// Several damages of any kind at once.
#[test]
fn whatever_happens_to_the_files_what_can_be_read_is_saved_as_it_was() {
    let mut saved = 0;
    for seed in 0..u64::from(cases(100)) {
        let random = &mut Random::new(seed);
        let (disk, _) = worked_with(random);
        let mut damages = Vec::new();
        for _ in 0..1 + random.below(4) {
            let names = segments(&disk);
            if names.is_empty() {
                break;
            }
            let name = &names[random.below(names.len())];
            let length = disk.content(name).len().max(1);
            let used = disk.content(name).iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
            let from = random.below(used);
            let most = [1, 100, 5000, 50_000][random.below(4)];
            let to = (from + 1 + random.below(most)).min(length);
            let kind = random.below(8);
            match kind {
                0..4 => disk.tamper(name, |bytes| bytes[from..to.min(from + 1)].fill(random.below(256) as u8)),
                4 => disk.tamper(name, |bytes| bytes.get_mut(from..to).unwrap_or_default().fill(0)),
                5 => disk.tamper(name, |bytes| bytes.get_mut(from..to).unwrap_or_default().fill(3)),
                6 => disk.tamper(name, |bytes| bytes.truncate(from)),
                _ => Storage::remove(&disk, name).unwrap(),
            }
            damages.push(format!("{kind} at {from} to {to} in {name}"));
        }
        if segments(&disk).is_empty() {
            continue;
        }
        let what = format!("seed {seed}: {damages:?}");
        let shown = exported(&disk);
        let done = repaired(&disk);
        let after = verified(&disk);
        assert!(after.verdict == Verdict::Healthy || !done.changed, "{what}: {after:#?}");
        assert!(exported(&disk) == shown, "{what}");
        let core = reopened(&disk);
        push(&core, &item(1000, length(1000))).unwrap();
        core.revive(None).unwrap();
        let items = drained(&core);
        assert!(items.iter().all(|(_, bytes)| *bytes == item(number(bytes), length(number(bytes)))), "{what}");
        assert!(items.is_sorted_by(|(one, _), (two, _)| one < two), "{what}");
        assert_eq!(items.len(), shown.len() + 1, "{what}: {:?}, {:?}", numbers(&items), numbers(&shown));
        saved += items.len();
    }
    assert!(saved > 500, "{saved}");
}

#[test]
fn of_two_pops_only_the_one_whose_record_is_lost_comes_back() {
    let disk = Disk::default();
    let core = reopened(&disk);
    for number in 0..6 {
        push(&core, &item(number, 20)).unwrap();
    }
    assert_eq!(core.pop(2).unwrap().len(), 2);
    core.sync().unwrap(); // now a record says so
    assert_eq!(core.pop(1).unwrap().len(), 1);
    core.sync().unwrap();
    let lost = core.log.tail().end().place.offset as usize - 64;
    assert_eq!(core.pop(2).unwrap().len(), 2);
    core.finish().unwrap();
    drop(core);
    let name = segments(&disk).remove(0);
    disk.tamper(&name, |bytes| bytes[lost + 25] ^= 1);
    assert!(repaired(&disk).losses.may_come_twice);
    assert_eq!(numbers(&drained(&reopened(&disk))), [2, 5]);
}

#[test]
fn a_batch_at_the_end_of_a_file_whose_last_record_is_lost_is_saved_in_part() {
    let disk = Disk::default();
    let core = reopened(&disk);
    let items: Vec<Vec<u8>> = (1..6).map(|number| item(number, 9000)).collect();
    core.put(&items.iter().map(Vec::as_slice).collect::<Vec<_>>(), Extra::default()).unwrap();
    for number in 6..12 {
        push(&core, &item(number, 20_000)).unwrap();
    }
    core.finish().unwrap();
    drop(core);
    let name = segments(&disk).remove(0);
    let last = records(&disk, &name)[5] as usize;
    disk.tamper(&name, |bytes| bytes[last..].fill(9));
    repaired(&disk);
    let expected: Vec<u32> = (1..12).filter(|&number| number != 5).collect();
    assert_eq!(numbers(&drained(&reopened(&disk))), expected);
    assert_eq!(verified(&disk).verdict, Verdict::Healthy);
}

/// Everything about it is right, but that nothing of this queue is linked to it.
#[test]
fn a_forged_record_inside_a_broken_item_is_none() {
    let disk = Disk::default();
    let core = reopened(&disk);
    push(&core, &item(1, 20)).unwrap();
    let number = core.log.tail().end().number;
    let mut forged = Vec::new();
    format::add(&mut forged, Kind::Item, [&[1, 0, 0, 0, 0, 0, 0, 0][..], b"forged"]).unwrap();
    format::place(&mut forged, number + 1, false, 7, 7);
    forged.resize(43, 0);
    // Of these eight copies, one stands where a record may stand.
    let copies = (0..8).flat_map(|shift| [&vec![0; shift][..], &forged, &vec![0; 61 - shift]].concat());
    push(&core, &[0; 40].into_iter().chain(copies).collect::<Vec<u8>>()).unwrap();
    push(&core, &item(3, 20)).unwrap();
    core.finish().unwrap();
    drop(core);
    let name = segments(&disk).remove(0);
    let broken = records(&disk, &name)[(number - 1) as usize] as usize;
    disk.tamper(&name, |bytes| bytes[broken + 6] ^= 1);
    repaired(&disk);
    assert_eq!(numbers(&drained(&reopened(&disk))), [1, 3]);
}

#[test]
fn a_batch_of_which_a_part_is_lost_is_saved_in_part_if_it_was_durable() {
    for synced in [true, false] {
        let disk = Disk::default();
        let core = reopened(&disk);
        let items: Vec<Vec<u8>> = (1..6).map(|number| item(number, 100)).collect();
        core.put(&items.iter().map(Vec::as_slice).collect::<Vec<_>>(), Extra::default()).unwrap();
        if synced {
            core.finish().unwrap();
        }
        drop(core);
        let name = segments(&disk).remove(0);
        for (lost, item) in (1..).zip(&items) {
            let disk = disk.after_kill();
            let at = disk.content(&name).windows(100).position(|bytes| bytes == item).unwrap();
            disk.tamper(&name, |bytes| bytes[at + 9] ^= 1);
            repaired(&disk);
            // What nobody knows to be durable looks as if it had been cut off.
            let expected: Vec<u32> = (1..6).filter(|&number| synced && number != lost).collect();
            assert_eq!(numbers(&drained(&reopened(&disk))), expected, "synced {synced}, {lost} is lost");
        }
    }
}

/// An item may contain anything, also records of this very queue.
#[test]
fn records_inside_an_item_are_no_records() {
    let disk = Disk::default();
    let core = reopened(&disk);
    for number in 0..4 {
        push(&core, &item(number, 50)).unwrap();
    }
    let name = segments(&disk).remove(0);
    let end = core.log.tail().end().place.offset as usize;
    let copy = disk.content(&name)[HEADER..end].to_vec();
    for shift in 0..8 {
        push(&core, &[&vec![9; shift][..], &copy].concat()).unwrap();
    }
    core.finish().unwrap();
    drop(core);
    let starts: Vec<usize> = (0..end).step_by(8).filter(|&at| at >= HEADER).collect();
    for at in [starts[20], end + 4, end + 20] {
        let disk = disk.after_kill();
        disk.tamper(&name, |bytes| bytes[at] ^= 4);
        let shown = exported(&disk);
        let mut seen: Vec<u64> = shown.iter().map(|(number, _)| *number).collect();
        seen.dedup();
        assert!(shown.len() >= 11 && seen.len() == shown.len(), "byte {at}: {seen:?}");
        repaired(&disk);
        assert_eq!(drained(&reopened(&disk)), shown, "byte {at}");
    }
}

/// The writer gives files up and uses them again, at any moment of a look.
#[test]
fn a_look_at_a_queue_that_changes_meanwhile_is_no_error() {
    for mode in MODES {
        for reads in 0.. {
            let disk = Disk::default();
            let core = open(&disk, small(mode)).unwrap();
            let turn_over = |core: &Core, items: u32| {
                for number in 0..items {
                    push(core, &item(number, 4_000)).unwrap();
                }
                for _ in 0..items {
                    pop(core).unwrap();
                }
                core.tidy().unwrap();
            };
            for number in 0..40 {
                push(&core, &item(number, 4_000)).unwrap();
            }
            turn_over(&core, 30);
            disk.meanwhile(reads, move || turn_over(&core, 60));
            if let Err(error) = verify_in(&disk, None) {
                panic!("{mode:?}, after {reads} reads: {error}");
            }
            if !disk.has_happened() {
                disk.meanwhile(0, || ()); // what it held holds the disk
                break;
            }
        }
    }
}
