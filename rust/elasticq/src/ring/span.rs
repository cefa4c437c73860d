//! `Span<T>`: a run of items between two absolute positions, laid out in a circle of slots.
//!
//! ```text
//!   head                 tail            positions: 64 bits, `head <= tail`; only `pop_newest` gives one back
//!    |---- the items ----|
//!   slot of a position = position & (slots - 1); `slots` is 0 (nothing allocated) or a power of two
//! ```
//!
//! Invariant: exactly the slots of the positions `head..tail` are initialised, and `tail - head <= slots`.
//! Every `unsafe` block of the ring that reads or writes a slot is in this file and argues from that
//! sentence.

use crate::error::BufferResult;
use crate::positions::end_of_batch;
use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::ptr;

#[repr(C)] // four words that every push and pop needs, at the front of the ring
pub(super) struct Span<T> {
    slots: Box<[MaybeUninit<T>]>,
    head: u64,
    tail: u64,
}

impl<T> Span<T> {
    /// An empty span at `position` with no slots.
    pub(super) fn unallocated(position: u64) -> Self {
        Self { slots: Box::default(), head: position, tail: position }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Items that were ever taken, but for those that `pop_newest` took.
    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    /// Items that were ever put in, but for those that `pop_newest` took.
    pub(super) const fn tail(&self) -> u64 {
        self.tail
    }

    #[inline(always)]
    pub(super) const fn len(&self) -> usize {
        distance(self.head, self.tail)
    }

    /// Fails if there are too few positions left for a batch of `count` items.
    #[inline]
    pub(super) fn check_positions(&self, count: usize) -> BufferResult<()> {
        end_of_batch(self.tail, count as u64).map(|_| ())
    }

    /// Puts one item.
    ///
    /// # Safety
    /// `len() < slots()`.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, item: T) {
        let index = wrap(self.tail, self.slots.len());
        debug_assert!(self.len() < self.slots.len());
        // SAFETY: there is a slot (the caller's promise makes `slots` at least 1), so the masked index is
        // inside. The slot is free by the invariant, as `tail` lies less than one lap from `head`.
        unsafe { self.slots.get_unchecked_mut(index) }.write(item);
        self.tail += 1;
    }

    /// Takes the oldest item.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<T> {
        if self.head == self.tail {
            return None;
        }
        let index = wrap(self.head, self.slots.len());
        // SAFETY: the span is not empty, so it has slots and the masked index is inside.
        let slot = unsafe { self.slots.get_unchecked(index) };
        // SAFETY: `head` is one of the initialised positions; advancing it gives up this slot, so it is read
        // once.
        let item = unsafe { slot.assume_init_read() };
        self.head += 1;
        Some(item)
    }

    /// Takes the newest item. The next item gets its position.
    #[inline(always)]
    pub(super) fn pop_newest(&mut self) -> Option<T> {
        if self.head == self.tail {
            return None;
        }
        let last = self.tail - 1;
        let index = wrap(last, self.slots.len());
        // SAFETY: the span is not empty, so it has slots and the masked index is inside.
        let slot = unsafe { self.slots.get_unchecked(index) };
        // SAFETY: `head <= last < tail`, so `last` is one of the initialised positions; moving `tail` back
        // gives up this slot, so it is read once.
        let item = unsafe { slot.assume_init_read() };
        self.tail = last;
        Some(item)
    }

    /// The slots of `count` positions from `position` on, as one or two runs `(first slot, length)`.
    fn runs(&self, position: u64, count: usize) -> [(usize, usize); 2] {
        if count == 0 {
            return [(0, 0); 2];
        }
        let start = wrap(position, self.slots.len());
        let first = count.min(self.slots.len() - start);
        [(start, first), (0, count - first)]
    }

    /// Moves all of `items` in, in their order.
    ///
    /// # Safety
    /// `items.len() <= slots() - len()`, and there are positions for them
    /// ([`check_positions`](Self::check_positions)).
    pub(super) unsafe fn push_all(&mut self, items: &mut Vec<T>) {
        let count = items.len();
        debug_assert!(count <= self.slots.len() - self.len());
        let [(a, n), (b, m)] = self.runs(self.tail, count);
        let source = items.as_ptr().cast::<MaybeUninit<T>>();
        // SAFETY: `n` items are readable at `source`, the run lies inside the slots and is free (the caller's
        // promise); a vector and the slots are different allocations.
        unsafe { ptr::copy_nonoverlapping(source, self.slots[a..a + n].as_mut_ptr(), n) };
        // SAFETY: `n <= count`, so this stays inside the vector or one past it.
        let rest = unsafe { source.add(n) };
        // SAFETY: as for the first run, for the remaining `m = count - n` items.
        unsafe { ptr::copy_nonoverlapping(rest, self.slots[b..b + m].as_mut_ptr(), m) };
        // SAFETY: the items were moved out above, so the vector must not drop them; 0 is within any capacity.
        unsafe { items.set_len(0) };
        self.tail += count as u64;
    }

    /// Moves the oldest items into `target`, as many as there are and fit. Returns their number: so many
    /// places at the front of `target` are initialised.
    pub(super) fn pop_into(&mut self, target: &mut [MaybeUninit<T>]) -> usize {
        let count = self.len().min(target.len());
        let [(a, n), (b, m)] = self.runs(self.head, count);
        let (first, second) = target[..count].split_at_mut(n);
        // SAFETY: the run's slots and `first` are both `n` long and belong to different borrows. Advancing
        // `head` below gives up the copied slots, so each item is owned once.
        unsafe { ptr::copy_nonoverlapping(self.slots[a..a + n].as_ptr(), first.as_mut_ptr(), n) };
        // SAFETY: the same for the second run, `m` long.
        unsafe { ptr::copy_nonoverlapping(self.slots[b..b + m].as_ptr(), second.as_mut_ptr(), m) };
        self.head += count as u64;
        count
    }

    /// The items in order, in two slices.
    pub(super) fn as_slices(&self) -> (&[T], &[T]) {
        let [(a, n), (b, m)] = self.runs(self.head, self.len());
        // SAFETY: both runs cover positions in `head..tail`, which are initialised.
        let first = unsafe { initialised(&self.slots[a..a + n]) };
        // SAFETY: as above.
        let second = unsafe { initialised(&self.slots[b..b + m]) };
        (first, second)
    }

    /// Makes the circle `slots` large (a power of two, at least `len()`). Only growing can fail, and then
    /// nothing has changed.
    ///
    /// The memory is resized in place where the allocator can do so. Then large circles cost no copy, and the
    /// memory that a burst took goes back to the system.
    pub(super) fn set_slots(&mut self, slots: usize) -> Result<(), TryReserveError> {
        debug_assert!(slots.is_power_of_two() && slots >= self.len());
        let before = self.slots.len();
        if slots < before {
            self.rearrange(before, slots);
        }
        // A boxed slice is the same memory as a vector that is full.
        let mut memory = std::mem::take(&mut self.slots).into_vec();
        let grown = memory.try_reserve_exact(slots.saturating_sub(before));
        if grown.is_ok() && slots > before {
            // SAFETY: the capacity is there, and a `MaybeUninit` needs no initialisation.
            unsafe { memory.set_len(slots) };
        }
        memory.truncate(slots);
        self.slots = memory.into_boxed_slice();
        if grown.is_ok() && slots > before {
            self.rearrange(before, slots);
        }
        grown
    }

    /// Moves the items from their slots in a circle of `from` slots to their slots in a circle of `to`, in at
    /// most three copies. There are enough slots for the larger circle, and few enough items for the smaller
    /// one.
    fn rearrange(&mut self, from: usize, to: usize) {
        let slots = self.slots.as_mut_ptr();
        let mut position = self.head;
        while position < self.tail {
            let (source, target) = (wrap(position, from), wrap(position, to));
            let count = distance(position, self.tail).min(from - source).min(to - target);
            if source != target {
                // The smaller circle's slots are at the front of the larger circle's. So an item that moves
                // goes from the front to beyond it, or the other way round, and source and target never
                // overlap. Nor is an item overwritten: when the circle grows, all slots beyond the front are
                // free; in the smaller circle, which all items fit in, each item has a slot of its own.
                // SAFETY: `source + count` is inside the circle of `from` slots.
                let source = unsafe { slots.add(source) };
                // SAFETY: `target + count` is inside the circle of `to` slots.
                let target = unsafe { slots.add(target) };
                // SAFETY: both are inside the allocation and apart, as argued above.
                unsafe { ptr::copy_nonoverlapping(source, target, count) };
            }
            position += count as u64;
        }
    }

    /// Moves the oldest `count` items (at most as many as there are) to the end of `items`, which has room
    /// for them.
    pub(super) fn pop_into_vec(&mut self, items: &mut Vec<T>, count: usize) {
        let moved = self.pop_into(&mut items.spare_capacity_mut()[..count]);
        // SAFETY: `pop_into` initialised the first `moved` places of the spare capacity.
        unsafe { items.set_len(items.len() + moved) };
    }

    /// The items in order, in a vector.
    pub(super) fn into_vec(mut self) -> Vec<T> {
        let count = self.len();
        let mut items = Vec::with_capacity(count);
        self.pop_into_vec(&mut items, count);
        items
    }
}

impl<T> Drop for Span<T> {
    fn drop(&mut self) {
        let [(a, n), (_, m)] = self.runs(self.head, self.len());
        self.head = self.tail;
        let (low, high) = self.slots.split_at_mut(a);
        // Two owners, so that if the drop of an item of the first run panics, the second run is still
        // dropped.
        let _second = Run(&mut low[..m]);
        drop(Run(&mut high[..n]));
    }
}

/// Owns the items of a run of initialised slots that its span has given up.
struct Run<'a, T>(&'a mut [MaybeUninit<T>]);

impl<T> Drop for Run<'_, T> {
    fn drop(&mut self) {
        let items: *mut [T] = ptr::from_mut(self.0) as *mut [T];
        // SAFETY: the slots are initialised and nobody else owns what is in them (both by how a `Run` is made
        // above).
        unsafe { ptr::drop_in_place(items) };
    }
}

/// # Safety
/// Every slot is initialised.
const unsafe fn initialised<T>(slots: &[MaybeUninit<T>]) -> &[T] {
    let pointer: *const [T] = ptr::from_ref(slots) as *const [T];
    // SAFETY: `MaybeUninit<T>` has the layout of `T`, and the caller promises that all are initialised.
    unsafe { &*pointer }
}

/// The slot of `position` in a circle of `slots`.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // the mask needs none of the bits that are cut off
const fn wrap(position: u64, slots: usize) -> usize {
    position as usize & slots.wrapping_sub(1)
}

/// How many positions lie between two that are at most one lap apart.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // a lap is a usize
const fn distance(from: u64, to: u64) -> usize {
    (to - from) as usize
}
