//! Channels between tasks: ours over three kinds of queues and over split ones, and their peers.

use crate::tasks::{Channel, Receives, ReceivesMany, Sends, SendsAsThread};
use crossfire::{AsyncRx, MAsyncTx, mpsc};
use elasticq::streams::BufferChannel;
use elasticq::{Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, Parts, lock_free};
use std::sync::Arc;
use std::time::Duration;

/// The names of those whose targets differ.
pub const LOCKED: &str = "BufferChannel, locked";
/// Over a shared queue without locks.
pub const SHARED: &str = "BufferChannel, MPSC, shared";

fn bounds(capacity: usize) -> Config {
    Config::default().with_initial_capacity(capacity).with_min_capacity(capacity).with_max_capacity(capacity)
}

/// Implements both ends of a channel. The patterns say how a call ends that went well.
macro_rules! ends {
    ($sender:ty, |$end:ident, $item:ident| $send:expr, $receiver:ty, |$from:ident| $receive:expr) => {
        impl Sends for $sender {
            #[inline(always)]
            async fn send(&mut self, $item: u64) {
                let $end = self;
                $send
            }
        }

        impl Receives for $receiver {
            #[inline(always)]
            async fn recv(&mut self) -> u64 {
                let $from = self;
                $receive
            }
        }
    };
}

/// An end of a channel of ours.
#[derive(Debug)]
pub struct End<B: Parts<u64>>(BufferChannel<u64, B>);

impl<B: Parts<u64> + 'static> Sends for End<B> {
    #[inline(always)]
    async fn send(&mut self, item: u64) {
        self.0.send(item).await.expect("it is open");
    }
}

impl<B: Parts<u64> + 'static> SendsAsThread for End<B> {
    fn send_as_thread(&mut self, item: u64) {
        self.0.blocking_send(item).expect("it is open");
    }
}

impl<B: Parts<u64> + 'static> Receives for End<B> {
    #[inline(always)]
    async fn recv(&mut self) -> u64 {
        self.0.recv().await.expect("it is open")
    }
}

impl<B: Parts<u64> + 'static> ReceivesMany for End<B> {
    async fn recv_many(&mut self, max: usize) -> Vec<u64> {
        self.0.recv_many(max).await.expect("it is open")
    }
}

/// A channel of ours over one of these queues.
macro_rules! ours {
    ($($contender:ident, $name:expr, $queue:ident;)*) => {$(
        #[doc = concat!("`BufferChannel` over `", stringify!($queue), "`.")]
        #[derive(Debug)]
        pub struct $contender;

        impl Channel for $contender {
            const NAME: &'static str = $name;
            type Sender = End<$queue<u64>>;
            type Receiver = End<$queue<u64>>;

            fn open(capacity: usize, senders: usize) -> (Vec<Self::Sender>, Self::Receiver) {
                let queue = $queue::new(bounds(capacity)).expect("the bounds are right");
                let channel = BufferChannel::new(Arc::new(queue));
                ((0..senders).map(|_| End(channel.clone())).collect(), End(channel))
            }
        }
    )*};
}

ours! {
    Locked, LOCKED, DynamicCircularBuffer;
    Mpsc, SHARED, LockFreeMPSCQueue;
    Mpmc, "BufferChannel, MPMC, shared", LockFreeMPMCQueue;
}

/// The handles of a queue that was split.
#[derive(Debug)]
pub struct Split;

ends!(
    lock_free::Producer<u64>,
    |end, item| (*end).send(item).await.expect("it is open"),
    lock_free::Consumer<u64>,
    |from| (*from).recv().await.expect("it is open")
);

impl Channel for Split {
    const NAME: &'static str = "LockFreeMPSCQueue, split";
    type Sender = lock_free::Producer<u64>;
    type Receiver = lock_free::Consumer<u64>;

    fn open(capacity: usize, senders: usize) -> (Vec<Self::Sender>, Self::Receiver) {
        let (producer, consumer) = LockFreeMPSCQueue::new(bounds(capacity)).expect("the bounds are right").split();
        (vec![producer; senders], consumer)
    }
}

/// A peer that comes as two ends, of which the sender can be cloned.
macro_rules! peers {
    ($($contender:ident, $name:literal, $open:path, $sender:ty, $receiver:ty;)*) => {$(
        #[doc = concat!($name, ".")]
        #[derive(Debug)]
        pub struct $contender;

        impl Channel for $contender {
            const NAME: &'static str = $name;
            type Sender = $sender;
            type Receiver = $receiver;

            fn open(capacity: usize, senders: usize) -> (Vec<Self::Sender>, Self::Receiver) {
                let (sender, receiver) = $open(capacity);
                (vec![sender; senders], receiver)
            }
        }
    )*};
}

peers! {
    Tokio, "tokio mpsc", tokio::sync::mpsc::channel, tokio::sync::mpsc::Sender<u64>, tokio::sync::mpsc::Receiver<u64>;
    AsyncChannel, "async-channel", async_channel::bounded, async_channel::Sender<u64>, async_channel::Receiver<u64>;
    Flume, "flume", flume::bounded, flume::Sender<u64>, flume::Receiver<u64>;
    Kanal, "kanal", kanal::bounded_async, kanal::AsyncSender<u64>, kanal::AsyncReceiver<u64>;
    Crossfire, "crossfire", mpsc::bounded_async, MAsyncTx<mpsc::Array<u64>>, AsyncRx<mpsc::Array<u64>>;
}

ends!(
    tokio::sync::mpsc::Sender<u64>,
    |end, item| (*end).send(item).await.expect("it is open"),
    tokio::sync::mpsc::Receiver<u64>,
    |from| from.recv().await.expect("it is open")
);
ends!(
    async_channel::Sender<u64>,
    |end, item| (*end).send(item).await.expect("it is open"),
    async_channel::Receiver<u64>,
    |from| (*from).recv().await.expect("it is open")
);
ends!(flume::Sender<u64>, |end, item| end.send_async(item).await.expect("it is open"), flume::Receiver<u64>, |from| {
    from.recv_async().await.expect("it is open")
});
ends!(
    kanal::AsyncSender<u64>,
    |end, item| (*end).send(item).await.expect("it is open"),
    kanal::AsyncReceiver<u64>,
    |from| (*from).recv().await.expect("it is open")
);
ends!(
    MAsyncTx<mpsc::Array<u64>>,
    |end, item| (**end).send(item).await.expect("it is open"),
    AsyncRx<mpsc::Array<u64>>,
    |from| (*from).recv().await.expect("it is open")
);

impl ReceivesMany for tokio::sync::mpsc::Receiver<u64> {
    async fn recv_many(&mut self, max: usize) -> Vec<u64> {
        let mut items = Vec::new();
        tokio::sync::mpsc::Receiver::recv_many(self, &mut items, max).await;
        items
    }
}

impl SendsAsThread for lock_free::Producer<u64> {
    fn send_as_thread(&mut self, item: u64) {
        self.offer_within(item, Duration::MAX).expect("it is open");
    }
}

impl SendsAsThread for tokio::sync::mpsc::Sender<u64> {
    fn send_as_thread(&mut self, item: u64) {
        self.blocking_send(item).expect("it is open");
    }
}

impl SendsAsThread for flume::Sender<u64> {
    fn send_as_thread(&mut self, item: u64) {
        flume::Sender::send(self, item).expect("it is open");
    }
}

impl SendsAsThread for kanal::AsyncSender<u64> {
    fn send_as_thread(&mut self, item: u64) {
        self.as_sync().send(item).expect("it is open");
    }
}

/// The channel of elasticq 0.3.0. Within tokio it panics, since its lock does. It does not wait for room, so
/// it gets enough, and neither does it close.
#[cfg(feature = "old_streams")]
#[derive(Debug)]
pub struct Old;

/// An end of it.
#[cfg(feature = "old_streams")]
#[allow(missing_debug_implementations)] // it has none itself
pub struct OldEnd(old::streams::BufferChannel<u64>);

#[cfg(feature = "old_streams")]
ends!(
    OldEnd,
    |end, item| while end.0.send(item).await.is_err() {
        std::thread::yield_now();
    },
    OldEnd,
    |from| from.0.recv().await.expect("it does not close")
);

#[cfg(feature = "old_streams")]
impl Channel for Old {
    const NAME: &'static str = "elasticq 0.3.0, BufferChannel";
    type Sender = OldEnd;
    type Receiver = OldEnd;

    fn open(capacity: usize, senders: usize) -> (Vec<OldEnd>, OldEnd) {
        let config = old::Config::default()
            .with_initial_capacity(capacity)
            .with_min_capacity(capacity)
            .with_max_capacity(capacity);
        let buffer = old::DynamicCircularBuffer::new(config).expect("the bounds are right");
        let channel = old::streams::BufferChannel::new(Arc::new(buffer));
        ((0..senders).map(|_| OldEnd(channel.clone())).collect(), OldEnd(channel))
    }
}
