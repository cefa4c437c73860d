//! Items at levels are dropped exactly once and never under the lock, whatever their size. If dropping one
//! panics, nothing breaks.
#![cfg(all(feature = "priority", not(loom)))]

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{Config, Parts};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn small() -> PriorityConfig {
    let base = Config::default().with_min_capacity(2).with_initial_capacity(2).with_max_capacity(64);
    PriorityConfig::default().with_base_config(base)
}

/// Counts its drops. The drop may panic.
struct Counted(Arc<AtomicUsize>, bool);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(!self.1, "bomb");
    }
}

#[test]
fn every_item_is_dropped_exactly_once_whichever_way_it_leaves() {
    let drops = Arc::new(AtomicUsize::new(0));
    let make = |count: usize| (0..count).map(|_| Counted(Arc::clone(&drops), false)).collect::<Vec<_>>();
    let dropped = || drops.load(Ordering::Relaxed);
    let buffer = PriorityCircularBuffer::new(small()).unwrap();
    for level in 0..3 {
        buffer.push_batch_with_priority(make(20), level).unwrap(); // grows
    }
    assert_eq!(dropped(), 0);
    drop(buffer.pop().unwrap());
    drop(buffer.pop_batch(48).unwrap()); // shrinks
    drop(buffer.pop_from_priority(0).unwrap());
    assert_eq!(dropped(), 50);
    assert_eq!(buffer.clear(), 10);
    assert_eq!(dropped(), 60);
    buffer.push_batch_with_priority(make(5), 2).unwrap();
    assert_eq!(buffer.drain().len(), 5);
    assert_eq!(dropped(), 65);
    assert!(buffer.offer_batch_with_priority(make(65), 0).is_err());
    assert!(buffer.offer_with_priority(make(1).pop().unwrap(), 3).is_err());
    assert_eq!(dropped(), 131);
    buffer.push_batch_with_priority(make(40), 1).unwrap();
    drop(buffer.pop_batch(7).unwrap());
    drop(buffer);
    assert_eq!(dropped(), 171);
}

#[test]
fn the_drop_of_an_item_may_use_the_buffer_it_came_from() {
    struct Reentrant(Arc<PriorityCircularBuffer<Reentrant>>, bool);
    impl Drop for Reentrant {
        fn drop(&mut self) {
            if self.1 {
                self.0.push(Self(Arc::clone(&self.0), false)).unwrap();
            }
        }
    }
    let buffer = Arc::new(PriorityCircularBuffer::new(small()).unwrap());
    for level in 0..3 {
        buffer.push_with_priority(Reentrant(Arc::clone(&buffer), true), level).unwrap();
    }
    assert_eq!(buffer.clear(), 3);
    assert_eq!(buffer.len(), 3);
    drop(buffer.drain());
    assert!(buffer.is_empty());
}

#[test]
fn a_panicking_drop_drops_the_others_and_leaves_a_working_buffer() {
    let drops = Arc::new(AtomicUsize::new(0));
    let bomb = |armed| Counted(Arc::clone(&drops), armed);
    let buffer = PriorityCircularBuffer::new(small()).unwrap();
    for n in 0..30 {
        buffer.push_with_priority(bomb(n == 7), n % 3).unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| buffer.clear())).is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 30);
    buffer.push(bomb(false)).unwrap();
    assert_eq!(buffer.len(), 1);
}

#[test]
fn a_panicking_clone_leaves_the_buffer_as_it_was() {
    struct Shy(u8);
    impl Clone for Shy {
        fn clone(&self) -> Self {
            assert!(self.0 != 2, "not this one");
            Self(self.0)
        }
    }
    let buffer = PriorityCircularBuffer::new(small()).unwrap();
    for n in 0..3 {
        buffer.push_with_priority(Shy(n), n.into()).unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| buffer.iter())).is_err());
    assert_eq!(buffer.drain().iter().map(|shy| shy.0).collect::<Vec<_>>(), [2, 1, 0]);
}

#[test]
fn items_without_size_and_items_of_large_alignment_work() {
    let buffer = PriorityCircularBuffer::new(small()).unwrap();
    buffer.push_batch_with_priority(vec![(); 40], 2).unwrap();
    buffer.push_batch_with_priority(vec![(); 24], 0).unwrap();
    assert_eq!((buffer.len(), buffer.capacity()), (64, 64));
    assert!(buffer.push(()).is_err());
    assert_eq!(buffer.pop_batch(100).unwrap().len(), 64);

    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let buffer = PriorityCircularBuffer::new(small()).unwrap();
    for n in 0..50 {
        buffer.push(Aligned(n)).unwrap();
    }
    for n in 0..50 {
        let item = buffer.pop().unwrap();
        assert_eq!((item.0, std::ptr::from_ref(&item).addr() % 256), (n, 0));
    }
}

#[test]
fn one_level_is_a_plain_queue() {
    let buffer = PriorityCircularBuffer::new(small().with_priority_levels(1)).unwrap();
    buffer.push_batch((0..10).collect()).unwrap();
    buffer.push_with_priority(10, 0).unwrap();
    assert_eq!(buffer.drain(), (0..11).collect::<Vec<_>>());
}

/// A debugger stops a thread wherever it is, and a log must not hang.
#[test]
fn debug_waits_for_no_lock() {
    let buffer = PriorityCircularBuffer::new(PriorityConfig::default()).unwrap();
    buffer.push(1).unwrap();
    assert!(format!("{buffer:?}").contains("messages_enqueued: 1"));
    buffer.iter_with(|_| {
        assert!(format!("{buffer:?}").contains("<locked>"));
        assert_eq!(buffer.glance(), None);
    });
}
