//! Giving up files: several at once, of which a power cut leaves any part.

use super::disk::Disk;
use super::rescue::repaired;
use super::{MODES, Random, item, numbers, open, push, segments, small};
use crate::persistent::SyncMode;
use crate::persistent::core::Core;
use crate::persistent::files::Storage;
use crate::persistent::root::ROOT;
use std::sync::Arc;

/// A queue with five files, of which one is needed. All is durable.
fn drained(disk: &Disk, mode: SyncMode) -> Arc<Core> {
    let core = open(disk, small(mode)).unwrap();
    for number in 0..30 {
        push(&core, &item(number, 9000)).unwrap();
    }
    assert_eq!(core.pop(28).unwrap().len(), 28);
    core.sync().unwrap();
    assert!(segments(disk).len() >= 5);
    core
}

#[test]
fn of_files_that_go_together_a_power_cut_may_leave_any() {
    for mode in MODES {
        for cut in 0.. {
            let disk = Disk::default();
            let core = drained(&disk, mode);
            disk.cut_in(cut);
            let done = core.tidy();
            for seed in 0..40 {
                let mut random = Random::new(seed);
                let disk = disk.after_power_cut(&mut |limit| random.below(limit));
                let core = open(&disk, small(mode)).unwrap_or_else(|error| panic!("{mode:?}, {cut}, {seed}: {error}"));
                assert_eq!(numbers(&core), [28, 29], "{mode:?}, cut after {cut}, seed {seed}");
            }
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_root_that_is_only_in_memory_is_on_the_disk_before_the_next_opener_relies_on_it() {
    for mode in MODES {
        for (cut, again) in (0..8).flat_map(|cut| (0..12).map(move |again| (cut, again))) {
            let disk = Disk::default();
            let core = drained(&disk, mode);
            disk.cut_in(cut);
            let _ = core.tidy(); // the process is killed here
            let disk = disk.after_kill();
            disk.cut_in(again);
            let _ = open(&disk, small(mode));
            for seed in 0..20 {
                let mut random = Random::new(seed);
                let disk = disk.after_power_cut(&mut |limit| random.below(limit));
                let what = format!("{mode:?}, killed after {cut}, cut after {again}, seed {seed}");
                let core = open(&disk, small(mode)).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(numbers(&core), [28, 29], "{what}");
            }
        }
    }
}

/// Two threads give files up, and the one that has found less to give up comes last.
#[test]
fn the_root_never_goes_back() {
    for mode in MODES {
        let disk = Disk::default();
        let core = drained(&disk, mode);
        let less = core.log.segment_after(core.log.segments_from(0, u64::MAX)[0].number()).unwrap().number();
        core.tidy().unwrap();
        core.commit.pass_over(&core.log, less, &|| core.log.begin_with(less, &|error| panic!("{error}"))).unwrap();
        let again = open(&disk.after_kill(), small(mode)).unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(numbers(&again), [28, 29], "{mode:?}");
    }
}

/// Nothing has happened to the root then, so this is not final, as a failed sync is.
#[test]
fn a_root_that_could_not_be_opened_is_written_the_next_time() {
    for mode in MODES {
        let disk = Disk::default();
        let core = drained(&disk, mode);
        disk.refuse_opening();
        let error = core.tidy().unwrap_err();
        assert!(error.to_string().contains("root"), "{error}");
        push(&core, &item(30, 10)).unwrap();
        core.tidy().unwrap();
        assert_eq!(numbers(&core), [28, 29, 30], "{mode:?}");
        assert!(segments(&disk).len() < 5);
    }
}

/// A power cut while the queue is made may leave the first segment and no root.
#[test]
fn a_queue_whose_root_got_lost_when_it_was_made_gives_up_files_all_the_same() {
    for mode in MODES {
        for (cut, seed) in (0..12).flat_map(|cut| (0..6).map(move |seed| (cut, seed))) {
            let disk = Disk::default();
            disk.cut_in(cut);
            let _ = open(&disk, small(mode));
            let mut random = Random::new(seed);
            let disk = disk.after_power_cut(&mut |limit| random.below(limit));
            let core = drained(&disk, mode);
            core.tidy().unwrap_or_else(|error| panic!("{mode:?}, cut after {cut}, seed {seed}: {error}"));
            assert_eq!(numbers(&core), [28, 29], "{mode:?}, cut after {cut}, seed {seed}");
            assert!(segments(&disk).len() < 5);
        }
    }
}

/// A repair moves the root away if it can't keep the file that it names.
#[test]
fn a_queue_that_was_repaired_without_its_root_gives_up_files_all_the_same() {
    for mode in MODES {
        let disk = Disk::default();
        let core = drained(&disk, mode);
        core.tidy().unwrap();
        core.finish().unwrap();
        disk.tamper(&segments(&disk)[0], |bytes| bytes.fill(0));
        assert!(repaired(&disk).moved.iter().any(|name| name == ROOT));
        let core = drained(&disk, mode);
        core.tidy().unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(numbers(&core), [28, 29], "{mode:?}");
    }
}

#[test]
fn a_file_that_the_root_names_and_that_is_gone_is_reported_and_nothing_begins_anew() {
    let disk = Disk::default();
    let core = drained(&disk, MODES[0]);
    core.tidy().unwrap();
    core.finish().unwrap();
    segments(&disk).iter().for_each(|name| disk.remove(name).unwrap());
    let error = open(&disk.after_kill(), small(MODES[0])).unwrap_err();
    assert!(error.to_string().contains("the file is missing"), "{error}");
}
