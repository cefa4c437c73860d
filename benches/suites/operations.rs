//! Our own operations one by one, under Criterion: to follow them from one change to the next.
//!
//! `cargo bench --bench operations -- --save-baseline before`, and later `-- --baseline before`.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput};
use elasticq::{Config, DynamicCircularBuffer};
use elasticq_benches::machine::{hardware_threads, machine};
use elasticq_benches::options::Options;
use elasticq_benches::shapes::contended;
use elasticq_benches::subjects::ours::Ours;
use elasticq_benches::waiting::Waiting;
use std::hint::black_box;
use std::time::Duration;

/// How many items there are in the operations on a whole buffer.
const MANY: u64 = 10_000;
/// How far the burst goes: from the default 1,024 to the default maximum.
const BURST: u64 = 65_536;

fn main() {
    let options = Options::from_process();
    println!("\n== operations: {}", machine());
    let mut criterion = configured(&options);
    push_and_pop(&mut criterion);
    batches(&mut criterion);
    elasticity(&mut criterion);
    whole_buffer(&mut criterion);
    threads(&mut criterion, &options);
    criterion.final_summary();
}

fn configured(options: &Options) -> Criterion {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(30);
    if options.smoke {
        criterion = criterion
            .warm_up_time(Duration::from_millis(1))
            .measurement_time(Duration::from_millis(1))
            .sample_size(10)
            .save_baseline("smoke".to_owned());
    }
    if !options.filters.is_empty() {
        criterion = criterion.with_filter(options.filters.join("|"));
    }
    if let Some(name) = &options.save_baseline {
        criterion = criterion.save_baseline(name.clone());
    }
    if let Some(name) = &options.baseline {
        criterion = criterion.retain_baseline(name.clone(), true);
    }
    criterion
}

fn buffer() -> DynamicCircularBuffer<u64> {
    DynamicCircularBuffer::new(Config::default()).expect("the defaults are in order")
}

fn holding(items: u64) -> DynamicCircularBuffer<u64> {
    let buffer = buffer();
    buffer.push_batch((0..items).collect()).expect("the items fit");
    buffer
}

fn push_and_pop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push_pop");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one item", |bencher| {
        let buffer = buffer();
        bencher.iter(|| {
            buffer.push(black_box(1)).expect("there is room");
            buffer.pop()
        });
    });
    group.bench_function("one item among many", |bencher| {
        let buffer = holding(MANY);
        bencher.iter(|| {
            buffer.push(black_box(1)).expect("there is room");
            buffer.pop()
        });
    });
    group.bench_function("one boxed string", |bencher| {
        let buffer: DynamicCircularBuffer<Box<str>> =
            DynamicCircularBuffer::new(Config::default()).expect("the defaults are in order");
        let mut item = Some(Box::from("message"));
        bencher.iter(|| {
            buffer.push(item.take().expect("it came back")).expect("there is room");
            item = buffer.pop().ok();
        });
    });
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batches");
    for size in [10, 100, 1_000] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(size.to_string(), |bencher| {
            let buffer = buffer();
            let mut batch: Vec<u64> = (0..size).collect();
            bencher.iter(|| {
                buffer.push_batch(std::mem::take(&mut batch)).expect("there is room");
                batch = buffer.pop_batch(size as usize).expect("it is open");
            });
        });
    }
    group.finish();
}

fn elasticity(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("elasticity");
    group.throughput(Throughput::Elements(BURST));
    group.bench_function("growing burst", |bencher| {
        bencher.iter_batched(
            buffer,
            |buffer| {
                for item in 0..BURST {
                    buffer.push(item).expect("it grows");
                }
                buffer
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("shrinking while drained by pop", |bencher| {
        bencher.iter_batched(
            || holding(BURST),
            |buffer| {
                while let Ok(item) = buffer.pop() {
                    black_box(item);
                }
                buffer
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn whole_buffer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("whole_buffer");
    group.throughput(Throughput::Elements(MANY));
    group.bench_function("drain", |bencher| {
        bencher.iter_batched(|| holding(MANY), |buffer| (black_box(buffer.drain()), buffer), BatchSize::LargeInput);
    });
    group.bench_function("clear", |bencher| {
        bencher.iter_batched(
            || holding(MANY),
            |buffer| {
                buffer.clear();
                buffer
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("iter", |bencher| {
        let buffer = holding(MANY);
        bencher.iter(|| buffer.iter().into_iter().fold(0, u64::wrapping_add));
    });
    group.finish();
}

/// In samples of the same length, which is that of the contests.
fn threads(criterion: &mut Criterion, options: &Options) {
    const SAMPLES: usize = 10;
    let mut group = criterion.benchmark_group("threads");
    group.throughput(Throughput::Elements(1)).sample_size(SAMPLES).sampling_mode(SamplingMode::Flat);
    for (producers, consumers) in [(1, 1), (2, 2), (4, 1)] {
        let sample = options.sample_of(producers + consumers, hardware_threads());
        group.measurement_time(sample * SAMPLES as u32);
        contention(&mut group, producers, consumers);
    }
    group.finish();
}

/// Time per item with a thread for each producer and consumer. Every message is checked, and wrong ones are
/// reported.
fn contention(group: &mut BenchmarkGroup<'_, WallTime>, producers: usize, consumers: usize) {
    let name = format!("{producers}P/{consumers}C");
    let mut wrong = 0;
    group.bench_function(&name, |bencher| {
        bencher.iter_custom(|items| {
            let sample = contended::<Ours<true>>(producers, consumers, 65_536, Waiting::Yielding, items);
            wrong += sample.wrong;
            sample.elapsed.mul_f64(items as f64 / sample.items as f64)
        });
    });
    if wrong > 0 {
        println!("{name}: {wrong} messages came out wrong");
    }
}
