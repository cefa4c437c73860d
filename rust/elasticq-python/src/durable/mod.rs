//! A queue in files as Python sees it: its items are the codec's bytes there and Python's objects here.
//!
//! **File work happens detached**, and the codec runs attached. So an item is taken in two steps: its bytes
//! are taken, and are turned into an object. If the second step fails, the item goes back to its place.
//!
//! Nothing here holds a reference to an object, so the garbage collector has nothing to look at.

pub mod options;
pub mod tasks;
pub mod undone;

use self::undone::Undone;
use crate::arguments::patience::Patience;
use crate::codec::{self, Codec, DecodeError};
use crate::errors::{self, Words};
use crate::raw::Item;
use crate::raw::detach::detached;
use crate::raw::interpreter::is_main_thread;
use crate::waiting::threads;
use crate::waiting::turns::LoopTurns;
pub use elasticq::persistent::Lease;
use elasticq::persistent::{AtOnce, Looking, PersistentCircularBuffer, PersistentConfig, PushOptions, Raw, Taken};
use elasticq::{BufferError, BufferResult, Parts, Waiter};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

/// A queue of bytes in files.
pub type Files = PersistentCircularBuffer<Vec<u8>, Raw>;

pub struct Durable {
    pub files: Files,
    pub codec: Codec,
    pub undone: Undone,
    turns: LoopTurns,
}

impl Durable {
    /// Opens the queue at this path, or makes one in memory.
    pub fn open(py: Python<'_>, path: Option<&Path>, config: PersistentConfig, codec: Codec) -> PyResult<Self> {
        let open = || match path {
            Some(path) => Files::with_codec(config.with_file_path(path), Raw),
            None => Files::in_memory_with_codec(config, Raw),
        };
        let files = detached(py, open).map_err(|error| errors::to_python(py, &error))?;
        Ok(Self { files, codec, undone: Undone::default(), turns: LoopTurns::default() })
    }

    /// The exception for an error of the queue.
    #[cold]
    pub fn error(py: Python<'_>, error: &BufferError) -> PyErr {
        errors::in_words(py, Words::Durable, error)
    }

    /// File work: detached, and an error is raised.
    pub fn work<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Files) -> BufferResult<T>) -> PyResult<T> {
        detached(py, || work(&self.files)).map_err(|error| Self::error(py, &error))
    }

    /// Adds an item, and waits for room as long as `patience` says. False: an item of its name is known
    /// already.
    pub fn put(
        &self,
        py: Python<'_>,
        item: &Bound<'_, PyAny>,
        options: Option<PushOptions>,
        patience: Patience,
    ) -> PyResult<BufferResult<bool>> {
        // Mostly there is nothing to wait for, and then to let go of the interpreter would take longer than
        // the rest.
        let at_once = |pieces| {
            let put = if options.is_none() { self.files.offer_at_once(pieces) } else { None };
            put.map(|put| put.map(|()| true).inspect_err(|_| self.files.note_refused(1)))
        };
        if let Some(put) = codec::raw(item).and_then(at_once) {
            return Ok(put);
        }
        let bytes = self.codec.encode(item)?;
        if let Some(put) = at_once([&[], &bytes]) {
            return Ok(put);
        }
        let options = options.unwrap_or_default();
        let put = patiently(
            py,
            patience,
            BufferError::is_capacity_error,
            || self.files.wait_for_room(),
            || detached(py, || self.files.offer_with_again(&bytes, &options)),
        )?;
        Ok(put.inspect_err(|_| self.files.note_refused(1)))
    }

    /// Adds all items or none, and waits for room for all as long as `patience` says.
    pub fn put_many(&self, py: Python<'_>, items: &Bound<'_, PyAny>, patience: Patience) -> PyResult<BufferResult<()>> {
        let batch = self.encode_all(items)?;
        let patience = if batch.len() > self.files.capacity() { Patience::None } else { patience };
        let mut place = Some(batch);
        let put = patiently(
            py,
            patience,
            BufferError::is_capacity_error,
            || self.files.wait_for_bulk_room(),
            || {
                detached(py, || self.files.offer_batch_again(place.take().unwrap_or_default())).map_err(|rejected| {
                    let (reason, batch) = rejected.into_parts();
                    place = Some(batch);
                    reason
                })
            },
        )?;
        Ok(put.inspect_err(|_| self.files.note_refused(place.map_or(0, |batch| batch.len()))))
    }

    fn encode_all(&self, items: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u8>>> {
        items.try_iter()?.map(|item| self.codec.encode(&item?)).collect()
    }

    /// Takes an item, and waits for one as long as `patience` says.
    pub fn get(&self, py: Python<'_>, patience: Patience) -> PyResult<BufferResult<Item>> {
        let trying = self.undone.trying();
        match self.files.take_at_once(|bytes| codec::raw_value(py, bytes)) {
            Some(Ok(AtOnce::Made(value))) => {
                self.undone.add(1);
                return Ok(Ok(value.into_any().unbind()));
            }
            Some(Ok(AtOnce::Outstanding(taken))) => return Ok(one(self.values(py, taken)?)),
            Some(Err(error)) => return Ok(Err(error)),
            None => drop(trying),
        }
        Ok(self.get_many(py, 1, patience)?.and_then(one))
    }

    /// Takes up to `max` items, and waits for the first as long as `patience` says.
    pub fn get_many(&self, py: Python<'_>, max: usize, patience: Patience) -> PyResult<BufferResult<Vec<Item>>> {
        let take = || {
            let taking = self.undone.taking();
            let taken = detached(py, || self.files.take_back(max)).map(|taken| (taken, taking));
            taken.inspect_err(|_| self.note_less()) // the attempt counted, too
        };
        match patiently(py, patience, is_empty, || self.files.wait_for_item(), take)? {
            Ok((taken, _taking)) => {
                if let Err(raised) = raised_meanwhile(py) {
                    detached(py, || drop(taken));
                    return Err(raised);
                }
                self.values(py, taken).map(Ok)
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Takes up to `max` items on lease, and waits for the first as long as `patience` says.
    pub fn lease(
        &self,
        py: Python<'_>,
        max: usize,
        ttl: Option<Duration>,
        patience: Patience,
    ) -> PyResult<BufferResult<Vec<Lease<Vec<u8>>>>> {
        let lease = || detached(py, || self.files.lease_batch(max, ttl));
        let leased = patiently(py, patience, is_empty, || self.files.wait_for_item(), lease)?;
        match raised_meanwhile(py) {
            Ok(()) => Ok(leased),
            Err(raised) => {
                detached(py, || drop(leased));
                Err(raised)
            }
        }
    }

    /// What the items are that were taken. Those from the first on that can't be understood go back; if there
    /// is no other, it is an error. All go back if somebody interrupts.
    pub fn values(&self, py: Python<'_>, taken: Taken) -> PyResult<Vec<Item>> {
        let mut values = Vec::new();
        let mut failed = None;
        for (index, bytes) in taken.items().enumerate() {
            match self.codec.decode(py, bytes) {
                Ok(value) => values.push(value.unbind()),
                Err(error) => {
                    failed = Some(unreadable(py, error, |why| taken.unreadable(index, why)));
                    break;
                }
            }
        }
        let Some(raised) = failed.filter(|raised| values.is_empty() || interrupts(py, raised)) else {
            let count = values.len();
            self.undone.add(count);
            // With nothing to put back, it only says so.
            let is_all = count == taken.items().len();
            let kept = if is_all { taken.keep(count) } else { detached(py, || taken.keep(count)) };
            if let Err(error) = kept {
                self.undone.remove(count);
                return Err(Self::error(py, &error));
            }
            return Ok(values);
        };
        detached(py, || drop(taken));
        Err(raised)
    }

    /// The value of a leased item. If it can't be understood, the lease is given back.
    pub fn leased(&self, py: Python<'_>, lease: Lease<Vec<u8>>) -> PyResult<(Lease<Vec<u8>>, Item)> {
        match self.value_of(py, lease.number(), &lease) {
            Ok(value) => Ok((lease, value)),
            Err(raised) => {
                detached(py, || drop(lease));
                Err(raised)
            }
        }
    }

    /// The value of an item that stays where it is.
    pub fn value_of(&self, py: Python<'_>, number: u64, bytes: &[u8]) -> PyResult<Item> {
        let name = |why: &dyn Display| BufferError::Corrupted(format!("item {number}: {why}"));
        self.codec.decode(py, bytes).map(Bound::unbind).map_err(|error| unreadable(py, error, name))
    }

    /// The next item of a look. `None` at its end.
    pub fn show(&self, py: Python<'_>, looking: &mut Looking) -> PyResult<Option<Item>> {
        let shown = detached(py, || looking.advance().map(|bytes| bytes.map(<[u8]>::to_vec)));
        let Some(bytes) = shown.map_err(|error| Self::error(py, &error))? else { return Ok(None) };
        match self.codec.decode(py, &bytes) {
            Ok(value) => Ok(Some(value.unbind())),
            Err(error) => Err(unreadable(py, error, |why| looking.unreadable(why))),
        }
    }

    /// How many items are in the queue and not dead, or were taken and are not reported as done.
    pub fn unfinished(&self) -> usize {
        loop {
            let done = self.undone.reports();
            // First those inside: an item that leaves counts as being taken before it does.
            let stats = self.files.stats();
            let inside = stats.queue.current_size.saturating_sub(stats.dead);
            let unfinished = inside.saturating_add(self.undone.count());
            // Who reports an item as done may have put another one in before.
            if unfinished > 0 || self.undone.reports() == done {
                return unfinished;
            }
        }
    }

    /// Tells those who wait until all is done that less may be left.
    pub fn note_less(&self) {
        self.files.note_change();
    }

    /// What its `repr` says. Waits for no lock of the files.
    pub fn facts(&self, maxsize: usize) -> Vec<String> {
        let items = self.files.len();
        let mut facts = vec![format!("{items} {}", if items == 1 { "item" } else { "items" })];
        if maxsize > 0 {
            facts.push(format!("maxsize={maxsize}"));
        }
        if self.files.is_closed() {
            facts.push("closed".into());
        }
        for (count, what) in [(self.files.waiting_consumers(), "get"), (self.files.waiting_producers(), "put")] {
            if count > 0 {
                facts.push(format!("{count} waiting to {what}"));
            }
        }
        facts
    }

    /// Whether a task should give way before it makes so many calls.
    pub fn gives_way(&self, takes: bool, calls: u32) -> bool {
        self.turns.is_due(takes, calls)
    }

    /// Blocks until nothing is left to do.
    pub fn join(&self, py: Python<'_>) -> PyResult<()> {
        let all_done = || if detached(py, || self.unfinished()) == 0 { Ok(()) } else { Err(BufferError::Empty) };
        patiently(py, Patience::Until(None), is_empty, || self.files.wait_for_change(), all_done).map(drop)
    }
}

/// Whether an exception is none that code of the item's own raises, such as KeyboardInterrupt.
pub fn interrupts(py: Python<'_>, raised: &PyErr) -> bool {
    !raised.is_instance_of::<PyException>(py)
}

/// What a signal handler raises for a signal that came while this thread was detached. The call then gives
/// back what it has taken: nobody would get its result.
fn raised_meanwhile(py: Python<'_>) -> PyResult<()> {
    if is_main_thread() { py.check_signals() } else { Ok(()) }
}

fn one(mut items: Vec<Item>) -> BufferResult<Item> {
    items.pop().ok_or(BufferError::Empty)
}

fn is_empty(error: &BufferError) -> bool {
    *error == BufferError::Empty
}

/// The exception for bytes that gave no value. `name` says where they stand.
#[cold]
fn unreadable(py: Python<'_>, error: DecodeError, name: impl FnOnce(&dyn Display) -> BufferError) -> PyErr {
    match error {
        DecodeError::Damaged { offset, why } => {
            errors::to_python(py, &name(&format!("at byte {offset} of the value: {why}")))
        }
        other => other.into_python(py),
    }
}

/// Tries until the attempt succeeds, fails for another reason than `waits` knows, or `patience` ends.
/// Registers before each attempt that a sleep follows, so no wake-up is missed.
///
/// An error is what a signal handler raised before an attempt; see `waiting::threads`.
fn patiently<'a, R>(
    py: Python<'_>,
    patience: Patience,
    waits: fn(&BufferError) -> bool,
    register: impl Fn() -> Waiter<'a>,
    mut attempt: impl FnMut() -> BufferResult<R>,
) -> PyResult<BufferResult<R>> {
    let mut last = attempt();
    let Patience::Until(deadline) = patience else { return Ok(last) };
    while last.as_ref().is_err_and(waits) {
        let mut waiter = register();
        py.check_signals()?;
        last = attempt();
        if !last.as_ref().is_err_and(waits) || !threads::sleep(py, &mut waiter, deadline)? {
            break;
        }
        drop(waiter);
        last = attempt();
    }
    Ok(last)
}
