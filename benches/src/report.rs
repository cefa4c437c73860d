//! What a suite prints: aligned tables for people, one file of results for machines, and progress on standard
//! error.

use crate::contest::Outcome;
use crate::machine::machine;
use crate::options::Options;
use crate::stats::Summary;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the tables say of a figure that is not settled.
const UNSETTLED: &str = "not settled";

/// Whether something that was wanted was measured. Never an assertion: a miss is printed like a hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The case it was measured in.
    pub case: String,
    /// What was wanted.
    pub wanted: String,
    /// What was measured.
    pub measured: String,
    /// Whether the one satisfies the other; `None` where what was measured is not settled.
    pub reached: Option<bool>,
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self.reached {
            Some(true) => "reached",
            Some(false) => "missed",
            None => UNSETTLED,
        }
    }
}

/// A table whose first column is set to the left and the others to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                line += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Groups the digits of a whole number: 1,234,567.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Collects what a suite finds, prints it as it comes, and writes the file for machines at the end.
#[derive(Debug)]
pub struct Report {
    suite: &'static str,
    machine: String,
    options: Options,
    results: Vec<Value>,
    verdicts: Vec<Verdict>,
}

impl Report {
    /// A report on the suite of this name.
    #[must_use]
    pub fn new(suite: &'static str, options: Options) -> Self {
        let machine = machine();
        println!("\n== {suite}: {machine}");
        if options.smoke {
            println!("One short round, to see that everything runs: its figures say nothing, so no target is judged.");
        }
        Self { suite, machine, options, results: Vec::new(), verdicts: Vec::new() }
    }

    /// The choices that this run was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Prints and keeps the outcome of a contest.
    pub fn outcome(&mut self, outcome: &Outcome) {
        let mut table = Table::new(&[
            "",
            "ns/item",
            "min .. max",
            "M items/s",
            "ours is",
            "quartiles of it",
            "min .. max",
            "sample ms",
            "wrong",
            "",
        ]);
        let mut contenders = Vec::new();
        for (index, standing) in outcome.standings.iter().enumerate() {
            let (time, ratio, settled) = (standing.time(), outcome.ratio(index), outcome.settled(index));
            let (spread, paired) = (Summary::of(&standing.rounds), outcome.paired(index));
            table.row([
                standing.name.clone(),
                time.show(|time| format!("{time:.2}")),
                format!("{:.2} .. {:.2}", spread.min, spread.max),
                time.show(|time| format!("{:.1}", 1e3 / time)),
                ratio.show(|ratio| format!("{ratio:.2}x")),
                format!("{:.2} .. {:.2}", paired.lower_quartile, paired.upper_quartile),
                format!("{:.2} .. {:.2}", paired.min, paired.max),
                format!("{:.0}", time.all * standing.items as f64 / 1e6),
                match standing.wrong {
                    0 => "0".to_owned(),
                    wrong => format!("{} of {}", grouped(wrong), grouped(standing.sent)),
                },
                if settled { String::new() } else { UNSETTLED.to_owned() },
            ]);
            contenders.push(json!({
                "name": standing.name,
                "items_per_sample": standing.items,
                "ns_per_item": {
                    "median": time.all, "halves": time.halves, "min": spread.min, "max": spread.max,
                    "rounds": standing.rounds,
                },
                "million_items_per_s": 1e3 / time.all,
                "ours_is_times_as_fast": {
                    "ratio_of_medians": ratio.all,
                    "halves": ratio.halves,
                    "paired": {
                        "min": paired.min,
                        "lower_quartile": paired.lower_quartile,
                        "median": paired.median,
                        "upper_quartile": paired.upper_quartile,
                        "max": paired.max,
                    },
                },
                "settled": settled,
                "sent": standing.sent,
                "wrong": standing.wrong,
            }));
        }
        self.section(&outcome.name, &table, json!({ "contenders": contenders }));
        self.judge(outcome.verdicts.clone());
    }

    /// Prints and keeps a table that is not a contest's.
    pub fn section(&mut self, name: &str, table: &Table, result: Value) {
        println!("\n-- {name} ({})\n{table}", self.machine);
        let mut entry = Map::new();
        entry.insert("case".to_owned(), json!(name));
        match result {
            Value::Object(fields) => entry.extend(fields),
            other => drop(entry.insert("result".to_owned(), other)),
        }
        self.results.push(Value::Object(entry));
    }

    /// Prints and keeps what became of targets, unless this is only a smoke run.
    pub fn judge(&mut self, verdicts: impl IntoIterator<Item = Verdict>) {
        if self.options.smoke {
            return;
        }
        for verdict in verdicts {
            println!("{}: {}, measured {}", verdict.word(), verdict.wanted, verdict.measured);
            self.verdicts.push(verdict);
        }
    }

    /// Prints all targets once more, together, and writes the results to the file that the options name.
    pub fn finish(self) {
        if !self.verdicts.is_empty() {
            let mut table = Table::new(&["", "wanted", "measured", ""]);
            for verdict in &self.verdicts {
                table.row([
                    verdict.case.clone(),
                    verdict.wanted.clone(),
                    verdict.measured.clone(),
                    verdict.word().to_owned(),
                ]);
            }
            println!("\n== {}: targets ({})\n{table}", self.suite, self.machine);
        }
        let Some(path) = &self.options.json else { return };
        match self.write(path) {
            Ok(()) => eprintln!("{}: results added to {}", self.suite, path.display()),
            Err(error) => {
                eprintln!("{}: the results could not be written: {error}", path.display());
                std::process::exit(1);
            }
        }
    }

    /// Adds this suite to what other suites wrote to the same file.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut suites = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice::<Map<String, Value>>(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(error),
        };
        let targets: Vec<Value> = self
            .verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "case": verdict.case,
                    "wanted": verdict.wanted,
                    "measured": verdict.measured,
                    "reached": verdict.reached,
                })
            })
            .collect();
        let suite = json!({
            "machine": self.machine,
            "unix_time": seconds_since_1970(),
            "rounds": self.options.rounds,
            "results": self.results,
            "targets": targets,
        });
        suites.insert(self.suite.to_owned(), suite);
        std::fs::write(path, serde_json::to_string_pretty(&suites)? + "\n")
    }
}

/// Today's date (UTC), as 2026-01-31.
#[must_use]
pub fn today() -> String {
    date(seconds_since_1970() / 86_400)
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The date that many days after 1970-01-01.
fn date(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// Shows on standard error what is being run; on a terminal in one line that is wiped at the end.
#[derive(Debug)]
pub struct Progress {
    name: String,
    live: bool,
}

impl Progress {
    /// Announces the work of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let live = std::io::stderr().is_terminal();
        if !live {
            eprintln!("running {name}");
        }
        Self { name: name.to_owned(), live }
    }

    /// Shows the step that comes next.
    pub fn step(&mut self, step: &str) {
        if self.live {
            eprint!("\r\x1b[K{}: {step}", self.name);
            // Progress that cannot be shown is no reason to end a benchmark.
            let _ = std::io::stderr().flush();
        }
    }

    /// Wipes the line.
    pub fn done(self) {
        if self.live {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(&["", "n", ""]);
        table.row(["a".to_owned(), "10".to_owned(), String::new()]);
        table.row(["long".to_owned(), "7".to_owned(), "x".to_owned()]);
        assert_eq!(table.to_string(), "       n\na     10\nlong   7  x\n");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 65_536, 1_234_567].map(grouped), ["0", "999", "1,000", "65,536", "1,234,567"]);
    }

    #[test]
    fn dates_know_leap_years_and_the_ends_of_months() {
        assert_eq!(
            [0, 30, 31, 58, 59].map(date),
            ["1970-01-01", "1970-01-31", "1970-02-01", "1970-02-28", "1970-03-01"]
        );
        assert_eq!([364, 365, 11_016, 11_017].map(date), ["1970-12-31", "1971-01-01", "2000-02-29", "2000-03-01"]);
        assert_eq!([20_819, 47_540, 47_541].map(date), ["2027-01-01", "2100-02-28", "2100-03-01"]);
    }

    #[test]
    fn suites_share_one_file_of_results() {
        let folder = std::env::temp_dir().join(format!("elasticq-benches-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("results.json");
        for suite in ["first", "second", "first"] {
            let options = Options::parse([format!("--json={}", path.display())], |_| None, 1).unwrap();
            let mut report = Report::new(suite, options);
            report.section("case", &Table::default(), json!({ "value": 1 }));
            report.finish();
        }
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(written.as_object().unwrap().len(), 2);
        assert_eq!(written["first"]["results"], json!([{ "case": "case", "value": 1 }]));
    }
}
