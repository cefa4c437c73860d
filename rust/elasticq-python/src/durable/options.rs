//! Arguments: the limits of a queue in files, and what a producer may say of an item.

use crate::arguments::numbers;
use crate::codec::Codec;
use elasticq::Config;
use elasticq::persistent::{PersistentConfig, PushOptions};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::time::Duration;

/// The limits of a queue, as arguments; None stands for the usual one.
pub struct Limits<'a, 'py> {
    pub max_bytes: Option<&'a Bound<'py, PyAny>>,
    pub max_log_entries: Option<&'a Bound<'py, PyAny>>,
    pub segment_bytes: Option<&'a Bound<'py, PyAny>>,
    pub id_window: Option<&'a Bound<'py, PyAny>>,
    pub max_deliveries: Option<&'a Bound<'py, PyAny>>,
}

impl Limits<'_, '_> {
    /// The settings with these limits. The queue checks their rules when it is opened.
    pub fn config(&self, maxsize: Option<usize>) -> PyResult<PersistentConfig> {
        let usual = PersistentConfig::default();
        let of = |field: &str, object: Option<&Bound<'_, PyAny>>, usual: usize| {
            object.map_or(Ok(usual), |object| numbers::from_zero(field, object))
        };
        let most = maxsize.unwrap_or(usize::MAX);
        let deliveries = of("max_deliveries", self.max_deliveries, 0)?;
        Ok(PersistentConfig::default()
            .with_max_bytes(of("max_bytes", self.max_bytes, 0)? as u64)
            .with_max_log_entries(of("max_log_entries", self.max_log_entries, usual.max_log_entries)?)
            .with_segment_bytes(of("segment_bytes", self.segment_bytes, usual.segment_bytes as usize)? as u64)
            .with_id_window(of("id_window", self.id_window, usual.id_window)?)
            .with_max_deliveries(u32::try_from(deliveries).unwrap_or(u32::MAX))
            .with_base_config(Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(most)))
    }
}

/// The arguments `id`, `delay` and `headers`; `None` if there is none of them.
pub fn options(
    id: Option<&Bound<'_, PyAny>>,
    delay: Option<&Bound<'_, PyAny>>,
    headers: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<PushOptions>> {
    if id.is_none() && delay.is_none() && headers.is_none() {
        return Ok(None);
    }
    let mut options = PushOptions::default();
    if let Some(id) = id {
        options = options.with_id(name(id)?);
    }
    if let Some(delay) = delay {
        options = options.with_delay(numbers::seconds("delay", delay)?.unwrap_or(Duration::MAX));
    }
    if let Some(headers) = headers {
        options = options.with_headers(Codec::Plain.encode(headers)?);
    }
    Ok(Some(options))
}

fn name(id: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let bytes = if let Ok(text) = id.cast::<PyString>() {
        text.to_str()?.as_bytes().to_vec()
    } else if let Ok(bytes) = id.cast::<PyBytes>() {
        bytes.as_bytes().to_vec()
    } else {
        return Err(PyTypeError::new_err(format!("'id' must be a str or bytes, not {}", id.get_type().name()?)));
    };
    if bytes.is_empty() {
        return Err(PyValueError::new_err("'id' must not be empty; without a name of its own, an item has id=None"));
    }
    Ok(bytes)
}
