//! `Waiter`: one who waits, as a thread or as a task.

use super::list::{Look, Sleeper};
use super::waking::Waking;
use super::{Crowd, Signal, forks};
use crate::sync::thread::{current, park, park_timeout};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

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
    signal: &'a Signal,
    crowd: &'a Crowd,
    /// Its place in the list of the crowd, until it was woken.
    place: Option<usize>,
}

impl<'a> Waiter<'a> {
    pub(super) fn new(signal: &'a Signal, bulk: bool) -> Self {
        let crowd = signal.crowd();
        Self { signal, crowd, place: Some(signal.change(crowd, |list| list.enter(bulk))) }
    }

    /// Blocks until it is woken (true) or `deadline` has passed (false); `None` waits for ever.
    ///
    /// After false it still has its place in the queue and can wait on; once woken, it answers true at once. So it does
    /// in a forked child, where the place that it had in the parent is worth nothing.
    #[must_use = "false means that the deadline has passed"]
    pub fn wait_until(&mut self, deadline: Option<Instant>) -> bool {
        while !self.look(|| Sleeper::Thread(current())) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => park(),
                Some(left) if left.is_zero() => {
                    self.get_up();
                    return false;
                }
                Some(left) => park_timeout(left),
            }
        }
        true
    }

    /// Whether it was woken; from now on it sleeps otherwise, and `sleeper` wakes it.
    fn look(&mut self, sleeper: impl FnOnce() -> Sleeper) -> bool {
        let Some(place) = self.place() else { return true };
        let mut sleeper = Some(sleeper());
        let woken = self.signal.change(self.crowd, |list| list.look(place, &mut sleeper, now)) == Look::Woken;
        if woken {
            self.place = None;
        }
        let mut waking = Waking::new();
        waking.discard(sleeper);
        waking.finish();
        woken
    }

    /// A thread that sleeps no more.
    fn get_up(&mut self) {
        if let Some(place) = self.place() {
            drop(self.signal.change(self.crowd, |list| list.get_up(place)));
        }
    }

    /// Its place, unless it was woken. One in the list of another process is given up: that list must not be touched, since
    /// one who is not there any more may hold its lock.
    fn place(&mut self) -> Option<usize> {
        self.place = self.place.filter(|_| self.crowd.process == forks());
        self.place
    }
}

/// Now, where there is a clock: whether a task sleeps must not depend on it.
fn now() -> Option<Instant> {
    (!cfg!(all(target_family = "wasm", target_os = "unknown"))).then(Instant::now)
}

impl Future for Waiter<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.look(|| Sleeper::Task(context.waker().clone())) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place() else { return };
        let (signal, crowd) = (self.signal, self.crowd);
        let (sleeper, in_its_place) = signal.change(crowd, |list| list.leave(place));
        let mut waking = Waking::new();
        waking.discard(sleeper);
        if in_its_place > 0 {
            waking.wake_next(signal, crowd, |_| in_its_place);
            signal.change(crowd, |list| list.passed_on());
        }
        waking.finish();
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("woken", &self.place.is_none()).finish_non_exhaustive()
    }
}
