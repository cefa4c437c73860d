//! Waiting: a waiter is woken, no item is lost or taken twice, and a timeout leaves everything as it was.

use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

/// So long that a call reaches it only if a wake-up was lost.
const FOREVER: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(2);

fn bounded(max: usize) -> Config {
    Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(max)
}

/// Runs producers and consumers on one buffer. Every item must arrive once, and each producer's items in
/// order.
fn conserve(max: usize, producers: u64, consumers: usize, each: u64, batch: usize) {
    let buffer = Arc::new(DynamicCircularBuffer::new(bounded(max)).unwrap());
    let start = Arc::new(Barrier::new(usize::try_from(producers).unwrap() + consumers));
    let producers: Vec<_> = (0..producers)
        .map(|producer| {
            let (buffer, start) = (Arc::clone(&buffer), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let items: Vec<_> = (0..each).map(|n| (producer, n)).collect();
                for items in items.chunks(batch) {
                    match items {
                        [item] => buffer.offer_within(*item, FOREVER).unwrap(),
                        items => buffer.offer_batch_within(items.to_vec(), FOREVER).unwrap(),
                    }
                }
            })
        })
        .collect();
    let consumers: Vec<_> = (0..consumers)
        .map(|consumer| {
            let (buffer, start) = (Arc::clone(&buffer), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let mut taken = Vec::new();
                loop {
                    // Every second consumer takes single items.
                    let items = if consumer % 2 == 0 {
                        buffer.pop_within(FOREVER).map(|item| vec![item])
                    } else {
                        buffer.pop_batch_within(batch, FOREVER)
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
    let count = producers.len() as u64;
    for producer in producers {
        producer.join().unwrap();
    }
    buffer.close();
    let mut all = Vec::new();
    for consumer in consumers {
        let taken = consumer.join().unwrap();
        for producer in 0..count {
            let own: Vec<_> = taken.iter().filter(|item| item.0 == producer).collect();
            assert!(own.is_sorted(), "producer {producer} was reordered");
        }
        all.extend(taken);
    }
    all.sort_unstable();
    let expected: Vec<_> = (0..count).flat_map(|producer| (0..each).map(move |n| (producer, n))).collect();
    assert!(all == expected, "{} of {} items", all.len(), expected.len());
}

#[test]
fn one_place_and_many_threads_lose_nothing() {
    conserve(1, 4, 4, 3000, 1);
}

#[test]
fn batches_and_single_items_side_by_side_lose_nothing() {
    conserve(10, 4, 3, 5000, 7);
}

#[test]
fn an_elastic_buffer_under_load_loses_nothing() {
    conserve(100_000, 4, 2, 50_000, 100);
}

#[test]
fn a_timeout_is_an_error_that_leaves_everything_as_it_was() {
    let buffer = DynamicCircularBuffer::new(bounded(2).with_pop_timeout(BRIEF).with_push_timeout(BRIEF)).unwrap();
    assert_eq!(buffer.pop(), Err(BufferError::Timeout(BRIEF)));
    assert_eq!(buffer.pop_batch(5), Ok(vec![]));
    buffer.push(1).unwrap();
    let rejected = buffer.offer_batch_within(vec![2, 3], BRIEF).unwrap_err();
    assert_eq!(rejected.into_parts(), (BufferError::Timeout(BRIEF), vec![2, 3]));
    buffer.push(2).unwrap();
    assert_eq!(buffer.push(3), Err(BufferError::Timeout(BRIEF)));
    assert_eq!(buffer.push_batch(vec![3, 4]), Err(BufferError::Timeout(BRIEF)));
    assert_eq!(buffer.push_batch(vec![3, 4, 5]), Err(BufferError::MaxCapacityReached(2)));
    assert_eq!(buffer.drain(), [1, 2]);
    assert_eq!(buffer.stats().messages_refused, 2 + 1 + 2 + 3);
}

#[test]
fn closing_wakes_everybody_who_waits() {
    let empty = Arc::new(DynamicCircularBuffer::<u8>::new(bounded(1)).unwrap());
    let full = Arc::new(DynamicCircularBuffer::new(bounded(1)).unwrap());
    full.push(0).unwrap();
    let blocked: Vec<_> = (0..3_u8)
        .flat_map(|n| {
            let (empty, full, bulk) = (Arc::clone(&empty), Arc::clone(&full), Arc::clone(&full));
            [
                thread::spawn(move || empty.pop_within(FOREVER).unwrap_err()),
                thread::spawn(move || full.offer_within(n, FOREVER).unwrap_err().into()),
                thread::spawn(move || bulk.offer_batch_within(vec![n], FOREVER).unwrap_err().into()),
            ]
        })
        .collect();
    // No order is forced: closing before they begin to wait, at that moment and afterwards must all end well.
    empty.close();
    full.close();
    for thread in blocked {
        assert_eq!(thread.join().unwrap(), BufferError::Closed);
    }
    assert_eq!(full.pop(), Ok(0));
    assert_eq!(full.pop(), Err(BufferError::Closed));
}

#[test]
fn room_for_one_goes_to_the_one_who_needs_one() {
    // A producer that needs three places waits in front. The place that comes free is of use only to the
    // producer behind it, which needs one.
    let buffer = Arc::new(DynamicCircularBuffer::new(bounded(3)).unwrap());
    buffer.push_batch(vec![1, 2, 3]).unwrap();
    let until_waiting = |producers| {
        while buffer.waiting_producers() != producers {
            thread::yield_now();
        }
    };
    let bulk = {
        let buffer = Arc::clone(&buffer);
        thread::spawn(move || buffer.offer_batch_within(vec![5, 6, 7], FOREVER))
    };
    until_waiting(1);
    let single = {
        let buffer = Arc::clone(&buffer);
        thread::spawn(move || buffer.offer_within(4, FOREVER))
    };
    until_waiting(2);
    assert_eq!(buffer.pop(), Ok(1));
    single.join().unwrap().unwrap();
    assert_eq!(buffer.pop_batch(3).unwrap(), [2, 3, 4]);
    bulk.join().unwrap().unwrap();
    assert_eq!(buffer.drain(), [5, 6, 7]);
}
