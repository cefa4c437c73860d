//! What streams and sinks need of one end of a queue: of a queue that is shared, or of a handle of one that
//! was split. A handle is the right to use its end, so these methods take `&mut self` where that matters.

use super::Call;
use crate::error::{BufferError, BufferResult, Rejected};
use crate::wait::{Attempt, Waiter};
use std::future::ready;

/// Where a stream takes its items: a queue that is [`Shared`](crate::streams::Shared), or the consumer handle
/// of a queue that was split.
///
/// It is there for these, so that code can be generic over them, and cannot be implemented elsewhere.
///
/// # Examples
/// ```
/// use elasticq::streams::{BufferStream, BufferStreamExt, TakingEnd};
/// use elasticq::{Config, DynamicCircularBuffer};
/// use futures::StreamExt;
/// use std::sync::Arc;
///
/// async fn count<E: TakingEnd<u8> + 'static>(stream: BufferStream<u8, E>) -> usize {
///     stream.count().await
/// }
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// buffer.push_batch(vec![1, 2, 3])?;
/// buffer.close();
/// assert_eq!(pollster::block_on(count(buffer.into_stream())), 3);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub trait TakingEnd<T>: Unpin + sealed::Sealed {
    /// Takes the next item, or registers for one with a waiter that keeps the queue alive.
    #[doc(hidden)]
    fn take_or_register(&mut self) -> Attempt<'static, BufferResult<T>>
    where
        Self: 'static;

    /// The call that takes the next item, if the queue waits for a disk.
    #[doc(hidden)]
    fn call(&self) -> Option<Call<'static, BufferResult<T>>>
    where
        T: Send + 'static,
        Self: 'static,
    {
        None
    }

    /// Nothing is taken here any more.
    #[doc(hidden)]
    fn ended(&mut self) {}
}

/// Where a sink puts its items: a queue that is [`Shared`](crate::streams::Shared), or the producer handle of
/// a queue that was split.
///
/// It is there for these, so that code can be generic over them, and cannot be implemented elsewhere.
///
/// # Examples
/// ```
/// use elasticq::streams::{BufferSink, BufferStreamExt, PuttingEnd};
/// use elasticq::{Config, DynamicCircularBuffer};
/// use futures::SinkExt;
/// use std::sync::Arc;
///
/// async fn greet<E: PuttingEnd<String> + 'static>(mut sink: BufferSink<String, E>) -> bool {
///     sink.feed("hello".to_string()).await.is_ok() && sink.flush().await.is_ok()
/// }
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// assert!(pollster::block_on(greet(Arc::clone(&buffer).into_sink())));
/// assert_eq!(buffer.pop()?, "hello");
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub trait PuttingEnd<T>: Unpin + sealed::Sealed {
    /// Puts an item in without waiting. A refusal is not counted.
    #[doc(hidden)]
    fn offer_again(&mut self, item: T) -> Result<(), Rejected<T>>;

    /// Whether there seems to be room, or an item would be refused for good.
    #[doc(hidden)]
    fn is_ready(&mut self) -> bool;

    /// A place in the line for room, which keeps the queue alive.
    #[doc(hidden)]
    fn wait_for_room(&self) -> Waiter<'static>
    where
        Self: 'static;

    /// Tells those who wait behind this end what room there is.
    #[doc(hidden)]
    fn pass_on(&self);

    /// Counts an item as refused.
    #[doc(hidden)]
    fn note_refused(&self);

    /// Whether an item is put in by a call, since the queue waits for a disk.
    #[doc(hidden)]
    fn waits_for_disk(&self) -> bool {
        false
    }

    /// Whether the queue was closed.
    #[doc(hidden)]
    fn is_closed(&self) -> bool;

    /// The call that puts an item in.
    #[doc(hidden)]
    fn call(&self, item: T) -> Call<'static, Result<(), Rejected<T>>>
    where
        T: Send + 'static,
        Self: 'static,
    {
        let reason = BufferError::InvalidOperation("this queue waits for no disk".into());
        Box::pin(ready(Err(Rejected::new(reason, item))))
    }
}

pub mod sealed {
    /// Only this crate has ends.
    pub trait Sealed {}
}
