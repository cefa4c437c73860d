//! `Pending`: a future of Rust's, awaited by a task of any event loop.
//!
//! The future is polled detached, so a step of it may take locks of the crate; what wakes it rings a bell
//! (`bells`). A future that is dropped before its end is dropped detached, too: it may give items back.

use super::bells::{self, Asleep, Bell, locked};
use super::futures::new_future;
use crate::raw::Item;
use crate::raw::detach::{detached, drop_detached, stop_at_the_end};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

/// What a future has come to: how to make Python's result of it.
pub type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Item> + Send>;

/// A future of Rust's.
pub type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What a coroutine awaits. Does nothing before; can be awaited once.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Pending {
    state: Arc<Mutex<State>>,
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
        Self { state: Arc::new(Mutex::new(State { work: Some(Box::pin(work)), gives_way, asleep: None })) }
    }

    fn take(&self) -> Option<(Work, bool, Option<u64>)> {
        let mut state = locked(&self.state);
        let work = state.work.take()?;
        Some((work, std::mem::take(&mut state.gives_way), state.asleep.take()))
    }

    fn put(&self, work: Work, asleep: Option<u64>) {
        let mut state = locked(&self.state);
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
            bells::forget(number);
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
            // First, since it may be forgotten as soon as it is in the table.
            self.put(work, Some(bell.number()));
            let asleep = Arc::downgrade(&self.state) as Weak<dyn Asleep>;
            match bells::enter(&bell, &event_loop, &future, asleep) {
                Ok(true) => return Ok(future.unbind()),
                Ok(false) => {}
                Err(raised) => {
                    let work = locked(&self.state).work.take();
                    detached(py, || drop(work));
                    return Err(raised);
                }
            }
            let Some((again, ..)) = self.take() else {
                return Err(PyRuntimeError::new_err("the event loop was closed"));
            };
            work = again;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let (work, asleep) = {
            let mut state = locked(&self.state);
            (state.work.take(), state.asleep.take())
        };
        if let Some(number) = asleep {
            bells::forget(number);
        }
        if work.is_some() {
            drop_detached(work);
        }
    }
}

/// For a task that nothing resumes any more, what it does is dropped: so a wake-up that came to it goes on to
/// the next waiter.
impl Asleep for Mutex<State> {
    fn give_up(&self, py: Python<'_>) {
        let work = locked(self).work.take();
        detached(py, || drop(work));
    }
}
