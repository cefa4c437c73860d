//! This project's queues without locks.

use crate::subject::{Pop, Push, Shared, Subject};
use elasticq::lock_free::{
    Consumer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, MpmcConsumer, MpmcProducer, Producer,
    SpscConsumer, SpscProducer,
};
use elasticq::{BufferResult, Config};

/// The name of the handles of the queue of many producers in the tables.
pub const MPSC: &str = "elasticq MPSC, handles";
/// The name of the same queue through shared references.
pub const SHARED_MPSC: &str = "elasticq MPSC, shared";
/// The name of the queue of many consumers through shared references.
pub const SHARED_MPMC: &str = "elasticq MPMC, shared";

fn between(least: usize, capacity: usize) -> Config {
    Config::default().with_initial_capacity(least).with_min_capacity(least).with_max_capacity(capacity)
}

fn queue(least: usize, capacity: usize) -> BufferResult<LockFreeMPSCQueue<u64>> {
    LockFreeMPSCQueue::new(between(least, capacity))
}

/// The queue of many producers through its handles, with all of its capacity from the start, or elastic from
/// 1,024.
#[derive(Debug)]
pub struct Mpsc<const ELASTIC: bool>;

impl<const ELASTIC: bool> Subject for Mpsc<ELASTIC> {
    const NAME: &'static str = if ELASTIC { "elasticq MPSC, handles, elastic from 1,024" } else { MPSC };
    const CONSUMERS: usize = 1;
    type Producer = Producer<u64>;
    type Consumer = Consumer<u64>;

    fn open(capacity: usize, producers: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let least = if ELASTIC { capacity.min(1_024) } else { capacity };
        let (producer, consumer) = queue(least, capacity).expect("the bounds are in order").split();
        (vec![producer; producers], vec![consumer])
    }
}

impl Push for Producer<u64> {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        self.try_enqueue(item).is_ok()
    }
}

impl Pop for Consumer<u64> {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        self.try_dequeue().ok().flatten()
    }
}

/// How many items the batches hold.
const BATCH: usize = 100;

/// The same queue through its handles, in batches, with one claim for each batch.
#[derive(Debug)]
pub struct MpscBatches;

/// Keeps items until they are a batch.
#[derive(Debug)]
pub struct Collector(Producer<u64>, Vec<u64>);

/// Takes a batch and gives it out item by item.
#[derive(Debug)]
pub struct Distributor(Consumer<u64>, std::vec::IntoIter<u64>);

impl Subject for MpscBatches {
    const NAME: &'static str = "elasticq MPSC, handles, batches of 100";
    const CONSUMERS: usize = 1;
    type Producer = Collector;
    type Consumer = Distributor;

    fn open(capacity: usize, producers: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (producer, consumer) = queue(capacity, capacity).expect("the bounds are in order").split();
        let collectors = (0..producers).map(|_| Collector(producer.clone(), Vec::with_capacity(BATCH))).collect();
        (collectors, vec![Distributor(consumer, Vec::new().into_iter())])
    }
}

impl Push for Collector {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        if self.1.len() == BATCH && !self.flush() {
            return false;
        }
        self.1.push(item);
        true
    }

    fn flush(&mut self) -> bool {
        match self.0.offer_batch(std::mem::take(&mut self.1)) {
            Ok(()) => {
                self.1.reserve(BATCH);
                true
            }
            Err(rejected) => {
                self.1 = rejected.into_inner();
                false
            }
        }
    }
}

impl Pop for Distributor {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        let item = self.1.next();
        if item.is_some() { item } else { self.refill() }
    }
}

impl Distributor {
    #[inline(never)]
    fn refill(&mut self) -> Option<u64> {
        self.1 = self.0.dequeue_batch(BATCH).ok()?.into_iter();
        self.1.next()
    }
}

/// The same queue through shared references.
#[derive(Debug)]
pub struct SharedMpsc(LockFreeMPSCQueue<u64>);

impl Shared for SharedMpsc {
    const NAME: &'static str = SHARED_MPSC;
    const CONSUMERS: usize = 1;

    fn open(capacity: usize) -> Self {
        Self(queue(capacity, capacity).expect("the bounds are in order"))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.try_enqueue(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.try_dequeue().ok().flatten()
    }
}

/// The queue of many producers and many consumers through its handles, with all of its capacity from the
/// start, or elastic from 1,024.
#[derive(Debug)]
pub struct Mpmc<const ELASTIC: bool>;

impl<const ELASTIC: bool> Subject for Mpmc<ELASTIC> {
    const NAME: &'static str =
        if ELASTIC { "elasticq MPMC, handles, elastic from 1,024" } else { "elasticq MPMC, handles" };
    type Producer = MpmcProducer<u64>;
    type Consumer = MpmcConsumer<u64>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let least = if ELASTIC { capacity.min(1_024) } else { capacity };
        let queue = LockFreeMPMCQueue::new(between(least, capacity)).expect("the bounds are in order");
        let (producer, consumer) = queue.split();
        (vec![producer; producers], vec![consumer; consumers])
    }
}

impl Push for MpmcProducer<u64> {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        self.try_enqueue(item).is_ok()
    }
}

impl Pop for MpmcConsumer<u64> {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        self.try_dequeue().ok().flatten()
    }
}

/// The same queue through shared references.
#[derive(Debug)]
pub struct SharedMpmc(LockFreeMPMCQueue<u64>);

impl Shared for SharedMpmc {
    const NAME: &'static str = SHARED_MPMC;

    fn open(capacity: usize) -> Self {
        Self(LockFreeMPMCQueue::new(between(capacity, capacity)).expect("the bounds are in order"))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.try_enqueue(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.try_dequeue().ok().flatten()
    }
}

/// The queue of one producer and one consumer through its handles, fixed or elastic as above.
#[derive(Debug)]
pub struct Spsc<const ELASTIC: bool>;

impl<const ELASTIC: bool> Subject for Spsc<ELASTIC> {
    const NAME: &'static str =
        if ELASTIC { "elasticq SPSC, handles, elastic from 1,024" } else { "elasticq SPSC, handles" };
    const PRODUCERS: usize = 1;
    const CONSUMERS: usize = 1;
    type Producer = SpscProducer<u64>;
    type Consumer = SpscConsumer<u64>;

    fn open(capacity: usize, _: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let least = if ELASTIC { capacity.min(1_024) } else { capacity };
        let queue = LockFreeSPSCQueue::new(between(least, capacity)).expect("the bounds are in order");
        let (producer, consumer) = queue.split();
        (vec![producer], vec![consumer])
    }
}

impl Push for SpscProducer<u64> {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        self.try_enqueue(item).is_ok()
    }
}

impl Pop for SpscConsumer<u64> {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        self.try_dequeue().ok().flatten()
    }
}

/// The same queue through shared references.
#[derive(Debug)]
pub struct SharedSpsc(LockFreeSPSCQueue<u64>);

impl Shared for SharedSpsc {
    const NAME: &'static str = "elasticq SPSC, shared";
    const PRODUCERS: usize = 1;
    const CONSUMERS: usize = 1;

    fn open(capacity: usize) -> Self {
        Self(LockFreeSPSCQueue::new(between(capacity, capacity)).expect("the bounds are in order"))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.try_enqueue(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.try_dequeue().ok().flatten()
    }
}
