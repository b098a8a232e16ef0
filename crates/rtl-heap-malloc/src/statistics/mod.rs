//! What a program asked of its `malloc`, for the summary of `ntheap run`.
//!
//! Counting is on from the first request until the constructor has looked whether anybody wants
//! to know; where nobody does, a request pays one load and one branch that is always predicted.

mod counters;
mod page;
mod text;

pub use page::{attach, leave_to_parent, publish};
pub use text::State;

use core::sync::atomic::{AtomicBool, Ordering};

/// Whether requests are counted. They are until [`stop`] is called, so that those of the dynamic
/// linker and of early constructors are in the summary too.
static COUNTING: AtomicBool = AtomicBool::new(true);

/// Whether requests are counted.
#[inline]
pub fn is_counting() -> bool {
    COUNTING.load(Ordering::Relaxed)
}

/// Notes a request for `size` bytes.
#[inline]
pub fn count(size: usize) {
    if is_counting() {
        note(size);
    }
}

/// Nobody wants to know.
pub fn stop() {
    COUNTING.store(false, Ordering::Relaxed);
}

#[cold]
#[inline(never)]
fn note(size: usize) {
    if counters::add(size) {
        // The summary is to be there also of a program that is killed or leaves by `_exit`.
        publish(State::Running);
    }
}
