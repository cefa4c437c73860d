//! `Config`: the crate's settings, from keyword arguments and `with_*`.

use crate::arguments::numbers;
use crate::arguments::settings::{self, Settings, timeout_of};
use crate::errors;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How large a buffer may be, how it grows and shrinks, and whether `push`, `pop` and their batches wait. A
/// Config never changes: each `with_*` gives a new one. The rules are checked when a buffer is made from it,
/// or by `validate`.
///
/// Args:
///     initial_capacity: Items that fit before the first growth, from `min_capacity` to `max_capacity`; 1024.
///     min_capacity: The capacity below which the buffer never shrinks, at least 1; 1024.
///     max_capacity: The capacity above which it never grows; 65,536.
///     growth_factor: What the capacity is multiplied by when it is used up, above 1.0; 2.0.
///     shrink_threshold: The share of the capacity at or below which it shrinks, between 0.0 and 1.0; 0.25.
///     push_timeout: Seconds that `push` and `push_batch` wait for room; None: they answer at once.
///     pop_timeout: Seconds that `pop` and `pop_batch` wait for an item; None: they answer at once.
///
/// Raises:
///     TypeError: A setting is no number.
///     InvalidConfiguration: A capacity is negative or too large to count; also a ValueError.
///     ValueError: A timeout is negative.
///
/// Example: >>> config = Config(max_capacity=8192).with_initial_capacity(2048) >>> config.initial_capacity,
///     config.max_capacity (2048, 8192) >>> config.with_growth_factor(1.0).validate() Traceback (most recent
///     call last): elasticq.InvalidConfiguration: invalid configuration: growth_factor = 1: must be a finite
///     number above 1.0
#[pyclass(frozen, eq, module = "elasticq._core")]
#[derive(Clone, PartialEq)]
pub struct Config {
    pub config: elasticq::Config,
}

impl Config {
    /// The settings of a Config that may have been given.
    pub fn or_default(config: Option<&Bound<'_, Self>>) -> elasticq::Config {
        config.map_or_else(elasticq::Config::default, |config| config.get().config.clone())
    }

    fn with(&self, change: impl FnOnce(elasticq::Config) -> elasticq::Config) -> Self {
        Self { config: change(self.config.clone()) }
    }
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (**settings),
           text_signature = "(*, initial_capacity=None, min_capacity=None, max_capacity=None, growth_factor=None, \
                             shrink_threshold=None, push_timeout=None, pop_timeout=None)")]
    fn new(settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let settings = Settings::new("Config.__new__", settings::ALL, settings)?;
        Ok(Self { config: settings.over(elasticq::Config::default())? })
    }

    /// Check every rule, as making a buffer does.
    ///
    /// Raises:
    ///     InvalidConfiguration: A rule is broken; the text names the field, its value and the rule.
    fn validate(&self, py: Python<'_>) -> PyResult<()> {
        self.config.validate().map_err(|error| errors::to_python(py, &error))
    }

    /// In items.
    #[getter]
    fn initial_capacity(&self) -> usize {
        self.config.initial_capacity
    }

    /// In items.
    #[getter]
    fn min_capacity(&self) -> usize {
        self.config.min_capacity
    }

    /// In items.
    #[getter]
    fn max_capacity(&self) -> usize {
        self.config.max_capacity
    }

    /// A factor of the capacity.
    #[getter]
    fn growth_factor(&self) -> f64 {
        self.config.growth_factor
    }

    /// A factor of the capacity.
    #[getter]
    fn shrink_threshold(&self) -> f64 {
        self.config.shrink_threshold
    }

    /// Seconds, or None.
    #[getter]
    fn push_timeout(&self) -> Option<f64> {
        self.config.push_timeout.map(|timeout| timeout.as_secs_f64())
    }

    /// Seconds, or None.
    #[getter]
    fn pop_timeout(&self) -> Option<f64> {
        self.config.pop_timeout.map(|timeout| timeout.as_secs_f64())
    }

    /// Give a copy with this `initial_capacity`, in items.
    fn with_initial_capacity(&self, capacity: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capacity = numbers::capacity("initial_capacity", capacity)?;
        Ok(self.with(|config| config.with_initial_capacity(capacity)))
    }

    /// Give a copy with this `min_capacity`, in items.
    fn with_min_capacity(&self, capacity: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capacity = numbers::capacity("min_capacity", capacity)?;
        Ok(self.with(|config| config.with_min_capacity(capacity)))
    }

    /// Give a copy with this `max_capacity`, in items.
    fn with_max_capacity(&self, capacity: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capacity = numbers::capacity("max_capacity", capacity)?;
        Ok(self.with(|config| config.with_max_capacity(capacity)))
    }

    /// Give a copy with this `growth_factor`.
    fn with_growth_factor(&self, factor: &Bound<'_, PyAny>) -> PyResult<Self> {
        let factor = numbers::factor("growth_factor", factor)?;
        Ok(self.with(|config| config.with_growth_factor(factor)))
    }

    /// Give a copy with this `shrink_threshold`.
    fn with_shrink_threshold(&self, threshold: &Bound<'_, PyAny>) -> PyResult<Self> {
        let threshold = numbers::factor("shrink_threshold", threshold)?;
        Ok(self.with(|config| config.with_shrink_threshold(threshold)))
    }

    /// Give a copy with this `push_timeout`, in seconds or as a timedelta, not negative.
    fn with_push_timeout(&self, timeout: &Bound<'_, PyAny>) -> PyResult<Self> {
        let push_timeout = timeout_of("push_timeout", timeout)?;
        Ok(self.with(|config| elasticq::Config { push_timeout, ..config }))
    }

    /// Give a copy with this `pop_timeout`, in seconds or as a timedelta, not negative.
    fn with_pop_timeout(&self, timeout: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pop_timeout = timeout_of("pop_timeout", timeout)?;
        Ok(self.with(|config| elasticq::Config { pop_timeout, ..config }))
    }

    fn __repr__(&self) -> String {
        let seconds = |timeout: Option<f64>| timeout.map_or_else(|| "None".into(), |seconds| format!("{seconds:?}"));
        format!(
            "Config(initial_capacity={}, min_capacity={}, max_capacity={}, growth_factor={:?}, shrink_threshold={:?}, \
             push_timeout={}, pop_timeout={})",
            self.initial_capacity(),
            self.min_capacity(),
            self.max_capacity(),
            self.growth_factor(),
            self.shrink_threshold(),
            seconds(self.push_timeout()),
            seconds(self.pop_timeout())
        )
    }
}
