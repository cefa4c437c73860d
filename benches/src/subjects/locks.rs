//! A standard ring behind parking_lot's mutex and nothing else: what anybody could write in a minute.

use crate::subject::{Bounds, Elastic, Shared};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// The name of the bare mutex and ring in the tables.
pub const BARE: &str = "Mutex<VecDeque>, bare";

/// Mutex and ring used bare: no bound is ever checked.
#[derive(Debug)]
pub struct Bare(Mutex<VecDeque<u64>>);

impl Shared for Bare {
    const NAME: &'static str = BARE;

    fn open(capacity: usize) -> Self {
        Self(Mutex::new(VecDeque::with_capacity(capacity)))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.lock().push_back(item);
        true
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.lock().pop_front()
    }
}

/// Mutex and ring with the least that makes them a bounded queue: a look at the length.
#[derive(Debug)]
pub struct Bounded {
    items: Mutex<VecDeque<u64>>,
    capacity: usize,
}

impl Shared for Bounded {
    const NAME: &'static str = "Mutex<VecDeque>, bounded";

    fn open(capacity: usize) -> Self {
        Self { items: Mutex::new(VecDeque::with_capacity(capacity)), capacity }
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        let mut items = self.items.lock();
        let room = items.len() < self.capacity;
        if room {
            items.push_back(item);
        }
        room
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.items.lock().pop_front()
    }
}

impl<T: Send + Sync + 'static> Elastic<T> for Mutex<VecDeque<T>> {
    const NAME: &'static str = BARE;

    fn open(bounds: Bounds) -> Self {
        Self::new(VecDeque::with_capacity(bounds.initial))
    }

    #[inline(always)]
    fn push(&self, item: T) -> bool {
        self.lock().push_back(item);
        true
    }

    #[inline(always)]
    fn pop(&self) -> Option<T> {
        self.lock().pop_front()
    }

    #[inline(always)]
    fn push_batch(&self, items: Vec<T>) -> bool {
        self.lock().extend(items);
        true
    }

    #[inline(always)]
    fn pop_batch(&self, max: usize) -> Vec<T> {
        let mut items = self.lock();
        let count = items.len().min(max);
        items.drain(..count).collect()
    }

    fn capacity(&self) -> usize {
        self.lock().capacity()
    }
}
