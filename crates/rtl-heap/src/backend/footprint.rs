//! What is kept for later must not be what makes the process large.
//!
//! Warm pages and the reservations of freed large blocks save calls and page faults to a heap that uses
//! the same memory again. A heap that commits more than it ever did has no use for them where it
//! grows: together with what is committed they take no more, but for a little, than was once
//! committed, so that the most the heap holds is hardly more than the most its program needed.

use crate::backend::{large, warm};
use crate::heap::{Heap, State};

/// That little: this part of what is committed, and at least so many bytes.
const PART: usize = 32;
const LEAST: usize = 2 << 20;

/// Pages were committed that the system had to provide: gives some of what is kept back if that makes the
/// heap hold too much.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline]
pub unsafe fn after_commit(heap: &Heap, state: &mut State) {
    let (sums, large) = (&state.accounting, state.kept_large.bytes());
    let kept = sums.warm + large;
    let most = sums.peak_committed + LEAST.max(sums.committed / PART);
    if kept > LEAST && sums.committed + kept > most {
        // SAFETY: (1).
        unsafe { give_back(heap, state, sums.committed + kept - most) };
    }
}

/// Gives `bytes` back, or a part of what may be kept if that is more, lest the next commit comes here again.
///
/// # Safety
/// 1. As for [`after_commit`].
#[cold]
unsafe fn give_back(heap: &Heap, state: &mut State, bytes: usize) {
    let mut left = bytes.max(LEAST / 4);
    // SAFETY: (1).
    while let Some(gone) = unsafe { large::release_oldest(heap, state) } {
        left = left.saturating_sub(gone);
        if left == 0 {
            return;
        }
    }
    let warm = state.accounting.warm.saturating_sub(left);
    // SAFETY: (1).
    unsafe { warm::give_back(heap, state, warm) };
}
