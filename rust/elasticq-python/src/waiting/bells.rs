//! Bells: how a thread that Python does not know wakes a task of an event loop.
//!
//! What wakes a future of Rust's is often such a thread, say the one that has synced a file. It must not
//! touch objects, and must not wait for the interpreter: at the interpreter's end that wait would never end,
//! and somebody may wait for the thread. So it only notes a number, and a thread of this module tells the
//! event loop. Nobody waits for that thread.
//!
//! No wake-up is missed: both sides work under one lock. A waker marks its bell as rung and looks whether the
//! task is in the table; a task that goes to sleep looks whether the bell was rung and enters the table.

use super::futures::resolver;
use super::loops::{self, Waiters};
use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use crate::raw::per_process::PerProcess;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Wake;
use std::thread;

/// What wakes one sleep of a task.
pub struct Bell {
    number: u64,
    rung: AtomicBool,
}

impl Bell {
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { number: LAST.fetch_add(1, Ordering::Relaxed), rung: AtomicBool::new(false) }
    }

    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let bells = BELLS.get();
        let mut table = locked(&bells.table);
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

/// A task that sleeps: its event loop, the future that it waits for, and what it does.
struct Sleeper {
    event_loop: Item,
    future: Item,
    what: Weak<dyn Asleep>,
}

/// What a task that sleeps does.
pub trait Asleep: Send + Sync {
    /// Gives it up: nothing resumes the task any more, since its event loop was closed.
    fn give_up(&self, py: Python<'_>);
}

impl Sleeper {
    fn give_up(self, py: Python<'_>) {
        if let Some(what) = self.what.upgrade() {
            what.give_up(py);
        }
    }
}

/// Under these locks nothing panics, no object is touched and no other lock is taken. They are std's, each a
/// word of its own: other locks share a table, which would stay locked in a forked child if a thread that
/// Python does not stop were in it.
pub fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a task sleep; false if the bell was rung already.
pub fn enter(
    bell: &Bell,
    event_loop: &Bound<'_, PyAny>,
    future: &Bound<'_, PyAny>,
    what: Weak<dyn Asleep>,
) -> PyResult<bool> {
    BELLS.get().enter(bell, event_loop, future, what)
}

/// A task that sleeps no longer.
pub fn forget(number: u64) {
    BELLS.get().forget(number);
}

impl Bells {
    fn enter(
        &'static self,
        bell: &Bell,
        event_loop: &Bound<'_, PyAny>,
        future: &Bound<'_, PyAny>,
        what: Weak<dyn Asleep>,
    ) -> PyResult<bool> {
        self.start()?;
        self.note(event_loop)?;
        let (event_loop, future) = (event_loop.clone().unbind(), future.clone().unbind());
        let sleeper = Sleeper { event_loop, future, what };
        let mut table = locked(&self.table);
        let sleeps = !bell.rung.load(Ordering::Relaxed);
        let awake = if sleeps { table.asleep.insert(bell.number, sleeper) } else { Some(sleeper) };
        drop(table);
        drop(awake);
        Ok(sleeps)
    }

    /// Makes sure that the tasks of an event loop are forgotten when it was closed: nothing resumes them.
    fn note(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let noted: Vec<_> = locked(&self.table).noted.iter().map(|noted| noted.clone_ref(py)).collect();
        if noted.iter().any(|noted| noted.bind(py).upgrade().is_some_and(|known| known.is(event_loop))) {
            return Ok(());
        }
        let weakly = loops::note(event_loop, &self.table)?;
        let is_alive = |noted: &Py<PyWeakrefReference>| noted.bind(py).upgrade().is_some();
        let (mut alive, _gone): (Vec<_>, Vec<_>) = noted.into_iter().partition(is_alive);
        alive.push(weakly);
        let old = std::mem::replace(&mut locked(&self.table).noted, alive);
        drop(old);
        Ok(())
    }

    fn forget(&self, number: u64) {
        let gone = locked(&self.table).asleep.remove(&number);
        drop(gone);
    }

    fn start(&'static self) -> PyResult<()> {
        if std::mem::replace(&mut locked(&self.table).runs, true) {
            return Ok(());
        }
        let started = thread::Builder::new().name("elasticq-tasks".into()).spawn(|| self.run());
        started.map(drop).map_err(|refused| {
            locked(&self.table).runs = false;
            refused.into()
        })
    }

    fn run(&self) {
        stop_at_the_end();
        loop {
            let rung = {
                let mut table = locked(&self.table);
                while table.rung.is_empty() {
                    table = self.ringing.wait(table).unwrap_or_else(PoisonError::into_inner);
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
        let sleeper = locked(&self.table).asleep.remove(&number);
        let Some(sleeper) = sleeper else { return };
        let (event_loop, future) = (sleeper.event_loop.bind(py), sleeper.future.bind(py));
        let told = resolver(py)
            .and_then(|resolve| event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (resolve, future)));
        match told {
            Ok(_) => {}
            Err(_) if is_closed(event_loop) => sleeper.give_up(py),
            Err(error) => error.write_unraisable(py, Some(event_loop)),
        }
    }
}

impl Waiters for Mutex<Table> {
    fn forget(&self, event_loop: &Bound<'_, PyAny>) {
        if !ptr::eq(self, &*BELLS.get().table) {
            return; // a forked child's parent's, which may be locked for ever
        }
        let gone: Vec<Sleeper> = {
            let mut table = locked(self);
            let is_of = |sleeper: &Sleeper| sleeper.event_loop.is(event_loop);
            let of = table.asleep.iter().filter(|(_, sleeper)| is_of(sleeper));
            let numbers: Vec<u64> = of.map(|(&number, _)| number).collect();
            numbers.iter().filter_map(|number| table.asleep.remove(number)).collect()
        };
        gone.into_iter().for_each(|sleeper| sleeper.give_up(event_loop.py()));
    }
}

fn is_closed(event_loop: &Bound<'_, PyAny>) -> bool {
    let py = event_loop.py();
    event_loop.call_method0(intern!(py, "is_closed")).and_then(|closed| closed.is_truthy()).unwrap_or(false)
}
