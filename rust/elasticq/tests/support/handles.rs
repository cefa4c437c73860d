//! The handles of the three queues without locks behind one trait, for the promises that all of them keep.
#![allow(dead_code)] // each test binary uses its own part

use elasticq::lock_free::{Consumer, MpmcConsumer, MpmcProducer, Producer, SpscConsumer, SpscProducer};
use elasticq::streams::{BufferSink, BufferStream, PuttingEnd, TakingEnd};
use elasticq::{BufferResult, Config, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, QueueStats, Rejected};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A kind of queue, and what its handles can do, under the same names.
pub trait Kind: 'static {
    type Put: PuttingEnd<u32> + Send + Sync;
    type Take: TakingEnd<u32> + Send + Sync;

    fn split(max: usize) -> (Self::Put, Self::Take);
    fn sink(put: Self::Put) -> BufferSink<u32, Self::Put>;
    fn stream(take: Self::Take) -> BufferStream<u32, Self::Take>;
    fn close(put: &Self::Put);
    fn stats(put: &Self::Put) -> QueueStats;
    fn try_take(take: &mut Self::Take) -> BufferResult<Option<u32>>;
    fn send_in(
        sink: &mut BufferSink<u32, Self::Put>,
        item: u32,
    ) -> impl Future<Output = Result<(), Rejected<u32>>> + Send;
    fn send(put: &mut Self::Put, item: u32) -> impl Future<Output = Result<(), Rejected<u32>>> + Send;
    fn send_timeout(
        put: &mut Self::Put,
        item: u32,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), Rejected<u32>>> + Send;
    fn send_batch(put: &mut Self::Put, items: Vec<u32>) -> impl Future<Output = Result<(), Rejected<Vec<u32>>>> + Send;
    fn recv(take: &mut Self::Take) -> impl Future<Output = BufferResult<u32>> + Send;
    fn recv_timeout(take: &mut Self::Take, timeout: Duration) -> impl Future<Output = BufferResult<u32>> + Send;
    fn recv_many(take: &mut Self::Take, max: usize) -> impl Future<Output = BufferResult<Vec<u32>>> + Send;
}

/// A pair of a sink and a stream.
pub fn pair<K: Kind>(max: usize) -> (BufferSink<u32, K::Put>, BufferStream<u32, K::Take>) {
    let (put, take) = K::split(max);
    (K::sink(put), K::stream(take))
}

macro_rules! kinds {
    ($($kind:ident, $queue:ident, $producer:ident, $consumer:ident;)*) => {$(
        pub struct $kind;

        impl Kind for $kind {
            type Put = $producer<u32>;
            type Take = $consumer<u32>;

            fn split(max: usize) -> (Self::Put, Self::Take) {
                let config = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(max);
                $queue::new(config).unwrap().split()
            }
            fn sink(put: Self::Put) -> BufferSink<u32, Self::Put> {
                put.into_sink()
            }
            fn stream(take: Self::Take) -> BufferStream<u32, Self::Take> {
                take.into_stream()
            }
            fn close(put: &Self::Put) {
                put.close();
            }
            fn stats(put: &Self::Put) -> QueueStats {
                put.stats()
            }
            fn try_take(take: &mut Self::Take) -> BufferResult<Option<u32>> {
                take.try_dequeue()
            }
            fn send_in(
                sink: &mut BufferSink<u32, Self::Put>,
                item: u32,
            ) -> impl Future<Output = Result<(), Rejected<u32>>> + Send {
                sink.send(item)
            }
            fn send(put: &mut Self::Put, item: u32) -> impl Future<Output = Result<(), Rejected<u32>>> + Send {
                put.send(item)
            }
            fn send_timeout(
                put: &mut Self::Put,
                item: u32,
                timeout: Duration,
            ) -> impl Future<Output = Result<(), Rejected<u32>>> + Send {
                put.send_timeout(item, timeout)
            }
            fn send_batch(
                put: &mut Self::Put,
                items: Vec<u32>,
            ) -> impl Future<Output = Result<(), Rejected<Vec<u32>>>> + Send {
                put.send_batch(items)
            }
            fn recv(take: &mut Self::Take) -> impl Future<Output = BufferResult<u32>> + Send {
                take.recv()
            }
            fn recv_timeout(
                take: &mut Self::Take,
                timeout: Duration,
            ) -> impl Future<Output = BufferResult<u32>> + Send {
                take.recv_timeout(timeout)
            }
            fn recv_many(take: &mut Self::Take, max: usize) -> impl Future<Output = BufferResult<Vec<u32>>> + Send {
                take.recv_many(max)
            }
        }
    )*};
}

kinds! {
    Mpsc, LockFreeMPSCQueue, Producer, Consumer;
    Mpmc, LockFreeMPMCQueue, MpmcProducer, MpmcConsumer;
    Spsc, LockFreeSPSCQueue, SpscProducer, SpscConsumer;
}

macro_rules! of_all_three {
    ($($promise:ident)*) => {$(
        mod $promise {
            #[test]
            fn mpsc() {
                super::$promise::<crate::handles::Mpsc>();
            }

            #[test]
            fn mpmc() {
                super::$promise::<crate::handles::Mpmc>();
            }

            #[test]
            fn spsc() {
                super::$promise::<crate::handles::Spsc>();
            }
        }
    )*};
}

/// How often a waker was called.
#[derive(Default)]
pub struct Calls(AtomicUsize);

impl Calls {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that counts its calls.
pub fn counting() -> (Arc<Calls>, Waker) {
    let calls = Arc::new(Calls::default());
    (Arc::clone(&calls), Waker::from(calls))
}

pub fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// One step of a task that nobody wakes.
pub fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

pub fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

pub(crate) use of_all_three;
