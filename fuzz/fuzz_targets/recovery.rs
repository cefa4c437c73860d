//! Opens a queue whose files hold anything. It must not panic, hang or take much memory. A queue that can't
//! be opened is left as it was; one that can is the same queue when it is opened again.
//!
//! An input is a byte of flags, and then files without their zeroes: two bytes for the length of each, the 52
//! bytes of its header that mean something, and its records. With the first flag the checksums are made
//! right, so that the fuzzer comes behind them.
#![no_main]

use elasticq::BufferError;
use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions, Raw, SyncMode};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

const HEADER: usize = 4096;
const FIELDS: usize = 52;
const HEAD: usize = 24;
const SIZE: usize = 64 << 10;

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn length(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes) as usize
}

/// The whole file for what an input says of it.
fn file(short: &[u8], mend: bool) -> Vec<u8> {
    let (fields, records) = short.split_at(short.len().min(FIELDS));
    let mut bytes = vec![0; HEADER];
    bytes[..fields.len()].copy_from_slice(fields);
    bytes.extend_from_slice(records);
    bytes.resize(SIZE.max(bytes.len()), 0);
    if mend {
        mend_checksums(&mut bytes, records.len());
    }
    bytes
}

fn mend_checksums(bytes: &mut [u8], records: usize) {
    bytes[12..16].fill(0);
    let mut link = crc32c::crc32c(&bytes[..HEADER]);
    bytes[12..16].copy_from_slice(&link.to_le_bytes());
    let salt = bytes[16..24].to_vec();
    let mut at = HEADER;
    while at + HEAD <= HEADER + records {
        let end = at + HEAD + length(bytes, at);
        let Some(payload) = bytes.get(at + HEAD..end) else { return };
        let checksum = crc32c::crc32c(payload);
        bytes[at + 16..at + 20].copy_from_slice(&checksum.to_le_bytes());
        let linked = [&salt[..], &bytes[at..at + 20], &link.to_le_bytes()].concat();
        link = crc32c::crc32c(&linked);
        bytes[at + 20..at + 24].copy_from_slice(&link.to_le_bytes());
        at = end.next_multiple_of(8);
    }
}

fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let files = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    files.filter(|(name, _)| name != "lock").map(|(name, path)| (name, fs::read(path).unwrap_or_default())).collect()
}

fn use_it(queue: &Queue) {
    let _ = queue.dead_letters();
    let _ = queue.pop();
    let lease = queue.lease(Some(Duration::from_secs(60)));
    let _ = queue.pop_batch(3);
    let _ = queue.push_with(b"new".to_vec(), &PushOptions::default().with_id("name").with_headers("headers"));
    if let Ok(lease) = lease {
        let _ = lease.ack();
    }
    let _ = queue.retry_dead(None);
    let _ = queue.compact();
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, mut rest)) = input.split_first() else { return };
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join("queue");
    fs::create_dir(&path).expect("a folder");
    while let Some((size, after)) = rest.split_first_chunk::<2>() {
        let (short, after) = after.split_at(after.len().min(u16::from_le_bytes(*size).into()));
        let bytes = file(short, flags & 1 != 0);
        let name = format!("{:020}-{:016x}.log", number(&bytes, 24), number(&bytes, 16));
        fs::write(path.join(name), bytes).expect("room");
        rest = after;
    }
    let before = contents(&path);
    let config = PersistentConfig::default()
        .with_file_path(&path)
        .with_sync_mode(SyncMode::NoSync)
        .with_segment_bytes(SIZE as u64)
        .with_max_deliveries(u32::from(flags >> 1));
    match Queue::with_codec(config.clone(), Raw) {
        Err(BufferError::Corrupted(_)) => assert_eq!(before, contents(&path), "a damaged queue was changed"),
        Err(_) => {}
        Ok(queue) => {
            use_it(&queue);
            let stats = queue.stats();
            if queue.finish().is_ok() {
                let again = Queue::with_codec(config, Raw).expect("a queue that was closed").stats();
                assert_eq!(
                    (stats.queue.current_size, stats.queue.messages_enqueued, stats.queue.messages_dropped),
                    (again.queue.current_size, again.queue.messages_enqueued, again.queue.messages_dropped)
                );
            }
        }
    }
});
