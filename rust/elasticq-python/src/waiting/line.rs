//! `Line`: the threads and tasks that wait for room in a queue with a limit by weight, first come, first
//! served.
//!
//! Items need different amounts of room. Without an order, those that need little could overtake one that
//! needs much for ever. So here each waiter waits until all before it have been served. Only the first in
//! line is woken: when room has come, and when the one before it has left. A task whose event loop doesn't
//! run is no obstacle: it keeps its place and is passed by. A task whose loop is busy is an obstacle to all
//! behind it, whatever their loops. If it could be passed while its loop is busy, light items would pass it
//! each time that it has been woken, and the order would be worth nothing. (A task whose loop stops after it
//! was woken is passed by at the next look at the line. There is one whenever a consumer takes, and whenever
//! a waiter comes or leaves.)
//!
//! No wake-up is missed. A waiter registers (a thread with its signal, a task in its list) before it looks at
//! the line and the queue once more. A thread that makes room or leaves the line does so before it looks for
//! the first in line.
//!
//! A forked child has none of the waiters, so it begins with an empty line. A thread that was forked in the
//! middle of its wait, by a signal handler, finds that it is not in line any more and enters again.

use super::tasks::Tasks;
use super::threads::undisturbed;
use elasticq::{Signal, forks};
use parking_lot::{Mutex, MutexGuard};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use std::sync::Arc;
use std::time::Instant;

/// Who is in line.
#[derive(Clone, Copy, Default)]
pub struct InLine {
    pub threads: usize,
    pub tasks: usize,
    /// When the first of them came.
    pub longest: Option<Instant>,
}

/// Python is called, and references are dropped, only without the lock.
#[derive(Default)]
pub struct Line {
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// The process that the waiters are in, by `elasticq::forks`.
    process: usize,
    in_order: Vec<Place>,
    /// The next new number.
    next: u64,
}

struct Place {
    number: u64,
    since: Instant,
    who: Who,
}

/// The waiter that has a place, and how to wake it.
pub enum Who {
    Thread(Arc<Signal>),
    Task { event_loop: Py<PyWeakrefReference>, tasks: Arc<Tasks> },
}

impl Who {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Thread(signal) => Self::Thread(Arc::clone(signal)),
            Self::Task { event_loop, tasks } => {
                Self::Task { event_loop: event_loop.clone_ref(py), tasks: Arc::clone(tasks) }
            }
        }
    }

    fn wake(&self, py: Python<'_>) {
        match self {
            Self::Thread(signal) => signal.wake(1),
            Self::Task { tasks, .. } => tasks.wake(py, 1),
        }
    }

    /// Whether the waiter will look at the queue when it is woken.
    ///
    /// An error is what a signal handler or the event loop has raised.
    fn can_come(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Thread(_) => Ok(true),
            Self::Task { event_loop, .. } => match event_loop.bind(py).upgrade() {
                Some(event_loop) => event_loop.call_method0(intern!(py, "is_running"))?.is_truthy(),
                None => Ok(false),
            },
        }
    }
}

impl Line {
    /// The places, without those that were inherited from another process by a fork. The numbers go on, so
    /// that no number is given twice.
    fn lock(&self) -> MutexGuard<'_, Places> {
        let mut places = self.places.lock();
        while places.process != forks() {
            let inherited = std::mem::take(&mut places.in_order);
            places.process = forks();
            drop(places);
            drop(inherited); // runs Python code, so without the lock
            places = self.places.lock();
        }
        places
    }

    /// How many threads and tasks are in line, and since when; `None` if another thread is changing it. Waits
    /// for no lock.
    pub fn waiting(&self) -> Option<InLine> {
        let places = self.places.try_lock().filter(|places| places.process == forks())?;
        let threads = places.in_order.iter().filter(|place| matches!(place.who, Who::Thread(_))).count();
        let longest = places.in_order.iter().map(|place| place.since).min();
        Some(InLine { threads, tasks: places.in_order.len() - threads, longest })
    }

    /// Whether this place is in the line.
    pub fn has(&self, number: u64) -> bool {
        self.lock().in_order.iter().any(|place| place.number == number)
    }

    /// Takes a place at the end; returns its number. A thread that blocks its own event loop with this call
    /// goes before the tasks of that loop, since they can't come before it is done.
    pub fn enter(&self, py: Python<'_>, who: Who, own_loop: Option<&Bound<'_, PyAny>>) -> u64 {
        // An object has one such reference as long as any code holds it.
        let own_loop = own_loop.and_then(|event_loop| PyWeakrefReference::new(event_loop).ok());
        let is_own = |place: &Place| match (&place.who, &own_loop) {
            (Who::Task { event_loop, .. }, Some(own)) => own.is(event_loop),
            _ => false,
        };
        let mut places = self.lock();
        let number = places.next;
        places.next += 1;
        let index = places.in_order.iter().position(is_own).unwrap_or(places.in_order.len());
        places.in_order.insert(index, Place { number, since: Instant::now(), who });
        drop(places);
        // The waiters before it may have been passed over when room came, because of a task that could come
        // then and can't now.
        self.wake_before(py, Some(number));
        number
    }

    /// Gives up a place, and wakes the waiter that is first then.
    pub fn leave(&self, py: Python<'_>, number: u64) {
        let place = {
            let mut places = self.lock();
            let index = places.in_order.iter().position(|place| place.number == number);
            index.map(|index| places.in_order.remove(index))
        };
        if place.is_some() {
            self.wake_first(py);
        }
    }

    /// Whether no waiter that can come stands before this place; without a place, whether no such waiter is
    /// in line.
    pub fn is_free(&self, py: Python<'_>, number: Option<u64>) -> PyResult<bool> {
        let mut index = 0;
        while let Some(who) = self.other_at(py, index, number) {
            if who.can_come(py)? {
                return Ok(false);
            }
            index += 1;
        }
        Ok(true)
    }

    /// Wakes the first waiter that can come, and those before it.
    pub fn wake_first(&self, py: Python<'_>) {
        self.wake_before(py, None);
    }

    fn wake_before(&self, py: Python<'_>, number: Option<u64>) {
        let mut index = 0;
        while let Some(who) = self.other_at(py, index, number) {
            who.wake(py);
            match undisturbed(py, || who.can_come(py)) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => error.write_unraisable(py, None),
            }
            index += 1;
        }
    }

    /// The waiter at the place of this index, unless that is the place of this number or beyond the end.
    fn other_at(&self, py: Python<'_>, index: usize, number: Option<u64>) -> Option<Who> {
        let places = self.lock();
        let place = places.in_order.get(index).filter(|place| Some(place.number) != number);
        place.map(|place| place.who.clone_ref(py))
    }

    /// Wakes all waiters.
    pub fn wake_all(&self, py: Python<'_>) {
        let places = self.lock();
        let all: Vec<Who> = places.in_order.iter().map(|place| place.who.clone_ref(py)).collect();
        drop(places);
        all.iter().for_each(|who| who.wake(py));
    }

    /// For the garbage collector: gives everything up.
    pub fn clear(&self) {
        let places = std::mem::take(&mut self.places.lock().in_order);
        drop(places);
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(places) = self.places.try_lock() else { return Ok(()) };
        places.in_order.iter().try_for_each(|place| match &place.who {
            Who::Thread(_) => Ok(()),
            Who::Task { event_loop, tasks } => {
                visit.call(event_loop)?;
                tasks.traverse(visit)
            }
        })
    }
}
