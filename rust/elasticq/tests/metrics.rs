//! What an exporter shows of a queue, against ledgers that the tests keep themselves. The exporter is a real
//! one. Each test has its own, for its own thread, and its own names.
#![cfg(all(feature = "metrics", feature = "lock_free", feature = "priority", feature = "streams", not(loom)))]

use elasticq::metrics::{BUCKETS, InstrumentedBuffer, MetricsRecorder, flush};
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::streams::BufferChannel;
use elasticq::{
    Buffer, BufferError, Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts,
};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn builder() -> PrometheusBuilder {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_duration_seconds".into()), &BUCKETS).unwrap()
}

/// Runs a test beside an exporter, in the test's thread.
fn exported(test: impl FnOnce(&Scrape)) {
    let recorder = builder().build_recorder();
    let scrape = Scrape(recorder.handle());
    with_local_recorder(&recorder, || test(&scrape));
}

struct Scrape(PrometheusHandle);

/// All samples of one queue: the name with all labels but that of the queue, and the value.
type Samples = HashMap<String, f64>;

impl Scrape {
    /// Flushes, and gives what a server would then send.
    fn of(&self, queue: &str) -> Samples {
        flush();
        self.rendered(queue)
    }

    fn rendered(&self, queue: &str) -> Samples {
        let label = format!("queue=\"{queue}\"");
        let rendered = self.0.render();
        let samples = rendered.lines().filter(|line| !line.starts_with('#') && line.contains(&label));
        samples
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let name = name.replace(&label, "").replace("{,", "{").replace(",}", "}").replace("{}", "");
                (name.replace(",,", ","), value.parse().unwrap())
            })
            .collect()
    }
}

/// Checks what was counted: enqueued, dequeued, refused, dropped, depth.
#[track_caller]
fn check(samples: &Samples, expected: [u64; 5]) {
    let counted = ["enqueued", "dequeued", "refused", "dropped"]
        .map(|what| samples[&format!("elasticq_messages_{what}_total")] as u64);
    let [enqueued, dequeued, refused, dropped] = counted;
    let depth = samples["elasticq_queue_depth"] as u64;
    assert_eq!([enqueued, dequeued, refused, dropped, depth], expected, "enqueued, dequeued, refused, dropped, depth");
    assert_eq!(enqueued, dequeued + dropped + depth);
}

fn four() -> Config {
    Config::default().with_min_capacity(4).with_initial_capacity(4).with_max_capacity(4)
}

fn recorded_four(recorder: MetricsRecorder) -> InstrumentedBuffer<u32> {
    InstrumentedBuffer::new(Arc::new(DynamicCircularBuffer::new(four()).unwrap()), recorder)
}

/// Puts in, takes out, is refused, and leaves two inside.
fn use_it(buffer: &impl Buffer<u32>) {
    buffer.push_batch(vec![1, 2, 3, 4]).unwrap();
    assert!(buffer.push(5).unwrap_err().is_capacity_error());
    assert_eq!(buffer.pop(), Ok(1));
    assert_eq!(buffer.pop_batch(2), Ok(vec![2, 3]));
    buffer.push(6).unwrap();
}

macro_rules! of_each_kind {
    ($($kind:ident, $threads:literal: $new:expr;)*) => {$(
        mod $kind {
            use super::*;

            #[test]
            fn what_is_exported_equals_the_ledger() {
                exported(|scrape| {
                    let name = concat!("ledger ", stringify!($kind));
                    let buffer = InstrumentedBuffer::new(Arc::new($new), MetricsRecorder::new(name));
                    use_it(&buffer);
                    let samples = scrape.of(name);
                    check(&samples, [5, 3, 1, 0, 2]);
                    assert!(samples["elasticq_queue_capacity"] >= 4.0);
                    assert!(samples["elasticq_queue_max_capacity"] >= 4.0);
                    let utilization = 2.0 / samples["elasticq_queue_max_capacity"];
                    assert!((samples["elasticq_queue_utilization_ratio"] - utilization).abs() < 1e-9);
                    drop(buffer);
                    check(&scrape.of(name), [5, 3, 1, 2, 0]); // what was inside is dropped
                });
            }

            #[test]
            fn a_borrowed_buffer_counts_as_an_owned_one() {
                exported(|scrape| {
                    let name = concat!("borrowed ", stringify!($kind));
                    let buffer = $new;
                    buffer.push_batch(vec![8, 9]).unwrap(); // they count as enqueued when the recorder comes
                    assert_eq!(buffer.pop(), Ok(8));
                    let recorder = MetricsRecorder::new(name);
                    let instrumented = recorder.instrument(&buffer);
                    let again = recorder.instrument(&buffer);
                    assert_eq!(instrumented.pop(), Ok(9));
                    use_it(&instrumented);
                    instrumented.flush();
                    check(&scrape.rendered(name), [6, 4, 1, 0, 2]);
                    drop(again);
                    check(&scrape.of(name), [6, 4, 1, 0, 2]);
                });
            }

            #[test]
            fn figures_agree_while_threads_are_at_work() {
                exported(|scrape| {
                    let name = concat!("threads ", stringify!($kind));
                    let buffer = InstrumentedBuffer::new(Arc::new($new), MetricsRecorder::new(name).with_sampling(3));
                    let [put, refused, taken] = [0; 3].map(|_| AtomicU64::new(0));
                    let over = AtomicBool::new(false);
                    let mut apart = None;
                    thread::scope(|scope| {
                        let producers: Vec<_> = (0..$threads)
                            .map(|_| {
                                scope.spawn(|| {
                                    for number in 0..20_000 {
                                        let outcome = match buffer.push(number) {
                                            Ok(()) => &put,
                                            Err(_) => &refused,
                                        };
                                        outcome.fetch_add(1, Ordering::Relaxed);
                                    }
                                })
                            })
                            .collect();
                        for _ in 0..$threads {
                            scope.spawn(|| {
                                while !over.load(Ordering::Acquire) {
                                    let count = buffer.pop_batch(3).map_or(0, |items| items.len());
                                    taken.fetch_add(count as u64, Ordering::Relaxed);
                                }
                            });
                        }
                        while producers.iter().any(|producer| !producer.is_finished()) {
                            let samples = scrape.of(name);
                            let [enqueued, dequeued, depth] = [
                                samples["elasticq_messages_enqueued_total"],
                                samples["elasticq_messages_dequeued_total"],
                                samples["elasticq_queue_depth"],
                            ];
                            // Nobody would tell the threads that it is over if this failed here.
                            if enqueued != dequeued + depth {
                                apart = Some((enqueued, dequeued, depth));
                            }
                        }
                        over.store(true, Ordering::Release);
                    });
                    assert_eq!(apart, None, "enqueued, dequeued and depth");
                    let [put, refused, taken] = [put, refused, taken].map(AtomicU64::into_inner);
                    check(&scrape.of(name), [put, taken, refused, 0, put - taken]);
                });
            }
        }
    )*};
}

of_each_kind! {
    locked, 4: DynamicCircularBuffer::new(four()).unwrap();
    mpsc, 1: LockFreeMPSCQueue::new(four()).unwrap();
    mpmc, 4: LockFreeMPMCQueue::new(four()).unwrap();
    spsc, 1: LockFreeSPSCQueue::new(four()).unwrap();
    levels, 4: PriorityCircularBuffer::new(PriorityConfig::default().with_base_config(four())).unwrap();
}

#[test]
fn every_call_is_timed_if_asked_and_none_if_not() {
    exported(|scrape| {
        let count = |operation: &str| {
            let samples = scrape.of("timed");
            let key = format!("elasticq_operation_duration_seconds_count{{operation=\"{operation}\"}}");
            samples.get(&key).copied().unwrap_or_default()
        };
        let recorder = MetricsRecorder::new("timed").with_sampling(1);
        let buffer =
            InstrumentedBuffer::new(Arc::new(DynamicCircularBuffer::new(Config::default()).unwrap()), recorder.clone());
        let work = || {
            (0..100).for_each(|number| buffer.push(number).unwrap());
            (0..100).for_each(|number| assert_eq!(buffer.pop(), Ok(number)));
            buffer.push_batch(vec![1, 2]).unwrap();
            buffer.pop_batch(2).unwrap();
        };
        work();
        assert_eq!(["push", "pop", "push_batch", "pop_batch"].map(count), [100.0, 100.0, 1.0, 1.0]);
        recorder.set_enabled(false);
        work();
        assert_eq!(["push", "pop", "push_batch", "pop_batch"].map(count), [100.0, 100.0, 1.0, 1.0]);
        assert!(!recorder.is_enabled());
        recorder.set_enabled(true);
        work();
        assert_eq!(["push", "pop"].map(count), [200.0, 200.0]);
        check(&scrape.of("timed"), [306, 306, 0, 0, 0]);
    });
}

#[test]
fn an_exporter_that_comes_late_misses_nothing() {
    let buffer = recorded_four(MetricsRecorder::new("late"));
    use_it(&buffer);
    flush(); // there is nobody yet
    exported(|scrape| check(&scrape.of("late"), [5, 3, 1, 0, 2]));
    exported(|scrape| check(&scrape.of("late"), [5, 3, 1, 0, 2])); // nor does a second one
}

#[test]
fn buffers_of_one_name_add_up() {
    exported(|scrape| {
        let buffers = [(); 3].map(|()| recorded_four(MetricsRecorder::new("three")));
        buffers.iter().for_each(use_it);
        let samples = scrape.of("three");
        check(&samples, [15, 9, 3, 0, 6]);
        assert_eq!(samples["elasticq_queue_max_capacity"], 12.0);
    });
}

#[test]
fn utilization_is_by_the_most_that_a_queue_may_hold() {
    exported(|scrape| {
        let config = Config::default().with_min_capacity(4).with_initial_capacity(4).with_max_capacity(100);
        let buffer = InstrumentedBuffer::new(
            Arc::new(DynamicCircularBuffer::new(config).unwrap()),
            MetricsRecorder::new("most"),
        );
        buffer.push_batch(vec![1, 2]).unwrap();
        let samples = scrape.of("most");
        let figures = ["capacity", "max_capacity", "utilization_ratio"].map(|what| format!("elasticq_queue_{what}"));
        assert_eq!(figures.map(|name| samples[&name]), [4.0, 100.0, 0.02]);
    });
}

#[test]
fn what_others_still_hold_is_not_dropped_with_its_recorder() {
    exported(|scrape| {
        let queue = Arc::new(DynamicCircularBuffer::new(four()).unwrap());
        let record = || InstrumentedBuffer::new(Arc::clone(&queue), MetricsRecorder::new("shared"));
        let buffer = record();
        use_it(&buffer);
        let clone = buffer.clone();
        drop(buffer);
        check(&scrape.of("shared"), [5, 3, 1, 0, 2]);
        drop(clone);
        check(&scrape.of("shared"), [5, 5, 1, 0, 0]);
        let buffer = record();
        check(&scrape.of("shared"), [7, 5, 1, 0, 2]); // they have come again
        assert_eq!(buffer.pop_batch(9), Ok(vec![4, 6]));
        check(&scrape.of("shared"), [7, 7, 1, 0, 0]);
    });
}

#[test]
fn durations_go_to_the_exporter_that_is_there_after_a_flush() {
    let recorder = MetricsRecorder::new("lasting").with_sampling(1);
    let buffer = recorded_four(recorder);
    buffer.push(1).unwrap(); // nobody gets to know
    for _ in 0..2 {
        exported(|scrape| {
            flush();
            assert_eq!(buffer.pop(), Ok(1));
            buffer.push(1).unwrap();
            let samples = scrape.rendered("lasting");
            let count =
                |name: &str| samples[&format!("elasticq_operation_duration_seconds_count{{operation={name:?}}}")];
            assert_eq!(["push", "pop"].map(count), [1.0, 1.0]);
        });
    }
}

#[test]
fn a_name_may_be_any_text() {
    exported(|scrape| {
        for name in ["", "a b", "\"quoted\"", "back\\slash", "two\nlines", "\u{1f980}", "{}", "queue=\"x\""] {
            let recorder = MetricsRecorder::new(name);
            assert_eq!(recorder.name(), name);
            let buffer = recorded_four(recorder);
            use_it(&buffer);
            flush();
            let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            check(&scrape.rendered(&escaped), [5, 3, 1, 0, 2]);
        }
    });
}

#[test]
fn channels_and_streams_work_over_an_instrumented_buffer() {
    exported(|scrape| {
        let queue = LockFreeMPMCQueue::new(four()).unwrap();
        let buffer = InstrumentedBuffer::new(Arc::new(queue), MetricsRecorder::new("channel"));
        let channel = BufferChannel::new(Arc::new(buffer));
        futures::executor::block_on(async {
            let send = async {
                for number in 0..100 {
                    channel.send(number).await.unwrap();
                }
            };
            let receive = async {
                for number in 0..100 {
                    assert_eq!(channel.recv().await, Ok(number));
                }
            };
            futures::join!(send, receive);
        });
        check(&scrape.of("channel"), [100, 100, 0, 0, 0]);
    });
}

#[test]
fn who_waits_is_shown() {
    exported(|scrape| {
        let buffer = recorded_four(MetricsRecorder::new("waits"));
        let channel = BufferChannel::new(Arc::new(buffer));
        let waiters = |samples: &Samples, kind: &str| {
            samples.get(&format!("elasticq_queue_waiters{{end=\"item\",kind=\"{kind}\"}}")).copied()
        };
        let longest = |samples: &Samples| samples.get("elasticq_queue_longest_wait_seconds{end=\"item\"}").copied();
        assert_eq!(waiters(&scrape.of("waits"), "thread"), None, "nobody ever waited");
        let samples = thread::scope(|scope| {
            scope.spawn(|| assert_eq!(channel.blocking_recv(), Ok(7)));
            while channel.buffer().waiting_for_item().threads == 0 {
                thread::yield_now();
            }
            let samples = scrape.of("waits");
            channel.blocking_send(7).unwrap();
            samples
        });
        assert_eq!(["thread", "task"].map(|kind| waiters(&samples, kind)), [Some(1.0), None]);
        assert!(longest(&samples) > Some(0.0));
        let samples = scrape.of("waits");
        assert_eq!((waiters(&samples, "thread"), longest(&samples)), (Some(0.0), Some(0.0)), "it is told on");
    });
}

#[test]
fn producers_that_wait_for_room_are_shown_and_their_time_counts_once() {
    exported(|scrape| {
        let buffer = recorded_four(MetricsRecorder::new("full"));
        let channel = &BufferChannel::new(Arc::new(buffer));
        (0..4).for_each(|number| channel.blocking_send(number).unwrap());
        let begun = Instant::now();
        // Looks at two that wait. What was seen is judged when they wait no more.
        let looks = thread::scope(|scope| {
            (4..6).for_each(|number| drop(scope.spawn(move || channel.blocking_send(number).unwrap())));
            while channel.buffer().waiting_for_room().threads < 2 {
                thread::yield_now();
            }
            let looks = [(); 4].map(|()| {
                thread::sleep(Duration::from_millis(50));
                (begun.elapsed(), scrape.of("full"), begun.elapsed())
            });
            (0..6).for_each(|_| assert!(channel.blocking_recv().is_ok()));
            looks
        });
        let figure = |samples: &Samples, what: &str| samples[&format!("elasticq_{what}")];
        let time = |samples: &Samples| figure(samples, "backpressure_seconds_total");
        for (_, samples, after) in &looks {
            assert_eq!(figure(samples, "queue_waiters{end=\"room\",kind=\"thread\"}"), 2.0);
            assert!(figure(samples, "queue_longest_wait_seconds{end=\"room\"}") > 0.0);
            assert!(!samples.keys().any(|key| key.contains("end=\"item\"")), "nobody waited for an item");
            assert!(time(samples) <= 2.0 * after.as_secs_f64(), "{} in {after:?}", time(samples));
        }
        for pair in looks.windows(2) {
            let least = 2.0 * (pair[1].0 - pair[0].2).as_secs_f64();
            assert!(time(&pair[1].1) - time(&pair[0].1) >= least - 1e-9, "each of two waited: {least}");
        }
    });
}

#[test]
fn levels_have_figures_of_their_own() {
    exported(|scrape| {
        let config = PriorityConfig::default().with_age_statistics(true);
        let buffer = InstrumentedBuffer::new(
            Arc::new(PriorityCircularBuffer::new(config).unwrap()),
            MetricsRecorder::new("levels"),
        );
        buffer.buffer().push_with_priority(1, 0).unwrap();
        buffer.buffer().push_batch_with_priority(vec![2, 3], 2).unwrap();
        assert_eq!(buffer.pop(), Ok(2));
        let samples = scrape.of("levels");
        let level = |what: &str, level: usize| samples[&format!("elasticq_level_{what}{{level=\"{level}\"}}")];
        assert_eq!([0, 1, 2].map(|number| level("depth", number)), [1.0, 0.0, 1.0]);
        assert_eq!([0, 1, 2].map(|number| level("enqueued_total", number)), [1.0, 0.0, 2.0]);
        assert_eq!([0, 1, 2].map(|number| level("dequeued_total", number)), [0.0, 0.0, 1.0]);
        assert!(samples["elasticq_queue_oldest_item_age_seconds"] > 0.0);
    });
}

#[test]
fn the_oldest_items_age_is_bounded_from_above() {
    exported(|scrape| {
        let age = || scrape.of("age")["elasticq_queue_oldest_item_age_seconds"];
        let buffer = recorded_four(MetricsRecorder::new("age"));
        assert_eq!(age(), 0.0);
        let before = Instant::now();
        buffer.push(1).unwrap();
        assert!(age() >= 0.0 && age() <= before.elapsed().as_secs_f64() + 60.0);
        buffer.push(2).unwrap();
        let first = age();
        assert!(age() > first, "it grows while the item is inside");
        buffer.pop().unwrap();
        buffer.pop().unwrap();
        assert_eq!(age(), 0.0);
    });
}

/// An exporter that takes counters, and fails on everything else.
struct Failing;

impl metrics::Recorder for Failing {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::noop()
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        panic!("on purpose")
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        panic!("on purpose")
    }
}

#[test]
fn an_exporter_that_panics_harms_no_call() {
    with_local_recorder(&Failing, || {
        let recorder = MetricsRecorder::new("failing").with_sampling(1);
        let buffer = DynamicCircularBuffer::new(four()).unwrap();
        let instrumented = recorder.instrument(&buffer);
        use_it(&instrumented);
        assert!(std::panic::catch_unwind(flush).is_err());
        drop(instrumented);
        assert_eq!(buffer.pop_batch(9), Ok(vec![4, 6]));
    });
    exported(|scrape| check(&scrape.of("failing"), [5, 5, 1, 0, 0]));
}

/// An exporter that fails on every histogram, and on the first counter of queues with a certain name. It
/// counts how often it was asked for either.
#[derive(Default)]
struct Counting {
    histograms: AtomicU64,
    counters: AtomicU64,
}

impl metrics::Recorder for Counting {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let is_ours = key.labels().any(|label| label.value().starts_with("one of many"));
        if is_ours && key.name() == "elasticq_messages_enqueued_total" {
            assert!(self.counters.fetch_add(1, Ordering::Relaxed) > 0, "on purpose");
        }
        metrics::Counter::noop()
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        self.histograms.fetch_add(1, Ordering::Relaxed);
        panic!("on purpose")
    }
}

#[test]
fn an_exporter_that_panics_is_not_asked_again_by_calls() {
    let exporter = Counting::default();
    with_local_recorder(&exporter, || {
        let recorder = MetricsRecorder::new("asked").with_sampling(1);
        use_it(&recorded_four(recorder));
    });
    assert_eq!(exporter.histograms.into_inner(), 1);
}

#[test]
fn an_exporter_that_panics_over_one_queue_is_told_of_the_others() {
    let queues = [0, 1, 2, 3].map(|number| {
        let recorder = MetricsRecorder::new(&format!("one of many: {number}"));
        recorded_four(recorder)
    });
    let exporter = Counting::default();
    with_local_recorder(&exporter, || assert!(std::panic::catch_unwind(flush).is_err()));
    assert_eq!(exporter.counters.into_inner(), queues.len() as u64);
}

#[test]
fn a_closed_buffer_refuses_and_counts() {
    exported(|scrape| {
        let buffer = recorded_four(MetricsRecorder::new("closed"));
        buffer.close();
        assert_eq!(buffer.push(1), Err(BufferError::Closed));
        assert_eq!(buffer.offer(2).unwrap_err().into_parts(), (BufferError::Closed, 2));
        check(&scrape.of("closed"), [0, 0, 2, 0, 0]);
    });
}

#[test]
fn a_buffer_that_begins_anew_is_counted_on() {
    exported(|scrape| {
        let buffer = recorded_four(MetricsRecorder::new("anew"));
        use_it(&buffer);
        check(&scrape.of("anew"), [5, 3, 1, 0, 2]);
        assert_eq!(buffer.buffer().restart(&four()).unwrap(), [4, 6]);
        check(&scrape.of("anew"), [5, 3, 1, 2, 0]);
        use_it(&buffer);
        check(&scrape.of("anew"), [10, 6, 2, 2, 2]);
        drop(buffer);
        check(&scrape.of("anew"), [10, 6, 2, 4, 0]);
    });
}

#[test]
fn threads_that_borrow_one_buffer_count_it_once() {
    const EACH: u64 = 2_000;
    exported(|scrape| {
        let buffer = LockFreeMPMCQueue::new(four()).unwrap();
        let recorder = MetricsRecorder::new("borrowed by all").with_sampling(1);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let instrumented = recorder.instrument(&buffer);
                    for number in 0..EACH {
                        while instrumented.offer_again(number).is_err() {
                            thread::yield_now();
                        }
                        while instrumented.try_pop().is_err() {
                            thread::yield_now();
                        }
                        instrumented.flush();
                    }
                });
            }
        });
        check(&scrape.of("borrowed by all"), [4 * EACH, 4 * EACH, 0, 0, 0]);
    });
}
