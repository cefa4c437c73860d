//! Queues without locks that grow and shrink without copying (feature `lock_free`).
//!
//! Each queue is a chain of segments at absolute positions. Growing and shrinking link a segment of another
//! size. Nothing is ever copied, so a resize cannot lose anything.
//!
//! # Examples
//! ```
//! use elasticq::lock_free::{Consumer, LockFreeMPSCQueue, Producer};
//! use elasticq::{BufferError, Config};
//!
//! fn count(producer: &Producer<u32>, up_to: u32) -> Result<(), BufferError> {
//!     (0..up_to).try_for_each(|number| producer.try_enqueue(number))
//! }
//!
//! fn sum(consumer: &mut Consumer<u32>) -> u32 {
//!     std::iter::from_fn(|| consumer.try_dequeue().ok().flatten()).sum()
//! }
//!
//! let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
//! count(&producer, 5)?;
//! assert_eq!(sum(&mut consumer), 10);
//! # Ok::<(), BufferError>(())
//! ```

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
