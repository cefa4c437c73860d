//! The contests of the queues without locks with their peers, all in one interleaved run. They need the
//! feature `lock_free`.

use elasticq_benches::contest::Contest;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, grouped};
use elasticq_benches::subjects::channels::{
    CROSSFIRE_MPSC, Crossbeam, Crossfire, CrossfireMpsc, CrossfireSpsc, Flume, Kanal, Standard,
};
use elasticq_benches::subjects::lock_free::{MPSC, Mpmc, Mpsc, MpscBatches, SharedMpmc, SharedMpsc, SharedSpsc, Spsc};
use elasticq_benches::subjects::ours::{self, Ours};
use elasticq_benches::subjects::predecessor::OldLockFree;
use elasticq_benches::subjects::queues::{Concurrent, Rtrb};

/// Room for this many items in every contender that has a bound.
const CAPACITY: usize = 65_536;
const ARRAY_QUEUE: &str = "crossbeam ArrayQueue";
/// The peers with a bound, and those that never wait for room.
const BOUNDED: [&str; 7] = [
    ARRAY_QUEUE,
    "crossbeam channel, bounded",
    "flume, bounded",
    "kanal, bounded",
    "concurrent-queue, bounded",
    "crossfire mpmc, bounded",
    "thingbuf",
];
/// They have a bound, too, but take only one consumer.
const BOUNDED_MPSC: [&str; 2] = [CROSSFIRE_MPSC, "std sync_channel"];
const UNBOUNDED: [&str; 2] = ["crossbeam SegQueue, unbounded", "concurrent-queue, unbounded"];

fn main() {
    let mut report = Report::new("lock_free", Options::from_process());
    println!("\"ours is\": how many times as fast, by the medians; then how the ratios of the single rounds scatter");
    let contests = [
        one_to_one(),
        pairs(),
        alone(),
        shared(),
        threads(1, 1.2, 1.2),
        threads(4, 1.5, 1.0),
        threads(16, 1.5, 1.0),
        batches(),
        many(2, 2),
        many(4, 4),
    ];
    for contest in contests {
        if report.options().wants(contest.name()) {
            let outcome = contest.run(report.options());
            report.outcome(&outcome);
        }
    }
    report.finish();
}

fn one_to_one() -> Contest<'static> {
    Contest::new(format!("SPSC, 1P/1C, capacity {}", grouped(CAPACITY as u64)))
        .target("rtrb", 1.0)
        .threaded::<Spsc<false>>(1, 1, CAPACITY)
        .threaded::<Spsc<true>>(1, 1, CAPACITY)
        .threaded::<Rtrb>(1, 1, CAPACITY)
        .threaded::<SharedSpsc>(1, 1, CAPACITY)
        .threaded::<Mpsc<false>>(1, 1, CAPACITY)
        .threaded::<crossbeam_queue::ArrayQueue<u64>>(1, 1, CAPACITY)
        .threaded::<Crossbeam<true>>(1, 1, CAPACITY)
        .threaded::<CrossfireSpsc>(1, 1, CAPACITY)
        .threaded::<Kanal>(1, 1, CAPACITY)
}

fn pairs() -> Contest<'static> {
    Contest::new(format!("SPSC, 1 thread, push+pop, capacity {}", grouped(CAPACITY as u64)))
        .alone::<Spsc<false>>(CAPACITY)
        .alone::<Spsc<true>>(CAPACITY)
        .alone::<Rtrb>(CAPACITY)
        .alone::<SharedSpsc>(CAPACITY)
        .alone::<Mpsc<false>>(CAPACITY)
}

fn alone() -> Contest<'static> {
    Contest::new(format!("MPSC, 1 thread, push+pop, capacity {}", grouped(CAPACITY as u64)))
        .target(ARRAY_QUEUE, 1.3)
        .target(ours::NAME, 2.5)
        .alone::<Mpsc<false>>(CAPACITY)
        .alone::<Mpsc<true>>(CAPACITY)
        .alone::<Ours<false>>(CAPACITY)
        .alone::<OldLockFree>(CAPACITY)
        .alone::<crossbeam_queue::ArrayQueue<u64>>(CAPACITY)
        .alone::<crossbeam_queue::SegQueue<u64>>(CAPACITY)
        .alone::<Concurrent<true>>(CAPACITY)
        .alone::<Crossbeam<true>>(CAPACITY)
        .alone::<Kanal>(CAPACITY)
}

fn shared() -> Contest<'static> {
    Contest::new(format!("MPSC by shared reference, 1 thread, push+pop, capacity {}", grouped(CAPACITY as u64)))
        .target(ARRAY_QUEUE, 0.9)
        .alone::<SharedMpsc>(CAPACITY)
        .alone::<crossbeam_queue::ArrayQueue<u64>>(CAPACITY)
}

/// `bounded` and `unbounded` say how many times as fast as the peers with a bound, and as those without, it
/// should be.
fn threads(producers: usize, bounded: f64, unbounded: f64) -> Contest<'static> {
    let contest = Contest::new(format!("MPSC, {producers}P/1C, capacity {}", grouped(CAPACITY as u64)))
        .threaded::<Mpsc<false>>(producers, 1, CAPACITY)
        .threaded::<Mpsc<true>>(producers, 1, CAPACITY);
    let contest = BOUNDED.iter().chain(&BOUNDED_MPSC).fold(contest, |contest, peer| contest.target(*peer, bounded));
    let contest = UNBOUNDED.iter().fold(contest, |contest, peer| contest.target(*peer, unbounded));
    peers(contest, producers, 1)
        .threaded::<CrossfireMpsc>(producers, 1, CAPACITY)
        .threaded::<Standard>(producers, 1, CAPACITY)
}

fn batches() -> Contest<'static> {
    Contest::new(format!("MPSC, 4P/1C, batches of 100, capacity {}", grouped(CAPACITY as u64)))
        .target(MPSC, 3.0)
        .threaded::<MpscBatches>(4, 1, CAPACITY)
        .threaded::<Mpsc<false>>(4, 1, CAPACITY)
}

fn many(producers: usize, consumers: usize) -> Contest<'static> {
    let contest = Contest::new(format!("MPMC, {producers}P/{consumers}C, capacity {}", grouped(CAPACITY as u64)))
        .threaded::<Mpmc<false>>(producers, consumers, CAPACITY)
        .threaded::<Mpmc<true>>(producers, consumers, CAPACITY)
        .threaded::<SharedMpmc>(producers, consumers, CAPACITY);
    let contest = BOUNDED.iter().fold(contest, |contest, peer| contest.target(*peer, 1.3));
    peers(UNBOUNDED.iter().fold(contest, |contest, peer| contest.target(*peer, 1.0)), producers, consumers)
}

/// The peers that take any number of producers and consumers.
fn peers(contest: Contest<'static>, producers: usize, consumers: usize) -> Contest<'static> {
    contest
        .threaded::<Ours<false>>(producers, consumers, CAPACITY)
        .threaded::<OldLockFree>(producers, consumers, CAPACITY)
        .threaded::<crossbeam_queue::ArrayQueue<u64>>(producers, consumers, CAPACITY)
        .threaded::<crossbeam_queue::SegQueue<u64>>(producers, consumers, CAPACITY)
        .threaded::<Crossbeam<true>>(producers, consumers, CAPACITY)
        .threaded::<Crossbeam<false>>(producers, consumers, CAPACITY)
        .threaded::<Flume>(producers, consumers, CAPACITY)
        .threaded::<Kanal>(producers, consumers, CAPACITY)
        .threaded::<Concurrent<true>>(producers, consumers, CAPACITY)
        .threaded::<Concurrent<false>>(producers, consumers, CAPACITY)
        .threaded::<Crossfire>(producers, consumers, CAPACITY)
        .threaded::<thingbuf::ThingBuf<u64>>(producers, consumers, CAPACITY)
}
