//! The five queues behind one trait, for the promises about waiting that all of them keep.
#![allow(dead_code)] // each test binary uses its own part

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{
    Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts, Waiters, Waiting,
};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any test here takes. A test that runs this long never ends.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a whole test may take. `ELASTICQ_SLOWNESS` says how many times slower than usual the machine is.
fn patience() -> Duration {
    PATIENCE * std::env::var("ELASTICQ_SLOWNESS").map_or(1, |times| times.parse().unwrap())
}

fn config(max: usize) -> Config {
    Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(max)
}

/// A queue of numbers, as layers above see it.
pub trait Queue: Parts<u32> + Sized + 'static {
    /// An empty queue that never holds more than `max`.
    fn of(max: usize) -> Arc<Self> {
        Self::with(config(max))
    }

    fn with(config: Config) -> Arc<Self>;

    /// Puts all of these numbers. There must be room for them.
    fn put(&self, numbers: &[u32]) {
        match numbers {
            [number] => self.offer(*number).unwrap(),
            numbers => self.offer_batch_again(numbers.to_vec()).unwrap(),
        }
    }

    /// Takes up to `max`.
    fn take(&self, max: usize) -> Vec<u32> {
        if max == 1 { self.try_pop().into_iter().collect() } else { self.try_pop_batch(max).unwrap_or_default() }
    }

    /// Who sleeps until there is an item, and who sleeps until there is room.
    fn who_sleeps(&self) -> (Waiting, Waiting) {
        (self.waiting_for_item(), self.waiting_for_room())
    }

    /// How many wait for an item and for room, without those that were woken.
    fn asleep(&self) -> (usize, usize) {
        (self.waiting_consumers(), self.waiting_producers())
    }

    /// What the type's own method `waiters` tells.
    fn own_waiters(&self) -> Waiters;
}

macro_rules! queues {
    ($($queue:ident)*) => {$(
        impl Queue for $queue<u32> {
            fn with(config: Config) -> Arc<Self> {
                Arc::new(Self::new(config).unwrap())
            }

            fn own_waiters(&self) -> Waiters {
                self.waiters()
            }
        }
    )*};
}

queues!(DynamicCircularBuffer LockFreeMPSCQueue LockFreeMPMCQueue LockFreeSPSCQueue);

impl Queue for PriorityCircularBuffer<u32> {
    fn with(config: Config) -> Arc<Self> {
        Arc::new(Self::new(PriorityConfig::default().with_base_config(config)).unwrap())
    }

    fn own_waiters(&self) -> Waiters {
        self.waiters()
    }
}

#[cfg(feature = "persistent")]
impl Queue for elasticq::persistent::PersistentCircularBuffer<u32> {
    fn with(config: Config) -> Arc<Self> {
        // The folder is removed at the end of this function. The files are open, so they stay as long as the
        // queue, and a few numbers need no others.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let config = elasticq::persistent::PersistentConfig::default().with_file_path(path).with_base_config(config);
        let queue = Self::new(config).unwrap();
        // Its thread makes the reserve first, as large as the first segment. A task that comes meanwhile waits
        // for that, and not yet in line; and a file that comes meanwhile would keep the folder.
        until(|| queue.stats().bytes_on_disk >= 2 << 20);
        Arc::new(queue)
    }

    fn own_waiters(&self) -> Waiters {
        self.waiters()
    }
}

/// Waits until a condition holds.
pub fn until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < patience());
        thread::yield_now();
    }
}

pub fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Polls a future until it stands in a line. (One of a durable queue may wait for the queue's thread before.)
pub fn poll_into_line<F: Future + Unpin>(queue: &impl Queue, future: &mut F, waker: &Waker) {
    let before = queue.asleep();
    until(|| {
        assert!(poll(future, waker).is_pending());
        queue.asleep() != before
    });
}

/// How often a waker was called.
pub struct Calls(AtomicUsize);

impl Calls {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that counts its calls.
pub fn counting() -> (Arc<Calls>, Waker) {
    let calls = Arc::new(Calls(AtomicUsize::new(0)));
    (Arc::clone(&calls), Waker::from(calls))
}

/// Runs a test in a thread of its own, so that a test that never ends fails.
pub fn within_time(test: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _ended = ended; // dropped at the end, even by a panic
        test();
    });
    assert_ne!(end.recv_timeout(patience()), Err(mpsc::RecvTimeoutError::Timeout), "it never ends");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Makes a test for each of the five queues from each of these functions.
macro_rules! of_all_five {
    ($($promise:ident)*) => {$(
        mod $promise {
            use crate::queues::within_time;

            #[test]
            fn with_a_lock() {
                within_time(super::$promise::<elasticq::DynamicCircularBuffer<u32>>);
            }

            #[test]
            fn with_levels() {
                within_time(super::$promise::<elasticq::priority::PriorityCircularBuffer<u32>>);
            }

            #[test]
            fn mpsc() {
                within_time(super::$promise::<elasticq::LockFreeMPSCQueue<u32>>);
            }

            #[test]
            fn mpmc() {
                within_time(super::$promise::<elasticq::LockFreeMPMCQueue<u32>>);
            }

            #[test]
            fn spsc() {
                within_time(super::$promise::<elasticq::LockFreeSPSCQueue<u32>>);
            }
        }
    )*};
}

/// Makes a test for each of the six buffers from each of these functions.
#[allow(unused_macros)] // each test binary uses its own part
macro_rules! of_all_six {
    ($($promise:ident)*) => {
        $crate::queues::of_all_five! { $($promise)* }

        #[cfg(feature = "persistent")]
        mod durable {
            use crate::queues::within_time;
            use elasticq::persistent::PersistentCircularBuffer;
            $(
                #[test]
                fn $promise() {
                    within_time(super::$promise::<PersistentCircularBuffer<u32>>);
                }
            )*
        }
    };
}

#[allow(unused_imports)] // each test binary uses its own part
pub(crate) use {of_all_five, of_all_six};
