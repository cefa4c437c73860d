//! Why a directory or a file is not used any more: its queue was given up.

use std::error::Error;
use std::fmt;
use std::io;

#[derive(Debug)]
struct Released;

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was closed")
    }
}

impl Error for Released {}

pub fn released() -> io::Error {
    io::Error::other(Released)
}

/// Whether that is the reason.
pub fn was_released(refused: &io::Error) -> bool {
    refused.get_ref().is_some_and(|reason| reason.is::<Released>())
}
