//! Tasks: they don't block while the disk is slow, and one that is cancelled loses nothing.

use super::disk::Disk;
use super::small;
use crate::persistent::{PersistentCircularBuffer, Raw, SyncMode};
use std::pin::pin;
use std::task::{Context, Waker};

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

fn queue(disk: &Disk) -> Queue {
    Queue::in_storage(Box::new(disk.clone()), small(SyncMode::EveryWrite), Raw).unwrap()
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
