//! `LockFreeMPMCQueue`: each item is taken exactly once, whichever calls grow, shrink, wait or close in the
//! meantime.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{Buffer, BufferError, Config, LockFreeMPMCQueue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use support::{Drops, FOREVER, Message, between, insist};

/// Which messages of each producer came: a bit for each, set by the thread that takes it.
struct Ledger(Vec<Vec<AtomicU64>>);

impl Ledger {
    fn new(producers: usize, each: u64) -> Self {
        Self((0..producers).map(|_| (0..each.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()).collect())
    }

    fn enter(&self, message: &Message) {
        assert!(message.is_whole());
        let bits = &self.0[message.producer][usize::try_from(message.number / 64).unwrap()];
        let bit = 1 << (message.number % 64);
        assert_eq!(bits.fetch_or(bit, Ordering::Relaxed) & bit, 0, "taken twice: {}", message.number);
    }

    fn entered(&self) -> u64 {
        self.0.iter().flatten().map(|bits| u64::from(bits.load(Ordering::Relaxed).count_ones())).sum()
    }
}

/// Checks what one consumer takes: each message is whole and comes for the first time, and those of each
/// producer come in order.
struct Taker<'a> {
    ledger: &'a Ledger,
    last: Vec<Option<u64>>,
}

impl<'a> Taker<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, last: vec![None; ledger.0.len()] }
    }

    fn take(&mut self, message: Box<Message>) {
        self.ledger.enter(&message);
        let last = &mut self.last[message.producer];
        assert!(*last < Some(message.number), "producer {}: {} after {last:?}", message.producer, message.number);
        *last = Some(message.number);
    }
}

/// Runs producers and consumers that mix single items and batches, calls that wait and calls that don't,
/// handles and shared references.
fn conserve(config: Config, producers: usize, consumers: usize, each: u64, batch: u64) {
    let ledger = Ledger::new(producers, each);
    let queue = LockFreeMPMCQueue::new(config).unwrap();
    thread::scope(|scope| {
        let (first, consumer) = queue.split();
        for producer in 0..producers {
            let queue = first.clone();
            scope.spawn(move || {
                let mut number = 0;
                while number < each {
                    if number % 5 == 4 {
                        queue.offer_within(Message::new(producer, number), FOREVER).unwrap();
                        number += 1;
                        continue;
                    }
                    let count = if number % 3 == 0 { batch.min(each - number) } else { 1 };
                    let items: Vec<_> = (number..number + count).map(|n| Message::new(producer, n)).collect();
                    insist(items, |items| queue.offer_batch(items));
                    number += count;
                }
            });
        }
        drop(first);
        for seat in 0..consumers {
            let (mut consumer, ledger) = (consumer.clone(), &ledger);
            scope.spawn(move || {
                let mut taker = Taker::new(ledger);
                for turn in seat.. {
                    let taken = match turn % 3 {
                        0 => consumer.dequeue_within(FOREVER).map(|item| vec![item.expect("nothing came")]),
                        1 => consumer.dequeue_batch(7),
                        _ => consumer.try_dequeue().map(|item| item.into_iter().collect()),
                    };
                    match taken {
                        Ok(items) => items.into_iter().for_each(|message| taker.take(message)),
                        Err(error) => {
                            assert_eq!(error, BufferError::Closed);
                            break;
                        }
                    }
                }
            });
        }
        drop(consumer);
    });
    assert_eq!(ledger.entered(), producers as u64 * each);
}

#[test]
fn each_message_is_taken_once_from_a_queue_that_grows_and_shrinks() {
    conserve(between(2, 1 << 16), 4, 4, 100_000, 10);
}

#[test]
fn each_message_is_taken_once_from_one_place() {
    conserve(between(1, 1), 4, 4, 5_000, 1);
}

#[test]
fn each_message_is_taken_once_from_a_queue_that_is_often_full() {
    conserve(between(1, 64), 8, 3, 25_000, 7);
}

#[test]
fn each_message_is_taken_once_from_a_queue_of_odd_size_that_is_often_empty() {
    conserve(between(3, 100), 2, 8, 50_000, 2);
}

#[test]
fn each_message_is_taken_once_through_shared_references() {
    const EACH: u64 = 100_000;
    let ledger = Ledger::new(2, EACH);
    let queue = LockFreeMPMCQueue::new(between(2, 256)).unwrap();
    thread::scope(|scope| {
        for producer in 0..2 {
            let queue = &queue;
            scope.spawn(move || {
                for number in 0..EACH {
                    queue.offer_within(Message::new(producer, number), FOREVER).unwrap();
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                let mut taker = Taker::new(&ledger);
                loop {
                    match queue.try_dequeue() {
                        Ok(Some(message)) => taker.take(message),
                        Ok(None) if ledger.entered() == 2 * EACH => break,
                        Ok(None) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let stats = queue.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.current_size), (2 * EACH, 2 * EACH, 0));
}

#[test]
fn consumers_come_and_go_while_items_pass() {
    const EACH: u64 = 30_000;
    let ledger = Ledger::new(1, EACH);
    let (producer, consumer) = LockFreeMPMCQueue::new(between(1, 128)).unwrap().split();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..EACH {
                producer.offer_within(Message::new(0, number), FOREVER).unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut more = true;
                while more {
                    let (mut handle, mut taker) = (consumer.clone(), Taker::new(&ledger));
                    for _ in 0..100 {
                        match handle.dequeue_within(FOREVER) {
                            Ok(item) => taker.take(item.expect("nothing came")),
                            Err(_) => more = false,
                        }
                    }
                }
            });
        }
    });
    assert_eq!(ledger.entered(), EACH);
}

#[test]
fn a_burst_that_fits_is_never_refused_while_the_consumers_rest() {
    let queue = LockFreeMPMCQueue::new(between(1024, 65_536)).unwrap();
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
fn bursts_that_fit_are_not_refused_after_a_queue_was_used_for_a_while() {
    let queue = LockFreeMPMCQueue::new(between(16, 1000)).unwrap();
    for burst in [1, 1000, 17, 999, 1000, 3, 1000] {
        for n in 0..burst {
            queue.try_enqueue(n).unwrap();
        }
        assert_eq!(queue.dequeue_batch(2000).unwrap(), (0..burst).collect::<Vec<_>>());
    }
    queue.offer_batch((0..1000).collect()).unwrap();
    assert_eq!(queue.offer(0).unwrap_err().into_parts(), (BufferError::MaxCapacityReached(1000), 0));
    assert_eq!(queue.stats().messages_refused, 1);
}

#[test]
fn room_is_exact_while_the_consumers_rest() {
    for capacity in [1, 2, 3, 8, 100] {
        let queue = LockFreeMPMCQueue::new(between(capacity, capacity)).unwrap();
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
fn a_batch_goes_in_whole_or_not_at_all() {
    let queue = LockFreeMPMCQueue::new(between(1, 10)).unwrap();
    queue.offer_batch(vec![0; 7]).unwrap();
    assert_eq!(queue.offer_batch(vec![1; 4]).unwrap_err().into_parts(), (BufferError::Full, vec![1; 4]));
    assert_eq!(queue.offer_batch(vec![1; 11]).unwrap_err().into_parts().0, BufferError::MaxCapacityReached(10));
    queue.offer_batch(vec![2; 3]).unwrap();
    assert_eq!(queue.dequeue_batch(usize::MAX), Ok([vec![0; 7], vec![2; 3]].concat()));
    assert_eq!(queue.dequeue_batch(5), Ok(Vec::new()));
    assert_eq!(queue.dequeue_batch(0), Ok(Vec::new()));
}

#[test]
fn the_capacity_comes_back_after_a_burst() {
    let queue = LockFreeMPMCQueue::new(between(16, 1 << 20)).unwrap();
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
    let drops = Drops::new(1001);
    let queue = LockFreeMPMCQueue::new(between(1, 1000)).unwrap();
    for number in 0..1000 {
        queue.try_enqueue(drops.item(number)).unwrap();
    }
    assert!(queue.try_enqueue(drops.item(1000)).is_err());
    assert_eq!(drops.total(), 1);
    drop(queue.dequeue_batch(300).unwrap());
    assert_eq!(drops.total(), 301);
    drop(queue);
    assert_eq!(drops.counts(), [1; 1001]);
}

#[test]
fn a_drop_that_panics_keeps_no_other_item_from_being_dropped() {
    let drops = Drops::new(10);
    let queue = LockFreeMPMCQueue::new(between(1, 100)).unwrap();
    for number in 0..10 {
        queue.try_enqueue(drops.item(number).exploding(number == 3)).unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err());
    assert_eq!(drops.counts(), [1; 10]);
}

#[test]
fn items_without_size_and_items_of_large_alignment_work() {
    let queue = LockFreeMPMCQueue::new(between(1, 100)).unwrap();
    queue.offer_batch(vec![(); 100]).unwrap();
    assert_eq!(queue.dequeue_batch(1000).unwrap().len(), 100);
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let queue = LockFreeMPMCQueue::new(between(1, 100)).unwrap();
    for n in 0..100 {
        queue.try_enqueue(Aligned(n)).unwrap();
    }
    for n in 0..100 {
        assert_eq!(queue.try_dequeue(), Ok(Some(Aligned(n))));
    }
}

#[test]
fn a_closed_queue_gives_what_is_inside_and_refuses_more() {
    let queue = LockFreeMPMCQueue::new(between(4, 64)).unwrap();
    queue.offer_batch(vec![1, 2, 3]).unwrap();
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.offer(4).unwrap_err().into_parts(), (BufferError::Closed, 4));
    assert_eq!(queue.dequeue_batch(10), Ok(vec![1, 2, 3]));
    assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_batch(10), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_within(FOREVER), Err(BufferError::Closed));
}

#[test]
fn the_queue_closes_when_the_last_handle_of_an_end_goes() {
    let (producer, consumer) = LockFreeMPMCQueue::new(between(4, 64)).unwrap().split();
    let other = consumer.clone();
    drop(consumer);
    producer.try_enqueue(1).unwrap();
    drop(other);
    assert_eq!(producer.try_enqueue(2), Err(BufferError::Closed));
    let (producer, mut consumer) = LockFreeMPMCQueue::new(between(4, 64)).unwrap().split();
    let other = producer.clone();
    drop(producer);
    other.try_enqueue(1).unwrap();
    drop(other);
    assert_eq!((consumer.try_dequeue(), consumer.try_dequeue()), (Ok(Some(1)), Err(BufferError::Closed)));
}

#[test]
fn waiting_ends_in_time_with_nothing_lost() {
    let queue = LockFreeMPMCQueue::new(between(1, 1)).unwrap();
    let short = Duration::from_millis(5);
    assert_eq!(queue.dequeue_within(short), Ok(None));
    queue.offer_within(1, short).unwrap();
    assert_eq!(queue.offer_within(2, short).unwrap_err().into_parts(), (BufferError::Timeout(short), 2));
    assert_eq!(queue.dequeue_within(short), Ok(Some(1)));
}

#[test]
fn it_is_a_buffer_like_the_others() {
    let short = Duration::from_millis(5);
    let queue = LockFreeMPMCQueue::new(between(1, 8).with_pop_timeout(short).with_push_timeout(short)).unwrap();
    let buffer: &dyn Buffer<u32> = &queue;
    buffer.push_batch(vec![1, 2]).unwrap();
    assert_eq!((buffer.pop(), buffer.try_pop(), buffer.try_pop()), (Ok(1), Ok(2), Err(BufferError::Empty)));
    assert_eq!(buffer.pop(), Err(BufferError::Timeout(short)));
    buffer.push_batch((0..8).collect()).unwrap();
    assert_eq!(buffer.push(8), Err(BufferError::Timeout(short)));
    assert_eq!((buffer.len(), buffer.capacity(), buffer.stats().messages_dequeued), (8, 8, 2));
    buffer.close();
    assert_eq!(buffer.pop_batch(9), Ok((0..8).collect()));
    assert_eq!(buffer.pop(), Err(BufferError::Closed));
}
