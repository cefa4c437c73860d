//! `Guess`: claiming without looking first.
//!
//! A claim is a CAS from the exact position that the claimer counts on. To load that position first takes as long as half of
//! the claim, since the load has to wait for the claim before it. But whoever claims several times in a row knows where he
//! was, and **if nobody else has claimed since, that is where the next claim begins**. So a handle remembers it. As no
//! position is ever used twice, the CAS succeeds only if it has been the right one all the time; a load at this moment
//! would then have given the same.
//!
//! Where others claim too, a guess would nearly always be wrong, and an attempt in vain costs more than a look. So one that
//! was wrong is followed by looks, until one of them finds the position untouched.

use crate::sync::{AtomicU64, Ordering};

/// Others have claimed since. Positions have 62 bits.
const UNSURE: u64 = 1 << 63;

/// The position at which the last claim of a handle ended.
pub(in crate::lock_free) struct Guess(AtomicU64);

impl Guess {
    pub(in crate::lock_free) fn new() -> Self {
        Self(AtomicU64::new(UNSURE))
    }

    /// Where the next claim begins, if that is worth a try.
    #[inline(always)]
    pub(in crate::lock_free) fn position(&self) -> Option<u64> {
        // Acquire: pairs with the stores, so that what is read next is no older than the claim of whoever shares the handle.
        Some(self.0.load(Ordering::Acquire)).filter(|position| position & UNSURE == 0)
    }

    /// To be called after a claim of the positions from `first` to `end`, whether it was a guess or looked first.
    #[inline(always)]
    pub(in crate::lock_free) fn claimed(&self, first: u64, end: u64) {
        let untouched = self.0.load(Ordering::Relaxed) & !UNSURE == first;
        self.0.store(if untouched { end } else { end | UNSURE }, Ordering::Release);
    }
}
