//! A queue without files does what one with files does, and gives its memory back.

#![cfg(feature = "persistent")]

use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions, SyncMode};
use elasticq::{BufferError, Config};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

const SEGMENT: u64 = 64 << 10;

fn small() -> PersistentConfig {
    PersistentConfig::default().with_segment_bytes(SEGMENT)
}

#[test]
fn each_item_is_acknowledged_once_among_many_threads() {
    const EACH: u64 = 2_000;
    let jobs = PersistentCircularBuffer::in_memory(small()).unwrap();
    let done = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for producer in 0..2 {
            let jobs = &jobs;
            scope.spawn(move || {
                for number in 0..EACH {
                    jobs.push((producer * EACH + number, vec![7_u8; 100])).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while done.lock().unwrap().len() < 2 * EACH as usize {
                    let Ok(job) = jobs.lease(None) else {
                        thread::yield_now();
                        continue;
                    };
                    if job.number() % 10 == 0 && job.deliveries() == 1 {
                        job.nack(Duration::ZERO).unwrap(); // somebody gets it once more
                        continue;
                    }
                    assert!(done.lock().unwrap().insert(job.ack().unwrap().0), "an item came twice");
                }
            });
        }
    });
    assert_eq!(jobs.stats().queue.current_size, 0);
}

#[test]
fn a_queue_that_is_empty_again_has_given_its_memory_back() {
    let large = Config::default().with_max_capacity(1_000_000);
    let queue = PersistentCircularBuffer::in_memory(small().with_base_config(large)).unwrap();
    for _ in 0..3 {
        queue.push_batch(vec![vec![1_u8; 1_000]; 10_000]).unwrap();
        assert!(queue.stats().bytes_on_disk > 10_000_000);
        while queue.pop().is_ok() {}
        queue.compact().unwrap();
        assert!(queue.stats().bytes_on_disk < 16 * SEGMENT, "{:?}", queue.stats());
    }
}

#[test]
fn a_limit_of_bytes_bounds_its_memory_and_refuses_what_is_too_much() {
    let queue = PersistentCircularBuffer::in_memory(small().with_max_bytes(4 * SEGMENT)).unwrap();
    let refused = std::iter::repeat_with(|| queue.offer(vec![1_u8; 1_000])).find_map(Result::err).unwrap();
    assert_eq!(*refused.reason(), BufferError::Full);
    assert!(queue.stats().bytes_on_disk <= 4 * SEGMENT);
    queue.pop_batch(usize::MAX).unwrap();
    queue.compact().unwrap();
    queue.offer(refused.into_inner()).unwrap();
}

#[test]
fn names_delays_and_dead_letters_are_those_of_a_queue_in_files() {
    let settings = small().with_max_deliveries(1).with_sync_mode(SyncMode::EveryWrite);
    let jobs = PersistentCircularBuffer::in_memory(settings).unwrap();
    let once = PushOptions::default().with_id("order 7").with_headers("from Ada");
    assert!(jobs.push_with(1, &once).unwrap());
    assert!(!jobs.push_with(1, &once).unwrap());
    let later = PushOptions::default().with_delay(Duration::from_secs(3600));
    assert!(jobs.push_with(2, &later).unwrap());
    let job = jobs.lease(None).unwrap();
    assert_eq!(job.headers(), b"from Ada");
    job.nack(Duration::ZERO).unwrap(); // it was delivered as often as it may be
    assert!(matches!(jobs.lease(None), Err(BufferError::Empty)));
    let stats = jobs.stats();
    assert_eq!((stats.dead, stats.delayed), (1, 1));
    assert_eq!(jobs.dead_letters().unwrap()[0].item, 1);
}

#[test]
fn two_queues_in_memory_share_nothing() {
    let [first, second] = [1, 2].map(|item| {
        let queue = PersistentCircularBuffer::in_memory(PersistentConfig::default()).unwrap();
        queue.push(item).unwrap();
        queue
    });
    assert_eq!((first.pop(), second.pop()), (Ok(1), Ok(2)));
    first.close();
    assert_eq!((first.push(3), second.push(3)), (Err(BufferError::Closed), Ok(())));
}
