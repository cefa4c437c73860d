//! Which level is next: arithmetic on a word of bits and a few counters only.
//!
//! Levels go by **rank** here: rank 0 is the highest priority. Bit `r` of `waiting` says that the level of
//! rank `r` has items. So the lowest bit is the highest level, and a bit further up in the word is a level
//! further down in priority.
//!
//! # Turns
//! The highest level that has items is served, until `max_consecutive` items have gone before others that
//! waited at lower levels. Then one of the levels that the last of these items went before has its **turn**:
//! the next one below the level of the last turn or, if there is none below it, the highest of them.
//!
//! Two details matter. The count is of items from any level that went before a lower one. A count for each
//! level would start again whenever the highest level changes; if two levels alternate, it would never come
//! to its end. And turns go to the levels that were passed over, not to those below whichever level is
//! highest by then. Otherwise a level that is the highest at each turn, and at no other moment, would never
//! be served.
//!
//! **Bound.** With `L` levels, `m = max_consecutive` and `W = (L - 1)(m + 1)`: *as long as a level has items,
//! one of any `W` pops in a row takes from it* (any pop if `L = 1`).
//!
//! *Proof.* Let level `l` have items during `W` pops, and suppose that none of them takes from it.
//!
//! (1) A pop that is not a turn takes from the highest level that has items, so from one above `l`. It passes
//! `l` over, and it counts. So at most `m` such pops lie before each turn, there is a turn among any `m + 1`
//! pops in a row, and there are `L - 1` turns among the `W` pops.
//!
//! (2) Since `m >= 1`, pops of the `W` that are not turns lie before each turn but the first. So `l` is a
//! candidate for each of these turns, and does not get it. Therefore a turn that follows one above `l` goes
//! to a level between that one and `l`. A turn that follows one below `l` goes to a level further below, or
//! else to one above `l`. So the turns go down in priority, leap up over `l` at most once, and go down again:
//! no level has two of them. The highest level of all never has a turn, since no level is above it. So there
//! are at most `L - 2` turns, which contradicts (1). ∎
//!
//! So an item that finds `k` items before it at its level is served within `(k + 1) W` pops, and **at most
//! `(k + 1)((L - 1)(m + 1) - 1)` items of other levels go before it**, including all such items that come
//! later; none for `L = 1`. The bound is reached if all levels always have items. It counts what `pop` and
//! `pop_batch` take.
//!
//! # Ageing
//! With a `max_wait`, the oldest item of all goes first once it has waited that long, whatever its level. The
//! turns go on as if that item had not been there. A promoted item came before every item that waits, so the
//! bound on later arrivals stays true.

use super::config::PriorityConfig;

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    /// How many items may still go before a lower level. Without fairness this count takes centuries to run
    /// out.
    left: u64,
    /// The ranks that the last of these items went before, as bits.
    passed: u64,
    /// The ranks beyond that of the last turn, as bits.
    beyond: u64,
    max_consecutive: u64,
}

impl Turns {
    fn new(config: &PriorityConfig) -> Self {
        let max_consecutive = if config.fair_queuing { config.max_consecutive_per_priority as u64 } else { u64::MAX };
        Self { left: max_consecutive, passed: 0, beyond: u64::MAX, max_consecutive }
    }

    /// The rank of the level to take the next item from; 64 if no level has items.
    #[inline(always)]
    pub(super) fn next(&mut self, waiting: u64) -> usize {
        self.run(waiting, 1, |_| 1).0
    }

    /// The rank of the level to take from next, and how many items to take in a row: at most `most`, of the
    /// `len(rank)` items there.
    #[inline(always)]
    fn run(&mut self, waiting: u64, most: usize, len: impl Fn(usize) -> usize) -> (usize, usize) {
        let lower = waiting & waiting.wrapping_sub(1);
        let top = waiting.trailing_zeros() as usize;
        if lower == 0 {
            return (top, most.min(len(top)));
        }
        if self.left == 0
            && let Some(rank) = self.turn(waiting)
        {
            return (rank, 1);
        }
        let count = (most.min(len(top)) as u64).min(self.left);
        self.left -= count;
        self.passed = lower;
        #[allow(clippy::cast_possible_truncation)] // at most `most`
        (top, count as usize)
    }

    /// Starts the count again, and returns the rank of the level whose turn it is. Returns `None` if all the
    /// levels that were passed over have been emptied in some other way.
    #[inline]
    const fn turn(&mut self, waiting: u64) -> Option<usize> {
        self.left = self.max_consecutive;
        let passed = self.passed & waiting;
        let further = passed & self.beyond;
        let candidates = if further == 0 { passed } else { further };
        if candidates == 0 {
            return None;
        }
        let chosen = candidates & candidates.wrapping_neg();
        self.beyond = chosen.wrapping_neg() << 1;
        Some(candidates.trailing_zeros() as usize)
    }
}

/// Finds items that have waited too long. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Promotion {
    max_wait: u64,
    /// Before this moment no item has waited too long.
    due: u64,
}

impl Promotion {
    /// The rank of the level whose oldest item has waited longest, if that is too long. Looks at the levels
    /// only if an item may have waited too long.
    fn overdue(&mut self, waiting: u64, now: u64, since: impl Fn(usize) -> u64) -> Option<usize> {
        if now < self.due {
            return None;
        }
        let (oldest, rank) = bits(waiting).map(|rank| (since(rank), rank)).min()?;
        self.due = oldest.saturating_add(self.max_wait);
        (now >= self.due).then_some(rank)
    }
}

/// The order in which levels are served: turns, and ageing if it is on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) turns: Turns,
    promotion: Option<Promotion>,
}

impl Order {
    pub(super) fn new(config: &PriorityConfig) -> Self {
        let nanoseconds = |wait: std::time::Duration| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let promotion = config.max_wait.map(|wait| Promotion { max_wait: nanoseconds(wait), due: u64::MAX });
        Self { turns: Turns::new(config), promotion }
    }

    /// Notes that an item came to an empty level at `now`.
    pub(super) fn came(&mut self, now: u64) {
        if let Some(promotion) = &mut self.promotion {
            promotion.due = promotion.due.min(now.saturating_add(promotion.max_wait));
        }
    }

    /// The rank of the level to take from next, and how many items to take in a row: at most `most`, of the
    /// `len(rank)` items there. The first of these has waited since `since(rank)`. At least one level must
    /// have items.
    pub(super) fn run(
        &mut self,
        waiting: u64,
        most: usize,
        now: u64,
        len: impl Fn(usize) -> usize,
        since: impl Fn(usize) -> u64,
    ) -> (usize, usize) {
        let overdue = self.promotion.as_mut().and_then(|promotion| promotion.overdue(waiting, now, since));
        overdue.map_or_else(|| self.turns.run(waiting, most, len), |rank| (rank, 1))
    }
}

/// The positions of the bits that are set, lowest first.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (place < 64).then_some(place)
    })
}
