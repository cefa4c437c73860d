//! How threads and tasks wait, whatever they wait for, and when a task that need not wait gives way all the
//! same.

pub mod line;
pub mod loops;
pub mod tasks;
pub mod threads;
pub mod turns;
