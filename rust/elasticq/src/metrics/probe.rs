//! `Probe`: what stands beside each call of an instrumented buffer.
//!
//! Most calls pay for one subtraction: each thread counts down to its next look, and the gaps between two looks
//! follow no pattern that a caller could have. So pushes and pops that alternate are measured alike. What a
//! call takes from the count is up to its recorder: 1 where few calls are timed, all where many are, nothing
//! where none are. At a look the thread decides whether this call is one that is timed.

use super::series::{Operation, Series};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// A thread looks at one call in so many.
const GAP: u32 = 256;
/// What a call takes where more calls are timed: it leaves a count below zero, whatever it was.
const ALL: u32 = 1 << 31;
/// The golden section of a circle that has 2^32 places. Walks in such steps spread evenly, and have no period.
const STEP: u32 = 0x9e37_79b9;

thread_local! {
    /// Calls until the next look. Below 2^31, but for the moment of a look.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    static PLACE: Cell<u32> = const { Cell::new(0) };
}

/// The next place of this thread's walk.
fn walk() -> u32 {
    let place = PLACE.get();
    PLACE.set(place.wrapping_add(STEP));
    place
}

/// Which calls are timed.
#[derive(Debug)]
pub struct Sampling {
    /// What a call takes from the count: nothing, 1 or `ALL`.
    takes: AtomicU32,
    /// The last place of the walk at which a call that is looked at is timed.
    last: AtomicU32,
}

impl Sampling {
    /// One call in `calls`; none for zero.
    pub const fn one_in(calls: u32) -> Self {
        let (takes, last) = Self::parts(calls);
        Self { takes: AtomicU32::new(takes), last: AtomicU32::new(last) }
    }

    const fn parts(calls: u32) -> (u32, u32) {
        match calls {
            0 => (0, 0),
            1..GAP => (ALL, u32::MAX / calls),
            _ => (1, (((u32::MAX as u64) * GAP as u64) / calls as u64) as u32),
        }
    }

    pub fn set(&self, calls: u32) {
        let (takes, last) = Self::parts(calls);
        // They order nothing. A call between the two is timed or not.
        self.last.store(last, Ordering::Relaxed);
        self.takes.store(takes, Ordering::Relaxed);
    }

    /// Whether this call is one to look at.
    #[inline(always)]
    fn is_due(&self) -> bool {
        let left = LEFT.get().wrapping_sub(self.takes.load(Ordering::Relaxed));
        LEFT.set(left);
        left.cast_signed() < 0
    }

    /// Whether this call, which is due, is timed.
    fn look(&self) -> bool {
        let left = LEFT.get();
        LEFT.set(if left == u32::MAX { walk() % (2 * GAP - 1) } else { left.wrapping_add(ALL) });
        walk() <= self.last.load(Ordering::Relaxed)
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

    /// Whether the next call may be one that is timed.
    #[inline(always)]
    pub fn is_due(&self) -> bool {
        self.sampling.is_due()
    }

    /// Makes a call that is due, and takes its time if it is one that is timed.
    #[cold]
    #[inline(never)]
    pub fn time<R>(&self, operation: Operation, call: impl FnOnce() -> R) -> R {
        if !self.sampling.look() {
            return call();
        }
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
            let hits =
                (0..1_000_000).filter(|call| sampling.is_due() && sampling.look() && call % every == 0).count() as f64;
            let expected = f64::from(1_000_000 / calls) / f64::from(every);
            assert!((hits - expected).abs() < 0.05 * expected + 2.0, "1 in {calls}, each {every}: {hits}, {expected}");
        }
        let none = Sampling::one_in(0);
        assert!((0..1_000_000).all(|_| !none.is_due()));
    }

    #[test]
    fn a_recorder_that_times_all_calls_takes_no_turn_from_one_that_times_few() {
        let [all, few] = [1, 256].map(Sampling::one_in);
        let hits = |sampling: &Sampling| usize::from(sampling.is_due() && sampling.look());
        let [mut of_all, mut of_few] = [0; 2];
        for _ in 0..1_000_000 {
            of_all += hits(&all);
            of_few += hits(&few);
        }
        assert_eq!(of_all, 1_000_000);
        assert!((3_700..=4_100).contains(&of_few), "{of_few}");
    }
}
