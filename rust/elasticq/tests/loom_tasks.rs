//! Models of producers and consumers that wait as tasks: each thread runs one task, and a lost wake-up is a
//! deadlock.
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::{BufferError, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Signal};
use loom::future::block_on;
use loom::thread;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use support::{FOREVER, between, large_model, model};

/// Polls a future once and drops it, as `select!` does when another branch is ready.
fn poll<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn a_woken_waiter_that_is_dropped_wakes_the_next_task() {
    model(|| {
        let signal = Arc::new(Signal::new());
        let other = Arc::clone(&signal);
        let (mut first, second) = (signal.waiter(), signal.waiter());
        let thread = thread::spawn(move || other.wake(1));
        if poll(&mut first).is_none() {
            drop(first);
            block_on(second);
        }
        thread.join().unwrap();
    });
}

/// What every queue promises, through its two handles.
macro_rules! models {
    ($name:ident, $queue:ident) => {
        mod $name {
            use super::*;

            fn queue(min: usize, max: usize) -> $queue<u32> {
                $queue::new(between(min, max)).unwrap()
            }

            #[test]
            #[allow(unused_mut)] // one kind of producer needs it
            fn an_item_reaches_a_task_that_waits() {
                model(|| {
                    let (mut producer, mut consumer) = queue(2, 2).split();
                    let thread = thread::spawn(move || {
                        producer.try_enqueue(7).unwrap();
                        producer // not dropped, since that would wake the consumer, too
                    });
                    assert_eq!(block_on(consumer.recv()), Ok(7));
                    drop(thread.join().unwrap());
                });
            }

            #[test]
            fn closing_wakes_a_task_that_waits_for_an_item() {
                model(|| {
                    let (producer, mut consumer) = queue(1, 1).split();
                    let thread = thread::spawn(move || drop(producer));
                    assert_eq!(block_on(consumer.recv()), Err(BufferError::Closed));
                    thread.join().unwrap();
                });
            }

            /// The consumer takes one item and does nothing else, so no later call will tell the producer.
            #[test]
            #[allow(unused_mut)]
            fn room_reaches_a_task_that_waits() {
                model(|| {
                    let (mut producer, mut consumer) = queue(1, 1).split();
                    producer.try_enqueue(1).unwrap();
                    let thread = thread::spawn(move || {
                        block_on(producer.send(2)).unwrap();
                        producer
                    });
                    assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
                    let producer = thread.join().unwrap();
                    assert_eq!(consumer.try_dequeue(), Ok(Some(2)));
                    drop(producer);
                });
            }

            /// In a larger queue the consumer does not renew the limit after each item, but it looks for
            /// sleepers after each.
            #[test]
            #[allow(unused_mut)]
            fn one_place_of_many_reaches_a_task_that_waits() {
                model(|| {
                    let (mut producer, mut consumer) = queue(32, 32).split();
                    producer.offer_batch((0..32).collect()).unwrap();
                    assert_eq!(consumer.try_dequeue(), Ok(Some(0)));
                    producer.try_enqueue(32).unwrap();
                    let thread = thread::spawn(move || {
                        block_on(producer.send(33)).unwrap();
                        producer
                    });
                    assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
                    drop(thread.join().unwrap());
                    assert_eq!(consumer.len(), 32);
                });
            }

            #[test]
            #[allow(unused_mut)]
            fn closing_gives_the_item_of_a_task_that_waits_back() {
                model(|| {
                    let (mut producer, consumer) = queue(1, 1).split();
                    producer.try_enqueue(1).unwrap();
                    let thread = thread::spawn(move || block_on(producer.send(2)).unwrap_err().into_parts());
                    drop(consumer);
                    assert_eq!(thread.join().unwrap(), (BufferError::Closed, 2));
                });
            }

            #[test]
            #[allow(unused_mut)]
            fn two_tasks_serve_each_other() {
                model(|| {
                    let (mut producer, mut consumer) = queue(1, 1).split();
                    let thread = thread::spawn(move || {
                        block_on(async {
                            producer.send(1).await.unwrap();
                            producer.send(2).await.unwrap();
                        });
                        producer
                    });
                    assert_eq!(block_on(async { (consumer.recv().await, consumer.recv().await) }), (Ok(1), Ok(2)));
                    drop(thread.join().unwrap());
                });
            }

            /// The first future is dropped after one poll, wherever it got to. It may have been woken.
            #[test]
            #[allow(unused_mut)]
            fn a_task_that_stops_waiting_has_taken_nothing() {
                model(|| {
                    let (mut producer, mut consumer) = queue(2, 2).split();
                    let thread = thread::spawn(move || {
                        producer.try_enqueue(7).unwrap();
                        producer
                    });
                    let taken = poll(consumer.recv()).unwrap_or_else(|| block_on(consumer.recv()));
                    assert_eq!((taken, consumer.len()), (Ok(7), 0));
                    drop(thread.join().unwrap());
                });
            }

            #[test]
            #[allow(unused_mut)]
            fn a_task_that_stops_sending_has_put_nothing_in() {
                large_model(|| {
                    let (mut producer, mut consumer) = queue(1, 1).split();
                    producer.try_enqueue(1).unwrap();
                    let thread = thread::spawn(move || {
                        let sent = poll(producer.send(2)).is_some();
                        block_on(producer.send(3)).unwrap();
                        (sent, producer)
                    });
                    let mut taken = vec![block_on(consumer.recv()).unwrap(), block_on(consumer.recv()).unwrap()];
                    if taken[1] == 2 {
                        taken.push(block_on(consumer.recv()).unwrap());
                    }
                    let (sent, producer) = thread.join().unwrap();
                    assert_eq!(taken, if sent { vec![1, 2, 3] } else { vec![1, 3] });
                    drop(producer);
                });
            }
        }
    };
}

models!(mpsc, LockFreeMPSCQueue);
models!(mpmc, LockFreeMPMCQueue);
models!(spsc, LockFreeSPSCQueue);

/// The future that waits has the turn. It gives the turn back when it is dropped.
#[test]
fn a_second_consumer_is_refused_while_a_task_waits() {
    model(|| {
        let queue = Arc::new(LockFreeMPSCQueue::new(between(2, 2)).unwrap());
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || poll(queue.recv()))
        };
        queue.try_enqueue(7).unwrap();
        let mine = queue.try_dequeue();
        let other = thread.join().unwrap();
        match (mine, other) {
            (Ok(Some(7)), None | Some(Err(BufferError::InvalidOperation(_)))) => {
                assert_eq!(queue.try_dequeue(), Ok(None))
            }
            (Err(BufferError::InvalidOperation(_)), None) => assert_eq!(queue.try_dequeue(), Ok(Some(7))),
            (Ok(None) | Err(BufferError::InvalidOperation(_)), Some(Ok(7))) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// There are two claims, and the second may be published first. The consumer that is woken for it finds
/// nothing yet, and must not sleep.
#[test]
fn an_item_behind_one_that_is_not_published_reaches_a_task_that_waits() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
        let threads = [producer.clone(), producer].map(|producer| {
            thread::spawn(move || {
                producer.try_enqueue(1).unwrap();
                producer
            })
        });
        assert_eq!(block_on(async { (consumer.recv().await, consumer.recv().await) }), (Ok(1), Ok(1)));
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    });
}

#[test]
fn two_items_reach_two_tasks_that_wait() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        let mut other = consumer.clone();
        let waiter = thread::spawn(move || block_on(other.recv()).unwrap());
        let pusher = thread::spawn(move || {
            producer.offer_batch(vec![1, 2]).unwrap();
            producer
        });
        assert_eq!(block_on(consumer.recv()).unwrap() + waiter.join().unwrap(), 3);
        drop(pusher.join().unwrap());
    });
}

/// The task that stops waiting may be the one that was woken.
#[test]
fn a_task_that_stops_waiting_passes_its_wake_up_on() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        let mut other = consumer.clone();
        let waiter = thread::spawn(move || block_on(other.recv()).unwrap());
        let pusher = thread::spawn(move || {
            producer.try_enqueue(1).unwrap();
            producer
        });
        let taken = poll(consumer.recv()).is_some();
        let producer = pusher.join().unwrap();
        if taken {
            producer.try_enqueue(2).unwrap();
        }
        assert_eq!(waiter.join().unwrap(), if taken { 2 } else { 1 });
    });
}

#[test]
fn a_thread_and_a_task_wait_for_the_same_items() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        let mut other = consumer.clone();
        let waiter = thread::spawn(move || other.dequeue_within(FOREVER).unwrap().unwrap());
        let pusher = thread::spawn(move || {
            producer.try_enqueue(1).unwrap();
            producer.try_enqueue(2).unwrap();
            producer
        });
        assert_eq!(block_on(consumer.recv()).unwrap() + waiter.join().unwrap(), 3);
        drop(pusher.join().unwrap());
    });
}

#[test]
fn two_places_freed_at_once_reach_two_tasks_that_wait() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![1, 2]).unwrap();
        let threads = [producer.clone(), producer.clone()]
            .map(|producer| thread::spawn(move || block_on(producer.send(3)).unwrap()));
        assert_eq!(consumer.dequeue_batch(2), Ok(vec![1, 2]));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(consumer.dequeue_batch(3), Ok(vec![3, 3]));
    });
}

/// The producer that stops waiting may be the one that was woken.
#[test]
fn a_task_that_stops_sending_passes_its_wake_up_on() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPSCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(1).unwrap();
        let other = producer.clone();
        let waiter = thread::spawn(move || block_on(other.send(2)).unwrap());
        let taker = thread::spawn(move || {
            assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
            consumer
        });
        let sent = poll(producer.send(3)).is_some();
        let mut consumer = taker.join().unwrap();
        if sent {
            assert_eq!(consumer.try_dequeue(), Ok(Some(3)));
        }
        waiter.join().unwrap();
        assert_eq!(consumer.try_dequeue(), Ok(Some(2)));
    });
}

/// A consumer that is overtaken has noted a position in its record. Until that note is erased, it holds up
/// the producer.
#[test]
fn a_consumer_who_is_overtaken_leaves_no_producer_asleep() {
    large_model(|| {
        let (producer, consumer) = LockFreeMPMCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(1).unwrap();
        let threads = [consumer.clone(), consumer.clone()]
            .map(|mut consumer| thread::spawn(move || consumer.try_dequeue().unwrap().unwrap_or(0)));
        block_on(producer.send(2)).unwrap();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>();
        assert_eq!(taken + consumer.len() as u32 * 2, 3);
    });
}
