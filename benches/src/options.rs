//! What a user may choose on the command line or in the environment, for every suite alike.

use std::path::PathBuf;
use std::time::Duration;

const HELP: &str = "\
Usage: cargo bench --bench SUITE -- [FILTER...] [OPTIONS]

FILTER               run only what contains one of these words
--rounds N           rounds per contest (default 15, suites `scalability` and `durable` 7;
                     ELASTICQ_BENCH_ROUNDS)
--sample-ms N        least length of one sample in milliseconds (default 50; ELASTICQ_BENCH_SAMPLE_MS); as
                     many times as long where threads share a hardware thread, and doubled while samples differ,
                     up to 500
--json FILE          add the results to FILE, relative to benches/ (ELASTICQ_BENCH_JSON)
--out FOLDER         where to write the curves, relative to benches/ (default ../docs unless there is a FILTER;
                     suite `scalability`; ELASTICQ_BENCH_OUT)
--folder FOLDER      where to write what is measured, on a disk, relative to benches/ (default TMPDIR;
                     suite `durable`; ELASTICQ_BENCH_FOLDER)
--save-baseline NAME keep Criterion's results under NAME (suite `operations`)
--baseline NAME      compare with what is kept under NAME (suite `operations`)";

/// How many rounds a contest has, unless the user or the suite says otherwise.
pub const ROUNDS: usize = 15;

/// The choices for one run of one suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How often every contender runs in each contest.
    pub rounds: usize,
    /// How long one sample should take at least, where each thread has a hardware thread of its own.
    pub sample: Duration,
    /// Where to write the results for machines.
    pub json: Option<PathBuf>,
    /// The folder for curves and plots.
    pub out: Option<PathBuf>,
    /// The folder on the disk that is measured.
    pub folder: Option<PathBuf>,
    /// Words of which one has to occur in a name; empty means everything.
    pub filters: Vec<String>,
    /// The name under which Criterion keeps these results.
    pub save_baseline: Option<String>,
    /// The name of the results that Criterion compares with.
    pub baseline: Option<String>,
    /// One short round of everything: not started by `cargo bench`, but by `cargo test --benches`, say.
    pub smoke: bool,
}

impl Options {
    /// Reads this process's arguments and environment. If one of them is malformed, it ends the process with
    /// a message.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_process_with(ROUNDS)
    }

    /// The same for a suite whose contests have so many rounds, unless the user says otherwise.
    #[must_use]
    pub fn from_process_with(rounds: usize) -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
            println!("{HELP}");
            std::process::exit(0);
        }
        Self::parse(arguments, |name| std::env::var(name).ok(), rounds).unwrap_or_else(|message| {
            eprintln!("{message}\n\n{HELP}");
            std::process::exit(2);
        })
    }

    /// Reads `arguments` over what `environment` answers, and that over the suite's number of rounds. Options
    /// of other harnesses are noted and ignored.
    ///
    /// # Errors
    /// A message that names the option, its value and the rule.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
        default_rounds: usize,
    ) -> Result<Self, String> {
        let mut rounds = environment("ELASTICQ_BENCH_ROUNDS");
        let mut sample = environment("ELASTICQ_BENCH_SAMPLE_MS");
        let mut json = environment("ELASTICQ_BENCH_JSON");
        let mut out = environment("ELASTICQ_BENCH_OUT");
        let mut folder = environment("ELASTICQ_BENCH_FOLDER");
        let (mut save_baseline, mut baseline) = (None, None);
        let mut filters = Vec::new();
        let mut smoke = true;

        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let wanted = match name {
                "--bench" => {
                    smoke = false;
                    continue;
                }
                "--rounds" => &mut rounds,
                "--sample-ms" => &mut sample,
                "--json" => &mut json,
                "--out" => &mut out,
                "--folder" => &mut folder,
                "--save-baseline" => &mut save_baseline,
                "--baseline" => &mut baseline,
                _ if argument.starts_with('-') => {
                    eprintln!("{argument}: not an option of this suite, ignored");
                    continue;
                }
                _ => {
                    filters.push(argument);
                    continue;
                }
            };
            *wanted = Some(match attached {
                Some(value) => value,
                None => arguments.next().ok_or_else(|| format!("{name}: a value must follow"))?,
            });
        }

        let mut options = Self {
            rounds: count("rounds", rounds, default_rounds)?,
            sample: Duration::from_millis(count("sample-ms", sample, 50)? as u64),
            json: path(json),
            out: path(out),
            folder: path(folder),
            filters,
            save_baseline,
            baseline,
            smoke,
        };
        if smoke {
            options.rounds = 1;
            options.sample = Duration::from_millis(1);
        }
        Ok(options)
    }

    /// How long a sample of so many threads should take at least. Threads that share a hardware thread take
    /// turns of some milliseconds. With as many turns for each, the sample measures the queue and not who
    /// came first.
    #[must_use]
    pub fn sample_of(&self, threads: usize, hardware_threads: usize) -> Duration {
        self.sample * threads.div_ceil(hardware_threads) as u32
    }

    /// Whether the user wants what has this name.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}

fn path(value: Option<String>) -> Option<PathBuf> {
    value.filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn count(name: &str, value: Option<String>, default: usize) -> Result<usize, String> {
    match value {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{name}: {text:?} must be a whole number above zero")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned), |_| None, ROUNDS)
    }

    #[test]
    fn cargo_bench_alone_runs_everything_at_full_length() {
        let options = parse("--bench").unwrap();
        assert_eq!((options.rounds, options.smoke), (ROUNDS, false));
        assert!(options.wants("anything"));
    }

    #[test]
    fn without_the_flag_of_cargo_bench_one_short_round_runs() {
        let options = parse("--rounds 20").unwrap();
        assert_eq!((options.rounds, options.smoke), (1, true));
    }

    #[test]
    fn a_sample_is_as_many_times_as_long_as_threads_share_a_hardware_thread() {
        let options = parse("--bench --sample-ms 10").unwrap();
        for (threads, hardware_threads, milliseconds) in [(1, 2, 10), (2, 2, 10), (5, 2, 30), (17, 2, 90), (17, 32, 10)]
        {
            assert_eq!(options.sample_of(threads, hardware_threads), Duration::from_millis(milliseconds));
        }
    }

    #[test]
    fn filters_and_values_are_read_in_both_spellings() {
        let options = parse("--bench --rounds=7 1P/1C --json out.json --out=plots --folder=disk").unwrap();
        assert_eq!(options.rounds, 7);
        assert_eq!(options.out.as_deref(), Some(std::path::Path::new("plots")));
        assert_eq!(options.json.as_deref(), Some(std::path::Path::new("out.json")));
        assert_eq!(options.folder.as_deref(), Some(std::path::Path::new("disk")));
        assert!(options.wants("1P/1C") && !options.wants("4P/1C"));
    }

    #[test]
    fn options_of_other_harnesses_are_ignored() {
        assert!(parse("--bench --nocapture --test-threads=1").unwrap().filters.is_empty());
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_that_before_the_suite() {
        let environment = |name: &str| (name == "ELASTICQ_BENCH_ROUNDS").then(|| "11".to_owned());
        let rounds = |arguments: &[&str]| {
            Options::parse(arguments.iter().map(|&word| word.to_owned()), environment, 7).unwrap().rounds
        };
        assert_eq!(rounds(&["--bench"]), 11);
        assert_eq!(Options::parse(["--bench".to_owned()], |_| None, 7).unwrap().rounds, 7);
        assert_eq!(rounds(&["--bench", "--rounds", "8"]), 8);
    }

    #[test]
    fn a_bad_number_is_refused_with_name_value_and_rule() {
        assert_eq!(parse("--rounds 0").unwrap_err(), "rounds: \"0\" must be a whole number above zero");
        assert_eq!(parse("--rounds").unwrap_err(), "--rounds: a value must follow");
    }
}
