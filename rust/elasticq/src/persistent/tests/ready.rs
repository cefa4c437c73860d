//! What tasks ask the queue's own thread for: nobody misses an item or room meanwhile, no file is begun for
//! nothing, and no limit is passed.

use super::disk::Disk;
use super::{item, open, push, segments, small};
use crate::persistent::ready::Need;
use crate::persistent::{PersistentCircularBuffer, PersistentConfig, Raw, SyncMode};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::yield_now;
use std::time::Instant;

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

fn queue(disk: &Disk, config: PersistentConfig) -> Queue {
    let queue = Queue::in_storage(Box::new(disk.clone()), config, Raw).unwrap();
    while queue.core.log.bytes() < 128 << 10 {
        yield_now(); // until its thread has made the reserve, and sleeps
    }
    queue
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One step of a task. Returns whether it is still pending.
fn step<F: Future>(task: Pin<&mut F>, woken: &Arc<Woken>) -> bool {
    task.poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken)))).is_pending()
}

#[test]
fn an_item_is_not_left_when_the_task_that_was_woken_for_it_is_cancelled_before_it_takes_it() {
    let queue = queue(&Disk::default(), small(SyncMode::NoSync));
    let [first, second] = [(); 2].map(|()| Arc::<Woken>::default());
    let mut one = Box::pin(queue.recv());
    let mut other = pin!(queue.recv());
    while !queue.core.not_empty.has_sleepers() {
        assert!(step(one.as_mut(), &first));
    }
    while queue.core.not_empty.sleepers() < 2 {
        assert!(step(other.as_mut(), &second));
    }
    second.0.store(false, Ordering::SeqCst);
    queue.push(vec![1]).unwrap();
    {
        let _held = queue.core.taking();
        assert!(step(one.as_mut(), &first), "it waits for the lock, without blocking");
    }
    drop(one);
    assert!(second.0.load(Ordering::SeqCst), "the other one sleeps beside the item");
    assert_eq!(pollster::block_on(other), Ok(vec![1]));
}

#[test]
fn a_task_that_is_cancelled_has_acknowledged_all_the_same() {
    let queue = queue(&Disk::default(), small(SyncMode::NoSync));
    queue.push_batch(vec![vec![1], vec![2], vec![3]]).unwrap();
    let mut leases = queue.lease_batch(3, None).unwrap();
    let woken = Arc::default();
    {
        let mut ack = Box::pin(leases.pop().unwrap().ack_async());
        let held = queue.core.taking();
        assert!(step(ack.as_mut(), &woken));
        drop(held);
    }
    assert_eq!(queue.stats().queue.current_size, 2);
    {
        let mut ack = Box::pin(queue.ack_batch_async(leases));
        let held = queue.core.taking();
        assert!(step(ack.as_mut(), &woken));
        drop(held);
    }
    assert_eq!(queue.stats().queue.current_size, 0);
}

#[test]
fn what_a_consumer_needs_does_not_let_a_producer_pass_a_limit() {
    const LIMIT: u64 = 256 << 10;
    let config = small(SyncMode::NoSync).with_max_bytes(LIMIT);
    let core = open(&Disk::default(), config).unwrap();
    while push(&core, &[0; 10_000]).is_ok() {}
    let before = (core.log.bytes(), core.log.segment_count());
    core.prepare(Need::to_add(1, 1 << 20));
    assert_eq!((core.log.bytes(), core.log.segment_count()), before);
    core.prepare(Need::to_add(1, 1 << 20).and(Need::to_take(1)));
    assert!(core.log.bytes() <= LIMIT + (128 << 10), "{} bytes", core.log.bytes());
}

#[test]
fn tasks_that_ask_for_many_items_begin_no_file_for_nothing() {
    let disk = Disk::default();
    let queue = queue(&disk, small(SyncMode::NoSync));
    queue.push(vec![0]).unwrap();
    let lease = queue.lease(None).unwrap(); // keeps all files
    for number in 1..200 {
        queue.push(vec![number; 10]).unwrap();
        let leases = pollster::block_on(queue.lease_batch_async(1_000, None)).unwrap();
        assert_eq!(leases.len(), 1);
        pollster::block_on(queue.ack_batch_async(leases)).unwrap();
    }
    assert!(segments(&disk).len() <= 2, "{:?}", segments(&disk));
    drop(lease);
}

#[test]
fn a_task_whose_items_find_no_room_begins_no_file() {
    let base = crate::Config::default().with_max_capacity(10);
    let disk = Disk::default();
    let queue = queue(&disk, small(SyncMode::NoSync).with_base_config(base));
    queue.push(vec![0]).unwrap();
    let lease = queue.lease(None).unwrap(); // keeps all files
    let woken = Arc::default();
    {
        let mut send = pin!(queue.send_batch(vec![vec![1; 10_000]; 10])); // one too many
        for number in 0..200 {
            queue.push(vec![number; 1_000]).unwrap();
            assert!(step(send.as_mut(), &woken));
            queue.pop().unwrap();
            assert!(step(send.as_mut(), &woken));
        }
    }
    queue.close();
    assert!(pollster::block_on(queue.send(vec![0; 100_000])).is_err());
    assert!(segments(&disk).len() <= 6, "{:?}", segments(&disk));
    drop(lease);
}

#[test]
fn who_waits_for_a_change_looks_again_when_an_attempt_to_take_has_come_to_nothing() {
    let queue = queue(&Disk::default(), small(SyncMode::NoSync));
    let mut change = queue.wait_for_change();
    let mut take = pin!(queue.take_back_async(1, || ()));
    while !queue.core.not_empty.has_sleepers() {
        assert!(step(take.as_mut(), &Arc::default()));
    }
    assert!(change.wait_until(Some(Instant::now())));
}

#[test]
fn a_task_does_not_wait_for_a_thread_that_has_panicked() {
    let disk = Disk::default();
    let queue = queue(&disk, small(SyncMode::NoSync));
    queue.push(vec![0]).unwrap();
    disk.panic_at_syncs();
    queue.core.worker.commit();
    while queue.core.commit.check().is_ok() {
        yield_now();
    }
    assert!(pollster::block_on(queue.send(vec![0; 100_000])).is_err());
}

#[test]
fn an_item_is_read_ahead_whole_however_long_it_is() {
    const LONG: usize = 3 << 20;
    let core = open(&Disk::default(), small(SyncMode::NoSync).with_segment_bytes(8 << 20)).unwrap();
    push(&core, &item(1, LONG)).unwrap();
    push(&core, &item(2, LONG)).unwrap();
    push(&core, &item(3, LONG)).unwrap(); // in another file
    core.prepare(Need::to_take(1));
    // Before it there is a file without an item.
    let until = core.taking().ahead.until;
    assert!(until.segment > core.taking().reader.segment.number() && until.offset as usize > LONG, "{until:?}");
}
