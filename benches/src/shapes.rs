//! The loops that are measured. Each is written once and compiled for every contender. Opening the queue,
//! starting threads and checking the totals are not in the measured time.

use crate::contest::{Contest, Sample};
use crate::ledger::{Ledger, message};
use crate::subject::{Bounds, Elastic, Levelled, Pop, Push, Subject};
use crate::waiting::{Patience, Waiting};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One thread puts an item and takes it out again, `items` times.
#[must_use]
pub fn one_thread<S: Subject>(capacity: usize, items: u64) -> Sample {
    let (mut producers, mut consumers) = S::open(capacity, 1, 1);
    let (producer, consumer) = (&mut producers[0], &mut consumers[0]);
    let mut wrong = 0;
    let started = Instant::now();
    for item in 0..items {
        let pushed = producer.try_push(black_box(item));
        let popped = black_box(consumer.try_pop());
        wrong += u64::from(!pushed || popped != Some(item));
    }
    Sample { elapsed: started.elapsed(), items, wrong }
}

/// One thread puts a batch of `size` and takes it out again, until `items` went through. The vector that
/// comes out is the one that goes in next.
#[must_use]
pub fn batches<E: Elastic<u64>>(bounds: Bounds, size: usize, items: u64) -> Sample {
    let buffer = E::open(bounds);
    let first: Vec<u64> = (0..size as u64).collect();
    let turns = items.div_ceil(size as u64);
    let mut batch = first.clone();
    let mut refused = 0;
    let started = Instant::now();
    for _ in 0..turns {
        refused += u64::from(!buffer.push_batch(black_box(batch)));
        batch = black_box(buffer.pop_batch(size));
    }
    let elapsed = started.elapsed();
    let wrong = if batch == first { refused * size as u64 } else { turns * size as u64 };
    Sample { elapsed, items: turns * size as u64, wrong }
}

/// One thread puts a wave of items and takes them out again, until `items` went through. `priority` names the
/// level for each place in the wave. Every sum is checked.
#[must_use]
pub fn waves<Q: Levelled>(queue: &Q, wave: u64, items: u64, priority: impl Fn(u64) -> usize) -> Sample {
    let turns = items.div_ceil(wave);
    let mut sum = 0_u64;
    let started = Instant::now();
    for _ in 0..turns {
        for item in 0..wave {
            let pushed = queue.push(black_box(item), black_box(priority(item)));
            sum += u64::from(!pushed);
        }
        for _ in 0..wave {
            sum += black_box(queue.pop()).unwrap_or(wave * turns);
        }
    }
    let elapsed = started.elapsed();
    let wrong = if sum == turns * (wave * (wave - 1) / 2) { 0 } else { turns * wave };
    Sample { elapsed, items: turns * wave, wrong }
}

/// One thread puts a batch of `size` at a level and takes it out again, as [`batches`] does.
#[must_use]
pub fn level_batches<Q: Levelled>(queue: &Q, size: usize, items: u64) -> Sample {
    let first: Vec<u64> = (0..size as u64).collect();
    let turns = items.div_ceil(size as u64);
    let mut batch = first.clone();
    let mut refused = 0;
    let started = Instant::now();
    for _ in 0..turns {
        refused += u64::from(!queue.push_batch(black_box(batch), 1));
        batch = black_box(queue.pop_batch(size));
    }
    let elapsed = started.elapsed();
    let wrong = if batch == first { refused * size as u64 } else { turns * size as u64 };
    Sample { elapsed, items: turns * size as u64, wrong }
}

/// Producers and consumers, each a thread, send about `items` through a queue of `capacity`. Every message is
/// checked. Where a thread finds no room or no item, it waits in this way.
///
/// # Panics
/// When a thread of the queue under test panics.
#[must_use]
pub fn contended<S: Subject>(
    producers: usize,
    consumers: usize,
    capacity: usize,
    waiting: Waiting,
    items: u64,
) -> Sample {
    let each = (items / producers as u64).max(1);
    let (sources, sinks) = S::open(capacity, producers, consumers);
    let barrier = Barrier::new(producers + consumers);
    let sending = AtomicUsize::new(producers);
    let given_up = AtomicBool::new(false);
    let (barrier, sending, given_up) = (&barrier, &sending, &given_up);

    let produce = |index: usize, mut source: S::Producer| {
        move || {
            barrier.wait();
            let started = Instant::now();
            let mut patience = Patience::new(waiting, started, given_up);
            'all: for place in 1..each + 1 {
                while !source.try_push(black_box(message(index, place))) {
                    if !patience.wait() {
                        break 'all;
                    }
                }
                patience.reset();
            }
            while !source.flush() && patience.wait() {}
            sending.fetch_sub(1, Ordering::Release);
            // The handle lives until the sample is over: a channel without a sender behaves differently.
            (started, Instant::now(), source)
        }
    };
    let consume = |mut sink: S::Consumer| {
        move || {
            let mut ledger = Ledger::new(producers);
            barrier.wait();
            let started = Instant::now();
            let mut patience = Patience::new(waiting, started, given_up);
            loop {
                // Once no thread sends any more, a queue that is empty at one more look stays empty.
                let finished = || sending.load(Ordering::Acquire) == 0;
                match sink.try_pop() {
                    Some(item) => {
                        ledger.enter(black_box(item));
                        patience.reset();
                    }
                    None if finished() => match sink.try_pop() {
                        Some(item) => ledger.enter(black_box(item)),
                        None => break,
                    },
                    None if patience.wait() => {}
                    None => break,
                }
            }
            (started, Instant::now(), ledger, sink)
        }
    };

    thread::scope(|scope| {
        let sinks: Vec<_> = sinks.into_iter().map(|sink| scope.spawn(consume(sink))).collect();
        let sources: Vec<_> =
            sources.into_iter().enumerate().map(|(index, source)| scope.spawn(produce(index, source))).collect();
        let sources: Vec<_> = sources.into_iter().map(|thread| thread.join().expect("a producer ends")).collect();
        let sinks: Vec<_> = sinks.into_iter().map(|thread| thread.join().expect("a consumer ends")).collect();

        let started = sources.iter().map(|source| source.0).chain(sinks.iter().map(|sink| sink.0)).min();
        let ended = sources.iter().map(|source| source.1).chain(sinks.iter().map(|sink| sink.1)).max();
        let elapsed = started.zip(ended).map_or(Duration::ZERO, |(start, end)| end - start);
        let ledgers: Vec<Ledger> = sinks.into_iter().map(|sink| sink.2).collect();
        Sample { elapsed, items: producers as u64 * each, wrong: Ledger::wrong(&ledgers, producers, each) }
    })
}

impl Contest<'_> {
    /// Enters a queue for the loop of one thread.
    pub fn alone<S: Subject>(self, capacity: usize) -> Self {
        self.contender(S::NAME, move |items| one_thread::<S>(capacity, items))
    }

    /// Enters a buffer for batches of `size`.
    pub fn batching<E: Elastic<u64>>(self, bounds: Bounds, size: usize) -> Self {
        self.contender(E::NAME, move |items| batches::<E>(bounds, size, items))
    }

    /// Enters a queue for threads, unless it cannot serve that many.
    pub fn threaded<S: Subject>(self, producers: usize, consumers: usize, capacity: usize) -> Self {
        if producers > S::PRODUCERS || consumers > S::CONSUMERS {
            return self;
        }
        let waiting = self.waiting;
        self.threads(producers + consumers)
            .contender(S::NAME, move |items| contended::<S>(producers, consumers, capacity, waiting, items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Shared;
    use crate::subjects::channels::Standard;
    use crate::subjects::locks::Bounded;
    use parking_lot::Mutex;
    use std::collections::VecDeque;

    /// A queue that swallows every tenth item.
    struct Leaky(Mutex<(VecDeque<u64>, u64)>);

    impl Shared for Leaky {
        const NAME: &'static str = "leaky";

        fn open(_: usize) -> Self {
            Self(Mutex::new((VecDeque::new(), 0)))
        }

        fn try_push(&self, item: u64) -> bool {
            let mut queue = self.0.lock();
            queue.1 += 1;
            if !queue.1.is_multiple_of(10) {
                queue.0.push_back(item);
            }
            true
        }

        fn try_pop(&self) -> Option<u64> {
            self.0.lock().0.pop_front()
        }
    }

    #[test]
    fn a_right_queue_has_nothing_wrong_in_any_shape() {
        assert_eq!(one_thread::<Bounded>(4, 100).wrong, 0);
        for (producers, consumers) in [(1, 1), (4, 1), (2, 2)] {
            let sample = contended::<Bounded>(producers, consumers, 16, Waiting::Yielding, 10_000);
            assert_eq!((sample.items, sample.wrong), (10_000, 0));
        }
        assert_eq!(contended::<Standard>(4, 1, 16, Waiting::Spinning, 10_000).wrong, 0);
    }

    #[test]
    fn lost_items_are_wrong_and_do_not_hang_the_contest() {
        assert_eq!(one_thread::<Leaky>(4, 100).wrong, 10);
        assert_eq!(contended::<Leaky>(2, 2, 16, Waiting::Yielding, 10_000).wrong, 1_000);
    }

    #[test]
    fn batches_go_round_complete_and_in_order() {
        let bounds = Bounds { initial: 64, min: 64, max: 64 };
        let sample = batches::<Mutex<VecDeque<u64>>>(bounds, 10, 95);
        assert_eq!((sample.items, sample.wrong), (100, 0));
    }

    #[test]
    fn a_queue_is_left_out_where_it_cannot_serve_as_many_consumers() {
        let contest = Contest::new("many").threaded::<Bounded>(2, 2, 16).threaded::<Standard>(2, 2, 16);
        assert!(format!("{contest:?}").contains("bounded") && !format!("{contest:?}").contains("sync_channel"));
    }
}
