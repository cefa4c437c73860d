//! Futures that are done and kept: nobody waits for something that they hold, and they do nothing again.
#![cfg(all(feature = "streams", feature = "priority", not(loom)))]

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::streams::BufferChannel;
use elasticq::{Config, DynamicCircularBuffer, Parts};
use parking_lot::lock_api::RawMutex;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

type Hook = Box<dyn FnMut(bool)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Calls the hook, if there is one that is not running.
fn run(locks: bool) {
    let hook = HOOK.with(|hook| hook.borrow_mut().take());
    if let Some(mut hook) = hook {
        hook(locks);
        HOOK.with(|place| *place.borrow_mut() = Some(hook));
    }
}

/// A lock that calls the hook before it is taken and after it was let go.
struct Hooked(parking_lot::RawMutex);

// SAFETY: it is parking_lot's.
unsafe impl RawMutex for Hooked {
    const INIT: Self = Self(parking_lot::RawMutex::INIT);
    type GuardMarker = <parking_lot::RawMutex as RawMutex>::GuardMarker;

    fn lock(&self) {
        run(true);
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: this function's own condition.
        unsafe { self.0.unlock() };
        run(false);
    }
}

struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Levels = PriorityCircularBuffer<u32, Hooked>;

/// Room for two in all, which are there.
fn full() -> Arc<Levels> {
    let base = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(2);
    let config = PriorityConfig::default()
        .with_base_config(base)
        .with_max_capacity_at_priority(0, 2)
        .with_max_capacity_at_priority(1, 2);
    let buffer = Levels::with_lock(config).unwrap();
    buffer.push_with_priority(1, 0).unwrap();
    buffer.push_with_priority(2, 0).unwrap();
    Arc::new(buffer)
}

/// Polls a sender that registers, finds room at its second look, and is told of more room before it leaves
/// the line. It has to pass that on, although its future is kept.
fn check_that_room_is_passed_on<R>(buffer: &Arc<Levels>, mut first: Pin<Box<dyn Future<Output = R> + '_>>) {
    let calls = Arc::new(Calls(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&calls));
    let mut other = pin!(buffer.send_with_priority(10, 0));
    assert!(other.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let (inside, mut step, before) = (Arc::clone(buffer), 0, buffer.waiting_producers());
    HOOK.with(|hook| {
        *hook.borrow_mut() = Some(Box::new(move |locks| {
            if step == 0 && locks && inside.waiting_producers() > before {
                step = 1; // the first stands in line: an item goes, so its second look finds room
                inside.pop_from_priority(0).unwrap();
            } else if step == 1 && !locks && inside.len() == 2 {
                step = 2; // it has put its item in and still stands in line: the other item goes
                inside.pop_from_priority(0).unwrap();
            }
        }));
    });
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    HOOK.with(|hook| *hook.borrow_mut() = None);
    assert_eq!(buffer.len(), 1, "there is room for one");
    assert_eq!(calls.0.load(Ordering::SeqCst), 1, "who waits for it was woken");
    drop(first);
}

#[test]
fn a_sender_at_a_level_that_is_done_tells_who_waits_behind_it() {
    let buffer = full();
    check_that_room_is_passed_on(&buffer, Box::pin(buffer.send_with_priority(20, 1)));
}

#[test]
fn a_sender_of_a_channel_that_is_done_tells_who_waits_behind_it() {
    let buffer = full();
    let channel = BufferChannel::new(Arc::clone(&buffer));
    check_that_room_is_passed_on(&buffer, Box::pin(channel.send(20)));
}

/// Polls a call to its end, and once more.
fn check_that_it_ends_once<R>(call: impl Future<Output = R>) {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut context).is_ready());
    let again = catch_unwind(AssertUnwindSafe(|| matches!(call.as_mut().poll(&mut context), Poll::Ready(_))));
    assert!(again.is_err(), "it was polled again, and did something");
}

#[test]
fn a_call_that_is_polled_after_it_is_done_says_so_and_does_nothing() {
    let channel = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default()).unwrap()));
    for _ in 0..40 {
        check_that_it_ends_once(channel.send(1)); // some of them are counted in the budget of a task
    }
    for _ in 0..30 {
        check_that_it_ends_once(channel.recv());
    }
    assert_eq!(channel.len(), 10);
    channel.close();
    check_that_it_ends_once(channel.send(2));
    let locked = channel.buffer();
    check_that_it_ends_once(locked.recv());
    check_that_it_ends_once(locked.send(3));
    assert_eq!(channel.len(), 9);
}
