//! Moving items between a buffer and Python lists without a vector in between.

use crate::items::Items;
use crate::raw::Item;
use elasticq::{BufferError, BufferResult};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyList, PyTuple};
use std::mem::MaybeUninit;
use std::slice;

/// Takes up to `max` items into a new list. `None` if there were none.
pub fn take<'py>(py: Python<'py>, buffer: &Items, max: usize) -> PyResult<BufferResult<Option<Bound<'py, PyList>>>> {
    // The list is made before the lock is taken: it may run the garbage collector, which must not find the
    // lock held.
    let room = buffer.len().min(max);
    if room == 0 {
        // Nothing is added after closing. So if it is first seen closed and then empty, it stays empty.
        let ended = max > 0 && buffer.is_closed() && buffer.is_empty();
        return Ok(if ended { Err(BufferError::Closed) } else { Ok(None) });
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
    let taken = buffer.pop_into(places);
    let count = *taken.as_ref().unwrap_or(&0);
    if count < room {
        // Another thread took some meanwhile. Cutting off the places that stayed null drops nothing.
        #[allow(clippy::cast_possible_wrap)] // below `room`
        let kept = count as ffi::Py_ssize_t;
        // SAFETY: attached, a valid list, and a range within it.
        let failed = unsafe { ffi::PyList_SetSlice(list.as_ptr(), kept, size, std::ptr::null_mut()) };
        if failed != 0 {
            return Err(PyErr::fetch(py));
        }
    }
    Ok(taken.map(|count| (count > 0).then_some(list)))
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
