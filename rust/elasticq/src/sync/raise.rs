//! Raising a number that several threads raise: the largest that any of them asked for stays.
//!
//! It is one instruction on the machine. ThreadSanitizer does not see what that instruction orders, and
//! reports races that are none. So with `--cfg without_fetch_max` it is a loop around an exchange, with the
//! same order and the same result. No other file of the crate names this setting (`tests/test_layers.py`).

use std::sync::atomic::Ordering;

/// A number that only rises.
pub(crate) trait Raise {
    /// Makes the number at least `least`. If it is as large already, this writes it again, so the order holds
    /// in any case.
    fn raise(&self, least: u64, order: Ordering);

    /// The same, as a loop around an exchange.
    fn raise_by_exchange(&self, least: u64, order: Ordering);
}

macro_rules! raise {
    ($number:ty) => {
        impl Raise for $number {
            #[inline(always)]
            fn raise(&self, least: u64, order: Ordering) {
                if cfg!(without_fetch_max) {
                    self.raise_by_exchange(least, order);
                } else {
                    self.fetch_max(least, order);
                }
            }

            #[inline(always)]
            fn raise_by_exchange(&self, least: u64, order: Ordering) {
                let _ = self.fetch_update(order, Ordering::Relaxed, |now| Some(now.max(least)));
            }
        }
    };
}

raise!(std::sync::atomic::AtomicU64);
#[cfg(loom)]
raise!(super::AtomicU64);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Raise;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    type How = fn(&AtomicU64, u64, Ordering);

    fn at_once(number: &AtomicU64, least: u64, order: Ordering) {
        number.fetch_max(least, order);
    }

    /// What the setting chose, and both ways that there are.
    const WAYS: [How; 3] = [AtomicU64::raise, AtomicU64::raise_by_exchange, at_once];

    #[test]
    fn the_larger_number_stays() {
        for how in WAYS {
            for (before, least, after) in [(0, 1, 1), (7, 6, 7), (7, 8, 8), (u64::MAX, 1, u64::MAX)] {
                let number = AtomicU64::new(before);
                how(&number, least, Ordering::AcqRel);
                assert_eq!(number.into_inner(), after, "{before} raised to {least}");
            }
        }
    }

    #[test]
    fn the_largest_of_all_threads_stays_and_it_never_falls() {
        for how in WAYS {
            let number = AtomicU64::new(0);
            thread::scope(|scope| {
                for thread in 0..4 {
                    let number = &number;
                    scope.spawn(move || {
                        for step in 1..=1000 {
                            let least = step * 4 + thread;
                            how(number, least, Ordering::AcqRel);
                            assert!(number.load(Ordering::Acquire) >= least);
                        }
                    });
                }
            });
            assert_eq!(number.into_inner(), 4003);
        }
    }
}
