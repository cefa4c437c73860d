//! What a queue keeps in memory.

use super::disk::Disk;
use super::{item, open, push, segments, small};
use crate::persistent::SyncMode;

#[test]
fn pages_of_two_files_at_most_are_in_memory_while_the_queues_thread_does_not_run() {
    let disk = Disk::default();
    let core = open(&disk, small(SyncMode::NoSync)).unwrap();
    for number in 0..60 {
        push(&core, &item(number, 9000)).unwrap();
        let mapped = disk.mapped();
        assert!(mapped.len() <= 2, "after {number}: {mapped:?}");
    }
    assert!(segments(&disk).len() >= 8);
    core.tidy().unwrap();
    assert_eq!(disk.mapped(), segments(&disk)[segments(&disk).len() - 1..]);
}
