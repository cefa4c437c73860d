//! `SyncMode`: when what a durable queue has written is made to survive a power cut.

use crate::arguments::numbers;
use crate::errors;
use pyo3::prelude::*;
use std::time::Duration;

/// When what was written is made to survive a power cut. What was written survives the end of the process, by
/// SIGKILL too, in every mode.
///
/// `NO_SYNC`: when the operating system sees fit, or at `sync()`. `periodic(seconds)`: once in such a time,
/// from a thread of the queue. `EVERY_WRITE`: before each call returns that puts something in or takes
/// something out; calls that run at the same moment share a sync.
///
/// Example:
///     >>> SyncMode.periodic(0.5)
///     SyncMode.periodic(0.5)
///     >>> SyncMode.NO_SYNC == SyncMode.EVERY_WRITE
///     False
#[pyclass(frozen, eq, hash, module = "elasticq._core")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SyncMode(pub elasticq::persistent::SyncMode);

use elasticq::persistent::SyncMode as Mode;

impl std::hash::Hash for SyncMode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self.0 {
            Mode::Periodic(period) => period.hash(state),
            Mode::EveryWrite => state.write_u8(1),
            _ => state.write_u8(0),
        }
    }
}

#[pymethods]
impl SyncMode {
    /// When the operating system sees fit.
    #[classattr]
    const NO_SYNC: Self = Self(Mode::NoSync);

    /// Before each call returns.
    #[classattr]
    const EVERY_WRITE: Self = Self(Mode::EveryWrite);

    /// Once in so many seconds (a number or a timedelta, above zero).
    ///
    /// Raises:
    ///     ValueError: `seconds` is zero or negative.
    ///     TypeError: It is no number and no timedelta.
    #[staticmethod]
    fn periodic(py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<Self> {
        let period = numbers::seconds("seconds", seconds)?.unwrap_or(Duration::MAX);
        if period.is_zero() {
            return Err(errors::misconfigured(py, "seconds = 0: must be above zero".into()));
        }
        Ok(Self(Mode::Periodic(period)))
    }

    fn __repr__(&self) -> String {
        match self.0 {
            Mode::Periodic(period) => format!("SyncMode.periodic({:?})", period.as_secs_f64()),
            Mode::EveryWrite => "SyncMode.EVERY_WRITE".into(),
            _ => "SyncMode.NO_SYNC".into(),
        }
    }

    /// `copy` and `pickle` ask for this.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (f64,))> {
        let class = slf.get_type();
        match slf.get().0 {
            Mode::Periodic(period) => Ok((class.getattr("periodic")?, (period.as_secs_f64(),))),
            mode => Ok((class.getattr("_named")?, (f64::from(u8::from(mode == Mode::EveryWrite)),))),
        }
    }

    /// What `__reduce__` names.
    #[staticmethod]
    fn _named(number: f64) -> Self {
        if number > 0.0 { Self::EVERY_WRITE } else { Self::NO_SYNC }
    }
}

/// The mode that an argument says: a `SyncMode`, or the name of one that needs no time.
pub fn mode_of(object: &Bound<'_, PyAny>) -> PyResult<Mode> {
    if let Ok(mode) = object.cast::<SyncMode>() {
        return Ok(mode.get().0);
    }
    match object.extract::<&str>() {
        Ok("no_sync") => Ok(Mode::NoSync),
        Ok("every_write") => Ok(Mode::EveryWrite),
        _ => {
            let rule = "must be \"no_sync\", \"every_write\" or SyncMode.periodic(seconds)";
            Err(errors::misconfigured(object.py(), format!("sync_mode = {}: {rule}", object.repr()?)))
        }
    }
}
