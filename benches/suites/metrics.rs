//! What metrics cost, with the Prometheus exporter installed: instrumented buffers beside bare ones, all in
//! one interleaved run, and a scrape of many queues. It needs the features `metrics` and `lock_free`.

use elasticq::metrics::{InstrumentedBuffer, MetricsRecorder, flush};
use elasticq::{Config, DynamicCircularBuffer};
use elasticq_benches::contest::Contest;
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, Table, Verdict, grouped};
use elasticq_benches::subject::Bounds;
use elasticq_benches::subjects::metrics::{BARE_MPSC, Instrumented, Mpsc, PARTS, Parts};
use elasticq_benches::subjects::ours::{self, Ours};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Room for this many items in every contender.
const CAPACITY: usize = 65_536;
const DEFAULTS: Bounds = Bounds { initial: 1_024, min: 1_024, max: 65_536 };
const SCRAPE: &str = "a scrape of 1,000 queues";

fn main() {
    let mut report = Report::new("metrics", Options::from_process());
    println!("\"ours is\": how many times as fast, by the medians; then how the ratios of the single rounds scatter");
    let mut contests = vec![
        // 1.15 times as long, 1.1 times as long, as rates.
        Contest::new("instrumented, 1 thread, push+pop")
            .alone::<Instrumented<false>>(CAPACITY)
            .alone::<Ours<false>>(CAPACITY)
            .target(ours::NAME, 1.0 / 1.15),
        Contest::new("every call timed, 1 thread, push+pop")
            .alone::<Instrumented<true>>(CAPACITY)
            .alone::<Parts>(CAPACITY)
            .target(PARTS, 1.0 / 1.1),
        Contest::new("instrumented, 4P/1C")
            .threaded::<Mpsc<true>>(4, 1, CAPACITY)
            .threaded::<Mpsc<false>>(4, 1, CAPACITY)
            .target(BARE_MPSC, 1.0 / 1.1),
    ];
    for (size, most) in [(10, 1.1), (100, 1.03), (1_000, 1.01)] {
        contests.push(
            Contest::new(format!("instrumented, batches of {}", grouped(size as u64)))
                .batching::<InstrumentedBuffer<u64>>(DEFAULTS, size)
                .batching::<DynamicCircularBuffer<u64>>(DEFAULTS, size)
                .target(ours::NAME, 1.0 / most),
        );
    }
    for contest in contests {
        if report.options().wants(contest.name()) {
            let outcome = contest.run(report.options());
            report.outcome(&outcome);
        }
    }
    if report.options().wants(SCRAPE) {
        scrape(&mut report);
    }
    report.finish();
}

/// Reads 1,000 queues, and renders what a server would send.
fn scrape(report: &mut Report) {
    const MOST: Duration = Duration::from_millis(20);
    let exporter = PrometheusBuilder::new().build_recorder();
    let handle = exporter.handle();
    let queues: Vec<_> = (0..1_000)
        .map(|number| {
            let buffer = DynamicCircularBuffer::<u64>::new(Config::default()).expect("the defaults are in order");
            InstrumentedBuffer::new(Arc::new(buffer), MetricsRecorder::new(&format!("scraped {number}")))
        })
        .collect();
    let rounds = if report.options().smoke { 2 } else { 51 };
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            let page = with_local_recorder(&exporter, || {
                flush();
                handle.render()
            });
            assert!(page.contains("scraped 999"));
            begun.elapsed()
        })
        .collect();
    drop(queues);
    times.sort_unstable();
    let [least, median, most] = [times[0], times[times.len() / 2], times[times.len() - 1]];
    let mut table = Table::new(&["", "median", "min .. max"]);
    table.row([SCRAPE.into(), format!("{median:?}"), format!("{least:?} .. {most:?}")]);
    report.section(SCRAPE, &table, json!({ "median_ns": median.as_nanos() as u64 }));
    report.judge([Verdict {
        case: SCRAPE.into(),
        wanted: format!("at most {MOST:?}"),
        measured: format!("{median:?}"),
        reached: Some(median <= MOST),
    }]);
}
