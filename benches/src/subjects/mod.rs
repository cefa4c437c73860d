//! The contenders, a file for each family.

pub mod channels;
#[cfg(feature = "persistent")]
pub mod durable;
#[cfg(feature = "lock_free")]
pub mod lock_free;
pub mod locks;
#[cfg(all(feature = "metrics", feature = "lock_free"))]
pub mod metrics;
pub mod ours;
pub mod predecessor;
#[cfg(feature = "priority")]
pub mod priority;
pub mod queues;
#[cfg(all(feature = "streams", feature = "lock_free"))]
pub mod tasks;
