//! `Guess`: claiming without looking first.
//!
//! A claim is a CAS from the exact position that the claiming thread counts on. Loading that position first
//! takes half as long as the claim itself, since the load has to wait for the claim before it. But a thread
//! that claims several times in a row knows where its last claim ended, and **if nobody else has claimed
//! since, the next claim begins there**. So a handle remembers that position. As no position is ever used
//! twice, the CAS succeeds only if the remembered position has been the right one all the time; a load at
//! this moment would then have given the same.
//!
//! Where other threads claim too, a guess would nearly always be wrong, and a failed attempt costs more than
//! a look. So after a wrong guess the handle looks first, until a look finds that nobody else has claimed
//! since its last claim.

use crate::sync::{AtomicU64, Ordering};

/// Set when other threads have claimed since. Positions have 62 bits, so this bit is free.
const UNSURE: u64 = 1 << 63;

/// The position at which the last claim of a handle ended.
pub(in crate::lock_free) struct Guess(AtomicU64);

impl Guess {
    pub(in crate::lock_free) fn new() -> Self {
        Self(AtomicU64::new(UNSURE))
    }

    /// Where the next claim begins, if a guess is worth a try.
    #[inline(always)]
    pub(in crate::lock_free) fn position(&self) -> Option<u64> {
        // Acquire: pairs with the stores. So what is read next is no older than the last claim by a thread
        // that shares the handle.
        Some(self.0.load(Ordering::Acquire)).filter(|position| position & UNSURE == 0)
    }

    /// To be called after a guess that was right, which claimed the positions up to `end`.
    #[inline(always)]
    pub(in crate::lock_free) fn was_right(&self, end: u64) {
        self.0.store(end, Ordering::Release);
    }

    /// To be called after a claim of the positions from `first` to `end` by a thread that looked first.
    #[inline(always)]
    pub(in crate::lock_free) fn claimed(&self, first: u64, end: u64) {
        let untouched = self.0.load(Ordering::Relaxed) & !UNSURE == first;
        self.0.store(if untouched { end } else { end | UNSURE }, Ordering::Release);
    }
}
