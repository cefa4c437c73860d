//! Items of any size are dropped exactly once and never under the lock. If dropping one panics, nothing
//! breaks.

use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn small() -> Config {
    Config::default().with_min_capacity(2).with_initial_capacity(2).with_max_capacity(64)
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_item_is_dropped_exactly_once_whichever_way_it_leaves() {
    let drops = Arc::new(AtomicUsize::new(0));
    let make = |count: usize| (0..count).map(|_| Counted(Arc::clone(&drops))).collect::<Vec<_>>();
    let dropped = || drops.load(Ordering::Relaxed);
    let buffer = DynamicCircularBuffer::new(small()).unwrap();

    buffer.push_batch(make(60)).unwrap(); // grows
    assert_eq!(dropped(), 0);
    drop(buffer.pop().unwrap());
    drop(buffer.pop_batch(50).unwrap()); // shrinks
    assert_eq!(dropped(), 51);
    buffer.push_batch(make(10)).unwrap(); // wraps around
    assert_eq!(buffer.clear(), 19);
    assert_eq!(dropped(), 70);
    buffer.push_batch(make(5)).unwrap();
    assert_eq!(buffer.drain().len(), 5);
    assert_eq!(dropped(), 75);
    assert!(buffer.offer_batch(make(65)).is_err());
    assert_eq!(dropped(), 140);
    buffer.push_batch(make(40)).unwrap();
    drop(buffer.pop_batch(7).unwrap());
    drop(buffer);
    assert_eq!(dropped(), 180);
}

#[test]
fn the_drop_of_an_item_may_use_the_buffer_it_came_from() {
    struct Reentrant(Arc<DynamicCircularBuffer<Reentrant>>, bool);
    impl Drop for Reentrant {
        fn drop(&mut self) {
            if self.1 {
                self.0.push(Self(Arc::clone(&self.0), false)).unwrap();
            }
        }
    }
    let buffer = Arc::new(DynamicCircularBuffer::new(small()).unwrap());
    for _ in 0..3 {
        buffer.push(Reentrant(Arc::clone(&buffer), true)).unwrap();
    }
    assert_eq!(buffer.clear(), 3);
    assert_eq!(buffer.len(), 3);
    drop(buffer.drain());
    assert!(buffer.is_empty());
}

#[test]
fn a_panicking_drop_drops_the_others_and_leaves_a_working_buffer() {
    struct Bomb(Arc<AtomicUsize>, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert!(!self.1, "bomb");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let bomb = |armed| Bomb(Arc::clone(&drops), armed);
    let buffer = DynamicCircularBuffer::new(small()).unwrap();
    // The items stand in two runs in the ring, so the test sees that both are dropped.
    buffer.push_batch((0..20).map(|_| bomb(false)).collect()).unwrap();
    drop(buffer.pop_batch(14).unwrap());
    buffer.push_batch((0..14).map(|n| bomb(n == 0)).collect()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| buffer.clear())).is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 34);
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
    let buffer = DynamicCircularBuffer::new(small()).unwrap();
    buffer.push_batch(vec![Shy(1), Shy(2), Shy(3)]).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| buffer.iter())).is_err());
    assert_eq!(buffer.drain().iter().map(|shy| shy.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn items_without_size_and_items_of_large_alignment_work() {
    let buffer = DynamicCircularBuffer::new(small()).unwrap();
    buffer.push_batch(vec![(); 64]).unwrap();
    assert_eq!((buffer.len(), buffer.capacity()), (64, 64));
    assert_eq!(buffer.push(()), Err(BufferError::MaxCapacityReached(64)));
    assert_eq!(buffer.pop_batch(100).unwrap().len(), 64);

    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let buffer = DynamicCircularBuffer::new(small()).unwrap();
    for n in 0..50 {
        buffer.push(Aligned(n)).unwrap();
    }
    for n in 0..50 {
        let item = buffer.pop().unwrap();
        assert_eq!((item.0, std::ptr::from_ref(&item).addr() % 256), (n, 0));
    }
}

#[test]
fn a_buffer_of_one_place_works() {
    let one = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(1);
    let buffer = DynamicCircularBuffer::new(one).unwrap();
    for n in 0..100 {
        buffer.push(n).unwrap();
        assert_eq!(buffer.push(n), Err(BufferError::MaxCapacityReached(1)));
        assert_eq!(buffer.pop(), Ok(n));
        assert_eq!(buffer.pop(), Err(BufferError::Empty));
    }
    assert_eq!(buffer.capacity(), 1);
}

/// A debugger stops a thread wherever it is, and a log must not hang.
#[test]
fn debug_waits_for_no_lock() {
    let buffer = DynamicCircularBuffer::new(Config::default()).unwrap();
    buffer.push(1).unwrap();
    assert!(format!("{buffer:?}").contains("messages_enqueued: 1"));
    buffer.iter_with(|_| {
        assert!(format!("{buffer:?}").contains("<locked>"));
        assert_eq!(buffer.glance(), None);
    });
}
