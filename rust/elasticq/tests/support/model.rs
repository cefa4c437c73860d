//! What the models share. loom runs every interleaving of a few threads, and finds a lost wake-up as a deadlock.

use std::time::Duration;

/// Longer than any clock: the call waits for ever, so a lost wake-up is a deadlock.
#[allow(dead_code)] // not every target has a model that needs it
pub const FOREVER: Duration = Duration::MAX;

/// Up to this many preemptions per run, which is where loom's authors found nearly all bugs; more with LOOM_MAX_PREEMPTIONS.
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 10_000;
    builder.check(body);
}

/// Without the fences that stand for a process-wide barrier: nobody may wait. On the machine they are not there either, and
/// they would hide whether the orders of the accesses around them are needed.
#[cfg(feature = "lock_free")]
#[allow(dead_code)] // not every target has such a model
pub fn unfenced_model(body: impl Fn() + Sync + Send + 'static) {
    elasticq::unfenced(|| model(body));
}

/// One preemption less, for threads that do much.
#[allow(dead_code)] // not every target has such a model
pub fn large_model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3)).map(|bound| bound - 1);
    builder.max_branches = 10_000;
    builder.check(body);
}
