//! What consumers that share a head tell each other. Each consumer has a record, in a list that only grows.
//!
//! ```text
//! hazard    the segment that this consumer works in: its slots are not freed, its header is not used again
//! working   no position from here on has been finished by this consumer; IDLE between two takes
//! busy      this record is in use: by a handle for as long as it lives, or by a call through a shared handle
//! ```
//!
//! **hazard** is set once per segment: the consumer stores it, and then looks whether the segment is still in
//! front. A thread that retires a segment first moves the front on and then looks at the records. These four
//! accesses are sequentially consistent, so one of the two threads sees the other.
//!
//! **working** is stored before the claim (the CAS of the head) and reset after the item was moved out. A
//! thread that reads a head beyond a claim has therefore acquired that store. In the record, it finds the
//! claimed position, an earlier one, or a later store, which tells that the item is out. So every position
//! below *the head and all `working`, the head being read first*, is finished, and its slot may be written
//! again. Neither side pays a fence for this, and consumers write no slot.
//!
//! **Looking** at items needs that nobody takes. So the thread that looks uses all records (`use_all`):
//! consumers find none free then, and wait. A consumer that adds a record first checks whether another thread
//! is looking. The fast path to a record is the same as ever.

use crate::lock_free::chain::{Guess, Segment};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Backoff, Ordering, order_seqcst, thread_number};
use crossbeam_utils::CachePadded;
use std::ptr;

const IDLE: u64 = u64::MAX;

pub(in crate::lock_free) struct Record<T> {
    hazard: AtomicPtr<Segment<T>>,
    working: AtomicU64,
    /// Where the head is, if no other consumer has taken since.
    pub(in crate::lock_free) guess: Guess,
    busy: AtomicBool,
    /// The record that was there before.
    next: AtomicPtr<CachePadded<Record<T>>>,
}

impl<T> Record<T> {
    /// The segment that the record protects, for the thread that uses the record.
    #[inline(always)]
    pub(in crate::lock_free) fn segment(&self) -> Option<&Segment<T>> {
        // Relaxed: only the user changes it.
        let hazard = self.hazard.load(Ordering::Relaxed);
        // SAFETY: headers live as long as the queue, and the record does not outlive it.
        unsafe { hazard.as_ref() }
    }

    /// Protects the segment that `front` shows. Also tells whether the record let go of another segment for
    /// it.
    pub(in crate::lock_free) fn protect(&self, front: &AtomicPtr<Segment<T>>) -> (*mut Segment<T>, bool) {
        let before = self.hazard.load(Ordering::Relaxed);
        let mut seen = front.load(Ordering::SeqCst);
        if seen == before {
            return (seen, false); // protected all the time, so it is the same use of that header
        }
        loop {
            self.hazard.store(seen, Ordering::SeqCst);
            order_seqcst();
            let now = front.load(Ordering::SeqCst);
            if now == seen {
                return (seen, !before.is_null());
            }
            seen = now;
        }
    }

    /// Protects nothing any more.
    pub(in crate::lock_free) fn let_go(&self) {
        // Release: a thread that sees this store sees that the consumer is done with the slots.
        self.hazard.store(ptr::null_mut(), Ordering::Release);
    }

    /// To be called before `position` is claimed. Release: a thread that sees this store, and not the one
    /// that ended the take before, sees the end of that take as well.
    #[inline(always)]
    pub(in crate::lock_free) fn begin(&self, position: u64) {
        self.working.store(position, Ordering::Release);
    }

    /// To be called after the items were moved out, or when the claim has failed. Release: a thread that sees
    /// this store may have the slots written again.
    #[inline(always)]
    pub(in crate::lock_free) fn finish(&self) {
        self.working.store(IDLE, Ordering::Release);
    }

    #[inline(always)]
    fn try_use(&self) -> bool {
        // Acquire: pairs with `release`, so that this user of the record knows what the one before has set.
        !self.busy.load(Ordering::Relaxed)
            && self.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline(always)]
    pub(in crate::lock_free) fn release(&self) {
        self.busy.store(false, Ordering::Release);
    }
}

/// So many threads can each have a place in `last_used` of their own.
const PLACES: usize = 16;

pub(in crate::lock_free) struct Records<T> {
    first: CachePadded<AtomicPtr<CachePadded<Record<T>>>>,
    /// The record that a thread has used last, by the remainder of the thread's number.
    last_used: CachePadded<[AtomicPtr<CachePadded<Record<T>>>; PLACES]>,
    /// Some thread uses all records, or is about to.
    looking: AtomicBool,
}

impl<T> Records<T> {
    pub(in crate::lock_free) fn new() -> Self {
        Self {
            first: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
            last_used: CachePadded::new(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()))),
            looking: AtomicBool::new(false),
        }
    }

    /// A record for the caller alone, until the caller releases it: that which its thread has used last, if
    /// nobody else uses it.
    #[inline(always)]
    pub(in crate::lock_free) fn obtain(&self) -> &Record<T> {
        let place = &self.last_used[thread_number() % PLACES];
        // Acquire: pairs with the store below, so that this thread sees what is in the record.
        // SAFETY: records live as long as the list.
        match unsafe { place.load(Ordering::Acquire).as_ref() } {
            Some(record) if record.try_use() => record,
            _ => self.obtain_any(place),
        }
    }

    #[cold]
    fn obtain_any(&self, place: &AtomicPtr<CachePadded<Record<T>>>) -> &Record<T> {
        let record = self.find_free();
        place.store(ptr::from_ref(record).cast_mut(), Ordering::Release);
        record
    }

    fn find_free(&self) -> &CachePadded<Record<T>> {
        let backoff = Backoff::new();
        loop {
            if let Some(record) = self.iter().find(|record| record.try_use()) {
                return record;
            }
            if !self.looking.load(Ordering::SeqCst) {
                break;
            }
            backoff.snooze();
        }
        let record = self.add();
        order_seqcst();
        // Either this thread sees that another is looking, or the one that looks sees the new record.
        while self.looking.load(Ordering::SeqCst) {
            backoff.snooze();
        }
        record
    }

    /// Uses all records until the returned value is dropped, so that nobody takes meanwhile. None if a record
    /// stays in use.
    pub(in crate::lock_free) fn use_all(&self) -> Option<UseOfAll<'_, T>> {
        if self.looking.swap(true, Ordering::SeqCst) {
            return None;
        }
        order_seqcst();
        let newest = self.first.load(Ordering::SeqCst);
        let mut used = UseOfAll { records: self, newest, count: 0 };
        let backoff = Backoff::new();
        for record in self.iter_from(newest) {
            while !record.try_use() {
                if backoff.is_completed() {
                    return None;
                }
                backoff.snooze();
            }
            used.count += 1;
        }
        Some(used)
    }

    fn add(&self) -> &CachePadded<Record<T>> {
        let mut before = self.first.load(Ordering::Acquire);
        let record = Box::into_raw(Box::new(CachePadded::new(Record {
            hazard: AtomicPtr::new(ptr::null_mut()),
            working: AtomicU64::new(IDLE),
            guess: Guess::new(),
            busy: AtomicBool::new(true),
            next: AtomicPtr::new(before),
        })));
        // SAFETY: made above; freed only with the queue.
        let added = unsafe { &*record };
        // Release: a thread that finds the record sees what is in it. SeqCst: see `obtain_any`.
        while let Err(now) = self.first.compare_exchange(before, record, Ordering::SeqCst, Ordering::Acquire) {
            before = now;
            added.next.store(before, Ordering::Relaxed);
        }
        added
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = &CachePadded<Record<T>>> {
        self.iter_from(self.first.load(Ordering::Acquire))
    }

    /// `first` and the records that were there before it.
    #[inline(always)]
    fn iter_from(&self, first: *mut CachePadded<Record<T>>) -> impl Iterator<Item = &CachePadded<Record<T>>> {
        let mut next = first;
        std::iter::from_fn(move || {
            // SAFETY: records live as long as the list.
            let record = unsafe { next.as_ref() }?;
            next = record.next.load(Ordering::Relaxed);
            Some(record)
        })
    }

    /// The first position that may be unfinished, given the head.
    pub(in crate::lock_free) fn finished(&self, head: &AtomicU64) -> u64 {
        // Acquire, in this order: see the top of this file. A record that is not in the list yet has claimed
        // nothing below this head.
        let head = head.load(Ordering::Acquire);
        self.iter().map(|record| record.working.load(Ordering::Acquire)).fold(head, u64::min)
    }

    /// Whether the record of a consumer names this segment, which is no longer in front. Records that nobody
    /// uses forget the segment.
    pub(in crate::lock_free) fn name(&self, segment: *mut Segment<T>) -> bool {
        self.iter().any(|record| {
            if record.hazard.load(Ordering::SeqCst) != segment {
                return false;
            }
            if record.try_use() {
                record.let_go();
                record.release();
                return false;
            }
            true
        })
    }
}

/// The use of all records: of the first `count` in the list, from `newest` on.
pub(in crate::lock_free) struct UseOfAll<'a, T> {
    records: &'a Records<T>,
    newest: *mut CachePadded<Record<T>>,
    count: usize,
}

impl<T> Drop for UseOfAll<'_, T> {
    fn drop(&mut self) {
        self.records.iter_from(self.newest).take(self.count).for_each(|record| record.release());
        // Release: a consumer that waited for this store comes after every look at the items.
        self.records.looking.store(false, Ordering::SeqCst);
    }
}

impl<T> Drop for Records<T> {
    fn drop(&mut self) {
        let mut next = self.first.swap(ptr::null_mut(), Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: in this list and nowhere else; no handle is left.
            let record = unsafe { Box::from_raw(next) };
            next = record.next.load(Ordering::Relaxed);
        }
    }
}
