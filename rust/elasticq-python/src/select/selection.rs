//! `Selection`: what `aselect` does, in steps that `elasticq._select` awaits in between.
//!
//! A task stands in the lines of all queues with one future. Whatever sets that future, the task then looks at
//! all queues. Queues in memory set it directly, as they do for `aget`. A queue in files gets a future of Rust's
//! that takes its next item (it waits for no disk in this thread), and that rings a bell. What this future has
//! taken goes back to its place unless it becomes the result.

use super::sources::{Kind, Search, Source, Sources, Taken, all_ended, none_in_time, take};
use crate::arguments::numbers::{Truth, seconds};
use crate::durable::{Durable, tasks};
use crate::errors;
use crate::raw::Item;
use crate::raw::detach::{detached, drop_detached, stop_at_the_end};
use crate::store::Waiting;
use crate::waiting::bells::{self, Asleep, Bell, locked};
use crate::waiting::pending::Work;
use elasticq::BufferError;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The queue and its item.
type Pair = (Item, Item);

/// One call of `aselect`.
#[pyclass(generic, module = "elasticq._core", name = "_Selection")]
pub struct Selection {
    sources: Sources,
    timeout: Option<Duration>,
    /// The place in the line of each queue in memory, once there is one.
    places: Vec<Option<u64>>,
    works: Arc<Works>,
    bell: Option<Arc<Bell>>,
}

/// What takes the next item of each queue in files, once it has begun.
struct Works(Mutex<Vec<Option<Work>>>);

#[pymethods]
impl Selection {
    #[new]
    #[pyo3(signature = (queues, timeout, ordered, /))]
    fn new(queues: &Bound<'_, PyAny>, timeout: Option<&Bound<'_, PyAny>>, ordered: Truth) -> PyResult<Self> {
        let sources = Sources::new(queues, ordered)?;
        let timeout = timeout.map_or(Ok(None), |timeout| seconds("timeout", timeout))?;
        let count = sources.iter().count();
        let works = Arc::new(Works(Mutex::new((0..count).map(|_| None).collect())));
        Ok(Self { sources, timeout, places: vec![None; count], works, bell: None })
    }

    /// The seconds that the task waits at the most; None: for ever.
    #[getter]
    fn timeout(&self) -> Option<f64> {
        self.timeout.map(|timeout| timeout.as_secs_f64())
    }

    /// Whether the task should give way before it does anything.
    fn is_turn_due(&self) -> bool {
        match &self.sources.get(0).queue {
            Kind::Memory(queue) => queue.get().store().turns.is_due(true, 1),
            Kind::Files(durable, _) => durable.gives_way(true, 1),
        }
    }

    /// Takes the next item if there is one. The task stands in no line then.
    fn take(&mut self, py: Python<'_>) -> PyResult<Option<Pair>> {
        stop_at_the_end();
        let searched = self.search(py);
        if let Ok(Search::Empty | Search::Busy) = searched {
            // It may have been woken since it has looked. But it looks again before it sleeps.
            self.leave_lines(|source, place| source.leave(place));
            return Ok(None);
        }
        self.end(py, searched)
    }

    /// Joins all lines, and looks once more. None: the task has to await the future.
    fn wait(
        &mut self,
        py: Python<'_>,
        event_loop: &Bound<'_, PyAny>,
        future: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Pair>> {
        stop_at_the_end();
        if let Err(raised) = self.enter(event_loop, future) {
            return self.end(py, Err(raised));
        }
        match self.search(py) {
            Ok(Search::Empty) => Ok(None),
            Ok(Search::Busy) => {
                // What is there may be for the first in line, which may be this task.
                self.sources.iter().for_each(|source| source.look_again(py));
                Ok(None)
            }
            settled => self.end(py, settled),
        }
    }

    /// What is raised if no item came in time.
    fn none_in_time(&self, py: Python<'_>) -> Item {
        none_in_time(py).into_value(py).into_any()
    }

    /// Leaves all lines without an item. Who is next is told what this task was told.
    fn leave(&mut self, py: Python<'_>) {
        self.leave_lines(|source, place| source.abandon(py, place));
        self.let_go(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.sources.traverse(&visit)
    }
}

impl Selection {
    fn search(&mut self, py: Python<'_>) -> PyResult<Search> {
        self.sources.search_by(py, |index| match &self.sources.get(index).queue {
            Kind::Memory(queue) => take(queue.bind(py)),
            Kind::Files(durable, _) => self.poll(py, index, durable),
        })
    }

    /// Goes on with taking the next item of a queue in files.
    fn poll(&self, py: Python<'_>, index: usize, durable: &Arc<Durable>) -> Taken {
        let begun = locked(&self.works.0)[index].take();
        let mut work = begun.unwrap_or_else(|| Box::pin(tasks::getting(durable)));
        let waker = self.bell.as_ref().map_or_else(|| Waker::noop().clone(), |bell| Waker::from(Arc::clone(bell)));
        match detached(py, || work.as_mut().poll(&mut Context::from_waker(&waker))) {
            Poll::Pending => {
                locked(&self.works.0)[index] = Some(work);
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

    fn enter(&mut self, event_loop: &Bound<'_, PyAny>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut has_files = false;
        for (source, place) in self.sources.iter().zip(&mut self.places) {
            match &source.queue {
                Kind::Memory(queue) => {
                    let store = queue.get().store();
                    *place = Some(store.enter(Waiting::Item, event_loop, future.clone().unbind(), *place)?);
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

    /// Ends with what a search has come to.
    fn end(&mut self, py: Python<'_>, searched: PyResult<Search>) -> PyResult<Option<Pair>> {
        let taken_from = if let Ok(Search::Found(index, _)) = &searched { Some(*index) } else { None };
        if let Some(index) = taken_from
            && let Some(place) = self.places[index].take()
        {
            self.sources.get(index).leave(place);
        }
        self.leave(py);
        match searched? {
            Search::Found(index, item) => Ok(Some((self.sources.name(py, index), item))),
            _ => Err(all_ended(py)),
        }
    }

    fn leave_lines(&self, leave: impl Fn(&Source, u64)) {
        for (source, place) in self.sources.iter().zip(&self.places) {
            if let Some(place) = *place {
                leave(source, place);
            }
        }
    }

    fn forget_bell(&mut self) {
        if let Some(bell) = self.bell.take() {
            bells::forget(bell.number());
        }
    }

    /// Lets go of what takes items of queues in files. What it has taken goes back.
    fn let_go(&mut self, py: Python<'_>) {
        self.forget_bell();
        self.works.give_up(py);
    }
}

impl Works {
    fn take(&self) -> Vec<Work> {
        locked(&self.0).iter_mut().filter_map(Option::take).collect()
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

impl Source {
    fn leave(&self, place: u64) {
        if let Kind::Memory(queue) = &self.queue {
            queue.get().store().leave(Waiting::Item, place);
        }
    }

    fn abandon(&self, py: Python<'_>, place: u64) {
        if let Kind::Memory(queue) = &self.queue {
            queue.get().store().abandon(py, Waiting::Item, place);
        }
    }

    /// Wakes the first in line if another thread may be at work in the queue.
    fn look_again(&self, py: Python<'_>) {
        if let Kind::Memory(queue) = &self.queue
            && queue.get().store().buffer.is_other()
        {
            queue.get().store().pass_on(py);
        }
    }
}
