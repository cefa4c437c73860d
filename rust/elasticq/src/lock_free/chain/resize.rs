//! Growing and shrinking, and going on in a fresh segment. Any thread that comes by can complete the change.
//!
//! The steps: prepare the next segment; mark `tail` SEALED; set the `end` of the old segment, and `base`,
//! `skipped` and `limit` of the new one; make the new one `current`; reopen `tail` **one position further
//! on**. Each step is a CAS from the exact old value. Any thread that finds the mark can do each step, so a
//! stalled thread holds up nobody.

use super::segment::{OPEN, Segment, UNSET, allocate};
use super::{CLOSED, Chain, FLAGS, ONE, SEALED, Takers, position};
use crate::error::BufferResult;
use crate::sync::Ordering;
use std::cmp::Ordering::{Equal, Greater, Less};
use std::ptr;

impl<T, C: Takers<T>> Chain<T, C> {
    /// Links a segment of `capacity` behind `segment`, unless one is linked there already. The caller is
    /// pinned or the one consumer.
    pub(in crate::lock_free) fn prepare_next(&self, segment: &Segment<T>, capacity: usize) -> BufferResult<()> {
        if !segment.next.load(Ordering::SeqCst).is_null() {
            return Ok(());
        }
        let slots = allocate(capacity)?;
        let fresh = Segment::prepare(self.take_spare(), slots, capacity);
        if segment.next.compare_exchange(ptr::null_mut(), fresh, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            // Another thread was faster; nobody has seen this segment.
            // SAFETY: headers live as long as the queue.
            let unused = unsafe { &*fresh };
            // SAFETY: it was never linked, so nobody can have claimed in it.
            unsafe { unused.retire() };
            // Not straight to the spares: see `take_spare`.
            self.retire(fresh);
        }
        Ok(())
    }

    /// Puts a header on the list of those that wait for a moment without pins.
    pub(in crate::lock_free) fn retire(&self, header: *mut Segment<T>) {
        // SAFETY: headers live as long as the queue, and a thread that retires one has it for itself.
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

    /// Keeps a header without slots for a later resize. No thread may be able to find it any more: there has
    /// been a moment without pins since the header was retired. But a stale producer may still look at its
    /// limit, which is why a header is never freed before the queue.
    pub(in crate::lock_free) fn keep_spare(&self, header: *mut Segment<T>) {
        // SAFETY: an unlinked header belongs to the thread that holds it, and lives as long as the queue.
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
    /// No ABA: a header that another thread takes off the list meanwhile comes back only after a moment
    /// without pins and, where there is one consumer, only by that consumer. (Taking all headers off and
    /// putting the rest back would need no such rule. But a thread that is stalled with all of them would
    /// make the others allocate more, each time, without end.)
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

    /// Marks the tail, so that the segment takes no more claims. The caller has prepared the next segment.
    pub(in crate::lock_free) fn seal(&self, tail: u64) -> bool {
        self.tail.compare_exchange(tail, tail | SEALED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Completes the resize that a sealed `tail` announces. The caller is pinned or the one consumer.
    pub(in crate::lock_free) fn help(&self, tail: u64) {
        let end = position(tail);
        let old = self.current.load(Ordering::SeqCst);
        // SAFETY: headers live as long as the queue; the pin keeps this one from being used again meanwhile.
        let segment = unsafe { &*old };
        let base = segment.base.load(Ordering::SeqCst);
        if base <= end {
            let _ = segment.end.compare_exchange(OPEN, end, Ordering::SeqCst, Ordering::SeqCst);
            let next = segment.next.load(Ordering::SeqCst);
            // SAFETY: prepared before the tail was sealed, and not retired while this thread is pinned:
            // consumers get to `next` only through `segment`.
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
                    Equal => 0, // goes on around a slot that is being read
                    Greater => self.grown.fetch_add(1, Ordering::Relaxed),
                };
            }
        }
        // One position further on, so that no CAS from an earlier value can succeed.
        let reopened = (end + 1) * ONE;
        if self.tail.compare_exchange(tail, reopened | (tail & CLOSED), Ordering::SeqCst, Ordering::Relaxed).is_err() {
            // The queue was closed since, or another thread has reopened the tail.
            let closed = (end * ONE) | SEALED | CLOSED;
            let _ = self.tail.compare_exchange(closed, reopened | CLOSED, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    /// Shrinks a sparsely used queue after `popped` items were taken. The caller is pinned or the one
    /// consumer.
    ///
    /// A closed queue is not shrunk. Its items stay in the segments that they are in, so until the last item
    /// is taken, a smaller segment behind them would only take more memory. And then the handles go, and with
    /// them the queue.
    pub(in crate::lock_free) fn shrink(&self, popped: u64) {
        // The second round is for a next segment that was prepared earlier, for another capacity, by a thread
        // that did not get to use it.
        for _ in 0..2 {
            // In this order: if the tail is sealed from the value read here, this segment is the one that
            // ends.
            let tail = self.tail.load(Ordering::SeqCst);
            let segment = self.current();
            let capacity = segment.capacity.load(Ordering::SeqCst);
            let pushed = position(tail).saturating_sub(segment.skipped.load(Ordering::SeqCst));
            let len = usize::try_from(pushed.saturating_sub(popped)).unwrap_or(usize::MAX);
            let smaller = self.elasticity.shrunk(capacity, len);
            // If there is no memory, or a producer was faster, the next time will do.
            let ends = tail & FLAGS == 0 && smaller < capacity && self.prepare_next(segment, smaller).is_ok();
            if !ends || !self.seal(tail) {
                return;
            }
            self.help(tail | SEALED);
        }
    }
}
