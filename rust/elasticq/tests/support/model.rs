//! What the models share. loom runs every interleaving of a few threads, and it finds a lost wake-up as a
//! deadlock.

use std::time::Duration;

/// Longer than any clock: the call waits for ever, so a lost wake-up is a deadlock.
#[allow(dead_code)] // not every target has a model that needs it
pub const FOREVER: Duration = Duration::MAX;

/// Runs a model with up to three preemptions per run. With so few, loom's authors found nearly all bugs.
/// LOOM_MAX_PREEMPTIONS sets another number.
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 10_000;
    builder.check(body);
}

/// Runs a model without the fences that stand for a process-wide barrier. No thread in it may wait. On the
/// machine these fences are not there either, and they would hide whether the orders of the accesses around
/// them are needed.
#[cfg(feature = "lock_free")]
#[allow(dead_code)] // not every target has such a model
pub fn unfenced_model(body: impl Fn() + Sync + Send + 'static) {
    elasticq::unfenced(|| model(body));
}

/// Runs a model with one preemption less, for threads that do much.
#[allow(dead_code)] // not every target has such a model
pub fn large_model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3)).map(|bound| bound - 1);
    builder.max_branches = 10_000;
    builder.check(body);
}

/// A configuration that starts at `min` and may grow to `max`.
pub fn between(min: usize, max: usize) -> elasticq::Config {
    elasticq::Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(max)
}

/// The models of two ends that wait for each other, for one of the queues without locks. Items have something
/// on the heap, which shows a slot that is read twice or too early.
#[allow(unused_macros)]
macro_rules! ends_that_wait {
    ($queue:ident) => {
        #[test]
        #[allow(unused_mut)] // one kind of producer needs it
        fn an_item_reaches_a_consumer_who_waits() {
            model(|| {
                let (mut producer, mut consumer) = $queue::new(between(2, 2)).unwrap().split();
                let thread = thread::spawn(move || {
                    producer.try_enqueue(Box::new(7)).unwrap();
                    producer // not dropped, since that would wake the consumer, too
                });
                assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(Box::new(7))));
                drop(thread.join().unwrap());
            });
        }

        #[test]
        #[allow(unused_mut)]
        fn room_reaches_a_producer_who_waits() {
            model(|| {
                let (mut producer, mut consumer) = $queue::new(between(1, 1)).unwrap().split();
                let thread = thread::spawn(move || {
                    producer.offer_within(Box::new(1), FOREVER).unwrap();
                    producer.offer_within(Box::new(2), FOREVER).unwrap();
                    producer
                });
                assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(Box::new(1))));
                assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(Box::new(2))));
                drop(thread.join().unwrap());
            });
        }

        #[test]
        #[allow(unused_mut)]
        fn a_batch_that_waited_holds_no_more_than_the_queue_can() {
            model(|| {
                let (mut producer, mut consumer) = $queue::new(between(1, 1)).unwrap().split();
                let thread = thread::spawn(move || {
                    let pushed = [1, 2].map(|n| producer.try_enqueue(Box::new(n)).is_ok());
                    (pushed, producer)
                });
                assert_eq!(consumer.dequeue_batch_within(9, FOREVER), Ok(vec![Box::new(1)]));
                drop(thread.join().unwrap());
            });
        }

        #[test]
        #[allow(unused_mut)]
        fn room_for_all_reaches_a_batch_that_waits() {
            model(|| {
                let (mut producer, mut consumer) = $queue::new(between(2, 2)).unwrap().split();
                producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
                let thread = thread::spawn(move || {
                    producer.offer_batch_within(vec![Box::new(3), Box::new(4)], FOREVER).unwrap();
                    producer
                });
                assert_eq!(consumer.try_dequeue(), Ok(Some(Box::new(1))));
                assert_eq!(consumer.try_dequeue(), Ok(Some(Box::new(2))));
                drop(thread.join().unwrap());
                assert_eq!(consumer.dequeue_batch(3), Ok(vec![Box::new(3), Box::new(4)]));
            });
        }

        #[test]
        #[allow(unused_mut)]
        fn the_first_of_a_batch_wakes_who_waits_for_it() {
            model(|| {
                let (mut producer, mut consumer) = $queue::new(between(2, 2)).unwrap().split();
                let thread = thread::spawn(move || {
                    producer.try_enqueue(Box::new(1)).unwrap();
                    producer.try_enqueue(Box::new(2)).unwrap();
                    producer
                });
                let mut taken = consumer.dequeue_batch_within(2, FOREVER).unwrap();
                assert!(taken == [Box::new(1)] || taken == [Box::new(1), Box::new(2)], "{taken:?}");
                drop(thread.join().unwrap());
                taken.extend(consumer.dequeue_batch(2).unwrap_or_default());
                assert_eq!(taken, [Box::new(1), Box::new(2)]);
            });
        }
    };
}
#[allow(unused_imports)] // as above
pub(crate) use ends_that_wait;
