//! `InstrumentedBuffer`: a buffer and its recorder.

use super::probe::Probe;
use super::reading::Reading;
use super::recorded::recorded;
use super::recorder::MetricsRecorder;
use super::series::{Operation, Watch};
use super::timer;
use crate::buffer::{Buffer, Call, Glance, Parts, Report};
use crate::error::{BufferResult, Rejected};
use crate::locked::DynamicCircularBuffer;
use crate::stats::QueueStats;
use crate::wait::{Waiter, Waiting};
use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

/// A buffer whose calls are recorded. It is a [`Buffer`] itself.
///
/// Clones share the buffer. What is done with [`buffer`](Self::buffer) counts, too, but takes part in no
/// durations.
///
/// # Examples
/// ```
/// use elasticq::metrics::{InstrumentedBuffer, MetricsRecorder};
/// use elasticq::{Config, DynamicCircularBuffer};
/// use std::sync::Arc;
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// let instrumented = InstrumentedBuffer::new(buffer, MetricsRecorder::new("orders"));
/// instrumented.push(1)?;
/// instrumented.push_batch(vec![2, 3])?;
/// assert_eq!((instrumented.pop()?, instrumented.try_pop()?), (1, 2));
/// instrumented.offer(4)?;
/// assert_eq!(instrumented.pop_batch(9)?, [3, 4]);
/// assert!(instrumented.is_empty() && instrumented.len() == 0 && instrumented.capacity() == 1024);
/// assert_eq!(instrumented.stats(), instrumented.buffer().stats());
/// instrumented.close();
/// assert!(instrumented.is_closed());
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub struct InstrumentedBuffer<T, B: Parts<T> + 'static = DynamicCircularBuffer<T>> {
    buffer: Arc<B>,
    probe: Probe,
    watched: Arc<Watched<T, B>>,
}

/// The buffer, as its series sees it.
struct Watched<T, B: Parts<T>> {
    buffer: Arc<B>,
    probe: Probe,
    number: std::sync::OnceLock<u64>,
    items: PhantomData<fn(T)>,
}

impl<T, B: Parts<T>> Watch for Watched<T, B> {
    fn read(&self) -> Reading {
        Reading::of(&*self.buffer)
    }
}

impl<T, B: Parts<T>> Drop for Watched<T, B> {
    fn drop(&mut self) {
        if let Some(number) = self.number.get() {
            // What is in files outlives the buffer.
            let is_gone = Arc::strong_count(&self.buffer) == 1 && !self.buffer.waits_for_disk();
            self.probe.series.retire(*number, &Reading::of(&*self.buffer), is_gone);
        }
    }
}

impl<T: 'static, B: Parts<T> + 'static> InstrumentedBuffer<T, B> {
    /// Records `buffer` with `recorder` from now on. What is inside counts as enqueued. Others may share the
    /// buffer.
    ///
    /// # Examples
    /// ```
    /// use elasticq::metrics::{InstrumentedBuffer, MetricsRecorder};
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::sync::Arc;
    ///
    /// let queue = Arc::new(DynamicCircularBuffer::new(Config::default())?);
    /// let instrumented = InstrumentedBuffer::new(Arc::clone(&queue), MetricsRecorder::new("requests"));
    /// instrumented.push(1)?;
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[allow(clippy::needless_pass_by_value)] // a recorder is a handle, and callers need no other one
    pub fn new(buffer: Arc<B>, recorder: MetricsRecorder) -> Self {
        let probe = recorder.probe();
        let watched = Arc::new(Watched {
            buffer: Arc::clone(&buffer),
            probe: probe.clone(),
            number: std::sync::OnceLock::new(),
            items: PhantomData,
        });
        let weak: Weak<Watched<T, B>> = Arc::downgrade(&watched);
        let number = probe.series.watch(weak, &Reading::of(&*buffer));
        let _ = watched.number.set(number);
        timer::start();
        Self { buffer, probe, watched }
    }
}

impl<T, B: Parts<T> + 'static> InstrumentedBuffer<T, B> {
    recorded!(calls);

    /// The buffer without its recorder.
    #[must_use]
    pub const fn buffer(&self) -> &Arc<B> {
        &self.buffer
    }

    /// A thread of its own tells the figures.
    #[allow(clippy::unused_self)]
    const fn timed(&self) {}
}

impl<T, B: Parts<T> + 'static> Clone for InstrumentedBuffer<T, B> {
    fn clone(&self) -> Self {
        Self { buffer: Arc::clone(&self.buffer), probe: self.probe.clone(), watched: Arc::clone(&self.watched) }
    }
}

impl<T, B: Parts<T> + fmt::Debug + 'static> fmt::Debug for InstrumentedBuffer<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("InstrumentedBuffer");
        shown.field("queue", &self.probe.series.name()).field("buffer", &self.buffer).finish()
    }
}

impl<T, B: Parts<T> + 'static> Buffer<T> for InstrumentedBuffer<T, B> {
    recorded!(buffer);
}

impl<T, B: Parts<T> + 'static> Parts<T> for InstrumentedBuffer<T, B> {
    recorded!(parts);

    fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static> {
        Arc::clone(&self.buffer).owned_wait_for_item()
    }
    fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static> {
        Arc::clone(&self.buffer).owned_wait_for_room()
    }
}
