//! Every rule of the configuration: breaking it gives an error that names the field, its value and the rule,
//! never a panic.

use elasticq::{BufferError, Config, DynamicCircularBuffer};

#[track_caller]
fn refused(config: Config, text: &str) {
    let Err(BufferError::InvalidConfiguration(found)) = DynamicCircularBuffer::<u64>::new(config.clone()) else {
        panic!("{config:?} was accepted");
    };
    assert_eq!(found, text);
}

#[test]
fn capacities_are_at_least_one() {
    let config = Config::default;
    refused(config().with_min_capacity(0), "min_capacity = 0: must be at least 1");
    refused(config().with_max_capacity(0), "max_capacity = 0: must be at least 1");
    refused(config().with_initial_capacity(0), "initial_capacity = 0: must be at least 1");
}

#[test]
fn capacities_are_in_order() {
    let config = Config::default;
    refused(config().with_max_capacity(100), "min_capacity = 1024: must be at most max_capacity = 100");
    refused(
        config().with_initial_capacity(1000),
        "initial_capacity = 1000: must be from min_capacity = 1024 to max_capacity = 65536",
    );
    refused(
        config().with_initial_capacity(70_000),
        "initial_capacity = 70000: must be from min_capacity = 1024 to max_capacity = 65536",
    );
}

#[test]
fn growth_is_a_finite_factor_above_one() {
    for (factor, text) in
        [(1.0, "1"), (0.0, "0"), (-2.0, "-2"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")]
    {
        refused(
            Config::default().with_growth_factor(factor),
            &format!("growth_factor = {text}: must be a finite number above 1.0"),
        );
    }
}

#[test]
fn the_shrink_threshold_lies_between_zero_and_one() {
    for (threshold, text) in [(0.0, "0"), (1.0, "1"), (-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        refused(
            Config::default().with_shrink_threshold(threshold),
            &format!("shrink_threshold = {text}: must be above 0.0 and below 1.0"),
        );
    }
}

#[test]
fn a_capacity_that_no_memory_holds_is_an_error_and_no_abort() {
    for capacity in [1 << 50, 1 << 60, usize::MAX] {
        refused(
            Config::default().with_initial_capacity(capacity).with_max_capacity(usize::MAX),
            &format!(
                "initial_capacity = {capacity}: must be small enough for its slots of 8 bytes each to be allocated"
            ),
        );
    }
}

#[test]
fn extremes_that_keep_the_rules_are_accepted() {
    let config = Config::default()
        .with_min_capacity(1)
        .with_initial_capacity(1)
        .with_max_capacity(usize::MAX)
        .with_growth_factor(1.0 + f64::EPSILON)
        .with_shrink_threshold(1.0 - f64::EPSILON);
    let buffer = DynamicCircularBuffer::new(config).unwrap();
    buffer.push_batch((0..10_000).collect()).unwrap();
    assert_eq!(buffer.drain().len(), 10_000);
}
