//! The queue of bytes under the public face: what a put and a take do, step by step.
//!
//! **Two locks.** Producers hold the one of the log's tail. Consumers hold [`Taking`], and under it the
//! tail's for the one record that says what they took. So a consumer that reads from a slow disk keeps no
//! producer waiting. Whoever begins a new segment needs the whole state, and takes both, this one first. The
//! leader of a sync takes the tail's lock, and never that of the consumers.
//!
//! **Foreign code** turns items into bytes and back. It runs before or after all this, without any lock. If
//! it can't read an item that was taken, the item is [put back](Core::put_back).
//!
//! **Inlined.** To hand results from one function to the next takes about as long as what is done to a short
//! record. So the functions that a put or a take of one item goes through are inlined, whatever the compiler
//! thinks.
//!
//! This file: the queue as a whole, and putting. `taking`: the other side.

use super::commit::Commit;
use super::config::{PersistentConfig, SyncMode};
use super::files::{self, Storage};
use super::format::Kind;
use super::leases::Leases;
use super::log::{Appended, Log, Tail, alone, too_long};
use super::noted::Noted;
use super::ready::Ahead;
use super::records::{Change, Drafts, Meta, Place};
use super::recover::{self, Report};
use super::segment::Reader;
use super::spares::Who;
use super::state::Takes;
use super::taking::{Item, Taking};
use super::worker::Worker;
use crate::error::{BufferError, BufferResult};
use crate::stats::Tally;
use crate::wait::{Signal, wake_each};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

#[derive(Debug)]
pub struct Core {
    pub log: Log,
    pub commit: Commit,
    taking: Mutex<Taking>,
    pub config: PersistentConfig,
    pub report: Report,
    pub worker: Arc<Worker>,
    pub not_empty: Signal,
    pub not_full: Signal,
    pub tally: Tally,
    /// Told of each change while somebody waits for any.
    pub changed: Signal,
    /// Told when the queue's thread has prepared what a task needs.
    pub prepared: Signal,
    closed: AtomicBool,
    ended: AtomicBool,
    /// Held by the thread that ends the queue; another one that wants to end it waits. Locked before all
    /// others, also `giving_up`.
    ending: Mutex<()>,
    /// Items that were taken and have not come to their takers, by ticket. Locked under `taking`, or alone.
    pub outstanding: Mutex<Vec<(u64, Arc<Vec<Item>>)>>,
    /// Held by the thread that gives up files, or makes spare ones for later. Who finds no room on the disk
    /// waits for it, since that thread may be about to make room, or hold some in a file that it can't
    /// finish. Locked before all others.
    pub giving_up: Mutex<()>,
    /// Copies of what `taking` says, for looks that wait for no lock.
    seen: Seen,
    /// The number of the first record that was not found in the files.
    pub found: u64,
    /// Which process opened the queue.
    process: usize,
}

#[derive(Debug, Default)]
struct Seen {
    passed: AtomicU64,
    ready: AtomicU64,
    left: AtomicU64,
}

/// What a producer says of an item beside the item itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    pub id: &'a [u8],
    pub headers: &'a [u8],
    /// In milliseconds.
    pub delay: u64,
}

impl Core {
    /// Opens the queue in this storage.
    ///
    /// # Errors
    /// As [`recover::open`].
    pub fn open(storage: Box<dyn Storage>, config: PersistentConfig) -> BufferResult<Arc<Self>> {
        let core = Self::open_quietly(storage, config)?;
        core.worker.start(&core);
        Ok(core)
    }

    /// The same without a thread of the queue's own, so that every step is the caller's.
    pub fn open_quietly(storage: Box<dyn Storage>, config: PersistentConfig) -> BufferResult<Arc<Self>> {
        let recovered = recover::open(&*storage, config.largest_segment(), config.id_window)?;
        let state = recovered.state.takes;
        let (base, items) = recovered.noted;
        let noted = Noted { segment: Arc::clone(&recovered.resume.tail), base, items };
        let resume = recovered.resume;
        let (tail, end) = (Arc::clone(&resume.tail), resume.end);
        let first = *resume.segments.keys().next().unwrap_or(&end.number);
        let at_cursor = resume.segments.get(&state.cursor.place.segment).unwrap_or(&tail);
        let reader = Reader::new(Arc::clone(at_cursor), state.cursor);
        let staged = config.sync_mode == SyncMode::EveryWrite;
        if !staged {
            tail.map()?;
        }
        let log = Log::new(storage, config.sync_mode, config.largest_segment(), config.max_bytes, resume);
        let leases = Leases::new(&state);
        let core = Arc::new(Self {
            log,
            commit: Commit::new(0, first),
            taking: Mutex::new(Taking {
                state,
                reader,
                next: None,
                leases,
                noted,
                ahead: Ahead::default(),
                tickets: 0,
            }),
            report: recovered.report,
            worker: Worker::new(),
            not_empty: Signal::new(),
            not_full: Signal::new(),
            tally: Tally::default(),
            giving_up: Mutex::new(()),
            changed: Signal::new(),
            prepared: Signal::new(),
            outstanding: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            ending: Mutex::new(()),
            seen: Seen::default(),
            found: end.number,
            process: files::process(),
            config,
        });
        {
            let mut taking = core.taking.lock();
            core.note_seen(&taking.state);
            if staged {
                // If there is no room for it now, the next record of a consumer comes behind it.
                let _ = core.write_noted(&mut taking);
            }
        }
        core.bury_what_was_delivered_too_often()?;
        Ok(core)
    }

    pub fn taking(&self) -> MutexGuard<'_, Taking> {
        self.taking.lock()
    }

    pub fn try_taking(&self) -> Option<MutexGuard<'_, Taking>> {
        self.taking.try_lock()
    }

    pub const fn is_staged(&self) -> bool {
        matches!(self.config.sync_mode, SyncMode::EveryWrite)
    }

    /// Whether this process may use the queue.
    ///
    /// # Errors
    /// `InvalidOperation` in a forked child: the queue is the parent's. `Closed` after [`end`](Self::end).
    pub fn check_process(&self) -> BufferResult<()> {
        self.check_owner()?;
        if self.has_ended() { Err(BufferError::Closed) } else { Ok(()) }
    }

    /// Whether this process opened the queue.
    fn check_owner(&self) -> BufferResult<()> {
        if self.process == files::process() {
            return Ok(());
        }
        let path = self.log.storage.path("");
        let text = format!("{} was opened before a fork: this process must open it itself", path.display());
        Err(BufferError::InvalidOperation(text))
    }

    pub fn max_items(&self) -> usize {
        self.config.base.max_capacity
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Refuses all puts from now on and wakes all waiters.
    pub fn close(&self) {
        if self.check_process().is_ok() {
            let _tail = self.log.tail();
            self.closed.store(true, Ordering::Release);
        }
        wake_each([self.not_empty.told_all(), self.not_full.told_all()]);
    }

    /// How many items can be taken now.
    pub fn len(&self) -> usize {
        let passed = self.seen.passed.load(Ordering::Acquire);
        let ready = self.seen.ready.load(Ordering::Acquire);
        self.log.visible().saturating_sub(passed).saturating_add(ready) as usize
    }

    /// How many items are inside: those that can be taken, that are leased, delayed or dead.
    pub fn inside(&self, tail: &Tail) -> usize {
        tail.puts.enqueued.saturating_sub(self.seen.left.load(Ordering::Acquire)) as usize
    }

    pub fn note_seen(&self, state: &Takes) {
        self.seen.passed.store(state.passed, Ordering::Release);
        self.seen.ready.store(state.ready() as u64, Ordering::Release);
        self.seen.left.store(state.dequeued.saturating_add(state.dropped), Ordering::Release);
    }

    /// Tells the waiters how many items and places there are now.
    pub fn wake(&self) {
        // Between the change, which other locks guard than those under which waiters look, and the look for
        // them.
        fence(Ordering::SeqCst);
        if self.not_empty.has_sleepers() || self.not_full.has_sleepers() || self.changed.has_sleepers() {
            // Too many who look in vain are better than to wait for who makes a file.
            let inside = || self.log.try_tail().map_or(0, |tail| self.inside(&tail));
            let room = || self.max_items().saturating_sub(inside());
            let told = [self.not_empty.told(|| self.len()), self.not_full.told(room), self.changed.told_all()];
            wake_each(told);
        }
    }

    /// Waits until a record is durable, in the mode in which calls wait for that.
    pub fn settle(&self, number: u64) -> BufferResult<()> {
        if self.is_staged() { self.join(number) } else { Ok(()) }
    }

    /// The same as a task.
    pub async fn settle_as_task(&self, number: u64) -> BufferResult<()> {
        if self.is_staged() {
            if !self.worker.is_running() {
                return self.settle(number); // nobody else would do it
            }
            self.commit.join_as_task(number, || self.worker.commit()).await?;
        }
        self.wake();
        Ok(())
    }

    /// Waits until a record is durable.
    pub fn join(&self, number: u64) -> BufferResult<()> {
        self.commit.join(&self.log, number, &|| self.wake())
    }

    /// Makes everything durable that was written before.
    pub fn sync(&self) -> BufferResult<()> {
        self.check_process()?;
        let noted = if self.is_staged() { Ok(()) } else { self.write_noted(&mut self.taking()) };
        let last = self.log.tail().end().number - 1;
        self.join(last)?;
        noted // if there was no room for it, all else is durable
    }

    // Putting.

    /// Adds items that belong together, or none, and waits until that is durable, in the mode that does.
    /// False: the first has a name that is known already, and nothing was added.
    ///
    /// # Errors
    /// A capacity error, `Closed`, `Io`, or what a sync has failed with.
    pub fn put(&self, items: &[&[u8]], extra: Extra<'_>) -> BufferResult<bool> {
        let (added, number) = self.in_room(|| self.put_now(items, extra))?;
        self.settle(number)?;
        self.wake();
        Ok(added)
    }

    /// The same without the wait: returns the number of the record to wait for, too.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_now(&self, items: &[&[u8]], extra: Extra<'_>) -> BufferResult<(bool, u64)> {
        self.check_process()?;
        let Extra { id, headers, delay } = extra;
        if items.is_empty() {
            return if self.is_closed() { Err(BufferError::Closed) } else { Ok((true, 0)) };
        }
        let meta = Meta { at: files::now(), delay, number: 0, id, headers };
        let mut drafts = Drafts::default();
        items.iter().try_for_each(|item| drafts.item(Kind::Item, &meta, item)).ok_or_else(too_long)?;
        self.put_drafts(&mut drafts, &meta)
    }

    fn put_drafts(&self, drafts: &mut Drafts, meta: &Meta<'_>) -> BufferResult<(bool, u64)> {
        let Meta { id, delay, .. } = *meta;
        // First of all, since a full queue needs no room for an item that is there.
        if let Some(last) = self.last_record_if_known(id) {
            return Ok((false, last));
        }
        // A delayed item stands aside, so consumers' half of the state changes, too.
        let mut taking = (delay > 0).then(|| self.taking.lock());
        let (number, is_late) = {
            let mut tail = self.tail_with_room(&mut taking, drafts.size(), drafts.count())?;
            if !id.is_empty() && tail.puts.ids.has(id) {
                return Ok((false, tail.end().number - 1)); // it came meanwhile
            }
            self.add(&mut tail, taking.as_deref_mut(), drafts, meta)?
        };
        let due = taking.as_ref().and_then(|taking| taking.leases.next_due());
        drop(taking);
        if is_late {
            self.worker.tidy();
        }
        if due.is_some() {
            self.worker.wake_at(due);
        }
        Ok((true, number))
    }

    /// Adds records of items for which there is room. Returns the number of the last record, and whether it
    /// is time to prepare the next segment. `taking` is there if the items are delayed.
    pub fn add(
        &self,
        tail: &mut Tail,
        taking: Option<&mut Taking>,
        drafts: &mut Drafts,
        meta: &Meta<'_>,
    ) -> BufferResult<(u64, bool)> {
        let Appended { number, place, .. } = self.log.append(tail, drafts)?;
        tail.puts.note(drafts.count() as u64, meta);
        if let Some(taking) = taking {
            for (number, offset) in (number..).zip(drafts.offsets(place.offset)) {
                taking.state.delayed(number, Place { offset, ..place }, meta);
                taking.leases.delayed(number, meta.delay);
            }
        }
        if !self.is_staged() {
            self.log.show(tail.puts.lined_up);
        }
        Ok((number + drafts.count() as u64 - 1, tail.is_late()))
    }

    /// If an item of this name is known, the number of the last record: the caller may rely on the item that
    /// came first, so that must be durable, too.
    fn last_record_if_known(&self, id: &[u8]) -> Option<u64> {
        if id.is_empty() {
            return None;
        }
        let tail = self.log.tail();
        tail.puts.ids.has(id).then(|| tail.end().number - 1)
    }

    /// The tail, with room for so many bytes and items.
    fn tail_with_room<'a>(
        &'a self,
        taking: &mut Option<MutexGuard<'a, Taking>>,
        bytes: u64,
        items: usize,
    ) -> BufferResult<MutexGuard<'a, Tail>> {
        loop {
            let mut tail = self.log.tail();
            if self.is_closed() {
                return Err(BufferError::Closed);
            }
            self.check_open()?;
            let max = self.max_items();
            let room = max.saturating_sub(self.inside(&tail));
            if items > room {
                return Err(if room == 0 || items > max {
                    BufferError::MaxCapacityReached(max)
                } else {
                    BufferError::Full
                });
            }
            if tail.has_room(bytes) {
                return Ok(tail);
            }
            if let Some(taking) = taking {
                self.begin_segment(&mut tail, taking, bytes)?;
                return Ok(tail);
            }
            drop(tail);
            let mut held = self.taking.lock();
            let mut tail = self.log.tail();
            if !tail.has_room(bytes) {
                self.begin_segment(&mut tail, &mut held, bytes)?;
            }
        }
    }

    /// Begins a segment for a producer. If there is no room for it, the queue's thread looks for some.
    fn begin_segment(&self, tail: &mut Tail, taking: &mut Taking, bytes: u64) -> BufferResult<()> {
        self.check_open()?;
        let begun = self.begin(tail, taking, bytes, Who::Producer);
        self.worker.tidy();
        begun
    }

    /// Drops all items that can be taken or will be; returns their number.
    pub fn clear(&self) -> BufferResult<usize> {
        self.check_process()?;
        let (count, number) = {
            let mut taking = self.taking.lock();
            let (cursor, lined_up, segment) = {
                let tail = self.log.tail();
                (tail.end(), tail.puts.lined_up, tail.segment())
            };
            let numbers = taking.state.waiting();
            let items = lined_up.saturating_sub(taking.state.passed);
            let count = (items as usize).saturating_add(numbers.len());
            if count == 0 {
                return Ok(0);
            }
            let number = self.record(&mut taking, &[Change::Cleared { items, cursor, numbers }])?;
            taking.next = None;
            taking.reader = Reader::new(segment, cursor);
            (count, number)
        };
        self.settle(number)?;
        self.worker.tidy();
        self.wake();
        Ok(count)
    }

    /// Whether something may be recorded. The caller holds the tail's lock.
    ///
    /// # Errors
    /// `Closed` once the queue ends, or what a sync has failed with.
    pub fn check_open(&self) -> BufferResult<()> {
        if self.has_ended() { Err(BufferError::Closed) } else { self.commit.check() }
    }

    /// Ends the use of the files, whoever else still has the queue or a lease. Another opener may have them
    /// then. Tasks are woken meanwhile; if a waker polls at once, what it polls must not call this.
    ///
    /// First nothing is recorded any more: whoever records something looks whether the queue ends, under
    /// locks that this takes. What was taken and has not come to its taker goes back before that. Then all
    /// that was recorded is made durable, so that whoever waits for that is told the truth. Then the files
    /// are given up.
    ///
    /// # Errors
    /// As [`sync`](Self::sync); the queue has ended all the same. `Closed`: it had ended before.
    pub fn end(&self) -> BufferResult<()> {
        self.check_owner()?;
        let _ending = self.ending.lock();
        if self.has_ended() {
            return Err(BufferError::Closed);
        }
        self.close();
        self.worker.stop();
        let (last, recorded) = {
            let mut taking = self.taking.lock();
            let mut failed = None;
            for (_, items) in self.outstanding.lock().drain(..) {
                for item in &*items {
                    failed = self.put_back_in(&mut taking, item).err().or(failed);
                }
            }
            failed = self.write_noted(&mut taking).err().or(failed);
            let tail = self.log.tail();
            self.ended.store(true, Ordering::Release);
            (tail.end().number - 1, failed.map_or(Ok(()), Err))
        };
        let finished = self.join(last).and(recorded).and_then(|()| self.note_closing());
        {
            // Whoever gives files up, or makes spare ones, comes to an end first.
            let _turn = self.giving_up.lock();
            self.commit.end(|| self.log.storage.release());
        }
        wake_each([self.not_empty.told_all(), self.not_full.told_all(), self.changed.told_all()]);
        finished
    }

    /// Makes everything durable and says that the queue was closed in good order.
    pub fn finish(&self) -> BufferResult<()> {
        self.check_process()?;
        self.sync()?;
        self.note_closing()
    }

    /// Says that the queue was closed in good order, if everything is durable.
    fn note_closing(&self) -> BufferResult<()> {
        let taking = self.taking.lock();
        let mut tail = self.log.tail();
        self.commit.check()?;
        let place = tail.synced();
        if place < tail.end().place || taking.noted.items > 0 {
            return Ok(()); // something came meanwhile; what follows is replayed
        }
        if self.report.closed && tail.end().number == self.found {
            return Ok(()); // nothing has happened since it was closed last time
        }
        let mut draft = alone(&Change::Closed { place, salt: tail.salt() })?;
        if tail.has_room(draft.size()) {
            self.log.append(&mut tail, &mut draft)?;
            drop(tail);
            drop(taking);
            if self.is_staged() {
                self.commit.write_out(&self.log)?;
            }
        }
        Ok(())
    }
}
