//! What the layers above need: [`Buffer`] and [`Parts`].

use super::PersistentCircularBuffer;
use super::codec::Codec;
use crate::buffer::{Buffer, Call, Glance, Oldest, Parts, Report, What, forward, waiters};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::stats::QueueStats;
use crate::wait::{Waiter, Waiting};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

impl<T, C: Codec<T>> Buffer<T> for PersistentCircularBuffer<T, C> {
    forward!(items: self => self);
    forward!(state: self => self);
    fn stats(&self) -> QueueStats {
        self.stats().queue
    }
}

impl<T, C> PersistentCircularBuffer<T, C> {
    /// The most items that the queue holds.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// queue.push(1)?;
    /// assert_eq!(queue.capacity(), 65_536); // `max_capacity` of its `Config`
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.core.max_items()
    }

    waiters!(
        [
            "use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};"
            ""
            "# let folder = tempfile::tempdir().unwrap();"
            "let config = PersistentConfig::default().with_file_path(folder.path().join(\"queue\"));"
            "let queue = PersistentCircularBuffer::<u32>::new(config)?;"
        ],
        self => self.core.not_empty.waiting(), self.core.not_full.waiting()
    );
}

impl<T, C: Codec<T>> Parts<T> for PersistentCircularBuffer<T, C> {
    fn max_capacity(&self) -> usize {
        self.core.max_items()
    }

    fn offer_again(&self, item: T) -> Result<(), Rejected<T>> {
        give_back(self.put(&item), Some(item))
    }

    fn offer_batch_again(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        give_back(self.put_all(&items), Some(items))
    }

    fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.try_pop_batch(max_items)
    }

    fn waits_for_disk(&self) -> bool {
        true
    }

    fn offer_as_task<'a>(&'a self, items: Vec<T>) -> Call<'a, Result<(), Rejected<Vec<T>>>>
    where
        T: Send + 'a,
    {
        Box::pin(self.offer_batch_as_task(items))
    }

    fn take_as_task<'a>(&'a self, max_items: usize) -> Call<'a, BufferResult<Vec<T>>>
    where
        T: Send + 'a,
    {
        Box::pin(self.take_batch_as_task(max_items))
    }

    /// Items that the codec can't read are dropped, too, and are not in the vector.
    fn discard(&self) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        self.core.visit(&mut |item| {
            items.extend(self.decode(item).ok());
            Ok(ControlFlow::Continue(()))
        })?;
        self.core.clear()?;
        Ok(items)
    }

    fn note_refused(&self, items: usize) {
        self.core.tally.note_refused(items);
    }

    fn note_dropped_on_arrival(&self, items: usize) {
        self.core.tally.note_dropped_on_arrival(items);
    }

    /// Nobody has to wait meanwhile. An item that is taken meanwhile may still be shown.
    fn visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) -> BufferResult<()> {
        self.core.visit(&mut |item| Ok(visit(&self.decode(item)?)))
    }

    /// Shows nothing: the items are not in memory.
    fn try_visit(&self, _: &mut dyn FnMut(&T) -> ControlFlow<()>) {}

    fn wait_for_item(&self) -> Waiter<'_> {
        self.core.not_empty.waiter()
    }

    fn wait_for_room(&self) -> Waiter<'_> {
        self.core.not_full.waiter()
    }

    fn wait_for_bulk_room(&self) -> Waiter<'_> {
        self.core.not_full.bulk_waiter()
    }

    fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        Waiter::owned(self, |queue| &queue.core.not_empty)
    }

    fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        Waiter::owned(self, |queue| &queue.core.not_full)
    }

    fn glance(&self) -> Option<Glance> {
        Some(Glance::new(self.len(), self.core.max_items(), self.is_closed()))
    }

    fn waiting_for_item(&self) -> Waiting {
        self.core.not_empty.waiting()
    }

    fn waiting_for_room(&self) -> Waiting {
        self.core.not_full.waiting()
    }

    fn waiting_consumers(&self) -> usize {
        self.core.not_empty.sleepers()
    }

    fn waiting_producers(&self) -> usize {
        self.core.not_full.sleepers()
    }

    fn pass_on(&self) {
        self.core.wake();
    }

    fn report(&self, report: &mut Report) {
        let stats = PersistentCircularBuffer::stats(self);
        report.oldest = match self.core.oldest_age() {
            Ok(age) => Oldest::Known(age),
            // All other figures are zero as well.
            Err(BufferError::Closed | BufferError::InvalidOperation(_)) => Oldest::Known(None),
            Err(_) => Oldest::Unknown,
        };
        for (what, value) in [
            (What::Leased, stats.leased as u64),
            (What::Delayed, stats.delayed as u64),
            (What::Dead, stats.dead as u64),
            (What::Segments, stats.segments as u64),
            (What::BytesOnDisk, stats.bytes_on_disk),
            (What::LogEntries, stats.log_entries),
            (What::RecoveredEntries, stats.recovered_entries),
            (What::TornBytes, stats.torn_bytes),
            (What::Syncs, stats.syncs),
            (What::SyncNanoseconds, nanoseconds(stats.sync_time)),
            (What::LongestSyncNanoseconds, nanoseconds(stats.longest_sync)),
        ] {
            report.add(what, None, value);
        }
    }
}

/// They suffice for 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
