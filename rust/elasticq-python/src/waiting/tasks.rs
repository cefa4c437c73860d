//! The tasks that wait for one condition of a buffer, in any number of event loops.
//!
//! A waiting task is a future at a place in the line of its event loop, first come, first served. Waking
//! takes the first future off the line of *each* event loop and sets it. Within a task of the same event loop
//! the future is set directly. Otherwise it is set through one `call_soon_threadsafe`, which serves every
//! future of that loop that is woken until it runs. (A task is a step of its loop, and after the step the
//! loop looks at what is ready. Any other code in the loop's thread may be a signal handler or a `__del__`
//! that interrupts the loop, on its way into a sleep or in the middle of one. Only `call_soon_threadsafe`
//! ends that sleep.) **A wake-up is a hint**: the woken task takes its item itself when it resumes, so
//! cancelling loses none. A task that finds the item gone goes back to its place. A task that is woken and
//! then cancelled passes the hint on.
//!
//! **With n items there, min(n, waiting) tasks of each event loop are on their way.** A put wakes one task in
//! each loop, a task that takes leaves fewer items, and a woken task that doesn't try passes the hint on. So
//! no loop depends on another one, which may stop or be busy for as long as it likes. Loops are not asked
//! whether they run. Nor is a loop left out because it was woken before: that would be right only if that
//! wake-up was for an item that is still there, and nothing can know that without counting the items.
//!
//! No wake-up is missed. A task enters (`count` is raised) *before* it looks at the buffer once more. A waker
//! changes the buffer *before* it reads `count`. Between these two steps both go through the buffer's lock
//! (see `wait` in the crate), or through a fence if the buffer has no lock (see `store::items`).
//!
//! The line keeps its futures alive, and with them their tasks and their event loop, as asyncio's own queue
//! does. All else holds the loop weakly. Futures of a loop that was closed are dropped when something would
//! wake them, at the latest when the garbage collector begins (`loops`); so the collector finds nothing of
//! ours in its way.
//!
//! Locks: first `state`, then a delivery's futures. Under neither is Python called or a reference dropped.
//! They are taken only while attached, so a process is never forked while another thread holds one. The tasks
//! that wait at a fork are the parent's: no thread of the child runs their event loops.

use super::futures::resolve;
use super::loops::{self, Waiters};
use super::threads::undisturbed;
use crate::raw::detach::stop_at_the_end;
use elasticq::forks;
use parking_lot::{Mutex, MutexGuard};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;
use std::{iter, mem};

/// A place in line. A task that is overtaken goes back to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    number: u64,
    /// When the task took it.
    since: Instant,
}

#[derive(Default)]
pub struct State {
    /// The process that the tasks wait in, by `elasticq::forks`.
    process: usize,
    /// Oldest first.
    groups: Vec<Group>,
    /// The last number that was given to a place or a group.
    last: u64,
}

/// The tasks of one event loop.
struct Group {
    number: u64,
    /// The event loop's address. While there are futures, which hold the loop, no other object has this
    /// address.
    address: usize,
    event_loop: Py<PyWeakrefReference>,
    line: Futures,
    /// The futures sent to the event loop, which holds them until it has run.
    delivery: Weak<Woken>,
}

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn next_place(&mut self) -> Place {
        Place { number: self.next(), since: Instant::now() }
    }

    fn group_of(&self, event_loop: &Bound<'_, PyAny>) -> Option<usize> {
        self.groups.iter().position(|group| group.is_of(event_loop))
    }
}

impl Group {
    fn is_of(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        self.address == event_loop.as_ptr() as usize
            && self.event_loop.bind(event_loop.py()).upgrade().is_some_and(|alive| alive.is(event_loop))
    }
}

/// Futures that their event loop is to set; `None` once it has done so.
type Woken = Mutex<Option<Vec<Py<PyAny>>>>;

/// Futures in the order of their places, which are numbers that only grow. A task that leaves from the middle
/// leaves a gap. So however many tasks are cancelled, each is found and removed in logarithmic time. A gap is
/// removed when it comes to an end of the line, and all gaps are removed when there are more gaps than
/// futures.
#[derive(Default)]
struct Futures {
    places: VecDeque<(Place, Option<Py<PyAny>>)>,
    gaps: usize,
}

impl Futures {
    fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    /// Adds a future at a place: a new place, or one that it had before.
    fn enter(&mut self, future: Py<PyAny>, place: Place) {
        if self.places.back().is_none_or(|(last, _)| last.number < place.number) {
            return self.places.push_back((place, Some(future)));
        }
        let index = self.places.partition_point(|(other, _)| other.number < place.number);
        match self.places.get_mut(index) {
            Some((other, gap)) if other.number == place.number => {
                *gap = Some(future);
                self.gaps -= 1;
            }
            _ => self.places.insert(index, (place, Some(future))),
        }
    }

    fn leave(&mut self, place: Place) -> Option<Py<PyAny>> {
        let index = self.places.binary_search_by_key(&place.number, |(other, _)| other.number).ok()?;
        let future = self.places[index].1.take()?;
        self.gaps += 1;
        while self.places.back().is_some_and(|(_, future)| future.is_none()) {
            self.places.pop_back();
            self.gaps -= 1;
        }
        self.skip_gaps();
        if self.gaps > self.places.len() / 2 {
            self.places.retain(|(_, future)| future.is_some());
            self.gaps = 0;
        }
        Some(future)
    }

    fn pop(&mut self) -> Option<Py<PyAny>> {
        let (_, future) = self.places.pop_front()?;
        self.skip_gaps();
        future
    }

    /// Makes sure that a future comes first, and that a long line gives its memory back when it is empty.
    fn skip_gaps(&mut self) {
        while self.places.front().is_some_and(|(_, future)| future.is_none()) {
            self.places.pop_front();
            self.gaps -= 1;
        }
        if self.places.is_empty() && self.places.capacity() > 64 {
            self.places = VecDeque::new();
        }
    }
}

/// The waiting tasks, first come first served in each event loop.
#[derive(Default)]
pub struct Tasks {
    count: AtomicUsize,
    state: Arc<Mutex<State>>,
}

/// What was taken off the line of one event loop.
enum Taken {
    /// The first future, of the event loop that runs here.
    Here(Py<PyAny>),
    /// The futures of another event loop that are not in a delivery yet.
    There(Py<PyWeakrefReference>, Vec<Py<PyAny>>),
}

impl Tasks {
    /// The state, without what was inherited from another process by a fork.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        while state.process != forks() {
            let last = state.last;
            let inherited = mem::replace(&mut *state, State { process: forks(), groups: Vec::new(), last });
            self.count.store(0, Ordering::Relaxed);
            drop(state);
            drop(inherited); // runs Python code, so without the lock
            state = self.state.lock();
        }
        state
    }

    /// Called after a change: counts the waiting tasks.
    fn note_count(&self, state: &State) {
        let waiting = state.groups.iter().map(|group| group.line.len()).sum();
        self.count.store(waiting, Ordering::Relaxed);
    }

    /// Adds a task, at the place that it had before if it was overtaken. Returns its place.
    pub fn enter(&self, event_loop: &Bound<'_, PyAny>, future: Py<PyAny>, place: Option<Place>) -> PyResult<Place> {
        let mut state = self.lock();
        let mut index = state.group_of(event_loop);
        if index.is_none() {
            drop(state);
            self.add_group(event_loop)?;
            state = self.lock();
            index = state.group_of(event_loop);
        }
        let place = place.unwrap_or_else(|| state.next_place());
        if let Some(group) = index.and_then(|index| state.groups.get_mut(index)) {
            group.line.enter(future, place);
        }
        self.note_count(&state);
        Ok(place)
    }

    #[cold]
    fn add_group(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let weakly = loops::note(event_loop, &self.state)?;
        let address = event_loop.as_ptr() as usize;
        let mut alive = Vec::new();
        let mut state = self.lock();
        let is_of_use = |group: &Group| {
            let event_loop = group.event_loop.bind(py).upgrade();
            let is_alive = event_loop.is_some();
            alive.extend(event_loop);
            is_alive || group.line.len() > 0
        };
        let (used, ended) = mem::take(&mut state.groups).into_iter().partition::<Vec<_>, _>(is_of_use);
        state.groups = used;
        let number = state.next();
        let (line, delivery) = (Futures::default(), Weak::new());
        state.groups.push(Group { number, address, event_loop: weakly, line, delivery });
        drop(state);
        drop((alive, ended));
        Ok(())
    }

    /// Removes a task. False: it was not in line any more, since it had been woken.
    pub fn leave(&self, place: Place) -> bool {
        let future = {
            let mut state = self.lock();
            let future = state.groups.iter_mut().find_map(|group| group.line.leave(place));
            self.note_count(&state);
            future
        };
        future.is_some()
    }

    /// Whether any tasks wait.
    #[inline]
    pub fn are_there(&self) -> bool {
        self.waiting() != 0
    }

    /// How many tasks wait. No lock.
    #[inline(always)]
    pub fn waiting(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// When the task came that has waited longest.
    pub fn longest_since(&self) -> Option<Instant> {
        // The first in each line has the first place, and a gap never comes first.
        let state = self.state.try_lock().filter(|state| state.process == forks())?;
        state.groups.iter().filter_map(|group| group.line.places.front()).map(|(place, _)| place.since).min()
    }

    /// Wakes up to `tasks` tasks of each event loop.
    #[inline]
    pub fn wake(&self, py: Python<'_>, tasks: usize) {
        if self.are_there() {
            self.wake_waiting(py, tasks);
        }
    }

    #[cold]
    fn wake_waiting(&self, py: Python<'_>, tasks: usize) {
        stop_at_the_end(); // this thread may have made only innermost calls before
        // If it can't be told which loop runs here, waking goes on through the loops' own queues.
        let running = undisturbed(py, || loop_of_this_task(py)).unwrap_or_else(|error| {
            error.write_unraisable(py, None);
            None
        });
        let here = running.as_ref().map_or(0, |running| running.as_ptr() as usize);
        let mut round = Round { tasks, here, group: 0, left: 0 };
        while let Some(taken) = self.take(py, &mut round) {
            match taken {
                Taken::Here(future) => match undisturbed(py, || resolve(future.bind(py))) {
                    Ok(waited) => round.left -= usize::from(waited),
                    Err(error) => error.write_unraisable(py, Some(future.bind(py))),
                },
                Taken::There(event_loop, futures) => {
                    let Some(event_loop) = event_loop.bind(py).upgrade() else { continue };
                    if let Err(error) = undisturbed(py, || self.send(&event_loop, round.group, &futures)) {
                        error.write_unraisable(py, Some(&event_loop));
                    }
                }
            }
        }
    }

    /// Takes the futures that are to be woken next off their line.
    fn take(&self, py: Python<'_>, round: &mut Round) -> Option<Taken> {
        let mut state = self.lock();
        let mut waiting = state.groups.iter_mut().filter(|group| group.line.len() > 0);
        let next = waiting.find(|group| group.number >= round.group + u64::from(round.left == 0));
        let mut on_its_way = None;
        let taken = next.and_then(|group| {
            if group.number != round.group {
                (round.group, round.left) = (group.number, round.tasks);
            }
            if group.address == round.here {
                return group.line.pop().map(Taken::Here);
            }
            let futures = iter::from_fn(|| group.line.pop()).take(mem::take(&mut round.left));
            on_its_way = group.delivery.upgrade();
            let mut woken = on_its_way.as_ref().map(|woken| woken.lock());
            let rest = match woken.as_mut().and_then(|woken| woken.as_mut()) {
                Some(woken) => {
                    woken.extend(futures);
                    Vec::new()
                }
                None => futures.collect(),
            };
            Some(Taken::There(group.event_loop.clone_ref(py), rest))
        });
        self.note_count(&state);
        drop(state);
        drop(on_its_way); // it may have lost its other owner meanwhile, and drops references then
        taken
    }

    /// Makes an event loop set these futures, which are of the group of this number.
    fn send(&self, event_loop: &Bound<'_, PyAny>, number: u64, futures: &[Py<PyAny>]) -> PyResult<()> {
        let py = event_loop.py();
        let is_closed = || event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy();
        if is_closed()? {
            self.state.forget(event_loop);
            return Ok(());
        }
        if futures.is_empty() {
            return Ok(());
        }
        let woken = Arc::new(Mutex::new(Some(futures.iter().map(|future| future.clone_ref(py)).collect())));
        let delivery = Bound::new(py, Delivery { woken: Arc::clone(&woken) })?;
        match event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (delivery,)) {
            Ok(_) => {
                let mut state = self.lock();
                if let Some(group) = state.groups.iter_mut().find(|group| group.number == number) {
                    group.delivery = Arc::downgrade(&woken);
                }
                Ok(())
            }
            // The loop was closed since we asked.
            Err(_) if is_closed()? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(state) = self.state.try_lock() else { return Ok(()) };
        state.groups.iter().try_for_each(|group| {
            visit.call(&group.event_loop)?;
            group.line.places.iter().try_for_each(|(_, future)| visit.call(future))
        })
    }

    /// For the garbage collector: gives everything up.
    pub fn clear(&self) {
        let groups = mem::take(&mut self.state.lock().groups);
        self.count.store(0, Ordering::Relaxed);
        drop(groups);
    }
}

/// How far the waking has come.
struct Round {
    /// How many tasks to wake of each event loop.
    tasks: usize,
    /// The address of the event loop that runs here.
    here: usize,
    /// The number of the group that is being woken.
    group: u64,
    /// How many tasks of that group are still to be woken.
    left: usize,
}

impl Waiters for Mutex<State> {
    fn forget(&self, event_loop: &Bound<'_, PyAny>) {
        let gone: Vec<Group> = {
            let mut state = self.lock();
            let (gone, others) = mem::take(&mut state.groups).into_iter().partition(|group| group.is_of(event_loop));
            state.groups = others;
            gone
        };
        drop(gone);
    }
}

/// Sets the futures of one event loop when that loop calls it.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Delivery {
    woken: Arc<Woken>,
}

#[pymethods]
impl Delivery {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        stop_at_the_end(); // the loop may run in another thread than before
        let futures = self.woken.lock().take();
        // Sets all of them, whatever setting one raises: a task that is left out would sleep on.
        let mut result = Ok(());
        for future in futures.into_iter().flatten() {
            result = result.and(resolve(future.bind(py)).map(drop));
        }
        result
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(futures) = self.woken.try_lock() else { return Ok(()) };
        futures.iter().flatten().try_for_each(|future| visit.call(future))
    }

    fn __clear__(&self) {
        let futures = self.woken.lock().take();
        drop(futures);
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
