//! What a queue tells while a call drops its items: at no moment do these count as dequeued.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use elasticq::QueueStats;
use queues::{Queue, of_all_five};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

of_all_five! {
    what_is_dropped_never_counts_as_dequeued
    what_is_taken_beside_it_counts_once_and_stays_counted
}

const ROUNDS: u32 = 5_000;

/// Looks at a queue until `over`. `check` gets what it tells.
fn look(queue: &impl Queue, over: &AtomicBool, mut check: impl FnMut(QueueStats)) {
    while !over.load(Ordering::Acquire) {
        let stats = queue.stats();
        let gone = stats.messages_dequeued + stats.messages_dropped;
        assert_eq!(stats.messages_enqueued, gone + stats.current_size as u64, "{stats:?}");
        check(stats);
    }
}

fn what_is_dropped_never_counts_as_dequeued<Q: Queue>() {
    let queue = Q::of(1024);
    let over = AtomicBool::new(false);
    let mut dropped = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            look(&*queue, &over, |stats| {
                assert_eq!(stats.messages_dequeued, 0, "nobody has taken anything: {stats:?}");
                assert!(stats.messages_dropped >= last, "{stats:?} after {last}");
                last = stats.messages_dropped;
            });
        });
        for round in 0..ROUNDS {
            queue.put(&(0..=round % 8).collect::<Vec<_>>());
            dropped += queue.discard().unwrap().len() as u64;
        }
        over.store(true, Ordering::Release);
    });
    let stats = queue.stats();
    assert_eq!((stats.messages_dequeued, stats.messages_dropped, stats.current_size), (0, dropped, 0));
}

fn what_is_taken_beside_it_counts_once_and_stays_counted<Q: Queue>() {
    let queue = Q::of(1024);
    let over = AtomicBool::new(false);
    // Those that were taken, and one more if one may be just being taken.
    let begun = AtomicU64::new(0);
    let (mut put, mut dropped) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                begun.fetch_add(1, Ordering::SeqCst);
                if queue.try_pop().is_err() {
                    begun.fetch_sub(1, Ordering::SeqCst);
                }
            }
        });
        scope.spawn(|| {
            let mut last = 0;
            look(&*queue, &over, |stats| {
                let taken = begun.load(Ordering::SeqCst);
                assert!(stats.messages_dequeued <= taken, "{stats:?}, of which were taken: {taken}");
                assert!(stats.messages_dequeued >= last, "{stats:?} after {last}");
                last = stats.messages_dequeued;
            });
        });
        for round in 0..ROUNDS {
            put += (0..=round % 8).filter(|number| queue.offer(*number).is_ok()).count() as u64;
            // In a queue of one consumer it fails while the other thread takes.
            dropped += queue.discard().map_or(0, |items| items.len()) as u64;
        }
        over.store(true, Ordering::Release);
    });
    let (stats, taken) = (queue.stats(), begun.into_inner());
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped), (put, taken, dropped));
}
