//! `Waiters`: who is stuck at a queue.

use crate::store::waiters::End;
use pyo3::prelude::*;

/// Who waits at one end of a queue.
#[pyclass(frozen, eq, get_all, module = "elasticq._core")]
#[derive(Clone, Copy, PartialEq)]
pub struct Waiting {
    /// Threads that are blocked.
    threads: usize,
    /// Tasks that are suspended, of all event loops.
    tasks: usize,
    /// Seconds for which the one has waited that has waited longest. None if nobody waits.
    longest: Option<f64>,
}

impl From<End> for Waiting {
    fn from(end: End) -> Self {
        Self { threads: end.threads, tasks: end.tasks, longest: end.longest.map(|longest| longest.as_secs_f64()) }
    }
}

#[pymethods]
impl Waiting {
    fn __repr__(&self) -> String {
        let longest = self.longest.map_or_else(|| "None".to_owned(), |longest| format!("{longest:.3}"));
        format!("Waiting(threads={}, tasks={}, longest={longest})", self.threads, self.tasks)
    }
}

/// Who waits at the two ends of a queue, all of about the same moment. Those that were just woken are left
/// out.
#[pyclass(frozen, eq, get_all, module = "elasticq._core")]
#[derive(Clone, Copy, PartialEq)]
pub struct Waiters {
    /// Those that wait for an item.
    item: Waiting,
    /// Those that wait for room.
    room: Waiting,
}

impl Waiters {
    pub fn new(item: End, room: End) -> Self {
        Self { item: item.into(), room: room.into() }
    }
}

#[pymethods]
impl Waiters {
    fn __repr__(&self) -> String {
        format!("Waiters(item={}, room={})", self.item.__repr__(), self.room.__repr__())
    }
}
