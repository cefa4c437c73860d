//! The tasks that wait for one condition of a buffer, in any number of event loops.
//!
//! A waiting task is an entry (event loop, future), first come first served. Waking takes the first entry off the
//! line and sets its future: directly within a task of that event loop, else through one `call_soon_threadsafe`
//! that serves every future of the loop woken until it runs. (A task is a step of its loop, which goes on to look
//! at what is ready. Any other code in the loop's thread may be a signal handler, or a `__del__`, that interrupts
//! the loop on its way into a sleep, or in the middle of it; only a loop that is called so ends it.) **A wake-up is
//! a hint**: the woken task takes its item itself when it resumes, so cancelling loses none. Who finds the item
//! gone goes back to his place; who is woken and then cancelled passes the hint on.
//!
//! No wake-up is missed: a task enters (`count` is raised) *before* it looks at the buffer once more, a waker changes
//! the buffer *before* it reads `count`, and both go through the buffer's lock in between (see `wait` in the crate), or
//! through a fence where it has none (see `items`).
//!
//! Locks: `state`, then a delivery's `futures`. Python is called, and references are dropped, under neither. They are taken
//! only while attached, so a process is never forked while another thread holds one. The tasks that wait at a fork are the
//! parent's: no thread of the child runs their event loops.

use crate::raw::detach::stop_at_the_end;
use crate::waiting::undisturbed;
use elasticq::forks;
use parking_lot::{Mutex, MutexGuard};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Entry {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
}

#[derive(Default)]
struct State {
    /// The process that they wait in, by `elasticq::forks`.
    process: usize,
    line: Line,
    /// Sent to their event loops; those that have run or never will are weeded out when the next one is sent.
    deliveries: Vec<Py<Delivery>>,
}

/// The entries in the order of their places, which are numbers that only grow. Who leaves from the middle leaves a gap, so
/// that each of any number of tasks that are cancelled is found and gone in logarithmic time; gaps go when they come to an
/// end of the line, and all of them when they are more than the entries.
#[derive(Default)]
struct Line {
    places: VecDeque<(u64, Option<Entry>)>,
    gaps: usize,
    next: u64,
}

impl Line {
    fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    /// Adds an entry at the end, or at the place it had before. Gives its place.
    fn enter(&mut self, entry: Entry, place: Option<u64>) -> u64 {
        let Some(place) = place else {
            let place = self.next;
            self.next += 1;
            self.places.push_back((place, Some(entry)));
            return place;
        };
        let index = self.places.partition_point(|(other, _)| *other < place);
        match self.places.get_mut(index) {
            Some((other, gap)) if *other == place => {
                *gap = Some(entry);
                self.gaps -= 1;
            }
            _ => self.places.insert(index, (place, Some(entry))),
        }
        place
    }

    fn leave(&mut self, place: u64) -> Option<Entry> {
        let index = self.places.binary_search_by_key(&place, |(other, _)| *other).ok()?;
        let entry = self.places[index].1.take()?;
        self.gaps += 1;
        while self.places.back().is_some_and(|(_, entry)| entry.is_none()) {
            self.places.pop_back();
            self.gaps -= 1;
        }
        self.skip_gaps();
        if self.gaps > self.places.len() / 2 {
            self.places.retain(|(_, entry)| entry.is_some());
            self.gaps = 0;
        }
        Some(entry)
    }

    fn pop(&mut self) -> Option<Entry> {
        let (_, entry) = self.places.pop_front()?;
        self.skip_gaps();
        entry
    }

    /// Sees to it that an entry comes first, and that a long line gives its memory back when it is gone.
    fn skip_gaps(&mut self) {
        while self.places.front().is_some_and(|(_, entry)| entry.is_none()) {
            self.places.pop_front();
            self.gaps -= 1;
        }
        if self.places.is_empty() && self.places.capacity() > 64 {
            self.places = VecDeque::new();
        }
    }
}

/// A first-in, first-out list of waiting tasks.
#[derive(Default)]
pub struct Tasks {
    count: AtomicUsize,
    state: Mutex<State>,
}

/// What became of an attempt to wake one task.
enum Wake {
    /// It is on its way.
    Sent,
    /// It will be when its event loop runs again, so somebody else should be woken as well.
    Postponed,
    /// It no longer waits.
    Gone,
}

impl Tasks {
    /// The state, without what was inherited from another process.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        while state.process != forks() {
            let inherited = mem::replace(&mut *state, State { process: forks(), ..State::default() });
            self.count.store(0, Ordering::Relaxed);
            drop(state);
            drop(inherited); // runs Python code, so without the lock
            state = self.state.lock();
        }
        state
    }

    /// Adds a task, at the place it had before if it was overtaken. Gives its place.
    pub fn enter(&self, event_loop: Py<PyAny>, future: Py<PyAny>, place: Option<u64>) -> u64 {
        let mut state = self.lock();
        let place = state.line.enter(Entry { event_loop, future }, place);
        self.count.store(state.line.len(), Ordering::Relaxed);
        place
    }

    /// Removes a task; false if it was not there any more, that is, if it was woken.
    pub fn leave(&self, place: u64) -> bool {
        let entry = {
            let mut state = self.lock();
            let entry = state.line.leave(place);
            self.count.store(state.line.len(), Ordering::Relaxed);
            entry
        };
        entry.is_some()
    }

    /// Whether there are any.
    #[inline]
    pub fn are_there(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }

    /// Wakes up to `tasks` tasks.
    #[inline]
    pub fn wake(&self, py: Python<'_>, tasks: usize) {
        if self.are_there() {
            self.wake_waiting(py, tasks);
        }
    }

    #[cold]
    fn wake_waiting(&self, py: Python<'_>, tasks: usize) {
        stop_at_the_end(); // here one may come who has done nothing but plain calls
        // Waking goes on through the loop's own queue where it can't be told which loop this is.
        let running = loop_of_this_task(py).unwrap_or_else(|error| {
            error.write_unraisable(py, None);
            None
        });
        let mut left = tasks;
        while left > 0 {
            let Some(entry) = self.first() else { break };
            match undisturbed(py, || self.wake_one(py, running.as_ref(), &entry)) {
                Ok(Wake::Sent) => left -= 1,
                Ok(Wake::Postponed | Wake::Gone) => {}
                Err(error) => error.write_unraisable(py, Some(entry.future.bind(py))),
            }
        }
    }

    fn first(&self) -> Option<Entry> {
        let mut state = self.lock();
        let entry = state.line.pop();
        self.count.store(state.line.len(), Ordering::Relaxed);
        entry
    }

    fn wake_one(&self, py: Python<'_>, running: Option<&Bound<'_, PyAny>>, entry: &Entry) -> PyResult<Wake> {
        let event_loop = entry.event_loop.bind(py);
        if running.is_some_and(|running| running.is(event_loop)) {
            return Ok(if resolve(entry.future.bind(py))? { Wake::Sent } else { Wake::Gone });
        }
        if event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy()? {
            return Ok(Wake::Gone);
        }
        let runs = event_loop.call_method0(intern!(py, "is_running"))?.is_truthy()?;
        if !self.join_delivery(py, entry) {
            let futures = Mutex::new(Some(vec![entry.future.clone_ref(py)]));
            let delivery = Py::new(py, Delivery { event_loop: entry.event_loop.clone_ref(py), futures })?;
            if let Err(error) = event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (&delivery,)) {
                // Closed since we asked.
                return if event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy()? {
                    Ok(Wake::Gone)
                } else {
                    Err(error)
                };
            }
            self.remember(py, delivery);
        }
        Ok(if runs { Wake::Sent } else { Wake::Postponed })
    }

    /// Adds the entry's future to a delivery that is on its way to its event loop, if there is one.
    fn join_delivery(&self, py: Python<'_>, entry: &Entry) -> bool {
        let mut future = Some(entry.future.clone_ref(py));
        let state = self.lock();
        for delivery in state.deliveries.iter().map(Py::get) {
            if delivery.event_loop.is(&entry.event_loop) {
                if let Some(futures) = delivery.futures.lock().as_mut() {
                    futures.extend(future.take());
                    break;
                }
            }
        }
        drop(state);
        future.is_none()
    }

    fn remember(&self, py: Python<'_>, delivery: Py<Delivery>) {
        let mut deliveries = mem::take(&mut self.lock().deliveries);
        deliveries.retain(|delivery| delivery.get().is_on_its_way(py));
        deliveries.push(delivery);
        self.lock().deliveries.append(&mut deliveries);
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(state) = self.state.try_lock() else { return Ok(()) };
        for entry in state.line.places.iter().filter_map(|(_, entry)| entry.as_ref()) {
            visit.call(&entry.event_loop)?;
            visit.call(&entry.future)?;
        }
        state.deliveries.iter().try_for_each(|delivery| visit.call(delivery))
    }

    /// For the garbage collector: gives up everything.
    pub fn clear(&self) {
        let state = mem::take(&mut *self.state.lock());
        self.count.store(0, Ordering::Relaxed);
        drop(state);
    }
}

/// Sets the futures of one event loop when that loop calls it.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Delivery {
    event_loop: Py<PyAny>,
    /// `None` once it has run.
    futures: Mutex<Option<Vec<Py<PyAny>>>>,
}

impl Delivery {
    /// Whether its event loop may still call it.
    fn is_on_its_way(&self, py: Python<'_>) -> bool {
        let closed = || self.event_loop.bind(py).call_method0(intern!(py, "is_closed"))?.is_truthy();
        let has_run = self.futures.lock().is_none();
        !has_run && !undisturbed(py, closed).unwrap_or(true)
    }
}

#[pymethods]
impl Delivery {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let futures = self.futures.lock().take();
        futures.into_iter().flatten().try_for_each(|future| resolve(future.bind(py)).map(drop))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        let Some(futures) = self.futures.try_lock() else { return Ok(()) };
        futures.iter().flatten().try_for_each(|future| visit.call(future))
    }

    fn __clear__(&self) {
        let futures = self.futures.lock().take();
        drop(futures);
    }
}

/// Resolves a future from within its event loop; false if it was cancelled.
fn resolve(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = future.py();
    match future.call_method1(intern!(py, "set_result"), (py.None(),)) {
        Ok(_) => Ok(true),
        // Asking first would cost every wake-up a call.
        Err(_) if future.call_method0(intern!(py, "done"))?.is_truthy()? => Ok(false),
        Err(error) => Err(error),
    }
}

/// The event loop that runs in this thread, if this is within one of its tasks.
fn loop_of_this_task(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static CURRENT_TASK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = RUNNING_LOOP.import(py, "asyncio", "_get_running_loop")?.call0()?;
    if running.is_none() || CURRENT_TASK.import(py, "asyncio", "current_task")?.call1((&running,))?.is_none() {
        return Ok(None);
    }
    Ok(Some(running))
}
