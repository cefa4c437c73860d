//! The memory that a burst took is given back with the burst's last item, even where no consumer ever finds
//! the queue empty.
#![cfg(all(feature = "lock_free", not(loom)))]

#[path = "support/memory.rs"]
mod memory;
mod support;

use elasticq::{LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
use memory::{ALLOCATOR, NOISE, alone};
use support::between;

/// Bursts that end inside the largest segment, that fill it, and that have just begun it.
const BURSTS: [u64; 4] = [100_000, 1 << 17, (1 << 16) + 1, 90_000];
const MAX: usize = 1 << 17;

macro_rules! for_all_queues {
    ($test:ident) => {
        $test!(LockFreeSPSCQueue);
        $test!(LockFreeMPSCQueue);
        $test!(LockFreeMPMCQueue);
    };
}

#[test]
fn a_consumer_who_takes_a_burst_to_its_last_item_and_looks_no_more_leaves_no_memory_behind() {
    let _alone = alone();
    macro_rules! test {
        ($queue:ident) => {
            for burst in BURSTS {
                let before = ALLOCATOR.allocated();
                let queue = $queue::new(between(64, MAX)).unwrap();
                (0..burst).for_each(|item| queue.try_enqueue(item).unwrap());
                assert!(ALLOCATOR.allocated() > before + 1_000_000);
                (0..burst).for_each(|item| assert_eq!(queue.try_dequeue(), Ok(Some(item))));
                let held = ALLOCATOR.allocated() - before;
                assert!(held < NOISE, "{}, {burst} items: {held} bytes", stringify!($queue));
                assert_eq!(queue.capacity(), 64);

                queue.offer_batch((0..burst).collect()).unwrap();
                assert_eq!(queue.dequeue_batch(burst as usize).unwrap().len() as u64, burst);
                let held = ALLOCATOR.allocated() - before;
                assert!(held < NOISE, "{}, a batch of {burst}: {held} bytes", stringify!($queue));
            }
        };
    }
    for_all_queues!(test);
}

/// A batch that takes only some of the items leaves the others to calls that take one each.
#[test]
fn a_burst_that_is_taken_in_a_batch_and_then_one_by_one_leaves_no_memory_behind() {
    let _alone = alone();
    macro_rules! test {
        ($queue:ident) => {
            for burst in BURSTS {
                let before = ALLOCATOR.allocated();
                let queue = $queue::new(between(64, MAX)).unwrap();
                queue.offer_batch((0..burst).collect()).unwrap();
                assert_eq!(queue.dequeue_batch(10).unwrap().len(), 10);
                (10..burst).for_each(|item| assert_eq!(queue.try_dequeue(), Ok(Some(item))));
                let held = ALLOCATOR.allocated() - before;
                assert!(held < NOISE, "{}, {burst} items: {held} bytes", stringify!($queue));
                assert_eq!(queue.capacity(), 64);
            }
        };
    }
    for_all_queues!(test);
}

#[test]
fn a_look_at_an_empty_queue_leaves_no_memory_of_a_large_beginning_behind() {
    let _alone = alone();
    macro_rules! test {
        ($queue:ident) => {
            let before = ALLOCATOR.allocated();
            let queue = $queue::<u64>::new(between(64, MAX).with_initial_capacity(MAX)).unwrap();
            assert!(ALLOCATOR.allocated() > before + 1_000_000);
            assert_eq!(queue.try_dequeue(), Ok(None));
            let held = ALLOCATOR.allocated() - before;
            assert!(held < NOISE, "{}: {held} bytes", stringify!($queue));
            assert_eq!(queue.capacity(), 64);
        };
    }
    for_all_queues!(test);
}

/// The smaller segment begins behind the items inside. So the test takes those, and as many again, before it
/// measures.
#[test]
fn a_consumer_who_never_finds_the_queue_empty_leaves_no_memory_behind() {
    let _alone = alone();
    macro_rules! test {
        ($queue:ident) => {
            for burst in BURSTS {
                for inside in [1, 3, 20] {
                    let before = ALLOCATOR.allocated();
                    let queue = $queue::new(between(64, MAX)).unwrap();
                    (0..burst).for_each(|item| queue.try_enqueue(item).unwrap());
                    (inside..burst).for_each(|_| assert!(queue.try_dequeue().unwrap().is_some()));
                    for item in 0..2 * inside + 1 {
                        queue.try_enqueue(item).unwrap();
                        assert!(queue.try_dequeue().unwrap().is_some());
                    }
                    let held = ALLOCATOR.allocated() - before;
                    assert!(held < NOISE, "{}, {inside} of {burst} inside: {held} bytes", stringify!($queue));
                    assert_eq!((queue.len() as u64, queue.capacity()), (inside, 64));
                }
            }
        };
    }
    for_all_queues!(test);
}

/// There are many items inside, but so few that a smaller queue would do.
#[test]
fn a_queue_that_always_holds_many_items_follows_their_number() {
    let _alone = alone();
    macro_rules! test {
        ($queue:ident) => {
            for inside in [10_000, 20_000, 30_000] {
                let queue = $queue::new(between(64, MAX)).unwrap();
                (0..MAX).for_each(|item| queue.try_enqueue(item).unwrap());
                (inside..MAX).for_each(|_| assert!(queue.try_dequeue().unwrap().is_some()));
                for item in 0..2 * inside + 1 {
                    queue.try_enqueue(item).unwrap();
                    assert!(queue.try_dequeue().unwrap().is_some());
                }
                assert_eq!(queue.len(), inside);
                assert!(queue.capacity() < MAX, "{}, {inside} inside", stringify!($queue));
            }
        };
    }
    for_all_queues!(test);
}

/// The consumer's handle can't shrink the queue while there is a producer. So it asks for that, and the
/// producer's next push shrinks the queue.
#[test]
fn with_handles_of_one_producer_and_one_consumer_its_next_push_gives_the_memory_back() {
    let _alone = alone();
    for burst in BURSTS {
        let before = ALLOCATOR.allocated();
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(64, MAX)).unwrap().split();
        (0..burst).for_each(|item| producer.try_enqueue(item).unwrap());
        (0..burst).for_each(|item| assert_eq!(consumer.try_dequeue(), Ok(Some(item))));
        let held = ALLOCATOR.allocated() - before;
        // All is freed but the last segment, whose slots have the size of one item each.
        assert!(held < MAX * size_of::<u64>() + NOISE, "{burst} items: {held} bytes");
        producer.try_enqueue(0).unwrap();
        assert_eq!((producer.capacity(), consumer.try_dequeue()), (64, Ok(Some(0))));
        let held = ALLOCATOR.allocated() - before;
        assert!(held < NOISE, "{burst} items: {held} bytes");
    }
}
