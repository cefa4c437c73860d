//! Marks every message with its producer and its place, and finds out what became of it.

/// How many bits of a message say which place it has among its producer's messages.
const PLACE_BITS: u32 = 40;

/// The message that `producer` sends at `place`, counted from one.
#[inline]
#[must_use]
pub fn message(producer: usize, place: u64) -> u64 {
    ((producer as u64) << PLACE_BITS) | place
}

/// Who sent a message.
#[inline]
#[must_use]
pub fn producer(message: u64) -> usize {
    (message >> PLACE_BITS) as usize
}

/// What one consumer received: how many messages, their checksum, and how often the order of one producer was
/// broken.
#[derive(Clone, Debug)]
pub struct Ledger {
    last: Vec<u64>,
    count: u64,
    sum: u64,
    disordered: u64,
}

impl Ledger {
    /// An empty ledger for messages of this many producers.
    #[must_use]
    pub fn new(producers: usize) -> Self {
        Self { last: vec![0; producers], count: 0, sum: 0, disordered: 0 }
    }

    /// Enters a message. It counts as disordered if no producer sent it, or if it comes after a later one, or
    /// a second time.
    #[inline]
    pub fn enter(&mut self, message: u64) {
        let producer = producer(message);
        let place = message & ((1 << PLACE_BITS) - 1);
        match self.last.get_mut(producer) {
            Some(last) if *last < place => *last = place,
            _ => self.disordered += 1,
        }
        self.count += 1;
        self.sum = self.sum.wrapping_add(message);
    }

    /// How many messages were entered.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many messages are wrong, if each producer sent `each` and `ledgers` hold everything that was
    /// received. These are the disordered ones, and the missing or surplus ones; or one, if only the checksum
    /// shows that something is wrong.
    #[must_use]
    pub fn wrong(ledgers: &[Self], producers: usize, each: u64) -> u64 {
        let sent = producers as u64 * each;
        let sum = (0..producers)
            .map(|producer| message(producer, 0).wrapping_mul(each).wrapping_add(each * (each + 1) / 2))
            .fold(0, u64::wrapping_add);
        let received: u64 = ledgers.iter().map(|ledger| ledger.count).sum();
        let disordered: u64 = ledgers.iter().map(|ledger| ledger.disordered).sum();
        let received_sum = ledgers.iter().fold(0, |sum: u64, ledger| sum.wrapping_add(ledger.sum));
        let counted = disordered + sent.abs_diff(received);
        if counted == 0 && received_sum != sum { 1 } else { counted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(messages: &[u64]) -> Ledger {
        let mut ledger = Ledger::new(2);
        messages.iter().for_each(|&message| ledger.enter(message));
        ledger
    }

    #[test]
    fn all_messages_in_the_order_of_their_producers_are_right() {
        let one = received(&[message(0, 1), message(1, 1), message(1, 3)]);
        let other = received(&[message(1, 2), message(0, 2), message(0, 3)]);
        assert_eq!(Ledger::wrong(&[one, other], 2, 3), 0);
    }

    #[test]
    fn a_missing_message_is_wrong() {
        assert_eq!(Ledger::wrong(&[received(&[message(0, 1), message(1, 1), message(1, 2)])], 2, 2), 1);
    }

    #[test]
    fn a_message_that_comes_twice_is_wrong_twice() {
        let ledger = received(&[message(0, 1), message(0, 1), message(1, 1)]);
        assert_eq!(Ledger::wrong(&[ledger], 2, 1), 2);
    }

    #[test]
    fn an_overtaken_message_and_a_foreign_one_are_wrong() {
        let overtaken = received(&[message(0, 2), message(0, 1), message(1, 1), message(1, 2)]);
        assert_eq!(Ledger::wrong(&[overtaken], 2, 2), 1);
        assert_eq!(Ledger::wrong(&[received(&[message(0, 1), message(7, 1)])], 2, 1), 1);
    }

    #[test]
    fn another_message_in_the_place_of_one_shows_in_the_checksum() {
        assert_eq!(Ledger::wrong(&[received(&[message(0, 1), message(0, 2)])], 2, 1), 1);
    }
}
