//! The contests of the queues without locks with their peers, all in one interleaved run. They need the
//! feature `lock_free`.

use elasticq_benches::contest::Contest;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, grouped};
use elasticq_benches::subjects::channels::{
    CROSSFIRE_MPSC, Crossbeam, Crossfire, CrossfireMpsc, CrossfireSpsc, Flume, Kanal, Standard,
};
use elasticq_benches::subjects::lock_free::{
    MPSC, Mpmc, Mpsc, MpscBatches, SHARED_MPMC, SHARED_MPSC, SharedMpmc, SharedMpsc, SharedSpsc, Spsc,
};
use elasticq_benches::subjects::ours::{self, Ours};
use elasticq_benches::subjects::predecessor::OldLockFree;
use elasticq_benches::subjects::queues::{Concurrent, Rtrb};
use elasticq_benches::waiting::Waiting;

/// Room for this many items in every contender that has a bound.
const CAPACITY: usize = 65_536;
const ARRAY_QUEUE: &str = "crossbeam ArrayQueue";
/// The peers that take any number of producers and consumers.
const PEERS: [&str; 9] = [
    ARRAY_QUEUE,
    "crossbeam channel, bounded",
    "flume, bounded",
    "kanal, bounded",
    "concurrent-queue, bounded",
    "crossfire mpmc, bounded",
    "thingbuf",
    "crossbeam SegQueue, unbounded",
    "concurrent-queue, unbounded",
];
/// These take only one consumer.
const PEERS_OF_ONE_CONSUMER: [&str; 2] = [CROSSFIRE_MPSC, "std sync_channel"];

fn main() {
    let mut report = Report::new("lock_free", Options::from_process());
    println!("\"ours is\": how many times as fast, by the medians; then how the ratios of the single rounds scatter");
    let single = [pairs(), alone(), shared(), batches()];
    let several = Waiting::ALL.into_iter().flat_map(|waiting| {
        let threads = [1, 4, 16].map(|producers| threads(producers, waiting));
        let many = [2, 4].map(|pairs| many(pairs, pairs, waiting));
        [one_to_one(waiting)].into_iter().chain(threads).chain(many)
    });
    for contest in single.into_iter().chain(several) {
        if report.options().wants(contest.name()) {
            let outcome = contest.run(report.options());
            report.outcome(&outcome);
        }
    }
    report.finish();
}

fn one_to_one(waiting: Waiting) -> Contest<'static> {
    Contest::new(format!("SPSC, 1P/1C, capacity {}{}", grouped(CAPACITY as u64), waiting.suffix()))
        .waiting(waiting)
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
        .target(ARRAY_QUEUE, 1.0)
        .alone::<SharedMpsc>(CAPACITY)
        .alone::<crossbeam_queue::ArrayQueue<u64>>(CAPACITY)
}

fn threads(producers: usize, waiting: Waiting) -> Contest<'static> {
    let name = format!("MPSC, {producers}P/1C, capacity {}{}", grouped(CAPACITY as u64), waiting.suffix());
    let contest = Contest::new(name)
        .waiting(waiting)
        .threaded::<Mpsc<false>>(producers, 1, CAPACITY)
        .threaded::<Mpsc<true>>(producers, 1, CAPACITY)
        .threaded::<SharedMpsc>(producers, 1, CAPACITY);
    let contest = PEERS
        .iter()
        .chain(&PEERS_OF_ONE_CONSUMER)
        .fold(contest, |contest, peer| contest.target(*peer, 1.3).target_of(SHARED_MPSC, *peer, 1.2));
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

fn many(producers: usize, consumers: usize, waiting: Waiting) -> Contest<'static> {
    let name = format!("MPMC, {producers}P/{consumers}C, capacity {}{}", grouped(CAPACITY as u64), waiting.suffix());
    let contest = Contest::new(name)
        .waiting(waiting)
        .threaded::<Mpmc<false>>(producers, consumers, CAPACITY)
        .threaded::<Mpmc<true>>(producers, consumers, CAPACITY)
        .threaded::<SharedMpmc>(producers, consumers, CAPACITY);
    let contest =
        PEERS.iter().fold(contest, |contest, peer| contest.target(*peer, 1.2).target_of(SHARED_MPMC, *peer, 1.1));
    peers(contest, producers, consumers)
}

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
