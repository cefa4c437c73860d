//! `List`: the line of waiters, first come, first served. It is plain data; `mod` puts the lock around it,
//! and `waking` does the waking.
//!
//! ```text
//! enter ──> waiting ──(sleep: its waker or thread is here)──> waiting ──wake_next──> woken ──> gone
//!              └───────────────────────────leave────────────────────────────────────────────> gone
//! ```
//!
//! The slots are in a slab, and the slots of those that wait are linked by their indices. No foreign code
//! runs in here: a waker that is no longer wanted is handed to the caller, which wakes or drops it without
//! the lock.
//!
//! A waiter is **coming** if it was woken and has not left the list, and nobody has registered since the
//! things were counted that it was woken for. (Each registration starts a new *round*.) A waiter that
//! registers has looked and found nothing, so those things are gone, and the waiters woken for them are not
//! counted on for what comes later. To stop counting a waiter that does come costs one needless wake-up; to
//! count for ever on one that never comes would leave others asleep.

use crate::sync::thread::Thread;
use std::task::Waker;
use std::time::Instant;

const NOBODY: usize = usize::MAX;

/// An empty list keeps up to this many slots.
const KEPT: usize = 64;

/// Up to this many waiters may be passing a wake-up on at once, each one called by the one before. Beyond
/// that, the next wakes all.
const NESTED: usize = 32;

/// How to wake a waiter.
pub(super) enum Sleeper {
    Task(Waker),
    Thread(Thread),
    /// A thread that sleeps in a way of its own.
    ThreadBy(Waker),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Free,
    Waiting,
    Woken {
        /// The waiter counts as coming as long as the list's round is this one.
        round: usize,
        /// False if all were woken: any waiter that could be woken in its place is woken anyway.
        passes_on: bool,
    },
}

struct Slot {
    state: State,
    /// The neighbours in the line. In a free slot, `after` is the next free one.
    before: usize,
    after: usize,
    /// Whether one place or one item may not be enough for it.
    bulk: bool,
    /// What wakes it: there once a waiter sleeps.
    sleeper: Option<Sleeper>,
    since: Option<Instant>,
}

pub(super) struct List {
    slots: Vec<Slot>,
    free: usize,
    first: usize,
    last: usize,
    /// All waiters that have a place, woken or not.
    here: usize,
    waiting: usize,
    /// Whether an imaginary waiter counts with the real ones, for ever.
    awaited: bool,
    coming: usize,
    /// Changes whenever a waiter registers.
    round: usize,
    /// How many waiters with `bulk` there are, including the woken ones.
    bulk: usize,
    /// How many waiters are passing a wake-up on at this moment.
    passing: usize,
}

/// What a waiter learns when it looks whether it was woken.
#[derive(PartialEq)]
pub(super) enum Look {
    /// It was woken, and has left the list.
    Woken,
    /// It was not woken, and sleeps now.
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

    /// How many waiters have not been woken.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many of them there seem to be, for a thread that has changed the state.
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

    /// How many waiters were woken and are expected to look.
    pub(super) const fn coming(&self) -> usize {
        self.coming
    }

    pub(super) const fn has_bulk(&self) -> bool {
        self.bulk != 0
    }

    /// How many threads and how many tasks sleep, and since when the first of them does. Linear in the number
    /// of waiters.
    pub(super) fn asleep(&self) -> (usize, usize, Option<Instant>) {
        let (mut threads, mut tasks, mut since) = (0, 0, None);
        let mut key = self.first;
        while key != NOBODY {
            let slot = &self.slots[key];
            match slot.sleeper {
                Some(Sleeper::Thread(_) | Sleeper::ThreadBy(_)) => threads += 1,
                Some(Sleeper::Task(_)) => tasks += 1,
                None => {}
            }
            since = since.into_iter().chain(slot.since).min();
            key = slot.after;
        }
        (threads, tasks, since)
    }

    /// Gives a place at the end of the line to a waiter that has looked and found nothing.
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

    /// If the waiter was woken, ends its wait. Otherwise it sleeps from now on, and `sleeper` will wake it.
    /// Afterwards `sleeper` holds what the caller has to drop.
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

    /// The waiter no longer sleeps, but keeps its place. Returns what would have woken it, for the caller to
    /// drop.
    pub(super) fn get_up(&mut self, key: usize) -> Option<Sleeper> {
        let slot = &mut self.slots[key];
        slot.since = None;
        slot.sleeper.take()
    }

    /// Gives up a place. Returns what would have woken the waiter, for the caller to drop, and how many
    /// others are to be woken in its place. If that is not zero, the caller calls `passed_on` after it has
    /// woken them.
    pub(super) fn leave(&mut self, key: usize) -> (Option<Sleeper>, usize) {
        let passes_on = matches!(self.slots[key].state, State::Woken { passes_on: true, .. });
        let sleeper = self.remove(key);
        if !passes_on || self.waiting == 0 {
            return (sleeper, 0);
        }
        self.passing += 1;
        // When an executor is gone, waking one waiter may drop it, which wakes the next: these calls must not
        // pile up.
        (sleeper, if self.passing > NESTED { self.waiting } else { 1 })
    }

    pub(super) fn passed_on(&mut self) {
        self.passing -= 1;
    }

    /// How many waiters are to be woken so that `count` are coming.
    pub(super) fn due(&self, count: usize) -> usize {
        if self.has_bulk() { self.waiting } else { self.waiting.min(count.saturating_sub(self.coming)) }
    }

    /// Marks the first in line as woken, for something that was there in this round. Returns what wakes it,
    /// if it sleeps.
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

    /// Takes a waiter out of the line.
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
