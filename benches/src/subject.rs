//! What a queue must offer to take part. The loops in [`crate::shapes`] are written once against these traits
//! and compiled for each queue. So no contender pays for a virtual call that another does not. The adapters'
//! calls are always inlined, for all alike: otherwise the compiler's thresholds would decide who pays for a
//! call.
//!
//! To add a contender, implement a trait in the file of its family under `subjects/`, and name it in the
//! suite: [`Shared`] for a queue that is used through shared references, or [`Subject`] for one that comes as
//! two ends.

use std::sync::Arc;

/// The end that puts.
pub trait Push: Send {
    /// Puts one item, or returns `false` if there is no room now.
    fn try_push(&mut self, item: u64) -> bool;

    /// Puts the items that it has kept back to make a batch of them, or returns `false` if there is no room
    /// for them now.
    fn flush(&mut self) -> bool {
        true
    }
}

/// The end that takes.
pub trait Pop: Send {
    /// Takes the oldest item, or returns `None` if there is none now.
    fn try_pop(&mut self) -> Option<u64>;
}

/// A first-in, first-out queue of `u64` between threads.
pub trait Subject {
    /// The name in the tables.
    const NAME: &'static str;
    /// How many producers it serves at most.
    const PRODUCERS: usize = usize::MAX;
    /// How many consumers it serves at most.
    const CONSUMERS: usize = usize::MAX;
    /// The end that puts.
    type Producer: Push;
    /// The end that takes.
    type Consumer: Pop;

    /// Opens a queue with room for `capacity` items and as many ends as asked for.
    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>);
}

/// A queue that every thread uses through the same shared reference.
pub trait Shared: Send + Sync + Sized {
    /// The name in the tables.
    const NAME: &'static str;
    /// How many producers it serves at most.
    const PRODUCERS: usize = usize::MAX;
    /// How many consumers it serves at most.
    const CONSUMERS: usize = usize::MAX;

    /// Opens a queue with room for `capacity` items.
    fn open(capacity: usize) -> Self;
    /// Puts one item, or returns `false` if there is no room now.
    fn try_push(&self, item: u64) -> bool;
    /// Takes the oldest item, or returns `None` if there is none now.
    fn try_pop(&self) -> Option<u64>;
}

impl<Q: Shared> Subject for Q {
    const NAME: &'static str = Q::NAME;
    const PRODUCERS: usize = Q::PRODUCERS;
    const CONSUMERS: usize = Q::CONSUMERS;
    type Producer = Arc<Q>;
    type Consumer = Arc<Q>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Arc<Q>>, Vec<Arc<Q>>) {
        let queue = Arc::new(Q::open(capacity));
        (vec![Arc::clone(&queue); producers], vec![queue; consumers])
    }
}

impl<Q: Shared> Push for Arc<Q> {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        Q::try_push(self, item)
    }
}

impl<Q: Shared> Pop for Arc<Q> {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        Q::try_pop(self)
    }
}

/// The bounds of an elastic buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The capacity it starts with.
    pub initial: usize,
    /// The capacity it never falls below.
    pub min: usize,
    /// The capacity it never grows beyond.
    pub max: usize,
}

/// A buffer of any items that takes and gives them in batches and may change its capacity.
pub trait Elastic<T>: Send + Sync + Sized {
    /// The name in the tables.
    const NAME: &'static str;

    /// Opens a buffer within these bounds.
    fn open(bounds: Bounds) -> Self;
    /// Puts one item, or returns `false` if there is no room.
    fn push(&self, item: T) -> bool;
    /// Takes the oldest item.
    fn pop(&self) -> Option<T>;
    /// Puts all of `items`, or returns `false` if there is no room for all.
    fn push_batch(&self, items: Vec<T>) -> bool;
    /// Takes up to `max` of the oldest items.
    fn pop_batch(&self, max: usize) -> Vec<T>;
    /// How many items it holds before it has to grow.
    fn capacity(&self) -> usize;
}

/// A queue of `u64` with levels. The highest level goes first.
pub trait Levelled: Send + Sync + Sized {
    /// The name in the tables.
    const NAME: &'static str;

    /// Opens a queue with this many levels, fair or strict, with room for `least` items at first and for
    /// `most` later.
    fn open(levels: usize, fair: bool, least: usize, most: usize) -> Self;
    /// Puts one item at a level, or returns `false` if there is no room.
    fn push(&self, item: u64, priority: usize) -> bool;
    /// Takes the next item.
    fn pop(&self) -> Option<u64>;
    /// Puts all of `items` at a level, or returns `false` if there is no room for all.
    fn push_batch(&self, items: Vec<u64>, priority: usize) -> bool;
    /// Takes up to `max` items.
    fn pop_batch(&self, max: usize) -> Vec<u64>;
}
