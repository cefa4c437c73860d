//! A batch that is read, and whether it ends as it should.

use super::super::format::{End, Kind};
use super::super::records::{Cursor, Place};
use super::super::recover::Rest;
use super::super::segment::Reader;
use crate::error::BufferResult;

pub type Record = (Place, u64, Kind, Vec<u8>);

/// Records of a batch that is not whole yet.
#[derive(Debug, Default)]
pub struct Batch {
    pub start: Option<Cursor>,
    pub records: Vec<Record>,
    /// Whether one of its records is lost and it was never put in, so that those that follow are lost, too.
    pub is_lost: bool,
}

/// What is known of the segment behind the one that is read.
#[derive(Clone, Copy, Debug)]
pub struct Following {
    pub number: u64,
    pub before: Option<End>,
}

impl Following {
    /// Whether it says that the segment before it ends here.
    pub fn follows(&self, end: &Cursor) -> bool {
        match self.before {
            Some(before) => before == (End { last: end.number.wrapping_sub(1), link: end.link }),
            None => self.number == end.number,
        }
    }
}

/// Whether the records of this file end here as they should, or before a batch that an opener has given up.
pub fn is_complete(reader: &Reader, batch: &Batch, next: Option<Following>) -> BufferResult<bool> {
    let at = reader.cursor;
    match next {
        Some(next) => Ok(next.follows(&at) || batch.start.is_some_and(|start| next.follows(&start))),
        None => Ok(Rest::look(&reader.segment, at.place.offset)?.is_zero()),
    }
}
