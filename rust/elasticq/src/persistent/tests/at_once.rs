//! Calls that take only a moment: they do what the usual ones do, or nothing.

use super::disk::Disk;
use super::{Random, item, numbers, open, pop, push, small};
use crate::effort::cases;
use crate::error::BufferError;
use crate::persistent::SyncMode;
use crate::persistent::at_once::AtOnce;
use crate::persistent::core::{Core, Extra};
use crate::persistent::taken::Taken;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Takes an item at once, and makes its number of it, if `reads`; otherwise keeps it or not. `None`: it would
/// take longer.
fn take(core: &Arc<Core>, reads: bool, keeps: bool) -> Option<Option<u32>> {
    let number = |bytes: &[u8]| reads.then(|| super::number(bytes));
    Some(match core.pop_at_once(number)?.unwrap() {
        AtOnce::Made(number) => Some(number),
        AtOnce::Outstanding(popped) => {
            let taken = Taken::new(core, popped);
            let number = taken.items().next().map(super::number);
            taken.keep(usize::from(keeps)).unwrap();
            number.filter(|_| keeps)
        }
    })
}

#[test]
fn they_take_the_items_in_order_and_lose_none() {
    for round in 0..cases(8) {
        let mut random = Random::new(round as u64);
        let disk = Disk::default();
        let core = open(&disk, small(SyncMode::NoSync)).unwrap();
        let mut expected = VecDeque::new();
        let (mut next, mut at_once) = (0, 0);
        for _ in 0..600 {
            match random.below(8) {
                0..4 => {
                    push(&core, &item(next, random.below(2_000))).unwrap();
                    expected.push_back(next);
                    next += 1;
                }
                4 => assert_eq!(pop(&core).ok().map(|bytes| super::number(&bytes)), expected.pop_front()),
                _ => {
                    // What goes back keeps its place.
                    if let Some(Some(number)) = take(&core, random.below(3) > 0, random.below(2) > 0) {
                        assert_eq!(Some(number), expected.pop_front(), "round {round}");
                        at_once += 1;
                    }
                }
            }
        }
        assert!(at_once > 20, "round {round}: only {at_once}");
        let again = open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap();
        assert_eq!(numbers(&again), Vec::from(expected), "round {round}");
    }
}

#[test]
fn an_item_in_a_file_that_is_not_in_memory_takes_longer() {
    let core = open(&Disk::default(), small(SyncMode::NoSync)).unwrap();
    for number in 0..40 {
        push(&core, &item(number, 4_000)).unwrap();
    }
    assert_eq!(take(&core, true, true), None);
    assert_eq!(pop(&core).map(|bytes| super::number(&bytes)), Ok(0));
    assert_eq!(take(&core, true, true), Some(Some(1)), "now it is");
}

#[test]
fn an_item_that_was_read_and_whose_pop_can_not_be_noted_stays() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    push(&core, &item(1, 100)).unwrap();
    push(&core, &item(2, 100)).unwrap();
    disk.fail_sync(1);
    assert!(matches!(core.sync(), Err(BufferError::Io(_))));
    let mut reads = 0;
    let taken = core.pop_at_once(|_| {
        reads += 1;
        Some(())
    });
    assert!(matches!(taken, Some(Err(BufferError::Io(_)))), "{taken:?}");
    assert_eq!(reads, 1);
    assert_eq!(numbers(&open(&disk.after_kill(), small(SyncMode::NoSync)).unwrap()), [1, 2]);
}

#[test]
fn an_item_of_which_nothing_could_be_made_stays() {
    let core = open(&Disk::default(), small(SyncMode::NoSync)).unwrap();
    for number in 0..3 {
        push(&core, &item(number, 100)).unwrap();
    }
    // A codec of somebody else's, against its promise.
    let copied = catch_unwind(AssertUnwindSafe(|| core.pop_copied(|_| panic!("on purpose"))));
    assert!(copied.is_err());
    let made = catch_unwind(AssertUnwindSafe(|| core.pop_at_once(|_| -> Option<()> { panic!("on purpose") })));
    assert!(made.is_err());
    assert_eq!(core.pop_copied(super::number), Some(Ok(0)));
    assert_eq!((numbers(&core), core.len()), (vec![1, 2], 2));
}

#[test]
fn where_calls_wait_for_a_sync_none_is_at_once() {
    let core = open(&Disk::default(), small(SyncMode::EveryWrite)).unwrap();
    assert!(core.put_at_once([b"", b"item"]).is_none());
    push(&core, &item(1, 100)).unwrap();
    assert_eq!(take(&core, true, true), None);
}

/// Waits until the time of the next item that waits for its time has come.
fn wait_until_due(core: &Core) {
    let due = core.taking().leases.next_due().unwrap();
    while Instant::now() < due {
        std::thread::yield_now();
    }
}

#[test]
fn an_item_that_was_looked_at_before_is_not_passed_over() {
    let core = open(&Disk::default(), small(SyncMode::NoSync)).unwrap();
    core.put(&[&item(0, 9)], Extra { delay: 1, ..Extra::default() }).unwrap();
    push(&core, &item(1, 9)).unwrap();
    push(&core, &item(2, 9)).unwrap();
    wait_until_due(&core);
    assert_eq!(pop(&core).map(|bytes| super::number(&bytes)), Ok(0));
    assert!(core.taking().next.is_some(), "it has looked at the next one in line");
    assert_eq!(core.pop_copied(super::number), None);
    assert_eq!(numbers(&core), [1, 2]);
}

#[test]
fn an_item_that_comes_back_keeps_its_place() {
    let core = open(&Disk::default(), small(SyncMode::NoSync)).unwrap();
    push(&core, &item(0, 9)).unwrap();
    push(&core, &item(1, 9)).unwrap();
    core.lease(1, Some(Duration::from_millis(1))).unwrap();
    wait_until_due(&core);
    assert_eq!(core.pop_copied(super::number), None);
    assert_eq!(pop(&core).map(|bytes| super::number(&bytes)), Ok(0));
}

#[test]
fn they_wake_who_waits_for_room_also_while_somebody_has_the_lock() {
    let core = open(&Disk::default(), small(SyncMode::NoSync)).unwrap();
    push(&core, &item(0, 9)).unwrap();
    let mut waiter = core.not_full.waiter();
    let tail = core.log.tail();
    assert_eq!(core.pop_copied(super::number), Some(Ok(0)));
    drop(tail);
    assert!(waiter.wait_until(Some(Instant::now())));
}

#[test]
fn they_read_no_file() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync).with_segment_bytes(256 << 10)).unwrap();
    for number in 0..100 {
        push(&core, &item(number, 4_000)).unwrap();
    }
    assert_eq!(pop(&core).map(|bytes| super::number(&bytes)), Ok(0));
    disk.meanwhile(0, || {});
    while core.pop_copied(super::number).is_some() {}
    assert!(!disk.has_happened());
    assert!((10..20).contains(&numbers(&core)[0]), "those in the window were taken");
}
