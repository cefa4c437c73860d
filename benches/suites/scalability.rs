//! 1 to 20 producers to one consumer: the queue of many producers beside its peers, in interleaved rounds for
//! each number. Writes the curves as CSV and SVG, in files that name the kind of processor:
//! `scalability-amd-epyc.svg`, say. Needs the feature `lock_free`.

use elasticq_benches::chart::{self, Words};
use elasticq_benches::contest::Contest;
use elasticq_benches::curves::Curves;
use elasticq_benches::machine::{hardware_threads, kind, machine, processor};
use elasticq_benches::options::Options;
use elasticq_benches::report::{Report, grouped, today};
use elasticq_benches::subjects::channels::{Crossbeam, Crossfire, CrossfireMpsc, Flume, Kanal, Standard};
use elasticq_benches::subjects::lock_free::Mpsc;
use elasticq_benches::subjects::predecessor::OldLockFree;
use elasticq_benches::subjects::queues::Concurrent;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Room for this many items in every contender that has a bound.
const CAPACITY: usize = 65_536;
const MOST_PRODUCERS: usize = 20;
/// Fewer than elsewhere: there are 20 contests, and on a small machine their samples are long.
const ROUNDS: usize = 7;
/// How many of the contenders are ours; they come first.
const OURS: usize = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scalability: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::from_process_with(ROUNDS);
    let folder = folder(&options);
    if let Some(folder) = folder.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(format!("{}: there is no such folder for the curves", folder.display()).into());
    }
    let counts = if options.smoke { vec![1, MOST_PRODUCERS] } else { (1..=MOST_PRODUCERS).collect() };
    let mut report = Report::new("scalability", options.clone());
    let mut curves = Curves::default();
    for producers in counts {
        let contest = contest(producers);
        if options.wants(contest.name()) {
            let outcome = contest.run(&options);
            report.outcome(&outcome);
            curves.enter(producers, &outcome);
        }
    }
    report.finish();
    if curves.all().is_empty() {
        return Ok(());
    }
    // This is done in a smoke run, too, to see that the chart can be drawn.
    let picture = chart::svg(&curves, OURS, &words(&options))?;
    if let Some(folder) = folder {
        let file = |extension: &str| folder.join(format!("scalability-{}.{extension}", kind(&processor())));
        write(&file("csv"), &curves.csv())?;
        write(&file("svg"), &picture)?;
    }
    Ok(())
}

/// Where the curves go: to the folder that the user names, or to the documentation if they are complete.
fn folder(options: &Options) -> Option<PathBuf> {
    let complete = options.filters.is_empty();
    let docs = || complete.then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"));
    if options.smoke { None } else { options.out.clone().or_else(docs) }
}

fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    eprintln!("scalability: written to {}", path.display());
    Ok(())
}

fn words(options: &Options) -> Words {
    Words {
        title: format!("Many producers, one consumer: u64 through a queue with room for {}", grouped(CAPACITY as u64)),
        caption: format!(
            "{}, {}. Medians and quartiles of {} interleaved rounds, a sample from {} to {} ms or longer.\n\
             Dashed: no bound, never waits for room. Hollow: not settled, the halves of the rounds differ by more than 15 %. \
             Every message is checked.",
            machine(),
            today(),
            options.rounds,
            options.sample_of(2, hardware_threads()).as_millis(),
            options.sample_of(MOST_PRODUCERS + 1, hardware_threads()).as_millis(),
        ),
    }
}

fn contest(producers: usize) -> Contest<'static> {
    Contest::new(format!("MPSC, {producers}P/1C, capacity {}", grouped(CAPACITY as u64)))
        .threaded::<Mpsc<false>>(producers, 1, CAPACITY)
        .threaded::<Mpsc<true>>(producers, 1, CAPACITY)
        .threaded::<crossbeam_queue::ArrayQueue<u64>>(producers, 1, CAPACITY)
        .threaded::<crossbeam_queue::SegQueue<u64>>(producers, 1, CAPACITY)
        .threaded::<Crossbeam<true>>(producers, 1, CAPACITY)
        .threaded::<Flume>(producers, 1, CAPACITY)
        .threaded::<Kanal>(producers, 1, CAPACITY)
        .threaded::<Concurrent<true>>(producers, 1, CAPACITY)
        .threaded::<Concurrent<false>>(producers, 1, CAPACITY)
        .threaded::<Crossfire>(producers, 1, CAPACITY)
        .threaded::<CrossfireMpsc>(producers, 1, CAPACITY)
        .threaded::<thingbuf::ThingBuf<u64>>(producers, 1, CAPACITY)
        .threaded::<Standard>(producers, 1, CAPACITY)
        .threaded::<OldLockFree>(producers, 1, CAPACITY)
}
