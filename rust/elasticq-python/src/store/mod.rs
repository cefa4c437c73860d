//! `Store`: a buffer of Python objects with the threads and the tasks that wait for it. Every queue class is
//! a store with methods of its own.
//!
//! Threads wait on the buffer's own signals, tasks in `getters` and `putters`. Both get a hint for every
//! change that concerns them, and then try again.

mod attempt;
pub mod done;
pub mod entrance;
pub mod items;
pub mod last;
pub mod leveled;
mod looking;
pub mod moved;
pub mod no_room;
pub mod object;
pub mod put;
pub mod summary;
pub mod view;
pub mod waiters;

pub use self::attempt::Attempt;
use self::done::Done;
use self::items::{Items, settle};
use self::last::{Last, Lasting};
use self::moved::Moved;
use crate::arguments::patience::Patience;
use crate::errors::{self, Words};
use crate::raw::attached::attached;
use crate::raw::detach::{detached, stop_at_the_end};
use crate::raw::handover::LastTaker;
use crate::raw::{Item, lists};
use crate::room::overflow::Limits;
use crate::room::weights::Weighted;
use crate::waiting::tasks::{Place, Tasks};
use crate::waiting::threads;
use crate::waiting::turns::LoopTurns;
use elasticq::{BufferError, BufferResult, Parts, Rejected, Waiter};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

pub struct Store {
    pub buffer: Items,
    pub words: Words,
    getters: Tasks,
    putters: Tasks,
    joiners: Tasks,
    pub limits: Limits,
    pub moved: Moved,
    pub taker: LastTaker,
    done: Done,
    pub turns: LoopTurns,
    lasting: Lasting,
}

/// What tasks wait for.
#[derive(Clone, Copy)]
pub enum Waiting {
    Item,
    Room,
    /// Until all items that were put are done.
    TasksDone,
}

impl Store {
    pub fn new(py: Python<'_>, words: Words, buffer: BufferResult<Items>) -> PyResult<Self> {
        let buffer = buffer.map_err(|error| errors::to_python(py, &error))?;
        Ok(Self {
            buffer,
            words,
            getters: Tasks::default(),
            putters: Tasks::default(),
            joiners: Tasks::default(),
            limits: Limits::default(),
            moved: Moved::default(),
            taker: LastTaker::default(),
            done: Done::default(),
            turns: LoopTurns::default(),
            lasting: Lasting::default(),
        })
    }

    /// Where its counters will be when it goes.
    pub fn last(&self) -> Arc<Last> {
        self.lasting.wanted()
    }

    /// The exception for an error of this queue, in the words of its class.
    #[cold]
    pub fn error(&self, py: Python<'_>, error: &BufferError) -> PyErr {
        errors::in_words(py, self.words, error)
    }

    /// What a queue that has moved returns instead of an error; the error, if the queue has not moved.
    #[cold]
    pub fn instead(
        &self,
        py: Python<'_>,
        error: &BufferError,
        moved: Option<PyResult<Bound<'_, PyAny>>>,
    ) -> PyResult<Item> {
        moved.map_or_else(|| Err(self.error(py, error)), |given| given.map(Bound::unbind))
    }

    /// One attempt to add an item. If it is refused, that is not counted.
    #[inline(always)]
    pub fn offer(&self, py: Python<'_>, item: Item) -> Result<(), Rejected<Item>> {
        if let Items::Locked { buffer, .. } = &self.buffer {
            buffer.offer_again(item)?;
            self.getters.wake(py, 1);
            return Ok(());
        }
        if let Items::Other(buffer) = &self.buffer {
            buffer.offer_again(item)?;
            settle();
            self.getters.wake(py, 1);
            return Ok(());
        }
        self.offer_otherwise(py, item)
    }

    // Out of line, so that the fast path of the buffer with a lock stays short. (Other buffers are called out
    // of line anyway.)
    #[inline(never)]
    fn offer_otherwise(&self, py: Python<'_>, item: Item) -> Result<(), Rejected<Item>> {
        self.buffer.offer_again(item)?;
        self.getters.wake(py, 1);
        Ok(())
    }

    /// One attempt to take an item.
    #[inline(always)]
    pub fn take(&self, py: Python<'_>) -> BufferResult<Item> {
        if let Items::Locked { buffer, .. } = &self.buffer {
            match buffer.try_pop() {
                Ok(item) => {
                    self.putters.wake(py, 1);
                    return Ok(item);
                }
                Err(BufferError::Closed) => {} // always the case if the items have weights
                Err(error) => return Err(error),
            }
        } else if let Items::Other(buffer) = &self.buffer {
            let item = buffer.try_pop()?;
            settle();
            self.wake_after_taking(py, 1);
            return Ok(item);
        }
        self.take_otherwise(py)
    }

    #[inline(never)]
    fn take_otherwise(&self, py: Python<'_>) -> BufferResult<Item> {
        let item = self.buffer.try_pop()?;
        self.wake_after_taking(py, 1);
        Ok(item)
    }

    /// An attempt to add an item to the buffer with a lock, for callers that PyO3 does not know to be
    /// attached. So this drops no reference. An item that was not added comes back.
    #[inline(always)]
    pub fn offer_quickly(&self, py: Python<'_>, item: Item) -> Result<(), Item> {
        match &self.buffer {
            Items::Locked { buffer, .. } | Items::Lifo(buffer) => {
                buffer.offer_again(item).map_err(Rejected::into_inner)?;
            }
            Items::Leveled(leveled) => leveled.offer_again(item).map_err(Rejected::into_inner)?,
            _ => return Err(item),
        }
        if self.getters.are_there() {
            attached(py, |py| self.getters.wake(py, 1));
        }
        Ok(())
    }

    /// The same, for taking an item.
    #[inline(always)]
    pub fn take_quickly(&self, py: Python<'_>) -> Option<Item> {
        let item = match &self.buffer {
            Items::Locked { buffer, .. } => buffer.try_pop().ok()?,
            Items::Lifo(buffer) => buffer.try_pop_newest().ok()?,
            Items::Leveled(leveled) => leveled.try_pop().ok()?,
            _ => return None,
        };
        if self.putters.are_there() {
            attached(py, |py| self.wake_after_taking(py, 1));
        }
        Some(item)
    }

    /// Wakes tasks for `count` places that came free. In a buffer without a lock, an item may become visible
    /// a moment after its producer has woken a task for it. So a consumer that takes an item and sees more
    /// wakes the next task; once the queue is closed, it wakes all.
    #[inline(always)]
    pub fn wake_after_taking(&self, py: Python<'_>, count: usize) {
        if let Some(leveled) = self.buffer.leveled() {
            return self.putters.wake(py, leveled.concerned(count));
        }
        self.putters.wake(py, count);
        if let Some(weighted) = self.buffer.weighted() {
            weighted.line.wake_first(py);
        } else if self.buffer.is_other() && self.getters.are_there() {
            if self.buffer.is_closed() {
                self.getters.wake(py, usize::MAX);
            } else if !self.buffer.is_empty() {
                self.getters.wake(py, 1);
            }
        }
    }

    /// For a waiter that found another thread at this end of the queue. It may have been woken for something
    /// that is still there, so the first in line are woken for that.
    #[cold]
    pub fn pass_on(&self, py: Python<'_>) {
        self.buffer.pass_on();
        self.getters.wake(py, 1);
        self.putters.wake(py, 1);
    }

    /// Adds an item if the fast path is free (see `quick::calls`); otherwise hands it back. Never calls
    /// Python. The look for waiting tasks is made under the lock. A task first joins its line and then looks
    /// at the buffer, through the same lock. So a task that doesn't see this item is seen here.
    #[inline(always)]
    pub fn offer_plain(&self, item: Item) -> Result<(), Item> {
        let Some(buffer) = self.buffer.of_queue() else { return Err(item) };
        buffer.offer_plain(item, || !self.getters.are_there())
    }

    /// Takes an item if the fast path is free; otherwise `None`. As [`offer_plain`](Self::offer_plain).
    #[inline(always)]
    pub fn take_plain(&self) -> Option<Item> {
        match &self.buffer {
            Items::Locked { buffer, .. } => buffer.take_plain(|| !self.putters.are_there()),
            Items::Lifo(buffer) => buffer.take_newest_plain(|| !self.putters.are_there()),
            _ => None,
        }
    }

    /// [`take_plain`](Self::take_plain) from a buffer with levels.
    #[inline(always)]
    pub fn take_plain_leveled(&self) -> Option<Item> {
        let Items::Leveled(leveled) = &self.buffer else { return None };
        leveled.take_plain(|| !self.putters.are_there())
    }

    /// [`offer_plain`](Self::offer_plain) at the level of a priority; `None`: at the middle level.
    #[inline(always)]
    pub fn offer_plain_at(&self, item: Item, priority: Option<usize>) -> Result<(), Item> {
        let Items::Leveled(leveled) = &self.buffer else { return Err(item) };
        leveled.offer_plain(item, priority.unwrap_or(leveled.middle()), || !self.getters.are_there())
    }

    /// The buffer with weights, for a `Put`, which only that buffer makes.
    pub fn weighted(&self) -> &Weighted {
        self.buffer.weighted().expect("only a buffer with weights makes a Put")
    }

    /// Adds an item. Returns the oldest item if that was evicted for it. Only for a `Queue` and its like.
    pub fn force(&self, py: Python<'_>, item: Item) -> Result<Option<Item>, Rejected<Item>> {
        let Some(buffer) = self.buffer.of_queue() else { return Err(Rejected::new(BufferError::Full, item)) };
        let evicted = buffer.force_push_again(item)?;
        self.added(py, 1);
        Ok(evicted)
    }

    /// Adds all items. Returns those that were evicted for them. Only for a `Queue` and its like.
    pub fn force_many(&self, py: Python<'_>, items: Vec<Item>) -> Result<Vec<Item>, Rejected<Vec<Item>>> {
        let Some(buffer) = self.buffer.of_queue() else { return Err(Rejected::new(BufferError::Full, items)) };
        let count = items.len();
        let evicted = buffer.offer_evicting(items, 0)?;
        self.added(py, count);
        Ok(evicted)
    }

    /// Takes an item, waiting for one as long as `patience` says. If it waited in vain, the error is `Empty`.
    pub fn get(&self, py: Python<'_>, patience: Patience) -> PyResult<BufferResult<Item>> {
        match self.take(py) {
            Err(reason) if Attempt::refused(&reason) != Attempt::Settled => {
                self.get_waiting(py, patience, reason, || self.take(py))
            }
            settled => Ok(settled),
        }
    }

    /// The rest of [`get`](Self::get), after the first attempt was refused for `reason`.
    #[cold]
    fn get_waiting<R>(
        &self,
        py: Python<'_>,
        patience: Patience,
        reason: BufferError,
        take: impl Fn() -> BufferResult<R>,
    ) -> PyResult<BufferResult<R>> {
        let mut result = Err(if patience.waits() { BufferError::Empty } else { reason });
        self.retry(
            py,
            patience,
            || self.buffer.wait_for_item(),
            || {
                let taken = take();
                let attempt = Attempt::of(&taken);
                if attempt == Attempt::Settled {
                    result = taken;
                }
                attempt
            },
        )?;
        Ok(result)
    }

    /// Tries until it is settled (true) or `patience` ends (false). The order is the only one that misses no
    /// wake-up: try, register, try again, sleep. A thread that finds another one at this end of the queue at
    /// that very moment doesn't sleep, but tries again.
    ///
    /// First this lets the other threads go on for a moment. Often they bring what is wanted, and more of it,
    /// and a put that wakes nothing costs a fraction of one that does.
    ///
    /// An error is what a signal handler raised before an attempt; see `waiting::threads`.
    pub fn retry<'a>(
        &self,
        py: Python<'_>,
        patience: Patience,
        register: impl Fn() -> Waiter<'a>,
        mut attempt: impl FnMut() -> Attempt,
    ) -> PyResult<bool> {
        let Patience::Until(deadline) = patience else { return Ok(false) };
        detached(py, thread::yield_now);
        py.check_signals()?;
        let mut last = attempt();
        loop {
            match last {
                Attempt::Settled => return Ok(true),
                Attempt::Soon => {
                    detached(py, thread::yield_now);
                    let raised = py.check_signals();
                    if raised.is_err() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        self.pass_on(py);
                        return raised.map(|()| false);
                    }
                    last = attempt();
                }
                Attempt::Sleep => {
                    let mut waiter = register();
                    py.check_signals()?;
                    last = attempt();
                    if last == Attempt::Sleep {
                        let woken = threads::sleep(py, &mut waiter, deadline)?;
                        drop(waiter);
                        if !woken {
                            return Ok(false);
                        }
                        last = attempt();
                    }
                }
            }
        }
    }

    /// One attempt to take from 1 to `max` items.
    pub fn take_many<'py>(&self, py: Python<'py>, max: usize) -> PyResult<BufferResult<Bound<'py, PyList>>> {
        let room = self.buffer.len().min(max);
        if room == 0 {
            // Nothing is added after closing. So if it is first seen closed and then empty, it stays empty.
            let ended = max > 0 && self.buffer.is_closed() && self.buffer.is_empty();
            return Ok(Err(if ended { BufferError::Closed } else { BufferError::Empty }));
        }
        Ok(match lists::take(py, room, |places| self.buffer.pop_into(places))? {
            Ok(Some(list)) => {
                self.wake_after_taking(py, list.len());
                Ok(list)
            }
            Ok(None) => Err(BufferError::Empty),
            Err(error) => Err(error),
        })
    }

    /// Takes from 1 to `max` items, waiting for the first as long as `patience` says. If none came, the error
    /// is `Empty`.
    pub fn get_many<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        patience: Patience,
    ) -> PyResult<BufferResult<Bound<'py, PyList>>> {
        let take = || match self.take_many(py, max) {
            Ok(taken) => taken.map(Ok),
            Err(raised) => Ok(Err(raised)),
        };
        let taken = match take() {
            Err(reason) if Attempt::refused(&reason) != Attempt::Settled => {
                self.get_waiting(py, patience, reason, take)?
            }
            settled => settled,
        };
        taken.map_or_else(|error| Ok(Err(error)), |list| list.map(Ok))
    }

    /// Wakes up to `count` waiting tasks of each event loop.
    pub fn wake_tasks(&self, py: Python<'_>, which: Waiting, count: usize) {
        settle();
        self.tasks(which).wake(py, count);
    }

    /// Refuses all items from now on and wakes all waiters.
    pub fn close(&self, py: Python<'_>) {
        self.buffer.close();
        self.getters.wake(py, usize::MAX);
        self.putters.wake(py, usize::MAX);
        if let Some(weighted) = self.buffer.weighted() {
            weighted.line.wake_all(py);
        }
    }

    /// Takes everything.
    pub fn drain(&self, py: Python<'_>) -> PyResult<Vec<Item>> {
        let items = self.buffer.drain().map_err(|error| self.error(py, &error))?;
        if !items.is_empty() {
            self.wake_after_taking(py, items.len());
        }
        Ok(items)
    }

    /// Takes everything out, to be dropped: nobody was given these items.
    pub fn discard(&self, py: Python<'_>) -> PyResult<Vec<Item>> {
        let items = self.buffer.discard().map_err(|error| self.error(py, &error))?;
        if !items.is_empty() {
            self.wake_after_taking(py, items.len());
        }
        Ok(items)
    }

    /// Whether anything was ever put in, the buffer was closed, or a task waits.
    pub fn is_used(&self) -> bool {
        let waiting = [Waiting::Item, Waiting::Room, Waiting::TasksDone];
        self.buffer.is_used() || waiting.into_iter().any(|which| self.is_anybody_waiting(which))
    }

    /// Whether a task waits.
    pub fn is_anybody_waiting(&self, which: Waiting) -> bool {
        self.tasks(which).are_there()
    }

    /// Lets a task wait, at the place that it had before if it had one. The task must try once more after
    /// this and before it suspends. Returns its place.
    pub fn enter(
        &self,
        which: Waiting,
        event_loop: &Bound<'_, PyAny>,
        future: Py<PyAny>,
        place: Option<Place>,
    ) -> PyResult<Place> {
        let place = self.tasks(which).enter(event_loop, future, place);
        settle();
        place
    }

    /// Ends the waiting of a task that is about to try again. False: it was woken.
    pub fn leave(&self, which: Waiting, place: Place) -> bool {
        self.tasks(which).leave(place)
    }

    /// Ends the waiting of a task that gives up. If it was woken, the next task is woken in its place.
    pub fn abandon(&self, py: Python<'_>, which: Waiting, place: Place) {
        if !self.leave(which, place) {
            self.pass_hint_on(py, which);
        }
    }

    /// For a task that was woken and gives up, and has left its line. If there still is an item (or room),
    /// the next task is woken, since the hint may have been for that.
    pub fn pass_hint_on(&self, py: Python<'_>, which: Waiting) {
        let reason_to_wake = match which {
            Waiting::Item => !self.buffer.is_empty(),
            Waiting::Room => self.buffer.len() < self.buffer.max_capacity(),
            Waiting::TasksDone => false, // all of them are woken
        };
        // If the queue has moved, the buffer knows nothing of it. A hint too many does no harm.
        if reason_to_wake || self.moved.get(py).is_some() {
            self.tasks(which).wake(py, self.buffer.leveled().map_or(1, |leveled| leveled.concerned(1)));
        }
    }

    /// The number of unfinished tasks; `None` once the queue has moved.
    pub fn unfinished(&self) -> Option<u64> {
        self.done.unfinished(|| self.buffer.pushed())
    }

    /// Counts one item as done. False: as many items were done already as were put, or the queue has moved.
    pub fn task_done(&self, py: Python<'_>) -> bool {
        let counted = self.done.count_one(|| self.buffer.pushed());
        self.tell_if_done(py, counted)
    }

    /// Counts items as done that left without being handed out. False: the queue has moved.
    pub fn finish(&self, py: Python<'_>, items: usize) -> bool {
        let counted = self.done.count_lost(|| self.buffer.pushed(), items);
        self.tell_if_done(py, counted)
    }

    fn tell_if_done(&self, py: Python<'_>, counted: bool) -> bool {
        if counted && self.unfinished() == Some(0) {
            self.wake_joiners(py);
        }
        counted
    }

    /// Waits until everything is done. False: the queue has moved.
    pub fn join(&self, py: Python<'_>) -> PyResult<bool> {
        while let Some(unfinished) = self.unfinished() {
            if unfinished == 0 {
                return Ok(true);
            }
            let mut waiter = self.done.waiter();
            if matches!(self.unfinished(), None | Some(0)) {
                continue;
            }
            threads::sleep(py, &mut waiter, None)?;
        }
        Ok(false)
    }

    /// Makes the threads in `join` and the tasks in `ajoin` look again.
    pub fn wake_joiners(&self, py: Python<'_>) {
        self.done.wake();
        self.wake_tasks(py, Waiting::TasksDone, usize::MAX);
    }

    /// Begins counting the tasks done anew.
    pub fn forget_what_is_done(&self) {
        self.done.forget();
    }

    /// Hands the count of unfinished tasks to what serves the queue from now on, which alone knows the limit
    /// then. So timeouts are always looked at.
    pub fn hand_over(&self) -> u64 {
        self.limits.set_may_refuse(true);
        self.done.hand_over(self.buffer.pushed())
    }

    const fn tasks(&self, which: Waiting) -> &Tasks {
        match which {
            Waiting::Item => &self.getters,
            Waiting::Room => &self.putters,
            Waiting::TasksDone => &self.joiners,
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut seen = Ok(());
        self.buffer.try_visit(&mut |item| {
            seen = visit.call(item);
            if seen.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        seen?;
        if let Some(weighted) = self.buffer.weighted() {
            weighted.traverse(visit)?;
        }
        visit.call(self.moved.held())?;
        self.getters.traverse(visit)?;
        self.putters.traverse(visit)?;
        self.joiners.traverse(visit)
    }

    /// For the garbage collector: drops everything.
    pub fn clear_references(&self) {
        drop(self.buffer.discard());
        if let Some(weighted) = self.buffer.weighted() {
            weighted.line.clear();
        }
        self.getters.clear();
        self.putters.clear();
        self.joiners.clear();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.lasting.leave(|| last::stats_of(&self.buffer, &self.moved));
        stop_at_the_end(); // dropping the items may run Python code
    }
}
