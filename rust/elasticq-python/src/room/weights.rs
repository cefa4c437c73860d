//! `Weighted`: a buffer whose items have weights; their sum is limited, and so is their number.
//!
//! The weights stand in an account beside the ring, oldest first. A thread that changes the ring holds the
//! account's lock, which is taken before the ring's. So account and ring agree at every moment, and a look at
//! the account and the addition that follows from it are one step. A thread that only looks at the items
//! takes only the ring's lock. Both locks keep to the same rules (see `lib`): they are taken only while
//! attached, and nothing of Python runs under them.

use crate::arguments::numbers;
use crate::errors;
use crate::raw::Item;
use crate::raw::lists::Places;
use crate::raw::lock::RingLock;
use crate::waiting::line::Line;
use elasticq::{BufferError, BufferResult, Config, DynamicCircularBuffer, Parts, Rejected};
use parking_lot::lock_api::Mutex;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::vec;

pub struct Weighted {
    buffer: DynamicCircularBuffer<Item, RingLock>,
    account: Mutex<RingLock, Account>,
    pub max_weight: usize,
    /// Called with an item, returns its weight. `None`: the weight is the item's length.
    weigh: Option<Py<PyAny>>,
    /// The waiters for room.
    pub line: Line,
}

#[derive(Default)]
struct Account {
    weights: VecDeque<usize>,
    /// The sum of all weights, at most the limit.
    sum: usize,
}

impl Account {
    fn reserve(&mut self, count: usize) -> BufferResult<()> {
        let reserved = self.weights.try_reserve(count);
        reserved.map_err(|_| BufferError::ResizeError(format!("no memory for {count} weights")))
    }

    fn add(&mut self, weights: &[usize]) {
        self.weights.extend(weights);
        self.sum += weights.iter().sum::<usize>();
    }

    fn take(&mut self, count: usize) {
        self.sum -= self.weights.drain(..count).sum::<usize>();
        // Half of the memory is given back only once three quarters are unused: so the cost per item is
        // constant.
        if self.weights.len() < self.weights.capacity() / 4 {
            self.weights.shrink_to(self.weights.capacity() / 2);
        }
    }
}

impl Weighted {
    /// The buffer with weights for these settings; `None` if there is no limit by weight. `max_weight` and
    /// `weigh` are that limit.
    pub fn of_settings(
        py: Python<'_>,
        max_weight: Option<&Bound<'_, PyAny>>,
        weigh: Option<&Bound<'_, PyAny>>,
        config: &Config,
    ) -> PyResult<Option<Box<Self>>> {
        let Some(max_weight) = max_weight else {
            return match weigh {
                None => Ok(None),
                Some(_) => Err(errors::misconfigured(
                    py,
                    "weigh without max_weight: give the most that the items may weigh".into(),
                )),
            };
        };
        let max_weight = match numbers::capacity("max_weight", max_weight)? {
            0 => return Err(errors::misconfigured(py, "max_weight = 0: must be at least 1".into())),
            max_weight => max_weight,
        };
        if let Some(weigh) = weigh.filter(|weigh| !weigh.is_callable()) {
            return Err(PyTypeError::new_err(format!("weigh must be callable, not {}", weigh.get_type().name()?)));
        }
        let buffer = DynamicCircularBuffer::with_lock(config.clone()).map_err(|error| errors::to_python(py, &error))?;
        Ok(Some(Box::new(Self::new(buffer, max_weight, weigh.map(|weigh| weigh.clone().unbind())))))
    }

    fn new(buffer: DynamicCircularBuffer<Item, RingLock>, max_weight: usize, weigh: Option<Py<PyAny>>) -> Self {
        Self { buffer, account: Mutex::new(Account::default()), max_weight, weigh, line: Line::default() }
    }

    /// The items, to look at them and to wait for them, but not to change anything.
    pub const fn items(&self) -> &DynamicCircularBuffer<Item, RingLock> {
        &self.buffer
    }

    /// What the items inside weigh now.
    pub fn weight(&self) -> usize {
        self.account.lock().sum
    }

    /// What an item weighs. This runs Python code, so it is called once, before anything else.
    pub fn weigh(&self, item: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = item.py();
        let Some(weigh) = &self.weigh else { return self.within_limit(item.len()?) };
        let weight = weigh.bind(py).call1((item,))?;
        match weight.extract::<usize>() {
            Ok(weight) => self.within_limit(weight),
            Err(error) if !error.is_instance_of::<PyOverflowError>(py) => {
                Err(PyTypeError::new_err(format!("a weight must be an integer, not {}", weight.get_type().name()?)))
            }
            Err(_) if weight.lt(0)? => {
                Err(PyValueError::new_err(format!("a weight must be non-negative, not {}", weight.str()?)))
            }
            Err(_) => Err(self.too_heavy(&weight.str()?)),
        }
    }

    /// What each of these items weighs.
    pub fn weigh_all(&self, py: Python<'_>, items: &[Item]) -> PyResult<Vec<usize>> {
        items.iter().map(|item| self.weigh(item.bind(py))).collect()
    }

    fn within_limit(&self, weight: usize) -> PyResult<usize> {
        if weight <= self.max_weight { Ok(weight) } else { Err(self.too_heavy(&weight)) }
    }

    fn too_heavy(&self, weight: &dyn std::fmt::Display) -> PyErr {
        PyValueError::new_err(format!("an item of weight {weight} never fits: max_weight = {}", self.max_weight))
    }

    /// For the garbage collector: what belongs to the limit. The buffer shows the items.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(weigh) = &self.weigh {
            visit.call(weigh)?;
        }
        self.line.traverse(visit)
    }

    /// Adds all items or none.
    pub fn offer(&self, items: Vec<Item>, weights: &[usize]) -> Result<(), Rejected<Vec<Item>>> {
        let mut account = self.account.lock();
        if self.fitting(&account, weights) < weights.len() && !self.buffer.is_closed() {
            return Err(Rejected::new(BufferError::Full, items));
        }
        if let Err(reason) = account.reserve(weights.len()) {
            return Err(Rejected::new(reason, items));
        }
        self.buffer.offer_batch_again(items)?;
        account.add(weights);
        Ok(())
    }

    /// Adds as many items as there is room for, from the front; returns their number.
    pub fn offer_some(&self, items: &mut vec::IntoIter<Item>, weights: &[usize]) -> BufferResult<usize> {
        let mut account = self.account.lock();
        if self.buffer.is_closed() {
            return Err(BufferError::Closed);
        }
        let count = self.fitting(&account, weights);
        account.reserve(count)?;
        if count > 0 {
            self.buffer.offer_with(count, |_| items.next().expect("an item for each weight"))?;
            account.add(&weights[..count]);
        }
        Ok(count)
    }

    /// Adds those items that there is room for, one by one; returns the others.
    pub fn offer_fitting(&self, items: Vec<Item>, weights: &[usize]) -> Result<Vec<Item>, Rejected<Vec<Item>>> {
        let mut account = self.account.lock();
        if self.buffer.is_closed() {
            return Err(Rejected::new(BufferError::Closed, items));
        }
        let mut room = self.max_weight - account.sum;
        let mut places = self.buffer.max_capacity() - self.buffer.len();
        let mut fits = |weight: usize| {
            let fits = places > 0 && weight <= room;
            if fits {
                places -= 1;
                room -= weight;
            }
            fits
        };
        let fitting: Vec<bool> = weights.iter().map(|&weight| fits(weight)).collect();
        let kept: Vec<usize> =
            weights.iter().zip(&fitting).filter_map(|(&weight, &fits)| fits.then_some(weight)).collect();
        if let Err(reason) = account.reserve(kept.len()) {
            return Err(Rejected::new(reason, items));
        }
        let (mut adding, mut others) = (Vec::with_capacity(kept.len()), Vec::new());
        for (item, fits) in items.into_iter().zip(fitting) {
            if fits { adding.push(item) } else { others.push(item) }
        }
        match self.buffer.offer_batch_again(adding) {
            Ok(()) => {
                account.add(&kept);
                Ok(others)
            }
            Err(rejected) => {
                let (reason, mut refused) = rejected.into_parts();
                refused.append(&mut others);
                Err(Rejected::new(reason, refused))
            }
        }
    }

    /// Adds all items. Returns those that were evicted for them: the oldest of all, of those that were inside
    /// and of these.
    pub fn force(&self, items: Vec<Item>, weights: &[usize]) -> Result<Vec<Item>, Rejected<Vec<Item>>> {
        let mut account = self.account.lock();
        let sum = weights.iter().fold(account.sum as u128, |sum, &weight| sum + weight as u128);
        let mut excess = sum.saturating_sub(self.max_weight as u128);
        let mut evict = 0;
        for &weight in account.weights.iter().chain(weights) {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(weight as u128);
            evict += 1;
        }
        if let Err(reason) = account.reserve(weights.len()) {
            return Err(Rejected::new(reason, items));
        }
        let evicted = self.buffer.offer_evicting(items, evict)?;
        let old = evicted.len().min(account.weights.len());
        account.take(old);
        account.add(&weights[evicted.len() - old..]);
        Ok(evicted)
    }

    /// How many of these weights there is room for, from the front.
    fn fitting(&self, account: &Account, weights: &[usize]) -> usize {
        let mut room = self.max_weight - account.sum;
        let fits = |&&weight: &&usize| {
            let fits = weight <= room;
            room -= if fits { weight } else { 0 };
            fits
        };
        weights.iter().take(self.buffer.max_capacity() - self.buffer.len()).take_while(fits).count()
    }

    pub fn try_pop(&self) -> BufferResult<Item> {
        let mut account = self.account.lock();
        let item = self.buffer.try_pop()?;
        account.take(1);
        Ok(item)
    }

    pub fn pop_into(&self, places: &mut Places<'_>) -> BufferResult<()> {
        let mut account = self.account.lock();
        account.take(places.take_from(&self.buffer)?);
        Ok(())
    }

    pub fn drain(&self) -> Vec<Item> {
        let mut account = self.account.lock();
        *account = Account::default();
        self.buffer.drain()
    }

    /// [`drain`](Self::drain) for a caller that drops what it gets.
    pub fn discard(&self) -> Vec<Item> {
        let mut account = self.account.lock();
        *account = Account::default();
        self.buffer.discard().unwrap_or_default() // taking from a buffer with a lock never fails
    }

    /// Closes the buffer under the account's lock, so that it is never closed between a look at the account
    /// and what follows.
    pub fn close(&self) {
        let _account = self.account.lock();
        self.buffer.close();
    }
}

/// The exception for what a queue can't do because it weighs its items.
pub fn not_with_weights(py: Python<'_>, what: &str) -> PyErr {
    errors::to_python(py, &BufferError::InvalidOperation(with_weights(what)))
}

/// Why a queue that weighs its items does not do something.
pub fn with_weights(what: &str) -> String {
    format!("{what} together with max_weight: a queue that weighs its items serves them in one way only")
}
