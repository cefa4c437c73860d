//! `Last`: the counters of a queue at its end, for whoever wants to know them then.

use elasticq::QueueStats;
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
