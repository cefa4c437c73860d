//! Why a directory or a file is not used any more: its queue was given up.

use crate::error::BufferError;
use std::io;

/// [`BufferError::io`] makes `Closed` of it, whatever failed: a call may be under way while another thread
/// ends the queue, and a look may go on for longer than the queue does.
pub fn released() -> io::Error {
    io::Error::other(BufferError::Closed)
}
