//! What the module must know about the interpreter and the process that it is in.

use crate::raw::interpreter;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Runs once, at the import.
pub fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    if !interpreter::is_main(py) {
        // There is one set of classes per process, so two interpreters would share objects of these classes,
        // which they must not. Python itself refuses interpreters with a GIL of their own, with a different
        // text.
        return Err(PyImportError::new_err("module elasticq._core does not support loading in subinterpreters"));
    }
    interpreter::find_main_thread(py)?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = PyDict::new(py);
        hooks.set_item("after_in_child", wrap_pyfunction!(forget_the_parent, module)?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}

/// Called in a forked child: forgets all waiters of the parent. Python forks only while every other thread
/// stands at a safe point (the forking thread holds the interpreter lock, or has stopped the world). Such a
/// point is outside of any ring and of any lock of ours.
#[pyfunction]
fn forget_the_parent() {
    elasticq::after_fork_in_child();
    interpreter::be_main_thread();
}
