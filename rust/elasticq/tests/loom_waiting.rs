//! Models of the list of waiters, alone and under the queues: waiters that register, leave, are woken, and
//! never look.
#![cfg(all(loom, feature = "lock_free", feature = "priority"))]

#[path = "support/model.rs"]
mod support;

use elasticq::{
    Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts, Signal, Waiter,
};
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread::{self, JoinHandle};
use std::mem::forget;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use support::{between, large_model, model};

/// The smallest queue: a number of things, and a signal.
struct Pot(Mutex<usize>, Signal);

impl Pot {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(0), Signal::new()))
    }

    fn put(&self) {
        let things = {
            let mut things = self.0.lock().unwrap();
            *things += 1;
            *things
        };
        if self.1.has_sleepers() {
            self.1.wake(things);
        }
    }

    fn try_take(&self) -> bool {
        let mut things = self.0.lock().unwrap();
        let taken = *things > 0;
        *things -= usize::from(taken);
        taken
    }

    fn take(&self) {
        while !self.try_take() {
            let mut waiter = self.1.waiter();
            if self.try_take() {
                return;
            }
            assert!(waiter.wait_until(None));
        }
    }
}

fn with<R: 'static>(pot: &Arc<Pot>, act: impl FnOnce(&Pot) -> R + 'static) -> JoinHandle<R> {
    let pot = Arc::clone(pot);
    thread::spawn(move || act(&pot))
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waiter that sleeps and will not look when it is woken.
fn asleep(signal: &Signal) -> Waiter<'_> {
    let mut waiter = signal.waiter();
    assert!(poll(&mut waiter, Waker::noop()).is_pending());
    waiter
}

#[test]
fn two_who_come_and_one_who_wakes_miss_nothing() {
    model(|| {
        let pot = Pot::new();
        let takers = [with(&pot, Pot::take), with(&pot, Pot::take)];
        pot.put();
        pot.put();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
    });
}

#[test]
fn who_leaves_while_it_is_woken_passes_the_wake_up_on() {
    model(|| {
        let pot = Pot::new();
        let leaver = with(&pot, |pot| drop(pot.1.waiter()));
        let taker = with(&pot, Pot::take);
        pot.put();
        leaver.join().unwrap();
        taker.join().unwrap();
    });
}

/// Two waiters are woken, for two things. Each of them that leaves makes another waiter come.
#[test]
fn who_leaves_while_another_wake_comes_passes_its_own_on() {
    model(|| {
        let pot = Pot::new();
        let putter = with(&pot, |pot| {
            pot.put();
            pot.put();
        });
        let taker = with(&pot, Pot::take);
        let leavers = (pot.1.waiter(), pot.1.waiter());
        drop(leavers.0);
        drop(leavers.1);
        putter.join().unwrap();
        taker.join().unwrap();
    });
}

#[test]
fn a_waker_that_is_replaced_while_it_is_woken_is_woken_or_the_poll_is_ready() {
    model(|| {
        let pot = Pot::new();
        let mut waiter = asleep(&pot.1);
        let putter = with(&pot, Pot::put);
        let calls = Arc::new(Calls(AtomicUsize::new(0)));
        let ready = poll(&mut waiter, &Waker::from(Arc::clone(&calls))).is_ready();
        putter.join().unwrap();
        assert_eq!(calls.0.load(Ordering::SeqCst), usize::from(!ready));
    });
}

#[test]
fn one_that_never_looks_costs_no_more_than_its_own_wake_up() {
    model(|| {
        let pot = Pot::new();
        let kept = asleep(&pot.1);
        let taker = with(&pot, Pot::take);
        let putter = with(&pot, Pot::put);
        pot.put();
        taker.join().unwrap();
        putter.join().unwrap();
        forget(kept); // if dropped, it would pass its wake-up on
    });
}

/// The thing that this waiter was woken for was taken by another thread. Each waiter that registers later has
/// seen that it is gone. So the first waiter is not counted on for the next thing.
#[test]
fn one_that_never_looks_costs_one_wake_up_and_not_the_next() {
    model(|| {
        let pot = Pot::new();
        let kept = asleep(&pot.1);
        pot.put();
        assert!(pot.try_take());
        let takers = [with(&pot, Pot::take), with(&pot, Pot::take)];
        pot.put();
        pot.put();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        forget(kept);
    });
}

#[test]
fn a_thread_that_waits_at_two_lists_is_woken_from_either() {
    model(|| {
        let pots = [Pot::new(), Pot::new()];
        let putters = [with(&pots[0], Pot::put), with(&pots[1], Pot::put)];
        let mut taken = 0;
        while taken < 2 {
            let mut waiters = pots.each_ref().map(|pot| pot.1.waiter());
            let found = pots.iter().filter(|pot| pot.try_take()).count();
            if found == 0 {
                assert!(Waiter::wait_for_any(&mut waiters, None).is_some());
            }
            taken += found;
        }
        putters.into_iter().for_each(|putter| putter.join().unwrap());
    });
}

/// The same promises in the queues. Each end that is forgotten was polled once.
macro_rules! forgotten {
    ($($name:ident: $queue:ident)*) => {$(
        mod $name {
            use super::*;

            fn queue(max: usize) -> $queue<u32> {
                $queue::new(between(max, max)).unwrap()
            }

            /// The first item may be for the end that was forgotten.
            #[test]
            #[allow(unused_mut)]
            fn items_reach_the_task_behind_one_that_was_forgotten() {
                large_model(|| {
                    let (mut producer, mut consumer) = queue(2).split();
                    let mut kept = Box::pin(consumer.recv());
                    assert!(poll(&mut kept, Waker::noop()).is_pending());
                    forget(kept);
                    let thread = thread::spawn(move || {
                        producer.try_enqueue(1).unwrap();
                        producer.try_enqueue(2).unwrap();
                        producer
                    });
                    assert_eq!(block_on(consumer.recv()), Ok(1));
                    drop(thread.join().unwrap());
                });
            }

            /// The forgotten task was woken for the first item, in time or when that item was gone. The next
            /// item is for the other task.
            #[test]
            #[allow(unused_mut)]
            fn one_that_was_woken_late_and_is_forgotten_costs_nothing_more() {
                large_model(|| {
                    let (mut producer, mut consumer) = queue(4).split();
                    let calls = Arc::new(Calls(AtomicUsize::new(0)));
                    let mut kept = Box::pin(consumer.recv());
                    assert!(poll(&mut kept, &Waker::from(Arc::clone(&calls))).is_pending());
                    forget(kept);
                    let thread = thread::spawn(move || {
                        producer.try_enqueue(1).unwrap();
                        if calls.0.load(Ordering::SeqCst) == 0 {
                            producer.try_enqueue(2).unwrap(); // this one may be for the forgotten task
                        }
                        producer.try_enqueue(3).unwrap();
                        producer
                    });
                    assert_eq!(block_on(consumer.recv()), Ok(1));
                    assert!(block_on(consumer.recv()).is_ok());
                    drop(thread.join().unwrap());
                });
            }

            #[test]
            #[allow(unused_mut)]
            fn room_reaches_the_task_behind_one_that_was_forgotten() {
                large_model(|| {
                    let (mut producer, mut consumer) = queue(2).split();
                    producer.offer_batch(vec![1, 2]).unwrap();
                    let mut kept = Box::pin(producer.send(3));
                    assert!(poll(&mut kept, Waker::noop()).is_pending());
                    forget(kept);
                    let thread = thread::spawn(move || {
                        assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
                        assert_eq!(consumer.try_dequeue(), Ok(Some(2)));
                        consumer
                    });
                    block_on(producer.send(4)).unwrap();
                    assert_eq!(thread.join().unwrap().try_dequeue(), Ok(Some(4)));
                });
            }
        }
    )*};
}

forgotten! {
    mpsc: LockFreeMPSCQueue
    mpmc: LockFreeMPMCQueue
    spsc: LockFreeSPSCQueue
}

#[test]
fn items_one_by_one_reach_the_thread_behind_one_that_never_looks() {
    model(|| {
        let buffer = Arc::new(DynamicCircularBuffer::new(Config::default()).unwrap());
        let mut kept = buffer.wait_for_item();
        assert!(poll(&mut kept, Waker::noop()).is_pending());
        let consumer = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.pop_within(support::FOREVER).unwrap())
        };
        buffer.push(1).unwrap();
        buffer.push(2).unwrap();
        assert_eq!(consumer.join().unwrap(), 1);
        forget(kept);
    });
}
