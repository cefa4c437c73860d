//! `LockFreeMPSCQueue` behaves like a bounded `VecDeque`, whatever is done to it, and loses nothing, whatever
//! its settings.
#![cfg(all(feature = "lock_free", not(loom)))]

#[path = "../src/effort.rs"]
mod effort;
mod support;

use effort::cases;
use elasticq::lock_free::{Consumer, Producer};
use elasticq::{BufferError, BufferResult, Config, LockFreeMPSCQueue, QueueStats, Rejected};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::Duration;
use support::{Ledger, receive, send};

#[derive(Clone, Debug)]
enum Step {
    Offer(u16),
    OfferWithin(u16),
    OfferBatch(Vec<u16>),
    Take,
    TakeWithin,
    TakeBatch(usize),
    Split,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<u16>().prop_map(Step::Offer),
        1 => any::<u16>().prop_map(Step::OfferWithin),
        6 => prop::collection::vec(any::<u16>(), 0..30).prop_map(Step::OfferBatch),
        8 => Just(Step::Take),
        1 => Just(Step::TakeWithin),
        4 => (0..40_usize).prop_map(Step::TakeBatch),
        1 => Just(Step::Split),
        1 => Just(Step::Close),
    ]
}

/// Settings of every kind, small enough that a few steps fill the queue and resize it often.
fn settings() -> impl Strategy<Value = Config> {
    (1..20_usize, 0..20_usize, 0..60_usize, 1.001..5.0, 0.001..0.999).prop_map(|(min, more, most, growth, shrink)| {
        Config::default()
            .with_min_capacity(min)
            .with_initial_capacity(min + more)
            .with_max_capacity(min + more + most)
            .with_growth_factor(growth)
            .with_shrink_threshold(shrink)
    })
}

/// The queue as it was made, or its two handles.
enum Queue {
    Whole(LockFreeMPSCQueue<u16>),
    Ends(Producer<u16>, Consumer<u16>),
}

impl Queue {
    fn offer(&self, item: u16) -> Result<(), Rejected<u16>> {
        match self {
            Self::Whole(queue) => queue.offer(item),
            Self::Ends(producer, _) => producer.offer(item),
        }
    }

    fn offer_within(&self, item: u16) -> Result<(), Rejected<u16>> {
        match self {
            Self::Whole(queue) => queue.offer_within(item, Duration::ZERO),
            Self::Ends(producer, _) => producer.offer_within(item, Duration::ZERO),
        }
    }

    fn offer_batch(&self, items: Vec<u16>) -> Result<(), Rejected<Vec<u16>>> {
        match self {
            Self::Whole(queue) => queue.offer_batch(items),
            Self::Ends(producer, _) => producer.offer_batch(items),
        }
    }

    fn take(&mut self) -> BufferResult<Option<u16>> {
        match self {
            Self::Whole(queue) => queue.try_dequeue(),
            Self::Ends(_, consumer) => consumer.try_dequeue(),
        }
    }

    fn take_within(&mut self) -> BufferResult<Option<u16>> {
        match self {
            Self::Whole(queue) => queue.dequeue_within(Duration::ZERO),
            Self::Ends(_, consumer) => consumer.dequeue_within(Duration::ZERO),
        }
    }

    fn take_batch(&mut self, most: usize) -> BufferResult<Vec<u16>> {
        match self {
            Self::Whole(queue) => queue.dequeue_batch(most),
            Self::Ends(_, consumer) => consumer.dequeue_batch(most),
        }
    }

    fn split(self) -> Self {
        match self {
            Self::Whole(queue) => {
                let (producer, consumer) = queue.split();
                Self::Ends(producer, consumer)
            }
            ends => ends,
        }
    }

    fn close(&self) {
        match self {
            Self::Whole(queue) => queue.close(),
            Self::Ends(producer, _) => producer.close(),
        }
    }

    /// What both handles say, which must be the same.
    fn look(&self) -> (QueueStats, usize, usize, bool, bool) {
        macro_rules! look {
            ($handle:expr) => {
                ($handle.stats(), $handle.len(), $handle.capacity(), $handle.is_empty(), $handle.is_closed())
            };
        }
        match self {
            Self::Whole(queue) => look!(queue),
            Self::Ends(producer, consumer) => {
                let seen = look!(producer);
                assert_eq!(seen, look!(consumer));
                seen
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(700)))]

    #[test]
    fn a_queue_behaves_like_a_bounded_queue(
        config in settings(),
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let (min, max) = (config.min_capacity, config.max_capacity);
        let mut queue = Queue::Whole(LockFreeMPSCQueue::new(config).unwrap());
        let mut model = VecDeque::new();
        let mut closed = false;
        let (mut enqueued, mut dequeued, mut refused_in_all) = (0, 0, 0);
        for step in steps {
            let before = model.len();
            let refusal = |count: usize| {
                if closed {
                    Some(BufferError::Closed)
                } else if before + count <= max {
                    None
                } else if before == max || count > max {
                    Some(BufferError::MaxCapacityReached(max))
                } else {
                    Some(BufferError::Full)
                }
            };
            // A queue that is closed and drained says so, unless zero items were asked for.
            let ended = closed && before == 0;
            match step {
                Step::Offer(item) => {
                    let answer = queue.offer(item).map_err(Rejected::into_parts);
                    prop_assert_eq!(&answer, &refusal(1).map_or(Ok(()), |reason| Err((reason, item))));
                    model.extend(answer.is_ok().then_some(item));
                    refused_in_all += u64::from(answer.is_err());
                }
                Step::OfferWithin(item) => {
                    let answer = queue.offer_within(item).map_err(Rejected::into_parts);
                    let refused = refusal(1).map(|reason| match reason {
                        BufferError::Closed => reason,
                        _ => BufferError::Timeout(Duration::ZERO),
                    });
                    prop_assert_eq!(&answer, &refused.map_or(Ok(()), |reason| Err((reason, item))));
                    model.extend(answer.is_ok().then_some(item));
                    refused_in_all += u64::from(answer.is_err());
                }
                Step::OfferBatch(items) => {
                    let answer = queue.offer_batch(items.clone()).map_err(Rejected::into_parts);
                    let refused = refusal(items.len()).map_or(Ok(()), |reason| Err((reason, items.clone())));
                    prop_assert_eq!(&answer, &refused);
                    match answer {
                        Ok(()) => model.extend(items),
                        Err(_) => refused_in_all += items.len() as u64,
                    }
                }
                Step::Take | Step::TakeWithin => {
                    let answer = if matches!(step, Step::Take) { queue.take() } else { queue.take_within() };
                    prop_assert_eq!(answer, if ended { Err(BufferError::Closed) } else { Ok(model.pop_front()) });
                    if before == 0 && !closed {
                        prop_assert_eq!(queue.look().2, min, "a queue found empty is as small as it may be");
                    }
                }
                Step::TakeBatch(most) => {
                    let expected: Vec<_> = model.drain(..most.min(before)).collect();
                    let ended = ended && most > 0;
                    prop_assert_eq!(queue.take_batch(most), if ended { Err(BufferError::Closed) } else { Ok(expected) });
                }
                Step::Split => queue = queue.split(),
                Step::Close => {
                    queue.close();
                    closed = true;
                }
            }
            enqueued += model.len().saturating_sub(before) as u64;
            dequeued += before.saturating_sub(model.len()) as u64;
            let (stats, len, capacity, is_empty, is_closed) = queue.look();
            prop_assert_eq!(
                (stats.messages_enqueued, stats.messages_dequeued, stats.messages_refused, stats.current_size),
                (enqueued, dequeued, refused_in_all, model.len())
            );
            prop_assert_eq!((stats.messages_dropped, stats.peak_size), (0, None));
            prop_assert_eq!((len, is_empty, is_closed), (model.len(), model.is_empty(), closed));
            prop_assert_eq!(capacity, stats.current_capacity);
            prop_assert!((min..=max).contains(&capacity) && len <= capacity, "{:?}", stats);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(100)))]

    #[test]
    fn whatever_the_settings_threads_lose_nothing(
        config in settings(),
        producers in 1..5_usize,
        batch in 1..20_u64,
    ) {
        const EACH: u64 = 300;
        // A batch must not be larger than the queue.
        let batch = batch.min(config.max_capacity as u64);
        let (first, mut consumer) = LockFreeMPSCQueue::new(config).unwrap().split();
        let threads: Vec<_> = (0..producers).map(|producer| send(first.clone(), producer, EACH, batch)).collect();
        drop(first);
        let mut ledger = Ledger::new(producers);
        receive(&mut consumer, &mut ledger);
        for thread in threads {
            thread.join().unwrap();
        }
        prop_assert_eq!(ledger.next(), vec![EACH; producers]);
        let stats = consumer.stats();
        prop_assert_eq!((stats.messages_enqueued, stats.messages_dequeued), (ledger.total(), ledger.total()));
    }
}
