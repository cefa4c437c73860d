//! `Pending`: a future of Rust's, awaited by a task of any event loop.
//!
//! The future is polled detached, so a step of it may take locks of the crate. What wakes it is often a thread
//! that Python does not know, such as the one that has synced a file. Such a thread must not touch objects, and
//! must not wait for the interpreter: at the interpreter's end that wait would never end, and somebody may wait
//! for the thread. So it only notes a number, and a thread of this module tells the event loop. Nobody waits for
//! that thread.
//!
//! No wake-up is missed: both sides work under one lock. A waker marks its bell as rung and looks whether the
//! task is in the table; a task that goes to sleep looks whether the bell was rung and enters the table.
//!
//! A future that is dropped before its end is dropped detached, too: it may give items back.

use super::futures::{new_future, resolve};
use super::loops::{self, Waiters};
use crate::raw::Item;
use crate::raw::detach::{detached, drop_detached, stop_at_the_end};
use crate::raw::per_process::PerProcess;
use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// What a future has come to: how to make Python's result of it.
pub type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Item> + Send>;

type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What a coroutine awaits. Does nothing before; can be awaited once.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Pending {
    state: Mutex<State>,
}

struct State {
    /// `None` while it is polled, and at the end.
    work: Option<Work>,
    /// Whether the event loop gets a turn first.
    gives_way: bool,
    /// The number under which the task sleeps.
    asleep: Option<u64>,
}

impl Pending {
    pub fn new(gives_way: bool, work: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { state: Mutex::new(State { work: Some(Box::pin(work)), gives_way, asleep: None }) }
    }

    fn take(&self) -> Option<(Work, bool, Option<u64>)> {
        let mut state = self.state.lock();
        let work = state.work.take()?;
        Some((work, std::mem::take(&mut state.gives_way), state.asleep.take()))
    }

    fn put(&self, work: Work, asleep: Option<u64>) {
        let mut state = self.state.lock();
        (state.work, state.asleep) = (Some(work), asleep);
    }
}

#[pymethods]
impl Pending {
    const fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Item> {
        stop_at_the_end();
        let Some((mut work, gives_way, asleep)) = self.take() else {
            return Err(PyRuntimeError::new_err("cannot reuse what was already awaited"));
        };
        if gives_way {
            self.put(work, None);
            return Ok(py.None());
        }
        if let Some(number) = asleep {
            BELLS.get().forget(number);
        }
        loop {
            let bell = Arc::new(Bell::new());
            let waker = Waker::from(Arc::clone(&bell));
            let polled = detached(py, || work.as_mut().poll(&mut Context::from_waker(&waker)));
            if let Poll::Ready(outcome) = polled {
                detached(py, || drop(work));
                return Err(PyStopIteration::new_err((outcome(py)?,)));
            }
            let (event_loop, future) = match new_future(py) {
                Ok(both) => both,
                Err(raised) => {
                    detached(py, || drop(work));
                    return Err(raised);
                }
            };
            if BELLS.get().enter(&bell, &event_loop, &future)? {
                self.put(work, Some(bell.number));
                return Ok(future.unbind());
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if let Some(number) = state.asleep.take() {
            BELLS.get().forget(number);
        }
        if let Some(work) = state.work.take() {
            drop_detached(work);
        }
    }
}

/// What wakes one sleep of a task.
struct Bell {
    number: u64,
    rung: AtomicBool,
}

impl Bell {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { number: LAST.fetch_add(1, Ordering::Relaxed), rung: AtomicBool::new(false) }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let bells = BELLS.get();
        let mut table = bells.table.lock();
        self.rung.store(true, Ordering::Relaxed); // the lock orders it
        if table.asleep.contains_key(&self.number) {
            table.rung.push(self.number);
            drop(table);
            bells.ringing.notify_one();
        }
    }
}

/// The tasks of a process that sleep. (The parent's are not there in a forked child.)
static BELLS: PerProcess<Bells> = PerProcess::new();

#[derive(Default)]
struct Bells {
    table: Arc<Mutex<Table>>,
    ringing: Condvar,
}

#[derive(Default)]
struct Table {
    asleep: HashMap<u64, Sleeper>,
    rung: Vec<u64>,
    runs: bool,
    /// The event loops whose end `loops` will tell.
    noted: Vec<Py<PyWeakrefReference>>,
}

/// A task that sleeps: its event loop, and the future that it waits for.
struct Sleeper {
    event_loop: Item,
    future: Item,
}

impl Bells {
    /// Lets a task sleep; false if the bell was rung already.
    fn enter(&'static self, bell: &Bell, event_loop: &Bound<'_, PyAny>, future: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.start()?;
        self.note(event_loop)?;
        let sleeper = Sleeper { event_loop: event_loop.clone().unbind(), future: future.clone().unbind() };
        let mut table = self.table.lock();
        let sleeps = !bell.rung.load(Ordering::Relaxed);
        let awake = if sleeps { table.asleep.insert(bell.number, sleeper) } else { Some(sleeper) };
        drop(table);
        drop(awake);
        Ok(sleeps)
    }

    /// Makes sure that the tasks of an event loop are forgotten when it was closed: nothing resumes them.
    fn note(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let noted: Vec<_> = self.table.lock().noted.iter().map(|noted| noted.clone_ref(py)).collect();
        if noted.iter().any(|noted| noted.bind(py).upgrade().is_some_and(|known| known.is(event_loop))) {
            return Ok(());
        }
        let weakly = loops::note(event_loop, &self.table)?;
        let is_alive = |noted: &Py<PyWeakrefReference>| noted.bind(py).upgrade().is_some();
        let (mut alive, _gone): (Vec<_>, Vec<_>) = noted.into_iter().partition(is_alive);
        alive.push(weakly);
        let old = std::mem::replace(&mut self.table.lock().noted, alive);
        drop(old);
        Ok(())
    }

    fn forget(&self, number: u64) {
        let gone = self.table.lock().asleep.remove(&number);
        drop(gone);
    }

    fn start(&'static self) -> PyResult<()> {
        if std::mem::replace(&mut self.table.lock().runs, true) {
            return Ok(());
        }
        let started = thread::Builder::new().name("elasticq-tasks".into()).spawn(|| self.run());
        started.map(drop).map_err(|refused| {
            self.table.lock().runs = false;
            refused.into()
        })
    }

    fn run(&self) {
        stop_at_the_end();
        loop {
            let rung = {
                let mut table = self.table.lock();
                while table.rung.is_empty() {
                    self.ringing.wait(&mut table);
                }
                std::mem::take(&mut table.rung)
            };
            if Python::try_attach(|py| rung.iter().for_each(|&number| self.tell(py, number))).is_none() {
                return; // the interpreter is ending
            }
        }
    }

    /// Makes the event loop of a task go on with it.
    fn tell(&self, py: Python<'_>, number: u64) {
        let Some(Sleeper { event_loop, future }) = self.table.lock().asleep.remove(&number) else { return };
        let (event_loop, future) = (event_loop.bind(py), future.bind(py));
        let told = resolver(py)
            .and_then(|resolve| event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (resolve, future)));
        if let Err(error) = told
            && !is_closed(event_loop)
        {
            error.write_unraisable(py, Some(event_loop));
        }
    }
}

impl Waiters for Mutex<Table> {
    fn forget(&self, event_loop: &Bound<'_, PyAny>) {
        let gone: Vec<Sleeper> = {
            let mut table = self.lock();
            let is_of = |sleeper: &Sleeper| sleeper.event_loop.is(event_loop);
            let of = table.asleep.iter().filter(|(_, sleeper)| is_of(sleeper));
            let numbers: Vec<u64> = of.map(|(&number, _)| number).collect();
            numbers.iter().filter_map(|number| table.asleep.remove(number)).collect()
        };
        drop(gone);
    }
}

fn is_closed(event_loop: &Bound<'_, PyAny>) -> bool {
    let py = event_loop.py();
    event_loop.call_method0(intern!(py, "is_closed")).and_then(|closed| closed.is_truthy()).unwrap_or(false)
}

fn resolver(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static RESOLVE: PyOnceLock<Item> = PyOnceLock::new();
    let make = || Ok(wrap_pyfunction!(resolve_future, py)?.into_any().unbind());
    RESOLVE.get_or_try_init(py, make).map(|resolve| resolve.bind(py))
}

/// Resolves a future, from within its event loop.
#[pyfunction]
fn resolve_future(future: &Bound<'_, PyAny>) -> PyResult<()> {
    stop_at_the_end();
    resolve(future).map(drop)
}
