//! Channels between tasks: what one offers to take part, and the loops that are measured. The receiver is a
//! task of its own, as the senders are, in a runtime of tokio with two threads.

use crate::contest::{Contest, Sample};
use std::thread;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

/// A bounded channel of `u64` between tasks.
pub trait Channel {
    /// The name in the tables.
    const NAME: &'static str;
    /// The end that sends.
    type Sender: Sends;
    /// The end that receives.
    type Receiver: Receives;

    /// Opens a channel with room for `capacity` items and as many senders as asked for.
    fn open(capacity: usize, senders: usize) -> (Vec<Self::Sender>, Self::Receiver);
}

/// The end that sends.
pub trait Sends: Send + 'static {
    /// Sends an item, and waits for room.
    fn send(&mut self, item: u64) -> impl Future<Output = ()> + Send;
}

/// The end that receives.
pub trait Receives: Send + 'static {
    /// Receives an item, and waits for one.
    fn recv(&mut self) -> impl Future<Output = u64> + Send;
}

/// An end with which a thread sends, too.
pub trait SendsAsThread: Sends {
    /// Sends an item, and blocks until there is room.
    fn send_as_thread(&mut self, item: u64);
}

/// An end that receives several items at once.
pub trait ReceivesMany: Receives {
    /// Receives up to `max` items, and waits for the first.
    fn recv_many(&mut self, max: usize) -> impl Future<Output = Vec<u64>> + Send;
}

/// The runtime of all contenders.
///
/// # Panics
/// If the system gives no threads.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().expect("the system gives two threads")
}

/// How many bits of an item number it among those of its sender.
const NUMBER: u32 = 40;

/// Checks that the items of each sender come in their order, and each once.
struct Order {
    next: Vec<u64>,
    wrong: u64,
}

impl Order {
    fn of(senders: usize) -> Self {
        Self { next: vec![0; senders], wrong: 0 }
    }

    fn see(&mut self, item: u64) {
        let next = &mut self.next[(item >> NUMBER) as usize];
        self.wrong += u64::from(item & ((1 << NUMBER) - 1) != *next);
        *next += 1;
    }
}

/// Sends `items` items from so many tasks to one, which takes them as `receive` does.
fn pass<C: Channel, R: Future<Output = u64> + Send + 'static>(
    runtime: &Runtime,
    capacity: usize,
    senders: usize,
    items: u64,
    receive: impl FnOnce(C::Receiver, u64) -> R,
) -> Sample {
    let each = items.div_ceil(senders as u64);
    let items = each * senders as u64;
    let (ends, receiver) = C::open(capacity, senders);
    let receive = receive(receiver, items);
    runtime.block_on(async {
        let begun = Instant::now();
        let receiving = tokio::spawn(receive);
        for (sender, mut end) in ends.into_iter().enumerate() {
            tokio::spawn(async move {
                for number in 0..each {
                    end.send((sender as u64) << NUMBER | number).await;
                }
                end // it closes the channel only when all is done
            });
        }
        let wrong = receiving.await.expect("the receiver does not panic");
        Sample { elapsed: begun.elapsed(), items, wrong }
    })
}

impl<'a> Contest<'a> {
    /// Adds a channel from a thread to a task.
    pub fn from_thread<C: Channel<Sender: SendsAsThread>>(self, runtime: &'a Runtime, capacity: usize) -> Self {
        self.contender(C::NAME, move |items| {
            let (mut ends, mut receiver) = C::open(capacity, 1);
            thread::scope(|scope| {
                let begun = Instant::now();
                let sender = scope.spawn(move || {
                    for end in &mut ends {
                        (0..items).for_each(|number| end.send_as_thread(number));
                    }
                    ends // it closes the channel only when all is done
                });
                let received = runtime.spawn(async move {
                    let mut order = Order::of(1);
                    for _ in 0..items {
                        order.see(receiver.recv().await);
                    }
                    order.wrong
                });
                let wrong = runtime.block_on(received).expect("the receiver does not panic");
                let elapsed = begun.elapsed();
                drop(sender.join());
                Sample { elapsed, items, wrong }
            })
        })
    }

    /// Adds a channel between two threads that are no runtime: each polls its end, and parks.
    pub fn without_runtime<C: Channel>(self, capacity: usize) -> Self {
        self.contender(C::NAME, move |items| {
            let (mut ends, mut receiver) = C::open(capacity, 1);
            thread::scope(|scope| {
                let begun = Instant::now();
                let sender = scope.spawn(move || {
                    pollster::block_on(async {
                        for end in &mut ends {
                            for number in 0..items {
                                end.send(number).await;
                            }
                        }
                    });
                    ends
                });
                let mut order = Order::of(1);
                pollster::block_on(async {
                    for _ in 0..items {
                        order.see(receiver.recv().await);
                    }
                });
                let elapsed = begun.elapsed();
                drop(sender.join());
                Sample { elapsed, items, wrong: order.wrong }
            })
        })
    }

    /// Adds a channel from so many tasks to one.
    pub fn tasks<C: Channel>(self, runtime: &'a Runtime, capacity: usize, senders: usize) -> Self {
        self.contender(C::NAME, move |items| {
            pass::<C, _>(runtime, capacity, senders, items, |mut receiver, items| async move {
                let mut order = Order::of(senders);
                for _ in 0..items {
                    order.see(receiver.recv().await);
                }
                order.wrong
            })
        })
    }

    /// The same; the receiver takes up to `max` at once.
    pub fn many<C: Channel<Receiver: ReceivesMany>>(
        self,
        runtime: &'a Runtime,
        capacity: usize,
        name: &str,
        max: usize,
    ) -> Self {
        self.contender(name, move |items| {
            pass::<C, _>(runtime, capacity, 1, items, |mut receiver, items| async move {
                let mut order = Order::of(1);
                let mut left = items;
                while left > 0 {
                    let received = receiver.recv_many(max).await;
                    left -= received.len() as u64;
                    received.into_iter().for_each(|item| order.see(item));
                }
                order.wrong
            })
        })
    }
}
