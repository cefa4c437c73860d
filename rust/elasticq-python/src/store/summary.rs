//! What the `repr` of a queue says about it: how much is inside, its limits, and who waits. It never shows
//! items, and waits for no lock of ours, since a debugger stops a thread wherever it is. (A subclass's
//! `_qsize` is called, and may do what it likes.)

use super::Store;
use super::object::Elastic;
use crate::errors::Words;
use pyo3::intern;
use pyo3::prelude::*;

/// What there is to say.
#[derive(Default)]
struct Facts {
    /// `None`: another thread is at work in the queue.
    len: Option<usize>,
    limit: Option<(&'static str, usize)>,
    closed: bool,
    /// Threads that wait for an item, and for room.
    threads: (usize, usize),
}

/// The whole `repr` of a queue.
pub fn repr(slf: &Bound<'_, Elastic>) -> PyResult<String> {
    let py = slf.py();
    let store = slf.get().store();
    let class = slf.get_type();
    let facts = match store.moved.get(py) {
        Some(standard) => facts_of_moved(slf, standard)?,
        None => store.facts(),
    };
    let mut parts = vec![match facts.len {
        Some(1) => "1 item".into(),
        Some(len) => format!("{len} items"),
        None => "busy".into(),
    }];
    parts.extend(facts.limit.map(|(name, limit)| format!("{name}={limit}")));
    parts.extend(store.buffer.weighted().map(|weighted| format!("max_weight={}", weighted.max_weight)));
    let overflow = store.limits.overflow().name();
    if overflow != "block" {
        parts.push(format!("overflow={overflow:?}").replace('"', "'"));
    }
    if facts.closed {
        parts.push(if matches!(store.words, Words::Queue) { "shut down" } else { "closed" }.into());
    }
    let (to_get, to_put) = facts.threads;
    for (count, what) in [(to_get + store.getters.waiting(), "get"), (to_put + store.putters.waiting(), "put")] {
        if count > 0 {
            parts.push(format!("{count} waiting to {what}"));
        }
    }
    let (module, name) = (class.module()?, class.qualname()?);
    Ok(format!("<{module}.{name} {}>", parts.join(", ")))
}

/// The most items that a queue may hold, if there is a limit.
pub fn limit(queue: &Bound<'_, Elastic>) -> PyResult<Option<usize>> {
    let store = queue.get().store();
    let facts = match store.moved.get(queue.py()) {
        Some(standard) => facts_of_moved(queue, standard)?,
        None => store.facts(),
    };
    Ok(facts.limit.map(|(_, limit)| limit))
}

impl Store {
    fn facts(&self) -> Facts {
        let glance = self.buffer.glance();
        let limit = match self.words {
            Words::Queue => {
                usize::try_from(self.limits.maxsize()).ok().filter(|&limit| limit > 0).map(|limit| ("maxsize", limit))
            }
            Words::LockFree | Words::Durable | Words::Channel | Words::Buffer => {
                glance.map(|glance| ("max_capacity", glance.max_capacity))
            }
        };
        Facts {
            len: glance.map(|glance| glance.len),
            limit,
            closed: glance.is_some_and(|glance| glance.closed),
            threads: self.buffer.waiting_threads(),
        }
    }
}

/// The same, of a queue that has moved.
fn facts_of_moved(slf: &Bound<'_, Elastic>, standard: &Bound<'_, PyAny>) -> PyResult<Facts> {
    let seen = standard.call_method1(intern!(slf.py(), "glance"), (slf,))?;
    let Some((len, limit, closed, threads)) = seen.extract::<Option<(usize, usize, bool, (usize, usize))>>()? else {
        return Ok(Facts::default());
    };
    Ok(Facts { len: Some(len), limit: (limit > 0).then_some(("maxsize", limit)), closed, threads })
}
