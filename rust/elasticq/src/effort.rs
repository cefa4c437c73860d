//! How thorough random tests are. The crate's own tests and those in `tests` share this file.

/// How many cases a test runs that usually runs so many. `ELASTICQ_EFFORT` says how many times more. It is 1
/// in `make test` and 20 in `make verify`.
pub fn cases(usually: u32) -> u32 {
    usually.saturating_mul(effort())
}

/// How many times more than usual is tried.
pub fn effort() -> u32 {
    std::env::var("ELASTICQ_EFFORT").map_or(1, |effort| effort.parse().expect("ELASTICQ_EFFORT is a number"))
}
