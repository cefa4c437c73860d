//! Items of 32 KiB are put and taken by value on a small stack, even where no copy of them is optimised away.
//!
//! A thread that overflows its stack ends the whole process, so each call runs in a process of its own.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{Buffer, Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts};
use std::process::Command;

use std::thread;
use std::time::Duration;

/// How much of the stack a call may use, the caller's own copies included: 32 items. On Windows a caller
/// makes more copies of what it passes by value, so 40 there.
const STACK: usize = if cfg!(windows) { 40 * SIZE } else { 32 * SIZE };
const SIZE: usize = 32 << 10;
const BRIEF: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Large([u8; SIZE]);

#[inline(never)]
fn large() -> Large {
    Large([7; SIZE])
}

fn config() -> Config {
    Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(2)
}

type Call = (&'static str, fn());

/// Each call has a name and runs on a queue that is empty, half full, full, and closed.
macro_rules! calls {
    ($($new:expr => { $($name:literal |$queue:pat_param| $call:expr;)+ })+) => {
        &[$($(
            ($name, || {
                for state in 0..4_usize {
                    let queue = $new;
                    (0..state.min(2)).for_each(|_| drop(Buffer::push_batch(&queue, vec![large()])));
                    if state == 3 {
                        queue.close();
                    }
                    let $queue = queue;
                    $call;
                }
            }),
        )+)+]
    };
}

fn is_large(large: &Large) {
    assert!(large.0[SIZE - 1] == 7);
}

/// Takes an item with no more copies than the caller needs.
macro_rules! take {
    ($taken:expr) => {
        match $taken {
            Ok(item) => is_large(&item),
            Err(_) => {}
        }
    };
}
macro_rules! take_some {
    ($taken:expr) => {
        match $taken {
            Ok(Some(item)) => is_large(&item),
            _ => {}
        }
    };
}

fn locked() -> DynamicCircularBuffer<Large> {
    DynamicCircularBuffer::new(config()).unwrap()
}
fn levels() -> PriorityCircularBuffer<Large> {
    PriorityCircularBuffer::new(PriorityConfig::default().with_base_config(config())).unwrap()
}
fn aged() -> PriorityCircularBuffer<Large> {
    PriorityCircularBuffer::new(PriorityConfig::default().with_base_config(config()).with_age_statistics(true)).unwrap()
}
fn mpsc() -> LockFreeMPSCQueue<Large> {
    LockFreeMPSCQueue::new(config()).unwrap()
}
fn mpmc() -> LockFreeMPMCQueue<Large> {
    LockFreeMPMCQueue::new(config()).unwrap()
}
fn spsc() -> LockFreeSPSCQueue<Large> {
    LockFreeSPSCQueue::new(config()).unwrap()
}

/// Polls the future once; it puts its item, or gives up.
fn once(future: impl Future) {
    let mut future = Box::pin(future);
    let _ = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready();
}

const CALLS: &[Call] = calls! {
    locked() => {
        "locked push" |it| drop(it.push(large()));
        "locked offer" |it| drop(it.offer(large()));
        "locked offer_again" |it| drop(it.offer_again(large()));
        "locked offer_plain" |it| drop(it.offer_plain(large(), || true));
        "locked offer_within" |it| drop(it.offer_within(large(), BRIEF));
        "locked offer_with" |it| drop(it.offer_with(1, |_| large()));
        "locked offer_some" |it| drop(it.offer_some(&mut vec![large()].into_iter()));
        "locked force_push" |it| drop(it.force_push(large()));
        "locked force_push_batch" |it| drop(it.force_push_batch(vec![large(), large(), large()]));
        "locked pop" |it| take!(it.pop());
        "locked try_pop" |it| take!(it.try_pop());
        "locked take_plain" |it| take_some!(Ok::<_, ()>(it.take_plain(|| true)));
        "locked pop_within" |it| take!(it.pop_within(BRIEF));
        "locked pop_batch" |it| drop(it.pop_batch(2));
    }
    levels() => {
        "levels push" |it| drop(it.push(large()));
        "levels push_with_priority" |it| drop(it.push_with_priority(large(), 2));
        "levels offer" |it| drop(it.offer(large()));
        "levels offer_with_priority" |it| drop(it.offer_with_priority(large(), 2));
        "levels offer_again" |it| drop(it.offer_again_with_priority(large(), 2));
        "levels offer_plain" |it| drop(it.offer_plain(large(), 1, || true));
        "levels offer_with_priority_within" |it| drop(it.offer_with_priority_within(large(), 2, BRIEF));
        "levels offer_with" |it| drop(it.offer_with(1, 2, |_| large()));
        "levels offer_some" |it| drop(it.offer_some(&mut vec![large()].into_iter(), 2));
        "levels send" |it| once(it.send(large()));
        "levels recv" |it| once(it.recv());
        "levels pop" |it| take!(it.pop());
        "levels try_pop" |it| take!(it.try_pop());
        "levels take_plain" |it| take_some!(Ok::<_, ()>(it.take_plain(|| true)));
        "levels pop_within" |it| take!(it.pop_within(BRIEF));
        "levels pop_from_priority" |it| take!(it.pop_from_priority(1));
        "levels pop_batch" |it| drop(it.pop_batch(2));
    }
    aged() => {
        "aged push" |it| drop(it.push(large()));
        "aged offer_within" |it| drop(it.offer_within(large(), BRIEF));
        "aged pop" |it| take!(it.pop());
    }
    mpsc() => {
        "mpsc try_enqueue" |it| drop(it.try_enqueue(large()));
        "mpsc offer" |it| drop(it.offer(large()));
        "mpsc offer_within" |it| drop(it.offer_within(large(), BRIEF));
        "mpsc send" |it| once(it.send(large()));
        "mpsc Buffer::push" |it| drop(Buffer::push(&it, large()));
        "mpsc try_dequeue" |it| take_some!(it.try_dequeue());
        "mpsc dequeue_within" |it| take_some!(it.dequeue_within(BRIEF));
        "mpsc dequeue_batch" |it| drop(it.dequeue_batch(2));
        "mpsc recv" |it| once(it.recv());
        "mpsc Buffer::pop" |it| take!(Buffer::pop(&it));
    }
    mpmc() => {
        "mpmc try_enqueue" |it| drop(it.try_enqueue(large()));
        "mpmc offer" |it| drop(it.offer(large()));
        "mpmc offer_within" |it| drop(it.offer_within(large(), BRIEF));
        "mpmc send" |it| once(it.send(large()));
        "mpmc Buffer::push" |it| drop(Buffer::push(&it, large()));
        "mpmc try_dequeue" |it| take_some!(it.try_dequeue());
        "mpmc dequeue_within" |it| take_some!(it.dequeue_within(BRIEF));
        "mpmc dequeue_batch" |it| drop(it.dequeue_batch(2));
        "mpmc recv" |it| once(it.recv());
        "mpmc Buffer::pop" |it| take!(Buffer::pop(&it));
    }
    spsc() => {
        "spsc try_enqueue" |it| drop(it.try_enqueue(large()));
        "spsc offer" |it| drop(it.offer(large()));
        "spsc offer_within" |it| drop(it.offer_within(large(), BRIEF));
        "spsc send" |it| once(it.send(large()));
        "spsc Buffer::push" |it| drop(Buffer::push(&it, large()));
        "spsc try_dequeue" |it| take_some!(it.try_dequeue());
        "spsc dequeue_within" |it| take_some!(it.dequeue_within(BRIEF));
        "spsc dequeue_batch" |it| drop(it.dequeue_batch(2));
        "spsc recv" |it| once(it.recv());
        "spsc Buffer::pop" |it| take!(Buffer::pop(&it));
    }
};

/// Tells a child process which call to make, and the size of its stack.
const ONE_OF: &str = "ELASTICQ_TEST_LARGE_ITEMS";

#[test]
fn every_way_in_and_out_takes_a_large_item_on_a_small_stack() {
    if let Ok(one) = std::env::var(ONE_OF) {
        let (number, stack) = one.split_once(' ').unwrap();
        let (_, call) = CALLS[number.parse::<usize>().unwrap()];
        thread::Builder::new().stack_size(stack.parse().unwrap()).spawn(call).unwrap().join().unwrap();
        return;
    }
    let fits = |number: usize, stack: usize| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "every_way_in_and_out_takes_a_large_item_on_a_small_stack"])
            .env(ONE_OF, format!("{number} {stack}"))
            .output()
            .unwrap()
            .status
            .success()
    };
    let too_large: Vec<_> =
        CALLS.iter().enumerate().filter(|(number, _)| !fits(*number, STACK)).map(|(_, (name, _))| name).collect();
    assert_eq!(too_large, [&""; 0]);
}
