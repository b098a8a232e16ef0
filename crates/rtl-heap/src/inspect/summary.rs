//! Sums over a heap, front end included.

use core::sync::atomic::Ordering;

use crate::heap::{Accounting, Heap, State};

/// The back end's sums, and what callers hold in slots. The heap's lock is held.
pub fn accounting(heap: &Heap, state: &State) -> Accounting {
    let mut sums = state.accounting;
    if let Some(front) = heap.frontend() {
        for bucket in &front.buckets {
            bucket.lock.enter();
            // SAFETY: the lock is held.
            let slots = unsafe { bucket.state() };
            sums.live_blocks += slots.live_blocks;
            sums.live_bytes += slots.live_bytes;
            bucket.lock.leave();
        }
        // Slots change without the heap's lock, so their part of the peak is what is live now.
        let slots = front.live_bytes.load(Ordering::Relaxed);
        sums.peak_live_bytes = (sums.peak_live_bytes + slots).max(sums.live_bytes);
    }
    sums
}
