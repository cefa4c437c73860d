//! What is read off a buffer at one moment, and sums of it.

use crate::buffer::{Figure, Oldest, Parts, Report};
use crate::wait::Waiting;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What only grows. The parts of one sum, so that figures of several buffers can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub enqueued: u64,
    pub dequeued: u64,
    pub refused: u64,
    pub dropped: u64,
    pub grown: u64,
    pub shrunk: u64,
}

impl Totals {
    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            enqueued: with(self.enqueued, other.enqueued),
            dequeued: with(self.dequeued, other.dequeued),
            refused: with(self.refused, other.refused),
            dropped: with(self.dropped, other.dropped),
            grown: with(self.grown, other.grown),
            shrunk: with(self.shrunk, other.shrunk),
        }
    }

    pub fn plus(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }

    /// What has come since `earlier`. A buffer whose counters began again counts from zero.
    pub fn since(self, earlier: Self) -> Self {
        self.zip(earlier, |now, then| now.checked_sub(then).unwrap_or(now))
    }

    /// Items that are inside.
    pub const fn depth(self) -> u64 {
        self.enqueued.saturating_sub(self.dequeued).saturating_sub(self.dropped)
    }
}

/// A buffer at one moment.
#[derive(Debug)]
pub struct Reading {
    pub totals: Totals,
    pub capacity: u64,
    pub max_capacity: u64,
    /// Whether the items outlive the buffer.
    pub in_files: bool,
    pub waiting_for_item: Waiting,
    pub waiting_for_room: Waiting,
    pub oldest: Oldest,
    pub figures: Vec<Figure>,
}

impl Reading {
    pub fn of<T, B: Parts<T> + ?Sized>(buffer: &B) -> Self {
        let stats = buffer.stats();
        let mut report = Report::default();
        buffer.report(&mut report);
        Self {
            totals: Totals {
                enqueued: stats.messages_enqueued,
                dequeued: stats.messages_dequeued,
                refused: stats.messages_refused,
                dropped: stats.messages_dropped,
                grown: stats.grown,
                shrunk: stats.shrunk,
            },
            capacity: stats.current_capacity as u64,
            max_capacity: buffer.max_capacity() as u64,
            in_files: buffer.waits_for_disk(),
            waiting_for_item: buffer.waiting_for_item(),
            waiting_for_room: buffer.waiting_for_room(),
            oldest: report.oldest,
            figures: report.figures,
        }
    }
}

/// How many items had come at which time. So a later moment knows how old the oldest item can be at most.
#[derive(Debug)]
pub struct Ages {
    begun: Instant,
    /// Rising in both. The first is the last that is no later than the oldest item.
    notes: VecDeque<(u64, Instant)>,
}

impl Ages {
    /// So many notes are kept at the most: an hour of them. After that every second one goes.
    const MOST: usize = 3_600;

    pub fn begin() -> Self {
        Self { begun: Instant::now(), notes: VecDeque::new() }
    }

    /// Notes how many items have come, and gives the age that the oldest of those inside has at most: `None`
    /// if there are none. `gone` of them have left, in the order in which they came.
    pub fn note(&mut self, now: Instant, come: u64, gone: u64) -> Option<Duration> {
        // An item with this number came after all notes that count no more than `gone` items.
        while self.notes.get(1).is_some_and(|(count, _)| *count <= gone) {
            self.notes.pop_front();
        }
        let since = match self.notes.front() {
            Some((count, time)) if *count <= gone => *time,
            _ => self.begun,
        };
        if self.notes.back().is_none_or(|(count, _)| *count < come) {
            self.notes.push_back((come, now));
        } else if let Some((_, time)) = self.notes.back_mut() {
            *time = now; // nothing has come since
        }
        if self.notes.len() > Self::MOST {
            let mut place = 0;
            self.notes.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        (come > gone).then(|| now.saturating_duration_since(since))
    }
}

/// The figures of several buffers together.
#[derive(Debug, Default)]
pub struct Sum {
    pub totals: Totals,
    pub capacity: u64,
    pub max_capacity: u64,
    pub item: Waits,
    pub room: Waits,
    /// `None` if no buffer knows.
    pub oldest: Option<Duration>,
    pub figures: Figures,
}

/// Who waits at one end.
#[derive(Debug, Default)]
pub struct Waits {
    pub threads: usize,
    pub tasks: usize,
    pub longest: Duration,
}

impl Waits {
    fn add(&mut self, waiting: Waiting) {
        self.threads += waiting.threads;
        self.tasks += waiting.tasks;
        self.longest = self.longest.max(waiting.longest.unwrap_or_default());
    }
}

impl Sum {
    /// Adds a buffer. `totals` are those that count.
    pub fn add(&mut self, reading: &Reading, totals: Totals, oldest: Option<Duration>) {
        self.totals = self.totals.plus(totals);
        self.capacity = self.capacity.saturating_add(reading.capacity);
        self.max_capacity = self.max_capacity.saturating_add(reading.max_capacity);
        self.item.add(reading.waiting_for_item);
        self.room.add(reading.waiting_for_room);
        self.oldest = self.oldest.max(oldest);
        self.figures.add(&reading.figures);
    }
}

/// What a figure says, and the level that it is about.
pub type Place = (u8, Option<usize>);

/// Figures that only some buffers have.
#[derive(Clone, Debug, Default)]
pub struct Figures(BTreeMap<Place, Figure>);

impl Figures {
    pub fn add<'a>(&mut self, figures: impl IntoIterator<Item = &'a Figure>) {
        for figure in figures {
            let place = (figure.what as u8, figure.level);
            let known = self.0.entry(place).or_insert(Figure { value: 0, ..*figure });
            known.value = figure.what.of_both(known.value, figure.value);
        }
    }

    /// Puts in what this figure is now. Returns what it was.
    pub fn replace(&mut self, figure: Figure) -> Option<Figure> {
        self.0.insert((figure.what as u8, figure.level), figure)
    }

    pub fn get(&self, place: &Place) -> Option<u64> {
        self.0.get(place).map(|figure| figure.value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Figure)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_an_upper_bound_and_right_to_one_note() {
        let mut ages = Ages::begin();
        let begun = ages.begun;
        let at = |second| begun + Duration::from_secs(second);
        assert_eq!(ages.note(at(1), 0, 0), None);
        assert_eq!(ages.note(at(2), 5, 0), Some(Duration::from_secs(1)), "they came after the note of second 1");
        assert_eq!(ages.note(at(3), 9, 0), Some(Duration::from_secs(2)));
        assert_eq!(ages.note(at(4), 9, 5), Some(Duration::from_secs(2)), "those came after the note of second 2");
        assert_eq!(ages.note(at(5), 9, 9), None);
        assert_eq!(ages.note(at(9), 10, 9), Some(Duration::from_secs(4)));
    }

    #[test]
    fn the_number_of_notes_is_bounded_and_the_bound_holds() {
        for oldest in [100, 5_000, u64::MAX] {
            let mut ages = Ages::begin();
            let begun = ages.begun;
            for second in 1..20_000 {
                // The oldest is always the item of so many seconds ago.
                let age = ages.note(begun + Duration::from_secs(second), second, second.saturating_sub(oldest));
                let (age, least) = (age.unwrap().as_secs(), second.min(oldest));
                // Notes of which every second one goes are farther apart.
                assert!(age >= least && age <= least + 16, "{age} and {least}, {second}");
                assert!(ages.notes.len() <= Ages::MOST);
            }
        }
    }
}
