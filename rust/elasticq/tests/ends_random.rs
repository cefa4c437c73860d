//! Handles come, go, put and take in random order in several threads, until no consumer is left. Every item
//! is accounted for.
//!
//! ```text
//! ELASTICQ_ENDS_ROUNDS=100000 ELASTICQ_ENDS_SEED=1 \
//!     cargo test --release --features lock_free --test ends_random -- --nocapture
//! ```
//!
//! A round is one queue. It ends with the queue's last consumer, while a producer still lives. Then each item
//! that was ever made must have been dropped once and undamaged, and the queue's own counts must match what
//! the threads were told. A failure names the seed of its round, and `ELASTICQ_ENDS_SEED` starts with that
//! seed.
#![cfg(all(feature = "lock_free", not(loom)))]

mod support;

use elasticq::lock_free::{Consumer, MpmcConsumer, MpmcProducer, Producer, SpscConsumer, SpscProducer};
use elasticq::{BufferResult, Config, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, QueueStats, Rejected};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Message, SCALE, between};

/// The most items in a round.
const ITEMS: usize = 4096;

/// How often each item of a round was dropped.
struct Book {
    made: AtomicUsize,
    drops: Vec<AtomicU8>,
}

struct Item {
    number: usize,
    message: Box<Message>,
    /// Some items hold a producer of the same queue.
    _producer: Option<Box<dyn Any + Send>>,
    book: Arc<Book>,
}

impl Drop for Item {
    fn drop(&mut self) {
        assert!(self.message.is_whole(), "damaged: {:?}", self.message);
        self.book.drops[self.number].fetch_add(1, Ordering::SeqCst);
    }
}

/// A producer's handle, whichever the queue.
trait Puts: Send + Sized + 'static {
    fn put(&mut self, item: Item) -> Result<(), Rejected<Item>>;
    fn put_all(&mut self, items: Vec<Item>) -> Result<(), Rejected<Vec<Item>>>;
    fn put_within(&mut self, item: Item, timeout: Duration) -> Result<(), Rejected<Item>>;
    fn another(&self) -> Option<Self>;
    fn looks(&self) -> QueueStats;
}

/// A consumer's handle.
trait Takes: Send + Sized + 'static {
    fn take(&mut self) -> BufferResult<Option<Item>>;
    fn take_many(&mut self, most: usize) -> BufferResult<Vec<Item>>;
    fn another(&self) -> Option<Self>;
}

macro_rules! handles {
    ($producer:ident $consumer:ident, $clone_producer:expr, $clone_consumer:expr) => {
        impl Puts for $producer<Item> {
            fn put(&mut self, item: Item) -> Result<(), Rejected<Item>> {
                self.offer(item)
            }
            fn put_all(&mut self, items: Vec<Item>) -> Result<(), Rejected<Vec<Item>>> {
                self.offer_batch(items)
            }
            fn put_within(&mut self, item: Item, timeout: Duration) -> Result<(), Rejected<Item>> {
                self.offer_within(item, timeout)
            }
            fn another(&self) -> Option<Self> {
                $clone_producer(self)
            }
            fn looks(&self) -> QueueStats {
                self.stats()
            }
        }

        impl Takes for $consumer<Item> {
            fn take(&mut self) -> BufferResult<Option<Item>> {
                self.try_dequeue()
            }
            fn take_many(&mut self, most: usize) -> BufferResult<Vec<Item>> {
                self.dequeue_batch(most)
            }
            fn another(&self) -> Option<Self> {
                $clone_consumer(self)
            }
        }
    };
}

fn cloned<T: Clone>(handle: &T) -> Option<T> {
    Some(handle.clone())
}

fn none<T>(_: &T) -> Option<T> {
    None
}

handles!(Producer Consumer, cloned, none);
handles!(MpmcProducer MpmcConsumer, cloned, cloned);
handles!(SpscProducer SpscConsumer, none, none);

/// Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the thread of a producer was told.
#[derive(Default)]
struct Told {
    accepted: u64,
    refused: u64,
}

fn produce<P: Puts>(mut producer: P, book: &Arc<Book>, mut dice: Dice) -> (P, Told) {
    let mut told = Told::default();
    let make = |producer: &P, holds: bool| {
        let number = book.made.fetch_add(1, Ordering::Relaxed);
        let own = if holds { producer.another() } else { None };
        let own = own.map(|own| Box::new(own) as Box<dyn Any + Send>);
        Item { number, message: Message::new(0, number as u64), _producer: own, book: Arc::clone(book) }
    };
    for _ in 0..dice.below(200) {
        let count = dice.below(6);
        let done = match dice.below(6) {
            0 => {
                let items: Vec<_> = (0..count).map(|_| make(&producer, false)).collect();
                let put = producer.put_all(items).map_err(|rejected| assert_eq!(rejected.item().len() as u64, count));
                (count, put)
            }
            1 => {
                let item = make(&producer, false);
                (1, producer.put_within(item, Duration::from_micros(dice.below(200))).map_err(drop))
            }
            2 => {
                // The handle is replaced by a clone of it.
                if let Some(another) = producer.another() {
                    producer = another;
                }
                (0, Ok(()))
            }
            choice => {
                let item = make(&producer, choice == 3);
                (1, producer.put(item).map_err(drop))
            }
        };
        match done {
            (count, Ok(())) => told.accepted += count,
            (count, Err(())) => told.refused += count,
        }
    }
    (producer, told)
}

/// Returns how many items it has taken.
fn consume<C: Takes>(consumer: C, mut dice: Dice) -> u64 {
    let mut handles = vec![consumer];
    let mut taken = 0;
    for _ in 0..dice.below(200) {
        let place = usize::try_from(dice.below(handles.len() as u64)).unwrap();
        match dice.below(8) {
            0 => handles.extend(handles[place].another()),
            1 if handles.len() > 1 => drop(handles.swap_remove(place)),
            2 => {
                taken += handles[place]
                    .take_many(usize::try_from(dice.below(8)).unwrap())
                    .map_or(0, |items| items.len()) as u64
            }
            3 => thread::yield_now(),
            _ => taken += u64::from(matches!(handles[place].take(), Ok(Some(_)))),
        }
    }
    taken
}

fn round<P: Puts, C: Takes>(seed: u64, split: fn(Config) -> (P, C)) {
    let mut dice = Dice::new(seed);
    let max = 1 << dice.below(7);
    let (producer, consumer) =
        split(between(1 + usize::try_from(dice.below(max)).unwrap(), usize::try_from(max).unwrap()));
    let book = Arc::new(Book { made: AtomicUsize::new(0), drops: (0..ITEMS).map(|_| AtomicU8::new(0)).collect() });
    let producers = producer.another().into_iter().chain(producer.another());
    let producers: Vec<_> = producers.chain([producer]).enumerate().collect();
    let threads: Vec<_> = producers
        .into_iter()
        .map(|(number, producer)| {
            let (book, dice) = (Arc::clone(&book), Dice::new(seed ^ (number as u64 + 1) << 32));
            thread::spawn(move || produce(producer, &book, dice))
        })
        .collect();
    let other = consumer.another().map(|consumer| {
        let dice = Dice::new(seed ^ 8 << 32);
        thread::spawn(move || consume(consumer, dice))
    });
    let mut taken = consume(consumer, dice);
    taken += other.map_or(0, |thread| thread.join().unwrap());
    let ends: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();

    let made = book.made.load(Ordering::Relaxed);
    let wrong: Vec<_> = (0..made).filter(|&number| book.drops[number].load(Ordering::SeqCst) != 1).collect();
    assert!(wrong.is_empty(), "not dropped once: {wrong:?} of {made}");
    let accepted: u64 = ends.iter().map(|(_, told)| told.accepted).sum();
    let refused: u64 = ends.iter().map(|(_, told)| told.refused).sum();
    let stats = ends[0].0.looks();
    let counts = (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped, stats.messages_refused);
    assert_eq!(counts, (accepted, taken, accepted - taken, refused), "{stats:?}");
    assert_eq!(stats.current_size, 0, "{stats:?}");
    drop(ends);
    assert_eq!(Arc::strong_count(&book), 1, "the queue was not freed");
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} = {text}: must be a number")))
}

fn rounds<P: Puts, C: Takes>(split: fn(Config) -> (P, C)) {
    let first = number("ELASTICQ_ENDS_SEED", 0);
    for seed in first..first + number("ELASTICQ_ENDS_ROUNDS", 2_000 / SCALE) {
        let played = thread::spawn(move || round(seed, split)).join();
        assert!(played.is_ok(), "with ELASTICQ_ENDS_SEED={seed}");
    }
}

#[test]
fn mpsc() {
    rounds(|config| LockFreeMPSCQueue::new(config).unwrap().split());
}

#[test]
fn mpmc() {
    rounds(|config| LockFreeMPMCQueue::new(config).unwrap().split());
}

#[test]
fn spsc() {
    rounds(|config| LockFreeSPSCQueue::new(config).unwrap().split());
}
