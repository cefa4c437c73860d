//! Every live queue of the process, for a program that hangs.

use super::persistent::Persistent;
use crate::raw::Item;
use crate::raw::live::instances_of;
use crate::store::object::Elastic;
use pyo3::prelude::*;

/// The queues among the objects that the garbage collector knows.
#[pyfunction]
#[pyo3(name = "_live_queues")]
pub fn live_queues(py: Python<'_>) -> PyResult<Vec<Item>> {
    instances_of(&[py.get_type::<Elastic>(), py.get_type::<Persistent>()])
}
