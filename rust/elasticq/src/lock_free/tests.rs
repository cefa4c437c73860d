//! What cannot be seen from outside: the headers that wait for a moment without pins.

use super::chain::{Chain, MAX_RETIRED, Takers};
use super::{LockFreeMPMCQueue, LockFreeMPSCQueue};
use crate::config::Config;
use crate::sync::Ordering;

const ROUNDS: usize = 500;
const BURST: usize = 100;
/// How many segments growth makes from the smallest to the largest, once nothing shrinks any more.
const STEPS: usize = 16;

fn config() -> Config {
    Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(1024)
}

/// How many headers are on the list that any thread may put one on.
fn listed<T, C: Takers<T>>(chain: &Chain<T, C>) -> usize {
    let mut count = 0;
    let mut header = chain.retired.load(Ordering::SeqCst);
    while !header.is_null() {
        count += 1;
        // SAFETY: headers live as long as the queue, and no other thread is running.
        header = unsafe { (*header).link.load(Ordering::SeqCst) };
    }
    count
}

macro_rules! bursts {
    ($queue:expr) => {
        for _ in 0..ROUNDS {
            $queue.offer_batch((0..BURST).collect()).unwrap();
            assert_eq!($queue.dequeue_batch(BURST).unwrap().len(), BURST);
        }
    };
}

#[test]
fn a_thread_stalled_where_it_looks_at_segments_keeps_few_headers_and_no_capacity_after_it() {
    let queue = LockFreeMPMCQueue::new(config()).unwrap();
    let pin = queue.core.pin();
    bursts!(queue);
    let kept = listed(&queue.core);
    assert!((MAX_RETIRED..MAX_RETIRED + STEPS).contains(&kept), "{kept} headers wait");
    drop(pin);
    bursts!(queue);
    assert_eq!((queue.capacity(), listed(&queue.core)), (1, 0));

    let queue = LockFreeMPSCQueue::new(config()).unwrap();
    let waiting = || {
        // SAFETY: no other thread is running, and the reference ends here.
        let taker = unsafe { queue.core.taker() };
        taker.retired.len()
    };
    let pin = queue.core.pin();
    bursts!(queue);
    let kept = waiting();
    assert!((MAX_RETIRED..MAX_RETIRED + STEPS).contains(&kept), "{kept} headers wait");
    drop(pin);
    bursts!(queue);
    assert_eq!((queue.capacity(), waiting()), (1, 0));
}
