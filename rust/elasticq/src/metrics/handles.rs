//! The exporter's handles to histograms, kept by each thread for the series that it has recorded last.
//!
//! A lock around handles that all threads share would cost each call whose time is taken some 20 ns. Handles
//! are asked for anew after each flush of their series, since there may be another exporter by then. So a
//! thread that records nothing any more keeps those of an earlier exporter, until it ends.

use metrics::Histogram;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of so many series a thread keeps the handles.
const MOST: usize = 8;

struct Kept {
    /// The address of the series, which lives as long as the process.
    series: usize,
    flushes: u64,
    histograms: [Histogram; 4],
}

thread_local!(static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) });

/// Calls `record` with the handles of the series at this address, which was flushed so often; `ask` asks the
/// exporter for them. Both may do anything: if they record themselves, or the thread is ending, nothing is
/// kept.
pub fn with(
    series: usize,
    flushes: &AtomicU64,
    ask: impl Fn() -> [Histogram; 4],
    record: impl FnOnce(&[Histogram; 4]),
) {
    let mut record = Some(record);
    let _ = KEPT.try_with(|kept| {
        let Ok(mut kept) = kept.try_borrow_mut() else { return };
        // Before the handles are asked for: these may be newer than the count says, but not older.
        let flushes = flushes.load(Ordering::Acquire);
        let known = kept.iter().position(|kept| kept.series == series && kept.flushes == flushes);
        let place = known.unwrap_or_else(|| {
            let histograms = ask();
            kept.retain(|kept| kept.series != series);
            if kept.len() == MOST {
                kept.remove(0);
            }
            kept.push(Kept { series, flushes, histograms });
            kept.len() - 1
        });
        if let Some(record) = record.take() {
            record(&kept[place].histograms);
        }
    });
    if let Some(record) = record {
        record(&ask());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::HistogramFn;
    use std::sync::Arc;

    #[derive(Default)]
    struct Counter(AtomicU64);

    impl HistogramFn for Counter {
        fn record(&self, _: f64) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn handles(counter: &Arc<Counter>) -> [Histogram; 4] {
        std::array::from_fn(|_| Histogram::from_arc(Arc::clone(counter)))
    }

    #[test]
    fn each_series_has_its_own_handles_however_many_there_are() {
        let flushes = AtomicU64::new(0);
        let counters: Vec<Arc<Counter>> = (0..3 * MOST).map(|_| Arc::default()).collect();
        for round in 0..3 {
            for (series, counter) in counters.iter().enumerate() {
                for _ in 0..=round {
                    with(series, &flushes, || handles(counter), |histograms| histograms[round].record(1.0));
                }
            }
        }
        assert!(counters.iter().all(|counter| counter.0.load(Ordering::Relaxed) == 6));
        assert_eq!(KEPT.with_borrow(Vec::len), MOST);
    }

    #[test]
    fn handles_are_asked_for_once_between_two_flushes() {
        let (flushes, asked, counter) = (AtomicU64::new(0), AtomicU64::new(0), Arc::default());
        let ask = || {
            asked.fetch_add(1, Ordering::Relaxed);
            handles(&counter)
        };
        let mut counts = Vec::new();
        for _ in 0..2 {
            for _ in 0..5 {
                with(1, &flushes, ask, |histograms| histograms[0].record(1.0));
            }
            counts.push(asked.load(Ordering::Relaxed));
            flushes.fetch_add(1, Ordering::Release);
        }
        assert_eq!((counts, counter.0.load(Ordering::Relaxed)), (vec![1, 2], 10));
    }

    #[test]
    fn a_record_may_record() {
        let (flushes, counter) = (AtomicU64::new(0), Arc::default());
        let inner = || with(2, &flushes, || handles(&counter), |histograms| histograms[0].record(1.0));
        with(
            1,
            &flushes,
            || handles(&counter),
            |histograms| {
                histograms[0].record(1.0);
                inner();
            },
        );
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
    }
}
