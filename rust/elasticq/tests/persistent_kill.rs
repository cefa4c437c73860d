//! A process that uses a durable queue is killed at a random moment, again and again: with SIGKILL, and on
//! Windows with TerminateProcess, which is as hard.
//!
//! The child tells what it is about to do and what has returned, through a pipe: that is the ledger outside
//! of the queue. What must hold: everything that a call has returned for is so, nothing that was popped or
//! acknowledged returns, the order is kept. Only the one call that was cut off may show or not.
#![cfg(all(feature = "persistent", not(loom)))]

#[path = "../src/effort.rs"]
mod effort;

use effort::cases;
use elasticq::persistent::{Codec, Lease, PersistentCircularBuffer, PersistentConfig, Postcard, SyncMode, export};
use elasticq::{BufferError, Config, Parts};
use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

type Queue = PersistentCircularBuffer<(u32, Vec<u8>)>;

fn open(path: &Path, mode: &str) -> Queue {
    let mode = match mode {
        "none" => SyncMode::NoSync,
        "periodic" => SyncMode::Periodic(Duration::from_millis(2)),
        _ => SyncMode::EveryWrite,
    };
    let config = PersistentConfig::default()
        .with_file_path(path)
        .with_sync_mode(mode)
        .with_segment_bytes(64 << 10)
        .with_max_log_entries(50)
        .with_base_config(Config::default().with_max_capacity(1_000_000));
    Queue::new(config).unwrap()
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}

const MODES: [&str; 3] = ["none", "periodic", "every write"];

/// Starts a child that does what the test of this name says.
fn start(name: &str, order: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("ELASTICQ_CHILD", order)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The items inside, as the tool shows them that changes nothing.
fn exported(path: &Path) -> Vec<u32> {
    let decode = |data: &[u8]| Codec::<(u32, Vec<u8>)>::decode(&Postcard, data).unwrap().0;
    export(path).unwrap().map(|item| decode(&item.data)).collect()
}

/// What the child does, until it is killed. Started by the test below; does nothing otherwise.
#[test]
fn child() {
    let Ok(order) = env::var("ELASTICQ_CHILD") else { return };
    let order: Vec<&str> = order.split('|').collect();
    let [path, mode, seed, next] = order[..] else { panic!("{order:?}") };
    let (mut random, mut next) = (Random(seed.parse().unwrap()), next.parse::<u32>().unwrap());
    let queue = open(Path::new(path), mode);
    // A line is one write, so it is in the pipe whole or not at all.
    let tell = |line: String| std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut leases: Vec<Lease<(u32, Vec<u8>)>> = Vec::new();
    loop {
        match random.below(20) {
            0..8 => {
                let count = if random.below(4) == 0 { 3 } else { 1 };
                let length = random.below(3000) as usize;
                tell(format!("?push {next} {count}"));
                let items: Vec<_> = (next..next + count).map(|number| (number, vec![number as u8; length])).collect();
                queue.push_batch(items).unwrap();
                tell(format!("push {next} {count}"));
                next += count;
            }
            8..13 => {
                tell("?pop".into());
                match queue.pop() {
                    Ok((number, _)) => tell(format!("gone {number}")),
                    Err(BufferError::Empty) => tell("nothing".into()),
                    Err(error) => panic!("{error}"),
                }
            }
            13..16 => leases.extend(queue.lease(None).ok()),
            16..18 => {
                if let Some(lease) = leases.pop() {
                    let number = lease.0;
                    tell(format!("?ack {number}"));
                    lease.ack().unwrap();
                    tell(format!("gone {number}"));
                }
            }
            18 => drop(leases.pop()),
            _ => queue.compact().unwrap(),
        }
    }
}

#[test]
fn what_has_returned_before_a_kill_is_so_and_what_is_gone_stays_gone() {
    for mode in ["none", "periodic", "every write", "any"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let mut inside: Vec<u32> = Vec::new();
        let mut next = 0;
        for round in 0..u64::from(cases(20)) {
            let mut random = Random(round.wrapping_mul(77) + mode.len() as u64);
            let is_any = mode == "any";
            let mode = if is_any { MODES[random.below(3) as usize] } else { mode };
            let what = format!("mode {mode}, any {is_any}, round {round}");
            let mut child = start("child", &format!("{}|{mode}|{round}|{next}", path.display()));
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
            let mut ledger: Vec<String> = lines.by_ref().take(1 + random.below(120) as usize).collect();
            child.kill().unwrap();
            ledger.extend(lines);
            child.wait().unwrap();

            // What may be seen of the one call that was cut off.
            let mut begun: Option<String> = None;
            let mut ledger = ledger.into_iter();
            while let Some(line) = ledger.next() {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    ["push", first, count] => {
                        let first: u32 = first.parse().unwrap();
                        next = first + count.parse::<u32>().unwrap();
                        inside.extend(first..next);
                        begun = None;
                    }
                    ["gone", number] => {
                        let number: u32 = number.parse().unwrap();
                        assert!(inside.contains(&number), "{what}: {number} came twice");
                        inside.retain(|&other| other != number);
                        begun = None;
                    }
                    ["nothing"] => begun = None,
                    _ if line.starts_with('?') => begun = Some(line),
                    // It has panicked, and says why.
                    _ => panic!("{what}: the child says {line:?}\n{}", ledger.collect::<Vec<_>>().join("\n")),
                }
            }

            let found = if is_any && random.below(3) > 0 {
                exported(&path) // so the next child opens what this one has left
            } else {
                let mut found = Vec::new();
                let looked = open(&path, mode).visit(&mut |(number, bytes)| {
                    assert!(bytes.iter().all(|&byte| byte == *number as u8), "{what}: {number} was altered");
                    found.push(*number);
                    ControlFlow::Continue(())
                });
                if let Err(error) = looked {
                    std::mem::forget(folder);
                    panic!("{what}: {error}");
                }
                found
            };
            let begun = begun.unwrap_or_default();
            let words: Vec<&str> = begun.split(' ').collect();
            let possible = match words[..] {
                ["?push", first, count] => {
                    let first: u32 = first.parse().unwrap();
                    next = first + count.parse::<u32>().unwrap();
                    vec![[&inside[..], &(first..next).collect::<Vec<_>>()].concat()]
                }
                ["?pop"] => (0..inside.len()).map(|index| [&inside[..index], &inside[index + 1..]].concat()).collect(),
                ["?ack", number] => {
                    let number: u32 = number.parse().unwrap();
                    vec![inside.iter().copied().filter(|&other| other != number).collect()]
                }
                _ => Vec::new(),
            };
            assert!(
                found == inside || possible.contains(&found),
                "{what}, cut off: {begun:?}\nfound    {found:?}\nexpected {inside:?}"
            );
            inside = found;
        }
    }
}

/// What a child with several threads does, until it is killed.
#[test]
fn crowd() {
    let Ok(order) = env::var("ELASTICQ_CHILD") else { return };
    let order: Vec<&str> = order.split('|').collect();
    let [path, mode, next] = order[..] else { panic!("{order:?}") };
    let next: u32 = next.parse().unwrap();
    let queue = open(Path::new(path), mode);
    let tell = |line: String| std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    thread::scope(|scope| {
        for thread in 0..2 {
            let queue = &queue;
            scope.spawn(move || {
                for number in (next + thread..).step_by(2) {
                    tell(format!("{thread} push {number}"));
                    queue.push((number, vec![number as u8; number as usize % 700])).unwrap();
                    tell(format!("{thread} pushed {number}"));
                }
            });
            scope.spawn(move || {
                loop {
                    tell(format!("{thread} pop 1"));
                    match queue.pop_within(Duration::from_secs(60)) {
                        Ok((number, _)) => tell(format!("{thread} popped {number}")),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        scope.spawn(|| {
            loop {
                queue.sync().unwrap()
            }
        });
    });
}

#[test]
fn what_has_returned_to_any_thread_before_a_kill_is_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let (mut inside, mut next) = (BTreeSet::<u32>::new(), 0);
    for round in 0..u64::from(cases(20)) {
        let mut random = Random(round);
        let mode = MODES[random.below(3) as usize];
        let what = format!("mode {mode}, round {round}");
        let mut child = start("crowd", &format!("{}|{mode}|{next}", path.display()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut ledger: Vec<String> = lines.by_ref().take(1 + random.below(3000) as usize).collect();
        child.kill().unwrap();
        ledger.extend(lines);
        child.wait().unwrap();

        let (mut begun, mut popped, mut popping) = (BTreeSet::new(), BTreeSet::new(), 0);
        for line in ledger {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, call, number] = words[..] else { panic!("{what}: the child says {line:?}") };
            let number: u32 = number.parse().unwrap();
            match call {
                "push" => drop(begun.insert(number)),
                "pushed" => {
                    begun.remove(&number);
                    inside.insert(number);
                    next = next.max(number + 1);
                }
                "pop" => popping += 1,
                _ => {
                    popping -= 1;
                    assert!(popped.insert(number), "{what}: {number} came twice");
                }
            }
        }
        next = next.max(begun.last().map_or(0, |number| number + 1));
        let known: BTreeSet<u32> = inside.union(&begun).copied().collect();
        assert!(popped.is_subset(&known), "{what}: an item that was gone came again");
        let expected: BTreeSet<u32> = inside.difference(&popped).copied().collect();
        let found: BTreeSet<u32> = exported(&path).into_iter().collect();
        assert!(found.is_subset(&known) && found.is_disjoint(&popped), "{what}: {found:?} {popped:?}");
        let missing: Vec<&u32> = expected.difference(&found).collect();
        assert!(missing.len() <= popping, "{what}: {missing:?} are lost, {popping} pops were cut off");
        inside = found;
    }
}
