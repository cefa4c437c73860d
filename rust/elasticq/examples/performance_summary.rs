//! How the queues of this crate compare on this machine, in a few seconds. The program ends with status 1 if
//! a message is lost.
//!
//! ```text
//! cargo run --release --example performance_summary --features lock_free
//! ```
//!
//! The contenders of a case take turns, so whatever else the machine does hits all of them alike. What counts
//! is the ratio of their medians. `make bench` measures more, longer, and beside other crates.

use elasticq::{Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
use std::hint::{black_box, spin_loop};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const CAPACITY: usize = 65_536;
const ROUNDS: usize = 11;
/// About how long one sample takes.
const SAMPLE: Duration = Duration::from_millis(20);
/// How often a thread looks again at a full or empty queue before it lets another thread run.
const SPINS: u32 = 64;

fn main() -> ExitCode {
    println!("u64 messages, room for {CAPACITY}, {ROUNDS} interleaved rounds of about {SAMPLE:?}");
    if cfg!(debug_assertions) {
        println!("This is a debug build, whose figures say little: add --release.");
    }
    let wrong = alone()
        + threads("1 producer, 1 consumer", 1, 1)
        + threads("4 producers, 1 consumer", 4, 1)
        + threads("2 producers, 2 consumers", 2, 2);
    if wrong > 0 {
        eprintln!("\n{wrong} messages were lost, repeated or changed");
        return ExitCode::FAILURE;
    }
    println!("\nEvery message was counted; none was lost, repeated or changed.");
    ExitCode::SUCCESS
}

fn alone() -> u64 {
    contest(
        "1 thread, put in and take out",
        &[
            ("DynamicCircularBuffer", &|items| one_thread(locked(1, 1), items)),
            ("LockFreeSPSCQueue", &|items| one_thread(spsc(), items)),
            ("LockFreeMPSCQueue", &|items| one_thread(mpsc(1), items)),
            ("LockFreeMPMCQueue", &|items| one_thread(mpmc(1, 1), items)),
        ],
    )
}

fn threads(name: &str, producers: usize, consumers: usize) -> u64 {
    let locked = |items| contended(locked(producers, consumers), items);
    let spsc = |items| contended(spsc(), items);
    let mpsc = |items| contended(mpsc(producers), items);
    let mpmc = |items| contended(mpmc(producers, consumers), items);
    let mut contenders: Vec<Contender> = vec![("DynamicCircularBuffer", &locked), ("LockFreeMPMCQueue", &mpmc)];
    if consumers == 1 {
        contenders.insert(1, ("LockFreeMPSCQueue", &mpsc));
    }
    if (producers, consumers) == (1, 1) {
        contenders.insert(1, ("LockFreeSPSCQueue", &spsc));
    }
    contest(name, &contenders)
}

// The queues. Each is opened as one vector of functions that put (`false`: no room now) and one of functions
// that take (`None`: nothing there now).

fn config() -> Config {
    Config::default().with_min_capacity(CAPACITY).with_initial_capacity(CAPACITY).with_max_capacity(CAPACITY)
}

fn locked(
    producers: usize,
    consumers: usize,
) -> (Vec<impl FnMut(u64) -> bool + Send>, Vec<impl FnMut() -> Option<u64> + Send>) {
    let buffer = Arc::new(DynamicCircularBuffer::new(config()).expect("the configuration is valid"));
    let put = |buffer: Arc<DynamicCircularBuffer<u64>>| move |item| buffer.push(item).is_ok();
    let take = |buffer: Arc<DynamicCircularBuffer<u64>>| move || buffer.pop().ok();
    (
        (0..producers).map(|_| put(Arc::clone(&buffer))).collect(),
        (0..consumers).map(|_| take(Arc::clone(&buffer))).collect(),
    )
}

fn spsc() -> (Vec<impl FnMut(u64) -> bool + Send>, Vec<impl FnMut() -> Option<u64> + Send>) {
    let queue = LockFreeSPSCQueue::new(config()).expect("the configuration is valid");
    let (mut producer, mut consumer) = queue.split();
    (vec![move |item| producer.try_enqueue(item).is_ok()], vec![move || consumer.try_dequeue().ok().flatten()])
}

fn mpsc(producers: usize) -> (Vec<impl FnMut(u64) -> bool + Send>, Vec<impl FnMut() -> Option<u64> + Send>) {
    let queue = LockFreeMPSCQueue::new(config()).expect("the configuration is valid");
    let (producer, mut consumer) = queue.split();
    let producers = vec![producer; producers].into_iter();
    (
        producers.map(|producer| move |item| producer.try_enqueue(item).is_ok()).collect(),
        vec![move || consumer.try_dequeue().ok().flatten()],
    )
}

fn mpmc(
    producers: usize,
    consumers: usize,
) -> (Vec<impl FnMut(u64) -> bool + Send>, Vec<impl FnMut() -> Option<u64> + Send>) {
    let queue = LockFreeMPMCQueue::new(config()).expect("the configuration is valid");
    let (producer, consumer) = queue.split();
    let (producers, consumers) = (vec![producer; producers].into_iter(), vec![consumer; consumers].into_iter());
    (
        producers.map(|producer| move |item| producer.try_enqueue(item).is_ok()).collect(),
        consumers.map(|mut consumer| move || consumer.try_dequeue().ok().flatten()).collect(),
    )
}

// The loops. They are compiled for each queue, so that no queue pays for a virtual call. The messages are the
// numbers from 0 on.

/// The result of one run: the time, how many messages were sent, and how many of them went wrong.
struct Sample {
    elapsed: Duration,
    sent: u64,
    wrong: u64,
}

fn one_thread<P, C>((mut producers, mut consumers): (Vec<P>, Vec<C>), items: u64) -> Sample
where
    P: FnMut(u64) -> bool,
    C: FnMut() -> Option<u64>,
{
    let (put, take) = (&mut producers[0], &mut consumers[0]);
    let mut wrong = 0;
    let started = Instant::now();
    for item in 0..items {
        let accepted = put(black_box(item));
        wrong += u64::from(!accepted || take() != Some(item));
    }
    Sample { elapsed: started.elapsed(), sent: items, wrong }
}

fn contended<P, C>((producers, consumers): (Vec<P>, Vec<C>), items: u64) -> Sample
where
    P: FnMut(u64) -> bool + Send,
    C: FnMut() -> Option<u64> + Send,
{
    let each = items.div_ceil(producers.len() as u64);
    let sent = each * producers.len() as u64;
    let sending = AtomicUsize::new(producers.len());
    let barrier = Barrier::new(producers.len() + consumers.len() + 1);
    let (sending, barrier) = (&sending, &barrier);

    let produce = |first: u64, mut put: P| {
        move || {
            barrier.wait();
            for item in first..first + each {
                let mut tries = 0;
                while !put(black_box(item)) {
                    pause(&mut tries);
                }
            }
            sending.fetch_sub(1, Ordering::Release);
        }
    };
    let consume = |mut take: C| {
        move || {
            let (mut count, mut sum, mut tries) = (0_u64, 0_u64, 0);
            barrier.wait();
            loop {
                // Once no thread sends any more, a queue that is found empty stays empty.
                let last_look = sending.load(Ordering::Acquire) == 0;
                match take() {
                    Some(item) => {
                        count += 1;
                        sum = sum.wrapping_add(black_box(item));
                        tries = 0;
                    }
                    None if last_look => return (count, sum),
                    None => pause(&mut tries),
                }
            }
        }
    };

    let (elapsed, received) = thread::scope(|scope| {
        let consumers: Vec<_> = consumers.into_iter().map(|take| scope.spawn(consume(take))).collect();
        for (first, put) in (0..).step_by(each as usize).zip(producers) {
            scope.spawn(produce(first, put));
        }
        let started = Instant::now();
        barrier.wait();
        let received: Vec<_> =
            consumers.into_iter().map(|thread| thread.join().expect("a consumer does not panic")).collect();
        (started.elapsed(), received)
    });
    let (count, sum) = received.iter().fold((0, 0_u64), |all, one| (all.0 + one.0, all.1.wrapping_add(one.1)));
    let wrong_sum = sum != (0..sent).fold(0, u64::wrapping_add);
    Sample { elapsed, sent, wrong: sent.abs_diff(count).max(u64::from(wrong_sum)) }
}

fn pause(tries: &mut u32) {
    *tries += 1;
    if *tries <= SPINS { spin_loop() } else { thread::yield_now() }
}

// Taking turns, and printing the table.

/// A name, and the function that puts a number of messages through a fresh queue.
type Contender<'a> = (&'a str, &'a dyn Fn(u64) -> Sample);

/// Runs all rounds, prints how the contenders did, and returns how many messages went wrong.
fn contest(name: &str, contenders: &[Contender<'_>]) -> u64 {
    let mut wrong = 0;
    let mut run = |contender: usize, items| {
        let sample = (contenders[contender].1)(items);
        wrong += sample.wrong;
        (sample.elapsed, sample.elapsed.as_secs_f64() * 1e9 / sample.sent as f64)
    };
    let items: Vec<u64> = (0..contenders.len()).map(|index| fill_sample(|items| run(index, items).0)).collect();
    let mut nanoseconds = vec![Vec::new(); contenders.len()];
    for round in 0..ROUNDS {
        for place in 0..contenders.len() {
            // Each contender starts one place later than in the round before.
            let index = (round + place) % contenders.len();
            nanoseconds[index].push(run(index, items[index]).1);
        }
    }

    println!("\n{name:<30} ns/message    M/s  times as fast as the first (quartiles)");
    for ((name, _), times) in contenders.iter().zip(&nanoseconds) {
        let ratios: Vec<f64> = nanoseconds[0].iter().zip(times).map(|(first, time)| first / time).collect();
        let ([_, median, _], [lower, _, upper]) = (quartiles(times), quartiles(&ratios));
        let ratio = quartiles(&nanoseconds[0])[1] / median;
        println!("  {name:<28} {median:>10.1}  {:>5.1}  {ratio:.2} ({lower:.2} .. {upper:.2})", 1e3 / median);
    }
    wrong
}

/// How many messages fill one sample.
fn fill_sample(mut run: impl FnMut(u64) -> Duration) -> u64 {
    let mut items = 1_000;
    loop {
        let elapsed = run(items);
        if elapsed * 4 >= SAMPLE {
            return ((items as f64 * SAMPLE.as_secs_f64() / elapsed.as_secs_f64()) as u64).max(1);
        }
        items *= 4;
    }
}

fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}
