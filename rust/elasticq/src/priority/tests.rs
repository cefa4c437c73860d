//! What cannot be seen from outside: ageing, with a clock that is set by hand, and how much memory the levels
//! have.

use super::ages::Clock;
use super::config::PriorityConfig;
use super::levels::Levels;
use crate::config::Config;
use crate::effort::cases;
use proptest::prelude::*;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Default)]
struct Manual(Rc<Cell<u64>>);

impl Manual {
    fn pass(&self, time: u64) {
        self.0.set(self.0.get() + time);
    }
}

impl Clock for Manual {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

fn levels<T>(config: &PriorityConfig) -> (Levels<T, Manual>, Manual) {
    let clock = Manual::default();
    (Levels::new(config, || clock.clone()).unwrap(), clock)
}

#[test]
fn no_clock_is_made_where_no_times_are_kept() {
    let none = || -> Manual { unreachable!("nobody wants to know") };
    let mut levels = Levels::new(&PriorityConfig::default(), none).unwrap();
    levels.push(&mut Some('a'), 1).unwrap();
    assert_eq!(levels.pop(), Some('a'));
}

fn in_order<T: Copy>(levels: &Levels<T, Manual>) -> Vec<T> {
    let mut items = Vec::new();
    let _: ControlFlow<()> = levels.visit(|&item| {
        items.push(item);
        ControlFlow::Continue(())
    });
    items
}

#[test]
fn what_has_waited_too_long_goes_first_and_the_oldest_of_it_before_all() {
    let config = PriorityConfig::default().with_fair_queuing(false).with_max_wait(Duration::from_nanos(100));
    let (mut levels, clock) = levels(&config);
    levels.push(&mut Some("low"), 0).unwrap();
    clock.pass(10);
    levels.push(&mut Some("middle"), 1).unwrap();
    clock.pass(80);
    levels.push(&mut Some("high"), 2).unwrap();
    levels.push(&mut Some("higher"), 2).unwrap();
    assert_eq!(levels.pop(), Some("high")); // nothing has waited for 100 yet
    clock.pass(10); // now "low" has
    assert_eq!(in_order(&levels), ["low", "higher", "middle"]);
    assert_eq!(levels.pop(), Some("low"));
    assert_eq!(levels.pop(), Some("higher"));
    clock.pass(10);
    levels.push(&mut Some("high"), 2).unwrap();
    assert_eq!(levels.pop(), Some("middle"));
    assert_eq!(levels.pop(), Some("high"));
    assert_eq!(levels.pop(), None);
}

#[test]
fn the_statistics_tell_how_long_the_oldest_of_each_level_has_waited() {
    let (mut levels, clock) = levels(&PriorityConfig::default().with_age_statistics(true));
    levels.push(&mut Some(1), 0).unwrap();
    clock.pass(5);
    levels.push(&mut Some(2), 0).unwrap();
    levels.push(&mut Some(3), 2).unwrap();
    clock.pass(7);
    assert_eq!(levels.oldest(), [Some(Duration::from_nanos(12)), None, Some(Duration::from_nanos(7))]);
    assert_eq!(levels.pop_from(0), Ok(Some(1)));
    assert_eq!(levels.oldest()[0], Some(Duration::from_nanos(7)));
    levels.take_all();
    assert_eq!(levels.oldest(), [None; 3]);
    let (levels, _) = self::levels::<u8>(&PriorityConfig::default());
    assert_eq!(levels.oldest(), []);
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    PushAll(usize, usize),
    Pop,
    PopMany(usize),
    PopFrom(usize),
    TakeAll,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<usize>().prop_map(Step::Push),
        2 => (0..20_usize, any::<usize>()).prop_map(|(count, level)| Step::PushAll(count, level)),
        8 => Just(Step::Pop),
        2 => (0..20_usize).prop_map(Step::PopMany),
        2 => any::<usize>().prop_map(Step::PopFrom),
        1 => Just(Step::TakeAll),
        8 => (0..60_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(700)))]

    /// An item that has waited too long never waits behind one that has waited less. Without such items
    /// levels go before each other as usual.
    #[test]
    fn ageing_keeps_its_promise(
        count in 1..6_usize,
        max_wait in 1..200_u64,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let config = PriorityConfig::default()
            .with_priority_levels(count)
            .with_fair_queuing(false)
            .with_max_wait(Duration::from_nanos(max_wait));
        let (mut levels, clock) = levels(&config);
        // By level, for each item: since when it waits, and its number.
        let mut model = vec![std::collections::VecDeque::<(u64, u32)>::new(); count];
        let mut number = 0;
        let next = |model: &[std::collections::VecDeque<(u64, u32)>], now| {
            let heads = model.iter().enumerate().filter_map(|(level, items)| Some((items.front()?.0, level)));
            // Among items of the same age, that of the highest level.
            let oldest = heads.clone().min_by_key(|&(since, level)| (since, count - level))?;
            Some(if now - oldest.0 >= max_wait { oldest.1 } else { heads.map(|(_, level)| level).max()? })
        };
        for step in steps {
            let now = clock.now();
            match step {
                Step::Push(level) => {
                    levels.push(&mut Some(number), level % count).unwrap();
                    model[level % count].push_back((now, number));
                    number += 1;
                }
                Step::PushAll(many, level) => {
                    let numbers = number..number + many as u32;
                    levels.push_all(&mut numbers.clone().collect(), level % count).unwrap();
                    model[level % count].extend(numbers.map(|number| (now, number)));
                    number += many as u32;
                }
                Step::Pop => {
                    let expected = next(&model, now).and_then(|level| model[level].pop_front());
                    prop_assert_eq!(levels.pop(), expected.map(|(_, number)| number));
                }
                Step::PopMany(many) => {
                    let mut items = Vec::with_capacity(many);
                    levels.pop_into_vec(&mut items, many);
                    let expected: Vec<_> = (0..many)
                        .map_while(|_| next(&model, now).and_then(|level| Some(model[level].pop_front()?.1)))
                        .collect();
                    prop_assert_eq!(items, expected);
                }
                Step::PopFrom(level) => {
                    let expected = model[level % count].pop_front().map(|(_, number)| number);
                    prop_assert_eq!(levels.pop_from(level % count), Ok(expected));
                }
                Step::TakeAll => {
                    let seen = in_order(&levels);
                    let expected: Vec<_> = std::iter::from_fn(|| next(&model, now).and_then(|level| Some(model[level].pop_front()?.1))).collect();
                    prop_assert_eq!(&levels.take_all().into_vec(), &expected);
                    prop_assert_eq!(&seen, &expected);
                }
                Step::Pass(time) => clock.pass(time),
            }
        }
    }

    #[test]
    fn there_are_never_more_slots_than_four_times_the_capacity_and_sixteen_for_each_level(
        count in 1..9_usize,
        min in 1..100_usize,
        more in 0..2000_usize,
        steps in prop::collection::vec((0..9_usize, 0..400_usize, any::<bool>()), 0..80),
    ) {
        let base = Config::default().with_min_capacity(min).with_initial_capacity(min).with_max_capacity(min + more);
        let config = PriorityConfig::default().with_priority_levels(count).with_base_config(base);
        let (mut levels, _) = levels(&config);
        for (level, many, push) in steps {
            for _ in 0..many {
                if push {
                    let _ = levels.push(&mut Some(0_u8), level % count);
                } else {
                    levels.pop_from(level % count).unwrap();
                }
                let most = 4 * levels.capacity() + 16 * count;
                prop_assert!(levels.slots() <= most, "{} slots, at most {most}", levels.slots());
            }
        }
    }
}

#[test]
fn sixty_four_levels_have_no_memory_before_their_first_item_and_little_with_it() {
    let (mut levels, _) = levels(&PriorityConfig::default().with_priority_levels(64));
    assert_eq!((levels.capacity(), levels.slots()), (1024, 0));
    levels.push(&mut Some(0), 63).unwrap();
    assert_eq!(levels.slots(), 16);
    (0..63).for_each(|level| levels.push(&mut Some(0), level).unwrap());
    assert_eq!((levels.capacity(), levels.slots()), (1024, 64 * 16));
}

#[test]
fn memory_comes_back_after_a_burst_also_at_levels_that_it_did_not_end_at() {
    let (mut levels, _) = levels(&PriorityConfig::default());
    for level in 0..3 {
        levels.push_all(&mut vec![0_u64; 20_000], level).unwrap();
    }
    assert!(levels.slots() >= 60_000 && levels.capacity() == 65_536);
    while levels.pop().is_some() {}
    assert_eq!(levels.capacity(), 1024);
    assert!(levels.slots() <= 2048, "{}", levels.slots());
    levels.push_all(&mut vec![0; 100], 1).unwrap();
    assert_eq!(levels.take_all().len(), 100);
    assert_eq!(levels.slots(), 0);
}

#[test]
fn levels_that_fill_and_empty_in_turns_keep_their_memory() {
    let (mut levels, _) = levels(&PriorityConfig::default());
    let mut fill = || {
        (0..999).for_each(|n| levels.push(&mut Some(n), n % 3).unwrap());
        let slots = levels.slots();
        while levels.pop().is_some() {}
        (slots, levels.slots())
    };
    assert_eq!([fill(), fill()], [(3 * 512, 3 * 512); 2]);
}

#[test]
fn without_memory_to_grow_a_level_stays_as_it_was_and_hands_the_item_back() {
    let base = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(usize::MAX);
    let (mut levels, _) = levels(&PriorityConfig::default().with_base_config(base));
    levels.push(&mut Some(7_u64), 1).unwrap();
    let mut none = std::iter::repeat(0_u64);
    for impossible in [1 << 58, 1 << 62, (1 << 63) - 1] {
        for level in [0, 1] {
            let refused = levels.push_from(impossible, &mut none, level);
            assert!(matches!(refused, Err(crate::BufferError::ResizeError(_))), "{refused:?}");
        }
    }
    assert_eq!((levels.len(), levels.capacity(), levels.grown()), (1, 1, 0));
    assert_eq!((levels.pop(), levels.pop()), (Some(7), None));
}

#[test]
fn what_was_made_before_a_panic_is_there_and_counted() {
    let (mut levels, _) = levels(&PriorityConfig::default().with_age_statistics(true));
    let mut items = (0..5).inspect(|&n| assert!(n < 3, "no more"));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| levels.push_from(5, &mut items, 0)));
    assert!(panic.is_err());
    assert_eq!((levels.len(), levels.oldest()[0]), (3, Some(Duration::ZERO)));
    assert_eq!([levels.pop(), levels.pop(), levels.pop(), levels.pop()], [Some(0), Some(1), Some(2), None]);
}
