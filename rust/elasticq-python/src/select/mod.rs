//! Waiting for several queues at once: `threads` has `select`; `selection` is what `aselect` awaits, for
//! tasks; and `sources` are the queues as both see them.
//!
//! **Exactly one item** leaves exactly one queue, and none if the call raises. A selector stands in the line
//! of each queue, as one that waits for that queue alone. When it is woken it looks at all of them.
//!
//! **No wake-up is lost.** A selector that was woken for one queue may take the item of another, or none
//! since it is interrupted. Then it wakes the next in the first queue's line. A queue over which nobody
//! selects pays nothing for this.
//!
//! **Order.** Each search begins at another queue: at the next point of a sequence that comes to all of them
//! equally often, in whatever pattern a thread calls (the multiples of the golden ratio, modulo 1). A number
//! that only counts the calls would not do: a thread that makes two kinds of calls in turns would begin each
//! kind at the same queue, always.

pub mod selection;
mod sources;
pub mod threads;
