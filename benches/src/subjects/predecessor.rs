//! elasticq 0.3.0 as it is published.

use crate::subject::{Bounds, Elastic, Shared};
use old::{Config, DynamicCircularBuffer};
use std::fmt;

/// The name of the published predecessor in the tables.
pub const NAME: &str = "elasticq 0.3.0";

fn config(bounds: Bounds) -> Config {
    Config::default().with_initial_capacity(bounds.initial).with_min_capacity(bounds.min).with_max_capacity(bounds.max)
}

/// The lock-based buffer with all of its capacity from the start, or elastic between 1,024 and that capacity.
pub struct Old<const ELASTIC: bool>(DynamicCircularBuffer<u64>);

impl<const ELASTIC: bool> fmt::Debug for Old<ELASTIC> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Old").finish_non_exhaustive()
    }
}

impl<const ELASTIC: bool> Shared for Old<ELASTIC> {
    const NAME: &'static str = if ELASTIC { "elasticq 0.3.0, elastic from 1,024" } else { NAME };

    fn open(capacity: usize) -> Self {
        let least = if ELASTIC { capacity.min(1_024) } else { capacity };
        Self(Elastic::open(Bounds { initial: least, min: least, max: capacity }))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.push(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.pop().ok()
    }
}

impl<T: Send + Sync + 'static> Elastic<T> for DynamicCircularBuffer<T> {
    const NAME: &'static str = NAME;

    fn open(bounds: Bounds) -> Self {
        Self::new(config(bounds)).expect("the bounds are in order")
    }

    #[inline(always)]
    fn push(&self, item: T) -> bool {
        Self::push(self, item).is_ok()
    }

    #[inline(always)]
    fn pop(&self) -> Option<T> {
        Self::pop(self).ok()
    }

    #[inline(always)]
    fn push_batch(&self, items: Vec<T>) -> bool {
        Self::push_batch(self, items).is_ok()
    }

    #[inline(always)]
    fn pop_batch(&self, max: usize) -> Vec<T> {
        Self::pop_batch(self, max).unwrap_or_default()
    }

    fn capacity(&self) -> usize {
        Self::capacity(self)
    }
}

/// The lock-free queue, with one consumer at a time. It is known to hand out wrong items; the tables count
/// them.
#[cfg(feature = "lock_free")]
pub struct OldLockFree(old::LockFreeMPSCQueue<u64>);

#[cfg(feature = "lock_free")]
impl fmt::Debug for OldLockFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldLockFree").finish_non_exhaustive()
    }
}

#[cfg(feature = "lock_free")]
impl Shared for OldLockFree {
    const NAME: &'static str = "elasticq 0.3.0, lock-free";
    const CONSUMERS: usize = 1;

    fn open(capacity: usize) -> Self {
        let bounds = Bounds { initial: capacity, min: capacity, max: capacity };
        Self(old::LockFreeMPSCQueue::new(config(bounds)).expect("the bounds are in order"))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.try_enqueue(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.try_dequeue().ok().flatten()
    }
}
