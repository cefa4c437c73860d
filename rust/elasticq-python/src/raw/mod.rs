//! The innermost part: all `unsafe` of the binding stands in this folder.

use elasticq::DynamicCircularBuffer;
use pyo3::prelude::*;

pub mod detach;
pub mod lists;
pub mod lock;

/// Any Python object.
pub type Item = Py<PyAny>;

/// The items of a queue, in order.
pub type Items = DynamicCircularBuffer<Item, lock::RingLock>;
