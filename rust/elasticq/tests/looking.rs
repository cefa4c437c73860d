//! Looking at the items of the queues without locks: what is shown, and which calls wait for which.
#![cfg(all(not(loom), feature = "lock_free"))]

mod support;

use elasticq::{BufferError, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use support::between;

macro_rules! tests {
    ($name:ident, $queue:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn all_items_are_shown_in_order_wherever_they_are() {
                let queue = $queue::new(between(2, 1000)).unwrap();
                let (mut next, mut oldest) = (0, 0);
                for round in 0..200 {
                    // The number of items rises to 700 and falls to nothing again, over segments of many
                    // sizes.
                    let (put, take) = if round % 40 < 20 { (37, 2) } else { (1, 40) };
                    for _ in 0..put {
                        queue.try_enqueue(Box::new(next)).unwrap();
                        next += 1;
                    }
                    oldest += queue.dequeue_batch(take).unwrap().len();
                    assert_eq!(queue.iter().unwrap(), (oldest..next).map(Box::new).collect::<Vec<_>>());
                    assert_eq!(queue.iter_with(|item| **item).unwrap(), (oldest..next).collect::<Vec<_>>());
                    let first = queue.peek_with(|item| **item);
                    assert_eq!(first, if oldest < next { Ok(oldest) } else { Err(BufferError::Empty) });
                    assert_eq!(queue.len(), next - oldest);
                }
                assert!(queue.stats().grown > 0 && queue.stats().shrunk > 0);
            }

            #[test]
            fn the_end_is_told_and_a_visit_can_be_broken_off() {
                let queue = $queue::new(between(2, 8)).unwrap();
                queue.offer_batch(vec![1, 2, 3]).unwrap();
                let mut seen = Vec::new();
                queue.try_visit(&mut |&item| {
                    seen.push(item);
                    if item == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                assert_eq!(seen, [1, 2]);
                queue.close();
                assert_eq!(queue.iter().unwrap(), [1, 2, 3]);
                assert_eq!(queue.dequeue_batch(3).unwrap(), [1, 2, 3]);
                assert_eq!(queue.peek_with(|&item| item), Err(BufferError::Closed));
                assert_eq!(queue.iter().unwrap(), []);
            }

            #[test]
            fn a_consumer_waits_for_who_looks() {
                let queue = $queue::new(between(2, 8)).unwrap();
                queue.try_enqueue(1).unwrap();
                let looked = AtomicBool::new(false);
                thread::scope(|scope| {
                    let (begin, began) = channel();
                    let (queue, looked) = (&queue, &looked);
                    let taker = scope.spawn(move || {
                        began.recv().unwrap();
                        let taken = queue.try_dequeue();
                        (taken, looked.load(Ordering::SeqCst))
                    });
                    queue.try_visit(&mut |_| {
                        begin.send(()).unwrap();
                        (0..1000).for_each(|_| thread::yield_now());
                        looked.store(true, Ordering::SeqCst);
                        ControlFlow::Continue(())
                    });
                    assert_eq!(taker.join().unwrap(), (Ok(Some(1)), true));
                });
            }

            #[test]
            fn who_looks_does_not_wait_for_a_consumer_that_waits_for_an_item() {
                let queue = $queue::<u32>::new(between(2, 8)).unwrap();
                thread::scope(|scope| {
                    let taker = scope.spawn(|| queue.dequeue_within(Duration::from_secs(60)));
                    while queue.waiting_consumers() == 0 {
                        thread::yield_now();
                    }
                    // Where there is one consumer, it has the turn. Where there are many, a consumer that
                    // waits is in nobody's way.
                    match queue.peek_with(|_| ()) {
                        Err(BufferError::InvalidOperation(_) | BufferError::Empty) => {}
                        other => panic!("{other:?}"),
                    }
                    queue.try_enqueue(1).unwrap();
                    assert_eq!(taker.join().unwrap(), Ok(Some(1)));
                });
                assert_eq!(queue.iter(), Ok(vec![]));
            }

            #[test]
            fn looking_amid_traffic_shows_a_run_of_whole_items() {
                const COUNT: usize = 20_000;
                let queue = $queue::new(between(2, 300)).unwrap();
                let (queue, done) = (&queue, &AtomicBool::new(false));
                let looks = thread::scope(|scope| {
                    scope.spawn(move || {
                        for number in 0..COUNT {
                            while queue.offer_again((number, Box::new(!number))).is_err() {
                                thread::yield_now();
                            }
                        }
                    });
                    scope.spawn(move || {
                        for number in 0..COUNT {
                            let (taken, check) = loop {
                                match queue.try_dequeue().unwrap() {
                                    Some(item) => break item,
                                    None => thread::yield_now(),
                                }
                            };
                            assert_eq!((taken, *check), (number, !number));
                        }
                        done.store(true, Ordering::SeqCst);
                    });
                    let mut looks = 0;
                    while !done.load(Ordering::SeqCst) {
                        if let Ok(seen) = queue.iter() {
                            looks += 1;
                            let first = seen.first().map_or(0, |(number, _)| *number);
                            for (place, (number, check)) in seen.into_iter().enumerate() {
                                assert_eq!((number, *check), (first + place, !number));
                            }
                        }
                        thread::yield_now();
                    }
                    looks
                });
                assert!(looks > 0);
                assert_eq!((queue.stats().messages_enqueued, queue.stats().messages_dropped), (COUNT as u64, 0));
            }
        }
    };
}

tests!(mpsc, LockFreeMPSCQueue);
tests!(mpmc, LockFreeMPMCQueue);
tests!(spsc, LockFreeSPSCQueue);
