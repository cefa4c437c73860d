//! Models of `DynamicCircularBuffer`, on the real code; `scripts/test loom` runs them.
#![cfg(loom)]

#[path = "support/model.rs"]
mod support;

use elasticq::{BufferError, DynamicCircularBuffer, Parts};
use loom::thread;
use std::mem::MaybeUninit;
use std::sync::Arc;
use support::{FOREVER, between, model};

fn buffer(max: usize) -> Arc<DynamicCircularBuffer<u32>> {
    Arc::new(DynamicCircularBuffer::new(between(1, max)).unwrap())
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

/// This holds however many items come in the meantime.
#[test]
fn a_batch_ends_with_what_was_there() {
    model(|| {
        let buffer = buffer(1);
        buffer.push(1).unwrap();
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || [2, 3].map(|n| buffer.push(n).is_ok()))
        };
        assert_eq!(buffer.pop_batch(9), Ok(vec![1]));
        producer.join().unwrap();
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
        // The single item fits now, whatever the bulk producer does. Its producer must not need another pop.
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
fn it_is_closed_unused_once_or_used() {
    model(|| {
        let buffer = buffer(2);
        let other = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.close_unused())
        };
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.push(1).is_ok())
        };
        let closed = [buffer.close_unused(), other.join().unwrap()];
        let pushed = producer.join().unwrap();
        assert_eq!(closed.iter().filter(|&&closed| closed).count(), usize::from(!pushed));
        assert_eq!((buffer.len(), buffer.is_closed()), (usize::from(pushed), !pushed));
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

mod lock {
    use super::{Arc, model, thread};
    use elasticq::PatientLock;
    use loom::cell::UnsafeCell;

    struct Counter {
        lock: PatientLock,
        count: UnsafeCell<u32>,
    }

    // SAFETY: the count is touched only under the lock, which is what the model checks.
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

#[test]
fn a_forced_item_reaches_a_consumer_who_waits() {
    model(|| {
        let buffer = buffer(1);
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(FOREVER))
        };
        buffer.force_push(7).unwrap();
        assert_eq!(consumer.join().unwrap(), Ok(7));
    });
}

#[test]
fn what_is_forced_in_is_taken_evicted_or_there() {
    model(|| {
        let buffer = buffer(1);
        let other = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.force_push(1).unwrap())
        };
        let evicted = buffer.force_push(2).unwrap();
        let taken = buffer.try_pop().ok();
        let evicted_by_other = other.join().unwrap();
        let mut all: Vec<_> = [evicted, taken, evicted_by_other].into_iter().flatten().chain(buffer.drain()).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn room_that_evicting_leaves_reaches_a_producer_who_waits() {
    model(|| {
        let buffer = buffer(2);
        buffer.push_batch(vec![1, 2]).unwrap();
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.offer_within(4, FOREVER).unwrap())
        };
        assert_eq!(buffer.offer_evicting(vec![3], 2).unwrap(), [1, 2]);
        producer.join().unwrap();
        assert_eq!(buffer.drain(), [3, 4]);
    });
}

#[test]
fn room_that_the_newest_item_leaves_reaches_a_producer_who_waits() {
    model(|| {
        let buffer = buffer(1);
        buffer.push(1).unwrap();
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.offer_within(2, FOREVER).unwrap())
        };
        assert_eq!(buffer.try_pop_newest(), Ok(1));
        producer.join().unwrap();
        assert_eq!(buffer.drain(), [2]);
    });
}

#[test]
fn room_that_the_newest_items_leave_reaches_a_producer_who_waits() {
    model(|| {
        let buffer = buffer(1);
        buffer.push(1).unwrap();
        let producer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.offer_within(2, FOREVER).unwrap())
        };
        assert_eq!(buffer.pop_newest_into(&mut [const { MaybeUninit::uninit() }; 2]), Ok(1));
        producer.join().unwrap();
        assert_eq!(buffer.drain(), [2]);
    });
}
