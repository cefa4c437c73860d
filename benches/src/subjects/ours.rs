//! This project's buffer.

use crate::subject::{Bounds, Elastic, Shared};
use elasticq::{Config, DynamicCircularBuffer};

/// The name of this project's lock-based buffer in the tables.
pub const NAME: &str = "elasticq";

/// The buffer with all of its capacity from the start, or elastic between 1,024 and that capacity.
#[derive(Debug)]
pub struct Ours<const ELASTIC: bool>(DynamicCircularBuffer<u64>);

impl<const ELASTIC: bool> Shared for Ours<ELASTIC> {
    const NAME: &'static str = if ELASTIC { "elasticq, elastic from 1,024" } else { NAME };

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
        let config = Config::default()
            .with_initial_capacity(bounds.initial)
            .with_min_capacity(bounds.min)
            .with_max_capacity(bounds.max);
        Self::new(config).expect("the bounds are in order")
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
