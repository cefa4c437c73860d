//! [`Select`]: waiting for several queues at once.
//!
//! **Exactly one item** leaves exactly one queue. A selector stands in the line of each queue. When it is
//! woken, it looks at the queues in its order, and takes the first item that it finds.
//!
//! **No wake-up is lost.** A selector is woken for an item of one queue and may take that of another. Then it
//! tells the first queue, which wakes the next in line. The places in the other lines are dropped, and each
//! passes on a wake-up that has come there meanwhile. So a queue that nobody selects over pays nothing, and
//! one item in one queue wakes one selector.

use crate::buffer::{Call, Parts};
use crate::error::{BufferError, BufferResult};
use crate::wait::{Waiter, cooperate, see_what_woke, try_on, unless_empty};
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Takes the next item of whichever queue has one, as a thread or as a task.
///
/// The queues may be of different kinds. With [`with`](Self::with) they have the same items; with
/// [`with_map`](Self::with_map) each has its own, and a function makes one type of them. The result says
/// which queue it was, by its index: the first that was added is 0.
///
/// **Order.** When several queues have items, they take turns: the search begins behind the queue that gave
/// the last one. With [`ordered`](Self::ordered) it begins at the first queue each time, so a control queue
/// can go before a work queue.
///
/// **Closed queues** are skipped once they are empty. When all are, the result is `Closed`. A queue may be
/// there twice; that changes nothing but its turns.
///
/// A call that gives no item has taken none: one that has timed out, a future that is dropped. A selector
/// costs the queues nothing while it does not wait. To wait takes time linear in the number of queues.
///
/// # Examples
/// ```
/// use elasticq::{Config, DynamicCircularBuffer, Select};
///
/// let work = DynamicCircularBuffer::new(Config::default())?;
/// let control = DynamicCircularBuffer::new(Config::default())?;
/// work.push_batch(vec!["resize a.png", "resize b.png"])?;
/// control.push("stop")?;
///
/// let mut select = Select::new().with(&control).with(&work).ordered();
/// assert_eq!(select.pop()?, (0, "stop"));
/// assert_eq!(select.pop()?, (1, "resize a.png"));
/// assert_eq!(select.try_pop()?, (1, "resize b.png"));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[must_use = "a selector does nothing by itself"]
pub struct Select<'a, R> {
    sources: Vec<Box<dyn Source<R> + 'a>>,
    order: Order,
}

#[derive(Clone, Copy, Debug, Default)]
struct Order {
    /// Where the next search begins.
    first: usize,
    /// Whether it always begins there.
    is_fixed: bool,
}

/// A queue of any items, and what is made of them.
trait Source<R>: Send + Sync {
    fn try_pop(&self) -> BufferResult<R>;
    /// The same for a task, if it may wait for a disk.
    fn pop_as_task<'a>(&'a self) -> Option<Call<'a, BufferResult<R>>>
    where
        R: 'a;
    fn waits_for_disk(&self) -> bool;
    fn waiter(&self) -> Waiter<'_>;
    fn pass_on(&self);
}

struct Mapped<'a, T, B: ?Sized, F> {
    buffer: &'a B,
    map: F,
    items: PhantomData<fn(T)>,
}

impl<T: Send, R, B: Parts<T> + ?Sized, F: Fn(T) -> R + Send + Sync> Source<R> for Mapped<'_, T, B, F> {
    fn try_pop(&self) -> BufferResult<R> {
        self.buffer.try_pop().map(&self.map)
    }

    fn pop_as_task<'a>(&'a self) -> Option<Call<'a, BufferResult<R>>>
    where
        R: 'a,
    {
        let pop = async { self.buffer.take_as_task(1).await?.pop().ok_or(BufferError::Empty).map(&self.map) };
        self.buffer.waits_for_disk().then(|| Box::pin(pop) as _)
    }

    fn waits_for_disk(&self) -> bool {
        self.buffer.waits_for_disk()
    }

    fn waiter(&self) -> Waiter<'_> {
        self.buffer.wait_for_item()
    }

    fn pass_on(&self) {
        self.buffer.pass_on();
    }
}

impl<'a, R: 'a> Select<'a, R> {
    /// A selector without queues.
    pub const fn new() -> Self {
        Self { sources: Vec::new(), order: Order { first: 0, is_fixed: false } }
    }

    /// Adds a queue.
    pub fn with<B: Parts<R> + ?Sized>(self, buffer: &'a B) -> Self
    where
        R: Send,
    {
        self.with_map(buffer, |item: R| item)
    }

    /// Adds a queue of other items, of which `map` makes what the selector gives. It is called after the item
    /// has left the queue, without any lock.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer, Select};
    ///
    /// #[derive(Debug, PartialEq)]
    /// enum Event {
    ///     Key(char),
    ///     Tick(u64),
    /// }
    ///
    /// let keys = DynamicCircularBuffer::new(Config::default())?;
    /// let ticks = DynamicCircularBuffer::new(Config::default())?;
    /// ticks.push(7)?;
    /// let mut events = Select::new().with_map(&keys, Event::Key).with_map(&ticks, Event::Tick);
    /// assert_eq!(events.pop()?, (1, Event::Tick(7)));
    /// # keys.push('a')?;
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn with_map<T: Send + 'a, B: Parts<T> + ?Sized>(
        mut self,
        buffer: &'a B,
        map: impl Fn(T) -> R + Send + Sync + 'a,
    ) -> Self {
        self.sources.push(Box::new(Mapped { buffer, map, items: PhantomData }));
        self
    }

    /// Lets each search begin at the first queue, instead of by turns.
    pub fn ordered(mut self) -> Self {
        self.order.is_fixed = true;
        self
    }

    /// Takes the next item without waiting. Gives the index of its queue, and the item.
    ///
    /// # Errors
    /// - `Empty`: there is no item, and a queue is open.
    /// - `Closed`: all queues are closed and empty.
    /// - `InvalidOperation`: there are no queues; or one is for one consumer, another consumer is at work
    ///   there, and no other queue has an item.
    /// - What a queue may fail with beside that, if no other one has an item.
    pub fn try_pop(&mut self) -> BufferResult<(usize, R)> {
        search(&self.sources, &mut self.order, None)
    }

    /// Takes the next item, and blocks until there is one.
    ///
    /// # Errors
    /// As [`try_pop`](Self::try_pop) without `Empty`.
    pub fn pop(&mut self) -> BufferResult<(usize, R)> {
        self.pop_within(Duration::MAX)
    }

    /// Takes the next item, and blocks up to `timeout` until there is one. A timeout too long for the clock
    /// waits for ever.
    ///
    /// # Errors
    /// `Timeout(timeout)`; as [`try_pop`](Self::try_pop) without `Empty`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer, Select};
    /// use std::time::Duration;
    ///
    /// let queues = [(); 2].map(|()| DynamicCircularBuffer::<u8>::new(Config::default()).unwrap());
    /// let brief = Duration::from_millis(1);
    /// let mut select = Select::new().with(&queues[0]).with(&queues[1]);
    /// assert_eq!(select.pop_within(brief), Err(BufferError::Timeout(brief)));
    /// ```
    pub fn pop_within(&mut self, timeout: Duration) -> BufferResult<(usize, R)> {
        let (mut woken, mut deadline) = (None, None);
        loop {
            let mut waiters = match search_or_register(&self.sources, &mut self.order, woken) {
                Ok(settled) => return settled,
                Err(waiters) => waiters,
            };
            // The clock is read only if there is something to wait for.
            let deadline = *deadline.get_or_insert_with(|| Instant::now().checked_add(timeout));
            woken = Waiter::wait_for_any(&mut waiters, deadline);
            if woken.is_none() {
                return Err(BufferError::Timeout(timeout));
            }
            see_what_woke();
        }
    }

    /// Takes the next item, waiting as a task until there is one. A future that is dropped before it is done
    /// has taken nothing. Needs no particular runtime.
    ///
    /// # Errors
    /// As [`try_pop`](Self::try_pop) without `Empty`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer, Select};
    ///
    /// let queues = [(); 2].map(|()| DynamicCircularBuffer::new(Config::default()).unwrap());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| queues[1].push("hello"));
    ///     let mut select = Select::new().with(&queues[0]).with(&queues[1]);
    ///     assert_eq!(pollster::block_on(select.recv()), Ok((1, "hello")));
    /// });
    /// ```
    pub async fn recv(&mut self) -> BufferResult<(usize, R)> {
        cooperate(self.recv_as_task()).await
    }

    /// [`recv`](Self::recv) that waits no longer than `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `Timeout(timeout)`; `InvalidOperation` outside of a tokio runtime with
    /// timers, and then nothing was tried.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer, Select};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BufferError> {
    /// let queue = DynamicCircularBuffer::<u8>::new(Config::default())?;
    /// let brief = Duration::from_millis(1);
    /// let mut select = Select::new().with(&queue);
    /// assert_eq!(select.recv_timeout(brief).await, Err(BufferError::Timeout(brief)));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(all(feature = "async", not(loom)))]
    pub async fn recv_timeout(&mut self, timeout: Duration) -> BufferResult<(usize, R)> {
        crate::tasks::within(timeout, self.recv()).await?.unwrap_or(Err(BufferError::Timeout(timeout)))
    }

    async fn recv_as_task(&mut self) -> BufferResult<(usize, R)> {
        let mut woken = None;
        loop {
            match search_as_task(&self.sources, &mut self.order, woken).await {
                Err(BufferError::Empty) => {}
                settled => return settled,
            }
            let mut waiters: Vec<_> = self.sources.iter().map(|source| source.waiter()).collect();
            match search_as_task(&self.sources, &mut self.order, None).await {
                Err(BufferError::Empty) => {}
                settled => return settled, // a wake-up that has come meanwhile goes on to another
            }
            let first_woken = poll_fn(|context| {
                let is_woken = |waiter: &mut Waiter<'_>| Pin::new(waiter).poll(context).is_ready();
                waiters.iter_mut().position(is_woken).map_or(Poll::Pending, Poll::Ready)
            });
            woken = Some(first_woken.await);
            see_what_woke();
        }
    }
}

type Sources<'s, 'a, R> = &'s [Box<dyn Source<R> + 'a>];

/// Looks at all queues, looks on for a moment if they are all in memory, stands in all lines, and looks once
/// more. Gives the places in the lines if that has come to nothing.
fn search_or_register<'s, R>(
    sources: Sources<'s, '_, R>,
    order: &mut Order,
    woken: Option<usize>,
) -> Result<BufferResult<(usize, R)>, Vec<Waiter<'s>>> {
    if let Some(settled) = unless_empty(search(sources, order, woken)) {
        return Ok(settled);
    }
    let look = || unless_empty(search(sources, order, None));
    let is_quick = !sources.iter().any(|source| source.waits_for_disk());
    if let Some(settled) = is_quick.then_some(look).and_then(|mut look| try_on(&mut look)) {
        return Ok(settled);
    }
    let waiters = sources.iter().map(|source| source.waiter()).collect();
    // A wake-up that has come meanwhile goes on to another.
    unless_empty(search(sources, order, None)).ok_or(waiters)
}

/// Looks at all queues. `woken` is the one for which this selector was woken.
fn search<R>(sources: Sources<'_, '_, R>, order: &mut Order, woken: Option<usize>) -> BufferResult<(usize, R)> {
    let mut search = Search::new(sources, woken);
    for index in order.of(sources)? {
        if let Some(item) = search.note(index, sources[index].try_pop()) {
            order.note(index, sources.len());
            return Ok((index, item));
        }
    }
    Err(search.reason())
}

/// The same for a task: it does not block for a disk.
async fn search_as_task<R>(
    sources: Sources<'_, '_, R>,
    order: &mut Order,
    woken: Option<usize>,
) -> BufferResult<(usize, R)> {
    let mut search = Search::new(sources, woken);
    for index in order.of(sources)? {
        let popped = match sources[index].pop_as_task() {
            Some(call) => call.await,
            None => sources[index].try_pop(),
        };
        if let Some(item) = search.note(index, popped) {
            order.note(index, sources.len());
            return Ok((index, item));
        }
    }
    Err(search.reason())
}

impl Order {
    /// The indices of the queues in the order of the next search.
    fn of<R>(self, sources: Sources<'_, '_, R>) -> BufferResult<impl Iterator<Item = usize> + use<R>> {
        if sources.is_empty() {
            return Err(BufferError::InvalidOperation("a selector without queues has nothing to wait for".into()));
        }
        Ok((self.first..sources.len()).chain(0..self.first))
    }

    /// Notes which queue has given an item.
    const fn note(&mut self, index: usize, queues: usize) {
        if !self.is_fixed {
            self.first = (index + 1) % queues;
        }
    }
}

/// What a search has come upon. When it ends, also since its task is cancelled, it passes on the wake-up that
/// led to it, unless it took the item that this was about.
struct Search<'s, 'a, R> {
    sources: Sources<'s, 'a, R>,
    woken: Option<usize>,
    is_open: bool,
    failed: Option<BufferError>,
}

impl<'s, 'a, R> Search<'s, 'a, R> {
    const fn new(sources: Sources<'s, 'a, R>, woken: Option<usize>) -> Self {
        Self { sources, woken, is_open: false, failed: None }
    }

    /// Notes what a queue has given; returns the item.
    fn note(&mut self, index: usize, popped: BufferResult<R>) -> Option<R> {
        match popped {
            Ok(item) => {
                self.woken = self.woken.filter(|&woken| woken != index);
                return Some(item);
            }
            Err(BufferError::Empty) => self.is_open = true,
            Err(BufferError::Closed) => {}
            Err(reason) => self.failed = self.failed.take().or(Some(reason)),
        }
        None
    }

    /// Why there is no item.
    fn reason(&mut self) -> BufferError {
        let none = if self.is_open { BufferError::Empty } else { BufferError::Closed };
        self.failed.take().unwrap_or(none)
    }
}

impl<R> Drop for Search<'_, '_, R> {
    fn drop(&mut self) {
        if let Some(woken) = self.woken {
            self.sources[woken].pass_on();
        }
    }
}

impl<'a, R: 'a> Default for Select<'a, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> fmt::Debug for Select<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Select");
        shown.field("queues", &self.sources.len()).field("order", &self.order).finish()
    }
}
