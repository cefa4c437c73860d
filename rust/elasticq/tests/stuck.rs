//! A waiter that was woken and never looks (a future that is kept and not polled) costs the wake-up of one
//! item or place, once. Beside n such waiters, all other wake-ups reach a waiter that looks.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use queues::{PATIENCE, Queue, counting, of_all_five, poll, until};
use std::sync::Arc;
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Instant;

of_all_five! {
    items_reach_a_task_and_a_thread_past_a_future_that_is_not_polled
    items_that_come_one_by_one_reach_who_waits_behind_it
    room_reaches_a_task_and_a_thread_past_a_future_that_is_not_polled
    room_that_comes_one_by_one_reaches_who_waits_behind_it
    one_that_never_looks_costs_one_wake_up_and_not_the_next
    so_many_are_woken_as_there_are_items
    a_burst_wakes_a_single_consumer_once
    one_that_is_dropped_passes_on_what_it_was_woken_for
}

/// Starts a thread that waits for an item and takes it. The thread sleeps when this returns.
fn taker<Q: Queue>(queue: &Arc<Q>) -> JoinHandle<Vec<u32>> {
    let (before, own) = (queue.who_sleeps().0.threads, Arc::clone(queue));
    let thread = thread::spawn(move || {
        loop {
            let mut waiter = own.wait_for_item();
            let taken = own.take(1);
            if !taken.is_empty() {
                return taken;
            }
            assert!(waiter.wait_until(Some(Instant::now() + PATIENCE)), "it sleeps beside an item");
        }
    });
    until(|| queue.who_sleeps().0.threads == before + 1);
    thread
}

/// Starts a thread that waits for room. The thread sleeps when this returns.
fn putter<Q: Queue>(queue: &Arc<Q>) -> JoinHandle<()> {
    let (before, own) = (queue.who_sleeps().1.threads, Arc::clone(queue));
    let thread = thread::spawn(move || {
        let mut waiter = own.wait_for_room();
        assert!(waiter.wait_until(Some(Instant::now() + PATIENCE)), "it sleeps beside room");
    });
    until(|| queue.who_sleeps().1.threads == before + 1);
    thread
}

fn items_reach_a_task_and_a_thread_past_a_future_that_is_not_polled<Q: Queue>() {
    let queue = Q::of(8);
    let mut kept = queue.wait_for_item();
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    let (calls, waker) = counting();
    let mut task = queue.wait_for_item();
    assert!(poll(&mut task, &waker).is_pending());
    let thread = taker(&queue);
    queue.put(&[1, 2, 3]);
    assert_eq!(calls.count(), 1);
    assert!(poll(&mut task, &waker).is_ready());
    assert_eq!(thread.join().unwrap().len(), 1);
    assert_eq!(queue.take(8).len(), 2);
}

fn items_that_come_one_by_one_reach_who_waits_behind_it<Q: Queue>() {
    let queue = Q::of(8);
    let mut kept = queue.wait_for_item();
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    let (calls, waker) = counting();
    let mut task = queue.wait_for_item();
    assert!(poll(&mut task, &waker).is_pending());
    let thread = taker(&queue);
    queue.put(&[1]);
    assert_eq!(calls.count(), 0);
    queue.put(&[2]);
    assert_eq!(calls.count(), 1);
    queue.put(&[3]);
    assert_eq!(thread.join().unwrap(), [1]);
}

fn room_reaches_a_task_and_a_thread_past_a_future_that_is_not_polled<Q: Queue>() {
    let queue = Q::of(4);
    queue.put(&[1, 2, 3, 4]);
    let mut kept = queue.wait_for_room();
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    let (calls, waker) = counting();
    let mut task = queue.wait_for_room();
    assert!(poll(&mut task, &waker).is_pending());
    let thread = putter(&queue);
    assert_eq!(queue.take(3), [1, 2, 3]);
    assert_eq!(calls.count(), 1);
    thread.join().unwrap();
}

fn room_that_comes_one_by_one_reaches_who_waits_behind_it<Q: Queue>() {
    let queue = Q::of(4);
    queue.put(&[1, 2, 3, 4]);
    let mut kept = queue.wait_for_room();
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    let (calls, waker) = counting();
    let mut task = queue.wait_for_room();
    assert!(poll(&mut task, &waker).is_pending());
    let thread = putter(&queue);
    assert_eq!((queue.take(1), calls.count()), (vec![1], 0));
    assert_eq!((queue.take(1), calls.count()), (vec![2], 1));
    assert_eq!(queue.take(1), [3]);
    thread.join().unwrap();
}

/// The item that the first waiter was woken for is gone, as each waiter that registers later has seen. So the
/// first waiter is not counted on for the next item.
fn one_that_never_looks_costs_one_wake_up_and_not_the_next<Q: Queue>() {
    let queue = Q::of(8);
    let mut kept = queue.wait_for_item();
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    queue.put(&[1]);
    assert_eq!(queue.take(1), [1]);
    for number in 2..5 {
        let [(first_calls, first_waker), (second_calls, second_waker)] = [counting(), counting()];
        let [mut first, mut second] = [queue.wait_for_item(), queue.wait_for_item()];
        assert!(poll(&mut first, &first_waker).is_pending());
        assert!(poll(&mut second, &second_waker).is_pending());
        queue.put(&[number]);
        assert_eq!((first_calls.count(), second_calls.count()), (1, 0));
        assert!(poll(&mut first, &first_waker).is_ready());
        assert_eq!(queue.take(1), [number]);
    }
}

fn so_many_are_woken_as_there_are_items<Q: Queue>() {
    let queue = Q::of(100);
    let mut waiters: Vec<_> = (0..60).map(|_| queue.wait_for_item()).collect();
    let (calls, waker) = counting();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
    for number in 1..=10 {
        queue.put(&[0]);
        assert_eq!(calls.count(), number);
    }
    queue.put(&[0; 40]);
    assert_eq!((calls.count(), queue.asleep().0), (50, 10));
    // They were woken in the order in which they came.
    assert!(waiters[..50].iter_mut().all(|waiter| poll(waiter, &waker).is_ready()));
    assert!(waiters[50..].iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
}

fn a_burst_wakes_a_single_consumer_once<Q: Queue>() {
    let queue = Q::of(100);
    let mut waiter = queue.wait_for_item();
    let (calls, waker) = counting();
    assert!(poll(&mut waiter, &waker).is_pending());
    (0..100).for_each(|number| queue.put(&[number]));
    assert_eq!((calls.count(), queue.asleep().0), (1, 0));
}

fn one_that_is_dropped_passes_on_what_it_was_woken_for<Q: Queue>() {
    let queue = Q::of(8);
    let (calls, waker) = counting();
    let mut waiters: Vec<_> = (0..4).map(|_| queue.wait_for_item()).collect();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
    queue.put(&[1, 2]);
    assert_eq!(calls.count(), 2);
    waiters.drain(..2); // both were woken, and there are two items
    assert_eq!(calls.count(), 4);
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, &waker).is_ready()));
}
