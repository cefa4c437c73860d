//! Metrics of every queue, on the facade of the crate `metrics`, so that any exporter works with them.
//!
//! A [`MetricsRecorder`] has a name, the value of the label `queue`. It wraps a buffer:
//! [`InstrumentedBuffer`] owns it, [`InstrumentedBufferRef`] borrows it. Both are buffers themselves, so
//! channels, streams and `Select` work over them.
//!
//! | metric | kind | labels beside `queue` |
//! |---|---|---|
//! | `elasticq_messages_enqueued_total` | counter | |
//! | `elasticq_messages_dequeued_total` | counter | |
//! | `elasticq_messages_refused_total` | counter | |
//! | `elasticq_messages_dropped_total` | counter | |
//! | `elasticq_resizes_total` | counter | `direction`: `grow`, `shrink` |
//! | `elasticq_backpressure_seconds_total` | gauge that only grows | |
//! | `elasticq_queue_depth` | gauge | |
//! | `elasticq_queue_capacity` | gauge | |
//! | `elasticq_queue_max_capacity` | gauge | |
//! | `elasticq_queue_utilization_ratio` | gauge: depth by `max_capacity`, 0 to 1 | |
//! | `elasticq_queue_waiters` | gauge | `end`: `item`, `room`; `kind`: `thread`, `task` |
//! | `elasticq_queue_longest_wait_seconds` | gauge | `end` |
//! | `elasticq_queue_oldest_item_age_seconds` | gauge, see below | |
//! | `elasticq_operation_duration_seconds` | histogram, see [`BUCKETS`] | `operation`: `push`, `pop`, `push_batch`, `pop_batch` |
//! | `elasticq_level_depth`, `elasticq_level_enqueued_total`, `..._dequeued_total`, `..._dropped_total`, `..._refused_total` | gauge, counters; of buffers with levels | `level` |
//! | `elasticq_durable_leased`, `..._delayed`, `..._dead_letters`, `..._segments`, `..._log_entries` | gauges of queues in files | |
//! | `elasticq_durable_disk_bytes` | gauge of queues in files | |
//! | `elasticq_durable_recovered_entries_total`, `elasticq_durable_torn_bytes_total` | counters of queues in files | |
//! | `elasticq_durable_syncs_total` | counter of queues in files: syncs of the log to the disk | |
//! | `elasticq_durable_sync_seconds_total` | gauge that only grows: how long these took | |
//! | `elasticq_durable_sync_longest_seconds` | gauge: the longest since the queue was opened | |
//!
//! **Counters cost the queue nothing.** They come from the positions that a queue has anyway. A thread reads
//! them every second, and so does [`flush`], which a server calls before it renders a scrape: then what is
//! scraped is as new as the scrape. Items that are inside when a recorder gets a buffer count as enqueued. So
//! enqueued = dequeued + dropped + depth. The figures of a buffer that is dropped stay in the counters, and
//! what was inside counts as dropped. If only its recorder goes, or the items are in files, what is inside
//! counts as dequeued.
//!
//! Resizes, backpressure, waiters and waits are told from their first figure above zero on, and then for
//! good: a queue at which nobody ever waited has half as many lines.
//!
//! **Durations are sampled**: one call in 256, or what [`MetricsRecorder::with_sampling`] says. Which calls
//! these are follows no pattern of the callers'.
//!
//! **The oldest item's age** is exact where a buffer keeps times. A buffer with levels does so if it was made
//! `with_age_statistics`. A queue in files always does: there it is the age of the oldest item that can be
//! taken, to some milliseconds, by the clock of the day. Elsewhere it is an upper bound that is right to a
//! second or so: each flush notes how many items have come so far. For a buffer whose items leave in another
//! order, and which keeps no times, there is none.
//!
//! **One name, several buffers**: they are one queue to the exporter. Counters and depths are added up, of
//! ages and waits the largest counts.
//!
//! An exporter may be installed later than a recorder. An exporter that panics is not asked again by the
//! calls of that recorder, and harms no call.
//!
//! # Examples
//! ```
//! use elasticq::metrics::{InstrumentedBuffer, MetricsRecorder};
//! use elasticq::{Config, DynamicCircularBuffer};
//! use std::sync::Arc;
//!
//! let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
//! let messages = InstrumentedBuffer::new(buffer, MetricsRecorder::new("mqtt_broker"));
//! messages.push("message".to_string())?;
//! messages.pop()?;
//! elasticq::metrics::flush();
//! # Ok::<(), elasticq::BufferError>(())
//! ```

mod borrowed;
mod catalog;
mod handles;
mod instrumented;
mod probe;
mod reading;
mod recorded;
mod recorder;
mod series;
mod timer;

pub use borrowed::InstrumentedBufferRef;
pub use instrumented::InstrumentedBuffer;
pub use recorder::MetricsRecorder;
pub use series::flush;

/// Upper bounds for the buckets of `elasticq_operation_duration_seconds`, from 10 ns to 10 s: 1, 2.5 and 5 of
/// each power of ten. An exporter that has buckets must be told of them.
///
/// # Examples
/// ```
/// assert!(elasticq::metrics::BUCKETS.is_sorted());
/// ```
pub const BUCKETS: [f64; 28] = [
    1e-8, 2.5e-8, 5e-8, 1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3,
    5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 5e-1, 1.0, 2.5, 5.0, 10.0,
];
