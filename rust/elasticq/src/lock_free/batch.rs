//! What the consumers of all queues share for taking batches.

use crate::error::{BufferError, BufferResult};

/// Makes place for `count` more items in a vector that is to be handed out.
pub(super) fn reserve<T>(items: &mut Vec<T>, count: usize) -> BufferResult<()> {
    items.try_reserve(count).map_err(|_| {
        BufferError::ResizeError(format!("no memory for a batch of {count} items of {} bytes each", size_of::<T>()))
    })
}

/// Takes up to `max_items`, which is no more than there can be at once. First it takes what `take_more`
/// finds. Where that is nothing, it takes one item that `wait_for_one` waits for, and what has come with that
/// item. Both functions work on `taker`, the caller's right to take.
pub(super) fn take_within<C, T>(
    taker: &mut C,
    max_items: usize,
    take_more: impl Fn(&mut C, &mut Vec<T>, usize) -> BufferResult<()>,
    wait_for_one: impl FnOnce(&mut C) -> BufferResult<Option<T>>,
) -> BufferResult<Vec<T>> {
    let mut items = Vec::new();
    take_more(taker, &mut items, max_items)?;
    if items.is_empty() && max_items > 0 {
        // Before the wait, since a vector that can't grow would lose the item.
        reserve(&mut items, 1)?;
        items.extend(wait_for_one(taker)?);
        if !items.is_empty() {
            // An error here is for the next call to tell: this one has something to give.
            let _ = take_more(taker, &mut items, max_items - 1);
        }
    }
    Ok(items)
}
