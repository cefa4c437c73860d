//! The settings of a buffer and the rules they obey.

use crate::error::{BufferError, BufferResult};
use std::fmt::Display;
use std::time::Duration;

/// How large a buffer may be, how it grows and shrinks, and whether its ordinary calls wait.
///
/// Checked when a buffer is made ([`validate`](Self::validate)), not when it is written down.
///
/// | field | default | rule |
/// |---|---|---|
/// | `initial_capacity` | 1024 | from `min_capacity` to `max_capacity` |
/// | `min_capacity` | 1024 | at least 1, at most `max_capacity` |
/// | `max_capacity` | 65,536 | at least 1 |
/// | `growth_factor` | 2.0 | a finite number above 1.0 |
/// | `shrink_threshold` | 0.25 | above 0.0 and below 1.0 |
/// | `push_timeout`, `pop_timeout` | none | none: answer at once |
///
/// # Examples
/// ```
/// use elasticq::Config;
/// use std::time::Duration;
///
/// let config = Config::default()
///     .with_initial_capacity(512)
///     .with_min_capacity(256)
///     .with_max_capacity(8192)
///     .with_growth_factor(1.5)
///     .with_shrink_threshold(0.3)
///     .with_push_timeout(Duration::from_secs(1))
///     .with_pop_timeout(Duration::from_secs(5));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Items that fit before the first growth.
    pub initial_capacity: usize,
    /// The capacity below which the buffer never shrinks.
    pub min_capacity: usize,
    /// The capacity above which the buffer never grows.
    pub max_capacity: usize,
    /// What the capacity is multiplied by when it is used up, and divided by when it shrinks.
    pub growth_factor: f64,
    /// The share of the capacity at or below which the buffer shrinks.
    pub shrink_threshold: f64,
    /// How long `push` and `push_batch` wait for room; `None`: not at all.
    pub push_timeout: Option<Duration>,
    /// How long `pop` and `pop_batch` wait for an item; `None`: not at all.
    pub pop_timeout: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            initial_capacity: 1024,
            min_capacity: 1024,
            max_capacity: 65_536,
            growth_factor: 2.0,
            shrink_threshold: 0.25,
            push_timeout: None,
            pop_timeout: None,
        }
    }
}

impl Config {
    /// Sets `initial_capacity`, in items.
    #[must_use]
    pub const fn with_initial_capacity(mut self, capacity: usize) -> Self {
        self.initial_capacity = capacity;
        self
    }

    /// Sets `min_capacity`, in items.
    #[must_use]
    pub const fn with_min_capacity(mut self, capacity: usize) -> Self {
        self.min_capacity = capacity;
        self
    }

    /// Sets `max_capacity`, in items.
    #[must_use]
    pub const fn with_max_capacity(mut self, capacity: usize) -> Self {
        self.max_capacity = capacity;
        self
    }

    /// Sets `growth_factor`.
    #[must_use]
    pub const fn with_growth_factor(mut self, factor: f64) -> Self {
        self.growth_factor = factor;
        self
    }

    /// Sets `shrink_threshold`.
    #[must_use]
    pub const fn with_shrink_threshold(mut self, threshold: f64) -> Self {
        self.shrink_threshold = threshold;
        self
    }

    /// Lets `push` and `push_batch` wait this long for room.
    #[must_use]
    pub const fn with_push_timeout(mut self, timeout: Duration) -> Self {
        self.push_timeout = Some(timeout);
        self
    }

    /// Lets `pop` and `pop_batch` wait this long for an item.
    #[must_use]
    pub const fn with_pop_timeout(mut self, timeout: Duration) -> Self {
        self.pop_timeout = Some(timeout);
        self
    }

    /// Checks every rule of the table above, in its order.
    ///
    /// # Errors
    /// [`BufferError::InvalidConfiguration`] for the first rule that is broken, naming field, value and rule.
    ///
    /// # Examples
    /// ```
    /// use elasticq::Config;
    ///
    /// let error = Config::default().with_growth_factor(f64::NAN).validate().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "invalid configuration: growth_factor = NaN: must be a finite number above 1.0"
    /// );
    /// ```
    pub fn validate(&self) -> BufferResult<()> {
        check(self.min_capacity >= 1, "min_capacity", self.min_capacity, "must be at least 1")?;
        check(self.max_capacity >= 1, "max_capacity", self.max_capacity, "must be at least 1")?;
        check(self.initial_capacity >= 1, "initial_capacity", self.initial_capacity, "must be at least 1")?;
        check(
            self.min_capacity <= self.max_capacity,
            "min_capacity",
            self.min_capacity,
            format_args!("must be at most max_capacity = {}", self.max_capacity),
        )?;
        check(
            (self.min_capacity..=self.max_capacity).contains(&self.initial_capacity),
            "initial_capacity",
            self.initial_capacity,
            format_args!("must be from min_capacity = {} to max_capacity = {}", self.min_capacity, self.max_capacity),
        )?;
        // Written so that NaN, for which comparisons are false, breaks the rule.
        check(
            self.growth_factor > 1.0 && self.growth_factor.is_finite(),
            "growth_factor",
            self.growth_factor,
            "must be a finite number above 1.0",
        )?;
        check(
            self.shrink_threshold > 0.0 && self.shrink_threshold < 1.0,
            "shrink_threshold",
            self.shrink_threshold,
            "must be above 0.0 and below 1.0",
        )
    }
}

/// Checks a rule. The error names field, value and rule.
pub(crate) fn check(holds: bool, field: &str, value: impl Display, rule: impl Display) -> BufferResult<()> {
    if holds { Ok(()) } else { Err(BufferError::InvalidConfiguration(format!("{field} = {value}: {rule}"))) }
}
