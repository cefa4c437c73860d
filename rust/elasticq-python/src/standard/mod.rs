//! The standard library's side of a `Queue`: how it moves to the standard machinery, what that machinery is
//! made of, its shortest way for single items, subclasses that override `put` and `get`, and where timeouts
//! are not looked at.

pub mod at_once;
pub mod contents;
pub mod heap;
pub mod moving;
pub mod overridden;
pub mod timeouts;
