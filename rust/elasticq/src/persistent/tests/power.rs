//! Power cuts. After every single operation of a workload, any part of what was not synced is lost. The queue
//! is opened again, goes on, and the power is cut again.
//!
//! What must hold: the queue is what it was after some number of calls. All calls that were durable by then
//! are among them; the call that was cut off may be. So nothing is lost in the middle, and nothing of an
//! older life appears. Only where calls don't wait for a sync, the pops since then reach the disk earlier or
//! later than other calls: the last ones may be undone, so these items come twice. And a power cut alone
//! never looks like damage.

use super::disk::Disk;
use super::{MODES, Random, data, item, items, number, open, small};
use crate::effort::cases;
use crate::persistent::SyncMode;
use crate::persistent::core::{Core, Extra};
use crate::{BufferError, BufferResult};

/// The items inside after each call, oldest first, and after how many calls everything was durable.
#[derive(Clone, Debug, Default)]
struct History {
    after: Vec<Vec<u32>>,
    /// What each call has popped.
    popped: Vec<Option<u32>>,
    durable: usize,
    /// What was popped before all that, and was not durable either: it may come back, too.
    undone: Vec<u32>,
}

impl History {
    fn of(inside: Vec<u32>) -> Self {
        Self { after: vec![inside], popped: vec![None], durable: 0, undone: Vec::new() }
    }

    /// The history that goes on with these items, which an opener has found.
    fn go_on(&self, found: Vec<u32>) -> Self {
        let popped = self.popped[self.durable + 1..].iter().flatten().chain(&self.undone);
        let undone = popped.copied().filter(|item| !found.contains(item)).collect();
        Self { undone, ..Self::of(found) }
    }

    /// Whether these may be the items inside now. `apart`: pops reach the disk earlier or later than other
    /// calls.
    fn allows(&self, found: &[u32], apart: bool) -> bool {
        let found: Vec<u32> = found.iter().copied().filter(|item| !self.undone.contains(item)).collect();
        (self.durable..self.after.len()).any(|call| {
            let pops = if apart { self.durable..self.after.len() } else { call..call + 1 };
            pops.into_iter().any(|pops| {
                let undone = self.popped[(pops + 1).min(call + 1)..=call].iter().flatten();
                let ahead = self.popped[(call + 1).min(pops + 1)..=pops].iter().flatten();
                let mut inside: Vec<u32> = self.after[call].iter().chain(undone).copied().collect();
                inside.retain(|item| !ahead.clone().any(|popped| popped == item));
                inside.sort_unstable();
                inside == found
            })
        })
    }
}

/// The calls of a workload, which go on until one fails.
struct Workload<'a> {
    random: Random,
    mode: SyncMode,
    history: &'a mut History,
    next: &'a mut u32,
    /// Items that are leased: number in the queue, token, item.
    leased: Vec<(u64, u64, u32)>,
}

impl Workload<'_> {
    /// Notes that a call changes the items inside; it may be seen from now on, even if it fails.
    fn begins(&mut self, change: impl FnOnce(&mut Vec<u32>)) {
        let mut inside = self.history.after.last().cloned().unwrap_or_default();
        change(&mut inside);
        self.history.after.push(inside);
        self.history.popped.push(None);
    }

    fn returned(&mut self) {
        if self.mode == SyncMode::EveryWrite {
            self.durable();
        }
    }

    fn durable(&mut self) {
        self.history.durable = self.history.after.len() - 1;
        self.history.undone.clear();
    }

    fn call(&mut self, core: &Core) -> BufferResult<()> {
        let inside = self.history.after.last().cloned().unwrap_or_default();
        let leased: Vec<u32> = self.leased.iter().map(|&(_, _, item)| item).collect();
        let first = inside.iter().copied().find(|item| !leased.contains(item));
        match self.random.below(20) {
            0..8 => {
                let count = if self.random.below(4) == 0 { 3 } else { 1 };
                let numbers: Vec<u32> = (*self.next..*self.next + count).collect();
                *self.next += count;
                let length = 1 + self.random.below(9000);
                let items: Vec<Vec<u8>> = numbers.iter().map(|&number| item(number, length)).collect();
                let slices: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
                self.begins(|inside| inside.extend(&numbers));
                core.put(&slices, Extra::default())?;
                self.returned();
            }
            8..13 => {
                let Some(first) = first else { return Ok(()) };
                self.begins(|inside| inside.retain(|&item| item != first));
                *self.history.popped.last_mut().unwrap() = Some(first);
                let popped = core.pop(1)?;
                assert_eq!(number(&data(&popped[0].payload)), first, "popped out of order");
                self.returned();
            }
            13..15 => {
                let Some(first) = first else { return Ok(()) };
                let (read, token) = core.lease(1, None)?.remove(0);
                assert_eq!(number(&data(&read.payload)), first, "leased out of order");
                self.leased.push((read.number, token, first));
            }
            15..17 => {
                if self.leased.is_empty() {
                    return Ok(());
                }
                let (at, token, item) = self.leased.remove(self.random.below(self.leased.len()));
                self.begins(|inside| inside.retain(|&other| other != item));
                core.ack(&[(at, token)])?;
                self.returned();
            }
            17 => {
                if let Some((at, token, _)) = self.leased.pop() {
                    core.nack(at, token, 0)?;
                }
            }
            18 => {
                core.sync()?;
                self.durable();
            }
            _ => {
                if self.random.below(2) == 0 {
                    core.tidy()?
                } else {
                    core.compact()?
                }
            }
        }
        Ok(())
    }
}

/// Runs so many calls of a workload on a disk whose power is cut after some number of operations.
fn run(
    disk: &Disk,
    mode: SyncMode,
    seed: u64,
    calls: usize,
    history: &mut History,
    next: &mut u32,
) -> BufferResult<()> {
    let core = open(disk, small(mode))?;
    let mut workload = Workload { random: Random::new(seed), mode, history, next, leased: Vec::new() };
    for _ in 0..calls {
        workload.call(&core)?;
    }
    if seed.is_multiple_of(3) {
        core.finish()?;
        workload.durable();
    }
    Ok(())
}

/// Opens what a power cut has left, and checks it against the history. Returns the history that goes on.
fn check(disk: &Disk, mode: SyncMode, history: &History, apart: bool, what: &str) -> History {
    let core = match open(disk, small(mode)) {
        Ok(core) => core,
        Err(error) => panic!("{what}: {error}"),
    };
    let found: Vec<u32> = items(&core).unwrap().iter().map(|item| number(item)).collect();
    assert!(history.allows(&found, apart), "{what}: found {found:?}, {history:?}");
    assert_eq!(core.len(), found.len(), "{what}");
    history.go_on(found)
}

/// `others`: openers after a cut use any mode.
fn cut_everywhere(mode: SyncMode, others: bool, seed: u64, calls: usize, rounds: usize) -> usize {
    let mut states = 0;
    let mut cut = 1;
    loop {
        let disk = Disk::default();
        disk.cut_after(cut);
        let (mut history, mut next) = (History::of(Vec::new()), 0);
        let ended = run(&disk, mode, seed, calls, &mut history, &mut next);
        for round in 0..rounds {
            let mut random = Random::new(seed ^ (cut as u64) << 20 ^ (round as u64) << 50);
            let mut what = format!("mode {mode:?}, seed {seed}, cut after {cut}, round {round}");
            let mut disk = disk.after_power_cut(&mut |limit| random.below(limit));
            let mut history = check(&disk, mode, &history, mode != SyncMode::EveryWrite, &what);
            let mut next = next;
            states += 1;
            // It goes on with what it found, and the power is cut again, at any moment.
            for again in 0..2 {
                let mode = if others { MODES[random.below(3)] } else { mode };
                what += &format!(", again {again} with {mode:?}");
                let disk_now = disk.clone();
                disk_now.cut_after(random.below(120));
                let _ = run(&disk_now, mode, seed + 100 * (again + 1), calls, &mut history, &mut next);
                disk = disk_now.after_power_cut(&mut |limit| random.below(limit));
                history = check(&disk, mode, &history, mode != SyncMode::EveryWrite, &what);
                states += 1;
            }
        }
        if ended.is_ok() {
            return states;
        }
        if let Err(error) = ended {
            assert!(matches!(error, BufferError::Io(_)), "{error}");
        }
        cut += 1;
    }
}

#[test]
fn after_a_power_cut_the_queue_is_what_it_was_after_some_call() {
    let mut states = 0;
    for mode in MODES {
        for seed in 0..u64::from(cases(3)) {
            states += cut_everywhere(mode, seed == 1, seed, 40, 2);
        }
    }
    println!("{states} states of the disk");
}

/// A process that is killed loses nothing: what it has written is in the system's memory.
#[test]
fn after_a_kill_everything_that_has_returned_is_there() {
    for mode in MODES {
        for seed in 0..u64::from(cases(3)) {
            let mut cut = 1;
            loop {
                let disk = Disk::default();
                disk.cut_after(cut);
                let (mut history, mut next) = (History::of(Vec::new()), 0);
                let ended = run(&disk, mode, seed, 40, &mut history, &mut next);
                // All calls but the last have returned.
                history.durable = history.after.len().saturating_sub(2);
                check(
                    &disk.after_kill(),
                    mode,
                    &history,
                    false,
                    &format!("mode {mode:?}, seed {seed}, cut after {cut}"),
                );
                if ended.is_ok() {
                    break;
                }
                cut += 1;
            }
        }
    }
}
