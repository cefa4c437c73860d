//! How threads and tasks wait, whatever they wait for, and when a task that need not wait gives way all the
//! same.

pub mod bells;
pub mod futures;
pub mod line;
pub mod loops;
pub mod pending;
pub mod tasks;
pub mod threads;
pub mod turns;
