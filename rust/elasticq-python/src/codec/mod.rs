//! Python values in and out of bytes, for queues that keep their items in files.
//!
//! A value comes back exactly as it was, or it is refused with a `TypeError` when it is put. So every type
//! check is exact: an object of a subclass (a namedtuple, an IntEnum) would come back as one of its base.
//!
//! # What is stored
//! The first byte says what the rest is: 0, the contents of a `bytes` object; 1, one item of CBOR (RFC 8949),
//! as in the table; 2, a pickle. What stands here stays as it is, since later versions read the files of
//! earlier ones. New types may be added.
//!
//! | Python | CBOR |
//! |---|---|
//! | `None`, `bool`, `float` | null; false, true; a float of 64 bits |
//! | `int` | an integer; outside of -2^64..2^64 a bignum (tags 2 and 3) |
//! | `str` | a text string; with lone surrogates tag 273 and bytes, as the error handler `surrogatepass` writes them |
//! | `bytes` | a byte string |
//! | `list` | an array |
//! | `dict` | a map, in the dict's order |
//! | `set` | tag 258 and an array |
//! | `tuple`, `frozenset` | object ("tuple" or "frozenset", an array) |
//! | `datetime` | object ("datetime", year, month, day, hour, minute, second, microsecond, zone, fold) |
//! | `date` | object ("date", year, month, day) |
//! | `time` | object ("time", hour, minute, second, microsecond, zone, fold) |
//! | `timedelta` | object ("timedelta", days, seconds, microseconds) |
//! | `timezone` | object ("timezone", a timedelta; then its name, if it has one) |
//! | `ZoneInfo` | object ("ZoneInfo", its key) |
//!
//! An *object* is tag 27 and an array: the name of a class, and what its constructor gets. The zone of a
//! datetime is a `timezone`, a `ZoneInfo` or null, its fold a bool. Strings and containers have definite
//! lengths.
//!
//! A `bytearray` is refused. Without a GIL, CPython 3.13 does not keep other threads from reallocating it
//! while it is read.
//!
//! # What is promised
//! - Neither direction runs code of the value's own. Reading calls the constructors above and nothing that
//!   the bytes name. Pickle can run anything, so it loads nothing unless it was asked for by name.
//! - Damaged bytes are an error that names the offset. A length is compared with the bytes that are there
//!   before it is believed, and containers stand at most [`format::DEPTH`] deep inside each other.
//! - Other threads may change a value while it is encoded. Each list, dict and set is stored as it was at one
//!   moment.

mod decode;
mod encode;
mod format;
mod reading;
mod refusal;
mod strings;
mod times;

pub use self::reading::DecodeError;
use crate::errors;
use pyo3::exceptions::PyMemoryError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Who turns values into bytes. Whichever it is, `bytes` objects are stored as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// The table above.
    Plain,
    /// The standard library's pickle, for whoever trusts all who can write the file.
    Pickle,
}

/// The version of pickle's format: known to every Python that this package runs on.
const PICKLE_PROTOCOL: u8 = 5;

impl Codec {
    /// The codec of this name.
    pub fn named(py: Python<'_>, name: &str) -> PyResult<Self> {
        match name {
            "plain" => Ok(Self::Plain),
            "pickle" => Ok(Self::Pickle),
            _ => Err(errors::misconfigured(py, format!("codec = {name:?}: it must be \"plain\" or \"pickle\""))),
        }
    }

    /// The bytes to store for `value`.
    pub fn encode(self, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        match raw(value) {
            Some(pieces) => joined(pieces),
            None => match self {
                Self::Plain => Ok(encode::encode(value)?),
                Self::Pickle => {
                    let pickle = value.py().import(intern!(value.py(), "pickle"))?;
                    let pickled = pickle.call_method1(intern!(value.py(), "dumps"), (value, PICKLE_PROTOCOL))?;
                    joined([&[format::PICKLE], pickled.cast::<PyBytes>()?.as_bytes()])
                }
            },
        }
    }

    /// The value that was stored as these bytes. Each codec reads what the plain one wrote.
    pub fn decode<'py>(self, py: Python<'py>, stored: &[u8]) -> Result<Bound<'py, PyAny>, DecodeError> {
        match stored.split_first() {
            Some((&format::RAW, bytes)) => Ok(strings::bytes(py, bytes)?.into_any()),
            Some((&format::CBOR, _)) => decode::decode(py, stored).map_err(|error| *error),
            Some((&format::PICKLE, pickled)) if self == Self::Pickle => {
                let pickle = py.import(intern!(py, "pickle"))?;
                Ok(pickle.call_method1(intern!(py, "loads"), (strings::bytes(py, pickled)?,))?)
            }
            Some((&format::PICKLE, _)) => Err(DecodeError::Pickled),
            Some((mark, _)) => Err(DecodeError::damaged(0, format!("there is no codec with the number {mark}"))),
            None => Err(DecodeError::damaged(0, "the stored value is empty")),
        }
    }
}

/// What is stored for a `bytes` object, which is not copied.
pub fn raw<'a>(value: &'a Bound<'_, PyAny>) -> Option<[&'a [u8]; 2]> {
    value.cast_exact::<PyBytes>().ok().map(|bytes| [&[format::RAW][..], bytes.as_bytes()])
}

/// The `bytes` object that was stored as these bytes, if it was one. Runs no code of Python's, nor its
/// garbage collector, so it may be made under a lock.
pub fn raw_value<'py>(py: Python<'py>, stored: &[u8]) -> Option<Bound<'py, PyBytes>> {
    match stored.split_first() {
        Some((&format::RAW, bytes)) => strings::bytes(py, bytes).ok(),
        _ => None,
    }
}

fn joined(pieces: [&[u8]; 2]) -> PyResult<Vec<u8>> {
    let mut stored = Vec::new();
    let out_of_memory = |_| PyMemoryError::new_err(());
    stored.try_reserve_exact(pieces.iter().map(|piece| piece.len()).sum()).map_err(out_of_memory)?;
    pieces.iter().for_each(|piece| stored.extend_from_slice(piece));
    Ok(stored)
}

/// The bytes that a queue would store for `value`.
#[pyfunction(name = "_encode", signature = (value, /, codec = "plain"))]
pub fn encoded<'py>(value: &Bound<'py, PyAny>, codec: &str) -> PyResult<Bound<'py, PyBytes>> {
    let stored = Codec::named(value.py(), codec)?.encode(value)?;
    strings::bytes(value.py(), &stored)
}

/// The value that a queue would make of what it has stored.
#[pyfunction(name = "_decode", signature = (stored, /, codec = "plain"))]
pub fn decoded<'py>(stored: &Bound<'py, PyBytes>, codec: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = stored.py();
    Codec::named(py, codec)?.decode(py, stored.as_bytes()).map_err(|error| error.into_python(py))
}
