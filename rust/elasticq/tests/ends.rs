//! When the last consumer of a split queue is dropped, the items inside are dropped in the same call. Each is
//! dropped once, whatever its `Drop` does, and whatever the producers do at that moment. `loom_ends.rs` has
//! the models.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::lock_free::{MpmcConsumer, MpmcProducer, Producer, SpscProducer};
use elasticq::{BufferError, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, QueueStats};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use support::{Drops, FOREVER, Message, SCALE, between};

/// Checks that of the accepted items `taken` were taken, that the rest were dropped, and that nothing is
/// inside.
#[track_caller]
fn account(stats: QueueStats, accepted: u64, taken: u64, refused: u64) {
    let found = (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped, stats.messages_refused);
    assert_eq!(found, (accepted, taken, accepted - taken, refused), "{stats:?}");
    assert_eq!(stats.current_size, 0, "{stats:?}");
}

/// An item that runs a function when it is dropped.
struct Acting(Option<Box<dyn FnOnce() + Send>>);

impl Acting {
    fn new(act: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(act)))
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

/// The tests for all three queues.
macro_rules! ends {
    ($queue:ident $producer:ident) => {
        #[test]
        fn items_inside_are_dropped_when_the_last_consumer_goes() {
            for (taken, pushed) in [(0, 0), (0, 1), (1, 1), (0, 100), (1, 100), (37, 100), (64, 100), (100, 100)] {
                let drops = Drops::new(pushed + 1);
                let (mut producer, mut consumer) = $queue::new(between(1, 128)).unwrap().split();
                for number in 0..pushed {
                    producer.try_enqueue(drops.item(number)).unwrap();
                }
                drop(consumer.dequeue_batch(taken).unwrap());
                drop(consumer);
                assert_eq!(drops.counts()[..pushed], vec![1; pushed]);
                assert!(producer.is_closed() && producer.is_empty());
                let (reason, item) = producer.offer(drops.item(pushed)).unwrap_err().into_parts();
                assert_eq!((reason, item.0), (BufferError::Closed, pushed));
                account(producer.stats(), pushed as u64, taken as u64, 1);
                drop((item, producer));
                assert_eq!(drops.counts(), vec![1; pushed + 1]);
            }
        }

        #[test]
        fn what_is_inside_a_queue_that_is_only_closed_can_still_be_taken() {
            let (mut producer, mut consumer) = $queue::new(between(1, 8)).unwrap().split();
            producer.offer_batch(vec![1, 2]).unwrap();
            producer.close();
            assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
            let stats = producer.stats();
            assert_eq!((stats.messages_dequeued, stats.messages_dropped, stats.current_size), (1, 0, 1));
            drop(producer);
            assert_eq!(consumer.try_dequeue(), Ok(Some(2)));
            assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
        }

        #[test]
        fn a_request_inside_hangs_up_on_its_client() {
            let (mut producer, consumer) = $queue::<Sender<u32>>::new(between(1, 8)).unwrap().split();
            let (answer, client) = channel();
            producer.try_enqueue(answer).unwrap();
            let client = thread::spawn(move || client.recv());
            drop(consumer);
            assert_eq!(client.join().unwrap(), Err(RecvError));
            drop(producer);
        }

        #[test]
        fn a_message_that_holds_the_last_producer_of_its_own_queue_goes_with_the_consumer() {
            struct Holder {
                _token: Arc<()>,
                _producer: Arc<Mutex<Option<$producer<Holder>>>>,
            }
            let (token, slot) = (Arc::new(()), Arc::new(Mutex::new(None)));
            let (mut producer, consumer) = $queue::new(between(1, 8)).unwrap().split();
            producer.try_enqueue(Holder { _token: Arc::clone(&token), _producer: Arc::clone(&slot) }).unwrap();
            *slot.lock().unwrap() = Some(producer);
            let queue = Arc::downgrade(&slot);
            drop(slot);
            assert_eq!(Arc::strong_count(&token), 2);
            drop(consumer);
            assert_eq!((Arc::strong_count(&token), queue.strong_count()), (1, 0));
        }

        #[test]
        fn a_producer_who_waits_has_its_item_back_when_the_consumer_goes() {
            let (mut producer, consumer) = $queue::new(between(1, 1)).unwrap().split();
            producer.try_enqueue("in").unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| producer.offer_within("out", FOREVER).unwrap_err().into_parts());
                drop(consumer);
                assert_eq!(waiting.join().unwrap(), (BufferError::Closed, "out"));
            });
            let sent = pollster::block_on(producer.send("later")).unwrap_err().into_parts();
            assert_eq!(sent, (BufferError::Closed, "later"));
            account(producer.stats(), 1, 0, 2);
        }

        #[test]
        fn the_drop_of_an_item_may_use_its_queue() {
            let (mut producer, consumer) = $queue::new(between(1, 8)).unwrap().split();
            let seen = Arc::new(Mutex::new(Vec::new()));
            let shared = Arc::new(Mutex::new(None::<$producer<Acting>>));
            for _ in 0..3 {
                let (seen, shared) = (Arc::clone(&seen), Arc::clone(&shared));
                let use_queue = move || {
                    let mut queue = shared.lock().unwrap();
                    let queue = queue.as_mut().unwrap();
                    let refused = queue.offer(Acting::new(|| {})).unwrap_err();
                    assert_eq!(refused.reason(), &BufferError::Closed);
                    seen.lock().unwrap().push((queue.len(), queue.is_closed()));
                };
                producer.try_enqueue(Acting::new(use_queue)).unwrap();
            }
            *shared.lock().unwrap() = Some(producer);
            drop(consumer);
            assert_eq!(*seen.lock().unwrap(), [(2, true), (1, true), (0, true)]);
            account(shared.lock().unwrap().as_ref().unwrap().stats(), 3, 0, 3);
        }

        #[test]
        fn a_drop_that_panics_leaves_no_other_item_behind() {
            for bad in 0..5 {
                let drops = Drops::new(5);
                let (mut producer, consumer) = $queue::new(between(1, 8)).unwrap().split();
                for number in 0..5 {
                    let counted = drops.item(number);
                    let act = move || {
                        drop(counted);
                        if number == bad {
                            resume_unwind(Box::new("on purpose"));
                        }
                    };
                    producer.try_enqueue(Acting::new(act)).unwrap();
                }
                assert!(catch_unwind(AssertUnwindSafe(|| drop(consumer))).is_err());
                assert_eq!(drops.counts(), [1; 5]);
                account(producer.stats(), 5, 0, 0);
                assert!(producer.is_closed());
            }
        }

        #[test]
        fn a_waker_that_panics_leaves_no_item_behind() {
            let drops = Drops::new(2);
            let (mut producer, consumer) = $queue::new(between(1, 1)).unwrap().split();
            producer.try_enqueue(drops.item(0)).unwrap();
            let mut sending = Box::pin(producer.send(drops.item(1)));
            let waker = Waker::from(Arc::new(Panics));
            assert!(sending.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(catch_unwind(AssertUnwindSafe(|| drop(consumer))).is_err());
            assert_eq!(drops.counts(), [1, 0]);
            // How this waiter itself ends is not the subject here.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(sending)));
            assert_eq!(drops.counts(), [1, 1]);
        }

        /// The producers run at full speed. What they were told was accepted or refused must match what was
        /// dropped.
        #[test]
        fn a_consumer_who_goes_under_load_leaves_nothing_behind() {
            for round in 0..2_000 / SCALE {
                let (producer, mut consumer) = $queue::new(between(1, 64)).unwrap().split();
                let token = Arc::new(());
                let threads: Vec<_> = clones(producer)
                    .into_iter()
                    .map(|mut producer| {
                        let token = Arc::clone(&token);
                        thread::spawn(move || {
                            let mut number = 0;
                            loop {
                                let message = Carried(Message::new(0, number), Arc::clone(&token));
                                match producer.offer_within(message, FOREVER) {
                                    Ok(()) => number += 1,
                                    Err(rejected) => {
                                        let (reason, message) = rejected.into_parts();
                                        assert_eq!(reason, BufferError::Closed);
                                        assert_eq!(message.0.number, number);
                                        return (producer, number);
                                    }
                                }
                            }
                        })
                    })
                    .collect();
                let mut taken = 0;
                for _ in 0..round % 50 {
                    taken += u64::from(consumer.dequeue_within(FOREVER).unwrap().is_some());
                }
                drop(consumer);
                let ends: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
                assert_eq!(Arc::strong_count(&token), 1, "round {round}");
                let accepted = ends.iter().map(|(_, number)| number).sum();
                account(ends[0].0.stats(), accepted, taken, ends.len() as u64);
            }
        }
    };
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("on purpose"));
    }
}

/// A message that checks, when it is dropped, that it is whole.
struct Carried(Box<Message>, #[allow(dead_code)] Arc<()>);

impl Drop for Carried {
    fn drop(&mut self) {
        assert!(self.0.is_whole(), "dropped twice: {:?}", self.0);
    }
}

/// The tests for the queues with many producers.
macro_rules! ends_of_many {
    ($queue:ident $producer:ident) => {
        fn clones<T>(producer: $producer<T>) -> Vec<$producer<T>> {
            vec![producer.clone(), producer.clone(), producer]
        }

        /// The messages are dropped one after the other, not one inside the other.
        #[test]
        fn very_many_messages_that_hold_a_producer_of_their_queue_are_dropped_with_little_stack() {
            struct Holder(#[allow(dead_code)] $producer<Holder>, #[allow(dead_code)] Arc<()>);
            let token = Arc::new(());
            let (producer, consumer) = $queue::new(between(1, 1 << 16)).unwrap().split();
            for _ in 0..1 << 16 {
                producer.try_enqueue(Holder(producer.clone(), Arc::clone(&token))).unwrap();
            }
            drop(producer);
            let end = thread::Builder::new().stack_size(64 << 10).spawn(move || drop(consumer)).unwrap();
            end.join().unwrap();
            assert_eq!(Arc::strong_count(&token), 1);
        }
    };
}

#[allow(unused_mut)] // the producers of this queue put in through a shared reference
mod mpsc {
    use super::*;
    ends!(LockFreeMPSCQueue Producer);
    ends_of_many!(LockFreeMPSCQueue Producer);
}

#[allow(unused_mut)] // the producers of this queue put in through a shared reference
mod mpmc {
    use super::*;
    ends!(LockFreeMPMCQueue MpmcProducer);
    ends_of_many!(LockFreeMPMCQueue MpmcProducer);

    #[test]
    fn items_stay_for_the_consumers_that_are_left() {
        let drops = Drops::new(3);
        let (producer, consumer) = LockFreeMPMCQueue::new(between(1, 8)).unwrap().split();
        producer.offer_batch((0..3).map(|number| drops.item(number)).collect()).unwrap();
        let mut other = consumer.clone();
        drop(consumer);
        assert!(!producer.is_closed());
        assert_eq!(other.try_dequeue().unwrap().unwrap().0, 0);
        assert_eq!(drops.counts(), [1, 0, 0]);
        drop(other);
        assert_eq!(drops.counts(), [1; 3]);
        account(producer.stats(), 3, 1, 0);
    }

    /// A thread that holds a consumer can take what is inside. So the queue does not end before that consumer
    /// is dropped.
    #[test]
    fn a_message_that_holds_a_consumer_keeps_its_queue_open() {
        struct Holder(Option<MpmcConsumer<Holder>>);
        let (producer, consumer) = LockFreeMPMCQueue::new(between(1, 8)).unwrap().split();
        let mut other = consumer.clone();
        producer.try_enqueue(Holder(Some(consumer.clone()))).unwrap();
        drop(consumer);
        assert!(!producer.is_closed());
        let taken = other.try_dequeue().unwrap().unwrap();
        assert!(taken.0.is_some());
        drop((other, taken));
        assert!(producer.is_closed());
    }

    #[test]
    fn consumers_who_go_at_once_leave_nothing_behind() {
        for round in 0..2_000 / SCALE {
            let token = Arc::new(());
            let (producer, consumer) = LockFreeMPMCQueue::new(between(1, 64)).unwrap().split();
            let consumers = [consumer.clone(), consumer.clone(), consumer];
            let threads = consumers.map(|mut consumer| {
                thread::spawn(move || (0..20).filter(|_| matches!(consumer.try_dequeue(), Ok(Some(_)))).count() as u64)
            });
            let mut accepted = 0;
            while producer.offer(Arc::clone(&token)).map_or_else(
                |rejected| rejected.reason().is_capacity_error(),
                |()| {
                    accepted += 1;
                    true
                },
            ) {}
            let taken = threads.map(|thread| thread.join().unwrap()).iter().sum();
            assert_eq!(Arc::strong_count(&token), 1, "round {round}");
            let stats = producer.stats();
            assert_eq!((stats.messages_enqueued, stats.messages_dequeued), (accepted, taken));
            assert_eq!(stats.current_size, 0);
        }
    }
}

mod spsc {
    use super::*;
    ends!(LockFreeSPSCQueue SpscProducer);

    fn clones<T>(producer: SpscProducer<T>) -> Vec<SpscProducer<T>> {
        vec![producer]
    }
}

/// A queue that is shared by reference has no handles whose last one could be dropped. So its items stay
/// until the queue itself is dropped.
#[test]
fn a_queue_that_was_not_split_keeps_its_items_until_it_goes() {
    let drops = Drops::new(2);
    let queue = Arc::new(LockFreeMPSCQueue::new(between(1, 8)).unwrap());
    queue.offer(drops.item(0)).unwrap();
    let other = Arc::clone(&queue);
    drop(queue);
    other.offer(drops.item(1)).unwrap();
    assert_eq!(drops.counts(), [0, 0]);
    drop(other);
    assert_eq!(drops.counts(), [1, 1]);
}
