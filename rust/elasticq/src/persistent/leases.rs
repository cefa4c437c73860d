//! Items that somebody works on, and items that wait for their time.
//!
//! A lease is known by its token, which is drawn anew each time that an item is leased and is never written
//! down. So no token from before a restart, or of an earlier delivery, fits an item. How often an item was
//! delivered is written down before it is handed out.
//!
//! The times here are those of the process's own clock. What is on disk are times of day and lengths. A clock
//! that jumps while the queue is closed makes nothing wait for longer than it was told to.

use super::core::Core;
use super::files::now;
use super::log::random;
use super::records::{Change, How, Status};
use super::state::Takes;
use super::taking::Taking;
use crate::error::{BufferError, BufferResult};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Leases {
    tokens: HashMap<u64, Token>,
    /// When something is to be looked at, and the number of the item.
    due: BTreeSet<(Instant, u64)>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    token: u64,
    until: Option<Instant>,
}

impl Leases {
    /// For items that were found; nothing is leased.
    pub fn new(state: &Takes) -> Self {
        let mut leases = Self { tokens: HashMap::new(), due: BTreeSet::new(), next: random() };
        let time = now();
        for (&number, aside) in state.aside() {
            if let Status::Delayed { at, delay } = aside.status {
                leases.delayed(number, at.saturating_add(delay).saturating_sub(time).min(delay));
            }
        }
        leases
    }

    /// An item can be taken in so many milliseconds.
    pub fn delayed(&mut self, number: u64, delay: u64) {
        if let Some(due) = Instant::now().checked_add(Duration::from_millis(delay)) {
            self.due.insert((due, number));
        }
    }

    /// Makes a lease; returns its token.
    pub fn lease(&mut self, number: u64, ttl: Option<Duration>) -> u64 {
        self.next = self.next.wrapping_add(1);
        let until = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.due.extend(until.map(|until| (until, number)));
        self.tokens.insert(number, Token { token: self.next, until });
        self.next
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    pub fn has(&self, number: u64, token: u64) -> bool {
        self.tokens.get(&number).is_some_and(|found| found.token == token)
    }

    fn end(&mut self, number: u64) {
        if let Some(Token { until: Some(until), .. }) = self.tokens.remove(&number) {
            self.due.remove(&(until, number));
        }
    }

    /// The next item whose time has come.
    fn pop_due(&mut self, time: Instant) -> Option<u64> {
        let &(due, number) = self.due.first().filter(|(due, _)| *due <= time)?;
        self.due.remove(&(due, number));
        Some(number)
    }
}

impl Core {
    /// Follows the time: delayed items can be taken, and leases end.
    ///
    /// # Errors
    /// As [`record`](Self::record). What could not be written down is tried again at the next look.
    pub fn expire(&self, taking: &mut Taking) -> BufferResult<()> {
        if taking.leases.due.is_empty() {
            return Ok(());
        }
        let time = Instant::now();
        while let Some(number) = taking.leases.pop_due(time) {
            if taking.leases.tokens.remove(&number).is_some() {
                let buried = self.bury_if_delivered_too_often(taking, number);
                if let Err(error) = buried {
                    let later = time + Duration::from_secs(1);
                    taking.leases.due.insert((later, number));
                    taking.leases.tokens.insert(number, Token { token: 0, until: Some(later) });
                    return Err(error);
                }
                if buried == Ok(true) {
                    continue;
                }
            }
            // On disk this follows from the time, or from the end of the process.
            let waits = |status: &Status| matches!(status, Status::Delayed { .. } | Status::Leased);
            if taking.state.aside().get(&number).is_some_and(|aside| waits(&aside.status)) {
                taking.state.set_status(number, Status::Ready);
            }
        }
        self.note_seen(&taking.state);
        Ok(())
    }

    /// Buries an item if it must not be delivered once more. Returns whether it did.
    fn bury_if_delivered_too_often(&self, taking: &mut Taking, number: u64) -> BufferResult<bool> {
        let max = self.config.max_deliveries;
        let Some(aside) = taking.state.aside().get(&number) else { return Ok(false) };
        if max == 0 || aside.deliveries < max {
            return Ok(false);
        }
        let reason = format!("delivered {} times", aside.deliveries);
        self.record(taking, &[Change::Buried { number, at: now(), reason }])?;
        Ok(true)
    }

    /// After a restart, for the items that were leased.
    pub fn bury_what_was_delivered_too_often(&self) -> BufferResult<()> {
        let mut taking = self.taking();
        let ready: Vec<u64> =
            taking.state.aside().iter().filter(|(_, aside)| aside.status == Status::Ready).map(|(&n, _)| n).collect();
        for number in ready {
            self.bury_if_delivered_too_often(&mut taking, number)?;
        }
        Ok(())
    }

    /// Ends leases since the work was done. All or, on an error, none.
    ///
    /// # Errors
    /// `InvalidOperation` if one of them has ended before; `Io`, or what a sync has failed with.
    pub fn ack(&self, leases: &[(u64, u64)]) -> BufferResult<()> {
        let number = self.ack_now(leases)?;
        self.settle(number)?;
        self.wake();
        Ok(())
    }

    /// The same without the wait: returns the number of the record to wait for.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn ack_now(&self, leases: &[(u64, u64)]) -> BufferResult<u64> {
        self.check_process()?;
        self.in_room(|| {
            let mut taking = self.taking();
            self.expire(&mut taking)?;
            check(&taking, leases)?;
            let numbers = leases.iter().map(|&(number, _)| number).collect();
            let recorded = self.record(&mut taking, &[Change::Gone { numbers, how: How::Acked }])?;
            leases.iter().for_each(|&(number, _)| taking.leases.end(number));
            drop(taking);
            self.wake(); // a task that waits for the disk may be cancelled
            Ok(recorded)
        })
    }

    /// [`ack`](Self::ack) as a task.
    pub async fn ack_as_task(&self, leases: &[(u64, u64)]) -> BufferResult<()> {
        self.end_leases(leases.len(), || self.ack_now(leases)).await
    }

    /// Ends a lease since the work was not done: the item can be taken again, after so many milliseconds.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn nack(&self, number: u64, token: u64, delay: u64) -> BufferResult<()> {
        let recorded = self.nack_now(number, token, delay)?;
        self.settle(recorded)?;
        self.wake();
        Ok(())
    }

    /// The same without the wait: returns the number of the record to wait for.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn nack_now(&self, number: u64, token: u64, delay: u64) -> BufferResult<u64> {
        self.check_process()?;
        self.in_room(|| {
            let mut taking = self.taking();
            self.expire(&mut taking)?;
            check(&taking, &[(number, token)])?;
            let is_dead = self.bury_if_delivered_too_often(&mut taking, number)?;
            let recorded = if is_dead {
                self.log.tail().end().number - 1
            } else {
                let returned = Change::Returned { numbers: vec![number], at: now(), delay };
                self.record(&mut taking, &[returned])?
            };
            taking.leases.end(number);
            if delay > 0 && !is_dead {
                taking.leases.delayed(number, delay);
                self.worker.wake_at(taking.leases.next_due());
            }
            Ok(recorded)
        })
    }

    /// Ends a lease since the item can't be worked on: it is dead.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn bury(&self, number: u64, token: u64, reason: String) -> BufferResult<()> {
        self.check_process()?;
        let recorded = {
            let mut taking = self.taking();
            self.expire(&mut taking)?;
            check(&taking, &[(number, token)])?;
            let recorded = self.record(&mut taking, &[Change::Buried { number, at: now(), reason }])?;
            taking.leases.end(number);
            recorded
        };
        self.settle(recorded)?;
        self.wake();
        Ok(())
    }

    /// Lets a lease end later, or not at all.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn extend(&self, number: u64, token: u64, ttl: Option<Duration>) -> BufferResult<()> {
        self.check_process()?;
        let due = {
            let mut taking = self.taking();
            self.expire(&mut taking)?;
            check(&taking, &[(number, token)])?;
            taking.leases.end(number);
            let until = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
            taking.leases.due.extend(until.map(|until| (until, number)));
            taking.leases.tokens.insert(number, Token { token, until });
            taking.leases.next_due()
        };
        self.worker.wake_at(due);
        Ok(())
    }

    /// Delivers dead items again, as if they never had been; returns how many. All of them if none are named.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with.
    pub fn revive(&self, numbers: Option<&[u64]>) -> BufferResult<usize> {
        let count = self.change_dead(numbers, |numbers| Change::Revived { numbers })?;
        self.wake();
        Ok(count)
    }

    /// Drops dead items; returns how many. All of them if none are named.
    ///
    /// # Errors
    /// As [`revive`](Self::revive).
    pub fn purge(&self, numbers: Option<&[u64]>) -> BufferResult<usize> {
        let count = self.change_dead(numbers, |numbers| Change::Gone { numbers, how: How::Purged })?;
        self.wake();
        Ok(count)
    }

    fn change_dead(&self, named: Option<&[u64]>, change: impl FnOnce(Vec<u64>) -> Change) -> BufferResult<usize> {
        self.check_process()?;
        let (count, number) = {
            let mut taking = self.taking();
            let named: Option<HashSet<&u64>> = named.map(|named| named.iter().collect());
            let is_named = |number: &u64| named.as_ref().is_none_or(|named| named.contains(number));
            let numbers = taking.state.dead_numbers().filter(is_named);
            let numbers: Vec<u64> = numbers.collect();
            if numbers.is_empty() {
                return Ok(0);
            }
            (numbers.len(), self.record(&mut taking, &[change(numbers)])?)
        };
        self.settle(number)?;
        Ok(count)
    }
}

fn check(taking: &Taking, leases: &[(u64, u64)]) -> BufferResult<()> {
    match leases.iter().find(|(number, token)| !taking.leases.has(*number, *token)) {
        None => Ok(()),
        Some((number, _)) => Err(BufferError::InvalidOperation(format!(
            "the lease of item {number} has ended: it was acknowledged or given back, its time was over, or the \
             queue was opened anew"
        ))),
    }
}
