//! The rule of turns in plain words, for the models of the buffer with levels.
#![allow(dead_code)] // each test binary uses its own part

use elasticq::priority::PriorityConfig;

/// Which levels have gone before which.
#[derive(Clone, Debug)]
pub struct Turns {
    fair: bool,
    max_consecutive: usize,
    /// How many items went before one of a lower level since the last turn.
    count: usize,
    /// The levels that the last of those items went before.
    passed: Vec<usize>,
    /// The level that had the last turn.
    last: Option<usize>,
}

impl Turns {
    pub fn new(config: &PriorityConfig) -> Self {
        let max_consecutive = config.max_consecutive_per_priority;
        Self { fair: config.fair_queuing, max_consecutive, count: 0, passed: Vec::new(), last: None }
    }

    /// The level to serve next. `lengths` says how many items each level has.
    pub fn next(&mut self, lengths: &[usize]) -> Option<usize> {
        let waiting: Vec<_> = (0..lengths.len()).rev().filter(|&level| lengths[level] > 0).collect();
        let (&highest, lower) = waiting.split_first()?;
        if !self.fair || lower.is_empty() {
            return Some(highest);
        }
        if self.count == self.max_consecutive {
            self.count = 0;
            let candidates: Vec<_> = waiting.iter().copied().filter(|level| self.passed.contains(level)).collect();
            let below = candidates.iter().copied().find(|&level| self.last.is_none_or(|last| level < last));
            if let Some(chosen) = below.or(candidates.first().copied()) {
                self.last = Some(chosen);
                return Some(chosen);
            }
        }
        self.count += 1;
        self.passed = lower.to_vec();
        Some(highest)
    }
}
