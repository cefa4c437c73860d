//! Models of the end of a split queue: the last consumer is dropped while producers are at work. Every item
//! is dropped once, while producers still live.
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::lock_free::{MpmcProducer, Producer, SpscProducer};
use elasticq::{BufferError, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, QueueStats};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{FOREVER, between, large_model, model};

/// How often each of the items of a model was dropped.
#[derive(Clone)]
struct Drops(Arc<[AtomicUsize]>);

/// An item that is counted when it is dropped. Its memory on the heap shows when a slot is read twice or too
/// early.
struct Item(Box<usize>, Drops);

impl Drops {
    fn new(items: usize) -> Self {
        Self((0..items).map(|_| AtomicUsize::new(0)).collect())
    }

    fn item(&self, number: usize) -> Item {
        Item(Box::new(number), self.clone())
    }

    fn batch(&self, numbers: std::ops::Range<usize>) -> Vec<Item> {
        numbers.map(|number| self.item(number)).collect()
    }

    #[track_caller]
    fn are_one_each(&self) {
        let counts: Vec<_> = self.0.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.1.0[*self.0].fetch_add(1, Ordering::SeqCst);
    }
}

/// Checks that all the `offered` items were dropped once, `taken` of them by consumers, and that dropping the
/// queue drops none again.
#[track_caller]
fn account(drops: &Drops, producer: impl Looks, offered: u64, taken: u64) {
    drops.are_one_each();
    let stats = producer.stats();
    assert_eq!((stats.current_size, stats.messages_dequeued), (0, taken), "{stats:?}");
    assert_eq!(stats.messages_enqueued, stats.messages_dequeued + stats.messages_dropped, "{stats:?}");
    assert_eq!(stats.messages_enqueued + stats.messages_refused, offered, "{stats:?}");
    drop(producer);
    drops.are_one_each();
}

/// A producer whose counts can be read.
trait Looks {
    fn stats(&self) -> QueueStats;
}

/// The models for all three queues.
macro_rules! ends {
    ($queue:ident $producer:ident) => {
        impl Looks for $producer<Item> {
            fn stats(&self) -> QueueStats {
                self.stats()
            }
        }

        fn queue(min: usize, max: usize) -> $queue<Item> {
            $queue::new(between(min, max)).unwrap()
        }

        #[test]
        fn a_push_under_way_leaves_nothing_behind() {
            model(|| {
                let drops = Drops::new(1);
                let (mut producer, consumer) = queue(2, 2).split();
                let item = drops.item(0);
                let thread = thread::spawn(move || {
                    let _ = producer.try_enqueue(item);
                    producer
                });
                drop(consumer);
                let producer = thread.join().unwrap();
                account(&drops, producer, 1, 0);
            });
        }

        #[test]
        fn a_push_under_way_behind_others_leaves_nothing_behind() {
            model(|| {
                let drops = Drops::new(3);
                let (mut producer, mut consumer) = queue(2, 2).split();
                producer.offer_batch(drops.batch(0..2)).unwrap();
                assert!(consumer.try_dequeue().unwrap().is_some());
                let item = drops.item(2);
                let thread = thread::spawn(move || {
                    let _ = producer.try_enqueue(item);
                    producer
                });
                drop(consumer);
                let producer = thread.join().unwrap();
                account(&drops, producer, 3, 1);
            });
        }

        #[test]
        fn a_batch_under_way_leaves_nothing_behind() {
            model(|| {
                let drops = Drops::new(2);
                let (mut producer, consumer) = queue(2, 2).split();
                let items = drops.batch(0..2);
                let thread = thread::spawn(move || {
                    let _ = producer.offer_batch(items);
                    producer
                });
                drop(consumer);
                let producer = thread.join().unwrap();
                account(&drops, producer, 2, 0);
            });
        }

        #[test]
        fn a_push_that_grows_leaves_nothing_behind() {
            large_model(|| {
                let drops = Drops::new(3);
                let (mut producer, consumer) = queue(1, 4).split();
                producer.try_enqueue(drops.item(0)).unwrap();
                let items = [drops.item(1), drops.item(2)];
                let thread = thread::spawn(move || {
                    for item in items {
                        let _ = producer.try_enqueue(item);
                    }
                    producer
                });
                drop(consumer);
                let producer = thread.join().unwrap();
                account(&drops, producer, 3, 0);
            });
        }

        /// Whichever end is dropped last frees the queue.
        #[test]
        fn both_ends_that_go_at_once_leave_nothing_behind() {
            model(|| {
                let drops = Drops::new(2);
                let (mut producer, consumer) = queue(1, 2).split();
                producer.try_enqueue(drops.item(0)).unwrap();
                let item = drops.item(1);
                let thread = thread::spawn(move || drop(producer.offer(item)));
                drop(consumer);
                thread.join().unwrap();
                drops.are_one_each();
            });
        }

        #[test]
        fn a_producer_who_waits_has_its_item_back() {
            model(|| {
                let drops = Drops::new(2);
                let (mut producer, consumer) = queue(1, 1).split();
                producer.try_enqueue(drops.item(0)).unwrap();
                let item = drops.item(1);
                let thread = thread::spawn(move || {
                    let (reason, item) = producer.offer_within(item, FOREVER).unwrap_err().into_parts();
                    assert_eq!((reason, *item.0), (BufferError::Closed, 1));
                    producer
                });
                drop(consumer);
                let producer = thread.join().unwrap();
                account(&drops, producer, 2, 0);
            });
        }
    };
}

/// The models for the queues with many producers.
macro_rules! ends_of_many {
    () => {
        /// The first push to claim may be the last to publish.
        #[test]
        fn two_pushes_under_way_leave_nothing_behind() {
            model(|| {
                let drops = Drops::new(2);
                let (producer, consumer) = queue(2, 2).split();
                let threads = [0, 1].map(|number| {
                    let (producer, item) = (producer.clone(), drops.item(number));
                    thread::spawn(move || drop(producer.offer(item)))
                });
                drop(consumer);
                threads.into_iter().for_each(|thread| thread.join().unwrap());
                account(&drops, producer, 2, 0);
            });
        }

        #[test]
        fn two_pushes_under_way_that_grow_leave_nothing_behind() {
            large_model(|| {
                let drops = Drops::new(3);
                let (producer, consumer) = queue(1, 2).split();
                let threads = [0, 1].map(|number| {
                    let (producer, item) = (producer.clone(), drops.item(number));
                    thread::spawn(move || drop(producer.offer(item)))
                });
                drop(consumer);
                threads.into_iter().for_each(|thread| thread.join().unwrap());
                drop(producer.offer(drops.item(2)));
                account(&drops, producer, 3, 0);
            });
        }
    };
}

#[allow(unused_mut)] // the producers of this queue put in through a shared reference
mod mpsc {
    use super::*;
    ends!(LockFreeMPSCQueue Producer);
    ends_of_many!();

    /// A message that holds a producer of its own queue.
    struct Holder(#[allow(dead_code)] Item, #[allow(dead_code)] Producer<Holder>);

    #[test]
    fn a_message_that_holds_a_producer_of_its_queue_goes_with_the_consumer() {
        model(|| {
            let drops = Drops::new(2);
            let (producer, consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
            drop(producer.offer(Holder(drops.item(0), producer.clone())));
            let last = Holder(drops.item(1), producer.clone());
            let thread = thread::spawn(move || drop(producer.offer(last)));
            drop(consumer);
            thread.join().unwrap();
            drops.are_one_each();
        });
    }
}

#[allow(unused_mut)] // the producers of this queue put in through a shared reference
mod mpmc {
    use super::*;
    ends!(LockFreeMPMCQueue MpmcProducer);
    ends_of_many!();

    #[test]
    fn two_consumers_who_go_at_once_leave_nothing_behind() {
        model(|| {
            let drops = Drops::new(2);
            let (producer, consumer) = queue(2, 2).split();
            producer.try_enqueue(drops.item(0)).unwrap();
            let other = consumer.clone();
            let item = drops.item(1);
            let threads = [
                thread::spawn(move || drop(other)),
                thread::spawn({
                    let producer = producer.clone();
                    move || drop(producer.offer(item))
                }),
            ];
            drop(consumer);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            account(&drops, producer, 2, 0);
        });
    }

    /// One consumer takes while the other is dropped. Nothing else is dropped as long as there is a consumer.
    #[test]
    fn a_consumer_who_goes_leaves_the_items_to_the_other() {
        model(|| {
            let drops = Drops::new(2);
            let (producer, consumer) = queue(2, 2).split();
            producer.offer_batch(drops.batch(0..2)).unwrap();
            let mut other = consumer.clone();
            let thread = thread::spawn(move || {
                let taken = other.try_dequeue().unwrap().unwrap();
                assert_eq!(*taken.0, 0);
            });
            drop(consumer);
            thread.join().unwrap();
            account(&drops, producer, 2, 1);
        });
    }
}

mod spsc {
    use super::*;
    ends!(LockFreeSPSCQueue SpscProducer);
}
