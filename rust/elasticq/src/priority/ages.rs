//! How long items have waited: a time for each, kept only if the configuration asks for it.

use super::config::PriorityConfig;
use crate::error::{BufferError, BufferResult};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A clock, in nanoseconds; it never goes back.
pub(super) trait Clock {
    fn now(&self) -> u64;
}

/// The machine's clock, counted from the moment in which this was made.
pub(super) struct Monotonic(Instant);

impl Monotonic {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX) // in 584 years
    }
}

/// When each item came, by rank and in order.
pub(super) struct Ages<C> {
    clock: C,
    times: Box<[VecDeque<u64>]>,
}

impl<C: Clock> Ages<C> {
    /// `None` if the configuration does not ask for times. Then no clock is read, which some targets don't
    /// have.
    pub(super) fn new(config: &PriorityConfig, clock: impl FnOnce() -> C) -> Option<Self> {
        let times = || (0..config.priority_levels).map(|_| VecDeque::new()).collect();
        (config.max_wait.is_some() || config.age_statistics).then(|| Self { clock: clock(), times: times() })
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Since when an item has waited: the one that has `before` items before it at its level.
    pub(super) fn since(&self, rank: usize, before: usize) -> u64 {
        self.times[rank].get(before).copied().unwrap_or(u64::MAX)
    }

    /// How long the oldest item of the level has waited at `now`.
    pub(super) fn oldest(&self, rank: usize, now: u64) -> Option<Duration> {
        self.times[rank].front().map(|&since| Duration::from_nanos(now.saturating_sub(since)))
    }

    /// Makes sure of room for the times of `count` more items.
    pub(super) fn reserve(&mut self, rank: usize, count: usize) -> BufferResult<()> {
        self.times[rank]
            .try_reserve(count)
            .map_err(|_| BufferError::ResizeError(format!("no memory for the times of {count} items")))
    }

    /// Notes that `count` items came at `now`.
    pub(super) fn came(&mut self, rank: usize, count: usize, now: u64) {
        self.times[rank].extend(std::iter::repeat_n(now, count));
    }

    /// Notes that the oldest `count` items went.
    pub(super) fn went(&mut self, rank: usize, count: usize) {
        self.times[rank].drain(..count);
    }

    /// Gives back memory beyond `slots`.
    pub(super) fn shrink(&mut self, rank: usize, slots: usize) {
        self.times[rank].shrink_to(slots);
    }

    /// Returns all times. Keeps nothing, not even memory.
    pub(super) fn take_all(&mut self) -> Box<[VecDeque<u64>]> {
        self.times.iter_mut().map(std::mem::take).collect()
    }
}
