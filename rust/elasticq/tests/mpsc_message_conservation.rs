//! `LockFreeMPSCQueue` loses, doubles and damages no message, and its counters say what went in and out.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{BufferError, Config, LockFreeMPSCQueue};
use support::{Ledger, SCALE, between, receive, send};

/// Runs producers that mix single items and batches. The consumer checks every message, and the order of each
/// producer's messages.
fn conserve(config: Config, producers: usize, each: u64, batch: u64) {
    let (first, mut consumer) = LockFreeMPSCQueue::new(config).unwrap().split();
    let threads: Vec<_> = (0..producers).map(|producer| send(first.clone(), producer, each, batch)).collect();
    drop(first);
    let mut ledger = Ledger::new(producers);
    receive(&mut consumer, &mut ledger);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ledger.next(), vec![each; producers]);
    let stats = consumer.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued), (ledger.total(), ledger.total()));
    assert_eq!(stats.current_size, 0);
}

#[test]
fn many_producers_lose_nothing_in_a_queue_that_grows_and_shrinks() {
    conserve(between(2, 1 << 16), 4, 200_000 / SCALE, 10);
}

#[test]
fn many_producers_lose_nothing_in_one_place() {
    conserve(between(1, 1), 4, 20_000 / SCALE, 1);
}

#[test]
fn many_producers_lose_nothing_in_a_queue_that_is_often_full() {
    conserve(between(1, 64), 8, 50_000 / SCALE, 7);
}

#[test]
fn sixteen_producers_of_large_batches_lose_nothing() {
    conserve(between(16, 256), 16, 30_000 / SCALE, 100);
}

#[test]
fn refused_items_come_back_and_are_counted() {
    let queue = LockFreeMPSCQueue::new(between(1, 3)).unwrap();
    queue.offer_batch(vec!["a", "b"]).unwrap();
    assert_eq!(queue.offer_batch(vec!["c", "d"]).unwrap_err().into_parts(), (BufferError::Full, vec!["c", "d"]));
    let four = vec!["c", "d", "e", "f"];
    assert_eq!(queue.offer_batch(four.clone()).unwrap_err().into_parts(), (BufferError::MaxCapacityReached(3), four));
    queue.try_enqueue("c").unwrap();
    assert_eq!(queue.offer("d").unwrap_err().into_parts(), (BufferError::MaxCapacityReached(3), "d"));
    let stats = queue.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_refused, stats.current_size), (3, 7, 3));
    assert_eq!(queue.dequeue_batch(10), Ok(vec!["a", "b", "c"]));
}
