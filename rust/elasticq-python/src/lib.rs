//! The Python module `elasticq._core`: classes, conversions and waiting only; every algorithm is in the crate
//! `elasticq`.
//!
//! Two rules keep the interpreter safe:
//! - A `Py<T>` is created, cloned and dropped only while attached to the interpreter.
//! - The lock of a buffer is taken only while attached, and nothing under it allocates Python objects,
//!   detaches or drops a reference. So the garbage collector, which runs while every thread stands at a safe
//!   point, never finds it taken and sees the same items in each of its passes. Waiting happens detached,
//!   without the lock.

// Nothing here can be reached from Rust.
#![allow(missing_debug_implementations)]
// Free-threaded 3.13 is built with PyO3 0.28. What it warns of is the way of newer ones.
#![cfg_attr(all(Py_GIL_DISABLED, not(Py_3_14)), allow(deprecated))]

#[cfg(not(pyo3_disable_reference_pool))]
compile_error!(
    "build with RUSTFLAGS=\"--cfg pyo3_disable_reference_pool\" (.cargo/config.toml sets it; an environment variable \
     RUSTFLAGS replaces what stands there)"
);

// Layers: each imports only those before it. docs/architecture.md says what belongs where.
mod raw;

mod errors;

mod arguments;
mod codec;
mod waiting;

mod room;
mod store;

mod standard;

mod quick;

mod durable;

mod classes;

mod select;

mod lifecycle;

/// The compiled half of `elasticq`.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use crate::classes::buffer::DynamicCircularBuffer;
    #[pymodule_export]
    use crate::classes::channel::BufferChannel;
    #[pymodule_export]
    use crate::classes::computed::computed;
    #[pymodule_export]
    use crate::classes::config::Config;
    #[pymodule_export]
    use crate::classes::consumer::{AsyncConsumer, Consumer};
    #[pymodule_export]
    use crate::classes::lease::Lease;
    #[pymodule_export]
    use crate::classes::live::live_queues;
    #[pymodule_export]
    use crate::classes::lock_free::{LockFree, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
    #[pymodule_export]
    use crate::classes::persistent::Persistent;
    #[pymodule_export]
    use crate::classes::persistent_stats::{DeadLetter, PersistentStats};
    #[pymodule_export]
    use crate::classes::priority::PriorityCircularBuffer;
    #[pymodule_export]
    use crate::classes::priority_config::{PriorityConfig, PriorityStats};
    #[pymodule_export]
    use crate::classes::queue::{Queue, moved_of, standard_of};
    #[pymodule_export]
    use crate::classes::reading::{Farewell, Reading, reading};
    #[pymodule_export]
    use crate::classes::rescue::{Exported, Progress, compact, inspect, repair, verify};
    #[pymodule_export]
    use crate::classes::simple::SimpleQueue;
    #[pymodule_export]
    use crate::classes::stats::QueueStats;
    #[pymodule_export]
    use crate::classes::sync_mode::SyncMode;
    #[pymodule_export]
    use crate::classes::waiters::{Waiters, Waiting};
    #[pymodule_export]
    use crate::codec::{decoded, encoded};
    #[pymodule_export]
    use crate::quick::operation::Operation;
    #[pymodule_export]
    use crate::select::selection::Selection;
    #[pymodule_export]
    use crate::select::threads::select;
    #[pymodule_export]
    use crate::standard::contents::Contents;
    #[pymodule_export]
    use crate::standard::heap::{heap_in_order, heap_pop, heap_push};
    #[pymodule_export]
    use crate::standard::moving::now;
    #[pymodule_export]
    use crate::store::object::Elastic;
    #[pymodule_export]
    use crate::store::view::View;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::lifecycle::init(module)?;
        module.add("Awaitable", crate::quick::awaitable::class(module.py())?)?;
        crate::classes::install(module.py())
    }
}
