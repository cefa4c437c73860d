//! The methods `*_async` and `*_async_timeout` of each queue. They do for tasks what the methods without
//! these endings do for threads, and do not swap what is underneath: all other methods work beside them.
//! Then what the handles of a queue that was split have of timeouts.

use super::{many_within, put_many_now, put_many_within, put_now, put_within, take_many_now, take_now, take_within};
use crate::buffer::Parts;
use crate::error::{BufferResult, Rejected, give_back};
use crate::locked::DynamicCircularBuffer;
use parking_lot::lock_api::RawMutex;
use std::time::Duration;

/// `$queue` is the type, `$path` where it is, and `$config` what it is made with, all as in the examples,
/// where `$folder` makes a folder and `$file` sets a file in it. `$dropped` says what becomes of an item that
/// is put in by a future that is dropped.
macro_rules! methods {
    ($queue:literal, $path:literal, $config:literal) => {
        methods!(
            $queue,
            $path,
            $config,
            "#",
            "",
            "A future that is dropped before it is done has put nothing in, and drops what it was given."
        );
    };
    ($queue:literal, $path:literal, $config:literal, $folder:literal, $file:literal, $dropped:literal) => {
        /// Adds `item` at the end. It waits for no room, whatever `push_timeout` is set to.
        ///
        /// Does not block, and needs no particular runtime. [`push_async_timeout`](Self::push_async_timeout)
        /// waits, [`offer_async`](Self::offer_async) gives a refused item back, and a channel's `send` does
        /// both.
        ///
        #[doc = $dropped]
        ///
        /// # Errors
        /// As [`push`](crate::Buffer::push) without `Timeout`.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::", $path, "{", $config, ", ", $queue, "};")]
        ///
        #[doc = $folder]
        /// # pollster::block_on(async {
        #[doc = concat!("let queue = ", $queue, "::new(", $config, "::default()", $file, ")?;")]
        /// queue.push_async(7).await?;
        /// assert_eq!(queue.pop_async().await?, 7);
        /// # Ok::<(), elasticq::BufferError>(())
        /// # }).unwrap();
        /// ```
        pub async fn push_async(&self, item: T) -> BufferResult<()> {
            Ok(self.offer_async(item).await?)
        }

        /// [`push_async`](Self::push_async) that hands the item back when it is refused.
        ///
        /// # Errors
        /// As [`push_async`](Self::push_async); the [`Rejected`] holds the item.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::BufferError;\nuse elasticq::", $path, "{", $config, ", ", $queue, "};")]
        ///
        #[doc = $folder]
        /// # pollster::block_on(async {
        #[doc = concat!("let queue = ", $queue, "::new(", $config, "::default()", $file, ")?;")]
        /// queue.close();
        /// let rejected = queue.offer_async("kept".to_string()).await.unwrap_err();
        /// assert_eq!(rejected.into_parts(), (BufferError::Closed, "kept".to_string()));
        /// # Ok::<(), BufferError>(())
        /// # }).unwrap();
        /// ```
        pub async fn offer_async(&self, item: T) -> Result<(), Rejected<T>> {
            let mut place = Some(item);
            let put = put_now(self, &mut place).await;
            give_back(put.inspect_err(|_| self.note_refused(1)), place)
        }

        /// Takes the next item. It waits for none, whatever `pop_timeout` is set to.
        ///
        /// # Errors
        /// As [`try_pop`](crate::Buffer::try_pop).
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::BufferError;\nuse elasticq::", $path, "{", $config, ", ", $queue, "};")]
        ///
        #[doc = $folder]
        /// # pollster::block_on(async {
        #[doc = concat!("let queue = ", $queue, "::new(", $config, "::default()", $file, ")?;")]
        /// queue.push_async(7).await?;
        /// assert_eq!(queue.pop_async().await, Ok(7));
        /// assert_eq!(queue.pop_async().await, Err(BufferError::Empty));
        /// # Ok::<(), BufferError>(())
        /// # }).unwrap();
        /// ```
        pub async fn pop_async(&self) -> BufferResult<T> {
            take_now(self).await
        }

        /// Adds all of `items` or none. It waits for no room.
        ///
        /// # Errors
        /// As [`push_batch`](crate::Buffer::push_batch) without `Timeout`.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::", $path, "{", $config, ", ", $queue, "};")]
        ///
        #[doc = $folder]
        /// # pollster::block_on(async {
        #[doc = concat!("let queue = ", $queue, "::new(", $config, "::default()", $file, ")?;")]
        /// queue.push_batch_async(vec![1, 2]).await?;
        /// queue.offer_batch_async(vec![3]).await?;
        /// assert_eq!(queue.pop_batch_async(2).await?, [1, 2]);
        /// assert_eq!(queue.pop_batch_async(2).await?, [3]);
        /// queue.close();
        /// assert_eq!(queue.offer_batch_async(vec![4, 5]).await.unwrap_err().into_inner(), [4, 5]);
        /// # Ok::<(), elasticq::BufferError>(())
        /// # }).unwrap();
        /// ```
        pub async fn push_batch_async(&self, items: Vec<T>) -> BufferResult<()> {
            Ok(self.offer_batch_async(items).await?)
        }

        /// [`push_batch_async`](Self::push_batch_async) that hands the items back when they are refused.
        ///
        /// # Errors
        /// As [`push_batch_async`](Self::push_batch_async); the [`Rejected`] holds the items.
        pub async fn offer_batch_async(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
            let count = items.len();
            let mut place = Some(items);
            let put = put_many_now(self, &mut place).await;
            give_back(put.inspect_err(|_| self.note_refused(count)), place)
        }

        /// Takes up to `max_items` items. It waits for none; an empty vector when there is none.
        ///
        /// # Errors
        /// As [`pop_batch`](crate::Buffer::pop_batch).
        pub async fn pop_batch_async(&self, max_items: usize) -> BufferResult<Vec<T>> {
            take_many_now(self, max_items).await
        }

        /// Adds `item` at the end, waiting as a task up to `timeout` until there is room.
        ///
        /// With a timeout of zero it tries once.
        ///
        #[doc = $dropped]
        ///
        /// # Errors
        /// `Timeout(timeout)`, `ResizeError` or `Closed`. `InvalidOperation` outside of a tokio runtime, or
        /// in one without timers; then nothing was tried.
        pub async fn push_async_timeout(&self, item: T, timeout: Duration) -> BufferResult<()> {
            Ok(self.offer_async_timeout(item, timeout).await?)
        }

        /// [`push_async_timeout`](Self::push_async_timeout) that hands the item back when it is refused.
        ///
        /// # Errors
        /// As [`push_async_timeout`](Self::push_async_timeout); the [`Rejected`] holds the item.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::BufferError;\nuse elasticq::", $path, "{", $config, ", ", $queue, "};")]
        /// use std::time::Duration;
        ///
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), BufferError> {
        #[doc = $folder]
        #[doc = concat!("let queue = ", $queue, "::new(", $config, "::default()", $file, ")?;")]
        /// let second = Duration::from_secs(1);
        /// queue.offer_async_timeout(1, second).await?;
        /// queue.close();
        /// let rejected = queue.offer_async_timeout(2, second).await.unwrap_err();
        /// assert_eq!(rejected.into_parts(), (BufferError::Closed, 2));
        /// # Ok(())
        /// # }
        /// ```
        pub async fn offer_async_timeout(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
            let mut place = Some(item);
            let put = put_within(self, &mut place, timeout).await;
            give_back(put.inspect_err(|_| self.note_refused(1)), place)
        }

        /// Takes the next item, waiting as a task up to `timeout` until there is one.
        ///
        /// A future that is dropped before it is done has taken nothing. With a timeout of zero it tries
        /// once.
        ///
        /// # Errors
        /// `Timeout(timeout)`, or `Closed` once the queue is closed and empty. `InvalidOperation` outside of
        /// a tokio runtime, or in one without timers; then nothing was tried.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::BufferError;\nuse elasticq::", $path, "{", $config, ", ", $queue, "};")]
        /// use std::time::Duration;
        ///
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), BufferError> {
        #[doc = $folder]
        #[doc = concat!("let queue = ", $queue, "::<u8>::new(", $config, "::default()", $file, ")?;")]
        /// let brief = Duration::from_millis(1);
        /// assert_eq!(queue.pop_async_timeout(brief).await, Err(BufferError::Timeout(brief)));
        /// # Ok(())
        /// # }
        /// ```
        pub async fn pop_async_timeout(&self, timeout: Duration) -> BufferResult<T> {
            take_within(self, timeout).await
        }

        /// Adds all of `items` or none, waiting as a task up to `timeout` until there is room for all. A
        /// batch that can never fit is refused at once.
        ///
        /// # Errors
        /// As [`push_async_timeout`](Self::push_async_timeout), and `MaxCapacityReached`.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::", $path, "{", $config, ", ", $queue, "};")]
        /// use std::time::Duration;
        ///
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), elasticq::BufferError> {
        #[doc = $folder]
        #[doc = concat!("let queue = ", $queue, "::new(", $config, "::default()", $file, ")?;")]
        /// let second = Duration::from_secs(1);
        /// queue.push_async_timeout(1, second).await?;
        /// queue.push_batch_async_timeout(vec![2, 3], second).await?;
        /// queue.offer_batch_async_timeout(vec![4], second).await?;
        /// assert_eq!(queue.pop_batch_async_timeout(9, second).await?, [1, 2, 3, 4]);
        /// assert!(queue.pop_batch_async_timeout(9, Duration::from_millis(1)).await?.is_empty());
        /// # Ok(())
        /// # }
        /// ```
        pub async fn push_batch_async_timeout(&self, items: Vec<T>, timeout: Duration) -> BufferResult<()> {
            Ok(self.offer_batch_async_timeout(items, timeout).await?)
        }

        /// [`push_batch_async_timeout`](Self::push_batch_async_timeout) that hands the items back when they
        /// are refused.
        ///
        /// # Errors
        /// As [`push_batch_async_timeout`](Self::push_batch_async_timeout); the [`Rejected`] holds the items.
        pub async fn offer_batch_async_timeout(
            &self,
            items: Vec<T>,
            timeout: Duration,
        ) -> Result<(), Rejected<Vec<T>>> {
            let count = items.len();
            let mut place = Some(items);
            let put = put_many_within(self, &mut place, timeout).await;
            give_back(put.inspect_err(|_| self.note_refused(count)), place)
        }

        /// Takes up to `max_items` items, waiting as a task up to `timeout` for the first; an empty vector
        /// when none came.
        ///
        /// # Errors
        /// As [`pop_async_timeout`](Self::pop_async_timeout) without `Timeout`.
        pub async fn pop_batch_async_timeout(&self, max_items: usize, timeout: Duration) -> BufferResult<Vec<T>> {
            many_within(self, max_items, timeout).await
        }
    };
}

impl<T: Send, L: RawMutex + Send + Sync> DynamicCircularBuffer<T, L> {
    methods!("DynamicCircularBuffer", "", "Config");
}

#[cfg(feature = "lock_free")]
mod lock_free {
    use super::*;
    use crate::error::BufferError;
    use crate::lock_free::{Consumer, MpmcConsumer, MpmcProducer, Producer, SpscConsumer, SpscProducer};
    use crate::lock_free::{LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
    use crate::tasks::within;

    impl<T: Send> LockFreeMPSCQueue<T> {
        methods!("LockFreeMPSCQueue", "", "Config");
    }

    impl<T: Send> LockFreeMPMCQueue<T> {
        methods!("LockFreeMPMCQueue", "", "Config");
    }

    impl<T: Send> LockFreeSPSCQueue<T> {
        methods!("LockFreeSPSCQueue", "", "Config");
    }

    /// `$this` is how the handle sends.
    macro_rules! handles {
        ($($queue:literal, $producer:ident, $this:ident: $receiver:ty, $consumer:ident;)*) => {$(
            impl<T> $producer<T> {
                /// [`send`](Self::send) that waits no longer than `timeout`. With a timeout of zero it tries
                /// once.
                ///
                /// # Errors
                /// As [`send`](Self::send); `Timeout(timeout)`; `InvalidOperation` outside of a tokio
                /// runtime, or in one without timers, and then nothing was tried. The [`Rejected`] holds the
                /// item.
                ///
                /// # Examples
                /// ```
                #[doc = concat!("use elasticq::{BufferError, Config, ", $queue, "};")]
                /// use std::time::Duration;
                ///
                /// # #[tokio::main(flavor = "current_thread")]
                /// # async fn main() -> Result<(), BufferError> {
                /// let one =
                /// Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
                #[doc = concat!("let (mut producer, mut consumer) = ", $queue, "::new(one)?.split();")]
                /// # let _ = &mut producer;
                /// let brief = Duration::from_millis(1);
                /// producer.send_timeout(1, brief).await?;
                /// let (reason, item) = producer.send_timeout(2, brief).await.unwrap_err().into_parts();
                /// assert_eq!((reason, item), (BufferError::Timeout(brief), 2));
                /// assert_eq!(consumer.recv_timeout(brief).await, Ok(1));
                /// assert_eq!(consumer.recv_timeout(brief).await, Err(BufferError::Timeout(brief)));
                /// # Ok(())
                /// # }
                /// ```
                pub async fn send_timeout(
                    $this: $receiver,
                    item: T,
                    timeout: Duration,
                ) -> Result<(), Rejected<T>> {
                    let mut place = Some(item);
                    let put = within(timeout, $this.send_from(&mut place)).await;
                    let put = put.and_then(|put| put.unwrap_or(Err(BufferError::Timeout(timeout))));
                    give_back(put.inspect_err(|_| $this.count_refused(1)), place)
                }
            }

            impl<T> $consumer<T> {
                /// [`recv`](Self::recv) that waits no longer than `timeout`. With a timeout of zero it tries
                /// once.
                ///
                /// # Errors
                /// As [`recv`](Self::recv); `Timeout(timeout)`; `InvalidOperation` outside of a tokio
                /// runtime, or in one without timers, and then nothing was tried.
                ///
                /// # Examples
                /// ```
                #[doc = concat!("use elasticq::{BufferError, Config, ", $queue, "};")]
                /// use std::time::Duration;
                ///
                /// # #[tokio::main(flavor = "current_thread")]
                /// # async fn main() -> Result<(), BufferError> {
                #[doc = concat!("let (_producer, mut consumer) = ", $queue, "::<u8>::new(Config::default())?.split();")]
                /// let brief = Duration::from_millis(1);
                /// assert_eq!(consumer.recv_timeout(brief).await, Err(BufferError::Timeout(brief)));
                /// # Ok(())
                /// # }
                /// ```
                pub async fn recv_timeout(&mut self, timeout: Duration) -> BufferResult<T> {
                    within(timeout, self.recv()).await?.unwrap_or(Err(BufferError::Timeout(timeout)))
                }
            }
        )*};
    }

    handles! {
        "LockFreeMPSCQueue", Producer, self: &Self, Consumer;
        "LockFreeMPMCQueue", MpmcProducer, self: &Self, MpmcConsumer;
        "LockFreeSPSCQueue", SpscProducer, self: &mut Self, SpscConsumer;
    }
}

#[cfg(feature = "persistent")]
mod persistent {
    use super::*;
    use crate::persistent::{Codec, PersistentCircularBuffer};

    impl<T: Send, C: Codec<T>> PersistentCircularBuffer<T, C> {
        methods!(
            "PersistentCircularBuffer",
            "persistent::",
            "PersistentConfig",
            "# let folder = tempfile::tempdir().unwrap();",
            ".with_file_path(folder.path().join(\"queue\"))",
            "The task's thread does not wait for the disk. When the call returns, the item is as durable as the \
             queue's `SyncMode` says. A future that is dropped before it is done drops the item, or has put it in."
        );
    }
}

#[cfg(feature = "priority")]
mod priority {
    use super::*;
    use crate::priority::PriorityCircularBuffer;

    impl<T: Send, L: RawMutex + Send + Sync> PriorityCircularBuffer<T, L> {
        methods!("PriorityCircularBuffer", "priority::", "PriorityConfig");
    }
}
