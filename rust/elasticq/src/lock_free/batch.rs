//! What the consumers of all queues share for taking batches.

use crate::error::{BufferError, BufferResult};
use crate::wait::{Attempt, in_time};

/// Makes place for `count` more items in a vector that is to be handed out.
pub(super) fn reserve<T>(items: &mut Vec<T>, count: usize) -> BufferResult<()> {
    items.try_reserve(count).map_err(|_| {
        BufferError::ResizeError(format!("no memory for a batch of {count} items of {} bytes each", size_of::<T>()))
    })
}

/// An attempt to take up to `max_items` into `items`, which is empty: what `take` finds or, where that is
/// nothing, the one item that may have come by the time that `attempt` looks, and what has come with it. Both
/// functions work on `taker`, the caller's right to take. Only an attempt that settles has taken anything.
pub(super) fn attempt_to_take_many<'a, C, T>(
    taker: &mut C,
    items: &mut Vec<T>,
    max_items: usize,
    take: impl Fn(&mut C, &mut Vec<T>, usize) -> BufferResult<()>,
    attempt: impl FnOnce(&mut C) -> Attempt<'a, BufferResult<T>>,
) -> Attempt<'a, BufferResult<()>> {
    let looked = take(taker, items, max_items);
    if looked.is_err() || !items.is_empty() || max_items == 0 {
        return Attempt::Settled(looked);
    }
    // Before an item is taken, since a vector that can't grow would lose it.
    if let Err(no_memory) = reserve(items, 1) {
        return Attempt::Settled(Err(no_memory));
    }
    match attempt(taker) {
        Attempt::Settled(Ok(item)) => {
            items.push(item);
            // An error here is for the next call to tell: this one has something to give.
            let _ = take(taker, items, max_items - 1);
            Attempt::Settled(Ok(()))
        }
        Attempt::Settled(Err(reason)) => Attempt::Settled(Err(reason)),
        Attempt::Soon => Attempt::Soon,
        Attempt::Sleep(waiter) => Attempt::Sleep(waiter),
    }
}

/// What was taken: none of them if the time was over first.
pub(super) fn those_in_time<T>(taken: BufferResult<()>, items: Vec<T>) -> BufferResult<Vec<T>> {
    in_time(taken).map(|_| items)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn what_comes_between_the_first_look_and_the_second_is_taken_as_one_batch() {
        let mut queue = VecDeque::new();
        let mut items = Vec::new();
        let take = |queue: &mut VecDeque<u8>, items: &mut Vec<u8>, max: usize| {
            items.extend(queue.drain(..queue.len().min(max)));
            Ok(())
        };
        let attempt = |queue: &mut VecDeque<u8>| {
            queue.extend([1, 2, 3, 4]); // by another thread
            Attempt::Settled(queue.pop_front().ok_or(BufferError::Empty))
        };
        let settled = attempt_to_take_many(&mut queue, &mut items, 3, take, attempt);
        assert!(matches!(settled, Attempt::Settled(Ok(()))));
        assert_eq!((items, queue), (vec![1, 2, 3], [4].into()));
    }
}
