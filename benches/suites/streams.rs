//! The contests of channels between tasks with their peers, all in one interleaved run. They need the
//! features `streams` and `lock_free`.

use elasticq::streams::BufferChannel;
use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts};
use elasticq_benches::contest::Contest;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, Table, Verdict, grouped};
use elasticq_benches::several;
use elasticq_benches::subjects::tasks::{
    AsyncChannel, Crossfire, Flume, Kanal, LOCKED, Locked, Mpmc, Mpsc, Split, Tokio,
};
use elasticq_benches::tasks::{Channel, SendsAsThread, runtime};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
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
    contests.push(from_thread::<Mpsc>(&runtime));
    contests.push(from_thread::<Locked>(&runtime));
    contests.extend([2, 8].map(|queues| several::contest(queues, CAPACITY, 1.0)));
    #[cfg(feature = "old_streams")]
    {
        contests = vec![with_the_predecessor()];
    }
    for contest in contests {
        if report.options().wants(contest.name()) {
            let outcome = contest.run(report.options());
            report.outcome(&outcome);
        }
    }
    if report.options().wants(IDLE) {
        idle(&mut report, &runtime);
    }
    report.finish();
}

/// From a thread to a task.
fn from_thread<C: Channel<Sender: SendsAsThread>>(runtime: &Runtime) -> Contest<'_> {
    Contest::new(format!("{}, thread to task, capacity {}", C::NAME, grouped(CAPACITY as u64)))
        .threads(2)
        .from_thread::<C>(runtime, CAPACITY)
        .from_thread::<Split>(runtime, CAPACITY)
        .from_thread::<Tokio>(runtime, CAPACITY)
        .from_thread::<Flume>(runtime, CAPACITY)
        .from_thread::<Kanal>(runtime, CAPACITY)
        .target(Flume::NAME, 1.0)
        .target(Kanal::NAME, 1.0)
}

/// Within tokio the predecessor panics. So here each end is polled by a thread of its own.
#[cfg(feature = "old_streams")]
fn with_the_predecessor() -> Contest<'static> {
    use elasticq_benches::subjects::tasks::Old;

    Contest::new(format!("BufferChannel of 0.3.0, outside tokio, capacity {}", grouped(CAPACITY as u64)))
        .threads(2)
        .without_runtime::<Locked>(CAPACITY)
        .without_runtime::<Old>(CAPACITY)
        .target(Old::NAME, 5.0)
}

const IDLE: &str = "an idle channel with 1,000 receivers";

/// The processor time of this process while 1,000 tasks wait for two seconds.
fn idle(report: &mut Report, runtime: &Runtime) {
    let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::<u64>::new(Config::default()).unwrap()));
    let receivers: Vec<_> = (0..1_000)
        .map(|_| {
            let channel = channel.clone();
            runtime.spawn(async move { channel.recv().await })
        })
        .collect();
    let asleep = || channel.buffer().waiting_for_item().tasks;
    while asleep() < receivers.len() {
        std::thread::yield_now();
    }
    let wall = if report.options().smoke { Duration::from_millis(100) } else { Duration::from_secs(2) };
    let reading = {
        let before = processor_time();
        processor_time() - before
    };
    let before = processor_time();
    std::thread::sleep(wall);
    let used = (processor_time() - before).saturating_sub(reading);
    channel.close();
    for receiver in receivers {
        let received = runtime.block_on(receiver).expect("it does not panic");
        assert_eq!(received, Err(BufferError::Closed));
    }
    let mut table = Table::new(&["", "processor time", "of"]);
    table.row([IDLE.into(), format!("{used:?}"), format!("{wall:?}")]);
    report.section(IDLE, &table, json!({ "used_ns": used.as_nanos() as u64, "wall_ns": wall.as_nanos() as u64 }));
    report.judge([Verdict {
        case: IDLE.into(),
        wanted: "no processor time".into(),
        measured: format!("{used:?}"),
        reached: Some(used < wall / 10_000),
    }]);
}

/// What all threads of this process have used. Zero where the system does not say.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let used = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(used.sum())
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
