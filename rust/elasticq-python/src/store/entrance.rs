//! `Entrance`: adding items to a `Store`, one or many, waiting for room or not; at one of the levels if the
//! buffer has levels.

use super::leveled::Leveled;
use super::{Attempt, Store};
use crate::arguments::patience::Patience;
use crate::errors::{self, Words};
use crate::raw::detach::stop_at_the_end;
use crate::raw::{Item, lists};
use elasticq::{BufferError, BufferResult, Rejected, Waiter};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::vec;

#[derive(Clone, Copy)]
pub struct Entrance<'a> {
    store: &'a Store,
    /// Set if the buffer has levels and another level than the middle one may be meant.
    level: Option<(&'a Leveled, usize)>,
}

impl Store {
    pub const fn entrance(&self) -> Entrance<'_> {
        Entrance { store: self, level: None }
    }

    /// The entrance to the level of a priority; if the buffer has no levels, the only one.
    pub fn entrance_at(&self, priority: usize) -> Entrance<'_> {
        Entrance { store: self, level: self.buffer.leveled().map(|leveled| (leveled, priority)) }
    }

    /// Wakes tasks for `count` items that were added.
    #[inline]
    pub fn added(&self, py: Python<'_>, count: usize) {
        self.getters.wake(py, count);
    }
}

impl<'a> Entrance<'a> {
    /// One attempt to add an item. If it is refused, that is not counted.
    pub fn offer(self, py: Python<'_>, item: Item) -> Result<(), Rejected<Item>> {
        let Some((leveled, priority)) = self.level else { return self.store.offer(py, item) };
        leveled.buffer.offer_again_with_priority(item, priority)?;
        self.store.added(py, 1);
        Ok(())
    }

    fn offer_batch(self, items: Vec<Item>) -> Result<(), Rejected<Vec<Item>>> {
        match self.level {
            Some((leveled, priority)) => leveled.buffer.offer_batch_again_with_priority(items, priority),
            None => self.store.buffer.offer_batch_again(items),
        }
    }

    /// Adds as many items as there is room for; returns their number.
    pub fn offer_some(self, py: Python<'_>, items: &mut vec::IntoIter<Item>) -> BufferResult<usize> {
        let offered = match self.level {
            Some((leveled, priority)) => leveled.buffer.offer_some(items, priority),
            None => self.store.buffer.offer_some(items),
        };
        offered.inspect(|&count| self.store.added(py, count))
    }

    fn offer_with(self, count: usize, make: &mut dyn FnMut(usize) -> Item) -> BufferResult<()> {
        match self.level {
            Some((leveled, priority)) => leveled.buffer.offer_with(count, priority, make),
            None => self.store.buffer.offer_with(count, make),
        }
    }

    /// Adds all items of a list or tuple if there is room for all at once. False: there is not, or it is
    /// something else.
    pub fn offer_sequence(self, py: Python<'_>, iterable: &Bound<'_, PyAny>) -> bool {
        match self.put_sequence(iterable) {
            Some((count, Ok(()))) => {
                self.store.added(py, count);
                true
            }
            _ => false,
        }
    }

    fn wait_for_room(self) -> Waiter<'a> {
        match self.level {
            Some((leveled, priority)) => leveled.buffer.wait_for_room_at_priority(priority),
            None => self.store.buffer.wait_for_room(),
        }
    }

    fn wait_for_bulk_room(self) -> Waiter<'a> {
        match self.level {
            Some((leveled, priority)) => leveled.buffer.wait_for_bulk_room_at_priority(priority),
            None => self.store.buffer.wait_for_bulk_room(),
        }
    }

    /// Waits as `patience` says, and tries again and again. A waiter that was registered for room at one
    /// level and leaves may have been woken for room at another level; so it passes the wake-up on.
    fn retry(
        self,
        py: Python<'_>,
        patience: Patience,
        register: impl Fn() -> Waiter<'a>,
        attempt: impl FnMut() -> Attempt,
    ) -> PyResult<bool> {
        let settled = self.store.retry(py, patience, register, attempt);
        if patience.waits() {
            self.store.buffer.pass_on();
        }
        settled
    }

    /// Adds an item, waiting for room as long as `patience` says. The reason of a refusal is `Closed`,
    /// `ResizeError` or a capacity error, also if the call waited in vain.
    pub fn put(self, py: Python<'_>, item: Item, patience: Patience) -> PyResult<BufferResult<()>> {
        match self.offer(py, item) {
            Ok(()) => Ok(Ok(())),
            Err(rejected) => Ok(self.put_waiting(py, rejected, patience)?.map_err(Into::into)),
        }
    }

    /// The rest of [`put`](Self::put), after the first attempt.
    #[cold]
    pub fn put_waiting(
        self,
        py: Python<'_>,
        rejected: Rejected<Item>,
        patience: Patience,
    ) -> PyResult<Result<(), Rejected<Item>>> {
        let mut refused = Some(rejected);
        let outcome = self.retry(
            py,
            patience,
            || self.wait_for_room(),
            || {
                let comes_to = |refused: &Option<Rejected<Item>>| {
                    refused.as_ref().map_or(Attempt::Settled, |rejected| Attempt::refused(rejected.reason()))
                };
                if comes_to(&refused) != Attempt::Settled {
                    refused = refused.take().and_then(|rejected| self.offer(py, rejected.into_inner()).err());
                }
                comes_to(&refused)
            },
        );
        let Some(mut rejected) = refused else { return outcome.map(|_| Ok(())) };
        if patience.waits() && Attempt::refused(rejected.reason()) == Attempt::Soon {
            rejected = Rejected::new(self.no_room_in_time(), rejected.into_inner());
        }
        if outcome.is_ok() {
            self.refused(py, rejected.reason(), 1);
        }
        outcome.map(|_| Err(rejected))
    }

    /// Adds all items of an iterable. Without patience it adds all or none, and counts a refusal. With
    /// patience it adds them in pieces as there is room; what could not be added by the end comes back with
    /// the reason.
    pub fn put_many(
        self,
        py: Python<'_>,
        iterable: &Bound<'_, PyAny>,
        patience: Patience,
    ) -> PyResult<Result<(), Refused>> {
        if let Some((count, added)) = self.put_sequence(iterable) {
            match added {
                Ok(()) => {
                    self.store.added(py, count);
                    return Ok(Ok(()));
                }
                Err(reason) if !patience.waits() || Attempt::refused(&reason) == Attempt::Settled => {
                    self.refused(py, &reason, count);
                    return Ok(Err(Refused { reason, items: collect(iterable)?, raised: None }));
                }
                Err(_) => {}
            }
        }
        let items = collect(iterable)?;
        let count = items.len();
        if patience.waits() {
            return Ok(self.put_in_pieces(py, items, patience));
        }
        match self.offer_batch(items) {
            Ok(()) => {
                self.store.added(py, count);
                Ok(Ok(()))
            }
            Err(rejected) => {
                let (reason, items) = rejected.into_parts();
                self.refused(py, &reason, count);
                Ok(Err(Refused { reason, items, raised: None }))
            }
        }
    }

    /// Adds all items of an iterable or none. Waits as long as `patience` says until there is room for all. A
    /// batch that never fits is refused at once; the first value says whether the batch may ever fit.
    pub fn put_all(
        self,
        py: Python<'_>,
        iterable: &Bound<'_, PyAny>,
        patience: Patience,
    ) -> PyResult<(bool, BufferResult<()>)> {
        let mut items = Some(collect(iterable)?);
        let count = items.as_ref().map_or(0, Vec::len);
        let may_fit = count <= self.max_capacity();
        let patience = if may_fit { patience } else { Patience::None };
        let mut added = Ok(());
        let mut attempt = || {
            added = Ok(());
            if let Err(rejected) = self.offer_batch(items.take().unwrap_or_default()) {
                let (reason, refused) = rejected.into_parts();
                items = Some(refused);
                added = Err(reason);
            }
            Attempt::of(&added)
        };
        let outcome = match attempt() {
            Attempt::Settled => Ok(true),
            _ => self.retry(py, patience, || self.wait_for_bulk_room(), attempt),
        };
        match &added {
            Ok(()) => self.store.added(py, count),
            Err(reason) if outcome.is_ok() => self.refused(py, reason, count),
            Err(_) => {}
        }
        outcome.map(|_| (may_fit, added))
    }

    fn max_capacity(self) -> usize {
        match self.level {
            Some((leveled, priority)) => leveled.max_capacity_at(priority),
            None => self.store.buffer.max_capacity(),
        }
    }

    /// The fast path for lists and tuples: no vector in between.
    fn put_sequence(self, iterable: &Bound<'_, PyAny>) -> Option<(usize, BufferResult<()>)> {
        let add = |count, make: &mut dyn FnMut(usize) -> Item| self.offer_with(count, make);
        if let Ok(list) = iterable.cast_exact::<PyList>() {
            Some(lists::put_list(list, add))
        } else if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
            Some(lists::put_tuple(tuple, add))
        } else {
            None
        }
    }

    fn put_in_pieces(self, py: Python<'_>, items: Vec<Item>, patience: Patience) -> Result<(), Refused> {
        let mut items = items.into_iter();
        let mut reason = None;
        let outcome = self.retry(
            py,
            patience,
            || self.wait_for_room(),
            || match self.offer_some(py, &mut items) {
                Ok(_) if items.len() == 0 => Attempt::Settled,
                Ok(_) => Attempt::Sleep,
                Err(error) => {
                    let attempt = Attempt::refused(&error);
                    if attempt == Attempt::Settled {
                        reason = Some(error);
                    }
                    attempt
                }
            },
        );
        if items.len() == 0 {
            return Ok(());
        }
        let reason = reason.unwrap_or_else(|| self.no_room_in_time());
        if outcome.is_ok() {
            self.refused(py, &reason, items.len());
        }
        Err(Refused { reason, items: items.collect(), raised: outcome.err().map(Box::new) })
    }

    /// Why an item is refused after a wait in vain.
    fn no_room_in_time(self) -> BufferError {
        BufferError::MaxCapacityReached(self.max_capacity())
    }

    /// Counts items that were refused for good, except those that go on to a queue that has moved. (Items
    /// that a signal handler's exception keeps out are not refused.)
    pub fn refused(self, py: Python<'_>, reason: &BufferError, count: usize) {
        if matches!(reason, BufferError::Closed) && self.store.moved.get(py).is_some() {
            return;
        }
        match self.level {
            Some((leveled, priority)) => leveled.buffer.note_refused_at_priority(count, priority),
            None => self.store.buffer.refused(reason, count),
        }
    }
}

/// What is left of a `put_many` that was cut short.
pub struct Refused {
    pub reason: BufferError,
    pub items: Vec<Item>,
    /// What a signal handler raised, if that cut it short.
    pub raised: Option<Box<PyErr>>,
}

impl Refused {
    /// For an exception that came when nothing was left to be added.
    pub fn raised(raised: PyErr) -> Self {
        Self { reason: BufferError::Full, items: Vec::new(), raised: Some(Box::new(raised)) }
    }

    /// Whether the only reason was that the queue is closed.
    pub fn is_for_closing(&self) -> bool {
        self.raised.is_none() && matches!(self.reason, BufferError::Closed)
    }

    /// The exception, in the words of a class, with the items that were not added.
    #[cold]
    pub fn into_exception(self, py: Python<'_>, words: Words) -> PyErr {
        let raised = self.raised.map_or_else(|| errors::in_words(py, words, &self.reason), |raised| *raised);
        let error = errors::made(py, raised);
        let attached = PyList::new(py, self.items).and_then(|items| error.value(py).setattr("remaining", items));
        attached.map_or_else(|failed| failed, |()| error)
    }
}

/// All items of an iterable.
pub fn collect(iterable: &Bound<'_, PyAny>) -> PyResult<Vec<Item>> {
    stop_at_the_end();
    iterable.try_iter()?.map(|item| item.map(Bound::unbind)).collect()
}
