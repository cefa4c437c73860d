//! `Waiter`: one who waits, as a thread or as a task.

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
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A place in the queue of those who wait for a buffer to have an item, or to have room.
///
/// A wake-up is a hint, not an item: after it, try again, and make a new waiter if somebody else was faster. Make the
/// waiter first, then look at the buffer, then wait; in that order no wake-up is missed. A waiter that is
/// dropped leaves the queue, and if it was woken already the next one is woken in its place.
///
/// A thread waits with [`wait_until`](Self::wait_until). A task awaits the waiter: it is a future of no runtime in
/// particular, ready once woken.
///
/// # Examples
/// ```
/// use elasticq::{BufferError, Config, DynamicCircularBuffer};
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
    /// In which it registered.
    process: usize,
    /// Its place in the list of that process, until it was woken.
    place: Option<usize>,
    /// As a task, and its waker may still be there.
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

/// The signal of something that is shared.
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

    /// Registers a waiter that holds what it waits for: for a stream, or a task that is spawned. `signal` says which
    /// signal of `owner` is meant, and must always say the same.
    ///
    /// Otherwise as [`Signal::waiter`]. It costs an allocation more.
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
    /// After false it still has its place in the queue and can wait on; once woken, it answers true at once. So it does
    /// in a forked child, where the place that it had in the parent is worth nothing.
    #[must_use = "false means that the deadline has passed"]
    pub fn wait_until(&mut self, deadline: Option<Instant>) -> bool {
        Self::wait_for_any(slice::from_mut(self), deadline).is_some()
    }

    /// Blocks until one of these is woken, and says which, the first of them where several are, or until `deadline` has passed
    /// (`None`). Without a deadline it waits for ever, as it does for none at all.
    ///
    /// The others keep their places. One of them may have been woken, too, or be woken later: so wait on, look at what they wait
    /// for, or drop them, which passes such a wake-up on. (A task has no need of this: it polls each of them.)
    ///
    /// # Panics
    /// Where dropping a waker panics that one of them was polled with before.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer, Waiter};
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
        // First, since what is foreign may use up the thread's token, which is to be this call's from the first look on.
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

    /// Whether it was woken; from now on it sleeps otherwise, and `sleeper` wakes it.
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

    /// It sleeps no more, as a thread or as a task.
    fn get_up(&mut self) {
        self.was_polled = false;
        if let Some(place) = self.place() {
            drop(self.change(|list| list.get_up(place)));
        }
    }

    /// Its place, unless it was woken. One in the list of another process is given up: that list must not be touched, since
    /// one who is not there any more may hold its lock.
    fn place(&mut self) -> Option<usize> {
        self.place = self.place.filter(|_| self.process == forks());
        self.place
    }

    fn change<R>(&self, change: impl FnOnce(&mut List) -> R) -> R {
        self.signal.change(self.signal.crowd(), change)
    }
}

/// Now, where there is a clock: whether a task sleeps must not depend on it.
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
    fn drop(&mut self) {
        let Some(place) = self.place() else { return };
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
