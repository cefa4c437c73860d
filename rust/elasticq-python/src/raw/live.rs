//! The live objects of some classes, among all that the garbage collector knows.

use super::Item;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The instances of these classes and their subclasses. Runs no Python code, and holds no other object: a
/// tuple that another thread is just making (`tuple(items)`) must have no second owner.
#[cfg(Py_3_12)]
#[allow(clippy::unnecessary_wraps)] // elsewhere it may fail
pub fn instances_of(classes: &[Bound<'_, PyType>]) -> PyResult<Vec<Item>> {
    use super::undeclared::PyUnstable_GC_VisitObjects;
    use pyo3::ffi::{Py_REFCNT, Py_TYPE, PyObject, PyType_IsSubtype, PyTypeObject};
    use std::ffi::{c_int, c_void};

    struct Search {
        classes: Vec<*mut PyTypeObject>,
        found: Vec<Item>,
    }

    unsafe extern "C" fn visit(object: *mut PyObject, search: *mut c_void) -> c_int {
        // SAFETY: the pointer is the one that was given below; nobody else uses it meanwhile.
        let search = unsafe { &mut *search.cast::<Search>() };
        // SAFETY: the object lives, since all other threads stand still.
        let class = unsafe { Py_TYPE(object) };
        // SAFETY: as above. Both are classes.
        let is_one = search.classes.iter().any(|&known| unsafe { PyType_IsSubtype(class, known) } != 0);
        // SAFETY: as above. An object without owners is about to go.
        if is_one && unsafe { Py_REFCNT(object) } > 0 {
            // SAFETY: the caller of the search is attached.
            let py = unsafe { Python::assume_attached() };
            // SAFETY: the object lives.
            search.found.push(unsafe { Bound::from_borrowed_ptr(py, object) }.unbind());
        }
        1
    }

    let mut search = Search { classes: classes.iter().map(|class| class.as_type_ptr()).collect(), found: Vec::new() };
    // SAFETY: `visit` gets `search`, and creates no objects.
    unsafe { PyUnstable_GC_VisitObjects(visit, (&raw mut search).cast()) };
    Ok(search.found)
}

#[cfg(not(Py_3_12))]
pub fn instances_of(classes: &[Bound<'_, PyType>]) -> PyResult<Vec<Item>> {
    let Some(py) = classes.first().map(Bound::py) else { return Ok(Vec::new()) };
    // The interpreter stays locked from here to the end, so no other thread sees that the objects are held.
    let objects = py.import("gc")?.call_method0("get_objects")?.cast_into::<pyo3::types::PyList>()?;
    let is_one =
        |object: &Bound<'_, PyAny>| classes.iter().any(|known| object.get_type().is_subclass(known).unwrap_or(false));
    Ok(objects.iter().filter(is_one).map(Bound::unbind).collect())
}
