//! Pushes at a given rate, and how long each took.
//!
//! The thread looks at the clock until a push is due; it never sleeps, since it would wake up too late. A
//! push that took long makes the next ones late. So two times are noted: that of the call, and that from the
//! moment when the push was due. The second one also counts what the machine did to the thread between two
//! calls.

use super::{Payload, payload};
use crate::stats::quantile;
use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

/// How long the pushes of one run took, in microseconds, the shortest first.
#[derive(Clone, Debug, Default)]
pub struct Paced {
    /// From the call to its return.
    pub calls: Vec<f64>,
    /// From the moment when the push was due to its return.
    pub since_due: Vec<f64>,
    /// How many pushes were refused.
    pub refused: u64,
}

impl Paced {
    /// How many pushes there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.calls.len() as u64
    }
}

/// Pushes the messages from the number `first` on, so many in a second, while `goes_on` says so of how many
/// there were.
///
/// # Panics
/// When there was not one.
#[must_use]
pub fn pushed(
    per_second: u32,
    first: u64,
    mut goes_on: impl FnMut(u64) -> bool,
    mut push: impl FnMut(&Payload) -> bool,
) -> Paced {
    let interval = Duration::from_secs(1) / per_second;
    let mut times: Vec<(u32, u32)> = Vec::with_capacity(1 << 17);
    let mut refused = 0;
    let mut due = Instant::now() + interval;
    while goes_on(times.len() as u64) {
        let payload = payload(first + times.len() as u64);
        let mut called = Instant::now();
        while called < due {
            spin_loop();
            called = Instant::now();
        }
        refused += u64::from(!push(black_box(&payload)));
        let returned = Instant::now();
        let nanoseconds = |since: Instant| (returned - since).as_nanos().try_into().unwrap_or(u32::MAX);
        times.push((nanoseconds(called), nanoseconds(due)));
        due += interval;
    }
    let microseconds = |of: fn(&(u32, u32)) -> u32| {
        let mut sorted: Vec<f64> = times.iter().map(|time| f64::from(of(time)) / 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    assert!(!times.is_empty(), "there is nothing to say about no push");
    Paced { calls: microseconds(|time| time.0), since_due: microseconds(|time| time.1), refused }
}

/// The times that a table shows of `sorted` ones: half of them are shorter than the first, 99 % than the
/// second, 99.9 % than the third; the last is the longest.
#[must_use]
pub fn tail(sorted: &[f64]) -> [f64; 4] {
    [0.5, 0.99, 0.999, 1.0].map(|q| quantile(sorted, q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::number;

    #[test]
    fn each_message_is_pushed_once_and_never_before_it_is_due() {
        let started = Instant::now();
        let mut numbers = Vec::new();
        let paced = pushed(
            100_000,
            7,
            |count| count < 50,
            |payload| {
                assert!(started.elapsed() >= Duration::from_micros(10) * (numbers.len() as u32 + 1));
                numbers.push(number(payload).unwrap());
                numbers.len() % 10 != 0
            },
        );
        assert_eq!(numbers, (7..57).collect::<Vec<_>>());
        assert_eq!((paced.count(), paced.refused), (50, 5));
        assert!(paced.calls.is_sorted() && paced.since_due.is_sorted());
    }

    #[test]
    fn what_was_held_up_by_the_push_before_counts_from_when_it_was_due() {
        let mut pushes = 0;
        let hold_up_the_first = |_: &Payload| {
            pushes += 1;
            let started = Instant::now();
            while pushes == 1 && started.elapsed() < Duration::from_millis(2) {}
            true
        };
        let paced = pushed(100_000, 0, |count| count < 100, hold_up_the_first);
        assert!(paced.since_due[50] > 900.0, "{paced:?}"); // the median push was late by a millisecond
    }

    #[test]
    fn the_tail_has_the_median_and_the_longest() {
        let sorted: Vec<f64> = (0..=1_000).map(f64::from).collect();
        assert_eq!(tail(&sorted), [500.0, 990.0, 999.0, 1_000.0]);
    }
}
