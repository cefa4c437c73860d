//! Tasks: they don't block while the disk is slow, and one that is cancelled loses nothing.

use super::disk::Disk;
use super::small;
use crate::persistent::{PersistentCircularBuffer, Raw, SyncMode};
use std::pin::pin;
use std::task::{Context, Waker};

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

fn queue(disk: &Disk) -> Queue {
    queue_with(disk, SyncMode::EveryWrite)
}

fn queue_with(disk: &Disk, mode: SyncMode) -> Queue {
    let queue = Queue::in_storage(Box::new(disk.clone()), small(mode), Raw).unwrap();
    while queue.core.log.bytes() < 128 << 10 {
        std::thread::yield_now(); // until its thread has looked for the next item, and made the reserve
    }
    queue
}

/// One step of a task, in this thread, which would wait for ever if the step waited for the disk.
fn step<F: Future>(task: std::pin::Pin<&mut F>) -> bool {
    task.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_task_that_puts_does_not_block_while_a_sync_takes_long() {
    let disk = Disk::default();
    let queue = queue(&disk);
    disk.hold_syncs(true);
    let mut send = pin!(queue.send(vec![1]));
    assert!(step(send.as_mut()));
    assert!(queue.is_empty(), "a consumer could see it, and it is not durable");
    disk.hold_syncs(false);
    pollster::block_on(send).unwrap();
    assert_eq!(queue.pop(), Ok(vec![1]));
}

#[test]
fn tasks_that_take_and_acknowledge_do_not_block_either() {
    let disk = Disk::default();
    let queue = queue(&disk);
    queue.push_batch(vec![vec![1], vec![2]]).unwrap();
    disk.hold_syncs(true);
    {
        let mut recv = pin!(queue.recv());
        assert!(step(recv.as_mut()));
        disk.hold_syncs(false);
        assert_eq!(pollster::block_on(recv), Ok(vec![1]));
    }
    let lease = pollster::block_on(queue.lease_async(None)).unwrap();
    disk.hold_syncs(true);
    let mut ack = pin!(lease.ack_async());
    assert!(step(ack.as_mut()));
    disk.hold_syncs(false);
    assert_eq!(pollster::block_on(ack).unwrap(), [2]);
    assert_eq!(queue.stats().queue.current_size, 0);
}

#[cfg(feature = "async")]
#[test]
fn the_calls_of_every_queue_do_not_block_either() {
    use std::time::Duration;
    let long = Duration::from_secs(60);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter(); // for the timers
    let disk = Disk::default();
    let queue = queue(&disk);
    disk.hold_syncs(true);
    let mut one = pin!(queue.push_async(vec![1]));
    let mut many = pin!(queue.push_batch_async(vec![vec![2], vec![3]]));
    let mut one_more = pin!(queue.push_async_timeout(vec![4], long));
    let mut many_more = pin!(queue.push_batch_async_timeout(vec![vec![5], vec![6]], long));
    assert!(step(one.as_mut()) && step(many.as_mut()) && step(one_more.as_mut()) && step(many_more.as_mut()));
    disk.hold_syncs(false);
    runtime.block_on(async { futures::try_join!(one, many, one_more, many_more) }).unwrap();
    disk.hold_syncs(true);
    let mut one = pin!(queue.pop_async());
    let mut many = pin!(queue.pop_batch_async(2));
    let mut one_more = pin!(queue.pop_async_timeout(long));
    let mut many_more = pin!(queue.pop_batch_async_timeout(9, long));
    assert!(step(one.as_mut()) && step(many.as_mut()) && step(one_more.as_mut()) && step(many_more.as_mut()));
    disk.hold_syncs(false);
    let (one, many, one_more, many_more) = runtime.block_on(async { futures::join!(one, many, one_more, many_more) });
    assert_eq!((one, many), (Ok(vec![1]), Ok(vec![vec![2], vec![3]])));
    assert_eq!((one_more, many_more), (Ok(vec![4]), Ok(vec![vec![5], vec![6]])));
}

#[test]
fn a_task_that_is_cancelled_while_it_waits_for_the_disk_gives_the_item_back() {
    for lease in [false, true] {
        let disk = Disk::default();
        let queue = queue(&disk);
        queue.push_batch(vec![vec![1], vec![2]]).unwrap();
        disk.hold_syncs(true);
        // The future is dropped here, and that waits for no sync, either.
        if lease {
            assert!(step(pin!(queue.lease_async(None)).as_mut()));
        } else {
            assert!(step(pin!(queue.recv()).as_mut()));
        }
        disk.hold_syncs(false);
        assert_eq!(queue.pop_batch(9), Ok(vec![vec![1], vec![2]]), "lease {lease}");
    }
}

#[test]
fn a_task_hears_of_a_sync_that_failed_and_has_the_item_back() {
    let disk = Disk::default();
    let queue = queue(&disk);
    disk.fail_sync(1);
    let rejected = pollster::block_on(queue.send(vec![1])).unwrap_err();
    assert!(matches!(rejected.reason(), crate::BufferError::Io(_)));
    assert_eq!(rejected.into_inner(), [1]);
}

#[test]
fn a_task_that_is_cancelled_after_the_queue_was_finished_has_taken_nothing() {
    let disk = Disk::default();
    let queue = queue(&disk);
    queue.push_batch(vec![vec![1], vec![2]]).unwrap();
    {
        disk.hold_syncs(true);
        let mut recv = pin!(queue.recv());
        assert!(step(recv.as_mut()), "it has taken the item, and waits for the disk");
        disk.hold_syncs(false);
        queue.finish().unwrap();
    }
    let again = Queue::in_storage(Box::new(disk.after_kill()), small(SyncMode::EveryWrite), Raw).unwrap();
    assert_eq!(again.pop(), Ok(vec![1]));
}

#[test]
fn a_task_that_needs_a_new_file_does_not_block_while_one_is_made() {
    let disk = Disk::default();
    let queue = queue_with(&disk, SyncMode::NoSync);
    disk.hold_syncs(true); // so that no file becomes ready any more
    let mut sent = 0_u8;
    let mut send = Box::pin(queue.send(vec![sent; 10_000]));
    while !step(send.as_mut()) {
        sent += 1;
        send = Box::pin(queue.send(vec![sent; 10_000]));
    }
    assert_eq!(queue.len(), usize::from(sent));
    // Nor does one that takes an item meanwhile; it may have it at once.
    let mut recv = Box::pin(queue.recv());
    let took = !step(recv.as_mut());
    disk.hold_syncs(false);
    pollster::block_on(send).unwrap();
    if !took {
        assert_eq!(pollster::block_on(recv), Ok(vec![0; 10_000]));
    }
    let rest: Vec<u8> = queue.pop_batch(1_000).unwrap().iter().map(|item| item[0]).collect();
    assert_eq!(rest, (1..=sent).collect::<Vec<_>>());
}

#[test]
fn a_task_that_takes_what_is_not_in_memory_does_not_block_while_it_is_read() {
    for mode in [SyncMode::NoSync, SyncMode::EveryWrite] {
        for lease in [false, true] {
            let disk = Disk::default();
            let queue = queue_with(&disk, mode);
            for number in 0..40 {
                queue.push(vec![number; 10_000]).unwrap();
            }
            disk.hold_reads(true);
            let mut recv = pin!(async {
                if lease { queue.lease_async(None).await.unwrap().ack().unwrap() } else { queue.recv().await.unwrap() }
            });
            assert!(step(recv.as_mut()), "{mode:?}");
            queue.push(vec![40]).unwrap(); // nobody holds up producers meanwhile
            assert_eq!(queue.len(), 41);
            disk.hold_reads(false);
            assert_eq!(pollster::block_on(recv), [0; 10_000]);
            assert_eq!(queue.pop_batch(100).unwrap().len(), 40);
        }
    }
}

#[test]
fn a_task_that_takes_what_came_back_does_not_block_while_it_is_read() {
    let disk = Disk::default();
    let queue = queue_with(&disk, SyncMode::NoSync);
    queue.push(vec![7]).unwrap();
    let lease = queue.lease(None).unwrap();
    for number in 0..40 {
        queue.push(vec![number; 10_000]).unwrap();
    }
    queue.pop_batch(40).unwrap();
    drop(lease);
    disk.hold_reads(true);
    let mut recv = pin!(queue.recv());
    assert!(step(recv.as_mut()));
    disk.hold_reads(false);
    assert_eq!(pollster::block_on(recv), Ok(vec![7]));
}

#[test]
fn a_task_that_waits_for_a_file_ends_when_the_queue_does() {
    let disk = Disk::default();
    let queue = queue_with(&disk, SyncMode::NoSync);
    for number in 0..40 {
        queue.push(vec![number; 10_000]).unwrap();
    }
    disk.hold_reads(true);
    let mut recv = pin!(queue.recv());
    assert!(step(recv.as_mut()));
    std::thread::scope(|scope| {
        let finish = scope.spawn(|| queue.finish());
        disk.hold_reads(false);
        let _ = pollster::block_on(recv); // it came first, or the end did
        finish.join().unwrap().unwrap();
    });
}
