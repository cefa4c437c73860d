//! The contenders, a file for each family.

pub mod channels;
pub mod locks;
pub mod ours;
pub mod predecessor;
pub mod queues;
