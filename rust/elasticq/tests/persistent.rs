//! The durable queue on a real disk: opening, locking, forks, what other processes do to its files, waiting.
#![cfg(all(feature = "persistent", not(loom)))]

use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions, Raw, SyncMode};
use elasticq::{BufferError, Config, Parts};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

const MODES: [SyncMode; 3] = [SyncMode::NoSync, SyncMode::Periodic(Duration::from_millis(5)), SyncMode::EveryWrite];

fn config(folder: &TempDir) -> PersistentConfig {
    PersistentConfig::default().with_file_path(folder.path().join("queue")).with_segment_bytes(64 << 10)
}

fn open(config: PersistentConfig) -> Result<Queue, BufferError> {
    Queue::with_codec(config, Raw)
}

/// The path of the first file.
fn first_file(folder: &TempDir) -> PathBuf {
    let mut files = fs::read_dir(folder.path().join("queue")).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.to_str().unwrap().contains("00000000000000000001-")).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_is_pushed_is_there_when_it_is_opened_again_and_what_is_popped_is_not() {
    for mode in MODES {
        let folder = folder();
        let config = config(&folder).with_sync_mode(mode);
        let queue = open(config.clone()).unwrap();
        queue.push_batch((0..200).map(|number| vec![number; 2000]).collect()).unwrap();
        for expected in 0..150 {
            assert_eq!(queue.pop().unwrap(), [expected; 2000]);
        }
        drop(queue);
        let queue = open(config).unwrap();
        let stats = queue.stats();
        assert!(stats.recovered_clean && stats.torn_bytes == 0, "{stats:?}");
        assert_eq!((queue.len(), stats.queue.messages_enqueued, stats.queue.messages_dequeued), (50, 200, 150));
        assert_eq!(queue.pop_batch(100).unwrap().len(), 50);
        assert_eq!(queue.pop().unwrap_err(), BufferError::Empty);
    }
}

#[test]
fn opening_it_again_and_again_uses_up_no_disk() {
    let folder = folder();
    let queue = open(config(&folder)).unwrap();
    queue.push(b"item".to_vec()).unwrap();
    drop(queue);
    let size = || -> u64 {
        fs::read_dir(folder.path().join("queue")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let log = first_file(&folder);
    let before = fs::read(&log).unwrap();
    (0..50).for_each(|_| drop(open(config(&folder)).unwrap()));
    assert!(fs::read(&log).unwrap() == before);
    // The thread of the queue may or may not have come to prepare its files.
    assert!(size() <= 3 * (64 << 10) + 16, "{}", size());
}

/// Makes a symbolic link; false if there are none, or this user may not, as on many a Windows.
fn link_to_directory(target: &Path, path: &Path) -> bool {
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(target, path);
    #[cfg(windows)]
    let made = std::os::windows::fs::symlink_dir(target, path);
    made.is_ok() && path.is_symlink()
}

#[test]
fn it_is_open_in_one_place_at_a_time_whatever_the_path() {
    let folder = folder();
    let queue = open(config(&folder)).unwrap();
    let link = folder.path().join("link");
    let winding = folder.path().join("queue").join("..").join("queue");
    let is_linked = link_to_directory(&folder.path().join("queue"), &link);
    let paths = [folder.path().join("queue"), winding].into_iter().chain(is_linked.then_some(link));
    for path in paths {
        let refused = open(config(&folder).with_file_path(path)).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, BufferError::AlreadyOpen(_)), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
    }
    drop(queue);
    drop(open(config(&folder)).unwrap());
}

/// Opens a queue and waits to be killed. Started by the test below; does nothing otherwise.
#[test]
fn holder() {
    let Ok(path) = env::var("ELASTICQ_CHILD") else { return };
    let queue = Queue::with_codec(PersistentConfig::default().with_file_path(path), Raw).unwrap();
    queue.push(b"item".to_vec()).unwrap();
    eprintln!("open");
    loop {
        thread::park();
    }
}

#[test]
fn the_lock_of_a_process_ends_when_it_is_killed() {
    let folder = folder();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "holder", "--nocapture", "--test-threads=1"])
        .env("ELASTICQ_CHILD", folder.path().join("queue"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "open");
    let text = open(config(&folder)).unwrap_err().to_string();
    assert!(text.contains(&format!("process {}", child.id())), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(open(config(&folder)).unwrap().pop().unwrap(), b"item");
}

#[test]
fn a_lock_file_that_names_a_living_process_locks_nothing() {
    let folder = folder();
    drop(open(config(&folder)).unwrap());
    fs::write(folder.path().join("queue").join("lock"), "1\n").unwrap();
    drop(open(config(&folder)).unwrap());
}

/// On Windows they are as private as the directory in which the queue is made.
#[cfg(unix)]
#[test]
fn its_files_are_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let queue = open(config(&folder)).unwrap();
    queue.push(vec![1]).unwrap();
    let path = folder.path().join("queue");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_inside_is_not_followed() {
    let folder = folder();
    drop(open(config(&folder)).unwrap());
    let inside = first_file(&folder);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&inside, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &inside).unwrap();
    let refused = open(config(&folder)).unwrap_err();
    assert!(matches!(&refused, BufferError::Io(error) if error.path() == inside), "{refused}");
}

#[test]
fn what_can_not_be_a_queue_is_refused_and_left_alone() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let refused = open(config(&folder).with_file_path(&file)).unwrap_err();
    assert!(matches!(&refused, BufferError::Io(error) if error.path() == file), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    let nowhere = folder.path().join("no").join("where");
    let refused = open(config(&folder).with_file_path(&nowhere)).unwrap_err();
    assert!(matches!(&refused, BufferError::Io(error) if error.kind() == std::io::ErrorKind::NotFound), "{refused}");
}

#[test]
fn a_newer_format_is_refused_and_says_so() {
    let folder = folder();
    drop(open(config(&folder)).unwrap());
    let path = first_file(&folder);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 9;
    bytes[12] ^= 1; // whatever a later version puts there
    fs::write(&path, &bytes).unwrap();
    let refused = open(config(&folder)).unwrap_err();
    assert!(refused.to_string().contains("version 9"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// Without a handler of SIGBUS this would end the process.
#[test]
fn a_file_that_another_process_cuts_off_is_an_error() {
    for mode in MODES {
        let folder = folder();
        let queue = open(config(&folder).with_sync_mode(mode).with_segment_bytes(1 << 20)).unwrap();
        // More than is read at once: somebody may have looked already.
        queue.push_batch((0..40).map(|number| vec![number; 5000]).collect()).unwrap();
        let path = first_file(&folder);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8192).unwrap();
        let outcome = loop {
            match queue.pop() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(outcome, BufferError::Corrupted(_) | BufferError::Io(_)), "{mode:?}: {outcome}");
    }
}

#[test]
fn a_consumer_that_waits_is_woken_by_a_push_and_by_closing() {
    for mode in MODES {
        let folder = folder();
        let queue = Arc::new(open(config(&folder).with_sync_mode(mode)).unwrap());
        let consumer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let first = queue.pop_within(Duration::from_secs(60));
                (first, queue.pop_within(Duration::from_secs(60)))
            })
        };
        queue.push(vec![7]).unwrap();
        while !queue.is_empty() {
            thread::yield_now();
        }
        queue.close();
        assert_eq!(consumer.join().unwrap(), (Ok(vec![7]), Err(BufferError::Closed)));
    }
}

#[test]
fn a_producer_waits_for_room() {
    let folder = folder();
    let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    let queue = Arc::new(open(config(&folder).with_base_config(one)).unwrap());
    queue.push(vec![1]).unwrap();
    let producer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.offer_within(vec![2], Duration::from_secs(60)).is_ok())
    };
    assert_eq!(queue.pop_within(Duration::from_secs(60)), Ok(vec![1]));
    assert!(producer.join().unwrap());
    let rejected = queue.offer(vec![3]).unwrap_err();
    assert_eq!(rejected.into_parts(), (BufferError::MaxCapacityReached(1), vec![3]));
}

#[test]
fn a_delayed_item_wakes_who_waits_for_it() {
    let folder = folder();
    let queue = open(config(&folder)).unwrap();
    let later = PushOptions::default().with_delay(Duration::from_millis(20)).with_headers("h");
    assert_eq!(queue.push_with(vec![1], &later), Ok(true));
    assert_eq!(queue.len(), 0);
    let lease = queue.lease_within(Duration::from_secs(60), None).unwrap();
    assert_eq!((&lease[..], lease.headers()), (&[1][..], &b"h"[..]));
}

#[test]
fn a_lease_whose_time_is_over_goes_to_the_next() {
    let folder = folder();
    let queue = open(config(&folder)).unwrap();
    queue.push(vec![1]).unwrap();
    let lease = queue.lease(Some(Duration::from_millis(10))).unwrap();
    let next = queue.lease_within(Duration::from_secs(60), None).unwrap();
    assert_eq!((next.number(), next.deliveries()), (lease.number(), 2));
    let (refused, lease) = lease.ack().unwrap_err().into_parts();
    assert!(matches!(refused, BufferError::InvalidOperation(_)), "{refused}");
    drop(lease);
    assert_eq!(next.ack().unwrap(), [1]);
    assert_eq!(queue.stats().queue.current_size, 0);
}

/// The order of each producer is kept, nothing is lost, nothing comes twice.
#[test]
fn many_threads_lose_nothing() {
    for mode in MODES {
        let folder = folder();
        let base = Config::default().with_max_capacity(1_000_000);
        let queue = open(config(&folder).with_sync_mode(mode).with_base_config(base)).unwrap();
        let (producers, each) = (4_u32, if mode == SyncMode::EveryWrite { 300 } else { 5000_u32 });
        let taken: Vec<Vec<(u32, u32)>> = thread::scope(|scope| {
            for producer in 0..producers {
                let queue = &queue;
                scope.spawn(move || {
                    for number in 0..each {
                        queue.push([producer.to_le_bytes(), number.to_le_bytes()].concat()).unwrap();
                    }
                });
            }
            let consumers: Vec<_> = (0..3)
                .map(|_| {
                    let queue = &queue;
                    scope.spawn(move || {
                        let mut taken = Vec::new();
                        while let Ok(item) = queue.pop_within(Duration::from_secs(60)) {
                            let number = |at: usize| u32::from_le_bytes(item[at..at + 4].try_into().unwrap());
                            taken.push((number(0), number(4)));
                            if queue.stats().queue.messages_dequeued == u64::from(producers * each) {
                                queue.close();
                            }
                        }
                        taken
                    })
                })
                .collect();
            consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect()
        });
        for consumer in &taken {
            for producer in 0..producers {
                let numbers: Vec<u32> = consumer.iter().filter(|(p, _)| *p == producer).map(|(_, n)| *n).collect();
                assert!(numbers.is_sorted(), "{mode:?}");
            }
        }
        let mut all: Vec<_> = taken.concat();
        all.sort_unstable();
        let expected: Vec<_> = (0..producers).flat_map(|p| (0..each).map(move |n| (p, n))).collect();
        assert!(all == expected, "{mode:?}: {} of {}", all.len(), expected.len());
    }
}

#[test]
fn what_the_codec_can_not_read_stays_in_the_queue() {
    let folder = folder();
    let queue = open(config(&folder)).unwrap();
    queue.push_batch(vec![b"\xff\xff".to_vec(), vec![1, 2], vec![3]]).unwrap();
    drop(queue);
    let texts = PersistentCircularBuffer::<String>::new(config(&folder)).unwrap();
    let refused = texts.pop().unwrap_err();
    assert!(matches!(refused, BufferError::Corrupted(_)), "{refused}");
    drop(texts);
    let queue = open(config(&folder)).unwrap();
    assert_eq!(queue.pop_batch(9).unwrap(), [b"\xff\xff".to_vec(), vec![1, 2], vec![3]]);
}

#[test]
fn a_setting_that_breaks_its_rule_is_named() {
    let folder = folder();
    let wrong = [
        (config(&folder).with_sync_mode(SyncMode::Periodic(Duration::ZERO)), "sync_mode"),
        (config(&folder).with_max_log_entries(0), "max_log_entries"),
        (config(&folder).with_segment_bytes(1), "segment_bytes"),
        (config(&folder).with_max_bytes(1), "max_bytes"),
        (config(&folder).with_file_path(""), "file_path"),
        (config(&folder).with_base_config(Config::default().with_min_capacity(0)), "min_capacity"),
    ];
    for (config, field) in wrong {
        let refused = open(config).unwrap_err().to_string();
        assert!(refused.contains(field), "{refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_queue_that_was_finished_can_be_opened_again_whoever_still_has_it() {
    for mode in MODES {
        let folder = folder();
        let config = config(&folder).with_sync_mode(mode);
        let queue = Arc::new(open(config.clone()).unwrap());
        queue.push_batch(vec![b"leased".to_vec(), b"second".to_vec()]).unwrap();
        let lease = queue.lease(None).unwrap();
        let other = Arc::clone(&queue);
        let empty = thread::spawn(move || {
            other.pop().unwrap();
            other.pop_within(Duration::from_secs(60))
        });
        while queue.waiting_consumers() == 0 {
            thread::yield_now();
        }
        queue.finish().unwrap();
        assert_eq!(empty.join().unwrap(), Err(BufferError::Closed), "a call that waits ends");
        let again = open(config).unwrap();
        assert!(again.stats().recovered_clean);
        assert_eq!(lease.ack().unwrap_err().into_parts().0, BufferError::Closed);
        assert_eq!(queue.push(b"late".to_vec()), Err(BufferError::Closed));
        assert_eq!(queue.finish(), Err(BufferError::Closed));
        for refused in [queue.pop().err(), queue.sync().err(), queue.compact().err(), queue.clear().err()] {
            assert_eq!(refused, Some(BufferError::Closed));
        }
        drop(queue);
        assert_eq!(again.pop().unwrap(), b"leased", "an item on lease is there again");
        again.push(b"new".to_vec()).unwrap();
        assert_eq!(again.pop().unwrap(), b"new");
    }
}

#[test]
fn a_finished_queue_has_nothing_open_and_its_files_can_be_removed() {
    for mode in MODES {
        let folder = folder();
        let config = config(&folder).with_sync_mode(mode);
        let queue = open(config.clone()).unwrap();
        queue.push_batch(vec![vec![7; 5_000]; 100]).unwrap();
        let lease = queue.lease(None).unwrap();
        queue.pop_batch(15).unwrap();
        assert!(open_in(&config.file_path).len() > 3 || cfg!(not(target_os = "linux")));
        let mut looking = queue.looking().unwrap();
        assert_eq!(looking.advance().unwrap().map(<[u8]>::len), Some(5_000));
        queue.finish().unwrap();
        assert!(open_in(&config.file_path).is_empty(), "{mode:?}");
        let end = loop {
            match looking.advance() {
                Ok(Some(item)) => assert_eq!(item, [7; 5_000]), // it was read before
                end => break end.map(|item| item.map(<[u8]>::len)),
            }
        };
        assert_eq!(end, Err(BufferError::Closed), "{mode:?}");
        fs::remove_dir_all(&config.file_path).unwrap(); // Windows removes nothing that is open
        assert!(!config.file_path.exists());
        drop((lease, queue));
    }
}

/// What this process has open in a folder. Only Linux tells.
fn open_in(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.canonicalize().unwrap();
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).filter(|path| path.starts_with(&folder)).collect()
}

#[test]
fn what_was_put_while_the_queue_was_being_finished_is_there_or_was_refused() {
    for round in 0..12 {
        let folder = folder();
        let mode = MODES[round % MODES.len()];
        let config = config(&folder).with_sync_mode(mode).with_max_log_entries(50);
        let queue = Arc::new(open(config.clone()).unwrap());
        queue.push_batch(vec![vec![9; 900]; 300]).unwrap();
        let producers: Vec<_> = (0_u8..3)
            .map(|producer| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let mut number = 0_u32;
                    while queue.push([&[producer][..], &number.to_le_bytes(), &[0; 900]].concat()).is_ok() {
                        number += 1;
                        // One of them takes what was there before, too, so that files are given up.
                        if producer == 2 && number <= 300 {
                            let _ = queue.pop().and_then(|_| queue.compact());
                        }
                    }
                    number
                })
            })
            .collect();
        while queue.stats().queue.messages_enqueued < 300 + 60 * round as u64 {
            thread::yield_now();
        }
        queue.finish().unwrap();
        let again = open(config).unwrap();
        let put: Vec<u32> = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
        let mut found = [0_u32; 3];
        for item in again.pop_batch(usize::MAX).unwrap().into_iter().filter(|item| item[0] < 9) {
            let count = &mut found[usize::from(item[0])];
            assert_eq!(item[1..5], count.to_le_bytes(), "round {round}, {mode:?}: in order, and each once");
            *count += 1;
        }
        for (found, put) in found.into_iter().zip(put) {
            // With `EveryWrite`, one call in flight may have put its item in and not know it.
            let unknown = u32::from(mode == SyncMode::EveryWrite);
            assert!((put..=put + unknown).contains(&found), "round {round}, {mode:?}: {found} of {put}");
        }
    }
}

#[test]
fn syncs_are_counted_and_their_times_add_up() {
    let folder = folder();
    let queue = open(config(&folder).with_sync_mode(SyncMode::EveryWrite)).unwrap();
    let begun = Instant::now();
    let mut before = queue.stats();
    for number in 1..=20 {
        queue.push(vec![number]).unwrap();
        let stats = queue.stats();
        assert!(stats.syncs > before.syncs, "a push that has returned was synced: {stats:?}");
        assert!(stats.sync_time > before.sync_time && stats.sync_time <= begun.elapsed() + before.sync_time);
        assert!(stats.longest_sync >= before.longest_sync && stats.longest_sync > Duration::ZERO);
        assert!(stats.longest_sync <= stats.sync_time && stats.sync_time <= stats.longest_sync * stats.syncs as u32);
        before = stats;
    }
    drop(queue);
    let folder = self::folder();
    let queue = open(config(&folder).with_sync_mode(SyncMode::NoSync)).unwrap();
    let before = queue.stats().syncs;
    queue.push(vec![1]).unwrap();
    assert_eq!(queue.stats().syncs, before, "nobody asked for a sync");
    queue.sync().unwrap();
    assert_eq!(queue.stats().syncs, before + 1);
    queue.sync().unwrap();
    assert_eq!(queue.stats().syncs, before + 1, "everything was durable already");
}
