//! How much room a queue has, beyond what its buffer knows: the policy for items that find none, and weights.

pub mod overflow;
pub mod weights;
