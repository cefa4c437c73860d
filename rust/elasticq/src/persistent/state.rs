//! What a queue's records lead to. The same code replays the records of an old queue and follows what is
//! written to a new one, so the two can't differ. No file is touched here, and no clock is read.
//!
//! Items stand in line in the order of their numbers. [`Takes::cursor`] says how far they were taken. Nothing
//! is kept in memory for an item in line. An item that was leased or delayed stands [aside](Takes::aside),
//! with its place in the files; it can be taken again when its number is lower than all that is in line.
//!
//! There are two halves, since producers and consumers each change only their own, under locks of their own.
//!
//! Counters don't overflow, whatever the records say: they were read from a file.
//!
//! Invariant: `lined_up - passed` items are in line; `ready`, `dead` and `segments` are what `aside` says.

use super::records::{Aside, Change, Cursor, How, Lease, Meta, Place, Snapshot, Status};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::Bound;

/// What producers change.
#[derive(Debug, Default)]
pub struct Puts {
    /// Items ever put in.
    pub enqueued: u64,
    /// Of these, items that stood in line at once.
    pub lined_up: u64,
    pub ids: Ids,
}

/// The latest names of items.
#[derive(Debug, Default)]
pub struct Ids {
    /// How many are kept.
    pub window: usize,
    in_order: VecDeque<Vec<u8>>,
    known: HashSet<Vec<u8>>,
}

/// What consumers change.
#[derive(Debug, Default)]
pub struct Takes {
    /// Items that the cursor has passed.
    pub passed: u64,
    pub dequeued: u64,
    pub dropped: u64,
    pub cursor: Cursor,
    aside: BTreeMap<u64, Aside>,
    /// The numbers of the items aside that can be taken.
    ready: BTreeSet<u64>,
    /// How many are dead.
    dead: usize,
    /// How many items aside have their records in each segment.
    segments: BTreeMap<u64, usize>,
}

/// Both halves.
#[derive(Debug, Default)]
pub struct State {
    pub puts: Puts,
    pub takes: Takes,
}

impl Ids {
    pub fn has(&self, id: &[u8]) -> bool {
        self.known.contains(id)
    }

    pub fn note(&mut self, id: &[u8]) {
        if id.is_empty() || self.window == 0 || !self.known.insert(id.to_vec()) {
            return;
        }
        self.in_order.push_back(id.to_vec());
        while self.in_order.len() > self.window {
            let oldest = self.in_order.pop_front().unwrap_or_default();
            self.known.remove(&oldest);
        }
    }
}

impl Puts {
    /// Notes items that were put in together.
    #[inline]
    pub fn note(&mut self, items: u64, meta: &Meta<'_>) {
        self.enqueued = self.enqueued.saturating_add(items);
        self.lined_up = self.lined_up.saturating_add(if meta.delay == 0 { items } else { 0 });
        if !meta.id.is_empty() {
            self.ids.note(meta.id);
        }
    }
}

impl Takes {
    /// Items in line, if so many were ever lined up.
    pub const fn in_line(&self, lined_up: u64) -> u64 {
        lined_up.saturating_sub(self.passed)
    }

    /// The items that don't stand in line.
    pub const fn aside(&self) -> &BTreeMap<u64, Aside> {
        &self.aside
    }

    /// The item aside that is to be taken next.
    pub fn first_ready(&self) -> Option<u64> {
        self.ready.first().copied()
    }

    /// The items aside that can be taken, in order.
    pub fn ready_items(&self) -> impl Iterator<Item = (u64, &Aside)> {
        self.ready.iter().filter_map(|&number| Some((number, self.aside.get(&number)?)))
    }

    /// How many items aside can be taken.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The numbers of the dead items, in order.
    pub fn dead_numbers(&self) -> impl Iterator<Item = u64> {
        let dead = self.aside.iter().filter(|(_, aside)| matches!(aside.status, Status::Dead { .. }));
        dead.map(|(&number, _)| number)
    }

    pub const fn dead(&self) -> usize {
        self.dead
    }

    /// The oldest segment with anything that is still needed.
    pub fn oldest_segment(&self) -> u64 {
        let aside = self.segments.first_key_value().map_or(u64::MAX, |(&segment, _)| segment);
        aside.min(self.cursor.place.segment)
    }

    /// All places in the files that it speaks of.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.aside.values().map(|aside| aside.place).chain([self.cursor.place])
    }

    /// The items aside whose records stand in segments before this one.
    pub fn aside_before(&self, segment: u64) -> Vec<(u64, Place)> {
        if self.segments.range(..segment).next().is_none() {
            return Vec::new();
        }
        let places = self.aside.iter().map(|(&number, aside)| (number, aside.place));
        places.filter(|(_, place)| place.segment < segment).collect()
    }

    pub fn insert(&mut self, number: u64, aside: Aside) {
        self.remove(number);
        *self.segments.entry(aside.place.segment).or_default() += 1;
        match aside.status {
            Status::Ready => {
                self.ready.insert(number);
            }
            Status::Dead { .. } => self.dead += 1,
            _ => {}
        }
        self.aside.insert(number, aside);
    }

    pub fn remove(&mut self, number: u64) -> Option<Aside> {
        let aside = self.aside.remove(&number)?;
        if let Some(count) = self.segments.get_mut(&aside.place.segment) {
            *count -= 1;
            if *count == 0 {
                self.segments.remove(&aside.place.segment);
            }
        }
        self.ready.remove(&number);
        self.dead -= usize::from(matches!(aside.status, Status::Dead { .. }));
        Some(aside)
    }

    /// Changes the status of an item aside; false if there is none of this number.
    pub fn set_status(&mut self, number: u64, status: Status) -> bool {
        let Some(aside) = self.remove(number) else { return false };
        self.insert(number, Aside { status, ..aside });
        true
    }

    /// The record of an item aside stands at another place now. An item that is not aside was popped, and
    /// comes back.
    pub fn moved(&mut self, number: u64, place: Place) {
        let aside = self.remove(number).unwrap_or_else(|| {
            self.dequeued = self.dequeued.saturating_sub(1);
            Aside { place, deliveries: 0, status: Status::Ready }
        });
        self.insert(number, Aside { place, ..aside });
    }

    /// The next item aside that can be taken, behind this number.
    pub fn first_ready_after(&self, number: u64) -> Option<u64> {
        self.ready.range((Bound::Excluded(number), Bound::Unbounded)).next().copied()
    }

    /// The numbers of the items aside that can be taken, now or later, and that nobody has leased.
    pub fn waiting(&self) -> Vec<u64> {
        let waits = |status: &Status| matches!(status, Status::Ready | Status::Delayed { .. });
        self.aside.iter().filter(|(_, aside)| waits(&aside.status)).map(|(&number, _)| number).collect()
    }

    /// An item that can't be taken yet was put in.
    pub fn delayed(&mut self, number: u64, place: Place, meta: &Meta<'_>) {
        let status = Status::Delayed { at: meta.at, delay: meta.delay };
        self.insert(number, Aside { place, deliveries: 0, status });
    }

    /// Follows a change. A snapshot is for [`State::restore`].
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Popped { items, cursor } => self.popped(*items, *cursor),
            Change::Gone { numbers, how } => {
                for &number in numbers {
                    let count = u64::from(self.remove(number).is_some());
                    match how {
                        How::Popped | How::Acked => self.dequeued = self.dequeued.saturating_add(count),
                        How::Purged => self.dropped = self.dropped.saturating_add(count),
                    }
                }
            }
            Change::Leased { leases, in_line, cursor } => {
                self.pass(*in_line, *cursor);
                for &Lease { number, place, deliveries } in leases {
                    self.insert(number, Aside { place, deliveries, status: Status::Leased });
                }
            }
            &Change::Returned { ref numbers, at, delay } => {
                for &number in numbers {
                    let status = if delay == 0 { Status::Ready } else { Status::Delayed { at, delay } };
                    self.set_status(number, status);
                }
            }
            &Change::Buried { number, at, ref reason } => {
                self.set_status(number, Status::Dead { at, reason: reason.clone() });
            }
            Change::Revived { numbers } => {
                for &number in numbers {
                    if let Some(aside) = self.remove(number) {
                        self.insert(number, Aside { deliveries: 0, status: Status::Ready, ..aside });
                    }
                }
            }
            Change::Cleared { items, cursor, numbers } => {
                self.pass(*items, *cursor);
                self.dropped = self.dropped.saturating_add(*items);
                for &number in numbers {
                    let count = u64::from(self.remove(number).is_some());
                    self.dropped = self.dropped.saturating_add(count);
                }
            }
            Change::Synced { .. }
            | Change::Closed { .. }
            | Change::Opened { .. }
            | Change::Snapshot(_)
            | Change::Lost { .. } => {}
        }
    }

    /// So many items in line were popped.
    #[inline]
    pub fn popped(&mut self, items: u64, cursor: Cursor) {
        self.pass(items, cursor);
        self.dequeued = self.dequeued.saturating_add(items);
    }

    #[inline]
    fn pass(&mut self, items: u64, cursor: Cursor) {
        self.passed = self.passed.saturating_add(items);
        if cursor.number > self.cursor.number {
            self.cursor = cursor;
        }
    }
}

impl State {
    pub fn with_window(window: usize) -> Self {
        let mut state = Self::default();
        state.puts.ids.window = window;
        state
    }

    /// Follows the record of a new item.
    pub fn item(&mut self, number: u64, place: Place, meta: &Meta<'_>) {
        self.puts.note(1, meta);
        if meta.delay > 0 {
            self.takes.delayed(number, place, meta);
        }
    }

    /// The state that a snapshot shows.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let window = self.puts.ids.window;
        *self = Self::with_window(window);
        self.puts.enqueued = snapshot.enqueued;
        self.puts.lined_up = snapshot.lined_up;
        snapshot.ids.iter().for_each(|id| self.puts.ids.note(id));
        self.takes.passed = snapshot.passed;
        self.takes.dequeued = snapshot.dequeued;
        self.takes.dropped = snapshot.dropped;
        self.takes.cursor = snapshot.cursor;
        for (number, aside) in &snapshot.aside {
            self.takes.insert(*number, aside.clone());
        }
    }
}

/// The whole state, to be written.
pub fn snapshot(puts: &Puts, takes: &Takes) -> Snapshot {
    Snapshot {
        enqueued: puts.enqueued,
        lined_up: puts.lined_up,
        passed: takes.passed,
        dequeued: takes.dequeued,
        dropped: takes.dropped,
        cursor: takes.cursor,
        aside: takes.aside.iter().map(|(&number, aside)| (number, aside.clone())).collect(),
        ids: puts.ids.in_order.iter().cloned().collect(),
    }
}
