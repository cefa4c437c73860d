//! What the models share. loom runs every interleaving of a few threads, and it finds a lost wake-up as a
//! deadlock.

use std::time::Duration;

/// Longer than any clock: the call waits for ever, so a lost wake-up is a deadlock.
#[allow(dead_code)] // not every target has a model that needs it
pub const FOREVER: Duration = Duration::MAX;

/// Runs a model with up to three preemptions per run. With so few, loom's authors found nearly all bugs.
/// LOOM_MAX_PREEMPTIONS sets another number.
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 10_000;
    builder.check(body);
}

/// Runs a model without the fences that stand for a process-wide barrier. No thread in it may wait. On the
/// machine these fences are not there either, and they would hide whether the orders of the accesses around
/// them are needed.
#[cfg(feature = "lock_free")]
#[allow(dead_code)] // not every target has such a model
pub fn unfenced_model(body: impl Fn() + Sync + Send + 'static) {
    elasticq::unfenced(|| model(body));
}

/// Runs a model with one preemption less, for threads that do much.
#[allow(dead_code)] // not every target has such a model
pub fn large_model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3)).map(|bound| bound - 1);
    builder.max_branches = 10_000;
    builder.check(body);
}
