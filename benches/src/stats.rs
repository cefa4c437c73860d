//! Order statistics of small samples: medians, quartiles and the ratios that a contest reports.

/// Five numbers that describe a sample: its ends, its quartiles and its median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The smallest value.
    pub min: f64,
    /// A quarter of the values lie below.
    pub lower_quartile: f64,
    /// Half of the values lie below.
    pub median: f64,
    /// A quarter of the values lie above.
    pub upper_quartile: f64,
    /// The largest value.
    pub max: f64,
}

impl Summary {
    /// Describes `values`, which may come in any order.
    ///
    /// # Panics
    /// When `values` is empty: nothing can be said about no measurement.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a summary needs at least one value");
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            min: sorted[0],
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper_quartile: quantile(&sorted, 0.75),
            max: sorted[sorted.len() - 1],
        }
    }
}

/// The value below which the fraction `q` of `sorted` lies, interpolated between neighbours.
///
/// # Panics
/// When `sorted` is empty.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = place.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// How many times as long each value of `theirs` is as the value of `ours` from the same round.
#[must_use]
pub fn paired_ratios(theirs: &[f64], ours: &[f64]) -> Vec<f64> {
    theirs.iter().zip(ours).map(|(their, our)| their / our).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_number_of_values_is_the_middle_one() {
        assert_eq!(Summary::of(&[9.0, 1.0, 5.0]).median, 5.0);
    }

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(Summary::of(&[4.0, 1.0, 3.0, 2.0]).median, 2.5);
    }

    #[test]
    fn quartiles_and_ends_are_found_in_any_order() {
        let summary = Summary::of(&[5.0, 3.0, 1.0, 4.0, 2.0]);
        assert_eq!((summary.min, summary.max), (1.0, 5.0));
        assert_eq!((summary.lower_quartile, summary.upper_quartile), (2.0, 4.0));
    }

    #[test]
    fn one_value_is_its_own_summary() {
        let summary = Summary::of(&[7.0]);
        assert_eq!((summary.min, summary.lower_quartile, summary.median), (7.0, 7.0, 7.0));
        assert_eq!((summary.upper_quartile, summary.max), (7.0, 7.0));
    }

    #[test]
    fn ratios_pair_the_values_of_one_round() {
        assert_eq!(paired_ratios(&[6.0, 8.0], &[2.0, 4.0]), [3.0, 2.0]);
    }
}
