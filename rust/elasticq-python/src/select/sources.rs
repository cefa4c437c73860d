//! The queues of a selector, and one search through them.

use crate::arguments::numbers::Truth;
use crate::arguments::patience::Patience;
use crate::classes::persistent::Persistent;
use crate::classes::queue::Queue;
use crate::durable::{Durable, interrupts};
use crate::errors;
use crate::raw::Item;
use crate::standard::overridden;
use crate::store::moved::moved;
use crate::store::object::{self, Elastic};
use crate::store::view::{Shown, View};
use elasticq::{BufferError, BufferResult, Parts, Waiter};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyTuple, PyType};
use std::cell::Cell;
use std::sync::Arc;

/// Queues in the order in which the caller has named them.
pub struct Sources {
    queues: Vec<Source>,
    is_ordered: bool,
}

pub struct Source {
    /// The object that the caller has named: the queue, or a view of it.
    named: Item,
    pub queue: Kind,
}

pub enum Kind {
    Memory(Py<Elastic>),
    /// The object holds the durable queue, too. So this here never is the last to let go of the files.
    Files(Arc<Durable>, Py<Persistent>),
}

/// What a search has come to.
pub enum Search {
    /// The item was taken from the queue at this index.
    Found(usize, Item),
    /// No queue has an item.
    Empty,
    /// There may be an item at an end where another thread is, or in a queue that is just moving.
    Busy,
    /// All queues are closed and empty.
    Ended,
}

/// The places of a thread in the lines of all queues.
pub struct Line<'a> {
    pub waiters: Vec<Waiter<'a>>,
    /// Whether the queue had moved when the thread registered, for each.
    moved: Vec<bool>,
}

/// What one attempt has come to: an exception is one of foreign code, or of a queue that has failed.
pub type Taken = PyResult<BufferResult<Item>>;

impl Sources {
    pub fn new(queues: &Bound<'_, PyAny>, ordered: Truth) -> PyResult<Self> {
        if queues.is_instance_of::<Elastic>() || queues.is_instance_of::<Persistent>() {
            return Err(PyTypeError::new_err("'queues' must be several queues, such as a list of them, not a queue"));
        }
        let Ok(named) = queues.try_iter() else {
            let what = queues.get_type().name()?;
            return Err(PyTypeError::new_err(format!("'queues' must be an iterable of queues, not {what}")));
        };
        let mut sources = Vec::new();
        for (index, named) in named.enumerate() {
            sources.push(Source::new(index, named?)?);
        }
        if sources.is_empty() {
            return Err(PyValueError::new_err("'queues' must have at least one queue: there is nothing to wait for"));
        }
        Ok(Self { queues: sources, is_ordered: ordered.0 })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.queues.iter()
    }

    pub fn get(&self, index: usize) -> &Source {
        &self.queues[index]
    }

    /// The object by which the caller knows the queue.
    pub fn name(&self, py: Python<'_>, index: usize) -> Item {
        self.queues[index].named.clone_ref(py)
    }

    /// The indices of the queues in the order of the next search.
    pub fn order(&self) -> impl Iterator<Item = usize> + use<> {
        order(self.queues.len(), self.is_ordered)
    }

    /// Looks at all queues, and takes the first item that it finds.
    pub fn search(&self, py: Python<'_>) -> PyResult<Search> {
        self.search_by(py, |index| self.queues[index].take(py))
    }

    /// The same for a thread that has registered. In a queue that has moved since, it is in the wrong line.
    pub fn search_registered(&self, py: Python<'_>, line: &Line<'_>) -> PyResult<Search> {
        self.search_by(py, |index| {
            let taken = self.queues[index].take(py);
            let is_wrong =
                matches!(&taken, Ok(Err(BufferError::Empty))) && !line.moved[index] && self.queues[index].has_moved();
            if is_wrong { Ok(Err(busy())) } else { taken }
        })
    }

    /// One search, with this way of trying a queue.
    pub fn search_by(&self, py: Python<'_>, take: impl FnMut(usize) -> Taken) -> PyResult<Search> {
        search(py, self.order(), take)
    }

    /// Joins all lines as a thread.
    pub fn register(&self) -> Line<'_> {
        let moved: Vec<_> = self.iter().map(Source::has_moved).collect();
        let waiters = self.iter().zip(&moved).map(|(source, &moved)| source.wait_for_item(moved)).collect();
        Line { waiters, moved }
    }

    /// Wakes the next thread in the line of a queue, if there is an item for it.
    pub fn pass_on(&self, py: Python<'_>, index: usize) {
        self.queues[index].pass_on(py);
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.iter().try_for_each(|source| {
            visit.call(&source.named)?;
            match &source.queue {
                Kind::Memory(queue) => visit.call(queue),
                Kind::Files(_, queue) => visit.call(queue),
            }
        })
    }
}

/// The first item in a list or a tuple of queues in memory, with its queue. That needs no copy of the list, which
/// takes longer than the item. `None`: there is none, or what is in the list needs a full search.
pub fn take_listed(queues: &Bound<'_, PyAny>, ordered: Truth) -> PyResult<Option<(Item, Item)>> {
    if let Ok(list) = queues.cast_exact::<PyList>() {
        take_from(queues.py(), list.len(), ordered, |index| list.get_item(index).ok())
    } else if let Ok(tuple) = queues.cast_exact::<PyTuple>() {
        take_from(queues.py(), tuple.len(), ordered, |index| tuple.get_item(index).ok())
    } else {
        Ok(None)
    }
}

/// As above, with what gives the queue at an index. A list may change meanwhile.
fn take_from<'py>(
    py: Python<'py>,
    count: usize,
    ordered: Truth,
    get: impl Fn(usize) -> Option<Bound<'py, PyAny>>,
) -> PyResult<Option<(Item, Item)>> {
    let queue = |index| get(index)?.cast_into::<Elastic>().ok().filter(|queue| !has_override(queue));
    if (0..count).any(|index| queue(index).is_none()) {
        return Ok(None);
    }
    let mut last = None;
    let found = search(py, order(count, ordered.0), |index| {
        let Some(queue) = queue(index) else { return Ok(Err(BufferError::Empty)) };
        take(last.insert(queue))
    })?;
    Ok(match (found, last) {
        (Search::Found(_, item), Some(queue)) => Some((queue.into_any().unbind(), item)),
        _ => None,
    })
}

/// Tries queues until one gives an item. What a queue fails with is raised if no other queue has an item; what
/// ends the program is raised at once, and so is what a signal handler raises. (An attempt in vain may have run
/// Python code, or have detached.)
fn search(
    py: Python<'_>,
    order: impl Iterator<Item = usize>,
    mut take: impl FnMut(usize) -> Taken,
) -> PyResult<Search> {
    let mut search = Search::Ended;
    let mut failed = None;
    for index in order {
        py.check_signals()?;
        match take(index) {
            Ok(Ok(item)) => return Ok(Search::Found(index, item)),
            Ok(Err(BufferError::Closed)) => {}
            Ok(Err(BufferError::InvalidOperation(_))) => search = Search::Busy,
            Ok(Err(_)) if matches!(search, Search::Busy) => {}
            Ok(Err(_)) => search = Search::Empty,
            Err(raised) if interrupts(py, &raised) => return Err(raised),
            Err(raised) => failed = failed.or(Some(raised)),
        }
    }
    failed.map_or(Ok(search), Err)
}

/// The indices of so many queues in the order of the next search.
fn order(count: usize, is_ordered: bool) -> impl Iterator<Item = usize> + use<> {
    let first = if is_ordered || count <= 1 { 0 } else { next_first(count) };
    (first..count).chain(0..first)
}

/// Where the next search among so many queues begins.
fn next_first(count: usize) -> usize {
    const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15; // its fraction, in 64 bits
    thread_local! {
        static POINT: Cell<u64> = const { Cell::new(0) };
    }
    let point = POINT.get();
    POINT.set(point.wrapping_add(GOLDEN_RATIO));
    // Below `count`, since the first factor is below 2^64.
    ((u128::from(point) * count as u128) >> 64) as usize
}

fn busy() -> BufferError {
    BufferError::InvalidOperation("the queue is moving".into())
}

impl Source {
    fn new(index: usize, named: Bound<'_, PyAny>) -> PyResult<Self> {
        let mut queue = kind_of(&named)?;
        if queue.is_none() {
            queue = viewed(&named)?.map_or(Ok(None), |viewed| kind_of(&viewed))?;
        }
        let queue = queue.ok_or_else(|| {
            let what = named.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
            PyTypeError::new_err(format!("queues[{index}] must be a queue of elasticq, not {what}"))
        })?;
        Ok(Self { named: named.unbind(), queue })
    }

    /// One attempt to take an item.
    fn take(&self, py: Python<'_>) -> Taken {
        match &self.queue {
            Kind::Memory(queue) => {
                let queue = queue.bind(py);
                if has_override(queue) { overridden::poll(queue) } else { take(queue) }
            }
            Kind::Files(durable, _) => match durable.get(py, Patience::None)? {
                Err(error) if !matches!(error, BufferError::Empty | BufferError::Closed) => {
                    Err(Durable::error(py, &error))
                }
                taken => Ok(taken),
            },
        }
    }

    /// Whether everything has moved. A queue that is just moving, or has failed to, wakes its old line.
    fn has_moved(&self) -> bool {
        matches!(&self.queue, Kind::Memory(queue) if queue.get().store().moved.is_complete())
    }

    /// Joins the line as a thread. What serves a queue that has moved wakes only a line of its own.
    fn wait_for_item(&self, moved: bool) -> Waiter<'_> {
        match &self.queue {
            Kind::Memory(queue) if moved => queue.get().store().moved.selectors().waiter(),
            Kind::Memory(queue) => queue.get().store().buffer.wait_for_item(),
            Kind::Files(durable, _) => durable.files.wait_for_item(),
        }
    }

    fn pass_on(&self, py: Python<'_>) {
        match &self.queue {
            Kind::Memory(queue) => {
                queue.get().store().buffer.tell_anew();
                object::tell_selectors(queue.bind(py), 0);
            }
            Kind::Files(durable, _) => durable.files.pass_on(),
        }
    }
}

fn kind_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Kind>> {
    if let Ok(queue) = object.cast::<Elastic>() {
        return Ok(Some(Kind::Memory(queue.clone().unbind())));
    }
    let Ok(queue) = object.cast::<Persistent>() else { return Ok(None) };
    let durable = queue.get().durable(object.py())?; // an error if it was not opened
    Ok(Some(Kind::Files(Arc::clone(durable), queue.clone().unbind())))
}

/// What a view shows; `None` for all else, and for a view that was not made yet.
fn viewed<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    static SYNC: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    if let Ok(view) = object.cast::<View>() {
        return Ok(view.get().shown().map(|shown| match shown {
            Shown::Memory(queue) => queue.bind(py).clone().into_any(),
            Shown::Files(queue) => queue.bind(py).clone(),
        }));
    }
    if object.is_instance(SYNC.import(py, "elasticq._sync_view", "SyncView")?)? {
        return object.getattr_opt(intern!(py, "_buffer"));
    }
    Ok(None)
}

/// Whether a subclass has a `get` of its own.
fn has_override(queue: &Bound<'_, Elastic>) -> bool {
    queue.cast::<Queue>().is_ok_and(|queue| queue.get().overridden.get)
}

/// Takes an item from a queue in memory, wherever it is by now. As what is awaited does: without a `get` that
/// a subclass overrides.
pub fn take(queue: &Bound<'_, Elastic>) -> Taken {
    let py = queue.py();
    let store = queue.get().store();
    match store.take(py) {
        Err(BufferError::Closed) => {}
        taken => return Ok(taken),
    }
    // `poll` returns the object that serves the queue in place of an item if there is none.
    let Some(standard) = store.moved.get(py) else { return Ok(Err(BufferError::Closed)) };
    match moved!(queue, store, "poll", standard) {
        Some(Ok(item)) if item.is(standard) => Ok(Err(BufferError::Empty)),
        Some(Ok(item)) => Ok(Ok(item.unbind())),
        Some(Err(ended)) if ended.is_instance(py, errors::shut_down(py)?) => Ok(Err(BufferError::Closed)),
        Some(Err(raised)) => Err(raised),
        None => Ok(Err(BufferError::Closed)),
    }
}

pub fn none_in_time(py: Python<'_>) -> PyErr {
    error(errors::empty(py), "none of the queues has an item")
}

pub fn all_ended(py: Python<'_>) -> PyErr {
    error(errors::shut_down(py), "all of the queues were shut down, and are empty")
}

fn error(class: PyResult<&Bound<'_, PyType>>, text: &'static str) -> PyErr {
    class.map_or_else(|failed| failed, |class| PyErr::from_type(class.clone(), text))
}
