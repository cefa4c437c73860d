//! Models of the real code: loom runs every interleaving of a few threads and finds a lost wake-up as a deadlock.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p elasticq --release --test loom
//! ```
#![cfg(loom)]

use elasticq::{BufferError, Config, DynamicCircularBuffer};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any clock: the call waits for ever, so a lost wake-up is a deadlock.
const FOREVER: Duration = Duration::MAX;

fn buffer(max: usize) -> Arc<DynamicCircularBuffer<u32>> {
    let config = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(max);
    Arc::new(DynamicCircularBuffer::new(config).unwrap())
}

/// Up to this many preemptions per run, which is where loom's authors found nearly all bugs; more with LOOM_MAX_PREEMPTIONS.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

#[test]
fn a_pushed_item_reaches_a_consumer_who_waits() {
    model(|| {
        let buffer = buffer(2);
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(FOREVER))
        };
        buffer.push(7).unwrap();
        assert_eq!(consumer.join().unwrap(), Ok(7));
    });
}

#[test]
fn two_items_in_a_row_reach_two_consumers_who_wait() {
    model(|| {
        let buffer = buffer(2);
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(FOREVER).unwrap())
        };
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || {
                buffer.push(1).unwrap();
                buffer.push(2).unwrap();
            })
        };
        let sum = buffer.pop_within(FOREVER).unwrap() + consumer.join().unwrap();
        producer.join().unwrap();
        assert_eq!((sum, buffer.len()), (3, 0));
    });
}

#[test]
fn a_batch_reaches_two_consumers_who_wait() {
    model(|| {
        let buffer = buffer(2);
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(FOREVER).unwrap())
        };
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.push_batch(vec![1, 2]).unwrap())
        };
        let sum = buffer.pop_within(FOREVER).unwrap() + consumer.join().unwrap();
        producer.join().unwrap();
        assert_eq!(sum, 3);
    });
}

#[test]
fn room_reaches_a_producer_who_waits() {
    model(|| {
        let buffer = buffer(1);
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || {
                buffer.offer_within(1, FOREVER).unwrap();
                buffer.offer_within(2, FOREVER).unwrap();
            })
        };
        assert_eq!(buffer.pop_within(FOREVER), Ok(1));
        assert_eq!(buffer.pop_within(FOREVER), Ok(2));
        producer.join().unwrap();
    });
}

#[test]
fn two_places_freed_at_once_reach_two_producers() {
    model(|| {
        let buffer = buffer(2);
        buffer.push_batch(vec![1, 2]).unwrap();
        let producers: Vec<_> = (3..5)
            .map(|n| {
                let buffer = Arc::clone(&buffer);
                thread::spawn(move || buffer.offer_within(n, FOREVER).unwrap())
            })
            .collect();
        assert_eq!(buffer.pop_batch(2).unwrap(), [1, 2]);
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(buffer.len(), 2);
    });
}

#[test]
fn one_free_place_is_not_lost_on_a_producer_who_needs_two() {
    model(|| {
        let buffer = buffer(2);
        buffer.push_batch(vec![1, 2]).unwrap();
        let bulk = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.offer_batch_within(vec![4, 5], FOREVER).unwrap())
        };
        let single = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.offer_within(3, FOREVER).unwrap())
        };
        assert_eq!(buffer.pop(), Ok(1));
        // The single one fits now whatever the bulk one does, and must not need another pop.
        single.join().unwrap();
        assert_eq!(buffer.pop_batch(2).unwrap(), [2, 3]);
        bulk.join().unwrap();
        assert_eq!(buffer.drain(), [4, 5]);
    });
}

#[test]
fn closing_wakes_who_waits() {
    model(|| {
        let buffer = buffer(1);
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(FOREVER))
        };
        buffer.close();
        assert_eq!(consumer.join().unwrap(), Err(BufferError::Closed));
    });
}

#[test]
fn a_waiter_who_leaves_passes_his_wake_up_on() {
    model(|| {
        let buffer = buffer(2);
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(FOREVER))
        };
        let leaver = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || drop(buffer.wait_for_item()))
        };
        buffer.push(1).unwrap();
        assert_eq!(consumer.join().unwrap(), Ok(1));
        leaver.join().unwrap();
    });
}

#[cfg(feature = "lock_free")]
mod mpsc {
    use super::{Arc, Config, FOREVER, model, thread};
    use elasticq::{BufferError, LockFreeMPSCQueue};

    fn between(min: usize, max: usize) -> Config {
        Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(max)
    }

    #[test]
    fn two_producers_and_a_consumer_lose_nothing() {
        model(|| {
            let (producer, mut consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
            let other = producer.clone();
            let threads = [thread::spawn(move || producer.try_enqueue(1)), thread::spawn(move || other.try_enqueue(2))];
            let mut sum = 0;
            sum += consumer.try_dequeue().unwrap_or(None).unwrap_or(0);
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
            while let Ok(Some(item)) = consumer.try_dequeue() {
                sum += item;
            }
            assert_eq!(sum, 3);
            assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
        });
    }

    #[test]
    fn two_producers_who_fill_it_grow_it_together() {
        model(|| {
            let (producer, mut consumer) = LockFreeMPSCQueue::new(between(1, 2)).unwrap().split();
            let other = producer.clone();
            let threads = [
                thread::spawn(move || producer.try_enqueue(Box::new(1)).unwrap()),
                thread::spawn(move || other.try_enqueue(Box::new(2)).unwrap()),
            ];
            let first = consumer.try_dequeue().unwrap_or(None).map_or(0, |item| *item);
            for thread in threads {
                thread.join().unwrap();
            }
            let mut sum = first;
            while let Ok(Some(item)) = consumer.try_dequeue() {
                sum += *item;
            }
            assert_eq!(sum, 3);
        });
    }

    #[test]
    fn a_consumer_who_shrinks_and_a_producer_who_pushes_agree() {
        model(|| {
            let queue = LockFreeMPSCQueue::new(between(1, 8)).unwrap();
            queue.offer_batch(vec![1, 2, 3]).unwrap();
            let (producer, mut consumer) = queue.split();
            let thread = thread::spawn(move || {
                producer.try_enqueue(4).unwrap();
                producer.try_enqueue(5).unwrap();
            });
            let mut taken = Vec::new();
            for _ in 0..3 {
                taken.extend(consumer.try_dequeue().unwrap());
            }
            thread.join().unwrap();
            while let Ok(Some(item)) = consumer.try_dequeue() {
                taken.push(item);
            }
            assert_eq!(taken, [1, 2, 3, 4, 5]);
        });
    }

    #[test]
    fn an_item_reaches_a_consumer_who_waits() {
        model(|| {
            let (producer, mut consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
            let thread = thread::spawn(move || {
                producer.try_enqueue(7).unwrap();
                producer
            });
            assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(7)));
            drop(thread.join().unwrap());
        });
    }

    #[test]
    fn room_reaches_a_producer_who_waits() {
        model(|| {
            let (producer, mut consumer) = LockFreeMPSCQueue::new(between(1, 1)).unwrap().split();
            let thread = thread::spawn(move || {
                producer.offer_within(1, FOREVER).unwrap();
                producer.offer_within(2, FOREVER).unwrap();
            });
            assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(1)));
            assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(2)));
            thread.join().unwrap();
        });
    }

    #[test]
    fn closing_while_a_producer_pushes_leaves_the_item_in_or_out() {
        model(|| {
            let queue = Arc::new(LockFreeMPSCQueue::new(between(1, 2)).unwrap());
            let thread = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || u32::from(queue.try_enqueue(Box::new(1)).is_ok()))
            };
            queue.close();
            let pushed = thread.join().unwrap();
            let mut taken = 0;
            while let Ok(Some(item)) = queue.try_dequeue() {
                taken += *item;
            }
            assert_eq!(taken, pushed);
        });
    }

    #[test]
    fn a_second_consumer_is_refused_and_nothing_breaks() {
        model(|| {
            let queue = Arc::new(LockFreeMPSCQueue::new(between(2, 2)).unwrap());
            queue.offer_batch(vec![1, 2]).unwrap();
            let take = |queue: &LockFreeMPSCQueue<u32>| match queue.try_dequeue() {
                Ok(item) => item.unwrap(),
                Err(error) => {
                    assert!(matches!(error, BufferError::InvalidOperation(_)));
                    0
                }
            };
            let thread = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || take(&queue))
            };
            let mut sum = take(&queue) + thread.join().unwrap();
            loop {
                match queue.try_dequeue() {
                    Ok(Some(item)) => sum += item,
                    other => {
                        assert_eq!(other, Ok(None));
                        break;
                    }
                }
            }
            assert_eq!(sum, 3);
        });
    }
}

mod lock {
    use super::{Arc, model, thread};
    use elasticq::PatientLock;
    use loom::cell::UnsafeCell;

    struct Counter {
        lock: PatientLock,
        count: UnsafeCell<u32>,
    }

    // SAFETY: the count is touched under the lock only, which is what the model checks.
    unsafe impl Sync for Counter {}

    impl Counter {
        fn increment(&self) {
            self.lock.take();
            self.count.with_mut(|count| {
                // SAFETY: as above; loom finds it if two threads are here at once.
                unsafe { *count += 1 };
            });
            self.lock.give_back();
        }
    }

    #[test]
    fn three_threads_exclude_each_other_and_none_sleeps_for_ever() {
        model(|| {
            let counter = Arc::new(Counter { lock: PatientLock::new(), count: UnsafeCell::new(0) });
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let counter = Arc::clone(&counter);
                    thread::spawn(move || counter.increment())
                })
                .collect();
            counter.increment();
            for thread in threads {
                thread.join().unwrap();
            }
            counter.increment();
            // SAFETY: the other threads are done.
            assert_eq!(counter.count.with(|count| unsafe { *count }), 4);
        });
    }
}
