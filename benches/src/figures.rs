//! Figures of contests in a file: what `make bench` has measured in Python, to be drawn ([`crate::bars`]).
//!
//! The file is CSV. Lines that begin with `#` come first, and tell where the figures are from: `# date:
//! 2026-11-28`, say. Then comes a line for each contender of each case: `case,contender,nanoseconds,settled`.

use std::str::Chars;

/// A file of figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The lines at the beginning: what each is about, and what it says.
    pub notes: Vec<(String, String)>,
    /// All cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// One case and all who took part.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The case's name.
    pub name: String,
    /// The contenders. The first one is ours.
    pub contenders: Vec<Contender>,
}

/// How one contender did in one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The contender's name.
    pub name: String,
    /// The median of the time per item.
    pub nanoseconds: f64,
    /// Whether two runs in a row would say the same.
    pub settled: bool,
}

impl Figures {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// When a line is not of the form above. The message has the line's number.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut figures = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(note) = line.strip_prefix('#') {
                let (about, what) = note.split_once(':').ok_or_else(|| format!("line {number}: a note has a colon"))?;
                figures.notes.push((about.trim().to_owned(), what.trim().to_owned()));
            } else if !line.starts_with("case,") {
                figures.enter(line).ok_or_else(|| format!("line {number}: no contender of a case: {line:?}"))?;
            }
        }
        Ok(figures)
    }

    /// What the notes say about something; nothing, if there is no such note.
    #[must_use]
    pub fn note(&self, about: &str) -> &str {
        self.notes.iter().find(|note| note.0 == about).map_or("", |note| &note.1)
    }

    fn enter(&mut self, line: &str) -> Option<()> {
        let [case, name, nanoseconds, settled] = <[String; 4]>::try_from(cells(line)).ok()?;
        let nanoseconds: f64 = nanoseconds.parse().ok().filter(|&time| time > 0.0)?;
        let settled = match settled.as_str() {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        if self.cases.last().is_none_or(|last| last.name != case) {
            self.cases.push(Case { name: case, contenders: Vec::new() });
        }
        self.cases.last_mut()?.contenders.push(Contender { name, nanoseconds, settled });
        Some(())
    }
}

/// The cells of a line. One that has a comma stands in quotation marks.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = line.chars();
    loop {
        let (cell, more) = cell(&mut rest);
        cells.push(cell);
        if !more {
            return cells;
        }
    }
}

/// The next cell, and whether another one follows.
fn cell(rest: &mut Chars<'_>) -> (String, bool) {
    let mut cell = String::new();
    let mut quoted = false;
    for letter in rest {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => return (cell, true),
            _ => cell.push(letter),
        }
    }
    (cell, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_and_contenders_are_read() {
        let text = "# date: 2026-11-28\ncase,contender,nanoseconds,settled\n\
                    \"put, get\",ours,10.5,yes\n\"put, get\",theirs,21,no\nother,ours,3,yes\n";
        let figures = Figures::read(text).unwrap();
        assert_eq!((figures.note("date"), figures.note("machine")), ("2026-11-28", ""));
        let read: Vec<_> = figures.cases.iter().map(|case| (case.name.as_str(), case.contenders.len())).collect();
        assert_eq!(read, [("put, get", 2), ("other", 1)]);
        let theirs = &figures.cases[0].contenders[1];
        assert_eq!((theirs.name.as_str(), theirs.nanoseconds, theirs.settled), ("theirs", 21.0, false));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        for line in ["a,b,c,yes", "a,b,1", "a,b,1,perhaps", "a,b,0,yes", "a,b,1,yes,more"] {
            assert_eq!(Figures::read(line), Err(format!("line 1: no contender of a case: {line:?}")));
        }
        assert_eq!(Figures::read("case,\n# nothing"), Err("line 2: a note has a colon".to_owned()));
    }
}
