//! `Segment<T>`: a circle of stamped slots for a stretch of positions, linked to the segment that follows.
//!
//! ```text
//!   segment          next segment
//!   base ...... end  base ...... end        positions: never reused; `end` itself carries no item
//!   slot of a position = position & (slots - 1); it is published when its stamp = position + 1
//! ```
//!
//! A segment is a **header** and its **slots**. The slots are freed as soon as the segment is retired. The
//! header lives as long as its queue and is used again: a producer may look at the `limit` of a header that
//! was retired meanwhile, and then its claim fails. So everything that can be read without protection is an
//! atomic.
//!
//! These threads are protected: a thread between its claim and its publishing store, since no consumer can
//! pass a claimed slot; the one consumer; one of many consumers, if its record names the segment (see
//! `records`); and a thread that holds a pin (see `chain`), since headers are not used again while there is
//! one.

use crate::error::{BufferError, BufferResult};
use crate::lock_free::ending::drop_all;
use crate::lock_free::prefetch::slots_to_be_written;
use crate::sync::raise::Raise;
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Cell, Ordering};
use crossbeam_utils::CachePadded;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::ptr;

/// `base` and `skipped` before the preceding segment has ended.
pub(in crate::lock_free) const UNSET: u64 = u64::MAX;
/// `end` while the segment takes items.
pub(in crate::lock_free) const OPEN: u64 = u64::MAX;

pub(in crate::lock_free) struct Slot<T> {
    stamp: AtomicU64,
    value: Cell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    #[inline(always)]
    fn is_published(&self, position: u64) -> bool {
        // Acquire: pairs with the publishing store.
        self.stamp.load(Ordering::Acquire) == position + 1
    }

    /// Shows the item to `look`.
    ///
    /// # Safety
    /// The item was published, and nobody takes it meanwhile.
    pub(in crate::lock_free) unsafe fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.value.with(|place| {
            // SAFETY: published, so no producer writes here until this position counts as taken.
            let place = unsafe { &*place };
            // SAFETY: published, and still there.
            look(unsafe { place.assume_init_ref() })
        })
    }

    /// Moves the item out.
    ///
    /// # Safety
    /// The item was published, this thread alone may take it, and it does so once.
    #[inline(always)]
    pub(in crate::lock_free) unsafe fn read(&self) -> T {
        self.value.with(|place| {
            // SAFETY: published, so no producer writes here until this position counts as taken.
            let place = unsafe { &*place };
            // SAFETY: published, and read once (this function's own condition).
            unsafe { place.assume_init_read() }
        })
    }
}

/// The slots of a segment. They do not move while the segment is linked.
struct Circle<T>(*const [Slot<T>]);

impl<T> Circle<T> {
    /// The slot of `position`.
    ///
    /// # Safety
    /// That of [`Segment::circle`].
    #[inline(always)]
    unsafe fn slot<'a>(&self, position: u64) -> &'a Slot<T> {
        // SAFETY: this function's own condition.
        unsafe { &*self.address(position) }
    }

    /// Where the slot of `position` is.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // the mask needs none of the bits that are cut off
    const fn address(&self, position: u64) -> *const Slot<T> {
        // A linked segment has slots, a power of two of them, so the masked index is inside.
        self.0.cast::<Slot<T>>().wrapping_add(position as usize & (self.0.len() - 1))
    }

    /// # Safety
    /// That of [`Segment::publish`].
    #[inline(always)]
    unsafe fn publish(&self, position: u64, item: T) {
        // Without a limit: the segment's own lags behind, and to read it here costs more than it saves.
        slots_to_be_written(position, u64::MAX, |later| self.address(later));
        // SAFETY: the slots stay until the claim is published.
        let slot = unsafe { self.slot(position) };
        slot.value.with_mut(|place| {
            // SAFETY: the claim gives this slot to this thread. The limit has kept the producer from claiming
            // it before the consumer had read the item of one lap ago. (The consumer releases the limit, or a
            // producer does that has acquired the consumer's count. The claiming thread acquires the limit
            // before the claim.)
            unsafe { (*place).write(item) };
        });
        // Release: a thread that sees the stamp sees the item.
        slot.stamp.store(position + 1, Ordering::Release);
    }
}

pub(in crate::lock_free) struct Segment<T> {
    /// Positions below it may be claimed. Every producer reads it at every push; consumers write it now and
    /// then.
    pub(in crate::lock_free) limit: CachePadded<AtomicU64>,
    slots: Cell<Box<[Slot<T>]>>,
    /// The logical capacity.
    pub(in crate::lock_free) capacity: AtomicUsize,
    /// Only with many consumers: the consumer that takes up to this position or beyond does what is due now
    /// and then, and sets the position where it is due next. An out-of-date value is a lower one, so it is
    /// too early at worst.
    pub(in crate::lock_free) due: AtomicU64,
    /// The first position.
    pub(in crate::lock_free) base: AtomicU64,
    /// Positions below `base` that carry no item: one for each earlier segment.
    pub(in crate::lock_free) skipped: AtomicU64,
    /// The position at which the segment ended.
    pub(in crate::lock_free) end: AtomicU64,
    pub(in crate::lock_free) next: AtomicPtr<Segment<T>>,
    /// The next header in the list of retired headers. The list does not use `next`, which may still be read.
    pub(in crate::lock_free) link: AtomicPtr<Segment<T>>,
}

impl<T> Segment<T> {
    /// A new segment of `capacity`, in a used header or in a new one. The segment belongs to the caller until
    /// it is linked. The caller [`allocate`]s the slots before it takes a used header: if there were no
    /// memory for the slots, it could not free that header. Nor may a header become a `Box` before the end of
    /// the queue, since stale producers may look at its limit.
    pub(in crate::lock_free) fn prepare(used: Option<*mut Self>, slots: Box<[Slot<T>]>, capacity: usize) -> *mut Self {
        let fresh = used.unwrap_or_else(|| {
            Box::into_raw(Box::new(Self {
                limit: CachePadded::new(AtomicU64::new(0)),
                slots: Cell::new(Box::default()),
                capacity: AtomicUsize::new(0),
                due: AtomicU64::new(0),
                base: AtomicU64::new(UNSET),
                skipped: AtomicU64::new(UNSET),
                end: AtomicU64::new(OPEN),
                next: AtomicPtr::new(ptr::null_mut()),
                link: AtomicPtr::new(ptr::null_mut()),
            }))
        });
        // SAFETY: headers live as long as the queue.
        let header = unsafe { &*fresh };
        // Nobody reads any of it with consequences before the segment is linked, which publishes it.
        header.limit.store(0, Ordering::Relaxed);
        header.capacity.store(capacity, Ordering::Relaxed);
        header.due.store(0, Ordering::Relaxed);
        header.base.store(UNSET, Ordering::Relaxed);
        header.skipped.store(UNSET, Ordering::Relaxed);
        header.end.store(OPEN, Ordering::Relaxed);
        header.next.store(ptr::null_mut(), Ordering::Relaxed);
        header.slots.with_mut(|place| {
            // SAFETY: the header belongs to this call alone, and no stale reader looks at the slots.
            unsafe { *place = slots };
        });
        fresh
    }

    /// Lets positions below `limit` be claimed. The caller is pinned, so this is still the segment that the
    /// limit was computed for. Each limit was right once, so the largest is right.
    pub(in crate::lock_free) fn raise_limit(&self, limit: u64) {
        if self.limit.load(Ordering::Relaxed) < limit {
            // Release: a thread that sees the limit sees that the slots below it were read, as the caller has
            // seen it.
            self.limit.raise(limit, Ordering::AcqRel);
        }
    }

    /// Takes the slots away, so that their memory is freed.
    ///
    /// # Safety
    /// No claim in this segment is unpublished, and every item was taken. The caller is the one consumer, or
    /// no record of a consumer names this segment, nor will.
    pub(in crate::lock_free) unsafe fn retire(&self) {
        let slots = self.slots.with_mut(|place| {
            // SAFETY: producers look at the slots only between claim and publication; there is no such
            // producer.
            std::mem::take(unsafe { &mut *place })
        });
        drop(slots); // `MaybeUninit` drops no item
    }

    /// The slots, for looking at several without finding the slots anew each time.
    ///
    /// # Safety
    /// The caller holds a claim in this segment that it has not published, or is a consumer that is
    /// protected. This stays true as long as the circle is used.
    #[inline(always)]
    unsafe fn circle(&self) -> Circle<T> {
        // SAFETY: the slots are replaced only while nobody is protected.
        Circle(self.slots.with(|place| ptr::from_ref(unsafe { &**place })))
    }

    /// Writes and publishes the item of a claimed position. The publishing store is the last access to the
    /// segment.
    ///
    /// # Safety
    /// The caller claimed `position` in this segment and publishes it once.
    #[inline(always)]
    pub(in crate::lock_free) unsafe fn publish(&self, position: u64, item: T) {
        // SAFETY: the claim.
        let circle = unsafe { self.circle() };
        // SAFETY: the claim.
        unsafe { circle.publish(position, item) };
    }

    /// [`publish`](Self::publish) for `items` at the positions from `first` on, one after the other.
    ///
    /// # Safety
    /// The caller claimed as many positions in this segment as there are items, and publishes them once.
    pub(in crate::lock_free) unsafe fn publish_all(&self, first: u64, items: Vec<T>) {
        // SAFETY: the claim of the last position.
        let circle = unsafe { self.circle() };
        for (position, item) in (first..).zip(items) {
            // SAFETY: the claim.
            unsafe { circle.publish(position, item) };
        }
    }

    /// The slot of `position`, if its item was published. Positions are never used twice, so no other item
    /// can be mistaken for it.
    ///
    /// # Safety
    /// The segment's slots cannot be freed meanwhile: the caller is the one consumer, or its record names
    /// this segment.
    #[inline(always)]
    pub(in crate::lock_free) unsafe fn published(&self, position: u64) -> Option<&Slot<T>> {
        // SAFETY: this function's own condition.
        let circle = unsafe { self.circle() };
        // SAFETY: as above.
        let slot = unsafe { circle.slot(position) };
        slot.is_published(position).then_some(slot)
    }

    /// How many items were published from `first` on, without a gap; `most` at the most.
    ///
    /// # Safety
    /// As for [`published`](Self::published).
    pub(in crate::lock_free) unsafe fn count_published(&self, first: u64, most: u64) -> usize {
        // SAFETY: this function's own condition.
        let circle = unsafe { self.circle() };
        // SAFETY: as above.
        (first..first + most).take_while(|position| unsafe { circle.slot(*position) }.is_published(*position)).count()
    }

    /// Takes the item of `position`, if it was published.
    ///
    /// # Safety
    /// The caller is the one consumer, `position` is its head, and this is its front segment.
    #[inline(always)]
    pub(in crate::lock_free) unsafe fn take(&self, position: u64) -> Option<T> {
        // SAFETY: this function's own condition.
        let slot = unsafe { self.published(position) }?;
        // SAFETY: published, and read once, since the one consumer's head moves on.
        Some(unsafe { slot.read() })
    }

    /// Moves the published items from `head` on to the end of `items`, until `most` are moved or `items` has
    /// no more room. Returns how many were moved.
    ///
    /// # Safety
    /// As for [`take`](Self::take); or the caller is one of many consumers, and has claimed `most` positions
    /// from `head` on.
    pub(in crate::lock_free) unsafe fn take_all(&self, head: u64, most: u64, items: &mut Vec<T>) -> u64 {
        // SAFETY: this function's own condition.
        let circle = unsafe { self.circle() };
        let mut taken = 0;
        for (place, position) in items.spare_capacity_mut().iter_mut().zip(head..head + most) {
            // SAFETY: as above.
            let slot = unsafe { circle.slot(position) };
            if !slot.is_published(position) {
                break;
            }
            // SAFETY: published, and read once, since nobody but the caller goes on from `head`.
            place.write(unsafe { slot.read() });
            taken += 1;
        }
        // SAFETY: `taken` items were written right behind those that were there.
        unsafe { items.set_len(items.len() + taken) };
        taken as u64
    }

    /// How many slots a segment that was linked has.
    pub(in crate::lock_free) fn slots(&self) -> u64 {
        (self.capacity.load(Ordering::Relaxed) as u64).next_power_of_two()
    }

    /// Shows the items published from `head` on and below `tail`, until `visit` breaks.
    ///
    /// # Safety
    /// Nobody takes an item or retires a segment meanwhile. `head`, the position to be taken next, is in
    /// `front` or at its end.
    pub(in crate::lock_free) unsafe fn visit_chain<B>(
        front: *mut Self,
        head: u64,
        tail: u64,
        mut visit: impl FnMut(&T) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (mut segment, mut position) = (front, head);
        while position < tail {
            // SAFETY: headers live as long as the queue.
            let here = unsafe { &*segment };
            // SAFETY: segments from the front on keep their slots as long as nobody retires any.
            if let Some(slot) = unsafe { here.published(position) } {
                // SAFETY: published, and nobody takes.
                unsafe { slot.look(&mut visit) }?;
            } else if here.end.load(Ordering::SeqCst) == position {
                segment = here.next.load(Ordering::SeqCst); // linked before the end was set
            } else {
                break;
            }
            position += 1; // an end carries no item
        }
        ControlFlow::Continue(())
    }

    /// Frees the segments from `front` on and drops the items from `head` on: the end of a queue.
    ///
    /// # Safety
    /// Nobody else can find these segments any more, `head` is in `front` or in a later one, and every claim
    /// was published.
    pub(in crate::lock_free) unsafe fn free_chain(front: *mut Self, head: u64) {
        let (mut front, mut head) = (front, head);
        drop_all(|| {
            while !front.is_null() {
                // SAFETY: nobody else has it.
                let segment = unsafe { &*front };
                // SAFETY: the caller has taken the consumer's place; an end carries no item, so the head
                // stops there.
                if let Some(item) = unsafe { segment.take(head) } {
                    head += 1;
                    return Some(item);
                }
                // Go on behind the end of this segment, unless the head is beyond it already. (A segment that
                // has not ended is the last with items.)
                head = head.max(segment.end.load(Ordering::SeqCst).wrapping_add(1));
                let next = segment.next.load(Ordering::SeqCst);
                // SAFETY: drained, and nobody else has it.
                drop(unsafe { Box::from_raw(std::mem::replace(&mut front, next)) });
            }
            None
        });
    }
}

/// The slots for a segment of `capacity`.
pub(in crate::lock_free) fn allocate<T>(capacity: usize) -> BufferResult<Box<[Slot<T>]>> {
    let no_memory =
        || BufferError::ResizeError(format!("no memory for {capacity} slots of {} bytes each", size_of::<Slot<T>>()));
    let count = capacity.checked_next_power_of_two().ok_or_else(no_memory)?;
    let mut slots = Vec::new();
    slots.try_reserve_exact(count).map_err(|_| no_memory())?;
    // No position has the stamp 0.
    slots.extend((0..count).map(|_| Slot { stamp: AtomicU64::new(0), value: Cell::new(MaybeUninit::uninit()) }));
    Ok(slots.into_boxed_slice())
}
