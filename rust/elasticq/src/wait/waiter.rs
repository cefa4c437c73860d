//! `Waiter`: a place in the line, from which a thread or a task waits.

use super::list::{List, Look, Sleeper};
use super::waking::Waking;
use super::{Signal, forks};
use crate::sync::thread::{current, park, park_timeout};
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A place in the line of those that wait for a buffer to have an item, or to have room.
///
/// A wake-up is a hint, not an item. After it, try again, and make a new waiter if another thread was faster.
/// Make the waiter first, then look at the buffer, then wait; in that order no wake-up is missed. A waiter
/// that is dropped leaves the line; if it was woken already, the next one is woken in its place.
///
/// A thread waits with [`wait_until`](Self::wait_until). A task awaits the waiter: it is a future that needs
/// no particular runtime and is ready once woken.
///
/// # Examples
/// ```
/// use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts};
/// use std::time::{Duration, Instant};
///
/// let buffer = DynamicCircularBuffer::<u8>::new(Config::default())?;
/// let mut waiter = buffer.wait_for_item();
/// assert!(buffer.is_empty());
/// assert!(!waiter.wait_until(Some(Instant::now() + Duration::from_millis(1))));
///
/// buffer.push(7)?;
/// pollster::block_on(waiter); // or `waiter.await`, in a task
/// assert_eq!(buffer.pop(), Ok(7));
/// # Ok::<(), BufferError>(())
/// ```
#[must_use = "a waiter does nothing until it waits"]
pub struct Waiter<'a> {
    signal: Source<'a>,
    /// The process in which it registered.
    process: usize,
    /// Its place in the list of that process, until it is woken.
    place: Option<usize>,
    /// Whether it was polled, so that a waker may still be in the list.
    was_polled: bool,
}

/// How a waiter holds its signal.
enum Source<'a> {
    Borrowed(&'a Signal),
    Owned(Box<dyn Deref<Target = Signal> + Send + Sync + 'a>),
}

impl Deref for Source<'_> {
    type Target = Signal;

    fn deref(&self) -> &Signal {
        match self {
            Self::Borrowed(signal) => signal,
            Self::Owned(signal) => signal,
        }
    }
}

/// A shared object, and the function that gives the signal in it.
struct Part<B, F>(Arc<B>, F);

impl<B, F: Fn(&B) -> &Signal> Deref for Part<B, F> {
    type Target = Signal;

    fn deref(&self) -> &Signal {
        (self.1)(&self.0)
    }
}

impl<'a> Waiter<'a> {
    pub(super) fn new(signal: &'a Signal, bulk: bool) -> Self {
        Self::enter(Source::Borrowed(signal), bulk)
    }

    fn enter(signal: Source<'a>, bulk: bool) -> Self {
        let place = signal.change(signal.crowd(), |list| list.enter(bulk));
        Self { signal, process: forks(), place: Some(place), was_polled: false }
    }

    /// Registers a waiter that keeps alive what it waits for: for a stream, or for a task that is spawned.
    /// `signal` says which signal of `owner` is meant, and must always give the same one.
    ///
    /// Otherwise the same as [`Signal::waiter`]. It costs one more allocation.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Signal, Waiter};
    /// use std::sync::Arc;
    ///
    /// struct Door { opened: Signal }
    ///
    /// let door = Arc::new(Door { opened: Signal::new() });
    /// let waiter: Waiter<'static> = Waiter::owned(Arc::clone(&door), |door| &door.opened);
    /// let task = std::thread::spawn(|| pollster::block_on(waiter));
    /// door.opened.wake(1);
    /// task.join().unwrap();
    /// ```
    pub fn owned<B: Send + Sync + 'a>(owner: Arc<B>, signal: impl Fn(&B) -> &Signal + Send + Sync + 'a) -> Self {
        Self::enter(Source::Owned(Box::new(Part(owner, signal))), false)
    }

    /// Blocks until it is woken (true) or `deadline` has passed (false); `None` waits for ever.
    ///
    /// After false the waiter keeps its place in the line and can wait on. Once woken, it answers true at
    /// once. In a forked child it also answers true at once, since its place in the parent's line is worth
    /// nothing there.
    #[must_use = "false means that the deadline has passed"]
    pub fn wait_until(&mut self, deadline: Option<Instant>) -> bool {
        Self::wait_for_any(slice::from_mut(self), deadline).is_some()
    }

    /// Blocks until one of these waiters is woken, and returns the index of the first one that is. `None`
    /// means that `deadline` has passed. Without a deadline it waits for ever, even when there are no
    /// waiters.
    ///
    /// The others keep their places. They too may have been woken, or be woken later. So wait on, look at
    /// what they wait for, or drop them, which passes such a wake-up on. (A task has no need of this method:
    /// it polls each waiter.)
    ///
    /// # Panics
    /// If one of the waiters was polled before, and dropping the waker of that poll panics.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer, Parts, Waiter};
    ///
    /// let queues = [(); 2].map(|()| DynamicCircularBuffer::new(Config::default()).unwrap());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| queues[1].push("hello"));
    ///     let item = loop {
    ///         let mut waiters = queues.each_ref().map(|queue| queue.wait_for_item());
    ///         if let Some(item) = queues.iter().find_map(|queue| queue.try_pop().ok()) {
    ///             break item;
    ///         }
    ///         Waiter::wait_for_any(&mut waiters, None);
    ///     };
    ///     assert_eq!(item, "hello");
    /// });
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn wait_for_any(waiters: &mut [Self], deadline: Option<Instant>) -> Option<usize> {
        // This comes first: dropping a waker runs foreign code, which may use up the thread's token. From the
        // first look on, the token belongs to this call.
        waiters.iter_mut().filter(|waiter| waiter.was_polled).for_each(Self::get_up);
        let woken = loop {
            let woken = waiters.iter_mut().position(|waiter| waiter.look(|| Sleeper::Thread(current())));
            if woken.is_some() {
                break woken;
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => park(),
                Some(Duration::ZERO) => break None,
                Some(left) => park_timeout(left),
            }
        };
        waiters.iter_mut().for_each(Self::get_up);
        woken
    }

    /// Whether it was woken. If it was not, `waker` is called when it is: for a thread that sleeps in a way of
    /// its own, such as one that a signal can interrupt. [`Signal::waiting`] counts it among the threads.
    /// Otherwise the same as a poll by a task. Does not block.
    ///
    /// # Panics
    /// If cloning `waker`, or dropping the one of the last look, panics.
    ///
    /// # Examples
    /// ```
    /// use elasticq::Signal;
    /// use std::sync::{Arc, mpsc};
    /// use std::task::{Wake, Waker};
    ///
    /// struct Bell(mpsc::Sender<()>);
    ///
    /// impl Wake for Bell {
    ///     fn wake(self: Arc<Self>) {
    ///         let _ = self.0.send(());
    ///     }
    /// }
    ///
    /// let door = Signal::new();
    /// let (bell, rings) = mpsc::channel();
    /// let waker = Waker::from(Arc::new(Bell(bell)));
    /// let mut waiter = door.waiter();
    /// assert!(!waiter.poll_in_thread(&waker));
    /// assert_eq!(door.waiting().threads, 1);
    /// door.wake(1);
    /// rings.recv().unwrap();
    /// assert!(waiter.poll_in_thread(&waker));
    /// ```
    #[must_use = "true means that nothing will call the waker any more"]
    pub fn poll_in_thread(&mut self, waker: &Waker) -> bool {
        self.was_polled = true;
        self.look(|| Sleeper::ThreadBy(waker.clone()))
    }

    /// Whether it was woken. If it was not, it sleeps from now on, and `sleeper` wakes it.
    fn look(&mut self, sleeper: impl FnOnce() -> Sleeper) -> bool {
        let Some(place) = self.place() else { return true };
        let mut sleeper = Some(sleeper());
        let woken = self.change(|list| list.look(place, &mut sleeper, now)) == Look::Woken;
        if woken {
            self.place = None;
        }
        let mut waking = Waking::new();
        waking.discard(sleeper);
        waking.finish();
        woken
    }

    /// It no longer sleeps, neither as a thread nor as a task.
    fn get_up(&mut self) {
        self.was_polled = false;
        if let Some(place) = self.place() {
            drop(self.change(|list| list.get_up(place)));
        }
    }

    /// Its place, unless it was woken. A place in the list of another process is given up: that list must not
    /// be touched, since a thread that no longer exists may hold its lock.
    fn place(&mut self) -> Option<usize> {
        self.place = self.place.filter(|_| self.process == forks());
        self.place
    }

    fn change<R>(&self, change: impl FnOnce(&mut List) -> R) -> R {
        self.signal.change(self.signal.crowd(), change)
    }
}

/// The time now, if there is a clock. Whether a task can sleep must not depend on a clock.
fn now() -> Option<Instant> {
    (!cfg!(all(target_family = "wasm", target_os = "unknown"))).then(Instant::now)
}

impl Future for Waiter<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.was_polled = true;
        if self.look(|| Sleeper::Task(context.waker().clone())) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Waiter<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.place() {
            self.leave(place);
        }
    }
}

impl Waiter<'_> {
    #[cold]
    fn leave(&mut self, place: usize) {
        let ((sleeper, in_its_place), round) = self.change(|list| (list.leave(place), list.round()));
        let mut waking = Waking::new();
        waking.discard(sleeper);
        if in_its_place > 0 {
            waking.wake_next(&self.signal, self.signal.crowd(), round, |_| in_its_place);
            self.change(List::passed_on);
        }
        waking.finish();
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("woken", &self.place.is_none()).finish_non_exhaustive()
    }
}
