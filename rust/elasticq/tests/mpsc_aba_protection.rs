//! `LockFreeMPSCQueue` never takes a slot or a segment for what it was in an earlier use. These tests use the
//! same few again very often, while the scheduler may stop producers anywhere.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::LockFreeMPSCQueue;
use std::thread;
use support::{Ledger, Message, SCALE, between, receive, send};

#[test]
fn a_slot_used_again_at_once_gives_no_old_item() {
    for capacity in [1, 2] {
        let each = 30_000 / SCALE;
        let (first, mut consumer) = LockFreeMPSCQueue::new(between(capacity, capacity)).unwrap().split();
        let threads: Vec<_> = (0..6).map(|producer| send(first.clone(), producer, each, 1)).collect();
        drop(first);
        let mut ledger = Ledger::new(6);
        receive(&mut consumer, &mut ledger);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(ledger.next(), [each; 6]);
    }
}

/// The consumer lets the queue fill up and then takes everything. So the queue grows and shrinks once per
/// round, in headers that were used before.
#[test]
fn a_segment_used_again_at_once_is_not_taken_for_the_old_one() {
    let rounds = 20_000 / SCALE;
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 4)).unwrap().split();
    let each = rounds * 2;
    let threads: Vec<_> = (0..4).map(|producer| send(first.clone(), producer, each, 3)).collect();
    drop(first);
    let mut ledger = Ledger::new(4);
    while ledger.total() < 4 * each {
        // The consumer waits for no more than two items: with 2 or 3 inside, a batch of three may not fit.
        let left = 4 * each - ledger.total();
        while (consumer.len() as u64) < left.min(2) {
            thread::yield_now();
        }
        while let Ok(Some(message)) = consumer.try_dequeue() {
            ledger.enter(&message);
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ledger.next(), [each; 4]);
    let stats = consumer.stats();
    assert!(stats.grown > 1 && stats.shrunk > 1, "{stats:?}");
}

#[test]
fn one_thread_that_grows_and_shrinks_at_every_round_keeps_the_order() {
    let queue = LockFreeMPSCQueue::new(between(1, 64)).unwrap();
    let mut ledger = Ledger::new(1);
    let mut number = 0;
    let rounds = 50_000 / SCALE;
    for round in 0..rounds {
        for _ in 0..=round % 64 {
            queue.offer(Message::new(0, number)).unwrap();
            number += 1;
        }
        while let Some(message) = queue.try_dequeue().unwrap() {
            ledger.enter(&message);
        }
        assert_eq!(queue.capacity(), 1);
    }
    assert_eq!(ledger.total(), number);
    let stats = queue.stats();
    // Every round grows the queue, except each 64th, which holds one item.
    assert!(stats.grown >= rounds - rounds / 64 - 1 && stats.shrunk >= rounds - rounds / 64 - 1, "{stats:?}");
}
