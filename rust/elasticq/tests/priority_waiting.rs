//! Waiting at levels: a waiter is woken, no item is lost or taken twice, a full level holds up no other
//! level, and a timeout leaves everything as it was.
#![cfg(all(feature = "priority", not(loom)))]

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig, ThreadSafePriorityCircularBuffer};
use elasticq::{BufferError, Config, Parts};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// So long that a call reaches it only if a wake-up was lost.
const FOREVER: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(2);

fn bounded(max: usize) -> PriorityConfig {
    let base = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(max);
    PriorityConfig::default().with_base_config(base)
}

fn shared<T>(config: PriorityConfig) -> ThreadSafePriorityCircularBuffer<T> {
    Arc::new(PriorityCircularBuffer::new(config).unwrap())
}

/// Runs producers and consumers on one buffer, half of them as threads that block and half as tasks. Every
/// item must arrive once, and those of one producer at one level in order.
fn conserve(config: PriorityConfig, producers: usize, consumers: usize, each: usize) {
    let levels = config.priority_levels;
    let buffer = shared(config);
    let consumers: Vec<_> = (0..consumers)
        .map(|consumer| {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || {
                let mut taken = Vec::new();
                loop {
                    let items = match consumer % 3 {
                        0 => buffer.pop_within(FOREVER).map(|item| vec![item]),
                        1 => pollster::block_on(buffer.recv()).map(|item| vec![item]),
                        _ => buffer.pop_batch_within(7, FOREVER),
                    };
                    match items {
                        Ok(items) => taken.extend(items),
                        Err(BufferError::Closed) => return taken,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    let producers: Vec<_> = (0..producers)
        .map(|producer| {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || {
                for n in 0..each {
                    let (item, level) = ((producer, n), n % levels);
                    match n % 5 {
                        0 => pollster::block_on(buffer.send_with_priority(item, level)).unwrap(),
                        1 => buffer.offer_batch_with_priority_within(vec![item], level, FOREVER).unwrap(),
                        _ => buffer.offer_with_priority_within(item, level, FOREVER).unwrap(),
                    }
                }
            })
        })
        .collect();
    let count = producers.len();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    buffer.close();
    let mut all = Vec::new();
    for consumer in consumers {
        let taken: Vec<(usize, usize)> = consumer.join().unwrap();
        for producer in 0..count {
            for level in 0..levels {
                let of_one = taken.iter().filter(|item| item.0 == producer && item.1 % levels == level);
                assert!(of_one.is_sorted(), "producer {producer} was reordered at level {level}");
            }
        }
        all.extend(taken);
    }
    all.sort_unstable();
    let expected: Vec<_> = (0..count).flat_map(|producer| (0..each).map(move |n| (producer, n))).collect();
    assert!(all == expected, "{} of {} items", all.len(), expected.len());
    let stats = buffer.stats();
    assert_eq!(
        (stats.total_pushed, stats.total_popped, stats.total_refused),
        ((count * each) as u64, (count * each) as u64, 0)
    );
    assert_eq!((buffer.waiting_consumers(), buffer.waiting_producers()), (0, 0));
}

#[test]
fn one_place_and_many_threads_lose_nothing() {
    conserve(bounded(1), 4, 3, 2000);
}

#[test]
fn levels_with_limits_lose_nothing() {
    let config = bounded(5).with_max_capacity_at_priority(0, 1).with_max_capacity_at_priority(1, 2);
    conserve(config, 4, 3, 3000);
}

#[test]
fn levels_with_limits_and_times_lose_nothing() {
    let config = bounded(3).with_max_capacity_at_priority(2, 1).with_max_wait(Duration::from_micros(50));
    conserve(config, 4, 2, 2000);
}

#[test]
fn an_elastic_buffer_under_load_loses_nothing() {
    conserve(bounded(100_000).with_priority_levels(64), 4, 2, 20_000);
}

#[test]
fn a_timeout_is_an_error_that_leaves_everything_as_it_was() {
    let mut config = bounded(3).with_max_capacity_at_priority(0, 2);
    config.base = config.base.with_pop_timeout(BRIEF).with_push_timeout(BRIEF);
    let buffer = shared(config);
    assert_eq!(buffer.pop(), Err(BufferError::Timeout(BRIEF)));
    assert_eq!(buffer.pop_batch(5), Ok(vec![]));
    buffer.push_with_priority(1, 0).unwrap();
    let rejected = buffer.offer_batch_with_priority_within(vec![2, 3], 0, BRIEF).unwrap_err();
    assert_eq!(rejected.into_parts(), (BufferError::Timeout(BRIEF), vec![2, 3]));
    buffer.push_with_priority(2, 0).unwrap();
    assert_eq!(buffer.push_with_priority(3, 0), Err(BufferError::Timeout(BRIEF)));
    assert_eq!(buffer.push_batch_with_priority(vec![3, 4], 0), Err(BufferError::Timeout(BRIEF)));
    // A put that can never succeed is refused at once.
    assert_eq!(buffer.push_batch_with_priority(vec![3, 4, 5], 0), Err(BufferError::MaxCapacityReached(2)));
    assert!(matches!(buffer.push_with_priority(3, 3), Err(BufferError::InvalidOperation(_))));
    assert!(matches!(buffer.push_batch_with_priority(vec![3], 3), Err(BufferError::InvalidOperation(_))));
    assert_eq!(buffer.drain(), [1, 2]);
    assert_eq!(buffer.stats().refused_per_priority, [2 + 1 + 2 + 3, 0, 0]);
    assert_eq!((buffer.waiting_consumers(), buffer.waiting_producers()), (0, 0));
}

/// Returns when this many producers wait.
fn until_waiting<T: Send>(buffer: &PriorityCircularBuffer<T>, producers: usize) {
    while buffer.waiting_producers() != producers {
        thread::yield_now();
    }
}

#[test]
fn a_full_level_holds_up_neither_the_others_nor_those_who_wait_for_them() {
    let buffer = shared(bounded(4).with_max_capacity_at_priority(0, 1).with_max_capacity_at_priority(2, 1));
    buffer.push_with_priority("low", 0).unwrap();
    buffer.push_with_priority("high", 2).unwrap();
    let wait = |item, level| {
        let buffer = Arc::clone(&buffer);
        thread::spawn(move || buffer.offer_with_priority_within(item, level, FOREVER).unwrap())
    };
    let low = wait("second low", 0);
    until_waiting(&buffer, 1);
    buffer.push_with_priority("middle", 1).unwrap(); // goes in at once
    let high = wait("second high", 2);
    until_waiting(&buffer, 2);
    assert_eq!(buffer.pop(), Ok("high"));
    high.join().unwrap(); // though the low one came first
    assert_eq!(buffer.waiting_producers(), 1);
    assert_eq!(buffer.pop_from_priority(0), Ok("low"));
    low.join().unwrap();
    assert_eq!(buffer.drain(), ["second high", "middle", "second low"]);
}

#[test]
fn where_the_whole_buffer_is_full_the_highest_who_waits_goes_first() {
    let buffer = shared(bounded(1).with_max_capacity_at_priority(0, 1));
    buffer.push_with_priority(9, 1).unwrap();
    let producers: Vec<_> = (0..3)
        .map(|level| {
            let own = Arc::clone(&buffer);
            let producer = thread::spawn(move || own.offer_with_priority_within(level, level, FOREVER).unwrap());
            until_waiting(&buffer, level + 1);
            producer
        })
        .collect();
    let taken: Vec<_> = (0..4).map(|_| buffer.pop_within(FOREVER).unwrap()).collect();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    assert_eq!(taken, [9, 2, 1, 0]);
}

#[test]
fn closing_wakes_everybody_who_waits_at_whatever_level() {
    let empty = shared::<usize>(bounded(1));
    let full = shared(bounded(3).with_max_capacity_at_priority(0, 1).with_max_capacity_at_priority(2, 1));
    (0..3).for_each(|level| full.push_with_priority(level, level).unwrap());
    let blocked: Vec<_> = (0..3)
        .flat_map(|level| {
            let (empty, full, task) = (Arc::clone(&empty), Arc::clone(&full), Arc::clone(&full));
            [
                thread::spawn(move || empty.pop_within(FOREVER).unwrap_err()),
                thread::spawn(move || full.offer_with_priority_within(level, level, FOREVER).unwrap_err().into()),
                thread::spawn(move || pollster::block_on(task.send_with_priority(level, level)).unwrap_err().into()),
            ]
        })
        .collect();
    // No order is forced: closing before they begin to wait, at that moment and afterwards must all end well.
    empty.close();
    full.close();
    for thread in blocked {
        assert_eq!(thread.join().unwrap(), BufferError::Closed);
    }
    assert_eq!(full.drain(), [2, 1, 0]);
    assert_eq!((full.pop(), full.pop_batch(1)), (Err(BufferError::Closed), Err(BufferError::Closed)));
    assert_eq!(full.pop_from_priority(1), Err(BufferError::Closed));
}

#[test]
fn what_is_written_for_any_buffer_works_with_this_one() {
    fn through<B: elasticq::Buffer<u8>>(buffer: &B) -> (u8, Vec<u8>) {
        buffer.push(1).unwrap();
        buffer.offer(2).unwrap();
        buffer.push_batch(vec![3, 4]).unwrap();
        (buffer.pop().unwrap(), buffer.pop_batch(9).unwrap())
    }
    let buffer = shared(bounded(4));
    assert_eq!(through(&buffer), (1, vec![2, 3, 4]));
    assert_eq!(buffer.stats().pushed_per_priority, [0, 4, 0]);
}

#[test]
fn a_future_that_is_dropped_has_put_nothing_in_and_taken_nothing() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    let mut context = Context::from_waker(Waker::noop());
    let buffer = shared(bounded(1));
    assert!(pin!(buffer.recv()).poll(&mut context).is_pending());
    buffer.push_with_priority(1, 0).unwrap();
    assert!(pin!(buffer.send_with_priority(2, 2)).poll(&mut context).is_pending());
    assert_eq!((buffer.waiting_consumers(), buffer.waiting_producers()), (0, 0));
    assert_eq!(buffer.drain(), [1]);
    fn is_send<T: Send>(_: T) {}
    is_send((buffer.recv(), buffer.send(3)));
}

/// A layer above tells of a place. The place is one of the lower level, so it must not go to a waiter at the
/// higher one.
#[test]
fn a_place_that_a_layer_above_tells_of_goes_to_a_level_that_has_it() {
    let buffer = PriorityCircularBuffer::<u32>::new(
        PriorityConfig::default().with_max_capacity_at_priority(0, 1).with_max_capacity_at_priority(2, 1),
    )
    .unwrap();
    buffer.push_with_priority(1, 2).unwrap();
    let mut high = buffer.wait_for_room_at_priority(2);
    let mut low = buffer.wait_for_room_at_priority(0);
    buffer.pass_on();
    assert!(low.wait_until(Some(Instant::now())));
    assert!(!high.wait_until(Some(Instant::now())));
}
