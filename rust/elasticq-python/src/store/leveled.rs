//! `Leveled`: a buffer with levels. Its methods that name no level mean the middle one.

use crate::raw::Item;
use crate::raw::lock::RingLock;
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{Buffer, BufferResult, QueueStats};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::vec;

pub struct Leveled {
    pub buffer: PriorityCircularBuffer<Item, RingLock>,
    levels: usize,
    middle: usize,
    limits: BTreeMap<usize, usize>,
}

impl Leveled {
    pub fn new(config: PriorityConfig) -> BufferResult<Self> {
        let (levels, limits) = (config.priority_levels, config.max_capacity_at_priority.clone());
        Ok(Self { buffer: PriorityCircularBuffer::with_lock(config)?, levels, middle: levels / 2, limits })
    }

    pub const fn levels(&self) -> usize {
        self.levels
    }

    pub const fn middle(&self) -> usize {
        self.middle
    }

    /// How many of the tasks that wait for room are to look when `count` places have become free. If levels
    /// have limits of their own, a free place may be at another level than a task wants.
    pub fn concerned(&self, count: usize) -> usize {
        if self.limits.is_empty() { count } else { usize::MAX }
    }

    /// The most items that a level may ever hold.
    pub fn max_capacity_at(&self, priority: usize) -> usize {
        let max = self.buffer.max_capacity();
        self.limits.get(&priority).map_or(max, |&limit| limit.min(max))
    }

    pub fn offer_some(&self, items: &mut vec::IntoIter<Item>) -> BufferResult<usize> {
        self.buffer.offer_some(items, self.middle)
    }

    pub fn offer_with(&self, count: usize, make: impl FnMut(usize) -> Item) -> BufferResult<()> {
        self.buffer.offer_with(count, self.middle, make)
    }

    /// The counters of the buffer as a whole.
    pub fn stats(&self) -> QueueStats {
        Buffer::stats(&self.buffer)
    }
}

impl Deref for Leveled {
    type Target = PriorityCircularBuffer<Item, RingLock>;

    fn deref(&self) -> &Self::Target {
        &self.buffer
    }
}
