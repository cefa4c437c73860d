//! Waiters that hold their queue, a thread that waits at several queues, and the report of who waits since
//! when.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use elasticq::{Parts, Signal, Waiter, Waiters};
use queues::{Queue, counting, of_all_five, of_all_six, poll, until};
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

of_all_five! {
    an_owned_waiter_keeps_its_queue_and_is_woken
    the_last_waiter_may_take_its_queue_along
    a_thread_waits_for_any_of_several
    a_thread_that_waited_for_several_in_vain_keeps_its_places
    a_task_waits_for_any_of_several
    one_of_several_that_was_woken_as_well_passes_it_on
    who_waits_and_since_when
}

of_all_six! {
    who_is_stuck_is_told_of_both_ends
}

fn an_owned_waiter_keeps_its_queue_and_is_woken<Q: Queue>() {
    let queue = Q::of(1);
    let (calls, waker) = counting();
    let mut item = Arc::clone(&queue).owned_wait_for_item();
    assert!(poll(&mut item, &waker).is_pending());
    queue.put(&[1]);
    let mut room = Arc::clone(&queue).owned_wait_for_room();
    assert!(poll(&mut room, &waker).is_pending());
    assert_eq!((queue.take(1), calls.count()), (vec![1], 2));
    assert!(poll(&mut item, &waker).is_ready() && poll(&mut room, &waker).is_ready());
    assert_eq!(Arc::strong_count(&queue), 3);
    drop((item, room));
    assert_eq!((Arc::strong_count(&queue), queue.asleep()), (1, (0, 0)));
}

fn the_last_waiter_may_take_its_queue_along<Q: Queue>() {
    let queue = Q::of(1);
    let weak = Arc::downgrade(&queue);
    let mut waiters = [Arc::clone(&queue).owned_wait_for_item(), Arc::clone(&queue).owned_wait_for_item()];
    assert!(poll(&mut waiters[0], Waker::noop()).is_pending());
    queue.put(&[1]);
    drop(queue);
    drop(waiters); // the first waiter passes its wake-up on
    assert!(weak.upgrade().is_none());
}

fn a_thread_waits_for_any_of_several<Q: Queue>() {
    let queues = [Q::of(1), Q::of(1), Q::of(1)];
    let (first, second) = (Arc::clone(&queues[0]), Arc::clone(&queues[2]));
    let thread = thread::spawn(move || {
        let mut waiters = [first.wait_for_item(), second.wait_for_item()];
        Waiter::wait_for_any(&mut waiters, None)
    });
    until(|| queues[2].who_sleeps().0.threads == 1);
    queues[1].put(&[1]); // no thread waits for this one
    queues[2].put(&[1]);
    assert_eq!(thread.join().unwrap(), Some(1));
    assert!(queues.iter().all(|queue| queue.asleep() == (0, 0)));
}

fn a_thread_that_waited_for_several_in_vain_keeps_its_places<Q: Queue>() {
    let queues = [Q::of(1), Q::of(1)];
    let mut waiters = queues.each_ref().map(|queue| queue.wait_for_item());
    let soon = Instant::now() + Duration::from_millis(1);
    assert_eq!(Waiter::wait_for_any(&mut waiters, Some(soon)), None);
    assert!(queues.iter().all(|queue| queue.asleep().0 == 1 && queue.who_sleeps().0.threads == 0));
    queues[1].put(&[1]);
    assert_eq!(Waiter::wait_for_any(&mut waiters, Some(soon)), Some(1));
    assert_eq!(Waiter::wait_for_any(&mut [], Some(soon)), None);
}

fn a_task_waits_for_any_of_several<Q: Queue>() {
    let queues = [Q::of(1), Q::of(1)];
    let mut waiters = queues.each_ref().map(|queue| queue.wait_for_item());
    let (calls, waker) = counting();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
    queues[1].put(&[1]);
    assert_eq!(calls.count(), 1);
    assert!(poll(&mut waiters[0], &waker).is_pending() && poll(&mut waiters[1], &waker).is_ready());
    assert!(poll(&mut waiters[1], &waker).is_ready(), "it stays ready");
}

fn one_of_several_that_was_woken_as_well_passes_it_on<Q: Queue>() {
    let queues = [Q::of(1), Q::of(1)];
    let mut waiters = queues.each_ref().map(|queue| queue.wait_for_item());
    let mut next = queues[1].wait_for_item();
    let (calls, waker) = counting();
    assert!(poll(&mut next, &waker).is_pending());
    queues.iter().for_each(|queue| queue.put(&[1]));
    assert_eq!(Waiter::wait_for_any(&mut waiters, None), Some(0));
    assert_eq!(calls.count(), 0);
    drop(waiters);
    assert_eq!(calls.count(), 1);
}

fn who_waits_and_since_when<Q: Queue>() {
    let queue = Q::of(1);
    let before = Instant::now();
    let registered = queue.wait_for_item(); // does not sleep, so it reads no clock and is not counted
    assert_eq!((queue.who_sleeps().0.longest, queue.asleep().0), (None, 1));
    let mut task = queue.wait_for_item();
    assert!(poll(&mut task, Waker::noop()).is_pending());
    let slept = Instant::now();
    let thread = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.wait_for_item().wait_until(None))
    };
    until(|| queue.who_sleeps().0.threads == 1);
    let (items, room) = queue.who_sleeps();
    assert_eq!((items.tasks, room.threads, room.tasks, room.longest), (1, 0, 0, None));
    let longest = items.longest.unwrap();
    assert!(slept.elapsed() >= longest.saturating_sub(slept - before) && longest <= before.elapsed());
    queue.close();
    assert!(thread.join().unwrap());
    assert_eq!(queue.who_sleeps().0.longest, None);
    drop((registered, task));
}

fn who_is_stuck_is_told_of_both_ends<Q: Queue>() {
    let queue = Q::of(1);
    assert_eq!(Parts::waiters(&*queue), Waiters::default());
    let begun = Instant::now();
    let [mut item, mut room, mut bulk] = [queue.wait_for_item(), queue.wait_for_room(), queue.wait_for_bulk_room()];
    for waiter in [&mut item, &mut room, &mut bulk] {
        assert!(poll(waiter, Waker::noop()).is_pending());
    }
    let thread = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.wait_for_room().wait_until(None))
    };
    until(|| Parts::waiters(&*queue).room.threads == 1);
    let waiters = Parts::waiters(&*queue);
    assert_eq!([waiters.item.threads, waiters.item.tasks, waiters.room.threads, waiters.room.tasks], [0, 1, 1, 2]);
    assert!([waiters.item, waiters.room].iter().all(|end| end.longest.is_some_and(|wait| wait <= begun.elapsed())));
    // The method of the type itself tells the same, and needs no trait.
    let own = queue.own_waiters();
    assert_eq!([own.item.threads, own.item.tasks, own.room.threads, own.room.tasks], [0, 1, 1, 2]);
    queue.close();
    assert!(thread.join().unwrap());
    drop((item, room, bulk));
    assert_eq!(queue.own_waiters(), Waiters::default());
}

#[test]
fn a_long_list_keeps_its_order_when_some_of_it_leave() {
    let signal = Signal::new();
    for _ in 0..2 {
        let mut waiters: Vec<_> = (0..1000).map(|_| signal.waiter()).collect();
        let (calls, waker) = counting();
        assert!(waiters.iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
        // Every third waiter leaves. Of the others, the first are woken, in order.
        let mut number = 0;
        waiters.retain(|_| {
            number += 1;
            number % 3 != 0
        });
        signal.wake(500);
        assert_eq!(calls.count(), 500);
        assert!(waiters[..500].iter_mut().all(|waiter| poll(waiter, &waker).is_ready()));
        assert!(waiters[500..].iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
        drop(waiters);
        assert_eq!(signal.sleepers(), 0);
    }
}
