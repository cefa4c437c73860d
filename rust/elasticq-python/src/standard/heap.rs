//! A heap in a Python list, arranged as `heapq` does it, for `PriorityQueue`.
//!
//! Comparing two items may run any Python code, and may raise. So all comparisons come first. Then the items
//! are moved, which runs no Python code. So a heap is changed altogether or not at all. (`heapq` moves while
//! it compares, and when a comparison raises, it loses the item that it was about to return.)
//!
//! If a comparison runs Python code, the heap may be a different one afterwards. That code may use the heap,
//! and so may other threads, since no lock is held meanwhile. So the change is made on a `Draft`, which notes
//! what it has read. The draft is carried out only if all that it has read still stands where it stood. To
//! find that out runs no Python code, either.

use crate::raw::Item;
use crate::raw::detach::stop_at_the_end;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::collections::BTreeMap;

/// Why a heap was not changed.
pub enum Stop {
    /// The comparison of two items may run Python code, and now is not the time for it.
    Foreign,
    /// The heap has changed meanwhile.
    Changed,
    Raised(PyErr),
}

impl From<PyErr> for Stop {
    fn from(raised: PyErr) -> Self {
        Self::Raised(raised)
    }
}

/// Whether the first item is smaller than the second.
pub type Less = fn(&Bound<'_, PyAny>, &Bound<'_, PyAny>) -> Result<bool, Stop>;

/// Compares in any case, even if that runs Python code.
pub fn by_any_means(item: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> Result<bool, Stop> {
    Ok(item.lt(other)?)
}

/// Compares without running Python code: numbers, strings, and tuples in which a difference of such items
/// comes before anything else.
pub fn plainly(item: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> Result<bool, Stop> {
    if is_plain(item) && is_plain(other) {
        return Ok(item.lt(other)?);
    }
    let (Ok(items), Ok(others)) = (item.cast_exact::<PyTuple>(), other.cast_exact::<PyTuple>()) else {
        return Err(Stop::Foreign);
    };
    for (item, other) in items.iter_borrowed().zip(others.iter_borrowed()) {
        if item.is(other) {
            continue;
        }
        if !is_plain(&item) || !is_plain(&other) {
            return Err(Stop::Foreign);
        }
        if !item.eq(other)? {
            return Ok(item.lt(other)?);
        }
    }
    Ok(items.len() < others.len())
}

fn is_plain(item: &Bound<'_, PyAny>) -> bool {
    item.is_exact_instance_of::<PyInt>()
        || item.is_exact_instance_of::<PyFloat>()
        || item.is_exact_instance_of::<PyString>()
        || item.is_exact_instance_of::<PyBytes>()
}

/// What a heap is made of: a list, or a draft of one.
pub trait Cells<'py> {
    fn len(&self) -> usize;
    fn get(&mut self, place: usize) -> Result<Bound<'py, PyAny>, Stop>;
    fn set(&mut self, place: usize, item: Bound<'py, PyAny>) -> PyResult<()>;
    fn append(&mut self, item: Bound<'py, PyAny>) -> PyResult<()>;
    fn cut_last(&mut self) -> PyResult<()>;
}

/// The list itself; for callers that know that nothing else changes it.
impl<'py> Cells<'py> for &Bound<'py, PyList> {
    fn len(&self) -> usize {
        PyListMethods::len(*self)
    }

    fn get(&mut self, place: usize) -> Result<Bound<'py, PyAny>, Stop> {
        Ok(self.get_item(place)?)
    }

    fn set(&mut self, place: usize, item: Bound<'py, PyAny>) -> PyResult<()> {
        self.set_item(place, item)
    }

    fn append(&mut self, item: Bound<'py, PyAny>) -> PyResult<()> {
        PyListMethods::append(*self, item)
    }

    fn cut_last(&mut self) -> PyResult<()> {
        self.del_item(PyListMethods::len(*self) - 1)
    }
}

/// Adds an item.
pub fn push<'py>(mut cells: impl Cells<'py>, item: Bound<'py, PyAny>, less: Less) -> Result<(), Stop> {
    let end = cells.len();
    let mut place = end;
    while place > 0 && less(&item, &cells.get(parent(place))?)? {
        place = parent(place);
    }
    cells.append(item.clone())?;
    let mut hole = end;
    while hole > place {
        let above = cells.get(parent(hole))?;
        cells.set(hole, above)?;
        hole = parent(hole);
    }
    Ok(cells.set(place, item)?)
}

/// Takes the smallest item of a heap that is not empty.
pub fn pop<'py>(mut cells: impl Cells<'py>, less: Less) -> Result<Bound<'py, PyAny>, Stop> {
    let end = cells.len() - 1;
    let (first, last) = (cells.get(0)?, cells.get(end)?);
    // The way down along the smaller children, each of which moves up one place; then back up to where the
    // last item belongs.
    let mut way = vec![0];
    let mut child = 1;
    while child < end {
        let other = child + 1;
        if other < end && !less(&cells.get(child)?, &cells.get(other)?)? {
            child = other;
        }
        way.push(child);
        child = 2 * child + 1;
    }
    let mut depth = way.len() - 1;
    while depth > 0 && less(&last, &cells.get(way[depth])?)? {
        depth -= 1;
    }
    for step in way[..=depth].windows(2) {
        let below = cells.get(step[1])?;
        cells.set(step[0], below)?;
    }
    cells.set(way[depth], last)?;
    cells.cut_last()?;
    Ok(first)
}

const fn parent(place: usize) -> usize {
    (place - 1) / 2
}

/// A change of a heap that has not been carried out: what it has read, and what it will write. It holds
/// references until it is dropped. So carrying it out never drops the last reference to an item.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Draft {
    before: usize,
    after: usize,
    read: Vec<(usize, Item)>,
    written: BTreeMap<usize, Item>,
    /// The items that it takes out, in order.
    pub taken: Vec<Item>,
    /// How many items it adds.
    pub added: usize,
}

struct Drafting<'a, 'py> {
    heap: &'a Bound<'py, PyList>,
    draft: Draft,
}

impl<'py> Cells<'py> for &mut Drafting<'_, 'py> {
    fn len(&self) -> usize {
        self.draft.after
    }

    fn get(&mut self, place: usize) -> Result<Bound<'py, PyAny>, Stop> {
        let py = self.heap.py();
        if let Some(item) = self.draft.written.get(&place) {
            return Ok(item.bind(py).clone());
        }
        // Another thread may have made the list shorter.
        let item = self.heap.get_item(place).map_err(|_| Stop::Changed)?;
        self.draft.read.push((place, item.clone().unbind()));
        Ok(item)
    }

    fn set(&mut self, place: usize, item: Bound<'py, PyAny>) -> PyResult<()> {
        self.draft.written.insert(place, item.unbind());
        Ok(())
    }

    fn append(&mut self, item: Bound<'py, PyAny>) -> PyResult<()> {
        self.draft.after += 1;
        self.set(self.draft.after - 1, item)
    }

    fn cut_last(&mut self) -> PyResult<()> {
        self.draft.after -= 1;
        self.draft.written.remove(&self.draft.after);
        Ok(())
    }
}

impl Draft {
    fn of<'a, 'py>(heap: &'a Bound<'py, PyList>) -> Drafting<'a, 'py> {
        let len = PyListMethods::len(heap);
        let draft =
            Self { before: len, after: len, read: Vec::new(), written: BTreeMap::new(), taken: Vec::new(), added: 0 };
        Drafting { heap, draft }
    }

    /// A draft that adds these items.
    pub fn adding<'py>(
        heap: &Bound<'py, PyList>,
        items: impl IntoIterator<Item = Bound<'py, PyAny>>,
        less: Less,
    ) -> Result<Self, Stop> {
        stop_at_the_end();
        let mut drafting = Self::of(heap);
        for item in items {
            push(&mut drafting, item, less)?;
            drafting.draft.added += 1;
        }
        Ok(drafting.draft)
    }

    /// A draft that takes up to `max` items.
    pub fn taking(heap: &Bound<'_, PyList>, max: usize, less: Less) -> Result<Self, Stop> {
        stop_at_the_end();
        let mut drafting = Self::of(heap);
        while drafting.draft.after > 0 && drafting.draft.taken.len() < max {
            let item = pop(&mut drafting, less)?;
            drafting.draft.taken.push(item.unbind());
        }
        Ok(drafting.draft)
    }

    /// Whether all that the draft has read still stands where it stood.
    pub fn is_valid(&self, heap: &Bound<'_, PyList>) -> bool {
        PyListMethods::len(heap) == self.before
            && self.read.iter().all(|(place, item)| heap.get_item(*place).is_ok_and(|now| now.is(item)))
    }

    /// Carries the draft out; it has to be valid. Runs no Python code.
    pub fn carry_out(&self, heap: &Bound<'_, PyList>) -> PyResult<()> {
        let py = heap.py();
        for (&place, item) in &self.written {
            if place < PyListMethods::len(heap) {
                heap.set_item(place, item.bind(py))?;
            } else {
                heap.append(item.bind(py))?;
            }
        }
        heap.del_slice(self.after, self.before.max(self.after))
    }
}

/// Tries until nothing comes in between. This is for the hooks of a `PriorityQueue`, which run under its
/// lock.
fn change<'py>(heap: &Bound<'py, PyList>, draft: impl Fn() -> Result<Draft, Stop>) -> PyResult<Draft> {
    loop {
        match draft() {
            Ok(draft) if draft.is_valid(heap) => {
                draft.carry_out(heap)?;
                return Ok(draft);
            }
            Ok(_) | Err(Stop::Changed | Stop::Foreign) => {}
            Err(Stop::Raised(raised)) => return Err(raised),
        }
    }
}

/// Adds an item. If a comparison raises, the exception is passed on, and the heap is as it was.
#[pyfunction]
#[pyo3(name = "_heap_push")]
pub fn heap_push(heap: &Bound<'_, PyList>, item: &Bound<'_, PyAny>) -> PyResult<()> {
    change(heap, || Draft::adding(heap, [item.clone()], by_any_means)).map(drop)
}

/// Takes the smallest item. If a comparison raises, the exception is passed on, and the heap is as it was.
#[pyfunction]
#[pyo3(name = "_heap_pop")]
pub fn heap_pop(heap: &Bound<'_, PyList>) -> PyResult<Item> {
    let taken = change(heap, || Draft::taking(heap, 1, by_any_means))?;
    let first = taken.taken.first().map(|item| item.clone_ref(heap.py()));
    first.ok_or_else(|| PyIndexError::new_err("the heap is empty"))
}

/// The items of a heap in the order in which they would be taken. No other code may use the heap; it is empty
/// afterwards.
#[pyfunction]
#[pyo3(name = "_heap_in_order")]
pub fn heap_in_order<'py>(heap: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyList>> {
    stop_at_the_end();
    let in_order = PyList::empty(heap.py());
    while !heap.is_empty() {
        match pop(heap, by_any_means) {
            Ok(item) => in_order.append(item)?,
            Err(Stop::Raised(raised)) => return Err(raised),
            Err(Stop::Foreign | Stop::Changed) => {}
        }
    }
    Ok(in_order)
}
