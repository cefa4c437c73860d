//! Repairs that are cut off: after any step, by the end of the process, by the power, or since the disk is
//! full.

use super::disk::Disk;
use super::rescue::{disasters, drained, exported, image, long_queue, reopened, repaired, verified};
use super::segments;
use super::{Random, open, small};
use crate::BufferError;
use crate::effort::effort;
use crate::persistent::SyncMode;
use crate::persistent::format::HEADER;
use crate::persistent::rescue::Verdict;
use crate::persistent::rescue::repairs::repair;

/// Cut off at any step, by the end of the process or by the power: the queue says what to do, or is whole;
/// once it was repaired again, everything is there.
#[test]
fn a_repair_that_is_cut_off_at_any_step_loses_nothing() {
    let whole = long_queue(SyncMode::NoSync);
    for (what, broken, _) in disasters(&whole).into_iter().step_by(if effort() > 1 { 2 } else { 23 }) {
        let expected = exported(&broken);
        let before = image(&broken);
        let mut cut = 1;
        loop {
            let disk = broken.after_kill();
            disk.cut_after(cut);
            let done = repair(&disk, &Default::default());
            let random = &mut Random::new(cut as u64);
            let left = [disk.after_kill(), disk.after_power_cut(&mut |limit| random.below(limit))];
            for (disk, how) in left.iter().zip(["killed", "power cut"]) {
                let what = format!("{what}, {how} after {cut} operations");
                if let Ok(core) = open(&disk.after_kill(), small(SyncMode::NoSync)) {
                    assert!(
                        drained(&core) == expected || verified(disk).verdict == Verdict::Torn,
                        "{what}: half of it"
                    );
                }
                repaired(disk);
                assert!(drained(&reopened(disk)) == expected, "{what}");
                // Every file of before is somewhere.
                let after = image(disk);
                assert!(before.values().all(|old| after.values().any(|new| new == old)), "{what}: a file is gone");
                assert!(!after.keys().any(|name| name.starts_with("repair")), "{what}: {:?}", after.keys());
            }
            if done.is_ok() {
                break;
            }
            cut += 1;
        }
        assert!(cut > 8, "{what}: {cut}");
    }
}

#[test]
fn a_queue_whose_repair_was_cut_off_does_not_open_and_says_what_to_do() {
    let disk = long_queue(SyncMode::NoSync);
    let name = segments(&disk).remove(1);
    disk.tamper(&name, |bytes| bytes[HEADER + 3000] ^= 1);
    let mut refusals = 0;
    for cut in 1.. {
        let disk = disk.after_kill();
        disk.cut_after(cut);
        let done = repair(&disk, &Default::default());
        let disk = disk.after_kill();
        match open(&disk.after_kill(), small(SyncMode::NoSync)) {
            Err(BufferError::InvalidOperation(text)) => {
                assert!(text.contains("repair it once more"), "{text}");
                assert!(verified(&disk).refusal.unwrap().contains("repair it once more"));
                assert!(repaired(&disk).finished);
                refusals += 1;
            }
            Err(BufferError::Corrupted(_)) => assert_eq!(refusals, 0, "{cut}: broken again"),
            Err(error) => panic!("{error}"),
            Ok(_) => assert!(done.is_ok() || refusals > 0),
        }
        if done.is_ok() {
            break;
        }
    }
    assert!(refusals >= 4, "{refusals}");
}

#[test]
fn on_a_full_disk_a_repair_changes_nothing() {
    let disk = long_queue(SyncMode::NoSync);
    let name = segments(&disk).remove(1);
    disk.tamper(&name, |bytes| bytes[HEADER + 3000] ^= 1);
    let before = image(&disk);
    disk.fill(true);
    let refused = repair(&disk, &Default::default()).unwrap_err();
    assert!(matches!(&refused, BufferError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull), "{refused}");
    assert_eq!(image(&disk), before);
}

#[test]
fn a_repair_writes_no_more_than_the_broken_files_and_one() {
    let disk = long_queue(SyncMode::NoSync);
    let name = segments(&disk).remove(1);
    disk.tamper(&name, |bytes| bytes[HEADER + 3000] ^= 1);
    let size = |disk: &Disk| image(disk).values().map(Vec::len).sum::<usize>();
    let before = size(&disk);
    let done = repaired(&disk);
    assert_eq!((done.moved.len(), done.written.len()), (1, 2));
    assert_eq!(size(&disk) - before, disk.content(&name).len() + (64 << 10));
}
