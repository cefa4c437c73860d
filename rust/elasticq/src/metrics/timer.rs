//! The thread that flushes every second, as long as there are buffers to read.

use super::series::{any_watching, flush};
use crate::wait::forks;
use parking_lot::{Condvar, Mutex};
use std::panic::catch_unwind;
use std::thread;
use std::time::Duration;

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// In which process the thread runs: the number of forks that led to it.
static RUNS: Mutex<Option<usize>> = Mutex::new(None);
/// Nobody ever rings it: the thread waits until the interval is over.
static REST: Condvar = Condvar::new();

/// Makes sure that the thread runs. If the system gives none, figures are told by those who call `flush`.
pub fn start() {
    let mut runs = RUNS.lock();
    let process = forks();
    if *runs != Some(process) {
        let thread = thread::Builder::new().name("elasticq-metrics".into()).spawn(run);
        *runs = thread.is_ok().then_some(process);
    }
}

fn run() {
    let mut runs = RUNS.lock();
    loop {
        REST.wait_for(&mut runs, INTERVAL);
        drop(runs);
        let _ = catch_unwind(flush); // the exporter's fault, which is told where `flush` is called
        runs = RUNS.lock();
        if !any_watching() {
            *runs = None;
            return;
        }
    }
}
