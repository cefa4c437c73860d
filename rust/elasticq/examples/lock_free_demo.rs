//! Four publishers, one processor and a burst go through the queues without locks. The program ends with
//! status 1 if anything is lost.
//!
//! ```text
//! cargo run --example lock_free_demo --features lock_free
//! ```

use elasticq::lock_free::{Consumer, Producer};
use elasticq::{BufferError, Config, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, QueueStats};
use std::error::Error;
use std::thread;
use std::time::Duration;

const PUBLISHERS: usize = 4;
/// How many messages each publisher sends at once while the processor is away, and how many while it works.
const BURST: u64 = 8_000;
const LIVE: u64 = 50_000;
/// How many messages the processor takes at once.
const BATCH: usize = 4_000;
const PATIENCE: Duration = Duration::from_secs(20);

struct Message {
    publisher: usize,
    number: u64,
    topic: String,
}

impl Message {
    fn new(publisher: usize, number: u64) -> Self {
        Self { publisher, number, topic: format!("plant/line-{publisher}/temperature") }
    }
}

/// How many messages of each publisher the processor has seen. Each must come in its turn.
#[derive(Default)]
struct Ledger {
    seen: [u64; PUBLISHERS],
}

impl Ledger {
    fn enter(&mut self, message: &Message) -> Result<(), Box<dyn Error + Send + Sync>> {
        let due = &mut self.seen[message.publisher];
        if message.number != *due {
            return Err(format!("{}: message {} came where {due} was due", message.topic, message.number).into());
        }
        *due += 1;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    many_to_one()?;
    one_to_one()?;
    many_to_many()
}

fn many_to_one() -> Result<(), Box<dyn Error + Send + Sync>> {
    println!("LockFreeMPSCQueue: {PUBLISHERS} publishers to 1 processor");
    // It has room for 1,024 messages, and grows up to 65,536.
    let (producer, mut consumer) = LockFreeMPSCQueue::new(Config::default())?.split();
    let smallest = consumer.capacity();
    let mut ledger = Ledger::default();

    // A burst while the processor is away: the queue grows, and nothing is refused.
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let producer = producer.clone();
            thread::spawn(move || (0..BURST).try_for_each(|n| producer.try_enqueue(Message::new(publisher, n))))
        })
        .collect();
    for publisher in publishers {
        publisher.join().expect("a publisher does not panic")?;
    }
    let largest = consumer.capacity();
    println!("  a burst: {} messages wait, capacity {smallest} -> {largest}", consumer.len());
    ensure(consumer.len() as u64 == BURST * PUBLISHERS as u64, "all of the burst waits")?;

    // The processor takes batches. The memory goes back with the last item, not only when the queue is
    // dropped.
    let mut batches = 0;
    loop {
        let batch = consumer.dequeue_batch(BATCH)?;
        if batch.is_empty() {
            break;
        }
        batches += 1;
        for message in &batch {
            ledger.enter(message)?;
        }
    }
    println!("  taken in {batches} batches, capacity {largest} -> {}", consumer.capacity());
    ensure(ledger.seen == [BURST; PUBLISHERS], "all of the burst was processed")?;
    ensure(consumer.capacity() == smallest, "the queue is as small as it was")?;

    // Live: the processor blocks until there is a message, and publishers block while there is no room.
    let processor = thread::spawn(move || process(consumer, ledger));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let producer = producer.clone();
            thread::spawn(move || publish(&producer, publisher, BURST..BURST + LIVE))
        })
        .collect();
    let published: Result<(), BufferError> =
        publishers.into_iter().try_for_each(|publisher| publisher.join().expect("a publisher does not panic"));

    // Closing: what is inside is still processed, and what comes later is handed back.
    producer.close();
    let (ledger, stats) = processor.join().expect("the processor does not panic")?;
    // This comes after the processor's errors: if `published` failed, it only says that the queue was closed.
    published?;
    let rejected = producer.offer(Message::new(0, BURST + LIVE)).unwrap_err();
    ensure(rejected.reason() == &BufferError::Closed, "a closed queue says so")?;
    println!("  after closing, message {} came back: {rejected}", rejected.item().number);
    println!("  processed of each publisher: {:?}", ledger.seen);
    println!(
        "  put in {}, taken {}, refused {}; grown {} times, shrunk {} times\n",
        stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped, stats.grown, stats.shrunk
    );
    let sent = (BURST + LIVE) * PUBLISHERS as u64;
    ensure(ledger.seen == [BURST + LIVE; PUBLISHERS], "everything was processed, in each publisher's order")?;
    ensure((stats.messages_enqueued, stats.messages_dequeued) == (sent, sent), "the counters agree with the ledger")?;
    ensure((stats.messages_dropped, stats.current_size) == (0, 0), "nothing was refused and nothing is left")
}

fn publish(producer: &Producer<Message>, publisher: usize, numbers: std::ops::Range<u64>) -> Result<(), BufferError> {
    for number in numbers {
        producer.offer_within(Message::new(publisher, number), PATIENCE)?;
    }
    Ok(())
}

/// Waits for messages and takes what there is, until the queue is closed and empty.
fn process(
    mut consumer: Consumer<Message>,
    mut ledger: Ledger,
) -> Result<(Ledger, QueueStats), Box<dyn Error + Send + Sync>> {
    loop {
        match consumer.dequeue_within(PATIENCE) {
            Ok(Some(first)) => ledger.enter(&first)?,
            Ok(None) => return Err(format!("no message for {PATIENCE:?}").into()),
            Err(BufferError::Closed) => return Ok((ledger, consumer.stats())),
            Err(error) => return Err(error.into()),
        }
        // If the queue is closed by now, the next round of the loop finds out.
        for message in consumer.dequeue_batch(BATCH).unwrap_or_default() {
            ledger.enter(&message)?;
        }
    }
}

fn one_to_one() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (mut producer, mut consumer) = LockFreeSPSCQueue::new(Config::default())?.split();
    let sender = thread::spawn(move || (0..100_000).try_for_each(|n| producer.offer_within(n, PATIENCE)));
    let mut received = 0;
    loop {
        match consumer.dequeue_within(PATIENCE) {
            Ok(Some(n)) => ensure(n == received, "each item comes in its turn")?,
            Ok(None) => return Err(format!("no item for {PATIENCE:?}").into()),
            Err(_) => break, // the producer was dropped, so the queue is closed
        }
        received += 1;
    }
    sender.join().expect("the producer does not panic")?;
    println!("LockFreeSPSCQueue: {received} items from one thread to another");
    ensure(received == 100_000, "all items came")
}

fn many_to_many() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (producer, consumer) = LockFreeMPMCQueue::new(Config::default())?.split();
    let mut senders = Vec::new();
    for first in [0, 50_000] {
        let producer = producer.clone();
        senders
            .push(thread::spawn(move || (first..first + 50_000).try_for_each(|n| producer.offer_within(n, PATIENCE))));
    }
    drop(producer); // the queue closes when its last producer is dropped
    let mut receivers = Vec::new();
    for _ in 0..3 {
        let mut consumer = consumer.clone();
        receivers.push(thread::spawn(move || {
            let mut items = Vec::new();
            while let Ok(Some(item)) = consumer.dequeue_within(PATIENCE) {
                items.push(item);
            }
            items
        }));
    }
    drop(consumer);
    for sender in senders {
        sender.join().expect("a producer does not panic")?;
    }
    let shares: Vec<Vec<u64>> =
        receivers.into_iter().map(|receiver| receiver.join().expect("a consumer does not panic")).collect();
    println!(
        "LockFreeMPMCQueue: 2 producers to 3 consumers: {:?} items",
        shares.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let mut all = shares.concat();
    all.sort_unstable();
    ensure(all.into_iter().eq(0..100_000), "each item went to exactly one consumer")
}

fn ensure(holds: bool, promise: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    if holds { Ok(()) } else { Err(format!("this does not hold: {promise}").into()) }
}
