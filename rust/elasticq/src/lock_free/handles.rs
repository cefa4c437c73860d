//! What the public handles of the queues have in common, as macros. Each type has these methods itself, so
//! that they are in its own documentation.

/// The methods that put. `$queue` is the type that the examples use.
macro_rules! producing {
    ($queue:literal) => {
        /// Puts `item` at the end without waiting. Lock-free.
        ///
        /// # Errors
        /// - `MaxCapacityReached(max_capacity)`: there is no room; or consumers are taking, and less than an
        ///   eighth of the capacity has come free since they last updated the room.
        /// - `ResizeError`: there is no memory to grow.
        /// - `Closed`: the queue was closed.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
        ///
        #[doc = concat!("let queue = ", $queue, "::new(Config::default())?;")]
        /// queue.try_enqueue(1)?;
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        #[inline(always)]
        pub fn try_enqueue(&self, item: T) -> $crate::BufferResult<()> {
            match self.core.push(self.guess(), item) {
                Ok(()) => Ok(()),
                Err(rejected) => {
                    self.core.tally.note_refused(1);
                    Err(rejected.into())
                }
            }
        }

        /// [`try_enqueue`](Self::try_enqueue) that hands the item back when it is refused.
        ///
        /// # Errors
        /// As [`try_enqueue`](Self::try_enqueue); the [`Rejected`](crate::Rejected) holds the item.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
        ///
        /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
        #[doc = concat!("let queue = ", $queue, "::new(one)?;")]
        /// queue.offer("kept")?;
        /// assert_eq!(queue.offer("refused").unwrap_err().into_inner(), "refused");
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        #[inline(always)]
        pub fn offer(&self, item: T) -> Result<(), $crate::Rejected<T>> {
            let put = self.core.push(self.guess(), item);
            if put.is_err() {
                self.core.tally.note_refused(1);
            }
            put
        }

        /// Puts all of `items`, next to each other and with one claim, or none of them.
        ///
        /// # Errors
        /// As [`try_enqueue`](Self::try_enqueue); `Full` when there is room, but not for all;
        /// `InvalidOperation` for more than `2^63` items, which only a batch of items without a size can
        /// have. The [`Rejected`](crate::Rejected) holds the items.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
        ///
        #[doc = concat!("let queue = ", $queue, "::new(Config::default())?;")]
        /// queue.offer_batch(vec![1, 2, 3])?;
        /// assert_eq!(queue.dequeue_batch(2), Ok(vec![1, 2]));
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        pub fn offer_batch(&self, items: Vec<T>) -> Result<(), $crate::Rejected<Vec<T>>> {
            self.core
                .push_all(self.guess(), items)
                .inspect_err(|rejected| self.core.tally.note_refused(rejected.item().len()))
        }

        /// Puts `item` at the end, blocking up to `timeout` until there is room.
        ///
        /// # Errors
        /// `Timeout(timeout)`, `ResizeError` or `Closed` (also when the queue is closed meanwhile); the
        /// [`Rejected`](crate::Rejected) holds the item.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{BufferError, Config, ", $queue, "};")]
        /// use std::time::Duration;
        ///
        /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
        #[doc = concat!("let queue = ", $queue, "::new(one)?;")]
        /// queue.offer_within(1, Duration::from_secs(1))?;
        /// let brief = Duration::from_millis(1);
        /// assert_eq!(queue.offer_within(2, brief).unwrap_err().reason(), &BufferError::Timeout(brief));
        /// assert_eq!(queue.dequeue_within(brief), Ok(Some(1)));
        /// assert_eq!(queue.dequeue_within(brief), Ok(None));
        /// # Ok::<(), BufferError>(())
        /// ```
        pub fn offer_within(&self, item: T, timeout: std::time::Duration) -> Result<(), $crate::Rejected<T>> {
            self.core.push_within(item, timeout)
        }

        /// Puts all of `items`, next to each other and with one claim, or none of them, blocking up to
        /// `timeout` until there is room for all. Producers that need less room may be served before. A batch
        /// larger than `max_capacity` is refused at once.
        ///
        /// # Errors
        /// As [`offer_within`](Self::offer_within), and `MaxCapacityReached(max_capacity)` for a batch that
        /// never fits; the [`Rejected`](crate::Rejected) holds the items.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{BufferError, Config, ", $queue, "};")]
        /// use std::time::Duration;
        ///
        /// let four = Config::default().with_initial_capacity(4).with_min_capacity(4).with_max_capacity(4);
        #[doc = concat!("let queue = ", $queue, "::new(four)?;")]
        /// queue.offer_batch_within(vec![1, 2, 3], Duration::from_secs(1))?;
        /// let brief = Duration::from_millis(1);
        /// let (reason, items) = queue.offer_batch_within(vec![4, 5], brief).unwrap_err().into_parts();
        /// assert_eq!((reason, items), (BufferError::Timeout(brief), vec![4, 5]));
        /// # Ok::<(), BufferError>(())
        /// ```
        pub fn offer_batch_within(
            &self,
            items: Vec<T>,
            timeout: std::time::Duration,
        ) -> Result<(), $crate::Rejected<Vec<T>>> {
            self.core
                .push_all_within(items, timeout)
                .inspect_err(|rejected| self.core.tally.note_refused(rejected.item().len()))
        }

        /// Puts `item` at the end, waiting as a task until there is room.
        ///
        /// Does not block, and needs no runtime. A future that is dropped before it is done has put nothing
        /// in, and drops the item.
        ///
        /// # Errors
        /// `ResizeError` or `Closed` (also when the queue is closed meanwhile); the
        /// [`Rejected`](crate::Rejected) holds the item.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
        ///
        /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
        #[doc = concat!("let queue = ", $queue, "::new(one)?;")]
        /// std::thread::scope(|scope| {
        ///     scope.spawn(|| pollster::block_on(async {
        ///         queue.send(1).await?;
        ///         queue.send(2).await // when the first was taken
        ///     }));
        ///     assert_eq!(pollster::block_on(queue.recv()), Ok(1));
        ///     assert_eq!(pollster::block_on(queue.recv()), Ok(2));
        /// });
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        #[inline(always)]
        pub fn send(&self, item: T) -> impl Future<Output = Result<(), $crate::Rejected<T>>> {
            self.core.send(self.guess(), item)
        }

        /// [`send`](Self::send) of what is in `place`. On an error it is still there, and is not counted.
        #[cfg(all(feature = "async", not(loom)))]
        #[allow(dead_code)] // a queue that is not split has its timeouts in `tasks`
        pub(crate) async fn send_from(&self, place: &mut Option<T>) -> $crate::BufferResult<()> {
            self.core.send_from(place).await
        }

        /// Puts all of `items`, next to each other and with one claim, or none of them, waiting as a task
        /// until there is room for all. A batch larger than `max_capacity` is refused at once.
        ///
        /// Does not block, and needs no runtime. A future that is dropped before it is done has put nothing
        /// in, and drops the items.
        ///
        /// # Errors
        /// As [`send`](Self::send), and `MaxCapacityReached(max_capacity)` for a batch that never fits; the
        /// [`Rejected`](crate::Rejected) holds the items.
        ///
        /// # Examples
        /// ```
        #[doc = concat!("use elasticq::{Config, ", $queue, "};")]
        ///
        #[doc = concat!("let queue = ", $queue, "::new(Config::default())?;")]
        /// pollster::block_on(queue.send_batch(vec![1, 2, 3]))?;
        /// assert_eq!(queue.dequeue_batch(9), Ok(vec![1, 2, 3]));
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        pub async fn send_batch(&self, mut items: Vec<T>) -> Result<(), $crate::Rejected<Vec<T>>> {
            let put = self.core.send_all(&mut items).await;
            $crate::error::give_back(put.inspect_err(|_| self.core.tally.note_refused(items.len())), Some(items))
        }
    };
}

/// The methods that look, and the one that closes.
macro_rules! watching {
    () => {
        /// How many items are in the queue now, including those that are claimed and not yet published. Other
        /// threads may change the number meanwhile.
        #[must_use]
        pub fn len(&self) -> usize {
            self.core.len()
        }

        /// Whether the queue holds nothing now.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// The logical capacity now, in items.
        #[must_use]
        pub fn capacity(&self) -> usize {
            self.core.capacity()
        }

        /// Counters and sizes, read one after the other, without the peak.
        ///
        /// # Examples
        /// ```
        /// use elasticq::{Config, LockFreeMPMCQueue};
        ///
        /// let queue = LockFreeMPMCQueue::new(Config::default())?;
        /// queue.offer_batch(vec![1, 2, 3])?;
        /// queue.try_dequeue()?;
        /// let stats = queue.stats();
        /// assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.current_size), (3, 1, 2));
        /// assert_eq!((queue.len(), queue.is_empty(), queue.capacity()), (2, false, 1024));
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        #[must_use]
        pub fn stats(&self) -> $crate::QueueStats {
            self.core.stats()
        }

        $crate::buffer::waiters!(
            [
                "use elasticq::{Config, LockFreeMPMCQueue};"
                ""
                "let queue = LockFreeMPMCQueue::<u32>::new(Config::default())?;"
            ],
            self => self.core.items.waiting(), self.core.room.waiting()
        );

        /// Refuses all pushes from now on, and wakes all waiters. What is inside can still be taken; it is
        /// dropped only when the last handle that could take it goes.
        ///
        /// # Examples
        /// ```
        /// use elasticq::{BufferError, Config, LockFreeMPMCQueue};
        ///
        /// let queue = LockFreeMPMCQueue::new(Config::default())?;
        /// queue.try_enqueue(1)?;
        /// queue.close();
        /// assert!(queue.is_closed());
        /// assert_eq!(queue.try_enqueue(2), Err(BufferError::Closed));
        /// assert_eq!(queue.try_dequeue(), Ok(Some(1)));
        /// assert_eq!(queue.try_dequeue(), Err(BufferError::Closed));
        /// # Ok::<(), BufferError>(())
        /// ```
        pub fn close(&self) {
            self.core.close();
        }

        /// Whether the queue was closed.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.core.is_closed()
        }

        #[cfg(all(feature = "async", not(loom)))]
        #[allow(dead_code)] // the ends that take refuse nothing
        pub(crate) fn count_refused(&self, items: usize) {
            self.core.tally.note_refused(items);
        }
    };
}

/// `Buffer` for the shared handle.
macro_rules! buffer {
    ($queue:ident) => {
        impl<T> $crate::Buffer<T> for $queue<T> {
            #[inline(always)]
            fn push(&self, item: T) -> $crate::BufferResult<()> {
                match self.core.push_timeout {
                    None => self.try_enqueue(item),
                    Some(timeout) => self.offer_within(item, timeout).map_err(Into::into),
                }
            }
            $crate::buffer::forward!(state: self => self);
            #[inline(always)]
            fn offer(&self, item: T) -> Result<(), $crate::Rejected<T>> {
                self.offer(item)
            }
            fn push_batch(&self, items: Vec<T>) -> $crate::BufferResult<()> {
                match self.core.push_timeout {
                    None => Ok(self.offer_batch(items)?),
                    Some(timeout) => Ok(self.offer_batch_within(items, timeout)?),
                }
            }
            #[inline]
            fn pop(&self) -> $crate::BufferResult<T> {
                match self.core.pop_timeout {
                    None => $crate::Buffer::try_pop(self),
                    Some(timeout) => self.dequeue_within(timeout)?.ok_or($crate::BufferError::Timeout(timeout)),
                }
            }
            #[inline(always)]
            fn try_pop(&self) -> $crate::BufferResult<T> {
                match self.try_dequeue() {
                    Ok(Some(item)) => Ok(item),
                    Ok(None) => Err($crate::BufferError::Empty),
                    Err(reason) => Err(reason),
                }
            }
            fn pop_batch(&self, max_items: usize) -> $crate::BufferResult<Vec<T>> {
                match self.core.pop_timeout {
                    None => self.dequeue_batch(max_items),
                    Some(timeout) => self.dequeue_batch_within(max_items, timeout),
                }
            }
            fn stats(&self) -> $crate::QueueStats {
                self.stats()
            }
        }
    };
}

/// Tells the waiters how many items and places there are, for a caller that leaves them to others.
macro_rules! pass_on {
    ($this:ident) => {
        let or_all = |count| if $this.is_closed() { usize::MAX } else { count };
        let places = || $this.core.elasticity.max().saturating_sub($this.len());
        let items = $this.core.items.told(|| or_all($this.len()));
        $crate::wait::wake_each([items, $this.core.room.told(|| or_all(places()))])
    };
}

/// `Debug` for handles: their counters.
macro_rules! debug {
    ($($handle:ident)*) => {
        $(impl<T> std::fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($handle)).field("stats", &self.stats()).finish_non_exhaustive()
            }
        })*
    };
}

pub(super) use {buffer, debug, pass_on, producing, watching};
