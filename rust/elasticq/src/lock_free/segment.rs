//! `Segment<T>`: a circle of stamped slots for a stretch of positions, linked to the segment that follows.
//!
//! ```text
//!   segment          next segment
//!   base ...... end  base ...... end        positions: never reused; `end` itself carries no item
//!   slot of a position = position & (slots - 1); it is published when its stamp = position + 1
//! ```
//!
//! A segment is a **header** and its **slots**. The slots are freed as soon as the segment is retired. The header lives as
//! long as its queue and is used again: a producer may look at the `limit` of a header that was retired meanwhile, and
//! then fails to claim. So everything that can be read without protection is an atomic.
//!
//! Who is protected: a thread between its claim and its publishing store, since the consumer cannot pass a claimed slot;
//! the consumer; and whoever holds a pin (see `mpsc`), since headers are not used again while there is one.

use crate::error::{BufferError, BufferResult};
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Cell, Ordering};
use crossbeam_utils::CachePadded;
use std::mem::MaybeUninit;
use std::ptr;

/// `base` and `skipped` before the predecessor has ended.
pub(super) const UNSET: u64 = u64::MAX;
/// `end` while the segment takes items.
pub(super) const OPEN: u64 = u64::MAX;

pub(super) struct Slot<T> {
    stamp: AtomicU64,
    value: Cell<MaybeUninit<T>>,
}

pub(super) struct Segment<T> {
    /// Positions below may be claimed. Read by every producer at every push; written by the consumer now and then.
    pub(super) limit: CachePadded<AtomicU64>,
    slots: Cell<Box<[Slot<T>]>>,
    /// The logical capacity.
    pub(super) capacity: AtomicUsize,
    /// The first position.
    pub(super) base: AtomicU64,
    /// Positions below `base` that carry no item: one for each earlier segment.
    pub(super) skipped: AtomicU64,
    /// The position at which the segment ended.
    pub(super) end: AtomicU64,
    pub(super) next: AtomicPtr<Segment<T>>,
}

impl<T> Segment<T> {
    /// A new segment of `capacity`, in a header used before or in a new one. It belongs to the caller until it is linked.
    /// The slots are [`allocate`]d before a used header is taken, since that one may not be freed where there is no memory.
    pub(super) fn prepare(header: Option<Box<Self>>, slots: Box<[Slot<T>]>, capacity: usize) -> Box<Self> {
        let header = header.unwrap_or_else(|| {
            Box::new(Self {
                limit: CachePadded::new(AtomicU64::new(0)),
                slots: Cell::new(Box::default()),
                capacity: AtomicUsize::new(0),
                base: AtomicU64::new(UNSET),
                skipped: AtomicU64::new(UNSET),
                end: AtomicU64::new(OPEN),
                next: AtomicPtr::new(ptr::null_mut()),
            })
        });
        // Nobody reads any of it with consequences before the segment is linked, which publishes it.
        header.limit.store(0, Ordering::Relaxed);
        header.capacity.store(capacity, Ordering::Relaxed);
        header.base.store(UNSET, Ordering::Relaxed);
        header.skipped.store(UNSET, Ordering::Relaxed);
        header.end.store(OPEN, Ordering::Relaxed);
        header.next.store(ptr::null_mut(), Ordering::Relaxed);
        header.slots.with_mut(|place| {
            // SAFETY: the header belongs to this call alone, and no stale reader looks at the slots.
            unsafe { *place = slots };
        });
        header
    }

    /// Takes the slots away, for the memory to be freed.
    ///
    /// # Safety
    /// No claim in this segment is unpublished, every item was taken, and the caller is the consumer.
    pub(super) unsafe fn retire(&self) {
        let slots = self.slots.with_mut(|place| {
            // SAFETY: producers look at the slots only between claim and publication; there is no such producer.
            std::mem::take(unsafe { &mut *place })
        });
        drop(slots); // `MaybeUninit` drops no item
    }

    /// The slot of `position`.
    ///
    /// # Safety
    /// The caller holds a claim on `position` in this segment that it has not published, or is the consumer.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // the mask keeps what is cut off out of the result
    unsafe fn slot(&self, position: u64) -> *const Slot<T> {
        self.slots.with(|place| {
            // SAFETY: the slots are replaced only while there is neither claim nor consumer in the segment.
            let slots = unsafe { &**place };
            let index = position as usize & (slots.len() - 1);
            // SAFETY: a linked segment has slots, a power of two of them, so the masked index is inside.
            ptr::from_ref(unsafe { slots.get_unchecked(index) })
        })
    }

    /// Writes and publishes the item of a claimed position. The publishing store is the last access to the segment.
    ///
    /// # Safety
    /// The caller claimed `position` in this segment and publishes it once.
    #[inline(always)]
    pub(super) unsafe fn publish(&self, position: u64, item: T) {
        // SAFETY: the claim (this function's own condition).
        let slot = unsafe { self.slot(position) };
        // SAFETY: the slots stay until the claim is published.
        let slot = unsafe { &*slot };
        slot.value.with_mut(|place| {
            // SAFETY: the claim gives this slot to this thread: the limit has kept the producer from claiming it before
            // the consumer had read what was in it one lap ago (limit: release by the consumer, acquire before the claim).
            unsafe { (*place).write(item) };
        });
        // Release: whoever sees the stamp sees the item.
        slot.stamp.store(position + 1, Ordering::Release);
    }

    /// Takes the item of `position` if it was published.
    ///
    /// # Safety
    /// The caller is the consumer, `position` is its head, and this is its front segment.
    #[inline(always)]
    pub(super) unsafe fn take(&self, position: u64) -> Option<T> {
        // SAFETY: the consumer may (this function's own condition).
        let slot = unsafe { self.slot(position) };
        // SAFETY: the slots stay until the consumer itself retires the segment.
        let slot = unsafe { &*slot };
        // Acquire: pairs with the publishing store.
        if slot.stamp.load(Ordering::Acquire) != position + 1 {
            return None;
        }
        Some(slot.value.with(|place| {
            // SAFETY: published, so no producer writes here until the head has moved on and the limit was renewed.
            let place = unsafe { &*place };
            // SAFETY: published, and read once, since the head moves on.
            unsafe { place.assume_init_read() }
        }))
    }
}

/// The slots for a segment of `capacity`.
pub(super) fn allocate<T>(capacity: usize) -> BufferResult<Box<[Slot<T>]>> {
    let no_memory =
        || BufferError::ResizeError(format!("no memory for {capacity} slots of {} bytes each", size_of::<Slot<T>>()));
    let count = capacity.checked_next_power_of_two().ok_or_else(no_memory)?;
    let mut slots = Vec::new();
    slots.try_reserve_exact(count).map_err(|_| no_memory())?;
    // No position has the stamp 0.
    slots.extend((0..count).map(|_| Slot { stamp: AtomicU64::new(0), value: Cell::new(MaybeUninit::uninit()) }));
    Ok(slots.into_boxed_slice())
}
