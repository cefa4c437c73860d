//! A process with an open durable queue forks. The queue stays the parent's: the child is told so, its end
//! frees no lock, and the queue can be opened after the parent's death while the child lives.
#![cfg(all(feature = "persistent", target_os = "linux", not(loom)))]

use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};

type Queue = PersistentCircularBuffer<u32>;

fn open(path: &str) -> Result<Queue, elasticq::BufferError> {
    Queue::new(PersistentConfig::default().with_file_path(path))
}

fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The process that forks. Started by the test below; does nothing otherwise.
#[test]
fn forking() {
    let Ok(path) = env::var("ELASTICQ_FORKING") else { return };
    let queue = open(&path).unwrap();
    queue.push(1).unwrap();
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: they are open and nobody else's.
    let [mut reads, mut writes] = ends.map(|end| unsafe { std::fs::File::from_raw_fd(end) });
    // SAFETY: the child uses nothing that another thread of this process may have locked: of its threads only
    // the queue's and the main one exist, and they hold no lock that is used here.
    match unsafe { libc::fork() } {
        0 => {
            tell(&format!("child {}", queue.push(2).unwrap_err()));
            tell(&format!("child {}", queue.pop().unwrap_err()));
            drop(queue);
            writes.write_all(b".").unwrap();
            // It lives until the test closes its input.
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(0);
        }
        _ => {
            reads.read_exact(&mut [0]).unwrap(); // the child has dropped its copy
            tell(&format!("parent {}", open(&path).unwrap_err()));
            queue.push(3).unwrap();
            tell("parent ends");
            // SAFETY: this is how a process ends that was killed: no destructor runs.
            unsafe { libc::_exit(0) };
        }
    }
}

#[test]
fn a_child_is_told_and_keeps_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let path = path.to_str().unwrap();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "forking", "--nocapture", "--test-threads=1"])
        .env("ELASTICQ_FORKING", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = parent.stdin.take().unwrap();
    let lines: Vec<String> = BufReader::new(parent.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| line != "parent ends")
        .collect();
    let [put, taken, refused] = &lines[..] else { panic!("{lines:?}") };
    for line in [put, taken] {
        assert!(line.contains("opened before a fork"), "{line}");
    }
    assert!(refused.contains("already open"), "{refused}");
    parent.wait().unwrap();

    // The child lives, since its input is open.
    let queue = open(path).unwrap();
    assert_eq!(queue.pop_batch(9).unwrap(), [1, 3]);
    drop(input);
}
