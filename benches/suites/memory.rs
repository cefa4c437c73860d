//! Whether memory comes back. A burst of 1,000,000 items goes in and is drained. Then the capacity, the bytes
//! that the buffer has allocated, and the memory of the whole process are compared with what they were
//! before.
//!
//! Each measurement has a process of its own, since an allocator that has served one burst treats the next
//! one differently.

use cap::Cap;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Progress, Report, Table, Verdict, grouped};
use elasticq_benches::subject::{Bounds, Elastic};
use elasticq_benches::subjects::{ours, predecessor};
use serde_json::{Value, json};
use std::alloc::System;
use std::process::Command;

/// Counts every byte that this process has allocated and not given back.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// How many items the burst has.
const BURST: u64 = 1_000_000;
/// From 1K, growing as far as the burst needs.
const BOUNDS: Bounds = Bounds { initial: 1_024, min: 1_024, max: 1_048_576 };
/// Set in a process that makes one measurement: the buffer and the way it is drained.
const ONE_OF: &str = "ELASTICQ_BENCH_MEMORY";
/// The ways to drain: one by one, and in batches of this size.
const DRAINS: [(&str, usize); 2] = [("pop", 1), ("pop_batch(4,000)", 4_000)];

fn main() {
    if let Ok(measurement) = std::env::var(ONE_OF) {
        println!("{}", measure_one(&measurement));
        return;
    }
    let mut report = Report::new("memory", Options::from_process());
    let name = format!("memory after a burst of {} u64 is drained", grouped(BURST));
    if report.options().wants(&name) {
        compare(&mut report, &name);
    }
    report.finish();
}

/// Makes the measurement that `measurement` names, in this process.
fn measure_one(measurement: &str) -> Value {
    let (buffer, drain) = measurement.split_once('/').unwrap_or((measurement, ""));
    let batch = DRAINS.iter().find(|(name, _)| *name == drain).map_or(1, |(_, batch)| *batch);
    if buffer == predecessor::NAME {
        burst::<old::DynamicCircularBuffer<u64>>(batch)
    } else {
        burst::<elasticq::DynamicCircularBuffer<u64>>(batch)
    }
}

/// What a buffer and its process hold at one moment.
#[derive(Clone, Copy)]
struct Held {
    capacity: usize,
    bytes: usize,
    resident_kib: u64,
}

impl Held {
    fn json(self) -> Value {
        json!({ "capacity": self.capacity, "bytes": self.bytes, "rss_kib": self.resident_kib })
    }
}

/// Fills a buffer with the burst and drains it. Returns what it held before, at the peak and afterwards.
fn burst<E: Elastic<u64>>(batch: usize) -> Value {
    let before = HEAP.allocated();
    let buffer = E::open(BOUNDS);
    let look = || {
        let bytes = HEAP.allocated().saturating_sub(before);
        Held { capacity: buffer.capacity(), bytes, resident_kib: resident_kib() }
    };
    // All that follows is done once beforehand, so that its code is loaded when the memory of the process is
    // first looked at.
    let (_, wrong_at_first) = fill_and_drain(&buffer, 100, batch, look);
    let start = look();
    let (peak, wrong) = fill_and_drain(&buffer, BURST, batch, look);
    let end = look();
    json!({ "start": start.json(), "peak": peak.json(), "end": end.json(), "wrong": wrong_at_first + wrong })
}

/// Puts `items`, looks, and takes all out again. Returns what was seen and how many items came out wrong.
fn fill_and_drain<E: Elastic<u64>, S>(buffer: &E, items: u64, batch: usize, look: impl Fn() -> S) -> (S, u64) {
    let refused = (0..items).filter(|&item| !buffer.push(item)).count() as u64;
    let peak = look();
    let (mut due, mut disordered) = (0, 0);
    let mut check = |item| {
        disordered += u64::from(item != due);
        due += 1;
    };
    if batch == 1 {
        while let Some(item) = buffer.pop() {
            check(item);
        }
    } else {
        loop {
            let items = buffer.pop_batch(batch);
            if items.is_empty() {
                break;
            }
            items.into_iter().for_each(&mut check);
        }
    }
    (peak, refused + disordered + (items - refused).abs_diff(due))
}

/// The memory of this process that is resident, in KiB; zero where the system does not tell.
fn resident_kib() -> u64 {
    let exact = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    exact
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0)
}

/// Makes all measurements, each in a process of its own, and prints them side by side.
fn compare(report: &mut Report, name: &str) {
    let headings = ["", "capacity", "peak", "end", "bytes", "peak", "end", "RSS KiB", "peak", "end", "change", "wrong"];
    let mut table = Table::new(&headings);
    let (mut results, mut verdicts) = (Vec::new(), Vec::new());
    let mut progress = Progress::new(name);
    for buffer in [ours::NAME, predecessor::NAME] {
        for (drain, _) in DRAINS {
            let measurement = format!("{buffer}/{drain}");
            progress.step(&measurement);
            let result = match in_own_process(&measurement) {
                Ok(result) => result,
                Err(error) => {
                    eprintln!("{measurement}: {error}");
                    std::process::exit(1);
                }
            };
            let at = |moment: &str, what: &str| result[moment][what].as_u64().unwrap_or(0);
            let change = (at("end", "rss_kib") as f64 / at("start", "rss_kib").max(1) as f64 - 1.0) * 100.0;
            let mut row = vec![format!("{buffer}, {drain}")];
            for what in ["capacity", "bytes", "rss_kib"] {
                row.extend(["start", "peak", "end"].map(|moment| grouped(at(moment, what))));
            }
            row.extend([format!("{change:+.1} %"), grouped(result["wrong"].as_u64().unwrap_or(0))]);
            table.row(row);
            if buffer == ours::NAME {
                let verdict = |wanted: String, measured: String, reached| Verdict {
                    case: format!("{name} by {drain}"),
                    wanted,
                    measured,
                    reached: Some(reached),
                };
                let (capacity, bytes) = (at("end", "capacity"), at("end", "bytes"));
                verdicts.extend([
                    verdict(
                        format!("capacity back at {}", grouped(BOUNDS.min as u64)),
                        grouped(capacity),
                        capacity == BOUNDS.min as u64,
                    ),
                    verdict(
                        format!("the buffer's bytes back at {}", grouped(at("start", "bytes"))),
                        grouped(bytes),
                        bytes <= at("start", "bytes"),
                    ),
                    verdict("RSS within 10 %".to_owned(), format!("{change:+.1} %"), change <= 10.0),
                ]);
            }
            results.push(json!({ "buffer": buffer, "drain": drain, "rss_change_percent": change, "seen": result }));
        }
    }
    progress.done();
    report.section(name, &table, json!({ "measurements": results }));
    report.judge(verdicts);
}

fn in_own_process(measurement: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let output = Command::new(std::env::current_exe()?).env(ONE_OF, measurement).output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
