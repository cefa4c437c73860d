//! What runs without PyO3's frame around a call, or without a coroutine around an await, and what it goes on
//! to. It has `unsafe` of its own. It knows the base class of the queues and their store, but none of the
//! classes: these give it their methods (`calls`, `method`).

pub mod awaitable;
pub mod calls;
pub mod method;
pub mod operation;
pub mod portrait;
mod spare;
pub mod step;
