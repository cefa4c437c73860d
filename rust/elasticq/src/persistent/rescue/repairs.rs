//! Putting a queue in order.
//!
//! 1. Files are written under names that mean nothing (`repaired-…`): a copy of each broken segment, in which
//!    fillers stand for the lost records; a bridge where a whole file is missing; and a last segment, with
//!    the state that follows from what could be read. All are synced. Until then the queue is as it was.
//! 2. What would be there now is read as opening would read it. If that fails, the files are removed again.
//! 3. A file says what is to be done (`repairing`); while it is there, nobody can open the queue. Broken
//!    files are moved away, and the new ones get their names. Each step can be done again, so whoever finds
//!    that file can finish the work. It is removed when all is durable.

use super::super::files::{File, Storage, now};
use super::super::format::{self, End, HEADER, Header, Kind};
use super::super::log::{self, too_long};
use super::super::records::{self, Change, Cursor, Drafts, Meta, Place};
use super::super::recover::{self, REPAIRING};
use super::super::root::{self, ROOT};
use super::super::segment::name_of;
use super::super::state::snapshot;
use super::behind::LEAST;
use super::mend;
use super::part::Part;
use super::report::{Progress, Repair};
use super::survey::Survey;
use super::{Verdict, assess, export, judge, walk};
use crate::error::{BufferError, BufferResult};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

/// How the names of new files begin, and the file with the work before it is whole.
const REPAIRED: &str = "repaired-";
const DRAFT: &str = "repairing.new";

/// The least that a segment takes whose size is free.
const SMALLEST: u64 = 64 << 10;

/// See [`repair`](super::repair()). The caller has the lock.
pub fn repair(storage: &dyn Storage, progress: &Progress) -> BufferResult<Repair> {
    let unfinished = finish(storage)?;
    remove_leftovers(storage)?;
    let survey = Survey::of(storage, progress)?;
    let (contents, losses) = assess(&survey);
    let (verdict, _, behind) = judge(storage, &survey, &losses);
    let mut done = Repair {
        path: String::new(),
        changed: unfinished.is_some(),
        finished: unfinished.is_some(),
        contents,
        losses,
        folder: None,
        moved: Vec::new(),
        written: Vec::new(),
        next_number: survey.end.number,
    };
    if let Some(work) = unfinished {
        done.note(storage, work);
    }
    if verdict == Verdict::Healthy || verdict == Verdict::Torn && behind == 0 {
        return Ok(done);
    }
    if let Some((part, gap)) = survey.gaps().find(|(_, gap)| gap.is_foreign) {
        let text = format!("{}, offset {}: {}; a later version wrote it", part.name, gap.at.place.offset, gap.why);
        return Err(BufferError::InvalidOperation(text));
    }
    let mut work = match prepare(storage, &survey, &mut done.next_number) {
        Ok(work) => work,
        Err(error) => {
            let _ = remove_leftovers(storage); // the next repair does it
            return Err(error);
        }
    };
    work.begin(storage)?;
    work.carry_out(storage)?;
    done.note(storage, work);
    Ok(done)
}

impl Repair {
    fn note(&mut self, storage: &dyn Storage, work: Work) {
        self.changed = true;
        self.folder = Some(storage.path(&work.folder).display().to_string());
        self.moved = work.moved;
        self.written = work.put;
    }
}

/// What is to be done once all files are written.
#[derive(Debug, Default)]
struct Work {
    /// The directory for what is moved away.
    folder: String,
    /// Files that are moved away.
    aside: Vec<String>,
    /// Names for new files. A file that has the name is moved away before.
    put: Vec<String>,
    /// Files that were moved away.
    moved: Vec<String>,
}

/// Writes all new files, and looks whether the queue could be opened with them.
fn prepare(storage: &dyn Storage, survey: &Survey, next_number: &mut u64) -> BufferResult<Work> {
    let names = recover::list(storage)?;
    let mut work = Work { folder: format!("damaged-{}", now()), ..Work::default() };
    while names.iter().any(|name| name.starts_with(&work.folder)) {
        work.folder.push_str("-again");
    }
    let root = root::read(storage, &names)?;
    let begins = |part: &Part| Some(part.number) == root && !part.runs.is_empty();
    if root.is_some() && !survey.parts.iter().any(begins) {
        // The log can't begin where it should. So it begins with the oldest file again.
        work.aside.push(ROOT.into());
        work.aside.extend(survey.needless.iter().cloned());
    }
    let mut end: Option<Cursor> = None;
    for (index, part) in survey.parts.iter().enumerate() {
        if part.runs.is_empty() {
            work.aside.push(part.name.clone());
            continue;
        }
        if let (Some(before), Some(end)) = (part.before, &mut end)
            && before != end_of(end)
        {
            work.put.push(bridge(storage, end, before)?);
        }
        let is_broken = part.gaps.iter().any(|gap| gap.next.is_some() || gap.bytes > 0);
        if is_broken || part.is_open || part.fault.is_some() || part.before.is_none() || part.unreadable() > 0 {
            let next = survey.parts[index + 1..].iter().find(|part| !part.runs.is_empty());
            end = Some(copy(storage, part, end, next.and_then(|next| next.before))?);
            work.put.push(part.name.clone());
        } else {
            end = Some(part.end);
        }
    }
    let (name, in_line, aside) = write_tail(storage, survey, end, next_number)?;
    work.put.push(name);
    storage.sync().map_err(|refused| BufferError::io("to sync", storage.path(""), &refused))?;
    let after = After { storage, work: &work };
    let (_, state) = recover::check(&after)?.ok_or_else(|| unfit(storage))?;
    if (state.takes.in_line(state.puts.lined_up), state.takes.aside().len()) != (in_line, aside) {
        return Err(unfit(storage));
    }
    Ok(work)
}

fn unfit(storage: &dyn Storage) -> BufferError {
    let path = storage.path("");
    BufferError::Corrupted(format!("{}: what is left can't be made a queue; export its items", path.display()))
}

/// What a segment says of the one before it.
const fn end_of(end: &Cursor) -> End {
    End { last: end.number.wrapping_sub(1), link: end.link }
}

/// Writes a file under a name that means nothing yet.
fn write(storage: &dyn Storage, name: &str, fill: &dyn Fn(&dyn File) -> io::Result<()>) -> BufferResult<()> {
    let name = format!("{REPAIRED}{name}");
    let written = storage.create(&name).and_then(|file| {
        fill(&*file)?;
        file.sync()
    });
    written.map_err(|refused| BufferError::io("to write", storage.path(&name), &refused))
}

/// Writes a segment of one record, from the end of what is before it to what the next segment demands. Moves
/// the end there.
fn bridge(storage: &dyn Storage, end: &mut Cursor, wanted: End) -> BufferResult<String> {
    if wanted.last < end.number {
        return Err(unfit(storage));
    }
    let header =
        Header { salt: log::random(), first: wanted.last, size: 2 * HEADER as u64, before: end_of(end), free: 0 };
    let place = Place { segment: header.first, offset: HEADER as u64 };
    let mut at = Cursor { place, number: header.first, link: header.link() };
    let record = mend::record(header.salt, &mut at, LEAST, false, Some(wanted.link)).ok_or_else(|| unfit(storage))?;
    let name = name_of(&header);
    write(storage, &name, &|file| {
        file.write_at(&[&header.encode()[..], &record].concat(), 0)?;
        file.reserve(header.size)
    })?;
    *end = at;
    Ok(name)
}

/// Writes a copy of a segment with fillers for what was lost. Returns its end, which is `wanted` if only one
/// record is missing there.
fn copy(storage: &dyn Storage, part: &Part, before: Option<Cursor>, wanted: Option<End>) -> BufferResult<Cursor> {
    let (Some(segment), Some(first)) = (&part.segment, part.runs.first()) else {
        return Err(unfit(storage));
    };
    let (salt, start) = (segment.header.salt, HEADER as u64);
    let mut link = first.from.link;
    let mut pieces = Vec::new();
    for (gap, next) in part.gaps.iter().filter_map(|gap| Some((gap, gap.next?))) {
        let begins = gap.at.place.offset == start;
        let filler = mend::fill(salt, gap.at, next, begins && before.is_none()).ok_or_else(|| unfit(storage))?;
        if let Some(head) = filler.first_chunk().filter(|_| begins) {
            link = format::link_before(salt, head);
        }
        pieces.push((gap.at.place.offset, filler));
    }
    let mut header = segment.header;
    if part.before.is_none() {
        header.before = before.as_ref().map(end_of).unwrap_or_default();
    }
    if header.link() != link {
        header = header.with_link(link);
    }
    pieces.push((0, header.encode().to_vec()));
    let mut end = part.end;
    if part.is_open {
        // A batch that never ends was never put in. This one was, so something has to end it.
        let at = end.place.offset;
        let link = wanted.filter(|wanted| wanted.last == end.number).map(|wanted| wanted.link);
        let closing = mend::record(salt, &mut end, LEAST, false, link).ok_or_else(|| unfit(storage))?;
        pieces.push((at, closing));
    }
    let size = segment.header.size.max(end.place.offset);
    if size > segment.header.size {
        return Err(unfit(storage));
    }
    write(storage, &part.name, &|file| {
        file.reserve(size)?;
        let mut bytes = Vec::new();
        for run in &part.runs {
            let mut at = run.from.place.offset;
            while at < run.end.place.offset {
                bytes.resize((run.end.place.offset - at).min(1 << 20) as usize, 0);
                segment.file.read_at(&mut bytes, at)?;
                file.write_at(&bytes, at)?;
                at += bytes.len() as u64;
            }
        }
        pieces.iter().try_for_each(|(at, piece)| file.write_at(piece, *at))
    })?;
    Ok(end)
}

/// Writes the last segment, which says what is inside now. Returns its name, and how many items stand in line
/// and aside.
fn write_tail(
    storage: &dyn Storage,
    survey: &Survey,
    end: Option<Cursor>,
    next_number: &mut u64,
) -> BufferResult<(String, u64, usize)> {
    let mut state = snapshot(&survey.state.puts, &survey.state.takes);
    // Items whose records are right, but not in the chain, are written again.
    let mut again = Vec::new();
    state.aside.retain(|(number, aside)| {
        let payload = survey.aside(*number, aside.place);
        let is_there = payload.is_some();
        again.extend(payload.filter(|_| !survey.is_linked(aside.place)).map(|payload| (*number, payload)));
        is_there
    });
    let mut again = again.iter().map(|(number, payload)| moved(*number, payload)).collect::<BufferResult<Vec<_>>>()?;
    let in_line = export::count(survey);
    let inside = in_line.saturating_add(state.aside.len() as u64);
    let known = state.dequeued.saturating_add(state.dropped).saturating_add(inside);
    state.enqueued = state.enqueued.max(known);
    state.dropped = state.enqueued.saturating_sub(state.dequeued).saturating_sub(inside);
    state.lined_up = state.passed.saturating_add(in_line);
    let before = end.as_ref().map(end_of).unwrap_or_default();
    let mut header =
        Header { salt: log::random(), first: survey.unused_number().max(1), size: SMALLEST, before, free: 0 };
    if header.first > u64::MAX / 2 {
        return Err(unfit(storage)); // the next numbers must not overflow
    }
    let draft = |state| log::alone(&Change::Snapshot(Box::new(state)));
    // Its cursor may be its own beginning, which is known when its size is.
    state.cursor = Cursor { number: u64::MAX, link: u32::MAX, place: Place { segment: u64::MAX, offset: u64::MAX } };
    let room = 2 * (HEADER as u64 + draft(state.clone())?.size()) + again.iter().map(Drafts::size).sum::<u64>();
    header.size = room.max(SMALLEST).next_multiple_of(4096);
    let start = Place { segment: header.first, offset: HEADER as u64 };
    let mut at = Cursor { place: start, number: header.first, link: header.link() };
    state.cursor = walk::locate(&survey.runs(), survey.state.takes.cursor.number)?.unwrap_or(at);
    let aside = state.aside.len();
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(draft(state)?.place(&mut at, header.salt));
    again.iter_mut().for_each(|draft| bytes.extend_from_slice(draft.place(&mut at, header.salt)));
    // Everything is durable before this file has a name.
    let mark = Change::Synced { place: start, salt: header.salt };
    bytes.extend_from_slice(log::alone(&mark)?.place(&mut at, header.salt));
    let name = name_of(&header);
    write(storage, &name, &|file| {
        file.write_at(&bytes, 0)?;
        file.reserve(header.size)
    })?;
    *next_number = at.number;
    Ok((name, in_line, aside))
}

/// The record of an item that is written again.
fn moved(number: u64, payload: &[u8]) -> BufferResult<Drafts> {
    let (meta, data) = records::item(payload).ok_or_else(too_long)?;
    let mut drafts = Drafts::default();
    drafts.item(Kind::Moved, &Meta { number, ..meta }, data).ok_or_else(too_long)?;
    Ok(drafts)
}

/// Finishes a repair that was cut off. Returns what it was about, if there was one.
fn finish(storage: &dyn Storage) -> BufferResult<Option<Work>> {
    if !recover::list(storage)?.iter().any(|name| name == REPAIRING) {
        return Ok(None);
    }
    let path = storage.path(REPAIRING);
    let text = storage.open(REPAIRING).and_then(|file| {
        let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(0)];
        file.read_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    let text = text.map_err(|refused| BufferError::io("to read", &path, &refused))?;
    let mut work = Work::parse(&text).ok_or_else(|| {
        BufferError::Corrupted(format!("{}: it does not say what a repair has still to do", path.display()))
    })?;
    work.carry_out(storage)?;
    Ok(Some(work))
}

/// Removes what a repair has written that never came to its second step.
fn remove_leftovers(storage: &dyn Storage) -> BufferResult<()> {
    for name in recover::list(storage)? {
        if name.starts_with(REPAIRED) || name == DRAFT {
            storage.remove(&name).map_err(|refused| BufferError::io("to remove", storage.path(&name), &refused))?;
        }
    }
    Ok(())
}

impl Work {
    fn text(&self) -> String {
        let aside = self.aside.iter().map(|name| format!("aside {name}\n"));
        let put = self.put.iter().map(|name| format!("put {name}\n"));
        format!("folder {}\n{}end\n", self.folder, aside.chain(put).collect::<String>())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut work = Self::default();
        for line in text.strip_suffix("end\n")?.lines() {
            let (what, name) = line.split_once(' ')?;
            match what {
                // The file may be anybody's.
                _ if name.contains('/') || name.is_empty() => return None,
                "folder" => work.folder = name.into(),
                "aside" => work.aside.push(name.into()),
                "put" => work.put.push(name.into()),
                _ => return None,
            }
        }
        work.folder.starts_with("damaged-").then_some(work)
    }

    /// Writes down what is to be done. From then on it will be done.
    fn begin(&self, storage: &dyn Storage) -> BufferResult<()> {
        let written = storage.create(DRAFT).and_then(|file| {
            file.write_at(self.text().as_bytes(), 0)?;
            file.sync()?;
            storage.rename(DRAFT, REPAIRING)?;
            storage.sync()
        });
        written.map_err(|refused| BufferError::io("to write", storage.path(REPAIRING), &refused))
    }

    /// Does what is still to be done.
    fn carry_out(&mut self, storage: &dyn Storage) -> BufferResult<()> {
        let there: BTreeSet<String> = recover::list(storage)?.into_iter().collect();
        self.take_steps(storage, &there)
            .map_err(|refused| BufferError::io("to put in order", storage.path(""), &refused))
    }

    fn take_steps(&mut self, storage: &dyn Storage, there: &BTreeSet<String>) -> io::Result<()> {
        let mut away = |name: &String| {
            if there.contains(name) {
                storage.move_into(&self.folder, name)?;
                self.moved.push(name.clone());
            }
            io::Result::Ok(())
        };
        for name in &self.put {
            let new = format!("{REPAIRED}{name}");
            if there.contains(&new) {
                away(name)?;
                storage.rename(&new, name)?;
            }
        }
        self.aside.iter().try_for_each(away)?;
        storage.sync()?;
        storage.remove(REPAIRING)?;
        storage.sync()
    }
}

/// A queue as it will be when the work is done.
#[derive(Debug)]
struct After<'a> {
    storage: &'a dyn Storage,
    work: &'a Work,
}

impl Storage for After<'_> {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names: BTreeSet<String> = self.storage.list()?.into_iter().collect();
        names.retain(|name| !self.work.aside.contains(name));
        names.extend(self.work.put.iter().cloned());
        Ok(names.into_iter().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        if self.work.put.iter().any(|put| put == name) {
            return self.storage.open(&format!("{REPAIRED}{name}"));
        }
        self.storage.open(name)
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn File>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn move_into(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.storage.path(name)
    }

    fn release(&self) {}
}
