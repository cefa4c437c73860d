//! Reading CBOR that anybody may have written: every error knows the offset in what was stored, and no length
//! is believed.

use super::format::{DEPTH, OBJECT};
use crate::errors;
use elasticq::BufferError;
use minicbor::Decoder;
use minicbor::data::Type;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Why stored bytes gave no value.
#[derive(Debug)]
pub enum DecodeError {
    /// The bytes are none that a codec writes.
    Damaged {
        /// Where in the stored bytes.
        offset: usize,
        /// What is wrong there.
        why: String,
    },
    /// Only pickle can read the value, and it was not asked for.
    Pickled,
    /// Python raised an exception. The bytes may be right: there is no memory, or this machine does not know
    /// the time zone.
    Raised(PyErr),
}

/// The same, boxed, so that a success is returned in registers.
pub type Fault = Box<DecodeError>;

impl DecodeError {
    #[cold]
    pub fn damaged(offset: usize, why: impl Into<String>) -> Self {
        Self::Damaged { offset, why: why.into() }
    }

    /// The exception for it.
    #[cold]
    pub fn into_python(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Damaged { offset, why } => {
                errors::to_python(py, &BufferError::Corrupted(format!("at byte {offset} of the value: {why}")))
            }
            Self::Pickled => {
                let text = "the value was stored by pickle, which can run any code when it loads it; if you trust all \
                            who can write the file, open it with codec=\"pickle\"";
                errors::to_python(py, &BufferError::InvalidOperation(text.into()))
            }
            Self::Raised(raised) => raised,
        }
    }
}

impl From<PyErr> for DecodeError {
    fn from(raised: PyErr) -> Self {
        Self::Raised(raised)
    }
}

impl From<PyErr> for Fault {
    fn from(raised: PyErr) -> Self {
        Self::new(raised.into())
    }
}

#[cold]
pub fn damaged(offset: usize, why: impl Into<String>) -> Fault {
    Box::new(DecodeError::damaged(offset, why))
}

/// What a constructor made of the bytes at `offset`. If it did not like them, the bytes are to blame.
pub fn made<T>(py: Python<'_>, offset: usize, object: PyResult<T>) -> Result<T, Fault> {
    object.map_err(|raised| {
        let disliked = raised.is_instance_of::<PyValueError>(py)
            || raised.is_instance_of::<PyTypeError>(py)
            || raised.is_instance_of::<PyOverflowError>(py);
        if disliked { damaged(offset, raised.value(py).to_string()) } else { raised.into() }
    })
}

/// The stored bytes, and how far they have been read.
pub struct Input<'b>(Decoder<'b>);

impl<'b> Input<'b> {
    pub fn new(stored: &'b [u8], offset: usize) -> Self {
        let mut decoder = Decoder::new(stored);
        decoder.set_position(offset);
        Self(decoder)
    }

    pub fn offset(&self) -> usize {
        self.0.position()
    }

    fn left(&self) -> usize {
        self.0.input().len() - self.0.position()
    }

    /// Reads something by one of minicbor's methods.
    #[inline]
    pub fn read<T>(
        &mut self,
        by: impl FnOnce(&mut Decoder<'b>) -> Result<T, minicbor::decode::Error>,
    ) -> Result<T, Fault> {
        let offset = self.offset();
        by(&mut self.0).map_err(|error| damaged(offset, error.to_string()))
    }

    /// What kind of thing comes next.
    #[inline]
    pub fn kind(&mut self) -> Result<Type, Fault> {
        self.read(|input| input.datatype())
    }

    /// Reads the head of a container. Each of its entries takes at least `smallest` bytes.
    pub fn count(
        &mut self,
        by: impl FnOnce(&mut Decoder<'b>) -> Result<Option<u64>, minicbor::decode::Error>,
        smallest: usize,
    ) -> Result<usize, Fault> {
        let offset = self.offset();
        let count = self.read(by)?.ok_or_else(|| damaged(offset, "a container without a length"))?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() / smallest => Ok(count),
            _ => Err(damaged(offset, format!("{count} entries, but only {} bytes are left", self.left()))),
        }
    }

    /// Reads the head of an object after its tag: the name of its class, and the number of arguments.
    pub fn class(&mut self) -> Result<(&'b str, usize), Fault> {
        let offset = self.offset();
        let count = self.count(Decoder::array, 1)?;
        let arguments = count.checked_sub(1).ok_or_else(|| damaged(offset, "an object without a class"))?;
        Ok((self.read(Decoder::str)?, arguments))
    }

    /// Reads the head of an object.
    pub fn object(&mut self) -> Result<(&'b str, usize), Fault> {
        let offset = self.offset();
        match self.read(Decoder::tag)?.as_u64() {
            OBJECT => self.class(),
            tag => Err(damaged(offset, format!("tag {tag}, where an object must stand"))),
        }
    }

    /// One level deeper than `depth`.
    pub fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        if depth < DEPTH {
            Ok(depth + 1)
        } else {
            Err(damaged(self.offset(), format!("more than {DEPTH} containers inside each other")))
        }
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), Fault> {
        match self.left() {
            0 => Ok(()),
            left => Err(damaged(self.offset(), format!("{left} bytes are left after the value"))),
        }
    }
}
