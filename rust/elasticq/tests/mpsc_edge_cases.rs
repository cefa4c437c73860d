//! `LockFreeMPSCQueue` at its extremes: sizes, factors, kinds of items, closing, orders of dropping.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{Buffer, BufferError, Config, LockFreeMPSCQueue};
use std::mem::{align_of, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Drops, FOREVER, between};

// ---- sizes and factors

#[test]
fn one_place_is_enough() {
    let queue = LockFreeMPSCQueue::new(between(1, 1)).unwrap();
    for number in 0..1000 {
        queue.try_enqueue(number).unwrap();
        assert_eq!(queue.try_enqueue(number), Err(BufferError::MaxCapacityReached(1)));
        assert_eq!((queue.len(), queue.capacity()), (1, 1));
        assert_eq!(queue.try_dequeue(), Ok(Some(number)));
        assert_eq!(queue.try_dequeue(), Ok(None));
        queue.offer_batch(vec![number]).unwrap();
        let (reason, items) = queue.offer_batch(vec![1, 2]).unwrap_err().into_parts();
        assert_eq!((reason, items), (BufferError::MaxCapacityReached(1), vec![1, 2]));
        assert_eq!(queue.dequeue_batch(2), Ok(vec![number]));
    }
}

#[test]
fn a_queue_of_fixed_size_never_resizes() {
    for capacity in [1, 2, 3, 7, 8, 100, 1000] {
        let queue = LockFreeMPSCQueue::new(between(capacity, capacity)).unwrap();
        for _ in 0..10 {
            for number in 0..capacity {
                queue.try_enqueue(number).unwrap();
            }
            assert_eq!(queue.try_enqueue(0), Err(BufferError::MaxCapacityReached(capacity)));
            assert_eq!(queue.dequeue_batch(usize::MAX), Ok((0..capacity).collect()));
            assert_eq!(queue.dequeue_batch(usize::MAX), Ok(vec![]));
        }
        let stats = queue.stats();
        assert_eq!((stats.grown, stats.shrunk, stats.current_capacity), (0, 0, capacity));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name_and_value() {
    let refused = |config: Config| match LockFreeMPSCQueue::<u8>::new(config) {
        Err(BufferError::InvalidConfiguration(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(between(8, 8).with_max_capacity(4)), "min_capacity = 8: must be at most max_capacity = 4");
    assert_eq!(
        refused(between(1, 8).with_initial_capacity(9)),
        "initial_capacity = 9: must be from min_capacity = 1 to max_capacity = 8"
    );
    for (config, field) in [
        (between(0, 8), "min_capacity"),
        (between(1, 0), "max_capacity"),
        (between(1, 8).with_initial_capacity(0), "initial_capacity"),
        (between(1, 8).with_growth_factor(1.0), "growth_factor"),
        (between(1, 8).with_growth_factor(f64::NAN), "growth_factor"),
        (between(1, 8).with_growth_factor(f64::INFINITY), "growth_factor"),
        (between(1, 8).with_shrink_threshold(1.0), "shrink_threshold"),
        (between(1, 8).with_shrink_threshold(f64::NAN), "shrink_threshold"),
        (between(usize::MAX, usize::MAX), "initial_capacity"),
    ] {
        let text = refused(config.clone());
        assert!(text.starts_with(field), "{config:?}: {text}");
    }
}

#[test]
fn factors_near_one_and_huge_ones_grow_and_shrink() {
    for growth in [1.0 + f64::EPSILON, 1.000_001, 1.01, 1.5, 3.7, 1e9, f64::MAX] {
        for shrink in [f64::MIN_POSITIVE, 0.25, 0.999_999] {
            let config = between(1, 5000).with_growth_factor(growth).with_shrink_threshold(shrink);
            let queue = LockFreeMPSCQueue::new(config).unwrap();
            for number in 0..3000 {
                queue.try_enqueue(number).unwrap();
            }
            queue.offer_batch((3000..5000).collect()).unwrap();
            assert_eq!(queue.capacity(), 5000, "{growth} {shrink}");
            assert_eq!(queue.try_enqueue(0), Err(BufferError::MaxCapacityReached(5000)));
            for number in 0..5000 {
                assert_eq!(queue.try_dequeue(), Ok(Some(number)), "{growth} {shrink}");
            }
            assert_eq!((queue.try_dequeue(), queue.capacity()), (Ok(None), 1), "{growth} {shrink}");
        }
    }
}

#[test]
fn where_a_whole_growth_step_cannot_be_had_what_is_needed_will_do() {
    let config = between(4, usize::MAX).with_growth_factor(f64::MAX);
    let queue = LockFreeMPSCQueue::new(config).unwrap();
    for number in 0..10 {
        queue.try_enqueue(number).unwrap();
    }
    queue.offer_batch((10..100).collect()).unwrap();
    assert_eq!(queue.dequeue_batch(200), Ok((0..100).collect()));
    assert_eq!((queue.try_dequeue(), queue.capacity()), (Ok(None), 4));
}

#[test]
fn a_batch_of_nothing_is_no_work() {
    let queue = LockFreeMPSCQueue::<u8>::new(between(1, 1)).unwrap();
    queue.offer_batch(vec![]).unwrap();
    queue.try_enqueue(1).unwrap();
    queue.offer_batch(vec![]).unwrap();
    assert_eq!(queue.dequeue_batch(0), Ok(vec![]));
    assert_eq!((queue.len(), queue.stats().messages_enqueued), (1, 1));
}

// ---- items

#[test]
fn items_without_size_are_counted_and_dropped() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    assert_eq!(size_of::<Nothing>(), 0);
    let queue = LockFreeMPSCQueue::new(between(1, 100)).unwrap();
    queue.offer_batch((0..60).map(|_| Nothing).collect()).unwrap();
    for _ in 0..40 {
        queue.offer(Nothing).unwrap();
    }
    assert_eq!(queue.offer(Nothing).unwrap_err().reason(), &BufferError::MaxCapacityReached(100));
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
    assert_eq!(queue.dequeue_batch(70).unwrap().len(), 70);
    assert_eq!((DROPPED.load(Ordering::Relaxed), queue.len()), (71, 30));
    drop(queue);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 101);
}

#[test]
fn items_of_large_alignment_stand_where_they_must() {
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    impl Drop for Aligned {
        fn drop(&mut self) {
            assert_eq!(std::ptr::from_ref(self).addr() % align_of::<Self>(), 0);
        }
    }
    let queue = LockFreeMPSCQueue::new(between(1, 200)).unwrap();
    for number in 0..100 {
        queue.try_enqueue(Aligned(number)).unwrap();
    }
    queue.offer_batch((100..200).map(Aligned).collect()).unwrap();
    for number in 0..100 {
        assert_eq!(queue.try_dequeue(), Ok(Some(Aligned(number))));
    }
    drop(queue);
}

#[test]
fn large_items_come_out_whole() {
    let queue = LockFreeMPSCQueue::new(between(1, 64)).unwrap();
    for lap in 0..10_u64 {
        for number in 0..64 {
            queue.try_enqueue([lap * 64 + number; 512]).unwrap();
        }
        for number in 0..64 {
            assert_eq!(queue.try_dequeue(), Ok(Some([lap * 64 + number; 512])));
        }
    }
}

/// As with a `Vec`, all other items are dropped first. Then the panic goes on to the caller that drops the
/// queue.
#[test]
fn an_item_whose_drop_panics_keeps_no_other_from_being_dropped() {
    struct Item(support::Counted);
    impl Drop for Item {
        fn drop(&mut self) {
            if self.0.0 == 3 {
                resume_unwind(Box::new("on purpose"));
            }
        }
    }
    for taken in [0, 3, 4] {
        let drops = Drops::new(20);
        let queue = LockFreeMPSCQueue::new(between(1, 32)).unwrap();
        for number in 0..20 {
            queue.offer(Item(drops.item(number))).unwrap();
        }
        for _ in 0..taken {
            let item = queue.try_dequeue().unwrap().unwrap();
            let panics = item.0.0 == 3;
            assert_eq!(catch_unwind(AssertUnwindSafe(|| drop(item))).is_err(), panics);
        }
        assert_eq!(queue.len(), 20 - taken);
        assert_eq!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err(), taken <= 3);
        assert_eq!(drops.counts(), [1; 20]);
    }
}

// ---- closing and dropping

#[test]
fn a_closed_queue_gives_what_is_inside_and_refuses_more() {
    let queue = LockFreeMPSCQueue::new(between(4, 64)).unwrap();
    queue.offer_batch(vec![1, 2, 3]).unwrap();
    queue.close();
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.try_enqueue(4), Err(BufferError::Closed));
    assert_eq!(queue.offer(5).unwrap_err().into_parts(), (BufferError::Closed, 5));
    assert_eq!(queue.offer_batch(vec![6, 7]).unwrap_err().into_parts(), (BufferError::Closed, vec![6, 7]));
    assert_eq!(queue.offer_batch(vec![]).unwrap_err().into_parts(), (BufferError::Closed, vec![]));
    assert_eq!(queue.offer_within(8, FOREVER).unwrap_err().into_parts(), (BufferError::Closed, 8));
    assert_eq!(Buffer::push(&queue, 9), Err(BufferError::Closed));
    assert_eq!(queue.stats().messages_refused, 6);
    assert_eq!(queue.try_dequeue(), Ok(Some(1)));
    assert_eq!(queue.dequeue_batch(10), Ok(vec![2, 3]));
    assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_batch(10), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_within(FOREVER), Err(BufferError::Closed));
    assert_eq!(Buffer::pop(&queue), Err(BufferError::Closed));
}

#[test]
fn a_full_queue_that_is_closed_says_closed() {
    let queue = LockFreeMPSCQueue::new(between(2, 2)).unwrap();
    queue.offer_batch(vec![1, 2]).unwrap();
    queue.close();
    assert_eq!(queue.try_enqueue(3), Err(BufferError::Closed));
    assert_eq!(queue.dequeue_batch(3), Ok(vec![1, 2]));
}

#[test]
fn handles_may_go_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let drops = Drops::new(50);
        let (producer, mut consumer) = LockFreeMPSCQueue::new(between(1, 64)).unwrap().split();
        for number in 0..50 {
            producer.offer(drops.item(number)).unwrap();
        }
        drop(consumer.dequeue_batch(5).unwrap());
        let (mut first, mut second, mut consumer) = (Some(producer.clone()), Some(producer), Some(consumer));
        for handle in order {
            match handle {
                0 => drop(first.take()),
                1 => drop(second.take()),
                _ => drop(consumer.take()),
            }
            let producers = [&first, &second].into_iter().flatten().count();
            if let Some(producer) = first.as_ref().or(second.as_ref()) {
                assert_eq!(producer.is_closed(), consumer.is_none(), "{order:?}");
                assert_eq!(producer.len(), if consumer.is_some() { 45 } else { 0 });
            }
            if let Some(consumer) = &consumer {
                assert_eq!(consumer.is_closed(), producers == 0, "{order:?}");
                assert_eq!(consumer.len(), 45);
            }
        }
        assert_eq!(drops.counts(), [1; 50], "{order:?}");
    }
}

#[test]
fn a_queue_is_dropped_from_within_its_own_item() {
    struct Knot(Option<elasticq::lock_free::Producer<Knot>>);
    let (producer, consumer) = LockFreeMPSCQueue::new(between(1, 4)).unwrap().split();
    producer.offer(Knot(None)).unwrap();
    producer.offer(Knot(Some(producer.clone()))).unwrap();
    drop(producer);
    let mut consumer = consumer;
    assert!(consumer.try_dequeue().unwrap().unwrap().0.is_none());
    let knot = consumer.try_dequeue().unwrap().unwrap();
    drop(consumer);
    assert!(knot.0.as_ref().is_some_and(elasticq::lock_free::Producer::is_closed));
    drop(knot); // the last handle
}

#[test]
fn handles_can_be_sent_and_shown() {
    fn send<T: Send + std::fmt::Debug + 'static>(handle: T) -> String {
        std::thread::spawn(move || format!("{handle:?}")).join().unwrap()
    }
    // Items need to be `Send`, not `Sync`.
    let queue = || LockFreeMPSCQueue::<std::cell::Cell<u8>>::new(between(1, 4)).unwrap();
    let (producer, consumer) = queue().split();
    for shown in [send(queue()), send(producer), send(consumer)] {
        assert!(shown.contains("current_size: 0"), "{shown}");
    }
}

#[test]
fn the_configured_time_outs_are_those_of_push_and_pop() {
    let short = Duration::from_millis(2);
    let queue = LockFreeMPSCQueue::new(between(1, 1).with_push_timeout(short).with_pop_timeout(short)).unwrap();
    assert_eq!(Buffer::pop(&queue), Err(BufferError::Timeout(short)));
    assert_eq!(Buffer::push(&queue, 1), Ok(()));
    assert_eq!(Buffer::push(&queue, 2), Err(BufferError::Timeout(short)));
    assert_eq!(Buffer::pop(&queue), Ok(1));
    assert_eq!(Buffer::try_pop(&queue), Err(BufferError::Empty));
}
