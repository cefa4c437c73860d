//! Instrumented buffers beside bare ones.

use super::ours::Ours;
use crate::subject::{Bounds, Elastic, Pop, Push, Shared, Subject};
use elasticq::metrics::{InstrumentedBuffer, MetricsRecorder};
use elasticq::{Buffer, Config, DynamicCircularBuffer, LockFreeMPSCQueue};
use metrics::{Histogram, histogram};
use std::sync::{Arc, Once};
use std::time::Instant;

/// The buffer with a lock, instrumented.
pub const LOCKED: &str = "elasticq, instrumented";
/// The same, with the time of every call.
pub const TIMED: &str = "elasticq, every call timed";
/// A bare pair, and all that timing it takes.
pub const PARTS: &str = "a pair, clock reads and records by hand";
/// The queue for many producers, instrumented.
pub const MPSC: &str = "LockFreeMPSCQueue, instrumented";
/// The same without metrics, by the same calls.
pub const BARE_MPSC: &str = "LockFreeMPSCQueue";

/// Installs the exporter, once.
fn exporter() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let buckets = metrics_exporter_prometheus::PrometheusBuilder::new()
            .set_buckets(&elasticq::metrics::BUCKETS)
            .expect("there are buckets");
        buckets.install_recorder().expect("nobody else installs one");
    });
}

fn bounds(capacity: usize) -> Config {
    Config::default().with_initial_capacity(capacity).with_min_capacity(capacity).with_max_capacity(capacity)
}

/// A thread's own clone of a buffer, as users share one.
#[derive(Debug)]
pub struct Handle<B>(B);

fn handles<B: Clone>(buffer: &B, count: usize) -> Vec<Handle<B>> {
    (0..count).map(|_| Handle(buffer.clone())).collect()
}

impl<B: Buffer<u64> + Send> Push for Handle<B> {
    #[inline(always)]
    fn try_push(&mut self, item: u64) -> bool {
        self.0.push(item).is_ok()
    }
}

impl<B: Buffer<u64> + Send> Pop for Handle<B> {
    #[inline(always)]
    fn try_pop(&mut self) -> Option<u64> {
        self.0.try_pop().ok()
    }
}

/// The buffer with a lock. Of each call the time is taken, or of one in 256.
#[derive(Debug)]
pub struct Instrumented<const EACH: bool>;

impl<const EACH: bool> Subject for Instrumented<EACH> {
    const NAME: &'static str = if EACH { TIMED } else { LOCKED };
    type Producer = Handle<InstrumentedBuffer<u64>>;
    type Consumer = Handle<InstrumentedBuffer<u64>>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        exporter();
        let recorder = MetricsRecorder::new(Self::NAME);
        let recorder = if EACH { recorder.with_sampling(1) } else { recorder };
        let buffer = DynamicCircularBuffer::new(bounds(capacity)).expect("the bounds are in order");
        let buffer = InstrumentedBuffer::new(Arc::new(buffer), recorder);
        (handles(&buffer, producers), handles(&buffer, consumers))
    }
}

/// What timing takes in parts: the clock twice, and a record.
#[derive(Debug)]
pub struct Parts(Ours<false>, Histogram);

impl Parts {
    #[inline(always)]
    fn timed<R>(&self, call: impl FnOnce(&Ours<false>) -> R) -> R {
        let begun = Instant::now();
        let done = call(&self.0);
        self.1.record(begun.elapsed().as_secs_f64());
        done
    }
}

impl Shared for Parts {
    const NAME: &'static str = PARTS;

    fn open(capacity: usize) -> Self {
        exporter();
        Self(<Ours<false> as Shared>::open(capacity), histogram!("parts"))
    }

    #[inline(always)]
    fn try_push(&self, item: u64) -> bool {
        self.timed(|buffer| buffer.try_push(item))
    }

    #[inline(always)]
    fn try_pop(&self) -> Option<u64> {
        self.timed(Shared::try_pop)
    }
}

/// The queue for many producers.
#[derive(Debug)]
pub struct Mpsc<const INSTRUMENTED: bool>;

fn mpsc(capacity: usize) -> LockFreeMPSCQueue<u64> {
    LockFreeMPSCQueue::new(bounds(capacity)).expect("the bounds are in order")
}

impl Subject for Mpsc<true> {
    const NAME: &'static str = MPSC;
    const CONSUMERS: usize = 1;
    type Producer = Handle<InstrumentedBuffer<u64, LockFreeMPSCQueue<u64>>>;
    type Consumer = Handle<InstrumentedBuffer<u64, LockFreeMPSCQueue<u64>>>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        exporter();
        let queue = InstrumentedBuffer::new(Arc::new(mpsc(capacity)), MetricsRecorder::new(MPSC));
        (handles(&queue, producers), handles(&queue, consumers))
    }
}

impl Subject for Mpsc<false> {
    const NAME: &'static str = BARE_MPSC;
    const CONSUMERS: usize = 1;
    type Producer = Handle<Arc<LockFreeMPSCQueue<u64>>>;
    type Consumer = Handle<Arc<LockFreeMPSCQueue<u64>>>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let queue = Arc::new(mpsc(capacity));
        (handles(&queue, producers), handles(&queue, consumers))
    }
}

impl Elastic<u64> for InstrumentedBuffer<u64> {
    const NAME: &'static str = LOCKED;

    fn open(bounds: Bounds) -> Self {
        exporter();
        Self::new(Arc::new(Elastic::open(bounds)), MetricsRecorder::new(<Self as Elastic<u64>>::NAME))
    }

    #[inline(always)]
    fn push(&self, item: u64) -> bool {
        Buffer::push(self, item).is_ok()
    }

    #[inline(always)]
    fn pop(&self) -> Option<u64> {
        Buffer::pop(self).ok()
    }

    #[inline(always)]
    fn push_batch(&self, items: Vec<u64>) -> bool {
        Buffer::push_batch(self, items).is_ok()
    }

    #[inline(always)]
    fn pop_batch(&self, max: usize) -> Vec<u64> {
        Buffer::pop_batch(self, max).unwrap_or_default()
    }

    fn capacity(&self) -> usize {
        Buffer::capacity(self)
    }
}
