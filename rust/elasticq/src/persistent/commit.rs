//! Making records durable: one call leads, and those that come meanwhile share the next sync.
//!
//! ```text
//! join ──> durable already? done
//!      └─> nobody leads? lead: take what is staged, write it, sync, let consumers see it; look again
//!      └─> else sleep until the leader has finished; look again
//! ```
//!
//! Invariant: `durable` is the number of a record before which every record is durable, and the names of all
//! segments up to there, too. Segments are synced from the oldest on, so a record is never durable before
//! those that it follows. Only segments of which nothing is needed are [passed over](Commit::pass_over):
//! nothing is reported then until the log begins behind them, on the disk too.
//!
//! **A failed sync is final.** The system may have given up the pages and call them clean, so a second sync
//! would succeed and mean nothing. So the first failure, also a panic of the leader, is the answer to every
//! waiting and later call. Only opening the files again shows what is in them.

use super::log::{Batch, Log};
use super::recover::note_unsynced;
use crate::error::{BufferError, BufferResult};
use crate::sync::raise::Raise;
use crate::wait::{Signal, block, complete, try_or_register, wake_each};
use parking_lot::Mutex;
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Commit {
    durable: AtomicU64,
    poison: OnceLock<BufferError>,
    /// Held by the leader. Inside: the oldest segment that may have to be synced.
    leading: Mutex<u64>,
    /// Held while what is staged is written; taken under `leading` or alone.
    writing: Mutex<()>,
    /// How many calls have become durable, and how many of them with the last sync.
    calls: AtomicU64,
    shared: AtomicU64,
    /// How long the last sync took, in nanoseconds.
    took: AtomicU64,
    syncs: Mutex<Syncs>,
    finished: Signal,
}

/// How often the log was synced since the queue was opened, and how long that took. One sync makes everything
/// durable that came before it, whatever number of files that is in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Syncs {
    pub count: u64,
    pub time: Duration,
    pub longest: Duration,
}

impl Syncs {
    fn note(&mut self, took: Duration) {
        self.count += 1;
        self.time += took;
        self.longest = self.longest.max(took);
    }
}

impl Commit {
    /// Everything before the record `durable` is durable; the oldest segment is `first`.
    pub fn new(durable: u64, first: u64) -> Self {
        Self {
            durable: AtomicU64::new(durable),
            poison: OnceLock::new(),
            leading: Mutex::new(first),
            writing: Mutex::new(()),
            calls: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            took: AtomicU64::new(0),
            syncs: Mutex::default(),
            finished: Signal::new(),
        }
    }

    /// # Errors
    /// That of the sync that failed, if one did.
    pub fn check(&self) -> BufferResult<()> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Blocks until the record of this number is durable. `shown` is called when consumers may see more.
    ///
    /// # Errors
    /// That of the sync that failed, whoever led it.
    pub fn join(&self, log: &Log, number: u64, shown: &dyn Fn()) -> BufferResult<()> {
        let attempt = || loop {
            if let Some(settled) = self.settled(number) {
                return Some(settled);
            }
            let mut oldest = self.leading.try_lock()?;
            if self.settled(number).is_none() {
                self.let_others_join(log);
                self.lead(log, || self.make_durable(log, &mut oldest));
            }
            drop(oldest);
            wake_each([self.finished.told_all()]);
            shown();
        };
        block(Duration::MAX, || try_or_register(attempt, || self.finished.waiter()))
    }

    /// Makes everything durable from this segment on, and lets `begin` write that the log begins with it.
    /// Nothing in older segments is needed, and they need not reach the disk. Nobody else reports anything as
    /// durable meanwhile: until the log begins here, recovery may end in one of the older segments.
    ///
    /// # Errors
    /// That of the sync that failed, whoever led it; that of `begin`.
    pub fn pass_over(&self, log: &Log, first: u64, begin: &dyn Fn() -> BufferResult<()>) -> BufferResult<()> {
        let mut leading = self.leading.lock();
        let mut begun = Ok(());
        self.lead(log, || {
            let batch = self.write(log)?;
            self.sync(log, first, &batch)?;
            begun = begin();
            if begun.is_ok() {
                *leading = batch.place.segment;
                self.note(log, batch);
            }
            Ok(())
        });
        drop(leading);
        wake_each([self.finished.told_all()]);
        self.check().and(begun)
    }

    /// Waits as a task until the record of this number is durable. Another thread leads: `ask` asks it to.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub async fn join_as_task(&self, number: u64, ask: impl Fn()) -> BufferResult<()> {
        let attempt = || {
            let settled = self.settled(number);
            if settled.is_none() {
                ask();
            }
            settled
        };
        complete(|| try_or_register(attempt, || self.finished.waiter())).await
    }

    fn settled(&self, number: u64) -> Option<BufferResult<()>> {
        // The failure counts less than the success: what is durable stays so.
        if self.durable.load(Ordering::Acquire) > number {
            return Some(Ok(()));
        }
        self.check().err().map(Err)
    }

    /// Waits for as many calls as shared the last sync, if more than one did: those that it has woken are on
    /// their way, and whoever comes too late waits for a whole sync more. But no longer than for half a sync,
    /// and not for longer than it takes to wake many threads.
    fn let_others_join(&self, log: &Log) {
        let usual = self.shared();
        if usual < 2 {
            return;
        }
        let here = || log.calls() - self.calls.load(Ordering::Relaxed);
        let patience = Duration::from_nanos(self.took.load(Ordering::Relaxed) / 2).min(Duration::from_millis(1));
        let started = Instant::now();
        while here() < usual && started.elapsed() < patience {
            thread::yield_now();
        }
    }

    /// How many calls have become durable with the last sync.
    pub fn shared(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    /// The syncs until now. One that failed counts as well.
    pub fn syncs(&self) -> Syncs {
        *self.syncs.lock()
    }

    pub fn is_durable(&self, number: u64) -> bool {
        self.durable.load(Ordering::Acquire) > number
    }

    /// Writes what is staged. It outlives the process then, and is not durable yet.
    ///
    /// # Errors
    /// That of the write or sync that failed, whoever did it.
    pub fn write_out(&self, log: &Log) -> BufferResult<()> {
        self.lead(log, || self.write(log).map(drop));
        self.check()
    }

    /// Writes what is staged, and lets readers come so far. (They see an item that is in line only when it is
    /// durable; but the records of items that are leased or were moved are read from their places.)
    fn write(&self, log: &Log) -> BufferResult<Batch> {
        let _writing = self.writing.lock();
        // A write that failed has lost what it took, and whoever comes next must not report that as durable.
        // So it is known before this lock is free.
        self.check()?;
        let batch = log.take_staged();
        for (segment, at, bytes) in &batch.pieces {
            segment.write(bytes, *at).inspect_err(|error| self.fail(log, error.clone()))?;
            segment.publish(at + bytes.len() as u64);
        }
        Ok(batch)
    }

    /// Ends the writing: `Closed` is everybody's answer from now on, but for what is durable. `last` runs
    /// when nobody syncs or writes.
    pub fn end(&self, last: impl FnOnce()) {
        {
            let _leading = self.leading.lock();
            let _writing = self.writing.lock();
            let _ = self.poison.set(BufferError::Closed);
            last();
        }
        wake_each([self.finished.told_all()]);
    }

    /// A write or a sync has failed: that is everybody's answer from now on.
    pub fn fail(&self, log: &Log, error: BufferError) {
        let _ = self.poison.set(error);
        note_unsynced(&*log.storage);
        wake_each([self.finished.told_all()]);
    }

    /// Writes or syncs. If that fails, it is final.
    fn lead(&self, log: &Log, work: impl FnOnce() -> BufferResult<()>) {
        struct Fuse<'a>(&'a Commit);
        impl Drop for Fuse<'_> {
            fn drop(&mut self) {
                let text = "the thread that made records durable has panicked; open the queue again";
                let _ = self.0.poison.set(BufferError::Other(text.into()));
                wake_each([self.0.finished.told_all()]);
            }
        }
        if self.poison.get().is_some() {
            return;
        }
        let fuse = Fuse(self);
        let done = work();
        mem::forget(fuse);
        if let Err(error) = done {
            self.fail(log, error);
        }
    }

    /// Makes durable what was appended until now.
    fn make_durable(&self, log: &Log, oldest: &mut u64) -> BufferResult<()> {
        let started = Instant::now();
        let batch = self.write(log)?;
        self.sync(log, *oldest, &batch)?;
        *oldest = batch.place.segment;
        self.note(log, batch);
        self.took.store(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }

    /// Syncs the segments from this one on.
    fn sync(&self, log: &Log, first: u64, batch: &Batch) -> BufferResult<()> {
        let mut begun = None;
        let synced = log.segments_from(first, batch.place.segment).iter().try_for_each(|segment| {
            let is_last = segment.number() == batch.place.segment;
            let end = if is_last { batch.place.offset } else { segment.sealed().unwrap_or(u64::MAX) };
            if segment.is_synced(end) {
                return Ok(());
            }
            begun.get_or_insert_with(Instant::now);
            segment.sync(&*log.storage, end)
        });
        if let Some(begun) = begun {
            self.syncs.lock().note(begun.elapsed());
        }
        synced
    }

    /// Notes that everything in this batch is durable.
    fn note(&self, log: &Log, batch: Batch) {
        let (calls, next) = (batch.calls, batch.next);
        log.note_durable(batch);
        self.shared.store(calls - self.calls.swap(calls, Ordering::Relaxed), Ordering::Relaxed);
        self.durable.raise(next, Ordering::AcqRel);
    }
}
