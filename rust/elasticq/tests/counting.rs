//! No sum of positions, lengths and capacities overflows. A batch that a queue can't count is refused at once
//! and given back.
//!
//! These tests need items without a size: a `Vec<()>` may have `usize::MAX` of them. Run them with and
//! without overflow checks.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom), target_pointer_width = "64"))]

mod support;

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{
    Buffer, BufferError, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts,
    Rejected,
};
use std::sync::Arc;
use std::time::Duration;
use support::between;

/// There are this many positions for batches.
const HALF: usize = 1 << 63;

fn nothings(count: usize) -> Vec<()> {
    vec![(); count]
}

/// A way to add a batch.
type Offer = Box<dyn Fn(Vec<()>) -> Result<(), Rejected<Vec<()>>>>;

/// A queue with its ways to add a batch, each with a name.
struct Subject {
    queue: Box<dyn Buffer<()>>,
    ways: Vec<(&'static str, Offer)>,
}

/// All five queues, each with ten items inside and room for up to `max`.
fn subjects(max: usize) -> Vec<Subject> {
    const PATIENCE: Duration = Duration::from_secs(3600);
    macro_rules! subject {
        ($queue:expr, $($way:literal => |$it:ident, $items:ident| $call:expr),+ $(,)?) => {{
            let queue = Arc::new($queue.unwrap());
            queue.push_batch(nothings(10)).unwrap();
            let ways: Vec<(&'static str, Offer)> = vec![$({
                let $it = Arc::clone(&queue);
                ($way, Box::new(move |$items| $call))
            }),+];
            Subject { queue: Box::new(queue), ways }
        }};
    }
    let config = between(4, max);
    let leveled = PriorityConfig::default().with_base_config(config.clone());
    vec![
        subject!(DynamicCircularBuffer::new(config.clone()),
            "locked, at once" => |buffer, items| buffer.offer_batch(items),
            "locked, in time" => |buffer, items| buffer.offer_batch_within(items, PATIENCE),
            "locked, again" => |buffer, items| buffer.offer_batch_again(items),
        ),
        subject!(PriorityCircularBuffer::new(leveled),
            "levels, at once" => |buffer, items| buffer.offer_batch_with_priority(items, 1),
            "levels, in time" => |buffer, items| buffer.offer_batch_with_priority_within(items, 1, PATIENCE),
            "levels, again" => |buffer, items| buffer.offer_batch_again_with_priority(items, 1),
            "another level" => |buffer, items| buffer.offer_batch_with_priority(items, 2),
        ),
        subject!(LockFreeMPSCQueue::new(config.clone()),
            "mpsc, at once" => |queue, items| queue.offer_batch(items),
            "mpsc, in time" => |queue, items| queue.offer_batch_within(items, PATIENCE),
            "mpsc, again" => |queue, items| queue.offer_batch_again(items),
        ),
        subject!(LockFreeMPMCQueue::new(config.clone()),
            "mpmc, at once" => |queue, items| queue.offer_batch(items),
            "mpmc, in time" => |queue, items| queue.offer_batch_within(items, PATIENCE),
            "mpmc, again" => |queue, items| queue.offer_batch_again(items),
        ),
        subject!(LockFreeSPSCQueue::new(config),
            "spsc, at once" => |queue, items| queue.offer_batch(items),
            "spsc, in time" => |queue, items| queue.offer_batch_within(items, PATIENCE),
            "spsc, again" => |queue, items| queue.offer_batch_again(items),
        ),
    ]
}

#[test]
fn a_batch_that_can_not_be_counted_comes_back_at_once_and_nothing_is_lost() {
    for max in [100, HALF - 1, HALF, HALF + 1, usize::MAX] {
        for Subject { queue, ways } in subjects(max) {
            for (way, offer) in &ways {
                for count in [HALF + 1, usize::MAX - 10, usize::MAX - 9, usize::MAX - 1, usize::MAX] {
                    let (reason, items) = offer(nothings(count)).unwrap_err().into_parts();
                    assert_eq!(items.len(), count, "{way}");
                    let named = match &reason {
                        BufferError::MaxCapacityReached(max) => count > *max,
                        BufferError::Full => count + 10 > max,
                        BufferError::InvalidOperation(text) => text.contains(&count.to_string()),
                        _ => false,
                    };
                    assert!(named, "{way}, at most {max}, a batch of {count}: {reason}");
                    assert_eq!((queue.len(), queue.stats().messages_enqueued), (10, 10), "{way}");
                }
            }
            queue.push_batch(nothings(3)).unwrap();
            assert_eq!(queue.pop_batch(100).unwrap().len(), 13);
            queue.close();
            for (way, offer) in &ways {
                assert_eq!(offer(nothings(usize::MAX)).unwrap_err().reason(), &BufferError::Closed, "{way}");
            }
        }
    }
}

#[test]
fn the_handles_of_producers_refuse_them_too() {
    macro_rules! refuses {
        ($($queue:ident)*) => {$({
            #[allow(unused_mut)]
            let (mut producer, mut consumer) = $queue::new(between(4, usize::MAX)).unwrap().split();
            producer.try_enqueue(()).unwrap();
            producer.try_enqueue(()).unwrap(); // by now the producer knows its position
            for count in [usize::MAX, usize::MAX - 1, usize::MAX - 2] {
                let (reason, items) = producer.offer_batch(nothings(count)).unwrap_err().into_parts();
                assert!(matches!(&reason, BufferError::InvalidOperation(text) if text.contains(&count.to_string())), "{reason}");
                assert_eq!(items.len(), count);
            }
            producer.offer_batch(nothings(2)).unwrap();
            assert_eq!(consumer.dequeue_batch(10).unwrap().len(), 4);
        })*};
    }
    refuses!(LockFreeMPSCQueue LockFreeMPMCQueue LockFreeSPSCQueue);
}

/// A slot with a stamp takes memory even if its item does not.
#[test]
fn what_no_memory_can_hold_is_refused_as_that() {
    for subject in subjects(usize::MAX).into_iter().filter(|subject| subject.ways[0].0.starts_with("mp")) {
        for (way, offer) in &subject.ways {
            for count in [1 << 60, (1 << 61) - 10, 1 << 61, 1 << 62, HALF - 100] {
                let (reason, items) = offer(nothings(count)).unwrap_err().into_parts();
                assert!(matches!(reason, BufferError::ResizeError(_)), "{way}: {reason}");
                assert_eq!(items.len(), count);
            }
        }
        assert_eq!(subject.queue.pop_batch(100).unwrap().len(), 10);
    }
}

#[test]
fn a_ring_whose_positions_for_batches_are_used_up_still_takes_single_items() {
    let buffer = DynamicCircularBuffer::new(between(1, usize::MAX)).unwrap();
    for _ in 0..2 {
        buffer.push_batch(nothings(HALF / 2)).unwrap();
        assert_eq!((buffer.len(), buffer.clear()), (HALF / 2, HALF / 2));
    }
    assert_eq!(buffer.pushed(), 1 << 63);
    let (reason, items) = buffer.offer_batch(nothings(2)).unwrap_err().into_parts();
    assert_eq!(
        (items.len(), reason.to_string().contains("a batch of 2 items: must be at most 0")),
        (2, true),
        "{reason}"
    );
    assert!(matches!(buffer.force_push_batch(nothings(2)).unwrap_err().reason(), BufferError::InvalidOperation(_)));
    assert!(matches!(buffer.offer_with(2, |_| ()), Err(BufferError::InvalidOperation(_))));
    for _ in 0..100 {
        buffer.push(()).unwrap();
    }
    assert_eq!(
        (buffer.pop_batch(99).unwrap().len(), buffer.pop(), buffer.pop()),
        (99, Ok(()), Err(BufferError::Empty))
    );
    assert_eq!(buffer.stats().messages_enqueued, (1 << 63) + 100);
}

#[test]
fn a_batch_that_evicts_is_not_taken_for_a_shorter_one() {
    for max in [1, 64, usize::MAX] {
        let buffer = DynamicCircularBuffer::new(between(1, max)).unwrap();
        buffer.push(()).unwrap();
        for count in [usize::MAX, usize::MAX - 1, HALF] {
            let (reason, items) = buffer.force_push_batch(nothings(count)).unwrap_err().into_parts();
            assert_eq!(items.len(), count);
            assert!(
                matches!(&reason, BufferError::InvalidOperation(text) if text.contains(&count.to_string())),
                "{reason}"
            );
        }
        assert_eq!((buffer.len(), buffer.stats().messages_enqueued), (1, 1));
    }
}

/// The levels have more slots together than can be counted, and have counted more items than that.
#[test]
fn levels_that_hold_as_many_as_they_can_together() {
    let config = PriorityConfig::default().with_base_config(between(1, usize::MAX)).with_priority_levels(64);
    let buffer = PriorityCircularBuffer::new(config).unwrap();
    for priority in 0..3 {
        buffer.push_batch_with_priority(nothings(HALF / 2 + 1), priority).unwrap();
    }
    buffer.push_with_priority((), 3).unwrap();
    let left = usize::MAX - 3 * (HALF / 2 + 1) - 1;
    assert_eq!(buffer.offer_batch_with_priority(nothings(left + 1), 4).unwrap_err().reason(), &BufferError::Full);
    buffer.push_batch_with_priority(nothings(left), 4).unwrap();
    assert_eq!((buffer.len(), buffer.push(())), (usize::MAX, Err(BufferError::MaxCapacityReached(usize::MAX))));
    assert_eq!(buffer.clear(), usize::MAX);
    for priority in 5..9 {
        buffer.push_batch_with_priority(nothings(HALF), priority).unwrap();
        assert!(buffer.offer_batch_with_priority(nothings(2), priority).is_err());
        assert_eq!(buffer.clear(), HALF);
    }
    let stats = buffer.stats();
    assert_eq!((stats.pushed_per_priority[8], stats.len_per_priority[8]), (1 << 63, 0));
    let both = Buffer::stats(&buffer);
    let counts = (both.messages_enqueued, both.messages_dequeued, both.current_size);
    assert_eq!(counts, (both.messages_dropped, 0, 0));
}

#[test]
fn refusals_that_add_up_to_more_than_a_counter_holds_break_nothing() {
    for Subject { queue, ways } in subjects(100) {
        for (_, offer) in ways.iter().chain(&ways) {
            offer(nothings(usize::MAX)).unwrap_err();
        }
        assert_eq!(queue.stats().current_size, 10);
    }
    let levels = PriorityCircularBuffer::new(PriorityConfig::default()).unwrap();
    for priority in 0..3 {
        levels.offer_batch_with_priority(nothings(usize::MAX), priority).unwrap_err();
    }
    assert_eq!(levels.stats().refused_per_priority, [u64::MAX; 3]);
}

#[test]
fn the_largest_capacities_are_taken_or_refused_by_name() {
    for capacity in [HALF - 1, HALF, HALF + 1, usize::MAX - 1, usize::MAX] {
        let config = between(capacity, capacity);
        let leveled = PriorityConfig::default().with_base_config(config.clone());
        let made: [Result<Box<dyn Buffer<()>>, _>; 5] = [
            DynamicCircularBuffer::new(config.clone()).map(|queue| Box::new(queue) as _),
            PriorityCircularBuffer::new(leveled).map(|queue| Box::new(queue) as _),
            LockFreeMPSCQueue::new(config.clone()).map(|queue| Box::new(queue) as _),
            LockFreeMPMCQueue::new(config.clone()).map(|queue| Box::new(queue) as _),
            LockFreeSPSCQueue::new(config).map(|queue| Box::new(queue) as _),
        ];
        for queue in made {
            match queue {
                Err(BufferError::InvalidConfiguration(text)) => {
                    assert!(text.contains(&format!("initial_capacity = {capacity}")), "{text}");
                }
                Err(error) => panic!("{error}"),
                Ok(queue) => {
                    assert_eq!(queue.capacity(), capacity);
                    for _ in 0..100 {
                        queue.push(()).unwrap();
                    }
                    assert_eq!((queue.pop_batch(99).unwrap().len(), queue.len(), queue.try_pop()), (99, 1, Ok(())));
                }
            }
        }
    }
}
