//! What the suite `durable` needs beside the contests: messages that can be told from each other byte by byte
//! ([`payload`], [`InOrder`]), the loops, written once for all contenders ([`pushes`], [`pops`],
//! [`batches`], [`together`]), and
//!
//! - [`disk`]: the folder that is measured in, and what its disk has written;
//! - [`pace`]: pushes at a given rate, and how long each took;
//! - [`records`]: the least that opening a queue has to do.
//!
//! The queues are used over and over, so that a long run writes into few files. Each pass puts some messages
//! and takes all of them again. Only one of the two is timed.

pub mod disk;
pub mod pace;
pub mod records;

use crate::contest::Sample;
use crate::ledger::{Ledger, message};
use crate::subjects::durable::{Durable, Ours, SharedLog, Takes};
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// How long each message is.
pub const SIZE: usize = 100;
/// How many messages a queue holds at most while pushes or pops of one thread are timed.
const PASS: u64 = 2_000;

/// The bytes of a message.
pub type Payload = [u8; SIZE];

/// The bytes of the message of this number. Every part of them depends on the number.
#[inline]
#[must_use]
pub fn payload(number: u64) -> Payload {
    let mut bytes = [0; SIZE];
    for (word, place) in bytes.chunks_mut(8).zip(0..) {
        let mixed = number.wrapping_add(place).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let part = if place == 0 { number } else { mixed };
        word.copy_from_slice(&part.to_le_bytes()[..word.len()]);
    }
    bytes
}

/// The number of a message, if these are the bytes of one.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (bytes == payload(number)).then_some(number)
}

/// Checks messages that have to come in the order of their numbers.
#[derive(Clone, Copy, Debug)]
pub struct InOrder {
    due: u64,
    wrong: u64,
}

impl InOrder {
    /// The first message that is due is the one of this number.
    #[must_use]
    pub fn from(first: u64) -> Self {
        Self { due: first, wrong: 0 }
    }

    /// Looks at the next message.
    #[inline]
    pub fn see(&mut self, bytes: &[u8]) {
        self.wrong += u64::from(bytes != payload(self.due));
        self.due += 1;
    }

    /// How many messages came out wrong, were missing, or were too many, if the last one is that before
    /// `end`.
    #[must_use]
    pub fn wrong(&self, end: u64) -> u64 {
        self.wrong + self.due.abs_diff(end)
    }
}

/// A queue, and the number of the message that it is given next.
#[derive(Debug)]
pub struct Numbered<D> {
    queue: D,
    next: u64,
}

impl<D> Numbered<D> {
    /// A queue that is empty.
    pub fn new(queue: D) -> Self {
        Self { queue, next: 1 }
    }
}

/// The time that one thread takes to put `items` messages.
#[must_use]
pub fn pushes<D: Durable>(numbered: &mut Numbered<D>, items: u64) -> Sample {
    passes(numbered, items, |queue, payloads, check| {
        let started = Instant::now();
        let refused = payloads.iter().filter(|payload| !queue.put(black_box(*payload))).count();
        let elapsed = started.elapsed();
        queue.drain(&mut |bytes| check.see(bytes));
        (elapsed, refused as u64)
    })
}

/// The time that one thread takes to take `items` messages, and to compare each with what it should be.
#[must_use]
pub fn pops<D: Takes>(numbered: &mut Numbered<D>, items: u64) -> Sample {
    passes(numbered, items, |queue, payloads, check| {
        let refused = payloads.iter().filter(|payload| !queue.put(*payload)).count();
        let mut altered = 0;
        let started = Instant::now();
        for payload in payloads {
            let Some(bytes) = black_box(queue.take()) else { break };
            altered += u64::from(bytes != *payload);
            check.due += 1;
        }
        let elapsed = started.elapsed();
        queue.drain(&mut |bytes| check.see(bytes));
        (elapsed, refused as u64 + altered)
    })
}

/// The time that one thread takes to put `items` messages in batches of `size`, of which each is in the queue
/// as a whole or not at all.
#[must_use]
pub fn batches(numbered: &mut Numbered<Ours>, size: usize, items: u64) -> Sample {
    passes(numbered, items, |queue, payloads, check| {
        let started = Instant::now();
        let mut refused = 0;
        for batch in payloads.chunks(size) {
            let items = batch.iter().map(|payload| payload.to_vec()).collect();
            refused += if queue.queue().push_batch(black_box(items)).is_ok() { 0 } else { batch.len() as u64 };
        }
        let elapsed = started.elapsed();
        queue.drain(&mut |bytes| check.see(bytes));
        (elapsed, refused)
    })
}

/// Puts `items` messages through, some at a time. `pass` has to put and to take those that it is given. It
/// answers the time that counts and how many messages were wrong.
fn passes<D>(
    numbered: &mut Numbered<D>,
    items: u64,
    mut pass: impl FnMut(&mut D, &[Payload], &mut InOrder) -> (Duration, u64),
) -> Sample {
    let mut sample = Sample { items, ..Sample::default() };
    let mut left = items;
    while left > 0 {
        let (first, end) = (numbered.next, numbered.next + left.min(PASS));
        let payloads: Vec<Payload> = (first..end).map(payload).collect();
        let mut check = InOrder::from(first);
        let (elapsed, wrong) = pass(&mut numbered.queue, &payloads, &mut check);
        sample.elapsed += elapsed;
        sample.wrong += wrong + check.wrong(end);
        numbered.next = end;
        left -= end - first;
    }
    sample
}

/// The time that so many threads take to put `items` messages into one log, each the same number of them.
#[must_use]
pub fn together<L: SharedLog>(log: &mut L, threads: usize, items: u64) -> Sample {
    let each = items.div_ceil(threads as u64);
    let barrier = Barrier::new(threads + 1);
    let shared = &*log;
    let (started, refused) = thread::scope(|scope| {
        let putting: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let payloads: Vec<Payload> = (1..=each).map(|place| payload(message(thread, place))).collect();
                    barrier.wait();
                    payloads.iter().filter(|payload| !shared.append(*payload)).count() as u64
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        // A thread that has panicked has put nothing that counts.
        let refused: u64 = putting.into_iter().map(|thread| thread.join().unwrap_or(each)).sum();
        (started, refused)
    });
    let elapsed = started.elapsed();
    let (mut ledger, mut altered) = (Ledger::new(threads), 0);
    log.drain(&mut |bytes| match number(bytes) {
        Some(message) => ledger.enter(message),
        None => altered += 1,
    });
    let wrong = refused + altered + Ledger::wrong(&[ledger], threads, each);
    Sample { elapsed, items: each * threads as u64, wrong }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::path::Path;

    /// A queue in memory, which loses or alters the message of a number.
    struct Faulty {
        queue: VecDeque<Vec<u8>>,
        loses: u64,
        alters: u64,
    }

    fn faulty(loses: u64, alters: u64) -> Numbered<Faulty> {
        Numbered::new(Faulty { queue: VecDeque::new(), loses, alters })
    }

    impl Durable for Faulty {
        const NAME: &'static str = "faulty";

        fn open(_: &Path, _: crate::subjects::durable::Mode) -> Self {
            unreachable!()
        }

        fn put(&mut self, payload: &[u8]) -> bool {
            let mut bytes = payload.to_vec();
            let number = number(payload).unwrap();
            bytes[SIZE - 1] ^= u8::from(number == self.alters);
            if number != self.loses {
                self.queue.push_back(bytes);
            }
            true
        }

        fn drain(&mut self, see: &mut dyn FnMut(&[u8])) {
            self.queue.drain(..).for_each(|bytes| see(&bytes));
        }
    }

    impl Takes for Faulty {
        fn take(&mut self) -> Option<Vec<u8>> {
            self.queue.pop_front()
        }
    }

    #[test]
    fn a_message_tells_its_number_and_any_other_bit_shows() {
        let bytes = payload(77);
        assert_eq!(number(&bytes), Some(77));
        for bit in 0..SIZE * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(number(&flipped), None);
        }
        assert_eq!(number(&bytes[..SIZE - 1]), None);
        assert_eq!(number(&[]), None);
    }

    #[test]
    fn messages_that_are_right_are_counted_right_over_many_passes() {
        let items = 2 * PASS + 7;
        let mut queue = faulty(0, 0);
        for _ in 0..2 {
            let sample = pushes(&mut queue, items);
            assert_eq!((sample.items, sample.wrong), (items, 0));
            let sample = pops(&mut queue, items);
            assert_eq!((sample.items, sample.wrong), (items, 0));
        }
    }

    #[test]
    fn a_lost_message_and_an_altered_one_are_wrong() {
        assert_eq!(pushes(&mut faulty(PASS, 0), PASS).wrong, 1);
        assert_eq!(pops(&mut faulty(PASS, 0), PASS).wrong, 1);
        assert_eq!(pushes(&mut faulty(0, 5), PASS).wrong, 1);
        assert_eq!(pops(&mut faulty(0, 5), PASS).wrong, 1);
    }
}
