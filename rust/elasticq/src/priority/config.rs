//! The settings of a buffer with levels and the rules they obey.

use crate::config::{Config, check};
use crate::error::BufferResult;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many levels a buffer may have: as many as a word has bits.
pub(super) const MAX_LEVELS: usize = 64;

/// How many levels a [`PriorityCircularBuffer`](super::PriorityCircularBuffer) has, how it chooses among
/// them, and how large it may be.
///
/// Checked when a buffer is made ([`validate`](Self::validate)), not when it is written down.
///
/// | field | default | rule |
/// |---|---|---|
/// | `base` | [`Config::default`] | its own rules; its limits hold for all levels together |
/// | `priority_levels` | 3 | from 1 to 64 |
/// | `fair_queuing` | true | |
/// | `max_consecutive_per_priority` | 10 | at least 1 |
/// | `max_capacity_at_priority` | none | of a level that there is, from 1 to `max_capacity` |
/// | `max_wait` | none | above zero |
/// | `age_statistics` | false | |
///
/// # Examples
/// ```
/// use elasticq::Config;
/// use elasticq::priority::PriorityConfig;
/// use std::time::Duration;
///
/// let config = PriorityConfig::default()
///     .with_base_config(Config::default().with_max_capacity(10_000))
///     .with_priority_levels(5)
///     .with_fair_queuing(true)
///     .with_max_consecutive_per_priority(20)
///     .with_max_capacity_at_priority(0, 1_000)
///     .with_max_wait(Duration::from_secs(30))
///     .with_age_statistics(true);
/// assert_eq!(PriorityConfig::new(), PriorityConfig::default());
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PriorityConfig {
    /// Limits, growth and waiting of the buffer as a whole.
    pub base: Config,
    /// How many levels there are: priorities go from 0, which is served last, to one less than this.
    pub priority_levels: usize,
    /// Whether lower levels have turns while a higher one has items.
    pub fair_queuing: bool,
    /// How many items go before those that wait at lower levels until one of these levels has its turn. Used
    /// with `fair_queuing` only.
    pub max_consecutive_per_priority: usize,
    /// The levels that may hold fewer items than the buffer, by priority, and how many they may hold.
    pub max_capacity_at_priority: BTreeMap<usize, usize>,
    /// How long an item waits until it goes before all that have waited less. `None`: priorities alone
    /// decide.
    pub max_wait: Option<Duration>,
    /// Whether the statistics tell how long the oldest item of each level has waited. If so, every push and
    /// pop reads the clock.
    pub age_statistics: bool,
}

impl Default for PriorityConfig {
    fn default() -> Self {
        Self {
            base: Config::default(),
            priority_levels: 3,
            fair_queuing: true,
            max_consecutive_per_priority: 10,
            max_capacity_at_priority: BTreeMap::new(),
            max_wait: None,
            age_statistics: false,
        }
    }
}

impl PriorityConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets limits, growth and waiting of the buffer as a whole.
    #[must_use]
    pub fn with_base_config(mut self, base: Config) -> Self {
        self.base = base;
        self
    }

    /// Sets the number of levels.
    #[must_use]
    pub fn with_priority_levels(mut self, levels: usize) -> Self {
        self.priority_levels = levels;
        self
    }

    /// Says whether lower levels have turns while a higher one has items.
    #[must_use]
    pub fn with_fair_queuing(mut self, fair: bool) -> Self {
        self.fair_queuing = fair;
        self
    }

    /// Sets how many items go before those that wait at lower levels until one of these levels has its turn.
    #[must_use]
    pub fn with_max_consecutive_per_priority(mut self, items: usize) -> Self {
        self.max_consecutive_per_priority = items;
        self
    }

    /// Lets the level of `priority` hold at most `items` items. A full level refuses more, and does not stop
    /// other levels.
    #[must_use]
    pub fn with_max_capacity_at_priority(mut self, priority: usize, items: usize) -> Self {
        self.max_capacity_at_priority.insert(priority, items);
        self
    }

    /// Lets an item that has waited this long go before all that have waited less, whatever their priorities.
    ///
    /// Every push and pop then reads the clock. In an overload that lasts, all items wait longer than this,
    /// so they are served in the order in which they came.
    #[must_use]
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }

    /// Says whether the statistics tell how long the oldest item of each level has waited.
    #[must_use]
    pub fn with_age_statistics(mut self, on: bool) -> Self {
        self.age_statistics = on;
        self
    }

    /// Checks every rule of the table above, in its order.
    ///
    /// # Errors
    /// [`InvalidConfiguration`](crate::BufferError::InvalidConfiguration) for the first rule that is broken,
    /// naming field, value and rule.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::PriorityConfig;
    ///
    /// let error = PriorityConfig::default().with_priority_levels(65).validate().unwrap_err();
    /// assert_eq!(error.to_string(), "invalid configuration: priority_levels = 65: must be from 1 to 64");
    /// ```
    pub fn validate(&self) -> BufferResult<()> {
        self.base.validate()?;
        check(
            (1..=MAX_LEVELS).contains(&self.priority_levels),
            "priority_levels",
            self.priority_levels,
            format_args!("must be from 1 to {MAX_LEVELS}"),
        )?;
        check(
            self.max_consecutive_per_priority >= 1,
            "max_consecutive_per_priority",
            self.max_consecutive_per_priority,
            "must be at least 1",
        )?;
        for (&priority, &items) in &self.max_capacity_at_priority {
            check(
                priority < self.priority_levels,
                "max_capacity_at_priority",
                format_args!("{items} for priority {priority}"),
                format_args!("the priority must be from 0 to {}", self.priority_levels - 1),
            )?;
            check(
                (1..=self.base.max_capacity).contains(&items),
                "max_capacity_at_priority",
                format_args!("{items} for priority {priority}"),
                format_args!("must be from 1 to max_capacity = {}", self.base.max_capacity),
            )?;
        }
        let wait = self.max_wait.unwrap_or(Duration::MAX);
        check(!wait.is_zero(), "max_wait", format_args!("{wait:?}"), "must be above zero")
    }
}
