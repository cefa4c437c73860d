//! `Awaitable`: what `aget` and `aput` return, as thin as the interpreter allows.
//!
//! `await` asks an object for an iterator, and asks that for its first value. An iterator that ends at once
//! has not suspended. So the fast path is one call, which takes the item and says that there is no more. All
//! else (suspending, exceptions, `send`, `throw`, `close`) is done by an [`Operation`]. It is made when it is
//! first needed, and from then on everything is passed on to it.
//!
//! This is a type made by hand, because an object of PyO3's own costs more to make and to drop than the item
//! to take. PyO3 does not know that these functions run attached. So they hold references as `Bound`, whose
//! drop does not ask whether the thread is attached. They do what may drop other references, or may run
//! Python code, within `attached`.

use super::operation::{Aim, Operation, Outcome};
use super::portrait::{ATTRIBUTES, Phase, Portrait};
use super::spare;
use super::step::{Awaited, Stage, Step, step};
use crate::raw::attached::attached;
use crate::raw::{Item, types};
use crate::standard::at_once;
use crate::store::no_room;
use crate::store::object::Elastic;
use crate::store::{Store, Waiting};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use std::ffi::{CStr, c_int, c_void};
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// The layout of the objects.
#[repr(C)]
struct Awaitable {
    head: PyObject,
    contents: Contents,
}

/// `dealloc` takes it apart; it is never dropped.
struct Contents {
    /// One of the constants below.
    stage: AtomicU8,
    /// Made for `async for`.
    next: bool,
    /// Whether it puts an item.
    puts: bool,
    /// Made for a view, whose errors are asyncio's, too.
    of_view: bool,
    queue: Py<Elastic>,
    /// The item to put; null for taking. It belongs to the thread that has set the stage to `BUSY`.
    item: Slot,
    /// The `Operation`. Once set, it stays.
    operation: Slot,
    /// The `StopIteration` that has handed over the item, kept to be used again. It holds the item until this
    /// object is dropped. So it is kept only if no code but the caller holds this object, and the caller is
    /// about to drop it.
    stop: Slot,
}

const NEW: u8 = Stage::New as u8;
const GAVE_WAY: u8 = Stage::GaveWay as u8;
/// A thread is working on it, or it has ended.
const BUSY: u8 = 2;
/// `operation` does the rest.
const PASSED_ON: u8 = 3;

/// A place for a reference. Its users make sure that no two of them change it at once.
struct Slot(AtomicPtr<PyObject>);

impl Slot {
    fn new(object: Option<Bound<'_, PyAny>>) -> Self {
        Self(AtomicPtr::new(object.map_or(ptr::null_mut(), Bound::into_ptr)))
    }

    fn pointer(&self) -> *mut PyObject {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, object: Bound<'_, PyAny>) {
        self.0.store(object.into_ptr(), Ordering::Relaxed);
    }

    /// A second reference.
    fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: null, or an object to which this place holds a reference.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, self.pointer()) }
    }

    fn take<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let object = self.pointer();
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: null, or a reference that was this place's.
        unsafe { Bound::from_owned_ptr_or_opt(py, object) }
    }
}

/// Where the contents of an object are.
const fn place(object: *mut PyObject) -> *mut Contents {
    object.wrapping_byte_add(offset_of!(Awaitable, contents)).cast()
}

/// Makes an object that takes an item, or puts `item`. `of_view`: for a view; `next`: for `async for`.
#[inline]
pub fn awaitable(
    queue: Bound<'_, Elastic>,
    item: Option<Bound<'_, PyAny>>,
    of_view: bool,
    next: bool,
) -> PyResult<Item> {
    let py = queue.py();
    let class = class(py)?.as_ptr().cast::<ffi::PyTypeObject>();
    let object = spare::take_object(py, class).unwrap_or_else(|| {
        // SAFETY: attached; a type of objects with this layout that the collector looks at.
        unsafe { ffi::PyObject_GC_New::<PyObject>(class) }
    });
    if object.is_null() {
        return Err(PyErr::fetch(py));
    }
    let contents = Contents {
        stage: AtomicU8::new(NEW),
        next,
        puts: item.is_some(),
        of_view,
        queue: queue.unbind(),
        item: Slot::new(item),
        operation: Slot::new(None),
        stop: Slot::new(None),
    };
    // SAFETY: an object without contents, which no other code knows.
    unsafe { place(object).write(contents) };
    // SAFETY: all of it is there now.
    unsafe { ffi::PyObject_GC_Track(object.cast()) };
    // SAFETY: a new reference.
    Ok(unsafe { Bound::from_owned_ptr(py, object) }.unbind())
}

/// The class of these objects.
#[inline]
pub fn class(py: Python<'_>) -> PyResult<&Py<PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.get_or_try_init(py, || make_class(py))
}

impl Contents {
    /// Makes the object ours, if no other thread is working on it and it has not ended. Returns the stage
    /// that it was in.
    #[inline]
    fn begin(&self) -> Option<Stage> {
        let number = self.stage.load(Ordering::Relaxed);
        let stage = match number {
            NEW => Stage::New,
            GAVE_WAY => Stage::GaveWay,
            _ => return None,
        };
        if cfg!(Py_GIL_DISABLED) {
            let begun = self.stage.compare_exchange(number, BUSY, Ordering::Acquire, Ordering::Relaxed);
            return begun.is_ok().then_some(stage);
        }
        self.stage.store(BUSY, Ordering::Relaxed);
        Some(stage)
    }

    /// Shows the object's portrait to `look`.
    #[cold]
    fn portrayed<'py, R>(&self, py: Python<'py>, look: impl FnOnce(Portrait<'_, 'py>) -> R) -> R {
        let name = match (self.puts, self.next) {
            (true, _) => "aput",
            (false, true) => "__anext__",
            (false, false) => "aget",
        };
        let phase = match self.stage.load(Ordering::Acquire) {
            NEW => Phase::Created,
            GAVE_WAY => Phase::Suspended,
            PASSED_ON => match self.operation.get(py).and_then(|operation| operation.cast_into::<Operation>().ok()) {
                Some(operation) => operation.try_borrow().map_or(Phase::Running, |operation| operation.phase()),
                None => Phase::Ended,
            },
            _ => Phase::Ended,
        };
        look(Portrait { queue: self.queue.bind(py), name, of_view: self.of_view, phase })
    }

    /// After `begin`: tries once where the queue has moved to. `None`: nothing has happened. Otherwise this is
    /// what the iterator returns.
    fn attempt_moved(&self, py: Python<'_>) -> PyResult<Option<*mut PyObject>> {
        let queue = self.queue.bind(py);
        if queue.get().store().moved.get(py).is_none() {
            return Ok(None);
        }
        let Some(item) = self.item.take(py) else {
            return Ok(at_once::get(queue)?.map(|item| stop_iteration(item.into_bound(py), None)));
        };
        let put = at_once::put(queue, item.as_unbound())?;
        if !put {
            self.item.set(item);
        }
        Ok(put.then_some(ptr::null_mut()))
    }

    /// The operation that does the rest. `begun` is the stage if the caller has begun.
    #[cold]
    fn operation<'py>(&self, py: Python<'py>, begun: Option<Stage>) -> PyResult<Bound<'py, Operation>> {
        if let Some(stage) = begun.or_else(|| self.begin()) {
            let aim = match self.item.take(py) {
                Some(item) => Aim::Put(Some(item.unbind())),
                None if self.next => Aim::Next,
                None => Aim::Get,
            };
            let translate = self.of_view.then(|| as_asyncio(py)).transpose()?;
            let operation = Operation::new(self.queue.clone_ref(py), aim, translate).at(stage);
            let operation = Bound::new(py, operation)?;
            self.operation.set(operation.clone().into_any());
            self.stage.store(PASSED_ON, Ordering::Release);
            return Ok(operation);
        }
        // Acquire: the operation was set before this stage was.
        let passed_on = self.stage.load(Ordering::Acquire) == PASSED_ON;
        match self.operation.get(py).filter(|_| passed_on) {
            Some(operation) => Ok(operation.cast_into::<Operation>()?),
            None => Err(PyRuntimeError::new_err("cannot reuse what was already awaited")),
        }
    }
}

/// What makes the errors of views from ours.
fn as_asyncio(py: Python<'_>) -> PyResult<Item> {
    static FUNCTION: PyOnceLock<Item> = PyOnceLock::new();
    Ok(FUNCTION.import(py, "elasticq._views", "as_asyncio")?.clone().unbind())
}

/// An object that is resumed, after `begin`.
struct Resumed<'a, 'py> {
    py: Python<'py>,
    object: *mut PyObject,
    contents: &'a Contents,
    store: &'a Store,
    takes: bool,
}

impl Awaited for Resumed<'_, '_> {
    /// What the iterator returns: null without an exception (the result is None), or null with
    /// `StopIteration`.
    type Outcome = *mut PyObject;

    #[inline(always)]
    fn is_turn_due(&mut self) -> bool {
        self.store.turns.is_due(self.takes, 1)
    }

    /// The fast path.
    #[inline(always)]
    fn attempt(&mut self) -> Option<*mut PyObject> {
        let Some(item) = self.contents.item.take(self.py) else {
            // If other code than the caller holds this object, it must not hold the item once it has handed
            // it over.
            // SAFETY: the caller holds a reference to the object.
            let keep = unsafe { is_temporary(self.object) }.then_some(&self.contents.stop);
            return self.store.take_quickly(self.py).map(|item| stop_iteration(item.into_bound(self.py), keep));
        };
        match self.store.offer_quickly(self.py, item.unbind()) {
            Ok(()) => Some(ptr::null_mut()),
            Err(item) => {
                self.contents.item.set(item.into_bound(self.py));
                None
            }
        }
    }

    /// Only if that attempt was one: with other buffers none has been made yet, and `Operation` makes it.
    #[inline]
    fn may_give_way(&mut self) -> bool {
        let which = if self.takes { Waiting::Item } else { Waiting::Room };
        self.store.buffer.of_queue().is_some()
            && self.store.buffer.weighted().is_none()
            && !self.store.buffer.is_closed()
            && !self.store.is_anybody_waiting(which)
            && (self.takes || !no_room::decides(self.store))
    }
}

/// Whether no code but the caller holds an object, and the caller is about to drop it. From Python 3.14 on a
/// variable's object may have one reference while it is called: the stack borrows it from the variable.
///
/// # Safety
/// The caller holds a reference to the object.
#[inline]
unsafe fn is_temporary(object: *mut PyObject) -> bool {
    #[cfg(Py_3_14)]
    // SAFETY: the caller's promise.
    return unsafe { ffi::PyUnstable_Object_IsUniqueReferencedTemporary(object) } != 0;
    #[cfg(not(Py_3_14))]
    // SAFETY: the caller's promise.
    return unsafe { ffi::Py_REFCNT(object) } == 1;
}

/// Sets `StopIteration` with this value; returns null. For None nothing has to be set. `keep`: where to leave
/// a second reference to the exception, so that it can be used again.
#[inline]
fn stop_iteration(value: Bound<'_, PyAny>, keep: Option<&Slot>) -> *mut PyObject {
    if value.is_none() {
        return ptr::null_mut();
    }
    let Some(stop) = spare::take_stop(value.py()).or_else(|| new_stop(value.py())) else { return ptr::null_mut() };
    // SAFETY: an instance of `StopIteration`, which no other code knows.
    let fields = unsafe { &mut *stop.as_ptr().cast::<ffi::PyStopIterationObject>() };
    // A new one has None or nothing there, and None need not be dropped.
    fields.value = value.into_ptr();
    if let Some(keep) = keep {
        keep.set(stop.clone());
    }
    #[cfg(Py_3_12)]
    // SAFETY: attached; takes over the reference.
    unsafe {
        ffi::PyErr_SetRaisedException(stop.into_ptr());
    };
    #[cfg(not(Py_3_12))]
    // SAFETY: attached, an exception and its class.
    unsafe {
        ffi::PyErr_SetObject(stop.get_type().as_ptr(), stop.as_ptr());
    };
    ptr::null_mut()
}

/// A new `StopIteration`, or `None` with the exception set. Calling the class would take twice as long, since
/// that makes a tuple of the arguments and goes through `__init__`.
fn new_stop(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    let class = py.get_type::<PyStopIteration>().as_type_ptr();
    let arguments = PyTuple::empty(py);
    // SAFETY: a static type.
    let new = unsafe { (*class).tp_new }?;
    // SAFETY: attached; it gets its own class, a tuple and no keywords.
    let made = unsafe { new(class, arguments.as_ptr(), ptr::null_mut()) };
    // SAFETY: a new reference, or null.
    unsafe { Bound::from_owned_ptr_or_opt(py, made) }
}

/// Ends the use of a `StopIteration`: the code that awaited has taken the value and dropped the exception. If
/// no code has kept it and it was not raised anywhere, it is as good as new without its value.
fn recycle(stop: Bound<'_, PyAny>) {
    // SAFETY: an object that `stop` holds.
    if unsafe { ffi::Py_REFCNT(stop.as_ptr()) } != 1 {
        return;
    }
    // SAFETY: an instance of `StopIteration`, to which no other code has a reference.
    let fields = unsafe { &mut *stop.as_ptr().cast::<ffi::PyStopIterationObject>() };
    let changed = [fields.dict, fields.notes, fields.traceback, fields.context, fields.cause];
    if changed.iter().any(|field| !field.is_null()) {
        return;
    }
    let value = std::mem::replace(&mut fields.value, ptr::null_mut());
    // SAFETY: null, or a reference that was the exception's. It is dropped last, since that may run anything.
    let _value = unsafe { Bound::from_owned_ptr_or_opt(stop.py(), value) };
    spare::put_stop(stop);
}

/// Runs `call`, which may do anything. Returns a new reference, or null with the exception set.
#[cold]
fn patiently(
    py: Python<'_>,
    contents: &Contents,
    call: impl FnOnce(Python<'_>, &Contents) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    attached(py, |py| {
        call(py, contents).unwrap_or_else(|error| {
            error.restore(py);
            ptr::null_mut()
        })
    })
}

fn resume(operation: &Bound<'_, Operation>) -> PyResult<*mut PyObject> {
    let py = operation.py();
    let mut operation = operation.try_borrow_mut().map_err(|_| PyRuntimeError::new_err("it is running already"))?;
    Ok(match operation.resume(py)? {
        Outcome::Suspend(future) => future.into_ptr(),
        Outcome::Return(value) => stop_iteration(value.into_bound(py), None),
    })
}

unsafe extern "C" fn itself(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: attached, and a valid object.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn next(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter calls this while attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter calls this with one of our objects, to which it holds a reference.
    let contents = unsafe { &*place(object) };
    let begun = contents.begin();
    if let Some(stage) = begun {
        let store = contents.queue.get().store_plainly();
        let takes = contents.item.pointer().is_null();
        if takes {
            // SAFETY: as above.
            unsafe { store.taker.note(object) };
        }
        match step(&mut Resumed { py, object, contents, store, takes }, stage) {
            Step::Settled(result) => return result,
            Step::GiveWay => {
                contents.stage.store(GAVE_WAY, Ordering::Release);
                return py.None().into_ptr();
            }
            Step::Wait => {}
        }
    }
    patiently(py, contents, |py, contents| {
        if begun.is_some()
            && let Some(ended) = contents.attempt_moved(py)?
        {
            return Ok(ended);
        }
        resume(&contents.operation(py, begun)?)
    })
}

unsafe extern "C" fn send(object: *mut PyObject, _value: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter calls `send` as it calls `next`.
    let result = unsafe { next(object) };
    // SAFETY: attached.
    let py = unsafe { Python::assume_attached() };
    if result.is_null() && !PyErr::occurred(py) {
        // An iterator that ends without an exception stands for None; `send` has to say so by an exception.
        // SAFETY: attached, and an exception's class.
        unsafe { ffi::PyErr_SetNone(py.get_type::<PyStopIteration>().as_ptr()) };
    }
    result
}

unsafe extern "C" fn throw(object: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter calls this while attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter calls this with one of our objects, to which it holds a reference.
    let contents = unsafe { &*place(object) };
    patiently(py, contents, |py, contents| {
        // SAFETY: with METH_VARARGS the arguments are a tuple.
        let arguments = unsafe { Bound::from_borrowed_ptr(py, arguments) }.cast_into::<PyTuple>()?;
        Ok(contents.operation(py, None)?.call_method1("throw", arguments)?.into_ptr())
    })
}

unsafe extern "C" fn close(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `throw`.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: likewise.
    let contents = unsafe { &*place(object) };
    patiently(py, contents, |py, contents| {
        // If it has ended, there is nothing to do.
        if let Ok(operation) = contents.operation(py, None) {
            operation.call_method0("close")?;
        }
        Ok(py.None().into_ptr())
    })
}

unsafe extern "C" fn attribute(object: *mut PyObject, name: *mut c_void) -> *mut PyObject {
    // SAFETY: as for `throw`.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: likewise.
    let contents = unsafe { &*place(object) };
    patiently(py, contents, |py, contents| {
        // SAFETY: one of the names in the type's table.
        let name = unsafe { CStr::from_ptr(name.cast()) }.to_string_lossy();
        contents.portrayed(py, |portrait| portrait.attribute(&name)).map(Bound::into_ptr)
    })
}

unsafe extern "C" fn traverse(object: *mut PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    // SAFETY: the collector calls this for one of our objects, whose contents are there as long as it is
    // tracked.
    let contents = unsafe { &*place(object) };
    // SAFETY: a valid object.
    let class = unsafe { ffi::Py_TYPE(object) };
    let slots = [&contents.item, &contents.operation, &contents.stop];
    let held = [class.cast(), contents.queue.as_ptr()].into_iter().chain(slots.map(Slot::pointer));
    for object in held.filter(|object| !object.is_null()) {
        // SAFETY: the arguments that the collector gave, for an object that is held.
        let stop = unsafe { visit(object, argument) };
        if stop != 0 {
            return stop;
        }
    }
    0
}

/// The queue and the operation break their part of a cycle themselves.
unsafe extern "C" fn clear(object: *mut PyObject) -> c_int {
    // SAFETY: the collector calls this while attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the collector calls this for one of our objects.
    let contents = unsafe { &*place(object) };
    drop(contents.item.take(py));
    drop(contents.stop.take(py));
    0
}

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: the interpreter calls this while attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the collector knows the object.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: the last reference is gone, so no other code uses the contents.
    let contents = unsafe { place(object).read() };
    if contents.stage.load(Ordering::Relaxed) == NEW {
        attached(py, |py| contents.portrayed(py, |portrait| portrait.warn()));
    }
    if let Some(stop) = contents.stop.take(py) {
        recycle(stop);
    }
    drop(contents.operation.take(py));
    drop(contents.item.take(py));
    drop(contents.queue.into_bound(py));
    // SAFETY: the object is still valid.
    let class = unsafe { ffi::Py_TYPE(object) };
    spare::put_object(py, object);
    // SAFETY: this is the reference that each object holds to its type.
    unsafe { ffi::Py_DECREF(class.cast()) };
}

#[cold]
fn make_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    const DOC: &CStr = c"A queue's answer that may take a while. Await it, once; it does nothing before.";
    let methods = [
        types::method(c"send", send, ffi::METH_O, c"send($self, value, /)\n--\n\nGo on, as a coroutine does."),
        types::method(
            c"throw",
            throw,
            ffi::METH_VARARGS,
            c"End with an exception, as a coroutine does. Nothing has been taken or put.",
        ),
        types::method(
            c"close",
            close,
            ffi::METH_NOARGS,
            c"close($self, /)\n--\n\nEnd, as a coroutine does. Nothing has been taken or put.",
        ),
    ];
    let slots = [
        (ffi::Py_am_await, itself as *mut c_void),
        (ffi::Py_tp_iter, itself as *mut c_void),
        (ffi::Py_tp_iternext, next as *mut c_void),
        types::table(ffi::Py_tp_methods, methods),
        types::table(ffi::Py_tp_getset, ATTRIBUTES.map(|name| types::attribute(name, attribute))),
        (ffi::Py_tp_traverse, traverse as *mut c_void),
        (ffi::Py_tp_clear, clear as *mut c_void),
        (ffi::Py_tp_dealloc, dealloc as *mut c_void),
        (ffi::Py_tp_doc, DOC.as_ptr().cast_mut().cast()),
    ];
    // SAFETY: this is the layout of the type's objects, and the functions have the types that their slots
    // want.
    unsafe { types::make::<Awaitable>(py, c"elasticq._core.Awaitable", ffi::Py_TPFLAGS_HAVE_GC, slots) }
}
