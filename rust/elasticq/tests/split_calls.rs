//! The calls of the handles of a queue that was split which tasks await: batches, timeouts, and futures that
//! are dropped at random.
#![cfg(all(feature = "streams", feature = "lock_free", not(loom)))]

#[path = "support/handles.rs"]
mod handles;
#[path = "support/random.rs"]
mod random;

use elasticq::BufferError;
use futures::executor::block_on;
use futures::{FutureExt, SinkExt, StreamExt};
use handles::{Kind, counting, of_all_three, one_thread, poll, two_threads};
use random::{Random, after_turns};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::task::yield_now;

const BRIEF: Duration = Duration::from_millis(2);
/// Longer than any test here takes.
const LONG: Duration = Duration::from_secs(30);

of_all_three! {
    what_was_refused_is_counted_once
    many_go_in_and_come_out_at_once
    a_call_with_a_timeout_gives_up_in_time_and_gives_the_item_back
    receivers_that_are_dropped_at_random_lose_nothing
    senders_that_are_dropped_at_random_lose_nothing
    a_task_that_never_waits_gives_the_others_a_turn
}

fn what_was_refused_is_counted_once<K: Kind>() {
    let (mut put, mut take) = K::split(1);
    one_thread().block_on(async {
        K::send(&mut put, 0).await.unwrap();
        assert!(K::send(&mut put, 1).now_or_never().is_none(), "it waits, and is dropped");
        assert_eq!(K::stats(&put).messages_refused, 0);
        assert!(K::send_timeout(&mut put, 1, BRIEF).await.is_err());
        assert_eq!(K::stats(&put).messages_refused, 1);
        assert!(K::send_batch(&mut put, vec![1, 2]).await.is_err());
        assert_eq!(K::stats(&put).messages_refused, 3);
        K::close(&put);
        assert!(K::send(&mut put, 1).await.is_err());
        assert!(K::send_batch(&mut put, vec![1]).await.is_err());
        assert_eq!(K::stats(&put).messages_refused, 5);
        assert_eq!(K::recv(&mut take).await, Ok(0));
    });
}

fn many_go_in_and_come_out_at_once<K: Kind>() {
    let (mut put, mut take) = K::split(4);
    block_on(async {
        assert_eq!(K::recv_many(&mut take, 0).await, Ok(vec![]));
        assert!(K::recv_many(&mut take, 3).now_or_never().is_none());
        K::send_batch(&mut put, vec![0, 1, 2]).await.unwrap();
        assert!(K::send_batch(&mut put, vec![3, 4]).now_or_never().is_none(), "there is room for one");
        assert_eq!(K::recv_many(&mut take, 2).await, Ok(vec![0, 1]));
        K::send_batch(&mut put, vec![3, 4]).await.unwrap();
        let (reason, items) = K::send_batch(&mut put, vec![0; 5]).await.unwrap_err().into_parts();
        assert_eq!((reason, items), (BufferError::MaxCapacityReached(4), vec![0; 5]));
        assert_eq!(K::recv_many(&mut take, usize::MAX).await, Ok(vec![2, 3, 4]));
        // Whoever waits for the first gets what has come with it.
        let mut many = Box::pin(K::recv_many(&mut take, 2));
        let (calls, waker) = counting();
        assert!(poll(&mut many, &waker).is_pending());
        K::send_batch(&mut put, vec![5, 6, 7]).await.unwrap();
        assert_eq!(calls.count(), 1);
        assert_eq!(poll(&mut many, &waker), Poll::Ready(Ok(vec![5, 6])));
        drop(many);
        // And a batch that waits for room goes in when there is enough.
        let mut batch = Box::pin(K::send_batch(&mut put, vec![8, 9, 10, 11]));
        assert!(poll(&mut batch, &waker).is_pending());
        assert_eq!(K::recv(&mut take).await, Ok(7));
        assert!(matches!(poll(&mut batch, &waker), Poll::Ready(Ok(()))));
        drop(batch);
        drop(put);
        assert_eq!(K::recv_many(&mut take, 9).await, Ok(vec![8, 9, 10, 11]));
        assert_eq!(K::recv_many(&mut take, 9).await, Err(BufferError::Closed));
    });
}

fn a_call_with_a_timeout_gives_up_in_time_and_gives_the_item_back<K: Kind>() {
    let (mut put, mut take) = K::split(1);
    one_thread().block_on(async {
        assert_eq!(K::recv_timeout(&mut take, BRIEF).await, Err(BufferError::Timeout(BRIEF)));
        assert_eq!(K::recv_timeout(&mut take, Duration::ZERO).await, Err(BufferError::Timeout(Duration::ZERO)));
        K::send_timeout(&mut put, 1, Duration::ZERO).await.unwrap();
        let refused = K::send_timeout(&mut put, 2, BRIEF).await.unwrap_err();
        assert_eq!(refused.into_parts(), (BufferError::Timeout(BRIEF), 2));
        let (sent, received) = futures::join!(K::send_timeout(&mut put, 3, LONG), K::recv_timeout(&mut take, LONG));
        assert_eq!((sent.map_err(BufferError::from), received), (Ok(()), Ok(1)));
        assert_eq!(K::recv_timeout(&mut take, Duration::MAX).await, Ok(3));
        K::close(&put);
        assert_eq!(K::recv_timeout(&mut take, LONG).await, Err(BufferError::Closed));
        assert_eq!(K::send_timeout(&mut put, 4, LONG).await.unwrap_err().into_parts(), (BufferError::Closed, 4));
    });
    // Outside of a runtime with timers nothing is tried.
    let (mut put, mut take) = K::split(1);
    let (reason, item) = block_on(K::send_timeout(&mut put, 5, LONG)).unwrap_err().into_parts();
    assert!(matches!(reason, BufferError::InvalidOperation(_)) && item == 5);
    assert!(matches!(block_on(K::recv_timeout(&mut take, LONG)), Err(BufferError::InvalidOperation(_))));
    assert_eq!(K::try_take(&mut take), Ok(None));
}

/// 10,000 waits, of which `select!` drops about half wherever they are.
fn receivers_that_are_dropped_at_random_lose_nothing<K: Kind>() {
    const ITEMS: u32 = 5_000;
    let mut random = Random::new();
    two_threads().block_on(async {
        let (mut put, mut take) = K::split(4);
        let sender = tokio::spawn(async move {
            for number in 0..ITEMS {
                K::send(&mut put, number).await.unwrap();
                if number % 7 == 0 {
                    yield_now().await;
                }
            }
        });
        let mut received = Vec::new();
        for round in 0.. {
            let turns = random.below(3);
            // By turns as a call for one, for many, and from a stream that is made for this wait.
            let items = match round % 3 {
                0 => tokio::select! { one = K::recv(&mut take) => one.map(|one| vec![one]), () = after_turns(turns) => Ok(vec![]) },
                1 => tokio::select! { many = K::recv_many(&mut take, 3) => many, () = after_turns(turns) => Ok(vec![]) },
                _ => {
                    let mut stream = K::stream(take);
                    let item = tokio::select! {
                        item = stream.next() => item.map(|one| vec![one]).ok_or(BufferError::Closed),
                        () = after_turns(turns) => Ok(vec![]),
                    };
                    take = stream.into_end();
                    item
                }
            };
            match items {
                Ok(items) => received.extend(items),
                Err(BufferError::Closed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        sender.await.unwrap();
        assert!(received.into_iter().eq(0..ITEMS));
    });
}

/// 10,000 senders, of which `select!` drops about half. What was dropped is not in the queue.
fn senders_that_are_dropped_at_random_lose_nothing<K: Kind>() {
    const TRIES: u32 = 10_000;
    let mut random = Random::new();
    two_threads().block_on(async {
        let (mut put, take) = K::split(2);
        let receiver = tokio::spawn(K::stream(take).collect::<Vec<_>>());
        let mut sent = Vec::new();
        for number in 0..TRIES {
            let turns = random.below(3);
            let batch = vec![2 * number, 2 * number + 1];
            let items = if number % 2 == 0 {
                tokio::select! { done = K::send(&mut put, 2 * number) => done.map(|()| 1).unwrap(), () = after_turns(turns) => 0 }
            } else {
                tokio::select! { done = K::send_batch(&mut put, batch) => done.map(|()| 2).unwrap(), () = after_turns(turns) => 0 }
            };
            sent.extend((2 * number..).take(items));
        }
        drop(put);
        assert_eq!(receiver.await.unwrap(), sent);
    });
}

fn a_task_that_never_waits_gives_the_others_a_turn<K: Kind>() {
    one_thread().block_on(async {
        for way in 0..3 {
            let (mut put, mut take) = K::split(64);
            let other_ran = Arc::new(AtomicBool::new(false));
            tokio::spawn({
                let other_ran = Arc::clone(&other_ran);
                async move { other_ran.store(true, Ordering::Relaxed) }
            });
            let mut calls = 0;
            while !other_ran.load(Ordering::Relaxed) {
                match way {
                    0 => {
                        K::send(&mut put, 1).await.unwrap();
                        K::recv(&mut take).await.unwrap();
                    }
                    1 => {
                        let (mut sink, mut stream) = (K::sink(put), K::stream(take));
                        SinkExt::send(&mut sink, 2).await.unwrap();
                        stream.next().await.unwrap();
                        (put, take) = K::split(64);
                    }
                    _ => {
                        K::send_batch(&mut put, vec![3]).await.unwrap();
                        K::recv_many(&mut take, 1).await.unwrap();
                    }
                }
                calls += 1;
                assert!(calls < 10_000, "nobody else runs");
            }
        }
    });
}
