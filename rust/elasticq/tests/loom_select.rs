//! Models of selectors: threads that wait for two queues at once. A lost wake-up is a deadlock.
#![cfg(all(loom, feature = "lock_free"))]

#[path = "support/model.rs"]
mod support;

use elasticq::{LockFreeMPMCQueue, Parts, Select};
use loom::future::block_on;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use support::{between, large_model, model};

type Queue = Arc<LockFreeMPMCQueue<u32>>;

fn two() -> (Queue, Queue) {
    let queue = || Arc::new(LockFreeMPMCQueue::new(between(2, 2)).unwrap());
    (queue(), queue())
}

fn put(queue: &Queue, item: u32) -> JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || queue.try_enqueue(item).unwrap())
}

#[test]
fn an_item_in_either_queue_reaches_a_thread_that_selects() {
    model(|| {
        let (first, second) = two();
        let putting = put(&second, 7);
        assert_eq!(Select::new().with(&*first).with(&*second).pop(), Ok((1, 7)));
        putting.join().unwrap();
    });
}

#[test]
fn an_item_in_either_queue_reaches_a_task_that_selects() {
    model(|| {
        let (first, second) = two();
        let putting = put(&second, 7);
        assert_eq!(block_on(Select::new().with(&*first).with(&*second).recv()), Ok((1, 7)));
        putting.join().unwrap();
    });
}

/// The selector takes one of the items. Whoever waits for the queue of the other one gets that.
#[test]
fn a_selector_that_was_woken_for_an_item_and_takes_another_wakes_the_next_in_line() {
    large_model(|| {
        let (first, second) = two();
        let (for_select, for_other) = ((Arc::clone(&first), Arc::clone(&second)), Arc::clone(&second));
        let selecting = thread::spawn(move || {
            let (first, second) = for_select;
            Select::new().with(&*first).with(&*second).ordered().pop().unwrap()
        });
        let other = thread::spawn(move || for_other.dequeue_within(support::FOREVER).unwrap());
        second.try_enqueue(8).unwrap();
        first.try_enqueue(7).unwrap();
        let (index, item) = selecting.join().unwrap();
        if index == 0 {
            assert_eq!(item, 7);
            assert_eq!(other.join().unwrap(), Some(8));
        } else {
            // The other one has nothing to come.
            assert_eq!(item, 8);
            assert_eq!(first.try_pop_batch(2), Ok(vec![7]));
            second.try_enqueue(9).unwrap();
            assert_eq!(other.join().unwrap(), Some(9));
        }
    });
}
