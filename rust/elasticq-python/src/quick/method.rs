//! `CoroutineMethod`: a method that returns something to be awaited, and says so to code that asks before it
//! calls.
//!
//! Frameworks recognise coroutine functions by a flag in `__code__` (`inspect.iscoroutinefunction`). A method
//! in Rust has no `__code__`, and a function of Python's has the flag only if each call makes a coroutine. So
//! such a method is wrapped in an object that shows the code of an `async def` with the same signature. To a
//! call that object is what a method is to the interpreter: with `METHOD_DESCRIPTOR` and vectorcall no bound
//! method is made. `aget` and `aput` with plain arguments are done right here; all other calls are passed on.

use super::awaitable;
use super::portrait::stub;
use crate::raw::attached::attached;
use crate::raw::detach::stop_at_the_end;
use crate::raw::types;
use crate::raw::undeclared::PyMethod_New;
use crate::store::object::Elastic;
use crate::store::view::{Shown, View};
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use std::ffi::{CStr, c_char, c_void};
use std::mem::offset_of;
use std::ptr;

/// The layout of the objects. They live as long as the classes whose methods they are: for ever.
#[repr(C)]
struct CoroutineMethod {
    head: PyObject,
    vectorcall: ffi::vectorcallfunc,
    /// The method that is wrapped.
    inner: *mut PyObject,
    /// The first argument must be an instance of this class for the fast path.
    class: *mut ffi::PyTypeObject,
}

/// Wraps the methods of a class that return something to be awaited. The class is `View` or has nothing of
/// the names `get` and `put`; `aget` and `aput` are those of `Elastic`.
pub fn install(py: Python<'_>, class: &Bound<'_, PyType>, names: &[&str]) -> PyResult<()> {
    for &name in names {
        let method = class.as_any().getattr("__dict__")?.get_item(name)?;
        let vectorcall = match name {
            "aget" => aget,
            "aput" => aput,
            "get" => get,
            "put" => put,
            _ => pass_on,
        };
        class.setattr(name, wrap(py, &method, class, vectorcall)?)?;
    }
    Ok(())
}

fn wrap<'py>(
    py: Python<'py>,
    inner: &Bound<'py, PyAny>,
    class: &Bound<'py, PyType>,
    vectorcall: ffi::vectorcallfunc,
) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let own = CLASS.get_or_try_init(py, || make_class(py))?.as_ptr().cast::<ffi::PyTypeObject>();
    // SAFETY: attached; a type of objects with this layout.
    let object = unsafe { ffi::PyType_GenericAlloc(own, 0) };
    // SAFETY: a new reference, or null with the exception set.
    let wrapped = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    // SAFETY: an object of this layout, which no other code knows.
    let fields = unsafe { &mut *object.cast::<CoroutineMethod>() };
    fields.vectorcall = vectorcall;
    fields.inner = inner.clone().into_ptr();
    fields.class = class.as_type_ptr();
    Ok(wrapped)
}

/// # Safety
/// The object is one of ours.
unsafe fn fields<'a>(object: *mut PyObject) -> &'a CoroutineMethod {
    // SAFETY: the caller's promise; our objects are never freed and don't change.
    unsafe { &*object.cast() }
}

unsafe extern "C" fn pass_on(
    method: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    stop_at_the_end(); // reading the arguments may run Python code
    // SAFETY: the interpreter calls this for one of our objects.
    let inner = unsafe { fields(method) }.inner;
    // SAFETY: attached; the arguments are those that the interpreter gave.
    unsafe { ffi::PyObject_Vectorcall(inner, arguments, count, keywords) }
}

/// The first argument, if it is an instance of the method's class, there are `wanted` arguments, and none has
/// a name.
///
/// # Safety
/// The arguments are those of a vectorcall.
#[inline(always)]
unsafe fn plainly<'py>(
    py: Python<'py>,
    method: *mut PyObject,
    arguments: *const *mut PyObject,
    (count, wanted): (usize, Py_ssize_t),
    keywords: *mut PyObject,
) -> Option<Bound<'py, PyAny>> {
    // SAFETY: this only calculates.
    let count = unsafe { ffi::PyVectorcall_NARGS(count) };
    if !keywords.is_null() || count != wanted {
        return None;
    }
    // SAFETY: there is an argument.
    let queue = unsafe { *arguments };
    // SAFETY: one of our objects.
    let class = unsafe { fields(method) }.class;
    // SAFETY: an object that the caller holds, and a type.
    if unsafe { ffi::PyObject_TypeCheck(queue, class) } == 0 {
        return None;
    }
    // SAFETY: an object that the caller holds.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, queue) }
}

/// The queue in memory that a view shows.
#[inline(always)]
fn viewed<'py>(view: &Bound<'py, View>) -> Option<Bound<'py, Elastic>> {
    match view.get().shown() {
        Some(Shown::Memory(queue)) => Some(queue.bind(view.py()).clone()),
        _ => None,
    }
}

#[inline(always)]
fn later(queue: Bound<'_, Elastic>, item: Option<Bound<'_, PyAny>>, of_view: bool) -> *mut PyObject {
    let py = queue.py();
    match awaitable::awaitable(queue, item, of_view, false) {
        Ok(awaitable) => awaitable.into_ptr(),
        Err(no_memory) => {
            attached(py, |py| no_memory.restore(py));
            ptr::null_mut()
        }
    }
}

/// Makes the entry of a method: `$count` arguments in all, `$item` of `arguments`, and from the first argument
/// the queue (`$class`, `$queue`), for a view or not.
macro_rules! entry {
    ($name:ident, $class:ty, $queue:expr, $count:literal, $item:expr, $of_view:literal) => {
        unsafe extern "C" fn $name(
            method: *mut PyObject,
            arguments: *const *mut PyObject,
            count: usize,
            keywords: *mut PyObject,
        ) -> *mut PyObject {
            // SAFETY: attached.
            let py = unsafe { Python::assume_attached() };
            // SAFETY: the interpreter's promise.
            let first = unsafe { plainly(py, method, arguments, (count, $count), keywords) };
            // SAFETY: `plainly` has checked the type.
            match first.and_then(|first| $queue(unsafe { first.cast_into_unchecked::<$class>() })) {
                // SAFETY: as many arguments as `plainly` has counted, which the caller holds.
                Some(queue) => later(queue, unsafe { $item(py, arguments) }, $of_view),
                // SAFETY: likewise.
                None => unsafe { pass_on(method, arguments, count, keywords) },
            }
        }
    };
}

/// The second argument.
///
/// # Safety
/// There are two.
#[inline(always)]
unsafe fn second(py: Python<'_>, arguments: *const *mut PyObject) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the caller's promise.
    let place = unsafe { arguments.add(1) };
    // SAFETY: likewise.
    let object = unsafe { *place };
    // SAFETY: an object that the caller holds.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, object) }
}

/// # Safety
/// It does nothing.
#[inline(always)]
const unsafe fn none(_: Python<'_>, _: *const *mut PyObject) -> Option<Bound<'_, PyAny>> {
    None
}

entry!(aget, Elastic, Some, 1, none, false);
entry!(aput, Elastic, Some, 2, second, false);
entry!(get, View, |view| viewed(&view), 1, none, true);
entry!(put, View, |view| viewed(&view), 2, second, true);

unsafe extern "C" fn bind(method: *mut PyObject, object: *mut PyObject, _class: *mut PyObject) -> *mut PyObject {
    if object.is_null() {
        // SAFETY: attached, and a valid object.
        return unsafe { ffi::Py_NewRef(method) };
    }
    // SAFETY: attached, and valid objects.
    unsafe { PyMethod_New(method, object) }
}

/// An attribute of the method that is wrapped.
unsafe extern "C" fn of_inner(method: *mut PyObject, name: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter calls this for one of our objects.
    let inner = unsafe { fields(method) }.inner;
    // SAFETY: attached, an object and one of the names below.
    unsafe { ffi::PyObject_GetAttrString(inner, name.cast::<c_char>()) }
}

/// An attribute of an `async def` with the same signature.
unsafe extern "C" fn of_stub(method: *mut PyObject, name: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter calls this while attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter calls this for one of our objects.
    let inner = unsafe { fields(method) }.inner;
    attached(py, |py| {
        // SAFETY: an object that our object holds.
        let inner = unsafe { Bound::from_borrowed_ptr(py, inner) };
        // SAFETY: one of the names below.
        let name = unsafe { CStr::from_ptr(name.cast()) };
        as_async_def(&inner, &name.to_string_lossy()).map_or_else(
            |error| {
                error.restore(py);
                ptr::null_mut()
            },
            Bound::into_ptr,
        )
    })
}

fn as_async_def<'py>(inner: &Bound<'py, PyAny>, attribute: &str) -> PyResult<Bound<'py, PyAny>> {
    const CO_COROUTINE: u32 = 0x80;
    let py = inner.py();
    if let Some(own) = inner.getattr_opt(attribute)? {
        if attribute != "__code__" {
            return Ok(own);
        }
        let changed = PyDict::new(py);
        changed.set_item("co_flags", own.getattr("co_flags")?.extract::<u32>()? | CO_COROUTINE)?;
        return own.call_method("replace", (), Some(&changed));
    }
    let name: String = inner.getattr("__name__")?.extract()?;
    let parameters: Option<String> = inner.getattr("__text_signature__")?.extract()?;
    let parameters = parameters.ok_or_else(|| PyAttributeError::new_err("no signature"))?.replace('$', "");
    stub(py, &name, &parameters)?.getattr(attribute)
}

unsafe extern "C" fn repr(method: *mut PyObject) -> *mut PyObject {
    // SAFETY: one of our objects.
    let inner = unsafe { fields(method) }.inner;
    // SAFETY: attached, and a valid object.
    unsafe { ffi::PyObject_Repr(inner) }
}

unsafe extern "C" fn reduce(method: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    stop_at_the_end();
    // SAFETY: attached, and one of our objects.
    let inner = unsafe { fields(method) }.inner;
    // SAFETY: attached, a valid object and a name.
    let reduce = unsafe { ffi::PyObject_GetAttrString(inner, c"__reduce__".as_ptr()) };
    if reduce.is_null() {
        return reduce;
    }
    // SAFETY: attached, and a valid object.
    let reduced = unsafe { ffi::PyObject_CallNoArgs(reduce) };
    // SAFETY: the reference that the lookup returned.
    unsafe { ffi::Py_DECREF(reduce) };
    reduced
}

#[cold]
fn make_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    let own = [c"__name__", c"__qualname__", c"__doc__", c"__text_signature__", c"__objclass__"];
    let shown = [c"__code__", c"__defaults__", c"__kwdefaults__", c"__annotations__"];
    let own = own.map(|name| types::attribute(name, of_inner));
    let shown = shown.map(|name| types::attribute(name, of_stub));
    let reduce = types::method(c"__reduce__", reduce, ffi::METH_NOARGS, c"Tell what is pickled.");
    let vectorcall = ffi::PyMemberDef {
        name: c"__vectorcalloffset__".as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset_of!(CoroutineMethod, vectorcall) as Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    let slots = [
        (ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
        (ffi::Py_tp_descr_get, bind as *mut c_void),
        (ffi::Py_tp_repr, repr as *mut c_void),
        types::table(ffi::Py_tp_getset, own.into_iter().chain(shown)),
        types::table(ffi::Py_tp_methods, [reduce]),
        types::table(ffi::Py_tp_members, [vectorcall]),
    ];
    let flags = ffi::Py_TPFLAGS_HAVE_VECTORCALL | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR;
    // SAFETY: this is the layout of the type's objects, and the functions have the types that their slots
    // want.
    unsafe { types::make::<CoroutineMethod>(py, c"elasticq._core.CoroutineMethod", flags, slots) }
}
