//! Every rule of the settings of a buffer with levels: breaking it gives an error that names the field, its
//! value and the rule, never a panic.
#![cfg(all(feature = "priority", not(loom)))]

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{BufferError, Config};
use std::time::Duration;

#[track_caller]
fn refused(config: PriorityConfig, text: &str) {
    let Err(BufferError::InvalidConfiguration(found)) = PriorityCircularBuffer::<u64>::new(config.clone()) else {
        panic!("{config:?} was accepted");
    };
    assert_eq!(found, text);
}

#[test]
fn there_are_one_to_sixty_four_levels() {
    for levels in [0, 65, usize::MAX] {
        let text = format!("priority_levels = {levels}: must be from 1 to 64");
        refused(PriorityConfig::default().with_priority_levels(levels), &text);
    }
    for levels in [1, 64] {
        let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_priority_levels(levels)).unwrap();
        (0..levels).for_each(|level| buffer.push_with_priority(level, level).unwrap());
        assert!(buffer.drain().into_iter().eq((0..levels).rev()));
    }
}

#[test]
fn at_least_one_item_goes_before_lower_ones() {
    let config = PriorityConfig::default().with_max_consecutive_per_priority(0);
    refused(config.clone(), "max_consecutive_per_priority = 0: must be at least 1");
    refused(config.with_fair_queuing(false), "max_consecutive_per_priority = 0: must be at least 1");
    let config = PriorityConfig::default().with_max_consecutive_per_priority(usize::MAX);
    assert!(config.validate().is_ok());
}

#[test]
fn limits_are_of_levels_that_there_are_and_no_larger_than_the_buffer() {
    let config = |priority, items| PriorityConfig::default().with_max_capacity_at_priority(priority, items);
    refused(config(3, 10), "max_capacity_at_priority = 10 for priority 3: the priority must be from 0 to 2");
    refused(config(1, 0), "max_capacity_at_priority = 0 for priority 1: must be from 1 to max_capacity = 65536");
    refused(
        config(0, 65_537),
        "max_capacity_at_priority = 65537 for priority 0: must be from 1 to max_capacity = 65536",
    );
}

#[test]
fn the_longest_wait_is_above_zero() {
    refused(PriorityConfig::default().with_max_wait(Duration::ZERO), "max_wait = 0ns: must be above zero");
    let buffer = PriorityCircularBuffer::new(PriorityConfig::default().with_max_wait(Duration::MAX)).unwrap();
    buffer.push_with_priority(1, 0).unwrap();
    buffer.push_with_priority(2, 2).unwrap();
    assert_eq!(buffer.drain(), [2, 1]);
}

#[test]
fn the_rules_of_the_base_are_checked_too() {
    let base = Config::default().with_growth_factor(f64::NAN);
    refused(PriorityConfig::default().with_base_config(base), "growth_factor = NaN: must be a finite number above 1.0");
    refused(
        PriorityConfig::default().with_base_config(Config::default().with_max_capacity(100)),
        "min_capacity = 1024: must be at most max_capacity = 100",
    );
}

#[test]
fn a_level_that_does_not_exist_is_named_with_the_range_on_push_and_pop_alike() {
    let buffer = PriorityCircularBuffer::new(PriorityConfig::default()).unwrap();
    for level in [3, 64, 65, 1 << 32, usize::MAX] {
        let error = BufferError::InvalidOperation(format!("priority = {level}: must be from 0 to 2"));
        assert_eq!(buffer.push_with_priority(1, level), Err(error.clone()));
        assert_eq!(buffer.offer_with_priority(1, level).unwrap_err().into_parts(), (error.clone(), 1));
        assert_eq!(buffer.push_batch_with_priority(vec![1], level), Err(error.clone()));
        assert_eq!(buffer.offer_with_priority_within(1, level, Duration::MAX).unwrap_err().reason(), &error);
        assert_eq!(buffer.offer_plain(1, level, || true), Err(1));
        assert_eq!(buffer.pop_from_priority(level), Err(error));
        assert_eq!((buffer.len_at_priority(level), buffer.capacity_at_priority(level)), (0, 0));
    }
    assert_eq!((buffer.len(), buffer.stats().total_refused), (0, 0));
    assert_eq!(buffer.pop_from_priority(2), Err(BufferError::Empty));
}
