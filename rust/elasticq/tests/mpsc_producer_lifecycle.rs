//! Producers of a `LockFreeMPSCQueue` come, go, die and are too late. The others and the consumer never
//! notice.
//!
//! A producer cannot be stopped by its own code between claiming a position and publishing the item. In
//! between there are only a move of `T` and a store, and no code of the caller runs (`Drop`, `Clone`, an
//! iterator). A batch comes as a finished `Vec`. So whatever panics does so before the claim or after it, and
//! that is what these tests do.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::lock_free::Producer;
use elasticq::{BufferError, LockFreeMPSCQueue};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use support::{Drops, FOREVER, Ledger, Message, SCALE, between, receive};

/// Ends the thread or closure by a panic that prints nothing.
fn die() -> ! {
    resume_unwind(Box::new("on purpose"))
}

#[test]
fn thousands_of_short_lived_producers_lose_nothing() {
    let clones = 10_000 / SCALE;
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 256)).unwrap().split();
    let threads: Vec<_> = (0..4)
        .map(|producer| {
            let parent = first.clone();
            thread::spawn(move || {
                for number in 0..clones {
                    let child = parent.clone();
                    child.offer_within(Message::new(producer, number), FOREVER).unwrap();
                }
            })
        })
        .collect();
    drop(first);
    let mut ledger = Ledger::new(4);
    receive(&mut consumer, &mut ledger);
    assert_eq!(ledger.next(), [clones; 4]);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn threads_that_come_and_go_lose_nothing() {
    let generations = 500 / usize::try_from(SCALE).unwrap();
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 8)).unwrap().split();
    let mut ledger = Ledger::new(generations * 3);
    for generation in 0..generations {
        for child in 0..3 {
            let queue = first.clone();
            thread::spawn(move || {
                for number in 0..5 {
                    queue.offer_within(Message::new(generation * 3 + child, number), FOREVER).unwrap();
                }
            });
        }
        for _ in 0..15 {
            ledger.enter(&consumer.dequeue_within(FOREVER).unwrap().unwrap());
        }
    }
    assert!(!consumer.is_closed());
    drop(first);
    receive(&mut consumer, &mut ledger);
    assert_eq!(ledger.next(), vec![5; generations * 3]);
}

#[test]
fn the_last_producer_to_go_closes_the_queue() {
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 8)).unwrap().split();
    let second = first.clone();
    let third = second.clone();
    first.try_enqueue(1).unwrap();
    drop(first);
    drop(third);
    assert!(!second.is_closed());
    second.try_enqueue(2).unwrap();
    drop(second);
    assert!(consumer.is_closed());
    assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
    assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(2)));
    assert_eq!(consumer.dequeue_within(FOREVER), Err(BufferError::Closed));
}

#[test]
fn a_producer_who_dies_leaves_what_he_sent_and_stops_nobody() {
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 64)).unwrap().split();
    let threads: Vec<_> = (0..8)
        .map(|producer| {
            let queue = first.clone();
            thread::spawn(move || {
                for number in 0..1000 {
                    if producer % 2 == 1 && number == 100 {
                        die();
                    }
                    queue.offer_within(Message::new(producer, number), FOREVER).unwrap();
                }
            })
        })
        .collect();
    drop(first);
    let mut ledger = Ledger::new(8);
    // This ends when the last handle is dropped, those of the dead threads included.
    receive(&mut consumer, &mut ledger);
    for (producer, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().is_err(), producer % 2 == 1);
    }
    assert_eq!(ledger.next(), [1000, 100].repeat(4));
}

#[test]
fn an_iterator_that_panics_puts_nothing_in() {
    let drops = Drops::new(10);
    let queue = LockFreeMPSCQueue::new(between(1, 16)).unwrap();
    let batch = AssertUnwindSafe(|| {
        let items = (0..10).map(|number| if number == 5 { die() } else { drops.item(number) });
        queue.offer_batch(items.collect())
    });
    assert!(catch_unwind(batch).is_err());
    assert_eq!((queue.len(), queue.stats().messages_enqueued), (0, 0));
    assert_eq!(drops.counts(), [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    queue.offer(drops.item(5)).unwrap();
    assert_eq!(queue.try_dequeue().unwrap().unwrap().0, 5);
}

/// An item whose drop panics, if it is armed.
struct Grenade(bool);

impl Drop for Grenade {
    fn drop(&mut self) {
        if self.0 {
            die();
        }
    }
}

#[test]
fn a_refused_item_whose_drop_panics_harms_nobody() {
    let (producer, mut consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
    producer.offer_batch(vec![Grenade(false), Grenade(false)]).unwrap();
    let try_enqueue = |queue: &Producer<_>| catch_unwind(AssertUnwindSafe(|| queue.try_enqueue(Grenade(true))));
    let full = try_enqueue(&producer);
    let batch = catch_unwind(AssertUnwindSafe(|| {
        drop(producer.offer_batch(vec![Grenade(false), Grenade(true), Grenade(false)]));
    }));
    assert_eq!(consumer.dequeue_batch(2).unwrap().len(), 2);
    producer.try_enqueue(Grenade(false)).unwrap();
    consumer.close();
    let closed = try_enqueue(&producer);
    assert!(full.is_err() && batch.is_err() && closed.is_err());
    assert_eq!(producer.stats().messages_refused, 1 + 3 + 1);
    assert_eq!(consumer.dequeue_batch(9).unwrap().len(), 1);
    assert!(matches!(consumer.try_dequeue(), Err(BufferError::Closed)));
}

#[test]
fn whoever_waits_for_room_gets_it_in_the_end() {
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 1)).unwrap().split();
    let each = 2000 / SCALE;
    let threads: Vec<_> = (0..8)
        .map(|producer| {
            let queue = first.clone();
            thread::spawn(move || {
                for number in 0..each {
                    queue.offer_within(Message::new(producer, number), FOREVER).unwrap();
                }
            })
        })
        .collect();
    drop(first);
    let mut ledger = Ledger::new(8);
    receive(&mut consumer, &mut ledger);
    assert_eq!(ledger.next(), [each; 8]);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// As many places as there are waiters come free in one go, and nothing is taken afterwards.
#[test]
fn places_freed_at_once_reach_all_who_wait_for_them() {
    for _ in 0..200 / SCALE {
        let (first, mut consumer) = LockFreeMPSCQueue::new(between(4, 4)).unwrap().split();
        first.offer_batch(vec![0; 4]).unwrap();
        let threads = [1, 2, 3, 4].map(|number| {
            let queue = first.clone();
            thread::spawn(move || queue.offer_within(number, FOREVER).unwrap())
        });
        assert_eq!(consumer.dequeue_batch(4).unwrap(), [0; 4]);
        for thread in threads {
            thread.join().unwrap();
        }
        let mut items = consumer.dequeue_batch(5).unwrap();
        items.sort_unstable();
        assert_eq!(items, [1, 2, 3, 4]);
    }
}

#[test]
fn a_producer_who_waits_in_vain_has_his_item_back() {
    let queue = LockFreeMPSCQueue::new(between(1, 1)).unwrap();
    queue.try_enqueue("in").unwrap();
    let timeout = std::time::Duration::from_millis(3);
    let (reason, item) = queue.offer_within("out", timeout).unwrap_err().into_parts();
    assert_eq!((reason, item), (BufferError::Timeout(timeout), "out"));
    assert_eq!(queue.stats().messages_refused, 1);
    assert_eq!(queue.try_dequeue(), Ok(Some("in")));
    queue.offer_within(item, timeout).unwrap();
    assert_eq!(queue.try_dequeue(), Ok(Some("out")));
}
