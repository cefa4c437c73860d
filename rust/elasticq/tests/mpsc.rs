//! `LockFreeMPSCQueue`: nothing is lost, doubled or read early, whatever grows, shrinks, waits or closes meanwhile.
#![cfg(all(feature = "lock_free", not(loom)))]

use elasticq::{BufferError, Config, LockFreeMPSCQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const FOREVER: Duration = Duration::from_secs(60);

fn between(min: usize, max: usize) -> Config {
    Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(max)
}

/// A payload in one heap object: whoever reads a slot that was not yet written, or was written over, sees a wrong sum.
struct Message {
    producer: u64,
    number: u64,
    sum: u64,
}

impl Message {
    fn new(producer: u64, number: u64) -> Box<Self> {
        Box::new(Self { producer, number, sum: Self::sum(producer, number) })
    }

    fn sum(producer: u64, number: u64) -> u64 {
        (producer << 48 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn is_whole(&self) -> bool {
        self.sum == Self::sum(self.producer, self.number)
    }
}

/// Producers that mix single items and batches; the consumer checks every message and each producer's order.
fn conserve(config: Config, producers: u64, each: u64, batch: u64) {
    let (first, mut consumer) = LockFreeMPSCQueue::new(config).unwrap().split();
    let threads: Vec<_> = (0..producers)
        .map(|producer| {
            let queue = first.clone();
            thread::spawn(move || {
                let mut number = 0;
                while number < each {
                    let count = if number % 3 == 0 { batch.min(each - number) } else { 1 };
                    let mut items: Vec<_> = (number..number + count).map(|n| Message::new(producer, n)).collect();
                    while let Err(rejected) = queue.offer_batch(items) {
                        assert!(rejected.reason().is_capacity_error(), "{rejected}");
                        items = rejected.into_inner();
                        thread::yield_now();
                    }
                    number += count;
                }
            })
        })
        .collect();
    drop(first);
    let mut next = vec![0; usize::try_from(producers).unwrap()];
    loop {
        match consumer.dequeue_within(FOREVER) {
            Ok(Some(message)) => {
                assert!(message.is_whole());
                let expected = &mut next[usize::try_from(message.producer).unwrap()];
                assert_eq!(message.number, *expected, "producer {}", message.producer);
                *expected += 1;
            }
            Ok(None) => panic!("nothing came"),
            Err(error) => {
                assert_eq!(error, BufferError::Closed);
                break;
            }
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(next, vec![each; next.len()]);
    let stats = consumer.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued), (producers * each, producers * each));
}

#[test]
fn many_producers_lose_nothing_in_a_queue_that_grows_and_shrinks() {
    conserve(between(2, 1 << 16), 4, 200_000, 10);
}

#[test]
fn many_producers_lose_nothing_in_one_place() {
    conserve(between(1, 1), 4, 20_000, 1);
}

#[test]
fn many_producers_lose_nothing_in_a_queue_that_is_often_full() {
    conserve(between(1, 64), 8, 50_000, 7);
}

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
    for n in 0..1000 {
        queue.try_enqueue(n).unwrap();
        assert_eq!(queue.try_dequeue(), Ok(Some(n)));
    }
    assert_eq!(queue.capacity(), 16);
    assert!(queue.stats().shrunk > 0);
}

#[test]
fn every_item_is_dropped_exactly_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let make = || Counted(Arc::clone(&drops));
    let queue = LockFreeMPSCQueue::new(between(1, 1000)).unwrap();
    for _ in 0..1000 {
        queue.try_enqueue(make()).unwrap();
    }
    assert!(queue.try_enqueue(make()).is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(queue.dequeue_batch(300).unwrap());
    assert_eq!(drops.load(Ordering::Relaxed), 301);
    drop(queue);
    assert_eq!(drops.load(Ordering::Relaxed), 1001);
}

#[test]
fn items_without_size_and_items_of_large_alignment_work() {
    let queue = LockFreeMPSCQueue::new(between(1, 100)).unwrap();
    queue.offer_batch(vec![(); 100]).unwrap();
    assert_eq!(queue.dequeue_batch(1000).unwrap().len(), 100);
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let queue = LockFreeMPSCQueue::new(between(1, 100)).unwrap();
    for n in 0..100 {
        queue.try_enqueue(Aligned(n)).unwrap();
    }
    for n in 0..100 {
        assert_eq!(queue.try_dequeue(), Ok(Some(Aligned(n))));
    }
}

#[test]
fn a_closed_queue_gives_what_is_inside_and_refuses_more() {
    let queue = LockFreeMPSCQueue::new(between(4, 64)).unwrap();
    queue.offer_batch(vec![1, 2, 3]).unwrap();
    queue.close();
    assert_eq!(queue.offer(4).unwrap_err().into_parts(), (BufferError::Closed, 4));
    assert_eq!(queue.dequeue_batch(10), Ok(vec![1, 2, 3]));
    assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_within(FOREVER), Err(BufferError::Closed));
}
