//! All items that are inside, one by one.

use super::super::files::now;
use super::super::format::HEAD;
use super::super::records::{self, Place, Status};
use super::report::Damage;
use super::survey::Survey;
use super::walk::{InLine, Walk};
use crate::error::BufferError;
use std::iter::Peekable;
use std::vec;

/// Where an item stands in its queue.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, ItemState, PushOptions, export};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// queue.push_with(4, &PushOptions::default().with_delay(std::time::Duration::from_secs(600)))?;
/// let (lease, other) = (queue.lease(None)?, queue.lease(None)?);
/// other.bury("broken")?;
/// let states: Vec<_> = export(&path)?.map(|item| item.state).collect();
/// assert_eq!(states[..2], [ItemState::Leased, ItemState::Dead("broken".into())]);
/// assert!(states[2] == ItemState::Ready && matches!(states[3], ItemState::Delayed(_)));
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemState {
    /// It can be taken.
    Ready,
    /// Somebody has leased it. When the queue is opened, it can be taken again.
    Leased,
    /// It can be taken from this moment on, in milliseconds since 1970.
    Delayed(u64),
    /// It is dead, for this reason.
    Dead(String),
}

/// An item as [`export`](super::export) shows it.
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions, export};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_with(7_u8, &PushOptions::default().with_id("seven").with_headers("from Ada"))?;
/// let item = export(&path)?.next().expect("there is one");
/// assert_eq!((item.id, item.headers), (b"seven".to_vec(), b"from Ada".to_vec()));
/// assert_eq!((item.data, item.deliveries), (vec![7], 0)); // as the codec has written it
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportedItem {
    /// Its number, by which items are in order.
    pub number: u64,
    /// Where it stands.
    pub state: ItemState,
    /// How often it was delivered on lease.
    pub deliveries: u32,
    /// When it was put in, in milliseconds since 1970.
    pub put_at: u64,
    /// What the producer named it; empty if it has no name.
    pub id: Vec<u8>,
    /// What the producer has added to it.
    pub headers: Vec<u8>,
    /// The item's own bytes, as its codec has written them.
    pub data: Vec<u8>,
}

/// The items of a queue, by number. See [`export`](super::export).
///
/// # Examples
/// ```
/// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, export};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("queue");
/// let queue = PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(&path))?;
/// queue.push_batch(vec![1, 2, 3])?;
/// let mut items = export(&path)?;
/// assert_eq!(items.by_ref().count(), 3);
/// assert!(items.damage().is_empty()); // all could be read
/// # Ok::<(), elasticq::BufferError>(())
/// ```
#[derive(Debug)]
pub struct Export {
    survey: Survey,
    aside: Peekable<vec::IntoIter<Aside>>,
    line: Walk,
    next: Option<InLine>,
    damage: Vec<Damage>,
    /// Whether somebody uses the queue: what can't be read any more was taken meanwhile.
    in_use: bool,
    time: u64,
}

#[derive(Debug)]
struct Aside {
    number: u64,
    place: Place,
    deliveries: u32,
    status: Status,
}

impl Export {
    pub(in super::super) fn of(survey: Survey, damage: Vec<Damage>, in_use: bool) -> Self {
        let aside = survey.state.takes.aside().iter().map(|(&number, aside)| Aside {
            number,
            place: aside.place,
            deliveries: aside.deliveries,
            status: aside.status.clone(),
        });
        let aside = aside.collect::<Vec<_>>().into_iter().peekable();
        Self { line: survey.line(), aside, next: None, damage, in_use, time: now(), survey }
    }

    /// What could not be read, as far as is known by now. It is complete when there is no item left.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The next item in line; what can't be read is noted.
    fn next_in_line(&mut self) -> Option<InLine> {
        loop {
            match self.line.next() {
                Ok(item) => return item,
                Err(_) if self.in_use => {}
                Err(error) => self.note(&error),
            }
        }
    }

    /// The files have changed since they were looked at: the disk fails.
    fn note(&mut self, error: &BufferError) {
        let what = error.to_string();
        let file = self.survey.parts.last().map(|part| part.name.clone()).unwrap_or_default();
        self.damage.push(Damage { file, offset: 0, bytes: 0, what, first: 0, records: None });
    }

    fn read_aside(&mut self, aside: Aside) -> Option<ExportedItem> {
        let Aside { number, place, deliveries, status } = aside;
        let Some(payload) = self.survey.aside(number, place) else {
            if !self.in_use {
                self.damage.push(lost_item(&self.survey, number, place));
            }
            return None;
        };
        let state = match status {
            Status::Ready => ItemState::Ready,
            Status::Leased => ItemState::Leased,
            Status::Delayed { at, delay } if at.saturating_add(delay) <= self.time => ItemState::Ready,
            Status::Delayed { at, delay } => ItemState::Delayed(at.saturating_add(delay)),
            Status::Dead { reason, .. } => ItemState::Dead(reason),
        };
        show(number, state, deliveries, &payload)
    }
}

impl Iterator for Export {
    type Item = ExportedItem;

    fn next(&mut self) -> Option<ExportedItem> {
        loop {
            if self.next.is_none() {
                self.next = self.next_in_line();
            }
            let before = self.next.as_ref().map_or(u64::MAX, |item| item.number);
            match self.aside.next_if(|aside| aside.number <= before) {
                Some(aside) => {
                    // One that stands aside does not stand in line, whatever a lost record has left there.
                    if aside.number == before {
                        self.next = None;
                    }
                    if let Some(item) = self.read_aside(aside) {
                        return Some(item);
                    }
                }
                None => {
                    let item = self.next.take()?;
                    if let Some(item) = show(item.number, ItemState::Ready, 0, &item.payload) {
                        return Some(item);
                    }
                }
            }
        }
    }
}

fn show(number: u64, state: ItemState, deliveries: u32, payload: &[u8]) -> Option<ExportedItem> {
    let (meta, data) = records::item(payload)?;
    let (id, headers) = (meta.id.to_vec(), meta.headers.to_vec());
    Some(ExportedItem { number, state, deliveries, put_at: meta.at, id, headers, data: data.to_vec() })
}

/// The report of an item that should stand aside and can't be read.
pub fn lost_item(survey: &Survey, number: u64, place: Place) -> Damage {
    let part = survey.parts.iter().find(|part| part.number == place.segment);
    let file = part.map_or_else(|| super::super::segment::digits(place.segment), |part| part.name.clone());
    let what = format!("item {number} can't be read");
    Damage { file, offset: place.offset, bytes: HEAD as u64, what, first: number, records: Some(1) }
}

/// How many items stand in line, by a count of them.
pub fn count(survey: &Survey) -> u64 {
    let mut walk = survey.line();
    let mut count = 0;
    loop {
        match walk.next() {
            Ok(Some(item)) => count += u64::from(!survey.state.takes.aside().contains_key(&item.number)),
            Ok(None) => return count,
            // It could be read a moment ago. What comes after it may still be.
            Err(_) => {}
        }
    }
}
