//! `select`: a thread waits for several queues.

use super::sources::{Search, Sources, all_ended, none_in_time, take_listed};
use crate::arguments::numbers::Truth;
use crate::arguments::patience::Patience;
use crate::raw::Item;
use crate::raw::detach::detached;
use crate::waiting::threads;
use pyo3::prelude::*;
use std::thread;
use std::time::Instant;

/// Takes the next item of whichever queue has one, and blocks until one has. Gives the queue and the item.
#[pyfunction]
#[pyo3(name = "_select", signature = (queues, timeout, ordered, /))]
pub fn select(
    py: Python<'_>,
    queues: &Bound<'_, PyAny>,
    timeout: Option<&Bound<'_, PyAny>>,
    ordered: Truth,
) -> PyResult<(Item, Item)> {
    let patience = Patience::new(Truth(true), timeout)?;
    if let Some(found) = take_listed(queues, ordered)? {
        return Ok(found);
    }
    let sources = Sources::new(queues, ordered)?;
    match sources.search(py)? {
        Search::Found(index, item) => Ok((sources.name(py, index), item)),
        searched => {
            let (index, item) = wait(py, &sources, patience, searched)?;
            Ok((sources.name(py, index), item))
        }
    }
}

/// The rest of `select`, after a search that has found nothing. As in `Store::retry` the order is: try,
/// register, try again, sleep; and no look at the signals follows an attempt that has succeeded.
#[cold]
fn wait(py: Python<'_>, sources: &Sources, patience: Patience, mut last: Search) -> PyResult<(usize, Item)> {
    let Patience::Until(deadline) = patience else { return Err(none_in_time(py)) };
    let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    // For which queue this thread was woken, until it has seen that there is nothing in it.
    let mut woken = Woken { py, sources, index: None };
    loop {
        match last {
            Search::Found(index, item) => {
                woken.index = woken.index.filter(|&woken| woken != index);
                return Ok((index, item));
            }
            Search::Ended => return Err(all_ended(py)),
            Search::Busy => {
                detached(py, thread::yield_now);
                if is_over() {
                    return Err(none_in_time(py));
                }
                last = sources.search(py)?;
            }
            Search::Empty => {
                woken.index = None;
                let mut line = sources.register();
                last = sources.search_registered(py, &line)?;
                if matches!(last, Search::Empty) {
                    woken.index = threads::sleep_for_any(py, &mut line.waiters, deadline)?;
                    drop(line);
                    if woken.index.is_none() {
                        return Err(none_in_time(py));
                    }
                    last = sources.search(py)?;
                }
            }
        }
    }
}

/// A thread that was woken for a queue, and wakes the next one there unless it takes the item itself.
struct Woken<'a, 'py> {
    py: Python<'py>,
    sources: &'a Sources,
    index: Option<usize>,
}

impl Drop for Woken<'_, '_> {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            self.sources.pass_on(self.py, index);
        }
    }
}
