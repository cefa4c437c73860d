//! `Computed`: attributes that are computed, and that give way to what is assigned to their names.
//!
//! `queue.Queue` leaves names such as `closed` and `capacity` free, so its subclasses have attributes of
//! their own with these names. A property would refuse the assignment, since Python asks a property before it
//! looks into the instance. A `Computed` can only be read (it is a non-data descriptor). So an assigned value
//! hides it, and deleting that value brings ours back. In return, our own code must not read such an
//! attribute from an instance when it means the real one.

use crate::raw::detach::stop_at_the_end;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyType;

// No docstring of its own: each `Computed` has the docstring of what it stands for.
#[pyclass(frozen, module = "elasticq._core")]
pub struct Computed {
    /// Called with the queue, returns the value.
    get: Py<PyAny>,
    #[pyo3(get, name = "__doc__")]
    doc: Py<PyAny>,
}

#[pymethods]
impl Computed {
    fn __get__<'py>(
        slf: &Bound<'py, Self>,
        queue: &Bound<'py, PyAny>,
        _class: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if queue.is_none() {
            return Ok(slf.clone().into_any());
        }
        stop_at_the_end();
        slf.get().get.bind(slf.py()).call1((queue,))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.get)
    }
}

/// Makes such an attribute of a function; used as a decorator.
#[pyfunction]
#[pyo3(name = "_computed")]
pub fn computed(get: &Bound<'_, PyAny>) -> PyResult<Computed> {
    let doc = get.getattr(intern!(get.py(), "__doc__"))?;
    Ok(Computed { get: get.clone().unbind(), doc: doc.unbind() })
}

/// Replaces the properties that PyO3 has made of a class by attributes that give way; `but` those of these
/// names, which may be assigned to.
pub fn give_way(class: &Bound<'_, PyType>, but: &[&str]) -> PyResult<()> {
    let py = class.py();
    let made_by_pyo3 = py.import("types")?.getattr("GetSetDescriptorType")?;
    for pair in class.getattr("__dict__")?.call_method0("copy")?.call_method0("items")?.try_iter()? {
        let (name, attribute) = pair?.extract::<(String, Bound<'_, PyAny>)>()?;
        if attribute.get_type().is(&made_by_pyo3) && !name.starts_with("__") && !but.contains(&&*name) {
            let doc = attribute.getattr(intern!(py, "__doc__"))?.unbind();
            let get = attribute.getattr(intern!(py, "__get__"))?.unbind();
            class.setattr(name, Computed { get, doc })?;
        }
    }
    Ok(())
}
