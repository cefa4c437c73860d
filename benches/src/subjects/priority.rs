//! Queues with levels: this project's, its predecessor's, and a bare mutex, which knows no levels.

use crate::subject::{Levelled, Shared};
use crate::subjects::{locks, ours, predecessor};
use elasticq::Config;
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use old::priority::PriorityCircularBuffer as Old;
use parking_lot::Mutex;
use std::collections::VecDeque;

impl Levelled for PriorityCircularBuffer<u64> {
    const NAME: &'static str = ours::NAME;

    fn open(levels: usize, fair: bool, least: usize, most: usize) -> Self {
        let base = Config::default().with_initial_capacity(least).with_min_capacity(least).with_max_capacity(most);
        let config = PriorityConfig::default()
            .with_priority_levels(levels)
            .with_fair_queuing(fair)
            .with_max_consecutive_per_priority(5)
            .with_base_config(base);
        Self::new(config).expect("the bounds are in order")
    }

    #[inline(always)]
    fn push(&self, item: u64, priority: usize) -> bool {
        self.push_with_priority(item, priority).is_ok()
    }

    #[inline(always)]
    fn pop(&self) -> Option<u64> {
        Self::pop(self).ok()
    }

    #[inline(always)]
    fn push_batch(&self, items: Vec<u64>, priority: usize) -> bool {
        self.push_batch_with_priority(items, priority).is_ok()
    }

    #[inline(always)]
    fn pop_batch(&self, max: usize) -> Vec<u64> {
        Self::pop_batch(self, max).unwrap_or_default()
    }
}

impl Levelled for Old<u64> {
    const NAME: &'static str = predecessor::NAME;

    fn open(levels: usize, fair: bool, least: usize, most: usize) -> Self {
        let base = old::Config::default().with_initial_capacity(least).with_min_capacity(least).with_max_capacity(most);
        let config = old::priority::PriorityConfig::default()
            .with_priority_levels(levels)
            .with_fair_queuing(fair)
            .with_max_consecutive(5)
            .with_base_config(base);
        Self::new(config).expect("the bounds are in order")
    }

    #[inline(always)]
    fn push(&self, item: u64, priority: usize) -> bool {
        self.push_with_priority(item, priority as u8).is_ok()
    }

    #[inline(always)]
    fn pop(&self) -> Option<u64> {
        Self::pop(self).ok()
    }

    #[inline(always)]
    fn push_batch(&self, items: Vec<u64>, priority: usize) -> bool {
        self.push_batch_with_priority(items, priority as u8).is_ok()
    }

    #[inline(always)]
    fn pop_batch(&self, max: usize) -> Vec<u64> {
        Self::pop_batch(self, max).unwrap_or_default()
    }
}

/// What a lock and a ring cost, without levels.
impl Levelled for Mutex<VecDeque<u64>> {
    const NAME: &'static str = locks::BARE;

    fn open(_: usize, _: bool, least: usize, _: usize) -> Self {
        Self::new(VecDeque::with_capacity(least))
    }

    #[inline(always)]
    fn push(&self, item: u64, _: usize) -> bool {
        self.lock().push_back(item);
        true
    }

    #[inline(always)]
    fn pop(&self) -> Option<u64> {
        self.lock().pop_front()
    }

    #[inline(always)]
    fn push_batch(&self, items: Vec<u64>, _: usize) -> bool {
        self.lock().extend(items);
        true
    }

    #[inline(always)]
    fn pop_batch(&self, max: usize) -> Vec<u64> {
        let mut items = self.lock();
        let count = items.len().min(max);
        items.drain(..count).collect()
    }
}

/// A queue with levels between threads. Each producer sends at a level of its own, so that its messages keep
/// their order.
#[derive(Debug)]
pub struct Mixed<Q>(Q);

impl<Q: Levelled> Shared for Mixed<Q> {
    const NAME: &'static str = Q::NAME;

    fn open(capacity: usize) -> Self {
        Self(Q::open(3, false, capacity, capacity))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.push(item, crate::ledger::producer(item) % 3)
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.pop()
    }
}

/// Ours with this many levels, with the items spread over all of them.
#[derive(Debug)]
pub struct Spread<const LEVELS: usize, const FAIR: bool>(PriorityCircularBuffer<u64>);

impl<const LEVELS: usize, const FAIR: bool> Shared for Spread<LEVELS, FAIR> {
    const NAME: &'static str = "elasticq, items spread over all levels";

    fn open(capacity: usize) -> Self {
        Self(Levelled::open(LEVELS, FAIR, capacity, capacity))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        Levelled::push(&self.0, item, item as usize % std::hint::black_box(LEVELS))
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        Levelled::pop(&self.0)
    }
}
