//! `Lane<T>`: one of several rings that share a capacity, so that their owner decides on the size of each.
//!
//! A lane has no slots until it needs some. It grows when told to, and when told to, it gives back what it
//! does not need. The owner sees to the limits that all lanes have together; a lane knows only its own.

use super::Taken;
use super::span::Span;
use crate::error::{BufferError, BufferResult};
use std::mem::MaybeUninit;

/// How many slots a lane gets at least when it gets any.
const FIRST: usize = 16;

#[repr(C, align(64))] // one cache line holds all that a push or a pop touches
pub(crate) struct Lane<T> {
    span: Span<T>,
    /// How many items fit as the lane is: as many as it has slots, and `most` at most.
    limit: usize,
    /// How many items the lane may ever hold.
    most: usize,
}

impl<T> Lane<T> {
    /// An empty lane without slots for up to `most` items.
    pub(crate) fn new(most: usize) -> Self {
        Self { span: Span::unallocated(0), limit: 0, most }
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.span.len()
    }

    /// How many items fit before the lane has to grow.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    pub(crate) fn slots(&self) -> usize {
        self.span.slots()
    }

    /// Items ever put in.
    pub(crate) const fn pushed(&self) -> u64 {
        self.span.tail()
    }

    /// Items ever taken out, in whatever way.
    pub(crate) const fn popped(&self) -> u64 {
        self.span.head()
    }

    /// Puts one item, if it fits without growing.
    #[inline(always)]
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if self.span.len() >= self.limit {
            return Err(item);
        }
        // SAFETY: `len < limit <= slots`.
        unsafe { self.span.push(item) };
        Ok(())
    }

    /// Puts the item that is in `place`, if it fits without growing; otherwise it is still there.
    pub(crate) fn push_from(&mut self, place: &mut Option<T>) {
        if self.span.len() < self.limit
            && let Some(item) = place.take()
        {
            // SAFETY: `len < limit <= slots`.
            unsafe { self.span.push(item) };
        }
    }

    /// Fails if there are too few positions left for a batch of `count` items.
    pub(crate) fn check_positions(&self, count: usize) -> BufferResult<()> {
        self.span.check_positions(count)
    }

    /// Puts all of `items`, if they fit without growing (then the vector is left empty), or none.
    pub(crate) fn push_all(&mut self, items: &mut Vec<T>) {
        if items.len() <= self.limit - self.span.len() && self.check_positions(items.len()).is_ok() {
            // SAFETY: there are at least `limit - len` free slots, and positions.
            unsafe { self.span.push_all(items) };
        }
    }

    /// Takes the oldest item.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.span.pop()
    }

    /// Moves the oldest items into `target`, as many as there are and fit. Returns their number: so many
    /// places at the front of `target` are initialised.
    pub(crate) fn pop_into(&mut self, target: &mut [MaybeUninit<T>]) -> usize {
        self.span.pop_into(target)
    }

    /// Moves the oldest `count` items (at most as many as there are) to the end of `items`, which has room
    /// for them.
    pub(crate) fn pop_into_vec(&mut self, items: &mut Vec<T>, count: usize) {
        self.span.pop_into_vec(items, count);
    }

    /// The items in order, in two slices.
    pub(crate) fn as_slices(&self) -> (&[T], &[T]) {
        self.span.as_slices()
    }

    /// How many slots the lane has once it holds `needed` items, if it does not shrink.
    pub(crate) fn slots_for(&self, needed: usize) -> Option<usize> {
        Some(needed.checked_next_power_of_two()?.max(FIRST).max(self.slots()))
    }

    /// Makes sure of slots for `needed` items in all, at most `most`. On failure nothing has changed.
    pub(crate) fn grow(&mut self, needed: usize) -> BufferResult<()> {
        let no_memory = || {
            BufferError::ResizeError(format!("no memory for a ring of {needed} items of {} bytes each", size_of::<T>()))
        };
        let slots = self.slots_for(needed).ok_or_else(no_memory)?;
        if slots > self.slots() {
            self.span.set_slots(slots).map_err(|_| no_memory())?;
        }
        self.limit = slots.min(self.most);
        Ok(())
    }

    /// Gives back the slots beyond those that twice its items need. A lane without items keeps none.
    pub(crate) fn shrink(&mut self) {
        let len = self.len();
        if len == 0 {
            self.span = Span::unallocated(self.span.tail());
            self.limit = 0;
            return;
        }
        let slots = len.saturating_mul(2).checked_next_power_of_two().map_or(usize::MAX, |slots| slots.max(FIRST));
        // Shrinking needs no memory.
        if slots < self.slots() && self.span.set_slots(slots).is_ok() {
            self.limit = slots.min(self.most);
        }
    }

    /// Takes everything in constant time, and leaves no slots.
    pub(crate) fn take_all(&mut self) -> Taken<T> {
        let end = self.span.tail();
        self.limit = 0;
        Taken(std::mem::replace(&mut self.span, Span::unallocated(end)))
    }
}
