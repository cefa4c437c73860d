//! `Series`: the figures of all buffers with one name.
//!
//! A series lives as long as the process, since its counters must not fall. It holds what buffers that are
//! gone have counted, and watches those that live. What it tells the exporter are sums, not steps: so an
//! exporter that comes late misses nothing, and two flushes at once count nothing twice.

use super::catalog::{self, Metric};
use super::handles;
use super::reading::{Ages, Figures, Place, Reading, Sum, Totals};
use crate::buffer::{Figure, Oldest};
use metrics::Key;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

/// A buffer that can be read.
pub trait Watch: Send + Sync {
    fn read(&self) -> Reading;
}

/// What is measured of an operation.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Push,
    Pop,
    PushBatch,
    PopBatch,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Push, Self::Pop, Self::PushBatch, Self::PopBatch];

    const fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pop => "pop",
            Self::PushBatch => "push_batch",
            Self::PopBatch => "pop_batch",
        }
    }
}

pub struct Series {
    keys: Keys,
    /// How often it was flushed: threads ask for new handles then, since there may be another exporter.
    flushes: AtomicU64,
    counted: Mutex<Counted>,
}

struct Counted {
    /// What those that are gone have counted.
    gone: Sum,
    watched: Vec<Watched>,
    last_number: u64,
    has_told_age: bool,
    backpressure: Duration,
    flushed: Instant,
}

struct Watched {
    number: u64,
    source: Source,
    count: Count,
}

/// What counts of what a buffer has counted.
struct Count {
    /// What it had counted before, less what was inside.
    before: Totals,
    /// What it had counted at the last look.
    seen: Totals,
    /// Whether the items outlive the buffer.
    in_files: bool,
    /// The figures that only grow, as they were then.
    figures: Figures,
    ages: Ages,
}

/// Those that only grow.
fn growing(figures: &[Figure]) -> impl Iterator<Item = &Figure> {
    figures.iter().filter(|figure| catalog::metric_of(figure.what).only_grows())
}

impl Count {
    /// That of a buffer from now on. What is inside counts as having come since.
    fn of(now: &Reading) -> Self {
        let mut before = now.totals;
        before.enqueued -= before.depth();
        let Reading { totals: seen, in_files, .. } = *now;
        Self { before, seen, in_files, figures: Figures::default(), ages: Ages::begin() }
    }

    /// What counts now. If the buffer has begun anew (`DynamicCircularBuffer::restart`), `gone` gets what it
    /// had counted until then, and what was inside is gone. A queue in files that was finished tells zeros;
    /// its items have left the sight of this series.
    fn see(&mut self, now: Totals, gone: &mut Totals) -> Totals {
        let seen = replace(&mut self.seen, now);
        if now.enqueued < seen.enqueued || now.dequeued < seen.dequeued || now.dropped < seen.dropped {
            let mut counted = seen.since(self.before);
            if self.in_files {
                counted.dequeued += counted.depth();
            }
            counted.dropped += counted.depth();
            *gone = gone.plus(counted);
            // Refusals are counted on.
            self.before = Totals { refused: seen.refused, ..Totals::default() };
            self.ages = Ages::begin();
        }
        now.since(self.before)
    }

    /// If figures that only grow have begun anew (a durable queue that was finished tells none), `gone` gets
    /// what they were until then.
    fn see_figures(&mut self, now: &[Figure], gone: &mut Figures) {
        for figure in growing(now) {
            let seen = self.figures.replace(*figure);
            gone.add(seen.iter().filter(|seen| seen.value > figure.value));
        }
    }
}

/// Where a reading comes from.
enum Source {
    Shared(Weak<dyn Watch>),
    /// A borrowed buffer, by its address: so many recorders hold it, and this was read last.
    Borrowed {
        address: usize,
        holders: usize,
        last: Reading,
    },
}

struct Keys {
    queue: String,
    counters: [Key; 4],
    gauges: [Key; 4],
    oldest: Key,
    resizes: [Rare; 2],
    backpressure: Rare,
    waiters: [Rare; 4],
    longest: [Rare; 2],
    durations: [Key; 4],
    more: Mutex<BTreeMap<Place, (Metric, Key)>>,
}

impl Keys {
    fn new(queue: &str) -> Self {
        let plain = |metric: Metric| metric.key(queue, &[]);
        let rare = |metric: Metric, labels: &[(&'static str, &str)]| {
            let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, (*value).to_string())).collect();
            Rare { metric, key: metric.key(queue, &labels), is_told: AtomicBool::new(false) }
        };
        let resizes = |direction| rare(catalog::RESIZES, &[("direction", direction)]);
        let waiters = |end, kind| rare(catalog::WAITERS, &[("end", end), ("kind", kind)]);
        Self {
            queue: queue.into(),
            counters: [catalog::ENQUEUED, catalog::DEQUEUED, catalog::REFUSED, catalog::DROPPED].map(plain),
            gauges: [catalog::DEPTH, catalog::CAPACITY, catalog::MAX_CAPACITY, catalog::UTILIZATION].map(plain),
            oldest: plain(catalog::OLDEST),
            resizes: ["grow", "shrink"].map(resizes),
            backpressure: rare(catalog::BACKPRESSURE, &[]),
            waiters: [
                waiters("item", "thread"),
                waiters("item", "task"),
                waiters("room", "thread"),
                waiters("room", "task"),
            ],
            longest: ["item", "room"].map(|end| rare(catalog::LONGEST_WAIT, &[("end", end)])),
            durations: Operation::ALL
                .map(|operation| catalog::DURATION.key(queue, &[("operation", operation.name().into())])),
            more: Mutex::default(),
        }
    }
}

/// A figure that is told only from its first value above zero on. That halves a page for many queues.
struct Rare {
    metric: Metric,
    key: Key,
    is_told: AtomicBool,
}

impl Rare {
    /// Tells the figure. Times are in nanoseconds.
    fn tell(&self, figure: u64) {
        // The flag stands for itself alone.
        if figure > 0 || self.is_told.load(Ordering::Relaxed) {
            self.is_told.store(true, Ordering::Relaxed);
            self.metric.tell(&self.key, figure);
        }
    }
}

static ALL: LazyLock<Mutex<HashMap<String, Arc<Series>>>> = LazyLock::new(Mutex::default);

impl Series {
    /// The series of this name.
    pub fn of(name: &str) -> Arc<Self> {
        let mut all = ALL.lock();
        Arc::clone(all.entry(name.into()).or_insert_with(|| Arc::new(Self::new(name))))
    }

    fn new(name: &str) -> Self {
        let counted = Counted {
            gone: Sum::default(),
            watched: Vec::new(),
            last_number: 0,
            has_told_age: false,
            backpressure: Duration::ZERO,
            flushed: Instant::now(),
        };
        Self { keys: Keys::new(name), flushes: AtomicU64::new(0), counted: Mutex::new(counted) }
    }

    pub fn name(&self) -> &str {
        &self.keys.queue
    }

    /// Watches a buffer, which `now` shows, until it is told that it is gone. Returns its number.
    pub fn watch(&self, watch: Weak<dyn Watch>, now: &Reading) -> u64 {
        let count = Count::of(now);
        self.counted.lock().enter(Source::Shared(watch), count)
    }

    /// Counts a buffer that is borrowed. Another one at this address is the same.
    pub fn borrow(&self, address: usize, read: impl FnOnce() -> Reading) -> u64 {
        let mut counted = self.counted.lock();
        let now = read();
        for watched in &mut counted.watched {
            if let Source::Borrowed { address: known, holders, last } = &mut watched.source
                && *known == address
            {
                *holders += 1;
                *last = now;
                return watched.number;
            }
        }
        let count = Count::of(&now);
        counted.enter(Source::Borrowed { address, holders: 1, last: now }, count)
    }

    /// Notes what a borrowed buffer shows now; whether its holder lets it go. It is read under the lock, so
    /// what is noted later was read later.
    pub fn note_borrowed(&self, number: u64, read: impl FnOnce() -> Reading, goes: bool) {
        let mut counted = self.counted.lock();
        let now = read();
        let Some(watched) = counted.watched.iter_mut().find(|watched| watched.number == number) else { return };
        if let Source::Borrowed { holders, last, .. } = &mut watched.source {
            if goes && *holders == 1 {
                counted.retire(number, &now, false);
            } else {
                *holders -= usize::from(goes);
                *last = now;
            }
        }
    }

    /// A buffer is let go of, and showed this at last. Whether it is gone itself, with what was inside.
    pub fn retire(&self, number: u64, last: &Reading, is_gone: bool) {
        self.counted.lock().retire(number, last, is_gone);
    }

    /// Whether there is a buffer that this can read by itself.
    pub fn is_watching(&self) -> bool {
        self.counted.lock().watched.iter().any(|watched| matches!(watched.source, Source::Shared(_)))
    }

    /// Records how long a call took.
    pub fn record(&self, operation: Operation, took: Duration) {
        let ask = || self.keys.durations.each_ref().map(catalog::histogram);
        handles::with(ptr::from_ref(self).addr(), &self.flushes, ask, |histograms| {
            histograms[operation as usize].record(took.as_secs_f64());
        });
    }

    /// Tells the exporter the figures of now.
    pub fn flush(&self) {
        let (sum, backpressure) = {
            let mut held = Vec::new(); // the last of a buffer must not go while this is locked
            let summed = self.counted.lock().sum(&mut held);
            drop(held);
            summed
        };
        self.flushes.fetch_add(1, Ordering::Release);
        let totals = sum.totals;
        let counters = [totals.enqueued, totals.dequeued, totals.refused, totals.dropped];
        self.keys.counters.iter().zip(counters).for_each(|(key, sum)| catalog::set_counter(key, sum));
        let depth = totals.depth() as f64;
        let utilization = if sum.max_capacity == 0 { 0.0 } else { depth / sum.max_capacity as f64 };
        let gauges = [depth, sum.capacity as f64, sum.max_capacity as f64, utilization];
        self.keys.gauges.iter().zip(gauges).for_each(|(key, value)| catalog::set_gauge(key, value));
        if let Some(oldest) = sum.oldest {
            catalog::set_gauge(&self.keys.oldest, oldest.as_secs_f64());
        }
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.keys.resizes.iter().zip([totals.grown, totals.shrunk]).for_each(|(rare, sum)| rare.tell(sum));
        self.keys.backpressure.tell(nanoseconds(backpressure));
        let waiters = [sum.item.threads, sum.item.tasks, sum.room.threads, sum.room.tasks];
        self.keys.waiters.iter().zip(waiters).for_each(|(rare, count)| rare.tell(count as u64));
        let longest = [sum.item.longest, sum.room.longest];
        self.keys.longest.iter().zip(longest).for_each(|(rare, wait)| rare.tell(nanoseconds(wait)));
        let mut more = self.keys.more.lock();
        for (place, Figure { what, level, .. }) in sum.figures.iter() {
            more.entry(*place).or_insert_with(|| {
                let metric = catalog::metric_of(*what);
                let level: Vec<_> = level.iter().map(|level| ("level", level.to_string())).collect();
                (metric, metric.key(&self.keys.queue, &level))
            });
        }
        // What no buffer tells any more is zero: the buffers that told it are gone.
        for (place, (metric, key)) in &*more {
            metric.tell(key, sum.figures.get(place).unwrap_or_default());
        }
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Series").field("queue", &self.keys.queue).finish_non_exhaustive()
    }
}

impl Counted {
    fn enter(&mut self, source: Source, count: Count) -> u64 {
        self.last_number += 1;
        self.watched.push(Watched { number: self.last_number, source, count });
        self.last_number
    }

    fn retire(&mut self, number: u64, last: &Reading, is_gone: bool) {
        let Some(place) = self.watched.iter().position(|watched| watched.number == number) else { return };
        let mut count = self.watched.swap_remove(place).count;
        let mut totals = count.see(last.totals, &mut self.gone.totals);
        let inside = totals.depth();
        if is_gone {
            totals.dropped += inside;
        } else {
            totals.dequeued += inside; // they have left the sight of this series, and may come again
        }
        self.gone.totals = self.gone.totals.plus(totals);
        count.see_figures(&last.figures, &mut self.gone.figures);
        self.gone.figures.add(growing(&last.figures));
    }

    /// The figures of all together. `held` gets what must be dropped outside of the lock.
    fn sum(&mut self, held: &mut Vec<Arc<dyn Watch>>) -> (Sum, Duration) {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.flushed);
        self.flushed = now;
        let mut sum = Sum::default();
        for Watched { source, count, .. } in &mut self.watched {
            let read;
            let reading = match source {
                Source::Borrowed { last, .. } => last,
                Source::Shared(watch) => {
                    let Some(watch) = watch.upgrade() else { continue }; // it is about to retire
                    read = watch.read();
                    held.push(watch);
                    &read
                }
            };
            let totals = count.see(reading.totals, &mut self.gone.totals);
            count.see_figures(&reading.figures, &mut self.gone.figures);
            let bound = count.ages.note(now, totals.enqueued, totals.dequeued + totals.dropped);
            let oldest = match reading.oldest {
                Oldest::InOrder => Some(bound.unwrap_or_default()),
                Oldest::Known(age) => Some(age.unwrap_or_default()),
                Oldest::Unknown => None,
            };
            let waiting = reading.waiting_for_room;
            let longest = waiting.longest.unwrap_or(since).min(since);
            self.backpressure += longest * u32::try_from(waiting.threads + waiting.tasks).unwrap_or(u32::MAX);
            sum.add(reading, totals, oldest);
        }
        if self.watched.is_empty() && self.has_told_age {
            sum.oldest = Some(Duration::ZERO); // of what is gone nothing is old
        }
        self.has_told_age |= sum.oldest.is_some();
        sum.totals = sum.totals.plus(self.gone.totals);
        sum.figures.add(self.gone.figures.iter().map(|(_, figure)| figure));
        (sum, self.backpressure)
    }
}

/// Tells the exporter the figures of all queues as they are now. A server calls it before it renders a
/// scrape.
///
/// Blocks for the locks of the buffers, one after the other. An exporter that panics does so here; the
/// figures of the other queues are told all the same, and then the first panic goes on.
///
/// # Examples
/// ```
/// elasticq::metrics::flush();
/// ```
pub fn flush() {
    let all: Vec<_> = ALL.lock().values().cloned().collect();
    let mut panicked = catch_unwind(catalog::describe).err();
    for series in all {
        panicked = panicked.or(catch_unwind(AssertUnwindSafe(|| series.flush())).err());
    }
    if let Some(panic) = panicked {
        std::panic::resume_unwind(panic);
    }
}

/// Whether any series reads buffers by itself.
pub fn any_watching() -> bool {
    let all: Vec<_> = ALL.lock().values().cloned().collect();
    all.iter().any(|series| series.is_watching())
}
