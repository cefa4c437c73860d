//! `Ring<T>`: circular storage that grows on demand and shrinks after a burst. It knows no locks.
//!
//! ```text
//! span        the items and their slots; the slots are a power of two and at least `limit`
//! capacity    the logical capacity: min <= capacity <= max, exact
//! limit       items that fit without further ado: min(capacity, slots); it is below `capacity` only while nothing is
//!             allocated (after `take_all`)
//! low         a pop that leaves fewer items than this shrinks the ring; 0: never
//! ```
//!
//! Growing and shrinking move the items to a new circle in at most three slice copies and free the old one. The
//! counters are read off the positions: `tail` items were ever put in, `head` of them were taken again.

mod elasticity;
mod span;

use crate::config::Config;
use crate::error::{BufferError, BufferResult, Rejected};
use elasticity::Elasticity;
use span::Span;
use std::mem::MaybeUninit;

pub(crate) struct Ring<T> {
    span: Span<T>,
    limit: usize,
    low: usize,
    peak: usize,
    capacity: usize,
    grown: u64,
    shrunk: u64,
    elasticity: Elasticity,
}

impl<T> Ring<T> {
    /// An empty ring of the configuration's initial capacity, allocated.
    pub(crate) fn new(config: &Config) -> BufferResult<Self> {
        config.validate()?;
        let mut ring = Self {
            span: Span::unallocated(0),
            limit: 0,
            low: 0,
            peak: 0,
            capacity: 0,
            grown: 0,
            shrunk: 0,
            elasticity: Elasticity::new(config),
        };
        ring.resize(config.initial_capacity).map_err(|_| {
            BufferError::InvalidConfiguration(format!(
                "initial_capacity = {}: must be small enough for its slots of {} bytes each to be allocated",
                config.initial_capacity,
                size_of::<T>()
            ))
        })?;
        Ok(ring)
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.span.len()
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) const fn max_capacity(&self) -> usize {
        self.elasticity.max()
    }

    /// Items ever put in.
    pub(crate) const fn pushed(&self) -> u64 {
        self.span.tail()
    }

    /// Items ever taken out, in whatever way.
    pub(crate) const fn popped(&self) -> u64 {
        self.span.head()
    }

    pub(crate) const fn peak(&self) -> usize {
        self.peak
    }

    pub(crate) const fn grown(&self) -> u64 {
        self.grown
    }

    pub(crate) const fn shrunk(&self) -> u64 {
        self.shrunk
    }

    /// Adds one item, growing if need be.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> Result<(), Rejected<T>> {
        let len = self.span.len();
        if len >= self.limit {
            if let Err(reason) = self.make_room(1) {
                return Err(Rejected::new(reason, item));
            }
        }
        // SAFETY: `len < limit <= slots`, either at once or because `make_room` has seen to it.
        unsafe { self.span.push(item) };
        self.peak = self.peak.max(len + 1);
        Ok(())
    }

    /// Adds all of `items` or none; on success the vector is left empty.
    pub(crate) fn push_all(&mut self, items: &mut Vec<T>) -> BufferResult<()> {
        let count = items.len();
        if count > self.limit - self.span.len() {
            self.make_room(count)?;
        }
        // SAFETY: `len + count <= limit <= slots`, either at once or because `make_room` has seen to it.
        unsafe { self.span.push_all(items) };
        self.peak = self.peak.max(self.span.len());
        Ok(())
    }

    /// Takes the oldest item.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.span.pop()?;
        if self.span.len() < self.low {
            self.shrink();
        }
        Some(item)
    }

    /// Moves the oldest items into `target`, as many as there are and fit; gives their number. Those first places of
    /// `target` are initialised.
    pub(crate) fn pop_into(&mut self, target: &mut [MaybeUninit<T>]) -> usize {
        let count = self.span.pop_into(target);
        if self.span.len() < self.low {
            self.shrink();
        }
        count
    }

    /// Moves the oldest `count` items (at most as many as there are) to the end of `items`, which has the room.
    pub(crate) fn pop_into_vec(&mut self, items: &mut Vec<T>, count: usize) {
        self.span.pop_into_vec(items, count);
        if self.span.len() < self.low {
            self.shrink();
        }
    }

    /// Adds the next `count` items of `items` (fewer if there are fewer) or, on an error, none.
    pub(crate) fn push_from(&mut self, count: usize, items: &mut impl Iterator<Item = T>) -> BufferResult<()> {
        if count > self.limit - self.span.len() {
            self.make_room(count)?;
        }
        for item in items.take(count) {
            // SAFETY: `len + count <= limit <= slots` at the start, and at most `count` items come.
            unsafe { self.span.push(item) };
        }
        self.peak = self.peak.max(self.span.len());
        Ok(())
    }

    /// The items in order, in two slices.
    pub(crate) fn as_slices(&self) -> (&[T], &[T]) {
        self.span.as_slices()
    }

    /// Takes everything in constant time, leaving the ring empty at its smallest capacity with nothing allocated.
    pub(crate) fn take_all(&mut self) -> Taken<T> {
        let end = self.span.tail();
        let taken = std::mem::replace(&mut self.span, Span::unallocated(end));
        self.shrunk += u64::from(self.capacity > self.elasticity.min());
        self.capacity = self.elasticity.min();
        self.limit = 0;
        self.low = 0;
        Taken(taken)
    }

    /// Makes room for `count` more items or says why that can't be.
    #[cold]
    fn make_room(&mut self, count: usize) -> BufferResult<()> {
        let len = self.span.len();
        let max = self.elasticity.max();
        if count > max - len {
            return Err(if len == max || count > max {
                BufferError::MaxCapacityReached(max)
            } else {
                BufferError::Full
            });
        }
        let before = self.capacity;
        let after = self.elasticity.grown(before, len + count);
        self.resize(after)?;
        self.grown += u64::from(after > before);
        Ok(())
    }

    #[cold]
    fn shrink(&mut self) {
        let before = self.capacity;
        let after = self.elasticity.shrunk(before, self.span.len());
        // Where no memory can be had for a smaller circle the larger one does as well; the next pop tries again.
        if after < before && self.resize(after).is_ok() {
            self.shrunk += 1;
        }
    }

    /// Sets the logical capacity and gives it the slots that belong to it. On failure nothing has changed.
    fn resize(&mut self, capacity: usize) -> BufferResult<()> {
        let no_memory =
            || BufferError::ResizeError(format!("no memory for {capacity} slots of {} bytes each", size_of::<T>()));
        let slots = capacity.checked_next_power_of_two().ok_or_else(no_memory)?;
        if slots != self.span.slots() {
            self.span.relocate(slots).map_err(|_| no_memory())?;
        }
        self.capacity = capacity;
        self.limit = capacity;
        self.low = self.elasticity.shrinks_below(capacity);
        Ok(())
    }
}

/// The items that were in a ring, for their owner to drop or to keep when no lock is held any more.
pub(crate) struct Taken<T>(Span<T>);

impl<T> Taken<T> {
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        self.0.into_vec()
    }
}

#[cfg(test)]
mod tests;
