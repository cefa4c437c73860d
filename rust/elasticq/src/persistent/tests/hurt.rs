//! One test for each thing that has hurt the users of other logs and queues.

use super::disk::Disk;
use super::{MODES, item, items, number, numbers, open, pop, push, segments, small};
use crate::persistent::SyncMode;
use crate::persistent::core::Extra;
use crate::{BufferError, persistent::format::HEADER};

/// A page in the middle is lost, and a new record of equal size is written there.
#[test]
fn nothing_older_returns_behind_a_record_that_was_written_into_a_hole() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..4 {
        push(&core, &item(number, 8000)).unwrap();
    }
    drop(core);
    let file = segments(&disk).remove(0);
    let second = disk.content(&file).windows(8).position(|bytes| bytes == [1, 0, 0, 0, 1, 1, 1, 1]);
    let page = second.unwrap() / 4096 * 4096;
    disk.tamper(&file, |bytes| bytes[page..page + 4096].fill(0));
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    assert_eq!(numbers(&core), [0]);
    // Another item, or the very same: then its record is the same, too, and the old ones would follow it.
    for again in [9, 1] {
        let disk = disk.after_kill();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        push(&core, &item(again, 8000)).unwrap();
        let disk = disk.after_kill();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        assert_eq!(numbers(&core), [0, again]);
        push(&core, &item(10, 8000)).unwrap();
        assert_eq!(numbers(&open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap()), [0, again, 10]);
    }
}

#[test]
fn items_that_were_acknowledged_in_a_file_that_is_gone_stay_so() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        // The first file holds items that are leased and acknowledged in others, and one that stays.
        let mut leases = Vec::new();
        for number in 0..5 {
            push(&core, &item(number, 5000)).unwrap();
            leases.extend(core.lease(1, None).unwrap());
        }
        for number in 100..160 {
            push(&core, &item(number, 5000)).unwrap();
            pop(&core).unwrap();
            if let Some((read, token)) = (number % 10 == 0 && leases.len() > 1).then(|| leases.remove(0)) {
                core.ack(&[(read.number, token)]).unwrap();
            }
            core.tidy().unwrap();
        }
        core.compact().unwrap();
        assert!(segments(&disk).len() <= 3, "{mode:?}: {:?}", segments(&disk));
        let core = open(&disk.after_kill(), small(mode)).unwrap();
        assert_eq!(numbers(&core), [4], "{mode:?}");
    }
}

#[test]
fn a_lease_from_before_a_restart_ends_nothing() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    push(&core, &item(1, 10)).unwrap();
    let (read, token) = core.lease(1, None).unwrap().remove(0);
    let core = open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap();
    let (again, new) = core.lease(1, None).unwrap().remove(0);
    assert_eq!((again.number, again.deliveries), (read.number, 2));
    let refused = core.ack(&[(read.number, token)]).unwrap_err();
    assert!(matches!(refused, BufferError::InvalidOperation(_)), "{refused}");
    core.ack(&[(again.number, new)]).unwrap();
    assert_eq!(core.len(), 0);
}

/// The end of one file is lost, and the next one is on disk whole.
#[test]
fn what_is_pushed_after_a_torn_end_is_there_after_the_next_crash() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..10 {
        push(&core, &item(number, 9000)).unwrap();
    }
    drop(core);
    let first = &segments(&disk)[0];
    assert_eq!(segments(&disk).len(), 2);
    disk.tamper(first, |bytes| {
        let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        bytes[end - 2000..].fill(0);
    });
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    let found = numbers(&core);
    assert!(!found.is_empty() && found.len() < 8, "{found:?}");
    push(&core, &item(77, 9000)).unwrap();
    core.sync().unwrap();
    let core = open(&disk.after_power_cut(&mut |_| 0), small(SyncMode::NoSync)).unwrap();
    assert_eq!(numbers(&core), [&found[..], &[77]].concat());
}

#[test]
fn a_failed_sync_is_everybodys_answer_and_never_tried_again() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        push(&core, &item(1, 10)).unwrap();
        disk.fail_sync(1);
        let failed = match mode {
            SyncMode::EveryWrite => push(&core, &item(2, 10)).unwrap_err(),
            _ => core.sync().unwrap_err(),
        };
        assert!(matches!(failed, BufferError::Io(_)), "{failed}");
        // The disk answers again, but the pages that it lost are gone.
        assert_eq!(push(&core, &item(3, 10)).unwrap_err(), failed);
        assert_eq!(core.pop(1).unwrap_err(), failed);
        assert_eq!(core.sync().unwrap_err(), failed);
        assert_eq!(core.lease(1, None).unwrap_err(), failed);
        drop(core);
        let disk = disk.after_kill();
        let core = open(&disk, small(mode)).unwrap();
        push(&core, &item(4, 10)).unwrap();
        core.sync().unwrap();
        let found = numbers(&core);
        assert_eq!((found[0], found.last()), (1, Some(&4)));
        // What was shown since is on the disk, also what the failed sync should have brought there.
        let core = open(&disk.after_power_cut(&mut |_| 0), small(mode)).unwrap();
        assert_eq!(numbers(&core), found, "{mode:?}");
    }
}

#[test]
fn all_who_wait_for_one_sync_hear_of_its_failure() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    disk.fail_sync(3);
    std::thread::scope(|scope| {
        let pushes: Vec<_> = (0..8)
            .map(|thread| {
                let core = &core;
                scope.spawn(move || {
                    let mut pushed = 0;
                    while push(core, &item(thread * 1000 + pushed, 10)).is_ok() {
                        pushed += 1;
                    }
                    pushed
                })
            })
            .collect();
        let pushed: u32 = pushes.into_iter().map(|thread| thread.join().unwrap()).sum();
        // Each push that said Ok is there after a power cut.
        let found = open(&disk.after_power_cut(&mut |_| 0), small(SyncMode::EveryWrite)).unwrap();
        assert!(numbers(&found).len() >= pushed as usize);
    });
}

#[test]
fn if_the_leader_of_a_sync_panics_nobody_hangs_and_nobody_is_told_that_all_is_well() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::EveryWrite)).unwrap();
    disk.panic_at_syncs();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let pushes: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn({
                    let core = &core;
                    move || push(core, &item(number, 10))
                })
            })
            .collect();
        pushes.into_iter().map(|thread| thread.join()).collect()
    });
    // The leader's panic goes on; the others get an error.
    assert!(outcomes.iter().all(|outcome| !matches!(outcome, Ok(Ok(())))), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    assert!(push(&core, b"later").is_err());
}

#[test]
fn on_a_full_disk_a_push_hands_the_item_back_and_consumers_make_room() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        core.tidy().unwrap();
        disk.fill(true);
        let mut pushed = 0;
        let refused = loop {
            match push(&core, &item(pushed, 9000)) {
                Ok(()) => pushed += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&refused, BufferError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull),
            "{refused}"
        );
        assert!(pushed > 5);
        // Nothing but consumers' records, until they need a file themselves.
        for expected in 0..pushed {
            let (read, token) = core.lease(1, None).unwrap().remove(0);
            assert_eq!(number(&super::data(&read.payload)), expected);
            core.ack(&[(read.number, token)]).unwrap();
        }
        let _ = core.tidy();
        push(&core, &item(1000, 9000)).unwrap();
        assert_eq!(numbers(&open(&disk.after_kill(), small(mode)).unwrap()), [1000], "{mode:?}");
    }
}

#[test]
fn on_a_full_disk_consumers_go_on_also_if_the_queues_thread_has_made_no_reserve_yet() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        let mut pushed = 0;
        while segments(&disk).len() < 3 {
            push(&core, &item(pushed, 9000)).unwrap();
            pushed += 1;
        }
        disk.fill(true);
        // To the brim, so that the first lease needs a file.
        for length in [9000, 8] {
            while push(&core, &item(pushed, length)).is_ok() {
                pushed += 1;
            }
        }
        for expected in 0..pushed {
            let (read, token) = core.lease(1, None).unwrap().remove(0);
            assert_eq!(number(&super::data(&read.payload)), expected);
            core.ack(&[(read.number, token)]).unwrap();
        }
        push(&core, &item(1000, 9000)).unwrap();
        assert_eq!(numbers(&open(&disk.after_kill(), small(mode)).unwrap()), [1000], "{mode:?}");
    }
}

#[test]
fn an_item_of_any_size_is_stored_or_refused() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        let room = (64 << 10) - HEADER;
        let mut expected = Vec::new();
        for (index, length) in (room - 200..room + 8).chain([1 << 20]).enumerate() {
            push(&core, &item(index as u32, length)).unwrap();
            expected.push(item(index as u32, length));
            if expected.len() > 5 {
                assert_eq!(pop(&core).unwrap(), expected.remove(0));
                core.tidy().unwrap();
            }
        }
        let core = open(&disk.after_kill(), small(mode)).unwrap();
        assert!(items(&core).unwrap() == expected, "{mode:?}");
    }
}

#[test]
fn a_larger_queue_than_allowed_opens_and_refuses_pushes() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..10 {
        push(&core, &item(number, 10)).unwrap();
    }
    let few = small(SyncMode::NoSync);
    let few = crate::persistent::PersistentConfig {
        base: few.base.clone().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(3),
        ..few
    };
    let core = open(&disk.after_kill(), few).unwrap();
    assert_eq!(push(&core, b"more").unwrap_err(), BufferError::MaxCapacityReached(3));
    assert_eq!(core.len(), 10);
    (0..8).for_each(|_| drop(pop(&core).unwrap()));
    push(&core, b"more").unwrap();
}

#[test]
fn max_bytes_bounds_the_files_and_consumers_go_on() {
    let disk = Disk::default();
    let config = small(SyncMode::NoSync).with_max_bytes(400 << 10);
    let core = open(&disk, config).unwrap();
    core.tidy().unwrap();
    let mut pushed = 0;
    while push(&core, &item(pushed, 9000)).is_ok() {
        pushed += 1;
    }
    assert!(core.log.bytes() <= 400 << 10, "{}", core.log.bytes());
    assert_eq!(push(&core, &item(pushed, 9000)).unwrap_err(), BufferError::Full);
    for _ in 0..pushed {
        pop(&core).unwrap();
    }
    core.tidy().unwrap();
    push(&core, &item(1, 9000)).unwrap();
}

#[test]
fn a_small_queue_stays_small_however_much_goes_through() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        for number in 0..2000 {
            push(&core, &item(number, 1000)).unwrap();
            pop(&core).unwrap();
            if number % 20 == 0 {
                core.tidy().unwrap();
            }
        }
        assert!(core.log.bytes() <= 6 * (64 << 10), "{mode:?}: {}", core.log.bytes());
    }
}

#[test]
fn a_name_that_is_known_adds_nothing_also_after_a_restart_and_a_compaction() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        let named = |id| Extra { id, ..Extra::default() };
        assert_eq!(core.put(&[b"a"], named(b"1")), Ok(true));
        assert_eq!(core.put(&[b"a"], named(b"1")), Ok(false));
        pop(&core).unwrap();
        for number in 0..40 {
            push(&core, &item(number, 9000)).unwrap();
            pop(&core).unwrap();
        }
        core.compact().unwrap();
        let core = open(&disk.after_kill(), small(mode)).unwrap();
        assert_eq!(core.put(&[b"a"], named(b"1")), Ok(false));
        assert_eq!(core.put(&[b"a"], named(b"2")), Ok(true));
    }
    // A full queue needs no room for an item that is there.
    let base = small(SyncMode::NoSync).base.with_min_capacity(1).with_initial_capacity(1).with_max_capacity(1);
    let core = open(&Disk::default(), small(SyncMode::NoSync).with_base_config(base)).unwrap();
    let named = Extra { id: b"1", ..Extra::default() };
    assert_eq!((core.put(&[b"a"], named), core.put(&[b"a"], named)), (Ok(true), Ok(false)));
}

#[test]
fn an_item_delivered_too_often_is_dead_until_it_is_retried() {
    let disk = Disk::default();
    let config = || small(SyncMode::NoSync).with_max_deliveries(2);
    let core = open(&disk, config()).unwrap();
    push(&core, b"poison").unwrap();
    push(&core, b"good").unwrap();
    let (read, token) = core.lease(1, None).unwrap().remove(0);
    core.nack(read.number, token, 0).unwrap();
    let (again, _) = core.lease(1, None).unwrap().remove(0);
    assert_eq!((again.number, again.deliveries), (read.number, 2));
    // The process that works on it dies.
    let core = open(&disk.after_kill(), config()).unwrap();
    assert_eq!(pop(&core).unwrap(), b"good");
    assert_eq!(core.pop(1).unwrap_err(), BufferError::Empty);
    let dead = core.dead_letters().unwrap();
    assert_eq!((dead.len(), dead[0].1), (1, 2));
    let core = open(&disk.after_kill(), config()).unwrap();
    assert_eq!(core.stats().dead, 1);
    assert_eq!(core.revive(None), Ok(1));
    assert_eq!(pop(&core).unwrap(), b"poison");
}

#[test]
fn a_delayed_item_waits_for_its_time_also_over_a_restart() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    let later = |delay| Extra { delay, ..Extra::default() };
    core.put(&[b"soon"], later(1)).unwrap();
    core.put(&[b"late"], later(3_600_000)).unwrap();
    assert_eq!(core.stats().delayed + core.len(), 2);
    while core.len() == 0 {
        core.expire(&mut core.taking()).unwrap();
    }
    push(&core, b"now").unwrap();
    assert_eq!(pop(&core).unwrap(), b"soon");
    assert_eq!(pop(&core).unwrap(), b"now");
    assert_eq!(core.pop(1).unwrap_err(), BufferError::Empty);
    let core = open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap();
    assert_eq!((core.len(), core.stats().delayed), (0, 1));
    assert_eq!(core.clear(), Ok(1));
    assert_eq!(core.stats().queue.messages_dropped, 1);
}

/// The leader of the next sync waits for so many. If it counted calls that are settled already, it would wait
/// for nobody, and of many threads each would have a sync of its own.
#[test]
fn the_calls_that_share_a_sync_are_counted_and_no_others() {
    let core = open(&Disk::default(), small(SyncMode::EveryWrite)).unwrap();
    for calls in [3, 1, 2] {
        for number in 0..calls {
            core.put_now(&[&item(number, 10), &item(number, 10)], Extra::default()).unwrap();
        }
        core.sync().unwrap();
        assert_eq!(core.commit.shared(), u64::from(calls));
    }
    push(&core, &item(0, 10)).unwrap();
    assert_eq!(core.commit.shared(), 1);
}

#[test]
fn nothing_says_that_it_was_durable_before_it_is() {
    for seed in 0..200 {
        let disk = Disk::default();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        push(&core, &item(1, 9000)).unwrap();
        disk.hold_syncs(true);
        std::thread::scope(|scope| {
            let sync = scope.spawn(|| core.sync());
            while !disk.is_syncing() {
                std::thread::yield_now();
            }
            push(&core, &item(2, 9000)).unwrap();
            let mut random = super::Random::new(seed);
            let cut = disk.after_power_cut(&mut |limit| random.below(limit));
            let found = numbers(&open(&cut, small(SyncMode::NoSync)).expect("a power cut is no damage"));
            assert!([&[][..], &[1], &[1, 2]].contains(&&found[..]), "seed {seed}: {found:?}");
            disk.hold_syncs(false);
            sync.join().unwrap().unwrap();
        });
    }
}

/// After a clean close, records of the time before may stand behind the end.
#[test]
fn what_was_lost_after_a_clean_close_does_not_come_back_behind_the_same_record() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    push(&core, &item(1, 5000)).unwrap();
    core.finish().unwrap();
    drop(core);
    let file = segments(&disk).remove(0);
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    let at = core.log.tail().end().place.offset as usize;
    (2..5).for_each(|number| push(&core, &item(number, 5000)).unwrap());
    drop(core);
    disk.tamper(&file, |bytes| bytes[at..at + 3000].fill(0));
    for _ in 0..2 {
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        assert_eq!(numbers(&core)[..1], [1]);
        assert!(!numbers(&core).contains(&3));
        push(&core, &item(2, 5000)).unwrap();
        drop(core);
    }
    assert_eq!(numbers(&open(&disk, small(SyncMode::NoSync)).unwrap()), [1, 2, 2]);
}

#[test]
fn a_file_that_can_not_be_removed_leaves_no_gap() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..40 {
        push(&core, &item(number, 9000)).unwrap();
        pop(&core).unwrap();
    }
    push(&core, &item(1000, 10)).unwrap();
    assert!(segments(&disk).len() > 2);
    let kept = segments(&disk).remove(0);
    disk.refuse_removal();
    assert!(core.tidy().is_err());
    assert!(segments(&disk).contains(&kept));
    core.tidy().unwrap();
    assert!(!segments(&disk).contains(&kept));
    assert_eq!(numbers(&open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap()), [1000]);
}

#[test]
fn a_file_that_can_not_be_begun_leaves_the_queue_as_it_was() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        core.tidy().unwrap();
        let (mut pushed, mut refused) = (Vec::new(), 0);
        for number in 0..60 {
            // Some of these writes are those of a new file.
            if number % 3 == 0 && mode != SyncMode::EveryWrite || core.log.tail().end().place.offset > 55_000 {
                core.tidy().unwrap();
                disk.refuse_write();
            }
            match push(&core, &item(number, 9000)) {
                Ok(()) => pushed.push(number),
                Err(BufferError::Io(_)) => refused += 1,
                Err(error) => panic!("{mode:?}: {error}"),
            }
            if core.commit.check().is_err() {
                break; // in this mode a failed write may be final
            }
            push(&core, &item(1000 + number, 10)).unwrap();
            pushed.push(1000 + number);
        }
        assert!(refused > 0, "{mode:?}");
        let found = numbers(&open(&disk.after_kill(), small(mode)).unwrap());
        assert_eq!(found[..pushed.len()], pushed, "{mode:?}");
    }
}

#[test]
fn an_empty_queue_takes_items_whatever_max_bytes_says() {
    let disk = Disk::default();
    let config = small(SyncMode::NoSync).with_segment_bytes(16 << 20).with_max_bytes(10 << 20);
    let core = open(&disk, config).unwrap();
    core.tidy().unwrap();
    for number in 0..4000 {
        if let Err(error) = push(&core, &item(number, 9000)) {
            assert_eq!(error, BufferError::Full);
            core.tidy().unwrap(); // the queue's thread does so
            push(&core, &item(number, 9000)).unwrap();
        }
        assert_eq!(super::number(&pop(&core).unwrap()), number);
        assert!(core.log.bytes() <= 12 << 20, "{}", core.log.bytes());
    }
}

#[test]
fn the_time_of_an_item_that_died_ends_no_later_lease() {
    let core = open(&Disk::default(), small(SyncMode::NoSync).with_max_deliveries(1)).unwrap();
    push(&core, b"item").unwrap();
    let (read, token) = core.lease(1, None).unwrap().remove(0);
    core.nack(read.number, token, 10_000).unwrap();
    assert_eq!(core.stats().dead, 1);
    core.revive(None).unwrap();
    core.lease(1, None).unwrap();
    assert_eq!(core.taking().leases.next_due(), None);
}

#[test]
fn whoever_is_on_its_way_when_a_queue_ends_writes_nothing() {
    for mode in MODES {
        let disk = Disk::default();
        let core = open(&disk, small(mode)).unwrap();
        push(&core, b"item").unwrap();
        let taken = core.pop_one().unwrap();
        core.end().unwrap();
        // Each of these had passed the first look.
        assert_eq!(core.put_back(&taken), Err(BufferError::Closed));
        assert_eq!(core.record(&mut core.taking(), &[]).map(drop), Err(BufferError::Closed));
        assert_eq!(core.commit.write_out(&core.log), Err(BufferError::Closed));
        assert_eq!(core.finish(), Err(BufferError::Closed));
        assert_eq!(core.join(u64::MAX - 1), Err(BufferError::Closed));
    }
}
