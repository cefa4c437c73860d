//! `Store`: a buffer of Python objects with the threads and the tasks that wait for it. Every class of queues is one
//! with a face of its own.
//!
//! Threads wait on the buffer's own signals, tasks in `getters` and `putters`; both kinds get a hint for every change
//! that concerns them and then try again.

use crate::asyncio::Tasks;
use crate::errors;
use crate::items::{Items, settle};
use crate::moved::Moved;
use crate::numbers::Patience;
use crate::raw::{Item, lists};
use crate::waiting;
use elasticq::{BufferError, BufferResult, Rejected, Waiter};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::ops::ControlFlow;

pub struct Store {
    pub buffer: Items,
    getters: Tasks,
    putters: Tasks,
    pub moved: Moved,
}

/// Which tasks: those that wait for an item, or those that wait for room.
#[derive(Clone, Copy)]
pub enum Waiting {
    ForItem,
    ForRoom,
}

impl Store {
    pub fn new(py: Python<'_>, buffer: BufferResult<Items>) -> PyResult<Self> {
        let buffer = buffer.map_err(|error| errors::to_python(py, &error))?;
        Ok(Self { buffer, getters: Tasks::default(), putters: Tasks::default(), moved: Moved::default() })
    }

    /// One attempt to add an item; not counted when refused.
    #[inline(always)]
    pub fn offer(&self, py: Python<'_>, item: Item) -> Result<(), Rejected<Item>> {
        if let Items::Locked(buffer) = &self.buffer {
            buffer.offer_again(item)?;
            self.getters.wake(py, 1);
            return Ok(());
        }
        self.offer_lock_free(py, item)
    }

    // Out of line, so that the plain way of the buffer with a lock stays short.
    #[inline(never)]
    fn offer_lock_free(&self, py: Python<'_>, item: Item) -> Result<(), Rejected<Item>> {
        let offered = self.buffer.offer_again(item);
        match &offered {
            Ok(()) => self.getters.wake(py, 1),
            Err(rejected) => self.give_up(py, rejected.reason()),
        }
        offered
    }

    /// One attempt to take an item.
    #[inline(always)]
    pub fn take(&self, py: Python<'_>) -> BufferResult<Item> {
        if let Items::Locked(buffer) = &self.buffer {
            let item = buffer.try_pop()?;
            self.putters.wake(py, 1);
            return Ok(item);
        }
        self.take_lock_free(py)
    }

    #[inline(never)]
    fn take_lock_free(&self, py: Python<'_>) -> BufferResult<Item> {
        let taken = self.buffer.try_pop();
        match &taken {
            Ok(_) => self.wake_after_taking(py, 1),
            Err(error) => self.give_up(py, error),
        }
        taken
    }

    /// Wakes tasks for `count` places that came free. Without a lock an item may be seen a moment after its producer has
    /// woken somebody for it, so whoever takes one and sees more wakes the next, and all at the end.
    #[inline(always)]
    fn wake_after_taking(&self, py: Python<'_>, count: usize) {
        self.putters.wake(py, count);
        if self.buffer.is_lock_free() && self.getters.are_there() {
            if self.buffer.is_closed() {
                self.getters.wake(py, usize::MAX);
            } else if !self.buffer.is_empty() {
                self.getters.wake(py, 1);
            }
        }
    }

    /// Who is turned away because another thread is at his end of the queue may have been woken for something that is still
    /// there: others are woken in his place.
    #[cold]
    fn give_up(&self, py: Python<'_>, reason: &BufferError) {
        if matches!(reason, BufferError::InvalidOperation(_)) {
            self.buffer.wake_others();
            self.getters.wake(py, 1);
            self.putters.wake(py, 1);
        }
    }

    /// Adds an item, waiting for room as long as `patience` says. The reason of a refusal is `Closed`, `ResizeError` or
    /// a capacity error, also where it waited in vain.
    pub fn put(&self, py: Python<'_>, item: Item, patience: Patience) -> PyResult<BufferResult<()>> {
        match self.offer(py, item) {
            Ok(()) => Ok(Ok(())),
            Err(rejected) => Ok(self.put_waiting(py, rejected, patience)?.map_err(Into::into)),
        }
    }

    /// The rest of [`put`](Self::put) after the first attempt.
    #[cold]
    pub fn put_waiting(
        &self,
        py: Python<'_>,
        rejected: Rejected<Item>,
        patience: Patience,
    ) -> PyResult<Result<(), Rejected<Item>>> {
        let mut refused = Some(rejected);
        let outcome = retry(
            py,
            patience,
            || self.buffer.wait_for_room(),
            || match refused.take() {
                Some(rejected) if rejected.reason().is_capacity_error() => {
                    refused = self.offer(py, rejected.into_inner()).err();
                    !refused.as_ref().is_some_and(|rejected| rejected.reason().is_capacity_error())
                }
                other => {
                    refused = other;
                    true
                }
            },
        );
        match refused {
            None => outcome.map(|_| Ok(())),
            Some(rejected) => {
                self.refused(py, rejected.reason(), 1);
                outcome.map(|_| Err(rejected))
            }
        }
    }

    /// Takes an item, waiting for one as long as `patience` says. `Empty` also where it waited in vain.
    pub fn get(&self, py: Python<'_>, patience: Patience) -> PyResult<BufferResult<Item>> {
        match self.take(py) {
            Err(BufferError::Empty) => {}
            settled => return Ok(settled),
        }
        self.get_waiting(py, patience, || self.take(py))
    }

    #[cold]
    fn get_waiting<R>(
        &self,
        py: Python<'_>,
        patience: Patience,
        take: impl Fn() -> BufferResult<R>,
    ) -> PyResult<BufferResult<R>> {
        let mut result = Err(BufferError::Empty);
        retry(
            py,
            patience,
            || self.buffer.wait_for_item(),
            || {
                result = take();
                !matches!(result, Err(BufferError::Empty))
            },
        )?;
        Ok(result)
    }

    /// Takes from 1 to `max` items, waiting for the first as long as `patience` says. `Empty` where none came.
    pub fn get_many<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        patience: Patience,
    ) -> PyResult<BufferResult<Bound<'py, PyList>>> {
        let take = || match lists::take(py, &self.buffer, max) {
            Ok(Ok(Some(list))) => {
                self.wake_after_taking(py, list.len());
                Ok(Ok(list))
            }
            Ok(Ok(None)) => Err(BufferError::Empty),
            Ok(Err(error)) => {
                self.give_up(py, &error);
                Err(error)
            }
            Err(raised) => Ok(Err(raised)),
        };
        let taken = match take() {
            Err(BufferError::Empty) => self.get_waiting(py, patience, take)?,
            settled => settled,
        };
        taken.map_or_else(|error| Ok(Err(error)), |list| list.map(Ok))
    }

    /// Adds all items of an iterable. Without patience all or none, and a refusal is counted. With patience, in pieces
    /// as there is room; what could not be added when it ends comes back with the reason.
    pub fn put_many(
        &self,
        py: Python<'_>,
        iterable: &Bound<'_, PyAny>,
        patience: Patience,
    ) -> PyResult<Result<(), Refused>> {
        if let Some((count, added)) = self.put_sequence(iterable) {
            match added {
                Ok(()) => {
                    self.getters.wake(py, count);
                    return Ok(Ok(()));
                }
                Err(reason) if !matches!(patience, Patience::Until(_)) || !reason.is_capacity_error() => {
                    self.refused(py, &reason, count);
                    return Ok(Err(Refused { reason, items: collect(iterable)?, raised: None }));
                }
                Err(_) => {}
            }
        }
        let items = collect(iterable)?;
        let count = items.len();
        if let Patience::Until(_) = patience {
            return Ok(self.put_in_pieces(py, items, patience));
        }
        match self.buffer.offer_batch_again(items) {
            Ok(()) => {
                self.getters.wake(py, count);
                Ok(Ok(()))
            }
            Err(rejected) => {
                let (reason, items) = rejected.into_parts();
                self.refused(py, &reason, count);
                Ok(Err(Refused { reason, items, raised: None }))
            }
        }
    }

    /// Adds all items of an iterable or none, waiting until there is room for all as long as `patience` says. A batch that
    /// never fits is refused at once; the first value tells whether it may ever fit.
    pub fn put_all(
        &self,
        py: Python<'_>,
        iterable: &Bound<'_, PyAny>,
        patience: Patience,
    ) -> PyResult<(bool, BufferResult<()>)> {
        let mut items = Some(collect(iterable)?);
        let count = items.as_ref().map_or(0, Vec::len);
        let may_fit = count <= self.buffer.max_capacity();
        let patience = if may_fit { patience } else { Patience::None };
        let mut added = Ok(());
        let mut attempt = || {
            added = Ok(());
            if let Err(rejected) = self.buffer.offer_batch_again(items.take().unwrap_or_default()) {
                let (reason, refused) = rejected.into_parts();
                items = Some(refused);
                added = Err(reason);
            }
            !added.as_ref().is_err_and(BufferError::is_capacity_error)
        };
        let outcome =
            if attempt() { Ok(true) } else { retry(py, patience, || self.buffer.wait_for_bulk_room(), attempt) };
        match &added {
            Ok(()) => self.getters.wake(py, count),
            Err(reason) => self.buffer.refused(reason, count),
        }
        outcome.map(|_| (may_fit, added))
    }

    /// The quick way for lists and tuples: no vector in between.
    fn put_sequence(&self, iterable: &Bound<'_, PyAny>) -> Option<(usize, BufferResult<()>)> {
        if let Ok(list) = iterable.cast_exact::<PyList>() {
            Some(lists::put_list(&self.buffer, list))
        } else if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
            Some(lists::put_tuple(&self.buffer, tuple))
        } else {
            None
        }
    }

    fn put_in_pieces(&self, py: Python<'_>, items: Vec<Item>, patience: Patience) -> Result<(), Refused> {
        let mut items = items.into_iter();
        let mut reason = BufferError::Full;
        let outcome = retry(
            py,
            patience,
            || self.buffer.wait_for_room(),
            || match self.buffer.offer_some(&mut items) {
                Ok(count) => {
                    self.getters.wake(py, count);
                    items.len() == 0
                }
                Err(error) => {
                    reason = error;
                    true
                }
            },
        );
        if items.len() == 0 {
            return Ok(());
        }
        self.refused(py, &reason, items.len());
        Err(Refused { reason, items: items.collect(), raised: outcome.err() })
    }

    /// Counts what was refused for good; what comes to a queue that has moved meanwhile is not.
    fn refused(&self, py: Python<'_>, reason: &BufferError, count: usize) {
        if !matches!(reason, BufferError::Closed) || self.moved.get(py).is_none() {
            self.buffer.refused(reason, count);
        }
    }

    /// Wakes up to `count` tasks that wait.
    pub fn wake_tasks(&self, py: Python<'_>, which: Waiting, count: usize) {
        settle();
        self.tasks(which).wake(py, count);
    }

    /// Refuses all items from now on and wakes everybody.
    pub fn close(&self, py: Python<'_>) {
        self.buffer.close();
        self.getters.wake(py, usize::MAX);
        self.putters.wake(py, usize::MAX);
    }

    /// Takes everything.
    pub fn drain(&self, py: Python<'_>) -> PyResult<Vec<Item>> {
        let items = self.buffer.drain().map_err(|error| errors::to_python(py, &error))?;
        if !items.is_empty() {
            self.wake_after_taking(py, items.len());
        }
        Ok(items)
    }

    /// References to all items, as they stand now.
    pub fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = self.buffer.iter_with(py, |item| item.clone_ref(py));
        PyList::new(py, items.map_err(|error| errors::to_python(py, &error))?)
    }

    pub fn peek(&self, py: Python<'_>) -> BufferResult<Item> {
        self.buffer.peek_with(py, |item| item.clone_ref(py))
    }

    /// Lets a task wait; it must try once more after this and before it suspends.
    pub fn enter(&self, which: Waiting, event_loop: Py<PyAny>, future: Py<PyAny>, front: bool) {
        self.tasks(which).enter(event_loop, future, front);
        settle();
    }

    /// Ends a task's waiting. If it was woken and there is still something to be had, the next one is woken in its place:
    /// the hint may have been for that.
    pub fn leave(&self, py: Python<'_>, which: Waiting, future: &Bound<'_, PyAny>) {
        let woken = !self.tasks(which).leave(future);
        let reason_to_wake = match which {
            Waiting::ForItem => !self.buffer.is_empty(),
            Waiting::ForRoom => self.buffer.len() < self.buffer.max_capacity(),
        };
        // Of a queue that has moved the buffer knows nothing; a hint too many does no harm.
        if woken && (reason_to_wake || self.moved.get(py).is_some()) {
            self.tasks(which).wake(py, 1);
        }
    }

    const fn tasks(&self, which: Waiting) -> &Tasks {
        match which {
            Waiting::ForItem => &self.getters,
            Waiting::ForRoom => &self.putters,
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let seen = self.buffer.try_visit(|item| match visit.call(item) {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => ControlFlow::Break(stop),
        });
        if let ControlFlow::Break(stop) = seen {
            return Err(stop);
        }
        visit.call(self.moved.held())?;
        self.getters.traverse(visit)?;
        self.putters.traverse(visit)
    }

    /// For the garbage collector: drops everything.
    pub fn clear_references(&self) {
        drop(self.buffer.drain());
        self.getters.clear();
        self.putters.clear();
    }
}

/// What is left of a `put_many` that was cut short.
pub struct Refused {
    pub reason: BufferError,
    pub items: Vec<Item>,
    /// What a signal handler raised, if that was it.
    pub raised: Option<PyErr>,
}

impl Refused {
    /// Whether nothing but the closing of the queue was the reason.
    pub fn is_for_closing(&self) -> bool {
        self.raised.is_none() && matches!(self.reason, BufferError::Closed)
    }

    /// The exception, with the items that were not added.
    #[cold]
    pub fn into_exception(self, py: Python<'_>) -> PyErr {
        let error = self.raised.unwrap_or_else(|| errors::to_python(py, &self.reason));
        let attached = PyList::new(py, self.items).and_then(|items| error.value(py).setattr("remaining", items));
        attached.map_or_else(|failed| failed, |()| error)
    }
}

/// Tries until it succeeds or `patience` ends; in the one order that misses no wake-up: try, register, try again, sleep.
fn retry<'a>(
    py: Python<'_>,
    patience: Patience,
    register: impl Fn() -> Waiter<'a>,
    mut attempt: impl FnMut() -> bool,
) -> PyResult<bool> {
    let Patience::Until(deadline) = patience else { return Ok(false) };
    let mut waiter = None;
    loop {
        if attempt() {
            return Ok(true);
        }
        match waiter.take() {
            None => waiter = Some(register()),
            Some(mut waiter) => {
                if !waiting::sleep(py, &mut waiter, deadline)? {
                    return Ok(false);
                }
            }
        }
    }
}

fn collect(iterable: &Bound<'_, PyAny>) -> PyResult<Vec<Item>> {
    iterable.try_iter()?.map(|item| item.map(Bound::unbind)).collect()
}
