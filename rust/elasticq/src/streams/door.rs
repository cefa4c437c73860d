//! `Door`: closes a queue when the last one who holds it lets go.

use crate::buffer::Buffer;
use std::fmt;
use std::sync::Arc;

/// Whoever shares this may still put items in, or take them.
pub struct Door<B: ?Sized> {
    buffer: Arc<B>,
    /// Here, so that the type needs to know nothing of the items.
    close: fn(&B),
}

impl<B: ?Sized> Door<B> {
    pub fn new<T>(buffer: &Arc<B>) -> Self
    where
        B: Buffer<T>,
    {
        Self { buffer: Arc::clone(buffer), close: B::close }
    }
}

impl<B: ?Sized> Drop for Door<B> {
    fn drop(&mut self) {
        (self.close)(&self.buffer);
    }
}

impl<B: ?Sized> fmt::Debug for Door<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}
