//! `Awaitable`: what `aget` and `aput` return, as thin as the interpreter allows.
//!
//! Awaiting asks an object for an iterator and that for its first value; an iterator that ends at once has not suspended.
//! So the quick way is one call that takes the item and says that there is no more. All else (suspending, exceptions,
//! `send`, `throw`, `close`) is done by an [`Operation`], which is made when it is first needed and to which everything is
//! then passed on.
//!
//! This is a type made by hand because PyO3's own objects cost more to make and to drop than the item to take. PyO3 does
//! not know that these functions run attached, so they drop references by hand, or within `Python::attach`.

use super::Item;
use crate::awaitable::{Aim, Operation, Step};
use crate::elastic::Elastic;
use crate::store::Waiting;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// The layout of the objects.
#[repr(C)]
struct Awaitable {
    head: PyObject,
    /// One of the constants below.
    stage: AtomicU8,
    next: bool,
    queue: Py<Elastic>,
    /// To be put; null for taking. It belongs to whoever has made the stage `BUSY`.
    item: AtomicPtr<PyObject>,
    /// See `Operation`; may be null.
    translate: *mut PyObject,
    /// Null, or an `Operation`, for good.
    operation: AtomicPtr<PyObject>,
    /// Null, or the `StopIteration` that has handed over the item, to be used again.
    stop: AtomicPtr<PyObject>,
}

const NEW: u8 = 0;
/// It has given way to others once.
const GAVE_WAY: u8 = 1;
/// Somebody is at it, or it has ended.
const BUSY: u8 = 2;
/// `operation` does it.
const PASSED_ON: u8 = 3;

/// Makes one that takes an item, or puts one. `next`: for `async for`.
#[inline]
pub fn awaitable(
    py: Python<'_>,
    queue: Py<Elastic>,
    item: Option<Item>,
    translate: Option<Item>,
    next: bool,
) -> PyResult<Item> {
    let class = class(py)?.as_ptr().cast::<ffi::PyTypeObject>();
    // SAFETY: attached; the type is the one of this layout.
    let object = unsafe { spare::take(class).unwrap_or_else(|| ffi::PyObject_GC_New::<PyObject>(class)) };
    // SAFETY: null with the exception set, or an object without contents that nobody else knows; all fields but the head
    // are written before the collector or anybody else gets to see it.
    unsafe {
        let Some(object) = NonNull::new(object) else { return Err(PyErr::fetch(py)) };
        let this = object.as_ptr().cast::<Awaitable>();
        (&raw mut (*this).stage).write(AtomicU8::new(NEW));
        (&raw mut (*this).next).write(next);
        (&raw mut (*this).queue).write(queue);
        (&raw mut (*this).item).write(AtomicPtr::new(item.map_or(ptr::null_mut(), Py::into_ptr)));
        (&raw mut (*this).translate).write(translate.map_or(ptr::null_mut(), Py::into_ptr));
        (&raw mut (*this).operation).write(AtomicPtr::new(ptr::null_mut()));
        (&raw mut (*this).stop).write(AtomicPtr::new(ptr::null_mut()));
        ffi::PyObject_GC_Track(this.cast());
        Ok(Bound::from_owned_ptr(py, this.cast()).unbind())
    }
}

/// The type.
#[inline]
pub fn class(py: Python<'_>) -> PyResult<&Py<PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.get_or_try_init(py, || make_class(py))
}

impl Awaitable {
    /// Makes it ours if nobody else is at it, and it has not ended. Gives the stage it was in.
    #[inline]
    fn begin(&self) -> Option<u8> {
        let stage = self.stage.load(Ordering::Relaxed);
        if stage >= BUSY {
            return None;
        }
        if cfg!(Py_GIL_DISABLED) {
            return self.stage.compare_exchange(stage, BUSY, Ordering::Acquire, Ordering::Relaxed).ok();
        }
        self.stage.store(BUSY, Ordering::Relaxed);
        Some(stage)
    }

    /// The quick way, after `begin`: null without an exception (it gave None) or with `StopIteration`. `None`: not this way.
    #[inline]
    fn attempt(&self) -> Option<*mut PyObject> {
        let store = &self.queue.get().store;
        let item = self.item.load(Ordering::Relaxed);
        // SAFETY: all of this runs attached, and nothing in it drops a reference.
        let py = unsafe { Python::assume_attached() };
        let Some(item) = NonNull::new(item) else {
            return store.take_quickly().map(|item| stop_iteration(item.into_ptr(), Some(&self.stop)));
        };
        self.item.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: a reference that was ours, which is taken out of its place.
        let item = unsafe { Bound::from_owned_ptr(py, item.as_ptr()) }.unbind();
        match store.offer_quickly(item) {
            Ok(()) => Some(ptr::null_mut()),
            Err(item) => {
                self.item.store(item.into_ptr(), Ordering::Relaxed);
                None
            }
        }
    }

    /// Whether to look again in the next turn of the event loop before waiting (see `Operation`).
    #[inline]
    fn gives_way(&self) -> bool {
        let store = &self.queue.get().store;
        let which = if self.item.load(Ordering::Relaxed).is_null() { Waiting::ForItem } else { Waiting::ForRoom };
        !store.buffer.is_lock_free() && !store.buffer.is_closed() && !store.is_anybody_waiting(which)
    }

    /// What does the rest, given the stage if the caller has begun.
    #[cold]
    fn operation<'py>(&self, py: Python<'py>, begun: Option<u8>) -> PyResult<Bound<'py, Operation>> {
        if let Some(stage) = begun.or_else(|| self.begin()) {
            let item = self.item.swap(ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: references of ours, one of them taken out of its place; the other stays.
            let (item, translate) = unsafe {
                (Bound::from_owned_ptr_or_opt(py, item), Bound::from_borrowed_ptr_or_opt(py, self.translate))
            };
            let aim = match item {
                Some(item) => Aim::Put(Some(item.unbind())),
                None if self.next => Aim::Next,
                None => Aim::Get,
            };
            let mut operation = Operation::new(self.queue.clone_ref(py), aim, translate.map(Bound::unbind));
            if stage == GAVE_WAY {
                operation.has_given_way();
            }
            let operation = Bound::new(py, operation)?;
            self.operation.store(operation.clone().into_ptr(), Ordering::Relaxed);
            self.stage.store(PASSED_ON, Ordering::Release);
            return Ok(operation);
        }
        if self.stage.load(Ordering::Acquire) == PASSED_ON {
            // SAFETY: it was set before the stage and stays until this object goes.
            let operation = unsafe { Bound::from_borrowed_ptr(py, self.operation.load(Ordering::Relaxed)) };
            return Ok(operation.cast_into::<Operation>()?);
        }
        Err(PyRuntimeError::new_err("cannot reuse what was already awaited"))
    }
}

/// Sets `StopIteration` with this value, which moves in; gives null. Nothing needs to be said for None. `keep`: where to
/// leave a second reference to it, so that it can be used again.
#[inline]
fn stop_iteration(value: *mut PyObject, keep: Option<&AtomicPtr<PyObject>>) -> *mut PyObject {
    // SAFETY: attached.
    unsafe {
        if value == ffi::Py_None() {
            ffi::Py_DECREF(value);
            return ptr::null_mut();
        }
        let stop = spare::take_stop().unwrap_or_else(|| new_stop());
        if stop.is_null() {
            ffi::Py_DECREF(value);
            return stop;
        }
        // SAFETY: an instance of `StopIteration` that nobody else knows.
        let place = &raw mut (*stop.cast::<ffi::PyStopIterationObject>()).value;
        ffi::Py_XDECREF(place.replace(value));
        if let (Some(keep), false) = (keep, cfg!(Py_GIL_DISABLED)) {
            keep.store(ffi::Py_NewRef(stop), Ordering::Relaxed);
        }
        #[cfg(Py_3_12)]
        ffi::PyErr_SetRaisedException(stop);
        #[cfg(not(Py_3_12))]
        {
            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, stop);
            ffi::Py_DECREF(stop);
        }
        ptr::null_mut()
    }
}

/// A new `StopIteration`, or null with the exception set. Calling the class would take twice as long: it makes a tuple of
/// the arguments and goes through `__init__`.
unsafe fn new_stop() -> *mut PyObject {
    // SAFETY: attached. `StopIteration` is a static type whose `tp_new` gets an empty tuple and no keywords.
    unsafe {
        let class = ffi::PyExc_StopIteration.cast::<ffi::PyTypeObject>();
        let arguments = ffi::PyTuple_New(0);
        let made = (*class).tp_new.map(|new| new(class, arguments, ptr::null_mut()));
        ffi::Py_XDECREF(arguments);
        made.unwrap_or(ptr::null_mut())
    }
}

/// Ends the use of a `StopIteration`: who awaited has taken the value and dropped it. If nobody has kept it and it was not
/// raised anywhere, it is as good as new without its value.
unsafe fn recycle(stop: *mut PyObject) {
    // SAFETY: attached, and a reference of ours to an instance of `StopIteration`.
    unsafe {
        let fields = stop.cast::<ffi::PyStopIterationObject>();
        let untouched = ffi::Py_REFCNT(stop) == 1
            && (*fields).dict.is_null()
            && (*fields).traceback.is_null()
            && (*fields).context.is_null()
            && (*fields).cause.is_null();
        #[cfg(Py_3_11)]
        let untouched = untouched && (*fields).notes.is_null();
        if untouched {
            let value = (&raw mut (*fields).value).replace(ptr::null_mut());
            // The value is dropped last: that may run anything.
            spare::put_stop(stop);
            ffi::Py_XDECREF(value);
        } else {
            ffi::Py_DECREF(stop);
        }
    }
}

/// Does something through PyO3 and gives a new reference, or null with the exception set.
#[cold]
fn patiently(
    object: *mut PyObject,
    call: impl FnOnce(Python<'_>, &Awaitable) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    Python::attach(|py| {
        // SAFETY: one of ours, to which the caller holds a reference.
        let this = unsafe { &*object.cast::<Awaitable>() };
        call(py, this).unwrap_or_else(|error| {
            error.restore(py);
            ptr::null_mut()
        })
    })
}

fn resume(py: Python<'_>, operation: &Bound<'_, Operation>) -> PyResult<*mut PyObject> {
    let mut operation = operation.try_borrow_mut().map_err(|_| PyRuntimeError::new_err("it is running already"))?;
    Ok(match operation.resume(py)? {
        Step::Suspend(future) => future.into_ptr(),
        Step::Return(value) => stop_iteration(value.into_ptr(), None),
    })
}

unsafe extern "C" fn itself(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: attached, and a valid object.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn next(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: one of ours, to which the caller holds a reference.
    let this = unsafe { &*object.cast::<Awaitable>() };
    let begun = this.begin();
    if let Some(stage) = begun {
        if let Some(result) = this.attempt() {
            return result;
        }
        if stage == NEW && this.gives_way() {
            this.stage.store(GAVE_WAY, Ordering::Release);
            // SAFETY: attached.
            return unsafe { ffi::Py_NewRef(ffi::Py_None()) };
        }
    }
    patiently(object, |py, this| resume(py, &this.operation(py, begun)?))
}

unsafe extern "C" fn send(object: *mut PyObject, _value: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `next`.
    let result = unsafe { next(object) };
    // SAFETY: attached. Without an exception an iterator ended with None, which `send` has to say.
    unsafe {
        if result.is_null() && ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
        }
    }
    result
}

unsafe extern "C" fn throw(object: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    patiently(object, |py, this| {
        // SAFETY: METH_VARARGS gives a tuple.
        let arguments = unsafe { Bound::from_borrowed_ptr(py, arguments) }.cast_into::<PyTuple>()?;
        Ok(this.operation(py, None)?.call_method1("throw", arguments)?.into_ptr())
    })
}

unsafe extern "C" fn close(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    patiently(object, |py, this| {
        // Nothing to do for one that has ended.
        if let Ok(operation) = this.operation(py, None) {
            operation.call_method0("close")?;
        }
        Ok(py.None().into_ptr())
    })
}

unsafe extern "C" fn traverse(object: *mut PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    // SAFETY: called by the collector for one of ours, all fields of which are valid as long as it is tracked.
    unsafe {
        let this = &*object.cast::<Awaitable>();
        let held = [
            ffi::Py_TYPE(object).cast(),
            this.queue.as_ptr(),
            this.item.load(Ordering::Relaxed),
            this.translate,
            this.operation.load(Ordering::Relaxed),
            this.stop.load(Ordering::Relaxed),
        ];
        for object in held.into_iter().filter(|object| !object.is_null()) {
            let stop = visit(object, argument);
            if stop != 0 {
                return stop;
            }
        }
    }
    0
}

unsafe extern "C" fn clear(object: *mut PyObject) -> c_int {
    // SAFETY: called by the collector for one of ours. Each reference is taken out of its place before it is dropped. The
    // queue and the operation break their part of a cycle themselves.
    unsafe {
        let this = &*object.cast::<Awaitable>();
        ffi::Py_XDECREF(this.item.swap(ptr::null_mut(), Ordering::Relaxed));
        ffi::Py_XDECREF(this.stop.swap(ptr::null_mut(), Ordering::Relaxed));
    }
    0
}

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: the last reference is gone, so all is ours.
    unsafe {
        ffi::PyObject_GC_UnTrack(object.cast());
        let this = object.cast::<Awaitable>();
        let stop = (*this).stop.load(Ordering::Relaxed);
        if !stop.is_null() {
            recycle(stop);
        }
        ffi::Py_XDECREF((*this).operation.load(Ordering::Relaxed));
        ffi::Py_XDECREF((*this).item.load(Ordering::Relaxed));
        ffi::Py_XDECREF((*this).translate);
        ffi::Py_DECREF((*this).queue.as_ptr());
        let class = ffi::Py_TYPE(object);
        spare::put(object);
        ffi::Py_DECREF(class.cast());
    }
}

/// Objects kept for the next ones, where the interpreter lock guards them.
mod spare {
    use super::{PyObject, ffi};
    #[cfg(not(Py_GIL_DISABLED))]
    use std::{cell::UnsafeCell, ptr};

    #[cfg(not(Py_GIL_DISABLED))]
    struct Spare(UnsafeCell<([*mut PyObject; 64], usize)>);

    #[cfg(not(Py_GIL_DISABLED))]
    struct SpareStop(UnsafeCell<*mut PyObject>);

    // SAFETY: as for `Spare`.
    #[cfg(not(Py_GIL_DISABLED))]
    unsafe impl Sync for SpareStop {}

    #[cfg(not(Py_GIL_DISABLED))]
    static SPARE_STOP: SpareStop = SpareStop(UnsafeCell::new(ptr::null_mut()));

    /// A `StopIteration` without a value.
    #[inline]
    pub unsafe fn take_stop() -> Option<*mut PyObject> {
        #[cfg(not(Py_GIL_DISABLED))]
        // SAFETY: see `Spare`.
        let stop = unsafe { SPARE_STOP.0.get().replace(ptr::null_mut()) };
        #[cfg(Py_GIL_DISABLED)]
        let stop: *mut PyObject = std::ptr::null_mut();
        (!stop.is_null()).then_some(stop)
    }

    /// Keeps a `StopIteration`, or drops it.
    #[inline]
    pub unsafe fn put_stop(stop: *mut PyObject) {
        // SAFETY: see `Spare`; a reference of the caller's.
        unsafe {
            #[cfg(not(Py_GIL_DISABLED))]
            let stop = SPARE_STOP.0.get().replace(stop);
            ffi::Py_XDECREF(stop);
        }
    }

    // SAFETY: used only by who holds the interpreter lock, and nothing in between lets go of it.
    #[cfg(not(Py_GIL_DISABLED))]
    unsafe impl Sync for Spare {}

    #[cfg(not(Py_GIL_DISABLED))]
    static SPARE: Spare = Spare(UnsafeCell::new(([ptr::null_mut(); 64], 0)));

    /// An object of this type without contents, not known to the collector.
    #[inline]
    pub unsafe fn take(class: *mut ffi::PyTypeObject) -> Option<*mut PyObject> {
        #[cfg(not(Py_GIL_DISABLED))]
        // SAFETY: see `Spare`. The memory was that of an object of the same type, and is nobody's.
        unsafe {
            let (objects, count) = &mut *SPARE.0.get();
            *count = count.checked_sub(1)?;
            return Some(ffi::PyObject_Init(objects[*count], class));
        }
        #[cfg(Py_GIL_DISABLED)]
        {
            let _ = class;
            None
        }
    }

    /// Keeps an object whose contents are gone, or frees it.
    #[inline]
    pub unsafe fn put(object: *mut PyObject) {
        #[cfg(not(Py_GIL_DISABLED))]
        // SAFETY: see `Spare`.
        unsafe {
            let (objects, count) = &mut *SPARE.0.get();
            if *count < objects.len() {
                objects[*count] = object;
                *count += 1;
                return;
            }
        }
        // SAFETY: made by `PyObject_GC_New`, and untracked.
        unsafe { ffi::PyObject_GC_Del(object.cast()) };
    }
}

#[cold]
fn make_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    const fn method(
        name: &'static std::ffi::CStr,
        function: ffi::PyCFunction,
        flags: c_int,
        doc: &'static std::ffi::CStr,
    ) -> ffi::PyMethodDef {
        ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
            ml_flags: flags,
            ml_doc: doc.as_ptr(),
        }
    }
    const DOC: &std::ffi::CStr = c"A queue's answer that may take a while. Await it, once; it does nothing before.";
    // The type keeps a pointer to the methods, so they stay for good.
    let methods = Box::leak(Box::new([
        method(c"send", send, ffi::METH_O, c"send($self, value, /)\n--\n\nGo on, as a coroutine does."),
        method(c"throw", throw, ffi::METH_VARARGS, c"End with an exception, as a coroutine does. Nothing has been taken or put."),
        method(c"close", close, ffi::METH_NOARGS, c"close($self, /)\n--\n\nEnd, as a coroutine does. Nothing has been taken or put."),
        ffi::PyMethodDef::zeroed(),
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_am_await, itself as *mut c_void),
        slot(ffi::Py_tp_iter, itself as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_doc, DOC.as_ptr().cast_mut().cast::<c_char>().cast()),
        slot(0, ptr::null_mut()),
    ];
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // small numbers
    let mut spec = ffi::PyType_Spec {
        name: c"elasticq._core.Awaitable".as_ptr(),
        basicsize: size_of::<Awaitable>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT
            | ffi::Py_TPFLAGS_HAVE_GC
            | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
            | ffi::Py_TPFLAGS_IMMUTABLETYPE) as std::ffi::c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; the functions have the types that their slots want.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec)) }?;
    Ok(class.cast_into::<PyType>()?.unbind())
}
