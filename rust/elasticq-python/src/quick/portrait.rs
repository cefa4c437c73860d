//! `Portrait`: what a coroutine shows of itself, shown by our operations to code that asks: task reprs,
//! debuggers, frameworks.
//!
//! Operations have neither code nor a frame. So both are taken from a stub with the same name, which is made
//! when some code asks. The frame is that of a coroutine that never ran: it has a name, a line, no variables,
//! and nothing before it.

use crate::raw::detach::{is_ending, stop_at_the_end};
use crate::store::object::Elastic;
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use std::ffi::CString;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It was never awaited.
    Created,
    Running,
    Suspended,
    Ended,
}

pub struct Portrait<'a, 'py> {
    pub queue: &'a Bound<'py, Elastic>,
    /// The name of the queue's method.
    pub name: &'static str,
    /// Whether the method of the queue's view was called.
    pub of_view: bool,
    pub phase: Phase,
}

/// The attributes that can be asked for.
pub const ATTRIBUTES: [&std::ffi::CStr; 10] = [
    c"__name__",
    c"__qualname__",
    c"__class__",
    c"cr_await",
    c"cr_code",
    c"cr_frame",
    c"cr_origin",
    c"cr_running",
    c"cr_state",
    c"cr_suspended",
];

impl<'py> Portrait<'_, 'py> {
    fn name(&self) -> &'static str {
        if self.of_view { self.name.trim_start_matches('a') } else { self.name }
    }

    fn qualname(&self) -> PyResult<String> {
        let class = if self.of_view { "AsyncQueue".into() } else { self.queue.get_type().qualname()?.to_string() };
        Ok(format!("{class}.{}", self.name()))
    }

    pub fn attribute(&self, attribute: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = self.queue.py();
        Ok(match attribute {
            "__name__" => self.name().into_pyobject(py)?.into_any(),
            "__qualname__" => self.qualname()?.into_pyobject(py)?.into_any(),
            // So that `inspect.iscoroutine` takes it for a coroutine. `type` gives the real type.
            "__class__" => py.import("types")?.getattr("CoroutineType")?,
            "cr_code" => stub(py, self.name(), "()")?.getattr("__code__")?,
            "cr_frame" if self.phase != Phase::Ended => {
                let coroutine = stub(py, self.name(), "()")?.call0()?;
                let frame = coroutine.getattr("cr_frame")?;
                coroutine.call_method0("close")?;
                frame
            }
            "cr_running" => (self.phase == Phase::Running).into_pyobject(py)?.to_owned().into_any(),
            "cr_state" => match self.phase {
                Phase::Created => intern!(py, "CORO_CREATED"),
                Phase::Running => intern!(py, "CORO_RUNNING"),
                Phase::Suspended => intern!(py, "CORO_SUSPENDED"),
                Phase::Ended => intern!(py, "CORO_CLOSED"),
            }
            .clone()
            .into_any(),
            "cr_suspended" => (self.phase == Phase::Suspended).into_pyobject(py)?.to_owned().into_any(),
            _ => py.None().into_bound(py),
        })
    }

    /// Warns of an operation that is dropped and was never awaited, as the interpreter does for its own
    /// coroutines. It may be dropped while an exception is being raised.
    #[cold]
    pub fn warn(&self) {
        let py = self.queue.py();
        stop_at_the_end();
        if self.phase != Phase::Created || is_ending() {
            return;
        }
        let raised = PyErr::take(py);
        let warned = self.qualname().and_then(|name| {
            let text = CString::new(format!("coroutine '{name}' was never awaited"))?;
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
        });
        if let Err(error) = warned {
            error.write_unraisable(py, None);
        }
        if let Some(raised) = raised {
            raised.restore(py);
        }
    }
}

/// An `async def` of this name, with these parameters, that does nothing. Each stub is made once: compiling
/// takes a hundred times as long as what it is used for, and free-threaded builds never free code.
pub fn stub<'py>(py: Python<'py>, name: &str, parameters: &str) -> PyResult<Bound<'py, PyAny>> {
    static MADE: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let made = MADE.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let source = format!("async def {name}{parameters}: pass");
    if let Some(stub) = made.get_item(&source)? {
        return Ok(stub);
    }
    let builtins = py.import("builtins")?;
    let code = builtins.call_method1("compile", (&source, "<elasticq>", "exec"))?;
    let names = PyDict::new(py);
    names.set_item(intern!(py, "__name__"), intern!(py, "elasticq"))?;
    builtins.call_method1("exec", (code, &names))?;
    let stub = names.as_any().get_item(name)?;
    made.set_item(source, &stub)?;
    Ok(stub)
}
