//! The interleaving harness. Contenders take turns, so that whatever else the machine does hits all of them
//! alike.
//!
//! Each contender first finds how many items a sample needs. Then come the rounds: in every round each
//! contender runs once, and the order rotates from round to round. Times are compared within one run only, as
//! ratios to the first contender, which is ours. A figure that the two halves of the rounds do not agree on
//! is not settled.

use crate::machine::hardware_threads;
use crate::options::Options;
use crate::report::{Progress, Verdict};
use crate::settled::{Figure, TRIALS, long_enough};
use crate::stats::{Summary, paired_ratios};
use crate::waiting::Waiting;
use std::time::Duration;

/// Beyond this length no sample is doubled.
const LONGEST: Duration = Duration::from_millis(500);

/// What one run of a contender gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// From the first operation to the end of the last.
    pub elapsed: Duration,
    /// How many items went through.
    pub items: u64,
    /// How many of them came out wrong, late, twice or not at all.
    pub wrong: u64,
}

impl Sample {
    fn nanoseconds_per_item(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e9 / self.items.max(1) as f64
    }
}

struct Contender<'a> {
    name: String,
    items: Option<u64>,
    run: Box<dyn FnMut(u64) -> Sample + 'a>,
}

struct Target {
    /// Whose target it is; `None`: that of the first contender.
    of: Option<String>,
    against: String,
    at_least: f64,
}

/// One case and everyone who takes part in it. The first contender is the one the others are compared with.
#[must_use]
pub struct Contest<'a> {
    name: String,
    items: Option<u64>,
    threads: usize,
    /// How the threads of those who are entered from now on wait.
    pub(crate) waiting: Waiting,
    contenders: Vec<Contender<'a>>,
    targets: Vec<Target>,
}

impl std::fmt::Debug for Contest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.contenders.iter().map(|contender| &contender.name).collect();
        f.debug_struct("Contest").field("name", &self.name).field("contenders", &names).finish_non_exhaustive()
    }
}

impl<'a> Contest<'a> {
    /// A contest that nobody takes part in yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            items: None,
            threads: 1,
            waiting: Waiting::default(),
            contenders: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// The name of the case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a contender: `run` puts as many items through as it is told to and reports how that went.
    pub fn contender(mut self, name: impl Into<String>, run: impl FnMut(u64) -> Sample + 'a) -> Self {
        self.contenders.push(Contender { name: name.into(), items: None, run: Box::new(run) });
        self
    }

    /// The same for one whose samples are so many items long, whatever those of the others are.
    pub fn sized(mut self, name: impl Into<String>, items: u64, run: impl FnMut(u64) -> Sample + 'a) -> Self {
        self.contenders.push(Contender { name: name.into(), items: Some(items), run: Box::new(run) });
        self
    }

    /// Makes every sample this many items long, for cases whose shape depends on the number.
    pub fn items(mut self, items: u64) -> Self {
        self.items = Some(items);
        self
    }

    /// Tells that each contender runs so many threads, not one: where they share hardware threads, samples
    /// are longer.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Lets the threads of those who are entered from now on wait in this way.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// States that the first contender should be this many times as fast as `against`.
    pub fn target(mut self, against: impl Into<String>, at_least: f64) -> Self {
        self.targets.push(Target { of: None, against: against.into(), at_least });
        self
    }

    /// The same of another contender than the first.
    pub fn target_of(mut self, of: impl Into<String>, against: impl Into<String>, at_least: f64) -> Self {
        self.targets.push(Target { of: Some(of.into()), against: against.into(), at_least });
        self
    }

    /// Runs all rounds.
    ///
    /// # Panics
    /// When nobody takes part.
    #[must_use]
    pub fn run(mut self, options: &Options) -> Outcome {
        let count = self.contenders.len();
        assert!(count > 0, "{}: a contest needs a contender", self.name);
        let sample = options.sample_of(self.threads, hardware_threads());
        let mut progress = Progress::new(&self.name);
        let mut standings: Vec<Standing> = Vec::with_capacity(count);
        for contender in &mut self.contenders {
            progress.step(&format!("getting the measure of {}", contender.name));
            let mut standing = Standing { name: contender.name.clone(), ..Standing::default() };
            let mut run = |items| standing.check((contender.run)(items));
            let items = match contender.items.or(self.items) {
                Some(items) => {
                    run(items);
                    items
                }
                None if options.smoke => calibrate(run, sample),
                None => {
                    let items = calibrate(&mut run, sample);
                    let most = (items as f64 * LONGEST.as_secs_f64() / sample.as_secs_f64()) as u64;
                    long_enough(items, most, |items| run(items).nanoseconds_per_item())
                }
            };
            standing.items = items;
            standings.push(standing);
        }
        for round in 0..options.rounds {
            for index in rotation(round, count) {
                progress.step(&format!("round {} of {}, {}", round + 1, options.rounds, standings[index].name));
                let sample = (self.contenders[index].run)(standings[index].items);
                let sample = standings[index].check(sample);
                standings[index].rounds.push(sample.nanoseconds_per_item());
            }
        }
        progress.done();
        Outcome::new(self.name, standings, &self.targets)
    }
}

/// The order in which the contenders of a round run: each starts one place later than in the round before.
pub fn rotation(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (place + round) % count)
}

/// How many items make one sample as long as `wanted`. The fastest of a few samples decides: what disturbs a
/// sample makes it longer, and the next one would be too short.
fn calibrate(mut run: impl FnMut(u64) -> Sample, wanted: Duration) -> u64 {
    let mut items = 1_000;
    loop {
        let fastest = [(); TRIALS].map(|()| run(items).nanoseconds_per_item()).into_iter().fold(f64::MAX, f64::min);
        let enough = wanted.as_secs_f64() * 1e9 / fastest;
        if items as f64 * 4.0 >= enough {
            return (enough.round() as u64).max(1);
        }
        items *= 4;
    }
}

/// How one contender did.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The contender's name.
    pub name: String,
    /// How many items one sample had.
    pub items: u64,
    /// Nanoseconds per item, round by round.
    pub rounds: Vec<f64>,
    /// Items that went through in all samples, those of the calibration included.
    pub sent: u64,
    /// How many of those came out wrong.
    pub wrong: u64,
}

impl Standing {
    fn check(&mut self, sample: Sample) -> Sample {
        self.sent += sample.items;
        self.wrong += sample.wrong;
        sample
    }

    /// Nanoseconds per item, the median of the rounds.
    #[must_use]
    pub fn time(&self) -> Figure {
        Figure::median(&self.rounds)
    }
}

/// The result of a contest.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The name of the case.
    pub name: String,
    /// Every contender's result, ours first.
    pub standings: Vec<Standing>,
    /// What became of the targets.
    pub verdicts: Vec<Verdict>,
}

impl Outcome {
    fn new(name: String, standings: Vec<Standing>, targets: &[Target]) -> Self {
        let mut outcome = Self { name, standings, verdicts: Vec::new() };
        for target in targets {
            let place = |name: &str| outcome.standings.iter().position(|standing| standing.name == name);
            let ours = target.of.as_deref().map_or(Some(0), place);
            let Some((ours, peer)) = ours.zip(place(&target.against)) else { continue };
            let of = target.of.as_ref().map_or(String::new(), |name| format!("{name}: "));
            let (ratio, paired) = (outcome.ratio_of(ours, peer), outcome.paired_of(ours, peer));
            outcome.verdicts.push(Verdict {
                case: outcome.name.clone(),
                wanted: format!("{of}at least {:.2}x {}", target.at_least, target.against),
                measured: if ratio.settled() {
                    format!("{:.2}x ({:.2} .. {:.2})", ratio.all, paired.lower_quartile, paired.upper_quartile)
                } else {
                    ratio.show(|ratio| format!("{ratio:.2}x"))
                },
                reached: ratio.settled().then_some(ratio.all >= target.at_least),
            });
        }
        outcome
    }

    /// How many times as fast ours is as the contender at `index`: the ratio of the medians.
    #[must_use]
    pub fn ratio(&self, index: usize) -> Figure {
        self.ratio_of(0, index)
    }

    fn ratio_of(&self, ours: usize, index: usize) -> Figure {
        self.standings[index].time().over(self.standings[ours].time())
    }

    /// Whether the time and the ratio of the contender at `index` are both settled.
    #[must_use]
    pub fn settled(&self, index: usize) -> bool {
        self.standings[index].time().settled() && self.ratio(index).settled()
    }

    /// The same ratio taken round by round, and how it scatters.
    #[must_use]
    pub fn paired(&self, index: usize) -> Summary {
        self.paired_of(0, index)
    }

    fn paired_of(&self, ours: usize, index: usize) -> Summary {
        Summary::of(&paired_ratios(&self.standings[index].rounds, &self.standings[ours].rounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn options(rounds: usize) -> Options {
        let arguments = ["--bench".to_owned(), format!("--rounds={rounds}")];
        Options::parse(arguments, |_| None, 1).unwrap()
    }

    fn taking(nanoseconds: u64) -> impl FnMut(u64) -> Sample {
        move |items| Sample { elapsed: Duration::from_nanos(nanoseconds * items), items, wrong: 0 }
    }

    #[test]
    fn every_contender_takes_every_place_once_before_the_order_repeats() {
        for place in 0..3 {
            let mut there: Vec<_> = (0..3).map(|round| rotation(round, 3).nth(place).unwrap()).collect();
            there.sort_unstable();
            assert_eq!(there, [0, 1, 2]);
        }
        assert!(rotation(0, 3).eq(rotation(3, 3)));
    }

    #[test]
    fn every_contender_runs_once_in_each_round() {
        let runs = RefCell::new(Vec::new());
        let logged = |name: &'static str| {
            let runs = &runs;
            move |items| {
                runs.borrow_mut().push(name);
                Sample { elapsed: Duration::from_millis(1), items, wrong: 0 }
            }
        };
        let contest = Contest::new("turns").items(5).contender("a", logged("a")).contender("b", logged("b"));
        let outcome = contest.run(&options(3));
        assert_eq!(outcome.standings[1].rounds.len(), 3);
        assert_eq!(*runs.borrow(), ["a", "b", "a", "b", "b", "a", "a", "b"]);
    }

    #[test]
    fn a_contender_may_have_a_size_of_its_own() {
        let contest = Contest::new("sizes").items(5).contender("a", taking(10)).sized("b", 7, taking(10));
        let items: Vec<_> = contest.run(&options(1)).standings.iter().map(|standing| standing.items).collect();
        assert_eq!(items, [5, 7]);
    }

    #[test]
    fn a_sample_is_calibrated_to_the_wanted_length() {
        assert_eq!(calibrate(taking(10), Duration::from_millis(30)), 3_000_000);
        assert_eq!(calibrate(taking(100_000_000), Duration::from_millis(30)), 1);
    }

    #[test]
    fn a_disturbed_sample_does_not_make_the_others_short() {
        let mut runs = 0;
        let disturbed_once = |items| {
            runs += 1;
            taking(if runs == 1 { 10_000_000 } else { 10 })(items)
        };
        assert_eq!(calibrate(disturbed_once, Duration::from_millis(30)), 3_000_000);
    }

    #[test]
    fn targets_are_reached_or_missed_by_the_ratio_of_medians() {
        let contest = Contest::new("speed")
            .contender("ours", taking(10))
            .contender("old", taking(31))
            .target("old", 3.0)
            .target("old", 3.2)
            .target("absent", 1.0)
            .target_of("old", "ours", 0.3)
            .target_of("absent", "old", 1.0);
        let outcome = contest.run(&options(7));
        assert!((outcome.ratio(1).all - 3.1).abs() < 1e-9);
        assert!((outcome.paired(1).min - 3.1).abs() < 1e-9);
        let reached: Vec<_> = outcome.verdicts.iter().map(|verdict| verdict.reached).collect();
        assert_eq!(reached, [Some(true), Some(false), Some(true)]);
        assert_eq!(outcome.verdicts[2].wanted, "old: at least 0.30x ours");
        assert_eq!(outcome.verdicts[0].measured, "3.10x (3.10 .. 3.10)");
    }

    #[test]
    fn a_target_is_not_judged_by_halves_that_do_not_agree() {
        let mut runs = 0;
        let slower_later = move |items| {
            runs += 1;
            taking(if runs <= 3 { 24 } else { 120 })(items) // one run of the calibration, then two rounds
        };
        let contest = Contest::new("torn").items(5).contender("ours", taking(100)).contender("peer", slower_later);
        let outcome = contest.target("peer", 0.1).run(&options(4));
        assert!(outcome.settled(0) && !outcome.settled(1));
        assert_eq!((outcome.verdicts[0].reached, outcome.verdicts[0].measured.as_str()), (None, "0.24x or 1.20x"));
    }

    #[test]
    fn samples_are_longer_where_threads_share_hardware_threads() {
        let threads = hardware_threads() * 3;
        let lengths = [1, threads].map(|threads| {
            let contest = Contest::new("length").threads(threads).contender("ours", taking(10));
            contest.run(&options(2)).standings[0].items
        });
        assert_eq!(lengths, [5_000_000, 15_000_000]);
    }

    #[test]
    fn wrong_items_are_counted_over_all_samples() {
        let run = |items| Sample { elapsed: Duration::from_millis(1), items, wrong: 2 };
        let outcome = Contest::new("losses").items(10).contender("leaky", run).run(&options(4));
        assert_eq!((outcome.standings[0].sent, outcome.standings[0].wrong), (50, 10));
    }
}
