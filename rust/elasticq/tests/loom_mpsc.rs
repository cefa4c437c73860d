//! Models of `LockFreeMPSCQueue` on the real code, most of them with segments of one or two slots.
//! `scripts/test loom` runs them.
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::lock_free::{Consumer, Producer};
use elasticq::{BufferError, Config, LockFreeMPSCQueue};
use loom::thread;
use std::sync::Arc;
use support::{FOREVER, between, ends_that_wait, large_model, model, unfenced_model};

/// A queue that starts at `min` and may grow to `max`.
fn queue<T>(min: usize, max: usize) -> LockFreeMPSCQueue<T> {
    LockFreeMPSCQueue::new(between(min, max)).unwrap()
}

/// Takes what is there.
fn drain<T>(consumer: &mut Consumer<T>) -> Vec<T> {
    std::iter::from_fn(|| consumer.try_dequeue().unwrap_or(None)).collect()
}

// ---- in and out

#[test]
fn two_producers_and_a_consumer_lose_nothing() {
    model(|| {
        let (producer, mut consumer) = queue(2, 2).split();
        let other = producer.clone();
        let threads = [
            thread::spawn(move || producer.try_enqueue(Box::new(1)).unwrap()),
            thread::spawn(move || other.try_enqueue(Box::new(2)).unwrap()),
        ];
        let first = consumer.try_dequeue().unwrap_or(None);
        for thread in threads {
            thread.join().unwrap();
        }
        let mut taken: Vec<_> = first.into_iter().chain(drain(&mut consumer)).map(|item| *item).collect();
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
        assert_eq!(consumer.try_dequeue(), Err(BufferError::Closed));
    });
}

#[test]
fn a_batch_stays_together() {
    model(|| {
        let (producer, mut consumer) = queue(2, 4).split();
        let other = producer.clone();
        let threads = [
            thread::spawn(move || producer.offer_batch(vec![1, 2]).unwrap()),
            thread::spawn(move || other.try_enqueue(3).unwrap()),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        let taken = drain(&mut consumer);
        assert!(taken == [1, 2, 3] || taken == [3, 1, 2], "{taken:?}");
    });
}

/// This holds however many items come in the meantime. (Between the two items lies the end of the first
/// segment, which is no item.)
#[test]
fn a_batch_holds_no_more_than_the_queue_can() {
    model(|| {
        let (producer, mut consumer) = queue(1, 2).split();
        producer.try_enqueue(1).unwrap();
        producer.try_enqueue(2).unwrap();
        let thread = thread::spawn(move || (producer.try_enqueue(3).is_ok(), producer));
        assert_eq!(consumer.dequeue_batch(9), Ok(vec![1, 2]));
        drop(thread.join().unwrap());
    });
}

/// A handle that puts twice, with no other claim in between, guesses where its next claim begins. Here
/// another producer may have claimed since.
#[test]
fn who_guesses_where_the_tail_is_claims_nothing_twice() {
    model(|| {
        let (producer, mut consumer) = queue(8, 8).split();
        let other = producer.clone();
        producer.offer_batch(vec![1]).unwrap();
        producer.try_enqueue(2).unwrap();
        let thread = thread::spawn(move || other.try_enqueue(5).unwrap());
        producer.try_enqueue(3).unwrap();
        producer.try_enqueue(4).unwrap();
        thread.join().unwrap();
        let mut taken = drain(&mut consumer);
        assert_eq!(taken.iter().copied().filter(|item| *item < 5).collect::<Vec<_>>(), [1, 2, 3, 4]);
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3, 4, 5]);
    });
}

// ---- full

#[test]
fn a_full_queue_refuses_and_gives_the_item_back() {
    model(|| {
        let (producer, mut consumer) = queue(1, 1).split();
        producer.try_enqueue(Box::new(0)).unwrap();
        let thread = thread::spawn(move || {
            let mut refused = Vec::new();
            for n in 1..3 {
                match producer.offer(Box::new(n)) {
                    Ok(()) => {}
                    Err(rejected) => {
                        assert_eq!(rejected.reason(), &BufferError::MaxCapacityReached(1));
                        refused.push(*rejected.into_inner());
                    }
                }
            }
            (refused, producer)
        });
        assert_eq!(consumer.try_dequeue().unwrap().as_deref(), Some(&0));
        let (refused, _producer) = thread.join().unwrap();
        let mut all: Vec<_> = drain(&mut consumer).into_iter().map(|item| *item).collect();
        assert!(all.len() <= 1, "more than the capacity: {all:?}");
        all.extend(refused);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

/// Where the consumer has not renewed the limit yet, a producer may find room itself. That room serves
/// another producer, too. (With 16 places the limit is not renewed after every item.)
#[test]
fn room_that_one_producer_finds_serves_another() {
    model(|| {
        let (producer, mut consumer) = queue(16, 16).split();
        producer.offer_batch((0..16).collect()).unwrap();
        assert_eq!(consumer.try_dequeue(), Ok(Some(0)));
        producer.try_enqueue(16).unwrap();
        let push = |producer: &Producer<u32>| u32::from(producer.try_enqueue(17).is_ok());
        let threads = [producer.clone(), producer.clone()].map(|producer| thread::spawn(move || push(&producer)));
        let taken = [(), ()].map(|()| consumer.try_dequeue().unwrap());
        assert_eq!(taken, [Some(1), Some(2)]);
        let mut pushed: u32 = threads.map(|thread| thread.join().unwrap()).into_iter().sum();
        pushed += push(&producer); // there is no room if both of the others found some
        let rest = drain(&mut consumer);
        assert!(rest.iter().copied().eq((3..17).chain((0..pushed).map(|_| 17))), "{rest:?}");
    });
}

#[test]
fn who_looks_never_sees_more_than_the_maximum() {
    model(|| {
        let (producer, mut consumer) = queue(1, 1).split();
        producer.try_enqueue(1).unwrap();
        let looker = producer.clone();
        let thread = thread::spawn(move || {
            let stats = looker.stats();
            assert!(stats.current_size <= 1, "{stats:?}");
            assert_eq!(stats.messages_enqueued - stats.messages_dequeued, stats.current_size as u64);
        });
        assert_eq!(consumer.try_dequeue(), Ok(Some(1)));
        producer.try_enqueue(2).unwrap();
        thread.join().unwrap();
    });
}

// ---- grow and shrink

#[test]
fn two_producers_who_fill_it_grow_it_together() {
    model(|| {
        let (producer, mut consumer) = queue(1, 2).split();
        let other = producer.clone();
        let threads = [
            thread::spawn(move || producer.try_enqueue(Box::new(1)).unwrap()),
            thread::spawn(move || other.try_enqueue(Box::new(2)).unwrap()),
        ];
        let first = consumer.try_dequeue().unwrap_or(None);
        for thread in threads {
            thread.join().unwrap();
        }
        let taken = first.into_iter().chain(drain(&mut consumer));
        assert_eq!(taken.map(|item| *item).sum::<i32>(), 3);
    });
}

/// Both producers find the queue full and prepare a segment. One of them links its segment. Both try every
/// step of the resize.
#[test]
fn two_helpers_link_one_segment() {
    model(|| {
        let (producer, mut consumer) = queue(1, 4).split();
        producer.try_enqueue(0).unwrap();
        let other = producer.clone();
        let threads = [
            thread::spawn(move || producer.try_enqueue(1).unwrap()),
            thread::spawn(move || other.try_enqueue(2).unwrap()),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        let stats = consumer.stats();
        assert_eq!((stats.current_size, stats.current_capacity, stats.grown), (3, 4, 2));
        let mut taken = drain(&mut consumer);
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2]);
    });
}

/// The tail stands still while a push and a shrink both start from it.
#[test]
fn a_consumer_who_shrinks_and_a_producer_who_pushes_agree() {
    model(|| {
        let queue = queue(1, 8);
        queue.offer_batch(vec![1, 2, 3]).unwrap();
        let (producer, mut consumer) = queue.split();
        let thread = thread::spawn(move || {
            producer.try_enqueue(4).unwrap();
            producer.try_enqueue(5).unwrap();
        });
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.extend(consumer.try_dequeue().unwrap());
        }
        thread.join().unwrap();
        taken.extend(drain(&mut consumer));
        assert_eq!(taken, [1, 2, 3, 4, 5]);
    });
}

/// The consumer never finds the queue empty, since it takes only as many items as are there.
#[test]
fn the_last_item_of_a_burst_takes_the_memory_along_while_a_producer_pushes() {
    model(|| {
        let (producer, mut consumer) = queue(1, 8).split();
        producer.offer_batch(vec![1, 2, 3, 4]).unwrap();
        let pusher = producer.clone();
        let thread = thread::spawn(move || pusher.try_enqueue(5).unwrap());
        let mut taken: Vec<_> = (0..4).map(|_| consumer.try_dequeue().unwrap().unwrap()).collect();
        thread.join().unwrap();
        taken.push(consumer.try_dequeue().unwrap().unwrap());
        assert_eq!((taken, consumer.capacity()), (vec![1, 2, 3, 4, 5], 1));
        drop(producer);
    });
}

/// A shrink that a push prevents leaves a segment linked. The size of that segment fits the items that were
/// there at the time.
#[test]
fn the_last_item_takes_the_memory_along_after_a_shrink_that_failed() {
    model(|| {
        let (producer, mut consumer) = queue(1, 8).split();
        producer.offer_batch(vec![1, 2, 3, 4, 5, 6, 7]).unwrap();
        assert_eq!(consumer.dequeue_batch(6), Ok(vec![1, 2, 3, 4, 5, 6]));
        producer.try_enqueue(8).unwrap();
        let pusher = producer.clone();
        let thread = thread::spawn(move || pusher.try_enqueue(9).unwrap());
        assert_eq!(consumer.try_dequeue(), Ok(Some(7))); // here it looks whether a smaller queue would do
        thread.join().unwrap();
        assert_eq!([(), ()].map(|()| consumer.try_dequeue()), [Ok(Some(8)), Ok(Some(9))]);
        assert_eq!(consumer.capacity(), 1);
        drop(producer);
    });
}

/// The room that a producer finds in a segment is no room in a smaller segment that has followed it in the
/// meantime.
#[test]
fn room_found_in_a_segment_is_raised_in_no_other() {
    large_model(|| {
        let config = Config::default().with_min_capacity(1).with_initial_capacity(32).with_max_capacity(64);
        let (producer, mut consumer) = LockFreeMPSCQueue::new(config.with_growth_factor(32.0)).unwrap().split();
        producer.offer_batch((0..32).collect()).unwrap();
        assert_eq!(consumer.try_dequeue(), Ok(Some(0)));
        // This push goes up to the limit. The next takes free three places more before the consumer renews
        // the limit.
        producer.try_enqueue(32).unwrap();
        assert_eq!([(), (), ()].map(|()| consumer.try_dequeue()), [1, 2, 3].map(|n| Ok(Some(n))));
        let thread = thread::spawn(move || {
            let mut taken = consumer.dequeue_batch(29).unwrap();
            // This finds nothing and shrinks the queue, or it takes what was pushed.
            taken.extend(consumer.try_dequeue().unwrap());
            (taken, consumer)
        });
        producer.try_enqueue(33).unwrap();
        producer.try_enqueue(34).unwrap();
        let stats = producer.stats();
        assert!(stats.current_size <= stats.current_capacity, "{stats:?}");
        let (mut taken, mut consumer) = thread.join().unwrap();
        taken.extend(drain(&mut consumer));
        assert!(taken.iter().copied().eq(4..35), "{taken:?}");
    });
}

/// A producer that grows the queue looks at a segment. Before its last step, the others retire that segment
/// and build the next ones.
#[test]
fn a_header_is_not_used_again_under_a_helper() {
    model(|| {
        let (producer, mut consumer) = queue(1, 2).split();
        producer.try_enqueue(1).unwrap();
        let other = producer.clone();
        let thread = thread::spawn(move || u32::from(other.try_enqueue(10).is_ok()) * 10);
        let mut sum = 0;
        for n in 2..5 {
            sum += consumer.try_dequeue().unwrap().unwrap_or(0);
            sum += u32::from(producer.try_enqueue(n).is_err()) * n;
        }
        sum += thread.join().unwrap() ^ 10; // what was refused
        let stats = consumer.stats();
        sum += drain(&mut consumer).into_iter().sum::<u32>();
        assert_eq!(sum, 1 + 10 + 2 + 3 + 4, "{stats:?}");
        assert_eq!(consumer.capacity(), 1);
    });
}

/// A producer that takes a header is overtaken by two others, which take the next two headers. One of these
/// two links its header; the other comes too late and gives its header back.
#[test]
fn a_header_given_back_meanwhile_leads_nobody_to_one_in_use() {
    large_model(|| {
        let config = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(8);
        let (producer, mut consumer) = LockFreeMPSCQueue::new(config.with_growth_factor(4.0)).unwrap().split();
        producer.offer_batch(vec![0; 4]).unwrap();
        producer.try_enqueue(0).unwrap();
        assert_eq!(drain(&mut consumer), [0; 5]);
        // Now there are two spare headers, and the next push grows the queue.
        assert_eq!((producer.try_enqueue(1), producer.capacity()), (Ok(()), 1));
        let threads = [producer.clone(), producer.clone(), producer.clone()]
            .map(|producer| thread::spawn(move || producer.try_enqueue(1).unwrap()));
        for thread in threads {
            thread.join().unwrap();
        }
        producer.offer_batch(vec![1; 3]).unwrap(); // with one more header
        assert_eq!(drain(&mut consumer), [1; 7]);
        assert_eq!(producer.stats().current_size, 0);
    });
}

// ---- close and drop

#[test]
fn closing_while_a_producer_pushes_leaves_the_item_in_or_out() {
    model(|| {
        let queue = Arc::new(queue(1, 2));
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || u32::from(queue.try_enqueue(Box::new(1)).is_ok()))
        };
        queue.close();
        let pushed = thread.join().unwrap();
        let mut taken = 0;
        while let Ok(Some(item)) = queue.try_dequeue() {
            taken += *item;
        }
        assert_eq!(taken, pushed);
        assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
    });
}

#[test]
fn a_queue_closed_while_it_grows_stays_closed_and_keeps_its_items() {
    model(|| {
        let queue = Arc::new(queue(1, 4));
        queue.try_enqueue(1).unwrap();
        let threads = [2, 4].map(|n| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || if queue.try_enqueue(n).is_ok() { n } else { 0 })
        });
        queue.close();
        let pushed = threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>();
        assert!(queue.is_closed());
        assert_eq!(queue.try_enqueue(8), Err(BufferError::Closed));
        assert_eq!(queue.dequeue_batch(9).unwrap().into_iter().sum::<u32>(), 1 + pushed);
        assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
    });
}

#[test]
fn what_is_left_in_two_segments_is_dropped_once() {
    model(|| {
        let token = Arc::new(());
        let (producer, consumer) = queue(1, 2).split();
        let other = producer.clone();
        let threads = [producer, other].map(|producer| {
            let token = Arc::clone(&token);
            thread::spawn(move || drop(producer.offer(token)))
        });
        drop(consumer);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

// ---- sleep and wake

ends_that_wait!(LockFreeMPSCQueue);

#[test]
fn an_item_that_makes_it_grow_reaches_a_consumer_who_waits() {
    model(|| {
        let (producer, mut consumer) = queue(1, 2).split();
        let thread = thread::spawn(move || {
            producer.offer_batch(vec![7, 8]).unwrap();
            producer
        });
        assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(7)));
        assert_eq!(consumer.dequeue_within(FOREVER), Ok(Some(8)));
        drop(thread.join().unwrap());
    });
}

#[test]
fn two_places_freed_at_once_reach_two_producers_who_wait() {
    model(|| {
        let (producer, mut consumer) = queue(2, 2).split();
        producer.offer_batch(vec![1, 2]).unwrap();
        let threads = [producer.clone(), producer.clone()]
            .map(|producer| thread::spawn(move || producer.offer_within(3, FOREVER).unwrap()));
        assert_eq!(consumer.dequeue_batch(2), Ok(vec![1, 2]));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(consumer.dequeue_batch(3), Ok(vec![3, 3]));
    });
}

/// The place wakes the producer of the batch, which can't use it. So that producer must not keep the place
/// from one that can.
#[test]
fn a_place_that_is_too_little_for_a_batch_reaches_who_waits_behind_it() {
    model(|| {
        let (producer, mut consumer) = queue(2, 2).split();
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
fn the_last_producer_to_go_wakes_a_consumer_who_waits() {
    model(|| {
        let (producer, mut consumer) = queue::<u32>(1, 1).split();
        let threads = [producer.clone(), producer].map(|producer| thread::spawn(move || drop(producer)));
        assert_eq!(consumer.dequeue_within(FOREVER), Err(BufferError::Closed));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_consumer_who_goes_wakes_a_producer_who_waits() {
    model(|| {
        let (producer, consumer) = queue(1, 1).split();
        producer.try_enqueue(1).unwrap();
        let thread = thread::spawn(move || producer.offer_within(2, FOREVER).unwrap_err().into_parts());
        drop(consumer);
        assert_eq!(thread.join().unwrap(), (BufferError::Closed, 2));
    });
}

// ---- the guard

#[test]
fn a_second_consumer_is_refused_and_nothing_breaks() {
    model(|| {
        let queue = Arc::new(queue(2, 2));
        queue.offer_batch(vec![1, 2]).unwrap();
        let take = |queue: &LockFreeMPSCQueue<u32>| match queue.try_dequeue() {
            Ok(item) => item.unwrap(),
            Err(error) => {
                assert!(matches!(error, BufferError::InvalidOperation(_)));
                0
            }
        };
        let thread = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || take(&queue))
        };
        let sum = take(&queue) + thread.join().unwrap();
        assert!(sum > 0, "both were refused");
        let rest = queue.dequeue_batch(2).unwrap().into_iter().sum::<u32>();
        assert_eq!((sum + rest, queue.try_dequeue()), (3, Ok(None)));
    });
}

/// The second consumer gives free what the first one has read. Only the guard puts the two in order. (With 16
/// places the limit is not renewed after every item.)
#[test]
fn the_guard_hands_over_what_was_read() {
    unfenced_model(|| {
        let queue = Arc::new(queue(16, 16));
        queue.offer_batch((0..16).collect()).unwrap();
        assert_eq!(queue.try_dequeue(), Ok(Some(0)));
        queue.try_enqueue(16).unwrap();
        let consumers = [(), ()].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || drop(queue.try_dequeue()))
        });
        drop(queue.try_enqueue(17)); // goes into the place of item 1, if there is room
        for consumer in consumers {
            consumer.join().unwrap();
        }
        let taken = usize::try_from(queue.stats().messages_dequeued).unwrap();
        let rest = queue.dequeue_batch(16).unwrap();
        assert!((2..=3).contains(&taken) && rest.iter().copied().eq(taken..taken + rest.len()), "{taken} {rest:?}");
    });
}
