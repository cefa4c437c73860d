//! The place that the one consumer leaves behind when it goes. Every thread may go on from there: see
//! `chain::abandon`.

use super::consumer::{Core, Taker};
use crate::lock_free::chain::Segment;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};
use std::ptr;

/// The place that the one consumer has left behind.
pub(in crate::lock_free) struct Left<T> {
    /// The segment of that place; null as long as the consumer itself takes.
    front: AtomicPtr<Segment<T>>,
    /// The position to be taken next, in `front` or a later segment.
    head: AtomicU64,
}

impl<T> Left<T> {
    pub(in crate::lock_free) fn new() -> Self {
        Self { front: AtomicPtr::new(ptr::null_mut()), head: AtomicU64::new(0) }
    }

    pub(in crate::lock_free) fn head(&self) -> u64 {
        self.head.load(Ordering::SeqCst)
    }

    fn begin(&self, front: *mut Segment<T>, head: u64) {
        self.head.store(head, Ordering::SeqCst);
        // Release: a thread that sees the segment sees the head. (A thread that came here because of a
        // forgotten waiter may see neither.)
        self.front.store(front, Ordering::Release);
    }

    /// Takes the next item, if it was published.
    fn take(&self) -> Option<T> {
        let mut segment = self.front.load(Ordering::Acquire);
        loop {
            // SAFETY: headers live as long as the queue.
            let here = unsafe { segment.as_ref() }?;
            let head = self.head.load(Ordering::SeqCst);
            let end = here.end.load(Ordering::SeqCst);
            if head > end {
                segment = here.next.load(Ordering::SeqCst); // linked before the end was set
                continue;
            }
            let slot = if head == end {
                None // an end carries no item
            } else {
                // SAFETY: the one consumer, which alone retires segments, has gone.
                Some(unsafe { here.published(head) }?)
            };
            // No ABA: the head only grows.
            if self.head.compare_exchange(head, head + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
                && let Some(slot) = slot
            {
                // SAFETY: published, and the CAS gives it to this thread alone.
                return Some(unsafe { slot.read() });
            }
        }
    }
}

impl<T> Core<T> {
    /// Drops what is left, for the consumer that goes.
    pub(in crate::lock_free) fn abandon(&self, taker: &mut Taker<T>) {
        let consumed = taker.popped();
        self.end(
            taker,
            consumed,
            |taker| self.pop(taker),
            |taker| {
                let on_its_way = !self.is_drained(taker);
                if on_its_way {
                    self.takers.left.begin(taker.front, taker.head);
                }
                on_its_way
            },
        );
    }

    /// Takes an item that was on its way when the consumer went, or that was behind such an item.
    pub(in crate::lock_free) fn take_left(&self) -> Option<T> {
        let item = self.takers.left.take()?;
        self.takers.popped.fetch_add(1, Ordering::SeqCst);
        Some(item)
    }
}
