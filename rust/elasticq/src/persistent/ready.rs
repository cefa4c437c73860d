//! What a task does before a call: it looks whether the call takes only a moment. Otherwise the queue's
//! thread prepares it, and the task waits for that without blocking.
//!
//! Three things can take long: to begin a file where none is ready, to read what is in no memory, and to get
//! a lock while another thread does one of these. The queue's thread begins the file, reads ahead (so that
//! the bytes are in the memory of the system), and gets both locks, so they were free once.
//!
//! **What is not promised.** Another call may take away what was prepared, and the system may give up memory.
//! So after some rounds the task makes its call all the same.

use super::core::Core;
use super::format::Kind;
use super::records::Place;
use super::segment::Reader;
use super::spares::Who;
use super::taking::Taking;
use crate::error::BufferResult;
use crate::wait::{Attempt, complete, wake_each};
use std::sync::Arc;

/// What a call needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Need {
    /// Room for new items: how many of them, and their bytes in the log.
    items: usize,
    adds: u64,
    /// Room for records of a consumer, in bytes.
    records: u64,
    /// Whether it reads items.
    reads: bool,
}

impl Need {
    /// To add items of so many bytes in all.
    pub fn to_add(items: usize, bytes: usize) -> Self {
        const EACH: u64 = 96; // a record, and what it says beside the item
        Self { items, adds: (bytes as u64).saturating_add(EACH.saturating_mul(items as u64)), ..Self::default() }
    }

    /// To record changes of so many items.
    pub fn to_record(items: usize) -> Self {
        const EACH: u64 = 32; // what a record says of one
        Self { records: EACH.saturating_mul(items as u64).saturating_add(96), ..Self::default() }
    }

    /// To take up to so many items.
    pub fn to_take(most: usize) -> Self {
        const LIKELY: usize = 1_000; // who asks for more wants all
        Self { reads: true, ..Self::to_record(most.min(LIKELY)) }
    }

    /// What both need.
    pub fn and(self, other: Self) -> Self {
        Self {
            items: self.items.max(other.items),
            adds: self.adds.max(other.adds),
            records: self.records.max(other.records),
            reads: self.reads || other.reads,
        }
    }
}

/// A task's call, which is made when it takes only a moment.
#[derive(Debug)]
pub struct WhenReady<'a> {
    core: &'a Core,
    need: Need,
    /// How often it was prepared for the next attempt.
    rounds: usize,
}

/// What was read ahead.
#[derive(Debug, Default)]
pub struct Ahead {
    /// Up to here, right behind an item.
    pub until: Place,
    /// This item, which does not stand in line.
    aside: u64,
}

/// So many bytes are read ahead, at least, in whole records, and at least one item.
const AHEAD: u64 = 1 << 20;

/// So often a task asks before it makes its call all the same.
const ROUNDS: usize = 3;

impl<'a> WhenReady<'a> {
    /// Makes the attempt if it takes only a moment. Otherwise the queue's thread prepares it, and the waiter
    /// is woken then.
    pub fn attempt<R>(&mut self, attempt: impl FnOnce() -> Attempt<'a, R>) -> Attempt<'a, R> {
        let core = self.core;
        let is_ready = self.rounds == ROUNDS || core.check_process().is_err() || core.is_ready(&self.need);
        if !is_ready {
            self.rounds += 1;
            let waiter = core.prepared.waiter();
            core.worker.prepare(self.need);
            // Where there is no thread nobody else would do it.
            if core.worker.is_running() {
                return Attempt::Sleep(waiter);
            }
        }
        self.rounds = 0;
        attempt()
    }
}

impl Drop for WhenReady<'_> {
    /// A task that is cancelled may have been woken for an item, or for room, that it leaves to others.
    fn drop(&mut self) {
        if self.rounds > 0 {
            self.core.wake();
        }
    }
}

/// A call that is made once: at the latest when this is dropped.
struct Once<F: FnMut() -> BufferResult<u64>> {
    call: F,
    made: bool,
}

impl<F: FnMut() -> BufferResult<u64>> Once<F> {
    fn make(&mut self) -> BufferResult<u64> {
        self.made = true;
        (self.call)()
    }
}

impl<F: FnMut() -> BufferResult<u64>> Drop for Once<F> {
    fn drop(&mut self) {
        if !self.made {
            let _ = self.make(); // nobody is left to be told
        }
    }
}

impl Core {
    /// A call with this need, for a task.
    pub const fn when_ready(&self, need: Need) -> WhenReady<'_> {
        WhenReady { core: self, need, rounds: 0 }
    }

    /// Ends so many leases as a task: `end` records it. A task that is cancelled before has ended them all
    /// the same.
    pub async fn end_leases(&self, leases: usize, end: impl FnMut() -> BufferResult<u64>) -> BufferResult<()> {
        let number = {
            let mut end = Once { call: end, made: false };
            let mut ready = self.when_ready(Need::to_record(leases));
            complete(|| ready.attempt(|| Attempt::Settled(end.make()))).await?
        };
        self.settle_as_task(number).await
    }

    fn is_ready(&self, need: &Need) -> bool {
        let Some(taking) = self.try_taking() else { return false };
        let Some(tail) = self.log.try_tail() else { return false };
        let is_refused = if need.reads {
            self.len() == 0
        } else {
            need.items > self.max_items().saturating_sub(self.inside(&tail)) || need.items > 0 && self.is_closed()
        };
        // A call that is refused says so at once.
        is_refused || tail.has_room(need.adds.max(need.records)) && (!need.reads || self.is_at_hand(&taking))
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
            let reader = &taking.reader;
            reader.segment.number() == last || reader.has_next() || reader.cursor.place < ahead.until
        };
        aside && in_line
    }

    /// Does what calls with this need would wait for, and tells the tasks that wait. What fails here fails
    /// again in the call, which knows whom to tell.
    pub fn prepare(&self, need: Need) {
        if need.reads {
            self.read_ahead();
        }
        {
            let mut taking = self.taking();
            let mut tail = self.log.tail();
            for (bytes, who) in [(need.adds, Who::Producer), (need.records, Who::Consumer)] {
                if bytes > 0 && self.check_open().is_ok() && !tail.has_room(bytes) {
                    let _ = self.begin(&mut tail, &mut taking, bytes, who);
                }
            }
        }
        self.tell_prepared();
    }

    /// Lets tasks make their calls that wait for the queue's thread.
    pub fn tell_prepared(&self) {
        wake_each([self.prepared.told_all()]);
    }

    /// Reads what comes next, without a lock. What can't be read is found again by the call.
    fn read_ahead(&self) {
        let (mut reader, aside) = {
            let taking = self.taking();
            let aside = taking.state.first_ready();
            let reader = Reader::new(Arc::clone(&taking.reader.segment), taking.reader.cursor);
            (reader, aside.map(|number| (number, taking.state.aside()[&number].place)))
        };
        let mut ahead = Ahead::default();
        let mut bytes = 0;
        while bytes < AHEAD || ahead.until == Place::default() {
            let begin = reader.cursor.place.offset;
            match reader.next() {
                Ok(Some((head, _))) => {
                    bytes += reader.cursor.place.offset - begin;
                    if head.kind == Kind::Item {
                        ahead.until = reader.cursor.place;
                    }
                }
                Ok(None) if self.enter_next(&mut reader) => {}
                _ => break,
            }
        }
        if let Some((number, place)) = aside
            && self.read(place, number).is_ok()
        {
            ahead.aside = number;
        }
        self.taking().ahead = ahead;
    }
}
