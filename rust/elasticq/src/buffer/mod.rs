//! What every buffer of this crate can do, as two traits: `Buffer` for users, `Parts` for the layers above.

#[cfg(all(feature = "streams", not(loom)))]
mod ends;
mod parts;
mod report;

use crate::error::{BufferResult, Rejected};
use crate::stats::QueueStats;
#[cfg(all(feature = "streams", not(loom)))]
pub use ends::{PuttingEnd, TakingEnd, sealed::Sealed};
pub(crate) use parts::waiters;
pub use parts::{Call, Glance, Parts, Waiters};
pub use report::{Figure, Oldest, Report, What};
use std::fmt;
use std::sync::Arc;

/// The operations that all buffers share. Wrappers, conformance tests and benchmarks are written once,
/// against this trait.
///
/// All methods take `&self` and may be called from any thread. The buffer's configuration says whether
/// [`push`](Self::push), [`push_batch`](Self::push_batch), [`pop`](Self::pop) and
/// [`pop_batch`](Self::pop_batch) wait (`push_timeout`, `pop_timeout`); [`offer`](Self::offer) and
/// [`try_pop`](Self::try_pop) never do.
///
/// # Examples
/// ```
/// use elasticq::{Buffer, BufferResult, Config, DynamicCircularBuffer};
///
/// fn first_of<T>(buffer: &impl Buffer<T>, items: Vec<T>) -> BufferResult<T> {
///     buffer.push_batch(items)?;
///     buffer.pop()
/// }
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// assert_eq!(first_of(&buffer, vec![1, 2, 3]), Ok(1));
///
/// let any: &dyn Buffer<i32> = &buffer;
/// any.push(4)?;
/// any.offer(5)?;
/// assert_eq!((any.len(), any.is_empty(), any.capacity()), (4, false, 1024));
/// assert_eq!((any.try_pop()?, any.pop_batch(9)?), (2, vec![3, 4, 5]));
/// any.close();
/// assert!(any.is_closed() && any.stats().messages_dequeued == 5);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub trait Buffer<T> {
    /// Adds `item` at the end; waits for room if the buffer is configured to.
    ///
    /// # Errors
    /// A capacity error when there is no room, `Timeout` when the time ran out, `ResizeError` when there is
    /// no memory, `Closed` after [`close`](Self::close).
    fn push(&self, item: T) -> BufferResult<()>;

    /// Adds `item` at the end without ever waiting.
    ///
    /// # Errors
    /// As [`push`](Self::push), with the item handed back.
    fn offer(&self, item: T) -> Result<(), Rejected<T>>;

    /// Adds all of `items` or, on an error, none of them; waits for room for all if the buffer is configured
    /// to. A batch larger than the buffer can ever be is refused at once.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn push_batch(&self, items: Vec<T>) -> BufferResult<()>;

    /// Takes the next item; waits for one if the buffer is configured to.
    ///
    /// # Errors
    /// `Empty`, `Timeout` when the time ran out, or `Closed` once a closed buffer is empty.
    fn pop(&self) -> BufferResult<T>;

    /// Takes the next item without ever waiting.
    ///
    /// # Errors
    /// `Empty`, or `Closed` once a closed buffer is empty.
    fn try_pop(&self) -> BufferResult<T>;

    /// Takes up to `max_items` items, but never more than the buffer can hold, however fast other threads add
    /// more. Waits for the first item if the buffer is configured to. Returns an empty vector when there is
    /// none.
    ///
    /// # Errors
    /// `Closed` once a closed buffer is empty, `ResizeError` when there is no memory for the vector.
    fn pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>>;

    /// Items in the buffer now.
    fn len(&self) -> usize;

    /// Whether the buffer holds nothing now.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logical capacity now, in items.
    fn capacity(&self) -> usize;

    /// Refuses all pushes from now on and wakes all waiters; what is inside can still be taken.
    fn close(&self);

    /// Whether [`close`](Self::close) was called.
    fn is_closed(&self) -> bool;

    /// Counters and sizes at this moment.
    fn stats(&self) -> QueueStats;
}

/// How `Debug` shows counters that it reads only if no other thread holds the lock, as the standard library's
/// `Mutex` does.
pub(crate) fn or_locked(stats: &Option<QueueStats>) -> &dyn fmt::Debug {
    struct Locked;

    impl fmt::Debug for Locked {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("<locked>")
        }
    }

    match stats {
        Some(stats) => stats,
        None => &Locked,
    }
}

/// Methods of `Buffer` that call the target's own methods of the same names. `items` are those that put and
/// take, `state` are the others without `stats`.
macro_rules! forward {
    (items: $this:ident => $target:expr) => {
        fn push(&$this, item: T) -> $crate::BufferResult<()> {
            $target.push(item)
        }
        fn offer(&$this, item: T) -> Result<(), $crate::Rejected<T>> {
            $target.offer(item)
        }
        fn push_batch(&$this, items: Vec<T>) -> $crate::BufferResult<()> {
            $target.push_batch(items)
        }
        fn pop(&$this) -> $crate::BufferResult<T> {
            $target.pop()
        }
        fn try_pop(&$this) -> $crate::BufferResult<T> {
            $target.try_pop()
        }
        fn pop_batch(&$this, max_items: usize) -> $crate::BufferResult<Vec<T>> {
            $target.pop_batch(max_items)
        }
    };
    (state: $this:ident => $target:expr) => {
        fn len(&$this) -> usize {
            $target.len()
        }
        fn is_empty(&$this) -> bool {
            $target.is_empty()
        }
        fn capacity(&$this) -> usize {
            $target.capacity()
        }
        fn close(&$this) {
            $target.close();
        }
        fn is_closed(&$this) -> bool {
            $target.is_closed()
        }
    };
}
pub(crate) use forward;

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        impl<T, B: Buffer<T> + ?Sized> Buffer<T> for $pointer {
            forward!(items: self => (**self));
            forward!(state: self => (**self));
            fn stats(&self) -> QueueStats {
                (**self).stats()
            }
        }
    )*};
}

pointers!(&B Arc<B>);
