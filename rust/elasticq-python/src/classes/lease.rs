//! `Lease`: an item that somebody works on.

use crate::arguments::numbers;
use crate::codec::Codec;
use crate::durable::{self, Durable, interrupts, tasks};
use crate::errors;
use crate::raw::Item;
use crate::raw::detach::{detached, drop_detached};
use crate::waiting::pending::Pending;
use elasticq::{BufferError, BufferResult};
use parking_lot::Mutex;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};
use std::ptr;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A lease of the crate's, while nobody is ending it.
type Held = Arc<Mutex<Option<durable::Lease<Vec<u8>>>>>;

/// What `elasticq.Lease` does in Rust.
#[pyclass(frozen, generic, subclass, module = "elasticq._core")]
pub struct Lease {
    /// Says of which queue it is. It does not keep the queue open; what is held does.
    queue: Weak<Durable>,
    held: Held,
    item: Item,
    number: u64,
    deliveries: u32,
    headers: Vec<u8>,
    at: std::time::SystemTime,
}

/// What a Lease is made of. The public class is Python's, and is made by a call as any other.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Leased(Mutex<Option<Lease>>);

/// The Python object for a lease.
pub fn object(py: Python<'_>, durable: &Arc<Durable>, lease: durable::Lease<Vec<u8>>) -> PyResult<Item> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = Leased(Mutex::new(Some(Lease::new(py, durable, lease)?)));
    Ok(CLASS.import(py, "elasticq._persistent", "Lease")?.call1((made,))?.unbind())
}

impl Lease {
    fn new(py: Python<'_>, durable: &Arc<Durable>, lease: durable::Lease<Vec<u8>>) -> PyResult<Self> {
        let (lease, item) = durable.leased(py, lease)?;
        let (number, deliveries, headers) = (lease.number(), lease.deliveries(), lease.headers().to_vec());
        let now = std::time::SystemTime::now();
        let at = now.checked_sub(lease.age()).unwrap_or(now);
        let held = Arc::new(Mutex::new(Some(lease)));
        Ok(Self { queue: Arc::downgrade(durable), held, item, number, deliveries, headers, at })
    }

    /// Takes the lease, to end it.
    fn take(&self, py: Python<'_>) -> PyResult<durable::Lease<Vec<u8>>> {
        // In a statement of its own: to make an exception may let other threads run.
        let held = self.held.lock().take();
        held.ok_or_else(|| self.has_ended(py))
    }

    fn has_ended(&self, py: Python<'_>) -> PyErr {
        let text = format!("the lease of item {} has ended", self.number);
        errors::to_python(py, &BufferError::InvalidOperation(text))
    }

    /// Ends the lease. If that fails, it goes on, unless the queue does not know it any more.
    fn end<T>(
        &self,
        py: Python<'_>,
        end: impl FnOnce(durable::Lease<Vec<u8>>) -> Result<T, elasticq::Rejected<durable::Lease<Vec<u8>>>>,
    ) -> PyResult<()> {
        let lease = self.take(py)?;
        let ended = detached(py, || end(lease).map(drop));
        ended.map_err(|rejected| {
            let (reason, lease) = rejected.into_parts();
            *self.held.lock() = Some(lease);
            Durable::error(py, &reason)
        })
    }

    fn end_for_good(
        &self,
        py: Python<'_>,
        end: impl FnOnce(durable::Lease<Vec<u8>>) -> BufferResult<()>,
    ) -> PyResult<()> {
        let lease = self.take(py)?;
        let ended = detached(py, || end(lease));
        ended.map_err(|error| Durable::error(py, &error))
    }

    /// At the end of a `with`: acknowledges or gives back, unless the lease has ended inside.
    fn leave(&self, py: Python<'_>, raised: Option<&Bound<'_, PyType>>) -> PyResult<()> {
        if !self.active() {
            return Ok(());
        }
        if raised.is_none() {
            return self.ack(py);
        }
        // If the time is over, the item is in the queue already; what was raised is what matters.
        match self.nack(py, None) {
            Err(error) if error.is_instance(py, errors::invalid_operation(py)?) => Ok(()),
            given_back => given_back,
        }
    }
}

fn delay_of(delay: Option<&Bound<'_, PyAny>>) -> PyResult<Duration> {
    delay.map_or(Ok(Duration::ZERO), |delay| Ok(numbers::seconds("delay", delay)?.unwrap_or(Duration::MAX)))
}

/// The time of a lease: seconds or a timedelta; None: as long as the process.
pub fn ttl_of(ttl: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    ttl.map_or(Ok(None), |ttl| numbers::seconds("ttl", ttl))
}

#[pymethods]
impl Lease {
    #[new]
    fn from_leased(leased: &Bound<'_, PyAny>) -> PyResult<Self> {
        let made = leased.cast::<Leased>().ok().and_then(|leased| leased.get().0.lock().take());
        made.ok_or_else(|| PyTypeError::new_err("a Lease is made by the method lease of a queue"))
    }

    /// The item.
    #[getter]
    fn item(&self, py: Python<'_>) -> Item {
        self.item.clone_ref(py)
    }

    /// The item's number (int): no other item of the queue has it, ever.
    #[getter]
    const fn number(&self) -> u64 {
        self.number
    }

    /// How often the item was delivered, this time included (int).
    #[getter]
    const fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// For how many seconds the item has been in the queue, by the clock of the day (float).
    #[getter]
    fn age(&self) -> f64 {
        self.at.elapsed().unwrap_or(Duration::ZERO).as_secs_f64()
    }

    /// What the producer has added to the item: `headers` of `push`, or None. Headers that were not put in
    /// from Python are bytes.
    #[getter]
    fn headers(&self, py: Python<'_>) -> PyResult<Item> {
        if self.headers.is_empty() {
            return Ok(py.None());
        }
        match Codec::Plain.decode(py, &self.headers) {
            Ok(value) => Ok(value.unbind()),
            Err(_) => Ok(PyBytes::new(py, &self.headers).into_any().unbind()),
        }
    }

    /// Whether the lease has not been ended by a call of its methods (bool). Its time may be over all the
    /// same.
    #[getter]
    fn active(&self) -> bool {
        self.held.lock().is_some()
    }

    /// End the lease since the work was done: the item leaves the queue for good.
    ///
    /// With `every_write` that is durable when the call returns. Safe from any thread; in a coroutine use
    /// `aack`.
    ///
    /// Raises:
    ///     InvalidOperation: The lease has ended before, or its time is over.
    ///     StorageError: The disk has refused it. The lease goes on.
    ///     ShutDown: The queue was closed.
    fn ack(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, durable::Lease::ack)
    }

    /// End the lease since the work was not done. After `delay` the item can be taken again, at its old
    /// place. If it was delivered `max_deliveries` times, it is dead.
    ///
    /// Args:
    ///     delay: Seconds, or a timedelta; None: at once.
    ///
    /// Raises:
    ///     InvalidOperation: The lease has ended before, or its time is over.
    ///     StorageError: The disk has refused it. The item comes back when the queue is opened again.
    #[pyo3(signature = (delay=None))]
    fn nack(&self, py: Python<'_>, delay: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let delay = delay_of(delay)?;
        self.end_for_good(py, |lease| lease.nack(delay))
    }

    /// End the lease since nobody can work on the item: it is dead, see `dead_letters` of the queue.
    ///
    /// Raises:
    ///     InvalidOperation: The lease has ended before, or its time is over.
    ///     StorageError: The disk has refused it.
    #[pyo3(signature = (reason=""))]
    fn bury(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        self.end_for_good(py, |lease| lease.bury(reason))
    }

    /// Let the lease end later.
    ///
    /// Args:
    ///     ttl: Seconds from now, or a timedelta; None: with the process.
    ///
    /// Raises:
    ///     InvalidOperation: The lease has ended before, or its time is over.
    #[pyo3(signature = (ttl=None))]
    fn extend(&self, py: Python<'_>, ttl: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let ttl = ttl_of(ttl)?;
        // The lease stays where it is: another thread may end it meanwhile.
        let extend = self.held.lock().as_ref().map(|lease| lease.extension(ttl));
        let extend = extend.ok_or_else(|| self.has_ended(py))?;
        detached(py, extend).map_err(|error| Durable::error(py, &error))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (raised, _value, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        raised: Option<&Bound<'_, PyType>>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.leave(py, raised)
    }

    /// `ack` as a task.
    fn _aack(&self, py: Python<'_>) -> PyResult<Pending> {
        let lease = self.take(py)?;
        let held = Arc::clone(&self.held);
        Ok(tasks::end(async move {
            lease.ack_async().await.map(drop).map_err(|rejected| {
                let (reason, lease) = rejected.into_parts();
                *held.lock() = Some(lease);
                reason
            })
        }))
    }

    /// `nack` as a task.
    fn _anack(&self, py: Python<'_>, delay: Option<&Bound<'_, PyAny>>) -> PyResult<Pending> {
        let delay = delay_of(delay)?;
        let lease = self.take(py)?;
        Ok(tasks::end(lease.nack_async(delay)))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let lease = slf.get();
        let state = if lease.active() { "" } else { ", ended" };
        let (module, name) = (slf.get_type().module()?, slf.get_type().qualname()?);
        Ok(format!("<{module}.{name} of item {}, delivered {}x{state}>", lease.number, lease.deliveries))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.item)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let held = self.held.lock().take();
        drop_detached(held); // the item goes back
    }
}

/// Leases, each with the place that it came from.
type Taken = Vec<(Held, durable::Lease<Vec<u8>>)>;

/// Takes leases of a queue out of their objects, all or none.
pub fn take_all(py: Python<'_>, durable: &Arc<Durable>, leases: &Bound<'_, PyAny>) -> PyResult<Taken> {
    let mut taken = Taken::new();
    for object in leases.try_iter()? {
        let one = object.and_then(|object| {
            let lease = object.cast::<Lease>()?.get();
            if !ptr::eq(lease.queue.as_ptr(), Arc::as_ptr(durable)) {
                let text = format!("the lease of item {} is of another queue", lease.number);
                return Err(errors::to_python(py, &BufferError::InvalidOperation(text)));
            }
            Ok((Arc::clone(&lease.held), lease.take(py)?))
        });
        match one {
            Ok(one) => taken.push(one),
            Err(raised) => {
                taken.into_iter().for_each(|(held, lease)| *held.lock() = Some(lease));
                return Err(raised);
            }
        }
    }
    Ok(taken)
}

/// The Python objects for leases. If one can't be made, the leases go back.
pub fn objects(durable: &Arc<Durable>, py: Python<'_>, leases: Vec<durable::Lease<Vec<u8>>>) -> PyResult<Vec<Item>> {
    let mut rest = leases.into_iter();
    let mut objects = Vec::with_capacity(rest.len());
    while let Some(lease) = rest.next() {
        match object(py, durable, lease) {
            Ok(object) => objects.push(object),
            Err(raised) => {
                detached(py, || drop(rest));
                // The first can be worked on, and the next call finds the other one again.
                return if objects.is_empty() || interrupts(py, &raised) { Err(raised) } else { Ok(objects) };
            }
        }
    }
    Ok(objects)
}
