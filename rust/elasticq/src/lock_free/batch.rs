//! What the consumers of all queues share for taking batches.

use crate::error::{BufferError, BufferResult};
use crate::wait::in_time;

/// Makes place for `count` more items in a vector that is to be handed out.
pub(super) fn reserve<T>(items: &mut Vec<T>, count: usize) -> BufferResult<()> {
    items.try_reserve(count).map_err(|_| {
        BufferError::ResizeError(format!("no memory for a batch of {count} items of {} bytes each", size_of::<T>()))
    })
}

/// The result of a look for up to `max_items`, which `items` holds now: `None` if some may come. What one
/// look takes was there when it began, so a batch never holds more than the queue can.
pub(super) fn unless_none<T>(looked: BufferResult<()>, items: &[T], max_items: usize) -> Option<BufferResult<()>> {
    (looked.is_err() || !items.is_empty() || max_items == 0).then_some(looked)
}

/// What was taken: none of them if the time was over first.
pub(super) fn those_in_time<T>(taken: BufferResult<()>, items: Vec<T>) -> BufferResult<Vec<T>> {
    in_time(taken).map(|_| items)
}
