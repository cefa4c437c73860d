//! `LockFreeMPSCQueue` drops every item exactly once, and gives back all memory.
#![cfg(all(feature = "lock_free", not(loom)))]

#[path = "support/memory.rs"]
mod memory;
mod support;

use elasticq::lock_free::Producer;
use elasticq::{BufferError, LockFreeMPSCQueue};
use memory::{ALLOCATOR, NOISE, alone};
use std::thread;
use support::{Drops, Ledger, Message, SCALE, between, receive, send};

#[test]
fn an_item_is_dropped_once_however_it_leaves() {
    let _alone = alone();
    let drops = Drops::new(1000);
    let queue = LockFreeMPSCQueue::new(between(1, 900)).unwrap();
    for number in 0..900 {
        queue.offer(drops.item(number)).unwrap();
    }
    let refused = queue.offer_batch((900..1000).map(|number| drops.item(number)).collect()).unwrap_err();
    assert_eq!(drops.counts(), [0; 1000]);
    drop(refused);
    drop(queue.try_dequeue().unwrap());
    drop(queue.dequeue_batch(99).unwrap());
    let mut half_taken = queue.dequeue_batch(200).unwrap().into_iter();
    assert_eq!(half_taken.by_ref().take(50).map(|item| item.0).last(), Some(149));
    drop(half_taken);
    let mut expected = vec![1; 300];
    expected.resize(900, 0);
    expected.resize(1000, 1);
    assert_eq!(drops.counts(), expected);
    drop(queue);
    assert_eq!(drops.counts(), [1; 1000]);
}

#[test]
fn what_is_left_in_several_segments_is_dropped_with_the_consumer() {
    let _alone = alone();
    for taken in [0, 1, 2, 3, 7, 50] {
        let drops = Drops::new(100);
        let queue = LockFreeMPSCQueue::new(between(1, 128)).unwrap();
        for number in 0..100 {
            queue.offer(drops.item(number)).unwrap();
        }
        assert_eq!(queue.stats().grown, 7);
        let inside = queue.dequeue_batch(taken).unwrap();
        let (producer, consumer) = queue.split();
        drop(consumer);
        let mut expected = vec![0; taken];
        expected.resize(100, 1);
        assert_eq!(drops.counts(), expected);
        drop(producer);
        drop(inside);
        assert_eq!(drops.counts(), [1; 100]);
    }
}

#[test]
fn a_queue_abandoned_under_its_producers_drops_everything_once() {
    let _alone = alone();
    for round in 0..50 / SCALE {
        let each = 2000;
        let drops = Drops::new(4 * each);
        let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 512)).unwrap().split();
        let threads: Vec<_> = (0..4)
            .map(|producer| {
                let (queue, drops) = (first.clone(), drops.clone());
                thread::spawn(move || {
                    for number in 0..each {
                        let mut item = drops.item(producer * each + number);
                        // If the queue is full, the thread tries again. If the queue is closed, the thread
                        // drops the rest.
                        while let Err(rejected) = queue.offer(item) {
                            if *rejected.reason() == BufferError::Closed {
                                break;
                            }
                            item = rejected.into_inner();
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(first);
        for _ in 0..100 * round {
            drop(consumer.try_dequeue());
        }
        drop(consumer);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(drops.counts(), vec![1; 4 * each]);
    }
}

/// Pushes and takes 1000 items, which takes the capacity from the smallest to the largest and back. Returns
/// the bytes at the peak.
fn breathe(queue: &LockFreeMPSCQueue<u64>) -> usize {
    for number in 0..500 {
        queue.try_enqueue(number).unwrap();
    }
    queue.offer_batch((500..1000).collect()).unwrap();
    let peak = ALLOCATOR.allocated();
    for number in 0..700 {
        assert_eq!(queue.try_dequeue(), Ok(Some(number)));
    }
    assert_eq!(queue.dequeue_batch(1000).unwrap().len(), 300);
    assert_eq!((queue.try_dequeue(), queue.capacity()), (Ok(None), 4));
    peak
}

#[test]
fn ten_million_operations_leave_no_memory_behind() {
    let _alone = alone();
    let before = ALLOCATOR.allocated();
    let queue = LockFreeMPSCQueue::new(between(4, 1024)).unwrap();
    let first_peak = breathe(&queue);
    let empty = ALLOCATOR.allocated();
    // A round is 2000 operations. It grows and shrinks the queue eight times.
    for round in 1..5000 {
        let peak = breathe(&queue);
        let now = ALLOCATOR.allocated();
        assert!(peak <= first_peak + NOISE && now <= empty + NOISE, "round {round}: {first_peak} {peak} {empty} {now}");
    }
    assert_eq!(queue.stats().messages_enqueued, 5_000_000);
    assert!(queue.stats().grown >= 5000 * 8);
    drop(queue);
    assert!(ALLOCATOR.allocated() <= before + NOISE);
}

/// A header can be used again only from a moment when no thread looks at the queue. Here some thread nearly
/// always does.
#[test]
fn many_producers_and_lookers_leave_no_memory_behind() {
    let _alone = alone();
    let before = ALLOCATOR.allocated();
    let each = 500_000 / SCALE;
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 64)).unwrap().split();
    let threads: Vec<_> = (0..4).map(|producer| send(first.clone(), producer, each, 10)).collect();
    let looker = look_until_closed(first.clone());
    drop(first);
    let mut ledger = Ledger::new(4);
    while ledger.total() < 4 * each {
        // The consumer takes everything at once, so that the queue shrinks and the next messages make it
        // grow.
        while let Some(message) = consumer.try_dequeue().unwrap() {
            ledger.enter(&message);
        }
        thread::yield_now();
    }
    let stats = consumer.stats();
    consumer.close();
    for thread in threads {
        thread.join().unwrap();
    }
    looker.join().unwrap();
    receive(&mut consumer, &mut ledger);
    assert_eq!(ledger.next(), [each; 4]);
    let growth = ALLOCATOR.allocated().saturating_sub(before);
    println!("{growth} bytes more with the queue still there; {stats:?}");
    assert!(stats.grown > each / 100, "{stats:?}");
    assert!(growth <= NOISE, "{growth} bytes for {stats:?}");
    drop(consumer);
    assert!(ALLOCATOR.allocated() <= before + NOISE);
}

fn look_until_closed(queue: Producer<Box<Message>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while !queue.is_closed() {
            let stats = queue.stats();
            assert!(stats.current_size <= 64, "{stats:?}");
        }
    })
}

/// A segment is freed when it is drained, nothing is allocated for that, and the last segment is freed with
/// the queue.
#[test]
fn a_closed_queue_gives_its_memory_back_as_it_is_drained() {
    const MAX: usize = 65_536;
    let _alone = alone();
    let before = ALLOCATOR.allocated();
    let queue = LockFreeMPSCQueue::new(between(1, MAX)).unwrap();
    for number in 0..MAX {
        queue.try_enqueue(number).unwrap();
    }
    queue.close();
    let full = ALLOCATOR.allocated();
    for number in 0..MAX {
        assert_eq!(queue.try_dequeue(), Ok(Some(number)));
        assert!(ALLOCATOR.allocated() <= full + NOISE);
    }
    assert_eq!((queue.try_dequeue(), queue.capacity()), (Err(BufferError::Closed), MAX));
    // The last growth step was half of all the memory.
    let freed = full - ALLOCATOR.allocated();
    assert!(freed >= (full - before) / 2 - NOISE, "{freed} of {full}");
    drop(queue);
    assert!(ALLOCATOR.allocated() <= before + NOISE);
}

/// Each growth step is a segment of its own. If there were a step for each item, a burst would take the
/// square of its size in memory.
#[test]
fn a_burst_takes_little_more_than_its_size_whatever_the_factor() {
    const MAX: usize = 4096;
    let _alone = alone();
    for factor in [1.0 + f64::EPSILON, 1.000_1, 1.05, 1.5, 2.0, 100.0] {
        let before = ALLOCATOR.allocated();
        let queue = LockFreeMPSCQueue::new(between(1, MAX).with_growth_factor(factor)).unwrap();
        for number in 0..MAX {
            queue.try_enqueue(number).unwrap();
        }
        // A slot is a stamp and an item. A segment has up to twice as many slots as its capacity.
        let sizes = (ALLOCATOR.allocated() - before) / (2 * size_of::<usize>() * MAX);
        assert!(sizes < 20, "factor {factor}: {sizes} times the maximum");
    }
}
