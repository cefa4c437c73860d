//! What a forked child does with the waiters of its parent. The tests only announce a fork: they stay in the
//! same process.

use elasticq::{Config, DynamicCircularBuffer, Parts, Signal, after_fork_in_child};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// The tests run one at a time, because forks are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(1))
}

#[test]
fn a_wake_up_goes_to_who_waits_in_the_child() {
    let _alone = ALONE.lock();
    let signal = Signal::new();
    let parents = [signal.waiter(), signal.bulk_waiter(), signal.waiter()];
    after_fork_in_child();
    let mut first = signal.waiter();
    let mut second = signal.waiter();
    assert_eq!(signal.sleepers(), 2);
    signal.wake(1);
    assert!(first.wait_until(soon()));
    assert!(!second.wait_until(soon()), "the parent's bulk waiter would have had all woken");
    drop((first, second));
    assert!(!signal.has_sleepers());
    drop(parents);
    assert_eq!(signal.sleepers(), 0);
}

#[test]
fn a_wait_that_was_begun_in_the_parent_ends_at_once_in_the_child() {
    let _alone = ALONE.lock();
    let signal = Signal::new();
    let mut waiter = signal.waiter();
    assert!(!waiter.wait_until(soon()));
    after_fork_in_child();
    assert!(waiter.wait_until(soon()));
    let own = signal.waiter();
    drop(waiter);
    assert_eq!(signal.sleepers(), 1);
    drop(own);
}

#[test]
fn a_task_that_began_to_wait_in_the_parent_goes_on_at_once_in_the_child() {
    let _alone = ALONE.lock();
    let signal = Signal::new();
    let mut task = pin!(signal.waiter());
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(task.as_mut().poll(&mut context), Poll::Pending);
    after_fork_in_child();
    assert_eq!(task.as_mut().poll(&mut context), Poll::Ready(()));
}

/// A waiter that leaves the list after it was woken wakes the next one, and locks the list for that. In the
/// child both belong to the parent, and a thread that does not exist in the child may have held the lock.
#[test]
fn the_list_of_the_parent_is_left_alone() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let _alone = ALONE.lock();
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let signal = Signal::new();
    let woken = signal.waiter();
    let mut next = pin!(signal.waiter());
    assert_eq!(next.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    signal.wake(1);
    after_fork_in_child();
    drop(woken);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
}

/// Another thread may have been changing the list when the process was forked.
#[test]
fn the_wakers_of_the_parent_are_not_dropped_with_the_signal() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let _alone = ALONE.lock();
    let held = Arc::new(Nothing);
    let signal = Signal::new();
    let mut waiter = Box::pin(signal.waiter());
    assert!(waiter.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&held)))).is_pending());
    after_fork_in_child();
    std::mem::forget(waiter); // its owner is a thread that no longer exists
    drop(signal);
    assert_eq!(Arc::strong_count(&held), 2);
}

#[test]
fn a_child_of_a_child_of_the_process_that_made_it() {
    let _alone = ALONE.lock();
    let buffer = DynamicCircularBuffer::new(Config::default()).unwrap();
    let mut inherited = vec![buffer.wait_for_item()];
    for generation in 0..3 {
        after_fork_in_child();
        let mut waiter = buffer.wait_for_item();
        assert!(!waiter.wait_until(soon()), "it takes its place for one of another process");
        buffer.push(generation).unwrap();
        assert!(waiter.wait_until(soon()));
        assert_eq!(buffer.pop(), Ok(generation));
        inherited.push(buffer.wait_for_item());
        after_fork_in_child();
    }
    for mut waiter in inherited {
        assert!(waiter.wait_until(soon()));
    }
}
