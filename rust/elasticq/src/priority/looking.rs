//! Looking at a buffer with levels: its sizes and counters. Each call takes the lock once, so what it tells is
//! of one moment.

use super::levels::Levels;
use super::{PriorityCircularBuffer, PriorityStats};
use crate::stats::QueueStats;
use parking_lot::lock_api::RawMutex;

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    /// How many levels there are: priorities go from 0 to one less. Constant time.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_with_priority("urgent", 2)?;
    /// assert_eq!((buffer.priority_levels(), buffer.len(), buffer.is_empty()), (3, 1, false));
    /// assert_eq!([0, 1, 2].map(|priority| buffer.len_at_priority(priority)), [0, 0, 1]);
    /// assert_eq!((buffer.capacity(), buffer.max_capacity()), (1024, 65_536));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub const fn priority_levels(&self) -> usize {
        self.tallies.len()
    }

    /// Items in the buffer now. Constant time; takes the lock.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.lock().len()
    }

    /// Items at the level of `priority` now; 0 if there is no such level. Constant time; takes the lock.
    #[must_use]
    pub fn len_at_priority(&self, priority: usize) -> usize {
        self.levels.lock().lane(priority).map_or(0, |lane| lane.len())
    }

    /// Whether the buffer holds nothing now. Constant time; takes the lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no level has room now: the buffer holds `max_capacity` items, or each level holds as many as
    /// it may. Linear in the number of levels; takes the lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let config = PriorityConfig::default().with_priority_levels(1).with_max_capacity_at_priority(0, 1);
    /// let buffer = PriorityCircularBuffer::new(config)?;
    /// buffer.push(1)?;
    /// assert!(buffer.is_full());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        let levels = self.levels.lock();
        levels.len() == levels.max_capacity() || levels.lanes().all(|lane| lane.len() == lane.most())
    }

    /// The logical capacity now, of all levels together. Constant time; takes the lock.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.levels.lock().capacity()
    }

    /// How many items fit at the level of `priority` before it needs more memory. 0 before the first item,
    /// and also if there is no such level. Constant time; takes the lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch_with_priority(vec![0_u8; 100], 2)?;
    /// assert_eq!([0, 1, 2].map(|priority| buffer.capacity_at_priority(priority)), [0, 0, 128]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn capacity_at_priority(&self, priority: usize) -> usize {
        self.levels.lock().lane(priority).map_or(0, |lane| lane.limit())
    }

    /// The capacity beyond which the buffer never grows, in items. Constant time; takes the lock.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.levels.lock().max_capacity()
    }

    /// Counters and lengths of each level, all taken at one moment. Linear in the number of levels; takes the
    /// lock.
    ///
    /// If the trait [`Buffer`](crate::Buffer) is in scope, `buffer.stats()` of a buffer in an `Arc` calls the trait's
    /// method; `(*buffer).stats()` calls this one.
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    ///
    /// let buffer = PriorityCircularBuffer::new(PriorityConfig::default())?;
    /// buffer.push_batch_with_priority(vec![1, 2], 0)?;
    /// buffer.pop()?;
    /// let stats = buffer.stats();
    /// assert_eq!((stats.total_pushed, stats.total_popped), (2, 1));
    /// assert_eq!((stats.pushed_per_priority, stats.len_per_priority), (vec![2, 0, 0], vec![1, 0, 0]));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> PriorityStats {
        let levels = self.levels.lock();
        let told = self.told(&levels);
        PriorityStats {
            total_pushed: total(&told, |level| level.messages_enqueued),
            total_popped: total(&told, |level| level.messages_dequeued),
            total_dropped: total(&told, |level| level.messages_dropped),
            total_refused: total(&told, |level| level.messages_refused),
            pushed_per_priority: told.iter().map(|level| level.messages_enqueued).collect(),
            popped_per_priority: told.iter().map(|level| level.messages_dequeued).collect(),
            dropped_per_priority: told.iter().map(|level| level.messages_dropped).collect(),
            refused_per_priority: told.iter().map(|level| level.messages_refused).collect(),
            len_per_priority: told.iter().map(|level| level.current_size).collect(),
            oldest_per_priority: levels.oldest(),
        }
    }

    /// The counters and the length of each level, by priority.
    fn told(&self, levels: &Levels<T>) -> Vec<QueueStats> {
        let told = levels.lanes().zip(&self.tallies).map(|(lane, tally)| {
            tally.add_to(QueueStats {
                messages_enqueued: lane.pushed(),
                messages_dequeued: lane.popped(),
                current_size: lane.len(),
                ..QueueStats::default()
            })
        });
        told.collect()
    }

    /// The counters of all levels together.
    pub(super) fn told_in_all(&self, levels: &Levels<T>) -> QueueStats {
        let told = self.told(levels);
        QueueStats {
            messages_enqueued: total(&told, |level| level.messages_enqueued),
            messages_dequeued: total(&told, |level| level.messages_dequeued),
            messages_dropped: total(&told, |level| level.messages_dropped),
            messages_refused: total(&told, |level| level.messages_refused),
            current_size: levels.len(),
            current_capacity: levels.capacity(),
            peak_size: Some(levels.peak()),
            grown: levels.grown(),
            shrunk: levels.shrunk(),
        }
    }
}

/// The sum of a count over all levels. Like each counter, it starts again at zero beyond `u64::MAX`.
fn total(told: &[QueueStats], count: impl Fn(&QueueStats) -> u64) -> u64 {
    told.iter().map(count).fold(0, u64::wrapping_add)
}
