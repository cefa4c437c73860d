//! `Reading`: all that metrics need to know of a queue at one moment; and `Farewell`, what it leaves when it
//! goes.

use super::elastic;
use super::persistent::Persistent;
use super::stats::QueueStats;
use super::waiters::Waiters;
use crate::raw::detach::detached;
use crate::store::last::Last;
use crate::store::object::Elastic;
use crate::store::{summary, waiters};
use elasticq::{Oldest, Parts, Report, What};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use std::sync::Arc;

/// One figure that only some queues have: its name, the level that it is about, and how much it is. Times are
/// in nanoseconds.
type Figure = (&'static str, Option<usize>, u64);

/// A queue at one moment.
#[pyclass(frozen, get_all, module = "elasticq._core")]
pub struct Reading {
    stats: Py<QueueStats>,
    waiters: Waiters,
    /// The most items that it may hold. None: there is no limit.
    limit: Option<usize>,
    /// Whether items leave in the order in which they came, as far as their age goes.
    in_order: bool,
    /// Whether the queue knows the age of its items.
    keeps_times: bool,
    /// The age of the oldest item in seconds, if the queue keeps times and has items.
    oldest: Option<f64>,
    figures: Vec<Figure>,
    /// Whether the queue has moved to the standard locks.
    has_moved: bool,
    /// Whether what is inside stays when the queue goes.
    is_durable: bool,
}

fn figures(report: &Report) -> Vec<Figure> {
    report.figures.iter().filter_map(|figure| Some((name_of(figure.what)?, figure.level, figure.value))).collect()
}

const fn name_of(what: What) -> Option<&'static str> {
    Some(match what {
        What::LevelDepth => "level_depth",
        What::LevelEnqueued => "level_enqueued",
        What::LevelDequeued => "level_dequeued",
        What::LevelDropped => "level_dropped",
        What::LevelRefused => "level_refused",
        What::Leased => "leased",
        What::Delayed => "delayed",
        What::Dead => "dead",
        What::Segments => "segments",
        What::BytesOnDisk => "bytes_on_disk",
        What::LogEntries => "log_entries",
        What::RecoveredEntries => "recovered_entries",
        What::TornBytes => "torn_bytes",
        What::Syncs => "syncs",
        What::SyncNanoseconds => "sync_time",
        What::LongestSyncNanoseconds => "longest_sync",
        _ => return None,
    })
}

impl Reading {
    fn of_elastic(queue: &Bound<'_, Elastic>) -> PyResult<Self> {
        let store = queue.get().store();
        let stats = elastic::stats_soon(queue)?;
        let (item, room) = waiters::of(queue)?;
        let mut report = Report::default();
        store.buffer.report(&mut report);
        let has_moved = store.moved.get(queue.py()).is_some();
        Self::new(queue.py(), stats, Waiters::new(item, room), summary::limit(queue)?, &report, has_moved)
            .map(|reading| Self { in_order: reading.in_order && !store.limits.overflow().drops_newest(), ..reading })
    }

    fn of_persistent(queue: &Bound<'_, Persistent>) -> PyResult<Self> {
        let py = queue.py();
        let files = &queue.get().durable(py)?.files;
        let mut report = Report::default();
        let stats = detached(py, || {
            files.report(&mut report);
            files.stats()
        });
        let waiters = Waiters::new(files.waiting_for_item().into(), files.waiting_for_room().into());
        let reading = Self::new(py, stats.queue, waiters, queue.get().settings(py)?.limit(), &report, false)?;
        Ok(Self { is_durable: true, ..reading })
    }

    fn new(
        py: Python<'_>,
        stats: elasticq::QueueStats,
        waiters: Waiters,
        limit: Option<usize>,
        report: &Report,
        has_moved: bool,
    ) -> PyResult<Self> {
        let oldest = match report.oldest {
            Oldest::Known(age) => age.map(|age| age.as_secs_f64()),
            _ => None,
        };
        Ok(Self {
            stats: Py::new(py, QueueStats::from(stats))?,
            waiters,
            limit,
            in_order: report.oldest == Oldest::InOrder && !has_moved,
            keeps_times: matches!(report.oldest, Oldest::Known(_)),
            oldest,
            figures: figures(report),
            has_moved,
            is_durable: false,
        })
    }
}

/// Reads a queue.
#[pyfunction]
#[pyo3(name = "_reading")]
pub fn reading(queue: &Bound<'_, PyAny>) -> PyResult<Reading> {
    if let Ok(queue) = queue.cast::<Elastic>() {
        return Reading::of_elastic(queue);
    }
    match queue.cast::<Persistent>() {
        Ok(queue) => Reading::of_persistent(queue),
        Err(_) => Err(no_queue(queue)),
    }
}

fn no_queue(object: &Bound<'_, PyAny>) -> PyErr {
    match object.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("'queue' must be a queue of this package, not {name}")),
        Err(error) => error,
    }
}

/// The counters that a queue leaves when it goes, or when its files are closed.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Farewell {
    last: Arc<Last>,
}

#[pymethods]
impl Farewell {
    #[new]
    fn new(queue: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(queue) = queue.cast::<Elastic>() {
            return Ok(Self { last: queue.get().store().last() });
        }
        match queue.cast::<Persistent>() {
            Ok(queue) => Ok(Self { last: queue.get().last() }),
            Err(_) => Err(no_queue(queue)),
        }
    }

    /// The counters, once they are final.
    #[getter]
    fn stats(&self) -> Option<QueueStats> {
        self.last.get().map(QueueStats::from)
    }
}
