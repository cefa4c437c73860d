//! Models of looking at the items of the queues without locks, and of waiting with their building blocks.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p elasticq --release --features lock_free --test loom_looking
//! ```
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::{BufferError, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts};
use loom::thread;
use std::sync::Arc;
use support::{between, large_model, model};

macro_rules! models {
    ($name:ident, $queue:ident) => {
        mod $name {
            use super::*;

            type Queue = $queue<Box<u32>>;

            fn taken(queue: &Queue) -> u32 {
                queue.try_dequeue().unwrap_or(None).map_or(0, |item| *item)
            }

            /// What a look shows is a run of the items. None of them is being moved out in the meantime.
            fn look(queue: &Queue) {
                match queue.iter_with(|item| **item) {
                    Ok(seen) => {
                        let first = seen.first().copied().unwrap_or(0);
                        assert!(seen.iter().copied().eq(first..first + u32::try_from(seen.len()).unwrap()), "{seen:?}");
                    }
                    Err(error) => assert!(matches!(error, BufferError::InvalidOperation(_))),
                }
            }

            /// What the counters say. Of the items in them, so many were put in.
            fn dequeued(queue: &Queue, put: u64) -> u64 {
                let stats = queue.stats();
                let gone = stats.messages_dequeued + stats.messages_dropped;
                assert_eq!((stats.messages_enqueued, gone + stats.current_size as u64), (put, put), "{stats:?}");
                stats.messages_dequeued
            }

            #[test]
            fn what_is_discarded_never_counts_as_dequeued() {
                model(|| {
                    let queue = Arc::new(Queue::new(between(3, 3)).unwrap());
                    queue.offer_batch(vec![Box::new(1), Box::new(2), Box::new(3)]).unwrap();
                    assert_eq!(taken(&queue), 1);
                    let other = Arc::clone(&queue);
                    let dropper = thread::spawn(move || other.discard().unwrap().len());
                    assert_eq!(dequeued(&queue, 3), 1);
                    assert_eq!(dropper.join().unwrap(), 2);
                    assert_eq!((dequeued(&queue, 3), queue.stats().messages_dropped), (1, 2));
                });
            }

            #[test]
            fn what_is_taken_beside_a_discard_counts_at_most_once() {
                model(|| {
                    let queue = Arc::new(Queue::new(between(2, 2)).unwrap());
                    queue.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
                    let other = Arc::clone(&queue);
                    let dropper = thread::spawn(move || other.discard().map_or(0, |items| items.len() as u64));
                    let taken = u64::from(taken(&queue) > 0);
                    assert!(dequeued(&queue, 2) <= taken);
                    let dropped = dropper.join().unwrap();
                    assert_eq!((dequeued(&queue, 2), queue.stats().messages_dropped), (taken, dropped));
                });
            }

            #[test]
            fn looking_beside_a_consumer_sees_whole_items_and_takes_none() {
                model(|| {
                    let queue = Arc::new(Queue::new(between(2, 2)).unwrap());
                    queue.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
                    let other = Arc::clone(&queue);
                    let taker = thread::spawn(move || taken(&other));
                    look(&queue);
                    // The consumer waits for the thread that looks, so its take never fails.
                    assert_eq!(taker.join().unwrap(), 1);
                    assert_eq!(taken(&queue), 2);
                });
            }

            #[test]
            fn who_may_not_look_leaves_the_consumer_its_turn() {
                model(|| {
                    let queue = Arc::new(Queue::new(between(2, 2)).unwrap());
                    queue.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
                    let other = Arc::clone(&queue);
                    let taker = thread::spawn(move || taken(&other));
                    look(&queue);
                    look(&queue);
                    assert_eq!(taken(&queue) + taker.join().unwrap() + taken(&queue), 3);
                });
            }

            #[test]
            fn looking_beside_a_producer_that_grows_the_queue() {
                large_model(|| {
                    let queue = Arc::new(Queue::new(between(1, 4)).unwrap());
                    queue.try_enqueue(Box::new(1)).unwrap();
                    let other = Arc::clone(&queue);
                    let producer = thread::spawn(move || {
                        other.try_enqueue(Box::new(2)).unwrap();
                        other.try_enqueue(Box::new(3)).unwrap();
                    });
                    look(&queue);
                    assert_eq!(taken(&queue), 1);
                    look(&queue);
                    producer.join().unwrap();
                    assert_eq!(queue.iter_with(|item| **item).unwrap(), [2, 3]);
                });
            }

            #[test]
            fn no_wake_up_of_who_waits_for_an_item_is_lost() {
                model(|| {
                    let queue = Arc::new(Queue::new(between(2, 2)).unwrap());
                    let other = Arc::clone(&queue);
                    let producer = thread::spawn(move || other.try_enqueue(Box::new(1)).unwrap());
                    loop {
                        let mut waiter = queue.wait_for_item();
                        if taken(&queue) == 1 {
                            break;
                        }
                        assert!(waiter.wait_until(None));
                    }
                    producer.join().unwrap();
                });
            }

            #[test]
            fn no_wake_up_of_who_waits_for_room_is_lost() {
                model(|| {
                    let queue = Arc::new(Queue::new(between(1, 1)).unwrap());
                    queue.try_enqueue(Box::new(1)).unwrap();
                    let other = Arc::clone(&queue);
                    let consumer = thread::spawn(move || assert_eq!(taken(&other), 1));
                    loop {
                        let mut waiter = queue.wait_for_room();
                        if queue.offer_again(Box::new(2)).is_ok() {
                            break;
                        }
                        assert!(waiter.wait_until(None));
                    }
                    consumer.join().unwrap();
                    assert_eq!(taken(&queue), 2);
                });
            }
        }
    };
}

models!(mpsc, LockFreeMPSCQueue);
models!(mpmc, LockFreeMPMCQueue);
models!(spsc, LockFreeSPSCQueue);

/// There is one record, and the thread that looks may be using it. The consumer waits, or adds another
/// record.
#[test]
fn a_consumer_that_finds_all_records_in_use_waits_for_who_looks() {
    model(|| {
        let queue = Arc::new(LockFreeMPMCQueue::new(between(2, 2)).unwrap());
        assert_eq!(queue.try_dequeue(), Ok(None)); // makes the record
        queue.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
        let other = Arc::clone(&queue);
        let taker = thread::spawn(move || *other.try_dequeue().unwrap().unwrap());
        let seen = queue.iter_with(|item| **item);
        assert!(seen.is_err() || seen == Ok(vec![2]) || seen == Ok(vec![1, 2]));
        assert_eq!(taker.join().unwrap(), 1);
    });
}

/// Two producers share the queue, each for one call at a time, and two waiters of a layer above wait for
/// items. While the first put wakes one of them, the second put finds no note of sleepers.
#[test]
fn two_items_put_in_at_the_same_time_reach_two_waiters() {
    model(|| {
        let queue = Arc::new(LockFreeSPSCQueue::new(between(2, 2)).unwrap());
        let mut waiters = [queue.wait_for_item(), queue.wait_for_item()];
        let other = Arc::clone(&queue);
        let put = |queue: &LockFreeSPSCQueue<u32>| {
            while queue.try_enqueue(1).is_err() {
                thread::yield_now(); // the other producer is putting in
            }
        };
        let producer = thread::spawn(move || put(&other));
        put(&queue);
        producer.join().unwrap();
        assert!(waiters.iter_mut().all(|waiter| waiter.wait_until(None)));
    });
}
