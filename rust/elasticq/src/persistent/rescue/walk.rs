//! Going once more along the records that a survey has found, for their items. Memory is flat.

use super::super::records::{self, Cursor, Place};
use super::super::segment::Reader;
use super::part::Run;
use crate::error::BufferResult;
use std::sync::Arc;

/// The items that stand in line, in order.
#[derive(Debug)]
pub struct Walk {
    runs: std::vec::IntoIter<Run>,
    /// The run that is read, and where it ends.
    reader: Option<(Reader, Cursor)>,
    from: u64,
}

/// An item in line.
#[derive(Debug)]
pub struct InLine {
    pub number: u64,
    pub place: Place,
    pub payload: Vec<u8>,
}

impl Walk {
    /// Begins at the item with this number.
    pub fn new(runs: Vec<Run>, from: u64) -> Self {
        Self { runs: runs.into_iter(), reader: None, from }
    }

    /// The next item; `None` behind the last one. After an error it goes on with the next run.
    pub fn next(&mut self) -> BufferResult<Option<InLine>> {
        self.next_before(u64::MAX)
    }

    /// The same; `None` also where the next one does not have a lower number than this.
    pub fn next_before(&mut self, limit: u64) -> BufferResult<Option<InLine>> {
        loop {
            let (reader, end) = match &mut self.reader {
                Some(reading) => reading,
                None => {
                    let Some(run) = self.runs.next() else { return Ok(None) };
                    if run.end.number <= self.from {
                        continue;
                    }
                    self.reader.insert((Reader::new(Arc::clone(&run.segment), run.from), run.end))
                }
            };
            if reader.cursor.number >= limit {
                return Ok(None);
            }
            if reader.cursor.place.offset >= end.place.offset {
                self.reader = None;
                continue;
            }
            let next = reader.next();
            let Ok(Some((head, place))) = next else {
                self.reader = None;
                match next {
                    Err(error) => return Err(error),
                    _ => continue,
                }
            };
            let payload = reader.payload(&head, place);
            if head.number >= self.from && records::is_in_line(head.kind, payload) {
                return Ok(Some(InLine { number: head.number, place, payload: payload.to_vec() }));
            }
        }
    }
}

/// Where the record of this number begins, or the first one behind it, of those in these runs.
pub fn locate(runs: &[Run], number: u64) -> BufferResult<Option<Cursor>> {
    let Some(run) = runs.iter().find(|run| run.end.number > number) else { return Ok(None) };
    let mut reader = Reader::new(Arc::clone(&run.segment), run.from);
    while reader.cursor.number < number {
        if reader.next()?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(reader.cursor))
}
