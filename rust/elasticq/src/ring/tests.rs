//! The ring against a plain `VecDeque`, and the limits that its capacity keeps.

use super::*;
use crate::effort::cases;
use crate::error::give_back;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Step {
    Push(u32),
    PushAll(Vec<u32>),
    PushFrom(usize, Vec<u32>),
    Pop,
    PopInto(usize),
    PopIntoVec(usize),
    PopNewest,
    PopNewestPlain,
    PopNewestInto(usize),
    TakeAll,
}

fn step() -> impl Strategy<Value = Step> {
    let items = || prop::collection::vec(any::<u32>(), 0..40);
    prop_oneof![
        6 => any::<u32>().prop_map(Step::Push),
        3 => items().prop_map(Step::PushAll),
        1 => (0..40_usize, items()).prop_map(|(count, items)| Step::PushFrom(count, items)),
        6 => Just(Step::Pop),
        2 => (0..60_usize).prop_map(Step::PopInto),
        2 => (0..60_usize).prop_map(Step::PopIntoVec),
        3 => Just(Step::PopNewest),
        3 => Just(Step::PopNewestPlain),
        2 => (0..60_usize).prop_map(Step::PopNewestInto),
        1 => Just(Step::TakeAll),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    (1..40_usize, 0..60_usize, 0.0..=1.0, 1.01..8.0, 0.01..0.99).prop_map(|(min, more, place, growth, shrink)| {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let initial = min + (more as f64 * place) as usize;
        Config::default()
            .with_min_capacity(min)
            .with_max_capacity(min + more)
            .with_initial_capacity(initial)
            .with_growth_factor(growth)
            .with_shrink_threshold(shrink)
    })
}

/// What push operations of `count` items must answer.
fn verdict(model: &VecDeque<u32>, max: usize, count: usize) -> BufferResult<()> {
    if model.len() + count <= max {
        Ok(())
    } else if model.len() == max || count > max {
        Err(BufferError::MaxCapacityReached(max))
    } else {
        Err(BufferError::Full)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(700)))]

    #[test]
    fn a_ring_behaves_like_a_queue_within_its_limits(
        config in config(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut ring = Ring::new(&config).unwrap();
        let mut model = VecDeque::new();
        let (mut pushed, mut popped, mut peak) = (0, 0, 0);
        for step in steps {
            let before = model.len();
            match step {
                Step::Push(item) => {
                    let expected = verdict(&model, config.max_capacity, 1);
                    let mut place = Some(item);
                    let refused = give_back(ring.push(&mut place), place).map_err(Rejected::into_parts);
                    prop_assert_eq!(&refused, &expected.clone().map_err(|reason| (reason, item)));
                    model.extend(expected.is_ok().then_some(item));
                }
                Step::PushAll(mut items) => {
                    let expected = verdict(&model, config.max_capacity, items.len());
                    let copy = items.clone();
                    prop_assert_eq!(ring.push_all(&mut items), expected.clone());
                    if expected.is_ok() {
                        prop_assert!(items.is_empty());
                        model.extend(copy);
                    } else {
                        prop_assert_eq!(items, copy);
                    }
                }
                Step::PushFrom(count, items) => {
                    let count = count.min(items.len());
                    let expected = verdict(&model, config.max_capacity, count);
                    let mut source = items.clone().into_iter();
                    prop_assert_eq!(ring.push_from(count, &mut source), expected.clone());
                    let added = if expected.is_ok() { count } else { 0 };
                    prop_assert_eq!(source.len(), items.len() - added);
                    model.extend(&items[..added]);
                }
                Step::Pop => prop_assert_eq!(ring.pop(), model.pop_front()),
                Step::PopInto(room) => {
                    let mut target = vec![MaybeUninit::new(0); room];
                    let count = ring.pop_into(&mut target);
                    prop_assert_eq!(count, room.min(model.len()));
                    for place in &target[..count] {
                        // SAFETY: every place was initialised to begin with.
                        prop_assert_eq!(Some(unsafe { place.assume_init() }), model.pop_front());
                    }
                }
                Step::PopIntoVec(most) => {
                    let count = most.min(model.len());
                    let mut items = Vec::with_capacity(count);
                    ring.pop_into_vec(&mut items, count);
                    prop_assert_eq!(items, model.drain(..count).collect::<Vec<_>>());
                }
                Step::PopNewest => prop_assert_eq!(ring.pop_newest(), model.pop_back()),
                Step::PopNewestPlain => {
                    // It leaves a ring that would have to shrink to the slow path, as `pop_plain` does.
                    let plain = model.len() > ring.low;
                    let expected = if plain { model.pop_back() } else { None };
                    prop_assert_eq!(ring.pop_newest_plain(), expected);
                }
                Step::PopNewestInto(room) => {
                    let mut target = vec![MaybeUninit::new(0); room];
                    let count = ring.pop_newest_into(&mut target);
                    prop_assert_eq!(count, room.min(model.len()));
                    for place in &target[..count] {
                        // SAFETY: every place was initialised to begin with.
                        prop_assert_eq!(Some(unsafe { place.assume_init() }), model.pop_back());
                    }
                }
                Step::TakeAll => {
                    let taken = ring.take_all();
                    prop_assert_eq!(taken.len(), model.len());
                    prop_assert_eq!(taken.into_vec(), model.drain(..).collect::<Vec<_>>());
                    prop_assert_eq!(ring.capacity(), config.min_capacity);
                }
            }
            if model.len() > before {
                pushed += (model.len() - before) as u64;
            } else {
                popped += (before - model.len()) as u64;
            }
            peak = peak.max(model.len());
            prop_assert_eq!((ring.len(), ring.peak()), (model.len(), peak));
            prop_assert_eq!((ring.pushed(), ring.popped()), (pushed, popped));
            prop_assert!((config.min_capacity..=config.max_capacity).contains(&ring.capacity()));
            prop_assert!(ring.capacity() >= ring.len());
            let (first, second) = ring.as_slices();
            prop_assert!(first.iter().chain(second).eq(model.iter()));
            if model.is_empty() && popped > 0 {
                prop_assert_eq!(ring.capacity(), config.min_capacity);
            }
        }
    }

    #[test]
    fn between_growing_and_shrinking_a_quarter_of_the_smaller_capacity_goes_in_or_out(
        config in config(),
        bursts in prop::collection::vec((any::<bool>(), 0..80_usize), 0..60),
    ) {
        let mut ring = Ring::new(&config).unwrap();
        let (mut capacity, mut grew, mut moved) = (ring.capacity(), None, 0);
        for (push, count) in bursts {
            for n in 0..count {
                let done = if push { ring.push(&mut Some(n)).is_ok() } else { ring.pop().is_some() };
                moved += usize::from(done);
                if ring.capacity() != capacity {
                    let smaller = ring.capacity().min(capacity);
                    let turned = grew.is_some_and(|grew| grew != push);
                    prop_assert!(!turned || moved >= smaller / 4, "{capacity} -> {} after {moved}", ring.capacity());
                    (capacity, grew, moved) = (ring.capacity(), Some(push), 0);
                }
            }
        }
    }
}

#[test]
fn the_slots_follow_the_capacity_both_ways() {
    let config = Config::default().with_min_capacity(4).with_initial_capacity(4).with_max_capacity(1000);
    let mut ring = Ring::new(&config).unwrap();
    for n in 0..1000 {
        ring.push(&mut Some(n)).unwrap();
    }
    assert_eq!((ring.capacity(), ring.span.slots()), (1000, 1024));
    for n in 0..1000 {
        assert_eq!(ring.pop(), Some(n));
    }
    assert_eq!((ring.capacity(), ring.span.slots()), (4, 4));
    assert!(ring.grown() >= 7 && ring.shrunk() >= 2);
}

#[test]
fn a_ring_that_took_everything_holds_no_memory_until_the_next_push() {
    let mut ring = Ring::new(&Config::default()).unwrap();
    ring.push(&mut Some([0_u64; 16])).unwrap();
    assert_eq!(ring.take_all().len(), 1);
    assert_eq!((ring.span.slots(), ring.capacity()), (0, 1024));
    ring.push(&mut Some([1; 16])).unwrap();
    assert_eq!(ring.span.slots(), 1024);
}

#[test]
fn a_ring_without_memory_to_grow_stays_as_it_was_and_hands_the_item_back() {
    type Huge = [u8; 1 << 40];
    let config = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(usize::MAX);
    // There is no memory for slots of that size. A new ring reports that as a fault of its configuration.
    let error = Ring::<Huge>::new(&config.clone().with_initial_capacity(1 << 30)).err().unwrap();
    assert!(
        matches!(&error, BufferError::InvalidConfiguration(text) if text.contains("initial_capacity = 1073741824"))
    );

    let mut ring = Ring::new(&config).unwrap();
    ring.push(&mut Some(7_u64)).unwrap();
    let mut none = std::iter::repeat(0_u64);
    for impossible in [1 << 58, 1 << 62, (1 << 63) - 1] {
        let refused = ring.push_from(impossible, &mut none);
        assert!(matches!(refused, Err(BufferError::ResizeError(_))), "{refused:?}");
    }
    assert_eq!((ring.len(), ring.capacity(), ring.grown()), (1, 1, 0));
    assert_eq!(ring.pop(), Some(7));
}
