//! Queues without locks that grow and shrink without copying (feature `lock_free`).
//!
//! All of them are chains of segments at absolute positions. Growing and shrinking link a segment of another size and
//! nothing is ever copied, so a resize cannot lose anything.

mod abandon;
mod batch;
mod chain;
mod guess;
mod handles;
mod looking;
mod mpmc;
mod mpsc;
mod pace;
mod parts;
mod records;
mod resize;
mod segment;
mod spsc;
mod takers;
#[cfg(all(test, not(loom)))]
mod tests;
mod turns;

pub use mpmc::{LockFreeMPMCQueue, MpmcConsumer, MpmcProducer};
pub use mpsc::{Consumer, LockFreeMPSCQueue, Producer};
pub use spsc::{LockFreeSPSCQueue, SpscConsumer, SpscProducer};
