//! `InstrumentedBufferRef`: a buffer that somebody else owns, and a recorder.
//!
//! The thread that flushes can't read a borrowed buffer. So its figures come from the calls that are timed,
//! at most once a second, and when the last one that borrows it goes.

use super::probe::Probe;
use super::reading::Reading;
use super::recorded::recorded;
use super::series::Operation;
use crate::buffer::{Buffer, Call, Glance, Parts, Report};
use crate::error::{BufferResult, Rejected};
use crate::stats::QueueStats;
use crate::wait::{Waiter, Waiting};
use parking_lot::Mutex;
use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A borrowed buffer whose calls are recorded. It is a [`Buffer`] itself.
///
/// It tells its figures every second or so while it is used, with [`flush`](Self::flush), and when it is
/// dropped. Several of one buffer count it once.
///
/// # Examples
/// ```
/// use elasticq::metrics::MetricsRecorder;
/// use elasticq::{Config, DynamicCircularBuffer};
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// let instrumented = MetricsRecorder::new("events").instrument(&buffer);
/// instrumented.push(42)?;
/// instrumented.push_batch(vec![43, 44])?;
/// assert_eq!((instrumented.pop()?, instrumented.try_pop()?), (42, 43));
/// instrumented.offer(45)?;
/// assert_eq!(instrumented.pop_batch(9)?, [44, 45]);
/// assert!(instrumented.is_empty() && instrumented.len() == 0 && instrumented.capacity() == 1024);
/// assert_eq!(instrumented.stats(), instrumented.buffer().stats());
/// instrumented.flush();
/// instrumented.close();
/// assert!(instrumented.is_closed());
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct InstrumentedBufferRef<'a, T, B: Parts<T> + ?Sized> {
    buffer: &'a B,
    probe: Probe,
    number: u64,
    flushed: Mutex<Instant>,
    items: PhantomData<fn(T)>,
}

impl<'a, T, B: Parts<T> + ?Sized> InstrumentedBufferRef<'a, T, B> {
    const INTERVAL: Duration = Duration::from_secs(1);

    recorded!(calls);

    pub(super) fn new(buffer: &'a B, probe: Probe) -> Self {
        let address = std::ptr::from_ref(buffer).cast::<()>().addr();
        let number = probe.series.borrow(address, || Reading::of(buffer));
        Self { buffer, probe, number, flushed: Mutex::new(Instant::now()), items: PhantomData }
    }

    /// The buffer without its recorder.
    #[must_use]
    pub const fn buffer(&self) -> &'a B {
        self.buffer
    }

    /// Tells the exporter the figures as they are now.
    pub fn flush(&self) {
        self.probe.series.note_borrowed(self.number, || Reading::of(self.buffer), false);
        self.probe.series.flush();
    }

    /// [`flush`](Self::flush) if it is due. An exporter that panics harms no call.
    fn timed(&self) {
        let is_due = self.flushed.try_lock().is_some_and(|mut flushed| {
            let is_due = flushed.elapsed() >= Self::INTERVAL;
            if is_due {
                *flushed = Instant::now();
            }
            is_due
        });
        if is_due {
            let _ = catch_unwind(AssertUnwindSafe(|| self.flush()));
        }
    }
}

impl<T, B: Parts<T> + ?Sized> Drop for InstrumentedBufferRef<'_, T, B> {
    fn drop(&mut self) {
        self.probe.series.note_borrowed(self.number, || Reading::of(self.buffer), true);
        let _ = catch_unwind(AssertUnwindSafe(|| self.probe.series.flush()));
    }
}

impl<T, B: Parts<T> + fmt::Debug + ?Sized> fmt::Debug for InstrumentedBufferRef<'_, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("InstrumentedBufferRef");
        shown.field("queue", &self.probe.series.name()).field("buffer", &self.buffer).finish()
    }
}

impl<T, B: Parts<T> + ?Sized> Buffer<T> for InstrumentedBufferRef<'_, T, B> {
    recorded!(buffer);
}

impl<T, B: Parts<T> + ?Sized> Parts<T> for InstrumentedBufferRef<'_, T, B> {
    recorded!(parts);

    fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        self.buffer.wait_for_item()
    }
    fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        self.buffer.wait_for_room()
    }
}
