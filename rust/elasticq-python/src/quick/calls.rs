//! Entries of the innermost calls: a put or a get that can take the fast path doesn't go through PyO3.
//!
//! A method of PyO3's notes that the thread is attached, catches panics, takes the arguments apart and
//! returns its result through memory. Around a put of a few nanoseconds that is a third of the call. So these
//! methods get an entry that makes one **attempt**: it adds or takes an item if the buffer has nothing else
//! to do (`Store::offer_plain`, `take_plain`). If the attempt fails, nothing has happened, and the entry goes
//! on into the method as PyO3 made it, with the same arguments. All that waits, grows, wakes, raises or may
//! panic stands only in that method. Each class says which of its methods get an entry (`entries`).
//!
//! An attempt runs without what PyO3 sets up around a call. So it does not panic, drops no `Py`, and calls
//! nothing of Python but the counting of references.

use crate::raw::Item;
use crate::store::Store;
use crate::store::object::Elastic;
use pyo3::PyTypeInfo;
use pyo3::exceptions::PySystemError;
use pyo3::ffi::{self, METH_FASTCALL, METH_KEYWORDS, METH_NOARGS, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use std::ffi::c_int;
use std::ptr;
use std::sync::OnceLock;

/// A method that gets an entry; see `entries`.
pub trait Method {
    type Class: PyTypeInfo;
    const NAME: &'static str;

    /// Returns a new reference to the result. Null: nothing has happened. There are `count` arguments.
    ///
    /// # Safety
    /// `count` objects, which the caller holds, are at `arguments`.
    unsafe fn attempt(
        py: Python<'_>,
        queue: Borrowed<'_, '_, Elastic>,
        arguments: *const *mut PyObject,
        count: Py_ssize_t,
    ) -> *mut PyObject;

    /// The method as PyO3 made it.
    fn made() -> &'static OnceLock<Made>;
}

const WITH_ARGUMENTS: c_int = METH_FASTCALL | METH_KEYWORDS;

/// The two ways in which PyO3 makes these methods.
pub enum Made {
    WithArguments(ffi::PyCFunctionFastWithKeywords),
    WithoutArguments(ffi::PyCFunction),
}

/// `entries!(Class: "method" => attempt, ...)` makes a function that gives these methods of a class their
/// entries, by the attempts of this file. The methods' names, docstrings and signatures stay.
macro_rules! entries {
    ($class:ty: $($name:literal => $attempt:ident),* $(,)?) => {
        /// Gives the innermost calls of the class their entries.
        fn give_entries(py: pyo3::Python<'_>) -> pyo3::PyResult<()> {
            $({
                struct Entry;

                impl $crate::quick::calls::Method for Entry {
                    type Class = $class;
                    const NAME: &'static str = $name;

                    #[inline(always)]
                    unsafe fn attempt(
                        py: pyo3::Python<'_>,
                        queue: pyo3::Borrowed<'_, '_, $crate::store::object::Elastic>,
                        arguments: *const *mut pyo3::ffi::PyObject,
                        count: pyo3::ffi::Py_ssize_t,
                    ) -> *mut pyo3::ffi::PyObject {
                        // SAFETY: the caller's promise.
                        unsafe { $crate::quick::calls::$attempt(py, queue, arguments, count) }
                    }

                    fn made() -> &'static std::sync::OnceLock<$crate::quick::calls::Made> {
                        static MADE: std::sync::OnceLock<$crate::quick::calls::Made> = std::sync::OnceLock::new();
                        &MADE
                    }
                }

                $crate::quick::calls::give_entry::<Entry>(py)?;
            })*
            Ok(())
        }
    };
}
pub(crate) use entries;

/// If the item is the only argument: adds it, returns None.
///
/// # Safety
/// As [`Method::attempt`].
#[inline(always)]
pub unsafe fn add(
    py: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count != 1 {
        return ptr::null_mut();
    }
    // SAFETY: there is one argument.
    let item = unsafe { *arguments };
    // SAFETY: an object that the caller holds.
    unsafe { hand_in(py, queue, item, Store::offer_plain) }
}

/// If the item is the only argument: adds it at the middle level, returns None.
///
/// # Safety
/// As [`Method::attempt`].
#[inline(always)]
pub unsafe fn add_in_the_middle(
    py: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count != 1 {
        return ptr::null_mut();
    }
    // SAFETY: there is one argument.
    let item = unsafe { *arguments };
    // SAFETY: an object that the caller holds.
    unsafe { hand_in(py, queue, item, |store, item| store.offer_plain_at(item, None)) }
}

/// If the arguments are the item and a priority: adds the item at that level, returns None.
///
/// # Safety
/// As [`Method::attempt`].
#[inline(always)]
pub unsafe fn add_at(
    py: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count != 2 {
        return ptr::null_mut();
    }
    // SAFETY: there are two arguments.
    let &[item, priority] = unsafe { &*arguments.cast::<[*mut PyObject; 2]>() };
    // SAFETY: an object that the caller holds.
    if unsafe { ffi::PyLong_CheckExact(priority) } == 0 {
        return ptr::null_mut();
    }
    let mut overflow = 0;
    // SAFETY: attached, and the object is an integer, so this raises nothing.
    let number = unsafe { ffi::PyLong_AsLongAndOverflow(priority, &raw mut overflow) };
    match usize::try_from(number) {
        // SAFETY: an object that the caller holds.
        Ok(priority) if overflow == 0 => unsafe {
            hand_in(py, queue, item, |store, item| store.offer_plain_at(item, Some(priority)))
        },
        _ => ptr::null_mut(),
    }
}

/// Adds an item by `offer`, returns None.
///
/// # Safety
/// `object` is null or an object that the caller holds.
#[inline(always)]
unsafe fn hand_in(
    py: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    object: *mut PyObject,
    offer: impl FnOnce(&Store, Item) -> Result<(), Item>,
) -> *mut PyObject {
    let store = queue.get().store_to_attempt();
    // SAFETY: the caller's promise. The reference is counted before another thread can see the item.
    let Some(item) = (unsafe { store.taker.reference(py, object) }) else { return ptr::null_mut() };
    match offer(store, item) {
        Ok(()) => py.None().into_ptr(),
        Err(item) => {
            // SAFETY: the reference counted above; the caller holds another one, so nothing is freed.
            unsafe { ffi::Py_DECREF(item.into_ptr()) };
            ptr::null_mut()
        }
    }
}

/// Without arguments: takes an item and returns it.
///
/// # Safety
/// As [`Method::attempt`].
#[inline(always)]
pub unsafe fn take(
    _: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    _: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count == 0 { hand_out(queue, Store::take_plain) } else { ptr::null_mut() }
}

/// The same for a buffer with levels.
///
/// # Safety
/// As [`Method::attempt`].
#[inline(always)]
pub unsafe fn take_leveled(
    _: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    _: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count == 0 { hand_out(queue, Store::take_plain_leveled) } else { ptr::null_mut() }
}

/// If the only argument is what to return when there is no item: takes an item and returns it, from either
/// buffer.
///
/// # Safety
/// As [`Method::attempt`].
#[inline(always)]
pub unsafe fn take_or(
    _: Python<'_>,
    queue: Borrowed<'_, '_, Elastic>,
    _: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    let either = |store: &Store| store.take_plain().or_else(|| store.take_plain_leveled());
    if count == 1 { hand_out(queue, either) } else { ptr::null_mut() }
}

/// Takes an item by `take`, returns it.
#[inline(always)]
fn hand_out(queue: Borrowed<'_, '_, Elastic>, take: impl FnOnce(&Store) -> Option<Item>) -> *mut PyObject {
    take(queue.get().store_to_attempt()).map_or(ptr::null_mut(), Item::into_ptr)
}

/// The attempt on the object whose method was called.
///
/// # Safety
/// As [`Method::attempt`], and `slf` is an `M::Class`.
#[inline(always)]
unsafe fn attempt<M: Method>(slf: *mut PyObject, arguments: *const *mut PyObject, count: Py_ssize_t) -> *mut PyObject {
    // SAFETY: attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: an object, which the caller holds.
    let Some(object) = (unsafe { Borrowed::from_ptr_or_opt(py, slf) }) else { return ptr::null_mut() };
    // SAFETY: `M::Class` is `Elastic` or derives from it: `give_entry` has made sure of that.
    let queue = unsafe { object.cast_unchecked::<Elastic>() };
    // SAFETY: the caller's promise.
    unsafe { M::attempt(py, queue, arguments, count) }
}

unsafe extern "C" fn with_arguments<M: Method>(
    slf: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    keywords: *mut PyObject,
) -> *mut PyObject {
    if keywords.is_null() {
        // SAFETY: the interpreter calls a method while attached, with an object of its class and the
        // arguments that it names.
        let result = unsafe { attempt::<M>(slf, arguments, count) };
        if !result.is_null() {
            return result;
        }
    }
    match M::made().get() {
        // SAFETY: the method, with its own arguments.
        Some(Made::WithArguments(method)) => unsafe { method(slf, arguments, count, keywords) },
        _ => ptr::null_mut(), // never: `give_entry` has set it before the entry is called
    }
}

unsafe extern "C" fn without_arguments<M: Method>(slf: *mut PyObject, nothing: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter calls a method while attached, with an object of its class; there are no
    // arguments.
    let result = unsafe { attempt::<M>(slf, ptr::null(), 0) };
    if !result.is_null() {
        return result;
    }
    match M::made().get() {
        // SAFETY: the method, with its own arguments.
        Some(Made::WithoutArguments(method)) => unsafe { method(slf, nothing) },
        _ => ptr::null_mut(), // never: `give_entry` has set it before the entry is called
    }
}

/// Replaces a method in the class by one with the entry.
pub fn give_entry<M: Method>(py: Python<'_>) -> PyResult<()> {
    if M::made().get().is_some() {
        return Ok(()); // the module was loaded before
    }
    let unexpected = |what: &str| PySystemError::new_err(format!("{}: {what}", M::NAME));
    let class = py.get_type::<M::Class>();
    if !class.is_subclass_of::<Elastic>()? {
        return Err(unexpected("not a queue's"));
    }
    let method = class.getattr(M::NAME)?;
    if method.get_type_ptr() != ptr::addr_of_mut!(ffi::PyMethodDescr_Type) {
        return Err(unexpected("not a method"));
    }
    // SAFETY: that type's objects have this layout.
    let definition = unsafe { (*method.as_ptr().cast::<ffi::PyMethodDescrObject>()).d_method };
    // SAFETY: the definition lives as long as the class.
    let mut definition = unsafe { *definition };
    let made = match definition.ml_flags {
        // SAFETY: what the flags say.
        WITH_ARGUMENTS => Made::WithArguments(unsafe { definition.ml_meth.PyCFunctionFastWithKeywords }),
        // SAFETY: what the flags say.
        METH_NOARGS => Made::WithoutArguments(unsafe { definition.ml_meth.PyCFunction }),
        _ => return Err(unexpected("of a kind that gets no entry")),
    };
    definition.ml_meth = match made {
        Made::WithArguments(_) => ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: with_arguments::<M> },
        Made::WithoutArguments(_) => ffi::PyMethodDefPointer { PyCFunction: without_arguments::<M> },
    };
    M::made().get_or_init(|| made);
    // A definition has to live as long as the methods made of it, so for ever.
    let definition = Box::leak(Box::new(definition));
    // SAFETY: attached, a class and a complete definition.
    let entered = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: a new reference, or null with the exception set.
    let entered = unsafe { Bound::from_owned_ptr_or_err(py, entered) }?;
    class.setattr(M::NAME, entered)
}
