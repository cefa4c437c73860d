//! Strings in both directions. Whatever takes as much memory as the input says is asked for in a way that can
//! fail, with a `MemoryError`.

use super::format::{Output, SURROGATES};
use super::reading::{Fault, Input, damaged, made};
use super::refusal::Refusal;
use minicbor::Decoder;
use minicbor::data::{Tag, Type};
use pyo3::exceptions::{PyMemoryError, PyUnicodeEncodeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Makes room for this many bytes, and a head.
#[inline]
fn reserve(out: &mut Output, bytes: usize) -> Result<(), Refusal> {
    out.writer_mut().try_reserve(bytes.saturating_add(9)).map_err(|_| PyMemoryError::new_err(()).into())
}

pub fn put_bytes(out: &mut Output, bytes: &[u8]) -> Result<(), Refusal> {
    reserve(out, bytes.len())?;
    out.bytes(bytes)?;
    Ok(())
}

pub fn put_str(out: &mut Output, string: &Bound<'_, PyString>) -> Result<(), Refusal> {
    match string.to_str() {
        Ok(text) => {
            reserve(out, text.len())?;
            out.str(text)?;
            Ok(())
        }
        Err(raised) if raised.is_instance_of::<PyUnicodeEncodeError>(string.py()) => put_surrogates(out, string),
        Err(raised) => Err(raised.into()),
    }
}

#[cold]
fn put_surrogates(out: &mut Output, string: &Bound<'_, PyString>) -> Result<(), Refusal> {
    let py = string.py();
    let bytes = string.call_method1(intern!(py, "encode"), (intern!(py, "utf-8"), intern!(py, "surrogatepass")))?;
    out.tag(Tag::new(SURROGATES))?;
    put_bytes(out, bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())
}

/// A text string.
pub fn text<'py>(py: Python<'py>, input: &mut Input<'_>) -> Result<Bound<'py, PyString>, Fault> {
    Ok(PyString::from_bytes(py, input.read(Decoder::str)?.as_bytes())?)
}

/// What follows the tag of strings with lone surrogates.
pub fn surrogates<'py>(py: Python<'py>, input: &mut Input<'_>) -> Result<Bound<'py, PyString>, Fault> {
    let offset = input.offset();
    let bytes = bytes(py, input.read(Decoder::bytes)?)?;
    made(py, offset, PyString::from_encoded_object(bytes.as_any(), Some(c"utf-8"), Some(c"surrogatepass")))
}

/// A string of either kind.
pub fn any_str<'py>(py: Python<'py>, input: &mut Input<'_>) -> Result<Bound<'py, PyString>, Fault> {
    if input.kind()? == Type::String {
        return text(py, input);
    }
    let offset = input.offset();
    match input.read(Decoder::tag)?.as_u64() {
        SURROGATES => surrogates(py, input),
        tag => Err(damaged(offset, format!("tag {tag}, where a string must stand"))),
    }
}

pub fn bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |target| {
        target.copy_from_slice(bytes);
        Ok(())
    })
}
