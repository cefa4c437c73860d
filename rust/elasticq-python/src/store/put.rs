//! `Put`: items with their weights on their way into a queue with a limit by weight; from a thread or a task.
//!
//! The items go in piece by piece as there is room. A producer that has to wait takes a place in the queue's
//! line and keeps it until all of its items are in, so nothing comes in between.

use super::entrance::Refused;
use super::{Attempt, Store};
use crate::arguments::patience::Patience;
use crate::raw::Item;
use crate::room::weights::Weighted;
use crate::waiting::line::Who;
use crate::waiting::tasks::{Place, Tasks};
use elasticq::{BufferError, BufferResult, Signal};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use std::sync::Arc;
use std::vec;

pub struct Put {
    /// The items that are not in yet.
    items: vec::IntoIter<Item>,
    /// The weights of all items of the put, also of those that are in.
    weights: Vec<usize>,
    place: Option<u64>,
    /// The waiting task itself, if a task waits.
    tasks: Arc<Tasks>,
}

impl Put {
    pub fn new(items: Vec<Item>, weights: Vec<usize>) -> Self {
        Self { items: items.into_iter(), weights, place: None, tasks: Arc::default() }
    }

    /// Adds what there is room for, if it is this put's turn. Returns whether all items are in then.
    ///
    /// An error is what a signal handler or an event loop has raised.
    fn attempt(&mut self, py: Python<'_>, store: &Store, weighted: &Weighted) -> PyResult<BufferResult<bool>> {
        if !may_go(py, store, weighted, self.place)? {
            return Ok(Ok(false));
        }
        let left = &self.weights[self.weights.len() - self.items.len()..];
        Ok(weighted.offer_some(&mut self.items, left).map(|count| {
            store.added(py, count);
            self.items.len() == 0
        }))
    }

    fn leave_line(&mut self, py: Python<'_>, weighted: &Weighted) {
        if let Some(place) = self.place.take() {
            self.tasks.clear();
            weighted.line.leave(py, place);
        }
    }

    /// Adds all items, waiting as long as `patience` says.
    pub fn wait(
        mut self,
        py: Python<'_>,
        store: &Store,
        weighted: &Weighted,
        patience: Patience,
    ) -> Result<(), Refused> {
        let mut settled = self.attempt(py, store, weighted);
        if let Ok(Ok(false)) = settled {
            let signal = Arc::new(Signal::new());
            let waited = own_loop(py).and_then(|own_loop| {
                let enter = || weighted.line.enter(py, Who::Thread(Arc::clone(&signal)), own_loop.as_ref());
                let attempt = || {
                    // It has no place at first, nor in a forked child.
                    if !self.place.is_some_and(|place| weighted.line.has(place)) {
                        self.place = Some(enter());
                    }
                    settled = self.attempt(py, store, weighted);
                    if let Ok(Ok(false)) = settled { Attempt::Sleep } else { Attempt::Settled }
                };
                store.retry(py, patience, || signal.waiter(), attempt)
            });
            if let Err(raised) = waited {
                settled = Err(raised);
            }
        }
        self.leave_line(py, weighted);
        if self.items.len() == 0 {
            return Ok(());
        }
        let (reason, raised) = match settled {
            Ok(Ok(_)) => (BufferError::Full, None),
            Ok(Err(reason)) => (reason, None),
            Err(raised) => (BufferError::Full, Some(Box::new(raised))),
        };
        if raised.is_none() {
            store.buffer.refused(&reason, self.items.len());
        }
        Err(Refused { reason, items: self.items.collect(), raised })
    }

    /// One attempt of a task; returns whether all items are in. If this was the last attempt, because of that
    /// or of an error, the put leaves the line.
    pub fn offer(&mut self, py: Python<'_>, store: &Store) -> PyResult<bool> {
        let weighted = store.weighted();
        let settled = match self.attempt(py, store, weighted) {
            Ok(Ok(false)) => return Ok(false),
            Ok(Ok(true)) => Ok(true),
            Ok(Err(reason)) => {
                store.buffer.refused(&reason, self.items.len());
                Err(store.error(py, &reason))
            }
            Err(raised) => Err(raised),
        };
        self.leave_line(py, weighted);
        settled
    }

    /// Lets a task wait for its turn. Its place in line stays; `place` is what this returned last time. The
    /// task must try once more after this and before it suspends.
    pub fn enter(
        &mut self,
        py: Python<'_>,
        store: &Store,
        event_loop: &Bound<'_, PyAny>,
        future: Py<PyAny>,
        place: Option<Place>,
    ) -> PyResult<Place> {
        if self.place.is_none() {
            let event_loop = PyWeakrefReference::new(event_loop)?.unbind();
            let who = Who::Task { event_loop, tasks: Arc::clone(&self.tasks) };
            self.place = Some(store.weighted().line.enter(py, who, None));
        }
        self.tasks.enter(event_loop, future, place)
    }

    /// Ends the waiting of a task that is about to try again.
    pub fn leave(&self, place: Place) {
        self.tasks.leave(place);
    }

    /// Ends the waiting for good.
    pub fn give_up(&mut self, py: Python<'_>, store: &Store) {
        self.leave_line(py, store.weighted());
    }

    pub const fn is_in_line(&self) -> bool {
        self.place.is_some()
    }

    /// Hands out the items that are not in.
    pub fn remaining(&mut self) -> vec::IntoIter<Item> {
        std::mem::take(&mut self.items)
    }

    /// For the garbage collector. The line shows what stands in it.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.items.as_slice().iter().try_for_each(|item| visit.call(item))
    }
}

/// Whether it is this place's turn, or, without a place, a newcomer's. After closing it is every producer's
/// turn, so that each is told of the closing.
pub fn may_go(py: Python<'_>, store: &Store, weighted: &Weighted, place: Option<u64>) -> PyResult<bool> {
    Ok(weighted.line.is_free(py, place)? || store.buffer.is_closed())
}

/// The event loop that runs in this thread. If asyncio was never imported, there is none; importing it would
/// take long.
fn own_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let modules = py.import("sys")?.getattr("modules")?;
    let running = match modules.call_method1("get", ("asyncio.events",))?.getattr_opt("_get_running_loop")? {
        Some(function) => function.call0()?,
        None => return Ok(None),
    };
    Ok((!running.is_none()).then_some(running))
}
