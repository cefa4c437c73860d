//! `send` and `recv`: every message arrives once and in order, whether tasks or threads wait, and whichever
//! of them give up.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;
#[path = "support/tasks.rs"]
mod tasks;

use elasticq::lock_free::{Consumer, MpmcConsumer, MpmcProducer, Producer, SpscConsumer, SpscProducer};
use elasticq::{BufferError, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use support::{FOREVER, Ledger, Message, SCALE, between};
use tasks::{Calls, give_up_after, run};

type Item = Box<Message>;

/// How many messages each producer sends.
const EACH: u64 = 200_000 / SCALE;

/// Which receiver got which messages. The numbers of each producer's messages must rise at each receiver, and
/// all must be there in the end.
#[derive(Default)]
struct Received(Mutex<Vec<(usize, u64)>>);

impl Received {
    fn enter(&self, messages: &[Item]) {
        assert!(messages.iter().all(|message| message.is_whole()));
        for producer in 0..=messages.iter().map(|message| message.producer).max().unwrap_or(0) {
            let numbers = messages.iter().filter(|message| message.producer == producer).map(|message| message.number);
            assert!(numbers.is_sorted(), "out of order");
        }
        self.0.lock().unwrap().extend(messages.iter().map(|message| (message.producer, message.number)));
    }

    fn check(&self, producers: usize) {
        let mut received = self.0.lock().unwrap();
        received.sort_unstable();
        assert!(received.iter().copied().eq((0..producers).flat_map(|producer| (0..EACH).map(move |n| (producer, n)))));
    }
}

/// The handles of each queue, as far as they are the same for these tests. (One kind of producer has methods
/// that take `&mut self`.)
macro_rules! with_each_queue {
    ($($name:ident: $queue:ident, $producer:ident, $consumer:ident;)*) => {$(
        mod $name {
            use super::*;

            async fn send_all(mut producer: $producer<Item>, number: usize) {
                let _ = &mut producer;
                for n in 0..EACH {
                    producer.send(Message::new(number, n)).await.unwrap();
                }
            }

            /// Sends each message again and again, until it gets in before the sender loses patience.
            async fn send_all_impatiently(mut producer: $producer<Item>, number: usize) {
                let _ = &mut producer;
                for n in 0..EACH {
                    let mut polls = 1;
                    while give_up_after(polls, producer.send(Message::new(number, n))).await.is_none() {
                        polls = polls % 3 + 1;
                    }
                }
            }

            async fn receive_all(mut consumer: $consumer<Item>, received: Arc<Received>) {
                let mut messages = Vec::new();
                loop {
                    match consumer.recv().await {
                        Ok(message) => messages.push(message),
                        Err(error) => break assert_eq!(error, BufferError::Closed),
                    }
                }
                received.enter(&messages);
            }

            async fn receive_all_impatiently(mut consumer: $consumer<Item>, received: Arc<Received>) {
                let mut messages = Vec::new();
                loop {
                    match give_up_after(messages.len() % 3 + 1, consumer.recv()).await {
                        Some(Ok(message)) => messages.push(message),
                        Some(Err(error)) => break assert_eq!(error, BufferError::Closed),
                        None => {}
                    }
                }
                received.enter(&messages);
            }

            #[test]
            fn tasks_send_and_receive_everything() {
                let (producer, consumer) = $queue::new(between(2, 16)).unwrap().split();
                let received = Arc::new(Received::default());
                run(2, vec![
                    Box::pin(receive_all(consumer, Arc::clone(&received))),
                    Box::pin(send_all(producer, 0)),
                ]);
                received.check(1);
            }

            #[test]
            fn tasks_that_give_up_lose_and_double_nothing() {
                let (producer, consumer) = $queue::new(between(2, 16)).unwrap().split();
                let received = Arc::new(Received::default());
                run(2, vec![
                    Box::pin(receive_all_impatiently(consumer, Arc::clone(&received))),
                    Box::pin(send_all_impatiently(producer, 0)),
                ]);
                received.check(1);
            }

            #[test]
            fn a_thread_sends_what_a_task_receives() {
                let (producer, consumer) = $queue::new(between(2, 16)).unwrap().split();
                let received = Arc::new(Received::default());
                let thread = thread::spawn(move || {
                    let mut producer = producer;
                    let _ = &mut producer;
                    (0..EACH).for_each(|n| producer.offer_within(Message::new(0, n), FOREVER).unwrap());
                });
                run(1, vec![Box::pin(receive_all(consumer, Arc::clone(&received)))]);
                thread.join().unwrap();
                received.check(1);
            }

            #[test]
            fn a_thread_receives_what_a_task_sends() {
                let (producer, mut consumer) = $queue::<Item>::new(between(2, 16)).unwrap().split();
                let thread = thread::spawn(move || {
                    let mut ledger = Ledger::new(1);
                    while let Ok(Some(message)) = consumer.dequeue_within(FOREVER) {
                        ledger.enter(&message);
                    }
                    ledger.total()
                });
                run(1, vec![Box::pin(send_all(producer, 0))]);
                assert_eq!(thread.join().unwrap(), EACH);
            }

            #[test]
            fn the_rest_is_received_after_closing() {
                let (producer, mut consumer) = $queue::new(between(2, 16)).unwrap().split();
                let mut producer = producer;
                let _ = &mut producer;
                producer.offer_batch(vec![1, 2]).unwrap();
                drop(producer);
                let all = pollster::block_on(async { [consumer.recv().await, consumer.recv().await, consumer.recv().await] });
                assert_eq!(all, [Ok(1), Ok(2), Err(BufferError::Closed)]);
            }

            #[test]
            fn a_refused_item_comes_back_and_is_counted() {
                let queue = $queue::new(between(1, 1)).unwrap();
                queue.try_enqueue("first".to_string()).unwrap();
                {
                    let mut sending = pin!(queue.send("second".to_string()));
                    let mut context = Context::from_waker(Waker::noop());
                    assert!(sending.as_mut().poll(&mut context).is_pending());
                    assert_eq!(queue.stats().messages_refused, 0);
                    queue.close();
                    let Poll::Ready(Err(rejected)) = sending.as_mut().poll(&mut context) else { panic!("closed") };
                    assert_eq!(rejected.into_parts(), (BufferError::Closed, "second".to_string()));
                }
                assert_eq!(queue.stats().messages_refused, 1);
                let rejected = pollster::block_on(queue.send("third".to_string())).unwrap_err();
                assert_eq!(rejected.into_inner(), "third");
            }

            #[test]
            fn a_task_that_waits_is_woken_once_and_not_before() {
                let queue = $queue::new(between(1, 1)).unwrap();
                let calls = Arc::new(Calls::default());
                let waker = Waker::from(Arc::clone(&calls));
                let mut context = Context::from_waker(&waker);
                let mut receiving = pin!(queue.recv());
                assert!(receiving.as_mut().poll(&mut context).is_pending());
                assert_eq!(calls.count(), 0);
                queue.try_enqueue(1).unwrap();
                assert_eq!(calls.count(), 1);
                assert_eq!(receiving.as_mut().poll(&mut context), Poll::Ready(Ok(1)));

                queue.try_enqueue(2).unwrap();
                let mut sending = pin!(queue.send(3));
                assert!(sending.as_mut().poll(&mut context).is_pending());
                assert_eq!(calls.count(), 1);
                assert_eq!(queue.try_dequeue(), Ok(Some(2)));
                assert_eq!(calls.count(), 2);
                assert!(matches!(sending.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
                assert_eq!(queue.try_dequeue(), Ok(Some(3)));
            }

            /// A future that was never polled has no turn. A future that was dropped has none any more.
            #[test]
            fn a_future_that_was_dropped_stands_in_nobodys_way() {
                let queue = $queue::new(between(1, 1)).unwrap();
                let mut context = Context::from_waker(Waker::noop());
                let unpolled = queue.recv();
                {
                    let mut receiving = pin!(queue.recv());
                    assert!(receiving.as_mut().poll(&mut context).is_pending());
                }
                queue.try_enqueue(1).unwrap();
                {
                    let mut sending = pin!(queue.send(2));
                    assert!(sending.as_mut().poll(&mut context).is_pending());
                }
                assert_eq!(queue.try_dequeue(), Ok(Some(1)));
                queue.try_enqueue(3).unwrap();
                assert_eq!(pollster::block_on(unpolled), Ok(3));
            }

            #[test]
            fn futures_may_be_sent_to_other_threads() {
                fn assert_send<T: Send>(_: T) {}
                let queue = $queue::<std::cell::Cell<u8>>::new(between(1, 1)).unwrap(); // Send and not Sync
                assert_send(queue.send(Default::default()));
                assert_send(queue.recv());
                let (producer, mut consumer) = queue.split();
                let mut producer = producer;
                let _ = &mut producer;
                assert_send(producer.send(Default::default()));
                assert_send(consumer.recv());
            }
        }
    )*};
}

with_each_queue! {
    mpsc: LockFreeMPSCQueue, Producer, Consumer;
    mpmc: LockFreeMPMCQueue, MpmcProducer, MpmcConsumer;
    spsc: LockFreeSPSCQueue, SpscProducer, SpscConsumer;
}

/// Tasks and threads are at both ends, and some of them give up now and then.
#[test]
fn many_of_all_kinds_share_one_queue() {
    const PRODUCERS: usize = 6;
    let (producer, consumer) = LockFreeMPMCQueue::new(between(2, 16)).unwrap().split();
    let received = Arc::new(Received::default());
    let mut futures: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    for number in 0..PRODUCERS {
        let producer = producer.clone();
        if number < 2 {
            thread::spawn(move || {
                (0..EACH).for_each(|n| producer.offer_within(Message::new(number, n), FOREVER).unwrap());
            });
        } else if number < 4 {
            futures.push(Box::pin(mpmc_send(producer, number, 1)));
        } else {
            futures.push(Box::pin(mpmc_send(producer, number, usize::MAX)));
        }
    }
    drop(producer);
    let threads = [(), ()].map(|()| {
        let (mut consumer, received) = (consumer.clone(), Arc::clone(&received));
        thread::spawn(move || {
            let mut messages = Vec::new();
            while let Ok(Some(message)) = consumer.dequeue_within(FOREVER) {
                messages.push(message);
            }
            received.enter(&messages);
        })
    });
    for patience in [1, 2, usize::MAX, usize::MAX] {
        futures.push(Box::pin(mpmc_receive(consumer.clone(), Arc::clone(&received), patience)));
    }
    drop(consumer);
    run(2, futures);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    received.check(PRODUCERS);
}

async fn mpmc_send(producer: MpmcProducer<Item>, number: usize, patience: usize) {
    for n in 0..EACH {
        while give_up_after(patience, producer.send(Message::new(number, n))).await.is_none() {}
    }
}

async fn mpmc_receive(mut consumer: MpmcConsumer<Item>, received: Arc<Received>, patience: usize) {
    let mut messages = Vec::new();
    loop {
        match give_up_after(patience, consumer.recv()).await {
            Some(Ok(message)) => messages.push(message),
            Some(Err(_)) => break,
            None => {}
        }
    }
    received.enter(&messages);
}

#[test]
fn a_second_consumer_is_refused_while_a_task_waits() {
    let mut context = Context::from_waker(Waker::noop());
    let queue = LockFreeMPSCQueue::<u8>::new(between(1, 1)).unwrap();
    let mut receiving = pin!(queue.recv());
    assert!(receiving.as_mut().poll(&mut context).is_pending());
    assert!(matches!(queue.try_dequeue(), Err(BufferError::InvalidOperation(_))));
    assert!(matches!(pollster::block_on(queue.recv()), Err(BufferError::InvalidOperation(_))));

    let queue = LockFreeSPSCQueue::new(between(1, 1)).unwrap();
    let mut receiving = pin!(queue.recv());
    assert!(receiving.as_mut().poll(&mut context).is_pending());
    assert!(matches!(queue.try_dequeue(), Err(BufferError::InvalidOperation(_))));
    queue.try_enqueue(1).unwrap();
    let mut sending = pin!(queue.send(2));
    assert!(sending.as_mut().poll(&mut context).is_pending());
    let refused = pollster::block_on(queue.send(3)).unwrap_err().into_parts();
    assert!(matches!(refused, (BufferError::InvalidOperation(_), 3)));
}

/// In a queue with many consumers, a task or a thread that waits through a shared reference does not hold up
/// others that look.
#[test]
fn a_queue_can_be_looked_at_while_a_task_waits() {
    let queue = LockFreeMPMCQueue::new(between(1, 4)).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut receiving = pin!(queue.recv());
    assert!(receiving.as_mut().poll(&mut context).is_pending());
    queue.try_enqueue(1).unwrap();
    assert_eq!(queue.iter(), Ok(vec![1]));
    assert_eq!(receiving.as_mut().poll(&mut context), Poll::Ready(Ok(1)));
}

#[test]
fn two_places_freed_at_once_reach_two_tasks() {
    let (producer, mut consumer) = LockFreeMPSCQueue::new(between(2, 2)).unwrap().split();
    producer.offer_batch(vec![0, 0]).unwrap();
    let calls = Arc::new(Calls::default());
    let waker = Waker::from(Arc::clone(&calls));
    let mut context = Context::from_waker(&waker);
    let mut first = Box::pin(producer.send(1));
    let mut second = Box::pin(producer.send(2));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert_eq!(consumer.dequeue_batch(2), Ok(vec![0, 0]));
    assert_eq!(calls.count(), 2);
    assert!(first.as_mut().poll(&mut context).is_ready());
    assert!(second.as_mut().poll(&mut context).is_ready());
    assert_eq!(consumer.dequeue_batch(2), Ok(vec![1, 2]));
}

#[test]
fn a_task_that_was_woken_and_gives_up_wakes_the_next() {
    let queue = LockFreeMPMCQueue::new(between(1, 4)).unwrap();
    let calls = Arc::new(Calls::default());
    let waker = Waker::from(Arc::clone(&calls));
    let mut first = Box::pin(queue.recv());
    let mut second = Box::pin(queue.recv());
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    queue.try_enqueue(1).unwrap();
    assert_eq!(calls.count(), 0);
    drop(first);
    assert_eq!(calls.count(), 1);
    assert_eq!(second.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(1)));
}
