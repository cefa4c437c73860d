//! Draws figures as bars in an SVG: for each case how many items a second each contender passes through.

use crate::chart::{FONT, OURS, PEERS};
use crate::figures::{Case, Contender, Figures};
use crate::report::grouped;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::slice;

const WIDTH: i32 = 1_000;
/// Where the bars begin, and where the longest one ends. The names stand to the left, the rates to the right.
const BARS: (i32, i32) = (290, 740);
const TOP: i32 = 64;
/// From one bar to the next, and what a case takes besides.
const LINE: i32 = 24;
const CASE: i32 = 36;
const BOTTOM: i32 = 76;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T> = Result<T, Box<dyn Error>>;

/// One picture of several cases.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The end of its file's name.
    pub name: &'static str,
    /// What stands above the bars.
    pub title: &'static str,
    /// The cases, by their names in the file of figures, and what the picture calls them.
    pub cases: &'static [(&'static str, &'static str)],
    /// The contenders that it shows.
    pub contenders: &'static [&'static str],
    /// What its bars are as long as.
    pub shows: Shows,
    /// What the longest bars are.
    pub scale: Scale,
}

/// What a bar is as long as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// How many items go through in a second: longer is better.
    Rate,
    /// How long an item takes: shorter is better.
    Time,
}

/// Which bar is as long as there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The longest of all, so that cases can be compared with each other.
    OfAll,
    /// The longest one of each case: the cases are too far apart for one scale.
    OfCase,
}

/// The pictures of what `make bench` measures in Python.
pub const PICTURES: [Picture; 5] = [
    Picture {
        name: "throughput",
        title: "Items a second through a queue in Python",
        cases: &[
            ("put + get, 1 thread", "put and get, one thread"),
            ("threads, 1P/1C", "one thread to another"),
            ("threads, 4P/1C", "four threads to one"),
            ("thread to task, no limit", "a thread to a task"),
            ("task to thread, no limit", "a task to a thread"),
            ("task to task, no limit", "a task to a task"),
        ],
        contenders: &["elasticq.Queue", "queue.SimpleQueue", "queue.Queue", "janus", "asyncio.Queue"],
        shows: Shows::Rate,
        scale: Scale::OfAll,
    },
    Picture {
        name: "bridging",
        title: "Items a second between threads and tasks in Python",
        cases: &[
            ("thread to task, room for 1,000", "a thread to a task, room for 1,000"),
            ("task to thread, room for 1,000", "a task to a thread, room for 1,000"),
            ("task to task, room for 100", "a task to a task, room for 100"),
            ("task to task, room for 1", "a task to a task, room for 1"),
        ],
        contenders: &["elasticq.Queue", "janus", "culsans", "asyncio.Queue"],
        shows: Shows::Rate,
        scale: Scale::OfAll,
    },
    Picture {
        name: "batches",
        title: "Items a second in batches, one thread",
        cases: &[
            ("batches of 1,000, 1 thread", "batches of 1,000"),
            ("batches of 100, 1 thread", "batches of 100"),
            ("batches of 10, 1 thread", "batches of 10"),
            ("put + get, 1 thread", "one by one"),
        ],
        contenders: &[
            "elasticq.Queue",
            "queue.SimpleQueue",
            "queue.Queue",
            "deque append + popleft",
            "deque extend + list + clear",
        ],
        shows: Shows::Rate,
        scale: Scale::OfAll,
    },
    Picture {
        name: "durable",
        title: "Items a second through a queue in files, in Python",
        cases: &[
            ("files, no sync, put", "put, without a sync"),
            ("files, no sync, get", "get, without a sync"),
            ("files, every write, put, 16 threads", "put, on the disk when it returns, 16 threads"),
            ("files, every write, get and ack, 16 threads", "get and ack, 16 threads"),
        ],
        contenders: &[
            "elasticq.PersistentCircularBuffer",
            "queuelib.FifoDiskQueue",
            "persistqueue.SQLiteAckQueue",
            "leanqueue",
            "sqlite3 by hand, WAL, FULL",
        ],
        shows: Shows::Rate,
        scale: Scale::OfCase,
    },
    Picture {
        name: "latency",
        title: "How long an item is on its way, 5,000 a second, in Python",
        cases: &[
            ("latency, thread to thread, p50", "one thread to another: half of the items, at most"),
            ("latency, thread to thread, p99", "99 % of the items"),
            ("latency, thread to thread, p99.9", "99.9 % of the items"),
            ("latency, thread to task, p50", "a thread to a task: half of the items, at most"),
            ("latency, thread to task, p99", "99 % of the items"),
            ("latency, thread to task, p99.9", "99.9 % of the items"),
        ],
        contenders: &["elasticq.Queue", "queue.SimpleQueue", "queue.Queue", "janus", "culsans"],
        shows: Shows::Time,
        scale: Scale::OfAll,
    },
];

impl Shows {
    /// What a contender's bar is as long as.
    fn of(self, contender: &Contender) -> f64 {
        match self {
            Self::Rate => 1e3 / contender.nanoseconds,
            Self::Time => contender.nanoseconds / 1e3,
        }
    }

    /// What stands at the bar's end.
    fn text(self, contender: &Contender) -> String {
        let figure = self.of(contender);
        let unsettled = if contender.settled { "" } else { ", not settled" };
        match self {
            Self::Rate if figure >= 1.0 => format!("{figure:.2} million ({:.0} ns){unsettled}", contender.nanoseconds),
            Self::Rate => {
                format!("{} ({:.1} us){unsettled}", grouped((figure * 1e6) as u64), contender.nanoseconds / 1e3)
            }
            Self::Time => format!("{figure:.1} us{unsettled}"),
        }
    }
}

impl Picture {
    /// Those of the picture's cases that were measured, with the contenders that it shows; None if none was.
    #[must_use]
    pub fn of(&self, figures: &Figures) -> Option<Vec<Case>> {
        let shown = |contender: &Contender| self.contenders.contains(&contender.name.as_str());
        let case = |&(name, title): &(&str, &str)| {
            let case = figures.cases.iter().find(|case| case.name == name)?;
            let contenders = case.contenders.iter().filter(|contender| shown(contender)).cloned().collect();
            Some(Case { name: title.to_owned(), contenders })
        };
        let cases: Vec<Case> = self.cases.iter().filter_map(case).collect();
        (!cases.is_empty()).then_some(cases)
    }
}

/// Draws the picture's cases below its title, and what the notes say below the cases. In each case the first bar
/// is ours.
///
/// # Errors
/// When there is no bar to draw, or the drawing fails.
pub fn svg(picture: &Picture, cases: &[Case], figures: &Figures) -> Drawn<String> {
    let Picture { title, shows, scale, .. } = *picture;
    let longest = |cases: &[Case]| {
        let lengths = cases.iter().flat_map(|case| &case.contenders).map(|contender| shows.of(contender));
        lengths.max_by(f64::total_cmp).ok_or("there is no bar to draw")
    };
    let longest_of_all = longest(cases)?;
    let lines: i32 = cases.iter().map(|case| CASE + LINE * case.contenders.len() as i32).sum();
    let height = TOP + lines + BOTTOM;
    let mut drawn = String::new();
    {
        let root = SVGBackend::with_string(&mut drawn, (WIDTH as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        write(&root, title, 26, HPos::Left, (24, TOP / 2))?;
        let mut y = TOP;
        for case in cases {
            write(&root, &case.name, 19, HPos::Left, (24, y + CASE / 2))?;
            y += CASE;
            let longest = if scale == Scale::OfAll { longest_of_all } else { longest(slice::from_ref(case))? };
            for (index, contender) in case.contenders.iter().enumerate() {
                let color = if index == 0 { OURS[0] } else { PEERS[0] };
                draw_bar(&root, contender, color, shows, longest, y + LINE / 2)?;
                y += LINE;
            }
        }
        let note = |about| figures.note(about);
        let scaled = if scale == Scale::OfAll { "" } else { " Each case has a scale of its own." };
        write(
            &root,
            &format!("{}, {}. Medians.{scaled}", note("machine"), note("date")),
            16,
            HPos::Left,
            (24, y + 28),
        )?;
        write(&root, &format!("{}: {}", note("command"), note("figures")), 16, HPos::Left, (24, y + 52))?;
        root.present()?;
    }
    Ok(drawn)
}

/// The name, the bar and the figure. The bar of a figure that is not settled is hollow.
fn draw_bar(root: &Area<'_>, contender: &Contender, color: RGBColor, shows: Shows, longest: f64, y: i32) -> Drawn<()> {
    let length = (f64::from(BARS.1 - BARS.0) * shows.of(contender) / longest).round().max(1.0) as i32;
    let style = if contender.settled { color.filled() } else { color.stroke_width(2) };
    root.draw(&Rectangle::new([(BARS.0, y - LINE / 3), (BARS.0 + length, y + LINE / 3)], style))?;
    write(root, &contender.name, 17, HPos::Right, (BARS.0 - 10, y))?;
    write(root, &shows.text(contender), 17, HPos::Left, (BARS.0 + length + 10, y))
}

fn write(root: &Area<'_>, text: &str, size: u32, side: HPos, place: (i32, i32)) -> Drawn<()> {
    let style = (FONT, size).into_font().color(&BLACK).pos(Pos::new(side, VPos::Center));
    Ok(root.draw_text(text, &style, place)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{read_dir, read_to_string};
    use std::path::{Path, PathBuf};

    const SMALL: Picture = Picture {
        name: "",
        title: "a title",
        cases: &[("one", "first")],
        contenders: &["ours", "theirs"],
        shows: Shows::Rate,
        scale: Scale::OfAll,
    };

    fn figures() -> Figures {
        let text = "# machine: a machine\n# date: a day\n# command: make bench\n# figures: a file\n\
                    one,ours,10,yes\none,theirs,100,no\none,left out,1,yes\n";
        Figures::read(text).unwrap()
    }

    #[test]
    fn every_contender_has_a_bar_as_long_as_it_is_fast() {
        let figures = figures();
        let picture = svg(&SMALL, &SMALL.of(&figures).unwrap(), &figures).unwrap();
        for text in ["a title", "first", "ours", "100.00 million (10 ns)", "10.00 million (100 ns), not settled"] {
            assert!(picture.lines().any(|line| line.trim() == text), "{text}");
        }
        for text in ["a machine, a day. Medians.", "make bench: a file"] {
            assert!(picture.lines().any(|line| line.trim() == text), "{text}");
        }
        assert_eq!(picture.matches("width=\"45\"").count(), 1, "a tenth of the fastest one's bar");
        let times = svg(&Picture { shows: Shows::Time, ..SMALL }, &SMALL.of(&figures).unwrap(), &figures).unwrap();
        assert!(times.contains("0.1 us, not settled") && times.matches("width=\"45\"").count() == 1);
        assert!(svg(&SMALL, &[], &figures).is_err());
    }

    #[test]
    fn cases_that_are_far_apart_have_scales_of_their_own_and_say_so() {
        let cases = &[("one", "first"), ("two", "second")];
        let text = "one,ours,10,yes\none,theirs,100,yes\ntwo,ours,20000,yes\ntwo,theirs,200000,yes\n";
        let figures = Figures::read(text).unwrap();
        let shared = Picture { cases, ..SMALL };
        let apart = Picture { scale: Scale::OfCase, ..shared };
        let drawn = |picture: Picture| svg(&picture, &picture.of(&figures).unwrap(), &figures).unwrap();
        assert_eq!(drawn(shared).matches("width=\"450\"").count(), 1);
        assert_eq!(drawn(apart).matches("width=\"450\"").count(), 2);
        assert_eq!(drawn(apart).matches("width=\"45\"").count(), 2);
        assert!(drawn(apart).contains("Each case has a scale of its own."));
        assert!(drawn(apart).contains("50,000 (20.0 us)"), "a rate below a million");
    }

    #[test]
    fn a_picture_shows_its_contenders_in_the_cases_that_were_measured() {
        let cases = SMALL.of(&figures()).unwrap();
        assert_eq!((cases[0].name.as_str(), cases[0].contenders.len()), ("first", 2));
        assert_eq!(Picture { cases: &[("two", ""), ("one", "first")], ..SMALL }.of(&figures()), Some(cases));
        assert!(Picture { cases: &[("two", "")], ..SMALL }.of(&figures()).is_none());
    }

    /// So a picture never shows other figures than those that stand beside it.
    #[test]
    fn the_pictures_of_the_documentation_are_drawn_from_the_files_beside_them() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let files = read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("python-") && name.ends_with(".csv")
        };
        let mut drawn = 0;
        for file in files.filter(is_ours) {
            let figures = Figures::read(&read_to_string(&file).unwrap()).unwrap();
            for picture in PICTURES {
                let Some(cases) = picture.of(&figures) else { continue };
                let beside = file.with_extension("").to_str().unwrap().to_owned() + &format!("-{}.svg", picture.name);
                assert_eq!(read_to_string(&beside).unwrap(), svg(&picture, &cases, &figures).unwrap(), "{beside}");
                drawn += 1;
            }
        }
        assert!(drawn > 0);
    }
}
