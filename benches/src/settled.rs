//! When a figure is settled: when two runs in a row say the same.
//!
//! One rule decides it. Two values agree when the larger one is at most 15 % above the smaller one
//! ([`agree`]). The rule is applied twice:
//!
//! - to find how long a sample has to be ([`long_enough`]): so long that a sample twice as long says the
//!   same;
//! - to judge a figure ([`Figure`]): the two halves of a contest's rounds are two runs in a row. Where their
//!   figures do not agree, the table shows both, and no target is judged by them. Halves may agree by chance,
//!   so the rounds are halved in two ways, and both have to agree.

use crate::stats::Summary;

/// How many times as large as the smaller value the larger one may be.
const WITHIN: f64 = 1.15;
/// How many samples of each length are taken to find the length.
pub const TRIALS: usize = 3;

/// Whether two values agree within 15 %.
#[must_use]
pub fn agree(one: f64, other: f64) -> bool {
    one <= other * WITHIN && other <= one * WITHIN
}

/// How many items a sample needs, between `items` and `most`, so that a sample twice as long says the same.
/// The number is doubled until then. `time` runs one sample and answers its time per item.
pub fn long_enough(mut items: u64, most: u64, mut time: impl FnMut(u64) -> f64) -> u64 {
    let mut median = |items| Summary::of(&[(); TRIALS].map(|()| time(items))).median;
    let mut known = None;
    while items * 2 <= most {
        let shorter = known.unwrap_or_else(|| median(items));
        let longer = median(items * 2);
        if agree(shorter, longer) {
            break;
        }
        items *= 2;
        known = Some(longer);
    }
    items
}

/// A figure of all rounds, beside the same figure of either half of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The figure of all rounds.
    pub all: f64,
    /// Those of two halves, for both ways to halve: the first rounds and the later ones, the even rounds and
    /// the odd ones. A single round has no halves.
    pub halves: Option<[(f64, f64); 2]>,
}

impl Figure {
    /// The median of `rounds`, which come in the order in which they were run.
    ///
    /// # Panics
    /// When there is no round.
    #[must_use]
    pub fn median(rounds: &[f64]) -> Self {
        let median = |rounds: &[f64]| Summary::of(rounds).median;
        let every_other = |from| rounds.iter().skip(from).step_by(2).copied().collect::<Vec<_>>();
        let (first, later) = rounds.split_at(rounds.len() / 2);
        let halves = (!first.is_empty())
            .then(|| [(median(first), median(later)), (median(&every_other(0)), median(&every_other(1)))]);
        Self { all: median(rounds), halves }
    }

    /// How many times as large as `other` this figure is, each half against the same half.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        let halves = self.halves.zip(other.halves).map(|(mine, its)| {
            let over = |way: usize| (mine[way].0 / its[way].0, mine[way].1 / its[way].1);
            [over(0), over(1)]
        });
        Self { all: self.all / other.all, halves }
    }

    /// Whether both halves say the same, for both ways to halve. A single round never settles anything.
    #[must_use]
    pub fn settled(self) -> bool {
        self.halves.is_some_and(|halves| halves.iter().all(|&(one, other)| agree(one, other)))
    }

    /// The figure as `written`, or the two halves that differ most where halves do not agree.
    #[must_use]
    pub fn show(self, written: impl Fn(f64) -> String) -> String {
        let distance = |&(one, other): &(f64, f64)| f64::max(one / other, other / one);
        let widest = self.halves.and_then(|ways| ways.into_iter().max_by(|a, b| distance(a).total_cmp(&distance(b))));
        match widest {
            Some((one, other)) if !agree(one, other) => format!("{} or {}", written(one), written(other)),
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
        let steady = Figure::median(&[10.0, 10.0, 30.0, 11.0, 11.0, 30.0]);
        assert_eq!((steady.all, steady.halves), (11.0, Some([(10.0, 11.0), (11.0, 11.0)])));
        assert!(steady.settled());
    }

    #[test]
    fn both_ways_to_halve_the_rounds_count() {
        let later = Figure::median(&[10.0, 10.0, 10.0, 10.0, 12.0, 12.0, 12.0, 12.0]);
        assert_eq!(later.halves, Some([(10.0, 12.0), (11.0, 11.0)]));
        let every_other = Figure::median(&[10.0, 12.0, 10.0, 12.0]);
        assert_eq!(every_other.halves, Some([(11.0, 11.0), (10.0, 12.0)]));
        assert!(!later.settled() && !every_other.settled());
    }

    #[test]
    fn of_an_odd_number_of_rounds_the_odd_one_goes_to_the_later_and_to_the_even_ones() {
        assert_eq!(Figure::median(&[1.0, 2.0, 4.0]).halves, Some([(1.0, 3.0), (2.5, 2.0)]));
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
        assert_eq!(theirs.over(ours), Figure { all: 3.0, halves: Some([(3.0, 3.0); 2]) });
    }

    #[test]
    fn both_figures_are_shown_where_they_do_not_agree() {
        let written = |ratio: f64| format!("{ratio:.2}x");
        let shown = |all, halves| Figure { all, halves: Some(halves) }.show(written);
        assert_eq!(shown(0.5, [(0.24, 1.2), (0.5, 0.6)]), "0.24x or 1.20x");
        assert_eq!(shown(0.5, [(0.5, 0.6), (1.2, 0.24)]), "1.20x or 0.24x");
        assert_eq!(shown(1.1, [(1.05, 1.2), (1.1, 1.1)]), "1.10x");
    }

    #[test]
    fn a_sample_is_doubled_until_one_twice_as_long_says_the_same() {
        // Each sample begins with 200 ns that are not the items'.
        let time = |items: u64| 10.0 + 200.0 / items as f64;
        assert_eq!(long_enough(100, 1_000, time), 100); // 12 ns, and with twice as many items 11
        assert_eq!(long_enough(50, 1_000, time), 100); // 14, 12 and 11 ns
    }

    #[test]
    fn a_sample_that_never_repeats_is_doubled_only_so_far() {
        let mut turn = 0.0;
        let mut erratic = |_| {
            turn += 1.0;
            turn
        };
        assert_eq!(long_enough(100, 799, &mut erratic), 400);
        assert_eq!(long_enough(100, 800, &mut erratic), 800);
    }

    #[test]
    fn no_sample_is_taken_where_none_may_be_longer() {
        assert_eq!(long_enough(100, 199, |_| unreachable!()), 100);
    }

    #[test]
    fn one_sample_that_was_disturbed_does_not_decide_the_length() {
        let mut runs = 0;
        let disturbed_once = |_| {
            runs += 1;
            if runs == 2 { 90.0 } else { 10.0 }
        };
        assert_eq!(long_enough(100, 1_000, disturbed_once), 100);
    }
}
