//! What an exporter shows of a queue in files.
#![cfg(all(feature = "metrics", feature = "persistent", not(loom)))]

use elasticq::metrics::{InstrumentedBuffer, MetricsRecorder, flush};
use elasticq::persistent::PushOptions;
use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, SyncMode};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

type Queue = PersistentCircularBuffer<u32>;

/// Runs a test beside an exporter, in the test's thread.
fn exported(test: impl FnOnce(&Scrape)) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let scrape = Scrape(recorder.handle());
    metrics::with_local_recorder(&recorder, || test(&scrape));
}

struct Scrape(PrometheusHandle);

impl Scrape {
    /// What a server would send of one figure now.
    fn of(&self, queue: &str, metric: &str) -> f64 {
        flush();
        let rendered = self.0.render();
        let begins = format!("{metric}{{queue=\"{queue}\"}} ");
        rendered.lines().find_map(|line| line.strip_prefix(&begins)).unwrap().parse().unwrap()
    }

    fn syncs(&self, queue: &str) -> [f64; 3] {
        ["syncs_total", "sync_seconds_total", "sync_longest_seconds"]
            .map(|what| self.of(queue, &format!("elasticq_durable_{what}")))
    }
}

fn open(folder: &TempDir, name: &'static str) -> InstrumentedBuffer<u32, Queue> {
    let config = PersistentConfig::default().with_sync_mode(SyncMode::EveryWrite);
    let queue = Queue::new(config.with_file_path(folder.path().join("queue"))).unwrap();
    InstrumentedBuffer::new(Arc::new(queue), MetricsRecorder::new(name))
}

#[test]
fn the_syncs_and_how_long_they_took_are_exported() {
    exported(|scrape| {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let queues = folders.each_ref().map(|folder| open(folder, "syncs"));
        queues.iter().for_each(|queue| (0..5).for_each(|number| queue.buffer().push(number).unwrap()));
        let stats = queues.each_ref().map(|queue| queue.buffer().stats());
        let [syncs, time, longest] = scrape.syncs("syncs");
        assert_eq!(syncs, (stats[0].syncs + stats[1].syncs) as f64);
        let sum = stats[0].sync_time + stats[1].sync_time;
        assert!((time - sum.as_secs_f64()).abs() < 1e-9 && time > 0.0, "{time} and {sum:?}");
        let of_all = stats[0].longest_sync.max(stats[1].longest_sync).as_secs_f64();
        assert!((longest - of_all).abs() < 1e-9 && longest <= time, "{longest} and {of_all}");
    });
}

#[test]
fn what_a_queue_has_counted_stays_when_it_is_finished_and_when_it_goes() {
    exported(|scrape| {
        let folder = tempfile::tempdir().unwrap();
        let queue = open(&folder, "stays");
        (0..5).for_each(|number| queue.buffer().push(number).unwrap());
        let before = scrape.syncs("stays");
        queue.buffer().finish().unwrap(); // from now on its stats are all zero
        assert_eq!(scrape.syncs("stays"), [before[0], before[1], 0.0]);
        drop(queue);
        assert_eq!(scrape.syncs("stays"), [before[0], before[1], 0.0]);
        let queue = open(&folder, "stays");
        let entries = queue.buffer().stats().recovered_entries as f64;
        assert_eq!(scrape.of("stays", "elasticq_durable_recovered_entries_total"), entries);
        queue.buffer().push(5).unwrap();
        let after = scrape.syncs("stays");
        assert!(after[0] > before[0] && after[1] > before[1] && after[2] > 0.0, "{before:?} and {after:?}");
        drop(queue);
        assert_eq!(scrape.syncs("stays"), [after[0], after[1], 0.0]);
        assert_eq!(scrape.of("stays", "elasticq_durable_recovered_entries_total"), entries);
    });
}

#[test]
fn what_is_in_files_is_not_dropped_with_its_queue() {
    exported(|scrape| {
        let folder = tempfile::tempdir().unwrap();
        let counted = || {
            let messages = ["enqueued", "dequeued", "dropped"].map(|what| format!("elasticq_messages_{what}_total"));
            messages.map(|name| scrape.of("in files", &name))
        };
        let queue = open(&folder, "in files");
        (0..5).for_each(|number| queue.buffer().push(number).unwrap());
        assert_eq!(queue.buffer().pop(), Ok(0));
        assert_eq!(counted(), [5.0, 1.0, 0.0]);
        drop(queue);
        assert_eq!(counted(), [5.0, 5.0, 0.0]);
        let queue = open(&folder, "in files");
        assert_eq!(counted(), [9.0, 5.0, 0.0], "those inside have come again");
        assert_eq!(queue.buffer().pop(), Ok(1));
        assert_eq!(counted(), [9.0, 6.0, 0.0]);
        queue.buffer().finish().unwrap();
        assert_eq!(counted(), [9.0, 9.0, 0.0], "one that was finished, and is still watched, tells zeros");
    });
}

/// How much older the first item of a test is than the second one.
const GAP: Duration = Duration::from_millis(300);
/// How wrong the clock of the day may be: it ticks, and is set right now and then.
const TICK: Duration = Duration::from_millis(50);

#[test]
fn the_age_is_that_of_the_oldest_item_that_can_be_taken() {
    exported(|scrape| {
        let age = || Duration::from_secs_f64(scrape.of("aged", "elasticq_queue_oldest_item_age_seconds"));
        let folder = tempfile::tempdir().unwrap();
        let queue = open(&folder, "aged");
        assert_eq!(age(), Duration::ZERO);
        let first = Instant::now();
        queue.buffer().push(1).unwrap();
        let first_was_put = Instant::now();
        while first_was_put.elapsed() < GAP {
            std::thread::yield_now();
        }
        let second = Instant::now();
        queue.buffer().push(2).unwrap();
        let is_first = || {
            let (least, age) = (first_was_put.elapsed(), age());
            assert!(age + TICK >= least && age <= first.elapsed() + TICK, "{age:?} and {least:?}");
        };
        let is_second = || {
            let age = age();
            assert!(age <= second.elapsed() + TICK, "{age:?} and {:?}", second.elapsed());
        };
        is_first();
        let lease = queue.buffer().lease(None).unwrap();
        assert_eq!(*lease, 1);
        is_second();
        lease.nack(Duration::ZERO).unwrap(); // it has its place again, before the second
        is_first();
        queue.buffer().push_with(3, &PushOptions::default().with_delay(Duration::from_secs(3600))).unwrap();
        is_first();
        drop(queue);
        let queue = open(&folder, "aged"); // it goes on from the time before
        is_first();
        assert_eq!(queue.buffer().pop(), Ok(1));
        is_second();
        assert_eq!(queue.buffer().pop(), Ok(2));
        assert_eq!((age(), queue.buffer().stats().delayed), (Duration::ZERO, 1));
        let grows = || while age() == Duration::ZERO {}; // until the clock ticks
        queue.buffer().push(4).unwrap();
        grows();
        queue.buffer().finish().unwrap();
        assert_eq!(age(), Duration::ZERO);
        drop(queue);
        let folder = tempfile::tempdir().unwrap();
        let queue = open(&folder, "aged");
        queue.buffer().push(5).unwrap();
        grows();
        drop(queue);
        assert_eq!(age(), Duration::ZERO, "of what is gone nothing is old");
    });
}
