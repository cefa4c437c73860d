//! Looking at what is in a queue without taking it. A thread that looks has the consumers' side to itself
//! meanwhile, since nobody can look at an item while a consumer moves it out. The thread has the turn of the
//! one consumer, or all the records of many consumers.

use super::chain::{Segment, position};
use super::{mpmc, mpsc, spsc};
use crate::error::{BufferError, BufferResult};
use crate::sync::Ordering;
use std::ops::ControlFlow;

fn somebody_takes() -> BufferError {
    BufferError::InvalidOperation("another thread is taking".into())
}

impl<T> mpsc::Core<T> {
    /// Shows the items that are published, oldest first, until `visit` breaks.
    pub(super) fn visit<B>(&self, visit: impl FnMut(&T) -> ControlFlow<B>) -> BufferResult<ControlFlow<B>> {
        let _turn = self.takers.consuming.look().ok_or_else(somebody_takes)?;
        let taker = self.takers.taker.with(|taker| taker);
        // SAFETY: the turn keeps all other threads from the taker.
        let taker = unsafe { &*taker };
        let tail = position(self.tail.load(Ordering::SeqCst));
        // SAFETY: the turn makes this thread the one consumer, and these are its front and head.
        Ok(unsafe { Segment::visit_chain(taker.front, taker.head, tail, visit) })
    }
}

impl<T> mpmc::Core<T> {
    /// As in the queue of one consumer.
    pub(super) fn visit<B>(&self, visit: impl FnMut(&T) -> ControlFlow<B>) -> BufferResult<ControlFlow<B>> {
        let _records = self.takers.records.use_all().ok_or_else(somebody_takes)?;
        let (front, head) = self.takers.place();
        let tail = position(self.tail.load(Ordering::SeqCst));
        // SAFETY: nobody takes without a record. So the head stands still, the front is the segment that the
        // head is in, and no segment is retired.
        Ok(unsafe { Segment::visit_chain(front, head, tail, visit) })
    }
}

impl<T> spsc::Core<T> {
    /// As in the queue of many producers.
    pub(super) fn visit<B>(&self, visit: impl FnMut(&T) -> ControlFlow<B>) -> BufferResult<ControlFlow<B>> {
        let _turn = self.consuming.look().ok_or_else(somebody_takes)?;
        // SAFETY: the turn makes this thread the consumer.
        let taker = unsafe { self.taker() };
        let tail = self.published(taker);
        // SAFETY: as above, and all below that tail was published.
        Ok(unsafe { taker.cursor.visit(tail, visit) })
    }
}
