//! Streams, sinks and channels over every queue of this crate (feature `streams`).
//!
//! ```text
//! channel   BufferChannel: both ends in one, for tasks and for threads
//! stream    BufferStream: the taking end         sink   BufferSink: the putting end
//! ends      what these hold: a queue that is shared, or a handle of one that was split
//! door      closes the queue when the last sink of a channel goes, or half of a pair
//! ```
//!
//! They take any queue that has [`Parts`], so they are written once, and stand between the queue and a task
//! without adding anything: no task is spawned, nothing is polled from time to time, and n items wake at most
//! n receivers. All wait with the queue's own signals, so threads, tasks of any runtime, and other users of
//! the same queue can be mixed.
//!
//! **The queue decides who may use it.** On a queue for one consumer (`LockFreeMPSCQueue`,
//! `LockFreeSPSCQueue`), a second receiver at the same moment gets `InvalidOperation`, and so does a second
//! sender on a queue for one producer. Clones of a channel count, and so do streams and sinks.
//!
//! **The handles of a queue that was split** are a channel already, with `send`, `send_batch`,
//! `send_timeout`, `recv`, `recv_many` and `recv_timeout`.
//! [`into_sink`](crate::lock_free::Producer::into_sink) makes a sink of one, and
//! [`into_stream`](crate::lock_free::Consumer::into_stream) a stream. There is no check at each call of who
//! uses the queue, since the handles are the right to do so. The stream ends when all producers are gone and
//! everything was taken, and the sinks are refused when all consumers are gone.
//!
//! **Closing.** `close` closes the queue itself, for all its users: from then on each send is refused with
//! its item, and what is inside can still be taken. Then each receiver gets `Closed`, and streams end.
//!
//! **A queue in files** does not block the thread of a task here, either: its calls are awaited. What a call
//! gives is as durable as the queue's `SyncMode` says. A send that is dropped while it waits for the disk may
//! have put its item in.
//!
//! # Examples
//! ```
//! use elasticq::streams::BufferStreamExt;
//! use elasticq::{Config, DynamicCircularBuffer};
//! use futures::StreamExt;
//! use std::sync::Arc;
//!
//! let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
//! let (stream, sink) = buffer.stream_sink_pair();
//! futures::executor::block_on(async {
//!     sink.send(1).await?;
//!     sink.send_batch(vec![2, 3]).await?;
//!     drop(sink);
//!     assert_eq!(stream.collect::<Vec<_>>().await, [1, 2, 3]);
//!     Ok::<(), elasticq::BufferError>(())
//! })?;
//! # Ok::<(), elasticq::BufferError>(())
//! ```

mod channel;
mod door;
mod ends;
mod sink;
mod stream;

use crate::buffer::Parts;
pub use crate::buffer::{PuttingEnd, TakingEnd};
use crate::wait::{Waiter, see_what_woke};
pub use channel::BufferChannel;
use door::Door;
pub use ends::Shared;
pub use sink::BufferSink;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
pub use stream::BufferStream;

/// Makes streams and sinks of a shared queue. It is there for each `Arc` of a queue of this crate.
///
/// # Examples
/// ```
/// use elasticq::streams::BufferStreamExt;
/// use elasticq::{Config, DynamicCircularBuffer};
/// use futures::StreamExt;
/// use std::sync::Arc;
///
/// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// let (sink, stream) = (Arc::clone(&buffer).into_sink(), Arc::clone(&buffer).into_stream());
/// pollster::block_on(sink.send(1))?;
/// buffer.close();
/// assert_eq!(pollster::block_on(stream.collect::<Vec<_>>()), [1]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub trait BufferStreamExt<T>: Sized {
    /// The queue.
    type Buffer: Parts<T> + ?Sized + 'static;

    /// A stream that takes the queue's items, oldest first. It ends when the queue is closed and empty.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferStreamExt;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use futures::StreamExt;
    /// use std::sync::Arc;
    ///
    /// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
    /// buffer.push(7)?;
    /// let mut stream = Arc::clone(&buffer).into_stream();
    /// assert_eq!(pollster::block_on(stream.next()), Some(7));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    fn into_stream(self) -> BufferStream<T, Shared<Self::Buffer>>;

    /// A sink that puts items into the queue. When it is dropped, nothing is closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferStreamExt;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use futures::SinkExt;
    /// use std::sync::Arc;
    ///
    /// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
    /// let mut sink = Arc::clone(&buffer).into_sink();
    /// pollster::block_on(SinkExt::send(&mut sink, 7))?;
    /// assert_eq!(buffer.pop()?, 7);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    fn into_sink(self) -> BufferSink<T, Shared<Self::Buffer>>;

    /// Both. When either of them is gone, clones of the sink included, the queue is closed: the stream then
    /// ends behind the last item, and a sink is refused what nobody of the pair would take.
    ///
    /// # Examples
    /// ```
    /// use elasticq::streams::BufferStreamExt;
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use futures::StreamExt;
    /// use std::sync::Arc;
    ///
    /// let buffer = Arc::new(DynamicCircularBuffer::new(Config::default())?);
    /// let (stream, sink) = buffer.stream_sink_pair();
    /// pollster::block_on(sink.send(7))?;
    /// drop(sink);
    /// assert_eq!(pollster::block_on(stream.collect::<Vec<_>>()), [7]);
    /// assert!(buffer.is_closed());
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[allow(clippy::type_complexity)] // two types that the user has to know anyway
    fn stream_sink_pair(&self) -> (BufferStream<T, Shared<Self::Buffer>>, BufferSink<T, Shared<Self::Buffer>>);
}

impl<T, B: Parts<T> + ?Sized + 'static> BufferStreamExt<T> for Arc<B> {
    type Buffer = B;

    fn into_stream(self) -> BufferStream<T, Shared<B>> {
        BufferStream::new(Shared::new(self, None))
    }

    fn into_sink(self) -> BufferSink<T, Shared<B>> {
        BufferSink::new(Shared::new(self, None))
    }

    fn stream_sink_pair(&self) -> (BufferStream<T, Shared<B>>, BufferSink<T, Shared<B>>) {
        let half = || Shared::new(Arc::clone(self), Some(Arc::new(Door::new(self))));
        (BufferStream::new(half()), BufferSink::new(half()))
    }
}

/// Waits until a waiter is woken, if there is one. It is gone then.
fn poll_waiter(place: &mut Option<Waiter<'static>>, context: &mut Context<'_>) -> Poll<()> {
    if let Some(waiter) = place {
        ready!(Pin::new(waiter).poll(context));
        *place = None;
        see_what_woke();
    }
    Poll::Ready(())
}
