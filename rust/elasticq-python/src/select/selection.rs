//! `Selection`: what `aselect` awaits.
//!
//! A task stands in the lines of all queues with one future. Whatever sets that future, the task then looks
//! at all queues. Queues in memory set it directly, as they do for `aget`. A queue in files gets a future of
//! Rust's that takes its next item (it waits for no disk in this thread), and that rings a bell.
//!
//! **An item of a queue in files may be coming**: it has left its queue, and that is not synced yet. Then it
//! is the result, and the task looks at no other queue. Otherwise a busy queue in memory would always be
//! faster, and the item would go back each time. It also goes back if the call raises.
//!
//! **No Python code runs between the taking of an item and the end of the call**, but code of event loops,
//! for those who are woken (`waiting::threads`). So what a signal handler raises costs no item. A coroutine
//! that ends with what it awaits runs no handler, either.

use super::sources::{Kind, Search, Sources, Taken, all_ended, none_in_time, take};
use crate::arguments::numbers::{Truth, seconds};
use crate::durable::undone::Attempt;
use crate::durable::{Durable, interrupts, tasks};
use crate::errors;
use crate::raw::Item;
use crate::raw::detach::{detached, drop_detached, stop_at_the_end};
use crate::store::{Store, Waiting};
use crate::waiting::bells::{self, Asleep, Bell, locked};
use crate::waiting::futures::{new_future, resolver};
use crate::waiting::pending::Work;
use crate::waiting::tasks::Place;
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyStopIteration;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// One call of `aselect`. Does nothing before it is awaited; is awaited once.
#[pyclass(generic, module = "elasticq._core", name = "_Selection")]
pub struct Selection {
    sources: Sources,
    has_begun: bool,
    timeout: Option<Duration>,
    /// The time of the event loop at which the task waits no longer, and what sets the future then.
    deadline: Option<f64>,
    timer: Option<Item>,
    /// One for each queue.
    standings: Vec<Standing>,
    works: Arc<Works>,
    bell: Option<Arc<Bell>>,
    /// The queue in files whose item is coming.
    coming: Option<usize>,
}

/// How the task stands in the line of a queue in memory.
#[derive(Clone, Default)]
struct Standing {
    place: Option<Place>,
    is_in_line: bool,
    /// Whether the task was woken for this queue, and has not seen since that it is empty.
    is_woken: bool,
}

/// What takes the next item of each queue in files, once it has begun.
struct Works {
    begun: Mutex<Vec<Option<Work>>>,
    /// How many of them have an item.
    taking: Arc<AtomicUsize>,
}

/// What a step comes to.
enum Step {
    Suspend(Item),
    /// The queue and its item.
    Return(Item, Item),
}

#[pymethods]
impl Selection {
    #[new]
    #[pyo3(signature = (queues, timeout, ordered, /))]
    fn new(queues: &Bound<'_, PyAny>, timeout: Option<&Bound<'_, PyAny>>, ordered: Truth) -> PyResult<Self> {
        let sources = Sources::new(queues, ordered)?;
        let timeout = timeout.map_or(Ok(None), |timeout| seconds("timeout", timeout))?;
        let count = sources.iter().count();
        let begun = Mutex::new((0..count).map(|_| None).collect());
        Ok(Self {
            sources,
            has_begun: false,
            timeout,
            deadline: None,
            timer: None,
            standings: vec![Standing::default(); count],
            works: Arc::new(Works { begun, taking: Arc::default() }),
            bell: None,
            coming: None,
        })
    }

    const fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Item> {
        stop_at_the_end();
        match self.step(py) {
            Ok(Step::Suspend(future)) => Ok(future),
            Ok(Step::Return(queue, item)) => Err(PyStopIteration::new_err(((queue, item),))),
            Err(raised) => {
                self.leave(py, None);
                Err(raised)
            }
        }
    }

    /// End with an exception, as a coroutine does. Nothing has been taken.
    #[pyo3(signature = (kind, value=None, traceback=None, /))]
    fn throw(
        &mut self,
        py: Python<'_>,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Item> {
        drop(traceback);
        self.close(py)?;
        Err(errors::thrown(kind, value)?)
    }

    /// End, as a coroutine does. Nothing has been taken.
    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        stop_at_the_end();
        self.leave(py, None);
        self.stop_timer(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timer)?;
        self.sources.traverse(&visit)
    }
}

impl Selection {
    /// Goes on until there is an item, or until the task has to await a future. The order is: look at all
    /// queues, join their lines, look again, sleep.
    fn step(&mut self, py: Python<'_>) -> PyResult<Step> {
        if !mem::replace(&mut self.has_begun, true) && self.is_turn_due() {
            return Ok(Step::Suspend(py.None()));
        }
        self.stop_timer(py)?;
        self.leave_lines();
        if let Some(found) = self.look(py)? {
            return Ok(found);
        }
        let (event_loop, future) = new_future(py)?;
        if self.is_over(&event_loop)? {
            return Err(none_in_time(py));
        }
        self.enter(&event_loop, &future)?;
        if let Some(found) = self.look(py)? {
            return Ok(found);
        }
        self.set_timer(&event_loop, &future)?;
        Ok(Step::Suspend(future.unbind()))
    }

    /// Whether the task should give way before it does anything.
    fn is_turn_due(&self) -> bool {
        match &self.sources.get(0).queue {
            Kind::Memory(queue) => queue.get().store().turns.is_due(true, 1),
            Kind::Files(durable, _) => durable.gives_way(true, 1),
        }
    }

    /// Looks at all queues. `None`: there is no item, or one is coming.
    fn look(&mut self, py: Python<'_>) -> PyResult<Option<Step>> {
        match self.search(py)? {
            Search::Found(index, item) => {
                self.leave(py, Some(index));
                return Ok(Some(Step::Return(self.sources.name(py, index), item)));
            }
            Search::Ended => return Err(all_ended(py)),
            // It does not look at the other queues again before it has that item.
            Search::Empty if self.coming.is_some() => self.pass_on(py, None),
            Search::Empty => self.standings.iter_mut().for_each(|standing| standing.is_woken = false),
            Search::Busy => self.look_again(py),
        }
        Ok(None)
    }

    fn search(&mut self, py: Python<'_>) -> PyResult<Search> {
        let mut failed = None;
        if let Some(index) = self.coming.take() {
            let taken = self.take(py, index);
            if self.works.have_item() {
                self.coming = Some(index);
                return Ok(Search::Empty);
            }
            match taken {
                Ok(Ok(item)) => return Ok(Search::Found(index, item)),
                Err(raised) if interrupts(py, &raised) => return Err(raised),
                // It could not be synced, or not be understood. So it went back.
                taken => failed = Some((index, taken)),
            }
        }
        let mut coming = None;
        let searched = self.sources.search_by(py, |index| {
            if coming.is_some() {
                return Ok(Err(BufferError::Empty));
            }
            if let Some((_, taken)) = failed.take_if(|(failed, _)| *failed == index) {
                return taken;
            }
            let taken = self.take(py, index);
            coming = self.works.have_item().then_some(index);
            taken
        });
        self.coming = coming;
        if coming.is_some() { Ok(Search::Empty) } else { searched }
    }

    fn take(&self, py: Python<'_>, index: usize) -> Taken {
        match &self.sources.get(index).queue {
            Kind::Memory(queue) => take(queue.bind(py)),
            Kind::Files(durable, _) => self.poll(py, index, durable),
        }
    }

    /// Goes on with taking the next item of a queue in files.
    fn poll(&self, py: Python<'_>, index: usize, durable: &Arc<Durable>) -> Taken {
        let begun = locked(&self.works.begun)[index].take();
        let mut work = begun.unwrap_or_else(|| {
            let taking = Arc::clone(&self.works.taking);
            Box::pin(tasks::getting(durable, move || Attempt::begin(Arc::clone(&taking))))
        });
        let waker = self.bell.as_ref().map_or_else(|| Waker::noop().clone(), |bell| Waker::from(Arc::clone(bell)));
        match detached(py, || work.as_mut().poll(&mut Context::from_waker(&waker))) {
            Poll::Pending => {
                locked(&self.works.begun)[index] = Some(work);
                Ok(Err(BufferError::Empty))
            }
            Poll::Ready(outcome) => {
                detached(py, || drop(work));
                match outcome(py) {
                    Err(ended) if ended.is_instance(py, errors::shut_down(py)?) => Ok(Err(BufferError::Closed)),
                    taken => taken.map(Ok),
                }
            }
        }
    }

    /// Wakes the first in line where another thread may be at work. What is there may be for that one, which
    /// may be this task.
    fn look_again(&mut self, py: Python<'_>) {
        for (store, standing) in in_memory(&self.sources, &mut self.standings) {
            if standing.is_in_line && store.buffer.is_other() {
                store.pass_on(py);
            }
        }
    }

    fn enter(&mut self, event_loop: &Bound<'_, PyAny>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut has_files = false;
        for (source, standing) in self.sources.iter().zip(&mut self.standings) {
            match &source.queue {
                Kind::Memory(queue) => {
                    let store = queue.get().store();
                    let place = store.enter(Waiting::Item, event_loop, future.clone().unbind(), standing.place)?;
                    (standing.place, standing.is_in_line) = (Some(place), true);
                }
                Kind::Files(..) => has_files = true,
            }
        }
        if has_files {
            self.forget_bell();
            let bell = Arc::new(Bell::new());
            let what = Arc::downgrade(&self.works) as Weak<dyn Asleep>;
            bells::enter(&bell, event_loop, future, what)?; // nobody can have rung it yet
            self.bell = Some(bell);
        }
        Ok(())
    }

    /// Leaves all lines, and notes where the task was woken.
    fn leave_lines(&mut self) {
        for (store, standing) in in_memory(&self.sources, &mut self.standings) {
            if let Some(place) = standing.place
                && mem::take(&mut standing.is_in_line)
            {
                standing.is_woken |= !store.leave(Waiting::Item, place);
            }
        }
    }

    /// Leaves all lines, and tells who is next in each what this task was told, but for the queue from which
    /// it has taken an item.
    fn pass_on(&mut self, py: Python<'_>, taken_from: Option<usize>) {
        self.leave_lines();
        if let Some(index) = taken_from {
            self.standings[index].is_woken = false;
        }
        for (store, standing) in in_memory(&self.sources, &mut self.standings) {
            if mem::take(&mut standing.is_woken) {
                store.pass_hint_on(py, Waiting::Item);
            }
        }
    }

    /// Ends, with the item of this queue if there is one. What else was taken goes back.
    fn leave(&mut self, py: Python<'_>, taken_from: Option<usize>) {
        self.pass_on(py, taken_from);
        self.forget_bell();
        self.works.give_up(py);
    }

    fn forget_bell(&mut self) {
        if let Some(bell) = self.bell.take() {
            bells::forget(bell.number());
        }
    }

    /// Whether the task has waited as long as it may.
    fn is_over(&mut self, event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(timeout) = self.timeout else { return Ok(false) };
        let now: f64 = event_loop.call_method0(intern!(event_loop.py(), "time"))?.extract()?;
        Ok(now >= *self.deadline.get_or_insert(now + timeout.as_secs_f64()))
    }

    fn set_timer(&mut self, event_loop: &Bound<'_, PyAny>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some(deadline) = self.deadline {
            let (py, call_at) = (event_loop.py(), intern!(event_loop.py(), "call_at"));
            self.timer = Some(event_loop.call_method1(call_at, (deadline, resolver(py)?, future))?.unbind());
        }
        Ok(())
    }

    fn stop_timer(&mut self, py: Python<'_>) -> PyResult<()> {
        self.timer.take().map_or(Ok(()), |timer| timer.call_method0(py, intern!(py, "cancel")).map(drop))
    }
}

/// The queues in memory, each with how the task stands in its line.
fn in_memory<'a>(
    sources: &'a Sources,
    standings: &'a mut [Standing],
) -> impl Iterator<Item = (&'a Store, &'a mut Standing)> {
    sources.iter().zip(standings).filter_map(|(source, standing)| match &source.queue {
        Kind::Memory(queue) => Some((queue.get().store(), standing)),
        Kind::Files(..) => None,
    })
}

impl Works {
    fn have_item(&self) -> bool {
        self.taking.load(Ordering::Relaxed) > 0
    }

    fn take(&self) -> Vec<Work> {
        locked(&self.begun).iter_mut().filter_map(Option::take).collect()
    }
}

impl Asleep for Works {
    fn give_up(&self, py: Python<'_>) {
        let works = self.take();
        if !works.is_empty() {
            detached(py, || drop(works));
        }
    }
}

impl Drop for Selection {
    fn drop(&mut self) {
        self.forget_bell();
        let works = self.works.take();
        if !works.is_empty() {
            drop_detached(works);
        }
    }
}
