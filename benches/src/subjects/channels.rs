//! Channels: crossbeam, flume, kanal, crossfire and the standard library's. Each comes as two ends.

use crate::subject::{Pop, Push, Subject};
use crossfire::{MRx, MTx, Rx, Tx, mpmc, mpsc, spsc};

/// Implements both ends of a channel. The patterns say how a try to send, or to receive, shows that it went
/// well.
macro_rules! ends {
    ($sender:ty, |$send:pat_param| $sent:expr, $receiver:ty, |$receive:pat_param| $received:expr) => {
        impl Push for $sender {
            #[inline(always)]
            fn try_push(&mut self, item: u64) -> bool {
                let $send = self.try_send(item);
                $sent
            }
        }

        impl Pop for $receiver {
            #[inline(always)]
            fn try_pop(&mut self) -> Option<u64> {
                let $receive = self.try_recv();
                $received
            }
        }
    };
}

ends!(crossbeam_channel::Sender<u64>, |sent| sent.is_ok(), crossbeam_channel::Receiver<u64>, |item| item.ok());
ends!(flume::Sender<u64>, |sent| sent.is_ok(), flume::Receiver<u64>, |item| item.ok());
ends!(kanal::Sender<u64>, |sent| sent == Ok(true), kanal::Receiver<u64>, |item| item.ok().flatten());
ends!(MTx<mpmc::Array<u64>>, |sent| sent.is_ok(), MRx<mpmc::Array<u64>>, |item| item.ok());
ends!(MTx<mpsc::Array<u64>>, |sent| sent.is_ok(), Rx<mpsc::Array<u64>>, |item| item.ok());
ends!(Tx<spsc::Array<u64>>, |sent| sent.is_ok(), Rx<spsc::Array<u64>>, |item| item.ok());
ends!(std::sync::mpsc::SyncSender<u64>, |sent| sent.is_ok(), std::sync::mpsc::Receiver<u64>, |item| item.ok());

/// crossbeam's channel in either of its kinds.
#[derive(Debug)]
pub struct Crossbeam<const BOUNDED: bool>;

impl<const BOUNDED: bool> Subject for Crossbeam<BOUNDED> {
    const NAME: &'static str = if BOUNDED { "crossbeam channel, bounded" } else { "crossbeam channel, unbounded" };
    type Producer = crossbeam_channel::Sender<u64>;
    type Consumer = crossbeam_channel::Receiver<u64>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) =
            if BOUNDED { crossbeam_channel::bounded(capacity) } else { crossbeam_channel::unbounded() };
        (vec![sender; producers], vec![receiver; consumers])
    }
}

/// flume, bounded.
#[derive(Debug)]
pub struct Flume;

impl Subject for Flume {
    const NAME: &'static str = "flume, bounded";
    type Producer = flume::Sender<u64>;
    type Consumer = flume::Receiver<u64>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) = flume::bounded(capacity);
        (vec![sender; producers], vec![receiver; consumers])
    }
}

/// kanal, bounded.
#[derive(Debug)]
pub struct Kanal;

impl Subject for Kanal {
    const NAME: &'static str = "kanal, bounded";
    type Producer = kanal::Sender<u64>;
    type Consumer = kanal::Receiver<u64>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) = kanal::bounded(capacity);
        (vec![sender; producers], vec![receiver; consumers])
    }
}

/// crossfire for many producers and many consumers, bounded.
#[derive(Debug)]
pub struct Crossfire;

impl Subject for Crossfire {
    const NAME: &'static str = "crossfire mpmc, bounded";
    type Producer = MTx<mpmc::Array<u64>>;
    type Consumer = MRx<mpmc::Array<u64>>;

    fn open(capacity: usize, producers: usize, consumers: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) = mpmc::bounded_blocking(capacity);
        (vec![sender; producers], vec![receiver; consumers])
    }
}

/// crossfire for many producers and one consumer, bounded.
#[derive(Debug)]
pub struct CrossfireMpsc;

/// The name of crossfire's channel for many producers and one consumer in the tables.
pub const CROSSFIRE_MPSC: &str = "crossfire mpsc, bounded";

impl Subject for CrossfireMpsc {
    const NAME: &'static str = CROSSFIRE_MPSC;
    const CONSUMERS: usize = 1;
    type Producer = MTx<mpsc::Array<u64>>;
    type Consumer = Rx<mpsc::Array<u64>>;

    fn open(capacity: usize, producers: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) = mpsc::bounded_blocking(capacity);
        (vec![sender; producers], vec![receiver])
    }
}

/// crossfire for one producer and one consumer, bounded.
#[derive(Debug)]
pub struct CrossfireSpsc;

impl Subject for CrossfireSpsc {
    const NAME: &'static str = "crossfire spsc, bounded";
    const PRODUCERS: usize = 1;
    const CONSUMERS: usize = 1;
    type Producer = Tx<spsc::Array<u64>>;
    type Consumer = Rx<spsc::Array<u64>>;

    fn open(capacity: usize, _: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) = spsc::bounded_blocking(capacity);
        (vec![sender], vec![receiver])
    }
}

/// The standard library's bounded channel, whose receiver cannot be shared.
#[derive(Debug)]
pub struct Standard;

impl Subject for Standard {
    const NAME: &'static str = "std sync_channel";
    const CONSUMERS: usize = 1;
    type Producer = std::sync::mpsc::SyncSender<u64>;
    type Consumer = std::sync::mpsc::Receiver<u64>;

    fn open(capacity: usize, producers: usize, _: usize) -> (Vec<Self::Producer>, Vec<Self::Consumer>) {
        let (sender, receiver) = std::sync::mpsc::sync_channel(capacity);
        (vec![sender; producers], vec![receiver])
    }
}
