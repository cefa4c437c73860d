//! Models of `PriorityCircularBuffer`, on the real code: a waiter is woken, whatever its level.
#![cfg(all(loom, feature = "priority"))]

#[path = "support/model.rs"]
mod support;

use elasticq::BufferError;
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use loom::future::block_on;
use loom::thread::{self, JoinHandle};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use support::{FOREVER, between, large_model, model};

type Shared = Arc<PriorityCircularBuffer<u32>>;

/// A buffer with two levels and `max` places. `limits` says how many of the places each level may have.
fn buffer(max: usize, limits: Option<[usize; 2]>) -> Shared {
    let mut config = PriorityConfig::default().with_base_config(between(1, max)).with_priority_levels(2);
    for (level, most) in limits.into_iter().flatten().enumerate() {
        config = config.with_max_capacity_at_priority(level, most);
    }
    Arc::new(PriorityCircularBuffer::new(config).unwrap())
}

/// Starts a thread that does something with the buffer.
fn with<R: 'static>(buffer: &Shared, act: impl FnOnce(&Shared) -> R + 'static) -> JoinHandle<R> {
    let buffer = Arc::clone(buffer);
    thread::spawn(move || act(&buffer))
}

/// Starts a task that waits for room at a level, and then puts `item` there.
fn sends(buffer: &Shared, item: u32, level: usize) -> JoinHandle<()> {
    with(buffer, move |buffer| block_on(buffer.send_with_priority(item, level)).unwrap())
}

/// Starts a producer that waits for room at a level, and then puts `item` there.
fn offers(buffer: &Shared, item: u32, level: usize) -> JoinHandle<()> {
    with(buffer, move |buffer| buffer.offer_with_priority_within(item, level, FOREVER).unwrap())
}

#[test]
fn a_pushed_item_reaches_a_consumer_who_waits() {
    model(|| {
        let buffer = buffer(2, None);
        let consumer = with(&buffer, |buffer| buffer.pop_within(FOREVER));
        buffer.push_with_priority(7, 1).unwrap();
        assert_eq!(consumer.join().unwrap(), Ok(7));
    });
}

/// This holds however many items come in the meantime.
#[test]
fn a_batch_ends_with_what_was_there() {
    model(|| {
        let buffer = buffer(1, None);
        buffer.push(1).unwrap();
        let producer = with(&buffer, |buffer| [2, 3].map(|n| buffer.push(n).is_ok()));
        assert_eq!(buffer.pop_batch(9), Ok(vec![1]));
        producer.join().unwrap();
    });
}

#[test]
fn two_items_of_two_levels_reach_two_consumers_who_wait() {
    model(|| {
        let buffer = buffer(2, None);
        let consumer = with(&buffer, |buffer| buffer.pop_within(FOREVER).unwrap());
        let producer = with(&buffer, |buffer| {
            buffer.push_with_priority(1, 0).unwrap();
            buffer.push_with_priority(2, 1).unwrap();
        });
        let sum = buffer.pop_within(FOREVER).unwrap() + consumer.join().unwrap();
        producer.join().unwrap();
        assert_eq!((sum, buffer.len()), (3, 0));
    });
}

#[test]
fn a_batch_reaches_two_consumers_who_wait() {
    model(|| {
        let buffer = buffer(2, None);
        let consumer = with(&buffer, |buffer| buffer.pop_within(FOREVER).unwrap());
        let producer = with(&buffer, |buffer| buffer.push_batch_with_priority(vec![1, 2], 0).unwrap());
        let sum = buffer.pop_within(FOREVER).unwrap() + consumer.join().unwrap();
        producer.join().unwrap();
        assert_eq!(sum, 3);
    });
}

#[test]
fn room_reaches_a_producer_who_waits() {
    model(|| {
        let buffer = buffer(1, None);
        let producer = with(&buffer, |buffer| {
            buffer.offer_with_priority_within(1, 0, FOREVER).unwrap();
            buffer.offer_with_priority_within(2, 1, FOREVER).unwrap();
        });
        assert_eq!(buffer.pop_within(FOREVER), Ok(1));
        assert_eq!(buffer.pop_within(FOREVER), Ok(2));
        producer.join().unwrap();
    });
}

#[test]
fn room_at_a_level_reaches_who_waits_for_it_past_one_who_waits_at_another() {
    model(|| {
        let buffer = buffer(2, Some([1, 1])); // so that a place that comes free is the only one in all
        buffer.push_with_priority(10, 0).unwrap();
        buffer.push_with_priority(11, 1).unwrap();
        let high = offers(&buffer, 21, 1);
        let low = offers(&buffer, 20, 0);
        // This place is of use only to the low producer, whatever the high one does.
        assert_eq!(buffer.pop_from_priority(0), Ok(10));
        low.join().unwrap();
        assert_eq!(buffer.pop_from_priority(1), Ok(11));
        high.join().unwrap();
    });
}

#[test]
fn a_place_at_a_high_level_is_not_lost_on_one_who_waits_at_a_low_one() {
    model(|| {
        let buffer = buffer(4, Some([1, 1]));
        buffer.push_with_priority(10, 0).unwrap();
        buffer.push_with_priority(11, 1).unwrap();
        let low = offers(&buffer, 20, 0);
        let high = offers(&buffer, 21, 1);
        assert_eq!(buffer.pop(), Ok(11));
        high.join().unwrap();
        assert_eq!(buffer.pop_from_priority(0), Ok(10));
        low.join().unwrap();
    });
}

#[test]
fn two_places_of_a_level_reach_the_two_who_wait_for_them() {
    model(|| {
        let buffer = buffer(4, Some([2, 2]));
        buffer.push_batch_with_priority(vec![1, 2], 0).unwrap();
        let producers = [offers(&buffer, 3, 0), offers(&buffer, 4, 0)];
        assert_eq!(buffer.pop_batch(2).unwrap(), [1, 2]);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert_eq!(buffer.len(), 2);
    });
}

#[test]
fn two_places_in_all_reach_two_who_wait_at_two_levels() {
    large_model(|| {
        let buffer = buffer(2, Some([2, 2]));
        buffer.push_batch_with_priority(vec![1, 2], 0).unwrap();
        let producers = [offers(&buffer, 3, 0), offers(&buffer, 4, 1)];
        assert_eq!((buffer.pop_from_priority(0), buffer.pop_from_priority(0)), (Ok(1), Ok(2)));
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert_eq!(buffer.drain(), [4, 3]);
    });
}

#[test]
fn two_places_in_all_reach_two_tasks_that_wait_at_two_levels() {
    large_model(|| {
        let buffer = buffer(2, Some([2, 2]));
        buffer.push_batch_with_priority(vec![1, 2], 0).unwrap();
        let producers = [sends(&buffer, 3, 0), sends(&buffer, 4, 1)];
        assert_eq!((buffer.pop_from_priority(0), buffer.pop_from_priority(0)), (Ok(1), Ok(2)));
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert_eq!(buffer.drain(), [4, 3]);
    });
}

/// The second place comes free while one producer is still using the first one, and still counts as coming.
fn one_place_after_the_other_reaches_two(producer: impl Fn(&Shared, u32, usize) -> JoinHandle<()>) {
    let buffer = buffer(1, Some([1, 1]));
    buffer.push_with_priority(10, 0).unwrap();
    let producers = [producer(&buffer, 20, 0), producer(&buffer, 21, 1)];
    let consumer = with(&buffer, |buffer| {
        assert_eq!(buffer.pop(), Ok(10));
        buffer.pop_within(FOREVER).unwrap()
    });
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    assert_eq!(consumer.join().unwrap() + buffer.pop().unwrap(), 41);
}

#[test]
fn one_place_after_the_other_reaches_two_who_wait_at_two_levels() {
    large_model(|| one_place_after_the_other_reaches_two(offers));
}

#[test]
fn one_place_after_the_other_reaches_two_tasks_that_wait_at_two_levels() {
    large_model(|| one_place_after_the_other_reaches_two(sends));
}

#[test]
fn who_comes_in_between_does_not_take_the_wake_up_of_another_level_along() {
    large_model(|| {
        let buffer = buffer(2, Some([1, 1]));
        buffer.push_with_priority(10, 0).unwrap();
        buffer.push_with_priority(11, 1).unwrap();
        let producers = [offers(&buffer, 20, 0), offers(&buffer, 21, 1)];
        assert_eq!(buffer.pop_batch(2).unwrap(), [11, 10]);
        // A producer that never waits may be faster than the one that was woken. The producer at the other
        // level has its place nevertheless.
        let came = buffer.offer_with_priority(31, 1).is_ok();
        let [low, high] = producers;
        low.join().unwrap();
        if came {
            assert_eq!(buffer.pop_from_priority(1), Ok(31));
        }
        high.join().unwrap();
        assert_eq!(buffer.drain(), [21, 20]);
    });
}

#[test]
fn who_takes_the_place_of_one_who_was_woken_looks_for_those_of_another_level() {
    large_model(|| {
        let buffer = buffer(2, Some([2, 1]));
        buffer.push_batch_with_priority(vec![1, 2], 0).unwrap();
        let [low, high] = [offers(&buffer, 20, 0), offers(&buffer, 21, 1)];
        // Both wake-ups may go to the higher level.
        assert_eq!((buffer.pop_from_priority(0), buffer.pop_from_priority(0)), (Ok(1), Ok(2)));
        // There this thread may be faster, and no second item fits.
        let came = buffer.offer_with_priority(31, 1).is_ok();
        low.join().unwrap();
        if came {
            assert_eq!(buffer.pop_from_priority(1), Ok(31));
        }
        high.join().unwrap();
        assert_eq!(buffer.drain(), [21, 20]);
    });
}

#[test]
fn one_free_place_is_not_lost_on_a_batch_of_another_level_that_needs_two() {
    large_model(|| {
        let buffer = buffer(2, Some([2, 2]));
        buffer.push_batch_with_priority(vec![1, 2], 0).unwrap();
        let batch = with(&buffer, |buffer| {
            buffer.offer_batch_with_priority_within(vec![4, 5], 1, FOREVER).unwrap();
        });
        let single = offers(&buffer, 3, 0);
        assert_eq!(buffer.pop_from_priority(0), Ok(1));
        single.join().unwrap();
        assert_eq!(buffer.pop_batch(2).unwrap(), [2, 3]);
        batch.join().unwrap();
        assert_eq!(buffer.drain(), [4, 5]);
    });
}

/// Polls a future once and drops it, as `select!` does when another branch is ready. Returns whether the
/// future was done.
fn give_up<F: Future>(future: F) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn who_gives_up_passes_his_wake_up_on_to_another_level() {
    model(|| {
        let buffer = buffer(1, Some([1, 1]));
        buffer.push_with_priority(10, 0).unwrap();
        let leaver = with(&buffer, |buffer| give_up(buffer.send_with_priority(21, 1)));
        let waiter = offers(&buffer, 20, 0);
        assert_eq!(buffer.pop(), Ok(10));
        if leaver.join().unwrap() {
            // Its item went in, so the waiter needs the next place.
            assert!(buffer.pop_within(FOREVER).is_ok());
        }
        waiter.join().unwrap();
    });
}

#[test]
fn a_task_that_gives_up_waiting_for_an_item_passes_his_wake_up_on() {
    model(|| {
        let buffer = buffer(2, None);
        let leaver = with(&buffer, |buffer| give_up(buffer.recv()));
        let consumer = with(&buffer, |buffer| buffer.pop_within(FOREVER));
        buffer.push_with_priority(1, 0).unwrap();
        if leaver.join().unwrap() {
            buffer.push_with_priority(2, 1).unwrap();
        }
        assert!(consumer.join().unwrap().is_ok());
    });
}

#[test]
fn tasks_are_woken_as_threads_are() {
    model(|| {
        let buffer = buffer(1, Some([1, 1]));
        let sender = with(&buffer, |buffer| {
            block_on(async {
                buffer.send_with_priority(1, 0).await.unwrap();
                buffer.send_with_priority(2, 1).await.unwrap();
            });
        });
        assert_eq!(block_on(buffer.recv()), Ok(1));
        assert_eq!(block_on(buffer.recv()), Ok(2));
        sender.join().unwrap();
    });
}

#[test]
fn closing_wakes_who_waits_for_an_item() {
    model(|| {
        let buffer = buffer(1, None);
        let consumer = with(&buffer, |buffer| buffer.pop_within(FOREVER));
        buffer.close();
        assert_eq!(consumer.join().unwrap(), Err(BufferError::Closed));
    });
}

#[test]
fn closing_wakes_who_waits_for_room_at_any_level() {
    model(|| {
        let buffer = buffer(2, Some([1, 1]));
        buffer.push_with_priority(10, 0).unwrap();
        buffer.push_with_priority(11, 1).unwrap();
        let producers = [0, 1].map(|level| {
            with(&buffer, move |buffer| buffer.offer_with_priority_within(20, level, FOREVER).unwrap_err().into_parts())
        });
        buffer.close();
        for producer in producers {
            assert_eq!(producer.join().unwrap(), (BufferError::Closed, 20));
        }
    });
}

#[test]
fn it_is_closed_unused_once_or_used() {
    model(|| {
        let buffer = buffer(2, None);
        let other = with(&buffer, |buffer| buffer.close_unused());
        let producer = with(&buffer, |buffer| buffer.push(1).is_ok());
        let closed = [buffer.close_unused(), other.join().unwrap()];
        let pushed = producer.join().unwrap();
        assert_eq!(closed.iter().filter(|&&closed| closed).count(), usize::from(!pushed));
        assert_eq!((buffer.len(), buffer.is_closed()), (usize::from(pushed), !pushed));
    });
}
