//! What the ends of all queues share.

use std::iter;

/// `consumed` as long as there are consumers.
pub(super) const NOT_YET: u64 = u64::MAX;

/// Drops all items that `next` gives. If the drop of one item panics, the items behind it are dropped all the
/// same, as in a `Vec`.
pub(super) fn drop_all<T>(next: impl FnMut() -> Option<T>) {
    struct Rest<I: Iterator>(I);

    impl<I: Iterator> Drop for Rest<I> {
        fn drop(&mut self) {
            self.0.by_ref().for_each(drop);
        }
    }

    let mut rest = Rest(iter::from_fn(next));
    rest.0.by_ref().for_each(drop);
}
