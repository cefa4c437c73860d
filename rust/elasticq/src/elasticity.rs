//! How large a queue should be: arithmetic only.
//!
//! Growth goes in steps of factor `growth` up to exactly `max`. Shrinking takes the same steps back, down to
//! `min`, while the items fill at most `shrink` of the capacity *and* at most three quarters of the smaller
//! one. The second condition is the hysteresis: between growing and shrinking, items equal to at least a
//! quarter of the smaller capacity go in or out. So resizing costs a constant per item, even if `growth x
//! shrink >= 1` would otherwise make a queue resize at every call.

use crate::config::Config;

/// Factors close to 1 would need very many steps. After this many, the rest is taken in one step.
const MAX_STEPS: u32 = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Elasticity {
    min: usize,
    max: usize,
    growth: f64,
    shrink: f64,
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
// Capacities beyond 2^53 only lose digits of a factor's result. Casts from float to integer saturate. Nothing
// is negative.
impl Elasticity {
    pub(crate) const fn new(config: &Config) -> Self {
        Self {
            min: config.min_capacity,
            max: config.max_capacity,
            growth: config.growth_factor,
            shrink: config.shrink_threshold,
        }
    }

    pub(crate) const fn min(&self) -> usize {
        self.min
    }

    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    /// The smallest capacity, in steps from `capacity`, that holds `needed` items (at most `max`).
    pub(crate) fn grown(&self, capacity: usize, needed: usize) -> usize {
        let mut grown = capacity;
        for _ in 0..MAX_STEPS {
            if grown >= needed {
                return grown;
            }
            let step = (grown as f64 * self.growth).ceil() as usize;
            grown = step.max(grown.saturating_add(1)).min(self.max);
        }
        grown.max(needed)
    }

    /// The capacity to which a queue of `capacity` that holds `len` items shrinks; `capacity` itself if it
    /// does not shrink.
    pub(crate) fn shrunk(&self, capacity: usize, len: usize) -> usize {
        let mut shrunk = capacity;
        for _ in 0..MAX_STEPS {
            if len >= self.shrinks_below(shrunk) {
                return shrunk;
            }
            shrunk = self.step_down(shrunk);
        }
        let room = (len as f64 / self.shrink.min(0.75 / self.growth)).ceil() as usize;
        room.clamp(self.min, shrunk)
    }

    /// A queue of `capacity` shrinks when it holds fewer items than this. 0 means never.
    pub(crate) fn shrinks_below(&self, capacity: usize) -> usize {
        if capacity <= self.min {
            return 0;
        }
        let smaller = self.step_down(capacity);
        let sparse = (capacity as f64 * self.shrink) as usize;
        sparse.min(smaller / 4 * 3) + 1
    }

    fn step_down(&self, capacity: usize) -> usize {
        let step = (capacity as f64 / self.growth) as usize;
        step.min(capacity - 1).max(self.min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elasticity(min: usize, max: usize, growth: f64, shrink: f64) -> Elasticity {
        Elasticity { min, max, growth, shrink }
    }

    #[test]
    fn growth_ends_at_exactly_the_maximum() {
        let e = elasticity(4, 1000, 1.5, 0.25);
        let mut capacity = 4;
        while capacity < 1000 {
            let next = e.grown(capacity, capacity + 1);
            assert!(next > capacity && next <= 1000, "{capacity} -> {next}");
            capacity = next;
        }
        assert_eq!(capacity, 1000);
    }

    #[test]
    fn growth_in_one_go_takes_whole_steps() {
        assert_eq!(elasticity(64, 1 << 20, 2.0, 0.25).grown(64, 1000), 1024);
    }

    #[test]
    fn a_factor_close_to_one_still_grows_and_shrinks_at_once() {
        let e = elasticity(1, usize::MAX, 1.000_000_1, 0.5);
        assert_eq!(e.grown(1, 1_000_000), 1_000_000);
        assert_eq!(e.shrunk(1_000_000, 0), 1);
        let shrunk = e.shrunk(1_000_000, 1000);
        assert!((1334..=2001).contains(&shrunk), "{shrunk}");
    }

    #[test]
    fn the_largest_factor_and_capacity_do_not_overflow() {
        let e = elasticity(1, usize::MAX, f64::MAX, 0.25);
        assert_eq!(e.grown(1024, 1025), usize::MAX);
        assert_eq!(e.shrunk(usize::MAX, 0), 1);
    }

    #[test]
    fn a_resize_is_a_quarter_of_the_smaller_capacity_away_from_the_next() {
        for (growth, shrink) in [(2.0, 0.25), (2.0, 0.9), (1.1, 0.99), (8.0, 0.5), (1.01, 0.999)] {
            let e = elasticity(8, 100_000, growth, shrink);
            for capacity in 9..3000 {
                let Some(len) = e.shrinks_below(capacity).checked_sub(1) else { continue };
                let smaller = e.shrunk(capacity, len);
                assert!(
                    smaller < capacity && smaller - len >= smaller / 4,
                    "{growth} {shrink} {capacity} {smaller} {len}"
                );
                // Growing from `capacity` happens when it is full. Before it shrinks back, a quarter of it
                // must leave.
                let larger = e.grown(capacity, capacity + 1);
                assert!(
                    capacity + 1 >= e.shrinks_below(larger) + capacity / 4,
                    "{growth} {shrink} {capacity} {larger}"
                );
            }
        }
    }

    #[test]
    fn an_empty_ring_is_as_small_as_it_may_be() {
        for growth in [1.001, 1.5, 2.0, 100.0] {
            for shrink in [0.001, 0.25, 0.999] {
                assert_eq!(elasticity(10, 1 << 30, growth, shrink).shrunk(1 << 20, 0), 10);
            }
        }
    }
}
