//! The Rust code of the README and of the documentation's pages, as tests: `cargo test --doc --package
//! elasticq-pages --all-features`.
//!
//! A build script finds the blocks (`build.rs`), since a crate that is published can't read files outside its
//! folder. Each block runs in a process and in an empty folder of its own.

#[cfg(all(doctest, feature = "pages"))]
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

use std::io;
use tempfile::TempDir;

/// Moves this process to an empty folder, which is gone when the value is dropped.
///
/// # Errors
/// When the system has no folder for temporary files.
pub fn folder() -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    std::env::set_current_dir(folder.path())?;
    Ok(folder)
}
