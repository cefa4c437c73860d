//! What the layers above need of a buffer, beyond what users need.

use super::{Buffer, Report};
use crate::error::{BufferResult, Rejected};
use crate::wait::{Waiter, Waiting};
use std::future::ready;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

/// A call that a task makes and awaits; see [`Parts::waits_for_disk`].
///
/// # Examples
/// ```
/// use elasticq::{BufferResult, Call, Config, DynamicCircularBuffer, Parts};
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// buffer.push(7)?;
/// let call: Call<'_, BufferResult<Vec<u8>>> = buffer.take_as_task(1);
/// assert_eq!(pollster::block_on(call)?, [7]);
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub type Call<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// The parts for a layer that waits, counts or looks at items in a way of its own: a stream, a metric, a
/// binding to another language.
///
/// Every buffer of this crate has them, so such a layer is written once, over `dyn Parts<T>`. None of these
/// methods blocks for longer than the buffer's lock is held. (Making a waiter at a queue without locks takes
/// about a millisecond where Linux refuses `membarrier`.) None of them counts what it refuses: a caller that
/// tries again reports at the end what was refused, with [`note_refused`](Self::note_refused).
///
/// **Waiting** takes three steps, and misses nothing in this order: make a waiter
/// ([`wait_for_item`](Self::wait_for_item)), then try, then wait, as a thread or as a task. The buffer tells
/// the waiters about every change that another call makes.
///
/// # Examples
/// ```
/// use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts};
/// use std::sync::Arc;
///
/// async fn next<T>(buffer: &dyn Parts<T>) -> Option<T> {
///     loop {
///         let waiter = buffer.wait_for_item();
///         match buffer.try_pop() {
///             Ok(item) => return Some(item),
///             Err(BufferError::Empty) => waiter.await,
///             Err(_) => return None,
///         }
///     }
/// }
///
/// let buffer: Arc<dyn Parts<u32>> = Arc::new(DynamicCircularBuffer::new(Config::default())?);
/// let other = Arc::clone(&buffer);
/// let producer = std::thread::spawn(move || other.push(7));
/// assert_eq!(pollster::block_on(next(&*buffer)), Some(7));
/// producer.join().unwrap()?;
/// # Ok::<(), elasticq::BufferError>(())
/// ```
///
/// A layer that tries again by itself, looks, and keeps count:
/// ```
/// use elasticq::{Config, DynamicCircularBuffer, Parts};
/// use std::ops::ControlFlow;
/// use std::sync::Arc;
///
/// let two = Config::default().with_initial_capacity(2).with_min_capacity(2).with_max_capacity(2);
/// let buffer: Arc<dyn Parts<u32>> = Arc::new(DynamicCircularBuffer::new(two)?);
/// assert_eq!((buffer.max_capacity(), buffer.waits_for_disk()), (2, false));
/// buffer.offer_again(1)?;
/// pollster::block_on(buffer.offer_as_task(vec![2]))?;
///
/// let (room, bulk) = (Arc::clone(&buffer).owned_wait_for_room(), buffer.wait_for_bulk_room());
/// assert!(buffer.offer_again(3).is_err() && buffer.offer_batch_again(vec![3, 4]).is_err());
/// assert_eq!((buffer.waiting_producers(), buffer.waiting_consumers()), (2, 0));
/// assert_eq!(buffer.waiting_for_room().threads, 0); // they have not gone to sleep
/// drop((room, bulk, buffer.wait_for_room()));
/// buffer.pass_on(); // what they may have been woken for
/// buffer.note_refused(3); // given up
/// buffer.note_dropped_on_arrival(1); // one was accepted all the same
///
/// let mut sum = 0;
/// buffer.visit(&mut |item| {
///     sum += item;
///     ControlFlow::Continue(())
/// })?;
/// buffer.try_visit(&mut |_| ControlFlow::Break(())); // as a garbage collector does
/// assert_eq!((sum, buffer.glance().map(|seen| seen.len)), (3, Some(2)));
///
/// let item = Arc::clone(&buffer).owned_wait_for_item();
/// assert_eq!(pollster::block_on(buffer.take_as_task(1))?, [1]);
/// assert_eq!(buffer.try_pop_batch(9)?, [2]);
/// assert_eq!(buffer.waiting_for_item().tasks, 0);
/// drop(item);
/// assert_eq!(buffer.discard()?, []);
/// let stats = buffer.stats();
/// assert_eq!((stats.messages_enqueued, stats.messages_dropped, stats.messages_refused), (3, 1, 3));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub trait Parts<T>: Buffer<T> + Send + Sync {
    /// The capacity beyond which the buffer never grows, in items.
    fn max_capacity(&self) -> usize;

    /// [`offer`](Buffer::offer) for a caller that will try again: a refusal is not counted.
    ///
    /// # Errors
    /// As [`offer`](Buffer::offer).
    fn offer_again(&self, item: T) -> Result<(), Rejected<T>>;

    /// Adds all of `items`, or none of them, without ever waiting; a refusal is not counted.
    ///
    /// # Errors
    /// As [`push_batch`](Buffer::push_batch), without `Timeout`; the [`Rejected`] holds the items.
    fn offer_batch_again(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>>;

    /// [`pop_batch`](Buffer::pop_batch) that never waits.
    ///
    /// # Errors
    /// As [`pop_batch`](Buffer::pop_batch).
    fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>>;

    /// Whether calls may wait for a disk. A task then makes those that it awaits, so that its thread does not
    /// wait: [`offer_as_task`](Self::offer_as_task) and [`take_as_task`](Self::take_as_task). They need no
    /// particular runtime.
    fn waits_for_disk(&self) -> bool {
        false
    }

    /// [`offer_batch_again`](Self::offer_batch_again) for a task. It waits for no room. A future that is
    /// dropped before it is done may have put the items in.
    ///
    /// # Errors
    /// As [`offer_batch_again`](Self::offer_batch_again).
    fn offer_as_task<'a>(&'a self, items: Vec<T>) -> Call<'a, Result<(), Rejected<Vec<T>>>>
    where
        T: Send + 'a,
    {
        Box::pin(ready(self.offer_batch_again(items)))
    }

    /// [`try_pop_batch`](Self::try_pop_batch) for a task. It waits for no item. A future that is dropped
    /// before it is done has taken nothing.
    ///
    /// # Errors
    /// As [`try_pop_batch`](Self::try_pop_batch).
    fn take_as_task<'a>(&'a self, max_items: usize) -> Call<'a, BufferResult<Vec<T>>>
    where
        T: Send + 'a,
    {
        Box::pin(ready(self.try_pop_batch(max_items)))
    }

    /// Takes everything that is there now, for a caller that drops it: in [`stats`](Buffer::stats) these
    /// items are dropped, not dequeued. The caller drops them where it may run foreign code.
    ///
    /// # Errors
    /// `InvalidOperation` if another thread is taking at this moment, where only one may.
    fn discard(&self) -> BufferResult<Vec<T>>;

    /// Counts `items` as refused in [`stats`](Buffer::stats).
    fn note_refused(&self, items: usize);

    /// Counts `items` as accepted and dropped in [`stats`](Buffer::stats): for a layer that accepts an item
    /// for which there is no room, and drops it.
    fn note_dropped_on_arrival(&self, items: usize);

    /// Shows every item to `visit`, in the order in which they would be taken, until `visit` breaks. No item
    /// is taken. Linear in the number of items.
    ///
    /// Other threads may have to wait meanwhile, so `visit` must be short, and it must not touch this buffer.
    ///
    /// # Errors
    /// `InvalidOperation` if looking is not possible at this moment, since another thread is taking or
    /// looking.
    fn visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) -> BufferResult<()>;

    /// [`visit`](Self::visit) for garbage collectors: it shows nothing if it would have to wait for another
    /// thread.
    fn try_visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>);

    /// A place in the line for an item.
    fn wait_for_item(&self) -> Waiter<'_>;

    /// A place in the line for room for one item. In the end, whether it has put something in or given up,
    /// the caller drops the waiter and then calls [`pass_on`](Self::pass_on).
    fn wait_for_room(&self) -> Waiter<'_>;

    /// [`wait_for_room`](Self::wait_for_room) for a caller that needs room for more than one item.
    fn wait_for_bulk_room(&self) -> Waiter<'_>;

    /// [`wait_for_item`](Self::wait_for_item) with a waiter that keeps the buffer alive, for a stream or a
    /// task that is spawned.
    fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static;

    /// [`wait_for_room`](Self::wait_for_room) with a waiter that keeps the buffer alive.
    fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static;

    /// What the buffer looks like now, for a debugger or a log: it never waits. `None` if another thread
    /// holds the buffer's lock at this moment.
    fn glance(&self) -> Option<Glance>;

    /// How many sleep until there is an item. Linear in their number.
    fn waiting_for_item(&self) -> Waiting;

    /// How many sleep until there is room. Linear in their number.
    fn waiting_for_room(&self) -> Waiting;

    /// Who is stuck at which end: how many sleep there, and for how long already. Linear in their number.
    ///
    /// The two ends are looked at one after the other.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer, Parts};
    ///
    /// let buffer = DynamicCircularBuffer::<u32>::new(Config::default())?;
    /// let parts: &dyn Parts<u32> = &buffer;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| parts.wait_for_item().wait_until(None));
    ///     while parts.waiters().item.threads == 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     assert!(parts.waiters().item.longest.is_some());
    ///     assert_eq!(parts.waiters().room.threads, 0);
    ///     parts.offer(7).unwrap();
    /// });
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    fn waiters(&self) -> Waiters {
        Waiters::new(self.waiting_for_item(), self.waiting_for_room())
    }

    /// How many threads and tasks wait for an item now and have not been woken. Constant time, no lock.
    fn waiting_consumers(&self) -> usize;

    /// How many threads and tasks wait for room now and have not been woken. No lock.
    fn waiting_producers(&self) -> usize;

    /// Tells the waiters how many items and places there are now, and makes sure that so many of them, or
    /// all, are on their way.
    ///
    /// The buffer does so by itself after each change. This is for a caller that was woken, or may have been,
    /// and leaves the item or the place to another waiter; and for a layer that has changed the buffer in a
    /// way of its own. A call too many wakes nobody without a reason.
    fn pass_on(&self);

    /// Adds what this kind of buffer knows of itself beside [`stats`](Buffer::stats).
    #[doc(hidden)]
    fn report(&self, report: &mut Report) {
        let _ = report;
    }
}

/// A buffer at one moment, as [`Parts::glance`] sees it.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer, Parts};
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// buffer.push(1)?;
/// let seen = buffer.glance().expect("nobody holds the lock");
/// assert_eq!((seen.len, seen.max_capacity, seen.closed), (1, 65_536, false));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Glance {
    /// Items in the buffer.
    pub len: usize,
    /// The capacity beyond which the buffer never grows, in items.
    pub max_capacity: usize,
    /// Whether it was closed.
    pub closed: bool,
}

impl Glance {
    pub(crate) const fn new(len: usize, max_capacity: usize, closed: bool) -> Self {
        Self { len, max_capacity, closed }
    }
}

/// Who sleeps at the two ends of a buffer, as [`Parts::waiters`] tells.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer, Waiters};
///
/// let buffer = DynamicCircularBuffer::<u8>::new(Config::default())?;
/// let waiters: Waiters = buffer.waiters();
/// assert_eq!((waiters.item.threads, waiters.room.tasks), (0, 0)); // nobody sleeps at either end
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiters {
    /// Those that sleep until there is an item.
    pub item: Waiting,
    /// Those that sleep until there is room.
    pub room: Waiting,
}

impl Waiters {
    pub(crate) const fn new(item: Waiting, room: Waiting) -> Self {
        Self { item, room }
    }
}

/// The method `waiters` of a buffer, for callers without [`Parts`]. `$setup` are the lines of the example
/// that make the buffer.
macro_rules! waiters {
    ([$($setup:literal)*], $this:ident => $item:expr, $room:expr) => {
        /// Who is stuck at which end: how many sleep there, and for how long already.
        ///
        /// Linear in their number. The two ends are looked at one after the other. Blocks for no longer than
        /// a thread or a task needs to get into the line or out of it.
        ///
        /// # Examples
        /// ```
        $(#[doc = $setup])*
        /// let waiters = queue.waiters();
        /// assert_eq!((waiters.item.threads, waiters.room.tasks, waiters.room.longest), (0, 0, None));
        /// # Ok::<(), elasticq::BufferError>(())
        /// ```
        #[must_use]
        pub fn waiters(&$this) -> $crate::Waiters {
            $crate::Waiters::new($item, $room)
        }
    };
}
pub(crate) use waiters;
