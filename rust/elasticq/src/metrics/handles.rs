//! The exporter's handles to histograms, kept by each thread for the series that it has recorded last.
//!
//! A lock around handles that all threads share costs more than all else that stands beside a call whose time is
//! taken. Handles are asked for anew after each flush of their series, since there may be another exporter by
//! then. So a thread that records nothing any more keeps those of an earlier exporter, until it ends.

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
/// exporter for them. Both may do anything: if they record themselves, or the thread is ending, nothing is kept.
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
        let place = kept.iter().position(|kept| kept.series == series);
        let place = match place {
            Some(place) if kept[place].flushes == flushes => place,
            place => {
                let new = Kept { series, flushes, histograms: ask() };
                match place {
                    Some(place) => kept[place] = new,
                    None if kept.len() < MOST => kept.push(new),
                    None => {
                        kept.remove(0);
                        kept.push(new);
                    }
                }
                place.unwrap_or(kept.len() - 1)
            }
        };
        if let Some(record) = record.take() {
            record(&kept[place].histograms);
        }
    });
    if let Some(record) = record {
        record(&ask());
    }
}
