//! The settings of a buffer, as keyword arguments. All classes have the same names and rules for them, so
//! they stand here once: a constructor takes the keywords as they come, and says which of the names it knows.

use super::numbers;
use elasticq::Config;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::Duration;

/// The names of all settings. Each constructor knows some of them, from the front.
pub const ALL: &[&str] = &[
    "initial_capacity",
    "min_capacity",
    "growth_factor",
    "shrink_threshold",
    "max_capacity",
    "push_timeout",
    "pop_timeout",
];

/// The settings of a buffer that has no timeouts.
pub const WITHOUT_TIMEOUTS: &[&str] = ALL.split_at(5).0;

/// The settings of a queue whose limit has another name.
pub const WITHOUT_LIMIT: &[&str] = ALL.split_at(4).0;

/// Slots of a new queue, and of an old one that has been emptied: 512 bytes.
pub const SMALLEST: usize = 64;

/// The settings of a queue without a limit, if none were chosen.
pub fn smallest() -> Config {
    Config::default().with_max_capacity(usize::MAX).with_min_capacity(SMALLEST).with_initial_capacity(SMALLEST)
}

/// The settings of a buffer before `__init__`: the usual ones, and as small as can be, since `__init__`
/// mostly replaces the buffer at once.
pub fn before_init() -> Config {
    Config::default().with_initial_capacity(1).with_min_capacity(1)
}

/// Settings as they came from Python. One that is absent or None keeps its value.
#[derive(Clone, Copy)]
pub struct Settings<'a, 'py>(Option<&'a Bound<'py, PyDict>>);

impl<'a, 'py> Settings<'a, 'py> {
    /// The settings among `keywords`, which may only be those of `names`. `function` is the name of what was
    /// called.
    pub fn new(function: &str, names: &[&str], keywords: Option<&'a Bound<'py, PyDict>>) -> PyResult<Self> {
        for name in keywords.iter().flat_map(|keywords| keywords.keys()) {
            if !name.extract::<&str>().is_ok_and(|name| names.contains(&name)) {
                let text = format!("{function}() got an unexpected keyword argument '{name}'");
                return Err(PyTypeError::new_err(text));
            }
        }
        Ok(Self(keywords))
    }

    pub fn get(self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let value = self.0.map_or(Ok(None), |keywords| keywords.get_item(name))?;
        Ok(value.filter(|value| !value.is_none()))
    }

    /// Sets `field` to what `read` makes of the setting, if there is one.
    fn set<T>(
        self,
        field: &mut T,
        name: &str,
        read: impl FnOnce(&str, &Bound<'py, PyAny>) -> PyResult<T>,
    ) -> PyResult<()> {
        if let Some(value) = self.get(name)? {
            *field = read(name, &value)?;
        }
        Ok(())
    }

    /// These settings over those of `config`. Not validated yet.
    pub fn over(self, mut config: Config) -> PyResult<Config> {
        if self.0.is_some() {
            self.set(&mut config.initial_capacity, "initial_capacity", numbers::capacity)?;
            self.set(&mut config.min_capacity, "min_capacity", numbers::capacity)?;
            self.set(&mut config.max_capacity, "max_capacity", numbers::capacity)?;
            self.set(&mut config.growth_factor, "growth_factor", numbers::factor)?;
            self.set(&mut config.shrink_threshold, "shrink_threshold", numbers::factor)?;
            self.set(&mut config.push_timeout, "push_timeout", timeout_of)?;
            self.set(&mut config.pop_timeout, "pop_timeout", timeout_of)?;
        }
        Ok(config)
    }

    /// The same, and what fits them: the smaller capacities that were not named follow the others.
    pub fn fitting(self, config: Config) -> PyResult<Config> {
        let mut config = self.over(config)?;
        let initial = self.get("initial_capacity")?;
        if self.get("min_capacity")?.is_none() {
            if initial.is_some() {
                config.min_capacity = config.min_capacity.min(config.initial_capacity);
            }
            config.min_capacity = config.min_capacity.min(config.max_capacity).max(1);
        }
        if initial.is_none() {
            config.initial_capacity = config.min_capacity;
        }
        Ok(config)
    }
}

/// A timeout in seconds; if it is longer than any clock, it never ends.
pub fn timeout_of(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    Ok(Some(numbers::seconds(name, object)?.unwrap_or(Duration::MAX)))
}
