//! Models of the queue with one producer and one consumer, on the real code.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p elasticq --all-features --release --test loom_spsc
//! ```
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::BufferError;
use elasticq::lock_free::{LockFreeSPSCQueue, SpscConsumer};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{FOREVER, between, ends_that_wait, model};

ends_that_wait!(LockFreeSPSCQueue);

/// Takes what is there.
fn drain<T>(consumer: &mut SpscConsumer<T>) -> Vec<T> {
    let mut items = Vec::new();
    while let Ok(Some(item)) = consumer.try_dequeue() {
        items.push(item);
    }
    items
}

#[test]
fn items_come_out_in_order_while_a_full_queue_is_refilled() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 1)).unwrap().split();
        let thread = thread::spawn(move || {
            producer.try_enqueue(Box::new(1)).unwrap();
            match producer.offer(Box::new(2)) {
                Ok(()) => vec![1, 2],
                Err(rejected) => {
                    assert_eq!(rejected.reason(), &BufferError::MaxCapacityReached(1));
                    vec![1]
                }
            }
        });
        let mut taken: Vec<_> = (0..2).filter_map(|_| consumer.try_dequeue().unwrap_or(None)).collect();
        let pushed = thread.join().unwrap();
        taken.append(&mut drain(&mut consumer));
        assert_eq!(taken.iter().map(|item| **item).collect::<Vec<_>>(), pushed);
        assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
    });
}

#[test]
fn a_lap_that_begins_before_the_last_one_was_taken_overwrites_nothing() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
        let thread = thread::spawn(move || {
            let accepted = (3..=5).filter(|&item| producer.try_enqueue(Box::new(item)).is_ok()).collect::<Vec<_>>();
            assert!(accepted.len() <= 2);
            accepted
        });
        let mut taken: Vec<_> = (0..2).map(|_| consumer.try_dequeue().unwrap().unwrap()).collect();
        let accepted = thread.join().unwrap();
        taken.append(&mut drain(&mut consumer));
        let expected: Vec<_> = [1, 2].into_iter().chain(accepted).collect();
        assert_eq!(taken.iter().map(|item| **item).collect::<Vec<_>>(), expected);
    });
}

#[test]
fn a_queue_that_grows_under_the_consumer_loses_nothing() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 4)).unwrap().split();
        let thread = thread::spawn(move || {
            for item in 1..=4 {
                producer.try_enqueue(Box::new(item)).unwrap();
            }
        });
        let mut taken: Vec<_> = (0..2).filter_map(|_| consumer.try_dequeue().unwrap_or(None)).collect();
        thread.join().unwrap();
        taken.append(&mut drain(&mut consumer));
        assert_eq!(taken.iter().map(|item| **item).collect::<Vec<_>>(), [1, 2, 3, 4]);
    });
}

/// The queue fills up in the middle of a lap, so the segment ends there.
#[test]
fn a_queue_that_grows_in_the_middle_of_a_lap_loses_nothing() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(3, 6)).unwrap().split();
        producer.offer_batch((1..=3).map(Box::new).collect()).unwrap();
        assert_eq!(consumer.try_dequeue(), Ok(Some(Box::new(1))));
        producer.try_enqueue(Box::new(4)).unwrap();
        let thread = thread::spawn(move || {
            for item in 5..=6 {
                producer.try_enqueue(Box::new(item)).unwrap();
            }
        });
        let mut taken: Vec<_> = (0..3).filter_map(|_| consumer.try_dequeue().unwrap_or(None)).collect();
        thread.join().unwrap();
        taken.append(&mut drain(&mut consumer));
        assert_eq!(taken.iter().map(|item| **item).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    });
}

#[test]
fn a_batch_that_comes_between_two_looks_is_taken_whole() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(2, 2)).unwrap().split();
        let thread = thread::spawn(move || {
            producer.offer_batch(vec![1, 2]).unwrap();
            producer // not dropped, since that would wake the consumer, too
        });
        assert_eq!(consumer.dequeue_batch_within(9, FOREVER), Ok(vec![1, 2]));
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(2, 3)).unwrap().split();
        producer.try_enqueue(1).unwrap();
        let thread = thread::spawn(move || {
            let room = producer.offer_batch(vec![2, 3, 4]);
            match room {
                Ok(()) => true,
                Err(rejected) => {
                    assert_eq!(rejected.into_parts(), (BufferError::Full, vec![2, 3, 4]));
                    false
                }
            }
        });
        let first = consumer.dequeue_batch(1).unwrap();
        assert_eq!(first, [1]);
        let seen = consumer.dequeue_batch(9).unwrap_or_default().len();
        assert!(seen == 0 || seen == 3);
        let pushed = thread.join().unwrap();
        let rest = drain(&mut consumer).len();
        assert_eq!(seen + rest, if pushed { 3 } else { 0 });
    });
}

/// This holds however many items come in the meantime. (The batch begins in the middle of a lap.)
#[test]
fn a_batch_ends_with_what_was_there() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(2, 2)).unwrap().split();
        producer.try_enqueue(1).unwrap();
        assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
        producer.offer_batch(vec![2, 3]).unwrap();
        let thread = thread::spawn(move || (producer.try_enqueue(4).is_ok(), producer));
        assert_eq!(consumer.dequeue_batch(9), Ok(vec![2, 3]));
        drop(thread.join().unwrap());
    });
}

#[test]
fn the_producer_shrinks_a_queue_that_the_consumer_has_emptied() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 8)).unwrap().split();
        producer.offer_batch((1..=5).map(Box::new).collect()).unwrap();
        let thread = thread::spawn(move || {
            let mut items = consumer.dequeue_batch(5).unwrap();
            items.extend(consumer.try_dequeue().unwrap());
            (items, consumer)
        });
        producer.try_enqueue(Box::new(6)).unwrap();
        let (mut taken, mut consumer) = thread.join().unwrap();
        taken.append(&mut drain(&mut consumer));
        assert_eq!(taken.iter().map(|item| **item).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        // The producer knows of room that is left. So it looks at the consumer's position only because the
        // consumer has asked for that.
        producer.try_enqueue(Box::new(7)).unwrap();
        assert_eq!(producer.capacity(), 1);
        assert_eq!(consumer.try_dequeue().map(|item| item.map(|item| *item)), Ok(Some(7)));
    });
}

#[test]
fn a_consumer_who_shrinks_the_queue_and_a_producer_agree() {
    model(|| {
        let queue = Arc::new(LockFreeSPSCQueue::new(between(1, 4)).unwrap());
        queue.offer_batch((1..=4).map(Box::new).collect()).unwrap();
        assert_eq!(queue.dequeue_batch(3).unwrap().len(), 3);
        let thread = {
            let queue = Arc::clone(&queue);
            // This is the only producer. So it is never told that there is another, even while the consumer
            // shrinks the queue.
            thread::spawn(move || queue.offer(Box::new(5)).unwrap())
        };
        let mut taken: Vec<_> = (0..2).filter_map(|_| queue.try_dequeue().unwrap()).map(|item| *item).collect();
        thread.join().unwrap();
        while let Some(item) = queue.try_dequeue().unwrap() {
            taken.push(*item);
        }
        assert_eq!(taken, [4, 5]);
        assert_eq!(queue.capacity(), 1);
    });
}

/// The consumer never finds the queue empty, since it takes only as many items as are there.
#[test]
fn the_last_item_of_a_burst_takes_the_memory_along_while_a_producer_pushes() {
    model(|| {
        let queue = Arc::new(LockFreeSPSCQueue::new(between(1, 8)).unwrap());
        queue.offer_batch((1..=4).map(Box::new).collect()).unwrap();
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.offer(Box::new(5)).unwrap())
        };
        let mut taken: Vec<_> = (0..4).map(|_| *queue.try_dequeue().unwrap().unwrap()).collect();
        thread.join().unwrap();
        taken.push(*queue.try_dequeue().unwrap().unwrap());
        assert_eq!((taken, queue.capacity()), (vec![1, 2, 3, 4, 5], 1));
    });
}

#[test]
fn the_producer_shrinks_a_queue_whose_consumer_counts() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 8)).unwrap().split();
        producer.offer_batch((1..=4).map(Box::new).collect()).unwrap();
        let thread = thread::spawn(move || {
            let taken: Vec<_> = (0..4).map(|_| *consumer.try_dequeue().unwrap().unwrap()).collect();
            (taken, consumer)
        });
        producer.try_enqueue(Box::new(5)).unwrap();
        let (mut taken, mut consumer) = thread.join().unwrap();
        taken.push(*consumer.try_dequeue().unwrap().unwrap());
        producer.try_enqueue(Box::new(6)).unwrap();
        assert_eq!(producer.capacity(), 1);
        taken.push(*consumer.try_dequeue().unwrap().unwrap());
        assert_eq!(taken, [1, 2, 3, 4, 5, 6]);
    });
}

#[test]
fn freed_room_reaches_the_producer_who_waits() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(1).unwrap();
        let thread = thread::spawn(move || {
            producer.offer_within(2, FOREVER).unwrap();
            producer
        });
        assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
        let producer = thread.join().unwrap();
        assert_eq!(consumer.try_dequeue(), Ok(Some(2)));
        drop(producer);
    });
}

#[test]
fn closing_wakes_a_consumer_and_a_producer_who_wait() {
    model(|| {
        let (producer, mut consumer) = LockFreeSPSCQueue::<u32>::new(between(1, 1)).unwrap().split();
        let thread = thread::spawn(move || consumer.dequeue_within(FOREVER));
        drop(producer);
        assert_eq!(thread.join().unwrap(), Err(BufferError::Closed));
    });
    model(|| {
        let (mut producer, consumer) = LockFreeSPSCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(1).unwrap();
        let thread = thread::spawn(move || producer.offer_within(2, FOREVER).unwrap_err().into_parts());
        drop(consumer);
        assert_eq!(thread.join().unwrap(), (BufferError::Closed, 2));
    });
}

/// While a push that will succeed is under way, the consumer may not be told that the queue is at its end.
/// Nor may the item be lost.
#[test]
fn an_item_pushed_while_the_queue_is_closed_is_in_or_comes_back() {
    model(|| {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 2)).unwrap().split();
        let thread = thread::spawn(move || {
            let pushed = producer.try_enqueue(Box::new(1)).is_ok();
            match producer.offer_batch(vec![Box::new(2)]) {
                Ok(()) => {
                    assert!(pushed);
                    (2, producer)
                }
                Err(rejected) => {
                    assert_eq!(rejected.reason(), &BufferError::Closed);
                    assert_eq!(*rejected.item()[0], 2);
                    (usize::from(pushed), producer)
                }
            }
        });
        consumer.close();
        let taken = drain(&mut consumer);
        assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
        let (pushed, producer) = thread.join().unwrap();
        assert_eq!(taken.iter().map(|item| **item).collect::<Vec<_>>(), (1..=pushed).collect::<Vec<_>>());
        assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
        assert_eq!(producer.stats().messages_enqueued, pushed as u64);
    });
}

#[test]
fn the_end_is_found_only_after_the_last_item_whoever_closes() {
    model(|| {
        let queue = Arc::new(LockFreeSPSCQueue::new(between(2, 2)).unwrap());
        let producer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || usize::from(queue.try_enqueue(Box::new(1)).is_ok()))
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        let mut taken = usize::from(queue.try_dequeue().unwrap_or(None).is_some());
        let pushed = producer.join().unwrap();
        closer.join().unwrap();
        while let Ok(Some(_)) = queue.try_dequeue() {
            taken += 1;
        }
        assert_eq!(taken, pushed);
    });
}

#[test]
fn items_left_behind_are_dropped_once_whichever_end_goes_last() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 2)).unwrap().split();
        let thread = {
            let drops = Arc::clone(&drops);
            thread::spawn(move || {
                for _ in 0..3 {
                    let _ = producer.offer(Counted(Arc::clone(&drops)));
                }
            })
        };
        let _ = consumer.try_dequeue();
        drop(consumer);
        thread.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn a_second_producer_or_consumer_is_refused_and_nothing_breaks() {
    model(|| {
        let queue = Arc::new(LockFreeSPSCQueue::new(between(2, 2)).unwrap());
        let push = |queue: &LockFreeSPSCQueue<Box<u32>>| match queue.offer(Box::new(1)) {
            Ok(()) => 1,
            Err(rejected) => {
                assert!(matches!(rejected.reason(), BufferError::InvalidOperation(_)));
                0
            }
        };
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || push(&queue))
        };
        let pushed = push(&queue) + thread.join().unwrap();
        assert!(pushed > 0);

        let take = |queue: &LockFreeSPSCQueue<Box<u32>>| match queue.try_dequeue() {
            Ok(item) => usize::from(item.is_some()),
            Err(error) => {
                assert!(matches!(error, BufferError::InvalidOperation(_)));
                0
            }
        };
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || take(&queue))
        };
        let mut taken = take(&queue) + thread.join().unwrap();
        while let Some(item) = queue.try_dequeue().unwrap() {
            taken += *item as usize;
        }
        assert_eq!(taken, pushed);
    });
}
