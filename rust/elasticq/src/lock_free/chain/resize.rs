//! Growing and shrinking, and going on in a fresh segment: the next one is linked, by whoever comes by.
//!
//! Prepare the next segment; mark `tail` SEALED; set the `end` of the old one, `base`, `skipped` and `limit` of the new one,
//! make it `current`; reopen `tail` **one position further on**. Each step is a CAS from the exact old value and can be done
//! by any thread that finds the mark, so a stalled thread holds up nobody.

use super::segment::{OPEN, Segment, UNSET, allocate};
use super::{CLOSED, Chain, FLAGS, ONE, SEALED, Takers, position};
use crate::error::BufferResult;
use crate::sync::Ordering;
use std::cmp::Ordering::{Equal, Greater, Less};
use std::ptr;

impl<T, C: Takers<T>> Chain<T, C> {
    /// Links a segment to follow `segment`, unless there is one. The caller is pinned or the one consumer.
    pub(in crate::lock_free) fn prepare_next(&self, segment: &Segment<T>, capacity: usize) -> BufferResult<()> {
        if !segment.next.load(Ordering::SeqCst).is_null() {
            return Ok(());
        }
        let slots = allocate(capacity)?;
        let fresh = Segment::prepare(self.take_spare(), slots, capacity);
        if segment.next.compare_exchange(ptr::null_mut(), fresh, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            // Somebody was faster; nobody has seen this one.
            // SAFETY: headers live as long as the queue.
            let unused = unsafe { &*fresh };
            // SAFETY: it was never linked, so nobody can have claimed in it.
            unsafe { unused.retire() };
            // Not to the spares at once: see `take_spare`.
            self.retire(fresh);
        }
        Ok(())
    }

    /// Puts a header on the list of those that wait for a moment without pins.
    pub(in crate::lock_free) fn retire(&self, header: *mut Segment<T>) {
        // SAFETY: headers live as long as the queue, and who retires one has it for itself.
        let link = unsafe { &(*header).link };
        let mut first = self.retired.load(Ordering::SeqCst);
        loop {
            link.store(first, Ordering::SeqCst);
            match self.retired.compare_exchange(first, header, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// Keeps a header without slots for a resize to come. Nobody may be able to find it, though a stale producer may still
    /// look at its limit, which is why it is never freed before the queue. Since it was retired there was a moment without
    /// pins.
    pub(in crate::lock_free) fn keep_spare(&self, header: *mut Segment<T>) {
        // SAFETY: unlinked headers belong to whoever holds them, and live as long as the queue.
        let link = unsafe { &(*header).next };
        let mut first = self.spares.load(Ordering::SeqCst);
        loop {
            link.store(first, Ordering::SeqCst);
            match self.spares.compare_exchange(first, header, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// A header to use again. The caller is pinned or the one consumer.
    ///
    /// No ABA: what somebody else takes off the list meanwhile comes back only after a moment without pins, and then by the one
    /// consumer where there is one. (Taking all off and putting the rest back would need no such rule, but whoever is stalled
    /// with all of them makes the others allocate more, each time, without end.)
    fn take_spare(&self) -> Option<*mut Segment<T>> {
        let mut first = self.spares.load(Ordering::SeqCst);
        while !first.is_null() {
            // SAFETY: headers live as long as the queue.
            let after = unsafe { (*first).next.load(Ordering::SeqCst) };
            match self.spares.compare_exchange(first, after, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(first),
                Err(now) => first = now,
            }
        }
        None
    }

    /// Marks the tail, so that the segment takes no more. The caller has prepared the next one.
    pub(in crate::lock_free) fn seal(&self, tail: u64) -> bool {
        self.tail.compare_exchange(tail, tail | SEALED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Completes the resize that `tail`, which is sealed, speaks of. The caller is pinned or the one consumer.
    pub(in crate::lock_free) fn help(&self, tail: u64) {
        let end = position(tail);
        let old = self.current.load(Ordering::SeqCst);
        // SAFETY: headers live as long as the queue; the pin keeps this one from being used again meanwhile.
        let segment = unsafe { &*old };
        let base = segment.base.load(Ordering::SeqCst);
        if base <= end {
            let _ = segment.end.compare_exchange(OPEN, end, Ordering::SeqCst, Ordering::SeqCst);
            let next = segment.next.load(Ordering::SeqCst);
            // SAFETY: prepared before the tail was sealed, and not retired while this thread is pinned: consumers
            // get to `next` only through `segment`.
            let fresh = unsafe { &*next };
            let skipped = segment.skipped.load(Ordering::SeqCst) + 1;
            let _ = fresh.base.compare_exchange(UNSET, end + 1, Ordering::SeqCst, Ordering::SeqCst);
            let _ = fresh.skipped.compare_exchange(UNSET, skipped, Ordering::SeqCst, Ordering::SeqCst);
            let capacity = fresh.capacity.load(Ordering::SeqCst);
            let limit = self.limit(self.takers.popped(), fresh);
            let _ = fresh.limit.compare_exchange(0, limit, Ordering::SeqCst, Ordering::SeqCst);
            if self.current.compare_exchange(old, next, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                let before = segment.capacity.load(Ordering::SeqCst);
                match capacity.cmp(&before) {
                    Less => self.shrunk.fetch_add(1, Ordering::Relaxed),
                    Equal => 0, // around a slot that is being read
                    Greater => self.grown.fetch_add(1, Ordering::Relaxed),
                };
            }
        }
        // One position further on: no CAS from before can succeed.
        let reopened = (end + 1) * ONE;
        if self.tail.compare_exchange(tail, reopened | (tail & CLOSED), Ordering::SeqCst, Ordering::Relaxed).is_err() {
            // Closed since, or done by somebody else.
            let closed = (end * ONE) | SEALED | CLOSED;
            let _ = self.tail.compare_exchange(closed, reopened | CLOSED, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    /// Shrinks a queue that is sparsely used after `popped` items were taken. The caller is pinned or the one consumer.
    ///
    /// Not a closed one: its items stay in the segments that they are in, so until the last was taken a smaller segment behind
    /// them would only be memory more; and then the handles go, and with them the queue.
    pub(in crate::lock_free) fn shrink(&self, popped: u64) {
        // A second time where the segment that follows was prepared before, by a thread that did not get to use it: for another
        // capacity then.
        for _ in 0..2 {
            // In this order: if the tail is sealed from the value read here, it is this segment that ends.
            let tail = self.tail.load(Ordering::SeqCst);
            let segment = self.current();
            let capacity = segment.capacity.load(Ordering::SeqCst);
            let pushed = position(tail).saturating_sub(segment.skipped.load(Ordering::SeqCst));
            let len = usize::try_from(pushed.saturating_sub(popped)).unwrap_or(usize::MAX);
            let smaller = self.elasticity.shrunk(capacity, len);
            // Without memory, or where a producer was faster, the next time will do.
            let ends = tail & FLAGS == 0 && smaller < capacity && self.prepare_next(segment, smaller).is_ok();
            if !ends || !self.seal(tail) {
                return;
            }
            self.help(tail | SEALED);
        }
    }
}
