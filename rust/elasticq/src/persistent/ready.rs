//! What a task does before a call: it looks whether the call takes only a moment. Otherwise the queue's thread
//! prepares it, and the task waits for that without blocking.
//!
//! Three things can take long: to begin a file where none is ready, to read what is in no memory, and to get a lock
//! while another thread does one of these. The queue's thread begins the file, reads ahead (so that the bytes are in
//! the memory of the system), and gets both locks, so they were free once.
//!
//! **What is not promised.** Another call may take away what was prepared, and the system may give up memory. So
//! after some rounds the task makes its call all the same.

use super::core::Core;
use super::segment::Segment;
use super::spares::Who;
use super::taking::Taking;
use crate::wait::{Attempt, wake_each};
use std::sync::Arc;

/// What a call needs.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Room at the end of the log, in bytes.
    bytes: u64,
    /// Whether it reads items.
    reads: bool,
    /// Whether it needs nothing but to add items, for which there may be no place.
    adds: bool,
    /// How often it was prepared for the next attempt.
    rounds: usize,
}

impl Need {
    /// To add items of so many bytes in all.
    pub const fn to_add(items: usize, bytes: usize) -> Self {
        Self { adds: true, ..Self::to_record(items, bytes) }
    }

    /// To record changes of so many items, with so many bytes more.
    pub const fn to_record(items: usize, bytes: usize) -> Self {
        const EACH: u64 = 96; // a record, and what it says beside the item
        let bytes = (bytes as u64).saturating_add(EACH.saturating_mul(items as u64));
        Self { bytes, reads: false, adds: false, rounds: 0 }
    }

    /// To take up to so many items.
    pub fn to_take(most: usize) -> Self {
        const LIKELY: usize = 1_000; // who asks for more wants all
        Self { reads: true, ..Self::to_record(most.min(LIKELY), 0) }
    }

    /// What both need.
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            reads: self.reads || other.reads,
            adds: self.adds && other.adds,
            rounds: 0,
        }
    }
}

/// What was read ahead.
#[derive(Debug, Default)]
pub struct Ahead {
    segment: u64,
    /// Up to here in this segment.
    end: u64,
    /// This item, which does not stand in line.
    aside: u64,
}

/// So many bytes are read ahead.
const AHEAD: u64 = 1 << 20;

/// So often a task asks before it makes its call all the same.
const ROUNDS: usize = 3;

impl Core {
    /// Makes the attempt if it takes only a moment. Otherwise the queue's thread prepares it, and the waiter is woken
    /// then.
    pub fn when_ready<'a, R>(&'a self, need: &mut Need, attempt: impl FnOnce() -> Attempt<'a, R>) -> Attempt<'a, R> {
        // A call that is refused says so at once, and where there is no thread nobody else would do it.
        let is_ready = need.rounds == ROUNDS || self.check_process().is_err() || self.is_ready(*need);
        if is_ready || !self.worker.is_running() {
            need.rounds = 0;
            return attempt();
        }
        need.rounds += 1;
        let waiter = self.prepared.waiter();
        self.worker.prepare(*need);
        Attempt::Sleep(waiter)
    }

    fn is_ready(&self, need: Need) -> bool {
        let Some(taking) = self.try_taking() else { return false };
        if need.reads && !self.is_at_hand(&taking) {
            return false;
        }
        self.log.try_tail().is_some_and(|tail| tail.has_room(need.bytes))
    }

    /// Whether the next item is in memory, be it in line or aside.
    fn is_at_hand(&self, taking: &Taking) -> bool {
        let last = taking.noted.segment.number();
        let ahead = &taking.ahead;
        let aside = taking
            .state
            .first_ready()
            .is_none_or(|number| number == ahead.aside || taking.state.aside()[&number].place.segment == last);
        let in_line = taking.next.is_some() || taking.state.in_line(self.log.visible()) == 0 || {
            let (segment, offset) = self.position(taking);
            segment.number() == last
                || taking.reader.has_next()
                || (segment.number() == ahead.segment && offset < ahead.end)
        };
        aside && in_line
    }

    /// Where the reader goes on: in its segment, or at the beginning of a later one.
    fn position(&self, taking: &Taking) -> (Arc<Segment>, u64) {
        let reader = &taking.reader;
        let (mut segment, mut offset) = (Arc::clone(&reader.segment), reader.cursor.place.offset);
        while segment.ends_at(offset)
            && let Some(next) = self.log.segment_after(segment.number())
        {
            offset = next.start().place.offset;
            segment = next;
        }
        (segment, offset)
    }

    /// Does what calls with this need would wait for, and tells the tasks that wait. What fails here fails again in
    /// the call, which knows whom to tell.
    pub fn prepare(&self, need: Need) {
        if need.reads {
            self.read_ahead();
        }
        {
            let mut taking = self.taking();
            let mut tail = self.log.tail();
            let is_wanted = !need.adds || self.inside(&tail) < self.max_items();
            if is_wanted && self.check_open().is_ok() && !tail.has_room(need.bytes) {
                let who = if need.adds { Who::Producer } else { Who::Consumer };
                let _ = self.begin(&mut tail, &mut taking, need.bytes, who);
            }
        }
        self.tell_prepared();
    }

    /// Lets tasks make their calls that wait for the queue's thread.
    pub fn tell_prepared(&self) {
        wake_each([self.prepared.told_all()]);
    }

    /// Reads what comes next, without a lock.
    fn read_ahead(&self) {
        let ((segment, offset), aside) = {
            let taking = self.taking();
            let aside = taking.state.first_ready();
            (self.position(&taking), aside.map(|number| (number, taking.state.aside()[&number].place)))
        };
        let end = segment.read_ahead(offset, AHEAD);
        if let Some((number, place)) = aside {
            let _ = self.read(place, number);
        }
        let aside = aside.map_or(0, |(number, _)| number);
        self.taking().ahead = Ahead { segment: segment.number(), end, aside };
    }
}
