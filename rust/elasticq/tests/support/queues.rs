//! The five queues behind one face, for promises about waiting that all of them keep.
#![allow(dead_code)] // each test binary uses its own part

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{
    BufferError, Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Waiter,
    Waiting,
};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Longer than any test here takes: one that runs this long never ends.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A queue of numbers whose waiters may be many, as the layers above use it.
pub trait Queue: Send + Sync + Sized + 'static {
    /// An empty one that never holds more than `max`.
    fn of(max: usize) -> Arc<Self>;
    /// Puts in all of these, for which there is room.
    fn put(&self, numbers: &[u32]);
    /// Takes up to `max`.
    fn take(&self, max: usize) -> Vec<u32>;
    fn wait_for_item(&self) -> Waiter<'_>;
    fn wait_for_room(&self) -> Waiter<'_>;
    fn owned_wait_for_item(self: &Arc<Self>) -> Waiter<'static>;
    fn owned_wait_for_room(self: &Arc<Self>) -> Waiter<'static>;
    /// Who sleeps until there is an item, and until there is room.
    fn who_sleeps(&self) -> (Waiting, Waiting);
    /// Those that wait for an item and for room, without those that were woken.
    fn asleep(&self) -> (usize, usize);
    fn close(&self);
    fn is_closed(&self) -> bool;
}

fn config(max: usize) -> Config {
    Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(max)
}

impl Queue for DynamicCircularBuffer<u32> {
    fn of(max: usize) -> Arc<Self> {
        Arc::new(Self::new(config(max)).unwrap())
    }
    fn put(&self, numbers: &[u32]) {
        match numbers {
            [number] => self.push(*number).unwrap(),
            numbers => self.push_batch(numbers.to_vec()).unwrap(),
        }
    }
    fn take(&self, max: usize) -> Vec<u32> {
        if max == 1 { self.try_pop().into_iter().collect() } else { self.try_pop_batch(max).unwrap_or_default() }
    }
    fn wait_for_item(&self) -> Waiter<'_> {
        self.wait_for_item()
    }
    fn wait_for_room(&self) -> Waiter<'_> {
        self.wait_for_room()
    }
    fn owned_wait_for_item(self: &Arc<Self>) -> Waiter<'static> {
        self.owned_wait_for_item()
    }
    fn owned_wait_for_room(self: &Arc<Self>) -> Waiter<'static> {
        self.owned_wait_for_room()
    }
    fn who_sleeps(&self) -> (Waiting, Waiting) {
        (self.waiting_for_item(), self.waiting_for_room())
    }
    fn asleep(&self) -> (usize, usize) {
        (self.waiting_consumers(), self.waiting_producers())
    }
    fn close(&self) {
        self.close();
    }
    fn is_closed(&self) -> bool {
        self.is_closed()
    }
}

impl Queue for PriorityCircularBuffer<u32> {
    fn of(max: usize) -> Arc<Self> {
        Arc::new(Self::new(PriorityConfig::default().with_base_config(config(max))).unwrap())
    }
    fn put(&self, numbers: &[u32]) {
        match numbers {
            [number] => self.push(*number).unwrap(),
            numbers => self.push_batch_with_priority(numbers.to_vec(), 1).unwrap(),
        }
    }
    fn take(&self, max: usize) -> Vec<u32> {
        if max == 1 { self.try_pop().into_iter().collect() } else { self.try_pop_batch(max).unwrap_or_default() }
    }
    fn wait_for_item(&self) -> Waiter<'_> {
        self.wait_for_item()
    }
    fn wait_for_room(&self) -> Waiter<'_> {
        self.wait_for_room(1)
    }
    fn owned_wait_for_item(self: &Arc<Self>) -> Waiter<'static> {
        self.owned_wait_for_item()
    }
    fn owned_wait_for_room(self: &Arc<Self>) -> Waiter<'static> {
        self.owned_wait_for_room(1)
    }
    fn who_sleeps(&self) -> (Waiting, Waiting) {
        (self.waiting_for_item(), self.waiting_for_room())
    }
    fn asleep(&self) -> (usize, usize) {
        (self.waiting_consumers(), self.waiting_producers())
    }
    fn close(&self) {
        self.close();
    }
    fn is_closed(&self) -> bool {
        self.is_closed()
    }
}

/// With what is asked of whoever uses their waiters: to look for those who wait after each change.
macro_rules! without_a_lock {
    ($($queue:ident)*) => {$(
        impl Queue for $queue<u32> {
            fn of(max: usize) -> Arc<Self> {
                Arc::new(Self::new(config(max)).unwrap())
            }
            fn put(&self, numbers: &[u32]) {
                match numbers {
                    [number] => self.try_enqueue(*number).unwrap(),
                    numbers => self.offer_batch(numbers.to_vec()).unwrap(),
                }
                fence(Ordering::SeqCst);
                if self.waiting_consumers() != 0 {
                    self.wake_consumers(self.len());
                }
                if self.waiting_producers() != 0 {
                    self.wake_producers(self.max_capacity() - self.len());
                }
            }
            fn take(&self, max: usize) -> Vec<u32> {
                let taken = match self.dequeue_batch(max) {
                    Ok(taken) => taken,
                    Err(BufferError::Closed) => Vec::new(),
                    Err(error) => panic!("{error}"),
                };
                fence(Ordering::SeqCst);
                if self.waiting_producers() != 0 {
                    self.wake_producers(self.max_capacity() - self.len());
                }
                if self.waiting_consumers() != 0 {
                    self.wake_consumers(self.len());
                }
                taken
            }
            fn wait_for_item(&self) -> Waiter<'_> {
                self.wait_for_item()
            }
            fn wait_for_room(&self) -> Waiter<'_> {
                self.wait_for_room()
            }
            fn owned_wait_for_item(self: &Arc<Self>) -> Waiter<'static> {
        self.owned_wait_for_item()
    }
    fn owned_wait_for_room(self: &Arc<Self>) -> Waiter<'static> {
        self.owned_wait_for_room()
    }
    fn who_sleeps(&self) -> (Waiting, Waiting) {
        (self.waiting_for_item(), self.waiting_for_room())
    }
    fn asleep(&self) -> (usize, usize) {
        (self.waiting_consumers(), self.waiting_producers())
    }
    fn close(&self) {
        self.close();
    }
    fn is_closed(&self) -> bool {
        self.is_closed()
            }
        }
    )*};
}

without_a_lock!(LockFreeMPSCQueue LockFreeMPMCQueue LockFreeSPSCQueue);

/// Runs a test in a thread of its own, so that one that never ends fails.
pub fn within_time(test: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _ended = ended; // dropped at the end, also by a panic
        test();
    });
    assert_ne!(end.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Timeout), "it never ends");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A test for each of the five, of each of these functions.
macro_rules! of_all_five {
    ($($promise:ident)*) => {$(
        mod $promise {
            use crate::queues::within_time;

            #[test]
            fn with_a_lock() {
                within_time(super::$promise::<elasticq::DynamicCircularBuffer<u32>>);
            }

            #[test]
            fn with_levels() {
                within_time(super::$promise::<elasticq::priority::PriorityCircularBuffer<u32>>);
            }

            #[test]
            fn mpsc() {
                within_time(super::$promise::<elasticq::LockFreeMPSCQueue<u32>>);
            }

            #[test]
            fn mpmc() {
                within_time(super::$promise::<elasticq::LockFreeMPMCQueue<u32>>);
            }

            #[test]
            fn spsc() {
                within_time(super::$promise::<elasticq::LockFreeSPSCQueue<u32>>);
            }
        }
    )*};
}

pub(crate) use of_all_five;
