//! Benchmarks of elasticq and of its peers, which therefore never become dependencies of elasticq itself.
//!
//! - [`contest`]: the interleaving harness; [`stats`], [`options`] and [`report`] serve it.
//! - [`subject`]: what a queue offers to take part; [`subjects`] has the contenders, a file for each family.
//! - [`shapes`]: the loops that are measured, written once for all contenders; [`ledger`] checks every message.
//! - [`mqtt`]: the shape of an MQTT ingest, four publishers to one processor.
//!
//! The suites that `cargo bench` runs are in the folder `suites`: `peers`, `memory` and `operations`.

pub mod contest;
pub mod ledger;
pub mod mqtt;
pub mod options;
pub mod report;
pub mod shapes;
pub mod stats;
pub mod subject;
pub mod subjects;
