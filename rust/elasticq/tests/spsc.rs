//! `LockFreeSPSCQueue`: nothing is lost, doubled or read early, whichever calls grow, shrink, wait or close
//! in the meantime.
#![cfg(all(feature = "lock_free", not(loom)))]

#[path = "../src/effort.rs"]
mod effort;
mod support;

use effort::cases;
use elasticq::lock_free::{SpscConsumer, SpscProducer};
use elasticq::{Buffer, BufferError, Config, LockFreeSPSCQueue, Parts, QueueStats, Rejected};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use support::{Drops, FOREVER, Ledger, Message, between, insist};

/// How the two sides put and take.
#[derive(Clone, Copy)]
enum Way {
    Trying,
    Waiting,
    Batches(u64),
}

fn produce(mut producer: SpscProducer<Box<Message>>, way: Way, total: u64) {
    let mut number = 0;
    while number < total {
        match way {
            Way::Trying => {
                insist(Message::new(0, number), |item| producer.offer(item));
                number += 1;
            }
            Way::Waiting => {
                producer.offer_within(Message::new(0, number), FOREVER).unwrap();
                number += 1;
            }
            Way::Batches(size) => {
                let count = (number % size + 1).min(total - number);
                let items: Vec<_> = (number..number + count).map(|number| Message::new(0, number)).collect();
                insist(items, |items| producer.offer_batch(items));
                number += count;
            }
        }
    }
}

fn consume(consumer: &mut SpscConsumer<Box<Message>>, way: Way) -> u64 {
    let mut ledger = Ledger::new(1);
    loop {
        let items = match way {
            Way::Trying => consumer.try_dequeue().map(|item| item.into_iter().collect()),
            Way::Waiting => consumer.dequeue_within(FOREVER).map(|item| vec![item.expect("something comes")]),
            Way::Batches(size) => consumer.dequeue_batch(usize::try_from(size).unwrap()),
        };
        match items {
            Ok(items) => {
                if items.is_empty() {
                    thread::yield_now();
                }
                items.iter().for_each(|message| ledger.enter(message));
            }
            Err(error) => {
                assert_eq!(error, BufferError::Closed);
                return ledger.total();
            }
        }
    }
}

fn conserve(config: Config, produce_way: Way, consume_way: Way, total: u64) {
    let (producer, mut consumer) = LockFreeSPSCQueue::new(config).unwrap().split();
    let thread = thread::spawn(move || produce(producer, produce_way, total));
    assert_eq!(consume(&mut consumer, consume_way), total);
    thread.join().unwrap();
    let stats = consumer.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.current_size), (total, total, 0));
}

#[test]
fn every_message_arrives_once_and_in_order_whatever_the_size_and_the_way() {
    let ways = [Way::Trying, Way::Waiting, Way::Batches(7)];
    for (min, max) in [(1, 1), (1, 64), (7, 9), (1000, 1 << 16)] {
        for produce_way in ways {
            for consume_way in ways {
                let smallest = if let Way::Batches(size) = produce_way { size } else { 1 };
                if max >= usize::try_from(smallest).unwrap() {
                    conserve(between(min, max), produce_way, consume_way, 2_000);
                }
            }
        }
    }
}

#[test]
fn a_long_run_in_a_queue_that_grows_and_shrinks_loses_nothing() {
    conserve(between(2, 1 << 14), Way::Batches(500), Way::Trying, 400_000);
    conserve(between(2, 1 << 14), Way::Trying, Way::Batches(500), 400_000);
}

#[test]
fn two_sides_that_sleep_and_wake_each_other_never_sleep_for_ever() {
    // Without `membarrier` each wait takes a millisecond.
    let count = if cfg!(without_membarrier) { 2_000 } else { 20_000 };
    conserve(between(1, 1), Way::Waiting, Way::Waiting, count);
    conserve(between(1, 3), Way::Waiting, Way::Waiting, count);
}

#[test]
fn a_burst_that_fits_is_never_refused_while_the_consumer_is_stalled() {
    for config in [between(1024, 65_536), between(1, 65_536), between(3, 777).with_growth_factor(1.01)] {
        let max = config.max_capacity;
        let queue = LockFreeSPSCQueue::new(config).unwrap();
        let (mut pushed, mut taken) = (0, 0);
        // The queue fills up from empty, and from a segment that is half drained.
        for rest in [1, max / 2, 0] {
            while pushed - taken < max {
                queue.try_enqueue(pushed).unwrap();
                pushed += 1;
            }
            assert_eq!((queue.len(), queue.capacity()), (max, max));
            assert_eq!(queue.try_enqueue(0), Err(BufferError::MaxCapacityReached(max)));
            while pushed - taken > rest {
                assert_eq!(queue.try_dequeue(), Ok(Some(taken)));
                taken += 1;
            }
        }
        assert_eq!(queue.try_dequeue(), Ok(None));
    }
}

#[test]
fn capacity_is_exact() {
    for capacity in [1, 2, 3, 8, 100] {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(capacity, capacity)).unwrap().split();
        for lap in 0..5 * capacity {
            while producer.try_enqueue(lap).is_ok() {}
            assert_eq!(producer.len(), capacity);
            assert!(consumer.try_dequeue().unwrap().is_some());
            producer.try_enqueue(lap).unwrap();
            assert!(producer.try_enqueue(lap).is_err());
            assert!(consumer.try_dequeue().unwrap().is_some());
        }
    }
}

#[test]
fn a_batch_goes_in_whole_or_comes_back_whole() {
    let queue = LockFreeSPSCQueue::new(between(2, 10)).unwrap();
    queue.offer_batch((0..6).collect()).unwrap();
    let refused = queue.offer_batch((6..11).collect()).unwrap_err();
    assert_eq!(refused.into_parts(), (BufferError::Full, (6..11).collect()));
    assert_eq!(queue.offer_batch(vec![0; 11]).unwrap_err().reason(), &BufferError::MaxCapacityReached(10));
    queue.offer_batch((6..10).collect()).unwrap();
    assert_eq!(queue.offer_batch(vec![1]).unwrap_err().reason(), &BufferError::MaxCapacityReached(10));
    queue.offer_batch(Vec::new()).unwrap();
    assert_eq!(queue.dequeue_batch(usize::MAX), Ok((0..10).collect()));
    assert_eq!(queue.dequeue_batch(1), Ok(Vec::new()));
    let stats = queue.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.messages_refused), (10, 10, 5 + 11 + 1));
}

#[test]
fn the_capacity_comes_back_as_soon_as_a_shared_queue_is_drained() {
    let queue = LockFreeSPSCQueue::new(between(16, 1 << 20)).unwrap();
    for n in 0..1 << 20 {
        queue.try_enqueue(n).unwrap();
    }
    while queue.try_dequeue().unwrap().is_some() {}
    assert_eq!(queue.capacity(), 16);
    let stats = queue.stats();
    assert!(stats.grown == 16 && stats.shrunk == 1, "{stats:?}");
}

#[test]
fn the_capacity_comes_back_with_the_first_push_after_a_drained_burst() {
    let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(16, 1 << 16)).unwrap().split();
    for n in 0..1 << 16 {
        producer.try_enqueue(n).unwrap();
    }
    while consumer.try_dequeue().unwrap().is_some() {}
    producer.try_enqueue(0).unwrap();
    assert_eq!((producer.capacity(), consumer.try_dequeue()), (16, Ok(Some(0))));
}

#[test]
fn the_capacity_comes_back_while_the_queue_is_never_empty() {
    let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(16, 1 << 12)).unwrap().split();
    producer.offer_batch((0..1 << 12).collect()).unwrap();
    assert_eq!(consumer.dequeue_batch((1 << 12) - 1).unwrap().len(), (1 << 12) - 1);
    for n in 0..2 << 12 {
        producer.try_enqueue(n).unwrap();
        assert!(consumer.try_dequeue().unwrap().is_some());
        assert_eq!(producer.len(), 1);
    }
    assert_eq!(producer.capacity(), 16);
}

#[test]
fn every_item_is_dropped_exactly_once() {
    let drops = Drops::new(1001);
    let queue = LockFreeSPSCQueue::new(between(1, 1000)).unwrap();
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
fn what_is_left_is_dropped_once_in_whichever_order_the_handles_go() {
    for producer_first in [true, false] {
        let drops = Drops::new(51);
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 100)).unwrap().split();
        for number in 0..50 {
            producer.try_enqueue(drops.item(number)).unwrap();
        }
        drop(consumer.try_dequeue().unwrap());
        if producer_first {
            drop(producer);
            assert!(consumer.is_closed());
            assert!(consumer.try_dequeue().unwrap().is_some());
            drop(consumer);
        } else {
            drop(consumer);
            assert!(matches!(producer.try_enqueue(drops.item(50)), Err(BufferError::Closed)));
            assert_eq!(drops.total(), 51);
            drop(producer);
        }
        assert_eq!(drops.counts()[..50], [1; 50]);
    }
}

#[test]
fn an_item_whose_drop_panics_takes_no_other_with_it() {
    let drops = Drops::new(10);
    let queue = LockFreeSPSCQueue::new(between(1, 16)).unwrap();
    for number in 0..10 {
        queue.try_enqueue(drops.item(number).exploding(number == 0 || number == 4)).unwrap();
    }
    // An item was taken: its panic reaches the caller, and the queue goes on.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(queue.try_dequeue()))).is_err());
    assert_eq!(queue.len(), 9);
    assert!(queue.try_dequeue().unwrap().is_some());
    // An item was left inside: the items after it are dropped all the same.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err());
    assert_eq!(drops.counts(), [1; 10]);
}

#[test]
fn items_without_size_and_items_of_large_alignment_work() {
    let queue = LockFreeSPSCQueue::new(between(1, usize::MAX)).unwrap();
    for _ in 0..1000 {
        queue.offer_batch(vec![(); 100]).unwrap();
    }
    assert_eq!((queue.len(), queue.dequeue_batch(usize::MAX).unwrap().len()), (100_000, 100_000));
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let queue = LockFreeSPSCQueue::new(between(1, 100)).unwrap();
    for lap in 0..3 {
        for n in 0..100 {
            queue.try_enqueue(Aligned(n + lap)).unwrap();
        }
        for n in 0..100 {
            let item = queue.try_dequeue().unwrap().unwrap();
            assert_eq!((&raw const item).addr() % 256, 0);
            assert_eq!(item, Aligned(n + lap));
        }
    }
}

#[test]
fn a_closed_queue_gives_what_is_inside_and_refuses_more() {
    let queue = LockFreeSPSCQueue::new(between(4, 64)).unwrap();
    queue.offer_batch(vec![1, 2, 3]).unwrap();
    queue.close();
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.offer(4).unwrap_err().into_parts(), (BufferError::Closed, 4));
    assert_eq!(queue.offer_batch(vec![4]).unwrap_err().into_parts(), (BufferError::Closed, vec![4]));
    assert_eq!(queue.offer_within(4, FOREVER).unwrap_err().into_parts(), (BufferError::Closed, 4));
    assert_eq!(queue.try_dequeue(), Ok(Some(1)));
    assert_eq!(queue.dequeue_batch(10), Ok(vec![2, 3]));
    assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_batch(10), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_within(FOREVER), Err(BufferError::Closed));
}

/// An accepted item is delivered, even if its push is under way when the queue is closed.
#[test]
fn closing_in_the_middle_of_a_stream_loses_and_invents_nothing() {
    for round in 0..300 {
        let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 64)).unwrap().split();
        let start = Arc::new(Barrier::new(2));
        let thread = {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                let mut number = 0;
                loop {
                    match producer.offer(Message::new(0, number)) {
                        Ok(()) => number += 1,
                        Err(rejected) => {
                            assert!(rejected.item().is_whole() && rejected.item().number == number);
                            if rejected.reason() == &BufferError::Closed {
                                return (number, producer.stats().messages_enqueued);
                            }
                            thread::yield_now();
                        }
                    }
                }
            })
        };
        start.wait();
        let mut ledger = Ledger::new(1);
        while ledger.total() < round {
            match consumer.try_dequeue().unwrap() {
                Some(item) => ledger.enter(&item),
                None => thread::yield_now(),
            }
        }
        consumer.close();
        while let Ok(Some(item)) = consumer.try_dequeue() {
            ledger.enter(&item);
        }
        let (accepted, counted) = thread.join().unwrap();
        assert_eq!((ledger.total(), counted), (accepted, accepted));
        assert_eq!(consumer.try_dequeue().map(|_| ()), Err(BufferError::Closed));
    }
}

#[test]
fn a_second_producer_and_a_second_consumer_are_refused() {
    let queue = Arc::new(LockFreeSPSCQueue::new(between(1, 1)).unwrap());
    // The one consumer waits for an item.
    let consumer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.dequeue_within(FOREVER))
    };
    // (No other thread may try to take before it waits, or that thread would be the one consumer.)
    while queue.waiting_consumers() == 0 {
        thread::yield_now();
    }
    assert!(matches!(queue.dequeue_batch(1), Err(BufferError::InvalidOperation(_))));
    queue.try_enqueue(1).unwrap();
    assert_eq!(consumer.join().unwrap(), Ok(Some(1)));
    // The one producer waits for room.
    queue.try_enqueue(2).unwrap();
    let producer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.offer_within(3, FOREVER).is_ok())
    };
    while queue.waiting_producers() == 0 {
        thread::yield_now();
    }
    let rejected = queue.offer(4).unwrap_err();
    assert_eq!(rejected.item(), &4);
    assert!(matches!(rejected.reason(), BufferError::InvalidOperation(_)));
    assert_eq!(queue.try_dequeue(), Ok(Some(2)));
    assert!(producer.join().unwrap());
    assert_eq!(queue.try_dequeue(), Ok(Some(3)));
}

#[test]
fn a_crowd_at_both_ends_of_a_shared_queue_breaks_nothing() {
    const EACH: u64 = 20_000;
    let queue = Arc::new(LockFreeSPSCQueue::new(between(1, 256)).unwrap());
    let producers: Vec<_> = (0..3)
        .map(|producer| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for number in 0..EACH {
                    let mut item = Message::new(producer, number);
                    while let Err(rejected) = queue.offer(item) {
                        item = rejected.into_inner();
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let consumers: Vec<_> = (0..2)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut taken = [0; 3];
                loop {
                    match queue.try_dequeue() {
                        Ok(Some(item)) => {
                            assert!(item.is_whole());
                            taken[item.producer] += 1;
                        }
                        Err(BufferError::Closed) => return taken,
                        Ok(None) | Err(BufferError::InvalidOperation(_)) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    queue.close();
    let mut sum = [0; 3];
    for consumer in consumers {
        for (sum, taken) in sum.iter_mut().zip(consumer.join().unwrap()) {
            *sum += taken;
        }
    }
    assert_eq!(sum, [EACH; 3]);
}

#[test]
fn waiting_ends_with_the_timeout_and_the_item_comes_back() {
    let timeout = Duration::from_millis(5);
    let (mut producer, mut consumer) = LockFreeSPSCQueue::new(between(1, 1)).unwrap().split();
    assert_eq!(consumer.dequeue_within(timeout), Ok(None));
    assert_eq!(consumer.dequeue_within(Duration::ZERO), Ok(None));
    producer.offer_within(1, timeout).unwrap();
    assert_eq!(producer.offer_within(2, timeout).unwrap_err().into_parts(), (BufferError::Timeout(timeout), 2));
    assert_eq!(consumer.dequeue_within(Duration::ZERO), Ok(Some(1)));
    assert_eq!(producer.stats().messages_refused, 1);
}

#[test]
fn dropping_one_end_wakes_the_other() {
    let (producer, mut consumer) = LockFreeSPSCQueue::<u8>::new(between(1, 1)).unwrap().split();
    let thread = thread::spawn(move || consumer.dequeue_within(FOREVER));
    drop(producer);
    assert_eq!(thread.join().unwrap(), Err(BufferError::Closed));

    let (mut producer, consumer) = LockFreeSPSCQueue::new(between(1, 1)).unwrap().split();
    producer.try_enqueue(1).unwrap();
    let thread = thread::spawn(move || producer.offer_within(2, FOREVER).unwrap_err().into_parts());
    drop(consumer);
    assert_eq!(thread.join().unwrap(), (BufferError::Closed, 2));
}

#[test]
fn a_capacity_without_memory_is_refused_by_name() {
    let error = LockFreeSPSCQueue::<u64>::new(between(usize::MAX / 8, usize::MAX)).unwrap_err();
    assert!(error.to_string().contains("initial_capacity"), "{error}");
    let queue = LockFreeSPSCQueue::new(between(1, usize::MAX).with_growth_factor(1e300)).unwrap();
    // If there is no memory for a growth step, the queue grows by what is needed.
    queue.offer_batch(vec![1_u64, 2]).unwrap();
    assert_eq!((queue.capacity(), queue.dequeue_batch(9)), (2, Ok(vec![1, 2])));
}

#[test]
fn the_common_interface_answers_as_configured() {
    let timeout = Duration::from_millis(1);
    let queue = LockFreeSPSCQueue::new(between(1, 1)).unwrap();
    assert_eq!(Buffer::pop(&queue), Err(BufferError::Empty));
    Buffer::push(&queue, 1).unwrap();
    assert_eq!(Buffer::push(&queue, 2), Err(BufferError::MaxCapacityReached(1)));
    assert_eq!((Buffer::len(&queue), Buffer::pop(&queue)), (1, Ok(1)));
    let waits = between(1, 1).with_push_timeout(timeout).with_pop_timeout(timeout);
    let queue = LockFreeSPSCQueue::new(waits).unwrap();
    assert_eq!(Buffer::pop(&queue), Err(BufferError::Timeout(timeout)));
    Buffer::push_batch(&queue, vec![1]).unwrap();
    assert_eq!(Buffer::push(&queue, 2), Err(BufferError::Timeout(timeout)));
    queue.close();
    assert_eq!((Buffer::pop(&queue), Buffer::try_pop(&queue)), (Ok(1), Err(BufferError::Closed)));
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    PushMany(usize),
    Pop,
    PopMany(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Push),
        1 => (0..40_usize).prop_map(Step::PushMany),
        4 => Just(Step::Pop),
        1 => (0..60_usize).prop_map(Step::PopMany),
    ];
    prop::collection::vec(step, 0..200)
}

/// Both ways to use a queue.
enum Ends {
    Shared(LockFreeSPSCQueue<String>),
    Split(SpscProducer<String>, SpscConsumer<String>),
}

impl Ends {
    fn push(&mut self, item: String) -> Result<(), (BufferError, String)> {
        match self {
            Self::Shared(queue) => queue.offer(item),
            Self::Split(producer, _) => producer.offer(item),
        }
        .map_err(Rejected::into_parts)
    }

    fn push_many(&mut self, items: Vec<String>) -> Result<(), (BufferError, Vec<String>)> {
        match self {
            Self::Shared(queue) => queue.offer_batch(items),
            Self::Split(producer, _) => producer.offer_batch(items),
        }
        .map_err(Rejected::into_parts)
    }

    fn pop(&mut self) -> Option<String> {
        match self {
            Self::Shared(queue) => queue.try_dequeue(),
            Self::Split(_, consumer) => consumer.try_dequeue(),
        }
        .unwrap()
    }

    fn pop_many(&mut self, count: usize) -> Vec<String> {
        match self {
            Self::Shared(queue) => queue.dequeue_batch(count),
            Self::Split(_, consumer) => consumer.dequeue_batch(count),
        }
        .unwrap()
    }

    fn stats(&self) -> QueueStats {
        match self {
            Self::Shared(queue) => queue.stats(),
            Self::Split(producer, _) => producer.stats(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500)))]

    #[test]
    fn it_does_what_a_bounded_deque_does(
        steps in steps(),
        min in 1..20_usize,
        more in 0..100_usize,
        growth in 1.01..4.0_f64,
        shrink in 0.01..0.99_f64,
        shared in any::<bool>(),
    ) {
        let max = min + more;
        let config = between(min, max).with_growth_factor(growth).with_shrink_threshold(shrink);
        let queue = LockFreeSPSCQueue::new(config).unwrap();
        let mut ends = if shared {
            Ends::Shared(queue)
        } else {
            let (producer, consumer) = queue.split();
            Ends::Split(producer, consumer)
        };
        let mut model = VecDeque::new();
        let (mut number, mut refused) = (0_u32, 0);
        for step in steps {
            match step {
                Step::Push => {
                    let pushed = ends.push(number.to_string());
                    if model.len() < max {
                        prop_assert_eq!(pushed, Ok(()));
                        model.push_back(number.to_string());
                    } else {
                        prop_assert_eq!(pushed, Err((BufferError::MaxCapacityReached(max), number.to_string())));
                        refused += 1;
                    }
                    number += 1;
                }
                Step::PushMany(count) => {
                    let items: Vec<_> = (number..).take(count).map(|n: u32| n.to_string()).collect();
                    let pushed = ends.push_many(items.clone());
                    if count == 0 || model.len() + count <= max {
                        prop_assert_eq!(pushed, Ok(()));
                        model.extend(items);
                    } else {
                        let full = model.len() == max || count > max;
                        let reason = if full { BufferError::MaxCapacityReached(max) } else { BufferError::Full };
                        prop_assert_eq!(pushed, Err((reason, items)));
                        refused += count as u64;
                    }
                    number += 40;
                }
                Step::Pop => prop_assert_eq!(ends.pop(), model.pop_front()),
                Step::PopMany(count) => {
                    let expected: Vec<_> = model.drain(..count.min(model.len())).collect();
                    prop_assert_eq!(ends.pop_many(count), expected);
                }
            }
            let stats = ends.stats();
            prop_assert_eq!(stats.current_size, model.len());
            prop_assert!(stats.current_capacity >= model.len().max(min) && stats.current_capacity <= max);
            prop_assert_eq!(stats.messages_enqueued - stats.messages_dequeued, model.len() as u64);
            prop_assert_eq!(stats.messages_refused, refused);
        }
    }
}
