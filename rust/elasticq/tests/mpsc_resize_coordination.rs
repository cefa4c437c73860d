//! `LockFreeMPSCQueue` grows for every producer that needs room, gives memory back, and is exact about both.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{BufferError, LockFreeMPSCQueue};
use std::sync::Barrier;
use std::thread;
use support::{Ledger, Message, SCALE, between};

#[test]
fn a_burst_that_fits_is_never_refused_while_the_consumer_is_stalled() {
    let queue = LockFreeMPSCQueue::new(between(1024, 65_536)).unwrap();
    for n in 0..65_536 {
        queue.try_enqueue(n).unwrap();
    }
    assert_eq!((queue.len(), queue.capacity()), (65_536, 65_536));
    assert_eq!(queue.try_enqueue(0), Err(BufferError::MaxCapacityReached(65_536)));
    for n in 0..65_536 {
        assert_eq!(queue.try_dequeue(), Ok(Some(n)));
    }
    assert_eq!(queue.try_dequeue(), Ok(None));
}

#[test]
fn a_burst_of_many_producers_is_never_refused_either() {
    const PRODUCERS: usize = 8;
    for round in 0..40 / SCALE {
        let each = 1 + 512 * round / 40;
        let max = PRODUCERS * usize::try_from(each).unwrap();
        let queue = LockFreeMPSCQueue::new(between(1, max)).unwrap();
        let start = Barrier::new(PRODUCERS);
        thread::scope(|scope| {
            for producer in 0..PRODUCERS {
                let (queue, start) = (&queue, &start);
                scope.spawn(move || {
                    start.wait();
                    for number in 0..each {
                        queue.offer(Message::new(producer, number)).unwrap();
                    }
                });
            }
        });
        assert_eq!((queue.len(), queue.capacity()), (max, max));
        assert!(queue.try_enqueue(Message::new(0, each)).is_err());
        let mut ledger = Ledger::new(PRODUCERS);
        for message in queue.dequeue_batch(max).unwrap() {
            ledger.enter(&message);
        }
        assert_eq!(ledger.next(), [each; PRODUCERS]);
    }
}

#[test]
fn room_is_exact_while_the_consumer_rests() {
    for capacity in [1, 2, 3, 8, 100] {
        let queue = LockFreeMPSCQueue::new(between(capacity, capacity)).unwrap();
        for lap in 0..5 * capacity {
            while queue.try_enqueue(lap).is_ok() {}
            assert_eq!(queue.len(), capacity);
            assert!(queue.try_dequeue().unwrap().is_some());
            queue.try_enqueue(lap).unwrap();
            assert!(queue.try_enqueue(lap).is_err());
            assert!(queue.try_dequeue().unwrap().is_some());
        }
    }
}

#[test]
fn the_capacity_comes_back_after_a_burst() {
    let queue = LockFreeMPSCQueue::new(between(16, 1 << 20)).unwrap();
    for n in 0..1 << 20 {
        queue.try_enqueue(n).unwrap();
    }
    while queue.try_dequeue().unwrap().is_some() {}
    assert_eq!(queue.capacity(), 16);
    assert!(queue.stats().shrunk > 0);
}

#[test]
fn a_queue_that_never_held_anything_shrinks_to_its_minimum_when_that_is_found() {
    let config = between(16, 4096).with_initial_capacity(1024);
    let queue = LockFreeMPSCQueue::<u8>::new(config).unwrap();
    assert_eq!(queue.capacity(), 1024);
    assert_eq!(queue.try_dequeue(), Ok(None));
    assert_eq!(queue.capacity(), 16);
}

#[test]
fn hovering_at_a_threshold_does_not_resize_every_time() {
    let queue = LockFreeMPSCQueue::new(between(64, 4096).with_shrink_threshold(0.9)).unwrap();
    for n in 0..65 {
        queue.try_enqueue(n).unwrap();
    }
    let before = queue.stats();
    for n in 0..1000 {
        assert!(queue.try_dequeue().unwrap().is_some());
        queue.try_enqueue(n).unwrap();
    }
    let after = queue.stats();
    let resizes = after.grown + after.shrunk - before.grown - before.shrunk;
    assert!(resizes <= 1, "{before:?} {after:?}");
}
