//! Batches that wait, in every queue without locks: all items go in or none, the first item wakes the
//! consumer, and a timeout changes nothing.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{Buffer, BufferError, BufferResult, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Rejected};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use support::{FOREVER, Message, SCALE, between};

const BRIEF: Duration = Duration::from_millis(2);

/// The two methods for batches that wait. (In `Buffer` the configuration says how long a batch waits.)
trait Batches<T>: Buffer<T> + Sync {
    fn offer_batch_within(&self, items: Vec<T>, timeout: Duration) -> Result<(), Rejected<Vec<T>>>;
    fn dequeue_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>>;
}

macro_rules! batches {
    ($($queue:ident)*) => {$(
        impl<T: Send> Batches<T> for $queue<T> {
            fn offer_batch_within(&self, items: Vec<T>, timeout: Duration) -> Result<(), Rejected<Vec<T>>> {
                self.offer_batch_within(items, timeout)
            }
            fn dequeue_batch_within(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
                self.dequeue_batch_within(max_items, timeout)
            }
        }
    )*};
}

batches!(LockFreeMPSCQueue LockFreeMPMCQueue LockFreeSPSCQueue);

/// Runs a test on a queue of each kind, with this configuration.
macro_rules! each {
    ($config:expr, $test:expr) => {{
        $test(&LockFreeSPSCQueue::new($config).unwrap());
        $test(&LockFreeMPSCQueue::new($config).unwrap());
        $test(&LockFreeMPMCQueue::new($config).unwrap());
    }};
}

#[test]
fn a_batch_that_waits_in_vain_comes_back_whole() {
    fn test(queue: &dyn Batches<u8>) {
        queue.offer_batch_within(vec![1, 2], BRIEF).unwrap();
        let (reason, items) = queue.offer_batch_within(vec![3, 4, 5], BRIEF).unwrap_err().into_parts();
        assert_eq!((reason, items), (BufferError::Timeout(BRIEF), vec![3, 4, 5]));
        assert_eq!((queue.len(), queue.stats().messages_refused), (2, 3));
        queue.offer_batch_within(vec![3, 4], BRIEF).unwrap();
        assert_eq!(queue.dequeue_batch_within(9, BRIEF), Ok(vec![1, 2, 3, 4]));
    }
    each!(between(1, 4), test);
}

#[test]
fn a_batch_that_can_never_fit_is_refused_at_once() {
    fn test(queue: &dyn Batches<u8>) {
        let (reason, items) = queue.offer_batch_within(vec![0; 5], FOREVER).unwrap_err().into_parts();
        assert_eq!((reason, items), (BufferError::MaxCapacityReached(4), vec![0; 5]));
        assert_eq!((queue.len(), queue.stats().messages_refused), (0, 5));
    }
    each!(between(1, 4), test);
}

#[test]
fn waiting_for_a_batch_in_vain_gives_an_empty_one() {
    fn test(queue: &dyn Batches<u8>) {
        assert_eq!(queue.dequeue_batch_within(3, BRIEF), Ok(vec![]));
        assert_eq!(queue.dequeue_batch_within(3, Duration::ZERO), Ok(vec![]));
        assert_eq!(queue.dequeue_batch_within(0, FOREVER), Ok(vec![]), "nothing is wanted, so nothing is waited for");
        queue.offer(1).unwrap();
        assert_eq!(queue.dequeue_batch_within(0, FOREVER), Ok(vec![]));
        assert_eq!(queue.dequeue_batch_within(usize::MAX, FOREVER), Ok(vec![1]));
    }
    each!(between(1, 4), test);
}

#[test]
fn a_closed_queue_gives_its_last_batch_and_then_says_so() {
    fn test(queue: &dyn Batches<u8>) {
        queue.offer_batch_within(vec![1, 2, 3], FOREVER).unwrap();
        queue.close();
        assert_eq!(
            queue.offer_batch_within(vec![4], FOREVER).unwrap_err().into_parts(),
            (BufferError::Closed, vec![4])
        );
        assert_eq!(queue.offer_batch_within(vec![0; 9], FOREVER).unwrap_err().reason(), &BufferError::Closed);
        assert_eq!(queue.offer_batch_within(vec![], FOREVER).unwrap_err().reason(), &BufferError::Closed);
        assert_eq!(queue.dequeue_batch_within(2, FOREVER), Ok(vec![1, 2]));
        assert_eq!(queue.dequeue_batch_within(2, FOREVER), Ok(vec![3]));
        assert_eq!(queue.dequeue_batch_within(2, FOREVER), Err(BufferError::Closed));
        assert_eq!(queue.dequeue_batch_within(0, FOREVER), Ok(vec![]));
    }
    each!(between(1, 4), test);
}

#[test]
fn closing_wakes_batches_that_wait_at_either_end() {
    fn test(empty: &dyn Batches<u8>) {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| empty.dequeue_batch_within(2, FOREVER));
            empty.close();
            assert_eq!(waiter.join().unwrap(), Err(BufferError::Closed));
        });
    }
    fn test_full(full: &dyn Batches<u8>) {
        full.offer_batch_within(vec![1, 2], FOREVER).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| full.offer_batch_within(vec![3, 4], FOREVER).unwrap_err().into_parts());
            full.close();
            assert_eq!(waiter.join().unwrap(), (BufferError::Closed, vec![3, 4]));
        });
    }
    each!(between(2, 2), test);
    each!(between(2, 2), test_full);
}

/// Each place that comes free wakes the batch. The batch goes in only with the last place.
#[test]
fn a_batch_goes_in_when_its_last_place_comes_free() {
    fn test(queue: &dyn Batches<u8>) {
        for _ in 0..200 / SCALE {
            queue.offer_batch_within(vec![0; 4], FOREVER).unwrap();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| queue.offer_batch_within(vec![1, 2, 3, 4], FOREVER).unwrap());
                for _ in 0..4 {
                    assert_eq!(queue.try_pop(), Ok(0));
                }
                waiter.join().unwrap();
            });
            assert_eq!(queue.dequeue_batch_within(9, FOREVER), Ok(vec![1, 2, 3, 4]));
        }
    }
    each!(between(4, 4), test);
}

#[test]
fn the_configured_time_outs_are_those_of_batches_too() {
    fn test(queue: &dyn Batches<u8>) {
        assert_eq!(queue.pop_batch(5), Ok(vec![]));
        queue.push_batch(vec![1]).unwrap();
        assert_eq!(queue.push_batch(vec![2, 3]), Err(BufferError::Timeout(BRIEF)));
        assert_eq!(queue.push_batch(vec![2, 3, 4]), Err(BufferError::MaxCapacityReached(2)));
        assert_eq!((queue.pop_batch(5), queue.stats().messages_refused), (Ok(vec![1]), 5));
    }
    fn waits(queue: &dyn Batches<u8>) {
        queue.push_batch(vec![1, 2]).unwrap();
        thread::scope(|scope| {
            let producer = scope.spawn(|| queue.push_batch(vec![3, 4]));
            // It takes two, or one and then one more.
            let mut taken = queue.pop_batch(2).unwrap();
            while taken.len() < 4 {
                taken.extend(queue.pop_batch(4 - taken.len()).unwrap());
            }
            assert_eq!((taken, producer.join().unwrap()), (vec![1, 2, 3, 4], Ok(())));
        });
    }
    each!(between(1, 2).with_push_timeout(BRIEF).with_pop_timeout(BRIEF), test);
    each!(between(1, 2).with_push_timeout(FOREVER).with_pop_timeout(FOREVER), waits);
}

/// Batches of all sizes and single items wait side by side for the places of a small queue. Each arrives
/// once.
fn conserve(queue: &dyn Batches<Box<Message>>, producers: usize, consumers: usize) {
    let each = 20_000 / SCALE;
    let (count, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let senders: Vec<_> = (0..producers)
            .map(|producer| {
                scope.spawn(move || {
                    let mut number = 0;
                    while number < each {
                        let size = (number % 7 + 1).min(each - number);
                        let items = (number..number + size).map(|number| Message::new(producer, number)).collect();
                        queue.offer_batch_within(items, FOREVER).unwrap();
                        number += size;
                    }
                })
            })
            .collect();
        for _ in 0..consumers {
            scope.spawn(|| {
                let mut next = vec![0; producers];
                let mut most = 0;
                loop {
                    most = most % 5 + 1;
                    let items = match queue.dequeue_batch_within(most, FOREVER) {
                        Ok(items) => items,
                        Err(error) => return assert_eq!(error, BufferError::Closed),
                    };
                    assert!((1..=most).contains(&items.len()), "{} of {most}", items.len());
                    for item in items {
                        assert!(item.is_whole() && item.number >= next[item.producer], "{item:?}");
                        next[item.producer] = item.number + 1;
                        count.fetch_add(1, Ordering::Relaxed);
                        sum.fetch_add(item.number, Ordering::Relaxed);
                    }
                }
            });
        }
        for sender in senders {
            sender.join().unwrap();
        }
        queue.close();
    });
    let total = producers as u64 * each;
    assert_eq!((count.into_inner(), sum.into_inner()), (total, total * (each - 1) / 2));
}

#[test]
fn batches_that_wait_at_both_ends_lose_nothing() {
    for max in [7, 64] {
        conserve(&LockFreeSPSCQueue::new(between(1, max)).unwrap(), 1, 1);
        conserve(&LockFreeMPSCQueue::new(between(1, max)).unwrap(), 3, 1);
        conserve(&LockFreeMPMCQueue::new(between(1, max)).unwrap(), 3, 2);
    }
}

/// When all the places come free at once, no waiter is left behind, whichever is woken first.
#[test]
fn a_batch_and_single_items_that_wait_side_by_side_all_get_in() {
    fn test(queue: &dyn Batches<u8>) {
        for _ in 0..200 / SCALE {
            queue.offer_batch_within(vec![0; 5], FOREVER).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| queue.offer_batch_within(vec![1, 2, 3], FOREVER).unwrap());
                for single in [4, 5] {
                    scope.spawn(move || queue.push(single).unwrap());
                }
                assert_eq!(queue.dequeue_batch_within(5, FOREVER), Ok(vec![0; 5]));
            });
            let mut taken = queue.dequeue_batch_within(9, FOREVER).unwrap();
            taken.sort_unstable();
            assert_eq!(taken, [1, 2, 3, 4, 5]);
        }
    }
    let config = || between(5, 5).with_push_timeout(FOREVER);
    test(&LockFreeMPSCQueue::new(config()).unwrap());
    test(&LockFreeMPMCQueue::new(config()).unwrap());
}

#[test]
fn the_handles_of_a_split_queue_wait_for_batches_too() {
    let one = || between(2, 2);
    let (mut producer, mut consumer) = LockFreeSPSCQueue::new(one()).unwrap().split();
    producer.offer_batch_within(vec![1, 2], FOREVER).unwrap();
    assert_eq!(producer.offer_batch_within(vec![3], BRIEF).unwrap_err().into_inner(), [3]);
    assert_eq!(consumer.dequeue_batch_within(5, FOREVER), Ok(vec![1, 2]));
    let (producer, mut consumer) = LockFreeMPSCQueue::new(one()).unwrap().split();
    producer.offer_batch_within(vec![1, 2], FOREVER).unwrap();
    assert_eq!(producer.offer_batch_within(vec![3], BRIEF).unwrap_err().into_inner(), [3]);
    assert_eq!(consumer.dequeue_batch_within(5, FOREVER), Ok(vec![1, 2]));
    let (producer, mut consumer) = LockFreeMPMCQueue::new(one()).unwrap().split();
    producer.offer_batch_within(vec![1, 2], FOREVER).unwrap();
    assert_eq!(producer.offer_batch_within(vec![3], BRIEF).unwrap_err().into_inner(), [3]);
    assert_eq!(consumer.dequeue_batch_within(5, FOREVER), Ok(vec![1, 2]));
}
