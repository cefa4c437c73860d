//! The tools for the files of a queue, on real files: what they say while a queue is in use, and of what is
//! no queue.
#![cfg(feature = "persistent")]

use elasticq::persistent::{
    PersistentCircularBuffer, PersistentConfig, Raw, SyncMode, Verdict, compact, export, inspect, repair, verify,
};
use elasticq::{BufferError, BufferResult};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

type Queue = PersistentCircularBuffer<Vec<u8>, Raw>;

/// What is told of a queue that is open. Not every system lists its locks.
const IS_OPEN: Option<bool> = if cfg!(target_os = "linux") { Some(true) } else { None };

fn config(path: &Path, mode: SyncMode) -> PersistentConfig {
    PersistentConfig::default().with_file_path(path).with_sync_mode(mode).with_segment_bytes(64 << 10)
}

fn open(path: &Path) -> BufferResult<Queue> {
    Queue::with_codec(config(path, SyncMode::NoSync), Raw)
}

/// The content of all files, by name.
fn image(path: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).ok()))
        .collect();
    files.sort();
    files
}

fn first_file(path: &Path) -> PathBuf {
    image(path).into_iter().map(|(path, _)| path).find(|path| path.file_name().unwrap().len() == 41).unwrap()
}

/// A writer that pushes, pops, and has its files given up and used again, as fast as it can.
#[test]
fn a_queue_that_is_in_use_never_looks_damaged() {
    for mode in [SyncMode::NoSync, SyncMode::EveryWrite] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let queue = Queue::with_codec(config(&path, mode), Raw).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0_u32.. {
                    queue.push([number.to_le_bytes().to_vec(), vec![7; 500]].concat()).unwrap();
                    if number >= 100 {
                        queue.pop().unwrap();
                    }
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let writer_goes_on = scope.spawn(|| {
                for _ in 0..8 {
                    let seen = inspect(&path).unwrap();
                    assert_eq!(seen.damage, [], "{mode:?}: {seen:?}");
                    assert_eq!((seen.is_open, seen.process), (IS_OPEN, Some(std::process::id())));
                    let found = verify(&path, None).unwrap();
                    assert!(found.verdict != Verdict::Damaged && found.behind == 0, "{mode:?}: {found:#?}");
                    let items = export(&path).unwrap();
                    assert!(items.damage().is_empty(), "{mode:?}: {:?}", items.damage());
                    let numbers: Vec<u64> = items.map(|item| item.number).collect();
                    assert!(numbers.is_sorted());
                }
            });
            let looked = writer_goes_on.join();
            done.store(true, Ordering::Relaxed);
            looked.unwrap();
        });
    }
}

#[test]
fn damage_in_a_queue_that_is_in_use_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let queue = open(&path).unwrap();
    for number in 0..200 {
        queue.push(vec![number; 1000]).unwrap();
    }
    queue.sync().unwrap();
    let file = first_file(&path);
    let mut bytes = fs::read(&file).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(inspect(&path).unwrap().damage.len(), 1);
    assert_eq!(verify(&path, None).unwrap().losses.count, Some(1));
    let mut items = export(&path).unwrap();
    assert_eq!((items.by_ref().count(), items.damage().len()), (199, 1));
    assert!(matches!(repair(&path, None), Err(BufferError::AlreadyOpen(_))));
    assert!(matches!(compact(&path), Err(BufferError::AlreadyOpen(_))));
}

#[test]
fn to_look_changes_nothing_and_keeps_nobody_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let queue = open(&path).unwrap();
    queue.push(b"item".to_vec()).unwrap();
    drop(queue);
    fs::remove_file(path.join("lock")).unwrap();
    let before = image(&path);
    let items = export(&path).unwrap();
    assert_eq!(inspect(&path).unwrap().is_open, Some(false));
    assert_eq!(verify(&path, None).unwrap().verdict, Verdict::Healthy);
    assert_eq!(image(&path), before);
    let queue = open(&path).unwrap();
    assert_eq!(queue.pop().unwrap(), b"item");
    assert_eq!(items.map(|item| item.data).collect::<Vec<_>>(), [b"item".to_vec()]);
}

#[test]
fn what_is_no_queue_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let all = |path: &Path| {
        let path = path.to_path_buf();
        [
            inspect(&path).map(drop),
            verify(&path, None).map(drop),
            export(&path).map(drop),
            repair(&path, None).map(drop),
            compact(&path).map(drop),
        ]
    };
    let missing = folder.path().join("missing");
    for refused in all(&missing) {
        assert!(matches!(&refused, Err(BufferError::Io(error)) if error.path() == missing), "{refused:?}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    for refused in all(&file) {
        assert!(matches!(refused, Err(BufferError::Io(_))), "{refused:?}");
    }
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("something.log"), "text").unwrap();
    for refused in all(&other) {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("there is no queue here") && text.contains("other"), "{text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

type Make = fn(&Path);

#[cfg(unix)]
const STRANGE: [(&str, Make); 3] = [
    ("a link", |file| std::os::unix::fs::symlink("/etc/passwd", file).unwrap()),
    ("a directory", |file| fs::create_dir(file).unwrap()),
    ("a pipe", |file| {
        let name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
        // SAFETY: the path is a string that ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    }),
];

#[cfg(windows)]
const STRANGE: [(&str, Make); 1] = [("a directory", |file| fs::create_dir(file).unwrap())];

#[test]
fn something_strange_under_the_name_of_a_file_is_reported_and_moved_away() {
    for (what, make) in STRANGE {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let queue = open(&path).unwrap();
        for number in 0..200 {
            queue.push(vec![number; 1000]).unwrap();
        }
        drop(queue);
        let file = first_file(&path);
        fs::remove_file(&file).unwrap();
        make(&file);
        let found = verify(&path, None).unwrap();
        assert_eq!(found.verdict, Verdict::Damaged, "{what}");
        let done = repair(&path, None).unwrap();
        assert_eq!((done.moved.len(), done.contents.ready), (1, found.contents.ready), "{what}: {done:?}");
        assert!(done.contents.ready > 100, "{what}: {done:?}");
        assert_eq!(open(&path).unwrap().len() as u64, done.contents.ready, "{what}");
        let folder = fs::metadata(done.folder.unwrap()).unwrap();
        assert!(folder.is_dir());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&folder.permissions()) & 0o777, 0o700);
    }
}

#[test]
fn a_newer_version_is_refused_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    drop(open(&path).unwrap());
    let file = first_file(&path);
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 2;
    bytes[12..16].fill(7); // its checksum may be computed in another way
    fs::write(&file, &bytes).unwrap();
    let outcomes = [
        inspect(&path).map(drop),
        verify(&path, None).map(drop),
        export(&path).map(drop),
        repair(&path, None).map(drop),
        compact(&path).map(drop),
    ];
    for refused in outcomes {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("version 2"), "{text}");
    }
    assert_eq!(fs::read(&file).unwrap(), bytes);
}
