//! No item waits longer than the bound that the documentation states, whatever comes and when. The bound is
//! also reached.
#![cfg(all(feature = "priority", not(loom)))]

#[path = "../src/effort.rs"]
mod effort;

use effort::cases;
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use proptest::prelude::*;

/// The most items of other levels that go before an item, if `ahead` items were before it at its own level
/// when it came.
const fn bound(levels: usize, max_consecutive: usize, ahead: usize) -> usize {
    (ahead + 1) * ((levels - 1) * (max_consecutive + 1)).saturating_sub(1)
}

/// An item is its level, the number of items before it at that level when it came, and the number popped when
/// it came.
type Item = (usize, usize, usize);

/// A buffer that checks the bound for each item that is popped.
struct Witness {
    buffer: PriorityCircularBuffer<Item>,
    max_consecutive: usize,
    popped: usize,
    /// The most items that went before an item that was the first of its level when it came.
    longest: usize,
}

impl Witness {
    fn new(levels: usize, max_consecutive: usize) -> Self {
        let config =
            PriorityConfig::default().with_priority_levels(levels).with_max_consecutive_per_priority(max_consecutive);
        Self { buffer: PriorityCircularBuffer::new(config).unwrap(), max_consecutive, popped: 0, longest: 0 }
    }

    fn push(&self, level: usize) {
        let ahead = self.buffer.len_at_priority(level);
        self.buffer.push_with_priority((level, ahead, self.popped), level).unwrap();
    }

    fn pop(&mut self) -> Option<usize> {
        let (level, ahead, came) = self.buffer.pop().ok()?;
        let others = self.popped - came - ahead;
        let bound = bound(self.buffer.priority_levels(), self.max_consecutive, ahead);
        assert!(
            others <= bound,
            "{others} items went before one with {ahead} ahead of it at level {level}; bound {bound}"
        );
        if ahead == 0 {
            self.longest = self.longest.max(others);
        }
        self.popped += 1;
        Some(level)
    }

    /// The highest level that has items.
    fn highest(&self) -> Option<usize> {
        (0..self.buffer.priority_levels()).rev().find(|&level| self.buffer.len_at_priority(level) > 0)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    /// Pushes to the level above the highest that has items, so that the highest level changes all the time.
    Above,
    Pop,
    /// A burst at one of the two highest levels.
    Burst(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<usize>().prop_map(Step::Push),
        2 => Just(Step::Above),
        6 => Just(Step::Pop),
        1 => (0..2_usize, 1..6_usize).prop_map(|(below, count)| Step::Burst(below, count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1300)))]

    #[test]
    fn no_item_waits_longer_than_the_bound(
        levels in prop_oneof![6 => 1..7_usize, 1 => Just(64_usize)],
        max_consecutive in 1..6_usize,
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let mut witness = Witness::new(levels, max_consecutive);
        for step in steps {
            match step {
                Step::Push(level) => witness.push(level % levels),
                Step::Above => witness.push(witness.highest().map_or(0, |highest| (highest + 1).min(levels - 1))),
                Step::Pop => drop(witness.pop()),
                Step::Burst(below, count) => (0..count).for_each(|_| witness.push((levels - 1).saturating_sub(below))),
            }
        }
        while witness.pop().is_some() {}
    }

    #[test]
    fn levels_that_are_always_full_starve_nobody(
        levels in 1..12_usize,
        max_consecutive in 1..8_usize,
        full in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut witness = Witness::new(levels, max_consecutive);
        for _ in 0..3 * levels * (max_consecutive + 1) {
            for (level, _) in full.iter().take(levels).enumerate().filter(|(_, full)| **full) {
                if witness.buffer.len_at_priority(level) == 0 {
                    witness.push(level);
                }
            }
            witness.pop();
        }
    }
}

#[test]
fn the_bound_is_reached_where_all_levels_are_always_full() {
    for levels in 2..=64 {
        for max_consecutive in [1, 2, 5, 10] {
            let mut witness = Witness::new(levels, max_consecutive);
            for _ in 0..3 * levels * (max_consecutive + 1) {
                for level in 0..levels {
                    if witness.buffer.len_at_priority(level) == 0 {
                        witness.push(level);
                    }
                }
                witness.pop();
            }
            assert_eq!(witness.longest, bound(levels, max_consecutive, 0), "{levels} levels, {max_consecutive}");
        }
    }
}

#[test]
fn a_level_that_is_the_highest_at_each_turn_and_never_else_is_served() {
    let mut witness = Witness::new(3, 2);
    witness.push(1);
    (0..10).for_each(|_| witness.push(0));
    let mut served = [0; 3];
    for round in 0..30 {
        // The highest level is empty just when it is another level's turn.
        if round % 3 != 2 {
            witness.push(2);
        }
        served[witness.pop().unwrap()] += 1;
    }
    assert_eq!(served[1], 1);
}

#[test]
fn two_levels_in_turns_do_not_keep_a_third_from_being_served() {
    let mut witness = Witness::new(3, 2);
    (0..3).for_each(|level| witness.push(level));
    let mut low = 0;
    for _ in 0..12 {
        low += usize::from(witness.pop().unwrap() == 0);
        // Each of the two levels has one item, so that neither is served many times in a row.
        (1..3).filter(|&level| witness.buffer.len_at_priority(level) == 0).for_each(|level| witness.push(level));
        if witness.buffer.len_at_priority(0) == 0 {
            witness.push(0);
        }
    }
    assert!(low >= 2, "{low}");
}

#[test]
fn without_fairness_the_highest_always_goes_first() {
    let config = PriorityConfig::default().with_fair_queuing(false).with_max_consecutive_per_priority(1);
    let buffer = PriorityCircularBuffer::new(config).unwrap();
    for level in [0, 2, 1, 2, 0, 2, 2, 1] {
        buffer.push_with_priority(level, level).unwrap();
    }
    assert_eq!(buffer.drain(), [2, 2, 2, 2, 1, 1, 0, 0]);
}

#[test]
fn what_is_popped_by_level_is_nobodys_turn() {
    let config = PriorityConfig::default().with_max_consecutive_per_priority(2);
    let buffer = PriorityCircularBuffer::new(config).unwrap();
    buffer.push_batch_with_priority(vec![2; 6], 2).unwrap();
    buffer.push_batch_with_priority(vec![0; 3], 0).unwrap();
    assert_eq!((buffer.pop(), buffer.pop_from_priority(2), buffer.pop()), (Ok(2), Ok(2), Ok(2)));
    assert_eq!(buffer.drain(), [0, 2, 2, 0, 2, 0]);
}
