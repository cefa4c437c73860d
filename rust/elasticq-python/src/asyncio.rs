//! The tasks that wait for one condition of a buffer, in any number of event loops.
//!
//! A waiting task is an entry (event loop, future), first come first served. Waking takes the first entry off the list
//! and sets its future: directly when the caller runs in that event loop, else through one `call_soon_threadsafe` that
//! serves every future of the loop woken until it runs. **A wake-up is a hint**: the woken task takes its item itself
//! when it resumes, so cancelling loses none. Who finds the item gone goes back to the front; who is woken and then
//! cancelled passes the hint on.
//!
//! No wake-up is missed: a task enters (`count` is raised) *before* it looks at the buffer once more, a waker changes
//! the buffer *before* it reads `count`, and both go through the buffer's lock in between (see `wait` in the crate), or
//! through a fence where it has none (see `items`).
//!
//! Locks: `state`, then a delivery's `futures`. Python is called, and references are dropped, under neither.

use parking_lot::Mutex;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Entry {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// Sent to their event loops; those that have run or never will are weeded out when the next one is sent.
    deliveries: Vec<Py<Delivery>>,
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
    /// Adds a task, at the front if it was there before and was overtaken.
    pub fn enter(&self, event_loop: Py<PyAny>, future: Py<PyAny>, front: bool) {
        let mut state = self.state.lock();
        let entry = Entry { event_loop, future };
        if front {
            state.waiting.push_front(entry);
        } else {
            state.waiting.push_back(entry);
        }
        self.count.store(state.waiting.len(), Ordering::Relaxed);
    }

    /// Removes a task; false if it was not there any more, that is, if it was woken.
    pub fn leave(&self, future: &Bound<'_, PyAny>) -> bool {
        let entry = {
            let mut state = self.state.lock();
            let place = state.waiting.iter().position(|entry| entry.future.is(future));
            let entry = place.and_then(|place| state.waiting.remove(place));
            self.count.store(state.waiting.len(), Ordering::Relaxed);
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
        let running = running_loop(py);
        let mut left = tasks;
        while left > 0 {
            let Some(entry) = self.first() else { break };
            match self.wake_one(py, running.as_ref(), &entry) {
                Ok(Wake::Sent) => left -= 1,
                Ok(Wake::Postponed | Wake::Gone) => {}
                Err(error) => error.write_unraisable(py, Some(entry.future.bind(py))),
            }
        }
    }

    fn first(&self) -> Option<Entry> {
        let mut state = self.state.lock();
        let entry = state.waiting.pop_front();
        self.count.store(state.waiting.len(), Ordering::Relaxed);
        entry
    }

    fn wake_one(&self, py: Python<'_>, running: Option<&Bound<'_, PyAny>>, entry: &Entry) -> PyResult<Wake> {
        let event_loop = entry.event_loop.bind(py);
        if running.is_some_and(|running| running.is(event_loop)) {
            return Ok(if resolve(entry.future.bind(py))? { Wake::Sent } else { Wake::Gone });
        }
        if event_loop.call_method0("is_closed")?.is_truthy()? {
            return Ok(Wake::Gone);
        }
        let runs = event_loop.call_method0("is_running")?.is_truthy()?;
        if !self.join_delivery(py, entry) {
            let futures = Mutex::new(Some(vec![entry.future.clone_ref(py)]));
            let delivery = Py::new(py, Delivery { event_loop: entry.event_loop.clone_ref(py), futures })?;
            if let Err(error) = event_loop.call_method1("call_soon_threadsafe", (&delivery,)) {
                // Closed since we asked.
                return if event_loop.call_method0("is_closed")?.is_truthy()? { Ok(Wake::Gone) } else { Err(error) };
            }
            self.remember(py, delivery);
        }
        Ok(if runs { Wake::Sent } else { Wake::Postponed })
    }

    /// Adds the entry's future to a delivery that is on its way to its event loop, if there is one.
    fn join_delivery(&self, py: Python<'_>, entry: &Entry) -> bool {
        let mut future = Some(entry.future.clone_ref(py));
        let state = self.state.lock();
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
        let mut deliveries = std::mem::take(&mut self.state.lock().deliveries);
        deliveries.retain(|delivery| delivery.get().is_on_its_way(py));
        deliveries.push(delivery);
        self.state.lock().deliveries.append(&mut deliveries);
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(state) = self.state.try_lock() else { return Ok(()) };
        for entry in &state.waiting {
            visit.call(&entry.event_loop)?;
            visit.call(&entry.future)?;
        }
        state.deliveries.iter().try_for_each(|delivery| visit.call(delivery))
    }

    /// For the garbage collector: gives up everything.
    pub fn clear(&self) {
        let state = std::mem::take(&mut *self.state.lock());
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
        let closed = || self.event_loop.bind(py).call_method0("is_closed")?.is_truthy();
        let has_run = self.futures.lock().is_none();
        !has_run && !closed().unwrap_or(true)
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
    if future.call_method0("done")?.is_truthy()? {
        return Ok(false);
    }
    future.call_method1("set_result", (future.py().None(),))?;
    Ok(true)
}

/// The event loop that runs in this thread.
fn running_loop(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = RUNNING_LOOP.import(py, "asyncio", "_get_running_loop").ok()?.call0().ok()?;
    (!running.is_none()).then_some(running)
}
