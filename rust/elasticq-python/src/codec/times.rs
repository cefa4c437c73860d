//! What the module datetime has, in both directions, and `ZoneInfo`.
//!
//! A fixed `timezone` is stored with its offset and its name. A `ZoneInfo` is stored as its key. So it is
//! exact only if it is `ZoneInfo(key)`, and what was read from a file, or made by `no_cache`, is refused.

use super::format::{Output, object};
use super::reading::{Fault, Input, damaged, made};
use super::refusal::{Refusal, Step};
use super::strings::{any_str, put_str};
use minicbor::Decoder;
use minicbor::data::Type;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyDate, PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyString, PyTime, PyTimeAccess, PyTuple, PyType,
    PyTzInfo, PyTzInfoAccess,
};

/// The class `timezone`. As it imports the module, what is done after it can't fail for want of it.
fn timezone(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    Ok(PyTzInfo::utc(py)?.get_type())
}

fn zone_info(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "zoneinfo", "ZoneInfo")
}

/// Writes `value` if it is one of these things; returns whether it is.
pub fn put(out: &mut Output, value: &Bound<'_, PyAny>) -> Result<bool, Refusal> {
    timezone(value.py())?;
    if let Ok(moment) = value.cast_exact::<PyDateTime>() {
        object(out, "datetime", 9)?.i32(moment.get_year())?.u8(moment.get_month())?.u8(moment.get_day())?;
        put_clock(out, moment)?;
    } else if let Ok(date) = value.cast_exact::<PyDate>() {
        object(out, "date", 3)?.i32(date.get_year())?.u8(date.get_month())?.u8(date.get_day())?;
    } else if let Ok(time) = value.cast_exact::<PyTime>() {
        object(out, "time", 6)?;
        put_clock(out, time)?;
    } else if let Ok(delta) = value.cast_exact::<PyDelta>() {
        put_delta(out, delta)?;
    } else if let Ok(zone) = value.cast::<PyTzInfo>() {
        put_zone(out, zone)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Writes hour, minute, second, microsecond, zone and fold.
fn put_clock<'py>(out: &mut Output, time: &(impl PyTimeAccess + PyTzInfoAccess<'py>)) -> Result<(), Refusal> {
    out.u8(time.get_hour())?.u8(time.get_minute())?.u8(time.get_second())?.u32(time.get_microsecond())?;
    match time.get_tzinfo() {
        Some(zone) => put_zone(out, &zone).map_err(|refusal| refusal.behind(Step::Zone))?,
        None => _ = out.null()?,
    }
    out.bool(time.get_fold())?;
    Ok(())
}

fn put_delta(out: &mut Output, delta: &Bound<'_, PyDelta>) -> Result<(), Refusal> {
    object(out, "timedelta", 3)?.i32(delta.get_days())?.i32(delta.get_seconds())?.i32(delta.get_microseconds())?;
    Ok(())
}

fn put_zone(out: &mut Output, zone: &Bound<'_, PyTzInfo>) -> Result<(), Refusal> {
    let py = zone.py();
    let class = zone.get_type();
    if class.is(&timezone(py)?) {
        put_fixed(out, &zone.call_method0(intern!(py, "__getinitargs__"))?)
    } else if class.is(zone_info(py)?) {
        put_key(out, zone)
    } else {
        Err(Refusal::of_type(zone))
    }
}

/// Writes a `timezone` of these arguments: its offset, and its name if it has one.
fn put_fixed(out: &mut Output, arguments: &Bound<'_, PyAny>) -> Result<(), Refusal> {
    let (offset, name) = match arguments.cast::<PyTuple>().map_err(PyErr::from)?.as_slice() {
        [offset] => (offset, None),
        [offset, name] => (offset, Some(name)),
        _ => return Err(Refusal::of_object("a timezone with more than an offset and a name can't be stored")),
    };
    object(out, "timezone", 1 + usize::from(name.is_some()))?;
    put_delta(out, offset.cast_exact().map_err(|_| Refusal::of_type(offset))?)?;
    match name {
        Some(name) => put_str(out, name.cast_exact().map_err(|_| Refusal::of_type(name))?),
        None => Ok(()),
    }
}

/// Writes a `ZoneInfo`. What pickle does with it tells how it was made.
fn put_key(out: &mut Output, zone: &Bound<'_, PyTzInfo>) -> Result<(), Refusal> {
    type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyString>, u8));
    let reduced = zone.call_method0(intern!(zone.py(), "__reduce__")).and_then(|made| made.extract::<Reduced<'_>>());
    match reduced {
        Ok((_, (key, 1))) if key.is_exact_instance_of::<PyString>() => {
            object(out, "ZoneInfo", 1)?;
            put_str(out, &key)
        }
        _ => Err(Refusal::of_object("a ZoneInfo that is not ZoneInfo(key) can't be stored")),
    }
}

/// Reads the arguments of an object of this class.
pub fn read<'py>(
    py: Python<'py>,
    input: &mut Input<'_>,
    offset: usize,
    class: &str,
    arguments: usize,
) -> Result<Bound<'py, PyAny>, Fault> {
    match (class, arguments) {
        ("datetime", 9) => {
            let (year, month, day) = read_date(input)?;
            let Clock { hour, minute, second, microsecond, zone, fold } = Clock::read(py, input)?;
            let zone = zone.as_ref();
            let moment = PyDateTime::new_with_fold(py, year, month, day, hour, minute, second, microsecond, zone, fold);
            Ok(made(py, offset, moment)?.into_any())
        }
        ("date", 3) => {
            let (year, month, day) = read_date(input)?;
            Ok(made(py, offset, PyDate::new(py, year, month, day))?.into_any())
        }
        ("time", 6) => {
            let Clock { hour, minute, second, microsecond, zone, fold } = Clock::read(py, input)?;
            let time = PyTime::new_with_fold(py, hour, minute, second, microsecond, zone.as_ref(), fold);
            Ok(made(py, offset, time)?.into_any())
        }
        ("timedelta", 3) => Ok(read_delta(py, input, offset)?.into_any()),
        _ => Ok(read_zone(py, input, offset, class, arguments)?.into_any()),
    }
}

fn read_date(input: &mut Input<'_>) -> Result<(i32, u8, u8), Fault> {
    Ok((input.read(Decoder::i32)?, input.read(Decoder::u8)?, input.read(Decoder::u8)?))
}

struct Clock<'py> {
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
    zone: Option<Bound<'py, PyTzInfo>>,
    fold: bool,
}

impl<'py> Clock<'py> {
    fn read(py: Python<'py>, input: &mut Input<'_>) -> Result<Self, Fault> {
        Ok(Self {
            hour: input.read(Decoder::u8)?,
            minute: input.read(Decoder::u8)?,
            second: input.read(Decoder::u8)?,
            microsecond: input.read(Decoder::u32)?,
            zone: read_zone_or_null(py, input)?,
            fold: input.read(Decoder::bool)?,
        })
    }
}

fn read_delta<'py>(py: Python<'py>, input: &mut Input<'_>, offset: usize) -> Result<Bound<'py, PyDelta>, Fault> {
    let (days, seconds) = (input.read(Decoder::i32)?, input.read(Decoder::i32)?);
    made(py, offset, PyDelta::new(py, days, seconds, input.read(Decoder::i32)?, true))
}

fn read_zone_or_null<'py>(py: Python<'py>, input: &mut Input<'_>) -> Result<Option<Bound<'py, PyTzInfo>>, Fault> {
    if input.kind()? == Type::Null {
        input.read(Decoder::null)?;
        return Ok(None);
    }
    let offset = input.offset();
    let (class, arguments) = input.object()?;
    read_zone(py, input, offset, class, arguments).map(Some)
}

/// Reads a `timezone` or a `ZoneInfo`. These are the last ones in question.
fn read_zone<'py>(
    py: Python<'py>,
    input: &mut Input<'_>,
    offset: usize,
    class: &str,
    arguments: usize,
) -> Result<Bound<'py, PyTzInfo>, Fault> {
    let zone = match (class, arguments) {
        ("timezone", 1 | 2) => {
            let start = input.offset();
            let delta = match input.object()? {
                ("timedelta", 3) => read_delta(py, input, start)?,
                _ => return Err(damaged(start, "the offset of a timezone is no timedelta")),
            };
            match arguments {
                1 => timezone(py)?.call1((delta,)),
                _ => timezone(py)?.call1((delta, any_str(py, input)?)),
            }
        }
        ("ZoneInfo", 1) => {
            let key = any_str(py, input)?;
            zone_info(py)?.call1((&key,)).map_err(|raised| unknown_zone(py, &key, raised))
        }
        _ => return Err(damaged(offset, format!("no object of {class:?} with {arguments} arguments is stored"))),
    };
    Ok(made(py, offset, zone)?.cast_into().map_err(PyErr::from)?)
}

/// What `ZoneInfo` should raise for a key that names no zone. It looks for a file of this name. If the system
/// says that there is no such name, CPython tells that in different ways: some versions let through what the
/// system said, of a name that is too long, say, or that is a directory.
fn unknown_zone(py: Python<'_>, key: &Bound<'_, PyAny>, raised: PyErr) -> PyErr {
    /// EIO, ENOMEM, ENFILE and EMFILE are no answer. These numbers are the same on all systems.
    const UNANSWERED: [i32; 4] = [5, 12, 23, 24];
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

    let number = || raised.value(py).getattr(intern!(py, "errno")).and_then(|number| number.extract());
    if !raised.is_instance_of::<PyOSError>(py) || number().is_ok_and(|number| UNANSWERED.contains(&number)) {
        return raised;
    }
    let class = match CLASS.import(py, "zoneinfo", "ZoneInfoNotFoundError") {
        Ok(class) => class.clone(),
        Err(error) => return error,
    };
    let unknown = PyErr::from_type(class, format!("No time zone found with key {key}"));
    unknown.set_cause(py, Some(raised));
    unknown
}
