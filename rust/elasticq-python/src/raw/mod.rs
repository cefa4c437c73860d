//! The innermost part: all `unsafe` of the binding stands in this folder.

pub mod detach;
pub mod lists;
pub mod lock;
