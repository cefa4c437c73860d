//! The event loops in which tasks wait, so that nothing of ours keeps one that was closed.
//!
//! The queue keeps the futures that wait in it, and a future holds its task and its event loop. When the loop
//! is closed, nothing tells the queue, which may live for ever and never be used again. So the garbage
//! collector, before it begins, calls a function here. That asks each loop whether it is closed (in constant
//! time, whatever the number of queues and tasks), and makes the queues forget the closed ones.
//!
//! Nothing here keeps anything alive. Python is called, and references are dropped, only without the lock.

use super::threads::undisturbed;
use crate::raw::detach::stop_at_the_end;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use std::sync::{Arc, Weak};

/// A place where tasks wait.
pub trait Waiters: Send + Sync {
    /// Gives up the tasks of an event loop.
    fn forget(&self, event_loop: &Bound<'_, PyAny>);
}

struct Known {
    event_loop: Py<PyWeakrefReference>,
    places: Vec<Weak<dyn Waiters>>,
    /// The number of places at which those that are gone are next weeded out: so the cost per place is
    /// constant.
    weed_at: usize,
}

static LOOPS: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// Notes that tasks of an event loop may wait in this place from now on. Returns a weak reference to the
/// loop.
pub fn note(event_loop: &Bound<'_, PyAny>, place: &Arc<impl Waiters + 'static>) -> PyResult<Py<PyWeakrefReference>> {
    let py = event_loop.py();
    static WATCHING: PyOnceLock<()> = PyOnceLock::new();
    WATCHING.get_or_try_init(py, || {
        let weed = wrap_pyfunction!(weed, py)?;
        py.import("gc")?.getattr("callbacks")?.call_method1("append", (weed,)).map(drop)
    })?;
    let weakly = PyWeakrefReference::new(event_loop)?.unbind();
    let place: Weak<dyn Waiters> = Arc::downgrade(place) as _;
    let mut loops = LOOPS.lock();
    // An object has one such reference as long as any code holds it.
    match loops.iter_mut().find(|known| known.event_loop.is(&weakly)) {
        Some(known) => {
            known.places.push(place);
            if known.places.len() > known.weed_at {
                known.places.retain(|place| place.strong_count() > 0);
                known.weed_at = 2 * known.places.len() + 16;
            }
        }
        None => loops.push(Known { event_loop: weakly.clone_ref(py), places: vec![place], weed_at: 16 }),
    }
    Ok(weakly)
}

/// The garbage collector calls this.
#[pyfunction]
#[pyo3(signature = (phase, _info, /))]
fn weed(py: Python<'_>, phase: &str, _info: &Bound<'_, PyAny>) {
    stop_at_the_end();
    if phase != "start" {
        return;
    }
    let at = |index: usize| LOOPS.lock().get(index).map(|known| known.event_loop.clone_ref(py));
    let mut index = 0;
    while let Some(weakly) = at(index) {
        let event_loop = weakly.bind(py).upgrade();
        let is_open = |event_loop: &Bound<'_, PyAny>| -> PyResult<bool> {
            Ok(!event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy()?)
        };
        let open = event_loop.as_ref().is_some_and(|event_loop| {
            undisturbed(py, || is_open(event_loop)).unwrap_or_else(|error| {
                error.write_unraisable(py, Some(event_loop));
                true
            })
        });
        if open {
            index += 1;
            continue;
        }
        let gone = {
            let mut loops = LOOPS.lock();
            let index = loops.iter().position(|known| known.event_loop.is(&weakly));
            index.map(|index| loops.swap_remove(index))
        };
        if let (Some(event_loop), Some(gone)) = (event_loop, gone) {
            gone.places.iter().filter_map(Weak::upgrade).for_each(|place| place.forget(&event_loop));
        }
    }
}
