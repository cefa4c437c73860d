//! Queues without locks that grow and shrink without copying (feature `lock_free`).
//!
//! Each queue is a chain of segments at absolute positions. Growing and shrinking link a segment of another
//! size. Nothing is ever copied, so a resize cannot lose anything.

mod batch;
mod chain;
mod discarded;
mod ending;
#[cfg(all(feature = "streams", not(loom)))]
mod ends;
mod handles;
mod looking;
mod mpmc;
mod mpsc;
mod parts;
mod prefetch;
mod spsc;
#[cfg(all(test, not(loom)))]
mod tests;
mod turns;

pub use mpmc::{LockFreeMPMCQueue, MpmcConsumer, MpmcProducer};
pub use mpsc::{Consumer, LockFreeMPSCQueue, Producer};
pub use spsc::{LockFreeSPSCQueue, SpscConsumer, SpscProducer};
