//! What the queue demands of a [`Storage`], of the real one on every system, of the one that keeps nothing, and
//! of the one in memory whose power can be cut: what is tested on that one must hold on the others, too.

use super::disk;
use crate::error::BufferError;
use crate::persistent::files::{Disk, File, Memory, ReadOnly, Storage};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The content of an open file.
fn content(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn make(storage: &dyn Storage, name: &str, content: &[u8]) -> Box<dyn File> {
    let file = storage.create(name).unwrap();
    file.write_at(content, 0).unwrap();
    file
}

/// The names of files, in order, but for the lock and what a system lists beside files.
fn names(storage: &dyn Storage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| !name.starts_with('.') && name != "lock");
    names.sort();
    names
}

fn kind<T>(outcome: io::Result<T>) -> ErrorKind {
    outcome.map(drop).unwrap_err().kind()
}

fn what_exists_is_not_created(storage: &dyn Storage) {
    drop(make(storage, "a", b"first"));
    assert_eq!(kind(storage.create("a")), ErrorKind::AlreadyExists);
    let kept = make(storage, "b", b"second");
    assert_eq!(kind(storage.create("b")), ErrorKind::AlreadyExists);
    assert_eq!((content(&*storage.open("a").unwrap()), content(&*kept)), (b"first".to_vec(), b"second".to_vec()));
    assert_eq!(names(storage), ["a", "b"]);
}

fn what_is_missing_is_not_found(storage: &dyn Storage) {
    assert_eq!(kind(storage.open("a")), ErrorKind::NotFound);
    assert_eq!(kind(storage.rename("a", "b")), ErrorKind::NotFound);
    assert_eq!(kind(storage.remove("a")), ErrorKind::NotFound);
    assert_eq!(names(storage), [""; 0]);
}

fn a_file_is_written_and_read_at_any_place(storage: &dyn Storage) {
    let file = make(storage, "a", b"0123456789");
    let other = storage.open("a").unwrap();
    file.write_at(b"xy", 4).unwrap();
    assert_eq!(content(&*other), b"0123xy6789", "every opener sees it at once");
    file.store(u64::from_le_bytes(*b"a word.."), 16).unwrap();
    assert_eq!(content(&*other), b"0123xy6789\0\0\0\0\0\0a word..", "what lies between is zero");
    let long: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    other.write_at(&long, 3).unwrap();
    let mut part = vec![0; 100_000];
    file.read_at(&mut part, 150_003).unwrap();
    assert_eq!(part, &long[150_000..250_000]);
    file.sync().unwrap();
    assert_eq!(content(&*storage.open("a").unwrap())[3..], long);
}

fn to_read_behind_the_end_is_an_error_of_its_kind(storage: &dyn Storage) {
    let file = make(storage, "a", b"0123456789");
    for (at, count) in [(8, 3), (10, 1), (0, 11), (1 << 40, 1)] {
        assert_eq!(kind(file.read_at(&mut vec![0; count], at)), ErrorKind::UnexpectedEof, "{count} bytes at {at}");
    }
    file.read_at(&mut [0; 2], 8).unwrap();
    assert_eq!(file.size().unwrap(), 10);
}

fn room_is_reserved_behind_what_is_there(storage: &dyn Storage) {
    let file = make(storage, "a", b"content");
    file.reserve(70_000).unwrap();
    let bytes = content(&*file);
    assert!(bytes.len() == 70_000 && bytes.starts_with(b"content") && bytes[7..].iter().all(|&byte| byte == 0));
    file.allot(100_000).unwrap();
    assert_eq!(content(&*file)[..70_000], bytes);
    assert_eq!(file.size().unwrap(), 100_000);
    file.map().unwrap();
    file.write_at(b"mapped", 50_000).unwrap();
    file.let_go();
    assert_eq!(content(&*storage.open("a").unwrap())[50_000..50_007], *b"mapped\0");
}

fn a_new_name_replaces_the_file_that_had_it(storage: &dyn Storage) {
    let file = make(storage, "new", b"new");
    drop(make(storage, "old", b"old"));
    storage.rename("new", "old").unwrap();
    storage.sync().unwrap();
    assert_eq!(names(storage), ["old"]);
    file.write_at(b"er", 3).unwrap();
    assert_eq!(content(&*storage.open("old").unwrap()), b"newer", "who had it open has it open still");
}

fn a_name_that_was_removed_is_free_though_the_file_is_open(storage: &dyn Storage) {
    let file = make(storage, "a", b"first");
    let other = storage.open("a").unwrap();
    storage.remove("a").unwrap();
    assert_eq!((names(storage), kind(storage.open("a"))), (vec![], ErrorKind::NotFound));
    let new = make(storage, "a", b"second");
    file.write_at(b"F", 0).unwrap();
    assert_eq!((content(&*other), content(&*new)), (b"First".to_vec(), b"second".to_vec()));
    storage.rename("a", "b").unwrap();
    drop(make(storage, "a", b"third"));
    assert_eq!((names(storage), content(&*new)), (vec!["a".into(), "b".into()], b"second".to_vec()));
}

fn a_file_is_moved_into_a_directory_whoever_has_it_open(storage: &dyn Storage) {
    let file = make(storage, "a", b"first");
    drop(make(storage, "b", b"second"));
    storage.move_into("aside", "a").unwrap();
    storage.move_into("aside", "b").unwrap();
    assert_eq!((kind(storage.open("a")), kind(storage.open("b"))), (ErrorKind::NotFound, ErrorKind::NotFound));
    assert_eq!(content(&*file), b"first");
    assert!(storage.move_into("aside", "c").is_err());
}

fn after_its_release_nothing_is_changed(storage: &dyn Storage) {
    drop(make(storage, "a", b"first"));
    drop(make(storage, "b", b"second"));
    storage.release();
    for refused in [
        storage.create("c").map(drop),
        storage.rename("a", "c"),
        storage.remove("a"),
        storage.move_into("aside", "a"),
        storage.create("a").map(drop),
    ] {
        assert!(refused.is_err());
    }
}

/// Makes a test for each storage from each of these functions.
macro_rules! of_each {
    ($($promise:ident)*) => {
        mod kept_nowhere {
            $(
                #[test]
                fn $promise() {
                    super::$promise(&super::Memory::default());
                }
            )*
        }

        mod in_memory {
            $(
                #[test]
                fn $promise() {
                    super::$promise(&super::disk::Disk::default());
                }
            )*
        }

        mod real {
            $(
                #[test]
                fn $promise() {
                    let folder = super::Folder::new();
                    super::$promise(&folder.open());
                }
            )*
        }
    };
}

of_each! {
    what_exists_is_not_created
    what_is_missing_is_not_found
    a_file_is_written_and_read_at_any_place
    to_read_behind_the_end_is_an_error_of_its_kind
    room_is_reserved_behind_what_is_there
    a_new_name_replaces_the_file_that_had_it
    a_name_that_was_removed_is_free_though_the_file_is_open
    a_file_is_moved_into_a_directory_whoever_has_it_open
    after_its_release_nothing_is_changed
}

/// A folder for a real disk.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("queue")
    }

    fn open(&self) -> Disk {
        Disk::open(&self.path()).unwrap()
    }
}

fn refused(path: &Path) -> String {
    let Err(BufferError::AlreadyOpen(text)) = Disk::open(path) else { panic!("it was opened twice") };
    text
}

#[test]
fn a_second_opener_is_told_who_has_it_until_that_one_releases_it() {
    let folder = Folder::new();
    let first = folder.open();
    let me = std::process::id().to_string();
    for _ in 0..2 {
        let text = refused(&folder.path());
        assert!(text.contains(&me) && text.contains("queue"), "{text}");
    }
    drop(make(&first, "a", b"content"));
    first.release();
    let second = folder.open();
    assert_eq!(content(&*second.open("a").unwrap()), b"content");
    drop(first);
    let text = refused(&folder.path());
    assert!(text.contains(&me), "whoever had it before frees nothing: {text}");
    drop(second);
    drop(folder.open());
}

fn was_released(refused: &io::Error) -> bool {
    BufferError::io("to do", "something", refused) == BufferError::Closed
}

#[test]
fn what_was_released_in_memory_is_as_it_was() {
    let memory = Memory::default();
    memory.release();
    assert!(was_released(&memory.create("a").map(drop).unwrap_err()));
    for storage in [&Memory::default() as &dyn Storage, &disk::Disk::default()] {
        let file = make(storage, "a", b"first");
        drop(make(storage, "b", b"second"));
        storage.release();
        assert!(storage.remove("a").is_err() && storage.rename("a", "c").is_err());
        assert_eq!((names(storage), content(&*file)), (vec!["a".into(), "b".into()], b"first".to_vec()));
    }
}

#[test]
fn what_was_released_is_as_it_was_and_nothing_of_it_is_open() {
    let folder = Folder::new();
    let disk = folder.open();
    let file = make(&disk, "a", b"first");
    file.map().unwrap();
    drop(make(&disk, "b", b"second"));
    disk.release();
    assert!(was_released(&disk.list().unwrap_err()) && was_released(&disk.sync().unwrap_err()));
    assert!(was_released(&file.size().unwrap_err()) && was_released(&file.sync().unwrap_err()));
    assert!(was_released(&file.read_at(&mut [0; 1], 0).unwrap_err()));
    assert!(was_released(&file.write_at(b"x", 0).unwrap_err()) && was_released(&file.store(1, 0).unwrap_err()));
    for refused in [disk.create("c").map(drop), disk.remove("a"), disk.rename("a", "b")] {
        assert!(was_released(&refused.unwrap_err()));
    }
    let look = ReadOnly::open(&folder.path()).unwrap();
    assert_eq!((names(&look), content(&*look.open("a").unwrap())), (vec!["a".into(), "b".into()], b"first".to_vec()));
    drop(look);
    assert!(open_in(&folder.path()).is_empty());
    fs::remove_dir_all(folder.path()).unwrap(); // Windows removes nothing that is open
    assert!(!folder.path().exists());
}

/// What this process has open in a folder. Only Linux tells.
fn open_in(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.canonicalize().unwrap();
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).filter(|path| path.starts_with(&folder)).collect()
}

#[test]
fn what_was_moved_is_in_the_directory() {
    let folder = Folder::new();
    let disk = folder.open();
    for name in ["a", "b"] {
        drop(make(&disk, name, name.as_bytes()));
        disk.move_into("aside", name).unwrap();
        assert_eq!(fs::read(folder.path().join("aside").join(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn a_look_changes_nothing() {
    let folder = Folder::new();
    let disk = folder.open();
    drop(make(&disk, "a", b"content"));
    let look = ReadOnly::open(&folder.path()).unwrap();
    let file = look.open("a").unwrap();
    assert_eq!((names(&look), content(&*file)), (vec!["a".into()], b"content".to_vec()));
    assert!(file.write_at(b"x", 0).is_err());
    let all =
        [look.create("b").map(drop), look.rename("a", "b"), look.remove("a"), look.move_into("c", "a"), look.sync()];
    assert!(all.into_iter().all(|refused| kind(refused) == ErrorKind::ReadOnlyFilesystem));
    disk.remove("a").unwrap();
    assert_eq!(content(&*file), b"content", "who looks keeps nobody from removing it");
}

#[test]
fn a_directory_whose_path_is_long_is_as_good() {
    let folder = Folder::new();
    let path = (0..10).fold(folder.0.path().to_path_buf(), |path, _| path.join("a name of more than thirty letters"));
    fs::create_dir_all(&path).unwrap();
    let disk = Disk::open(&path.join("queue")).unwrap();
    drop(make(&disk, "a", b"content"));
    disk.rename("a", "b").unwrap();
    disk.move_into("aside", "b").unwrap();
    drop(make(&disk, "a", b"content"));
    assert_eq!(names(&disk), ["a", "aside"]);
    disk.remove("a").unwrap();
    assert_eq!(names(&disk), ["aside"]);
}

#[test]
fn a_directory_is_no_file() {
    let folder = Folder::new();
    let disk = folder.open();
    drop(make(&disk, "a", b"content"));
    disk.move_into("aside", "a").unwrap();
    // The tools take a file to which they have no right for whole, and a directory for none.
    let opened = [disk.open("aside"), ReadOnly::open(&folder.path()).unwrap().open("aside")];
    for refused in opened.map(|opened| opened.and_then(|file| file.read_at(&mut [0], 0))) {
        assert_eq!(kind(refused), ErrorKind::IsADirectory);
    }
    assert!(disk.remove("aside").is_err() && disk.create("aside").is_err());
    assert_eq!(names(&disk), ["aside"]);
}

#[test]
fn what_is_no_directory_is_refused() {
    let folder = Folder::new();
    let file = folder.0.path().join("file");
    fs::write(&file, "mine").unwrap();
    let missing = folder.0.path().join("missing");
    for (path, kind) in [(file.clone(), ErrorKind::NotADirectory), (missing.join("queue"), ErrorKind::NotFound)] {
        let refused = Disk::open(&path).map(drop).unwrap_err();
        assert!(matches!(&refused, BufferError::Io(why) if (why.kind(), why.path()) == (kind, &*path)), "{refused}");
        let refused = ReadOnly::open(&path).map(drop).unwrap_err();
        assert!(matches!(&refused, BufferError::Io(why) if (why.kind(), why.path()) == (kind, &*path)), "{refused}");
    }
    assert!(fs::read(&file).unwrap() == b"mine" && !missing.exists());
}

/// Makes a symbolic link to a file; false if there are none, or this user may not, as on many a Windows.
fn link(target: &Path, path: &Path) -> bool {
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(target, path);
    #[cfg(windows)]
    let made = std::os::windows::fs::symlink_file(target, path);
    made.is_ok() && path.is_symlink()
}

#[test]
fn a_symbolic_link_is_never_followed() {
    let folder = Folder::new();
    let disk = folder.open();
    let elsewhere = folder.0.path().join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    if !link(&elsewhere, &folder.path().join("a")) {
        println!("no link can be made here: not tested");
        return;
    }
    let look = ReadOnly::open(&folder.path()).unwrap();
    assert!(disk.open("a").is_err() && look.open("a").is_err());
    assert_eq!(kind(disk.create("a")), ErrorKind::AlreadyExists);
    disk.rename("a", "b").unwrap();
    disk.move_into("aside", "b").unwrap();
    assert_eq!(names(&disk), ["aside"]);
    assert!(link(&elsewhere, &folder.path().join("a")));
    disk.remove("a").unwrap();
    assert_eq!((names(&disk), fs::read(&elsewhere).unwrap()), (vec!["aside".into()], b"mine".to_vec()));

    // Nor is one in the place of the lock, or of a directory.
    drop(disk);
    fs::remove_file(folder.path().join("lock")).unwrap();
    assert!(link(&elsewhere, &folder.path().join("lock")));
    assert!(Disk::open(&folder.path()).is_err());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
}
