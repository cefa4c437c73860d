//! Who waits at the ends of a queue: threads at the buffer's own signals, or at the conditions of a queue that
//! has moved, and tasks in the lines of the store.

use super::Store;
use super::object::Elastic;
use elasticq::Waiting;
use pyo3::intern;
use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// Who waits at one end.
#[derive(Clone, Copy, Default)]
pub struct End {
    pub threads: usize,
    pub tasks: usize,
    /// How long the one has waited that has waited longest.
    pub longest: Option<Duration>,
}

impl From<Waiting> for End {
    fn from(waiting: Waiting) -> Self {
        Self { threads: waiting.threads, tasks: waiting.tasks, longest: waiting.longest }
    }
}

impl End {
    fn add(&mut self, other: Self) {
        self.threads += other.threads;
        self.tasks += other.tasks;
        self.longest = self.longest.max(other.longest);
    }

    fn tasks(tasks: usize, since: Option<Instant>) -> Self {
        Self { threads: 0, tasks, longest: since.map(|since| since.elapsed()) }
    }
}

/// What a moved queue tells of a condition: how many threads wait, and the seconds of the longest.
type Condition = (usize, Option<f64>);

fn threads((threads, longest): Condition) -> End {
    let longest = longest.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    End { threads, tasks: 0, longest }
}

/// Who waits for an item, and for room.
pub fn of(queue: &Bound<'_, Elastic>) -> PyResult<(End, End)> {
    let store: &Store = queue.get().store();
    let (item, room) = store.buffer.waiting();
    let (mut item, mut room) = (End::from(item), End::from(room));
    item.add(End::tasks(store.getters.waiting(), store.getters.longest_since()));
    room.add(End::tasks(store.putters.waiting(), store.putters.longest_since()));
    let in_line = store.buffer.in_line();
    room.add(End { threads: in_line.threads, ..End::tasks(in_line.tasks, in_line.longest) });
    if let Some(standard) = store.moved.get(queue.py()) {
        let (to_get, to_put) =
            standard.call_method0(intern!(queue.py(), "waiting"))?.extract::<(Condition, Condition)>()?;
        item.add(threads(to_get));
        item.add(store.moved.selectors().waiting().into());
        room.add(threads(to_put));
    }
    Ok((item, room))
}
