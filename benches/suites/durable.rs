//! The durable queue beside what others have, with messages of 100 bytes, in files on a real disk: pushes and
//! pops, syncs, what reaches the disk, latencies, and opening again. The bare floor of each case takes part
//! in the same rounds.
//!
//! Every message is checked, byte by byte. All cases write to the folder that `--folder` or `TMPDIR` names.
//! The queues are drained between the samples, and samples are short, since many disks become slow after some
//! gigabytes. A line at the end says how much was written.
//!
//! yaque and okaywal know only one mode, so they take part in the cases of that one. elasticq 0.3.0 moves all
//! its items for each pop, so it has no place where many are inside.

use elasticq_benches::contest::{Contest, Outcome, Sample, rotation};
use elasticq_benches::durable::disk::{Device, Folder, forget, read_from_disk, written_to_disk};
use elasticq_benches::durable::pace::{self, Paced};
use elasticq_benches::durable::{InOrder, Numbered, Payload, batches, payload, pops, pushes, records, together};
use elasticq_benches::options::Options;
use elasticq_benches::report::{Progress, Report, Table, Verdict, grouped};
use elasticq_benches::settled::Figure;
use elasticq_benches::subjects::durable::{
    BareFile, Durable, Mode, Okay, Old, Ours, Queue, Raft, SharedLog, Takes, WalDb, Yaque,
};
use serde_json::json;
use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How many rounds a contest has, unless the user says otherwise: few enough to write about 2 GB in all.
const ROUNDS: usize = 7;
/// The rate of the cases that measure the latency of a push, per second.
const RATE: u32 = 200_000;
/// The cases that measure latencies write much, so they have no more rounds than this.
const MOST_ROUNDS: usize = 4;
/// How often the queue of these cases syncs.
const PERIOD: Mode = Mode::Periodic(Duration::from_millis(100));
/// How many threads put at once.
const THREADS: usize = 16;
/// The size of a batch.
const BATCH: usize = 1_000;

fn main() {
    let options = Options::from_process_with(ROUNDS);
    let folder = Folder::new(options.folder.as_deref()).unwrap_or_else(|message| {
        eprintln!("durable: {message}");
        std::process::exit(1);
    });
    let mut report = Report::new("durable", options.clone());
    let device = Device::of(folder.path());

    bytes_to_disk(&mut report, &folder, device.as_ref());
    run(&mut report, push_without_sync(&folder, &options));
    run(&mut report, pop_without_sync(&folder, &options));
    run(&mut report, every_write_alone(&folder, &options));
    run(&mut report, every_write_together(&folder, &options));
    run(&mut report, every_write_batch(&folder, &options));
    paced(&mut report, &folder);
    cold(&mut report, &folder);
    reopening(&mut report, &folder);

    if let Some(bytes) = written_to_disk() {
        println!("\nThis run has had {} MB written.", grouped(bytes / 1_000_000));
    }
    report.finish();
}

/// Runs a contest if the user wants it.
fn run(report: &mut Report, contest: Contest<'_>) -> Option<Outcome> {
    report.options().wants(contest.name()).then(|| {
        let outcome = contest.run(report.options());
        report.outcome(&outcome);
        outcome
    })
}

/// Fewer where it is only to be seen that everything runs.
fn shortened(options: &Options, count: u64) -> u64 {
    if options.smoke { count.div_ceil(100) } else { count }
}

/// A queue that is made when it is first used.
struct Lazy<'a, D> {
    folder: &'a Folder,
    mode: Mode,
    queue: Option<D>,
}

impl<'a, D> Lazy<'a, D> {
    fn new(folder: &'a Folder, mode: Mode) -> Self {
        Self { folder, mode, queue: None }
    }

    fn get(&mut self, open: impl FnOnce(&Path, Mode) -> D) -> &mut D {
        self.queue.get_or_insert_with(|| open(&self.folder.fresh(), self.mode))
    }
}

/// The contenders of a contest, each with a queue of its own.
trait Contenders<'a> {
    fn pushing<D: Durable + 'a>(self, folder: &'a Folder, mode: Mode, used: u64) -> Self;
    fn popping<D: Takes + 'a>(self, folder: &'a Folder, used: u64) -> Self;
    fn sharing<L: SharedLog + 'a>(self, folder: &'a Folder) -> Self;
}

fn numbered<D: Durable>(path: &Path, mode: Mode) -> Numbered<D> {
    Numbered::new(D::open(path, mode))
}

/// A queue through which so many messages have gone, so its files are as large as they get.
fn used<D: Durable>(path: &Path, mode: Mode, messages: u64) -> Numbered<D> {
    let mut numbered = numbered(path, mode);
    let _ = pushes(&mut numbered, messages);
    numbered
}

impl<'a> Contenders<'a> for Contest<'a> {
    fn pushing<D: Durable + 'a>(self, folder: &'a Folder, mode: Mode, messages: u64) -> Self {
        let mut queue = Lazy::new(folder, mode);
        self.contender(D::NAME, move |items| pushes(queue.get(|path, mode| used::<D>(path, mode, messages)), items))
    }

    fn popping<D: Takes + 'a>(self, folder: &'a Folder, messages: u64) -> Self {
        let mut queue = Lazy::new(folder, Mode::NoSync);
        self.contender(D::NAME, move |items| pops(queue.get(|path, mode| used::<D>(path, mode, messages)), items))
    }

    fn sharing<L: SharedLog + 'a>(self, folder: &'a Folder) -> Self {
        let mut log = Lazy::new(folder, Mode::EveryWrite);
        self.contender(L::NAME, move |items| together(log.get(L::open), THREADS, items))
    }
}

/// Enough for the fastest, few enough for the disk.
const WITHOUT_SYNC: u64 = 50_000;
/// So many have gone through each queue before.
const USED: u64 = 400_000;

fn push_without_sync<'a>(folder: &'a Folder, options: &Options) -> Contest<'a> {
    let messages = shortened(options, USED);
    Contest::new("push, NoSync")
        .items(shortened(options, WITHOUT_SYNC))
        .target(Old::NAME, 12.0)
        .target(Yaque::NAME, 12.0)
        .target(WalDb::NAME, 6.0)
        .pushing::<Ours>(folder, Mode::NoSync, messages)
        .pushing::<Old>(folder, Mode::NoSync, messages)
        .pushing::<Yaque>(folder, Mode::NoSync, messages)
        .pushing::<WalDb>(folder, Mode::NoSync, messages)
        .pushing::<Queue>(folder, Mode::NoSync, messages)
        .pushing::<BareFile>(folder, Mode::NoSync, messages)
}

fn pop_without_sync<'a>(folder: &'a Folder, options: &Options) -> Contest<'a> {
    let messages = shortened(options, USED);
    Contest::new("pop, NoSync")
        .items(shortened(options, WITHOUT_SYNC))
        .target(Yaque::NAME, 8.0)
        .popping::<Ours>(folder, messages)
        .popping::<Old>(folder, messages)
        .popping::<Yaque>(folder, messages)
        .popping::<Queue>(folder, messages)
}

fn every_write_alone<'a>(folder: &'a Folder, options: &Options) -> Contest<'a> {
    Contest::new("push, EveryWrite, 1 thread")
        .items(shortened(options, 200))
        .target(BareFile::NAME, 1.0 / 1.15)
        .pushing::<Ours>(folder, Mode::EveryWrite, 0)
        .pushing::<BareFile>(folder, Mode::EveryWrite, 0)
        .pushing::<Old>(folder, Mode::EveryWrite, 0)
        .pushing::<WalDb>(folder, Mode::EveryWrite, 0)
        .pushing::<Okay>(folder, Mode::EveryWrite, 0)
        .pushing::<Raft>(folder, Mode::EveryWrite, 0)
        .pushing::<Queue>(folder, Mode::EveryWrite, 0)
}

fn every_write_together<'a>(folder: &'a Folder, options: &Options) -> Contest<'a> {
    const ALONE: &str = "elasticq, 1 thread";
    let mut alone = Lazy::new(folder, Mode::EveryWrite);
    Contest::new(format!("push, EveryWrite, {THREADS} threads"))
        .items(shortened(options, 4_000))
        .target(ALONE, 5.0)
        .target(Okay::NAME, 1.25)
        .target(Raft::NAME, 1.25)
        .sharing::<Ours>(folder)
        .sized(ALONE, shortened(options, 200), move |items| pushes(alone.get(numbered::<Ours>), items))
        .sharing::<Okay>(folder)
        .sharing::<Raft>(folder)
        .sharing::<WalDb>(folder)
}

fn every_write_batch<'a>(folder: &'a Folder, options: &Options) -> Contest<'a> {
    const SINGLE: &str = "push, one by one";
    let [mut many, mut single] = [(); 2].map(|()| Lazy::new(folder, Mode::EveryWrite));
    Contest::new(format!("push_batch of {}, EveryWrite, per item", grouped(BATCH as u64)))
        .target(SINGLE, 250.0)
        .sized("push_batch", shortened(options, 20 * BATCH as u64), move |items| {
            batches(many.get(numbered::<Ours>), BATCH, items)
        })
        .sized(SINGLE, shortened(options, 200), move |items| pushes(single.get(numbered::<Ours>), items))
}

/// What was wanted to be at most `limit`, and what was measured.
fn at_most(case: &str, what: &str, figure: Figure, limit: f64, unit: &str) -> Verdict {
    Verdict {
        case: case.to_owned(),
        wanted: format!("{what} at most {limit} {unit}"),
        measured: figure.show(|value| format!("{value:.2} {unit}")),
        reached: figure.settled().then_some(figure.all <= limit),
    }
}

/// How many bytes the disk writes for a push that is durable when it returns. Others may write at the same
/// time, so the lowest of the rounds counts. The room that a fresh queue makes ready is in it.
fn bytes_to_disk(report: &mut Report, folder: &Folder, device: Option<&Device>) {
    const NAME: &str = "bytes to disk for each push, EveryWrite";
    const LIMIT: u64 = 8 << 10;
    if !report.options().wants(NAME) {
        return;
    }
    let Some(device) = device else {
        println!("\n{NAME}: not measured, since the system does not tell which disk the folder is on");
        return;
    };
    let (rounds, count) = if report.options().smoke { (1, 10) } else { (10, 500) };
    let reopened = folder.fresh();
    let contenders: [(&str, &dyn Fn() -> Cost); 3] = [
        ("elasticq, fresh", &|| cost::<Ours>(&folder.fresh(), device, count)),
        ("elasticq, reopened", &|| cost::<Ours>(&reopened, device, count)),
        (BareFile::NAME, &|| cost::<BareFile>(&folder.fresh(), device, count)),
    ];
    let first = cost::<Ours>(&reopened, device, count); // from here on it is opened again
    let mut progress = Progress::new(NAME);
    let mut seen = contenders.each_ref().map(|_| Vec::new());
    let mut wrong = [0, first.wrong, 0];
    for round in 0..rounds {
        for index in rotation(round, contenders.len()) {
            progress.step(&format!("round {} of {rounds}, {}", round + 1, contenders[index].0));
            let cost = contenders[index].1();
            seen[index].push(cost.bytes / count);
            wrong[index] += cost.wrong;
        }
    }
    progress.done();
    let mut table = Table::new(&["", "lowest", "median", "highest", "wrong"]);
    let (mut results, mut verdicts) = (Vec::new(), Vec::new());
    for ((name, _), (seen, wrong)) in contenders.iter().zip(seen.iter_mut().zip(wrong)) {
        seen.sort_unstable();
        let [lowest, median, highest] = [0, seen.len() / 2, seen.len() - 1].map(|place| seen[place]);
        table.row([(*name).to_owned(), grouped(lowest), grouped(median), grouped(highest), grouped(wrong)]);
        results.push(json!({ "name": name, "bytes_per_push": seen, "wrong": wrong }));
        if name.starts_with(Ours::NAME) {
            verdicts.push(Verdict {
                case: NAME.to_owned(),
                wanted: format!("{name}: at most {} bytes", grouped(LIMIT)),
                measured: format!("{} bytes", grouped(lowest)),
                reached: Some(lowest <= LIMIT),
            });
        }
    }
    report.section(NAME, &table, json!({ "contenders": results }));
    report.judge(verdicts);
}

/// What some pushes have cost.
struct Cost {
    bytes: u64,
    wrong: u64,
}

/// Opens a queue and puts so many messages.
fn cost<D: Durable>(path: &Path, device: &Device, count: u64) -> Cost {
    let mut queue = D::open(path, Mode::EveryWrite);
    let written = || device.written().expect("it was there before");
    let before = written();
    let refused = (0..count).filter(|&number| !queue.put(&payload(number))).count() as u64;
    let bytes = written() - before;
    let mut check = InOrder::from(0);
    queue.drain(&mut |bytes| check.see(bytes));
    Cost { bytes, wrong: refused + check.wrong(count) }
}

/// What was seen of one contender's latencies.
struct Latencies {
    name: String,
    calls: Vec<[f64; 4]>,
    since_due: Vec<[f64; 4]>,
    pushes: u64,
    wrong: u64,
    /// Megabytes that were read from the disk, round by round.
    read: Vec<f64>,
}

impl Latencies {
    fn of(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, calls: Vec::new(), since_due: Vec::new(), pushes: 0, wrong: 0, read: Vec::new() }
    }

    fn add(&mut self, paced: &Paced, wrong: u64) {
        self.calls.push(pace::tail(&paced.calls));
        self.since_due.push(pace::tail(&paced.since_due));
        self.pushes += paced.count();
        self.wrong += paced.refused + wrong;
    }

    /// The median of the rounds, of the p99.9 of calls.
    fn judged(&self) -> Figure {
        figure(&self.calls, 2)
    }
}

fn figure(tails: &[[f64; 4]], place: usize) -> Figure {
    Figure::median(&tails.iter().map(|tail| tail[place]).collect::<Vec<_>>())
}

/// Prints and judges latencies. The first contender is ours.
fn latencies(report: &mut Report, name: &str, seen: &[Latencies], limit: f64) {
    let mut table = Table::new(&[
        "",
        "pushes",
        "call us: p50",
        "p99",
        "p99.9",
        "longest",
        "since due us: p50",
        "p99",
        "p99.9",
        "longest",
        "MB read",
        "wrong",
    ]);
    let mut results = Vec::new();
    for contender in seen {
        let mut row = vec![contender.name.clone(), grouped(contender.pushes)];
        for tails in [&contender.calls, &contender.since_due] {
            row.extend((0..4).map(|place| figure(tails, place).show(|time| format!("{time:.2}"))));
        }
        let read = (!contender.read.is_empty()).then(|| format!("{:.0}", Figure::median(&contender.read).all));
        row.extend([read.unwrap_or_default(), grouped(contender.wrong)]);
        table.row(row);
        results.push(json!({
            "name": contender.name,
            "pushes": contender.pushes,
            "us_p50_p99_p999_longest": { "calls": contender.calls, "since_due": contender.since_due },
            "megabytes_read": contender.read,
            "wrong": contender.wrong,
        }));
    }
    report.section(name, &table, json!({ "contenders": results }));
    report.judge([at_most(name, "p99.9 of a push", seen[0].judged(), limit, "us")]);
}

/// Puts so many messages at the rate, and takes them. Answers how many were wrong as well.
fn at_rate<D: Durable>(queue: &mut D, count: u64) -> (Paced, u64) {
    let paced = pace::pushed(RATE, 0, |pushed| pushed < count, |payload| queue.put(payload));
    let mut check = InOrder::from(0);
    queue.drain(&mut |bytes| check.see(bytes));
    (paced, check.wrong(count))
}

/// Pushes at a given rate while the queue syncs from time to time.
fn paced(report: &mut Report, folder: &Folder) {
    let name = format!("push latency, Periodic 100 ms, {} pushes/s", grouped(u64::from(RATE)));
    if !report.options().wants(&name) {
        return;
    }
    let count = shortened(report.options(), u64::from(RATE) / 2);
    let mut ours = Ours::open(&folder.fresh(), PERIOD);
    let mut bare = BareFile::open(&folder.fresh(), Mode::NoSync);
    let mut seen = [Latencies::of(Ours::NAME), Latencies::of("bare overwrite, no sync")];
    let mut progress = Progress::new(&name);
    let rounds = report.options().rounds.min(MOST_ROUNDS);
    for round in 0..rounds {
        for index in rotation(round, seen.len()) {
            progress.step(&format!("round {} of {rounds}, {}", round + 1, seen[index].name));
            let (paced, wrong) = if index == 0 { at_rate(&mut ours, count) } else { at_rate(&mut bare, count) };
            seen[index].add(&paced, wrong);
        }
    }
    progress.done();
    latencies(report, &name, &seen, 50.0);
}

/// How many messages a cold queue has.
const COLD: u64 = 100_000;

/// Pushes at a given rate while another thread drains what the system has to read from the disk.
fn cold(report: &mut Report, folder: &Folder) {
    let name = format!("push latency while a cold queue drains, {} pushes/s", grouped(u64::from(RATE)));
    if !report.options().wants(&name) {
        return;
    }
    let count = shortened(report.options(), COLD);
    let rounds = report.options().rounds.min(MOST_ROUNDS);
    let floor = ColdFile::new(folder, count);
    let mut seen = [Latencies::of(Ours::NAME), Latencies::of("bare overwrite while a cold file is read")];
    let mut progress = Progress::new(&name);
    for round in 0..rounds {
        for index in rotation(round, seen.len()) {
            progress.step(&format!("round {} of {rounds}, {}", round + 1, seen[index].name));
            let drained = if index == 0 { drain_while_pushing(folder, count) } else { floor.read_while_pushing() };
            seen[index].add(&drained.paced, drained.wrong);
            seen[index].read.extend(drained.read);
        }
    }
    progress.done();
    latencies(report, &name, &seen, 150.0);
}

/// What came of one round.
struct Drained {
    paced: Paced,
    wrong: u64,
    /// Megabytes that were read from the disk; `None` where the system does not tell it.
    read: Option<f64>,
}

/// Pushes at the rate while `drain` runs in another thread. Answers what that one answers as well.
fn while_draining<T: Send>(
    first: u64,
    push: impl FnMut(&Payload) -> bool,
    drain: impl FnOnce() -> T + Send,
) -> (Paced, T, Option<f64>) {
    const LEAST: u64 = 1_000;
    let before = read_from_disk();
    let (paced, drained) = thread::scope(|scope| {
        let draining = scope.spawn(drain);
        let paced = pace::pushed(RATE, first, |pushed| pushed < LEAST || !draining.is_finished(), push);
        (paced, draining.join().expect("the thread that drains has an end"))
    });
    let read = before.zip(read_from_disk()).map(|(before, after)| (after - before) as f64 / 1e6);
    (paced, drained, read)
}

fn drain_while_pushing(folder: &Folder, count: u64) -> Drained {
    let path = folder.fresh();
    let queue = Ours::open(&path, PERIOD);
    let mut wrong = put_all(&queue, count);
    drop(queue);
    // To open the queue is to read it, so what is in memory then is forgotten once more.
    let mut queue = Ours::open(&path, PERIOD);
    forget(&Ours::files(&path)).expect("the files can be opened");
    let drain = || {
        let mut check = InOrder::from(0);
        (0..count).map_while(|_| queue.queue().pop().ok()).for_each(|item: Vec<u8>| check.see(&item));
        check
    };
    let (paced, mut check, read) = while_draining(count, |payload| queue.append(payload), drain);
    queue.drain(&mut |bytes| check.see(bytes));
    wrong += check.wrong(count + paced.count());
    drop(queue);
    fs::remove_dir_all(&path).expect("one's own folder can be removed");
    Drained { paced, wrong, read }
}

/// Puts so many messages in batches. Answers how many were refused.
fn put_all(queue: &Ours, count: u64) -> u64 {
    let mut refused = 0;
    for first in (0..count).step_by(BATCH) {
        let end = count.min(first + BATCH as u64);
        let batch: Vec<_> = (first..end).map(|number| payload(number).to_vec()).collect();
        refused += if queue.queue().push_batch(batch).is_ok() { 0 } else { end - first };
    }
    refused
}

/// The floor for that: a bare file to write to, and one as long as those of a queue, to read.
struct ColdFile<'a> {
    folder: &'a Folder,
    path: PathBuf,
}

impl<'a> ColdFile<'a> {
    fn new(folder: &'a Folder, messages: u64) -> Self {
        let path = folder.fresh();
        let bytes: Vec<u8> = (0..messages).flat_map(payload).collect();
        fs::write(path.join("file"), bytes).expect("there is room");
        Self { folder, path }
    }

    fn read_while_pushing(&self) -> Drained {
        let mut bare = BareFile::open(&self.folder.fresh(), Mode::NoSync);
        forget(&self.path).expect("the file can be opened");
        let read_all = || {
            let mut file = File::open(self.path.join("file")).expect("it is there");
            let mut page = [0; 4_096];
            while file.read(&mut page).expect("it can be read") > 0 {}
        };
        let (paced, (), read) = while_draining(0, |payload| bare.put(payload), read_all);
        let mut check = InOrder::from(0);
        bare.drain(&mut |bytes| check.see(bytes));
        Drained { wrong: check.wrong(paced.count()), paced, read }
    }
}

/// How many messages the queue has that is opened again and again.
const MANY: u64 = 1_000_000;

/// Opening a large queue whose files are in memory, beside the least that this takes.
fn reopening(report: &mut Report, folder: &Folder) {
    const FLOOR: &str = "the same checksums over the same bytes";
    let count = shortened(report.options(), MANY);
    let name = format!("opening a queue of {} records, warm", grouped(count));
    let prepared: OnceCell<PathBuf> = OnceCell::new();
    let prepare = || {
        prepared.get_or_init(|| {
            let path = folder.fresh();
            assert_eq!(put_all(&Ours::open(&path, Mode::NoSync), count), 0, "there is room");
            path
        })
    };
    let timed = |right: &mut dyn FnMut() -> u64| {
        let started = Instant::now();
        let right = right();
        Sample { elapsed: started.elapsed(), items: count, wrong: count - right.min(count) }
    };
    let mut room = Vec::new();
    let contest = Contest::new(name.as_str())
        .items(count)
        .target(FLOOR, 0.5)
        .contender(Ours::NAME, |_| {
            let path = prepare();
            let mut opened = None; // closing it is not in the measured time
            timed(&mut || opened.insert(Ours::open(path, Mode::NoSync)).queue().len() as u64)
        })
        .contender(FLOOR, |_| {
            let segments = records::segments(&Ours::files(prepare())).expect("the folder can be read");
            timed(&mut || records::checksums(&segments, &mut room).expect("the files can be read"))
        });
    let Some(outcome) = run(report, contest) else { return };
    let seconds =
        Figure::median(&outcome.standings[0].rounds.iter().map(|time| time * count as f64 / 1e9).collect::<Vec<_>>());
    let mut check = InOrder::from(0);
    Ours::open(prepare(), Mode::NoSync).drain(&mut |bytes| check.see(bytes));
    let wrong = check.wrong(count);
    println!("After that, {} of its messages were wrong.", grouped(wrong));
    report.judge([at_most(&name, "the time is", seconds, 0.15, "s")]);
}
