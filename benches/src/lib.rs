//! Benchmarks of elasticq and of its peers, which therefore never become dependencies of elasticq itself.
//!
//! - [`contest`]: the interleaving harness; [`stats`], [`options`], [`machine`] and [`report`] serve it.
//! - [`settled`]: how long a sample has to be, and whether two runs in a row say the same.
//! - [`subject`]: what a queue offers to take part; [`subjects`] has the contenders, a file for each family.
//! - [`shapes`]: the loops that are measured, written once for all contenders; [`ledger`] checks every
//!   message.
//! - [`curves`]: throughput over the number of producers, as CSV; [`chart`]: the same as a picture.
//! - [`figures`]: what the benchmarks in Python have measured; [`bars`]: the same as pictures.
//! - [`mqtt`]: the shape of an MQTT ingest, four publishers to one processor.
//! - `tasks`: channels between tasks; `several`: waiting for several queues at once (features `streams` and
//!   `lock_free`).
//! - `durable`: what the queues in files need beside all this (feature `persistent`).
//!
//! The suites that `cargo bench` runs are in the folder `suites`: `peers`, `lock_free`, `priority`,
//! `scalability`, `memory`, `operations`, `streams` and `durable`.

pub mod bars;
pub mod chart;
pub mod contest;
pub mod curves;
#[cfg(feature = "persistent")]
pub mod durable;
pub mod figures;
pub mod ledger;
pub mod machine;
pub mod mqtt;
pub mod options;
pub mod report;
pub mod settled;
#[cfg(all(feature = "streams", feature = "lock_free"))]
pub mod several;
pub mod shapes;
pub mod stats;
pub mod subject;
pub mod subjects;
#[cfg(all(feature = "streams", feature = "lock_free"))]
pub mod tasks;
pub mod waiting;
