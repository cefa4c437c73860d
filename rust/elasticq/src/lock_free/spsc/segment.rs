//! `Segment<T>`: a circle of slots without stamps for a stretch of positions, and `Cursor<T>`: a place in the
//! chain.
//!
//! ```text
//!   segment            next segment
//!   base ...... end =  base ......          positions: items ever put in before; never reused
//!               |
//!               the producer moved on here; set before `next`, which publishes it
//! ```
//!
//! Both sides go through the chain with a cursor. Within one lap of the circle, a slot is found by one
//! addition: `origin` is where position 0 would be if this lap's stretch of memory were prolonged backwards.
//! Whatever ends a stretch (the lap, the segment, what is known of the other side), one comparison with
//! `limit` finds it.

use crate::error::{BufferError, BufferResult};
use crate::lock_free::prefetch::slots_to_be_written;
use crate::sync::{AtomicPtr, AtomicU64, Cell, Ordering};
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::ptr;

type Slot<T> = Cell<MaybeUninit<T>>;

pub(super) struct Segment<T> {
    /// The logical capacity of the queue from here on, and the length of a lap.
    pub(super) capacity: usize,
    /// A queue with fewer items than this should go on in a smaller segment.
    pub(super) sparse: usize,
    /// As many slots as the capacity, unless items have no size: then one slot does for all.
    slots: Vec<Slot<T>>,
    /// The first position.
    base: u64,
    /// The first position of the next segment, once there is one.
    end: AtomicU64,
    /// Null while there is nothing to see to but items. Dangling while there is no next segment, but this one
    /// is larger than need be. So one look tells the consumer both.
    next: AtomicPtr<Segment<T>>,
}

impl<T> Segment<T> {
    /// A segment of `capacity` slots that begins at `base`. The slots are not touched, so memory that is
    /// never used costs nothing on most systems.
    pub(super) fn new(capacity: usize, sparse: usize, base: u64) -> BufferResult<Box<Self>> {
        let count = if size_of::<Slot<T>>() == 0 { 1 } else { capacity };
        let mut slots = Vec::new();
        slots.try_reserve_exact(count).map_err(|_| {
            BufferError::ResizeError(format!("no memory for {capacity} slots of {} bytes each", size_of::<Slot<T>>()))
        })?;
        slots.extend((0..count).map(|_| Cell::new(MaybeUninit::uninit())));
        let none = if sparse == 0 { ptr::null_mut() } else { ptr::dangling_mut() };
        let (end, next) = (AtomicU64::new(0), AtomicPtr::new(none));
        Ok(Box::new(Self { capacity, sparse, slots, base, end, next }))
    }

    /// The slot of a position that is in this segment.
    #[allow(clippy::cast_possible_truncation)] // below the number of slots
    fn slot(&self, position: u64) -> &Slot<T> {
        &self.slots[((position - self.base) % self.slots.len() as u64) as usize]
    }

    /// Makes `next` follow this segment. From now on, this segment belongs to the consumer, which frees it
    /// when it is drained.
    pub(super) fn link(&self, next: *mut Self, end: u64) {
        self.end.store(end, Ordering::Relaxed);
        // Release: a thread that sees the link sees the end and the next segment.
        self.next.store(next, Ordering::Release);
    }

    /// The next segment and the position at which it begins, if there is one.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<(*mut Self, u64)> {
        // Acquire: pairs with the link.
        let next = self.next.load(Ordering::Acquire);
        (!next.is_null() && next != ptr::dangling_mut()).then(|| (next, self.end.load(Ordering::Relaxed)))
    }

    /// Whether there is no next segment, and this one is not larger than need be.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        // Acquire: as above.
        self.next.load(Ordering::Acquire).is_null()
    }
}

/// Where one side is. Only that side touches it.
pub(in crate::lock_free) struct Cursor<T> {
    /// The next position.
    pub(super) position: u64,
    /// Positions from `position` on and below this one may be used without a further look.
    pub(super) limit: u64,
    origin: *const Slot<T>,
    lap_end: u64,
    segment: *mut Segment<T>,
}

#[allow(clippy::cast_possible_truncation)] // sums of addresses wrap around, so the bits cut off don't matter
impl<T> Cursor<T> {
    /// At the beginning of `segment`.
    pub(super) fn new(segment: *mut Segment<T>) -> Self {
        let mut cursor = Self { position: 0, limit: 0, origin: ptr::null(), lap_end: 0, segment };
        cursor.enter(segment);
        cursor
    }

    /// Goes to the beginning of `segment`, which starts where the cursor is.
    pub(super) fn enter(&mut self, segment: *mut Segment<T>) {
        self.segment = segment;
        self.lap_end = self.position;
        self.set_limit(self.position);
    }

    #[inline(always)]
    pub(super) fn segment(&self) -> &Segment<T> {
        // SAFETY: a cursor's segment lives until its side has moved on.
        unsafe { &*self.segment }
    }

    /// If the segment has ended and is drained, goes to the beginning of the next segment, and frees the
    /// drained one. Tells whether it did.
    ///
    /// # Safety
    /// The cursor is the consumer's.
    pub(super) unsafe fn leave_drained(&mut self) -> bool {
        let Some((next, _)) = self.segment().next().filter(|(_, end)| *end == self.position) else { return false };
        let drained = self.segment;
        self.enter(next);
        // SAFETY: the producer let go of the segment before it linked the next one, and the consumer does so
        // here.
        drop(unsafe { Box::from_raw(drained) });
        true
    }

    /// The segment to be freed at the end. It is the pointer that the `Box` was made into: a pointer made
    /// from a reference may not become a `Box` again.
    pub(super) const fn segment_pointer(&self) -> *mut Segment<T> {
        self.segment
    }

    /// Whether all positions that were allowed are used up.
    pub(super) const fn is_at_limit(&self) -> bool {
        self.position == self.limit
    }

    /// Disallows the last of the positions that are allowed. There is at least one.
    pub(super) const fn keep_last(&mut self) {
        self.limit -= 1;
    }

    /// Allows positions below `limit`, but not beyond this lap. If the last lap has ended, the next one
    /// begins.
    #[inline(always)]
    pub(super) fn set_limit(&mut self, limit: u64) {
        if self.position == self.lap_end {
            self.begin_lap();
        }
        self.limit = limit.min(self.lap_end);
    }

    #[cold]
    fn begin_lap(&mut self) {
        self.lap_end = self.position.saturating_add(self.segment().capacity as u64);
        // The sum of `origin` and a position is an address only within the lap, and there it is one inside
        // the slots.
        self.origin = self.segment().slots.as_ptr().wrapping_sub(self.position as usize);
    }

    /// The slot at `position`.
    ///
    /// # Safety
    /// `position` is in this lap.
    #[inline(always)]
    unsafe fn slot(&self, position: u64) -> &Slot<T> {
        // SAFETY: inside the slots of the segment, which lives as long as the cursor stands in it.
        unsafe { &*self.address(position) }
    }

    /// Where the slot at `position` is, if that is in this lap.
    #[inline(always)]
    const fn address(&self, position: u64) -> *const Slot<T> {
        self.origin.wrapping_add(position as usize)
    }

    /// Writes an item and moves on. This publishes nothing yet.
    ///
    /// # Safety
    /// The cursor is the producer's, and `position < limit`: what was in the slot has been taken.
    #[inline(always)]
    pub(super) unsafe fn write(&mut self, item: T) {
        let position = self.position;
        slots_to_be_written(position, self.limit, |later| self.address(later));
        // SAFETY: below the limit, so in this lap.
        let slot = unsafe { self.slot(position) };
        slot.with_mut(|place| {
            // SAFETY: the slot is the producer's until it publishes a tail beyond the slot (release). The
            // slot has been the producer's since it saw a head beyond the item that was in the slot
            // (acquire).
            unsafe { (*place).write(item) };
        });
        self.position = position + 1;
    }

    /// Takes the item out and moves on.
    ///
    /// # Safety
    /// The cursor is the consumer's, and `position < limit`: the item was published.
    #[inline(always)]
    pub(super) unsafe fn take(&mut self) -> T {
        let position = self.position;
        // SAFETY: below the limit, so in this lap.
        let slot = unsafe { self.slot(position) };
        let item = slot.with(|place| {
            // SAFETY: published, and the producer comes here again only after it has seen a head beyond this
            // item.
            let place = unsafe { &*place };
            // SAFETY: it was written, and is read once, since the cursor moves on.
            unsafe { place.assume_init_read() }
        });
        self.position = position + 1;
        item
    }

    /// Shows the items from the cursor on and below `tail`, until `visit` breaks.
    ///
    /// # Safety
    /// The cursor is the consumer's, and everything below `tail` was published.
    pub(in crate::lock_free) unsafe fn visit<B>(
        &self,
        tail: u64,
        mut visit: impl FnMut(&T) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (mut segment, mut position) = (self.segment(), self.position);
        while position < tail {
            if let Some((next, _)) = segment.next().filter(|(_, end)| *end == position) {
                // SAFETY: the consumer's segment and those behind it live until the consumer has moved on.
                segment = unsafe { &*next };
                continue;
            }
            segment.slot(position).with(|place| {
                // SAFETY: published, and not to be written again before the consumer has taken it.
                let place = unsafe { &*place };
                // SAFETY: it was written, and is still there.
                visit(unsafe { place.assume_init_ref() })
            })?;
            position += 1;
        }
        ControlFlow::Continue(())
    }

    /// Takes back the item right before the cursor, and moves the cursor there.
    ///
    /// # Safety
    /// The cursor is the producer's, it wrote that item in this segment, and the consumer will never look
    /// there.
    pub(super) unsafe fn take_back(&mut self) -> T {
        self.position -= 1;
        self.segment().slot(self.position).with(|place| {
            // SAFETY: the slot is the producer's own, since the consumer will not look there.
            let place = unsafe { &*place };
            // SAFETY: it was written, and is read once, since the cursor stands before it now.
            unsafe { place.assume_init_read() }
        })
    }
}
