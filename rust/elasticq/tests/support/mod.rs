//! What the tests of the lock-free queues share: configurations, payloads that show damage, and a ledger of
//! drops.
#![allow(dead_code)] // each test binary uses its own part

use elasticq::lock_free::{Consumer, Producer};
use elasticq::{BufferError, Config, Rejected};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than any test takes. A thread that waits this long has missed a wake-up.
pub const FOREVER: Duration = Duration::from_secs(60);

/// Loops are this many times shorter in a debug build.
pub const SCALE: u64 = if cfg!(debug_assertions) { 10 } else { 1 };

/// A queue that starts at `min` and may grow to `max`.
pub fn between(min: usize, max: usize) -> Config {
    Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(max)
}

/// A payload in one heap object. A thread that reads a slot before it is written, or after it is overwritten,
/// sees a wrong sum.
#[derive(Debug)]
pub struct Message {
    /// The producer that sent it.
    pub producer: usize,
    /// Its place among the messages of its producer.
    pub number: u64,
    sum: u64,
}

impl Message {
    pub fn new(producer: usize, number: u64) -> Box<Self> {
        Box::new(Self { producer, number, sum: Self::sum(producer, number) })
    }

    /// Whether the message is as it was made, and was not dropped.
    pub fn is_whole(&self) -> bool {
        self.sum == Self::sum(self.producer, self.number)
    }

    fn sum(producer: usize, number: u64) -> u64 {
        ((producer as u64) << 48 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Drop for Message {
    /// A message that is dropped a second time has a wrong sum, too.
    fn drop(&mut self) {
        self.sum = !self.sum;
        std::hint::black_box(&self.sum); // otherwise the compiler would leave the store out
    }
}

/// What the consumer expects: each producer's messages, whole and in order.
#[derive(Debug)]
pub struct Ledger {
    next: Vec<u64>,
}

impl Ledger {
    pub fn new(producers: usize) -> Self {
        Self { next: vec![0; producers] }
    }

    pub fn enter(&mut self, message: &Message) {
        assert!(message.is_whole(), "damaged: {message:?}");
        let expected = &mut self.next[message.producer];
        assert_eq!(message.number, *expected, "out of order: {message:?}");
        *expected += 1;
    }

    /// How many messages have been entered so far.
    pub fn total(&self) -> u64 {
        self.next.iter().sum()
    }

    pub fn next(&self) -> &[u64] {
        &self.next
    }
}

/// Offers an item, or a batch, again and again until there is room for it.
pub fn insist<I>(mut offered: I, mut offer: impl FnMut(I) -> Result<(), Rejected<I>>) {
    while let Err(rejected) = offer(offered) {
        assert!(rejected.reason().is_capacity_error(), "{rejected}");
        offered = rejected.into_inner();
        thread::yield_now();
    }
}

/// Starts a thread that sends `each` messages. Every third claim is a batch of up to `batch` messages. The
/// thread offers again what was refused.
pub fn send(queue: Producer<Box<Message>>, producer: usize, each: u64, batch: u64) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut number = 0;
        while number < each {
            let count = if number % 3 == 0 { batch.min(each - number) } else { 1 };
            let items: Vec<_> = (number..number + count).map(|n| Message::new(producer, n)).collect();
            insist(items, |items| queue.offer_batch(items));
            number += count;
        }
    })
}

/// Takes messages and enters them in the ledger, until the queue is closed.
pub fn receive(consumer: &mut Consumer<Box<Message>>, ledger: &mut Ledger) {
    loop {
        match consumer.dequeue_within(FOREVER) {
            Ok(Some(message)) => ledger.enter(&message),
            Ok(None) => panic!("nothing came; {:?}, {ledger:?}", consumer.stats()),
            Err(error) => {
                assert_eq!(error, BufferError::Closed);
                return;
            }
        }
    }
}

/// Counts the drops of each of its items.
#[derive(Clone, Debug)]
pub struct Drops(Arc<[AtomicUsize]>);

/// An item that knows its number and is counted when it is dropped. Its drop may panic.
#[derive(Debug)]
pub struct Counted(pub usize, Drops, bool);

impl Counted {
    /// The item, whose drop panics if `explodes` is set.
    pub fn exploding(mut self, explodes: bool) -> Self {
        self.2 = explodes;
        self
    }
}

impl Drops {
    pub fn new(items: usize) -> Self {
        Self((0..items).map(|_| AtomicUsize::new(0)).collect())
    }

    pub fn item(&self, number: usize) -> Counted {
        Counted(number, self.clone(), false)
    }

    /// How many drops there were.
    pub fn total(&self) -> usize {
        self.counts().iter().sum()
    }

    /// How often each item was dropped.
    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.0[self.0].fetch_add(1, Ordering::SeqCst);
        assert!(!self.2, "an item's drop panics, as the test wants it");
    }
}
