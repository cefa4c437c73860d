//! A queue without files: the same log, over a storage that keeps nothing.

use super::files::Memory;
use super::{Codec, PersistentCircularBuffer, PersistentConfig, Postcard, SyncMode};
use crate::error::BufferResult;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl<T: Serialize + DeserializeOwned> PersistentCircularBuffer<T> {
    /// Makes a queue that keeps everything in memory, as the same log: leases, names of items, delays and dead
    /// letters are those of a queue in files. It is gone when it is dropped.
    ///
    /// `file_path` and `sync_mode` mean nothing here. Memory is used, and given back, by parts of
    /// `segment_bytes`; `max_bytes` bounds it.
    ///
    /// # Errors
    /// `InvalidConfiguration`: a setting breaks its rule.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    /// use std::time::Duration;
    ///
    /// let jobs = PersistentCircularBuffer::in_memory(PersistentConfig::default().with_max_deliveries(2))?;
    /// jobs.push("resize a.png".to_string())?;
    /// jobs.lease(None)?.nack(Duration::ZERO)?; // the work failed: somebody else gets it
    /// assert_eq!(jobs.lease(None)?.deliveries(), 2);
    /// assert_eq!(jobs.dead_letters()?.len(), 1); // that lease was dropped, and it was the last one
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn in_memory(config: PersistentConfig) -> BufferResult<Self> {
        Self::in_memory_with_codec(config, Postcard)
    }
}

impl<T, C: Codec<T>> PersistentCircularBuffer<T, C> {
    /// [`in_memory`](PersistentCircularBuffer::in_memory) with another codec.
    ///
    /// # Errors
    /// `InvalidConfiguration`: a setting breaks its rule.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Raw};
    ///
    /// let queue = PersistentCircularBuffer::in_memory_with_codec(PersistentConfig::default(), Raw)?;
    /// queue.push(vec![1, 2, 3])?;
    /// assert_eq!(queue.pop()?, [1, 2, 3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn in_memory_with_codec(config: PersistentConfig, codec: C) -> BufferResult<Self> {
        config.check()?;
        Self::in_storage(Box::new(Memory::default()), config.with_sync_mode(SyncMode::NoSync), codec)
    }
}
