//! Records whose checksums are right and that say nonsense, as a file from elsewhere may. Opening and using
//! such a queue may fail or show what the records say. It never panics, never hangs, and takes no memory for
//! it.

use super::disk::Disk;
use super::{Random, open, small};
use crate::effort::cases;
use crate::persistent::SyncMode;
use crate::persistent::files::Storage;
use crate::persistent::format::{self, End, HEADER, Header, Kind};
use crate::persistent::records::{Aside, Change, Cursor, Drafts, How, Lease, Meta, Place, Snapshot, Status};
use crate::persistent::rescue::repairs::repair;
use crate::persistent::rescue::survey::Survey;
use crate::persistent::rescue::{Export, Progress, verify_in};
use crate::persistent::segment::name_of;

/// Numbers at which something may go wrong, and some that are right.
fn number(random: &mut Random) -> u64 {
    let picked = [0, 1, 2, 3, 5, 4096, 4160, 65_536, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    picked[random.below(picked.len())]
}

fn place(random: &mut Random) -> Place {
    Place { segment: number(random), offset: number(random) }
}

fn cursor(random: &mut Random) -> Cursor {
    Cursor { place: place(random), number: number(random), link: number(random) as u32 }
}

fn numbers(random: &mut Random) -> Vec<u64> {
    (0..random.below(4)).map(|_| number(random)).collect()
}

fn status(random: &mut Random) -> Status {
    match random.below(4) {
        0 => Status::Ready,
        1 => Status::Leased,
        2 => Status::Delayed { at: number(random), delay: number(random) },
        _ => Status::Dead { at: number(random), reason: "why".into() },
    }
}

fn change(random: &mut Random) -> Change {
    match random.below(11) {
        0 => Change::Popped { items: number(random), cursor: cursor(random) },
        1 => Change::Gone { numbers: numbers(random), how: How::Acked },
        2 => {
            let lease = Lease { number: number(random), place: place(random), deliveries: number(random) as u32 };
            Change::Leased { leases: vec![lease], in_line: number(random), cursor: cursor(random) }
        }
        3 => Change::Returned { numbers: numbers(random), at: number(random), delay: number(random) },
        4 => Change::Buried { number: number(random), at: number(random), reason: String::new() },
        5 => Change::Revived { numbers: numbers(random) },
        6 => Change::Cleared { items: number(random), cursor: cursor(random), numbers: numbers(random) },
        7 => Change::Synced { place: place(random), salt: 7 },
        8 => Change::Opened { salt: number(random) },
        _ => Change::Snapshot(Box::new(Snapshot {
            enqueued: number(random),
            lined_up: number(random),
            passed: number(random),
            dequeued: number(random),
            dropped: number(random),
            cursor: cursor(random),
            aside: (0..random.below(3))
                .map(|_| {
                    let aside =
                        Aside { place: place(random), deliveries: number(random) as u32, status: status(random) };
                    (number(random), aside)
                })
                .collect(),
            ids: vec![vec![1], vec![1]],
        })),
    }
}

#[test]
fn no_record_however_false_makes_it_panic() {
    for seed in 0..u64::from(cases(1000)) {
        let random = &mut Random::new(seed);
        let first = if random.below(4) == 0 { number(random) } else { 1 };
        let size = if random.below(8) == 0 { number(random).min(65_536) } else { 65_536 };
        let header = Header { salt: 7, first, size, before: End { last: number(random), link: 0 }, free: 0 };
        let mut bytes = header.encode().to_vec();
        let place = Place { segment: first, offset: HEADER as u64 };
        let mut end = Cursor { place, number: first, link: header.link() };
        for _ in 0..1 + random.below(5) {
            let more = random.below(5) == 0;
            let mut draft = Drafts::default();
            if random.below(3) == 0 {
                let meta =
                    Meta { at: number(random), delay: number(random), number: number(random), id: b"", headers: b"" };
                let kind = if random.below(2) == 0 { Kind::Item } else { Kind::Moved };
                draft.item(kind, &meta, b"item").unwrap();
            } else {
                draft.change(&change(random)).unwrap();
            }
            if end.number < u64::MAX {
                let (number, link) = (end.number, end.link);
                let begin = bytes.len();
                bytes.extend_from_slice(draft.place(&mut end, 7));
                end.link = format::place(&mut bytes[begin..], number, more, 7, link);
            }
        }
        bytes.resize(65_536, 0);
        let disk = Disk::default();
        disk.create(&name_of(&header)).unwrap().write_at(&bytes, 0).unwrap();
        let copy = disk.after_kill();
        let _ = verify_in(&copy, None);
        if let Ok(survey) = Survey::of(&copy, &Progress::default()) {
            let _ = Export::of(survey, Vec::new(), false).count();
        }
        if repair(&copy, &Progress::default()).is_ok() {
            open(&copy, small(SyncMode::NoSync)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        let Ok(core) = open(&disk, small(SyncMode::NoSync)) else { continue };
        let _ = (core.stats(), core.len(), core.dead_letters());
        let _ = core.visit(&mut |_| Ok(std::ops::ControlFlow::Continue(())));
        for _ in 0..3 {
            let _ = core.pop(2);
            for (item, token) in core.lease(2, None).unwrap_or_default() {
                let _ = core.nack(item.number, token, 0);
            }
            let _ = super::push(&core, b"new");
        }
        let _ = (core.revive(None), core.purge(None), core.clear(), core.compact(), core.tidy(), core.finish());
    }
}

/// Such a queue would give up all of its files.
#[test]
fn a_record_that_speaks_of_places_behind_the_end_is_damage() {
    for (segment, offset) in [(1, u64::MAX / 2), (2, 0), (u64::MAX, 0)] {
        let header = Header { salt: 7, first: 1, size: 65_536, before: End::default(), free: 0 };
        let mut bytes = header.encode().to_vec();
        let start = Cursor { place: Place { segment: 1, offset: HEADER as u64 }, number: 1, link: header.link() };
        let mut end = start;
        let beyond = Cursor { place: Place { segment, offset }, number: 2, ..start };
        let snapshot = Snapshot { cursor: start, ..Snapshot::default() };
        for change in [Change::Snapshot(Box::new(snapshot)), Change::Popped { items: 0, cursor: beyond }] {
            let mut draft = Drafts::default();
            draft.change(&change).unwrap();
            bytes.extend_from_slice(draft.place(&mut end, 7));
        }
        bytes.resize(65_536, 0);
        let disk = Disk::default();
        disk.create(&name_of(&header)).unwrap().write_at(&bytes, 0).unwrap();
        let Err(refused) = open(&disk, small(SyncMode::NoSync)) else { panic!("it is open") };
        assert!(refused.to_string().contains(&format!("speak of offset {offset} of the file")), "{refused}");
    }
}
