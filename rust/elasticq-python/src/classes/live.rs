//! Every live queue of the process, for a program that hangs.

use super::persistent::Persistent;
use crate::raw::Item;
use crate::store::object::Elastic;
use pyo3::prelude::*;

/// The queues among the objects that the garbage collector knows. Runs no Python code, and holds no other
/// object: a tuple that another thread is just making (`tuple(items)`) must have no second owner.
#[pyfunction]
#[pyo3(name = "_live_queues")]
pub fn live_queues(py: Python<'_>) -> PyResult<Vec<Item>> {
    found(py)
}

#[cfg(Py_3_12)]
#[allow(clippy::unnecessary_wraps)] // elsewhere it may fail
fn found(py: Python<'_>) -> PyResult<Vec<Item>> {
    use pyo3::ffi::{Py_REFCNT, Py_TYPE, PyObject, PyType_IsSubtype, PyTypeObject};
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        /// Calls `visit` for each object, while all other threads stand still.
        fn PyUnstable_GC_VisitObjects(
            visit: unsafe extern "C" fn(*mut PyObject, *mut c_void) -> c_int,
            argument: *mut c_void,
        );
    }

    struct Search {
        kinds: [*mut PyTypeObject; 2],
        found: Vec<Item>,
    }

    unsafe extern "C" fn visit(object: *mut PyObject, search: *mut c_void) -> c_int {
        // SAFETY: the pointer is the one that was given below; nobody else uses it meanwhile.
        let search = unsafe { &mut *search.cast::<Search>() };
        // SAFETY: the object lives, since all other threads stand still.
        let class = unsafe { Py_TYPE(object) };
        // SAFETY: as above. Both are classes.
        let is_queue = search.kinds.iter().any(|&kind| unsafe { PyType_IsSubtype(class, kind) } != 0);
        // SAFETY: as above. An object without owners is about to go.
        if is_queue && unsafe { Py_REFCNT(object) } > 0 {
            // SAFETY: the caller of the search is attached.
            let py = unsafe { Python::assume_attached() };
            // SAFETY: the object lives.
            search.found.push(unsafe { Bound::from_borrowed_ptr(py, object) }.unbind());
        }
        1
    }

    let kinds = [py.get_type::<Elastic>().as_type_ptr(), py.get_type::<Persistent>().as_type_ptr()];
    let mut search = Search { kinds, found: Vec::new() };
    // SAFETY: `visit` gets `search`, and creates no objects.
    unsafe { PyUnstable_GC_VisitObjects(visit, (&raw mut search).cast()) };
    Ok(search.found)
}

#[cfg(not(Py_3_12))]
fn found(py: Python<'_>) -> PyResult<Vec<Item>> {
    // The interpreter stays locked from here to the end, so no other thread sees that the objects are held.
    let objects = py.import("gc")?.call_method0("get_objects")?.cast_into::<pyo3::types::PyList>()?;
    let is_queue = |object: &Bound<'_, PyAny>| {
        let class = object.get_type();
        class.is_subclass_of::<Elastic>().unwrap_or(false) || class.is_subclass_of::<Persistent>().unwrap_or(false)
    };
    Ok(objects.iter().filter(is_queue).map(Bound::unbind).collect())
}
