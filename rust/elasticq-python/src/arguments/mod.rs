//! What arguments from Python mean: numbers and flags, settings, and how long a call waits.

pub mod numbers;
pub mod patience;
pub mod settings;
