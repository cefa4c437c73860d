//! The metrics by name: their kinds, units and descriptions, and how a figure gets to the exporter.

use crate::buffer::What;
use metrics::{Key, KeyName, Label, Level, Metadata, Unit, with_recorder};
use std::time::Duration;

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    kind: Kind,
    unit: Unit,
    description: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    /// A gauge that only grows: the facade's counters have no fractions.
    Sum,
    Gauge,
    Histogram,
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $unit:ident $name:literal, $description:literal;)*) => {
        $(pub const $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, unit: Unit::$unit, description: $description };)*

        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    ENQUEUED: Counter Count "elasticq_messages_enqueued_total", "Messages that the queue has accepted.";
    DEQUEUED: Counter Count "elasticq_messages_dequeued_total", "Messages that were taken from the queue.";
    REFUSED: Counter Count "elasticq_messages_refused_total", "Messages that the queue has refused; their senders have them.";
    DROPPED: Counter Count "elasticq_messages_dropped_total", "Accepted messages that nobody will get.";
    RESIZES: Counter Count "elasticq_resizes_total", "How often the capacity changed.";
    BACKPRESSURE: Sum Seconds "elasticq_backpressure_seconds_total", "How long producers have waited for room, all together; an estimate from who waits at each look.";
    DEPTH: Gauge Count "elasticq_queue_depth", "Messages in the queue.";
    CAPACITY: Gauge Count "elasticq_queue_capacity", "Messages for which the queue has memory.";
    MAX_CAPACITY: Gauge Count "elasticq_queue_max_capacity", "The most messages that the queue may hold.";
    UTILIZATION: Gauge Percent "elasticq_queue_utilization_ratio", "Messages in the queue by the most that it may hold, from 0 to 1.";
    WAITERS: Gauge Count "elasticq_queue_waiters", "Threads and tasks that wait at an end of the queue.";
    LONGEST_WAIT: Gauge Seconds "elasticq_queue_longest_wait_seconds", "How long the longest of them has waited.";
    OLDEST: Gauge Seconds "elasticq_queue_oldest_item_age_seconds", "The age of the oldest message in the queue, or an upper bound of it.";
    DURATION: Histogram Seconds "elasticq_operation_duration_seconds", "How long the calls took of which the time was taken.";
    LEVEL_DEPTH: Gauge Count "elasticq_level_depth", "Messages of a level.";
    LEVEL_ENQUEUED: Counter Count "elasticq_level_enqueued_total", "Messages that a level has accepted.";
    LEVEL_DEQUEUED: Counter Count "elasticq_level_dequeued_total", "Messages that were taken from a level.";
    LEVEL_DROPPED: Counter Count "elasticq_level_dropped_total", "Accepted messages of a level that nobody will get.";
    LEVEL_REFUSED: Counter Count "elasticq_level_refused_total", "Messages that a level has refused.";
    LEASED: Gauge Count "elasticq_durable_leased", "Messages that are leased, and neither acknowledged nor given back.";
    DELAYED: Gauge Count "elasticq_durable_delayed", "Messages that can be taken only later.";
    DEAD: Gauge Count "elasticq_durable_dead_letters", "Messages in the list of dead letters.";
    SEGMENTS: Gauge Count "elasticq_durable_segments", "Files of the log.";
    LOG_ENTRIES: Gauge Count "elasticq_durable_log_entries", "Records in the log.";
    DISK: Gauge Bytes "elasticq_durable_disk_bytes", "What the files take on the disk.";
    RECOVERED: Counter Count "elasticq_durable_recovered_entries_total", "Records that were found when the queue was opened.";
    TORN: Counter Bytes "elasticq_durable_torn_bytes_total", "Bytes that were torn when the queue was opened.";
    SYNCS: Counter Count "elasticq_durable_syncs_total", "Syncs of the log to the disk.";
    SYNC_TIME: Sum Seconds "elasticq_durable_sync_seconds_total", "How long the syncs took, all together.";
    LONGEST_SYNC: Gauge Seconds "elasticq_durable_sync_longest_seconds", "How long the longest sync took since the queue was opened.";
}

/// The metric of a figure that only some buffers have.
pub const fn metric_of(what: What) -> Metric {
    match what {
        What::LevelDepth => LEVEL_DEPTH,
        What::LevelEnqueued => LEVEL_ENQUEUED,
        What::LevelDequeued => LEVEL_DEQUEUED,
        What::LevelDropped => LEVEL_DROPPED,
        What::LevelRefused => LEVEL_REFUSED,
        What::Leased => LEASED,
        What::Delayed => DELAYED,
        What::Dead => DEAD,
        What::Segments => SEGMENTS,
        What::BytesOnDisk => DISK,
        What::LogEntries => LOG_ENTRIES,
        What::RecoveredEntries => RECOVERED,
        What::TornBytes => TORN,
        What::Syncs => SYNCS,
        What::SyncNanoseconds => SYNC_TIME,
        What::LongestSyncNanoseconds => LONGEST_SYNC,
    }
}

impl Metric {
    /// Whether the figure only grows.
    pub const fn only_grows(self) -> bool {
        matches!(self.kind, Kind::Counter | Kind::Sum)
    }

    /// Tells the exporter a figure. Times are in nanoseconds.
    pub fn tell(self, key: &Key, figure: u64) {
        match (self.kind, self.unit) {
            (Kind::Counter, _) => set_counter(key, figure),
            (_, Unit::Seconds) => set_gauge(key, Duration::from_nanos(figure).as_secs_f64()),
            _ => set_gauge(key, figure as f64),
        }
    }

    /// Its key for a queue, with one more label or two. Exporters copy it at each scrape, so that costs nothing.
    pub fn key(self, queue: &str, more: &[(&'static str, String)]) -> Key {
        let queue = Label::new("queue", queue.to_string());
        let more = more.iter().map(|(name, value)| Label::new(*name, value.clone()));
        Key::from_parts(self.name, [queue].into_iter().chain(more).collect::<Vec<_>>()).to_retained()
    }

    fn describe(self) {
        let name = KeyName::from_const_str(self.name);
        with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.describe_counter(name, Some(self.unit), self.description.into()),
            Kind::Sum | Kind::Gauge => recorder.describe_gauge(name, Some(self.unit), self.description.into()),
            Kind::Histogram => recorder.describe_histogram(name, Some(self.unit), self.description.into()),
        });
    }
}

/// Tells the exporter what the metrics are. It forgets nothing that it was told before.
pub fn describe() {
    ALL.iter().for_each(|metric| metric.describe());
}

static METADATA: Metadata<'static> = Metadata::new("elasticq", Level::INFO, Some("elasticq"));

/// Tells the exporter the sum of a counter.
pub fn set_counter(key: &Key, sum: u64) {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA).absolute(sum));
}

/// Tells the exporter how much it is now.
pub fn set_gauge(key: &Key, value: f64) {
    with_recorder(|recorder| recorder.register_gauge(key, &METADATA).set(value));
}

/// The handle to a histogram.
pub fn histogram(key: &Key) -> metrics::Histogram {
    with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for metric in ALL {
            let valid = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(metric.name.starts_with("elasticq_") && metric.name.chars().all(valid), "{metric:?}");
            assert!(metric.only_grows() == metric.name.ends_with("_total"), "{metric:?}");
            assert!(metric.unit != Unit::Seconds || metric.name.contains("_seconds"), "{metric:?}");
            assert!(metric.unit != Unit::Bytes || metric.name.contains("_bytes"), "{metric:?}");
            assert!(metric.description.ends_with('.'), "{metric:?}");
        }
    }
}
