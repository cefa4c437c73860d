//! Moving items between a buffer and Python lists without a vector in between.

use super::Item;
use super::lock::RingLock;
use elasticq::priority::PriorityCircularBuffer;
use elasticq::{BufferResult, DynamicCircularBuffer};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyList, PyTuple};
use std::mem::MaybeUninit;
use std::slice;

/// The places of a new list, which are filled from the front. The first `filled` of them hold items, the
/// others nothing.
pub struct Places<'a> {
    places: &'a mut [MaybeUninit<Item>],
    filled: usize,
}

/// A buffer that moves its items straight to where they are to be.
///
/// # Safety
/// `pop_into` has filled as many places, from the front, as it says; none if it fails.
pub unsafe trait PopInto {
    fn pop_into(&self, target: &mut [MaybeUninit<Item>]) -> BufferResult<usize>;
}

// SAFETY: the promise of the buffer's own `pop_into`.
unsafe impl PopInto for DynamicCircularBuffer<Item, RingLock> {
    #[inline]
    fn pop_into(&self, target: &mut [MaybeUninit<Item>]) -> BufferResult<usize> {
        Self::pop_into(self, target)
    }
}

// SAFETY: the promise of the buffer's own `pop_into`.
unsafe impl PopInto for PriorityCircularBuffer<Item, RingLock> {
    #[inline]
    fn pop_into(&self, target: &mut [MaybeUninit<Item>]) -> BufferResult<usize> {
        Self::pop_into(self, target)
    }
}

/// A buffer that moves its newest items, newest first.
pub struct Newest<'a>(pub &'a DynamicCircularBuffer<Item, RingLock>);

// SAFETY: the promise of the buffer's own `pop_newest_into`.
unsafe impl PopInto for Newest<'_> {
    #[inline]
    fn pop_into(&self, target: &mut [MaybeUninit<Item>]) -> BufferResult<usize> {
        self.0.pop_newest_into(target)
    }
}

impl Places<'_> {
    /// How many more items fit.
    pub fn left(&self) -> usize {
        self.places.len() - self.filled
    }

    /// Fills as many places as the buffer has items for; returns their number.
    #[inline]
    pub fn take_from(&mut self, buffer: &impl PopInto) -> BufferResult<usize> {
        let count = buffer.pop_into(&mut self.places[self.filled..])?;
        self.filled += count;
        Ok(count)
    }

    /// Fills the next places with these items. Items that don't fit are dropped.
    pub fn extend(&mut self, items: Vec<Item>) {
        for (place, item) in self.places[self.filled..].iter_mut().zip(items) {
            place.write(item);
            self.filled += 1;
        }
    }
}

/// Takes up to `room` items into a new list, by `fill`. `None` if there were none.
///
/// The list is made before `fill` is called, which may take a buffer's lock: making it may run the garbage
/// collector, which must not find that lock held.
pub fn take<'py>(
    py: Python<'py>,
    room: usize,
    fill: impl FnOnce(&mut Places<'_>) -> BufferResult<()>,
) -> PyResult<BufferResult<Option<Bound<'py, PyList>>>> {
    if room == 0 {
        return Ok(Ok(None));
    }
    #[allow(clippy::cast_possible_wrap)] // no more pointers than half the address space
    let size = room as ffi::Py_ssize_t;
    // SAFETY: attached.
    let list = unsafe { ffi::PyList_New(size) };
    // SAFETY: a new reference, or null with the exception set.
    let list = unsafe { Bound::from_owned_ptr_or_err(py, list) }?.cast_into::<PyList>()?;
    // SAFETY: a list object, of which no other code knows.
    let first = unsafe { (*list.as_ptr().cast::<ffi::PyListObject>()).ob_item };
    // SAFETY: a list of `room > 0` places has an array of that length, all null; no safe point is reached
    // before it is filled. `Py<PyAny>` has the layout of a non-null object pointer.
    let places = unsafe { slice::from_raw_parts_mut(first.cast::<MaybeUninit<Py<PyAny>>>(), room) };
    let mut places = Places { places, filled: 0 };
    let taken = fill(&mut places);
    let count = places.filled;
    if count < room {
        // Another thread took some meanwhile. Cutting off the places that stayed null drops nothing.
        #[allow(clippy::cast_possible_wrap)] // below `room`
        let kept = count as ffi::Py_ssize_t;
        // SAFETY: attached, a valid list, and a range within it.
        let failed = unsafe { ffi::PyList_SetSlice(list.as_ptr(), kept, size, std::ptr::null_mut()) };
        if failed != 0 {
            // There was no memory for it. The items have left the buffer and must not be lost. So the list
            // keeps the places, too many as they are.
            drop(PyErr::take(py));
            // SAFETY: a list that no other code knows. It may have more places than items, and all items are
            // in the first `kept` places.
            unsafe { (*list.as_ptr().cast::<ffi::PyListObject>()).ob_base.ob_size = kept };
        }
    }
    Ok(taken.map(|()| (count > 0).then_some(list)))
}

/// Adds all items of `list` or none. `add` gets their number, and a function that makes each.
pub fn put_list(
    list: &Bound<'_, PyList>,
    add: impl FnOnce(usize, &mut dyn FnMut(usize) -> Item) -> BufferResult<()>,
) -> (usize, BufferResult<()>) {
    // On free-threaded builds the critical section keeps the list as it is. The buffer's lock may be taken
    // inside it, since no thread waits for anything while it holds that lock.
    with_critical_section(list.as_any(), || {
        let count = list.len();
        let added = add(count, &mut |index| {
            assert!(index < count, "item {index} of {count} in a list");
            // SAFETY: the list can't change (critical section or interpreter lock), and `index < count`.
            unsafe { list.get_item_unchecked(index) }.unbind()
        });
        (count, added)
    })
}

/// The same for all items of `tuple`.
pub fn put_tuple(
    tuple: &Bound<'_, PyTuple>,
    add: impl FnOnce(usize, &mut dyn FnMut(usize) -> Item) -> BufferResult<()>,
) -> (usize, BufferResult<()>) {
    let items = tuple.as_slice();
    (items.len(), add(items.len(), &mut |index| items[index].clone().unbind()))
}
