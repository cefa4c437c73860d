//! The memory of a process does not follow the length of a queue in files. Alone in its program, since other
//! tests would change the figures.
#![cfg(all(feature = "persistent", target_os = "linux", not(loom)))]

use elasticq::Config;
use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, Raw, SyncMode};
use std::fs;
use std::thread;

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

const ITEMS: u32 = 150_000;
const SIZE: usize = 1_000;

/// A file has 16 MiB at the most. In memory are the last one, one that was filled a moment ago, and one that
/// is read.
const MOST: u64 = 64 << 20;

/// How many bytes of this process are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn item(number: u32) -> Vec<u8> {
    let mut item = vec![7; SIZE];
    item[..4].copy_from_slice(&number.to_le_bytes());
    item
}

#[test]
fn what_is_in_memory_stays_the_same_while_a_long_queue_fills_and_drains() {
    let folder = tempfile::tempdir().unwrap();
    let config = PersistentConfig::default()
        .with_file_path(folder.path().join("queue"))
        .with_sync_mode(SyncMode::NoSync)
        .with_base_config(Config::default().with_max_capacity(usize::MAX));
    let queue = Queue::with_codec(config, Raw).unwrap();
    let before = resident();
    let check = |when: &str, number: u32| {
        let more = resident().saturating_sub(before);
        assert!(more < MOST, "{when} {number}: {} MiB more", more >> 20);
    };
    for number in 0..ITEMS {
        queue.push(item(number)).unwrap();
        if number.is_multiple_of(5_000) {
            check("pushing", number);
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| (ITEMS..ITEMS + ITEMS / 4).for_each(|number| queue.push(item(number)).unwrap()));
        for number in 0..ITEMS {
            assert_eq!(queue.pop().unwrap(), item(number));
            if number.is_multiple_of(5_000) {
                check("draining", number);
            }
        }
    });
    assert_eq!(queue.len() as u32, ITEMS / 4);
}
