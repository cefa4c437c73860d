//! The contests with the peers, all in one interleaved run: one thread, batches, threads, and the shape of an
//! MQTT ingest. The suite prints medians, ratios to ours, wrong messages, and what became of the targets.

use elasticq::DynamicCircularBuffer;
use elasticq_benches::contest::Contest;
use elasticq_benches::mqtt::{self, Message, Sightings, ingest, latency};
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, Table, Verdict, grouped};
use elasticq_benches::subject::Bounds;
use elasticq_benches::subjects::channels::{Crossbeam, Crossfire, Flume, Kanal, Standard};
use elasticq_benches::subjects::locks::{self, Bare, Bounded};
use elasticq_benches::subjects::ours::{self, Ours};
#[cfg(feature = "lock_free")]
use elasticq_benches::subjects::predecessor::OldLockFree;
use elasticq_benches::subjects::predecessor::{self, Old};
use elasticq_benches::subjects::queues::Concurrent;
use elasticq_benches::waiting::Waiting;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::VecDeque;

/// Room for this many items in every contender that has a bound.
const CAPACITY: usize = 65_536;
/// What both versions of elasticq start with if nothing else is said.
const DEFAULTS: Bounds = Bounds { initial: 1_024, min: 1_024, max: 65_536 };

fn main() {
    let mut report = Report::new("peers", Options::from_process());
    println!("\"ours is\": how many times as fast, by the medians; then how the ratios of the single rounds scatter");
    run(&mut report, alone());
    for size in [10, 100, 1_000] {
        run(&mut report, batches(size));
    }
    for waiting in Waiting::ALL {
        for (producers, consumers, at_least) in [(1, 1, 2.0), (4, 1, 3.0), (2, 2, 2.0)] {
            run(&mut report, threads(producers, consumers, waiting, at_least));
        }
    }
    mqtt_shape(&mut report);
    report.finish();
}

/// Runs a contest if the user wants it. Returns whether it ran.
fn run(report: &mut Report, contest: Contest<'_>) -> bool {
    let wanted = report.options().wants(contest.name());
    if wanted {
        let outcome = contest.run(report.options());
        report.outcome(&outcome);
    }
    wanted
}

fn alone() -> Contest<'static> {
    let contest = Contest::new(format!("1 thread, push+pop, capacity {}", grouped(CAPACITY as u64)))
        .target(predecessor::NAME, 3.0)
        .target(locks::BARE, 0.95)
        .alone::<Ours<false>>(CAPACITY)
        .alone::<Old<false>>(CAPACITY)
        .alone::<Bare>(CAPACITY)
        .alone::<Bounded>(CAPACITY)
        .alone::<crossbeam_queue::ArrayQueue<u64>>(CAPACITY)
        .alone::<crossbeam_queue::SegQueue<u64>>(CAPACITY)
        .alone::<Crossbeam<true>>(CAPACITY)
        .alone::<Crossbeam<false>>(CAPACITY)
        .alone::<Flume>(CAPACITY)
        .alone::<Kanal>(CAPACITY)
        .alone::<Concurrent<true>>(CAPACITY)
        .alone::<Concurrent<false>>(CAPACITY)
        .alone::<Crossfire>(CAPACITY)
        .alone::<thingbuf::ThingBuf<u64>>(CAPACITY)
        .alone::<Standard>(CAPACITY);
    #[cfg(feature = "lock_free")]
    let contest = contest.alone::<OldLockFree>(CAPACITY);
    contest
}

fn batches(size: usize) -> Contest<'static> {
    let contest = Contest::new(format!("1 thread, batch {} push+pop", grouped(size as u64)));
    let contest = if size == 1_000 { contest.target(predecessor::NAME, 2.0) } else { contest };
    contest
        .batching::<DynamicCircularBuffer<u64>>(DEFAULTS, size)
        .batching::<old::DynamicCircularBuffer<u64>>(DEFAULTS, size)
        .batching::<Mutex<VecDeque<u64>>>(DEFAULTS, size)
}

fn threads(producers: usize, consumers: usize, waiting: Waiting, at_least: f64) -> Contest<'static> {
    let name = format!("{producers}P/{consumers}C, capacity {}{}", grouped(CAPACITY as u64), waiting.suffix());
    let contest = Contest::new(name)
        .waiting(waiting)
        .target(predecessor::NAME, at_least)
        .threaded::<Ours<false>>(producers, consumers, CAPACITY)
        .threaded::<Old<false>>(producers, consumers, CAPACITY)
        .threaded::<Ours<true>>(producers, consumers, CAPACITY)
        .threaded::<Old<true>>(producers, consumers, CAPACITY)
        .threaded::<Bounded>(producers, consumers, CAPACITY)
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
        .threaded::<Standard>(producers, consumers, CAPACITY);
    #[cfg(feature = "lock_free")]
    let contest = contest.threaded::<OldLockFree>(producers, consumers, CAPACITY);
    contest
}

/// Rate, loss, latency of a batch and peak capacity, beside the predecessor's.
fn mqtt_shape(report: &mut Report) {
    let name = format!("MQTT shape, {} publishers to 1 processor, 1K growing", mqtt::PUBLISHERS);
    let (mut our, mut their) = (Sightings::default(), Sightings::default());
    let messages = if report.options().smoke { mqtt::MESSAGES / 100 } else { mqtt::MESSAGES };
    let contest = Contest::new(name.as_str())
        .items(messages)
        .contender(ours::NAME, |items| ingest::<DynamicCircularBuffer<Message>>(items, &mut our))
        .contender(predecessor::NAME, |items| ingest::<old::DynamicCircularBuffer<Message>>(items, &mut their));
    if !run(report, contest) {
        return;
    }

    let mut table = Table::new(&[
        "",
        "sent",
        "refused",
        "lost",
        "batches",
        "p50 us",
        "p99 us",
        "full ones",
        "p50 us",
        "p99 us",
        "peak capacity",
        "at the end",
    ]);
    let mut buffers = Vec::new();
    for (buffer, seen) in [(ours::NAME, &our), (predecessor::NAME, &their)] {
        let mut row = vec![buffer.to_owned(), grouped(seen.sent), grouped(seen.refused), grouped(seen.lost)];
        for latencies in [&seen.latencies, &seen.full_latencies] {
            row.push(grouped(latencies.len() as u64));
            row.extend([0.5, 0.99].map(|q| format!("{:.1}", latency(latencies, q))));
        }
        row.extend([seen.peak_capacity, seen.last_capacity].map(|capacity| grouped(capacity as u64)));
        table.row(row);
        let timed = |latencies: &[f64]| {
            json!({
                "batches": latencies.len(),
                "latency_us": { "p50": latency(latencies, 0.5), "p99": latency(latencies, 0.99) },
            })
        };
        buffers.push(json!({
            "name": buffer,
            "sent": seen.sent,
            "refused": seen.refused,
            "lost": seen.lost,
            "all": timed(&seen.latencies),
            "full": timed(&seen.full_latencies),
            "peak_capacity": seen.peak_capacity,
            "last_capacity": seen.last_capacity,
        }));
    }
    let details = format!("MQTT shape, batches of up to {}: taking and processing one", grouped(mqtt::BATCH as u64));
    report.section(&details, &table, json!({ "buffers": buffers }));
    report.judge([
        Verdict {
            case: name.clone(),
            wanted: "nothing refused or lost".to_owned(),
            measured: format!("{} of {}", grouped(our.refused + our.lost), grouped(our.sent)),
            reached: Some(our.refused + our.lost == 0),
        },
        Verdict {
            case: name,
            wanted: format!("grows from {} to 8,192 or more", grouped(mqtt::BOUNDS.initial as u64)),
            measured: grouped(our.peak_capacity as u64),
            reached: Some(our.peak_capacity >= 8_192),
        },
    ]);
}
