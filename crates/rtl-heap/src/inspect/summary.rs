//! Sums over a heap, front end included.

use core::ptr::NonNull;

use crate::heap::{Accounting, Heap, State};
use crate::layout::LIGHT_BLOCK_AROUND;
use crate::slab::Slab;

/// What callers hold in slots. Nobody counts them as they come and go: they are counted here.
#[derive(Default)]
struct Slots {
    blocks: usize,
    bytes: usize,
}

impl Slots {
    /// Adds the busy slots of a slab; returns the next slab of the heap.
    ///
    /// # Safety
    /// 1. The slab is listed by a heap whose lock is held.
    unsafe fn add(&mut self, slab: NonNull<Slab>) -> *mut Slab {
        // SAFETY: (1).
        let record = unsafe { slab.as_ref() };
        for slot in 0..record.slots {
            // SAFETY: (1) the slot is the slab's.
            if let Some(requested) = unsafe { Slab::requested(slab, slot) } {
                self.blocks += 1;
                self.bytes += requested;
            }
        }
        record.next_in_heap
    }
}

/// The back end's sums as users count, and what callers hold in slots. The heap's lock is held.
pub fn accounting(heap: &Heap, state: &State) -> Accounting {
    let mut sums = state.accounting;
    if heap.settings.page_heap.is_some() {
        // What the back end takes for a light block's bytes is more than its user's.
        let around = (sums.live_blocks - state.full_count) * LIGHT_BLOCK_AROUND;
        sums.live_bytes -= around;
        sums.peak_live_bytes -= around;
    }
    if let Some(front) = heap.frontend() {
        let mut slots = Slots::default();
        // SAFETY: the heap's lock is held.
        let mut at = unsafe { *front.slabs.get() };
        while let Some(slab) = NonNull::new(at) {
            // SAFETY: listed slabs are live.
            at = unsafe { slots.add(slab) };
        }
        sums.live_blocks += slots.blocks;
        sums.live_bytes += slots.bytes;
        // Slots change without the heap's lock, so their part of the peak is what is live now.
        sums.peak_live_bytes = (sums.peak_live_bytes + slots.bytes).max(sums.live_bytes);
    }
    sums
}
