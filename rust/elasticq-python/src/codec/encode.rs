//! Python values to CBOR.
//!
//! Everything here is of exactly a type that is known here, so no code of the value's own runs. Without a
//! GIL, other threads can change a value meanwhile. A loop over a dict that changes may meet a key twice, and
//! what was stored then could not be read. So a list, a dict or a set is copied first, which Python does in
//! one step, and what is read is a copy that nobody else has. (Only such a copy is safe with PyO3's iterator
//! of dicts, too: it panics if the size changes.)

use super::format::{BIGNUM, CBOR, DEPTH, NEGATIVE_BIGNUM, Output, SET, object};
use super::refusal::{Refusal, Step};
use super::strings::{put_bytes, put_str};
use super::times;
use minicbor::data::{Int, Tag};
use pyo3::PyTypeInfo;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

/// Room for a small value.
const SMALL: usize = 128;

/// What is stored for `value`.
pub fn encode(value: &Bound<'_, PyAny>) -> Result<Vec<u8>, Refusal> {
    let mut stored = Vec::with_capacity(SMALL);
    stored.push(CBOR);
    let mut out = Output::new(stored);
    put(&mut out, value, 0)?;
    Ok(out.into_writer())
}

/// `value`, if it is of this very type.
#[inline]
fn exactly<'a, 'py, T: PyTypeInfo>(value: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, T>> {
    // A failed cast would make an error.
    if value.is_exact_instance_of::<T>() { value.cast_exact().ok() } else { None }
}

/// Writes a value that stands in `depth` containers.
fn put(out: &mut Output, value: &Bound<'_, PyAny>, depth: usize) -> Result<(), Refusal> {
    if let Some(string) = exactly::<PyString>(value) {
        put_str(out, string)
    } else if let Some(number) = exactly::<PyInt>(value) {
        put_int(out, number)
    } else if let Some(dict) = exactly::<PyDict>(value) {
        put_dict(out, dict, deeper(depth)?)
    } else if let Some(number) = exactly::<PyFloat>(value) {
        out.f64(number.value())?;
        Ok(())
    } else if value.is_none() {
        out.null()?;
        Ok(())
    } else if let Some(truth) = exactly::<PyBool>(value) {
        out.bool(truth.is_true())?;
        Ok(())
    } else if let Some(bytes) = exactly::<PyBytes>(value) {
        put_bytes(out, bytes.as_bytes())
    } else if let Some(list) = exactly::<PyList>(value) {
        put_items(out, &list.to_tuple(), deeper(depth)?)
    } else if let Some(tuple) = exactly::<PyTuple>(value) {
        object(out, "tuple", 1)?;
        put_items(out, tuple, deeper(depth)?)
    } else {
        put_rarer(out, value, depth)
    }
}

#[inline(never)]
fn put_rarer(out: &mut Output, value: &Bound<'_, PyAny>, depth: usize) -> Result<(), Refusal> {
    if let Some(set) = exactly::<PySet>(value) {
        out.tag(Tag::new(SET))?;
        put_elements(out, &set.call_method0(intern!(set.py(), "copy"))?, deeper(depth)?)
    } else if let Some(set) = exactly::<PyFrozenSet>(value) {
        object(out, "frozenset", 1)?;
        put_elements(out, set, deeper(depth)?)
    } else if times::put(out, value)? {
        Ok(())
    } else {
        Err(Refusal::of_type(value))
    }
}

#[inline]
fn deeper(depth: usize) -> Result<usize, Refusal> {
    if depth < DEPTH { Ok(depth + 1) } else { Err(Refusal::too_deep()) }
}

#[inline]
fn put_int(out: &mut Output, number: &Bound<'_, PyInt>) -> Result<(), Refusal> {
    if let Ok(number) = number.extract::<i64>() {
        out.i64(number)?;
        Ok(())
    } else {
        put_long(out, number)
    }
}

/// Writes an int of more than 64 bits, or of nearly so many.
#[inline(never)]
fn put_long(out: &mut Output, number: &Bound<'_, PyInt>) -> Result<(), Refusal> {
    if let Some(number) = number.extract::<i128>().ok().and_then(|number| Int::try_from(number).ok()) {
        out.int(number)?;
        return Ok(());
    }
    // CBOR has -1 - n for a negative number, which is what Python's ~ makes.
    let (tag, magnitude) = if number.lt(0)? { (NEGATIVE_BIGNUM, &number.bitnot()?) } else { (BIGNUM, number.as_any()) };
    let bytes = big_endian(magnitude)?;
    out.tag(Tag::new(tag))?;
    put_bytes(out, bytes.as_bytes())
}

fn big_endian<'py>(magnitude: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = magnitude.py();
    let bits: usize = magnitude.call_method0(intern!(py, "bit_length"))?.extract()?;
    let bytes = magnitude.call_method1(intern!(py, "to_bytes"), (bits.div_ceil(8), intern!(py, "big")))?;
    Ok(bytes.cast_into()?)
}

fn put_items(out: &mut Output, items: &Bound<'_, PyTuple>, depth: usize) -> Result<(), Refusal> {
    let items = items.as_slice();
    out.array(items.len() as u64)?;
    for (index, item) in items.iter().enumerate() {
        put(out, item, depth).map_err(|refusal| refusal.behind(Step::Index(index)))?;
    }
    Ok(())
}

fn put_dict(out: &mut Output, dict: &Bound<'_, PyDict>, depth: usize) -> Result<(), Refusal> {
    let copy = dict.copy()?;
    out.map(copy.len() as u64)?;
    for (key, value) in copy {
        put(out, &key, depth).map_err(|refusal| refusal.behind(Step::Key))?;
        put(out, &value, depth).map_err(|refusal| refusal.behind(Step::item(&key)))?;
    }
    Ok(())
}

/// Writes the elements of a frozenset, or of a set that no other thread knows.
fn put_elements(out: &mut Output, set: &Bound<'_, PyAny>, depth: usize) -> Result<(), Refusal> {
    out.array(set.len()? as u64)?;
    for element in set.try_iter()? {
        put(out, &element?, depth).map_err(|refusal| refusal.behind(Step::Element))?;
    }
    Ok(())
}
