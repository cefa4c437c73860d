//! Elastic, thread-safe queues: they grow on demand, shrink after a burst, and lose nothing on the way.
//!
//! - [`DynamicCircularBuffer`]: any number of producers and consumers around one lock. It grows and shrinks
//!   within the limits of a [`Config`], moves batches in slices, and wakes waiters.
//! - `LockFreeMPSCQueue` (feature `lock_free`): many producers and one consumer, without locks, just as
//!   elastic.
//! - `LockFreeMPMCQueue` (feature `lock_free`): the same for many consumers.
//! - `LockFreeSPSCQueue` (feature `lock_free`): one producer and one consumer, the fastest.
//! - `PriorityCircularBuffer` (feature `priority`): up to 64 levels around one lock, served by priority, and
//!   fairly if you wish.
//!
//! - `PersistentCircularBuffer` (feature `persistent`): a queue in files, which outlives the process.
//!
//! Above these, each for every queue:
//! - [`Select`]: waits for several queues at once.
//! - `streams` (feature `streams`): a `Stream`, a `Sink` and a channel.
//! - `metrics` (feature `metrics`): counters, gauges and histograms, for any exporter.
//!
//! The queues without locks serve threads and tasks: `offer_within` and `dequeue_within` block; `send` and
//! `recv` are futures that need no particular runtime, and cancelling one loses nothing.
//!
//! Three rules hold for every queue of this crate:
//! - **A refused item comes back.** [`offer`](DynamicCircularBuffer::offer) returns it in a [`Rejected`]. A
//!   batch goes in whole or not at all. A call that fails leaves the queue as it was.
//! - **No foreign code runs under a lock**, except that [`iter`](DynamicCircularBuffer::iter) and similar
//!   methods clone items there. Items are dropped and compared outside, so an item's `Drop` may use the queue
//!   that the item came from. This also holds when the item is dropped with a cancelled future, with a call
//!   that is refused or has timed out, or with a closure that panics. Wakers run outside, too; they may use
//!   the queue, drop the task, or panic. If one panics, all others are woken first, and what was put in is in
//!   (see [`Signal::wake`]).
//! - **Memory comes back.** After a burst the capacity returns to `min_capacity`, with enough hysteresis that
//!   a queue at a threshold does not resize at every call. The call that takes the last item completes this;
//!   no call that finds the queue empty is needed. If items always remain, the capacity follows their number.
//!   Each queue documents what memory it keeps.
//!
//! **Targets.** Any target that has the standard library and atomic operations of 64 bits
//! (`target_has_atomic = "64"`); on others the crate does not compile, and says why. The feature `persistent`
//! needs Unix or Windows. The clock is read only by calls that wait, and by buffers that keep the age of
//! items.
//!
//! # Examples
//! ```
//! use elasticq::{BufferError, Config, DynamicCircularBuffer};
//!
//! let buffer = DynamicCircularBuffer::new(Config::default())?;
//! buffer.push(10)?;
//! buffer.push_batch(vec![20, 30])?;
//! assert_eq!(buffer.pop(), Ok(10));
//! assert_eq!(buffer.pop_batch(8), Ok(vec![20, 30]));
//! assert_eq!(buffer.pop(), Err(BufferError::Empty));
//! # Ok::<(), BufferError>(())
//! ```

// Positions and counters are 64 bits wide everywhere, so that none runs out. Without such atomics, the queues
// without locks would have to use locks in their place.
#[cfg(not(target_has_atomic = "64"))]
compile_error!("elasticq needs a target with atomic operations of 64 bits (`target_has_atomic = \"64\"`)");

// A queue in files needs locks, renames and syncs of files, which each system has in its own way.
#[cfg(all(feature = "persistent", not(any(unix, windows))))]
compile_error!("the feature `persistent` of elasticq needs Unix or Windows");

// Layers: each imports only those before it. docs/architecture.md says what belongs where.
mod sync;

#[cfg(test)]
mod effort;

mod config;
mod elasticity;
mod error;
mod positions;
mod stats;

mod buffer;
mod wait;

mod ring;

#[cfg(feature = "lock_free")]
pub mod lock_free;
mod locked;
#[cfg(all(feature = "persistent", not(loom)))]
pub mod persistent;
#[cfg(feature = "priority")]
pub mod priority;

#[cfg(all(feature = "async", not(loom)))]
mod tasks;

#[cfg(all(feature = "metrics", not(loom)))]
pub mod metrics;
mod select;
#[cfg(all(feature = "streams", not(loom)))]
pub mod streams;

pub use buffer::{Buffer, Call, Glance, Parts, Waiters};
#[doc(hidden)]
pub use buffer::{Figure, Oldest, Report, What};
pub use config::Config;
pub use error::{BufferError, BufferResult, IoError, Rejected};
#[cfg(feature = "lock_free")]
pub use lock_free::{LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
pub use locked::{DynamicCircularBuffer, ThreadSafeDynamicCircularBuffer};
#[cfg(all(feature = "persistent", not(loom)))]
pub use persistent::PersistentCircularBuffer;
pub use ring::PatientLock;
pub use select::Select;
pub use stats::QueueStats;
pub use wait::{Signal, Waiter, Waiting, after_fork_in_child, forks};

/// For the loom models only.
#[cfg(all(loom, feature = "lock_free"))]
#[doc(hidden)]
pub use sync::barrier::unfenced;
