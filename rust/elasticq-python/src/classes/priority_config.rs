//! `PriorityConfig`: the settings of a buffer with levels; `PriorityStats`: what it has done.

use super::config::Config;
use crate::arguments::numbers::{self, Truth};
use crate::arguments::settings::{Settings, timeout_of};
use crate::errors;
use crate::raw::detach::stop_at_the_end;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use std::time::Duration;

/// How many levels a PriorityCircularBuffer has, in which order they are served, and how large it may be. A
/// PriorityConfig never changes: each `with_*` gives a new one. The rules are checked when a buffer is made
/// from it, or by `validate`.
///
/// Example:
///     >>> config = PriorityConfig().with_priority_levels(8).with_max_consecutive_per_priority(5)
///     >>> config.priority_levels, config.fair_queuing, config.max_consecutive_per_priority
///     (8, True, 5)
///     >>> config.with_priority_levels(65).validate()
///     Traceback (most recent call last):
///     elasticq.InvalidConfiguration: invalid configuration: priority_levels = 65: must be from 1 to 64
#[pyclass(frozen, eq, module = "elasticq._core")]
#[derive(Clone, PartialEq)]
pub struct PriorityConfig {
    pub config: elasticq::priority::PriorityConfig,
}

/// Settings as they came from Python. An absent setting keeps its value.
pub struct LevelSettings<'a, 'py> {
    pub levels: Option<&'a Bound<'a, PyAny>>,
    pub fair: Option<Truth>,
    pub max_consecutive: Option<&'a Bound<'a, PyAny>>,
    pub level_capacities: Option<&'a Bound<'a, PyAny>>,
    pub max_wait: Option<&'a Bound<'a, PyAny>>,
    pub age_statistics: Option<Truth>,
    pub base: Settings<'a, 'py>,
}

/// The settings given as keyword arguments, over those of `given`. Not validated yet.
pub fn overlay(
    given: elasticq::priority::PriorityConfig,
    settings: &LevelSettings<'_, '_>,
) -> PyResult<elasticq::priority::PriorityConfig> {
    stop_at_the_end();
    let mut config = given;
    config.base = settings.base.over(config.base)?;
    if let Some(levels) = settings.levels {
        config.priority_levels = numbers::capacity("levels", levels)?;
    }
    if let Some(fair) = settings.fair {
        config.fair_queuing = fair.0;
    }
    if let Some(items) = settings.max_consecutive {
        config.max_consecutive_per_priority = numbers::capacity("max_consecutive", items)?;
    }
    if let Some(capacities) = settings.level_capacities {
        let Ok(mapping) = capacities.cast::<PyMapping>() else {
            let kind = capacities.get_type().name()?;
            return Err(PyTypeError::new_err(format!("level_capacities must map priorities to items, not be {kind}")));
        };
        config.max_capacity_at_priority.clear();
        for pair in mapping.items()?.iter() {
            let (priority, items) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            let priority = numbers::from_zero("a priority in level_capacities", &priority)?;
            let items = numbers::capacity(&format!("level_capacities[{priority}]"), &items)?;
            config = config.with_max_capacity_at_priority(priority, items);
        }
    }
    if let Some(wait) = settings.max_wait {
        config.max_wait = timeout_of("max_wait", wait)?;
    }
    if let Some(on) = settings.age_statistics {
        config.age_statistics = on.0;
    }
    Ok(config)
}

impl PriorityConfig {
    fn with(
        &self,
        change: impl FnOnce(elasticq::priority::PriorityConfig) -> elasticq::priority::PriorityConfig,
    ) -> Self {
        Self { config: change(self.config.clone()) }
    }
}

#[pymethods]
impl PriorityConfig {
    #[new]
    fn new() -> Self {
        Self { config: elasticq::priority::PriorityConfig::default() }
    }

    /// Check every rule, as making a buffer does.
    ///
    /// Raises:
    ///     InvalidConfiguration: A rule is broken; the text names the field, its value and the rule.
    fn validate(&self, py: Python<'_>) -> PyResult<()> {
        self.config.validate().map_err(|error| errors::to_python(py, &error))
    }

    /// The limits of all levels together (Config).
    #[getter]
    fn base(&self) -> Config {
        Config { config: self.config.base.clone() }
    }

    /// From 1 to 64.
    #[getter]
    const fn priority_levels(&self) -> usize {
        self.config.priority_levels
    }

    /// Whether lower levels have their turns while higher ones have items.
    #[getter]
    const fn fair_queuing(&self) -> bool {
        self.config.fair_queuing
    }

    /// After so many items that went before others, which waited at lower levels, one of these others is
    /// served.
    #[getter]
    const fn max_consecutive_per_priority(&self) -> usize {
        self.config.max_consecutive_per_priority
    }

    /// Seconds after which an item goes before all that have waited less, or None.
    #[getter]
    fn max_wait(&self) -> Option<f64> {
        self.config.max_wait.map(|wait| wait.as_secs_f64())
    }

    /// Whether `stats` tells how long the oldest item of each level has waited. That costs each push a look
    /// at the clock.
    #[getter]
    const fn age_statistics(&self) -> bool {
        self.config.age_statistics
    }

    /// Give the most items that a level may hold (int), or None if it has no limit of its own.
    fn max_capacity_at_priority(&self, priority: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let priority = numbers::from_zero("priority", priority)?;
        Ok(self.config.max_capacity_at_priority.get(&priority).copied())
    }

    /// Give a copy with these limits for all levels together.
    fn with_base_config(&self, base: &Bound<'_, Config>) -> Self {
        self.with(|config| config.with_base_config(base.get().config.clone()))
    }

    /// Give a copy with so many levels.
    fn with_priority_levels(&self, levels: &Bound<'_, PyAny>) -> PyResult<Self> {
        let levels = numbers::capacity("priority_levels", levels)?;
        Ok(self.with(|config| config.with_priority_levels(levels)))
    }

    /// Give a copy in which lower levels have their turns, or not.
    fn with_fair_queuing(&self, fair: Truth) -> Self {
        self.with(|config| config.with_fair_queuing(fair.0))
    }

    /// Give a copy with this `max_consecutive_per_priority`, at least 1.
    fn with_max_consecutive_per_priority(&self, items: &Bound<'_, PyAny>) -> PyResult<Self> {
        let items = numbers::capacity("max_consecutive_per_priority", items)?;
        Ok(self.with(|config| config.with_max_consecutive_per_priority(items)))
    }

    /// Give a copy in which the level of `priority` holds `items` items at most.
    fn with_max_capacity_at_priority(&self, priority: &Bound<'_, PyAny>, items: &Bound<'_, PyAny>) -> PyResult<Self> {
        let priority = numbers::from_zero("priority", priority)?;
        let items = numbers::capacity("max_capacity_at_priority", items)?;
        Ok(self.with(|config| config.with_max_capacity_at_priority(priority, items)))
    }

    /// Give a copy in which an item that has waited so long goes before all that have waited less. The time
    /// is in seconds, or a timedelta.
    fn with_max_wait(&self, wait: &Bound<'_, PyAny>) -> PyResult<Self> {
        let wait = timeout_of("max_wait", wait)?.unwrap_or(Duration::MAX);
        Ok(self.with(|config| config.with_max_wait(wait)))
    }

    /// Give a copy whose `stats` tells how long items have waited, or not.
    fn with_age_statistics(&self, on: Truth) -> Self {
        self.with(|config| config.with_age_statistics(on.0))
    }

    fn __repr__(&self) -> String {
        let name = |flag| if flag { "True" } else { "False" };
        format!(
            "PriorityConfig(priority_levels={}, fair_queuing={}, max_consecutive_per_priority={})",
            self.priority_levels(),
            name(self.fair_queuing()),
            self.max_consecutive_per_priority(),
        )
    }
}

/// The counters of a buffer with levels, all of one moment. In each list the index is the priority.
#[pyclass(frozen, eq, get_all, module = "elasticq._core")]
#[derive(PartialEq)]
pub struct PriorityStats {
    /// Items accepted since the buffer was made.
    total_pushed: u64,
    /// Items that somebody was given: taken or drained.
    total_popped: u64,
    /// Accepted items that nobody will ever get: cleared, or dropped when a view was shut down at once.
    /// Always `total_pushed == total_popped + total_dropped` plus the items there now, for each level as in
    /// all.
    total_dropped: u64,
    /// Items refused, for lack of room or because the buffer was closed; their producers still have them.
    total_refused: u64,
    /// Items accepted.
    pushed_per_priority: Vec<u64>,
    /// Items that somebody was given.
    popped_per_priority: Vec<u64>,
    /// Accepted items that nobody will ever get.
    dropped_per_priority: Vec<u64>,
    /// Items refused.
    refused_per_priority: Vec<u64>,
    /// Items there now.
    len_per_priority: Vec<usize>,
    /// Seconds that the oldest item there has waited, or None if there is none. An empty list unless times
    /// are kept.
    oldest_per_priority: Vec<Option<f64>>,
}

impl From<elasticq::priority::PriorityStats> for PriorityStats {
    fn from(stats: elasticq::priority::PriorityStats) -> Self {
        Self {
            total_pushed: stats.total_pushed,
            total_popped: stats.total_popped,
            total_dropped: stats.total_dropped,
            total_refused: stats.total_refused,
            pushed_per_priority: stats.pushed_per_priority,
            popped_per_priority: stats.popped_per_priority,
            dropped_per_priority: stats.dropped_per_priority,
            refused_per_priority: stats.refused_per_priority,
            len_per_priority: stats.len_per_priority,
            oldest_per_priority: stats
                .oldest_per_priority
                .into_iter()
                .map(|oldest| oldest.map(|waited| waited.as_secs_f64()))
                .collect(),
        }
    }
}

#[pymethods]
impl PriorityStats {
    fn __repr__(&self) -> String {
        format!(
            "PriorityStats(total_pushed={}, total_popped={}, total_dropped={}, total_refused={}, \
             pushed_per_priority={:?}, popped_per_priority={:?}, dropped_per_priority={:?}, \
             refused_per_priority={:?}, len_per_priority={:?})",
            self.total_pushed,
            self.total_popped,
            self.total_dropped,
            self.total_refused,
            self.pushed_per_priority,
            self.popped_per_priority,
            self.dropped_per_priority,
            self.refused_per_priority,
            self.len_per_priority
        )
    }
}
