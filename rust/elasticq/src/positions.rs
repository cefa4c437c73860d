//! How far positions go. A position is an item's number: 64 bits (62 in the queues of many producers), never
//! used twice.
//!
//! **Items that come one by one never use up the positions**: at an item per nanosecond, `2^62` items take
//! 146 years. Nor do batches of items that have a size, since each of these items is moved (at 10 GB/s,
//! `2^63` items of a byte each take 29 years). Nor does any batch in a queue with stamped slots. But items
//! without a size go in at once, however many they are, and a `Vec<()>` may well have `usize::MAX` of them.
//! So **no batch takes a queue beyond [`LAST`]**. The check is made where the batch is handled. It leaves
//! half of all positions for items that come one by one. After it, sums of a position and a checked length do
//! not overflow.

use crate::error::{BufferError, BufferResult};

/// The last position that a batch may reach.
const LAST: u64 = 1 << 63;

/// The position after a batch of `count` items that starts at `position`. One item is no batch.
pub(crate) fn end_of_batch(position: u64, count: u64) -> BufferResult<u64> {
    let left = LAST.saturating_sub(position);
    if count <= left || count == 1 { Ok(position + count) } else { Err(too_many(count, left)) }
}

#[cold]
fn too_many(count: u64, left: u64) -> BufferError {
    BufferError::InvalidOperation(format!(
        "a batch of {count} items: must be at most {left}, since batches take a queue to its item {LAST} at most"
    ))
}
