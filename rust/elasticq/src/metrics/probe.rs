//! `Probe`: what stands beside each call of an instrumented buffer.
//!
//! Most calls pay for one addition and one comparison. A thread walks around a circle in steps of the golden
//! section, and takes the time of the calls at which it comes by the start. The steps between two such calls
//! have up to three lengths, and these follow no pattern that a caller could have: pushes and pops that
//! alternate are measured alike.

use super::series::{Operation, Series};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// The golden section of the circle, which has 2^32 places.
const STEP: u32 = 0x9e37_79b9;

thread_local! {
    static PLACE: Cell<u32> = const { Cell::new(0) };
}

/// Which calls are timed: those that come to a place up to this one.
#[derive(Debug)]
pub struct Sampling(AtomicU32);

impl Sampling {
    /// One call in `calls`; none for zero.
    pub const fn one_in(calls: u32) -> Self {
        Self(AtomicU32::new(Self::last(calls)))
    }

    const fn last(calls: u32) -> u32 {
        match calls {
            0 => 0,
            1 => u32::MAX,
            _ => u32::MAX / calls,
        }
    }

    pub fn set(&self, calls: u32) {
        self.0.store(Self::last(calls), Ordering::Relaxed); // orders nothing
    }

    #[inline(always)]
    fn hits(&self) -> bool {
        let place = PLACE.get();
        PLACE.set(place.wrapping_add(STEP));
        place < self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Debug)]
pub struct Probe {
    pub series: Arc<Series>,
    sampling: Arc<Sampling>,
}

impl Probe {
    pub const fn new(series: Arc<Series>, sampling: Arc<Sampling>) -> Self {
        Self { series, sampling }
    }

    /// Whether the next call is one that is timed.
    #[inline(always)]
    pub fn is_timed(&self) -> bool {
        self.sampling.hits()
    }

    /// Makes a call, and takes its time.
    #[cold]
    #[inline(never)]
    pub fn time<R>(&self, operation: Operation, call: impl FnOnce() -> R) -> R {
        let begun = Instant::now();
        let outcome = call();
        let took = begun.elapsed();
        // What the call has done is done, so an exporter that panics must not end it. It is not asked again.
        if catch_unwind(AssertUnwindSafe(|| self.series.record(operation, took))).is_err() {
            self.sampling.set(0);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_calls_are_timed_whatever_their_pattern() {
        for (calls, every) in [(256, 1), (256, 2), (256, 3), (256, 64), (10, 2), (1, 1), (1, 2)] {
            let sampling = Sampling::one_in(calls);
            let hits = (0..1_000_000).filter(|call| sampling.hits() && call % every == 0).count() as f64;
            let expected = f64::from(1_000_000 / calls) / f64::from(every);
            assert!((hits - expected).abs() < 0.05 * expected + 2.0, "1 in {calls}, each {every}: {hits}, {expected}");
        }
        let none = Sampling::one_in(0);
        assert!((0..1_000_000).all(|_| !none.hits()));
    }
}
