//! `PriorityCircularBuffer` behaves like a bounded `VecDeque` for each level and the rule of turns, whatever
//! is done to it, and its counters are right.
#![cfg(all(feature = "priority", not(loom)))]

#[path = "../src/effort.rs"]
mod effort;
#[path = "support/levels.rs"]
mod levels;

use effort::cases;
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{Buffer, BufferError, Config};
use levels::Turns;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::mem::MaybeUninit;

#[derive(Clone, Debug)]
enum Step {
    Push(u16, usize),
    Offer(u16, usize),
    PushBatch(Vec<u16>, usize),
    OfferSome(Vec<u16>, usize),
    OfferWith(usize, usize),
    Pop,
    PopBatch(usize),
    PopInto(usize),
    PopFrom(usize),
    Peek,
    Iter,
    Drain,
    Clear,
    Close,
}

/// One of the priorities is beyond the highest level.
fn step(levels: usize) -> impl Strategy<Value = Step> {
    let items = || prop::collection::vec(any::<u16>(), 0..20);
    let level = move || 0..=levels;
    prop_oneof![
        12 => (any::<u16>(), level()).prop_map(|(item, level)| Step::Push(item, level)),
        8 => (any::<u16>(), level()).prop_map(|(item, level)| Step::Offer(item, level)),
        4 => (items(), level()).prop_map(|(items, level)| Step::PushBatch(items, level)),
        2 => (items(), level()).prop_map(|(items, level)| Step::OfferSome(items, level)),
        2 => (0..20_usize, level()).prop_map(|(count, level)| Step::OfferWith(count, level)),
        16 => Just(Step::Pop),
        4 => (0..40_usize).prop_map(Step::PopBatch),
        2 => (0..40_usize).prop_map(Step::PopInto),
        4 => level().prop_map(Step::PopFrom),
        2 => Just(Step::Peek),
        2 => Just(Step::Iter),
        1 => Just(Step::Drain),
        1 => Just(Step::Clear),
        1 => Just(Step::Close),
    ]
}

#[derive(Debug)]
struct Model {
    levels: Vec<VecDeque<u16>>,
    most: Vec<usize>,
    max: usize,
    turns: Turns,
    closed: bool,
    pushed: Vec<u64>,
    popped: Vec<u64>,
    dropped: Vec<u64>,
    refused: Vec<u64>,
}

impl Model {
    fn new(config: &PriorityConfig) -> Self {
        let count = config.priority_levels;
        let max = config.base.max_capacity;
        let most = |level| config.max_capacity_at_priority.get(&level).copied().unwrap_or(max);
        Self {
            levels: vec![VecDeque::new(); count],
            most: (0..count).map(most).collect(),
            max,
            turns: Turns::new(config),
            closed: false,
            pushed: vec![0; count],
            popped: vec![0; count],
            dropped: vec![0; count],
            refused: vec![0; count],
        }
    }

    fn len(&self) -> usize {
        self.levels.iter().map(VecDeque::len).sum()
    }

    fn empty(&self) -> BufferError {
        if self.closed { BufferError::Closed } else { BufferError::Empty }
    }

    /// Fails unless there is such a level.
    fn known(&self, level: usize) -> Result<(), BufferError> {
        let highest = self.levels.len() - 1;
        let text = format!("priority = {level}: must be from 0 to {highest}");
        if level <= highest { Ok(()) } else { Err(BufferError::InvalidOperation(text)) }
    }

    /// What an attempt to put `count` items has to return.
    fn verdict(&self, count: usize, level: usize) -> Result<(), BufferError> {
        self.known(level)?;
        if self.closed {
            return Err(BufferError::Closed);
        }
        if count > self.most[level] {
            return Err(BufferError::MaxCapacityReached(self.most[level]));
        }
        for (len, most) in [(self.len(), self.max), (self.levels[level].len(), self.most[level])] {
            if len == most && count > 0 {
                return Err(BufferError::MaxCapacityReached(most));
            }
            if len + count > most {
                return Err(BufferError::Full);
            }
        }
        Ok(())
    }

    fn add(&mut self, items: &[u16], level: usize) {
        self.levels[level].extend(items);
        self.pushed[level] += items.len() as u64;
    }

    fn refuse(&mut self, count: usize, level: usize) {
        if let Some(refused) = self.refused.get_mut(level) {
            *refused += count as u64;
        }
    }

    fn pop(&mut self) -> Option<u16> {
        let lengths: Vec<_> = self.levels.iter().map(VecDeque::len).collect();
        let level = self.turns.next(&lengths)?;
        self.popped[level] += 1;
        self.levels[level].pop_front()
    }

    /// All items in the order in which they would be popped, without popping them.
    fn in_order(&self) -> Vec<u16> {
        let mut copy = Self {
            levels: self.levels.clone(),
            turns: self.turns.clone(),
            ..Self::new(&PriorityConfig::default().with_priority_levels(self.levels.len()))
        };
        std::iter::from_fn(|| copy.pop()).collect()
    }

    fn drain(&mut self) {
        count_all(&mut self.popped, &mut self.levels);
    }

    fn clear(&mut self) {
        count_all(&mut self.dropped, &mut self.levels);
    }
}

/// Counts what is in each level, and empties it.
fn count_all(counts: &mut [u64], levels: &mut [VecDeque<u16>]) {
    for (count, level) in counts.iter_mut().zip(levels) {
        *count += level.len() as u64;
        level.clear();
    }
}

fn config() -> impl Strategy<Value = PriorityConfig> {
    let levels = prop_oneof![4 => 1..6_usize, 1 => Just(64)];
    (levels, any::<bool>(), 1..5_usize, 1..20_usize, 0..60_usize).prop_flat_map(
        |(levels, fair, consecutive, min, more)| {
            let limits = prop::collection::btree_map(0..levels, 1..=min + more, 0..3);
            limits.prop_map(move |limits| {
                let base =
                    Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(min + more);
                let config = PriorityConfig::default()
                    .with_base_config(base)
                    .with_priority_levels(levels)
                    .with_fair_queuing(fair)
                    .with_max_consecutive_per_priority(consecutive);
                limits.iter().fold(config, |config, (&level, &most)| config.with_max_capacity_at_priority(level, most))
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1000)))]

    #[test]
    fn a_buffer_behaves_like_a_bounded_queue_per_level_and_the_rule_of_turns(
        (config, steps) in config().prop_flat_map(|config| {
            let steps = prop::collection::vec(step(config.priority_levels), 0..150);
            (Just(config), steps)
        }),
    ) {
        let buffer = PriorityCircularBuffer::new(config.clone()).unwrap();
        let mut model = Model::new(&config);
        let mut peak = 0;
        for step in steps {
            match step {
                Step::Push(item, level) => {
                    let verdict = model.verdict(1, level);
                    prop_assert_eq!(buffer.push_with_priority(item, level), verdict.clone());
                    if verdict.is_ok() { model.add(&[item], level) } else { model.refuse(1, level) }
                }
                Step::Offer(item, level) => {
                    let verdict = model.verdict(1, level);
                    let refused = buffer.offer_with_priority(item, level).map_err(|rejected| rejected.into_parts());
                    prop_assert_eq!(refused, verdict.clone().map_err(|reason| (reason, item)));
                    if verdict.is_ok() { model.add(&[item], level) } else { model.refuse(1, level) }
                }
                Step::PushBatch(items, level) => {
                    let verdict = model.verdict(items.len(), level);
                    let refused = buffer.offer_batch_with_priority(items.clone(), level);
                    let refused = refused.map_err(|rejected| rejected.into_parts());
                    prop_assert_eq!(refused, verdict.clone().map_err(|reason| (reason, items.clone())));
                    if verdict.is_ok() { model.add(&items, level) } else { model.refuse(items.len(), level) }
                }
                Step::OfferSome(items, level) => {
                    let mut rest = items.clone().into_iter();
                    let added = buffer.offer_some(&mut rest, level);
                    match model.known(level) {
                        Err(error) => prop_assert_eq!(added, Err(error)),
                        Ok(()) if model.closed => prop_assert_eq!(added, Err(BufferError::Closed)),
                        Ok(()) => {
                            let room = (model.max - model.len()).min(model.most[level] - model.levels[level].len());
                            let fits = room.min(items.len());
                            prop_assert_eq!(added, Ok(fits));
                            prop_assert_eq!(rest.as_slice(), &items[fits..]);
                            model.add(&items[..fits], level);
                        }
                    }
                }
                Step::OfferWith(count, level) => {
                    let verdict = model.verdict(count, level);
                    prop_assert_eq!(buffer.offer_with(count, level, |n| n as u16), verdict.clone());
                    if verdict.is_ok() {
                        model.add(&(0..count as u16).collect::<Vec<_>>(), level);
                    }
                }
                Step::Pop => prop_assert_eq!(buffer.pop(), model.pop().ok_or(model.empty())),
                Step::PopBatch(most) => {
                    let expected: Vec<_> = std::iter::from_fn(|| model.pop()).take(most).collect();
                    let ended = model.closed && expected.is_empty() && most > 0;
                    prop_assert_eq!(buffer.pop_batch(most), if ended { Err(BufferError::Closed) } else { Ok(expected) });
                }
                Step::PopInto(room) => {
                    let mut target = vec![MaybeUninit::new(0); room];
                    let expected: Vec<_> = std::iter::from_fn(|| model.pop()).take(room).collect();
                    match buffer.pop_into(&mut target) {
                        Ok(count) => {
                            // SAFETY: every place was initialised to begin with.
                            let taken: Vec<_> = target[..count].iter().map(|place| unsafe { place.assume_init() }).collect();
                            prop_assert_eq!(taken, expected);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, BufferError::Closed);
                            prop_assert!(model.closed && expected.is_empty() && room > 0);
                        }
                    }
                }
                Step::PopFrom(level) => {
                    let expected = model.known(level).and_then(|()| {
                        let item = model.levels[level].pop_front().ok_or(model.empty());
                        model.popped[level] += u64::from(item.is_ok());
                        item
                    });
                    prop_assert_eq!(buffer.pop_from_priority(level), expected);
                }
                Step::Peek => prop_assert_eq!(buffer.peek(), model.in_order().first().copied().ok_or(model.empty())),
                Step::Iter => prop_assert_eq!(buffer.iter(), model.in_order()),
                Step::Drain => {
                    prop_assert_eq!(buffer.drain(), model.in_order());
                    model.drain();
                }
                Step::Clear => {
                    prop_assert_eq!(buffer.clear(), model.len());
                    model.clear();
                }
                Step::Close => {
                    buffer.close();
                    model.closed = true;
                }
            }
            peak = peak.max(model.len());
            let stats = buffer.stats();
            let lengths: Vec<_> = model.levels.iter().map(VecDeque::len).collect();
            prop_assert_eq!(&stats.len_per_priority, &lengths);
            prop_assert_eq!(&stats.pushed_per_priority, &model.pushed);
            prop_assert_eq!(&stats.popped_per_priority, &model.popped);
            prop_assert_eq!(&stats.dropped_per_priority, &model.dropped);
            prop_assert_eq!(&stats.refused_per_priority, &model.refused);
            let totals = [&model.pushed, &model.popped, &model.dropped, &model.refused]
                .map(|counts| counts.iter().sum::<u64>());
            prop_assert_eq!([stats.total_pushed, stats.total_popped, stats.total_dropped, stats.total_refused], totals);
            let sizes = Buffer::stats(&buffer);
            let said = [sizes.messages_enqueued, sizes.messages_dequeued, sizes.messages_dropped, sizes.messages_refused];
            prop_assert_eq!(said, totals);
            prop_assert_eq!((sizes.current_size, sizes.peak_size), (model.len(), Some(peak)));
            prop_assert_eq!(buffer.len(), model.len());
            let capacity = sizes.current_capacity;
            prop_assert!((config.base.min_capacity..=config.base.max_capacity).contains(&capacity) && capacity >= model.len());
            prop_assert_eq!(buffer.is_closed(), model.closed);
            let levels_are_full = lengths.iter().zip(&model.most).all(|(len, most)| len == most);
            prop_assert_eq!(buffer.is_full(), model.len() == model.max || levels_are_full);
            for (level, (&len, &most)) in lengths.iter().zip(&model.most).enumerate() {
                prop_assert_eq!(buffer.len_at_priority(level), len);
                prop_assert!((len..=most).contains(&buffer.capacity_at_priority(level)));
            }
            if model.len() == 0 && stats.total_popped + stats.total_dropped > 0 {
                prop_assert_eq!(capacity, config.base.min_capacity);
            }
        }
    }
}
