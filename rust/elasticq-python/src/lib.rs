//! The Python module `elasticq._core`: one file per class, conversions and waiting only; every algorithm is
//! in the crate `elasticq`.
//!
//! Two rules keep the interpreter safe:
//! - A `Py<T>` is created, cloned and dropped only while attached to the interpreter.
//! - The lock of a buffer is taken only while attached, and nothing under it allocates Python objects,
//!   detaches or drops a reference. So the garbage collector, which runs while every thread stands at a safe
//!   point, never finds it taken and sees the same items in each of its passes. Waiting happens detached,
//!   without the lock.

// Nothing here can be reached from Rust.
#![allow(missing_debug_implementations)]

#[cfg(not(pyo3_disable_reference_pool))]
compile_error!(
    "build with RUSTFLAGS=\"--cfg pyo3_disable_reference_pool\" (.cargo/config.toml sets it; an environment variable \
     RUSTFLAGS replaces what stands there)"
);

mod asyncio;
mod awaitable;
mod buffer;
mod computed;
mod config;
mod contents;
mod done;
mod elastic;
mod entrance;
mod errors;
mod heap;
mod items;
mod leveled;
mod lifecycle;
mod limits;
mod line;
mod lock_free;
mod loops;
mod moved;
mod numbers;
mod overridden;
mod patience;
mod portrait;
mod priority;
mod priority_config;
mod put;
mod queue;
mod raw;
mod simple;
mod stats;
mod store;
mod turns;
mod waiting;
mod weighted;

/// The compiled half of `elasticq`.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    use crate::raw::method;
    use pyo3::prelude::*;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use crate::awaitable::AsyncConsumer;
    #[pymodule_export]
    use crate::awaitable::Operation;
    #[pymodule_export]
    use crate::buffer::DynamicCircularBuffer;
    #[pymodule_export]
    use crate::computed::computed;
    #[pymodule_export]
    use crate::config::Config;
    #[pymodule_export]
    use crate::contents::Contents;
    #[pymodule_export]
    use crate::elastic::Consumer;
    #[pymodule_export]
    use crate::elastic::Elastic;
    #[pymodule_export]
    use crate::heap::{heap_in_order, heap_pop, heap_push};
    #[pymodule_export]
    use crate::lock_free::LockFree;
    #[pymodule_export]
    use crate::lock_free::LockFreeMPMCQueue;
    #[pymodule_export]
    use crate::lock_free::LockFreeMPSCQueue;
    #[pymodule_export]
    use crate::lock_free::LockFreeSPSCQueue;
    #[pymodule_export]
    use crate::moved::{moved_of, now, standard_of};
    #[pymodule_export]
    use crate::priority::PriorityCircularBuffer;
    #[pymodule_export]
    use crate::priority_config::{PriorityConfig, PriorityStats};
    #[pymodule_export]
    use crate::queue::Queue;
    #[pymodule_export]
    use crate::raw::method::coroutine_method;
    #[pymodule_export]
    use crate::simple::SimpleQueue;
    #[pymodule_export]
    use crate::stats::QueueStats;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::lifecycle::init(module)?;
        module.add("Awaitable", crate::raw::coroutine::class(module.py())?)?;
        let py = module.py();
        crate::computed::install(py)?;
        method::install(py, &py.get_type::<Elastic>(), &["aget", "aput", "aget_many", "aput_many"])?;
        method::install(py, &py.get_type::<Queue>(), &["ajoin"])?;
        let priorities = py.get_type::<PriorityCircularBuffer>();
        method::install(py, &priorities, &["aput_with_priority", "aput_many_with_priority"])?;
        crate::raw::calls::install(py)
    }
}
