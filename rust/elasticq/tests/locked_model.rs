//! `DynamicCircularBuffer` behaves like a bounded `VecDeque`, whatever is done to it, and its counters are
//! right.

#[path = "../src/effort.rs"]
mod effort;

use effort::cases;
use elasticq::{Buffer, BufferError, Config, DynamicCircularBuffer};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::mem::MaybeUninit;

#[derive(Clone, Debug)]
enum Step {
    Push(u16),
    Offer(u16),
    PushBatch(Vec<u16>),
    OfferSome(Vec<u16>),
    ForcePush(u16),
    ForcePushBatch(Vec<u16>),
    OfferEvicting(Vec<u16>, usize),
    Pop,
    PopBatch(usize),
    PopNewest,
    TakeNewestPlain,
    PopNewestInto(usize),
    PeekNewest,
    Peek,
    Iter,
    Drain,
    Clear,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let items = || prop::collection::vec(any::<u16>(), 0..30);
    let long = || prop::collection::vec(any::<u16>(), 0..100);
    prop_oneof![
        8 => any::<u16>().prop_map(Step::Push),
        4 => any::<u16>().prop_map(Step::Offer),
        4 => items().prop_map(Step::PushBatch),
        2 => items().prop_map(Step::OfferSome),
        3 => any::<u16>().prop_map(Step::ForcePush),
        2 => long().prop_map(Step::ForcePushBatch),
        2 => (long(), 0..100_usize).prop_map(|(items, least)| Step::OfferEvicting(items, least)),
        8 => Just(Step::Pop),
        4 => (0..40_usize).prop_map(Step::PopBatch),
        4 => Just(Step::PopNewest),
        2 => Just(Step::TakeNewestPlain),
        2 => (0..40_usize).prop_map(Step::PopNewestInto),
        1 => Just(Step::PeekNewest),
        1 => Just(Step::Peek),
        1 => Just(Step::Iter),
        1 => Just(Step::Drain),
        1 => Just(Step::Clear),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(700)))]

    #[test]
    fn a_buffer_behaves_like_a_bounded_queue(
        min in 1..20_usize,
        more in 0..60_usize,
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let max = min + more;
        let config = Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(max);
        let buffer = DynamicCircularBuffer::new(config).unwrap();
        let mut model = VecDeque::new();
        let mut closed = false;
        let (mut enqueued, mut left, mut dropped, mut refusals) = (0, 0, 0, 0);
        for step in steps {
            let empty = if closed { BufferError::Closed } else { BufferError::Empty };
            let before = model.len();
            let mut came = 0;
            let refusal = |len: usize, count: usize| {
                if closed {
                    Some(BufferError::Closed)
                } else if len + count <= max {
                    None
                } else if len == max || count > max {
                    Some(BufferError::MaxCapacityReached(max))
                } else {
                    Some(BufferError::Full)
                }
            };
            match step {
                Step::Push(item) => {
                    let refused = refusal(model.len(), 1);
                    prop_assert_eq!(buffer.push(item), refused.clone().map_or(Ok(()), Err));
                    model.extend(refused.is_none().then_some(item));
                    refusals += u64::from(refused.is_some());
                }
                Step::Offer(item) => {
                    let refused = refusal(model.len(), 1);
                    match buffer.offer(item) {
                        Ok(()) => {
                            prop_assert_eq!(refused, None);
                            model.push_back(item);
                        }
                        Err(rejected) => {
                            prop_assert_eq!(rejected.into_parts(), (refused.unwrap(), item));
                            refusals += 1;
                        }
                    }
                }
                Step::PushBatch(items) => {
                    let refused = refusal(model.len(), items.len());
                    match buffer.offer_batch(items.clone()) {
                        Ok(()) => {
                            prop_assert_eq!(refused, None);
                            model.extend(items);
                        }
                        Err(rejected) => {
                            refusals += items.len() as u64;
                            prop_assert_eq!(rejected.into_parts(), (refused.unwrap(), items));
                        }
                    }
                }
                Step::OfferSome(items) => {
                    let mut rest = items.clone().into_iter();
                    if closed {
                        prop_assert_eq!(buffer.offer_some(&mut rest), Err(BufferError::Closed));
                    } else {
                        let fits = items.len().min(max - model.len());
                        prop_assert_eq!(buffer.offer_some(&mut rest), Ok(fits));
                        prop_assert_eq!(rest.as_slice(), &items[fits..]);
                        model.extend(&items[..fits]);
                    }
                }
                Step::ForcePush(item) => match buffer.force_push(item) {
                    Ok(evicted) => {
                        prop_assert!(!closed);
                        prop_assert_eq!(evicted.is_some(), before == max);
                        prop_assert_eq!(evicted, (before == max).then(|| model.pop_front().unwrap()));
                        model.push_back(item);
                        came = 1;
                        dropped += u64::from(evicted.is_some());
                    }
                    Err(rejected) => {
                        prop_assert_eq!(rejected.into_parts(), (BufferError::Closed, item));
                        prop_assert!(closed);
                        refusals += 1;
                    }
                },
                Step::ForcePushBatch(_) | Step::OfferEvicting(..) => {
                    let (items, least) = match step {
                        Step::OfferEvicting(items, least) => (items, least),
                        Step::ForcePushBatch(items) => (items, 0),
                        _ => unreachable!(),
                    };
                    let added = if least == 0 {
                        buffer.force_push_batch(items.clone())
                    } else {
                        buffer.offer_evicting(items.clone(), least)
                    };
                    if closed {
                        refusals += if least == 0 { items.len() as u64 } else { 0 };
                        prop_assert_eq!(added.unwrap_err().into_parts(), (BufferError::Closed, items));
                    } else {
                        came = items.len();
                        model.extend(items);
                        let too_many = model.len().saturating_sub(max).max(least).min(model.len());
                        let evicted: Vec<_> = model.drain(..too_many).collect();
                        dropped += evicted.len() as u64;
                        prop_assert_eq!(added.unwrap(), evicted);
                    }
                }
                Step::Pop => prop_assert_eq!(buffer.pop(), model.pop_front().ok_or(empty)),
                Step::PopBatch(most) => {
                    let expected: Vec<_> = model.drain(..most.min(model.len())).collect();
                    let ended = closed && before == 0 && most > 0;
                    prop_assert_eq!(buffer.pop_batch(most), if ended { Err(empty) } else { Ok(expected) });
                }
                Step::PopNewest => prop_assert_eq!(buffer.try_pop_newest(), model.pop_back().ok_or(empty)),
                Step::TakeNewestPlain => {
                    prop_assert_eq!(buffer.take_newest_plain(|| false), None);
                    // It may have to shrink first. Then nothing has happened.
                    if let Some(item) = buffer.take_newest_plain(|| true) {
                        prop_assert_eq!(Some(item), model.pop_back());
                    }
                }
                Step::PopNewestInto(most) => {
                    let mut target = vec![MaybeUninit::new(0); most];
                    let taken = buffer.pop_newest_into(&mut target);
                    if closed && before == 0 && most > 0 {
                        prop_assert_eq!(taken, Err(empty));
                    } else {
                        prop_assert_eq!(taken, Ok(most.min(before)));
                        for place in &target[..most.min(before)] {
                            // SAFETY: every place was initialised to begin with.
                            prop_assert_eq!(Some(unsafe { place.assume_init() }), model.pop_back());
                        }
                    }
                }
                Step::PeekNewest => {
                    prop_assert_eq!(buffer.peek_newest_with(|&item| item), model.back().copied().ok_or(empty));
                }
                Step::Peek => prop_assert_eq!(buffer.peek(), model.front().copied().ok_or(empty)),
                Step::Iter => prop_assert!(buffer.iter().iter().eq(model.iter())),
                Step::Drain => prop_assert_eq!(buffer.drain(), model.drain(..).collect::<Vec<_>>()),
                Step::Clear => {
                    prop_assert_eq!(buffer.clear(), model.len());
                    dropped += model.len() as u64;
                    model.clear();
                }
                Step::Close => {
                    buffer.close();
                    closed = true;
                }
            }
            // A forced push may both put and evict.
            came = came.max(model.len().saturating_sub(before));
            enqueued += came as u64;
            left += (before + came - model.len()) as u64;
            let stats = Buffer::stats(&buffer);
            prop_assert_eq!(
                (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped, stats.messages_refused),
                (enqueued, left - dropped, dropped, refusals)
            );
            prop_assert_eq!(stats.current_size, model.len());
            prop_assert!((min..=max).contains(&stats.current_capacity) && stats.current_capacity >= model.len());
            prop_assert_eq!(buffer.is_closed(), closed);
        }
    }
}
