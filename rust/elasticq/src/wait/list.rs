//! `List`: who waits, first come, first served. Plain data; the lock around it and the waking are `mod`'s and `waking`'s business.
//!
//! ```text
//! enter ──> waiting ──(sleep: its waker or thread is here)──> waiting ──wake_next──> woken ──> gone
//!              └───────────────────────────leave────────────────────────────────────────────> gone
//! ```
//!
//! The slots stand in a slab, and those that wait are linked by their indices. Nothing foreign runs in here: a waker that
//! is no longer wanted is handed out, for the caller to wake or drop it without the lock.
//!
//! **Coming** are those who were woken and are not gone, unless somebody has registered since there was what they were woken for
//! (a new *round*). Who registers has looked and found nothing, so that is gone, and they are not counted on for what comes later. To
//! forget one who does come costs a wake-up more than needed; to count for ever on one who never comes would leave others asleep.

use crate::sync::thread::Thread;
use std::task::Waker;
use std::time::Instant;

const NOBODY: usize = usize::MAX;

/// So many slots an empty list keeps.
const KEPT: usize = 64;

/// So many may be passing on at once, each called by the one before, before the next wakes all.
const NESTED: usize = 32;

/// How to wake somebody.
pub(super) enum Sleeper {
    Task(Waker),
    Thread(Thread),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Free,
    Waiting,
    Woken {
        /// It counts among those coming as long as the list's round is this one.
        round: usize,
        /// Not if all were woken: whoever could be woken in its place is woken anyway.
        passes_on: bool,
    },
}

struct Slot {
    state: State,
    /// The neighbours among those that wait; of a free slot, `after` is the next free one.
    before: usize,
    after: usize,
    /// One place or one item may not help it.
    bulk: bool,
    /// Of one that waits: there once it sleeps.
    sleeper: Option<Sleeper>,
    since: Option<Instant>,
}

pub(super) struct List {
    slots: Vec<Slot>,
    free: usize,
    first: usize,
    last: usize,
    /// All who have a place, woken or not.
    here: usize,
    waiting: usize,
    /// Whether one who is nobody counts with those that wait, for ever.
    awaited: bool,
    coming: usize,
    /// Changes when somebody registers.
    round: usize,
    /// How many with `bulk` there are, the woken ones included.
    bulk: usize,
    /// How many are passing a wake-up on at this moment.
    passing: usize,
}

/// What becomes of one that looks whether it was woken.
#[derive(PartialEq)]
pub(super) enum Look {
    /// It was, and is gone.
    Woken,
    /// It sleeps.
    Asleep,
}

impl List {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NOBODY,
            first: NOBODY,
            last: NOBODY,
            here: 0,
            waiting: 0,
            awaited: false,
            coming: 0,
            round: 0,
            bulk: 0,
            passing: 0,
        }
    }

    /// How many wait that were not woken.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many there seem to be of them, for whoever has changed the state.
    pub(super) const fn shown(&self) -> usize {
        self.waiting + self.awaited as usize
    }

    #[cfg(feature = "lock_free")]
    pub(super) const fn seem_awaited(&mut self) {
        self.awaited = true;
    }

    pub(super) const fn round(&self) -> usize {
        self.round
    }

    /// How many were woken and will look.
    pub(super) const fn coming(&self) -> usize {
        self.coming
    }

    pub(super) const fn has_bulk(&self) -> bool {
        self.bulk != 0
    }

    /// Who sleeps, and since when the first of them does. Linear in their number.
    pub(super) fn asleep(&self) -> (usize, usize, Option<Instant>) {
        let (mut threads, mut tasks, mut since) = (0, 0, None);
        let mut key = self.first;
        while key != NOBODY {
            let slot = &self.slots[key];
            match slot.sleeper {
                Some(Sleeper::Thread(_)) => threads += 1,
                Some(Sleeper::Task(_)) => tasks += 1,
                None => {}
            }
            since = since.into_iter().chain(slot.since).min();
            key = slot.after;
        }
        (threads, tasks, since)
    }

    /// A place at the end, for one that has looked and found nothing.
    pub(super) fn enter(&mut self, bulk: bool) -> usize {
        let slot = Slot { state: State::Waiting, before: self.last, after: NOBODY, bulk, sleeper: None, since: None };
        let key = if self.free == NOBODY {
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            let key = self.free;
            self.free = self.slots[key].after;
            self.slots[key] = slot;
            key
        };
        match self.last {
            NOBODY => self.first = key,
            last => self.slots[last].after = key,
        }
        self.last = key;
        self.here += 1;
        self.waiting += 1;
        self.round = self.round.wrapping_add(1);
        self.coming = 0;
        self.bulk += usize::from(bulk);
        key
    }

    /// Ends the wait of one that was woken; else it sleeps from now on, and `sleeper` will wake it. Afterwards `sleeper` is what
    /// is to be dropped.
    pub(super) fn look(
        &mut self,
        key: usize,
        sleeper: &mut Option<Sleeper>,
        now: impl FnOnce() -> Option<Instant>,
    ) -> Look {
        let slot = &mut self.slots[key];
        if slot.state != State::Waiting {
            self.remove(key);
            return Look::Woken;
        }
        if slot.sleeper.is_none() {
            slot.since = now();
        }
        std::mem::swap(&mut slot.sleeper, sleeper);
        Look::Asleep
    }

    /// It sleeps no more, but keeps its place. Gives what would have woken it, to be dropped.
    pub(super) fn get_up(&mut self, key: usize) -> Option<Sleeper> {
        let slot = &mut self.slots[key];
        slot.since = None;
        slot.sleeper.take()
    }

    /// Gives up a place: what would have woken it, to be dropped, and how many are to be woken in its place, after which
    /// `passed_on` is to be called.
    pub(super) fn leave(&mut self, key: usize) -> (Option<Sleeper>, usize) {
        let passes_on = matches!(self.slots[key].state, State::Woken { passes_on: true, .. });
        let sleeper = self.remove(key);
        if !passes_on || self.waiting == 0 {
            return (sleeper, 0);
        }
        self.passing += 1;
        // Where an executor is gone, each may be dropped by the one before: their calls must not pile up.
        (sleeper, if self.passing > NESTED { self.waiting } else { 1 })
    }

    pub(super) fn passed_on(&mut self) {
        self.passing -= 1;
    }

    /// How many of those that wait are to be woken so that `count` are coming.
    pub(super) fn due(&self, count: usize) -> usize {
        if self.has_bulk() { self.waiting } else { self.waiting.min(count.saturating_sub(self.coming)) }
    }

    /// Makes the first that waits a woken one, for something that was there in this round. Gives what wakes it, if it sleeps.
    pub(super) fn wake_next(&mut self, round: usize, passes_on: bool) -> Option<Option<Sleeper>> {
        let key = self.first;
        if key == NOBODY {
            return None;
        }
        self.unlink(key);
        self.coming += usize::from(round == self.round);
        let slot = &mut self.slots[key];
        slot.state = State::Woken { round, passes_on };
        slot.since = None;
        Some(slot.sleeper.take())
    }

    /// Takes one that waits out of the line.
    fn unlink(&mut self, key: usize) {
        let (before, after) = (self.slots[key].before, self.slots[key].after);
        match before {
            NOBODY => self.first = after,
            before => self.slots[before].after = after,
        }
        match after {
            NOBODY => self.last = before,
            after => self.slots[after].before = before,
        }
        self.waiting -= 1;
    }

    fn remove(&mut self, key: usize) -> Option<Sleeper> {
        match self.slots[key].state {
            State::Waiting => self.unlink(key),
            State::Woken { round, .. } => self.coming -= usize::from(round == self.round),
            State::Free => unreachable!("each place is left once"),
        }
        let slot = &mut self.slots[key];
        self.bulk -= usize::from(slot.bulk);
        let sleeper = slot.sleeper.take();
        *slot = Slot { state: State::Free, before: NOBODY, after: self.free, bulk: false, sleeper: None, since: None };
        self.free = key;
        self.here -= 1;
        if self.here == 0 && self.slots.len() > KEPT {
            self.slots = Vec::new();
            self.free = NOBODY;
        }
        sleeper
    }
}
