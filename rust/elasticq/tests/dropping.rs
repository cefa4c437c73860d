//! The `Drop` of an item may use the queue that the item was in, or was to be put into. This holds wherever
//! the item is dropped.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{
    Buffer, BufferError, Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts,
    Rejected,
};
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

const BRIEF: Duration = Duration::from_millis(1);
/// Longer than anything here takes. A thread that needs this long is waiting for itself.
const FOREVER: Duration = Duration::from_secs(60);

/// What an item may do with its queue.
trait Home: Send + Sync + 'static {
    fn offer(&self, item: Guest) -> Result<(), Rejected<Guest>>;
    fn take(&self) -> Result<Option<Guest>, BufferError>;
    fn look(&self) -> Result<usize, BufferError>;
    fn len(&self) -> usize;
}

/// What went wrong in drops, and how many drops used their queue.
#[derive(Default)]
struct Log {
    wrong: Mutex<Vec<String>>,
    drops: AtomicUsize,
}

/// An item whose drop looks at its queue, takes from it and puts into it.
struct Guest(Option<(Arc<dyn Home>, Arc<Log>)>);

impl Drop for Guest {
    fn drop(&mut self) {
        let Some((home, log)) = self.0.take() else { return };
        let wrong = |what: String| log.wrong.lock().unwrap().push(what);
        if let Err(error) = home.look() {
            wrong(format!("looking: {error}"));
        }
        let _ = home.len();
        match home.take() {
            Ok(None) | Err(BufferError::Closed) => {}
            Ok(Some(mut other)) => other.0 = None, // so that its own drop does nothing
            Err(error) => wrong(format!("taking: {error}")),
        }
        match home.offer(Guest(None)) {
            Ok(()) => {}
            Err(rejected) if *rejected.reason() == BufferError::Closed => {}
            Err(rejected) => wrong(format!("putting in: {rejected}")),
        }
        log.drops.fetch_add(1, Ordering::SeqCst);
    }
}

macro_rules! home {
    ($queue:ident, $take:ident, |$it:ident| $look:expr) => {
        impl Home for $queue<Guest> {
            fn offer(&self, item: Guest) -> Result<(), Rejected<Guest>> {
                self.offer(item)
            }
            fn take(&self) -> Result<Option<Guest>, BufferError> {
                match self.try_pop() {
                    Err(BufferError::Empty) => Ok(None),
                    taken => taken.map(Some),
                }
            }
            fn look(&self) -> Result<usize, BufferError> {
                let $it = self;
                $look
            }
            fn len(&self) -> usize {
                self.len()
            }
        }
    };
}

home!(DynamicCircularBuffer, try_pop, |it| Ok(it.iter_with(|_| ()).len()));
home!(PriorityCircularBuffer, try_pop, |it| Ok(it.iter_with(|_| ()).len()));
home!(LockFreeMPSCQueue, try_pop, |it| Ok(it.iter_with(|_| ())?.len()));
home!(LockFreeMPMCQueue, try_pop, |it| Ok(it.iter_with(|_| ())?.len()));
home!(LockFreeSPSCQueue, try_pop, |it| Ok(it.iter_with(|_| ())?.len()));

/// A queue with one place, which is taken, and a way to make items for it.
struct Stage<Q> {
    queue: Arc<Q>,
    log: Arc<Log>,
}

impl<Q: Home> Stage<Q> {
    fn item(&self) -> Guest {
        Guest(Some((Arc::clone(&self.queue) as _, Arc::clone(&self.log))))
    }

    fn items(&self, count: usize) -> Vec<Guest> {
        (0..count).map(|_| self.item()).collect()
    }

    /// Empties the queue, so that the item that is put in next is alone there.
    fn empty(&self) {
        while let Ok(Some(mut item)) = self.queue.take() {
            item.0 = None;
        }
    }
}

fn config() -> Config {
    Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(1)
}

/// Plays `scene`, which has to drop at least `drops` items. A deadlock is a failure.
fn play<Q: Home>(name: &'static str, queue: Q, drops: usize, scene: impl FnOnce(&Stage<Q>) + Send + 'static) {
    let stage = Stage { queue: Arc::new(queue), log: Arc::default() };
    stage.queue.offer(Guest(None)).unwrap();
    let log = Arc::clone(&stage.log);
    let (done, played) = mpsc::channel();
    let actor = thread::spawn(move || {
        scene(&stage);
        stage.empty();
        done.send(()).unwrap();
    });
    match played.recv_timeout(FOREVER) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}: an item waits for itself"),
        _ => actor.join().unwrap(),
    }
    assert_eq!(*log.wrong.lock().unwrap(), [""; 0], "{name}");
    assert!(log.drops.load(Ordering::SeqCst) >= drops, "{name}: no drop has used its queue");
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// The calls that all the queues have.
macro_rules! common {
    ($name:literal, $new:expr, |$it:ident, $batch:ident| $offer_batch:expr, $offer_batch_within:expr) => {{
        play(concat!($name, ": a future that was never polled"), $new, 1, |stage| drop(stage.queue.send(stage.item())));
        play(concat!($name, ": a future that waits"), $new, 1, |stage| {
            let mut sending = Box::pin(stage.queue.send(stage.item()));
            assert!(!poll_once(sending.as_mut()));
            drop(sending);
        });
        play(concat!($name, ": a future that waits for the second time"), $new, 1, |stage| {
            let mut sending = Box::pin(stage.queue.send(stage.item()));
            assert!(!poll_once(sending.as_mut()) && !poll_once(sending.as_mut()));
            drop(sending);
        });
        play(concat!($name, ": a future that was woken"), $new, 1, |stage| {
            let mut sending = Box::pin(stage.queue.send(stage.item()));
            assert!(!poll_once(sending.as_mut()));
            stage.empty();
            drop(sending);
        });
        play(concat!($name, ": a future that was refused"), $new, 1, |stage| {
            let mut sending = Box::pin(stage.queue.send(stage.item()));
            assert!(!poll_once(sending.as_mut()));
            stage.queue.close();
            drop(pollster::block_on(sending).unwrap_err());
        });
        play(concat!($name, ": refused and timed out"), $new, 9, |stage| {
            // In each case the item is dropped inside the call, or with what the call returns.
            let queue = &stage.queue;
            assert!(queue.offer(stage.item()).is_err());
            assert!(Buffer::push(&**queue, stage.item()).is_err());
            assert!(queue.offer_within(stage.item(), BRIEF).is_err());
            assert!(Buffer::push_batch(&**queue, stage.items(2)).is_err());
            let ($it, $batch) = (queue, stage.items(2));
            assert!($offer_batch.is_err());
            let $batch = stage.items(1);
            assert!($offer_batch_within.is_err());
            queue.close();
            assert!(queue.offer(stage.item()).is_err());
        });
        play(concat!($name, ": taken"), $new, 2, |stage| {
            stage.empty();
            stage.queue.offer(stage.item()).unwrap();
            drop(stage.queue.pop_batch(1).unwrap());
            stage.empty();
            stage.queue.offer(stage.item()).unwrap();
            drop(pollster::block_on(stage.queue.recv()).unwrap());
        });
        play(concat!($name, ": looked at"), $new, 1, |stage| {
            let holds = stage.items(1);
            stage.queue.try_visit(&mut move |_| {
                if holds.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        });
        play(concat!($name, ": looked at by what panics"), $new, 2, |stage| {
            let (seen, holds) = (stage.items(1).pop().unwrap(), stage.items(1));
            let mut seen = Some(seen);
            let looking = AssertUnwindSafe(|| {
                let _ = stage.queue.iter_with(move |_| {
                    assert!(seen.is_some() && holds.len() > 1, "no more");
                    seen.take()
                });
            });
            assert!(catch_unwind(looking).is_err());
        });
    }};
}

#[test]
fn in_the_buffer_with_a_lock() {
    let new = || DynamicCircularBuffer::<Guest>::new(config()).unwrap();
    macro_rules! locked {
        ($name:literal, $new:expr, $($extra:tt)*) => {
            play(concat!("locked: ", $name), $new, $($extra)*)
        };
    }
    locked!("refused", new(), 5, |stage| {
        let queue = &stage.queue;
        assert!(queue.push(stage.item()).is_err());
        assert!(queue.push_batch(stage.items(2)).is_err());
        assert!(queue.offer_within(stage.item(), BRIEF).is_err());
        assert!(queue.offer_batch_within(stage.items(1), BRIEF).is_err());
    });
    locked!("evicted", new(), 4, |stage| {
        stage.empty();
        stage.queue.offer(stage.item()).unwrap();
        drop(stage.queue.force_push(stage.item()));
        stage.empty();
        stage.queue.offer(stage.item()).unwrap();
        drop(stage.queue.force_push_batch(stage.items(3)));
    });
    locked!("cleared", new(), 4, |stage| {
        let afresh = || {
            stage.empty();
            stage.queue.offer(stage.item()).unwrap();
        };
        afresh();
        stage.queue.clear();
        afresh();
        drop(stage.queue.drain());
        afresh();
        drop(stage.queue.restart(&config()).unwrap());
        afresh();
        drop(stage.queue.close_and_drain());
    });
    locked!("looked at", new(), 3, |stage| {
        let holds = stage.items(1);
        stage
            .queue
            .try_visit(&mut move |_| if holds.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        let holds = stage.items(1);
        stage.queue.iter_with(move |_| holds.len());
        let holds = stage.items(1);
        assert!(catch_unwind(AssertUnwindSafe(|| stage.queue.iter_with(move |_| assert!(holds.is_empty())))).is_err());
    });
    locked!("made by what panics", new(), 2, |stage| {
        stage.empty();
        let holds = stage.items(1);
        let making = || stage.queue.offer_with(1, move |_| panic!("no more than {}", holds.len()));
        assert!(catch_unwind(AssertUnwindSafe(making)).is_err());
        let holds = stage.items(1);
        assert!(stage.queue.offer_with(9, move |_| Guest(None).with(&holds)).is_err());
    });
}

impl Guest {
    fn with(self, _: &[Self]) -> Self {
        self
    }
}

#[test]
fn in_the_buffer_with_levels() {
    let new = || PriorityCircularBuffer::<Guest>::new(PriorityConfig::default().with_base_config(config())).unwrap();
    common!(
        "levels",
        new(),
        |it, items| it.offer_batch_with_priority(items, 1),
        it.offer_batch_with_priority_within(items, 1, BRIEF)
    );
    play("levels: cleared", new(), 2, |stage| {
        stage.empty();
        stage.queue.offer(stage.item()).unwrap();
        stage.queue.clear();
        stage.empty();
        stage.queue.offer(stage.item()).unwrap();
        drop(stage.queue.drain());
    });
    play("levels: refused for its priority", new(), 2, |stage| {
        assert!(stage.queue.push_with_priority(stage.item(), 9).is_err());
        drop(stage.queue.send_with_priority(stage.item(), 9));
    });
    play("levels: made by what panics", new(), 2, |stage| {
        stage.empty();
        let holds = stage.items(1);
        let making = || stage.queue.offer_with(1, 0, move |_| panic!("no more than {}", holds.len()));
        assert!(catch_unwind(AssertUnwindSafe(making)).is_err());
        let holds = stage.items(1);
        assert!(stage.queue.offer_with(9, 0, move |_| Guest(None).with(&holds)).is_err());
    });
}

#[test]
fn in_the_queue_of_one_consumer() {
    let new = || LockFreeMPSCQueue::<Guest>::new(config()).unwrap();
    common!("mpsc", new(), |it, items| it.offer_batch(items), it.offer_batch_within(items, BRIEF));
}

#[test]
fn in_the_queue_of_many_consumers() {
    let new = || LockFreeMPMCQueue::<Guest>::new(config()).unwrap();
    common!("mpmc", new(), |it, items| it.offer_batch(items), it.offer_batch_within(items, BRIEF));
}

#[test]
fn in_the_queue_of_one_producer_and_one_consumer() {
    let new = || LockFreeSPSCQueue::<Guest>::new(config()).unwrap();
    common!("spsc", new(), |it, items| it.offer_batch(items), it.offer_batch_within(items, BRIEF));
}
