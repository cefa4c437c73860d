//! What `Buffer` and `Parts` promise, tested for every buffer through `dyn Parts`. So a layer above that is
//! written once, against the traits, finds the same behaviour everywhere.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use elasticq::{Buffer, BufferError, Config, Parts};
use queues::{PATIENCE, Queue, of_all_five, of_all_six, until};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

of_all_six! {
    items_come_out_in_their_order
    what_is_refused_comes_back_and_is_counted
    a_batch_goes_in_whole_or_not_at_all
    a_batch_that_never_fits_is_refused_at_once
    an_empty_buffer_says_so_and_a_closed_one_too
    what_is_inside_when_it_is_closed_can_still_be_taken
    a_batch_is_no_larger_than_asked_for_and_than_what_is_there
    it_waits_as_long_as_it_is_configured_to
    its_counters_add_up
    what_nobody_gets_is_dropped_and_not_dequeued
    a_glance_says_what_is_there
    what_there_is_can_be_told_once_more
    offering_again_counts_nothing
    an_item_ends_the_wait_of_a_thread
    room_ends_the_wait_of_a_thread
    room_for_many_ends_the_wait_of_one_who_needs_it
    an_owned_waiter_goes_to_another_thread
    closing_ends_every_wait
    who_waits_is_counted
}

// The capacity of the durable queue is its maximum, and it shows its items only where it may read the disk,
// so not in `try_visit`.
of_all_five! {
    it_grows_to_its_maximum_and_comes_back
    looking_shows_the_items_in_order_until_it_is_broken_off
    behind_a_pointer_it_is_the_same
}

fn parts<Q: Queue>(max: usize) -> Arc<dyn Parts<u32>> {
    Q::of(max)
}

fn fill(buffer: &dyn Parts<u32>, numbers: std::ops::Range<u32>) {
    numbers.for_each(|number| buffer.push(number).unwrap());
}

fn items_come_out_in_their_order<Q: Queue>() {
    let buffer = parts::<Q>(64);
    buffer.push(0).unwrap();
    buffer.push_batch(vec![1, 2, 3]).unwrap();
    buffer.offer(4).unwrap();
    assert_eq!((buffer.pop(), buffer.try_pop()), (Ok(0), Ok(1)));
    assert_eq!(buffer.pop_batch(2), Ok(vec![2, 3]));
    assert_eq!(buffer.try_pop_batch(9), Ok(vec![4]));
}

fn what_is_refused_comes_back_and_is_counted<Q: Queue>() {
    let buffer = parts::<Q>(2);
    fill(&*buffer, 0..2);
    let (reason, item) = buffer.offer(7).unwrap_err().into_parts();
    assert_eq!((reason, item), (BufferError::MaxCapacityReached(2), 7));
    assert!(buffer.push(8).unwrap_err().is_capacity_error());
    assert_eq!((buffer.stats().messages_refused, buffer.stats().messages_dropped), (2, 0));
    assert_eq!((buffer.len(), buffer.pop_batch(9)), (2, Ok(vec![0, 1])));
}

fn a_batch_goes_in_whole_or_not_at_all<Q: Queue>() {
    let buffer = parts::<Q>(4);
    fill(&*buffer, 0..2);
    assert_eq!(buffer.push_batch(vec![2, 3, 4]), Err(BufferError::Full));
    let (reason, items) = buffer.offer_batch_again(vec![2, 3, 4]).unwrap_err().into_parts();
    assert_eq!((reason, items), (BufferError::Full, vec![2, 3, 4]));
    buffer.push_batch(vec![2, 3]).unwrap();
    assert_eq!(buffer.pop_batch(9), Ok(vec![0, 1, 2, 3]));
}

fn a_batch_that_never_fits_is_refused_at_once<Q: Queue>() {
    let config = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(2);
    let buffer: Arc<dyn Parts<u32>> = Q::with(config.with_push_timeout(PATIENCE));
    assert_eq!(buffer.push_batch(vec![1, 2, 3]), Err(BufferError::MaxCapacityReached(2)));
    assert!(buffer.is_empty());
}

fn an_empty_buffer_says_so_and_a_closed_one_too<Q: Queue>() {
    let buffer = parts::<Q>(2);
    assert_eq!((buffer.pop(), buffer.try_pop()), (Err(BufferError::Empty), Err(BufferError::Empty)));
    assert_eq!((buffer.pop_batch(2), buffer.try_pop_batch(2)), (Ok(vec![]), Ok(vec![])));
    buffer.close();
    assert!(buffer.is_closed());
    assert_eq!((buffer.pop(), buffer.try_pop()), (Err(BufferError::Closed), Err(BufferError::Closed)));
    assert_eq!((buffer.pop_batch(2), buffer.try_pop_batch(2)), (Err(BufferError::Closed), Err(BufferError::Closed)));
    assert_eq!(buffer.push(1), Err(BufferError::Closed));
    assert_eq!(buffer.offer(1).unwrap_err().into_parts(), (BufferError::Closed, 1));
    assert_eq!(buffer.push_batch(vec![1]), Err(BufferError::Closed));
    buffer.close();
}

fn what_is_inside_when_it_is_closed_can_still_be_taken<Q: Queue>() {
    let buffer = parts::<Q>(4);
    fill(&*buffer, 0..3);
    buffer.close();
    assert_eq!((buffer.pop(), buffer.pop_batch(9), buffer.pop()), (Ok(0), Ok(vec![1, 2]), Err(BufferError::Closed)));
}

fn a_batch_is_no_larger_than_asked_for_and_than_what_is_there<Q: Queue>() {
    let buffer = parts::<Q>(64);
    fill(&*buffer, 0..10);
    assert_eq!(buffer.pop_batch(0), Ok(vec![]));
    assert_eq!(buffer.pop_batch(4), Ok(vec![0, 1, 2, 3]));
    assert_eq!(buffer.pop_batch(usize::MAX).unwrap().len(), 6);
}

fn it_waits_as_long_as_it_is_configured_to<Q: Queue>() {
    let brief = Duration::from_millis(1);
    let config = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    let buffer: Arc<dyn Parts<u32>> = Q::with(config.with_push_timeout(brief).with_pop_timeout(brief));
    assert_eq!((buffer.pop(), buffer.pop_batch(2)), (Err(BufferError::Timeout(brief)), Ok(vec![])));
    assert_eq!(buffer.try_pop(), Err(BufferError::Empty)); // `try_pop` never waits
    buffer.push(1).unwrap();
    assert_eq!(buffer.push(2), Err(BufferError::Timeout(brief)));
    assert_eq!(buffer.push_batch(vec![2]), Err(BufferError::Timeout(brief)));
    // `offer` never waits either.
    assert_eq!(buffer.offer(2).unwrap_err().reason(), &BufferError::MaxCapacityReached(1));
}

fn its_counters_add_up<Q: Queue>() {
    let buffer = parts::<Q>(8);
    fill(&*buffer, 0..6);
    buffer.pop().unwrap();
    buffer.pop_batch(2).unwrap();
    let stats = buffer.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped), (6, 3, 0));
    assert_eq!((stats.current_size, stats.current_capacity), (buffer.len(), buffer.capacity()));
    assert_eq!((buffer.len(), buffer.is_empty(), buffer.max_capacity()), (3, false, 8));
}

fn a_glance_says_what_is_there<Q: Queue>() {
    let buffer = parts::<Q>(8);
    fill(&*buffer, 0..3);
    let glance = buffer.glance().unwrap();
    assert_eq!((glance.len, glance.max_capacity, glance.closed), (3, 8, false));
    buffer.close();
    assert!(buffer.glance().unwrap().closed);
}

/// Accepted, given to somebody, given to nobody, still inside: each accepted item is in one of the last
/// three.
fn what_nobody_gets_is_dropped_and_not_dequeued<Q: Queue>() {
    let buffer = parts::<Q>(8);
    let counts = |buffer: &dyn Parts<u32>| {
        let stats = buffer.stats();
        let left = stats.messages_dequeued + stats.messages_dropped + stats.current_size as u64;
        assert_eq!(stats.messages_enqueued, left, "{stats:?}");
        (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped, stats.messages_refused)
    };
    fill(&*buffer, 0..6);
    buffer.pop().unwrap();
    assert_eq!(buffer.discard(), Ok(vec![1, 2, 3, 4, 5]));
    assert_eq!(counts(&*buffer), (6, 1, 5, 0));
    fill(&*buffer, 0..8);
    assert!(buffer.offer(8).is_err());
    buffer.note_dropped_on_arrival(2);
    assert_eq!(counts(&*buffer), (16, 1, 7, 1));
    buffer.close();
    assert_eq!(buffer.try_pop_batch(8).unwrap().len(), 8);
    assert_eq!((buffer.discard(), counts(&*buffer)), (Ok(vec![]), (16, 9, 7, 1)));
}

/// A waiter that registers after the change that it needs sleeps on, until somebody tells it what there is.
fn what_there_is_can_be_told_once_more<Q: Queue>() {
    let buffer = parts::<Q>(2);
    buffer.push(1).unwrap();
    let now = || Some(std::time::Instant::now());
    let mut waiters = [buffer.wait_for_item(), buffer.wait_for_room()];
    assert!(!waiters.iter_mut().any(|waiter| waiter.wait_until(now())));
    buffer.pass_on();
    assert!(waiters.iter_mut().all(|waiter| waiter.wait_until(now())));
    drop(waiters);
    buffer.push(2).unwrap();
    let mut room = buffer.wait_for_room();
    buffer.pass_on();
    assert!(!room.wait_until(now()), "there is no room to tell of");
}

fn it_grows_to_its_maximum_and_comes_back<Q: Queue>() {
    let buffer = parts::<Q>(100);
    assert_eq!(buffer.capacity(), 1);
    fill(&*buffer, 0..100);
    assert_eq!((buffer.len(), buffer.capacity()), (100, 100));
    assert!(buffer.offer(100).is_err());
    (0..100).for_each(|number| assert_eq!(buffer.pop(), Ok(number)));
    assert_eq!((buffer.len(), buffer.capacity()), (0, 1));
    let stats = buffer.stats();
    assert!(stats.grown > 0 && stats.shrunk > 0);
}

fn offering_again_counts_nothing<Q: Queue>() {
    let buffer = parts::<Q>(1);
    buffer.offer_again(1).unwrap();
    assert_eq!(buffer.offer_again(2).unwrap_err().into_inner(), 2);
    assert_eq!(buffer.offer_batch_again(vec![2]).unwrap_err().into_inner(), [2]);
    assert_eq!(buffer.stats().messages_refused, 0);
    buffer.note_refused(3);
    assert_eq!(buffer.stats().messages_refused, 3);
}

fn looking_shows_the_items_in_order_until_it_is_broken_off<Q: Queue>() {
    let buffer = parts::<Q>(8);
    fill(&*buffer, 0..5);
    type Look = fn(&dyn Parts<u32>, &mut dyn FnMut(&u32) -> ControlFlow<()>);
    let looks: [Look; 2] = [|buffer, visit| buffer.visit(visit).unwrap(), |buffer, visit| buffer.try_visit(visit)];
    for look in looks {
        let mut seen = Vec::new();
        look(&*buffer, &mut |&number| {
            seen.push(number);
            if number == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, [0, 1, 2, 3]);
    }
    assert_eq!(buffer.len(), 5);
}

fn an_item_ends_the_wait_of_a_thread<Q: Queue>() {
    let buffer = parts::<Q>(4);
    let other = Arc::clone(&buffer);
    let consumer = thread::spawn(move || {
        loop {
            let mut waiter = other.wait_for_item();
            match other.try_pop() {
                Ok(number) => return number,
                Err(BufferError::Empty) => assert!(waiter.wait_until(None)),
                Err(error) => panic!("{error}"),
            }
        }
    });
    until(|| buffer.waiting_for_item().threads == 1);
    buffer.push(7).unwrap();
    assert_eq!(consumer.join().unwrap(), 7);
}

fn room_ends_the_wait_of_a_thread<Q: Queue>() {
    let buffer = parts::<Q>(1);
    buffer.push(1).unwrap();
    let other = Arc::clone(&buffer);
    let producer = thread::spawn(move || {
        let mut number = 2;
        loop {
            let mut waiter = other.wait_for_room();
            match other.offer_again(number) {
                Ok(()) => break,
                Err(rejected) => number = rejected.into_inner(),
            }
            assert!(waiter.wait_until(None));
        }
        other.pass_on();
    });
    until(|| buffer.waiting_for_room().threads == 1);
    assert_eq!(buffer.pop(), Ok(1));
    producer.join().unwrap();
    assert_eq!(buffer.pop(), Ok(2));
}

fn room_for_many_ends_the_wait_of_one_who_needs_it<Q: Queue>() {
    let buffer = parts::<Q>(2);
    fill(&*buffer, 0..2);
    let other = Arc::clone(&buffer);
    let producer = thread::spawn(move || {
        let mut numbers = vec![2, 3];
        loop {
            let mut waiter = other.wait_for_bulk_room();
            match other.offer_batch_again(numbers) {
                Ok(()) => break,
                Err(rejected) => numbers = rejected.into_inner(),
            }
            assert!(waiter.wait_until(None));
        }
        other.pass_on();
    });
    until(|| buffer.waiting_for_room().threads == 1);
    assert_eq!((buffer.pop(), buffer.pop()), (Ok(0), Ok(1)));
    producer.join().unwrap();
    assert_eq!(buffer.pop_batch(2), Ok(vec![2, 3]));
}

fn an_owned_waiter_goes_to_another_thread<Q: Queue>() {
    let buffer = parts::<Q>(1);
    let waiter = Arc::clone(&buffer).owned_wait_for_item();
    let task = thread::spawn(|| pollster::block_on(waiter));
    buffer.push(1).unwrap();
    task.join().unwrap();
    let waiter = Arc::clone(&buffer).owned_wait_for_room();
    let task = thread::spawn(|| pollster::block_on(waiter));
    buffer.pop().unwrap();
    task.join().unwrap();
    assert_eq!(Arc::strong_count(&buffer), 1);
}

fn closing_ends_every_wait<Q: Queue>() {
    let buffer = parts::<Q>(1);
    let mut waiters = [buffer.wait_for_item(), buffer.wait_for_room(), buffer.wait_for_bulk_room()];
    buffer.close();
    assert!(waiters.iter_mut().all(|waiter| waiter.wait_until(None)));
}

fn who_waits_is_counted<Q: Queue>() {
    let buffer = parts::<Q>(1);
    assert_eq!((buffer.waiting_consumers(), buffer.waiting_producers()), (0, 0));
    let waiters = (buffer.wait_for_item(), buffer.wait_for_room(), buffer.wait_for_bulk_room());
    assert_eq!((buffer.waiting_consumers(), buffer.waiting_producers()), (1, 2));
    assert_eq!(buffer.waiting_for_item().longest, None); // no waiter sleeps yet
    drop(waiters);
    assert_eq!((buffer.waiting_consumers(), buffer.waiting_producers()), (0, 0));
}

fn behind_a_pointer_it_is_the_same<Q: Queue>() {
    fn first(buffer: impl Buffer<u32>) -> u32 {
        buffer.push_batch(vec![1, 2]).unwrap();
        let first = buffer.pop().unwrap();
        assert_eq!((buffer.try_pop(), buffer.is_empty(), buffer.capacity()), (Ok(2), true, 1));
        first
    }

    let buffer = Q::of(4);
    assert_eq!((first(&*buffer), first(Arc::clone(&buffer))), (1, 1));
    let boxed: Arc<dyn Parts<u32>> = buffer;
    assert_eq!(first(boxed), 1);
}
