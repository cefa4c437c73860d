//! Models of the queue with many producers and many consumers: the real code in every interleaving of a few
//! threads.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p elasticq --release --features lock_free --test loom_mpmc
//! ```
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::lock_free::MpmcConsumer;
use elasticq::{BufferError, Config, LockFreeMPMCQueue};
use loom::thread;
use std::sync::Arc;
use support::{FOREVER, between, ends_that_wait, large_model, model, unfenced_model};

ends_that_wait!(LockFreeMPMCQueue);

/// Tries once to take; gives the item, or 0.
fn look(consumer: &mut MpmcConsumer<Box<u32>>) -> u32 {
    consumer.try_dequeue().unwrap_or(None).map_or(0, |item| *item)
}

/// Takes all that is left, in order.
fn rest(consumer: &mut MpmcConsumer<Box<u32>>) -> Vec<u32> {
    let mut taken = Vec::new();
    while let Ok(Some(item)) = consumer.try_dequeue() {
        taken.push(*item);
    }
    taken
}

#[test]
fn two_consumers_take_each_item_once() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
        let mut other = consumer.clone();
        let thread = thread::spawn(move || look(&mut other));
        let first = look(&mut consumer);
        let second = thread.join().unwrap();
        assert_eq!((first + second, first * second), (3, 2));
        drop(producer);
        assert_eq!(consumer.try_dequeue().unwrap_err(), BufferError::Closed);
    });
}

/// A consumer that takes twice, with no other take in between, guesses where the head is. Here another
/// consumer may have taken since.
#[test]
fn who_guesses_where_the_head_is_takes_nothing_twice() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(4, 4)).unwrap().split();
        producer.offer_batch((1..5).map(Box::new).collect()).unwrap();
        assert_eq!((look(&mut consumer), look(&mut consumer)), (1, 2));
        let mut other = consumer.clone();
        let thread = thread::spawn(move || look(&mut other));
        let mut taken = vec![look(&mut consumer), look(&mut consumer), thread.join().unwrap()];
        taken.extend(rest(&mut consumer));
        taken.retain(|item| *item != 0);
        taken.sort_unstable();
        assert_eq!(taken, [3, 4]);
    });
}

#[test]
fn a_place_is_written_again_only_after_its_item_was_moved_out() {
    unfenced_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        let mut other = consumer.clone();
        let thread = thread::spawn(move || look(&mut other));
        let pushed = if producer.try_enqueue(Box::new(2)).is_ok() { 2 } else { 0 };
        let mut sum = look(&mut consumer) + thread.join().unwrap();
        sum += rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 1 + pushed);
    });
}

#[test]
fn a_limit_renewed_by_one_consumer_spares_the_place_of_another() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
        let mut other = consumer.clone();
        let taker = thread::spawn(move || look(&mut other));
        let pusher = thread::spawn(move || u32::from(producer.try_enqueue(Box::new(4)).is_ok()) * 4);
        let mut sum = look(&mut consumer) + taker.join().unwrap();
        let pushed = pusher.join().unwrap();
        sum += rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 3 + pushed);
    });
}

/// A producer may find room before the consumer renews the limit. That room serves another producer, too.
/// (With 16 places the limit is renewed after every other item.)
#[test]
fn room_that_one_producer_finds_serves_another() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(16, 16)).unwrap().split();
        producer.offer_batch((1..17).map(Box::new).collect()).unwrap();
        let producers = [producer.clone(), producer]
            .map(|producer| thread::spawn(move || u32::from(producer.try_enqueue(Box::new(17)).is_ok())));
        assert_eq!([(), ()].map(|()| look(&mut consumer)), [1, 2]);
        let pushed: u32 = producers.map(|thread| thread.join().unwrap()).into_iter().sum();
        let rest = rest(&mut consumer);
        assert!(rest.iter().copied().eq((3..17).chain((0..pushed).map(|_| 17))), "{rest:?}");
    });
}

/// A consumer may have claimed an item that it has not read yet. The place of that item is no room for any
/// producer. (With 32 places the limit is renewed after every fourth item.)
#[test]
fn a_limit_raised_by_a_producer_spares_the_place_of_a_consumer() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(32, 32)).unwrap().split();
        producer.offer_batch((1..33).map(Box::new).collect()).unwrap();
        assert_eq!([(), (), ()].map(|()| look(&mut consumer)), [1, 2, 3]);
        let push = move || u32::from(producer.try_enqueue(Box::new(33)).is_ok());
        // The first push goes up to the limit. The second finds room for two, and the third uses that room.
        // The fourth must not go to the place of an item that is still being read.
        let thread = thread::spawn(move || push() + push() + push() + push());
        assert_eq!(look(&mut consumer), 4);
        let pushed = thread.join().unwrap();
        let rest = rest(&mut consumer);
        assert!(rest.iter().copied().eq((5..33).chain((0..pushed).map(|_| 33))), "{rest:?}");
    });
}

/// The room that a producer finds in a segment is no room in a smaller segment that has followed it in the
/// meantime.
#[test]
fn room_found_in_a_segment_is_raised_in_no_other() {
    large_model(|| {
        let config = Config::default().with_min_capacity(1).with_initial_capacity(32).with_max_capacity(64);
        let (producer, mut consumer) = LockFreeMPMCQueue::new(config.with_growth_factor(32.0)).unwrap().split();
        producer.offer_batch((1..33).map(Box::new).collect()).unwrap();
        // The next take would renew the limit.
        assert_eq!([(), (), ()].map(|()| look(&mut consumer)), [1, 2, 3]);
        let thread = thread::spawn(move || {
            // The first push goes up to the limit. For the second, the producer looks for room. The third
            // must not take that for room in another segment.
            (33..36).for_each(|number| producer.try_enqueue(Box::new(number)).unwrap());
            producer
        });
        let mut taken: Vec<_> = consumer.dequeue_batch(29).unwrap().into_iter().map(|item| *item).collect();
        // This takes the last item that is there, and shrinks the queue.
        taken.extend(Some(look(&mut consumer)).filter(|item| *item != 0));
        let producer = thread.join().unwrap();
        let stats = producer.stats();
        assert!(stats.current_size <= stats.current_capacity, "{stats:?}");
        taken.extend(rest(&mut consumer));
        assert!(taken.iter().copied().eq(4..36), "{taken:?}");
    });
}

#[test]
fn batches_of_two_consumers_share_no_item() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
        let mut other = consumer.clone();
        let thread = thread::spawn(move || other.dequeue_batch(2).unwrap_or_default());
        let mut taken = consumer.dequeue_batch(2).unwrap();
        taken.extend(thread.join().unwrap());
        taken.sort();
        assert_eq!(taken, [Box::new(1), Box::new(2)]);
    });
}

/// This holds however many items come in the meantime.
#[test]
fn a_batch_ends_with_what_was_there() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        let thread = thread::spawn(move || {
            let pushed = [2, 3].map(|n| producer.try_enqueue(Box::new(n)).is_ok());
            (pushed, producer)
        });
        assert_eq!(consumer.dequeue_batch(9), Ok(vec![Box::new(1)]));
        drop(thread.join().unwrap());
    });
}

#[test]
fn two_producers_who_fill_it_grow_it_while_somebody_takes() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 2)).unwrap().split();
        let other = producer.clone();
        let thread = thread::spawn(move || other.try_enqueue(Box::new(1)).unwrap());
        producer.try_enqueue(Box::new(2)).unwrap();
        let mut sum = look(&mut consumer);
        thread.join().unwrap();
        sum += rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 3);
    });
}

/// This holds at the maximum, too. What counts is how many items are inside, not whether a consumer is
/// reading the slot, or has noted it in vain.
#[test]
fn an_empty_queue_takes_an_item_wherever_its_consumers_stand() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        let mut other = consumer.clone();
        let thread = thread::spawn(move || look(&mut other));
        let mut sum = look(&mut consumer); // if this takes nothing, the other consumer has claimed the item
        producer.try_enqueue(Box::new(2)).unwrap();
        sum += thread.join().unwrap() + rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 3);
        assert_eq!((producer.stats().grown, producer.stats().shrunk), (0, 0));
    });
}

#[test]
fn a_guess_in_vain_keeps_no_batch_out() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        let mut other = consumer.clone();
        producer.try_enqueue(Box::new(1)).unwrap();
        assert_eq!(look(&mut other), 1); // so it guesses the next position
        producer.try_enqueue(Box::new(2)).unwrap();
        let thread = thread::spawn(move || look(&mut other));
        let mut sum = look(&mut consumer);
        producer.offer_batch(vec![Box::new(3), Box::new(4)]).unwrap();
        sum += thread.join().unwrap() + rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 9);
    });
}

#[test]
fn a_queue_that_may_grow_grows_around_a_consumer_who_stands_still() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 2)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        let mut other = consumer.clone();
        let thread = thread::spawn(move || look(&mut other));
        // Wherever the other consumer stands, one more item fits.
        producer.try_enqueue(Box::new(2)).unwrap();
        let sum = thread.join().unwrap() + rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_consumer_completes_the_resize_of_a_producer_who_stands_still() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 2)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        let thread = thread::spawn(move || producer.try_enqueue(Box::new(2)).unwrap());
        let mut taken = vec![look(&mut consumer), look(&mut consumer)];
        thread.join().unwrap();
        taken.extend(rest(&mut consumer));
        taken.retain(|item| *item != 0);
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn consumers_at_the_end_of_a_segment_move_on_together() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 4)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        producer.try_enqueue(Box::new(2)).unwrap(); // in a second segment
        let mut other = consumer.clone();
        let thread = thread::spawn(move || [look(&mut other), look(&mut other)]);
        let mut taken = vec![look(&mut consumer), look(&mut consumer)];
        taken.extend(thread.join().unwrap());
        taken.retain(|item| *item != 0);
        taken.sort();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn a_segment_stays_while_one_consumer_reads_in_it_and_another_goes_on() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 4)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        producer.try_enqueue(Box::new(2)).unwrap(); // in a second segment
        let mut other = consumer.clone();
        let thread = thread::spawn(move || look(&mut other));
        let mut sum = look(&mut consumer);
        sum += look(&mut consumer);
        sum += thread.join().unwrap();
        sum += rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 3);
    });
}

#[test]
fn consumers_who_shrink_and_a_producer_who_pushes_agree() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 8)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2), Box::new(3)]).unwrap();
        assert_eq!((look(&mut consumer), look(&mut consumer)), (1, 2));
        let mut other = consumer.clone();
        let taker = thread::spawn(move || look(&mut other));
        let pusher = thread::spawn(move || producer.try_enqueue(Box::new(4)).unwrap());
        let mut sum = look(&mut consumer) + taker.join().unwrap();
        pusher.join().unwrap();
        sum += rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 7);
    });
}

/// Neither consumer finds the queue empty, since together they take only as many items as are there.
#[test]
fn the_last_item_of_a_burst_takes_the_memory_along_whoever_takes_it() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 4)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2), Box::new(3)]).unwrap();
        assert_eq!(look(&mut consumer), 1);
        let mut other = consumer.clone();
        let taker = thread::spawn(move || (look(&mut other), other));
        let mut sum = look(&mut consumer);
        let (taken, other) = taker.join().unwrap();
        sum += taken;
        assert_eq!((sum, consumer.capacity()), (5, 1));
        producer.try_enqueue(Box::new(4)).unwrap();
        assert_eq!(look(&mut consumer), 4);
        drop(other);
    });
}

#[test]
fn two_items_reach_two_consumers_who_wait() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::<Box<u32>>::new(between(2, 2)).unwrap().split();
        let mut other = consumer.clone();
        let waiter = thread::spawn(move || *other.dequeue_within(FOREVER).unwrap().unwrap());
        let pusher = thread::spawn(move || {
            producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
            producer
        });
        let sum = *consumer.dequeue_within(FOREVER).unwrap().unwrap() + waiter.join().unwrap();
        drop(pusher.join().unwrap());
        assert_eq!(sum, 3);
    });
}

/// A consumer that guesses where the head is notes that position before it finds that another consumer has
/// claimed it. A producer that waits for room in the meantime must be told when the note is erased.
#[test]
fn a_guess_that_is_overtaken_leaves_no_producer_asleep() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 1)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        assert_eq!(look(&mut consumer), 1); // so it guesses the next position
        producer.try_enqueue(Box::new(2)).unwrap();
        let mut other = consumer.clone();
        let thread = thread::spawn(move || {
            let taken = look(&mut other);
            producer.offer_within(Box::new(3), FOREVER).unwrap();
            taken + rest(&mut other).iter().sum::<u32>()
        });
        let taken = look(&mut consumer);
        assert_eq!(taken + thread.join().unwrap() + rest(&mut consumer).iter().sum::<u32>(), 5);
    });
}

#[test]
fn two_places_freed_at_once_reach_two_producers() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![Box::new(1), Box::new(2)]).unwrap();
        let producers: Vec<_> = (3..5)
            .map(|n| {
                let producer = producer.clone();
                thread::spawn(move || producer.offer_within(Box::new(n), FOREVER).unwrap())
            })
            .collect();
        assert_eq!(consumer.dequeue_batch(2), Ok(vec![Box::new(1), Box::new(2)]));
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(rest(&mut consumer).iter().sum::<u32>(), 7);
    });
}

/// The place wakes the producer of the batch, which can't use it. So that producer must not keep the place
/// from one that can.
#[test]
fn a_place_that_is_too_little_for_a_batch_reaches_who_waits_behind_it() {
    large_model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(2, 2)).unwrap().split();
        producer.offer_batch(vec![1, 2]).unwrap();
        let other = producer.clone();
        let batch = thread::spawn(move || drop(other.offer_batch_within(vec![3, 4], FOREVER)));
        let single = producer.clone();
        let single = thread::spawn(move || single.offer_within(5, FOREVER).unwrap());
        assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
        single.join().unwrap();
        drop(consumer); // the producer of the batch is still waiting
        batch.join().unwrap();
        drop(producer);
    });
}

#[test]
fn closing_wakes_a_consumer_who_waits() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::<Box<u32>>::new(between(1, 1)).unwrap().split();
        let thread = thread::spawn(move || drop(producer));
        assert_eq!(consumer.dequeue_within(FOREVER), Err(BufferError::Closed));
        thread.join().unwrap();
    });
}

#[test]
fn closing_while_a_producer_pushes_leaves_the_item_in_or_out() {
    model(|| {
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 2)).unwrap().split();
        producer.try_enqueue(Box::new(1)).unwrap();
        let thread = thread::spawn(move || u32::from(producer.try_enqueue(Box::new(2)).is_ok()) * 2);
        consumer.close();
        let mut sum = look(&mut consumer);
        let pushed = thread.join().unwrap();
        sum += rest(&mut consumer).iter().sum::<u32>();
        assert_eq!(sum, 1 + pushed);
        assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
    });
}

#[test]
fn shared_references_take_from_two_threads() {
    model(|| {
        let queue = Arc::new(LockFreeMPMCQueue::new(between(1, 4)).unwrap());
        queue.try_enqueue(Box::new(1)).unwrap();
        // This leaves a record that no call uses and that names the first segment.
        assert_eq!(queue.try_dequeue(), Ok(Some(Box::new(1))));
        queue.offer_batch(vec![Box::new(2), Box::new(3)]).unwrap(); // in a second segment
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.try_dequeue().unwrap())
        };
        let mut taken = vec![queue.try_dequeue().unwrap(), thread.join().unwrap()];
        taken.sort();
        assert_eq!(taken, [Some(Box::new(2)), Some(Box::new(3))]);
    });
}

#[test]
fn the_last_handle_drops_what_is_left_once() {
    model(|| {
        // loom's own `Arc` reports a leak and a second drop.
        let item = loom::sync::Arc::new(());
        let (producer, mut consumer) = LockFreeMPMCQueue::new(between(1, 2)).unwrap().split();
        producer.try_enqueue(item.clone()).unwrap();
        let thread = {
            let item = item.clone();
            thread::spawn(move || drop(producer.try_enqueue(item)))
        };
        drop(consumer.try_dequeue());
        drop(consumer);
        thread.join().unwrap();
        drop(item);
    });
}
