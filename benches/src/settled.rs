//! When a figure is settled: when two runs in a row say the same.
//!
//! One rule decides it. Two values agree when the larger one is at most 15 % above the smaller one ([`agree`]).
//! The rule is applied twice:
//!
//! - to find how long a sample has to be ([`long_enough`]): so long that a sample twice as long says the same;
//! - to judge a figure ([`Figure`]): the two halves of a contest's rounds are two runs in a row. Where their
//!   figures do not agree, the table shows both, and no target is judged by them.

use crate::stats::Summary;

/// How many times as large as the smaller value the larger one may be.
const WITHIN: f64 = 1.15;
/// How many samples of each length are taken to find the length.
pub const TRIALS: usize = 3;
/// How often [`long_enough`] doubles a sample at most.
pub const DOUBLINGS: u32 = 2;

/// Whether two values agree within 15 %.
#[must_use]
pub fn agree(one: f64, other: f64) -> bool {
    one <= other * WITHIN && other <= one * WITHIN
}

/// How many items a sample needs, from `items` upwards, so that a sample twice as long says the same. `time`
/// runs one sample and answers its time per item. The sample is doubled at most [`DOUBLINGS`] times.
pub fn long_enough(mut items: u64, mut time: impl FnMut(u64) -> f64) -> u64 {
    let mut median = |items| Summary::of(&[(); TRIALS].map(|()| time(items))).median;
    let mut shorter = median(items);
    for _ in 0..DOUBLINGS {
        let longer = median(items * 2);
        if agree(shorter, longer) {
            break;
        }
        (items, shorter) = (items * 2, longer);
    }
    items
}

/// A figure of all rounds, beside the same figure of either half of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The figure of all rounds.
    pub all: f64,
    /// Those of the first half of the rounds and of the second. A single round has no halves.
    pub halves: Option<(f64, f64)>,
}

impl Figure {
    /// The median of `rounds`, which come in the order in which they were run.
    ///
    /// # Panics
    /// When there is no round.
    #[must_use]
    pub fn median(rounds: &[f64]) -> Self {
        let median = |rounds: &[f64]| Summary::of(rounds).median;
        let (first, second) = rounds.split_at(rounds.len() / 2);
        let halves = if first.is_empty() { None } else { Some((median(first), median(second))) };
        Self { all: median(rounds), halves }
    }

    /// How many times as large as `other` this figure is, each half against the same half.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        let halves = self.halves.zip(other.halves);
        Self { all: self.all / other.all, halves: halves.map(|(mine, its)| (mine.0 / its.0, mine.1 / its.1)) }
    }

    /// Whether both halves say the same. A single round never settles anything.
    #[must_use]
    pub fn settled(self) -> bool {
        self.halves.is_some_and(|(first, second)| agree(first, second))
    }

    /// The figure as `written`, or both halves where these do not agree.
    #[must_use]
    pub fn show(self, written: impl Fn(f64) -> String) -> String {
        match self.halves {
            Some((first, second)) if !agree(first, second) => format!("{} or {}", written(first), written(second)),
            _ => written(self.all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_agree_up_to_fifteen_per_cent_whichever_comes_first() {
        assert!(agree(100.0, 100.0) && agree(100.0, 114.9) && agree(114.9, 100.0));
        assert!(!agree(100.0, 115.1) && !agree(115.1, 100.0));
        assert!(!agree(f64::NAN, 1.0) && !agree(1.0, f64::NAN));
    }

    #[test]
    fn a_figure_is_settled_when_both_halves_of_the_rounds_say_the_same() {
        let steady = Figure::median(&[10.0, 30.0, 10.0, 11.0, 30.0, 11.0]);
        assert_eq!((steady.all, steady.halves), (11.0, Some((10.0, 11.0))));
        assert!(steady.settled());
        let torn = Figure::median(&[10.0, 10.0, 30.0, 12.0, 30.0, 12.0]);
        assert!(!torn.settled(), "{torn:?}");
    }

    #[test]
    fn the_second_half_of_an_odd_number_of_rounds_has_one_more() {
        assert_eq!(Figure::median(&[1.0, 2.0, 4.0]).halves, Some((1.0, 3.0)));
    }

    #[test]
    fn a_single_round_settles_nothing_and_has_one_figure() {
        let single = Figure::median(&[7.0]);
        assert!(!single.settled());
        assert_eq!(single.over(single).show(|value| format!("{value}")), "1");
    }

    #[test]
    fn a_ratio_compares_each_half_with_the_same_half() {
        // The machine was half as fast in the second half, for both alike.
        let (ours, theirs) = (Figure::median(&[10.0, 20.0]), Figure::median(&[30.0, 60.0]));
        assert!(!ours.settled() && !theirs.settled());
        assert_eq!(theirs.over(ours), Figure { all: 3.0, halves: Some((3.0, 3.0)) });
    }

    #[test]
    fn both_figures_are_shown_where_they_do_not_agree() {
        let written = |ratio: f64| format!("{ratio:.2}x");
        assert_eq!(Figure { all: 0.5, halves: Some((0.24, 1.2)) }.show(written), "0.24x or 1.20x");
        assert_eq!(Figure { all: 1.1, halves: Some((1.05, 1.2)) }.show(written), "1.10x");
    }

    #[test]
    fn a_sample_is_doubled_until_one_twice_as_long_says_the_same() {
        // Each sample begins with 200 ns that are not the items'.
        let time = |items: u64| 10.0 + 200.0 / items as f64;
        assert_eq!(long_enough(100, time), 100); // 12 ns, and with twice as many items 11
        assert_eq!(long_enough(50, time), 100); // 14, 12 and 11 ns
    }

    #[test]
    fn a_sample_that_never_repeats_is_doubled_only_so_often() {
        let mut turn = 0.0;
        let erratic = |_| {
            turn += 1.0;
            turn
        };
        assert_eq!(long_enough(100, erratic), 100 << DOUBLINGS);
    }

    #[test]
    fn one_sample_that_was_disturbed_does_not_decide_the_length() {
        let mut runs = 0;
        let disturbed_once = |_| {
            runs += 1;
            if runs == 2 { 90.0 } else { 10.0 }
        };
        assert_eq!(long_enough(100, disturbed_once), 100);
    }
}
