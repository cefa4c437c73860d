//! The contests of channels between tasks with their peers, all in one interleaved run. They need the
//! features `streams` and `lock_free`.

use elasticq_benches::contest::Contest;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, grouped};
use elasticq_benches::subjects::tasks::{
    AsyncChannel, Crossfire, Flume, Kanal, LOCKED, Locked, Mpmc, Mpsc, Split, Tokio,
};
use elasticq_benches::tasks::{Channel, runtime};
use tokio::runtime::Runtime;

/// Room for this many items in every contender.
const CAPACITY: usize = 1_024;
/// So many are received at once.
const MANY: usize = 100;

fn main() {
    let mut report = Report::new("streams", Options::from_process());
    println!("\"ours is\": how many times as fast, by the medians; then how the ratios of the single rounds scatter");
    let runtime = runtime();
    let mut contests = Vec::new();
    for senders in [1, 4] {
        contests.push(versus::<Locked>(&runtime, senders, 1.0, false));
        contests.push(versus::<Mpsc>(&runtime, senders, 1.0, true));
        contests.push(versus::<Mpmc>(&runtime, senders, 1.0, true));
        contests.push(versus::<Split>(&runtime, senders, 1.2, true));
    }
    contests.push(many(&runtime));
    for contest in contests {
        if report.options().wants(contest.name()) {
            let outcome = contest.run(report.options());
            report.outcome(&outcome);
        }
    }
    report.finish();
}

/// Ours against the peers; `all`: against kanal and crossfire, too.
fn versus<C: Channel>(runtime: &Runtime, senders: usize, goal: f64, all: bool) -> Contest<'_> {
    let name = format!("{}, {senders} to 1, capacity {}", C::NAME, grouped(CAPACITY as u64));
    let contest = Contest::new(name)
        .threads(2)
        .tasks::<C>(runtime, CAPACITY, senders)
        .tasks::<Tokio>(runtime, CAPACITY, senders)
        .tasks::<AsyncChannel>(runtime, CAPACITY, senders)
        .tasks::<Flume>(runtime, CAPACITY, senders)
        .target(Tokio::NAME, goal)
        .target(AsyncChannel::NAME, goal)
        .target(Flume::NAME, goal);
    if all {
        contest
            .tasks::<Kanal>(runtime, CAPACITY, senders)
            .tasks::<Crossfire>(runtime, CAPACITY, senders)
            .target(Kanal::NAME, goal)
            .target(Crossfire::NAME, goal)
    } else {
        contest
    }
}

fn many(runtime: &Runtime) -> Contest<'_> {
    Contest::new(format!("recv_many({MANY}), 1 to 1, capacity {}", grouped(CAPACITY as u64)))
        .threads(2)
        .many::<Locked>(runtime, CAPACITY, "BufferChannel, recv_many", MANY)
        .tasks::<Locked>(runtime, CAPACITY, 1)
        .many::<Tokio>(runtime, CAPACITY, "tokio mpsc, recv_many", MANY)
        .target(LOCKED, 3.0)
        .target("tokio mpsc, recv_many", 1.0)
}
