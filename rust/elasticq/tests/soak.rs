//! Very many messages go through each lock-free queue. None is wrong, lost, doubled or out of order.
//!
//! ```text
//! ELASTICQ_SOAK_MESSAGES=100000000 \
//!     cargo test --release --features lock_free --test soak -- --nocapture --test-threads 1
//! ```
//!
//! Without the variable this is a short run; `make verify` makes it a long one. Every message is a heap
//! object that carries its producer, its number and a checksum. Each consumer checks these, and that the
//! numbers of each producer rise. It marks the message in a ledger of one bit per message. So a message that
//! comes twice is seen at once, and one that never comes is seen at the end. Single items and batches
//! alternate, and so do calls that wait and calls that don't. The queue is so small that it is full and
//! empty, grows and shrinks all the time.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::{Buffer, BufferError, Config, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;
use support::{FOREVER, Message, SCALE, between, insist};

/// Another kind of queue takes one line more.
#[test]
fn spsc() {
    soak("SPSC", &LockFreeSPSCQueue::new(config()).unwrap(), 1, 1);
}

#[test]
fn mpmc() {
    soak("MPMC", &LockFreeMPMCQueue::new(config()).unwrap(), 4, 4);
}

#[test]
fn mpsc() {
    soak("MPSC", &LockFreeMPSCQueue::new(config()).unwrap(), 4, 1);
}

fn config() -> Config {
    between(16, 1024).with_pop_timeout(FOREVER)
}

fn messages() -> u64 {
    let text = std::env::var("ELASTICQ_SOAK_MESSAGES").unwrap_or_else(|_| (2_000_000 / SCALE).to_string());
    text.replace('_', "").parse().unwrap_or_else(|_| panic!("ELASTICQ_SOAK_MESSAGES = {text}: must be a number"))
}

/// One bit for each message, set when it is taken.
struct Marks {
    each: u64,
    taken: Vec<AtomicU64>,
}

impl Marks {
    fn new(producers: usize, each: u64) -> Self {
        let words = (producers as u64 * each).div_ceil(64);
        Self { each, taken: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Marks a message. Returns whether this is the first time.
    fn mark(&self, message: &Message) -> bool {
        let index = message.producer as u64 * self.each + message.number;
        let bit = 1 << (index % 64);
        self.taken[usize::try_from(index / 64).unwrap()].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    fn count(&self) -> u64 {
        self.taken.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }
}

fn soak(name: &str, queue: &(impl Buffer<Box<Message>> + Sync), producers: usize, consumers: usize) {
    let each = messages().div_ceil(producers as u64);
    let total = producers as u64 * each;
    let marks = Marks::new(producers, each);
    let (taken, start) = (AtomicU64::new(0), Instant::now());
    println!("{name}: {total} messages, {producers} producers, {consumers} consumers");
    thread::scope(|scope| {
        let senders: Vec<_> = (0..producers).map(|producer| scope.spawn(move || send(queue, producer, each))).collect();
        for _ in 0..consumers {
            scope.spawn(|| {
                receive(queue, producers, &marks, |count| {
                    let before = taken.fetch_add(count, Ordering::Relaxed);
                    let (tenth, now) = (total.div_ceil(10), before + count);
                    if before / tenth != now / tenth {
                        println!("{name}: {now} taken in {:.1} s, {:?}", start.elapsed().as_secs_f64(), queue.stats());
                    }
                });
            });
        }
        for sender in senders {
            sender.join().unwrap();
        }
        queue.close();
    });
    let stats = queue.stats();
    assert_eq!(marks.count(), total, "lost: {stats:?}");
    assert_eq!((taken.into_inner(), stats.current_size), (total, 0));
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued), (total, total));
    println!("{name}: 0 wrong, 0 lost, 0 doubled of {total} in {:.1} s, {stats:?}", start.elapsed().as_secs_f64());
}

/// Offers single items and, every eighth time, a batch.
fn send(queue: &impl Buffer<Box<Message>>, producer: usize, each: u64) {
    let mut number = 0;
    while number < each {
        let batch = (number % 37).min(each - number);
        if number % 8 == 0 && batch > 1 {
            let batch = || (number..number + batch).map(|number| Message::new(producer, number)).collect();
            while let Err(error) = queue.push_batch(batch()) {
                assert!(error.is_capacity_error(), "{error}");
                thread::yield_now();
            }
            number += (number % 37).min(each - number);
        } else {
            insist(Message::new(producer, number), |message| queue.offer(message));
            number += 1;
        }
    }
}

/// Closes the queue when its thread panics. Otherwise the producers would go on for ever.
struct Closing<'a>(&'a dyn Buffer<Box<Message>>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

/// Takes until the queue is closed: batches, and a single item after a batch that was not full. It waits for
/// both.
fn receive(queue: &impl Buffer<Box<Message>>, producers: usize, marks: &Marks, count: impl Fn(u64)) {
    let _closing = Closing(queue);
    let mut next = vec![0; producers];
    let mut single = false;
    loop {
        let taken = if single { queue.pop().map(|message| vec![message]) } else { queue.pop_batch(100) };
        let messages = match taken {
            Ok(messages) => messages,
            Err(error) => return assert_eq!(error, BufferError::Closed),
        };
        single = !single && messages.len() < 100;
        for message in &messages {
            assert!(message.is_whole(), "damaged: {message:?}");
            assert!(marks.mark(message), "doubled: {message:?}");
            assert!(message.number >= next[message.producer], "out of order: {message:?}, {next:?}");
            next[message.producer] = message.number + 1;
        }
        count(messages.len() as u64);
    }
}
