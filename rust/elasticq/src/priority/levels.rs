//! `Levels<T>`: the items of a buffer with levels, a [`Lane`] for each level. It knows no locks.
//!
//! ```text
//! waiting     the levels that have items, as bits: the level of rank r (0 is the highest priority) is bit r
//! len         items in all levels
//! capacity    the logical capacity of all levels together: min <= capacity <= max, exact
//! limit       how many items the fast path lets in: `capacity`, or 0 if there is a waiter, if the levels are
//!             sealed, or if times are kept
//! low         the fast path takes an item only if there are more than this; otherwise the capacity may have
//!             to shrink. With a waiter, or if times are kept, no pop takes the fast path
//! ```
//!
//! **Memory.** A level has no slots until its first item, and doubles them as it needs them. It keeps its
//! slots, so that levels which fill and empty in turns do not resize each time. But when the slots of all
//! levels would be more than twice the capacity (rounded up to a power of two), every level gives back the
//! slots beyond twice what its items need. That is checked when a level grows and when the capacity shrinks.
//! So there are never more slots than four times the capacity plus 16 for each level.

use super::ages::{Ages, Clock, Monotonic};
use super::config::PriorityConfig;
use super::order::Order;
use crate::elasticity::Elasticity;
use crate::error::{BufferError, BufferResult};
use crate::ring::{Lane, Taken};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

// In this order, one cache line holds the lock in front of the levels and nearly all that a push or pop on
// the fast path touches.
#[repr(C)]
pub(super) struct Levels<T, C = Monotonic> {
    lanes: Box<[Lane<T>]>,
    len: usize,
    limit: usize,
    low: usize,
    waiting: u64,
    order: Order,
    peak: usize,
    capacity: usize,
    grown: u64,
    shrunk: u64,
    sealed: bool,
    /// Whether a consumer waits for an item.
    consumers: bool,
    /// The signals at which a producer waits for room, as bits.
    producers: u64,
    elasticity: Elasticity,
    ages: Option<Ages<C>>,
}

impl<T, C: Clock> Levels<T, C> {
    /// Empty levels. No memory is taken for items yet. `clock` makes the clock, if times are kept.
    pub(super) fn new(config: &PriorityConfig, clock: impl FnOnce() -> C) -> BufferResult<Self> {
        config.validate()?;
        let limits = &config.max_capacity_at_priority;
        let most = |priority| limits.get(&priority).copied().unwrap_or(config.base.max_capacity);
        let mut levels = Self {
            lanes: (0..config.priority_levels).rev().map(|priority| Lane::new(most(priority))).collect(),
            len: 0,
            limit: 0,
            low: 0,
            waiting: 0,
            order: Order::new(config),
            peak: 0,
            capacity: config.base.initial_capacity,
            grown: 0,
            shrunk: 0,
            sealed: false,
            consumers: false,
            producers: 0,
            elasticity: Elasticity::new(&config.base),
            ages: Ages::new(config, clock),
        };
        levels.set_marks();
        Ok(levels)
    }

    pub(super) const fn count(&self) -> usize {
        self.lanes.len()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) const fn max_capacity(&self) -> usize {
        self.elasticity.max()
    }

    pub(super) const fn peak(&self) -> usize {
        self.peak
    }

    pub(super) const fn grown(&self) -> u64 {
        self.grown
    }

    pub(super) const fn shrunk(&self) -> u64 {
        self.shrunk
    }

    /// The level of a priority, if there is one.
    pub(super) fn lane(&self, priority: usize) -> Option<&Lane<T>> {
        self.lanes.get(self.rank(priority))
    }

    /// The levels from priority 0 on.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane<T>> {
        self.lanes.iter().rev()
    }

    /// How long the oldest item of each level has waited, from priority 0 on. Empty if times are not kept.
    pub(super) fn oldest(&self) -> Vec<Option<std::time::Duration>> {
        let Some(ages) = &self.ages else { return Vec::new() };
        let now = ages.now();
        (0..self.count()).rev().map(|rank| ages.oldest(rank, now)).collect()
    }

    /// The rank of a priority. If there is no such priority, the result is no level's rank.
    #[inline(always)]
    const fn rank(&self, priority: usize) -> usize {
        // `levels - 1 - priority`. A result below zero wraps around to beyond all levels.
        self.lanes.len().wrapping_add(!priority)
    }

    /// [`rank`](Self::rank) if there is such a level.
    pub(super) fn level(&self, priority: usize) -> BufferResult<usize> {
        let rank = self.rank(priority);
        if rank < self.count() {
            return Ok(rank);
        }
        let highest = self.count() - 1;
        Err(BufferError::InvalidOperation(format!("priority = {priority}: must be from 0 to {highest}")))
    }

    /// Refuses everything from now on; what is inside can still be taken.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
        self.set_marks();
    }

    pub(super) const fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// How many more items the level of this rank would let in.
    pub(super) fn room(&self, rank: usize) -> usize {
        self.room_in_all().min(self.lanes[rank].most().saturating_sub(self.lanes[rank].len()))
    }

    pub(super) const fn room_in_all(&self) -> usize {
        if self.sealed { 0 } else { self.elasticity.max() - self.len }
    }

    /// Takes every push and pop off the fast path, since a consumer waits for an item.
    pub(super) fn watch_for_consumers(&mut self) {
        self.consumers = true;
        self.set_marks();
    }

    /// Takes every push and pop off the fast path, since a producer waits for room at `signal`.
    pub(super) fn watch_for_producers(&mut self, signal: usize) {
        self.producers |= 1 << signal;
        self.set_marks();
    }

    pub(super) const fn is_watched(&self) -> bool {
        self.consumers || self.producers != 0
    }

    /// The signals at which, by the last report, a producer waits for room.
    pub(super) const fn watched_for_producers(&self) -> u64 {
        self.producers
    }

    /// Says whether consumers still wait, and at which signals producers still do.
    pub(super) fn unwatch(&mut self, consumers: bool, producers: u64) {
        if (self.consumers, self.producers) != (consumers, producers) {
            self.consumers = consumers;
            self.producers = producers;
            self.set_marks();
        }
    }

    /// The fast path of a push: two comparisons and one write. Hands the item back if more would have to be
    /// done.
    #[inline(always)]
    pub(super) fn push_plain(&mut self, item: T, priority: usize) -> Result<(), T> {
        let rank = self.rank(priority);
        let len = self.len;
        if len >= self.limit {
            return Err(item);
        }
        let Some(lane) = self.lanes.get_mut(rank) else { return Err(item) };
        lane.push(item)?;
        self.waiting |= 1 << rank;
        self.len = len + 1;
        if len >= self.peak {
            self.peak = len + 1;
        }
        Ok(())
    }

    /// Adds the item in `place`, and grows if necessary. On an error the item is still in `place`.
    pub(super) fn push(&mut self, place: &mut Option<T>, priority: usize) -> BufferResult<()> {
        self.add(priority, 1, |lane| lane.push_from(place))
    }

    /// Adds all of `items` or none; on success the vector is left empty.
    pub(super) fn push_all(&mut self, items: &mut Vec<T>, priority: usize) -> BufferResult<()> {
        self.add(priority, items.len(), |lane| lane.push_all(items))
    }

    /// Adds the next `count` items of `items` (fewer if there are fewer) or, on an error, none.
    pub(super) fn push_from(
        &mut self,
        count: usize,
        items: &mut impl Iterator<Item = T>,
        priority: usize,
    ) -> BufferResult<()> {
        self.add(priority, count, |lane| {
            for item in items.take(count) {
                let refused = lane.push(item);
                debug_assert!(refused.is_ok());
            }
        })
    }

    /// Makes room for `count` items, lets `fill` put them in, and counts what `fill` has put in, even if it
    /// panics.
    fn add(&mut self, priority: usize, count: usize, fill: impl FnOnce(&mut Lane<T>)) -> BufferResult<()> {
        let rank = self.level(priority)?;
        self.make_room(rank, count)?;
        let before = self.lanes[rank].len();
        let filled = Filled { levels: self, rank, before };
        fill(&mut filled.levels.lanes[rank]);
        Ok(())
    }

    /// Makes sure of `count` free slots at a level, or says why that is impossible.
    fn make_room(&mut self, rank: usize, count: usize) -> BufferResult<()> {
        if self.sealed {
            return Err(BufferError::Closed);
        }
        let lane = &self.lanes[rank];
        if count > lane.most() {
            return Err(BufferError::MaxCapacityReached(lane.most()));
        }
        lane.check_positions(count)?;
        let in_all = room_for(count, self.len, self.elasticity.max())?;
        let at_level = room_for(count, lane.len(), lane.most())?;
        if let Some(ages) = &mut self.ages {
            ages.reserve(rank, count)?;
        }
        let capacity = self.elasticity.grown(self.capacity, in_all);
        if at_level > lane.limit() {
            let others = self.slots() - lane.slots();
            let slots = others.saturating_add(lane.slots_for(at_level).unwrap_or(usize::MAX));
            if slots > budget(capacity) {
                self.give_back();
            }
            self.lanes[rank].grow(at_level)?;
        }
        if capacity != self.capacity {
            self.grown += 1;
            self.set_capacity(capacity);
        }
        Ok(())
    }

    /// The fast path of a pop. Returns `None` if more would have to be done.
    #[inline(always)]
    pub(super) fn pop_plain(&mut self) -> Option<T> {
        if self.len <= self.low {
            return None;
        }
        let rank = self.order.turns.next(self.waiting);
        let lane = self.lanes.get_mut(rank)?;
        let item = lane.pop()?;
        self.waiting ^= u64::from(lane.len() == 0) << rank;
        self.len -= 1;
        Some(item)
    }

    /// Takes the next item, and shrinks if few enough are left.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut item = None;
        self.take(1, |lane, _| item = lane.pop());
        item
    }

    /// Takes the oldest item of a level.
    pub(super) fn pop_from(&mut self, priority: usize) -> BufferResult<Option<T>> {
        let rank = self.level(priority)?;
        let item = self.lanes[rank].pop();
        if item.is_some() {
            self.went(rank, 1);
            self.shrink();
        }
        Ok(item)
    }

    /// Moves the next items into `target`, as many as there are and fit, and returns their number. So many
    /// places at the front of `target` are then initialised.
    pub(super) fn pop_into(&mut self, target: &mut [MaybeUninit<T>]) -> usize {
        let mut filled = 0;
        self.take(target.len(), |lane, count| filled += lane.pop_into(&mut target[filled..filled + count]));
        filled
    }

    /// Moves the next `count` items (at most as many as there are) to the end of `items`, which has the room.
    pub(super) fn pop_into_vec(&mut self, items: &mut Vec<T>, count: usize) {
        self.take(count, |lane, count| lane.pop_into_vec(items, count));
    }

    /// Lets `take` take up to `count` items from the levels whose turn it is, in runs as long as possible.
    fn take(&mut self, mut count: usize, mut take: impl FnMut(&mut Lane<T>, usize)) {
        let now = self.ages.as_ref().map_or(0, Ages::now);
        while count > 0 && self.waiting != 0 {
            let (lanes, ages) = (&self.lanes, &self.ages);
            let since = |rank| ages.as_ref().map_or(now, |ages| ages.since(rank, 0));
            let (rank, run) = self.order.run(self.waiting, count, now, |rank| lanes[rank].len(), since);
            take(&mut self.lanes[rank], run);
            self.went(rank, run);
            count -= run;
        }
        self.shrink();
    }

    /// Notes that the oldest `count` items of a level were taken.
    fn went(&mut self, rank: usize, count: usize) {
        self.len -= count;
        self.waiting ^= u64::from(self.lanes[rank].len() == 0) << rank;
        if let Some(ages) = &mut self.ages {
            ages.went(rank, count);
        }
    }

    /// Shows the items to `visit`, in the order in which they would be taken if nothing else happened, until
    /// `visit` breaks.
    pub(super) fn visit<B>(&self, mut visit: impl FnMut(&T) -> ControlFlow<B>) -> ControlFlow<B> {
        let now = self.ages.as_ref().map_or(0, Ages::now);
        let (mut order, mut waiting) = (self.order, self.waiting);
        let mut seen = [0; super::config::MAX_LEVELS];
        while waiting != 0 {
            let since = |rank: usize| self.ages.as_ref().map_or(now, |ages| ages.since(rank, seen[rank]));
            let left = |rank: usize| self.lanes[rank].len() - seen[rank];
            let (rank, run) = order.run(waiting, usize::MAX, now, left, since);
            let (first, second) = self.lanes[rank].as_slices();
            first.iter().chain(second).skip(seen[rank]).take(run).try_for_each(&mut visit)?;
            seen[rank] += run;
            waiting ^= u64::from(self.lanes[rank].len() == seen[rank]) << rank;
        }
        ControlFlow::Continue(())
    }

    /// Takes everything, without touching items. Leaves the smallest capacity, with nothing allocated.
    pub(super) fn take_all(&mut self) -> TakenLevels<T> {
        let now = self.ages.as_ref().map_or(0, Ages::now);
        let taken = TakenLevels {
            lanes: self.lanes.iter_mut().map(Lane::take_all).collect(),
            times: self.ages.as_mut().map(Ages::take_all),
            len: self.len,
            waiting: self.waiting,
            order: self.order,
            now,
        };
        self.len = 0;
        self.waiting = 0;
        self.shrink();
        taken
    }

    /// Lowers the capacity if there are few enough items, and gives back the memory that is then too much.
    fn shrink(&mut self) {
        if self.len < self.elasticity.shrinks_below(self.capacity) {
            self.shrunk += 1;
            self.set_capacity(self.elasticity.shrunk(self.capacity, self.len));
            if self.slots() > budget(self.capacity) {
                self.give_back();
            }
        }
    }

    #[cold]
    fn give_back(&mut self) {
        for (rank, lane) in self.lanes.iter_mut().enumerate() {
            lane.shrink();
            if let Some(ages) = &mut self.ages {
                ages.shrink(rank, lane.slots());
            }
        }
    }

    /// The slots of all levels; `usize::MAX` if they are more. Only slots without a size, which cost nothing,
    /// can be that many.
    pub(super) fn slots(&self) -> usize {
        self.lanes.iter().map(Lane::slots).fold(0, usize::saturating_add)
    }

    fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.set_marks();
    }

    /// Sets the marks within which pushes and pops take the fast path.
    fn set_marks(&mut self) {
        let careful = self.is_watched() || self.ages.is_some();
        self.limit = if careful || self.sealed { 0 } else { self.capacity };
        self.low = if careful { usize::MAX } else { self.elasticity.shrinks_below(self.capacity) };
    }
}

/// How many slots all levels may have together before they give some back.
fn budget(capacity: usize) -> usize {
    capacity.checked_next_power_of_two().map_or(usize::MAX, |slots| slots.saturating_mul(2))
}

/// How many items there will be with `count` more, of `max` at most; or why there is no room for them now.
fn room_for(count: usize, len: usize, max: usize) -> BufferResult<usize> {
    match len.checked_add(count) {
        Some(needed) if needed <= max => Ok(needed),
        _ if len == max => Err(BufferError::MaxCapacityReached(max)),
        _ => Err(BufferError::Full),
    }
}

/// Counts, when it is dropped, what was put into a level.
struct Filled<'a, T, C: Clock> {
    levels: &'a mut Levels<T, C>,
    rank: usize,
    before: usize,
}

impl<T, C: Clock> Drop for Filled<'_, T, C> {
    fn drop(&mut self) {
        let Self { levels, rank, before } = self;
        let count = levels.lanes[*rank].len() - *before;
        if count == 0 {
            return;
        }
        levels.len += count;
        levels.peak = levels.peak.max(levels.len);
        levels.waiting |= 1 << *rank;
        if let Some(ages) = &mut levels.ages {
            let now = ages.now();
            ages.came(*rank, count, now);
            levels.order.came(now);
        }
    }
}

/// The items that were in the levels, for their owner to drop or keep after every lock is released.
pub(super) struct TakenLevels<T> {
    lanes: Box<[Taken<T>]>,
    times: Option<Box<[VecDeque<u64>]>>,
    len: usize,
    waiting: u64,
    order: Order,
    now: u64,
}

impl<T> TakenLevels<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The items in the order in which they would have been taken.
    pub(super) fn into_vec(mut self) -> Vec<T> {
        let mut items = Vec::with_capacity(self.len);
        while self.waiting != 0 {
            let lanes = &self.lanes;
            let since =
                |rank: usize| self.times.as_ref().and_then(|times| times[rank].front().copied()).unwrap_or(self.now);
            let (rank, run) = self.order.run(self.waiting, usize::MAX, self.now, |rank| lanes[rank].len(), since);
            self.lanes[rank].pop_into_vec(&mut items, run);
            if let Some(times) = &mut self.times {
                times[rank].drain(..run);
            }
            self.waiting ^= u64::from(self.lanes[rank].len() == 0) << rank;
        }
        items
    }
}
