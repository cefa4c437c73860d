//! CBOR to Python values. The bytes may be anybody's: `reading` believes no length, and whatever this codec
//! does not write is refused (`mod.rs` has the table).

use super::format::{BIGNUM, NEGATIVE_BIGNUM, OBJECT, SET, SURROGATES};
use super::reading::{Fault, Input, damaged, made};
use super::{strings, times};
use minicbor::Decoder;
use minicbor::data::Type;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyTuple};

/// The value whose CBOR begins at the second byte of `stored`.
pub fn decode<'py>(py: Python<'py>, stored: &[u8]) -> Result<Bound<'py, PyAny>, Fault> {
    let mut reader = Reader { py, input: Input::new(stored, 1), items: Vec::new() };
    let value = reader.value(0)?;
    reader.input.end()?;
    Ok(value)
}

struct Reader<'py, 'b> {
    py: Python<'py>,
    input: Input<'b>,
    /// The items of the sequences that are being read, one sequence after the other. So what is allocated
    /// follows what was read, not what the bytes announce.
    items: Vec<Bound<'py, PyAny>>,
}

impl<'py> Reader<'py, '_> {
    /// Reads a value that stands in `depth` containers.
    fn value(&mut self, depth: usize) -> Result<Bound<'py, PyAny>, Fault> {
        let py = self.py;
        let input = &mut self.input;
        Ok(match input.kind()? {
            Type::String => strings::text(py, input)?.into_any(),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => PyInt::new(py, input.read(Decoder::u64)?).into_any(),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => PyInt::new(py, input.read(Decoder::i64)?).into_any(),
            Type::Int => PyInt::new(py, i128::from(input.read(Decoder::int)?)).into_any(),
            Type::F64 => PyFloat::new(py, input.read(Decoder::f64)?).into_any(),
            Type::Null => {
                input.read(Decoder::null)?;
                py.None().into_bound(py)
            }
            Type::Bool => PyBool::new(py, input.read(Decoder::bool)?).to_owned().into_any(),
            Type::Bytes => strings::bytes(py, input.read(Decoder::bytes)?)?.into_any(),
            Type::Array => {
                let first = self.sequence(depth)?;
                PyList::new(py, self.items.drain(first..))?.into_any()
            }
            Type::Map => self.dict(depth)?.into_any(),
            Type::Tag => self.tagged(depth)?,
            other => return Err(damaged(input.offset(), format!("no value is stored as {other}"))),
        })
    }

    /// Reads a sequence into `items`; returns where it begins there.
    fn sequence(&mut self, depth: usize) -> Result<usize, Fault> {
        let depth = self.input.deeper(depth)?;
        let first = self.items.len();
        for _ in 0..self.input.count(Decoder::array, 1)? {
            let item = self.value(depth)?;
            self.items.push(item);
        }
        Ok(first)
    }

    fn dict(&mut self, depth: usize) -> Result<Bound<'py, PyDict>, Fault> {
        let depth = self.input.deeper(depth)?;
        let dict = PyDict::new(self.py);
        for number in 1..=self.input.count(Decoder::map, 2)? {
            let offset = self.input.offset();
            let key = self.value(depth)?;
            let value = self.value(depth)?;
            made(self.py, offset, dict.set_item(key, value))?;
            if dict.len() != number {
                return Err(damaged(offset, "a key stands there twice"));
            }
        }
        Ok(dict)
    }

    #[inline(never)]
    fn tagged(&mut self, depth: usize) -> Result<Bound<'py, PyAny>, Fault> {
        let py = self.py;
        let offset = self.input.offset();
        match self.input.read(Decoder::tag)?.as_u64() {
            OBJECT => self.object(offset, depth),
            SET => {
                let first = self.sequence(depth)?;
                let count = self.items.len() - first;
                let set = made(py, offset, PySet::new(py, self.items.drain(first..)))?;
                each_once(offset, set.into_any(), count)
            }
            BIGNUM => self.long(),
            NEGATIVE_BIGNUM => Ok(self.long()?.bitnot()?),
            SURROGATES => Ok(strings::surrogates(py, &mut self.input)?.into_any()),
            tag => Err(damaged(offset, format!("no value is stored with tag {tag}"))),
        }
    }

    fn object(&mut self, offset: usize, depth: usize) -> Result<Bound<'py, PyAny>, Fault> {
        let py = self.py;
        match self.input.class()? {
            ("tuple", 1) => {
                let first = self.sequence(depth)?;
                Ok(PyTuple::new(py, self.items.drain(first..))?.into_any())
            }
            ("frozenset", 1) => {
                let first = self.sequence(depth)?;
                let count = self.items.len() - first;
                let set = made(py, offset, PyFrozenSet::new(py, self.items.drain(first..)))?;
                each_once(offset, set.into_any(), count)
            }
            (class, arguments) => times::read(py, &mut self.input, offset, class, arguments),
        }
    }

    fn long(&mut self) -> Result<Bound<'py, PyAny>, Fault> {
        let py = self.py;
        let bytes = strings::bytes(py, self.input.read(Decoder::bytes)?)?;
        Ok(py.get_type::<PyInt>().call_method1(intern!(py, "from_bytes"), (bytes, intern!(py, "big")))?)
    }
}

fn each_once(offset: usize, set: Bound<'_, PyAny>, count: usize) -> Result<Bound<'_, PyAny>, Fault> {
    if set.len()? == count { Ok(set) } else { Err(damaged(offset, "an element stands there twice")) }
}
