//! `Last`: the counters of a queue at its end, for whoever wants to know them then.

use super::items::Items;
use super::moved::Moved;
use crate::raw::detach::stop_at_the_end;
use elasticq::QueueStats;
use pyo3::intern;
use pyo3::prelude::*;
use std::sync::{Arc, OnceLock};

/// Where a queue leaves its counters.
#[derive(Default)]
pub struct Last(OnceLock<QueueStats>);

impl Last {
    /// The counters, if the queue is gone.
    pub fn get(&self) -> Option<QueueStats> {
        self.0.get().copied()
    }
}

/// The place in a queue for those that want to know. Empty as long as nobody does.
#[derive(Default)]
pub struct Lasting(OnceLock<Arc<Last>>);

impl Lasting {
    /// Where the counters will be.
    pub fn wanted(&self) -> Arc<Last> {
        Arc::clone(self.0.get_or_init(Arc::default))
    }

    /// Leaves the counters there. The first time counts.
    pub fn leave(&self, stats: impl FnOnce() -> QueueStats) {
        if let Some(last) = self.0.get() {
            last.0.get_or_init(stats);
        }
    }
}

/// What a moved queue has counted: put, dropped, refused, inside.
type Counts = (u64, u64, u64, u64);

/// The counters of a queue at its end, wherever it is by then.
pub fn stats_of(buffer: &Items, moved: &Moved) -> QueueStats {
    let mut stats = buffer.stats();
    if let Some(standard) = moved.held() {
        stop_at_the_end();
        let last = Python::try_attach(|py| {
            let raised = PyErr::take(py); // a queue may go while an exception is on its way
            let last = standard.call_method0(py, intern!(py, "_last")).and_then(|last| last.extract::<Counts>(py));
            if let Some(raised) = raised {
                raised.restore(py);
            }
            last
        });
        if let Some(Ok((added, dropped, refused, size))) = last {
            stats.messages_enqueued = added;
            stats.messages_dropped = dropped;
            stats.messages_dequeued = added.saturating_sub(dropped).saturating_sub(size);
            stats.messages_refused += refused;
        }
    }
    stats
}
