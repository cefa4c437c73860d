//! `Config`: the crate's settings, from keyword arguments and `with_*`.

use crate::errors;
use crate::numbers;
use pyo3::prelude::*;
use std::time::Duration;

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
/// Example:
///     >>> config = Config(max_capacity=8192).with_initial_capacity(2048)
///     >>> config.initial_capacity, config.max_capacity
///     (2048, 8192)
///     >>> config.with_growth_factor(1.0).validate()
///     Traceback (most recent call last):
///     elasticq.InvalidConfiguration: invalid configuration: growth_factor = 1: must be a finite number above 1.0
#[pyclass(frozen, eq, skip_from_py_object, module = "elasticq._core")]
#[derive(Clone, PartialEq)]
pub struct Config {
    pub config: elasticq::Config,
}

impl Config {
    fn with(&self, change: impl FnOnce(elasticq::Config) -> elasticq::Config) -> Self {
        Self { config: change(self.config.clone()) }
    }
}

/// The settings given as keyword arguments, over those of `base`. Not validated yet.
pub fn overlay(base: elasticq::Config, settings: &Settings<'_>) -> PyResult<elasticq::Config> {
    let mut config = base;
    if let Some(capacity) = settings.initial_capacity {
        config.initial_capacity = numbers::capacity("initial_capacity", capacity)?;
    }
    if let Some(capacity) = settings.min_capacity {
        config.min_capacity = numbers::capacity("min_capacity", capacity)?;
    }
    if let Some(capacity) = settings.max_capacity {
        config.max_capacity = numbers::capacity("max_capacity", capacity)?;
    }
    if let Some(factor) = settings.growth_factor {
        config.growth_factor = numbers::factor("growth_factor", factor)?;
    }
    if let Some(threshold) = settings.shrink_threshold {
        config.shrink_threshold = numbers::factor("shrink_threshold", threshold)?;
    }
    if let Some(timeout) = settings.push_timeout {
        config.push_timeout = timeout_of("push_timeout", timeout)?;
    }
    if let Some(timeout) = settings.pop_timeout {
        config.pop_timeout = timeout_of("pop_timeout", timeout)?;
    }
    Ok(config)
}

/// Settings as they came from Python. An absent setting keeps its value.
#[derive(Default)]
pub struct Settings<'a> {
    pub initial_capacity: Option<&'a Bound<'a, PyAny>>,
    pub min_capacity: Option<&'a Bound<'a, PyAny>>,
    pub max_capacity: Option<&'a Bound<'a, PyAny>>,
    pub growth_factor: Option<&'a Bound<'a, PyAny>>,
    pub shrink_threshold: Option<&'a Bound<'a, PyAny>>,
    pub push_timeout: Option<&'a Bound<'a, PyAny>>,
    pub pop_timeout: Option<&'a Bound<'a, PyAny>>,
}

/// A timeout in seconds; if it is longer than any clock, it never ends.
pub fn timeout_of(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    Ok(Some(numbers::seconds(name, object)?.unwrap_or(Duration::MAX)))
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (*, initial_capacity=None, min_capacity=None, max_capacity=None, growth_factor=None,
                        shrink_threshold=None, push_timeout=None, pop_timeout=None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn new(
        initial_capacity: Option<&Bound<'_, PyAny>>,
        min_capacity: Option<&Bound<'_, PyAny>>,
        max_capacity: Option<&Bound<'_, PyAny>>,
        growth_factor: Option<&Bound<'_, PyAny>>,
        shrink_threshold: Option<&Bound<'_, PyAny>>,
        push_timeout: Option<&Bound<'_, PyAny>>,
        pop_timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let settings = Settings {
            initial_capacity,
            min_capacity,
            max_capacity,
            growth_factor,
            shrink_threshold,
            push_timeout,
            pop_timeout,
        };
        Ok(Self { config: overlay(elasticq::Config::default(), &settings)? })
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
