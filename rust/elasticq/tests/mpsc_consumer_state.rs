//! `LockFreeMPSCQueue` has one consumer at a time. Another thread that tries to take is told so. Whatever the
//! one consumer does (wait, stall, move to another thread, go) is well defined.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{BufferError, LockFreeMPSCQueue};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use support::{Drops, FOREVER, Ledger, Message, SCALE, between, receive, send};

fn is_guarded<T>(answer: &Result<T, BufferError>) -> bool {
    matches!(answer, Err(BufferError::InvalidOperation(_)))
}

#[test]
fn a_second_consumer_is_told_so_while_the_first_one_waits() {
    let queue = Arc::new(LockFreeMPSCQueue::<u8>::new(between(1, 8)).unwrap());
    let first = {
        let queue = Arc::clone(&queue);
        // The looks below have the turn at times, too.
        thread::spawn(move || {
            loop {
                let item = queue.dequeue_within(FOREVER);
                if !is_guarded(&item) {
                    return item;
                }
            }
        })
    };
    // Until the first consumer has the turn.
    while queue.try_dequeue().is_ok() {
        thread::yield_now();
    }
    assert!(is_guarded(&queue.try_dequeue()));
    assert!(is_guarded(&queue.dequeue_batch(3)));
    assert!(is_guarded(&queue.dequeue_within(FOREVER)));
    // All other calls still work.
    assert_eq!((queue.len(), queue.is_empty(), queue.is_closed()), (0, true, false));
    queue.try_enqueue(7).unwrap();
    assert_eq!(first.join().unwrap(), Ok(Some(7)));
    queue.try_enqueue(8).unwrap();
    assert_eq!(queue.try_dequeue(), Ok(Some(8)));
}

#[test]
fn many_who_would_be_consumers_take_each_item_once() {
    const TOTAL: usize = 40_000;
    let total = TOTAL / usize::try_from(SCALE).unwrap();
    let queue = LockFreeMPSCQueue::new(between(1, 256)).unwrap();
    let drops = Drops::new(total);
    let (taken, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for consumer in 0..4 {
            let (queue, taken, refused) = (&queue, &taken, &refused);
            scope.spawn(move || {
                loop {
                    let items = match consumer {
                        0 => queue.dequeue_batch(5),
                        1 => queue.dequeue_within(Duration::from_micros(10)).map(|item| item.into_iter().collect()),
                        _ => queue.try_dequeue().map(|item| item.into_iter().collect()),
                    };
                    match items {
                        Ok(items) => taken.fetch_add(items.len() as u64, Ordering::Relaxed),
                        Err(BufferError::InvalidOperation(_)) => refused.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error, BufferError::Closed);
                            return;
                        }
                    };
                }
            });
        }
        for number in 0..total {
            queue.offer_within(drops.item(number), FOREVER).unwrap();
        }
        queue.close();
    });
    assert_eq!(taken.into_inner(), total as u64);
    assert_eq!(drops.counts(), vec![1; total]);
    println!("{} calls were refused", refused.into_inner());
}

#[test]
fn consumers_who_take_turns_see_one_order() {
    let queue = LockFreeMPSCQueue::new(between(1, 64)).unwrap();
    let turns = 1000 / SCALE;
    let whose = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..3 * turns {
                queue.offer_within(number, FOREVER).unwrap();
            }
        });
        for consumer in 0..3 {
            let (queue, whose) = (&queue, &whose);
            scope.spawn(move || {
                for turn in 0..turns {
                    while whose.load(Ordering::Relaxed) != turn * 3 + consumer {
                        thread::yield_now();
                    }
                    assert_eq!(queue.dequeue_within(FOREVER), Ok(Some(turn * 3 + consumer)));
                    // Relaxed: the queue itself puts one consumer after the other.
                    whose.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
}

#[test]
fn a_consumer_handed_from_thread_to_thread_keeps_the_order() {
    let each = 20_000 / SCALE;
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 128)).unwrap().split();
    let threads: Vec<_> = (0..3).map(|producer| send(first.clone(), producer, each, 6)).collect();
    drop(first);
    let mut ledger = Ledger::new(3);
    for _ in 0..100 {
        (consumer, ledger) = thread::spawn(move || {
            for _ in 0..each / 100 {
                ledger.enter(&consumer.dequeue_within(FOREVER).unwrap().unwrap());
            }
            (consumer, ledger)
        })
        .join()
        .unwrap();
    }
    receive(&mut consumer, &mut ledger);
    assert_eq!(ledger.next(), [each; 3]);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_consumer_who_stalls_gets_everything_that_was_accepted() {
    let (producer, mut consumer) = LockFreeMPSCQueue::new(between(1, 1000)).unwrap().split();
    let accepted = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|who| {
                let queue = producer.clone();
                // Each producer offers until there is no room. It does not offer again what was refused.
                scope.spawn(move || (0..).find(|&number| queue.offer(Message::new(who, number)).is_err()).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(accepted.iter().sum::<u64>(), 1000);
    drop(producer);
    let mut ledger = Ledger::new(4);
    receive(&mut consumer, &mut ledger);
    assert_eq!(ledger.next(), accepted);
}

#[test]
fn a_consumer_who_goes_first_closes_the_queue() {
    let drops = Drops::new(3);
    let (producer, consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
    producer.offer(drops.item(0)).unwrap();
    let waiting = thread::scope(|scope| {
        producer.offer(drops.item(1)).unwrap();
        let waiting = scope.spawn(|| producer.offer_within(drops.item(2), FOREVER).unwrap_err().into_parts());
        drop(consumer);
        waiting.join().unwrap()
    });
    assert_eq!((waiting.0, waiting.1.0), (BufferError::Closed, 2));
    assert!(producer.is_closed());
    drop(producer);
    assert_eq!(drops.counts(), [1, 1, 0]);
}

/// Both sides start at the same time, round after round. In some rounds the item comes first, in others the
/// sleeper.
fn meet(end: impl Fn(LockFreeMPSCQueue<u64>, &Barrier) -> Result<Option<u64>, BufferError>) -> Vec<Option<u64>> {
    (0..2000 / SCALE)
        .map(|_| end(LockFreeMPSCQueue::new(between(1, 8)).unwrap(), &Barrier::new(2)))
        .map(|answer| answer.unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

#[test]
fn a_consumer_who_waits_is_woken_by_an_item() {
    let answers = meet(|queue, start| {
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                queue.try_enqueue(1).unwrap();
            });
            start.wait();
            queue.dequeue_within(FOREVER)
        })
    });
    assert!(answers.iter().all(|answer| *answer == Some(1)));
}

#[test]
fn a_consumer_who_waits_is_woken_by_the_end() {
    let explicitly = meet(|queue, start| {
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                queue.close();
            });
            start.wait();
            assert_eq!(queue.dequeue_within(FOREVER), Err(BufferError::Closed));
            Ok(None)
        })
    });
    let by_the_last_producer = meet(|queue, start| {
        let (producer, mut consumer) = queue.split();
        thread::scope(|scope| {
            scope.spawn(move || {
                start.wait();
                drop(producer);
            });
            start.wait();
            assert_eq!(consumer.dequeue_within(FOREVER), Err(BufferError::Closed));
            Ok(None)
        })
    });
    assert_eq!(explicitly.len(), by_the_last_producer.len());
}

#[test]
fn a_consumer_who_waited_in_vain_can_wait_again() {
    let (producer, mut consumer) = LockFreeMPSCQueue::new(between(1, 8)).unwrap().split();
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(2)] {
        assert_eq!(consumer.dequeue_within(timeout), Ok(None));
    }
    producer.try_enqueue(1).unwrap();
    assert_eq!(consumer.dequeue_within(Duration::ZERO), Ok(Some(1)));
    assert_eq!(consumer.dequeue_within(Duration::ZERO), Ok(None));
    producer.try_enqueue(2).unwrap();
    assert_eq!(consumer.dequeue_within(Duration::MAX), Ok(Some(2)));
}

/// An item that comes just as the time runs out is there for the next call.
#[test]
fn a_time_out_at_the_very_moment_of_an_item_loses_nothing() {
    let each = 20_000 / SCALE;
    let (first, mut consumer) = LockFreeMPSCQueue::new(between(1, 16)).unwrap().split();
    let thread = send(first, 0, each, 2);
    let mut ledger = Ledger::new(1);
    let done = AtomicBool::new(false);
    while !done.load(Ordering::Relaxed) {
        match consumer.dequeue_within(Duration::from_micros(ledger.total() % 3)) {
            Ok(item) => item.iter().for_each(|message| ledger.enter(message)),
            Err(error) => {
                assert_eq!(error, BufferError::Closed);
                done.store(true, Ordering::Relaxed);
            }
        }
    }
    assert_eq!(ledger.next(), [each]);
    thread.join().unwrap();
}
