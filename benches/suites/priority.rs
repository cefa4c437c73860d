//! The contests of the buffer with levels with its predecessor and with a bare mutex, all in one interleaved
//! run. They need the feature `priority`.

use elasticq::priority::PriorityCircularBuffer;
use elasticq_benches::contest::Contest;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, grouped};
use elasticq_benches::shapes::{level_batches, waves};
use elasticq_benches::subject::Levelled;
use elasticq_benches::subjects::locks;
use elasticq_benches::subjects::predecessor;
use elasticq_benches::subjects::priority::Mixed;
use elasticq_benches::waiting::Waiting;
use old::priority::PriorityCircularBuffer as Old;
use parking_lot::Mutex;
use std::collections::VecDeque;

type Ours = PriorityCircularBuffer<u64>;
type Bare = Mutex<VecDeque<u64>>;

const LEVELS: usize = 3;
/// Room for this many items in every contender that has a bound.
const CAPACITY: usize = 65_536;
/// What the predecessor's own benchmarks begin with.
const ROOMY: usize = 2_000;

fn main() {
    let mut report = Report::new("priority", Options::from_process());
    println!("\"ours is\": how many times as fast, by the medians; then how the ratios of the single rounds scatter");
    let alone = [
        pairs("high", 2).target(locks::BARE, 0.85),
        pairs("low", 0),
        mixed("mixed, strict", false),
        mixed("mixed, fair", true),
        thousand(),
        batches(10),
        batches(100),
        batches(1_000),
    ];
    for contest in alone.into_iter().chain(Waiting::ALL.map(threads)) {
        if report.options().wants(contest.name()) {
            let outcome = contest.run(report.options());
            report.outcome(&outcome);
        }
    }
    report.finish();
}

/// Enters a queue for waves of items at the levels that `priority` names.
fn entered<Q: Levelled + 'static>(
    contest: Contest<'static>,
    fair: bool,
    least: usize,
    wave: u64,
    priority: fn(u64) -> usize,
) -> Contest<'static> {
    let queue = Q::open(LEVELS, fair, least, CAPACITY);
    contest.contender(Q::NAME, move |items| waves(&queue, wave, items, priority))
}

fn pairs(name: &str, priority: usize) -> Contest<'static> {
    let level: fn(u64) -> usize = if priority == 0 { |_| 0 } else { |_| 2 };
    let contest = Contest::new(format!("1 thread, push+pop {name}")).target(predecessor::NAME, 2.3);
    let contest = entered::<Ours>(contest, false, 1_024, 1, level);
    let contest = entered::<Old<u64>>(contest, false, 1_024, 1, level);
    entered::<Bare>(contest, false, 1_024, 1, level)
}

fn mixed(name: &str, fair: bool) -> Contest<'static> {
    let level = |place| place as usize;
    let contest = Contest::new(format!("1 thread, 3 pushes and 3 pops {name}")).target(predecessor::NAME, 2.3);
    let contest = entered::<Ours>(contest, fair, 1_024, 3, level);
    let contest = entered::<Old<u64>>(contest, fair, 1_024, 3, level);
    entered::<Bare>(contest, fair, 1_024, 3, level)
}

fn thousand() -> Contest<'static> {
    let level = |place| place as usize % LEVELS;
    let contest = Contest::new("1 thread, 1,000 pushes and 1,000 pops mixed, strict").target(predecessor::NAME, 2.5);
    let contest = entered::<Ours>(contest, false, ROOMY, 1_000, level);
    let contest = entered::<Old<u64>>(contest, false, ROOMY, 1_000, level);
    entered::<Bare>(contest, false, ROOMY, 1_000, level)
}

fn batches(size: usize) -> Contest<'static> {
    fn entered<Q: Levelled + 'static>(contest: Contest<'static>, size: usize) -> Contest<'static> {
        let queue = Q::open(LEVELS, false, size * 2, CAPACITY);
        contest.contender(Q::NAME, move |items| level_batches(&queue, size, items))
    }
    let name = format!("1 thread, batch {} push+pop", grouped(size as u64));
    let contest = Contest::new(name).target(predecessor::NAME, 8.0);
    entered::<Bare>(entered::<Old<u64>>(entered::<Ours>(contest, size), size), size)
}

/// Each producer has a level, and the fourth shares the lowest level with the first.
fn threads(waiting: Waiting) -> Contest<'static> {
    Contest::new(format!("4P/1C mixed, strict, capacity {}{}", grouped(CAPACITY as u64), waiting.suffix()))
        .waiting(waiting)
        .target(predecessor::NAME, 3.0)
        .threaded::<Mixed<Ours>>(4, 1, CAPACITY)
        .threaded::<Mixed<Old<u64>>>(4, 1, CAPACITY)
        .threaded::<Mixed<Bare>>(4, 1, CAPACITY)
}
