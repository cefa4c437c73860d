//! A heap in a Python list, arranged as `heapq` does it, for `PriorityQueue`.
//!
//! Comparing two items may run any Python code and raise. So all comparisons come first, on a list that stays as it is,
//! and then the items are moved, which runs no Python code: a heap is changed altogether or not at all. `heapq` moves
//! while it compares, and loses the item that it was about to give when a comparison raises.

use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// Adds an item. What a comparison raises is passed on, and the heap is as it was.
#[pyfunction]
#[pyo3(name = "_heap_push")]
pub fn push(heap: &Bound<'_, PyList>, item: &Bound<'_, PyAny>) -> PyResult<()> {
    stop_at_the_end();
    let end = heap.len();
    let mut place = end;
    while place > 0 && item.lt(heap.get_item(parent(place))?)? {
        place = parent(place);
    }
    unchanged(heap, end)?;
    heap.append(item)?;
    let mut hole = end;
    while hole > place {
        heap.set_item(hole, heap.get_item(parent(hole))?)?;
        hole = parent(hole);
    }
    heap.set_item(place, item)
}

/// Takes the smallest item. What a comparison raises is passed on, and the heap is as it was.
#[pyfunction]
#[pyo3(name = "_heap_pop")]
pub fn pop(heap: &Bound<'_, PyList>) -> PyResult<Item> {
    stop_at_the_end();
    let len = heap.len();
    let end = len.checked_sub(1).ok_or_else(|| PyIndexError::new_err("the heap is empty"))?;
    let (first, last) = (heap.get_item(0)?, heap.get_item(end)?);
    // The way down along the smaller children, which each move up one place, and back up to where the last item belongs.
    let mut way = vec![0];
    let mut child = 1;
    while child < end {
        let other = child + 1;
        if other < end && !heap.get_item(child)?.lt(heap.get_item(other)?)? {
            child = other;
        }
        way.push(child);
        child = 2 * child + 1;
    }
    let mut depth = way.len() - 1;
    while depth > 0 && last.lt(heap.get_item(way[depth])?)? {
        depth -= 1;
    }
    unchanged(heap, len)?;
    for step in way[..=depth].windows(2) {
        heap.set_item(step[0], heap.get_item(step[1])?)?;
    }
    heap.set_item(way[depth], last)?;
    heap.del_item(end)?;
    Ok(first.unbind())
}

const fn parent(place: usize) -> usize {
    (place - 1) / 2
}

/// An item's comparison may use the queue that it is in.
fn unchanged(heap: &Bound<'_, PyList>, len: usize) -> PyResult<()> {
    if heap.len() == len { Ok(()) } else { Err(PyRuntimeError::new_err("the queue was changed by a comparison")) }
}
