//! A process that uses a durable queue is killed with SIGKILL at a random moment, again and again.
//!
//! The child tells what it is about to do and what has returned, through a pipe: that is the ledger outside of
//! the queue. What must hold: everything that a call has returned for is so, nothing that was popped or
//! acknowledged returns, the order is kept. Only the one call that was cut off may show or not.
#![cfg(all(feature = "persistent", unix, not(loom)))]

use elasticq::persistent::{Lease, PersistentCircularBuffer, PersistentConfig, SyncMode};
use elasticq::{BufferError, Config, Parts};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

type Queue = PersistentCircularBuffer<(u32, Vec<u8>)>;

/// 60 in `make test`; `make verify` sets ELASTICQ_EFFORT to run twenty times as many.
fn rounds() -> u64 {
    60 * env::var("ELASTICQ_EFFORT").ok().and_then(|effort| effort.parse().ok()).unwrap_or(1)
}

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
    for mode in ["none", "periodic", "every write"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let mut inside: Vec<u32> = Vec::new();
        let mut next = 0;
        for round in 0..rounds() / 3 {
            let what = format!("mode {mode}, round {round}");
            let mut random = Random(round.wrapping_mul(77) + mode.len() as u64);
            let order = format!("{}|{mode}|{round}|{next}", path.display());
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "child", "--nocapture", "--test-threads=1"])
                .env("ELASTICQ_CHILD", order)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
            let mut ledger: Vec<String> = lines.by_ref().take(1 + random.below(120) as usize).collect();
            child.kill().unwrap();
            ledger.extend(lines);
            child.wait().unwrap();

            // What may be seen of the one call that was cut off.
            let mut begun: Option<String> = None;
            for line in ledger {
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
                    _ => panic!("{what}: the child says {line:?}"),
                }
            }

            let queue = open(&path, mode);
            let mut found = Vec::new();
            let looked = queue.visit(&mut |(number, bytes)| {
                assert!(bytes.iter().all(|&byte| byte == *number as u8), "{what}: {number} was altered");
                found.push(*number);
                ControlFlow::Continue(())
            });
            if let Err(error) = looked {
                std::mem::forget(folder);
                panic!("{what}: {error}");
            }
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
