//! What both directions must agree on, apart from the names of classes. The table is in `mod.rs`.

use minicbor::data::Tag;
use std::convert::Infallible;

/// The first byte of what is stored: a `bytes` object's contents follow.
pub const RAW: u8 = 0;
/// CBOR follows.
pub const CBOR: u8 = 1;
/// A pickle follows.
pub const PICKLE: u8 = 2;

pub const BIGNUM: u64 = 2;
pub const NEGATIVE_BIGNUM: u64 = 3;
pub const OBJECT: u64 = 27;
pub const SET: u64 = 258;
pub const SURROGATES: u64 = 273;

/// How many containers may stand inside each other. The code is recursive, and so many calls fit on the
/// smallest stack that a thread gets by default on any system (128 KiB).
pub const DEPTH: usize = 80;

/// Where CBOR is written to.
pub type Output = minicbor::Encoder<Vec<u8>>;
pub type Written<T> = Result<T, minicbor::encode::Error<Infallible>>;

/// Begins an object. So many arguments of its constructor must follow.
pub fn object<'a>(out: &'a mut Output, class: &str, arguments: usize) -> Written<&'a mut Output> {
    out.tag(Tag::new(OBJECT))?.array(1 + arguments as u64)?.str(class)
}
