//! `Ring<T>`: circular storage that grows on demand and shrinks after a burst. It knows no locks.
//!
//! ```text
//! span        the items and their slots; the slots are a power of two and at least `limit`
//! capacity    the logical capacity: min <= capacity <= max, exact
//! limit       items that fit on the fast path: `capacity`; 0 while nothing is allocated (after `take_all`),
//!             while the ring is watched, and once it is sealed: one comparison tells whether a push is fast
//! low         a pop that leaves fewer items than this takes the slow path: the ring shrinks (0: never) or is
//!             watched (all of them)
//! ```
//!
//! Growing and shrinking resize the circle in place where the allocator can, and move items in at most three
//! slice copies. The counters are read off the positions: `tail` items were ever put in, and `head` of them
//! were taken again. An item that is taken as the newest gives its position back; `newest` counts these, and
//! is added to both.
//!
//! `lane`: a ring that is one of several, and leaves its size to their owner. `lock`: the lock made for
//! rings.

#[cfg(feature = "priority")]
mod lane;
mod lock;
mod span;

use crate::config::Config;
use crate::elasticity::Elasticity;
use crate::error::{BufferError, BufferResult, Rejected};
#[cfg(feature = "priority")]
pub(crate) use lane::Lane;
pub use lock::PatientLock;
use span::Span;
use std::mem::MaybeUninit;

/// The lock of a buffer that names no other.
#[cfg(not(loom))]
pub(crate) use lock::PatientLock as DefaultLock;
#[cfg(loom)] // where `sync` takes loom's lock, whatever this is
pub(crate) use parking_lot::RawMutex as DefaultLock;

// In this order, one cache line holds the lock that stands before the ring, and all that a push or pop on the
// fast path touches.
#[repr(C)]
pub(crate) struct Ring<T> {
    span: Span<T>,
    limit: usize,
    low: usize,
    peak: usize,
    capacity: usize,
    /// Items that were taken as the newest.
    newest: u64,
    grown: u64,
    shrunk: u64,
    sealed: bool,
    watched: bool,
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
            newest: 0,
            grown: 0,
            shrunk: 0,
            sealed: false,
            watched: false,
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

    #[inline(always)]
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
        self.span.tail().wrapping_add(self.newest)
    }

    /// Items ever taken out, in whatever way.
    pub(crate) const fn popped(&self) -> u64 {
        self.span.head().wrapping_add(self.newest)
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

    /// Refuses all puts from now on; what is inside can still be taken.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
        self.set_marks();
    }

    pub(crate) const fn is_sealed(&self) -> bool {
        self.sealed
    }

    pub(crate) const fn has_room(&self) -> bool {
        self.room() != 0
    }

    /// How many more items there is room for, if the ring grows.
    pub(crate) const fn room(&self) -> usize {
        if self.sealed { 0 } else { self.elasticity.max() - self.len() }
    }

    /// Sends every push and pop to the slow path, where it is looked at more closely, until `unwatch`.
    pub(crate) fn watch(&mut self) {
        self.watched = true;
        self.set_marks();
    }

    pub(crate) fn unwatch(&mut self) {
        self.watched = false;
        self.set_marks();
    }

    pub(crate) const fn is_watched(&self) -> bool {
        self.watched
    }

    /// Puts one item, if the fast path can: one comparison and one write.
    #[inline(always)]
    pub(crate) fn push_plain(&mut self, item: T) -> Result<(), T> {
        let len = self.span.len();
        if len >= self.limit {
            return Err(item);
        }
        // SAFETY: `len < limit <= slots`.
        unsafe { self.span.push(item) };
        if len >= self.peak {
            self.peak = len + 1;
        }
        Ok(())
    }

    /// Puts the item that is in `place`, growing if need be. On an error it is still there.
    pub(crate) fn push(&mut self, place: &mut Option<T>) -> BufferResult<()> {
        self.make_room(1)?;
        if let Some(item) = place.take() {
            // SAFETY: `make_room` has made sure of a free slot.
            unsafe { self.span.push(item) };
            self.peak = self.peak.max(self.span.len());
        }
        Ok(())
    }

    /// Puts all of `items` or none; on success the vector is left empty.
    pub(crate) fn push_all(&mut self, items: &mut Vec<T>) -> BufferResult<()> {
        let count = items.len();
        self.make_room(count)?;
        // SAFETY: `make_room` has made sure of `count` free slots and positions.
        unsafe { self.span.push_all(items) };
        self.peak = self.peak.max(self.span.len());
        Ok(())
    }

    /// Takes the oldest item, if the fast path can: one comparison and one read.
    #[inline(always)]
    pub(crate) fn pop_plain(&mut self) -> Option<T> {
        if self.span.len() <= self.low {
            return None;
        }
        self.span.pop()
    }

    /// Takes the oldest item, and shrinks the ring if few enough are left.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.span.pop()?;
        self.shrink();
        Some(item)
    }

    /// Moves the oldest items into `target`, as many as there are and fit. Returns their number: so many
    /// places at the front of `target` are initialised.
    pub(crate) fn pop_into(&mut self, target: &mut [MaybeUninit<T>]) -> usize {
        let count = self.span.pop_into(target);
        self.shrink();
        count
    }

    /// Moves the oldest `count` items (at most as many as there are) to the end of `items`, which has room
    /// for them.
    pub(crate) fn pop_into_vec(&mut self, items: &mut Vec<T>, count: usize) {
        self.span.pop_into_vec(items, count);
        self.shrink();
    }

    /// [`pop_plain`](Self::pop_plain) of the newest item.
    #[inline(always)]
    pub(crate) fn pop_newest_plain(&mut self) -> Option<T> {
        if self.span.len() <= self.low {
            return None;
        }
        let item = self.span.pop_newest()?;
        self.newest = self.newest.wrapping_add(1);
        Some(item)
    }

    /// Takes the newest item, and shrinks the ring if few enough are left.
    pub(crate) fn pop_newest(&mut self) -> Option<T> {
        let item = self.span.pop_newest()?;
        self.newest = self.newest.wrapping_add(1);
        self.shrink();
        Some(item)
    }

    /// Moves the newest items into `target`, newest first, as many as there are and fit. Returns their
    /// number: so many places at the front of `target` are initialised.
    pub(crate) fn pop_newest_into(&mut self, target: &mut [MaybeUninit<T>]) -> usize {
        let count = self.len().min(target.len());
        for (place, item) in target.iter_mut().zip(std::iter::from_fn(|| self.span.pop_newest())) {
            place.write(item);
        }
        self.newest = self.newest.wrapping_add(count as u64);
        self.shrink();
        count
    }

    /// Puts the next `count` items of `items` (fewer if there are fewer) or, on an error, none.
    pub(crate) fn push_from(&mut self, count: usize, items: &mut impl Iterator<Item = T>) -> BufferResult<()> {
        self.make_room(count)?;
        for item in items.take(count) {
            // SAFETY: `make_room` has made sure of `count` free slots, and at most `count` items come.
            unsafe { self.span.push(item) };
        }
        self.peak = self.peak.max(self.span.len());
        Ok(())
    }

    /// Takes the oldest item out of a full ring and puts `item` in. This needs no memory.
    pub(crate) fn replace_oldest(&mut self, item: T) -> Result<T, Rejected<T>> {
        if self.sealed {
            return Err(Rejected::new(BufferError::Closed, item));
        }
        let Some(oldest) = self.span.pop() else { return Err(Rejected::new(self.no_room(1), item)) };
        // SAFETY: the slot that the oldest item had is free.
        unsafe { self.span.push(item) };
        Ok(oldest)
    }

    /// Puts all of `items` and moves the oldest `evict` items, those of `items` included, to the end of
    /// `evicted`, which has room for them. `evict` is at most the number of all these items, and large enough
    /// that no more than the maximum remain. On an error nothing has changed; on success `items` is left
    /// empty.
    pub(crate) fn push_evicting(&mut self, items: &mut Vec<T>, evict: usize, evicted: &mut Vec<T>) -> BufferResult<()> {
        if self.sealed {
            return Err(BufferError::Closed);
        }
        // So the number of `items` can be added to that of the items that are there, too.
        self.span.check_positions(items.len())?;
        let old = evict.min(self.len());
        let new = evict - old;
        // An item that goes out at once still takes a slot on its way, so that the positions count it.
        self.make_slots((self.len() - old + items.len() - new).max(usize::from(new > 0)))?;
        self.span.pop_into_vec(evicted, old);
        for item in items.drain(..new) {
            // SAFETY: items of the batch are evicted only after all others, so the span is empty, and it has
            // a slot.
            unsafe { self.span.push(item) };
            evicted.extend(self.span.pop());
        }
        // SAFETY: there are slots for what remains and for these items, and positions for the whole batch.
        unsafe { self.span.push_all(items) };
        self.peak = self.peak.max(self.span.len());
        self.shrink();
        Ok(())
    }

    /// The items in order, in two slices.
    pub(crate) fn as_slices(&self) -> (&[T], &[T]) {
        self.span.as_slices()
    }

    /// Takes everything in constant time, leaving the ring empty at its smallest capacity with nothing
    /// allocated.
    pub(crate) fn take_all(&mut self) -> Taken<T> {
        let end = self.span.tail();
        let taken = std::mem::replace(&mut self.span, Span::unallocated(end));
        self.shrunk += u64::from(self.capacity > self.elasticity.min());
        self.capacity = self.elasticity.min();
        self.set_marks();
        Taken(taken)
    }

    /// Makes sure of `count` free slots, or says why there can't be as many.
    fn make_room(&mut self, count: usize) -> BufferResult<()> {
        if self.sealed {
            return Err(BufferError::Closed);
        }
        match self.span.len().checked_add(count) {
            Some(needed) if needed <= self.elasticity.max() => {
                self.span.check_positions(count)?;
                self.make_slots(needed)
            }
            _ => Err(self.no_room(count)),
        }
    }

    /// Makes sure of `needed` slots in all, at most the maximum.
    fn make_slots(&mut self, needed: usize) -> BufferResult<()> {
        // If there are fewer slots than the capacity, nothing is allocated.
        if needed > self.capacity || self.span.slots() < self.capacity {
            self.grow(needed)?;
        }
        Ok(())
    }

    fn no_room(&self, count: usize) -> BufferError {
        let max = self.elasticity.max();
        if count > max {
            return BufferError::MaxCapacityReached(max);
        }
        // A batch that will never go in must not wait for room.
        self.span.check_positions(count).err().unwrap_or(if self.span.len() == max {
            BufferError::MaxCapacityReached(max)
        } else {
            BufferError::Full
        })
    }

    #[cold]
    fn grow(&mut self, needed: usize) -> BufferResult<()> {
        let before = self.capacity;
        // If there is no memory for a whole step, the capacity that is needed will do.
        self.resize(self.elasticity.grown(before, needed)).or_else(|_| self.resize(needed.max(before)))?;
        self.grown += u64::from(self.capacity > before);
        Ok(())
    }

    fn shrink(&mut self) {
        if self.span.len() < self.elasticity.shrinks_below(self.capacity) {
            let after = self.elasticity.shrunk(self.capacity, self.span.len());
            // Shrinking needs no memory, so it does not fail; it only returns what all resizes return.
            self.shrunk += u64::from(self.resize(after).is_ok());
        }
    }

    /// Sets the logical capacity and gives it the slots that belong to it. On failure nothing has changed.
    fn resize(&mut self, capacity: usize) -> BufferResult<()> {
        let no_memory =
            || BufferError::ResizeError(format!("no memory for {capacity} slots of {} bytes each", size_of::<T>()));
        let slots = capacity.checked_next_power_of_two().ok_or_else(no_memory)?;
        if slots != self.span.slots() {
            self.span.set_slots(slots).map_err(|_| no_memory())?;
        }
        self.capacity = capacity;
        self.set_marks();
        Ok(())
    }

    /// Sets the marks within which pushes and pops take the fast path.
    fn set_marks(&mut self) {
        let allocated = self.span.slots() >= self.capacity;
        self.limit = if self.watched || self.sealed || !allocated { 0 } else { self.capacity };
        self.low = if self.watched { usize::MAX } else { self.elasticity.shrinks_below(self.capacity) };
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

    /// Moves the oldest `count` items (at most as many as there are) to the end of `items`, which has room
    /// for them.
    #[cfg(feature = "priority")]
    pub(crate) fn pop_into_vec(&mut self, items: &mut Vec<T>, count: usize) {
        self.0.pop_into_vec(items, count);
    }
}

#[cfg(test)]
mod tests;
