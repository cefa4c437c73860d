//! As much of a runtime as the tests with tasks need.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Instant;

use super::FOREVER;

type Future = dyn std::future::Future<Output = ()> + Send;

/// The tasks that are ready, and the number of tasks that are not done yet.
#[derive(Default)]
struct Ready {
    tasks: Mutex<(VecDeque<Arc<Task>>, usize)>,
    changed: Condvar,
}

struct Task {
    future: Mutex<Option<Pin<Box<Future>>>>,
    ready: Arc<Ready>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let ready = Arc::clone(&self.ready);
        ready.tasks.lock().unwrap().0.push_back(self);
        ready.changed.notify_one();
    }
}

/// Runs all of `futures` on this many threads. A lost wake-up is a panic.
pub fn run(threads: usize, futures: Vec<Pin<Box<Future>>>) {
    let ready = Arc::new(Ready::default());
    ready.tasks.lock().unwrap().1 = futures.len();
    for future in futures {
        Arc::new(Task { future: Mutex::new(Some(future)), ready: Arc::clone(&ready) }).wake();
    }
    thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(|| work(&ready))));
    });
    // Those that were woken once more hold the list that they stand in.
    let left = std::mem::take(&mut ready.tasks.lock().unwrap().0);
    drop(left);
}

fn work(ready: &Ready) {
    let started = Instant::now();
    loop {
        let mut tasks = ready.tasks.lock().unwrap();
        let task = loop {
            if tasks.1 == 0 {
                return;
            }
            if let Some(task) = tasks.0.pop_front() {
                break task;
            }
            tasks = ready.changed.wait_timeout(tasks, FOREVER).unwrap().0;
            assert!(started.elapsed() < FOREVER, "{} tasks wait for ever", tasks.1);
        };
        drop(tasks);
        // A task that is woken while it runs is in the list again. The thread that takes it from there waits
        // here until the task is free.
        let mut future = task.future.lock().unwrap();
        let Some(running) = future.as_mut() else { continue };
        let waker = Waker::from(Arc::clone(&task));
        if running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *future = None;
            ready.tasks.lock().unwrap().1 -= 1;
            ready.changed.notify_all();
        }
    }
}

/// What `future` gives if it is done within this many polls, whether it was woken or not. Otherwise the
/// future is dropped, and other tasks may run.
pub async fn give_up_after<F: std::future::Future>(polls: usize, future: F) -> Option<F::Output> {
    {
        let mut future = pin!(future);
        for _ in 0..polls {
            let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
            if let Poll::Ready(output) = polled {
                return Some(output);
            }
            yield_now().await;
        }
    }
    yield_now().await;
    None
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts how often it is called.
#[derive(Default)]
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
