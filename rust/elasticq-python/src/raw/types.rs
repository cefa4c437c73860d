//! Types made by hand, for objects that would cost too much as PyO3's own.
//!
//! The interpreter keeps pointers to the tables of a type, so these are never freed. Each ends with an entry
//! of zeros.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::ffi::{CStr, c_int, c_uint, c_ulong, c_void};
use std::ptr;

/// A slot's number, and its contents.
pub type Slot = (c_int, *mut c_void);

/// The slot for a table of methods, attributes or members.
pub fn table<E: Default>(slot: c_int, entries: impl IntoIterator<Item = E>) -> Slot {
    let entries: Vec<E> = entries.into_iter().chain([E::default()]).collect();
    (slot, entries.leak().as_mut_ptr().cast())
}

pub fn method(name: &'static CStr, function: ffi::PyCFunction, flags: c_int, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    }
}

/// An attribute that can only be read. `get` gets its name.
pub fn attribute(
    name: &'static CStr,
    get: unsafe extern "C" fn(*mut PyObject, *mut c_void) -> *mut PyObject,
) -> ffi::PyGetSetDef {
    let closure = name.as_ptr().cast_mut().cast();
    ffi::PyGetSetDef { name: name.as_ptr(), get: Some(get), set: None, doc: ptr::null(), closure }
}

/// A type whose objects have the layout `T`. Only Rust makes such objects.
///
/// # Safety
/// `T` begins with a `PyObject`. The contents of each slot have the type that the interpreter wants there,
/// and the functions take objects of this type.
#[cold]
pub unsafe fn make<T>(
    py: Python<'_>,
    name: &'static CStr,
    flags: c_ulong,
    slots: impl IntoIterator<Item = Slot>,
) -> PyResult<Py<PyType>> {
    let end = (0, ptr::null_mut());
    let mut slots: Vec<_> =
        slots.into_iter().chain([end]).map(|(slot, pfunc)| ffi::PyType_Slot { slot, pfunc }).collect();
    let always = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // small numbers
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size_of::<T>() as c_int,
        itemsize: 0,
        flags: (always | flags) as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; the caller's promise.
    let made = unsafe { ffi::PyType_FromSpec(&raw mut spec) };
    // SAFETY: a new reference, or null with the exception set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
    Ok(made.cast_into::<PyType>()?.unbind())
}
