//! `Operation`: what is awaited, as a state machine in place of a coroutine.
//!
//! A coroutine of Python's own around a call that doesn't block costs more than the call. An operation **does
//! nothing until it is awaited**, so one that is dropped leaves nothing behind. When it is awaited, it tries
//! at once; if that succeeds, it never suspends. (For single items `Awaitable` does that much already.)
//! Otherwise it may give way once (see `step`). Only then does it join the line, try once more, and suspend
//! with a future.
//!
//! A wake-up is only a hint, and the item is taken when the task resumes. So a task that is cancelled at any
//! moment has taken nothing.

use super::portrait::{Phase, Portrait};
use super::step::{self, Awaited, Step, step};
use crate::errors;
use crate::raw::Item;
use crate::standard::at_once;
use crate::store::entrance::collect;
use crate::store::moved::moved;
use crate::store::no_room;
use crate::store::object::{self, Elastic};
use crate::store::put::Put;
use crate::store::{Attempt, Store, Waiting};
use crate::waiting::futures::new_future;
use crate::waiting::tasks::Place;
use crate::waiting::turns;
use elasticq::{BufferError, Rejected};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyStopIteration};
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::{mem, vec};

/// What an operation is to do.
pub enum Aim {
    /// Taking an item.
    Get,
    /// Taking an item in `async for`.
    Next,
    /// Taking up to so many items.
    GetMany(usize),
    /// Adding an item.
    Put(Option<Item>),
    /// Adding these items, piece by piece.
    PutMany(vec::IntoIter<Item>),
    /// Adding these items at the level of a priority, piece by piece. `many`: an exception is given
    /// `remaining`.
    PutAt { items: vec::IntoIter<Item>, priority: usize, many: bool },
    /// Adding what stands in the line of a queue with a limit by weight.
    PutWeighed {
        put: Put,
        /// An exception is given `remaining`.
        many: bool,
    },
    /// Adding what is left of a batch, which is in a list, to a queue that has moved.
    PutManyMoved(Item),
    /// Looking at an item, which stays.
    Peek,
    /// Waiting until all tasks are done.
    Join,
}

impl Aim {
    /// The method that the operation was made for.
    const fn name(&self) -> &'static str {
        match self {
            Self::Get => "aget",
            Self::Next => "__anext__",
            Self::GetMany(_) => "aget_many",
            Self::Put(_) => "aput",
            Self::PutAt { many: false, .. } => "aput_with_priority",
            Self::PutAt { many: true, .. } => "aput_many_with_priority",
            Self::PutMany(_) | Self::PutWeighed { .. } | Self::PutManyMoved(_) => "aput_many",
            Self::Peek => "apeek",
            Self::Join => "ajoin",
        }
    }

    const fn waiting(&self) -> Waiting {
        match self {
            Self::Get | Self::Next | Self::GetMany(_) | Self::Peek => Waiting::Item,
            Self::Put(_) | Self::PutMany(_) | Self::PutAt { .. } | Self::PutWeighed { .. } | Self::PutManyMoved(_) => {
                Waiting::Room
            }
            Self::Join => Waiting::TasksDone,
        }
    }
}

enum Stage {
    /// Not in line yet.
    Early(step::Stage),
    /// In line, at this place; or woken, and so taken out of the line.
    Waiting(Place),
    Ended,
}

/// What came of resuming an operation.
pub enum Outcome {
    /// What the event loop's task is to be given: None, or a future to wait for.
    Suspend(Item),
    Return(Item),
}

/// A queue's answer that may take a while. Await it, once; it does nothing before.
#[pyclass(module = "elasticq._core")]
pub struct Operation {
    queue: Py<Elastic>,
    name: &'static str,
    aim: Aim,
    stage: Stage,
    /// Turns an exception into the one to be raised.
    translate: Option<Item>,
}

impl Operation {
    pub const fn new(queue: Py<Elastic>, aim: Aim, translate: Option<Item>) -> Self {
        Self { queue, name: aim.name(), aim, stage: Stage::Early(step::Stage::New), translate }
    }

    /// Goes on from where an `Awaitable` has come to.
    pub fn at(mut self, stage: step::Stage) -> Self {
        self.stage = Stage::Early(stage);
        self
    }

    fn store(&self) -> &Store {
        self.queue.get().store()
    }

    pub const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Early(step::Stage::New) => Phase::Created,
            Stage::Early(step::Stage::GaveWay) | Stage::Waiting(_) => Phase::Suspended,
            Stage::Ended => Phase::Ended,
        }
    }

    fn portrait<'a, 'py>(&self, queue: &'a Bound<'py, Elastic>) -> Portrait<'a, 'py> {
        Portrait { queue, name: self.name, of_view: self.translate.is_some(), phase: self.phase() }
    }

    fn attribute<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.portrait(self.queue.bind(py)).attribute(name)
    }

    #[inline]
    pub fn resume(&mut self, py: Python<'_>) -> PyResult<Outcome> {
        let outcome = match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Early(stage) => match step(&mut Resumed { operation: self, py }, stage) {
                Step::Settled(result) => result.map(Outcome::Return),
                Step::GiveWay => {
                    self.stage = Stage::Early(step::Stage::GaveWay);
                    return Ok(Outcome::Suspend(py.None()));
                }
                Step::Wait => self.wait(py, None),
            },
            Stage::Waiting(place) => self.look_again(py, place),
            Stage::Ended => Err(PyRuntimeError::new_err("cannot reuse what was already awaited")),
        };
        if !matches!(outcome, Ok(Outcome::Suspend(_))) {
            self.let_go();
        }
        outcome
    }

    /// Whether the operation should give way before it does anything.
    fn is_turn_due(&self) -> bool {
        let calls = match &self.aim {
            Aim::Get | Aim::Next | Aim::Put(_) => return false, // the thin object has asked
            Aim::GetMany(_) | Aim::PutMany(_) | Aim::PutAt { many: true, .. } => turns::BATCH,
            _ => 1,
        };
        self.store().turns.is_due(matches!(self.aim.waiting(), Waiting::Item), calls)
    }

    /// Lets go of what the operation holds: an operation that has ended may be kept by other code.
    fn let_go(&mut self) {
        drop(mem::replace(&mut self.aim, Aim::Join)); // comes last, since it may run Python code
    }

    /// Tries once more after the operation has waited at a place in line. If that fails, it waits there
    /// again.
    #[cold]
    fn look_again(&mut self, py: Python<'_>, place: Place) -> PyResult<Outcome> {
        match &self.aim {
            Aim::PutWeighed { put, .. } => put.leave(place),
            aim => _ = self.store().leave(aim.waiting(), place),
        }
        match self.attempt(py)? {
            Some(result) => {
                if matches!(self.aim, Aim::Peek) {
                    self.store().tell_next(py);
                }
                Ok(Outcome::Return(result))
            }
            None => self.wait(py, Some(place)),
        }
    }

    /// Joins the line, at the place that it had before if it had one, and tries once more.
    #[cold]
    fn wait(&mut self, py: Python<'_>, place: Option<Place>) -> PyResult<Outcome> {
        let entered = new_future(py).and_then(|(event_loop, future)| {
            let place = self.enter(&event_loop, future.clone().unbind(), place)?;
            Ok((place, future))
        });
        let (place, future) = entered.map_err(|no_event_loop| {
            self.end(py);
            self.with_remaining(py, no_event_loop)
        })?;
        self.stage = Stage::Waiting(place);
        // A thread that changed the queue before we entered did not see us.
        match self.attempt(py) {
            Ok(None) => Ok(Outcome::Suspend(future.unbind())),
            settled => {
                self.end(py);
                settled.map(|result| Outcome::Return(result.unwrap_or_else(|| py.None())))
            }
        }
    }

    fn enter(&mut self, event_loop: &Bound<'_, PyAny>, future: Py<PyAny>, place: Option<Place>) -> PyResult<Place> {
        let store = self.queue.get().store();
        match &mut self.aim {
            Aim::PutWeighed { put, .. } => put.enter(event_loop.py(), store, event_loop, future, place),
            aim => store.enter(aim.waiting(), event_loop, future, place),
        }
    }

    /// Tries once. `None`: not yet.
    #[inline]
    fn attempt(&mut self, py: Python<'_>) -> PyResult<Option<Item>> {
        let store = self.queue.get().store();
        let failed = match &mut self.aim {
            Aim::Get | Aim::Next => match store.take(py) {
                Ok(item) => return Ok(Some(item)),
                Err(error) => error,
            },
            Aim::Peek => match store.peek(py) {
                Ok(item) => return Ok(Some(item)),
                Err(error) => error,
            },
            Aim::Put(item) => match store.offer(py, item.take().unwrap_or_else(|| py.None())) {
                Ok(()) => return Ok(Some(py.None())),
                Err(rejected) => return self.refused(py, rejected),
            },
            Aim::GetMany(max) => match store.take_many(py, *max)? {
                Ok(list) => return Ok(Some(list.into_any().unbind())),
                Err(error) => error,
            },
            Aim::PutMany(items) => {
                if no_room::decides(store) {
                    let settled = no_room::offer_many(self.queue.bind(py), items.collect());
                    return self.settle(py, settled, true);
                }
                match store.entrance().offer_some(py, items) {
                    Ok(_) if items.len() == 0 => return Ok(Some(py.None())),
                    Ok(_) => return Ok(None),
                    Err(error) => error,
                }
            }
            Aim::PutAt { items, priority, .. } => match store.entrance_at(*priority).offer_some(py, items) {
                Ok(_) if items.len() == 0 => return Ok(Some(py.None())),
                Ok(_) => return Ok(None),
                Err(error) => error,
            },
            Aim::PutWeighed { put, .. } => {
                return match put.offer(py, store) {
                    Ok(added) => Ok(added.then(|| py.None())),
                    Err(raised) => {
                        let raised = self.translated(py, raised);
                        Err(self.with_remaining(py, raised))
                    }
                };
            }
            Aim::PutManyMoved(_) => BufferError::Closed,
            Aim::Join => {
                let all_done = object::is_all_done(self.queue.bind(py))?;
                return Ok(all_done.then(|| py.None()));
            }
        };
        self.failed(py, &failed)
    }

    /// Deals with an item that the buffer has refused.
    #[cold]
    fn refused(&mut self, py: Python<'_>, rejected: Rejected<Item>) -> PyResult<Option<Item>> {
        if no_room::decides(self.store()) {
            let settled = no_room::offer(self.queue.bind(py), rejected);
            return self.settle(py, settled, false);
        }
        let (reason, item) = rejected.into_parts();
        self.aim = Aim::Put(Some(item));
        self.failed(py, &reason)
    }

    /// Goes on after `no_room` has dealt with the items, or has weighed them.
    fn settle(&mut self, py: Python<'_>, settled: PyResult<Option<Put>>, many: bool) -> PyResult<Option<Item>> {
        match settled {
            Ok(None) => Ok(Some(py.None())),
            Ok(Some(put)) => {
                self.aim = Aim::PutWeighed { put, many };
                self.attempt(py)
            }
            Err(raised) => Err(self.translated(py, raised)),
        }
    }

    /// Tries once where the queue has moved to. The outer `None`: the queue has not moved.
    fn attempt_moved(&mut self, py: Python<'_>) -> Option<PyResult<Option<Item>>> {
        let queue = self.queue.bind(py);
        let store = queue.get().store();
        let standard = store.moved.get(py)?;
        let done = |done: Bound<'_, PyAny>| Ok(done.is_truthy()?.then(|| py.None()));
        match &mut self.aim {
            // `poll` and `glimpse` return the object that serves the queue in place of an item if there is
            // none.
            Aim::Get | Aim::Next => match at_once::get(queue) {
                Ok(None) => moved!(queue, store, "poll", standard)
                    .map(|taken| taken.map(|item| (!item.is(standard)).then(|| item.unbind()))),
                taken => Some(taken),
            },
            Aim::Peek => moved!(queue, store, "glimpse", standard)
                .map(|seen| seen.map(|item| (!item.is(standard)).then(|| item.unbind()))),
            Aim::GetMany(max) => moved!(queue, store, "poll_many", (*max).min(isize::MAX.unsigned_abs()))
                .map(|taken| taken.and_then(|list| Ok(list.is_truthy()?.then(|| list.unbind())))),
            Aim::Put(item) => match item.as_ref().map_or(Ok(false), |item| at_once::put(queue, item)) {
                Ok(false) => moved!(queue, store, "offer", &*item).map(|offered| offered.and_then(done)),
                put => Some(put.map(|_| Some(py.None()))),
            },
            Aim::PutMany(items) => {
                self.aim = match PyList::new(py, mem::take(items)) {
                    Ok(rest) => Aim::PutManyMoved(rest.into_any().unbind()),
                    Err(no_memory) => return Some(Err(no_memory)),
                };
                self.attempt_moved(py)
            }
            Aim::PutManyMoved(rest) => moved!(queue, store, "offer_some", &*rest).map(|all| all.and_then(done)),
            // `attempt` asks about `Join` itself. Queues with weights or with levels do not move.
            Aim::Join | Aim::PutWeighed { .. } | Aim::PutAt { .. } => None,
        }
    }

    #[cold]
    fn failed(&mut self, py: Python<'_>, error: &BufferError) -> PyResult<Option<Item>> {
        if let BufferError::Closed = error {
            match self.attempt_moved(py) {
                Some(Ok(result)) => return Ok(result),
                Some(Err(raised)) => return self.raise(py, raised),
                None => {}
            }
        }
        match Attempt::refused(error) {
            Attempt::Settled => {}
            Attempt::Soon => {
                // What it was woken for, or came to wait for, may still be there. So the first in line looks
                // again: this one or one that has waited longer.
                self.store().pass_on(py);
                return Ok(None);
            }
            Attempt::Sleep => return Ok(None),
        }
        match &self.aim {
            Aim::PutAt { items, priority, .. } => {
                self.store().entrance_at(*priority).refused(py, error, items.len());
            }
            Aim::Put(_) => self.store().buffer.refused(error, 1),
            Aim::PutMany(items) => self.store().buffer.refused(error, items.len()),
            _ => {}
        }
        self.raise(py, self.store().error(py, error))
    }

    /// Ends with an exception: one of ours, or one raised by a method that a subclass has overridden.
    fn raise<R>(&mut self, py: Python<'_>, raised: PyErr) -> PyResult<R> {
        let raised = errors::made(py, raised);
        if matches!(self.aim, Aim::Next) && raised.is_instance(py, errors::shut_down(py)?) {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        let raised = self.translated(py, raised);
        Err(self.with_remaining(py, raised))
    }

    fn translated(&self, py: Python<'_>, raised: PyErr) -> PyErr {
        let Some(translate) = &self.translate else { return raised };
        let raised = errors::made(py, raised);
        translate.bind(py).call1((raised,)).map_or_else(|failed| failed, PyErr::from_value)
    }

    /// If an exception cuts a batch short, gives it the list of what was not added.
    fn with_remaining(&mut self, py: Python<'_>, raised: PyErr) -> PyErr {
        let remaining = match &mut self.aim {
            Aim::PutMany(items) | Aim::PutAt { items, many: true, .. } => PyList::new(py, mem::take(items)),
            Aim::PutWeighed { put, many: true } => PyList::new(py, put.remaining()),
            Aim::PutManyMoved(rest) => collect(rest.bind(py)).and_then(|items| PyList::new(py, items)),
            _ => return raised,
        };
        let raised = errors::made(py, raised);
        let attached = remaining.and_then(|items| raised.value(py).setattr(intern!(py, "remaining"), items));
        attached.map_or_else(|failed| failed, |()| raised)
    }

    /// Ends the waiting before the operation has done what it was made for.
    fn end(&mut self, py: Python<'_>) {
        let stage = mem::replace(&mut self.stage, Stage::Ended);
        let store = self.queue.get().store();
        match (&mut self.aim, stage) {
            (Aim::PutWeighed { put, .. }, _) => put.give_up(py, store),
            (aim, Stage::Waiting(place)) => store.abandon(py, aim.waiting(), place),
            _ => {}
        }
    }
}

#[pymethods]
impl Operation {
    const fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Item>> {
        match self.resume(py)? {
            Outcome::Suspend(future) => Ok(Some(future)),
            // An iterator that ends without an exception stands for None, and that is cheaper.
            Outcome::Return(value) if value.is_none(py) => Ok(None),
            Outcome::Return(value) => Err(PyStopIteration::new_err((value,))),
        }
    }

    /// Go on, as a coroutine does.
    fn send(&mut self, py: Python<'_>, value: Item) -> PyResult<Item> {
        drop(value);
        match self.resume(py)? {
            Outcome::Suspend(future) => Ok(future),
            Outcome::Return(value) => Err(PyStopIteration::new_err((value,))),
        }
    }

    /// End with an exception, as a coroutine does. Nothing has been taken; what a batch had not yet added is
    /// in the exception's `remaining`.
    #[pyo3(signature = (kind, value=None, traceback=None, /))]
    fn throw(
        &mut self,
        py: Python<'_>,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Item> {
        drop(traceback);
        self.end(py);
        let raised = self.with_remaining(py, errors::thrown(kind, value)?);
        self.let_go();
        Err(raised)
    }

    /// End, as a coroutine does. Nothing has been taken.
    fn close(&mut self, py: Python<'_>) {
        self.end(py);
        self.let_go();
    }

    #[getter(__name__)]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "__name__")
    }

    #[getter(__qualname__)]
    fn qualname<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "__qualname__")
    }

    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "__class__")
    }

    #[getter(cr_await)]
    fn cr_await<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "cr_await")
    }

    #[getter(cr_code)]
    fn cr_code<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "cr_code")
    }

    #[getter(cr_frame)]
    fn cr_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "cr_frame")
    }

    #[getter(cr_origin)]
    fn cr_origin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "cr_origin")
    }

    #[getter(cr_suspended)]
    fn cr_suspended<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "cr_suspended")
    }

    #[getter(cr_state)]
    fn cr_state<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.try_borrow() {
            Ok(operation) => operation.attribute(slf.py(), "cr_state"),
            Err(_) => Ok(intern!(slf.py(), "CORO_RUNNING").clone().into_any()),
        }
    }

    #[getter(cr_running)]
    fn is_running(slf: &Bound<'_, Self>) -> bool {
        slf.try_borrow().is_err()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)?;
        visit.call(&self.translate)?;
        match &self.aim {
            Aim::Put(item) => visit.call(item),
            Aim::PutManyMoved(rest) => visit.call(rest),
            Aim::PutMany(items) | Aim::PutAt { items, .. } => {
                items.as_slice().iter().try_for_each(|item| visit.call(item))
            }
            Aim::PutWeighed { put, .. } => put.traverse(&visit),
            _ => Ok(()),
        }
    }

    fn __clear__(&mut self, py: Python<'_>) {
        if self.phase() != Phase::Created {
            self.end(py); // if it was never awaited, `drop` still has to warn of that
        }
        self.let_go();
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let in_line = matches!(&self.aim, Aim::PutWeighed { put, .. } if put.is_in_line());
        if in_line || matches!(self.stage, Stage::Waiting(_)) {
            Python::attach(|py| {
                // The operation may be dropped while an exception is being raised.
                let raised = PyErr::take(py);
                self.end(py);
                if let Some(raised) = raised {
                    raised.restore(py);
                }
            });
        } else if self.phase() == Phase::Created {
            Python::attach(|py| self.portrait(self.queue.bind(py)).warn());
        }
    }
}

/// An operation that is being resumed.
struct Resumed<'a, 'py> {
    operation: &'a mut Operation,
    py: Python<'py>,
}

impl Awaited for Resumed<'_, '_> {
    type Outcome = PyResult<Item>;

    #[inline]
    fn is_turn_due(&mut self) -> bool {
        self.operation.is_turn_due()
    }

    #[inline]
    fn attempt(&mut self) -> Option<PyResult<Item>> {
        self.operation.attempt(self.py).transpose()
    }

    /// Not if tasks wait already, since it would go before them; nor if it could join a line instead.
    fn may_give_way(&mut self) -> bool {
        let aim = &self.operation.aim;
        !matches!(aim, Aim::PutWeighed { .. }) && !self.operation.store().is_anybody_waiting(aim.waiting())
    }
}
