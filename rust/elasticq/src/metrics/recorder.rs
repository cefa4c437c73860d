//! `MetricsRecorder`: a name for buffers, and which of their calls are timed.

use super::borrowed::InstrumentedBufferRef;
use super::probe::{Probe, Sampling};
use super::series::Series;
use crate::buffer::Parts;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Records what happens to the buffers that it instruments, under one name.
///
/// Clones are the same recorder. Two recorders with one name record the same queue.
///
/// # Examples
/// ```
/// use elasticq::metrics::MetricsRecorder;
/// use elasticq::{Config, DynamicCircularBuffer};
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// let recorder = MetricsRecorder::new("events").with_sampling(1);
/// let instrumented = recorder.instrument(&buffer);
/// instrumented.push(42)?;
/// recorder.flush(); // an exporter sees it now
/// recorder.set_enabled(false); // times no calls from now on
/// assert_eq!((recorder.name(), recorder.is_enabled()), ("events", false));
/// assert_eq!(MetricsRecorder::DEFAULT_SAMPLING, 256); // what `with_sampling` has changed
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetricsRecorder {
    series: Arc<Series>,
    sampling: Arc<Sampling>,
    calls: Arc<AtomicU32>,
    enabled: Arc<AtomicBool>,
}

impl MetricsRecorder {
    /// One call in so many is timed by default.
    pub const DEFAULT_SAMPLING: u32 = 256;

    /// A recorder for the queue of this name: any text, which becomes the value of the label `queue`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            series: Series::of(name),
            sampling: Arc::new(Sampling::one_in(Self::DEFAULT_SAMPLING)),
            calls: Arc::new(AtomicU32::new(Self::DEFAULT_SAMPLING)),
            enabled: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Takes the time of one call in `calls`: of every call with 1, of none with 0.
    #[must_use]
    pub fn with_sampling(self, calls: u32) -> Self {
        self.calls.store(calls, Ordering::Relaxed);
        self.set_enabled(self.is_enabled());
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.series.name()
    }

    /// Takes the time of no calls from now on, or of those that it did before. The counters go on: they cost
    /// the queue nothing. (A borrowed buffer tells them beside timed calls, so without these only when it is
    /// flushed or let go.)
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed); // these order nothing
        self.sampling.set(if enabled { self.calls.load(Ordering::Relaxed) } else { 0 });
    }

    /// Whether it takes the time of calls.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Wraps a buffer that is somebody else's. What is done with the buffer itself counts, too.
    pub fn instrument<'a, T, B: Parts<T> + ?Sized>(&self, buffer: &'a B) -> InstrumentedBufferRef<'a, T, B> {
        InstrumentedBufferRef::new(buffer, self.probe())
    }

    /// Tells the exporter the figures of this name as they are now. See [`flush`](super::flush).
    pub fn flush(&self) {
        self.series.flush();
    }

    pub(super) fn probe(&self) -> Probe {
        Probe::new(Arc::clone(&self.series), Arc::clone(&self.sampling))
    }
}
