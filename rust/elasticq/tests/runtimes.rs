//! Tasks in real runtimes: tokio with one thread and with many, smol, and the executor of futures. Timers,
//! runtimes without them, and futures that are dropped at random.
#![cfg(all(feature = "streams", feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;
#[path = "support/random.rs"]
mod random;

use elasticq::streams::{BufferChannel, BufferStreamExt};
use elasticq::{BufferError, Config, DynamicCircularBuffer, LockFreeMPMCQueue, Select};
use futures::{FutureExt, SinkExt, StreamExt};
use queues::{PATIENCE, Queue, counting, of_all_six, poll, poll_into_line};
use random::{Random, after_turns};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop::{consume_budget, has_budget_remaining};
use tokio::task::yield_now;

of_all_six! {
    calls_that_block_work_inside_a_runtime
    a_call_with_a_timeout_gives_up_in_time
    a_timeout_of_zero_tries_once_and_a_huge_one_does_not_overflow
    a_call_with_a_timeout_needs_timers
    receivers_that_are_dropped_at_random_lose_nothing
    senders_that_are_dropped_at_random_lose_nothing
    selectors_that_are_dropped_at_random_lose_no_item_and_no_wake_up
    a_receiver_that_is_dropped_when_its_turn_is_over_passes_its_wake_up_on
    each_runtime_runs_a_pipeline
    a_task_that_never_waits_gives_the_others_a_turn
}

const BRIEF: Duration = Duration::from_millis(2);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

fn calls_that_block_work_inside_a_runtime<Q: Queue>() {
    for runtime in [one_thread(), two_threads()] {
        let queue = Q::of(4);
        let channel = BufferChannel::new(Arc::clone(&queue));
        runtime.block_on(async {
            queue.push(1).unwrap();
            queue.push_batch(vec![2, 3]).unwrap();
            assert_eq!(queue.pop(), Ok(1));
            channel.blocking_send(4).unwrap();
            assert_eq!((channel.blocking_recv(), queue.len(), queue.is_empty()), (Ok(2), 2, false));
            assert_eq!(channel.blocking_recv_timeout(BRIEF), Ok(3));
            assert_eq!(queue.pop_batch(9), Ok(vec![4]));
            assert_eq!(channel.blocking_recv_timeout(BRIEF), Err(BufferError::Timeout(BRIEF)));
            assert!(queue.capacity() > 0 && queue.stats().messages_enqueued == 4);
        });
    }
}

fn a_call_with_a_timeout_gives_up_in_time<Q: Queue>() {
    let channel = BufferChannel::new(Q::of(1));
    one_thread().block_on(async {
        assert_eq!(channel.recv_timeout(BRIEF).await, Err(BufferError::Timeout(BRIEF)));
        assert_eq!(channel.send_timeout(1, BRIEF).await.map_err(BufferError::from), Ok(()));
        let (reason, item) = channel.send_timeout(2, BRIEF).await.unwrap_err().into_parts();
        assert_eq!((reason, item), (BufferError::Timeout(BRIEF), 2));
        assert_eq!(channel.recv_timeout(PATIENCE).await, Ok(1));
        assert_eq!(channel.buffer().asleep(), (0, 0));
    });
    // An item that comes in time ends the wait.
    two_threads().block_on(async {
        let receiver = tokio::spawn({
            let channel = channel.clone();
            async move { channel.recv_timeout(PATIENCE).await }
        });
        while channel.buffer().asleep() != (1, 0) {
            yield_now().await;
        }
        channel.send(3).await.unwrap();
        assert_eq!(receiver.await.unwrap(), Ok(3));
    });
}

fn a_timeout_of_zero_tries_once_and_a_huge_one_does_not_overflow<Q: Queue>() {
    let channel = BufferChannel::new(Q::of(1));
    one_thread().block_on(async {
        assert_eq!(channel.recv_timeout(Duration::ZERO).await, Err(BufferError::Timeout(Duration::ZERO)));
        channel.send_timeout(1, Duration::ZERO).await.unwrap();
        assert!(channel.send_timeout(2, Duration::ZERO).await.is_err());
        assert_eq!(channel.recv_timeout(Duration::ZERO).await, Ok(1));
        channel.send_timeout(3, Duration::MAX).await.unwrap();
        assert!(channel.send_timeout(4, Duration::MAX).now_or_never().is_none());
        assert_eq!(channel.recv_timeout(Duration::MAX).await, Ok(3));
        assert!(channel.recv_timeout(Duration::MAX).now_or_never().is_none());
    });
}

fn a_call_with_a_timeout_needs_timers<Q: Queue>() {
    let channel = BufferChannel::new(Q::of(4));
    channel.try_send(1).unwrap();
    let refused = |received| assert!(matches!(received, Err(BufferError::InvalidOperation(_))), "{received:?}");
    refused(futures::executor::block_on(channel.recv_timeout(BRIEF)));
    refused(smol::block_on(channel.recv_timeout(BRIEF)));
    let without = Builder::new_current_thread().build().unwrap();
    refused(without.block_on(channel.recv_timeout(BRIEF)));
    let (reason, item) = without.block_on(channel.send_timeout(2, BRIEF)).unwrap_err().into_parts();
    assert!(matches!(reason, BufferError::InvalidOperation(_)));
    assert_eq!(item, 2);
    // A runtime that ends while the call waits.
    let runtime = one_thread();
    assert_eq!(channel.try_recv(), Ok(1));
    let mut receive = Box::pin(channel.recv_timeout(PATIENCE));
    runtime.block_on(async { assert!((&mut receive).now_or_never().is_none()) });
    drop(runtime);
    refused(futures::executor::block_on(receive));
    assert_eq!(channel.buffer().asleep(), (0, 0));
}

/// 10,000 receivers, of which `select!` drops about half wherever they are.
fn receivers_that_are_dropped_at_random_lose_nothing<Q: Queue>() {
    const ITEMS: u32 = 5_000;
    let channel = BufferChannel::new(Q::of(4));
    two_threads().block_on(async {
        let sender = tokio::spawn({
            let channel = channel.clone();
            async move {
                for number in 0..ITEMS {
                    channel.send(number).await.unwrap();
                    if number % 7 == 0 {
                        yield_now().await;
                    }
                }
                channel.close();
            }
        });
        let (mut random, mut received) = (Random::new(), Vec::new());
        let mut stream = channel.stream();
        for round in 0.. {
            let turns = random.below(3);
            let give_up = after_turns(turns);
            // By turns as a future of the channel, as one with a timeout, and from a stream that goes on.
            let item = match round % 3 {
                0 => tokio::select! { item = channel.recv() => item.map(Some), () = give_up => Ok(None) },
                1 => {
                    tokio::select! { item = channel.recv_timeout(PATIENCE) => item.map(Some), () = give_up => Ok(None) }
                }
                _ => tokio::select! {
                    item = stream.next() => item.map(Some).ok_or(BufferError::Closed),
                    () = give_up => Ok(None),
                },
            };
            match item {
                Ok(item) => received.extend(item),
                Err(BufferError::Closed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        sender.await.unwrap();
        assert!(received.into_iter().eq(0..ITEMS));
    });
}

/// 10,000 senders, of which `select!` drops about half. What was dropped is not in the queue.
fn senders_that_are_dropped_at_random_lose_nothing<Q: Queue>() {
    const TRIES: u32 = 10_000;
    let channel = BufferChannel::new(Q::of(2));
    two_threads().block_on(async {
        let receiver = tokio::spawn({
            let channel = channel.clone();
            async move {
                let mut received = Vec::new();
                while let Ok(item) = channel.recv().await {
                    received.push(item);
                }
                received
            }
        });
        let (mut random, mut sent) = (Random::new(), Vec::new());
        for number in 0..TRIES {
            let turns = random.below(3);
            let give_up = after_turns(turns);
            tokio::select! {
                done = channel.send(number) => {
                    done.unwrap();
                    sent.push(number);
                }
                () = give_up => {}
            }
        }
        channel.close();
        assert_eq!(receiver.await.unwrap(), sent);
    });
}

/// 10,000 selectors, of which `select!` drops about half, each beside one item. Another receiver waits for
/// the same item, before the selector in the line or behind it: it would sleep on if a wake-up was lost.
fn selectors_that_are_dropped_at_random_lose_no_item_and_no_wake_up<Q: Queue>() {
    const ROUNDS: u32 = 10_000;
    let channels = [Q::of(4), Q::of(4)].map(BufferChannel::new);
    let mut random = Random::new();
    two_threads().block_on(async {
        let mut select = Select::new().with(&**channels[0].buffer()).with(&**channels[1].buffer());
        let mut dropped = 0;
        for number in 0..ROUNDS {
            let channel = &channels[random.below(2) as usize];
            let (mut selecting, mut other) = (Box::pin(select.recv()), Box::pin(channel.recv()));
            let (turns_to_send, turns_to_wait) = (random.below(3), random.below(4));
            if random.below(2) == 0 {
                assert!((&mut selecting).now_or_never().is_none());
            }
            assert!((&mut other).now_or_never().is_none());
            let sender = tokio::spawn({
                let channel = channel.clone();
                async move {
                    after_turns(turns_to_send).await;
                    channel.send(number).await.unwrap();
                }
            });
            let taken = tokio::select! {
                taken = selecting => Some(taken.unwrap().1),
                () = after_turns(turns_to_wait) => None,
            };
            let taken = match taken {
                Some(taken) => taken,
                None => {
                    dropped += 1;
                    let left = tokio::time::timeout(PATIENCE / 2, other).await;
                    left.unwrap_or_else(|_| panic!("round {number}: it sleeps beside an item")).unwrap()
                }
            };
            assert_eq!(taken, number);
            sender.await.unwrap();
        }
        assert!((ROUNDS / 10..ROUNDS).contains(&dropped), "{dropped} were dropped");
        channels.iter().for_each(BufferChannel::close);
        assert_eq!(select.recv().await, Err(BufferError::Closed));
    });
}

/// A task that has used up its turn is woken for an item, and dropped before the next one.
fn a_receiver_that_is_dropped_when_its_turn_is_over_passes_its_wake_up_on<Q: Queue>() {
    let channel = BufferChannel::new(Q::of(4));
    one_thread().block_on(async {
        for way in 0..3 {
            tokio::task::yield_now().await; // a new turn
            let (_, waker) = counting();
            let mut stream = channel.stream();
            let mut select = Select::new().with(&**channel.buffer());
            let mut first: Pin<Box<dyn Future<Output = bool> + '_>> = match way {
                0 => Box::pin(async { channel.recv().await.is_ok() }),
                1 => Box::pin(async { select.recv().await.is_ok() }),
                _ => Box::pin(async move { stream.next().await.is_some() }),
            };
            poll_into_line(&**channel.buffer(), &mut first, &waker);
            let (second_calls, second_waker) = counting();
            let mut second = channel.buffer().wait_for_item();
            assert!(poll(&mut second, &second_waker).is_pending());
            channel.send(7).await.unwrap();
            while has_budget_remaining() {
                consume_budget().await;
            }
            assert!(poll(&mut first, &waker).is_pending(), "{way}: its turn is over");
            drop(first);
            assert_eq!(second_calls.count(), 1, "{way}");
            drop(second);
            assert_eq!(channel.recv().await, Ok(7));
        }
    });
}

fn each_runtime_runs_a_pipeline<Q: Queue>() {
    async fn pipeline<Q: Queue>() {
        let (stream, sink) = Q::of(4).stream_sink_pair();
        let numbers = futures::stream::iter(0..1_000).map(Ok).forward(
            sink.with_flat_map(|number: u32| futures::stream::iter([Ok::<_, elasticq::Rejected<u32>>(number)])),
        );
        let (sent, sum) = futures::join!(numbers, stream.fold(0, |sum, number| async move { sum + number }));
        sent.unwrap();
        assert_eq!(sum, 499_500);
    }
    one_thread().block_on(pipeline::<Q>());
    two_threads().block_on(async { tokio::spawn(pipeline::<Q>()).await.unwrap() });
    smol::block_on(pipeline::<Q>());
    futures::executor::block_on(pipeline::<Q>());
}

/// A task that looks at two channels in each round: one of them never has anything.
#[test]
fn a_task_that_selects_among_channels_gives_the_others_a_turn() {
    const MOST: usize = 50_000;
    for extra in 0..4 {
        let channel = || BufferChannel::new(Arc::new(DynamicCircularBuffer::<u32>::new(Config::default()).unwrap()));
        let (work, stop) = (channel(), channel());
        (0..MOST as u32 + 4).for_each(|number| work.try_send(number).unwrap());
        let rounds = one_thread().block_on(async {
            let selecting = tokio::spawn(async move {
                for _ in 0..extra {
                    work.recv().await.unwrap(); // so the rounds begin at another place
                }
                let other_ran = Arc::new(AtomicBool::new(false));
                tokio::spawn({
                    let other_ran = Arc::clone(&other_ran);
                    async move { other_ran.store(true, Ordering::Relaxed) }
                });
                let mut rounds = 0;
                while !other_ran.load(Ordering::Relaxed) && rounds < MOST {
                    tokio::select! { biased; _ = stop.recv() => {}, _ = work.recv() => {} }
                    rounds += 1;
                }
                rounds
            });
            selecting.await.unwrap()
        });
        assert!(rounds < 5_000, "nobody else runs for {rounds} rounds ({extra})");
    }
}

fn a_task_that_never_waits_gives_the_others_a_turn<Q: Queue>() {
    let channel = BufferChannel::new(Q::of(64));
    let (mut stream, mut sink) = (channel.stream(), channel.clone().sink());
    let other_ran = Arc::new(AtomicBool::new(false));
    one_thread().block_on(async {
        for way in 0..3 {
            other_ran.store(false, Ordering::Relaxed);
            tokio::spawn({
                let other_ran = Arc::clone(&other_ran);
                async move { other_ran.store(true, Ordering::Relaxed) }
            });
            let mut calls = 0;
            while !other_ran.load(Ordering::Relaxed) {
                match way {
                    0 => {
                        channel.send(1).await.unwrap();
                        channel.recv().await.unwrap();
                    }
                    1 => {
                        SinkExt::send(&mut sink, 2).await.unwrap();
                        stream.next().await.unwrap();
                    }
                    _ => {
                        channel.send_batch(vec![3]).await.unwrap();
                        channel.recv_many(1).await.unwrap();
                    }
                }
                calls += 1;
                assert!(calls < 10_000, "nobody else runs");
            }
        }
    });
}

#[test]
fn many_senders_and_receivers_share_a_queue_without_locks() {
    const EACH: u32 = 5_000;
    let channel = BufferChannel::new(LockFreeMPMCQueue::of(64));
    two_threads().block_on(async {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let sink = channel.sink();
                tokio::spawn(async move {
                    for number in 0..EACH {
                        sink.send(sender * EACH + number).await.unwrap();
                    }
                })
            })
            .collect();
        let receivers: Vec<_> = (0..4).map(|_| tokio::spawn(channel.stream().collect::<Vec<_>>())).collect();
        for sender in senders {
            sender.await.unwrap();
        }
        let mut received = Vec::new();
        for receiver in receivers {
            let items = receiver.await.unwrap();
            for sender in 0..4 {
                let of_one = items.iter().filter(|&&item| item / EACH == sender);
                assert!(of_one.is_sorted(), "in the order in which it sent them");
            }
            received.extend(items);
        }
        received.sort_unstable();
        assert!(received.into_iter().eq(0..4 * EACH));
    });
}

#[test]
fn the_futures_may_go_to_other_threads() {
    fn sends<T: Send>(_: &T) {}
    let queue = LockFreeMPMCQueue::<u32>::of(4);
    let channel = BufferChannel::new(Arc::clone(&queue));
    sends(&channel.send(1));
    sends(&channel.recv());
    sends(&channel.recv_timeout(BRIEF));
    sends(&channel.send_batch(vec![1]));
    sends(&channel.recv_many(1));
    sends(&queue.push_async_timeout(1, BRIEF));
    sends(&queue.pop_batch_async_timeout(1, BRIEF));
    sends(&(channel.stream(), channel.sink(), channel));
}
