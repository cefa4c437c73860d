//! Looking at items, which stay. Who waits to look may be woken for an item that another one waits to take. So
//! whoever has waited and seen the item tells the next in line.

use super::Store;
use super::attempt::Attempt;
use crate::arguments::patience::Patience;
use crate::raw::Item;
use elasticq::BufferResult;
use pyo3::prelude::*;
use pyo3::types::PyList;

impl Store {
    /// A list of references to all items, as they stand now.
    pub fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = self.buffer.iter_with(py, |item| item.clone_ref(py));
        PyList::new(py, items.map_err(|error| self.error(py, &error))?)
    }

    pub fn peek(&self, py: Python<'_>) -> BufferResult<Item> {
        self.buffer.peek_with(py, |item| item.clone_ref(py))
    }

    /// Looks at the next item, waiting for one as long as `patience` says. If it waited in vain, the error is
    /// `Empty`.
    pub fn peek_waiting(&self, py: Python<'_>, patience: Patience) -> PyResult<BufferResult<Item>> {
        match self.peek(py) {
            Err(reason) if Attempt::refused(&reason) != Attempt::Settled => {
                let seen = self.get_waiting(py, patience, reason, || self.peek(py))?;
                if seen.is_ok() {
                    self.tell_next(py);
                }
                Ok(seen)
            }
            settled => Ok(settled),
        }
    }

    /// For a waiter that may have been woken for an item, and has left it there: others may take it.
    #[cold]
    pub fn tell_next(&self, py: Python<'_>) {
        self.buffer.tell_anew();
        self.getters.wake(py, 1);
    }
}
