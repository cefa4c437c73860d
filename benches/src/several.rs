//! Waiting for several queues at once: a producer serves all of them in turns, and a consumer selects.

use crate::contest::{Contest, Sample};
use crate::ledger::{Ledger, message};
use crossbeam_channel::{Receiver, select};
use elasticq::{Config, DynamicCircularBuffer, LockFreeMPMCQueue, Parts, Select};
use std::thread;
use std::time::{Duration, Instant};

/// Puts `items` messages into so many queues in turns, in a thread. The messages of a queue are those of one
/// sender. `take` gives the next message of whichever queue has one.
fn pass(queues: usize, items: u64, put: impl Fn(usize, u64) + Send, mut take: impl FnMut() -> u64) -> Sample {
    let each = items.div_ceil(queues as u64);
    let items = each * queues as u64;
    let mut ledger = Ledger::new(queues);
    thread::scope(|scope| {
        let begun = Instant::now();
        scope.spawn(move || {
            for place in 1..=each {
                (0..queues).for_each(|queue| put(queue, message(queue, place)));
            }
        });
        for _ in 0..items {
            ledger.enter(take());
        }
        Sample { elapsed: begun.elapsed(), items, wrong: Ledger::wrong(&[ledger], queues, each) }
    })
}

fn ours<B: Parts<u64>>(queues: &[B], items: u64, put: impl Fn(&B, u64) + Sync) -> Sample {
    let mut select = queues.iter().fold(Select::new(), Select::with);
    let put = &put;
    pass(queues.len(), items, |queue, message| put(&queues[queue], message), || select.pop().expect("all are open").1)
}

fn bounds(capacity: usize) -> Config {
    Config::default().with_initial_capacity(capacity).with_min_capacity(capacity).with_max_capacity(capacity)
}

/// The next message of whichever channel has one.
fn select_of_2(channels: &[Receiver<u64>; 2]) -> u64 {
    let [a, b] = channels;
    let taken = select! { recv(a) -> item => item, recv(b) -> item => item };
    taken.expect("all are open")
}

/// The same.
fn select_of_8(channels: &[Receiver<u64>; 8]) -> u64 {
    let [a, b, c, d, e, f, g, h] = channels;
    let taken = select! {
        recv(a) -> item => item, recv(b) -> item => item, recv(c) -> item => item, recv(d) -> item => item,
        recv(e) -> item => item, recv(f) -> item => item, recv(g) -> item => item, recv(h) -> item => item,
    };
    taken.expect("all are open")
}

fn theirs<const N: usize>(capacity: usize, items: u64, take: fn(&[Receiver<u64>; N]) -> u64) -> Sample {
    let channels = [(); N].map(|()| crossbeam_channel::bounded(capacity));
    let receivers = channels.each_ref().map(|(_, receiver)| receiver.clone());
    let put = |queue: usize, message| channels[queue].0.send(message).expect("all are open");
    pass(N, items, put, || take(&receivers))
}

/// Crossbeam's `select!`.
pub const CROSSBEAM: &str = "crossbeam, select!";

/// The contest over so many queues, 2 or 8, each with room for `capacity` items.
pub fn contest(queues: usize, capacity: usize, goal: f64) -> Contest<'static> {
    Contest::new(format!("Select over {queues} queues, capacity {capacity} each"))
        .threads(2)
        .contender("Select, MPMC", move |items| {
            let queues: Vec<_> = (0..queues).map(|_| LockFreeMPMCQueue::new(bounds(capacity)).unwrap()).collect();
            ours(&queues, items, |queue, message| queue.offer_within(message, Duration::MAX).expect("all are open"))
        })
        .contender("Select, locked", move |items| {
            let queues: Vec<_> = (0..queues).map(|_| DynamicCircularBuffer::new(bounds(capacity)).unwrap()).collect();
            ours(&queues, items, |queue, message| queue.offer_within(message, Duration::MAX).expect("all are open"))
        })
        .contender(CROSSBEAM, move |items| match queues {
            2 => theirs(capacity, items, select_of_2),
            _ => theirs(capacity, items, select_of_8),
        })
        .target(CROSSBEAM, goal)
}
