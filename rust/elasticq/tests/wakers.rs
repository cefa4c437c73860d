//! Wakers are foreign code. Whatever a waker does when it is woken, replaced or dropped, nothing hangs, and
//! no other waiter loses its wake-up.
#![cfg(all(feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use elasticq::{Config, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue, Parts, Select, Waiter};
use queues::{Queue, counting, of_all_five, poll};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

of_all_five! {
    a_task_that_goes_with_its_waker_passes_the_wake_up_on
    thousands_of_tasks_that_go_with_their_wakers
    closing_when_tasks_go_with_their_wakers
    a_waker_that_puts_into_the_same_queue
    a_replaced_waker_that_puts_when_it_is_dropped
    a_waker_that_is_dropped_where_a_thread_goes_to_sleep_may_use_its_token
    the_waker_of_a_waiter_that_leaves_may_put_when_it_is_dropped
    a_waker_that_panics_stops_none_of_the_others
    a_panic_while_closing_leaves_the_queue_closed_and_all_awake
    a_panic_in_the_drop_of_a_waker_leaves_the_waiter_in_line
    a_waker_that_panics_while_the_thread_unwinds_aborts_nothing
    two_queues_whose_wakers_put_into_each_other
    a_selector_whose_waker_puts_into_its_queues
    a_selector_whose_waker_panics
    a_selector_that_goes_with_its_waker_passes_the_wake_up_on
}

/// A waker that runs one function when it is woken, and another when it is dropped.
struct Doing<W: Fn() + Send + Sync, D: Fn() + Send + Sync>(W, D);

impl<W: Fn() + Send + Sync, D: Fn() + Send + Sync> Wake for Doing<W, D> {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

impl<W: Fn() + Send + Sync, D: Fn() + Send + Sync> Drop for Doing<W, D> {
    fn drop(&mut self) {
        self.1();
    }
}

/// A waker that does this when it is woken.
fn when_woken(act: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Doing(act, || ())))
}

/// A waker that does this when its last clone is dropped.
fn when_dropped(act: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Doing(|| (), act)))
}

fn text(panic: Box<dyn std::any::Any + Send>) -> &'static str {
    panic.downcast_ref::<&str>().unwrap()
}

/// A task whose executor is gone: only its waker keeps it.
struct Orphan(#[allow(dead_code)] Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for Orphan {
    fn wake(self: Arc<Self>) {}
}

/// A task that waits for an item or for room, and is held only by its waker.
fn orphan<Q: Queue>(queue: &Arc<Q>, for_item: bool) {
    let queue = Arc::clone(queue);
    let task = Arc::new(Orphan(Mutex::new(None)));
    let waker = Waker::from(Arc::clone(&task));
    let mut future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        let waiter = if for_item { queue.wait_for_item() } else { queue.wait_for_room() };
        waiter.await;
    });
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *task.0.lock().unwrap() = Some(future);
}

fn a_task_that_goes_with_its_waker_passes_the_wake_up_on<Q: Queue>() {
    let queue = Q::of(1);
    let (calls, waker) = counting();
    orphan(&queue, true);
    let mut next = queue.wait_for_item();
    assert!(poll(&mut next, &waker).is_pending());
    queue.put(&[1]);
    assert_eq!((calls.count(), poll(&mut next, &waker)), (1, Poll::Ready(())));

    orphan(&queue, false);
    let mut next = queue.wait_for_room();
    assert!(poll(&mut next, &waker).is_pending());
    assert_eq!(queue.take(1), [1]);
    assert_eq!((calls.count(), poll(&mut next, &waker)), (2, Poll::Ready(())));
    assert_eq!(queue.asleep(), (0, 0));
}

/// Each task is dropped while the one before it passes its wake-up on. The stack must not grow with their
/// number.
fn thousands_of_tasks_that_go_with_their_wakers<Q: Queue>() {
    let queue = Q::of(1);
    (0..20_000).for_each(|_| orphan(&queue, true));
    let (calls, waker) = counting();
    let mut last = queue.wait_for_item();
    assert!(poll(&mut last, &waker).is_pending());
    queue.put(&[1]);
    assert_eq!((calls.count(), queue.asleep()), (1, (0, 0)));
    assert_eq!(Arc::strong_count(&queue), 1);
}

fn closing_when_tasks_go_with_their_wakers<Q: Queue>() {
    let queue = Q::of(1);
    (0..100).for_each(|_| orphan(&queue, true));
    queue.put(&[1]);
    (0..100).for_each(|_| orphan(&queue, false));
    queue.close();
    assert!(queue.is_closed());
    assert_eq!((Arc::strong_count(&queue), queue.asleep()), (1, (0, 0)));
}

fn a_waker_that_puts_into_the_same_queue<Q: Queue>() {
    let queue = Q::of(4);
    let (first, second) = (Arc::clone(&queue), Arc::clone(&queue));
    let mut waiters = [queue.wait_for_item(), queue.wait_for_item()];
    assert!(poll(&mut waiters[0], &when_woken(move || first.put(&[2]))).is_pending());
    assert!(poll(&mut waiters[1], &when_woken(move || second.put(&[3]))).is_pending());
    queue.put(&[1]);
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, Waker::noop()).is_ready()));
    assert_eq!(queue.take(4), [1, 2, 3]);
}

fn a_replaced_waker_that_puts_when_it_is_dropped<Q: Queue>() {
    let queue = Q::of(4);
    let other = Arc::clone(&queue);
    let mut waiter = queue.wait_for_item();
    assert!(poll(&mut waiter, &when_dropped(move || other.put(&[1]))).is_pending());
    let (calls, waker) = counting();
    assert!(poll(&mut waiter, &waker).is_pending());
    assert_eq!((calls.count(), poll(&mut waiter, &waker)), (1, Poll::Ready(())));
    assert_eq!(queue.take(4), [1]);
}

/// The token of `unpark` belongs to the thread, and foreign code may park, too.
fn a_waker_that_is_dropped_where_a_thread_goes_to_sleep_may_use_its_token<Q: Queue>() {
    let queues = [Q::of(1), Q::of(1)];
    let mut waiters = queues.each_ref().map(|queue| queue.wait_for_item());
    let first = Arc::clone(&queues[0]);
    let waker = when_dropped(move || {
        first.put(&[1]);
        thread::park_timeout(Duration::ZERO);
    });
    assert!(poll(&mut waiters[1], &waker).is_pending());
    drop(waker);
    assert_eq!(Waiter::wait_for_any(&mut waiters, None), Some(0));
}

/// This holds even where only one thread at a time may use that end: the call that wakes has already taken
/// its item.
#[test]
fn a_waker_called_by_one_that_takes_may_take_and_look() {
    const SHORT: Duration = Duration::from_secs(1);
    macro_rules! one_that_takes_by {
        ($queue:ident, $take:expr) => {
            let one = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(1);
            let queue = Arc::new($queue::new(one).unwrap());
            queue.try_enqueue(1).unwrap();
            let (own, taken) = (Arc::clone(&queue), Arc::new(Mutex::new(None)));
            let answer = Arc::clone(&taken);
            let mut sending = Box::pin(queue.send(2));
            let waker = when_woken(move || *answer.lock().unwrap() = Some((own.iter(), own.try_dequeue())));
            assert!(poll(&mut sending, &waker).is_pending());
            let take: fn(&$queue<u32>) -> u32 = $take;
            assert_eq!((take(&queue), taken.lock().unwrap().take()), (1, Some((Ok(vec![]), Ok(None)))));
            assert_eq!(poll(&mut sending, Waker::noop()), Poll::Ready(Ok(())));
            assert_eq!(queue.try_dequeue(), Ok(Some(2)));
        };
    }
    macro_rules! however_it_takes {
        ($($queue:ident)*) => {$(
            one_that_takes_by!($queue, |queue| queue.try_dequeue().unwrap().unwrap());
            one_that_takes_by!($queue, |queue| queue.dequeue_batch(2).unwrap()[0]);
            one_that_takes_by!($queue, |queue| queue.dequeue_within(SHORT).unwrap().unwrap());
            one_that_takes_by!($queue, |queue| queue.dequeue_batch_within(2, SHORT).unwrap()[0]);
            one_that_takes_by!($queue, |queue| pollster::block_on(queue.recv()).unwrap());
        )*};
    }
    however_it_takes!(LockFreeSPSCQueue LockFreeMPSCQueue LockFreeMPMCQueue);
}

#[test]
fn a_waker_called_by_the_one_who_puts_may_put() {
    const SHORT: Duration = Duration::from_secs(1);
    let ways: [fn(&LockFreeSPSCQueue<u32>); 7] = [
        |queue| queue.try_enqueue(1).unwrap(),
        |queue| queue.offer_again(1).unwrap(),
        |queue| queue.offer_batch(vec![1]).unwrap(),
        |queue| queue.offer_batch_again(vec![1]).unwrap(),
        |queue| queue.offer_within(1, SHORT).unwrap(),
        |queue| queue.offer_batch_within(vec![1], SHORT).unwrap(),
        |queue| pollster::block_on(queue.send(1)).unwrap(),
    ];
    for put in ways {
        let queue = Arc::new(LockFreeSPSCQueue::new(Config::default()).unwrap());
        let (own, answer) = (Arc::clone(&queue), Arc::new(Mutex::new(None)));
        let other = Arc::clone(&answer);
        let mut receiving = Box::pin(queue.recv());
        let waker = when_woken(move || *other.lock().unwrap() = Some(own.try_enqueue(2)));
        assert!(poll(&mut receiving, &waker).is_pending());
        put(&queue);
        assert_eq!(answer.lock().unwrap().take(), Some(Ok(())));
        assert_eq!(poll(&mut receiving, Waker::noop()), Poll::Ready(Ok(1)));
        assert_eq!(queue.try_dequeue(), Ok(Some(2)));
    }
}

fn the_waker_of_a_waiter_that_leaves_may_put_when_it_is_dropped<Q: Queue>() {
    let queue = Q::of(4);
    let other = Arc::clone(&queue);
    let mut waiter = queue.wait_for_item();
    let mut next = queue.wait_for_item();
    assert!(poll(&mut waiter, &when_dropped(move || other.put(&[1]))).is_pending());
    let (calls, waker) = counting();
    assert!(poll(&mut next, &waker).is_pending());
    drop(waiter);
    assert_eq!((calls.count(), poll(&mut next, &waker)), (1, Poll::Ready(())));
    assert_eq!(queue.take(4), [1]);
}

fn a_waker_that_panics_stops_none_of_the_others<Q: Queue>() {
    let queue = Q::of(4);
    let (calls, waker) = counting();
    let mut waiters: Vec<_> = (0..5).map(|_| queue.wait_for_item()).collect();
    assert!(poll(&mut waiters[0], &when_woken(|| panic!("first"))).is_pending());
    assert!(poll(&mut waiters[1], &waker).is_pending());
    assert!(poll(&mut waiters[2], &when_woken(|| panic!("second"))).is_pending());
    assert!(poll(&mut waiters[3], &waker).is_pending());
    assert!(poll(&mut waiters[4], &waker).is_pending());
    let panic = catch_unwind(AssertUnwindSafe(|| queue.put(&[1, 2, 3, 4]))).unwrap_err();
    assert_eq!(text(panic), "first");
    assert_eq!((calls.count(), queue.asleep()), (2, (1, 0)));
    waiters.truncate(4);
    drop(waiters); // they pass their wake-ups on, and the items are still there
    let mut later = queue.wait_for_item();
    assert!(poll(&mut later, &waker).is_pending());
    assert_eq!(queue.take(4), [1, 2, 3, 4]);
    queue.put(&[5]);
    assert!(poll(&mut later, &waker).is_ready());
    drop(later);
    assert_eq!(queue.asleep(), (0, 0));
}

fn a_panic_while_closing_leaves_the_queue_closed_and_all_awake<Q: Queue>() {
    let queue = Q::of(1);
    let (calls, waker) = counting();
    let mut takers: Vec<_> = (0..100).map(|_| queue.wait_for_item()).collect();
    for (number, waiter) in takers.iter_mut().enumerate() {
        let waker = if number % 2 == 0 { &when_woken(|| panic!("woken")) } else { &waker };
        assert!(poll(waiter, waker).is_pending());
    }
    // There is room, but these waiters need not know that to be woken by the end.
    let mut putters: Vec<_> = (0..100).map(|_| queue.wait_for_room()).collect();
    assert!(putters.iter_mut().all(|waiter| poll(waiter, &waker).is_pending()));
    assert_eq!(text(catch_unwind(AssertUnwindSafe(|| queue.close())).unwrap_err()), "woken");
    assert_eq!((queue.is_closed(), calls.count(), queue.asleep()), (true, 150, (0, 0)));
    assert!(takers.iter_mut().chain(&mut putters).all(|waiter| poll(waiter, &waker).is_ready()));
}

fn a_panic_in_the_drop_of_a_waker_leaves_the_waiter_in_line<Q: Queue>() {
    let queue = Q::of(1);
    let (calls, waker) = counting();
    let mut waiter = queue.wait_for_item();
    assert!(poll(&mut waiter, &when_dropped(|| panic!("dropped"))).is_pending());
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut waiter, &waker)));
    assert_eq!(text(polled.unwrap_err()), "dropped");
    assert_eq!(queue.asleep(), (1, 0));
    queue.put(&[1]);
    assert_eq!((calls.count(), poll(&mut waiter, &waker)), (1, Poll::Ready(())));
    // The same with a waiter that leaves.
    let mut waiter = queue.wait_for_item();
    assert!(poll(&mut waiter, &when_dropped(|| panic!("dropped"))).is_pending());
    assert_eq!(text(catch_unwind(AssertUnwindSafe(|| drop(waiter))).unwrap_err()), "dropped");
    assert_eq!(queue.asleep(), (0, 0));
}

fn a_waker_that_panics_while_the_thread_unwinds_aborts_nothing<Q: Queue>() {
    let queue = Q::of(1);
    let mut waiters = [queue.wait_for_item(), queue.wait_for_item(), queue.wait_for_item()];
    let (calls, waker) = counting();
    assert!(poll(&mut waiters[0], &waker).is_pending());
    assert!(poll(&mut waiters[1], &when_woken(|| panic!("inner"))).is_pending());
    assert!(poll(&mut waiters[2], &waker).is_pending());
    queue.put(&[1]);
    let [first, second, mut third] = waiters;
    let panic = catch_unwind(AssertUnwindSafe(move || {
        let _first = first; // passes its wake-up on to the second while the thread unwinds
        panic!("outer");
    }));
    assert_eq!(text(panic.unwrap_err()), "outer");
    drop(second);
    assert_eq!((calls.count(), poll(&mut third, &waker)), (2, Poll::Ready(())));
}

fn two_queues_whose_wakers_put_into_each_other<Q: Queue>() {
    for _ in 0..100 {
        let queues = [Q::of(8), Q::of(8)];
        let start = Arc::new(Barrier::new(2));
        let mut waiters = [queues[0].wait_for_item(), queues[1].wait_for_item()];
        for (number, waiter) in waiters.iter_mut().enumerate() {
            let other = Arc::clone(&queues[1 - number]);
            // Only one thread at a time may put into a queue with one producer.
            let once = Mutex::new(());
            assert!(poll(waiter, &when_woken(move || drop(once.lock().map(|_| other_put(&*other))))).is_pending());
        }
        let threads = [0, 1].map(|number| {
            let (queue, start) = (Arc::clone(&queues[number]), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                other_put(&*queue);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(waiters.iter_mut().all(|waiter| poll(waiter, Waker::noop()).is_ready()));
    }
}

/// Puts as soon as no other thread is putting, where the queue has one producer.
fn other_put<Q: Queue>(queue: &Q) {
    while catch_unwind(AssertUnwindSafe(|| queue.put(&[1]))).is_err() {
        thread::yield_now();
    }
}

/// A task that selects over two queues, and shares them.
fn selecting<Q: Queue>(first: &Arc<Q>, second: &Arc<Q>) -> Pin<Box<dyn Future<Output = (usize, u32)> + Send>> {
    let (first, second) = (Arc::clone(first), Arc::clone(second));
    Box::pin(async move { Select::new().with(&*first).with(&*second).recv().await.unwrap() })
}

fn a_selector_whose_waker_puts_into_its_queues<Q: Queue>() {
    let (first, second) = (Q::of(8), Q::of(8));
    let waker = when_woken({
        let (first, second, has_put) = (Arc::clone(&first), Arc::clone(&second), AtomicBool::new(false));
        move || {
            // What it puts wakes the same selector, which waits at both.
            if !has_put.swap(true, Ordering::SeqCst) {
                first.put(&[2]);
                second.put(&[3]);
            }
        }
    });
    let mut recv = selecting(&first, &second);
    assert!(poll(&mut recv, &waker).is_pending());
    first.put(&[1]);
    let (calls, waker) = counting();
    assert_eq!(poll(&mut recv, &waker), Poll::Ready((0, 1)));
    drop(recv);
    let mut rest: Vec<u32> = (0..2)
        .filter_map(|_| match poll(&mut selecting(&second, &first), &waker) {
            Poll::Ready((_, item)) => Some(item),
            Poll::Pending => None,
        })
        .collect();
    rest.sort_unstable();
    assert_eq!((rest, calls.count()), (vec![2, 3], 0));
    assert_eq!((first.asleep(), second.asleep()), ((0, 0), (0, 0)));
}

fn a_selector_whose_waker_panics<Q: Queue>() {
    let (first, second) = (Q::of(8), Q::of(8));
    let mut recv = selecting(&first, &second);
    assert!(poll(&mut recv, &when_woken(|| panic!("foreign"))).is_pending());
    let (calls, waker) = counting();
    let mut other = second.wait_for_item();
    assert!(poll(&mut other, &waker).is_pending());
    let put = catch_unwind(AssertUnwindSafe(|| second.put(&[1, 2])));
    assert_eq!(text(put.unwrap_err()), "foreign");
    assert_eq!((second.len(), calls.count()), (2, 1), "both are in, and the other one is woken");
    assert_eq!(poll(&mut recv, &waker), Poll::Ready((1, 1)));
    assert_eq!(second.take(1), [2]);
    assert_eq!((first.asleep(), second.asleep()), ((0, 0), (0, 0)));
}

fn a_selector_that_goes_with_its_waker_passes_the_wake_up_on<Q: Queue>() {
    let (first, second) = (Q::of(8), Q::of(8));
    let task = Arc::new(Mutex::new(None));
    let waker = when_woken({
        let task = Arc::clone(&task);
        move || drop(task.lock().unwrap().take())
    });
    let mut recv = selecting(&first, &second);
    assert!(poll(&mut recv, &waker).is_pending());
    *task.lock().unwrap() = Some(recv);
    let (calls, waker) = counting();
    let mut other = second.wait_for_item();
    assert!(poll(&mut other, &waker).is_pending());
    second.put(&[1]);
    assert!(task.lock().unwrap().is_none(), "it is gone");
    assert_eq!(calls.count(), 1, "and nobody else would come for the item");
    assert_eq!((first.len(), second.take(1)), (0, vec![1]));
    assert_eq!((first.asleep(), second.asleep()), ((0, 0), (0, 0)));
}
