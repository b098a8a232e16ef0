//! Who allocated a block: taken before a heap is entered, remembered while the block lives, told in
//! reports.

use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::stack_database::{self, Trace};

/// The trace of the caller who wants a block of `size` bytes, if the heap remembers such. No heap's
/// lock may be held.
pub fn captured(heap: &Heap, size: usize) -> Option<Trace> {
    let traces = heap
        .settings
        .flags
        .contains(HeapFlags::CAPTURE_STACK_BACKTRACES);
    traces.then(|| stack_database::capture(size)).flatten()
}

/// A block is its caller's now. A trace that an earlier block left there goes.
pub fn note_allocated(state: &mut State, block: usize, trace: Option<Trace>) {
    match trace.filter(|_| state.traces.records) {
        Some(trace) => state.traces.insert(block, trace),
        None => state.traces.remove(block),
    }
}

/// Adds to a report who allocated the block it is of.
pub fn explain(state: &State, mut refusal: Refusal) -> Refusal {
    if let Refusal::Failure(failure) = &mut refusal {
        failure.allocated_by = state.traces.get(failure.address).unwrap_or_default();
    }
    refusal
}
