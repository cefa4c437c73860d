//! Lock-free queues that never wait: crossbeam-queue, concurrent-queue, thingbuf.

use crate::subject::{Pop, Push, Shared, Subject};
use concurrent_queue::ConcurrentQueue;
use crossbeam_queue::{ArrayQueue, SegQueue};
use thingbuf::ThingBuf;

impl Shared for ArrayQueue<u64> {
    const NAME: &'static str = "crossbeam ArrayQueue";

    fn open(capacity: usize) -> Self {
        Self::new(capacity)
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.push(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.pop()
    }
}

impl Shared for SegQueue<u64> {
    const NAME: &'static str = "crossbeam SegQueue, unbounded";

    fn open(_: usize) -> Self {
        Self::new()
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.push(item);
        true
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.pop()
    }
}

/// concurrent-queue in either of its kinds.
#[derive(Debug)]
pub struct Concurrent<const BOUNDED: bool>(ConcurrentQueue<u64>);

impl<const BOUNDED: bool> Shared for Concurrent<BOUNDED> {
    const NAME: &'static str = if BOUNDED { "concurrent-queue, bounded" } else { "concurrent-queue, unbounded" };

    fn open(capacity: usize) -> Self {
        Self(if BOUNDED { ConcurrentQueue::bounded(capacity) } else { ConcurrentQueue::unbounded() })
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.0.push(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.0.pop().ok()
    }
}

impl Shared for ThingBuf<u64> {
    const NAME: &'static str = "thingbuf";

    fn open(capacity: usize) -> Self {
        Self::new(capacity)
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.push(item).is_ok()
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.pop()
    }
}

/// rtrb: one producer and one consumer, of a fixed size, without waiting.
#[derive(Debug)]
pub struct Rtrb;

impl Subject for Rtrb {
    const NAME: &'static str = "rtrb";
    const PRODUCERS: usize = 1;
    const CONSUMERS: usize = 1;
    type Producer = rtrb::Producer<u64>;
    type Consumer = rtrb::Consumer<u64>;

    fn open(capacity: usize, _: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (producer, consumer) = rtrb::RingBuffer::new(capacity);
        (vec![producer], vec![consumer])
    }
}

impl Push for rtrb::Producer<u64> {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        self.push(item).is_ok()
    }
}

impl Pop for rtrb::Consumer<u64> {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        self.pop().ok()
    }
}
