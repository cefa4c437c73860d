//! Waiting for several queues at once, for every kind of queue.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts, Select, Waiter};
use pollster::block_on;
use queues::{Calls, PATIENCE, Queue, counting, of_all_six, poll, poll_into_line, until};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

of_all_six! {
    it_says_which_queue_has_given_the_item
    queues_take_turns
    an_ordered_one_begins_at_the_first_queue
    closed_queues_are_skipped_until_all_are
    it_waits_no_longer_than_it_may
    without_queues_there_is_nothing_to_wait_for
    a_queue_may_be_there_twice
    an_item_in_either_queue_ends_the_wait_of_a_thread
    an_item_in_either_queue_ends_the_wait_of_a_task
    closing_ends_the_wait_when_it_closes_the_last
    one_item_wakes_one_of_those_who_wait_for_it
    one_that_takes_another_item_passes_its_wake_up_on
    one_that_is_dropped_passes_its_wake_up_on
    threads_that_select_share_all_items
    nobody_is_left_in_a_line
}

fn two<Q: Queue>() -> (Arc<Q>, Arc<Q>) {
    let queues = (Q::of(64), Q::of(64));
    // Queues in files make their first files now, so that later their items can mostly be had at once.
    for queue in [&queues.0, &queues.1] {
        queue.put(&[1]);
        assert_eq!(queue.take(1), [1]);
    }
    queues
}

fn over<'a, Q: Queue>(first: &'a Arc<Q>, second: &'a Arc<Q>) -> Select<'a, u32> {
    Select::new().with(&**first).with(&**second)
}

/// Somebody who waits for this queue alone.
fn waiting<Q: Queue>(queue: &Q) -> (Arc<Calls>, Waiter<'_>) {
    let ((calls, waker), mut waiter) = (counting(), queue.wait_for_item());
    assert!(poll(&mut waiter, &waker).is_pending());
    (calls, waiter)
}

fn it_says_which_queue_has_given_the_item<Q: Queue>() {
    let (first, second) = two::<Q>();
    let mut select = over(&first, &second);
    assert_eq!(select.try_pop(), Err(BufferError::Empty));
    second.put(&[7]);
    assert_eq!(select.try_pop(), Ok((1, 7)));
    first.put(&[8]);
    assert_eq!(select.pop(), Ok((0, 8)));
    second.put(&[9]);
    assert_eq!(block_on(select.recv()), Ok((1, 9)));
    assert_eq!(select.try_pop(), Err(BufferError::Empty));
    // A mix of kinds, and of items.
    let words = DynamicCircularBuffer::new(Config::default()).unwrap();
    let shared: Arc<dyn Parts<u32>> = Arc::clone(&first) as _;
    let mut select = Select::new().with_map(&words, str::len).with_map(&*shared, |number: u32| number as usize);
    words.push("three").unwrap();
    assert_eq!(select.pop(), Ok((0, 5)));
    shared.offer(6).unwrap();
    assert_eq!(select.pop(), Ok((1, 6)));
}

fn queues_take_turns<Q: Queue>() {
    let (first, second) = two::<Q>();
    first.put(&[0, 1, 2]);
    second.put(&[10, 11]);
    let mut select = over(&first, &second);
    let taken: Vec<_> = (0..5).map(|_| select.pop().unwrap()).collect();
    assert_eq!(taken, [(0, 0), (1, 10), (0, 1), (1, 11), (0, 2)]);
}

fn an_ordered_one_begins_at_the_first_queue<Q: Queue>() {
    let (first, second) = two::<Q>();
    first.put(&[0, 1]);
    second.put(&[10, 11]);
    let mut select = over(&first, &second).ordered();
    assert_eq!((select.pop(), select.pop(), select.pop()), (Ok((0, 0)), Ok((0, 1)), Ok((1, 10))));
    first.put(&[2]);
    assert_eq!((select.pop(), select.pop()), (Ok((0, 2)), Ok((1, 11))));
}

fn closed_queues_are_skipped_until_all_are<Q: Queue>() {
    let (first, second) = two::<Q>();
    first.put(&[1]);
    first.close();
    let mut select = over(&first, &second);
    assert_eq!(select.try_pop(), Ok((0, 1)));
    assert_eq!(select.try_pop(), Err(BufferError::Empty));
    second.put(&[2]);
    assert_eq!(select.pop(), Ok((1, 2)));
    second.close();
    assert_eq!(select.try_pop(), Err(BufferError::Closed));
    assert_eq!(select.pop(), Err(BufferError::Closed));
    assert_eq!(select.pop_within(PATIENCE), Err(BufferError::Closed));
    assert_eq!(block_on(select.recv()), Err(BufferError::Closed));
}

fn it_waits_no_longer_than_it_may<Q: Queue>() {
    let (first, second) = two::<Q>();
    let mut select = over(&first, &second);
    for brief in [Duration::ZERO, Duration::from_millis(2)] {
        assert_eq!(select.pop_within(brief), Err(BufferError::Timeout(brief)));
    }
    first.put(&[1]);
    assert_eq!(select.pop_within(Duration::ZERO), Ok((0, 1)));
    second.put(&[2]);
    assert_eq!(select.pop_within(Duration::MAX), Ok((1, 2)));
    assert_eq!((first.asleep(), second.asleep()), ((0, 0), (0, 0)));
}

fn without_queues_there_is_nothing_to_wait_for<Q: Queue>() {
    let mut none = Select::<u32>::new();
    let is_refusal = |popped| assert!(matches!(popped, Err(BufferError::InvalidOperation(_))), "{popped:?}");
    is_refusal(none.try_pop());
    is_refusal(none.pop());
    is_refusal(none.pop_within(PATIENCE));
    is_refusal(block_on(none.recv()));
}

fn a_queue_may_be_there_twice<Q: Queue>() {
    let queue = Q::of(64);
    let mut select = over(&queue, &queue);
    queue.put(&[1, 2, 3]);
    assert_eq!((select.pop(), select.pop(), select.pop()), (Ok((0, 1)), Ok((1, 2)), Ok((0, 3))));
    thread::scope(|scope| {
        let popped = scope.spawn(|| select.pop().map(|(_, item)| item));
        until(|| queue.asleep() == (2, 0));
        queue.put(&[4]);
        assert_eq!(popped.join().unwrap(), Ok(4));
    });
    assert_eq!(queue.asleep(), (0, 0));
}

fn an_item_in_either_queue_ends_the_wait_of_a_thread<Q: Queue>() {
    let (first, second) = two::<Q>();
    for (index, queue) in [&first, &second].into_iter().enumerate() {
        thread::scope(|scope| {
            let popped = scope.spawn(|| over(&first, &second).pop());
            until(|| first.asleep() == (1, 0) && second.asleep() == (1, 0));
            queue.put(&[7]);
            assert_eq!(popped.join().unwrap(), Ok((index, 7)));
        });
    }
}

fn an_item_in_either_queue_ends_the_wait_of_a_task<Q: Queue>() {
    let (first, second) = two::<Q>();
    for (index, queue) in [&first, &second].into_iter().enumerate() {
        let mut select = over(&first, &second);
        let (calls, waker) = counting();
        let mut recv = Box::pin(select.recv());
        poll_into_line(&*second, &mut recv, &waker);
        let before = calls.count();
        queue.put(&[7]);
        until(|| calls.count() > before); // the thread of a queue in files may tell it
        assert_eq!(calls.count() - before, 1);
        assert_eq!(block_on(recv), Ok((index, 7)));
    }
}

fn closing_ends_the_wait_when_it_closes_the_last<Q: Queue>() {
    let (first, second) = two::<Q>();
    thread::scope(|scope| {
        let popped = scope.spawn(|| over(&first, &second).pop());
        until(|| first.asleep() == (1, 0) && second.asleep() == (1, 0));
        first.close();
        until(|| second.asleep() == (1, 0));
        second.close();
        assert_eq!(popped.join().unwrap(), Err(BufferError::Closed));
    });
}

fn one_item_wakes_one_of_those_who_wait_for_it<Q: Queue>() {
    let (first, second) = two::<Q>();
    let (calls, waker) = counting();
    let mut selects: Vec<_> = (0..5).map(|_| over(&first, &second)).collect();
    let mut waiting: Vec<_> = selects.iter_mut().map(|select| Box::pin(select.recv())).collect();
    until(|| {
        waiting.iter_mut().for_each(|recv| assert!(poll(recv, &waker).is_pending()));
        second.asleep() == (5, 0)
    });
    let before = calls.count();
    second.put(&[7]);
    until(|| calls.count() > before);
    assert_eq!(calls.count() - before, 1);
    let mut ready = [false; 5];
    until(|| {
        ready = std::array::from_fn(|place| poll(&mut waiting[place], &waker).is_ready());
        ready.contains(&true) // the item of a queue in files may have to be read first
    });
    assert_eq!(ready.iter().filter(|&&ready| ready).count(), 1);
}

fn one_that_takes_another_item_passes_its_wake_up_on<Q: Queue>() {
    let (first, second) = two::<Q>();
    // Somebody who stands before it in the line of the first queue is woken in its place there.
    let _ahead = waiting(&*first);
    let mut select = over(&first, &second).ordered();
    let (calls, waker) = counting();
    let mut recv = Box::pin(select.recv());
    poll_into_line(&*second, &mut recv, &waker);
    let before = calls.count();
    // Another one waits for the second queue alone.
    let (other_calls, _other) = waiting(&*second);
    second.put(&[7]);
    until(|| calls.count() - before + other_calls.count() > 0);
    assert_eq!((calls.count() - before, other_calls.count()), (1, 0));
    first.put(&[8]);
    let taken = block_on(recv);
    if taken == Ok((1, 7)) && first.waits_for_disk() {
        return; // the item of the first queue could not be had at once
    }
    assert_eq!(taken, Ok((0, 8)));
    until(|| other_calls.count() > 0); // nobody else would come for the item
    assert_eq!(second.take(1), [7]);
}

fn one_that_is_dropped_passes_its_wake_up_on<Q: Queue>() {
    let (first, second) = two::<Q>();
    let mut select = over(&first, &second);
    let (_, waker) = counting();
    let mut recv = Box::pin(select.recv());
    poll_into_line(&*second, &mut recv, &waker);
    let (other_calls, _other) = waiting(&*second);
    second.put(&[7]);
    drop(recv);
    assert_eq!(other_calls.count(), 1);
    assert_eq!((first.len(), second.take(1)), (0, vec![7]));
}

fn threads_that_select_share_all_items<Q: Queue>() {
    const EACH: u32 = 2_000;
    // A queue for one consumer is selected over by one thread.
    let is_shared = std::any::type_name::<Q>().contains("MPMC") || std::any::type_name::<Q>().contains("Circular");
    let (first, second) = two::<Q>();
    let mut taken: Vec<u32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..if is_shared { 3 } else { 1 })
            .map(|_| {
                scope.spawn(|| {
                    let (mut select, mut taken) = (over(&first, &second), Vec::new());
                    while let Ok((_, item)) = select.pop() {
                        taken.push(item);
                    }
                    taken
                })
            })
            .collect();
        for (queue, numbers) in [(&first, 0..EACH), (&second, EACH..2 * EACH)] {
            scope.spawn(move || {
                for number in numbers {
                    while queue.offer(number).is_err() {
                        thread::yield_now();
                    }
                }
                queue.close();
            });
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..2 * EACH));
}

fn nobody_is_left_in_a_line<Q: Queue>() {
    let (first, second) = two::<Q>();
    thread::scope(|scope| {
        let popped = scope.spawn(|| over(&first, &second).pop());
        until(|| second.asleep() == (1, 0));
        first.put(&[1]);
        popped.join().unwrap().unwrap();
    });
    assert_eq!((first.asleep(), second.asleep()), ((0, 0), (0, 0)));
}
