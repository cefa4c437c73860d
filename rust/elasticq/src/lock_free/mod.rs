//! Queues without locks that grow and shrink without copying (feature `lock_free`).
//!
//! All of them are chains of segments at absolute positions. Growing and shrinking link a segment of another size and
//! nothing is ever copied, so a resize cannot lose anything.

mod chain;
mod handles;
mod mpsc;
mod resize;
mod segment;

pub use mpsc::{Consumer, LockFreeMPSCQueue, Producer};
