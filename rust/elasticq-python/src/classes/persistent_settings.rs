//! What a durable queue was opened with, as its attributes show it, and what its arguments and results need.

use super::sync_mode::SyncMode;
use crate::raw::Item;
use elasticq::{BufferError, BufferResult};
use pyo3::prelude::*;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// What the attributes show.
pub struct Settings {
    /// `None`: the queue is in memory.
    pub path: Option<PathBuf>,
    pub sync_mode: SyncMode,
    pub codec: &'static str,
    pub maxsize: usize,
}

impl Settings {
    /// The most items that the queue may hold, if there is a limit.
    pub fn limit(&self) -> Option<usize> {
        Some(self.maxsize).filter(|&maxsize| maxsize > 0)
    }
}

/// Where a queue is, for messages.
pub fn in_words(path: Option<&Path>) -> Cow<'_, str> {
    path.map_or("a queue in memory".into(), Path::to_string_lossy)
}

/// The items of a batch that may be empty.
pub fn or_none(items: BufferResult<Vec<Item>>) -> BufferResult<Vec<Item>> {
    match items {
        Err(BufferError::Empty) => Ok(Vec::new()),
        items => items,
    }
}

pub fn numbers_of(numbers: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<u64>>> {
    numbers.map(|numbers| numbers.try_iter()?.map(|number| number?.extract()).collect()).transpose()
}
