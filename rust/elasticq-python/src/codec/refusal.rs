//! Why a value can't be stored, and where in it the reason stands. The place is put together on the way out
//! of the recursion, so a value that can be stored pays nothing for it.

use super::format::DEPTH;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};

const ALLOWED: &str = "allowed are None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, \
                       datetime, date, time, timedelta, timezone and ZoneInfo, and no subclasses of these";

/// So many steps to the place are told, and so many characters of each key.
const TOLD: usize = 8;
const TOLD_OF_A_KEY: usize = 40;

/// A step from a container to something in it.
pub enum Step {
    Index(usize),
    /// The value of a dict's key, of which this is the `repr`.
    Item(String),
    Key,
    Element,
    Zone,
}

impl Step {
    /// The step to the value of `key`. The key was encoded before, so no foreign code runs.
    pub fn item(key: &Bound<'_, PyAny>) -> Self {
        // The `repr` of a very long int is refused.
        let shown = key.repr().map_or_else(|_| "...".into(), |text| text.to_string_lossy().into_owned());
        match shown.char_indices().nth(TOLD_OF_A_KEY) {
            Some((end, _)) => Self::Item(format!("{}...", &shown[..end])),
            None => Self::Item(shown),
        }
    }
}

impl Display for Step {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(text, "[{index}]"),
            Self::Item(key) => write!(text, "[{key}]"),
            Self::Key => text.write_str("<key>"),
            Self::Element => text.write_str("<element>"),
            Self::Zone => text.write_str(".tzinfo"),
        }
    }
}

enum Why {
    /// What there is can't be stored. The text goes on after "can't be stored".
    Unfit(String),
    TooDeep,
    /// Python raised an exception.
    Raised(PyErr),
}

/// A refusal. Boxed, so that a success is returned in a register.
pub struct Refusal(Box<(Why, Vec<Step>)>);

impl Refusal {
    #[cold]
    fn new(why: Why) -> Self {
        Self(Box::new((why, Vec::new())))
    }

    /// Objects of this object's type can't be stored.
    #[cold]
    pub fn of_type(object: &Bound<'_, PyAny>) -> Self {
        let name = object.get_type().fully_qualified_name();
        let name = name.as_ref().map_or("an unknown name".into(), |name: &Bound<'_, PyString>| name.to_string_lossy());
        Self::new(Why::Unfit(format!("an object of type {name} can't be stored; {ALLOWED}")))
    }

    /// This object can't be stored, though others of its type can.
    #[cold]
    pub fn of_object(text: &str) -> Self {
        Self::new(Why::Unfit(text.into()))
    }

    #[cold]
    pub fn too_deep() -> Self {
        Self::new(Why::TooDeep)
    }

    /// The same, as seen from the container from which this step leads to the place.
    #[cold]
    pub fn behind(mut self, step: Step) -> Self {
        self.0.1.push(step);
        self
    }
}

impl From<PyErr> for Refusal {
    fn from(raised: PyErr) -> Self {
        Self::new(Why::Raised(raised))
    }
}

impl From<minicbor::encode::Error<Infallible>> for Refusal {
    // Writing to a vector does not fail.
    fn from(error: minicbor::encode::Error<Infallible>) -> Self {
        PyRuntimeError::new_err(error.to_string()).into()
    }
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        let (why, steps) = *refusal.0;
        let mut place = String::new();
        for step in steps.iter().rev().take(TOLD) {
            place += &step.to_string();
        }
        if steps.len() > TOLD {
            place += "...";
        }
        let at = if place.is_empty() { place } else { format!("at {place}: ") };
        match why {
            Why::Unfit(text) => PyTypeError::new_err(format!("{at}{text}")),
            Why::TooDeep => PyValueError::new_err(format!(
                "{at}more than {DEPTH} containers inside each other can't be stored; does one of them contain itself?"
            )),
            Why::Raised(raised) => raised,
        }
    }
}
